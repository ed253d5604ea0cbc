/* limiter - the actor that owns every outside budget: opens and closes gates, grants permits, learns from answers.
 * docs/limits.md tells the owner what it promises; the arithmetic is in budget.h and breaker.h. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

extern const struct actor_spec limiter_spec;
