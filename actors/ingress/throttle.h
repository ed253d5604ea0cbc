/* throttle - how much one address may ask for: a bucket per IPv4 address or IPv6 /64 in a table that never grows. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

/* 100 requests a second, 400 at once; a refused signature costs as much as 20 requests. */
enum { THROTTLE_SETS = 256, THROTTLE_WAYS = 4, THROTTLE_ADDRESS_MAX = 48, THROTTLE_REFUSAL_COST = 19 };

struct throttle {
    struct throttle_bucket {
        char address[THROTTLE_ADDRESS_MAX];
        size_t size;       /* of the address; 0: free */
        int64_t spent_ms; /* monotonic time at which all that was spent has come back */
    } buckets[THROTTLE_SETS][THROTTLE_WAYS];
};

/* Spends one request. Returns 0, or in how many milliseconds the next one is allowed. */
int64_t throttle_admit(struct throttle *throttle, struct slice address, int64_t now_ms);
/* Spends that many more, whether they are there or not. */
void throttle_charge(struct throttle *throttle, struct slice address, int64_t now_ms, unsigned requests);
