// SPDX-License-Identifier: MIT
#include "flow/zone_rule.h"
#include <string.h>

struct reader {
    const char *at, *end;
    bool bad;
};

static bool next_is(const struct reader *in, char letter)
{
    return in->at < in->end && *in->at == letter;
}

static bool take(struct reader *in, char letter)
{
    if (!next_is(in, letter))
        return false;
    in->at++;
    return true;
}

static int take_number(struct reader *in, int low, int high)
{
    int value = 0, digits = 0;

    while (in->at < in->end && *in->at >= '0' && *in->at <= '9' && digits < 4) {
        value = value * 10 + (*in->at++ - '0');
        digits++;
    }
    in->bad |= digits == 0 || value < low || value > high;
    return value;
}

static bool is_name_letter(char c, bool bracketed)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return bracketed && ((c >= '0' && c <= '9') || c == '+' || c == '-');
}

static void take_name(struct reader *in, char name[16])
{
    bool bracketed = take(in, '<');
    size_t size = 0;

    while (in->at < in->end && is_name_letter(*in->at, bracketed)) {
        if (size < 15)
            name[size++] = *in->at;
        in->at++;
    }
    name[size] = '\0';
    in->bad |= size < 3 || (bracketed && !take(in, '>'));
}

static int32_t take_time(struct reader *in)
{
    int sign = take(in, '-') ? -1 : 1;
    int seconds;

    if (sign == 1)
        take(in, '+');
    seconds = take_number(in, 0, 167) * 3600;
    if (take(in, ':')) {
        seconds += take_number(in, 0, 59) * 60;
        if (take(in, ':'))
            seconds += take_number(in, 0, 59);
    }
    return sign * seconds;
}

static struct zone_rule_day take_day(struct reader *in)
{
    struct zone_rule_day day = {.kind = RULE_ZERO_BASED, .time = 2 * 3600};

    in->bad |= !take(in, ',');
    if (take(in, 'J')) {
        day.kind = RULE_JULIAN;
        day.day = take_number(in, 1, 365);
    } else if (take(in, 'M')) {
        day.kind = RULE_WEEKDAY;
        day.month = take_number(in, 1, 12);
        in->bad |= !take(in, '.');
        day.week = take_number(in, 1, 5);
        in->bad |= !take(in, '.');
        day.day = take_number(in, 0, 6);
    } else {
        day.day = take_number(in, 0, 365);
    }
    if (take(in, '/'))
        day.time = take_time(in);
    return day;
}

/* Offsets are bounded to +-26 hours as RFC 8536 does, which zone_from_local() relies on. */
static int32_t take_offset(struct reader *in)
{
    int32_t seconds = -take_time(in);

    in->bad |= seconds < -26 * 3600 || seconds > 26 * 3600;
    return seconds;
}

bool zone_rule_parse(struct slice text, struct zone_rule *rule)
{
    struct reader in = {text.data, text.data + text.size, text.size == 0};

    memset(rule, 0, sizeof *rule);
    take_name(&in, rule->standard.name);
    rule->standard.seconds = take_offset(&in);
    if (in.bad || in.at == in.end)
        return !in.bad;
    rule->has_summer = true;
    rule->summer.is_summer = true;
    take_name(&in, rule->summer.name);
    rule->summer.seconds = rule->standard.seconds + 3600;
    if (!next_is(&in, ','))
        rule->summer.seconds = take_offset(&in);
    rule->start = take_day(&in);
    rule->end = take_day(&in);
    return !in.bad && in.at == in.end;
}

static int64_t day_of_rule(const struct zone_rule_day *day, int64_t year)
{
    int64_t first;
    int ahead, last;

    if (day->kind == RULE_ZERO_BASED)
        return civil_days(year, 1, 1) + day->day;
    if (day->kind == RULE_JULIAN)
        return civil_days(year, 1, 1) + day->day - 1 + (civil_is_leap(year) && day->day >= 60);
    first = civil_days(year, day->month, 1);
    ahead = (day->day - civil_weekday(first) + 7) % 7 + (day->week - 1) * 7;
    last = civil_month_days(year, day->month);
    return first + (ahead >= last ? ahead - 7 : ahead);
}

static int64_t change_of_year(const struct zone_rule *rule, int64_t year, bool to_summer)
{
    const struct zone_rule_day *day = to_summer ? &rule->start : &rule->end;
    int32_t before = to_summer ? rule->standard.seconds : rule->summer.seconds;

    return day_of_rule(day, year) * CIVIL_DAY_S + day->time - before;
}

struct zone_offset zone_rule_at(const struct zone_rule *rule, int64_t utc)
{
    int64_t year = civil_of_seconds(utc).year;
    int64_t latest = INT64_MIN;
    bool summer = false;

    if (!rule->has_summer)
        return rule->standard;
    /* On a tie summer wins: that is how the format writes "summer time all year". */
    for (int64_t y = year - 2; y <= year + 1; y++) {
        int64_t starts = change_of_year(rule, y, true), ends = change_of_year(rule, y, false);
        if (ends <= utc && ends > latest) {
            latest = ends;
            summer = false;
        }
        if (starts <= utc && starts >= latest) {
            latest = starts;
            summer = true;
        }
    }
    return summer ? rule->summer : rule->standard;
}

int64_t zone_rule_next(const struct zone_rule *rule, int64_t utc)
{
    int64_t year = civil_of_seconds(utc).year;
    int64_t next = INT64_MAX;

    if (!rule->has_summer)
        return next;
    for (int64_t y = year - 1; y <= year + 2; y++)
        for (int to_summer = 0; to_summer < 2; to_summer++) {
            int64_t change = change_of_year(rule, y, to_summer);
            if (change > utc && change < next)
                next = change;
        }
    return next;
}
