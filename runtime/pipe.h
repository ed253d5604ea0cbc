/* pipe - the bounded link between two actors: one ZeroMQ inproc PAIR, made before the threads, outliving every life of
 * both ends (an inproc end does not reconnect). It carries copies. Sends never block: "full" is an answer.
 * The bound is our own count of messages and bytes per direction: libzmq's high-water mark is the sum of both ends,
 * counts no bytes and is silent. An ASK also reserves a place for its REPLY in the other direction. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/msg.h"
#include <stdatomic.h>

struct pipe_lane { /* one direction; the receiver's bounds */
    _Atomic size_t messages, bytes, reserved;
    size_t messages_max, bytes_max;
};

struct pipe_end {
    void *socket; /* NULL: no edge between the two actors */
    struct pipe_lane *out, *in;
    size_t owed; /* ASKs taken from this end and not answered yet; the owner's thread only */
};

/* Connects ends a (owned by actor `first`) and b (owned by `second`) within a ZeroMQ context. */
void pipe_open(void *context, enum actor_index first, enum actor_index second, struct pipe_end *a, struct pipe_end *b);
/* Closes one end, on its own thread; lanes go with the last pipe_free_lanes(). */
void pipe_close(struct pipe_end *end);
void pipe_free_lanes(struct pipe_end *end);

/* OK or FULL; a REPLY is always OK. */
enum error pipe_send(struct pipe_end *end, enum msg_flow flow, struct slice frame);
/* Takes the next frame into `frame` (a zmq_msg_t the caller has initialised); false when there is none. */
bool pipe_receive(struct pipe_end *end, void *zmq_message);
/* The owner starts a new life: what it still owes will never be answered, so the places are given back. */
void pipe_forgive(struct pipe_end *end);
