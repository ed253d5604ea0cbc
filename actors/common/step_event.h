/* step_event - the event of queue flow that tells a run of a step's end. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/ops.h"
#include "proto/payloads.h"

/* Packs the PUSH of a STEP_DONE under its run's key, so that a run's events come one at a time and in order. */
void step_event_put(struct buffer *ops, const struct payload_step_done *done);
