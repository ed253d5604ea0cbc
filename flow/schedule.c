// SPDX-License-Identifier: MIT
#include "flow/schedule.h"
#include "proto/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* YEARLY_YEAR is a leap year, so that 29 February can be said without a year. */
enum { YEARLY_YEAR = 2000, SEARCH_DAYS_MAX = 41 * 366 };

void schedule_fini(struct schedule *schedule)
{
    free(schedule->zone);
    free(schedule->except);
    *schedule = (struct schedule){0};
}

static bool take_digits(struct slice text, size_t at, size_t count, int *value)
{
    *value = 0;
    for (size_t i = at; i < at + count; i++) {
        if (i >= text.size || text.data[i] < '0' || text.data[i] > '9')
            return false;
        *value = *value * 10 + (text.data[i] - '0');
    }
    return true;
}

/* "2026-12-25" or "12-25". */
static bool read_day(struct slice text, int64_t *day, bool *is_yearly)
{
    size_t at = text.size == 10 ? 5 : 0;
    int year = YEARLY_YEAR, month, of_month;

    *is_yearly = text.size == 5;
    if (text.size != 5 && text.size != 10)
        return false;
    if (text.size == 10 && (!take_digits(text, 0, 4, &year) || text.data[4] != '-' || year < CIVIL_YEAR_MIN))
        return false;
    if (!take_digits(text, at, 2, &month) || text.data[at + 2] != '-' || !take_digits(text, at + 3, 2, &of_month))
        return false;
    if (month < 1 || month > 12 || of_month < 1 || of_month > civil_month_days(year, month))
        return false;
    *day = civil_days(year, month, of_month);
    return true;
}

bool schedule_days_read(struct slice text, struct schedule_days *days, char problem[CRON_PROBLEM_BYTES])
{
    struct slice first = text, last = text;
    bool last_is_yearly;

    for (size_t i = 0; i + 1 < text.size; i++)
        if (text.data[i] == '.' && text.data[i + 1] == '.') {
            first = (struct slice){text.data, i};
            last = (struct slice){text.data + i + 2, text.size - i - 2};
            break;
        }
    if (!read_day(first, &days->first, &days->is_yearly) || !read_day(last, &days->last, &last_is_yearly)) {
        snprintf(problem, CRON_PROBLEM_BYTES,
                 "\"%.*s\" is no day; write 2026-12-25, or 12-25 for every year, or two of them as "
                 "12-24..12-26",
                 (int)(text.size > 40 ? 40 : text.size), text.data);
        text_end_whole(problem);
        return false;
    }
    if (days->is_yearly != last_is_yearly) {
        snprintf(problem, CRON_PROBLEM_BYTES, "\"%.*s\" has a year on one side only; write it on both or on neither",
                 (int)text.size, text.data);
        return false;
    }
    if (!days->is_yearly && days->last < days->first) {
        snprintf(problem, CRON_PROBLEM_BYTES, "\"%.*s\" ends before it begins; write the earlier day first",
                 (int)text.size, text.data);
        return false;
    }
    return true;
}

bool schedule_is_excepted(const struct schedule *schedule, int64_t local_day)
{
    struct civil civil = civil_of_seconds(local_day * CIVIL_DAY_S);
    int64_t yearly = civil_days(YEARLY_YEAR, civil.month, civil.day);

    for (size_t i = 0; i < schedule->except_count; i++) {
        const struct schedule_days *days = &schedule->except[i];
        int64_t day = days->is_yearly ? yearly : local_day;
        bool over_new_year = days->last < days->first;
        if (over_new_year ? day >= days->first || day <= days->last : day >= days->first && day <= days->last)
            return true;
    }
    return false;
}

int64_t schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms)
{
    int64_t at = after_ms, limit = after_ms + (int64_t)SEARCH_DAYS_MAX * CIVIL_DAY_S * 1000;

    for (;;) {
        int64_t seconds, day, end_ms;

        at = cron_next(&schedule->cron, zone, at);
        if (at == INT64_MAX || at > limit)
            return INT64_MAX;
        if (schedule->except_count == 0)
            return at;
        seconds = civil_floor(at, 1000);
        day = civil_floor(seconds + zone_offset_at(zone, seconds).seconds, CIVIL_DAY_S);
        if (!schedule_is_excepted(schedule, day))
            return at;
        end_ms = zone_from_local(zone, (day + 1) * CIVIL_DAY_S).first * 1000 - 1;
        at = end_ms > at ? end_ms : at;
    }
}

int64_t schedule_delay(const struct schedule *schedule, struct slice name, int64_t planned_ms)
{
    uint64_t hash = 14695981039346656037u;

    if (schedule->jitter_ms <= 0)
        return 0;
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
    hash ^= (uint64_t)planned_ms;
    /* FNV leaves the low bits of near inputs alike; two multiplications spread them. */
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    return (int64_t)((hash ^ hash >> 31) % (uint64_t)schedule->jitter_ms);
}

