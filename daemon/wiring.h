/* wiring - the roster made real: which spec runs each row, and what the store stands on. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/kv_memory.h"
#include "store/store_actor.h"

/* By enum actor_index; the supervisor's is NULL: the engine has its own. */
extern const struct actor_spec *const wiring_specs[ACTOR_COUNT];

/* The store on memory that outlives processes, for the simulator. */
void wiring_store_memory(struct store_resource *resource, struct kv_memory_disk *disk);
