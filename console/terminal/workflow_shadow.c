// SPDX-License-Identifier: MIT
#include "console/terminal/rehearsing.h"
#include "console/terminal/workflow_commands.h"
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 1000, DAYS_MAX = 3650, SHOWN_BYTES = 100 };

struct shadow {
    const struct settings *settings;
    struct workflow *workflow;
    struct expression_engine *engine;
    bool whole;
    size_t same, differing, left_out;
    json_t *reports; /* [{run, same, unrepeatable, begins, state, effects: {...}, invented}] */
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
                     is_approved ? "approved" : slice_is(decision, "expired") ? "expired" : "rejected");
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
            json_array_append_new(changed, json_pack("{s:s, s:o}", "step", instance, "fields",
                                                     changed_fields(input, other, whole)));
    }
    json_object_foreach((json_t *)now, instance, input)
    {
        if (json_object_get(old, instance) == NULL)
            json_array_append_new(added, json_string(instance));
    }
    return json_pack("{s:o, s:o, s:o}", "added", added, "removed", removed, "changed", changed);
}

/* ---- one run ---- */

static void leave_out(struct shadow *shadow, json_t *report, const char *why)
{
    json_object_set_new(report, "unrepeatable", json_string(why));
    shadow->left_out++;
}

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

static void compare(struct shadow *shadow, const json_t *run, json_t *report, const struct rehearsal *rehearsal)
{
    json_t *old = recorded_effects(shadow->workflow, run);
    json_t *now = rehearsal != NULL ? rehearsed_effects(rehearsal) : json_object();
    const char *state = rehearsal != NULL ? run_state_name(rehearsal->run.state) : "not begun";
    json_t *effects = effects_diff(old, now, shadow->whole);
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
    if (found == 0)
        shadow->same++;
    else
        shadow->differing++;
    json_decref(old);
    json_decref(now);
}

static void repeat(struct shadow *shadow, const json_t *run, json_t *report)
{
    const json_t *trigger = json_object_get(run, "trigger");
    json_t *answers = answers_of(shadow->workflow, run), *store = store_of(shadow->workflow, run);
    struct rehearsal_given given = {.workflow = shadow->workflow,
                                    .trigger = trigger,
                                    .answers = answers,
                                    .store = store,
                                    .invent = true,
                                    .now_ms = json_integer_value(json_object_get(run, "started_ms")),
                                    .engine = shadow->engine,
                                    .shop = &rehearsing_shop,
                                    .hooks = &rehearsing_hooks};
    struct text_problem problem;
    struct rehearsal rehearsal;
    char text[800];

    if (!would_begin(shadow->workflow, trigger))
        compare(shadow, run, report, NULL);
    else if (rehearse(&given, &rehearsal, &problem)) {
        compare(shadow, run, report, &rehearsal);
        rehearsal_fini(&rehearsal);
    } else {
        text_problem_print(&problem, text, sizeof(text));
        leave_out(shadow, report, text);
    }
    json_decref(answers);
    json_decref(store);
}

/* ---- for people ---- */

static void show(struct buffer *into, const json_t *value)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, value);
    struct slice shown = {text.data, text.size > SHOWN_BYTES ? SHOWN_BYTES : text.size};
    while (shown.size > 0 && !slice_is_utf8(shown))
        shown.size--;
    buffer_append(into, shown.data, shown.size);
    buffer_text(into, shown.size < text.size ? "..." : "");
    buffer_free(&text);
}

static void print_names(struct buffer *into, const char *what, const json_t *names)
{
    json_t *name;
    size_t index;

    json_array_foreach(names, index, name) buffer_printf(into, "  %s %s\n", what, json_string_value(name));
}

static void print_changed(struct buffer *into, const json_t *changed)
{
    json_t *field;
    size_t index;

    buffer_printf(into, "  ~ %s:", json_string_value(json_object_get(changed, "step")));
    json_array_foreach(json_object_get(changed, "fields"), index, field)
        buffer_printf(into, "%s %s", index > 0 ? "," : "", json_string_value(json_object_get(field, "field")));
    buffer_text(into, "\n");
    json_array_foreach(json_object_get(changed, "fields"), index, field)
    {
        if (json_object_get(field, "old") == NULL)
            continue;
        buffer_printf(into, "      %s: ", json_string_value(json_object_get(field, "field")));
        show(into, json_object_get(field, "old"));
        buffer_text(into, " -> ");
        show(into, json_object_get(field, "new"));
        buffer_text(into, "\n");
    }
}

