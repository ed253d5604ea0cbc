// SPDX-License-Identifier: MIT
#include "flow/sandbox.h"
#include "flow/text_functions.h"
#include <lauxlib.h>
#include <string.h>

/* nil counts as an empty table. */
static void table_argument(lua_State *lua, int index)
{
    if (lua_isnoneornil(lua, index) || lua_islightuserdata(lua, index)) {
        lua_settop(lua, lua_gettop(lua) < index ? index : lua_gettop(lua));
        lua_newtable(lua);
        lua_replace(lua, index);
    }
    luaL_checktype(lua, index, LUA_TTABLE);
}

static int key_rank(lua_State *lua, int index)
{
    int type = lua_type(lua, index);

    if (type != LUA_TNUMBER && type != LUA_TSTRING)
        luaL_error(lua, "pairs() wants keys that are numbers or text");
    return type == LUA_TSTRING;
}

/* Numbers before text; text by its bytes, not by the locale. */
static int key_less(lua_State *lua)
{
    int left = key_rank(lua, 1), right = key_rank(lua, 2);
    struct slice a, b;

    if (left != right) {
        lua_pushboolean(lua, left < right);
    } else if (left == 0) {
        lua_pushboolean(lua, lua_compare(lua, 1, 2, LUA_OPLT));
    } else {
        a.data = lua_tolstring(lua, 1, &a.size);
        b.data = lua_tolstring(lua, 2, &b.size);
        lua_pushboolean(lua, slice_compare(a, b) < 0);
    }
    return 1;
}

/* Upvalues: the table, its sorted keys, how many were given. */
static int next_pair(lua_State *lua)
{
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(3));

    for (;;) {
        sandbox_charge(lua, 1);
        if (lua_rawgeti(lua, lua_upvalueindex(2), ++at) == LUA_TNIL)
            return 1;
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNIL)
            break;
        lua_pop(lua, 2);
    }
    lua_pushinteger(lua, at);
    lua_replace(lua, lua_upvalueindex(3));
    return 2;
}

/* Upvalue: the charged table.sort. */
static int call_pairs(lua_State *lua)
{
    lua_Integer count = 0;

    lua_settop(lua, 1);
    table_argument(lua, 1);
    lua_newtable(lua);
    lua_pushnil(lua);
    while (lua_next(lua, 1)) {
        sandbox_charge(lua, 1);
        lua_pop(lua, 1);
        key_rank(lua, -1);
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, 2, ++count);
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, 2);
    lua_pushcfunction(lua, key_less);
    lua_call(lua, 2, 0);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_pair, 3);
    return 1;
}

static int next_item(lua_State *lua)
{
    lua_Integer at = luaL_checkinteger(lua, 2) + 1;

    sandbox_charge(lua, 1);
    lua_pushinteger(lua, at);
    return lua_rawgeti(lua, 1, at) == LUA_TNIL ? 1 : 2;
}

static int call_ipairs(lua_State *lua)
{
    lua_settop(lua, 1);
    table_argument(lua, 1);
    lua_pushcfunction(lua, next_item);
    lua_insert(lua, 1);
    lua_pushinteger(lua, 0);
    return 3;
}

static int call_count(lua_State *lua)
{
    lua_Integer count = 0;

    lua_settop(lua, 1);
    table_argument(lua, 1);
    lua_pushnil(lua);
    while (lua_next(lua, 1)) {
        sandbox_charge(lua, 1);
        lua_pop(lua, 1);
        count++;
    }
    lua_pushinteger(lua, count);
    return 1;
}

static int call_first(lua_State *lua)
{
    lua_settop(lua, 1);
    table_argument(lua, 1);
    lua_rawgeti(lua, 1, 1);
    return 1;
}

static int call_last(lua_State *lua)
{
    lua_settop(lua, 1);
    table_argument(lua, 1);
    lua_rawgeti(lua, 1, (lua_Integer)lua_rawlen(lua, 1));
    return 1;
}

/* Pushes item `at` of the list, or its field when argument 3 names one. */
static void push_item(lua_State *lua, lua_Integer at)
{
    sandbox_charge(lua, 2);
    lua_rawgeti(lua, 1, at);
    if (lua_isnil(lua, 3))
        return;
    if (!lua_istable(lua, -1))
        luaL_error(lua, "item %d of the list has no fields; leave the last argument out", (int)at);
    lua_pushvalue(lua, 3);
    lua_rawget(lua, -2);
    lua_remove(lua, -2);
}

/* join(list, separator, field): items without a value are left out. */
static int call_join(lua_State *lua)
{
    luaL_Buffer joined;
    struct slice separator, text;
    bool is_first = true;

    lua_settop(lua, 3);
    table_argument(lua, 1);
    separator = lua_isnil(lua, 2) ? SLICE(", ") : text_argument(lua, 2);
    luaL_buffinit(lua, &joined);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(lua, 1); i++) {
        push_item(lua, i);
        if (lua_isnil(lua, -1) || lua_islightuserdata(lua, -1)) {
            lua_pop(lua, 1);
            continue;
        }
        text = text_argument(lua, lua_gettop(lua));
        /* The item must be at the top for luaL_addvalue(), so the separator goes in below it. */
        if (!is_first) {
            lua_pushlstring(lua, separator.data, separator.size);
            lua_pushlstring(lua, text.data, text.size);
            lua_concat(lua, 2);
            lua_remove(lua, -2);
        }
        luaL_addvalue(&joined);
        is_first = false;
    }
    luaL_pushresult(&joined);
    return 1;
}

/* sum(list, field) of integers; amounts in text must go through minor() first. */
static int call_sum(lua_State *lua)
{
    int64_t total = 0;

    lua_settop(lua, 2);
    table_argument(lua, 1);
    lua_pushvalue(lua, 2); /* where push_item() looks for the field */
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(lua, 1); i++) {
        push_item(lua, i);
        if (!lua_isnil(lua, -1) && !lua_islightuserdata(lua, -1)) {
            if (!lua_isinteger(lua, -1))
                return luaL_error(lua, "item %d of the list is no integer; turn amounts into minor(amount, currency)",
                                  (int)i);
            if (__builtin_add_overflow(total, lua_tointeger(lua, -1), &total))
                return luaL_error(lua, "the sum is past 64 bits");
        }
        lua_pop(lua, 1);
    }
    lua_pushinteger(lua, total);
    return 1;
}

static const luaL_Reg list_functions[] = {
    {"ipairs", call_ipairs}, {"count", call_count}, {"first", call_first}, {"last", call_last},
    {"join", call_join},     {"sum", call_sum},     {NULL, NULL},
};

void list_functions_open(lua_State *lua, int environment)
{
    lua_pushvalue(lua, environment);
    luaL_setfuncs(lua, list_functions, 0);
    lua_getfield(lua, -1, "table");
    lua_getfield(lua, -1, "sort");
    lua_pushcclosure(lua, call_pairs, 1);
    lua_setfield(lua, environment, "pairs");
    lua_pop(lua, 2);
}
