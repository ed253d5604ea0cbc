// SPDX-License-Identifier: MIT
#include "runtime/pipe.h"
#include "proto/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static struct pipe_lane *lane_new(enum actor_index receiver)
{
    struct pipe_lane *lane = xcalloc(1, sizeof(*lane));

    lane->messages_max = roster[receiver].inbox_messages_max;
    lane->bytes_max = roster[receiver].inbox_bytes_max;
    return lane;
}

/* Debian's libzmq is not built for the thread sanitizer, which cannot see that it orders both sides. */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define handed_over(lane) __tsan_release(lane)
#define taken_over(lane) __tsan_acquire(lane)
#else
#define handed_over(lane) ((void)(lane))
#define taken_over(lane) ((void)(lane))
#endif

static void *socket_new(void *context)
{
    void *socket = zmq_socket(context, ZMQ_PAIR);
    int zero = 0;

    CHECK(socket != NULL);
    CHECK(zmq_setsockopt(socket, ZMQ_SNDHWM, &zero, sizeof(zero)) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_RCVHWM, &zero, sizeof(zero)) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof(zero)) == 0);
    return socket;
}

void pipe_open(void *context, enum actor_index first, enum actor_index second, struct pipe_end *a, struct pipe_end *b)
{
    struct pipe_lane *to_first = lane_new(first), *to_second = lane_new(second);
    char name[64];

    snprintf(name, sizeof(name), "inproc://%s-%s", roster[first].name, roster[second].name);
    *a = (struct pipe_end){socket_new(context), to_second, to_first, 0};
    *b = (struct pipe_end){socket_new(context), to_first, to_second, 0};
    CHECK(zmq_bind(a->socket, name) == 0);
    CHECK(zmq_connect(b->socket, name) == 0);
}

void pipe_close(struct pipe_end *end)
{
    if (end->socket != NULL)
        zmq_close(end->socket);
    end->socket = NULL;
}

void pipe_free_lanes(struct pipe_end *end)
{
    free(end->out);
    free(end->in);
    end->out = end->in = NULL;
}

static size_t load(_Atomic size_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static bool has_room(struct pipe_lane *lane, size_t more)
{
    return load(&lane->messages) + load(&lane->reserved) < lane->messages_max &&
           (load(&lane->bytes) == 0 || load(&lane->bytes) + more <= lane->bytes_max);
}

enum error pipe_send(struct pipe_end *end, enum msg_flow flow, struct slice frame)
{
    CHECK(end->socket != NULL);
    if (flow != FLOW_REPLY && !has_room(end->out, frame.size))
        return ERROR_FULL;
    if (flow == FLOW_ASK) {
        if (!has_room(end->in, 0))
            return ERROR_FULL;
        atomic_fetch_add_explicit(&end->in->reserved, 1, memory_order_relaxed);
    }
    if (flow == FLOW_REPLY) {
        CHECK(end->owed > 0);
        end->owed--;
        atomic_fetch_sub_explicit(&end->out->reserved, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&end->out->messages, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&end->out->bytes, frame.size, memory_order_relaxed);
    zmq_msg_t message;
    CHECK(zmq_msg_init_size(&message, frame.size) == 0);
    memcpy(zmq_msg_data(&message), frame.data, frame.size);
    handed_over(end->out);
    CHECK(zmq_msg_send(&message, end->socket, ZMQ_DONTWAIT) >= 0);
    return ERROR_OK;
}

bool pipe_receive(struct pipe_end *end, void *zmq_message)
{
    uint64_t ticket;
    int size = zmq_msg_recv(zmq_message, end->socket, ZMQ_DONTWAIT);

    if (size < 0)
        return false;
    taken_over(end->in);
    atomic_fetch_sub_explicit(&end->in->messages, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&end->in->bytes, (size_t)size, memory_order_relaxed);
    enum msg_id id = msg_peek((struct slice){zmq_msg_data(zmq_message), (size_t)size}, &ticket);
    if (id < MSG_COUNT && msg_info[id].flow == FLOW_ASK)
        end->owed++;
    return true;
}

void pipe_forgive(struct pipe_end *end)
{
    if (end->owed > 0)
        atomic_fetch_sub_explicit(&end->out->reserved, end->owed, memory_order_relaxed);
    end->owed = 0;
}
