// SPDX-License-Identifier: MIT
#include "flow/run/machine.h"
#include <stdio.h>
#include <string.h>

/* ---- what of an old run need not be done again ---- */

static bool is_ended_well(const json_t *entry)
{
    static const char *const states[] = {"done", "else", "skipped", "copied"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (run_step_is(entry, states[i]))
            return true;
    return false;
}

/* It did something that a second time would do twice, outside or in the books and kept values. */
static bool was_effect(const struct workflow_step *step, const json_t *entry)
{
    if (step->kind != NODE_SKILL || !(run_step_is(entry, "done") || run_step_is(entry, "copied")))
        return false;
    switch (step->skill->id) {
    case SKILL_COUNT:
    case SKILL_EVENT:
    case SKILL_PUT:
    case SKILL_REMEMBER:
    case SKILL_MEASURE:
    case SKILL_CALL:
        return true;
    default:
        return step->skill->has_effect;
    }
}

static bool is_inside(const struct workflow_step *step, const struct workflow_step *other)
{
    for (const struct workflow_step *at = other->inside; at != NULL; at = at->inside)
        if (at == step)
            return true;
    return false;
}

static void copy_entry(struct run *run, const char *instance, const json_t *entry)
{
    json_t *copy = run_step(run, instance, true);

    json_object_update(copy, (json_t *)entry);
    json_object_set_new(copy, "state", json_string("copied"));
    json_object_del(copy, "alarm");
    json_object_del(copy, "job");
}

/* A called run that did not end well is repeated too, and a list is to be the same one, as far as they are not copied.
 */
static void note_old(json_t *replay, const struct workflow_step *step, const char *instance, const json_t *entry)
{
    bool is_call = step->kind == NODE_SKILL && step->skill->id == SKILL_CALL;

    if (is_call && (run_step_is(entry, "failed") || run_step_is(entry, "cancelled") || run_step_is(entry, "else")) &&
        json_object_get(entry, "job") != NULL)
        json_object_set(json_object_get(replay, "calls"), instance, json_object_get(entry, "job"));
    if (step->kind == NODE_EACH && json_object_get(entry, "digest") != NULL)
        json_object_set(json_object_get(replay, "items"), instance, json_object_get(entry, "digest"));
}

/* A job may have done its work although its run has ended; only a person knows. */
static bool is_in_doubt(const struct run *old, char *problem, size_t room)
{
    const char *instance;
    json_t *entry;

    json_object_foreach(json_object_get(old->record, "steps"), instance, entry)
    {
        if (!json_is_true(json_object_get(entry, "in_doubt")))
            continue;
        snprintf(problem, room,
                 "step %s is in doubt; settle its job first: purser job revive %lld, or purser job cancel %lld",
                 instance, (long long)json_integer_value(json_object_get(entry, "job")),
                 (long long)json_integer_value(json_object_get(entry, "job")));
        return true;
    }
    return false;
}

static bool is_stopped(const json_t *entry)
{
    return run_step_is(entry, "failed") || run_step_is(entry, "cancelled");
}

static const struct workflow_step *first_failed(const struct run *old, const struct workflow *workflow)
{
    for (size_t i = 0; i < workflow->all_count; i++) {
        const char *instance;
        json_t *entry;
        if (workflow->all[i]->kind != NODE_SKILL)
            continue;
        json_object_foreach(json_object_get(old->record, "steps"), instance, entry)
        {
            bool is_it = slice_equal((struct slice){instance, strcspn(instance, "#")}, slice_of(workflow->all[i]->id));
            if (is_it && is_stopped(entry))
                return workflow->all[i];
        }
    }
    return NULL;
}

static size_t place_of(const struct workflow *workflow, const struct workflow_step *step)
{
    size_t place = 0;

    while (place < workflow->all_count && workflow->all[place] != step)
        place++;
    return place;
}

static bool is_kept(const struct workflow *workflow, const struct workflow_step *step, const json_t *entry,
                    const struct workflow_step *from, bool redo)
{
    if (step == from)
        return !redo && was_effect(step, entry);
    if (is_inside(step, from)) /* what `from` is in must be gone through again */
        return false;
    if (place_of(workflow, step) < place_of(workflow, from))
        return is_ended_well(entry);
    return was_effect(step, entry);
}

static void drop_empty(json_t *object, const char *name)
{
    if (json_object_size(json_object_get(object, name)) == 0)
        json_object_del(object, name);
}

bool machine_copy(struct run *run, const struct run *old, const struct workflow *workflow,
                  const struct machine_repeat *repeat, char *problem, size_t room)
{
    struct slice from = repeat->from;
    const struct workflow_step *start =
        from.size > 0 ? workflow_find_step(workflow, from) : first_failed(old, workflow);
    const char *instance;
    json_t *entry;

    if (start == NULL) {
        if (from.size > 0)
            snprintf(problem, room, "workflow %s has no step \"%.*s\"", workflow->name, (int)from.size, from.data);
        else
            snprintf(problem, room, "no step of the run failed or was cancelled; name one with --from");
        return false;
    }
    if (is_in_doubt(old, problem, room))
        return false;
    json_t *replay =
        json_pack("{s:I, s:s, s:{}, s:{}}", "of", (json_int_t)old->id, "from", start->id, "calls", "items");
    json_object_foreach(json_object_get(old->record, "steps"), instance, entry)
    {
        const struct workflow_step *step =
            workflow_find_step(workflow, (struct slice){instance, strcspn(instance, "#")});
        if (step != NULL && is_kept(workflow, step, entry, start, repeat->redo))
            copy_entry(run, instance, entry);
        else if (step != NULL)
            note_old(replay, step, instance, entry);
    }
    if (json_object_get(old->record, "last_n") != NULL) /* what is done anew comes behind */
        json_object_set(run->record, "last_n", json_object_get(old->record, "last_n"));
    drop_empty(replay, "calls");
    drop_empty(replay, "items");
    json_object_set_new(run->record, "replay", replay);
    return true;
}
