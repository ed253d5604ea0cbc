// SPDX-License-Identifier: MIT
#include "connectors/gemini/quota.h"

static const int64_t HOUR_MS = 3600000, DAY_MS = 86400000;

static int64_t floor_day(int64_t ms)
{
    int64_t day = ms / DAY_MS;

    return day - (ms % DAY_MS < 0);
}

/* The day number of the nth Sunday of a month. 1970-01-01 was a Thursday. */
static int64_t sunday_of(int year, unsigned month, unsigned nth)
{
    int64_t first = civil_to_days((struct civil_date){year, month, 1});
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 0 = Sunday */

    return first + (7 - weekday) % 7 + 7 * ((int64_t)nth - 1);
}

/* Summer time runs from the second Sunday of March, 02:00 standard time, to the first Sunday of November, 02:00 summer
 * time. */
static int64_t pacific_offset_ms(int64_t utc_ms)
{
    int year = civil_from_days(floor_day(utc_ms)).year;
    int64_t begins = sunday_of(year, 3, 2) * DAY_MS + 10 * HOUR_MS;
    int64_t ends = sunday_of(year, 11, 1) * DAY_MS + 9 * HOUR_MS;

    return utc_ms >= begins && utc_ms < ends ? -7 * HOUR_MS : -8 * HOUR_MS;
}

int64_t quota_next_day_ms(int64_t now_ms, enum day_reset reset)
{
    if (reset == DAY_RESET_UTC)
        return (floor_day(now_ms) + 1) * DAY_MS;
    int64_t midnight = (floor_day(now_ms + pacific_offset_ms(now_ms)) + 1) * DAY_MS;
    /* Midnight is never inside a change (those are at two), so the offset of eight hours later by UTC is its offset. */
    return midnight - pacific_offset_ms(midnight + 8 * HOUR_MS);
}
