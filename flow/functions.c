// SPDX-License-Identifier: MIT
#include "flow/money.h"
#include "flow/sandbox.h"
#include "flow/text_functions.h"
#include <inttypes.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

static int call_money(lua_State *lua)
{
    int64_t minor = luaL_checkinteger(lua, 1);
    struct slice currency = text_argument(lua, 2);
    int exponent = money_exponent(currency);
    struct buffer *out = scratch_cleared(lua);

    if (exponent < 0)
        return luaL_error(lua, "money() wants a currency of three capital letters, for example money(19900, \"EUR\")");
    money_print(out, minor, exponent);
    buffer_text(out, " ");
    buffer_append(out, currency.data, currency.size);
    return scratch_push(lua);
}

static int call_minor(lua_State *lua)
{
    struct slice amount, currency = text_argument(lua, 2);
    int64_t minor;

    if (lua_type(lua, 1) != LUA_TSTRING && !lua_isinteger(lua, 1))
        return luaL_error(lua, "minor() wants the amount as text, for example minor(\"199.00\", \"EUR\")");
    amount = text_argument(lua, 1);
    if (money_exponent(currency) < 0)
        return luaL_error(lua, "minor() wants a currency of three capital letters, for example \"EUR\"");
    if (!money_read(amount, currency, &minor))
        return luaL_error(lua, "the amount is not a decimal number that %s can hold, such as \"199%s\"",
                          lua_tostring(lua, 2), money_exponent(currency) == 0 ? "" : ".00");
    lua_pushinteger(lua, minor);
    return 1;
}

/* number(x, decimals, thousands, point): "1,234.50". */
static int call_number(lua_State *lua)
{
    lua_Integer decimals = luaL_optinteger(lua, 2, 0);
    struct slice thousands = lua_isnoneornil(lua, 3) ? SLICE(",") : text_argument(lua, 3);
    const char *point = luaL_optstring(lua, 4, ".");
    struct buffer *out = scratch_cleared(lua);
    char digits[400];
    size_t whole, sign;

    luaL_argcheck(lua, decimals >= 0 && decimals <= 10, 2, "0 to 10 decimals are possible");
    luaL_argcheck(lua, thousands.size <= 8 && strlen(point) <= 8, 3, "separators have at most 8 bytes");
    if (lua_isinteger(lua, 1))
        snprintf(digits, sizeof digits, "%" PRId64 ".%0*d", (int64_t)lua_tointeger(lua, 1), (int)decimals, 0);
    else
        snprintf(digits, sizeof digits, "%.*f", (int)decimals, luaL_checknumber(lua, 1));
    sign = digits[0] == '-';
    whole = strspn(digits + sign, "0123456789");
    luaL_argcheck(lua, whole > 0, 1, "the number is not finite");
    buffer_append(out, digits, sign);
    for (size_t i = 0; i < whole; i++) {
        if (i > 0 && (whole - i) % 3 == 0)
            buffer_append(out, thousands.data, thousands.size);
        buffer_append(out, digits + sign + i, 1);
    }
    if (decimals > 0) {
        buffer_text(out, point);
        buffer_append(out, digits + sign + whole + 1, (size_t)decimals);
    }
    return scratch_push(lua);
}

static int call_json(lua_State *lua)
{
    struct buffer *out = scratch_cleared(lua);
    const char *wrong;
    json_t *value;

    luaL_checkany(lua, 1);
    sandbox_charge(lua, 100);
    value = sandbox_to_json(lua, 1, &wrong);
    if (value == NULL)
        return luaL_error(lua, "%s", wrong);
    json_write(out, value);
    json_decref(value);
    sandbox_charge(lua, out->size);
    return scratch_push(lua);
}

static bool is_filled(lua_State *lua, int index)
{
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
    case LUA_TNONE:
    case LUA_TLIGHTUSERDATA:
        return false;
    case LUA_TSTRING: {
        size_t size;
        const char *text = lua_tolstring(lua, index, &size);
        return strspn(text, " \t\r\n") < size;
    }
    case LUA_TTABLE:
        lua_pushnil(lua);
        if (!lua_next(lua, index))
            return false;
        lua_pop(lua, 2);
        return true;
    default:
        return true;
    }
}

/* filled(a, b, ...): the first one that holds something, or nil. */
static int call_filled(lua_State *lua)
{
    int count = lua_gettop(lua);

    luaL_checkstack(lua, 4, NULL);
    for (int i = 1; i <= count; i++)
        if (is_filled(lua, i)) {
            lua_pushvalue(lua, i);
            return 1;
        }
    lua_pushnil(lua);
    return 1;
}

static int call_default(lua_State *lua)
{
    lua_settop(lua, 2);
    lua_pushvalue(lua, is_filled(lua, 1) ? 1 : 2);
    return 1;
}

static int call_type(lua_State *lua)
{
    luaL_checkany(lua, 1);
    lua_pushstring(lua, lua_islightuserdata(lua, 1) ? "null" : luaL_typename(lua, 1));
    return 1;
}

