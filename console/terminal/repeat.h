/* repeat - a recorded run done again with another version of its workflow, in memory, and what would differ. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/record.h"

struct repeating {
    const struct workflow *workflow; /* the changed one */
    const struct run_shop *shop;
    struct expression_engine *engine;
};

/* `run` is what `run show ID --whole` says. What came back from outside is taken from it, what it did not record is
 * made up. The caller owns the report: {run, left_out: WHY}, or {run, same, state: {old, new} when it would end
 * otherwise, invented: [step], effects: {added: [step], removed: [step], changed: [{step, fields: [{field, old,
 * new}]}]}}; old and new only with `whole`, since customers stand in them. */
json_t *repeat_run(const struct repeating *repeating, const json_t *run, bool whole);
