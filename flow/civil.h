/* civil - calendar dates and ISO 8601 instants as integers, without zones, locale or the C library's time functions.
 * Days and seconds count from 1970-01-01 in the proleptic Gregorian calendar. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { CIVIL_DAY_S = 86400, CIVIL_YEAR_MIN = 1, CIVIL_YEAR_MAX = 9999 };

struct civil {
    int64_t year;
    int month, day;           /* 1..12, 1..31 */
    int hour, minute, second; /* 0..23, 0..59, 0..59 */
};

bool civil_is_leap(int64_t year);
/* Days of a month of that year; month is 1..12. */
int civil_month_days(int64_t year, int month);
/* The day number of a date; month is 1..12, day may lie outside the month. */
int64_t civil_days(int64_t year, int month, int day);
/* 0 is Sunday. */
int civil_weekday(int64_t days);
/* 1 is the first of January. */
int civil_year_day(const struct civil *civil);
struct civil civil_of_seconds(int64_t seconds);
int64_t civil_seconds(const struct civil *civil);

/* Reads "2026-11-22T09:30:00.250+01:00" into UTC milliseconds: 'T' or a space, seconds and fraction may be missing, the
 * offset (Z, +hh:mm, +hhmm, +hh) may not, since a time without one is no instant. Digits past milliseconds are cut. */
bool civil_read_instant(struct slice text, int64_t *ms);
/* "2026-11-22T08:30:00.250Z"; years outside 1..9999 are clamped. */
void civil_print_instant(struct buffer *into, int64_t ms);

/* Division that rounds towards minus infinity; the divisor is positive. */
int64_t civil_floor(int64_t value, int64_t divisor);
