// SPDX-License-Identifier: MIT
#include "actors/scheduler/planner.h"

enum { STEPS_MAX = 5000 };
static const int64_t GRACE_MS_MIN = 60000, JUMP_MS = 172800000;

struct due {
    int64_t at_ms[PLANNER_ALL_MAX]; /* a ring of the latest */
    size_t count;                   /* how many there are, the forgotten ones too */
    int64_t next_ms;
};

/* Looks at everything due between the mark and now. A schedule so dense that this takes long lost nothing worth
 * running late but what lies within the jump. */
static void look(const struct workflow_trigger *trigger, const struct zone *zone, int64_t mark_ms, int64_t now_ms,
                 struct due *due)
{
    int64_t at = cron_next(&trigger->cron, zone, mark_ms);

    *due = (struct due){.count = 0};
    for (size_t steps = 0; at <= now_ms; steps++) {
        due->at_ms[due->count++ % PLANNER_ALL_MAX] = at;
        at = cron_next(&trigger->cron, zone, steps == STEPS_MAX && now_ms - JUMP_MS > at ? now_ms - JUMP_MS : at);
    }
    due->next_ms = at;
}

struct plan planner_next(const struct workflow_trigger *trigger, const struct zone *zone, int64_t mark_ms,
                         int64_t now_ms)
{
    int64_t grace = trigger->grace_ms > GRACE_MS_MIN ? trigger->grace_ms : GRACE_MS_MIN;
    struct due due;

    look(trigger, zone, mark_ms, now_ms, &due);
    if (due.count == 0)
        return (struct plan){PLAN_WAIT, due.next_ms};
    int64_t last = due.at_ms[(due.count - 1) % PLANNER_ALL_MAX];
    if (trigger->missed == MISSED_ALL && due.count <= PLANNER_ALL_MAX)
        return (struct plan){PLAN_FIRE, due.at_ms[0]};
    if (trigger->missed == MISSED_ALL) /* settle what lies before the latest hundred */
        return (struct plan){PLAN_SKIP, due.at_ms[due.count % PLANNER_ALL_MAX] - 1};
    if (trigger->missed == MISSED_SKIP && now_ms - last > grace)
        return (struct plan){PLAN_SKIP, last};
    return (struct plan){PLAN_FIRE, last};
}
