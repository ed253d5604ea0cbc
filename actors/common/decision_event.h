/* decision_event - the event of queue flow that tells a run of a person's answer. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/ops.h"
#include "proto/payloads.h"

/* Packs the PUSH of a DECISION under its run's key. */
void decision_event_put(struct buffer *ops, const struct payload_decision *decision);
