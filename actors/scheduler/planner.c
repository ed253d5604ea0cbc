// SPDX-License-Identifier: MIT
#include "actors/scheduler/planner.h"

enum { STEPS_MAX = 5000 };
static const int64_t GRACE_MS_MIN = 60000, JUMP_MS = 172800000;

struct missed {
    int64_t at_ms[PLANNER_ALL_MAX]; /* a ring of the latest */
    size_t count;                   /* how many there were, the forgotten ones too */
    int64_t first_ms, first_on_time_ms;
};

/* Looks at everything due between the mark and now. A schedule so dense that this takes long lost nothing worth
 * running late but what lies within the jump. */
static void look(const struct workflow_trigger *trigger, const struct zone *zone, int64_t mark_ms, int64_t now_ms,
                 struct missed *missed)
{
    int64_t grace = trigger->grace_ms > GRACE_MS_MIN ? trigger->grace_ms : GRACE_MS_MIN;
    int64_t at = cron_next(&trigger->cron, zone, mark_ms);

    *missed = (struct missed){.first_ms = at, .first_on_time_ms = INT64_MAX};
    for (size_t steps = 0; at <= now_ms; steps++) {
        if (now_ms - at <= grace) {
            missed->first_on_time_ms = at;
            return;
        }
        missed->at_ms[missed->count++ % PLANNER_ALL_MAX] = at;
        int64_t from = steps == STEPS_MAX && now_ms - JUMP_MS > at ? now_ms - JUMP_MS : at;
        at = cron_next(&trigger->cron, zone, from);
    }
}

struct plan planner_next(const struct workflow_trigger *trigger, const struct zone *zone, int64_t mark_ms,
                         int64_t now_ms)
{
    struct missed missed;

    look(trigger, zone, mark_ms, now_ms, &missed);
    if (missed.first_ms > now_ms)
        return (struct plan){PLAN_WAIT, missed.first_ms};
    if (missed.count == 0)
        return (struct plan){PLAN_FIRE, missed.first_on_time_ms};
    int64_t last = missed.at_ms[(missed.count - 1) % PLANNER_ALL_MAX];
    if (trigger->missed == MISSED_ALL && missed.count <= PLANNER_ALL_MAX)
        return (struct plan){PLAN_FIRE, missed.at_ms[0]};
    if (trigger->missed == MISSED_ALL) /* settle what lies before the latest hundred */
        return (struct plan){PLAN_SKIP, missed.at_ms[missed.count % PLANNER_ALL_MAX] - 1};
    if (trigger->missed == MISSED_ONCE && missed.first_on_time_ms == INT64_MAX)
        return (struct plan){PLAN_FIRE, last};
    return (struct plan){PLAN_SKIP, last};
}
