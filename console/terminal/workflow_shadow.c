// SPDX-License-Identifier: MIT
#include "console/terminal/rehearsing.h"
#include "console/terminal/repeat.h"
#include "console/terminal/workflow_commands.h"
#include <string.h>

enum { RUNS_MAX = 1000, DAYS_MAX = 3650, SHOWN_BYTES = 100 };

struct shadow {
    const struct settings *settings;
    struct workflow *workflow;
    struct expression_engine *engine;
    struct rehearsing_config config;
    bool whole;
    size_t same, differing, left_out;
    json_t *reports; /* of repeat_run() */
};

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
    const char *why = json_string_value(json_object_get(report, "left_out"));
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
    print_names(&text,
                "nothing was recorded for this step, its answer is made up:", json_object_get(report, "invented"));
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
    report =
        repeat_run(&(struct repeating){shadow->workflow, &shadow->config.shop, shadow->engine}, run, shadow->whole);
    if (json_object_get(report, "left_out") != NULL)
        shadow->left_out++;
    else if (json_is_true(json_object_get(report, "same")))
        shadow->same++;
    else
        shadow->differing++;
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
        exit_code =
            do_run(shadow, json_integer_value(json_object_get(json_array_get(list, i - 1), "run")), out, problems);
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
    if (shadow.workflow == NULL || !rehearsing_read_config(settings, &shadow.config, &problem)) {
        workflow_destroy(&shadow.workflow);
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
