/* scheduler - workflow runs, conditions, templates and schedules. An event of queue flow (or of a queue that a workflow
 * listens to) is answered by one commit: the event's end, the run's record, the next job, books and rows. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

extern const struct actor_spec scheduler_spec;

struct workflow;

/* What the scheduler takes from actor_reload(), allocated by calloc(); what it holds comes from workflows_load(). The
 * scheduler owns all of it then. */
struct scheduler_workflows {
    struct workflow **workflows;
    size_t count;
};
