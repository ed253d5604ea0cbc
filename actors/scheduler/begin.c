// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "runtime/io/crypto.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOW_PRIORITY = 2, MATCHES_MAX = 64 };

/* ---- what happened, as the expression variable trigger ---- */

/* Only JSON can be looked into; anything else is null to expressions. NULL: said to be JSON and is none. */
static json_t *body_of(struct slice content_type, struct slice body)
{
    struct json_problem problem;

    if (memmem(content_type.data, content_type.size, "json", 4) == NULL)
        return json_null();
    return json_read(body, &problem);
}

static json_t *trigger_of_hook(const struct payload_hook *hook)
{
    json_t *body = body_of(hook->content_type, hook->body);

    if (body == NULL)
        return NULL;
    return json_pack("{s:s, s:s%, s:s%, s:s%, s:s%, s:I, s:o}", "kind", "webhook", "hook",
                     hook->hook.data ? hook->hook.data : "", hook->hook.size, "topic",
                     hook->topic.size ? hook->topic.data : "", hook->topic.size, "shop",
                     hook->shop.size ? hook->shop.data : "", hook->shop.size, "sender_id",
                     hook->sender_id.size ? hook->sender_id.data : "", hook->sender_id.size, "received_ms",
                     (json_int_t)hook->received_ms, "body", body);
}

static json_t *trigger_of_job(const struct event *event)
{
    struct slice queue = buffer_slice(&event->queue), key = buffer_slice(&event->key);
    json_t *body = body_of(buffer_slice(&event->content_type), buffer_slice(&event->bytes));

    if (body == NULL)
        return NULL;
    return json_pack("{s:s, s:s%, s:s%, s:I, s:o}", "kind", "queue", "queue", queue.size ? queue.data : "", queue.size,
                     "key", key.size ? key.data : "", key.size, "received_ms", (json_int_t)event->created_ms, "body",
                     body);
}

static json_t *trigger_of_event(const struct event *event)
{
    struct json_problem problem;

    if (!event->is_flow)
        return trigger_of_job(event);
    if (event->payload.id == PAYLOAD_HOOK)
        return trigger_of_hook(&event->payload.hook);
    if (event->payload.id == PAYLOAD_START)
        return json_read(event->payload.start.trigger, &problem);
    return json_pack("{s:s, s:I, s:I}", "kind", "schedule", "index", (json_int_t)event->payload.occurrence.trigger,
                     "planned_ms", (json_int_t)event->payload.occurrence.planned_ms);
}

/* ---- who listens ---- */

static bool listens(const struct workflow *workflow, const struct event *event, const char *name, const char *topic)
{
    const struct payload *payload = &event->payload;

    if (workflow->mode == WORKFLOW_OFF)
        return false;
    if (!event->is_flow)
        return workflow_matches_queue(workflow, name) >= 0;
    if (payload->id == PAYLOAD_HOOK)
        return workflow_matches_webhook(workflow, name, topic) >= 0;
    if (payload->id == PAYLOAD_START)
        return slice_is(payload->start.workflow, workflow->name);
    return slice_is(payload->occurrence.workflow, workflow->name) &&
           payload->occurrence.trigger < workflow->trigger_count &&
           workflow->triggers[payload->occurrence.trigger].kind == TRIGGER_SCHEDULE;
}

static size_t listeners(const struct scheduler *scheduler, const struct event *event, size_t found[MATCHES_MAX])
{
    bool is_hook = event->is_flow && event->payload.id == PAYLOAD_HOOK;
    char *name = slice_dup(is_hook ? event->payload.hook.hook : buffer_slice(&event->queue));
    char *topic = slice_dup(is_hook ? event->payload.hook.topic : (struct slice){NULL, 0});
    size_t count = 0;

    for (size_t i = 0; i < scheduler->config->workflow_count && count < MATCHES_MAX; i++)
        if (listens(scheduler->config->workflows[i], event, name, topic))
            found[count++] = i;
    free(name);
    free(topic);
    return count;
}

/* ---- one run ---- */

