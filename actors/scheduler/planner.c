// SPDX-License-Identifier: MIT
#include "actors/scheduler/planner.h"
#include <string.h>

static const int64_t GRACE_MS_MIN = 60000;

struct due {
    int64_t at_ms[PLANNER_ALL_MAX]; /* the latest ones, oldest first */
    size_t kept;                    /* how many stand there */
    uint64_t count;                 /* how many there are, at most PLANNER_COUNT_MAX */
    int64_t next_ms;                /* when there are none */
};

/* The last occurrence up to until_ms. `at_ms` is one of them; the one that follows a moment never lies before the one
 * that follows an earlier moment, so the moment where it passes until_ms can be halved for. */
static int64_t last_until(const struct planner_rule *rule, int64_t at_ms, int64_t until_ms)
{
    int64_t low = at_ms, high = until_ms;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t next = schedule_next(rule->schedule, rule->zone, middle);
        if (next <= until_ms)
            low = next;
        else
            high = middle;
    }
    return low;
}

/* Too many to walk over: looks for the latest ones from the end. */
static void look_back(const struct planner_rule *rule, int64_t first_ms, int64_t now_ms, struct due *due)
{
    int64_t until = now_ms;

    for (size_t i = PLANNER_ALL_MAX; i-- > 0;) {
        int64_t width = 3600000;
        while (until - width > first_ms && schedule_next(rule->schedule, rule->zone, until - width) > until)
            width *= 4;
        int64_t from = until - width > first_ms ? schedule_next(rule->schedule, rule->zone, until - width) : first_ms;
        due->at_ms[i] = last_until(rule, from, until);
        until = due->at_ms[i] - 1;
    }
    due->kept = PLANNER_ALL_MAX;
}

static void look(const struct planner_rule *rule, int64_t mark_ms, int64_t now_ms, struct due *due)
{
    int64_t at = schedule_next(rule->schedule, rule->zone, mark_ms), first = at;

    *due = (struct due){.next_ms = at};
    for (; at <= now_ms && due->count < PLANNER_COUNT_MAX; due->count++) {
        if (due->kept == PLANNER_ALL_MAX)
            memmove(due->at_ms, due->at_ms + 1, --due->kept * sizeof(due->at_ms[0]));
        due->at_ms[due->kept++] = at;
        at = schedule_next(rule->schedule, rule->zone, at);
    }
    if (at <= now_ms)
        look_back(rule, first, now_ms, due);
}

struct plan planner_next(const struct planner_rule *rule, int64_t mark_ms, int64_t now_ms)
{
    int64_t grace = rule->grace_ms > GRACE_MS_MIN ? rule->grace_ms : GRACE_MS_MIN;
    struct due due;

    look(rule, mark_ms, now_ms, &due);
    if (due.count == 0)
        return (struct plan){PLAN_WAIT, due.next_ms, false, 0};
    if (rule->missed == MISSED_ALL && due.count > due.kept) /* settle what lies before the latest ones */
        return (struct plan){PLAN_SKIP, due.at_ms[0] - 1, false, due.count - due.kept};
    int64_t at = due.at_ms[rule->missed == MISSED_ALL ? 0 : due.kept - 1];
    bool is_late = now_ms - at - schedule_delay(rule->schedule, rule->name, at) > grace;
    if (rule->missed == MISSED_SKIP && is_late)
        return (struct plan){PLAN_SKIP, at, false, due.count};
    return (struct plan){PLAN_FIRE, at, is_late, rule->missed == MISSED_ALL ? 0 : due.count - 1};
}
