// SPDX-License-Identifier: MIT
#include "console/terminal/view.h"
#include "console/terminal/show.h"
#include "console/terminal/width.h"
#include <stdlib.h>
#include <string.h>

enum { VERSION_BYTES = 12 };

/* The columns in this order; those that are not there are left out. */
static json_t *pick(const json_t *row, const char *const *keys)
{
    json_t *picked = json_object();

    for (; *keys != NULL; keys++)
        if (json_object_get(row, *keys) != NULL)
            json_object_set(picked, *keys, json_object_get(row, *keys));
    return picked;
}

static json_t *pick_rows(const json_t *rows, const char *const *keys)
{
    json_t *picked = json_array();

    for (size_t i = 0; i < json_array_size(rows); i++)
        json_array_append_new(picked, pick(json_array_get(rows, i), keys));
    return picked;
}

static void show_owned(struct buffer *into, json_t *value)
{
    show_json(into, value);
    json_decref(value);
}

/* ---- workflows and schedules ---- */

static void view_workflows(struct buffer *into, const json_t *value)
{
    static const char *const keys[] = {"workflow", "mode", "open_runs", "version", "triggers", "description", NULL};

    show_owned(into, pick_rows(json_object_get(value, "workflows"), keys));
}

static json_t *schedule_row(const json_t *schedule)
{
    static const char *const keys[] = {"workflow", "slot",   "cron",      "zone",    "mode", "next",
                                       "last",     "missed", "jitter_ms", "overlap", "held", NULL};
    json_t *row = pick(schedule, keys), *next = json_object_get(row, "next");

    if (json_array_size(next) > 0)
        json_object_set(row, "next", json_array_get(next, 0));
    if (json_is_null(json_object_get(row, "held")))
        json_object_del(row, "held");
    return row;
}

/* One time each stands in the table; more stand below it. */
static void view_schedules(struct buffer *into, const json_t *value)
{
    const json_t *schedules = json_object_get(value, "schedules");
    json_t *rows = json_array();

    for (size_t i = 0; i < json_array_size(schedules); i++)
        json_array_append_new(rows, schedule_row(json_array_get(schedules, i)));
    show_owned(into, rows);
    for (size_t i = 0; i < json_array_size(schedules); i++) {
        const json_t *schedule = json_array_get(schedules, i), *next = json_object_get(schedule, "next");
        if (json_array_size(next) < 2)
            continue;
        buffer_text(into, "\n");
        width_clean(into, json_text_at(schedule, "workflow"), false, 0);
        buffer_text(into, ": ");
        width_clean(into, json_text_at(schedule, "cron"), false, 0);
        buffer_text(into, "\n");
        for (size_t at = 0; at < json_array_size(next); at++) {
            buffer_text(into, "  ");
            width_clean(into, slice_of(json_string_value(json_array_get(next, at))), false, 0);
            buffer_text(into, "\n");
        }
    }
    if (json_integer_value(json_object_get(value, "more")) > 0)
        buffer_printf(into, "\n%lld more; name a workflow with --workflow\n",
                      (long long)json_integer_value(json_object_get(value, "more")));
}

/* ---- a run ---- */

static json_t *run_head(const json_t *run)
{
    static const char *const keys[] = {"run",    "workflow", "mode",   "state",        "started_ms",    "ended_ms",
                                       "parent", "depth",    "replay", "cancelled_by", "trigger_bytes", NULL};
    json_t *head = pick(run, keys);
    struct slice hash = json_text_at(run, "hash");

    if (hash.size > 0)
        json_object_set_new(head, "version",
                            json_stringn(hash.data, hash.size < VERSION_BYTES ? hash.size : VERSION_BYTES));
    if (json_object_get(run, "error") != NULL)
        json_object_set(head, "error", json_object_get(run, "error"));
    return head;
}

/* Values in full: a table would cut them. */
static void put_value(struct buffer *into, const char *name, const json_t *value, size_t depth)
{
    char *text = value != NULL ? json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;

    if (text == NULL)
        return;
    buffer_printf(into, "%*s%s\n%*s", (int)depth * 2, "", name, (int)depth * 2 + 2, "");
    width_clean(into, slice_of(text), true, depth * 2 + 2);
    buffer_text(into, "\n");
    free(text);
}

