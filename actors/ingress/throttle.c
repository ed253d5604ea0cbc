// SPDX-License-Identifier: MIT
#include "actors/ingress/throttle.h"
#include <arpa/inet.h>
#include <string.h>

enum { REQUEST_MS = 10, BURST_MS = 400 * REQUEST_MS };

static size_t set_of(struct slice address)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < address.size; i++)
        hash = (hash ^ (unsigned char)address.data[i]) * 16777619u;
    return hash % THROTTLE_SETS;
}

/* Who has one IPv6 address has the other 2^64 of its network too. An IPv4 address written as IPv6 is an IPv4 address.
 * What is no address counts as it stands. */
static struct slice key_of(struct slice address, char into[THROTTLE_ADDRESS_MAX])
{
    struct in6_addr v6;

    if (address.size > THROTTLE_ADDRESS_MAX - 1)
        address.size = THROTTLE_ADDRESS_MAX - 1;
    memcpy(into, address.data, address.size);
    into[address.size] = '\0';
    if (inet_pton(AF_INET6, into, &v6) != 1)
        return (struct slice){into, address.size};
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        inet_ntop(AF_INET, &v6.s6_addr[12], into, THROTTLE_ADDRESS_MAX);
    } else {
        memset(&v6.s6_addr[8], 0, 8);
        inet_ntop(AF_INET6, &v6, into, THROTTLE_ADDRESS_MAX);
    }
    return slice_of(into);
}

/* The address's bucket; a stranger takes over the one of its set that has the most left. */
static struct throttle_bucket *bucket_of(struct throttle *throttle, struct slice address)
{
    struct throttle_bucket *set, *least;
    char text[THROTTLE_ADDRESS_MAX];
    struct slice key = key_of(address, text);

    set = least = throttle->buckets[set_of(key)];
    for (size_t way = 0; way < THROTTLE_WAYS; way++) {
        if (slice_equal((struct slice){set[way].address, set[way].size}, key))
            return &set[way];
        if (set[way].spent_ms < least->spent_ms)
            least = &set[way];
    }
    memcpy(least->address, key.data, key.size);
    least->size = key.size;
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
