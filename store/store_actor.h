/* store_actor - the STORE actor: the only writer of the store. Commits that arrive while a transaction syncs go into
 * the next one together; reads are answered after the commits that came before them; jobs go out within credit. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"
#include "store/hand.h"
#include "store/store.h"

/* What the wiring gives the actor (actor_resource()); outlives every life of it. */
struct store_resource {
    unsigned magic; /* STORE_RESOURCE_MAGIC */
#define STORE_RESOURCE_MAGIC 0x53524553u
    const struct kv_ops *kv;
    void *kv_argument;
    struct store_options options;
    /* How the process before this one ended and what it had running; emptied once it is charged. */
    enum store_exit previous_exit;
    uint64_t running[HAND_SLOTS_MAX];
    size_t running_count;
    struct hand *hand; /* told when they are charged; may be NULL */
    bool deliver_nothing; /* safe mode: take work in, hand none out */
};

extern const struct actor_spec store_actor_spec;
