// SPDX-License-Identifier: MIT
/* Runs that a person begins: workflow run and run replay. */
#include "actors/scheduler/ask.h"
#include <inttypes.h>
#include <stdio.h>

/* ---- one durable START, under an id that can be told ---- */

static void on_pushed(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    json_int_t id = json_integer_value(json_object_get(ask->state, "run"));
    struct slice workflow = json_text_at(ask->state, "workflow");
    char text[300];

    if (committed->error != ERROR_OK) {
        ask_refuse(scheduler, ask, committed->error, "nothing was begun: %s", error_doc(committed->error));
        return;
    }
    snprintf(text, sizeof(text), "run %lld of workflow %.*s begins; look with: run show %lld", (long long)id,
             (int)workflow.size, workflow.data, (long long)id);
    ask_done(scheduler, ask, json_pack("{s:I, s:s}", "run", id, "message", text));
}

static void on_id(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    struct buffer ops = {NULL, 0, 0}, payload = {NULL, 0, 0};
    const json_t *state = ask->state;

    if (committed->error != ERROR_OK) {
        ask_refuse(scheduler, ask, committed->error, "nothing was begun: %s", error_doc(committed->error));
        return;
    }
    json_object_set_new(ask->state, "run", json_integer((json_int_t)committed->first_id));
    payload_put_start(&payload, &(struct payload_start){
                                    .workflow = json_text_at(state, "workflow"),
                                    .trigger = json_text_at(state, "trigger"),
                                    .run = committed->first_id,
                                    .mode = json_text_at(state, "mode"),
                                    .replay_of = (uint64_t)json_integer_value(json_object_get(state, "replay_of")),
                                    .replay_from = json_text_at(state, "from"),
                                    .redo = json_is_true(json_object_get(state, "redo"))});
    op_put_push(&ops, &(struct op_push){.queue = SLICE("flow"),
                                        .priority = FLOW_PRIORITY,
                                        .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                        .payload = buffer_slice(&payload)});
    ask_commit(scheduler, ask, &ops, on_pushed);
    buffer_free(&payload);
    buffer_free(&ops);
}

static void begin(struct scheduler *scheduler, struct ask *ask)
{
    struct buffer ops = {NULL, 0, 0};

    op_put_allocate(&ops, &(struct op_allocate){1});
    ask_commit(scheduler, ask, &ops, on_id);
    buffer_free(&ops);
}

/* ---- workflow run ---- */

/* Owned by the caller; NULL when the ask was refused. */
static json_t *body_of(struct scheduler *scheduler, struct ask *ask)
{
    struct slice input = ask_text(ask, "input");
    struct json_problem problem;
    json_t *body = input.size > 0 ? json_read(input, &problem) : json_null();

    if (body == NULL)
        ask_refuse(scheduler, ask, ERROR_MALFORMED, "input:%u:%u: %s", problem.line, problem.column, problem.text);
    return body;
}

static const struct workflow *workflow_asked(struct scheduler *scheduler, struct ask *ask, struct slice name,
                                             bool is_trial)
{
    const struct workflow *workflow = scheduler_workflow(scheduler, name);

    if (workflow == NULL)
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "there is no workflow \"%.*s\"; workflows lists them",
                   (int)name.size, name.size ? name.data : "");
    else if (workflow->mode == WORKFLOW_OFF && !is_trial) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "workflow %s is switched off; set its mode in %s and reload",
                   workflow->name, workflow->file);
        workflow = NULL;
    }
    return workflow;
}

