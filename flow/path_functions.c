// SPDX-License-Identifier: MIT
#include "flow/sandbox.h"
#include "flow/text_functions.h"
#include <lauxlib.h>
#include <string.h>

enum { PATH_KEYS_MAX = 64 };

static bool is_nothing(lua_State *lua, int index)
{
    return lua_isnoneornil(lua, index) || lua_islightuserdata(lua, index);
}

static void push_new_list(lua_State *lua)
{
    lua_newtable(lua);
    luaL_newmetatable(lua, "list");
    lua_setmetatable(lua, -2);
}

/* nil counts as an empty list. */
static lua_Integer list_argument(lua_State *lua, int index)
{
    if (is_nothing(lua, index)) {
        lua_newtable(lua);
        lua_replace(lua, index);
    }
    if (!lua_istable(lua, index))
        luaL_argerror(lua, index, "a list is wanted");
    return (lua_Integer)lua_rawlen(lua, index);
}

/* A position such as "0" or "-1"; lists are counted from 0 in a path. */
static bool read_position(struct slice key, lua_Integer *position)
{
    size_t digits = key.size - (key.size > 0 && key.data[0] == '-');

    if (digits == 0 || digits > 9)
        return false;
    *position = 0;
    for (size_t i = key.size - digits; i < key.size; i++) {
        if (key.data[i] < '0' || key.data[i] > '9')
            return false;
        *position = *position * 10 + (key.data[i] - '0');
    }
    if (digits < key.size)
        *position = -*position;
    return true;
}

/* Replaces the value at the top by what it has under `key`; a field first, then a position in a list. */
static void step_into(lua_State *lua, struct slice key)
{
    lua_Integer position;

    sandbox_charge(lua, 2);
    if (!lua_istable(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushnil(lua);
        return;
    }
    lua_pushlstring(lua, key.data, key.size);
    lua_rawget(lua, -2);
    if (lua_isnil(lua, -1) && read_position(key, &position)) {
        lua_pop(lua, 1);
        position += position < 0 ? (lua_Integer)lua_rawlen(lua, -1) + 1 : 1;
        lua_rawgeti(lua, -1, position);
    }
    lua_remove(lua, -2);
}

/* Replaces the value at the top by what lies at the path ("line_items.0.sku"); an empty path is the value itself. */
static void follow(lua_State *lua, struct slice path)
{
    for (int keys = 0; path.size > 0; keys++) {
        const char *dot = memchr(path.data, '.', path.size);
        size_t size = dot != NULL ? (size_t)(dot - path.data) : path.size;
        size_t passed = size + (dot != NULL);

        if (keys == PATH_KEYS_MAX)
            luaL_error(lua, "the path has more than %d parts", PATH_KEYS_MAX);
        step_into(lua, (struct slice){path.data, size});
        path = (struct slice){path.data + passed, path.size - passed};
    }
}

static int call_at(lua_State *lua)
{
    struct slice path;

    lua_settop(lua, 2);
    path = text_argument(lua, 2);
    lua_pushvalue(lua, 1);
    follow(lua, path);
    return 1;
}

/* where(list, path, value): the items that have it; without a value those that have anything but false there. */
static int call_where(lua_State *lua)
{
    bool has_value = lua_gettop(lua) >= 3;
    lua_Integer count, kept = 0;
    struct slice path;

    lua_settop(lua, 3);
    count = list_argument(lua, 1);
    path = text_argument(lua, 2);
    push_new_list(lua);
    for (lua_Integer i = 1; i <= count; i++) {
        bool fits;
        lua_rawgeti(lua, 1, i);
        lua_pushvalue(lua, -1);
        follow(lua, path);
        fits = !has_value           ? !is_nothing(lua, -1) && lua_toboolean(lua, -1)
               : is_nothing(lua, 3) ? is_nothing(lua, -1)
                                    : lua_rawequal(lua, -1, 3);
        lua_pop(lua, 1);
        if (fits)
            lua_rawseti(lua, 4, ++kept);
        else
            lua_pop(lua, 1);
    }
    return 1;
}

/* pluck(list, path): what the items have there; those that have nothing are left out. */
static int call_pluck(lua_State *lua)
{
    lua_Integer count, kept = 0;
    struct slice path;

    lua_settop(lua, 2);
    count = list_argument(lua, 1);
    path = text_argument(lua, 2);
    push_new_list(lua);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, 1, i);
        follow(lua, path);
        if (is_nothing(lua, -1))
            lua_pop(lua, 1);
        else
            lua_rawseti(lua, 3, ++kept);
    }
    return 1;
}

/* unique(list, path): the first item of each value; nil and null are one value. */
static int call_unique(lua_State *lua)
{
    lua_Integer count, kept = 0;
    struct slice path;

    lua_settop(lua, 2);
    count = list_argument(lua, 1);
    path = text_argument(lua, 2);
    push_new_list(lua);
    lua_newtable(lua);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, 1, i);
        lua_pushvalue(lua, -1);
        follow(lua, path);
        if (lua_istable(lua, -1) || lua_isfunction(lua, -1))
            return luaL_error(lua, "unique() compares text and numbers; name a field: unique(list, \"id\")");
        if (lua_isnil(lua, -1)) {
            lua_pop(lua, 1);
            lua_pushlightuserdata(lua, NULL);
        }
        lua_pushvalue(lua, -1);
        if (lua_rawget(lua, 4) != LUA_TNIL) {
            lua_pop(lua, 3);
            continue;
        }
        lua_pop(lua, 1);
        lua_pushboolean(lua, true);
        lua_settable(lua, 4);
        lua_rawseti(lua, 3, ++kept);
    }
    lua_settop(lua, 3);
    return 1;
}

/* slice(list, from, to) with positions as in sub(): from 1, negative ones from the end. */
static int call_slice(lua_State *lua)
{
    lua_Integer count, from, to, kept = 0;

    lua_settop(lua, 3);
    count = list_argument(lua, 1);
    from = luaL_checkinteger(lua, 2);
    to = luaL_optinteger(lua, 3, -1);
    from = from < 0 ? (from < -count ? 1 : count + from + 1) : from == 0 ? 1 : from;
    to = to < 0 ? (to < -count ? 0 : count + to + 1) : to > count ? count : to;
    push_new_list(lua);
    for (lua_Integer i = from; i <= to; i++) {
        sandbox_charge(lua, 1);
        lua_rawgeti(lua, 1, i);
        lua_rawseti(lua, 4, ++kept);
    }
    return 1;
}

static const luaL_Reg path_functions[] = {
    {"at", call_at},         {"where", call_where}, {"pluck", call_pluck},
    {"unique", call_unique}, {"slice", call_slice}, {NULL, NULL},
};

void path_functions_open(lua_State *lua, int environment)
{
    lua_pushvalue(lua, environment);
    luaL_setfuncs(lua, path_functions, 0);
    lua_pop(lua, 1);
}