static int call_round(lua_State *lua)
{
    lua_Number value = luaL_checknumber(lua, 1);
    lua_Number whole = (lua_Number)(int64_t)0;

    if (lua_isinteger(lua, 1)) {
        lua_settop(lua, 1);
        return 1;
    }
    luaL_argcheck(lua, value > -9e15 && value < 9e15, 1, "the number is too large to round");
    whole = (lua_Number)(int64_t)(value < 0 ? value - 0.5 : value + 0.5);
    lua_pushinteger(lua, (lua_Integer)whole);
    return 1;
}

static int call_charged(lua_State *lua)
{
    size_t size = lua_type(lua, 1) == LUA_TTABLE ? lua_rawlen(lua, 1) : 0;

    sandbox_charge(lua, 10 + size / (lua_toboolean(lua, lua_upvalueindex(2)) ? 1 : 8));
    if (lua_toboolean(lua, lua_upvalueindex(2)))
        for (size_t rest = size; rest > 1; rest /= 2)
            sandbox_charge(lua, size);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
    return lua_gettop(lua);
}

static const luaL_Reg value_functions[] = {
    {"money", call_money}, {"minor", call_minor},   {"number", call_number},
    {"json", call_json},   {"filled", call_filled}, {"default", call_default},
    {"type", call_type},   {"round", call_round},   {NULL, NULL},
};

/* Copies the fields of the table at the top into a new table, and pops the old one. */
static void keep_fields(lua_State *lua, const char *const *names)
{
    lua_newtable(lua);
    for (; *names != NULL; names++) {
        lua_getfield(lua, -2, *names);
        lua_setfield(lua, -2, *names);
    }
    lua_remove(lua, -2);
}

static void open_base(lua_State *lua, int environment)
{
    static const char *const names[] = {"tonumber", "select", "error", "assert", NULL};

    lua_pushcfunction(lua, luaopen_base);
    lua_call(lua, 0, 1);
    for (size_t i = 0; names[i] != NULL; i++) {
        lua_getfield(lua, -1, names[i]);
        lua_setfield(lua, environment, names[i]);
    }
    lua_pop(lua, 1);
}

static void open_math(lua_State *lua, int environment)
{
    static const char *const names[] = {"abs", "ceil",       "floor", "fmod", "huge",      "max", "maxinteger",
                                        "min", "mininteger", "pi",    "sqrt", "tointeger", NULL};

    lua_pushcfunction(lua, luaopen_math);
    lua_call(lua, 0, 1);
    keep_fields(lua, names);
    lua_setfield(lua, environment, "math");
}

/* Functions of tables work unseen by the step counter, so they are charged for the table's size. */
static void open_table(lua_State *lua, int environment)
{
    static const char *const names[] = {"concat", "insert", "remove", "sort", NULL};

    lua_pushcfunction(lua, luaopen_table);
    lua_call(lua, 0, 1);
    lua_newtable(lua);
    for (size_t i = 0; names[i] != NULL; i++) {
        lua_getfield(lua, -2, names[i]);
        lua_pushboolean(lua, strcmp(names[i], "sort") == 0);
        lua_pushcclosure(lua, call_charged, 2);
        lua_setfield(lua, -2, names[i]);
    }
    lua_remove(lua, -2);
    lua_setfield(lua, environment, "table");
}

void functions_open(lua_State *lua)
{
    int environment;

    lua_newtable(lua);
    environment = lua_gettop(lua);
    open_base(lua, environment);
    open_math(lua, environment);
    open_table(lua, environment);
    luaL_setfuncs(lua, value_functions, 0);
    text_functions_open(lua, environment);
    list_functions_open(lua, environment);
    path_functions_open(lua, environment);
    date_functions_open(lua, environment);
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, environment, "null");
    lua_pushnil(lua);
    lua_newtable(lua);
    lua_newtable(lua);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
    lua_pushlightuserdata(lua, NULL);
    lua_pushnil(lua);
    lua_getmetatable(lua, -1);
    lua_setmetatable(lua, -3);
    lua_pop(lua, 2);
}

const char *const *functions_names(void)
{
    static const char *const names[] = {
        "add",      "assert",      "at",     "base64",    "contains", "count",    "date",     "days",
        "default",  "duration_ms", "ends",   "error",     "filled",   "first",    "fit",      "format",
        "hash",     "html",        "ipairs", "iso",       "join",     "json",     "last",     "len",
        "lower",    "math",        "minor",  "money",     "ms",       "null",     "number",   "pairs",
        "pluck",    "replace",     "round",  "select",    "shorten",  "slice",    "slug",     "split",
        "start_of", "starts",      "sub",    "sum",       "table",    "tonumber", "tostring", "trim",
        "type",     "unique",      "upper",  "urlencode", "weekday",  "where",    NULL};

    return names;
}
