/* client - how actors ask the store: thin wrappers over the COMMIT and READ messages. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/ops.h"
#include "proto/records.h"
#include "runtime/actor.h"

/* Sends the packed operations (op_put_*); COMMITTED with this ticket follows exactly once. FULL: nothing was sent. */
static inline enum error store_commit(struct actor *actor, uint64_t ticket, const struct buffer *ops)
{
    return send_commit(actor, ACTOR_STORE, &(struct msg_commit){.ticket = ticket, .ops = buffer_slice(ops)});
}

/* Asks for a page (see enum read_kind); PAGE with this ticket follows exactly once. FULL: nothing was sent. */
static inline enum error store_read(struct actor *actor, const struct msg_read *read)
{
    return send_read(actor, ACTOR_STORE, read);
}

/* Asks for jobs of a queue, never more than `window` at once; 0 ends it. */
static inline enum error store_subscribe_to(struct actor *actor, struct slice queue, uint64_t window)
{
    return send_subscribe(actor, ACTOR_STORE, &(struct msg_subscribe){.queue = queue, .window = window});
}