static unsigned bits_count(uint64_t bits)
{
    return (unsigned)__builtin_popcountll(bits);
}

unsigned schedule_fires_a_day(const struct schedule *schedule)
{
    return bits_count(schedule->cron.minutes) * bits_count(schedule->cron.hours);
}

/* The `index`-th field as it was written, whether a nickname or not. */
static struct slice field_of(struct slice text, unsigned index)
{
    size_t at = 0, start = 0;

    for (unsigned i = 0; i <= index; i++) {
        while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t'))
            at++;
        start = at;
        while (at < text.size && text.data[at] != ' ' && text.data[at] != '\t')
            at++;
    }
    return (struct slice){text.data + start, at - start};
}

static struct slice rest_after(struct slice text, unsigned index)
{
    struct slice field = field_of(text, index);
    size_t start = (size_t)(field.data - text.data);

    while (text.size > start && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return (struct slice){text.data + start, text.size - start};
}

static const uint64_t all_minutes = ((uint64_t)1 << 60) - 1;
static const uint32_t all_hours = ((uint32_t)1 << 24) - 1;

/* The step of a field such as "*" "/7", 0 for any other field. */
static unsigned step_of(struct slice field)
{
    int value;

    if (field.size < 3 || field.size > 4 || field.data[0] != '*' || field.data[1] != '/')
        return 0;
    return take_digits(field, 2, field.size - 2, &value) ? (unsigned)value : 0;
}

/* A whole hour of minutes where one minute was meant, or a step that begins anew too early. */
static bool doubt_time(const struct schedule *schedule, struct slice text, char into[SCHEDULE_TEXT_MAX])
{
    const struct cron *cron = &schedule->cron;
    struct slice rest = rest_after(text, 1);
    unsigned hours = bits_count(cron->hours);
    unsigned minute_step = step_of(field_of(text, 0)), hour_step = step_of(field_of(text, 1));

    if (cron->minutes == all_minutes && cron->hours != all_hours)
        snprintf(into, SCHEDULE_TEXT_MAX, "fires every minute of %u hour%s a day, %u times a day; did you mean 0 %.*s?",
                 hours, hours == 1 ? "" : "s", schedule_fires_a_day(schedule), (int)rest.size, rest.data);
    else if (minute_step != 0 && 60 % minute_step != 0)
        snprintf(into, SCHEDULE_TEXT_MAX,
                 "*/%u begins anew at each full hour, so the last pause of an hour is %u minutes; steps that fit are "
                 "5, 10, 12, 15, 20 and 30",
                 minute_step, 60 - (60 - 1) / minute_step * minute_step);
    else if (hour_step != 0 && 24 % hour_step != 0)
        snprintf(into, SCHEDULE_TEXT_MAX,
                 "*/%u begins anew at midnight, so the last pause of a day is %u hours; steps that fit are 2, 3, 4, 6, "
                 "8 and 12",
                 hour_step, 24 - (24 - 1) / hour_step * hour_step);
    else
        return false;
    return true;
}

/* One month alone may be meant so: "0 0 29 2 *". */
static bool some_month_lacks_it(const struct cron *cron)
{
    int first = 1;

    if (cron->any_day || cron->days == 0 || cron->last_days != 0 || cron->near_days != 0 || cron->last_workday)
        return false;
    while (!(cron->days >> first & 1))
        first++;
    for (int month = 1; month <= 12 && bits_count(cron->months) > 1; month++)
        if (cron->months >> month & 1 && first > civil_month_days(YEARLY_YEAR + 1, month))
            return true;
    return false;
}

static void doubt_days(const struct schedule *schedule, struct slice text, char into[SCHEDULE_TEXT_MAX])
{
    const struct cron *cron = &schedule->cron;
    struct slice day = field_of(text, 2), weekday = field_of(text, 4);
    unsigned step = step_of(day);

    if (!cron->any_day && !cron->any_weekday)
        snprintf(into, SCHEDULE_TEXT_MAX,
                 "both day fields are set, and either one suffices: it fires on the days of month %.*s and also on the "
                 "weekdays %.*s; write * in one of them if only the other is meant",
                 (int)(day.size > 60 ? 60 : day.size), day.data, (int)(weekday.size > 60 ? 60 : weekday.size),
                 weekday.data);
    else if (step > 1)
        snprintf(into, SCHEDULE_TEXT_MAX,
                 "*/%u begins anew on the 1st of each month, however short the pause before it is", step);
    else if (some_month_lacks_it(cron))
        snprintf(into, SCHEDULE_TEXT_MAX,
                 "months without that day are passed over; write L for the last day of each month");
}

void schedule_doubt(const struct schedule *schedule, struct slice cron_text, char text[SCHEDULE_TEXT_MAX])
{
    struct slice first = field_of(cron_text, 0);

    text[0] = '\0';
    if (first.size > 0 && first.data[0] == '@')
        return;
    if (!doubt_time(schedule, cron_text, text))
        doubt_days(schedule, cron_text, text);
    text_end_whole(text);
}