static void put_values(struct buffer *into, const json_t *run)
{
    const json_t *steps = json_object_get(run, "steps");

    buffer_text(into, "\n");
    put_value(into, "trigger", json_object_get(run, "trigger"), 0);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        if (json_object_get(step, "input") == NULL && json_object_get(step, "result") == NULL)
            continue;
        buffer_text(into, "\n");
        width_clean(into, json_text_at(step, "step"), false, 0);
        buffer_text(into, "\n");
        put_value(into, "input", json_object_get(step, "input"), 1);
        put_value(into, "result", json_object_get(step, "result"), 1);
        put_value(into, "text", json_object_get(step, "text"), 1);
    }
    if (json_object_get(run, "result") == NULL)
        return;
    buffer_text(into, "\n");
    put_value(into, "result", json_object_get(run, "result"), 0);
}

static void view_run(struct buffer *into, const json_t *run)
{
    static const char *const brief[] = {"step",        "state",    "started_ms",  "duration_ms", "attempts",
                                        "count",       "job",      "approval",    "error",       "text",
                                        "cost_micros", "currency", "input_bytes", "result",      NULL};
    static const char *const whole[] = {"step", "state",    "started_ms", "duration_ms", "attempts", "count",
                                        "job",  "approval", "error",      "cost_micros", "currency", NULL};
    bool is_whole = json_object_get(run, "trigger") != NULL;
    json_t *head = run_head(run);

    if (!is_whole && json_object_get(run, "result") != NULL)
        json_object_set(head, "result", json_object_get(run, "result"));
    if (json_array_size(json_object_get(run, "steps")) > 0)
        json_object_set_new(head, "steps", pick_rows(json_object_get(run, "steps"), is_whole ? whole : brief));
    show_owned(into, head);
    if (is_whole)
        put_values(into, run);
}

/* ---- two runs ---- */

/* A row for each difference; a step without one has a row of its own. */
static void add_differences(json_t *rows, const json_t *step)
{
    const json_t *differs = json_object_get(step, "differs");

    if (json_array_size(differs) == 0)
        json_array_append_new(rows, json_pack("{s:O, s:s}", "step", json_object_get(step, "step"), "differs", "no"));
    for (size_t i = 0; i < json_array_size(differs); i++) {
        const char *what = json_string_value(json_array_get(differs, i));
        json_t *one = json_object_get(json_object_get(step, "one"), what);
        json_t *two = json_object_get(json_object_get(step, "two"), what);
        json_array_append_new(rows, json_pack("{s:O, s:s, s:O?, s:O?}", "step", json_object_get(step, "step"),
                                              "differs", what, "one", one, "two", two));
    }
}

static void put_side(struct buffer *into, const char *name, const json_t *side)
{
    struct slice state = json_text_at(side, "state");

    buffer_printf(into, "%s  run %lld, ", name, (long long)json_integer_value(json_object_get(side, "run")));
    width_clean(into, state, false, 0);
    buffer_text(into, "\n");
}

static void view_diff(struct buffer *into, const json_t *value)
{
    const json_t *steps = json_object_get(value, "steps");
    json_t *rows = json_array();

    put_side(into, "one", json_object_get(value, "one"));
    put_side(into, "two", json_object_get(value, "two"));
    buffer_text(into, json_is_true(json_object_get(value, "same_definition"))
                          ? "both had the same definition\n\n"
                          : "the definition changed between them\n\n");
    for (size_t i = 0; i < json_array_size(steps); i++)
        add_differences(rows, json_array_get(steps, i));
    show_owned(into, rows);
}

void view_show(struct buffer *into, enum command_id command, const json_t *value)
{
    static const struct {
        enum command_id command;
        const char *key; /* without it the answer is none of these */
        void (*show)(struct buffer *into, const json_t *value);
    } views[] = {
        {COMMAND_CALENDAR, "channels", view_calendar},    {COMMAND_WORKFLOWS, "workflows", view_workflows},
        {COMMAND_SCHEDULES, "schedules", view_schedules}, {COMMAND_RUN_SHOW, "steps", view_run},
        {COMMAND_RUN_DIFF, "steps", view_diff},
    };

    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
        if (views[i].command == command && json_object_get(value, views[i].key) != NULL) {
            views[i].show(into, value);
            return;
        }
    show_json(into, value);
}
