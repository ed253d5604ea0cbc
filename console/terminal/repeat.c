// SPDX-License-Identifier: MIT
#include "console/terminal/repeat.h"
#include "console/terminal/rehearsing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct repeated {
    const struct repeating *with;
    const json_t *run;
    bool whole;
};

/* ---- what the run was told, as answers for the rehearsal ---- */

static const struct workflow_step *definition_of(const struct workflow *workflow, const char *instance)
{
    return workflow_find_step(workflow, (struct slice){instance, strcspn(instance, "#")});
}

static bool is_in(struct slice state, const char *const states[])
{
    for (size_t i = 0; states[i] != NULL; i++)
        if (slice_is(state, states[i]))
            return true;
    return false;
}

static json_t *approval_answer(const json_t *step)
{
    struct slice decision = json_text_at(step, "result.decision");
    bool is_approved = json_is_true(json_at(step, "result.approved"));

    if (slice_is(decision, "shadow"))
        return NULL;
    return json_pack("{s:s}", "decision",
                     is_approved                     ? "approved"
                     : slice_is(decision, "expired") ? "expired"
                                                     : "rejected");
}

/* What came back from outside, or NULL when nothing is known of it. An empty result of a withheld step says nothing. */
static json_t *answer_of(const struct workflow_step *definition, const json_t *step)
{
    static const char *const told[] = {"done", "copied", NULL};
    struct slice state = json_text_at(step, "state"), error = json_text_at(step, "error");
    json_t *result = json_object_get(step, "result");

    if (definition->kind != NODE_SKILL || definition->skill->place == PLACE_LOCAL)
        return NULL;
    if (definition->skill->id == SKILL_APPROVE)
        return is_in(state, told) ? approval_answer(step) : NULL;
    if (is_in(state, told) || (slice_is(state, "shadow") && json_object_size(result) > 0))
        return json_pack("{s:O}", "result", result != NULL ? result : json_null());
    if (error.size == 0 || slice_is(error, "expression"))
        return NULL;
    return json_pack("{s:s%, s:s}", "error", error.data, error.size, "text", "as recorded");
}

static json_t *answers_of(const struct workflow *workflow, const json_t *run)
{
    json_t *answers = json_object(), *step;
    size_t index;

    json_array_foreach(json_object_get(run, "steps"), index, step)
    {
        const char *instance = json_string_value(json_object_get(step, "step"));
        const struct workflow_step *definition = instance != NULL ? definition_of(workflow, instance) : NULL;
        json_t *answer = definition != NULL ? answer_of(definition, step) : NULL;
        if (answer != NULL)
            json_object_set_new(answers, instance, answer);
    }
    return answers;
}

/* What steps of the run read from the store; what it held besides is not known any more. */
static json_t *store_of(const struct workflow *workflow, const json_t *run)
{
    json_t *store = json_object(), *step;
    size_t index;

    json_array_foreach(json_object_get(run, "steps"), index, step)
    {
        const char *instance = json_string_value(json_object_get(step, "step"));
        const struct workflow_step *definition = instance != NULL ? definition_of(workflow, instance) : NULL;
        const char *key = json_string_value(json_at(step, "input.key"));
        json_t *result = json_object_get(step, "result");
        char name[512];
        if (definition == NULL || definition->skill == NULL || definition->skill->id != SKILL_GET || key == NULL ||
            result == NULL || json_is_null(result))
            continue;
        snprintf(name, sizeof(name), "value/%s", key);
        if (json_object_get(store, name) == NULL)
            json_object_set(store, name, result);
    }
    return store;
}

/* ---- the effects that were, and the effects that would be ---- */

/* Of a step that the changed file does not have only its traces tell what it was: a worker did it, and no model. */
static bool was_effect(const struct workflow *workflow, const char *instance, const json_t *step)
{
    static const char *const happened[] = {"done", "shadow", "copied", NULL};
    const struct workflow_step *definition = definition_of(workflow, instance);
    const json_t *input = json_object_get(step, "input");

    if (!is_in(json_text_at(step, "state"), happened))
        return false;
    if (definition != NULL)
        return definition->skill != NULL && rehearsal_is_effect(definition->skill, input);
    return json_at(step, "result.model") == NULL && json_object_get(input, "prompt") == NULL &&
           (json_object_get(step, "job") != NULL || slice_is(json_text_at(step, "state"), "shadow"));
}

/* {INSTANCE: input} */
static json_t *recorded_effects(const struct workflow *workflow, const json_t *run)
{
    json_t *effects = json_object(), *step;
    size_t index;

    json_array_foreach(json_object_get(run, "steps"), index, step)
    {
        const char *instance = json_string_value(json_object_get(step, "step"));
        json_t *input = json_object_get(step, "input");
        if (instance != NULL && was_effect(workflow, instance, step))
            json_object_set_new(effects, instance, input != NULL ? json_incref(input) : json_object());
    }
    return effects;
}

static json_t *rehearsed_effects(const struct rehearsal *rehearsal)
{
    json_t *effects = json_object(), *effect;
    size_t index;

    json_array_foreach(rehearsal->effects, index, effect)
        json_object_set(effects, json_string_value(json_object_get(effect, "step")), json_object_get(effect, "input"));
    return effects;
}

