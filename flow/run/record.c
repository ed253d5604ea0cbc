// SPDX-License-Identifier: MIT
#include "actors/scheduler/record.h"
#include <stdio.h>
#include <string.h>

enum { RECORD_VERSION = 1 };

static size_t json_bytes(const json_t *value)
{
    struct buffer text = {NULL, 0, 0};
    size_t size;

    json_write(&text, value);
    size = text.size;
    buffer_free(&text);
    return size;
}

void run_begin(struct run *run, uint64_t id, const struct workflow *workflow, json_t *trigger, int64_t now_ms)
{
    *run = (struct run){.id = id, .state = RUN_OPEN};
    run->record = json_pack("{s:i, s:s, s:s, s:s, s:o, s:I, s:i, s:{}}", "v", RECORD_VERSION, "workflow",
                            workflow->name, "hash", workflow->hash, "mode", workflow_mode_name(workflow->mode),
                            "trigger", trigger, "started_ms", (json_int_t)now_ms, "at", 0, "steps");
}

bool run_read(struct run *run, struct slice record)
{
    struct json_problem problem;

    run->record = json_read(record, &problem);
    if (json_is_object(run->record) && json_is_object(json_object_get(run->record, "steps")) &&
        json_integer_value(json_object_get(run->record, "v")) == RECORD_VERSION)
        return true;
    run_fini(run);
    return false;
}

void run_fini(struct run *run)
{
    json_decref(run->record);
    run->record = NULL;
}

json_t *run_step(struct run *run, const char *id)
{
    json_t *steps = json_object_get(run->record, "steps"), *step = json_object_get(steps, id);

    if (step == NULL) {
        step = json_object();
        json_object_set_new(steps, id, step);
    }
    return step;
}

void run_step_set(json_t *step, const char *state, int64_t now_ms)
{
    if (json_object_get(step, "started_ms") == NULL)
        json_object_set_new(step, "started_ms", json_integer(now_ms));
    if (strcmp(state, "waiting") != 0)
        json_object_set_new(step, "ended_ms", json_integer(now_ms));
    json_object_set_new(step, "state", json_string(state));
}

void run_fail(struct run *run, enum error error, const char *text, int64_t now_ms)
{
    struct slice cut = slice_of(text);

    cut.size = cut.size > RECORD_TEXT_MAX ? RECORD_TEXT_MAX : cut.size;
    while (cut.size > 0 && !slice_is_utf8(cut))
        cut.size--;
    run->state = RUN_FAILED;
    json_object_set_new(run->record, "ended_ms", json_integer(now_ms));
    json_object_set_new(
        run->record, "error",
        json_pack("{s:s, s:s%}", "error", error_name(error), "text", cut.size ? cut.data : "", cut.size));
}

void run_reduce_trigger(struct run *run)
{
    static const char *const kept[] = {"kind",  "hook",  "topic",       "shop",      "sender_id",
                                       "queue", "index", "received_ms", "planned_ms"};
    json_t *trigger = json_object_get(run->record, "trigger"), *reduced;

    if (json_object_get(trigger, "bytes") != NULL)
        return;
    reduced = json_object();
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(trigger, kept[i]) != NULL)
            json_object_set(reduced, kept[i], json_object_get(trigger, kept[i]));
    json_object_set_new(reduced, "bytes", json_integer((json_int_t)json_bytes(trigger)));
    json_object_set_new(run->record, "trigger", reduced);
}

json_t *run_trigger_vars(json_t *trigger, const struct config *config, int64_t now_ms)
{
    return json_pack("{s:O, s:{s:s, s:s, s:s}, s:I}", "trigger", trigger, "shop", "name", config->shop_name, "zone",
                     config->shop_zone, "currency", config->shop_currency, "now", (json_int_t)now_ms);
}

json_t *run_vars(const struct run *run, const struct config *config, int64_t now_ms)
{
    json_t *vars = run_trigger_vars(json_object_get(run->record, "trigger"), config, now_ms);

    json_object_set_new(vars, "run",
                        json_pack("{s:I, s:O, s:O, s:O}", "id", (json_int_t)run->id, "workflow",
                                  json_object_get(run->record, "workflow"), "mode",
                                  json_object_get(run->record, "mode"), "started_ms",
                                  json_object_get(run->record, "started_ms")));
    json_object_set(vars, "steps", json_object_get(run->record, "steps"));
    return vars;
}

/* ---- for people ---- */

/* Never a name, address or text that somebody typed or a model wrote. */
static json_t *result_show(json_t *result)
{
    static const char *const shown[] = {"model",          "tokens",     "tokens_in", "tokens_out",
                                        "tokens_thought", "message_id", "rows",      "mode",
                                        "amount",         "currency",   "book"};
    json_t *view = json_pack("{s:I}", "bytes", (json_int_t)json_bytes(result));

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_t *value = json_object_get(result, shown[i]);
        if (json_is_integer(value) || json_is_string(value))
            json_object_set(view, shown[i], value);
    }
    return view;
}

static json_t *step_show(const char *id, json_t *step)
{
    static const char *const kept[] = {"state", "job", "started_ms", "ended_ms", "error", "text"};
    json_t *view = json_pack("{s:s}", "step", id);

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(step, kept[i]) != NULL)
            json_object_set(view, kept[i], json_object_get(step, kept[i]));
    if (json_object_get(step, "result") != NULL)
        json_object_set_new(view, "result", result_show(json_object_get(step, "result")));
    if (json_object_get(step, "input") != NULL)
        json_object_set_new(view, "input_bytes", json_integer((json_int_t)json_bytes(json_object_get(step, "input"))));
    return view;
}

json_t *run_show(const struct run *run, struct slice workflow)
{
    static const char *const kept[] = {"mode", "hash", "started_ms", "ended_ms", "error"};
    json_t *view = json_pack("{s:I, s:s%, s:s}", "run", (json_int_t)run->id, "workflow",
                             workflow.size ? workflow.data : "", workflow.size, "state", run_state_name(run->state));
    json_t *list = json_array(), *steps = json_object_get(run->record, "steps");

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(run->record, kept[i]) != NULL)
            json_object_set(view, kept[i], json_object_get(run->record, kept[i]));
    for (void *at = json_object_iter(steps); at != NULL; at = json_object_iter_next(steps, at))
        json_array_append_new(list, step_show(json_object_iter_key(at), json_object_iter_value(at)));
    json_object_set_new(view, "steps", list);
    json_t *trigger = json_object_get(run->record, "trigger"), *bytes = json_object_get(trigger, "bytes");
    json_object_set_new(view, "trigger_bytes",
                        json_integer(bytes ? json_integer_value(bytes) : (json_int_t)json_bytes(trigger)));
    return view;
}
