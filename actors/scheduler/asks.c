// SPDX-License-Identifier: MIT
#include "actors/common/step_event.h"
#include "actors/scheduler/state.h"
#include "proto/check.h"
#include <stdio.h>
#include <string.h>

enum { RUNS_DEFAULT = 20, RUNS_MAX = 1000 };

static void answer(struct scheduler *scheduler, uint64_t ticket, enum error error, json_t *body)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, body);
    CHECK(send_command_done(scheduler->actor, ACTOR_SUPERVISOR,
                            &(struct msg_command_done){ticket, error, buffer_slice(&text)}) == ERROR_OK);
    buffer_free(&text);
    json_decref(body);
}

static void answer_error(struct scheduler *scheduler, uint64_t ticket, enum error error)
{
    answer(scheduler, ticket, error, json_pack("{s:s}", "message", error_doc(error)));
}

static json_int_t number_or(const json_t *arguments, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(arguments, name);
    struct slice text = json_text_at(arguments, name);
    json_int_t number = 0;

    if (json_is_integer(value))
        return json_integer_value(value);
    for (size_t i = 0; i < text.size && i < 18 && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        number = number * 10 + (text.data[i] - '0');
    return text.size > 0 ? number : otherwise;
}

static struct pending *pending_by_ticket(struct scheduler *scheduler, uint64_t ticket)
{
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (scheduler->pending[i].ticket == ticket)
            return &scheduler->pending[i];
    return NULL;
}

static struct msg_read read_of(enum command_id command, const json_t *arguments)
{
    json_int_t limit = number_or(arguments, "limit", RUNS_DEFAULT);
    bool sieves = json_text_at(arguments, "workflow").size > 0;

    if (command == COMMAND_RUNS)
        return (struct msg_read){.what = READ_RUNS,
                                 .limit = limit < 1                    ? 1
                                          : limit > RUNS_MAX || sieves ? RUNS_MAX
                                                                       : (uint64_t)limit};
    return (struct msg_read){.what = command == COMMAND_JOB_CANCEL ? READ_JOB : READ_RUN,
                             .id = (uint64_t)number_or(arguments, "id", 0),
                             .limit = 1};
}

void ask_command(struct scheduler *scheduler, const struct msg_command *msg)
{
    struct json_problem problem;
    json_t *arguments = json_read(msg->arguments, &problem);
    struct msg_read read = read_of((enum command_id)msg->command, arguments);
    struct slice workflow = json_text_at(arguments, "workflow");
    struct pending *pending = pending_by_ticket(scheduler, 0);

    CHECK(msg->command == COMMAND_RUNS || msg->command == COMMAND_RUN_SHOW || msg->command == COMMAND_JOB_CANCEL);
    read.ticket = actor_ticket(scheduler->actor);
    if (workflow.size > WORKFLOW_NAME_MAX)
        answer_error(scheduler, msg->ticket, ERROR_NOT_FOUND);
    else if (pending == NULL || store_read(scheduler->actor, &read) != ERROR_OK)
        answer_error(scheduler, msg->ticket, ERROR_FULL);
    else {
        *pending = (struct pending){read.ticket, msg->ticket, (enum command_id)msg->command, ""};
        snprintf(pending->workflow, sizeof(pending->workflow), "%.*s", (int)workflow.size,
                 workflow.size ? workflow.data : "");
    }
    json_decref(arguments);
}

static json_t *runs_json(const struct pending *pending, const struct msg_page *msg)
{
    json_t *list = json_array();
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;

    for (uint64_t i = 0; i < msg->count && record_take_run_entry(&wire, &entry); i++) {
        if (pending->workflow[0] != '\0' && !slice_is(entry.workflow, pending->workflow))
            continue;
        const char *state = entry.state < RUN_STATE_COUNT ? run_state_name((enum run_state)entry.state) : "unknown";
        json_array_append_new(list, json_pack("{s:I, s:s%, s:s, s:I}", "run", (json_int_t)entry.run, "workflow",
                                              entry.workflow.size ? entry.workflow.data : "", entry.workflow.size,
                                              "state", state, "changed_ms", (json_int_t)entry.changed_ms));
    }
    return json_pack("{s:o}", "runs", list);
}

static void show_run(struct scheduler *scheduler, const struct pending *pending, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;
    struct run run = {0};

    if (!record_take_run_entry(&wire, &entry) || entry.state >= RUN_STATE_COUNT || !run_read(&run, entry.record)) {
        answer_error(scheduler, pending->command_ticket, ERROR_CORRUPT);
        return;
    }
    run.id = entry.run;
    run.state = (enum run_state)entry.state;
    answer(scheduler, pending->command_ticket, ERROR_OK, run_show(&run, entry.workflow));
    run_fini(&run);
}

/* ---- job cancel ---- */

static void answer_cancel(struct scheduler *scheduler, const struct pending *pending, enum error error)
{
    static const char *const messages[ERROR_COUNT] = {
        [ERROR_NOT_FOUND] = "no such job: it is done, or never was",
        [ERROR_HELD] = "the job is being worked on",
    };

    if (error == ERROR_OK)
        answer(scheduler, pending->command_ticket, ERROR_OK, json_pack("{s:b}", "done", 1));
    else
        answer(scheduler, pending->command_ticket, error,
               json_pack("{s:s}", "message", messages[error] ? messages[error] : error_doc(error)));
}

/* The step that waits for this job. When the event of a step's end is withdrawn itself, the step ends by it all the
 * same; an alarm is no end of anything. */
static bool ended_step(const struct record_job_view *job, struct payload_step_done *done)
{
    struct payload payload;

    *done = (struct payload_step_done){.run = job->run,
                                       .step = job->step,
                                       .job = job->id,
                                       .error = ERROR_CANCELLED,
                                       .result = SLICE("null"),
                                       .detail = SLICE("withdrawn by a person")};
    if (job->run == 0 || !slice_is(job->queue, "flow"))
        return job->run != 0;
    if (!payload_take(job->payload, &payload) || payload.id != PAYLOAD_STEP_DONE)
        return false;
    done->job = payload.step_done.job;
    return true;
}

/* The commit under way, or why there is none. */
static enum error cancel_job(struct scheduler *scheduler, struct pending *pending, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct buffer ops = {NULL, 0, 0};
    struct record_job_view job;
    struct payload_step_done done;

    if (!record_take_job_view(&wire, &job))
        return ERROR_CORRUPT;
    if (job.state == JOB_LEASED)
        return ERROR_HELD;
    op_put_cancel(&ops, &(struct op_cancel){job.id});
    if (ended_step(&job, &done))
        step_event_put(&ops, &done);
    pending->ticket = actor_ticket(scheduler->actor);
    enum error error = store_commit(scheduler->actor, pending->ticket, &ops);
    buffer_free(&ops);
    return error;
}

bool ask_on_committed(struct scheduler *scheduler, const struct msg_committed *msg)
{
    struct pending *pending = pending_by_ticket(scheduler, msg->ticket);

    if (pending == NULL)
        return false;
    answer_cancel(scheduler, pending, msg->error);
    *pending = (struct pending){0};
    return true;
}

bool ask_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct pending *pending = pending_by_ticket(scheduler, msg->ticket);
    enum error error = msg->error;

    if (pending == NULL)
        return false;
    if (pending->command == COMMAND_JOB_CANCEL) {
        error = error == ERROR_OK ? cancel_job(scheduler, pending, msg) : error;
        if (error == ERROR_OK)
            return true;
        answer_cancel(scheduler, pending, error);
    } else if (error != ERROR_OK)
        answer_error(scheduler, pending->command_ticket, error);
    else if (pending->command == COMMAND_RUNS)
        answer(scheduler, pending->command_ticket, ERROR_OK, runs_json(pending, msg));
    else
        show_run(scheduler, pending, msg);
    *pending = (struct pending){0};
    return true;
}
