// SPDX-License-Identifier: MIT
#include "flow/civil.h"
#include "flow/sandbox.h"
#include "flow/text_functions.h"
#include <lauxlib.h>
#include <string.h>

/* Durations reach no further than times do. */
#define DURATION_MS_MAX (INT64_C(9999) * 366 * 86400000)
#define INSTANT_MS_MIN (-INT64_C(62135596800000))
#define INSTANT_MS_MAX INT64_C(253402300799999)

/* An instant as integer milliseconds or as ISO 8601 text with its offset. */
static int64_t instant_argument(lua_State *lua, int index)
{
    int64_t ms = 0;

    if (lua_isinteger(lua, index)) {
        ms = lua_tointeger(lua, index);
        if (ms < INSTANT_MS_MIN || ms > INSTANT_MS_MAX)
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
    struct buffer *out = scratch_cleared(lua);

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
    return scratch_push(lua);
}

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};

static size_t take_unit(struct slice text, size_t at, const struct unit **unit)
{
    size_t size = 0;

    while (at + size < text.size && text.data[at + size] >= 'a' && text.data[at + size] <= 'z')
        size++;
    *unit = NULL;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (slice_is((struct slice){text.data + at, size}, units[i].name))
            *unit = &units[i];
    return at + size;
}

/* One "90s" at *at; days and weeks count apart. */
static bool take_part(struct slice text, size_t *at, int64_t *ms, int64_t *whole_days)
{
    const struct unit *unit;
    size_t start = *at;
    int64_t number = 0;

    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9' && *at - start < 15)
        number = number * 10 + (text.data[(*at)++] - '0');
    if (*at == start)
        return false;
    *at = take_unit(text, *at, &unit);
    if (unit == NULL || number > DURATION_MS_MAX / unit->ms)
        return false;
    if (unit->ms >= 86400000)
        *whole_days += number * (unit->ms / 86400000);
    else
        *ms += number * unit->ms;
    return *ms <= DURATION_MS_MAX && *whole_days <= DURATION_MS_MAX / 86400000;
}

/* "90s", "2h", "-1d12h": what is elapsed time in *ms, days and weeks in *whole_days. */
static void duration_argument(lua_State *lua, int index, int64_t *ms, int64_t *whole_days)
{
    struct slice text = lua_type(lua, index) == LUA_TSTRING ? text_argument(lua, index) : SLICE("");
    bool is_negative = text.size > 0 && text.data[0] == '-', good = text.size > (size_t)is_negative;
    size_t at = is_negative;

    *ms = *whole_days = 0;
    while (good && at < text.size)
        good = take_part(text, &at, ms, whole_days);
    if (!good)
        luaL_error(lua,
                   "a duration is wanted: a number and ms, s, m, h, d or w, such as \"90s\", \"2h\" or \"-1d12h\"");
    if (is_negative) {
        *ms = -*ms;
        *whole_days = -*whole_days;
    }
}

static int push_instant(lua_State *lua, int64_t ms)
{
    if (ms < INSTANT_MS_MIN || ms > INSTANT_MS_MAX)
        return luaL_error(lua, "the time lies outside the years 1 to 9999");
    lua_pushinteger(lua, ms);
    return 1;
}

static int call_duration_ms(lua_State *lua)
{
    int64_t ms, whole_days;

    duration_argument(lua, 1, &ms, &whole_days);
    lua_pushinteger(lua, ms + whole_days * 86400000);
    return 1;
}

static int64_t local_seconds(const struct zone *zone, int64_t ms)
{
    int64_t seconds = civil_floor(ms, 1000);

    return seconds + zone_offset_at(zone, seconds).seconds;
}

/* add(x, "2h"): elapsed time; with a zone, days and weeks keep the time on the wall there. */
static int call_add(lua_State *lua)
{
    int64_t at = instant_argument(lua, 1), ms, whole_days;

    duration_argument(lua, 2, &ms, &whole_days);
    if (lua_isnoneornil(lua, 3) || whole_days == 0)
        return push_instant(lua, at + whole_days * 86400000 + ms);
    const struct zone *zone = zone_argument(lua, 3);
    int64_t local = local_seconds(zone, at) + whole_days * CIVIL_DAY_S;
    return push_instant(lua, zone_from_local(zone, local).first * 1000 + at - civil_floor(at, 1000) * 1000 + ms);
}

/* days(a, b, zone): how many midnights lie between them. */
static int call_days(lua_State *lua)
{
    int64_t from = instant_argument(lua, 1), to = instant_argument(lua, 2);
    const struct zone *zone = zone_argument(lua, 3);

    lua_pushinteger(lua, civil_floor(local_seconds(zone, to), CIVIL_DAY_S) -
                             civil_floor(local_seconds(zone, from), CIVIL_DAY_S));
    return 1;
}

/* start_of("day", x, zone): the first instant of that hour, day, week (Monday), month or year. */
static int call_start_of(lua_State *lua)
{
    static const char *const spans[] = {"hour", "day", "week", "month", "year", NULL};
    struct slice span = text_argument(lua, 1);
    int64_t at = instant_argument(lua, 2);
    const struct zone *zone = zone_argument(lua, 3);
    int64_t local = local_seconds(zone, at), day = civil_floor(local, CIVIL_DAY_S);
    struct civil civil = civil_of_seconds(local);
    int which = 0;

    while (spans[which] != NULL && !slice_is(span, spans[which]))
        which++;
    if (which == 0) /* an hour that the clock shows twice begins twice */
        return push_instant(lua, (civil_floor(at, 1000) - (local - civil_floor(local, 3600) * 3600)) * 1000);
    if (which == 2)
        day -= (civil_weekday(day) + 6) % 7;
    else if (which == 3)
        day = civil_days(civil.year, civil.month, 1);
    else if (which == 4)
        day = civil_days(civil.year, 1, 1);
    else if (which != 1)
        return luaL_error(lua, "start_of() wants \"hour\", \"day\", \"week\", \"month\" or \"year\" first");
    return push_instant(lua, zone_from_local(zone, day * CIVIL_DAY_S).first * 1000);
}

/* weekday(x, zone): 1 is Monday, 7 Sunday. */
static int call_weekday(lua_State *lua)
{
    int64_t at = instant_argument(lua, 1);
    const struct zone *zone = zone_argument(lua, 2);

    lua_pushinteger(lua, (civil_weekday(civil_floor(local_seconds(zone, at), CIVIL_DAY_S)) + 6) % 7 + 1);
    return 1;
}

static int call_iso(lua_State *lua)
{
    int64_t at = instant_argument(lua, 1);
    const struct zone *zone = zone_argument(lua, 2);

    zone_print_instant(scratch_cleared(lua), zone, at);
    return scratch_push(lua);
}

static const luaL_Reg date_functions[] = {
    {"ms", call_ms},           {"date", call_date}, {"duration_ms", call_duration_ms},
    {"add", call_add},         {"days", call_days}, {"start_of", call_start_of},
    {"weekday", call_weekday}, {"iso", call_iso},   {NULL, NULL},
};

void date_functions_open(lua_State *lua, int environment)
{
    lua_pushvalue(lua, environment);
    luaL_setfuncs(lua, date_functions, 0);
    lua_pop(lua, 1);
}
