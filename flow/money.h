/* money - amounts as integer minor units with an ISO 4217 currency; never a floating point number. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

#define MONEY_MINOR_MAX INT64_C(1000000000000000)

/* Digits behind the point of a currency (2 for EUR, 0 for JPY, 3 for KWD); -1 when it is no three capital letters. */
int money_exponent(struct slice currency);
/* "199.00" with "USD" gives 19900. False for anything but an optional minus, digits and a decimal point, for digits
 * that would be lost (trailing zeros are fine), for an unknown currency form and past MONEY_MINOR_MAX. */
bool money_read(struct slice text, struct slice currency, int64_t *minor);
/* "199.00" for 19900 and an exponent of 2. */
void money_print(struct buffer *into, int64_t minor, int exponent);
