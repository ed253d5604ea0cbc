/* watchdog - looks at all others: GET /metrics (Prometheus), /healthz (the process lives), /readyz (it can keep what it
 * is given: a real commit is tried), and the console's `status` and `metrics`. It holds no work of its own. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

extern const struct actor_spec watchdog_spec;