/* An input that was too large to be kept is there as its size only. */
static bool is_same_input(const json_t *old, const json_t *now)
{
    struct buffer text = {NULL, 0, 0};

    if (json_object_size(old) != 1 || json_object_get(old, "bytes") == NULL)
        return json_equal(old, now);
    json_write(&text, now);
    size_t size = text.size;
    buffer_free(&text);
    return (size_t)json_integer_value(json_object_get(old, "bytes")) == size;
}

/* [{field, old, new}], values only for the owner who asked for them. */
static json_t *changed_fields(const json_t *old, const json_t *now, bool whole)
{
    json_t *list = json_array(), *both = json_copy((json_t *)old), *value;
    const char *name;

    json_object_update_missing(both, (json_t *)now);
    json_object_foreach(both, name, value)
    {
        json_t *one = json_object_get(old, name), *two = json_object_get(now, name), *field;
        if (one != NULL && two != NULL && json_equal(one, two))
            continue;
        field = json_pack("{s:s}", "field", name);
        if (whole) {
            json_object_set_new(field, "old", one != NULL ? json_incref(one) : json_null());
            json_object_set_new(field, "new", two != NULL ? json_incref(two) : json_null());
        }
        json_array_append_new(list, field);
    }
    json_decref(both);
    return list;
}

static json_t *effects_diff(const json_t *old, const json_t *now, bool whole)
{
    json_t *added = json_array(), *removed = json_array(), *changed = json_array(), *input;
    const char *instance;

    json_object_foreach((json_t *)old, instance, input)
    {
        const json_t *other = json_object_get(now, instance);
        if (other == NULL)
            json_array_append_new(removed, json_string(instance));
        else if (!is_same_input(input, other))
            json_array_append_new(
                changed, json_pack("{s:s, s:o}", "step", instance, "fields", changed_fields(input, other, whole)));
    }
    json_object_foreach((json_t *)now, instance, input)
    {
        if (json_object_get(old, instance) == NULL)
            json_array_append_new(added, json_string(instance));
    }
    return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

/* ---- one run ---- */

/* A webhook that the changed file does not listen to any more begins nothing. */
static bool would_begin(const struct workflow *workflow, const json_t *trigger)
{
    char *hook, *topic;

    if (!slice_is(json_text_at(trigger, "kind"), "webhook"))
        return true;
    hook = slice_dup(json_text_at(trigger, "hook"));
    topic = slice_dup(json_text_at(trigger, "topic"));
    bool begins = workflow_matches_webhook(workflow, hook, topic) >= 0;
    free(hook);
    free(topic);
    return begins;
}

static void compare(const struct repeated *repeated, json_t *report, const struct rehearsal *rehearsal)
{
    const json_t *run = repeated->run;
    json_t *old = recorded_effects(repeated->with->workflow, run);
    json_t *now = rehearsal != NULL ? rehearsed_effects(rehearsal) : json_object();
    const char *state = rehearsal != NULL ? run_state_name(rehearsal->run.state) : "not begun";
    json_t *effects = effects_diff(old, now, repeated->whole);
    size_t found = json_array_size(json_object_get(effects, "added")) +
                   json_array_size(json_object_get(effects, "removed")) +
                   json_array_size(json_object_get(effects, "changed"));

    if (!slice_is(json_text_at(run, "state"), state)) {
        found++;
        json_object_set_new(report, "state",
                            json_pack("{s:O, s:s}", "old", json_object_get(run, "state"), "new", state));
    }
    json_object_set_new(report, "effects", effects);
    json_object_set_new(report, "same", json_boolean(found == 0));
    if (rehearsal != NULL && json_array_size(rehearsal->invented) > 0)
        json_object_set(report, "invented", rehearsal->invented);
    json_decref(old);
    json_decref(now);
}

static void leave_out(json_t *report, const char *why)
{
    json_object_set_new(report, "left_out", json_string(why));
}

static void repeat(const struct repeated *repeated, json_t *report)
{
    const json_t *run = repeated->run, *trigger = json_object_get(run, "trigger");
    json_t *answers = answers_of(repeated->with->workflow, run), *store = store_of(repeated->with->workflow, run);
    struct rehearsal_given given = {.workflow = repeated->with->workflow,
                                    .trigger = trigger,
                                    .answers = answers,
                                    .store = store,
                                    .invent = true,
                                    .now_ms = json_integer_value(json_object_get(run, "started_ms")),
                                    .engine = repeated->with->engine,
                                    .shop = repeated->with->shop,
                                    .hooks = &rehearsing_hooks};
    struct text_problem problem;
    struct rehearsal rehearsal;
    char text[800];

    if (!would_begin(repeated->with->workflow, trigger))
        compare(repeated, report, NULL);
    else if (rehearse(&given, &rehearsal, &problem)) {
        compare(repeated, report, &rehearsal);
        rehearsal_fini(&rehearsal);
    } else {
        text_problem_print(&problem, text, sizeof(text));
        leave_out(report, text);
    }
    json_decref(answers);
    json_decref(store);
}

json_t *repeat_run(const struct repeating *repeating, const json_t *run, bool whole)
{
    const struct repeated repeated = {repeating, run, whole};
    json_t *report = json_pack("{s:O}", "run", json_object_get(run, "run"));

    if (slice_is(json_text_at(run, "state"), "open"))
        leave_out(report, "still open");
    else if (!json_is_object(json_object_get(run, "trigger")) || json_at(run, "trigger.bytes") != NULL)
        leave_out(report, "its event is not kept any more");
    else
        repeat(&repeated, report);
    return report;
}