static void print_report(const json_t *report, FILE *out)
{
    const char *why = json_string_value(json_object_get(report, "unrepeatable"));
    struct buffer text = {NULL, 0, 0};
    json_t *changed;
    size_t index;

    buffer_printf(&text, "run %lld: ", (long long)json_integer_value(json_object_get(report, "run")));
    if (why != NULL)
        buffer_printf(&text, "left out: %s\n", why);
    else
        buffer_text(&text, json_is_true(json_object_get(report, "same")) ? "same\n" : "differs\n");
    if (json_object_get(report, "state") != NULL)
        buffer_printf(&text, "  ended %s, would end %s\n", json_string_value(json_at(report, "state.old")),
                      json_string_value(json_at(report, "state.new")));
    print_names(&text, "-", json_at(report, "effects.removed"));
    print_names(&text, "+", json_at(report, "effects.added"));
    json_array_foreach(json_at(report, "effects.changed"), index, changed) print_changed(&text, changed);
    print_names(&text, "nothing was recorded for this step, its answer is made up:", json_object_get(report, "invented"));
    fwrite(text.data, 1, text.size, out);
    buffer_free(&text);
}

/* ---- the command ---- */

static int do_run(struct shadow *shadow, json_int_t id, FILE *out, FILE *problems)
{
    json_t *arguments = json_pack("{s:I, s:b}", "id", id, "whole", 1), *run = NULL, *report;
    int exit_code = session_ask(shadow->settings, COMMAND_RUN_SHOW, arguments, &run, problems);

    json_decref(arguments);
    if (exit_code != SESSION_OK)
        return exit_code;
    report = json_pack("{s:I}", "run", id);
    if (slice_is(json_text_at(run, "state"), "open"))
        leave_out(shadow, report, "still open");
    else if (!json_is_object(json_object_get(run, "trigger")) || json_at(run, "trigger.bytes") != NULL)
        leave_out(shadow, report, "its event is not kept any more");
    else
        repeat(shadow, run, report);
    if (!shadow->settings->json)
        print_report(report, out);
    json_array_append_new(shadow->reports, report);
    json_decref(run);
    return SESSION_OK;
}

static int do_runs(struct shadow *shadow, json_int_t days, FILE *out, FILE *problems)
{
    char since[32];
    json_t *arguments, *answer = NULL, *list;

    snprintf(since, sizeof(since), "%lldd", (long long)days);
    arguments = json_pack("{s:s, s:s, s:i}", "workflow", shadow->workflow->name, "since", since, "limit", RUNS_MAX);
    int exit_code = session_ask(shadow->settings, COMMAND_RUNS, arguments, &answer, problems);
    list = json_object_get(answer, "runs");
    for (size_t i = json_array_size(list); i > 0 && exit_code == SESSION_OK; i--)
        exit_code = do_run(shadow, json_integer_value(json_object_get(json_array_get(list, i - 1), "run")), out, problems);
    json_decref(arguments);
    json_decref(answer);
    return exit_code;
}

static void print_summary(const struct shadow *shadow, FILE *out)
{
    if (shadow->settings->json)
        offline_print_json(out, json_pack("{s:O, s:I, s:I, s:I}", "runs", shadow->reports, "same",
                                          (json_int_t)shadow->same, "differing", (json_int_t)shadow->differing,
                                          "left_out", (json_int_t)shadow->left_out));
    else
        fprintf(out, "%zu runs: %zu same, %zu differ, %zu left out; nothing was sent\n",
                shadow->same + shadow->differing + shadow->left_out, shadow->same, shadow->differing, shadow->left_out);
}

int workflow_shadow(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    const json_t *days = json_object_get(arguments, "days");
    struct shadow shadow = {.settings = settings, .whole = json_is_true(json_object_get(arguments, "whole"))};
    struct text_problem problem;
    char text[800];

    if (days != NULL && (json_integer_value(days) < 1 || json_integer_value(days) > DAYS_MAX))
        return offline_refuse(problems, "days: write 1 to %d", DAYS_MAX);
    shadow.workflow = workflow_read_file(json_string_value(json_object_get(arguments, "file")), &problem);
    if (shadow.workflow == NULL) {
        text_problem_print(&problem, text, sizeof(text));
        return offline_refuse(problems, "%s", text);
    }
    shadow.engine = expression_engine_new(NULL);
    shadow.reports = json_array();
    int exit_code = do_runs(&shadow, days != NULL ? json_integer_value(days) : 1, out, problems);
    if (exit_code == SESSION_OK)
        print_summary(&shadow, out);
    json_decref(shadow.reports);
    expression_engine_destroy(&shadow.engine);
    workflow_destroy(&shadow.workflow);
    return exit_code;
}
