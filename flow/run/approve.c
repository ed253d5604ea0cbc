// SPDX-License-Identifier: MIT
#include "flow/approval.h"
#include "flow/run/machine_priv.h"
#include "proto/text/json.h"
#include <stdio.h>

static const int64_t REMIND_MS = INT64_C(4) * 3600000, EXPIRES_MS = INT64_C(24) * 3600000;
enum { MESSAGE_UNITS_MAX = 4096, PREFIX_BYTES = 32 };
static const char space[] = "approval", messages_space[] = "telegram";

/* An approval that was read for this event. */
struct asked {
    json_t *approval;       /* owned */
    const json_t *messages; /* fact: the lists of messages that ask; borrowed */
    char key[APPROVAL_KEY_BYTES];
};

static int64_t number_or(const json_t *inputs, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(inputs, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

/* ---- what is pushed ---- */

static void put_notice(struct machine *machine, const struct machine_step *step, json_t *input)
{
    machine_put_notice(machine, step, "telegram", "telegram/default", input);
    json_decref(input);
}

/* An older question that still lies in its queue is not worth sending any more. */
static void put_question(struct machine *machine, const struct machine_step *step, json_t *approval)
{
    char key[APPROVAL_KEY_BYTES];
    struct buffer text = {NULL, 0, 0};
    struct slice hash = json_text_at(approval, "hash");
    json_t *input;
    uint64_t job;

    approval_key((uint64_t)json_integer_value(json_object_get(approval, "id")), key);
    approval_ask_text(approval, MESSAGE_UNITS_MAX, &text);
    input = json_pack("{s:{s:s, s:s%, s:s%, s:O, s:O}}", "ask", "approval", key, "hash", hash.data,
                      (size_t)APPROVAL_HASH_SHOWN, "text", text.data, text.size, "photo",
                      json_object_get(approval, "media"), "n", json_object_get(approval, "asks"));
    machine_put_cancel(machine, (uint64_t)json_integer_value(json_object_get(approval, "notice")));
    job = machine_put_notice(machine, step, "telegram", "telegram/default", input);
    json_object_set_new(approval, "notice", json_integer((json_int_t)job));
    json_decref(input);
    buffer_free(&text);
}

static void put_alarm(struct machine *machine, struct machine_step *step, const json_t *approval)
{
    struct buffer payload = {NULL, 0, 0};
    uint64_t id = (uint64_t)json_integer_value(json_object_get(approval, "id")), job;

    payload_put_wake(&payload, &(struct payload_wake){
                                   .run = machine->run->id, .step = slice_of(step->instance), .job = id});
    job = machine_put_event(machine, step, approval_wake_ms(approval), &payload);
    json_object_set_new(step->entry, "alarm", json_integer((json_int_t)job));
    buffer_free(&payload);
}

static void cancel_alarm(struct machine *machine, struct machine_step *step)
{
    machine_put_cancel(machine, (uint64_t)json_integer_value(json_object_get(step->entry, "alarm")));
    json_object_del(step->entry, "alarm");
}

/* The messages that ask are edited to say how it ended, and forgotten. */
static void settle_messages(struct machine *machine, const struct machine_step *step, const struct asked *asked)
{
    json_t *messages = json_array();
    struct buffer text = {NULL, 0, 0};

    for (size_t i = 0; i < json_array_size(asked->messages); i++) {
        const json_t *row = json_array_get(asked->messages, i);
        struct json_problem problem;
        json_t *list = json_read(json_text_at(row, "value"), &problem);
        if (json_is_array(list))
            json_array_extend(messages, list);
        json_decref(list);
        op_put_delete(machine->ops,
                      &(struct op_delete){.space = slice_of(messages_space), .key = json_text_at(row, "key")});
        machine->op_count++;
    }
    if (json_array_size(messages) > 0) {
        approval_settled_text(asked->approval, &text);
        put_notice(machine, step,
                   json_pack("{s:{s:s, s:O, s:s%}}", "settle", "approval", asked->key, "messages", messages, "text",
                             text.data, text.size));
    }
    json_decref(messages);
    buffer_free(&text);
}

/* ---- reading ---- */

/* False when a fact is missing, or when there is no such approval. */
static bool read_asked(struct machine *machine, const struct machine_step *step, struct asked *asked)
{
    char prefix[PREFIX_BYTES];
    const json_t *fact;

    *asked = (struct asked){0};
    approval_key((uint64_t)json_integer_value(json_object_get(step->entry, "approval")), asked->key);
    snprintf(prefix, sizeof(prefix), "asked/%s/", asked->key);
    fact = machine_fact_value(machine, space, slice_of(asked->key));
    if (fact == NULL)
        return false;
    asked->messages = machine_fact_list(machine, messages_space, slice_of(prefix));
    if (asked->messages == NULL)
        return false;
    asked->approval = approval_read(json_text_at(fact, "value"));
    return asked->approval != NULL;
}

static void keep(struct machine *machine, const struct asked *asked)
{
    machine_put_value(machine, space, slice_of(asked->key), asked->approval);
}

/* The question is answered one way or another. */
static void settle(struct machine *machine, struct machine_step *step, const struct asked *asked)
{
    cancel_alarm(machine, step);
    machine_put_cancel(machine, (uint64_t)json_integer_value(json_object_get(asked->approval, "notice")));
    settle_messages(machine, step, asked);
    keep(machine, asked);
}

/* ---- begin ---- */

void approve_begin(struct machine *machine, struct machine_step *step, const json_t *inputs)
{
    uint64_t id = machine_id(machine);
    struct approval_question question = {
        .id = id,
        .run = machine->run->id,
        .step = slice_of(step->instance),
        .workflow = slice_of(machine->workflow->name),
        .title = json_text_at(inputs, "title"),
        .platform = json_text_at(inputs, "platform"),
        .media = json_text_at(inputs, "media"),
        .reason = json_text_at(inputs, "reason"),
        .content = json_text_at(inputs, "content"),
        .need = number_or(inputs, "approvers", 1),
        .remind_ms = number_or(inputs, "remind", REMIND_MS),
        .expires_ms = number_or(inputs, "expires", EXPIRES_MS),
        .approves_at_expiry = slice_is(json_text_at(inputs, "at_expiry"), "approve"),
    };
    struct asked asked = {.approval = approval_make(&question, machine->now_ms)};

    approval_key(id, asked.key);
    run_step_set(step->entry, "waiting", machine->now_ms);
    json_object_set_new(step->entry, "approval", json_integer((json_int_t)id));
    put_question(machine, step, asked.approval);
    put_alarm(machine, step, asked.approval);
    keep(machine, &asked);
    json_decref(asked.approval);
}

/* ---- what comes ---- */

bool approve_wake(struct machine *machine, struct machine_step *step)
{
    struct asked asked;

    if (!read_asked(machine, step, &asked)) {
        /* Without its record nobody can answer any more. */
        if (!machine->is_wanting)
            machine_fail(machine, step, ERROR_NOT_FOUND, SLICE("the approval is not kept any more"));
        return !machine->is_wanting;
    }
    switch (approval_wake(asked.approval, machine->now_ms)) {
    case APPROVAL_SLEEPS:
        put_alarm(machine, step, asked.approval);
        break;
    case APPROVAL_REMINDS:
        put_question(machine, step, asked.approval);
        put_alarm(machine, step, asked.approval);
        keep(machine, &asked);
        break;
    case APPROVAL_EXPIRES:
        settle(machine, step, &asked);
        machine_end(machine, step, "done", approval_result(asked.approval));
        break;
    }
    json_decref(asked.approval);
    return true;
}

static void ask_anew(struct machine *machine, struct machine_step *step, const struct asked *asked)
{
    cancel_alarm(machine, step);
    settle_messages(machine, step, asked);
    put_question(machine, step, asked->approval);
    put_alarm(machine, step, asked->approval);
    keep(machine, asked);
}

static bool follow(struct machine *machine, struct machine_step *step, const struct asked *asked,
                   enum approval_verdict verdict)
{
    switch (verdict) {
    case APPROVAL_COUNTED:
        keep(machine, asked);
        return true;
    case APPROVAL_LATER:
        cancel_alarm(machine, step);
        put_alarm(machine, step, asked->approval);
        keep(machine, asked);
        return true;
    case APPROVAL_EDITED:
        ask_anew(machine, step, asked);
        return true;
    case APPROVAL_DECIDED:
        settle(machine, step, asked);
        machine_end(machine, step, "done", approval_result(asked->approval));
        return true;
    case APPROVAL_ALREADY:
    case APPROVAL_STALE:
    case APPROVAL_CLOSED:
    case APPROVAL_WRONG:
        break;
    }
    return false;
}

bool approve_decide(struct machine *machine, struct machine_step *step, const struct payload_decision *decision)
{
    struct approval_vote vote = {.verb = decision->verb,
                                 .hash = decision->hash,
                                 .via = decision->via,
                                 .who = decision->who,
                                 .name = decision->name,
                                 .text = decision->text,
                                 .at_ms = decision->at_ms};
    struct asked asked;

    if (!read_asked(machine, step, &asked))
        return false;
    bool changed = follow(machine, step, &asked, approval_vote(asked.approval, &vote, machine->now_ms));
    json_decref(asked.approval);
    return changed;
}

/* The alarm is withdrawn by the caller, as every step's. */
void approve_cancel(struct machine *machine, struct machine_step *step)
{
    struct asked asked;

    if (!read_asked(machine, step, &asked))
        return;
    approval_cancel(asked.approval, machine->now_ms);
    machine_put_cancel(machine, (uint64_t)json_integer_value(json_object_get(asked.approval, "notice")));
    settle_messages(machine, step, &asked);
    keep(machine, &asked);
    json_decref(asked.approval);
}
