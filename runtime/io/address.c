// SPDX-License-Identifier: MIT
#include "runtime/io/address.h"
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

struct prefix {
    unsigned char bytes[4];
    unsigned bits;
};

/* The special-purpose registry of IANA: nothing in it is a service of the outside world. */
static const struct prefix refused_v4[] = {
    {{0}, 8},            {{10}, 8},           {{100, 64}, 10},      {{169, 254}, 16},  {{172, 16}, 12},
    {{192, 0, 0}, 24},   {{192, 0, 2}, 24},   {{192, 88, 99}, 24},  {{192, 168}, 16},  {{198, 18}, 15},
    {{198, 51, 100}, 24}, {{203, 0, 113}, 24}, {{224}, 4},          {{240}, 4},
};

/* Inside 2000::/3, which alone is given out: Teredo and its neighbours, documentation, 6to4. */
static const struct prefix refused_v6[] = {
    {{0x20, 0x01, 0, 0}, 23}, {{0x20, 0x01, 0x0d, 0xb8}, 32}, {{0x20, 0x02}, 16}};

static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};

static bool in_prefix(const unsigned char *address, const struct prefix *prefix)
{
    for (unsigned bit = 0; bit < prefix->bits; bit++)
        if ((address[bit / 8] ^ prefix->bytes[bit / 8]) & (0x80 >> bit % 8))
            return false;
    return true;
}

static enum address_kind judge_v4(const unsigned char *address)
{
    if (address[0] == 127)
        return ADDRESS_LOOPBACK;
    for (size_t i = 0; i < sizeof(refused_v4) / sizeof(*refused_v4); i++)
        if (in_prefix(address, &refused_v4[i]))
            return ADDRESS_REFUSED;
    return ADDRESS_GLOBAL;
}

static enum address_kind judge_v6(const unsigned char *address)
{
    if (memcmp(address, &in6addr_loopback, 16) == 0)
        return ADDRESS_LOOPBACK;
    /* A network without IPv4 reaches the IPv4 world through this prefix: the address inside counts. */
    if (memcmp(address, nat64, sizeof(nat64)) == 0)
        return judge_v4(address + 12) == ADDRESS_GLOBAL ? ADDRESS_GLOBAL : ADDRESS_REFUSED;
    if (address[0] >> 5 != 1)
        return ADDRESS_REFUSED;
    for (size_t i = 0; i < sizeof(refused_v6) / sizeof(*refused_v6); i++)
        if (in_prefix(address, &refused_v6[i]))
            return ADDRESS_REFUSED;
    return ADDRESS_GLOBAL;
}

enum address_kind address_judge(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return judge_v4((const unsigned char *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    if (address->sa_family == AF_INET6)
        return judge_v6((const unsigned char *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return ADDRESS_REFUSED;
}
