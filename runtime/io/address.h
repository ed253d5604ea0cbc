/* address - which network addresses an outgoing call may connect to. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

enum address_kind {
    ADDRESS_GLOBAL,
    ADDRESS_LOOPBACK, /* 127.0.0.0/8 and ::1 */
    ADDRESS_REFUSED,  /* private, link-local, shared, mapped, tunnelled, multicast, reserved, or no IP at all */
};

/* `address` is a sockaddr_in or sockaddr_in6; any other family is refused. */
enum address_kind address_judge(const struct sockaddr *address);
