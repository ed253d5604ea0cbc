// SPDX-License-Identifier: MIT
#include "proto/client/link.h"
#include "proto/check.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

enum {
    MONITORED = ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
};

int64_t link_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void link_pause(int64_t pause_ms, int64_t until_ms)
{
    int64_t left = until_ms - link_now_ms();

    if (pause_ms > left)
        pause_ms = left;
    if (pause_ms > 0)
        nanosleep(&(struct timespec){pause_ms / 1000, pause_ms % 1000 * 1000000}, NULL);
}

void link_init(struct link *link)
{
    *link = (struct link){.context = zmq_ctx_new()};
    CHECK(link->context != NULL);
}

void link_fini(struct link *link)
{
    link_close(link);
    zmq_ctx_term(link->context);
    link->context = NULL;
}

bool link_is_open(const struct link *link)
{
    return link->socket != NULL;
}

static void set_int(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0);
}

bool link_open(struct link *link, const char *endpoint, size_t message_bytes_max)
{
    int64_t bytes_max = (int64_t)message_bytes_max;
    char name[64];

    CHECK(link->socket == NULL);
    link->socket = zmq_socket(link->context, ZMQ_DEALER);
    CHECK(link->socket != NULL);
    set_int(link->socket, ZMQ_LINGER, 0);
    set_int(link->socket, ZMQ_RECONNECT_IVL, -1);
    set_int(link->socket, ZMQ_IPV6, 1);
    CHECK(zmq_setsockopt(link->socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) == 0);
    snprintf(name, sizeof(name), "inproc://monitor-%p", link->socket);
    CHECK(zmq_socket_monitor(link->socket, name, MONITORED) == 0);
    link->monitor = zmq_socket(link->context, ZMQ_PAIR);
    CHECK(link->monitor != NULL);
    set_int(link->monitor, ZMQ_LINGER, 0);
    CHECK(zmq_connect(link->monitor, name) == 0);
    if (zmq_connect(link->socket, endpoint) == 0)
        return true;
    link_close(link);
    return false;
}

void link_close(struct link *link)
{
    if (link->socket == NULL)
        return;
    zmq_socket_monitor(link->socket, NULL, 0);
    zmq_close(link->monitor);
    zmq_close(link->socket);
    link->socket = link->monitor = NULL;
}

bool link_send(struct link *link, struct slice message)
{
    return zmq_send(link->socket, message.data, message.size, ZMQ_DONTWAIT) >= 0;
}

/* Takes every frame of one message; only a message of a single frame is one of ours, others are passed over. */
static bool take_message(void *socket, struct buffer *into)
{
    unsigned frames = 0;
    int more = 1;

    buffer_clear(into);
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            return false;
        }
        buffer_append(into, zmq_msg_data(&frame), zmq_msg_size(&frame));
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
        frames++;
    }
    return frames == 1;
}

enum link_event link_receive(struct link *link, struct buffer *into, int64_t until_ms)
{
    for (;;) {
        zmq_pollitem_t items[] = {{link->socket, 0, ZMQ_POLLIN, 0}, {link->monitor, 0, ZMQ_POLLIN, 0}};
        int64_t left = until_ms - link_now_ms();
        int ready = zmq_poll(items, 2, left > 0 ? (long)left : 0);
        if (ready < 0 && errno != EINTR)
            return LINK_LOST;
        /* What arrived before the connection broke still counts. */
        if (ready > 0 && items[0].revents & ZMQ_POLLIN && take_message(link->socket, into))
            return LINK_MESSAGE;
        if (ready > 0 && items[1].revents & ZMQ_POLLIN && !(items[0].revents & ZMQ_POLLIN))
            return LINK_LOST;
        if (left <= 0)
            return LINK_LATE;
    }
}
