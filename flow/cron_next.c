// SPDX-License-Identifier: MIT
#include "flow/cron.h"
#include "proto/check.h"

/* A leap day on a given weekday ("0 0 * 2 1#5") comes after 40 years at most, past a century without one. */
enum { SCAN_DAYS_MAX = 41 * 366 };

static bool is_workday(int64_t days)
{
    int weekday = civil_weekday(days);

    return weekday >= 1 && weekday <= 5;
}

/* Is `day` the workday nearest to one of `near_days`? A Saturday the 1st and a Sunday the last turn inwards. */
static bool is_near(uint32_t near_days, int64_t days, int day, int month_days)
{
    int weekday = civil_weekday(days);

    if (!is_workday(days))
        return false;
    if (near_days >> day & 1)
        return true;
    if (weekday == 5 && day < month_days && (near_days >> (day + 1) & 1))
        return true;
    if (weekday == 5 && day + 2 == month_days && (near_days >> (day + 2) & 1))
        return true;
    if (weekday == 1 && day > 1 && (near_days >> (day - 1) & 1))
        return true;
    return weekday == 1 && day == 3 && (near_days >> 1 & 1);
}

static bool fires_by_day(const struct cron *cron, int64_t days, int day, int month_days)
{
    int left = month_days - day;

    if (cron->days >> day & 1 || cron->last_days >> left & 1)
        return true;
    if (cron->near_days != 0 && is_near(cron->near_days, days, day, month_days))
        return true;
    return cron->last_workday && is_workday(days) && (left == 0 || (left <= 2 && civil_weekday(days) == 5));
}

static bool fires_by_weekday(const struct cron *cron, int64_t days, int day, int month_days)
{
    int weekday = civil_weekday(days);

    return cron->weekdays >> weekday & 1 || cron->nth_weekdays[(day - 1) / 7 + 1] >> weekday & 1 ||
           (month_days - day < 7 && cron->nth_weekdays[0] >> weekday & 1);
}

static bool fires_on(const struct cron *cron, int64_t days, const struct civil *civil)
{
    int month_days = civil_month_days(civil->year, civil->month);

    if (cron->any_day)
        return cron->any_weekday || fires_by_weekday(cron, days, civil->day, month_days);
    return fires_by_day(cron, days, civil->day, month_days) ||
           (!cron->any_weekday && fires_by_weekday(cron, days, civil->day, month_days));
}

bool cron_fires_on(const struct cron *cron, int64_t days)
{
    struct civil civil = civil_of_seconds(days * CIVIL_DAY_S);

    return cron->months >> civil.month & 1 && fires_on(cron, days, &civil);
}

/* The first day from `days` on, before `end`, on which it fires; `end` when there is none. */
static int64_t next_day(const struct cron *cron, int64_t days, int64_t end)
{
    while (days < end) {
        struct civil civil = civil_of_seconds(days * CIVIL_DAY_S);
        int left = civil_month_days(civil.year, civil.month) - civil.day;

        if (!(cron->months >> civil.month & 1)) {
            days += left + 1;
            continue;
        }
        for (; left >= 0; left--, days++, civil.day++)
            if (fires_on(cron, days, &civil))
                return days < end ? days : end;
    }
    return end;
}

/* Wall-clock order and instant order agree (a gap maps to its end, an overlap to its first showing), so the first wall
 * clock time that lies after `after` is the answer, and an hour whose end lies before it holds none. */
static int64_t next_fixed_on(const struct cron *cron, const struct zone *zone, int64_t days, int64_t after)
{
    int64_t midnight = days * CIVIL_DAY_S;

    if (zone_from_local(zone, midnight + CIVIL_DAY_S - 1).first <= after)
        return INT64_MAX;
    for (int hour = 0; hour < 24; hour++) {
        if (!(cron->hours >> hour & 1) || zone_from_local(zone, midnight + hour * 3600 + 3599).first <= after)
            continue;
        for (int minute = 0; minute < 60; minute++) {
            int64_t utc;
            if (!(cron->minutes >> minute & 1))
                continue;
            utc = zone_from_local(zone, midnight + hour * 3600 + minute * 60).first;
            if (utc > after)
                return utc;
        }
    }
    return INT64_MAX;
}

static int64_t next_fixed(const struct cron *cron, const struct zone *zone, int64_t after)
{
    int64_t today = civil_floor(after + zone_offset_at(zone, after).seconds, CIVIL_DAY_S);
    int64_t end = today + SCAN_DAYS_MAX;

    /* Two days back: a zone may have skipped a whole day. */
    for (int64_t days = next_day(cron, today - 2, end); days < end; days = next_day(cron, days + 1, end)) {
        int64_t found = next_fixed_on(cron, zone, days, after);
        if (found != INT64_MAX)
            return found;
    }
    return INT64_MAX;
}

/* How far the local clock must run before the entry can match; 0 when it matches now. */
static int64_t local_wait(const struct cron *cron, int64_t local)
{
    int64_t days = civil_floor(local, CIVIL_DAY_S), of_day = local - days * CIVIL_DAY_S;
    int64_t minute = of_day / 60 % 60;

    if (!cron_fires_on(cron, days))
        return (next_day(cron, days + 1, days + 366) - days) * CIVIL_DAY_S - of_day;
    if (!(cron->hours >> (of_day / 3600) & 1))
        return 3600 - of_day % 3600;
    if (of_day % 60 == 0 && (cron->minutes >> minute & 1))
        return 0;
    do
        minute++;
    while (minute < 60 && !(cron->minutes >> minute & 1));
    return minute * 60 - of_day % 3600;
}

static int64_t next_elapsed(const struct cron *cron, const struct zone *zone, int64_t after)
{
    int64_t utc = after + 1, limit = after + (int64_t)SCAN_DAYS_MAX * CIVIL_DAY_S;

    while (utc < limit) {
        int64_t change = zone_next_change(zone, utc);
        int32_t offset = zone_offset_at(zone, utc).seconds;

        while (utc < change && utc < limit) {
            int64_t wait = local_wait(cron, utc + offset);
            if (wait == 0)
                return utc;
            utc += wait;
        }
        utc = utc < change ? utc : change;
    }
    return INT64_MAX;
}

int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_ms)
{
    int64_t after = civil_floor(after_ms, 1000);
    int64_t found;

    CHECK(cron->minutes != 0 && cron->hours != 0);
    found = cron->is_elapsed ? next_elapsed(cron, zone, after) : next_fixed(cron, zone, after);
    return found == INT64_MAX ? found : found * 1000;
}
