// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include "connectors/shopify/shopify.h"
#include <string.h>

static const int64_t MINOR_MAX = 1000000000000000LL;

/* Decimal digits of the currencies that do not have two (ISO 4217). */
static unsigned exponent_of(struct slice currency)
{
    static const char zero[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND ";
    static const char four[] = "CLF UYW ";

    if (memmem(zero, sizeof(zero) - 1, currency.data, currency.size) != NULL)
        return 0;
    if (memmem(three, sizeof(three) - 1, currency.data, currency.size) != NULL)
        return 3;
    return memmem(four, sizeof(four) - 1, currency.data, currency.size) != NULL ? 4 : 2;
}

static bool is_currency(struct slice currency)
{
    for (size_t i = 0; i < currency.size; i++)
        if (currency.data[i] < 'A' || currency.data[i] > 'Z')
            return false;
    return currency.size == 3;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum error shopify_money(struct slice text, struct slice currency, int64_t *minor)
{
    size_t at = 0, whole = 0, part = 0;
    int64_t value = 0;

    if (!is_currency(currency))
        return ERROR_INVALID;
    unsigned exponent = exponent_of(currency);
    bool negative = text.size > 0 && text.data[0] == '-';
    for (at = negative; at < text.size && is_digit(text.data[at]); at++, whole++) {
        value = value * 10 + (text.data[at] - '0');
        if (value > MINOR_MAX)
            return ERROR_INVALID;
    }
    if (at < text.size && text.data[at] == '.') {
        for (at++; at < text.size && is_digit(text.data[at]); at++, part++) {
            if (part >= exponent && text.data[at] != '0')
                return ERROR_INVALID;
            if (part < exponent)
                value = value * 10 + (text.data[at] - '0');
        }
        if (part == 0)
            return ERROR_MALFORMED;
    }
    if (whole == 0 || at != text.size)
        return ERROR_MALFORMED;
    for (; part < exponent; part++)
        value *= 10;
    if (value > MINOR_MAX)
        return ERROR_INVALID;
    *minor = negative ? -value : value;
    return ERROR_OK;
}

/* A number of exactly `digits` digits at *at; -1 when there is none. Moves *at behind it. */
static int take_number(struct slice text, size_t *at, size_t digits)
{
    int value = 0;

    if (text.size - *at < digits)
        return -1;
    for (size_t end = *at + digits; *at < end; ++*at) {
        if (!is_digit(text.data[*at]))
            return -1;
        value = value * 10 + (text.data[*at] - '0');
    }
    return value;
}

static bool take_char(struct slice text, size_t *at, char wanted)
{
    if (*at >= text.size || text.data[*at] != wanted)
        return false;
    ++*at;
    return true;
}

/* "Z" or "+hh:mm" at *at, up to the end; minutes. */
static bool take_offset(struct slice text, size_t *at, int *minutes)
{
    *minutes = 0;
    if (take_char(text, at, 'Z'))
        return *at == text.size;
    bool west = *at < text.size && text.data[*at] == '-';
    if (!take_char(text, at, west ? '-' : '+'))
        return false;
    int hours = take_number(text, at, 2);
    bool colon = take_char(text, at, ':');
    int rest = colon ? take_number(text, at, 2) : -1;
    if (hours < 0 || hours > 15 || rest < 0 || rest > 59)
        return false;
    *minutes = (hours * 60 + rest) * (west ? -1 : 1);
    return *at == text.size;
}

static bool date_exists(int year, int month, int day)
{
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    struct civil_date date = {year, (unsigned)month, (unsigned)day};
    struct civil_date again = civil_from_days(civil_to_days(date));
    return again.month == date.month && again.day == date.day;
}

/* The fraction behind the seconds, cut to milliseconds. */
static bool take_fraction(struct slice text, size_t *at, int *ms)
{
    int unit = 100;
    size_t digits = 0;

    *ms = 0;
    if (!take_char(text, at, '.'))
        return true;
    for (; *at < text.size && is_digit(text.data[*at]); ++*at, digits++, unit /= 10)
        *ms += unit * (text.data[*at] - '0');
    return digits > 0;
}

bool shopify_time(struct slice text, int64_t *utc_ms)
{
    size_t at = 0;
    int ms, minutes;
    int year = take_number(text, &at, 4);
    bool shape = take_char(text, &at, '-');
    int month = take_number(text, &at, 2);
    shape = take_char(text, &at, '-') && shape;
    int day = take_number(text, &at, 2);
    shape = take_char(text, &at, 'T') && shape;
    int hour = take_number(text, &at, 2);
    shape = take_char(text, &at, ':') && shape;
    int minute = take_number(text, &at, 2);
    shape = take_char(text, &at, ':') && shape;
    int second = take_number(text, &at, 2);

    if (!shape || !date_exists(year, month, day) || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 60 || !take_fraction(text, &at, &ms) || !take_offset(text, &at, &minutes))
        return false;
    int64_t days = civil_to_days((struct civil_date){year, (unsigned)month, (unsigned)day});
    *utc_ms = days * 86400000 + (int64_t)(hour * 60 + minute - minutes) * 60000 + second * 1000 + ms;
    return true;
}
