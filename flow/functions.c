// SPDX-License-Identifier: MIT
#include "flow/civil.h"
#include "flow/money.h"
#include "flow/sandbox.h"
#include "flow/text_functions.h"
#include <inttypes.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

static int pushed_scratch(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);

    sandbox_charge(lua, sandbox->scratch.size / 16);
    lua_pushlstring(lua, sandbox->scratch.size ? sandbox->scratch.data : "", sandbox->scratch.size);
    return 1;
}

static struct buffer *cleared_scratch(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);

    buffer_clear(&sandbox->scratch);
    return &sandbox->scratch;
}

static int call_money(lua_State *lua)
{
    int64_t minor = luaL_checkinteger(lua, 1);
    struct slice currency = text_argument(lua, 2);
    int exponent = money_exponent(currency);
    struct buffer *out = cleared_scratch(lua);

    if (exponent < 0)
        return luaL_error(lua, "money() wants a currency of three capital letters, for example money(19900, \"EUR\")");
    money_print(out, minor, exponent);
    buffer_text(out, " ");
    buffer_append(out, currency.data, currency.size);
    return pushed_scratch(lua);
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

/* An instant as integer milliseconds or as ISO 8601 text with its offset. */
static int64_t instant_argument(lua_State *lua, int index)
{
    int64_t ms = 0;

    if (lua_isinteger(lua, index)) {
        ms = lua_tointeger(lua, index);
        if (ms < -INT64_C(62135596800000) || ms > INT64_C(253402300799999))
            luaL_error(lua, "the time lies outside the years 1 to 9999; it is counted in milliseconds since 1970");
    } else if (lua_type(lua, index) != LUA_TSTRING || !civil_read_instant(text_argument(lua, index), &ms)) {
        luaL_error(lua, "a time is wanted: milliseconds, or text like \"2026-11-22T09:30:00+01:00\" with its offset");
    }
    return ms;
}

static int call_ms(lua_State *lua)
{
    lua_pushinteger(lua, instant_argument(lua, 1));
    return 1;
}

static const struct zone *zone_argument(lua_State *lua, int index)
{
    struct expression_engine *engine = sandbox_of(lua)->engine;
    const char *name = luaL_optstring(lua, index, "UTC");
    struct zone *zone;

    for (size_t i = 0; i < engine->zone_count; i++)
        if (strcmp(zone_name(engine->zones[i]), name) == 0)
            return engine->zones[i];
    sandbox_charge(lua, 1000);
    zone = zone_open(name);
    if (zone == NULL)
        luaL_error(lua, "there is no time zone \"%s\"; write one like \"Europe/Berlin\" or \"UTC\"", name);
    if (engine->zone_count == SANDBOX_ZONES_MAX)
        zone_close(&engine->zones[--engine->zone_count]);
    engine->zones[engine->zone_count++] = zone;
    return zone;
}

static const char *const weekday_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                            "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};

static bool append_clock(struct buffer *out, const struct civil *civil, char letter)
{
    switch (letter) {
    case 'H':
        buffer_printf(out, "%02d", civil->hour);
        return true;
    case 'I':
        buffer_printf(out, "%02d", civil->hour % 12 == 0 ? 12 : civil->hour % 12);
        return true;
    case 'M':
        buffer_printf(out, "%02d", civil->minute);
        return true;
    case 'S':
        buffer_printf(out, "%02d", civil->second);
        return true;
    case 'p':
        buffer_text(out, civil->hour < 12 ? "AM" : "PM");
        return true;
    case 'R':
        buffer_printf(out, "%02d:%02d", civil->hour, civil->minute);
        return true;
    case 'T':
        buffer_printf(out, "%02d:%02d:%02d", civil->hour, civil->minute, civil->second);
        return true;
    case '%':
        buffer_text(out, "%");
        return true;
    default:
        return false;
    }
}

static bool append_calendar(struct buffer *out, const struct civil *civil, char letter)
{
    int weekday = civil_weekday(civil_days(civil->year, civil->month, civil->day));

    switch (letter) {
    case 'Y':
        buffer_printf(out, "%04d", (int)civil->year);
        return true;
    case 'y':
        buffer_printf(out, "%02d", (int)(civil->year % 100));
        return true;
    case 'm':
        buffer_printf(out, "%02d", civil->month);
        return true;
    case 'd':
        buffer_printf(out, "%02d", civil->day);
        return true;
    case 'e':
        buffer_printf(out, "%d", civil->day);
        return true;
    case 'j':
        buffer_printf(out, "%03d", civil_year_day(civil));
        return true;
    case 'u':
        buffer_printf(out, "%d", weekday == 0 ? 7 : weekday);
        return true;
    case 'F':
        buffer_printf(out, "%04d-%02d-%02d", (int)civil->year, civil->month, civil->day);
        return true;
    case 'a':
        buffer_printf(out, "%.3s", weekday_names[weekday]);
        return true;
    case 'A':
        buffer_text(out, weekday_names[weekday]);
        return true;
    case 'b':
        buffer_printf(out, "%.3s", month_names[civil->month - 1]);
        return true;
    case 'B':
        buffer_text(out, month_names[civil->month - 1]);
        return true;
    default:
        return false;
    }
}

static bool append_zone(struct buffer *out, const struct zone_offset *offset, char letter)
{
    int minutes = (offset->seconds < 0 ? -offset->seconds : offset->seconds) / 60;

    if (letter == 'Z')
        buffer_text(out, offset->name);
    else if (letter == 'z')
        buffer_printf(out, "%c%02d:%02d", offset->seconds < 0 ? '-' : '+', minutes / 60, minutes % 60);
    return letter == 'Z' || letter == 'z';
}

static int call_date(lua_State *lua)
{
    int64_t seconds = civil_floor(instant_argument(lua, 1), 1000);
    struct slice format = lua_isnoneornil(lua, 2) ? SLICE("%Y-%m-%d %H:%M") : text_argument(lua, 2);
    const struct zone *zone = zone_argument(lua, 3);
    struct zone_offset offset = zone_offset_at(zone, seconds);
    struct civil civil = zone_local(zone, seconds);
    struct buffer *out = cleared_scratch(lua);

    sandbox_charge(lua, format.size);
    for (size_t i = 0; i < format.size; i++) {
        char letter = i + 1 < format.size ? format.data[i + 1] : '\0';
        if (format.data[i] != '%') {
            buffer_append(out, format.data + i, 1);
            continue;
        }
        i++;
        if (!append_clock(out, &civil, letter) && !append_calendar(out, &civil, letter) &&
            !append_zone(out, &offset, letter))
            return luaL_error(lua,
                              "date() knows no %%%c; write letters of \"%%Y %%m %%d %%e %%H %%M %%S %%A %%a "
                              "%%B %%b %%F %%T %%R %%I %%p %%j %%u %%y %%Z %%z\"",
                              letter >= ' ' && letter <= '~' ? letter : '?');
    }
    return pushed_scratch(lua);
}

/* number(x, decimals, thousands, point): "1,234.50". */
static int call_number(lua_State *lua)
{
    lua_Integer decimals = luaL_optinteger(lua, 2, 0);
    struct slice thousands = lua_isnoneornil(lua, 3) ? SLICE(",") : text_argument(lua, 3);
    const char *point = luaL_optstring(lua, 4, ".");
    struct buffer *out = cleared_scratch(lua);
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
    return pushed_scratch(lua);
}

static int call_json(lua_State *lua)
{
    struct buffer *out = cleared_scratch(lua);
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
    return pushed_scratch(lua);
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
    {"money", call_money},
    {"minor", call_minor},
    {"ms", call_ms},
    {"date", call_date},
    {"number", call_number},
    {"json", call_json},
    {"filled", call_filled},
    {"default", call_default},
    {"type", call_type},
    {"round", call_round},
    {NULL, NULL},
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
        "assert", "contains", "count",  "date",     "default",  "ends",  "error",  "filled",  "first", "format",
        "html",   "ipairs",   "join",   "json",     "last",     "len",   "lower",  "math",    "minor", "money",
        "ms",     "null",     "number", "pairs",    "replace",  "round", "select", "shorten", "split", "starts",
        "sub",    "sum",      "table",  "tonumber", "tostring", "trim",  "type",   "upper",   NULL};

    return names;
}
