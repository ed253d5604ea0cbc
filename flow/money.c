// SPDX-License-Identifier: MIT
#include "flow/money.h"
#include <inttypes.h>
#include <string.h>

/* Every currency of ISO 4217 whose minor unit is not a hundredth. */
static const char no_digits[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
static const char three_digits[] = "BHD IQD JOD KWD LYD OMR TND";
static const char four_digits[] = "CLF UYW";

int money_exponent(struct slice currency)
{
    char code[4] = "";

    if (currency.size != 3)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        if (currency.data[i] < 'A' || currency.data[i] > 'Z')
            return -1;
        code[i] = currency.data[i];
    }
    if (strstr(no_digits, code) != NULL)
        return 0;
    if (strstr(three_digits, code) != NULL)
        return 3;
    return strstr(four_digits, code) != NULL ? 4 : 2;
}

bool money_read(struct slice text, struct slice currency, int64_t *minor)
{
    int exponent = money_exponent(currency), decimals = -1;
    bool negative = text.size > 0 && text.data[0] == '-';
    size_t at = negative, digits = 0;
    int64_t value = 0;

    if (exponent < 0)
        return false;
    for (; at < text.size; at++) {
        char c = text.data[at];
        if (c == '.' && decimals < 0 && digits > 0) {
            decimals = 0;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        digits++;
        if (decimals >= exponent) {
            if (c != '0')
                return false;
            decimals++;
            continue;
        }
        value = value * 10 + (c - '0');
        decimals += decimals >= 0;
        if (value > MONEY_MINOR_MAX)
            return false;
    }
    if (digits == 0 || decimals == 0)
        return false;
    for (int i = decimals < 0 ? 0 : decimals; i < exponent; i++)
        value *= 10;
    *minor = negative ? -value : value;
    return value <= MONEY_MINOR_MAX;
}

void money_print(struct buffer *into, int64_t minor, int exponent)
{
    uint64_t value = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    uint64_t unit = 1;

    for (int i = 0; i < exponent; i++)
        unit *= 10;
    buffer_printf(into, "%s%" PRIu64, minor < 0 ? "-" : "", value / unit);
    if (exponent > 0)
        buffer_printf(into, ".%0*" PRIu64, exponent, value % unit);
}
