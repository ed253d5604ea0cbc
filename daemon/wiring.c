// SPDX-License-Identifier: MIT
#include "daemon/wiring.h"
#include "actors/ai_worker/ai_worker.h"
#include "actors/ingress/ingress.h"
#include "actors/limiter/limiter.h"
#include "actors/persister/persister.h"
#include "actors/publisher/publisher.h"
#include "actors/scheduler/scheduler.h"
#include "actors/watchdog/watchdog.h"

const struct actor_spec *const wiring_specs[ACTOR_COUNT] = {
    [ACTOR_STORE] = &store_actor_spec,   [ACTOR_LIMITER] = &limiter_spec,     [ACTOR_PERSISTER] = &persister_spec,
    [ACTOR_PUBLISHER] = &publisher_spec, [ACTOR_AI_WORKER] = &ai_worker_spec, [ACTOR_SCHEDULER] = &scheduler_spec,
    [ACTOR_WATCHDOG] = &watchdog_spec,   [ACTOR_INGRESS] = &ingress_spec,
};

void wiring_store_memory(struct store_resource *resource, struct kv_memory_disk *disk)
{
    *resource = (struct store_resource){.magic = STORE_RESOURCE_MAGIC,
                                        .kv = &kv_memory_ops,
                                        .kv_argument = disk,
                                        .options = {.box = 1},
                                        .previous_exit = STORE_EXIT_OTHER};
}
