/* link - one connection of libpurser: a DEALER socket and its monitor. Internal to proto/client.
 * libzmq's own reconnecting is off: a socket that lost its connection is closed with all it still held, so that a
 * message whose sender was told "no answer" is never delivered behind his back. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

struct link {
    void *context;          /* NULL until link_init() */
    void *socket, *monitor; /* NULL while there is no connection */
};

enum link_event { LINK_MESSAGE, LINK_LOST, LINK_LATE };

void link_init(struct link *link);
void link_fini(struct link *link);
bool link_is_open(const struct link *link);
/* Starts connecting; false when libzmq does not take the endpoint. Failures to connect show as LINK_LOST. */
bool link_open(struct link *link, const char *endpoint, size_t message_bytes_max);
/* Drops the connection and everything on its way. */
void link_close(struct link *link);
/* False when the message could not be handed over; it certainly was not sent then. */
bool link_send(struct link *link, struct slice message);
/* Waits for the next whole message until `until_ms` (link_now_ms). A message replaces what `into` held. */
enum link_event link_receive(struct link *link, struct buffer *into, int64_t until_ms);
int64_t link_now_ms(void);
/* Sleeps, at most until `until_ms`. */
void link_pause(int64_t pause_ms, int64_t until_ms);
