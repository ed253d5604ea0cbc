// SPDX-License-Identifier: MIT
#include "actors/ingress/throttle.h"
#include <string.h>

enum { REQUEST_MS = 10, BURST_MS = 400 * REQUEST_MS };

static size_t set_of(struct slice address)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < address.size; i++)
        hash = (hash ^ (unsigned char)address.data[i]) * 16777619u;
    return hash % THROTTLE_SETS;
}

/* The address's bucket; a stranger takes over the one of its set that has the most left. */
static struct throttle_bucket *bucket_of(struct throttle *throttle, struct slice address)
{
    struct throttle_bucket *set, *least;

    if (address.size > THROTTLE_ADDRESS_MAX)
        address.size = THROTTLE_ADDRESS_MAX;
    set = least = throttle->buckets[set_of(address)];
    for (size_t way = 0; way < THROTTLE_WAYS; way++) {
        if (slice_equal((struct slice){set[way].address, set[way].size}, address))
            return &set[way];
        if (set[way].spent_ms < least->spent_ms)
            least = &set[way];
    }
    memcpy(least->address, address.data, address.size);
    least->size = address.size;
    least->spent_ms = 0;
    return least;
}

int64_t throttle_admit(struct throttle *throttle, struct slice address, int64_t now_ms)
{
    struct throttle_bucket *bucket;
    int64_t spent_ms;

    if (address.size == 0)
        return 0;
    bucket = bucket_of(throttle, address);
    spent_ms = (bucket->spent_ms > now_ms ? bucket->spent_ms : now_ms) + REQUEST_MS;
    if (spent_ms > now_ms + BURST_MS)
        return spent_ms - now_ms - BURST_MS;
    bucket->spent_ms = spent_ms;
    return 0;
}

void throttle_charge(struct throttle *throttle, struct slice address, int64_t now_ms, unsigned requests)
{
    struct throttle_bucket *bucket;

    if (address.size == 0)
        return;
    bucket = bucket_of(throttle, address);
    if (bucket->spent_ms < now_ms)
        bucket->spent_ms = now_ms;
    bucket->spent_ms += (int64_t)requests * REQUEST_MS;
}
