/* planner - which occurrence of a schedule comes next, and what becomes of those that were missed. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/workflow.h"

enum planner_kind {
    PLAN_WAIT, /* nothing before at_ms; INT64_MAX: never */
    PLAN_FIRE, /* the occurrence planned for at_ms, now */
    PLAN_SKIP, /* everything up to at_ms was missed and is settled so */
};

struct plan {
    enum planner_kind kind;
    int64_t at_ms;
    bool is_late;    /* fire: missed by more than the grace, and run late by the policy */
    uint64_t missed; /* how many occurrences are passed over by this; PLANNER_COUNT_MAX: that many or more */
};

enum { PLANNER_ALL_MAX = 100, PLANNER_COUNT_MAX = 1000 };

struct planner_rule {
    const struct schedule *schedule;
    const struct zone *zone;
    struct slice name; /* whose jitter it is, see schedule_delay() */
    enum missed_policy missed;
    int64_t grace_ms; /* counts as a minute when it is less */
};

/* Everything planned up to mark_ms is settled. When several occurrences are due at once (the box was off, or its clock
 * was not trusted), `all` runs each of the latest 100, oldest first, and the others run the latest one alone: `once`
 * and `ask` in any case, `skip` only if it is not older than the grace. An occurrence is as old as the moment at which
 * it was to happen, its jitter counted. Called again with the mark moved to at_ms it gives the next. */
struct plan planner_next(const struct planner_rule *rule, int64_t mark_ms, int64_t now_ms);
