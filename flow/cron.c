// SPDX-License-Identifier: MIT
#include "flow/cron.h"
#include "proto/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Leap days lie at most 8 years apart, and 28 years hold every pairing of date and weekday outside century gaps. */
enum { FIELD_COUNT = 5, SCAN_DAYS_MAX = 28 * 366 };

struct field {
    const char *name;
    int low, high;
    const char *const *names; /* of low, low + 1, ... */
    const char *example;
};

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
                                          "AUG", "SEP", "OCT", "NOV", "DEC", NULL};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", NULL};

static const struct field fields[FIELD_COUNT] = {
    {"minute", 0, 59, NULL, "0, */15 or 0,30"},
    {"hour", 0, 23, NULL, "9, 9-17 or */2"},
    {"day of month", 1, 31, NULL, "1, 1-7 or *"},
    {"month", 1, 12, month_names, "1, JAN-MAR or *"},
    {"day of week", 0, 7, weekday_names, "MON-FRI, 0 or *"},
};

static const struct {
    const char *name, *fields;
} nicknames[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

struct reader {
    const struct field *field;
    struct slice text; /* of the field */
    size_t at;
    char *problem;
};

__attribute__((format(printf, 2, 3))) static bool wrong(char *problem, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(problem, CRON_PROBLEM_BYTES, format, args);
    va_end(args);
    return false;
}

static bool field_wrong(const struct reader *in, const char *what)
{
    return wrong(in->problem, "the %s field \"%.*s\" %s; write %d-%d, for example %s", in->field->name,
                 (int)(in->text.size > 40 ? 40 : in->text.size), in->text.data, what, in->field->low, in->field->high,
                 in->field->example);
}

static char peek(const struct reader *in)
{
    return in->at < in->text.size ? in->text.data[in->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_number(struct reader *in, int *value)
{
    size_t start = in->at;

    for (*value = 0; is_digit(peek(in)); in->at++) {
        if (in->at - start >= 4)
            return field_wrong(in, "has a number that is too large");
        *value = *value * 10 + (peek(in) - '0');
    }
    return in->at > start || field_wrong(in, "lacks a number");
}

static bool is_range_end(const struct reader *in)
{
    return in->at > 0 && in->text.data[in->at - 1] == '-';
}

static bool take_name(struct reader *in, int *value)
{
    size_t start = in->at, size;

    while (is_letter(peek(in)))
        in->at++;
    size = in->at - start;
    if (size == 1 && strchr("LWHlwh", in->text.data[start]) != NULL)
        return field_wrong(in, "uses L, W or H, which are not supported yet");
    for (int i = 0; in->field->names != NULL && in->field->names[i] != NULL; i++)
        if (size == 3 && strncasecmp(in->text.data + start, in->field->names[i], 3) == 0) {
            *value = in->field->low + i;
            return true;
        }
    return field_wrong(in, "has an unknown name");
}

static bool take_value(struct reader *in, int *value)
{
    bool ends_range = is_range_end(in);

    if (!is_letter(peek(in))) {
        if (!take_number(in, value))
            return false;
    } else if (!take_name(in, value)) {
        return false;
    } else if (ends_range && in->field->names == weekday_names && *value == 0) {
        *value = 7; /* FRI-SUN */
    }
    if (peek(in) == 'L' || peek(in) == 'W' || peek(in) == '#')
        return field_wrong(in, "uses L, W or #, which are not supported yet");
    if (*value < in->field->low || *value > in->field->high)
        return field_wrong(in, "is out of range");
    return true;
}

/* One entry of a list: a value, a range or `*`, the latter two with a step. */
static bool take_entry(struct reader *in, uint64_t *bits, bool *has_star_or_step)
{
    int low = in->field->low, high = in->field->high, step = 1;
    bool is_single = false;

    if (peek(in) == '*') {
        in->at++;
        *has_star_or_step = true;
    } else {
        if (!take_value(in, &low))
            return false;
        high = low;
        is_single = peek(in) != '-';
        if (!is_single) {
            in->at++;
            if (!take_value(in, &high))
                return false;
        }
    }
    if (high < low)
        return field_wrong(in, "has a range that runs backwards (ranges do not wrap: use a list of two)");
    if (peek(in) == '/') {
        in->at++;
        *has_star_or_step = true;
        if (is_single)
            return field_wrong(in, "has a step over a single value (a step needs a range or *)");
        if (!take_number(in, &step))
            return false;
        if (step < 1 || step > high - low)
            return field_wrong(in, "has a step that does not fit its range");
    }
    for (int value = low; value <= high; value += step)
        *bits |= (uint64_t)1 << value;
    return true;
}

static bool read_field(struct reader *in, uint64_t *bits, bool *has_star_or_step)
{
    *bits = 0;
    for (;;) {
        if (!take_entry(in, bits, has_star_or_step))
            return false;
        if (in->at == in->text.size)
            return true;
        if (peek(in) != ',')
            return field_wrong(in, "has a character that does not belong there");
        in->at++;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t split_fields(struct slice text, struct slice parts[FIELD_COUNT])
{
    size_t count = 0;

    for (size_t at = 0; at < text.size;) {
        size_t start = at;
        while (at < text.size && !is_blank(text.data[at]))
            at++;
        if (at > start) {
            if (count < FIELD_COUNT)
                parts[count] = (struct slice){text.data + start, at - start};
            count++;
        }
        while (at < text.size && is_blank(text.data[at]))
            at++;
    }
    return count;
}

static bool can_fire(const struct cron *cron)
{
    if (cron->any_day || !cron->any_weekday)
        return true;
    for (int month = 1; month <= 12; month++)
        if (cron->months >> month & 1)
            for (int day = civil_month_days(2000, month); day >= 1; day--)
                if (cron->days >> day & 1)
                    return true;
    return false;
}

static bool parse_fields(const struct slice parts[FIELD_COUNT], struct cron *cron, char *problem)
{
    uint64_t bits[FIELD_COUNT];
    bool loose[FIELD_COUNT] = {false};

    for (int i = 0; i < FIELD_COUNT; i++) {
        struct slice part = (i == 2 || i == 4) && slice_is(parts[i], "?") ? SLICE("*") : parts[i];
        struct reader in = {&fields[i], part, 0, problem};
        if (!read_field(&in, &bits[i], &loose[i]))
            return false;
        if (i == 2)
            cron->any_day = slice_is(part, "*");
        if (i == 4)
            cron->any_weekday = slice_is(part, "*");
    }
    cron->minutes = bits[0];
    cron->hours = (uint32_t)bits[1];
    cron->days = (uint32_t)bits[2];
    cron->months = (uint32_t)bits[3];
    cron->weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f);
    cron->is_elapsed = loose[0] || loose[1];
    if (!can_fire(cron))
        return wrong(problem, "no month named here has such a day, so it would never run; write a day that exists");
    return true;
}

bool cron_parse(struct slice text, struct cron *cron, char problem[CRON_PROBLEM_BYTES])
{
    struct slice parts[FIELD_COUNT];
    size_t count;

    *cron = (struct cron){0};
    if (text.size > CRON_TEXT_MAX)
        return wrong(problem, "the schedule is longer than %d characters; write five short fields", CRON_TEXT_MAX);
    if (text.size > 0 && text.data[0] == '@') {
        size_t i = 0;
        while (i < sizeof nicknames / sizeof *nicknames && !slice_is(text, nicknames[i].name))
            i++;
        if (i == sizeof nicknames / sizeof *nicknames)
            return wrong(problem, "there is no schedule \"%.*s\"; write @hourly, @daily, @weekly, @monthly or @yearly",
                         (int)(text.size > 40 ? 40 : text.size), text.data);
        text = slice_of(nicknames[i].fields);
    }
    count = split_fields(text, parts);
    if (count != FIELD_COUNT)
        return wrong(problem,
                     "the schedule has %zu fields; write five: minute hour day-of-month month day-of-week, "
                     "for example \"0 9 * * MON-FRI\"",
                     count);
    return parse_fields(parts, cron, problem);
}

static bool fires_on(const struct cron *cron, int64_t days)
{
    struct civil civil = civil_of_seconds(days * CIVIL_DAY_S);
    bool day = cron->days >> civil.day & 1;
    bool weekday = cron->weekdays >> civil_weekday(days) & 1;

    if (!(cron->months >> civil.month & 1))
        return false;
    return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* Wall-clock order and instant order agree (a gap maps to its end, an overlap to its first showing), so the first wall
 * clock time that lies after `after` is the answer. */
static int64_t next_fixed_on(const struct cron *cron, const struct zone *zone, int64_t days, int64_t after)
{
    for (int hour = 0; hour < 24; hour++)
        for (int minute = 0; cron->hours >> hour & 1 && minute < 60; minute++) {
            int64_t utc;
            if (!(cron->minutes >> minute & 1))
                continue;
            utc = zone_from_local(zone, days * CIVIL_DAY_S + hour * 3600 + minute * 60).first;
            if (utc > after)
                return utc;
        }
    return INT64_MAX;
}

static int64_t next_fixed(const struct cron *cron, const struct zone *zone, int64_t after)
{
    int64_t today = civil_floor(after + zone_offset_at(zone, after).seconds, CIVIL_DAY_S);

    /* Two days back: a zone may have skipped a whole day. */
    for (int64_t days = today - 2; days < today + SCAN_DAYS_MAX; days++) {
        int64_t found = fires_on(cron, days) ? next_fixed_on(cron, zone, days, after) : INT64_MAX;
        if (found != INT64_MAX)
            return found;
    }
    return INT64_MAX;
}

/* How far the local clock must run before the entry can match; 0 when it matches now. */
static int64_t local_wait(const struct cron *cron, int64_t local)
{
    int64_t days = civil_floor(local, CIVIL_DAY_S), of_day = local - days * CIVIL_DAY_S;

    if (!fires_on(cron, days))
        return CIVIL_DAY_S - of_day;
    if (!(cron->hours >> (of_day / 3600) & 1))
        return 3600 - of_day % 3600;
    if (of_day % 60 != 0 || !(cron->minutes >> (of_day / 60 % 60) & 1))
        return 60 - of_day % 60;
    return 0;
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