void ask_workflow_run(struct scheduler *scheduler, struct ask *ask)
{
    bool is_trial = ask_flag(ask, "shadow");
    const struct workflow *workflow = workflow_asked(scheduler, ask, ask_text(ask, "name"), is_trial);
    struct buffer text = {NULL, 0, 0};
    json_t *body;

    if (workflow == NULL)
        return;
    if (workflow_find_trigger(workflow, TRIGGER_MANUAL, NULL) < 0) {
        ask_refuse(scheduler, ask, ERROR_INVALID,
                   "workflow %s is not begun by hand: add \"- manual: true\" under on: in %s", workflow->name,
                   workflow->file);
        return;
    }
    body = body_of(scheduler, ask);
    if (body == NULL)
        return;
    json_t *trigger = json_pack("{s:s, s:o}", "kind", "manual", "body", body);
    json_write(&text, trigger);
    json_decref(trigger);
    if (!json_is_readable(buffer_slice(&text))) {
        buffer_free(&text);
        ask_refuse(scheduler, ask, ERROR_TOO_LARGE, "input: too many values, or too deep ones");
        return;
    }
    ask->state = json_pack("{s:s, s:s%, s:s}", "workflow", workflow->name, "trigger", text.data, text.size, "mode",
                           is_trial ? "shadow" : "");
    buffer_free(&text);
    begin(scheduler, ask);
}

/* ---- run replay ---- */

/* The same copy as when the run begins, so that what is wrong with it is told here. */
static bool can_copy(struct scheduler *scheduler, struct ask *ask, const struct run *old,
                     const struct workflow *workflow)
{
    struct run copy;
    char problem[400];

    run_begin(&copy, 0, workflow, workflow->mode, json_incref(json_object_get(old->record, "trigger")),
              actor_wall(scheduler->actor));
    bool good =
        machine_copy(&copy, old, workflow, &(struct machine_repeat){ask_text(ask, "from"), ask_flag(ask, "redo")},
                     problem, sizeof(problem));
    run_fini(&copy);
    if (!good)
        ask_refuse(scheduler, ask, ERROR_INVALID, "run %" PRIu64 ": %s", old->id, problem);
    return good;
}

static void replay(struct scheduler *scheduler, struct ask *ask, const struct run *old)
{
    const struct workflow *workflow;
    struct slice from = ask_text(ask, "from");

    if (old->state == RUN_OPEN) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "run %" PRIu64 " is still open; run cancel %" PRIu64 " ends it",
                   old->id, old->id);
        return;
    }
    if (run_is_reduced(old) || !json_is_object(json_object_get(old->record, "trigger"))) {
        ask_refuse(scheduler, ask, ERROR_INVALID,
                   "run %" PRIu64 " cannot be repeated: what began it is not kept any more (replay_keep_ms)", old->id);
        return;
    }
    workflow = workflow_asked(scheduler, ask, json_text_at(old->record, "workflow"), false);
    if (workflow == NULL || !can_copy(scheduler, ask, old, workflow))
        return;
    ask->state = json_pack("{s:s, s:I, s:s%, s:b, s:s}", "workflow", workflow->name, "replay_of", (json_int_t)old->id,
                           "from", from.size ? from.data : "", from.size, "redo", ask_flag(ask, "redo"), "mode",
                           run_is_live(old) ? "" : "shadow");
    begin(scheduler, ask);
}

static void replay_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;
    struct run old = {0};

    if (msg->error == ERROR_NOT_FOUND) {
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "there is no run %" PRId64 "; runs lists them",
                   ask_number(ask, "id", 0));
        return;
    }
    if (!record_take_run_entry(&wire, &entry) || entry.state >= RUN_STATE_COUNT || !run_read(&old, entry.record)) {
        ask_refuse(scheduler, ask, ERROR_CORRUPT, "%s", error_doc(ERROR_CORRUPT));
        return;
    }
    old.id = entry.run;
    old.state = (enum run_state)entry.state;
    replay(scheduler, ask, &old);
    run_fini(&old);
}

void ask_run_replay(struct scheduler *scheduler, struct ask *ask)
{
    ask_read(scheduler, ask, &(struct msg_read){.what = READ_RUN, .id = (uint64_t)ask_number(ask, "id", 0), .limit = 1},
             replay_on_page);
}
