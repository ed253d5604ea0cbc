/* watchdog - looks at all others: GET /metrics (Prometheus), /healthz (the process lives), /readyz (it can keep what it
 * is given: a real commit is tried), and the console's `status` and `metrics`. It holds no work of its own. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

/* What the wiring tells it (actor_resource(); NULL: nothing); outlives every life. */
struct watchdog_resource {
    bool safe_mode;        /* the store hands no work out */
    char last_panic[1024]; /* head of the record the last crash left: time, signal, actor, job, check; empty: none */
};

extern const struct actor_spec watchdog_spec;