/* The claim that makes a unique key unique, ever. A key too long for a claim stands as its digest. */
static void put_unique(struct event *event, const struct workflow *workflow, struct slice rendered)
{
    struct buffer key = {NULL, 0, 0};
    char value[24], hex[SHA256_HEX];

    buffer_printf(&key, "run/%s/", workflow->name);
    if (key.size + rendered.size <= KEY_BYTES_MAX)
        buffer_append(&key, rendered.data, rendered.size);
    else {
        crypto_sha256_hex(rendered, hex);
        buffer_printf(&key, "#%s", hex);
    }
    snprintf(value, sizeof(value), "%llu", (unsigned long long)event->run.id);
    op_put_claim(&event->ops,
                 &(struct op_claim){.key = buffer_slice(&key), .until_ms = INT64_MAX, .value = slice_of(value)});
    event->has_unique = true;
    buffer_free(&key);
}

/* OK, or why there cannot be a run. */
static enum error claim_unique(struct scheduler *scheduler, struct event *event, const struct workflow *workflow,
                               json_t *trigger, char *detail, size_t room)
{
    struct buffer key = {NULL, 0, 0};
    struct text_problem problem;

    if (workflow->unique == NULL)
        return ERROR_OK;
    json_t *vars = run_trigger_vars(trigger, scheduler->config, actor_wall(scheduler->actor));
    bool good = workflow_render_unique(scheduler->engine, workflow, vars, &key, &problem);
    if (good)
        put_unique(event, workflow, buffer_slice(&key));
    else
        text_problem_print(&problem, detail, room);
    json_decref(vars);
    buffer_free(&key);
    return good ? ERROR_OK : ERROR_EXPRESSION;
}

static void begin_one(struct scheduler *scheduler, struct event *event, size_t index, json_t *trigger)
{
    struct workflow *workflow = scheduler->config->workflows[index];
    char detail[800];

    event->begun = (int)index;
    event->run.id = scheduler->id_next++;
    enum error error = claim_unique(scheduler, event, workflow, trigger, detail, sizeof(detail));
    run_begin(&event->run, event->run.id, workflow, trigger, actor_wall(scheduler->actor));
    struct advance advance = {.config = scheduler->config,
                              .engine = scheduler->engine,
                              .workflow = workflow,
                              .run = &event->run,
                              .ops = &event->ops,
                              .op_count = event->has_unique ? 3 : 2,
                              .ids = &scheduler->id_next,
                              .now_ms = actor_wall(scheduler->actor)};
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    if (!scheduler->is_stored[index])
        op_put_put(&event->ops, &(struct op_put){.space = SLICE("workflow"),
                                                 .key = slice_of(workflow->hash),
                                                 .value = workflow_definition_text(workflow)});
    /* A key that cannot be rendered fails the run before its first step, where it is listed with its place. */
    if (error != ERROR_OK)
        run_fail(&event->run, error, detail, advance.now_ms);
    else
        advance_run(&advance);
    advance_put_run(&advance);
    event_commit(scheduler, event);
}

/* ---- several runs ---- */

static void fan_out(struct scheduler *scheduler, struct event *event, const size_t *found, size_t count,
                    json_t *trigger)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, trigger);
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    for (size_t i = 0; i < count; i++) {
        struct buffer payload = {NULL, 0, 0};
        payload_put_start(&payload, &(struct payload_start){slice_of(scheduler->config->workflows[found[i]]->name),
                                                            buffer_slice(&text)});
        op_put_push(&event->ops, &(struct op_push){.queue = SLICE("flow"),
                                                   .priority = FLOW_PRIORITY,
                                                   .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                   .payload = buffer_slice(&payload)});
        buffer_free(&payload);
    }
    buffer_free(&text);
    json_decref(trigger);
    event_commit(scheduler, event);
}

void event_begin_runs(struct scheduler *scheduler, struct event *event)
{
    size_t found[MATCHES_MAX], count = listeners(scheduler, event, found);
    json_t *trigger;

    if (count == 0) {
        actor_count(scheduler->actor, METRIC_EVENTS_UNHEARD, 0, 1);
        actor_log(scheduler->actor, LOG_INFO, "event-unheard", NULL, 0);
        event_drop(scheduler, event);
        return;
    }
    if (!scheduler_has_ids(scheduler)) {
        event->phase = EVENT_IDS;
        return;
    }
    trigger = trigger_of_event(event);
    if (trigger == NULL)
        event_bury(scheduler, event, ERROR_MALFORMED, "the body is no JSON");
    else if (count == 1)
        begin_one(scheduler, event, found[0], trigger);
    else
        fan_out(scheduler, event, found, count, trigger);
}
