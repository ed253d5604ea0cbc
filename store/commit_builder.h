/* commit_builder - what other actors include to speak to the store: operations are put one behind the other into a
 * buffer (op_put_* of proto/ops.h), then sent as one commit. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/ops.h"
#include "proto/records.h"
#include "runtime/actor.h"

/* Asks for these operations, all or nothing; COMMITTED with the ticket follows. OK or FULL (nothing was sent). */
static inline enum error store_commit(struct actor *actor, uint64_t ticket, const struct buffer *ops)
{
    return send_commit(actor, ACTOR_STORE, &(struct msg_commit){.ticket = ticket, .ops = buffer_slice(ops)});
}

/* Asks for a page; `request` tells what (proto/records.h), its ticket is set here. PAGE follows. OK or FULL. */
static inline enum error store_ask(struct actor *actor, uint64_t ticket, struct msg_read request)
{
    request.ticket = ticket;
    return send_read(actor, ACTOR_STORE, &request);
}
