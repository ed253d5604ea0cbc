/* persister - carries the outbox into the sink: pages in order, one batch at a time, at the sink's pace.
 * The sink keeps a cursor in the same transaction as the rows, so that a crash neither skips nor repeats one. Rows are
 * trimmed from the store some time after the sink has them: a trim is a commit, so there is not one per batch. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

extern const struct actor_spec persister_spec;
