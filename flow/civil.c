// SPDX-License-Identifier: MIT
#include "flow/civil.h"
#include "proto/check.h"

bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    CHECK(month >= 1 && month <= 12);
    return month == 2 && civil_is_leap(year) ? 29 : days[month - 1];
}

int64_t civil_floor(int64_t value, int64_t divisor)
{
    int64_t quotient = value / divisor;

    return value % divisor < 0 ? quotient - 1 : quotient;
}

/* Years begin in March here, so that the leap day is the last of its year; an era is 400 such years. */
int64_t civil_days(int64_t year, int month, int day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = civil_floor(shifted, 400);
    int64_t of_era = shifted - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int civil_weekday(int64_t days)
{
    return (int)(days + 4 - civil_floor(days + 4, 7) * 7);
}

int civil_year_day(const struct civil *civil)
{
    return (int)(civil_days(civil->year, civil->month, civil->day) - civil_days(civil->year, 1, 1)) + 1;
}

struct civil civil_of_seconds(int64_t seconds)
{
    int64_t days = civil_floor(seconds, CIVIL_DAY_S);
    int64_t rest = seconds - days * CIVIL_DAY_S;
    int64_t shifted = days + 719468;
    int64_t era = civil_floor(shifted, 146097);
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct civil civil = {
        .year = year + era * 400 + (month >= 10),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(of_year - (153 * month + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
    };

    return civil;
}

int64_t civil_seconds(const struct civil *civil)
{
    return civil_days(civil->year, civil->month, civil->day) * CIVIL_DAY_S + civil->hour * 3600 + civil->minute * 60 +
           civil->second;
}

struct cursor {
    const char *at, *end;
    bool bad;
};

static int take_digits(struct cursor *cursor, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (cursor->at == cursor->end || *cursor->at < '0' || *cursor->at > '9') {
            cursor->bad = true;
            return 0;
        }
        value = value * 10 + (*cursor->at++ - '0');
    }
    return value;
}

static bool take_one_of(struct cursor *cursor, const char *set)
{
    if (cursor->at == cursor->end)
        return false;
    for (; *set != '\0'; set++)
        if (*cursor->at == *set) {
            cursor->at++;
            return true;
        }
    return false;
}

static int take_fraction_ms(struct cursor *cursor)
{
    int ms = 0, weight = 100, digits = 0;

    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        ms += weight * (*cursor->at++ - '0');
        weight /= 10;
        digits++;
    }
    cursor->bad |= digits == 0 || digits > 9;
    return ms;
}

static int take_offset_s(struct cursor *cursor)
{
    int sign, hours, minutes = 0;

    if (take_one_of(cursor, "Zz"))
        return 0;
    sign = cursor->at < cursor->end && *cursor->at == '-' ? -1 : 1;
    cursor->bad |= !take_one_of(cursor, "+-");
    hours = take_digits(cursor, 2);
    if (cursor->at < cursor->end) {
        take_one_of(cursor, ":");
        minutes = take_digits(cursor, 2);
    }
    cursor->bad |= hours > 23 || minutes > 59;
    return sign * (hours * 3600 + minutes * 60);
}

bool civil_read_instant(struct slice text, int64_t *ms)
{
    struct cursor cursor = {text.data, text.data + text.size, text.size == 0};
    struct civil civil = {0};
    int fraction = 0, offset;

    civil.year = take_digits(&cursor, 4);
    cursor.bad |= !take_one_of(&cursor, "-");
    civil.month = take_digits(&cursor, 2);
    cursor.bad |= !take_one_of(&cursor, "-");
    civil.day = take_digits(&cursor, 2);
    cursor.bad |= !take_one_of(&cursor, "Tt ");
    civil.hour = take_digits(&cursor, 2);
    cursor.bad |= !take_one_of(&cursor, ":");
    civil.minute = take_digits(&cursor, 2);
    if (take_one_of(&cursor, ":")) {
        civil.second = take_digits(&cursor, 2);
        if (take_one_of(&cursor, ".,"))
            fraction = take_fraction_ms(&cursor);
    }
    offset = take_offset_s(&cursor);
    if (cursor.bad || cursor.at != cursor.end || civil.year < CIVIL_YEAR_MIN || civil.month < 1 || civil.month > 12)
        return false;
    if (civil.day < 1 || civil.day > civil_month_days(civil.year, civil.month) || civil.hour > 23 ||
        civil.minute > 59 || civil.second > 60)
        return false;
    *ms = (civil_seconds(&civil) - offset) * 1000 + fraction;
    return true;
}

void civil_print_instant(struct buffer *into, int64_t ms)
{
    int64_t low = civil_days(CIVIL_YEAR_MIN, 1, 1) * CIVIL_DAY_S * 1000;
    int64_t high = civil_days(CIVIL_YEAR_MAX + 1, 1, 1) * CIVIL_DAY_S * 1000 - 1;
    int64_t clamped = ms < low ? low : ms > high ? high : ms;
    int64_t seconds = civil_floor(clamped, 1000);
    struct civil civil = civil_of_seconds(seconds);

    buffer_printf(into, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)civil.year, civil.month, civil.day, civil.hour,
                  civil.minute, civil.second, (int)(clamped - seconds * 1000));
}
