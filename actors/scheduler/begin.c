// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "runtime/io/crypto.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MATCHES_MAX = 64 };

/* ---- what happened, as the expression variable trigger ---- */

static json_t *text_json(struct slice text)
{
    return json_stringn(text.size ? text.data : "", text.size);
}

/* Only JSON can be looked into; anything else is null to expressions. NULL: said to be JSON and is none. */
static json_t *body_of(struct slice content_type, struct slice body)
{
    struct json_problem problem;

    if (content_type.size == 0 || memmem(content_type.data, content_type.size, "json", 4) == NULL)
        return json_null();
    return json_read(body, &problem);
}

static json_t *trigger_of_hook(const struct payload_hook *hook)
{
    json_t *body = body_of(hook->content_type, hook->body);

    if (body == NULL)
        return NULL;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o}", "kind", "webhook", "hook", text_json(hook->hook), "topic",
                     text_json(hook->topic), "shop", text_json(hook->shop), "sender_id", text_json(hook->sender_id),
                     "received_ms", (json_int_t)hook->received_ms, "body", body);
}

static json_t *trigger_of_job(const struct event *event)
{
    json_t *body = body_of(buffer_slice(&event->content_type), buffer_slice(&event->bytes));

    if (body == NULL)
        return NULL;
    return json_pack("{s:s, s:o, s:o, s:I, s:o}", "kind", "queue", "queue", text_json(buffer_slice(&event->queue)),
                     "key", text_json(buffer_slice(&event->key)), "received_ms", (json_int_t)event->created_ms, "body",
                     body);
}

static json_t *trigger_of_message(const struct payload_message *message)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "kind", "message", "channel",
                     text_json(message->channel), "chat", text_json(message->chat), "sender",
                     text_json(message->sender), "name", text_json(message->name), "text", text_json(message->text),
                     "message_id", text_json(message->message_id), "reply_to", text_json(message->reply_to),
                     "received_ms", (json_int_t)message->received_ms);
}

static json_t *trigger_of_event(const struct event *event)
{
    if (!event->is_flow)
        return trigger_of_job(event);
    return event->payload.id == PAYLOAD_HOOK ? trigger_of_hook(&event->payload.hook)
                                             : trigger_of_message(&event->payload.message);
}

/* ---- who listens ---- */

static bool listens(const struct workflow *workflow, const struct event *event, const char *name, const char *topic)
{
    const struct payload *payload = &event->payload;

    if (workflow->mode == WORKFLOW_OFF)
        return false;
    if (!event->is_flow)
        return workflow_find_trigger(workflow, TRIGGER_QUEUE, name) >= 0;
    if (payload->id == PAYLOAD_HOOK)
        return workflow_matches_webhook(workflow, name, topic) >= 0;
    if (payload->id == PAYLOAD_MESSAGE)
        return workflow_find_trigger(workflow, TRIGGER_MESSAGE, name) >= 0;
    return slice_is(payload->occurrence.workflow, workflow->name) &&
           payload->occurrence.trigger < workflow->trigger_count &&
           (workflow->triggers[payload->occurrence.trigger].kind == TRIGGER_SCHEDULE ||
            workflow->triggers[payload->occurrence.trigger].kind == TRIGGER_SLOT);
}

static struct slice name_of(const struct event *event)
{
    if (!event->is_flow)
        return buffer_slice(&event->queue);
    if (event->payload.id == PAYLOAD_HOOK)
        return event->payload.hook.hook;
    return event->payload.id == PAYLOAD_MESSAGE ? event->payload.message.channel : (struct slice){NULL, 0};
}

static size_t listeners(const struct scheduler *scheduler, const struct event *event,
                        struct workflow *found[MATCHES_MAX])
{
    bool is_hook = event->is_flow && event->payload.id == PAYLOAD_HOOK;
    char *name = slice_dup(name_of(event));
    char *topic = slice_dup(is_hook ? event->payload.hook.topic : (struct slice){NULL, 0});
    size_t count = 0;

    for (size_t i = 0; i < scheduler->workflow_count && count < MATCHES_MAX; i++)
        if (listens(scheduler->workflows[i], event, name, topic))
            found[count++] = scheduler->workflows[i];
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
    snprintf(value, sizeof(value), "%llu", (unsigned long long)event->begun_id);
    op_put_claim(&event->ops,
                 &(struct op_claim){.key = buffer_slice(&key), .until_ms = INT64_MAX, .value = slice_of(value)});
    event->has_unique = true;
    buffer_free(&key);
}

/* OK, or why there cannot be a run. A run that is repeated on purpose has the key of the first. */
static enum error claim_unique(struct scheduler *scheduler, struct event *event, const struct workflow *workflow,
                               json_t *trigger, char *detail, size_t room)
{
    struct buffer key = {NULL, 0, 0};
    struct text_problem problem;

    if (workflow->unique == NULL || (event_is_start(event) && event->payload.start.replay_of != 0))
        return ERROR_OK;
    json_t *vars = run_trigger_vars(trigger, &scheduler->shop, actor_wall(scheduler->actor));
    bool good = workflow_render_unique(scheduler->engine, workflow, vars, &key, &problem);
    if (good)
        put_unique(event, workflow, buffer_slice(&key));
    else
        text_problem_print(&problem, detail, room);
    json_decref(vars);
    buffer_free(&key);
    return good ? ERROR_OK : ERROR_EXPRESSION;
}

