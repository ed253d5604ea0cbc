/* planner - which occurrence of a schedule comes next, and what becomes of those that were missed. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/workflow.h"

enum planner_kind {
    PLAN_WAIT, /* nothing before at_ms */
    PLAN_FIRE, /* the occurrence planned for at_ms, now */
    PLAN_SKIP, /* everything up to at_ms was missed and is settled so */
};

struct plan {
    enum planner_kind kind;
    int64_t at_ms;
};

enum { PLANNER_ALL_MAX = 100 };

/* Everything planned up to mark_ms is settled. When several occurrences are due at once (the box was off, or its clock
 * was not trusted), `all` runs each of the latest 100, oldest first, and the others run the latest one alone: `once` in
 * any case, `skip` only if it is not older than the trigger's grace (at least a minute).
 * Called again with the mark moved to at_ms it gives the next. */
struct plan planner_next(const struct workflow_trigger *trigger, const struct zone *zone, int64_t mark_ms,
                         int64_t now_ms);
