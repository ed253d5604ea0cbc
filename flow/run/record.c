// SPDX-License-Identifier: MIT
#include "flow/run/record.h"
#include <stdio.h>
#include <string.h>

enum { RECORD_VERSION = 2, RECORD_VERSION_FIRST = 1 };

void run_begin(struct run *run, uint64_t id, const struct workflow *workflow, enum workflow_mode mode, json_t *trigger,
               int64_t now_ms)
{
    *run = (struct run){.id = id, .state = RUN_OPEN};
    run->record = json_pack("{s:i, s:s, s:s, s:s, s:o, s:I, s:{}}", "v", RECORD_VERSION, "workflow", workflow->name,
                            "hash", workflow->hash, "mode", workflow_mode_name(mode), "trigger", trigger, "started_ms",
                            (json_int_t)now_ms, "steps");
}

/* The first version knew steps in a row only, and kept them as this one does. */
bool run_read(struct run *run, struct slice record)
{
    struct json_problem problem;

    run->record = json_read(record, &problem);
    json_int_t version = json_integer_value(json_object_get(run->record, "v"));
    if (json_is_object(run->record) && json_is_object(json_object_get(run->record, "steps")) &&
        version >= RECORD_VERSION_FIRST && version <= RECORD_VERSION)
        return true;
    run_fini(run);
    return false;
}

void run_fini(struct run *run)
{
    json_decref(run->record);
    run->record = NULL;
}

bool run_is_live(const struct run *run)
{
    return slice_is(json_text_at(run->record, "mode"), "live");
}

json_t *run_step(const struct run *run, const char *instance, bool make)
{
    json_t *steps = json_object_get(run->record, "steps"), *step = json_object_get(steps, instance);

    if (step == NULL && make) {
        json_int_t n = json_integer_value(json_object_get(run->record, "last_n")) + 1;
        step = json_pack("{s:I}", "n", n);
        json_object_set_new(steps, instance, step);
        json_object_set_new(run->record, "last_n", json_integer(n));
    }
    return step;
}

void run_step_set(json_t *step, const char *state, int64_t now_ms)
{
    bool is_open = strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0;

    if (json_object_get(step, "started_ms") == NULL)
        json_object_set_new(step, "started_ms", json_integer(now_ms));
    if (!is_open)
        json_object_set_new(step, "ended_ms", json_integer(now_ms));
    json_object_set_new(step, "state", json_string(state));
}

bool run_step_is(const json_t *step, const char *state)
{
    return slice_is(json_text_at(step, "state"), state);
}

void run_fail(struct run *run, const char *step, enum error error, const char *text, int64_t now_ms)
{
    struct slice cut = slice_of(text);

    cut.size = cut.size > RECORD_TEXT_MAX ? RECORD_TEXT_MAX : cut.size;
    while (cut.size > 0 && !slice_is_utf8(cut))
        cut.size--;
    run->state = RUN_FAILED;
    json_object_set_new(run->record, "ended_ms", json_integer(now_ms));
    json_object_set_new(run->record, "error",
                        json_pack("{s:s, s:s, s:s%}", "step", step, "error", error_name(error), "text",
                                  cut.size ? cut.data : "", cut.size));
}

/* ---- what can be done without ---- */

static json_int_t json_bytes(const json_t *value)
{
    struct buffer text = {NULL, 0, 0};
    json_int_t size;

    json_write(&text, value);
    size = (json_int_t)text.size;
    buffer_free(&text);
    return size;
}

bool run_is_reduced(const struct run *run)
{
    return json_object_get(json_object_get(run->record, "trigger"), "bytes") != NULL;
}

bool run_reduce(struct run *run)
{
    static const char *const kept[] = {"kind",  "hook",    "topic",       "shop",       "sender_id", "queue",
                                       "index", "channel", "received_ms", "planned_ms", "workflow",  "run"};
    json_t *trigger = json_object_get(run->record, "trigger"), *reduced, *step;
    const char *instance;

    if (run_is_reduced(run))
        return false;
    reduced = json_object();
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(trigger, kept[i]) != NULL)
            json_object_set(reduced, kept[i], json_object_get(trigger, kept[i]));
    json_object_set_new(reduced, "bytes", json_integer(json_bytes(trigger)));
    json_object_set_new(run->record, "trigger", reduced);
    json_object_foreach(json_object_get(run->record, "steps"), instance, step)
    {
        json_object_del(step, "input");
        json_object_del(step, "items");
    }
    return true;
}

/* ---- what expressions see ---- */

json_t *run_trigger_vars(json_t *trigger, const struct run_shop *shop, int64_t now_ms)
{
    return json_pack("{s:O, s:{s:s, s:s, s:s}, s:I}", "trigger", trigger, "shop", "name", shop->name, "zone",
                     shop->zone, "currency", shop->currency, "now", (json_int_t)now_ms);
}

json_t *run_vars(const struct run *run, const struct run_shop *shop, int64_t now_ms)
{
    json_t *vars = run_trigger_vars(json_object_get(run->record, "trigger"), shop, now_ms), *steps = json_object();
    json_t *error = json_object_get(run->record, "error"), *step;
    const char *instance;

    json_object_set_new(vars, "run",
                        json_pack("{s:I, s:O, s:O, s:O}", "id", (json_int_t)run->id, "workflow",
                                  json_object_get(run->record, "workflow"), "mode",
                                  json_object_get(run->record, "mode"), "started_ms",
                                  json_object_get(run->record, "started_ms")));
    json_object_foreach(json_object_get(run->record, "steps"), instance, step)
    {
        if (strchr(instance, '#') == NULL)
            json_object_set_new(steps, instance, run_step_view(step));
    }
    json_object_set_new(vars, "steps", steps);
    if (error != NULL)
        json_object_set(vars, "failure", error);
    return vars;
}

json_t *run_step_view(json_t *step)
{
    static const char *const seen[] = {"state", "result", "error", "text"};
    json_t *view = json_object();

    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
        if (json_object_get(step, seen[i]) != NULL)
            json_object_set(view, seen[i], json_object_get(step, seen[i]));
    return view;
}