static size_t put_definition(struct scheduler *scheduler, struct event *event, const struct workflow *workflow)
{
    for (size_t i = 0; i < scheduler->workflow_count; i++)
        if (scheduler->workflows[i] == workflow && scheduler->is_stored[i])
            return 0;
    op_put_put(&event->ops, &(struct op_put){.space = SLICE("workflow"),
                                             .key = slice_of(workflow->hash),
                                             .value = workflow_definition_text(workflow)});
    return 1;
}

static enum workflow_mode mode_of(const struct event *event, const struct workflow *workflow)
{
    return event_is_start(event) && slice_is(event->payload.start.mode, "shadow") ? WORKFLOW_SHADOW : workflow->mode;
}

/* The run before its first step. What cannot be rendered or repeated fails the run there, where it is listed with its
 * place. */
static void prepare(struct scheduler *scheduler, struct event *event, const struct workflow *workflow, json_t *trigger)
{
    char detail[800] = "";
    enum error error = claim_unique(scheduler, event, workflow, trigger, detail, sizeof(detail));
    int64_t now_ms = event->now_ms;

    run_begin(&event->run, event->begun_id, workflow, mode_of(event, workflow), trigger, now_ms);
    if (error == ERROR_OK && !start_fill(event, workflow, detail, sizeof(detail)))
        error = ERROR_INVALID;
    if (error == ERROR_OK && event->ruin != ERROR_OK) {
        error = event->ruin;
        snprintf(detail, sizeof(detail), "%s", event->ruin_detail);
    }
    if (error != ERROR_OK)
        run_fail(&event->run, "", error, detail, now_ms);
}

void begin_one(struct scheduler *scheduler, struct event *event, struct workflow *workflow, json_t *trigger)
{
    if (event->begun_id == 0)
        event->begun_id =
            event_is_start(event) && event->payload.start.run != 0 ? event->payload.start.run : scheduler->id_next++;
    prepare(scheduler, event, workflow, trigger);
    struct machine machine = event_machine(scheduler, event, workflow);
    const uint64_t first_id = scheduler->id_next; /* what a try took that comes to nothing is there for the next */
    machine.op_count = event->has_unique ? 2 : 1;
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    machine.op_count += put_definition(scheduler, event, workflow);
    machine.op_count += occurrence_put(scheduler, event, workflow);
    if (event->run.state == RUN_OPEN)
        machine_go_on(&machine);
    if (!machine.is_wanting)
        machine_put_run(&machine);
    if (machine.is_wanting) {
        scheduler->id_next = first_id;
        fact_read(scheduler, event, &machine.wanted);
        return;
    }
    snprintf(event->begun, sizeof(event->begun), "%s", workflow->hash);
    event->else_error = machine.else_error;
    event_commit(scheduler, event);
}

/* ---- several runs ---- */

static void fan_out(struct scheduler *scheduler, struct event *event, struct workflow *const *found, size_t count,
                    json_t *trigger)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, trigger);
    json_decref(trigger);
    if (!json_is_readable(buffer_slice(&text))) {
        buffer_free(&text);
        event_bury(scheduler, event, ERROR_TOO_LARGE, "the body has too many values, or too deep ones");
        return;
    }
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    for (size_t i = 0; i < count; i++) {
        struct buffer payload = {NULL, 0, 0};
        payload_put_start(
            &payload, &(struct payload_start){.workflow = slice_of(found[i]->name), .trigger = buffer_slice(&text)});
        op_put_push(&event->ops, &(struct op_push){.queue = SLICE("flow"),
                                                   .priority = FLOW_PRIORITY,
                                                   .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                   .payload = buffer_slice(&payload)});
        buffer_free(&payload);
    }
    buffer_free(&text);
    event_commit(scheduler, event);
}

/* A job of a producer's queue is nobody's to drop: the queue is left alone, and the job waits there. */
static void unheard(struct scheduler *scheduler, struct event *event)
{
    if (!event->is_flow) {
        if (send_release(scheduler->actor, ACTOR_STORE, &(struct msg_release){event->id, event->fence}) == ERROR_OK)
            event_free(event);
        else
            event_pause(scheduler, event, AGAIN_MS);
        return;
    }
    actor_count(scheduler->actor, METRIC_EVENTS_UNHEARD, 0, 1);
    actor_log(scheduler->actor, LOG_INFO, "event-unheard", NULL, 0);
    event_drop(scheduler, event);
}

static void begin_occurrence(struct scheduler *scheduler, struct event *event, struct workflow *workflow)
{
    json_t *trigger;

    if (!occurrence_may_begin(scheduler, event, workflow))
        return;
    trigger = occurrence_trigger(scheduler, event, workflow);
    if (trigger != NULL)
        begin_one(scheduler, event, workflow, trigger);
}

void begin_runs(struct scheduler *scheduler, struct event *event)
{
    struct workflow *found[MATCHES_MAX];
    size_t count;
    json_t *trigger;

    if (!scheduler_has_ids(scheduler)) {
        event->phase = EVENT_IDS;
        return;
    }
    if (event_is_start(event)) {
        start_begin(scheduler, event);
        return;
    }
    count = listeners(scheduler, event, found);
    if (count == 0)
        unheard(scheduler, event);
    else if (event->is_flow && event->payload.id == PAYLOAD_OCCURRENCE)
        begin_occurrence(scheduler, event, found[0]);
    else if ((trigger = trigger_of_event(event)) == NULL)
        event_bury(scheduler, event, ERROR_MALFORMED, "the body is no JSON");
    else if (count == 1)
        begin_one(scheduler, event, found[0], trigger);
    else
        fan_out(scheduler, event, found, count, trigger);
}
