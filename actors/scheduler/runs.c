// SPDX-License-Identifier: MIT
#include "actors/common/step_event.h"
#include "actors/scheduler/ask.h"
#include "config/options.h"
#include "flow/civil.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUNS_DEFAULT = 20, RUNS_MAX = 1000, PAGE_ROWS = 1000 };

/* ---- one run of a page ---- */

/* Refuses the ask and is false when the page holds no run that can be read. `run` is to be ended with run_fini(). */
static bool take_run(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg, int64_t id,
                     struct run *run, struct record_run_entry *entry)
{
    struct wire wire = wire_over(msg->rows);

    if (msg->error == ERROR_NOT_FOUND)
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "there is no run %" PRId64 "; purser runs lists them", id);
    else if (!record_take_run_entry(&wire, entry) || entry->state >= RUN_STATE_COUNT || !run_read(run, entry->record))
        ask_refuse(scheduler, ask, ERROR_CORRUPT, "the record of run %" PRId64 " cannot be read", id);
    else {
        run->id = entry->run;
        run->version = entry->version;
        run->state = (enum run_state)entry->state;
        return true;
    }
    return false;
}

static void read_run(struct scheduler *scheduler, struct ask *ask, int64_t id,
                     void (*on_page)(struct scheduler *, struct ask *, const struct msg_page *))
{
    ask_read(scheduler, ask, &(struct msg_read){.what = READ_RUN, .id = (uint64_t)id, .limit = 1}, on_page);
}

/* ---- runs ---- */

static void runs_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg);

static void runs_read(struct scheduler *scheduler, struct ask *ask, struct slice from)
{
    ask_read(scheduler, ask, &(struct msg_read){.what = READ_RUNS, .from = from, .limit = PAGE_ROWS}, runs_on_page);
}

static bool runs_matches(const struct ask *ask, const struct record_run_entry *entry, const char *state)
{
    struct slice workflow = ask_text(ask, "workflow"), wanted = ask_text(ask, "state");

    return (workflow.size == 0 || slice_equal(workflow, entry->workflow)) &&
           (wanted.size == 0 || slice_is(wanted, state)) &&
           entry->changed_ms >= json_integer_value(json_object_get(ask->state, "since_ms"));
}

static void runs_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    json_t *list = json_object_get(ask->state, "runs");
    size_t limit = (size_t)json_integer_value(json_object_get(ask->state, "limit"));
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;

    for (uint64_t i = 0; i < msg->count && json_array_size(list) < limit && record_take_run_entry(&wire, &entry); i++) {
        const char *state = entry.state < RUN_STATE_COUNT ? run_state_name((enum run_state)entry.state) : "unknown";
        if (runs_matches(ask, &entry, state))
            json_array_append_new(list, json_pack("{s:I, s:s%, s:s, s:I}", "run", (json_int_t)entry.run, "workflow",
                                                  entry.workflow.size ? entry.workflow.data : "", entry.workflow.size,
                                                  "state", state, "changed_ms", (json_int_t)entry.changed_ms));
    }
    if (msg->next.size > 0 && json_array_size(list) < limit)
        runs_read(scheduler, ask, msg->next);
    else
        ask_done(scheduler, ask, json_pack("{s:O}", "runs", list));
}

static bool is_run_state(struct slice name)
{
    for (int state = 0; state < RUN_STATE_COUNT; state++)
        if (slice_is(name, run_state_name((enum run_state)state)))
            return true;
    return false;
}

static bool read_since(struct scheduler *scheduler, struct slice text, int64_t *since_ms)
{
    char *copy = slice_dup(text);
    int64_t ago_ms;
    bool is_ago = option_read_duration(copy, &ago_ms);

    free(copy);
    if (is_ago)
        *since_ms = actor_wall(scheduler->actor) - ago_ms;
    return is_ago || civil_read_instant(text, since_ms);
}

void ask_runs(struct scheduler *scheduler, struct ask *ask)
{
    struct slice since = ask_text(ask, "since"), state = ask_text(ask, "state");
    int64_t limit = ask_number(ask, "limit", RUNS_DEFAULT), since_ms = INT64_MIN;

    if (limit < 1 || limit > RUNS_MAX)
        ask_refuse(scheduler, ask, ERROR_INVALID, "limit is 1 to %d", RUNS_MAX);
    else if (state.size > 0 && !is_run_state(state))
        ask_refuse(scheduler, ask, ERROR_INVALID, "state is open, done, failed or cancelled");
    else if (since.size > 0 && !read_since(scheduler, since, &since_ms))
        ask_refuse(scheduler, ask, ERROR_INVALID,
                   "since is a time such as 2026-11-22T09:00:00Z, or how long ago: 2h, 7d");
    else {
        ask->state =
            json_pack("{s:[], s:I, s:I}", "runs", "limit", (json_int_t)limit, "since_ms", (json_int_t)since_ms);
        runs_read(scheduler, ask, (struct slice){NULL, 0});
    }
}

/* ---- run show ---- */

static void show_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    struct record_run_entry entry;
    struct run run = {0};

    if (!take_run(scheduler, ask, msg, ask_number(ask, "id", 0), &run, &entry))
        return;
    ask_done(scheduler, ask,
             ask_flag(ask, "whole") ? run_show_whole(&run, entry.workflow) : run_show(&run, entry.workflow));
    run_fini(&run);
}

void ask_run_show(struct scheduler *scheduler, struct ask *ask)
{
    read_run(scheduler, ask, ask_number(ask, "id", 0), show_on_page);
}

/* ---- run diff ---- */

static void diff_on_second(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    struct run one = {.id = (uint64_t)json_integer_value(json_object_get(ask->state, "run")),
                      .state = (enum run_state)json_integer_value(json_object_get(ask->state, "state")),
                      .record = json_object_get(ask->state, "record")};
    struct record_run_entry entry;
    struct run two = {0};

    if (!take_run(scheduler, ask, msg, ask_number(ask, "two", 0), &two, &entry))
        return;
    ask_done(scheduler, ask, run_compare(&one, &two, ask_flag(ask, "whole")));
    run_fini(&two);
}

static void diff_on_first(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    struct record_run_entry entry;
    struct run run = {0};

    if (!take_run(scheduler, ask, msg, ask_number(ask, "one", 0), &run, &entry))
        return;
    ask->state = json_pack("{s:I, s:i, s:o}", "run", (json_int_t)run.id, "state", (int)run.state, "record", run.record);
    read_run(scheduler, ask, ask_number(ask, "two", 0), diff_on_second);
}

void ask_run_diff(struct scheduler *scheduler, struct ask *ask)
{
    read_run(scheduler, ask, ask_number(ask, "one", 0), diff_on_first);
}

/* ---- run cancel ---- */

static void cancel_on_committed(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    int64_t id = ask_number(ask, "id", 0);
    char text[200];

    if (committed->error != ERROR_OK) {
        ask_refuse(scheduler, ask, committed->error, "run %" PRId64 " goes on: %s", id, error_doc(committed->error));
        return;
    }
    snprintf(text, sizeof(text),
             "run %" PRId64 " ends as soon as no worker has a job of it in hand; look with: run show %" PRId64, id, id);
    ask_done(scheduler, ask, json_pack("{s:I, s:s}", "run", (json_int_t)id, "message", text));
}

static void cancel_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    int64_t id = ask_number(ask, "id", 0);
    struct buffer ops = {NULL, 0, 0}, payload = {NULL, 0, 0};
    struct record_run_entry entry;
    struct run run = {0};
    char key[24];

    if (!take_run(scheduler, ask, msg, id, &run, &entry))
        return;
    run_fini(&run);
    if (entry.state != RUN_OPEN) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "run %" PRId64 " has ended already: %s", id,
                   run_state_name((enum run_state)entry.state));
        return;
    }
    snprintf(key, sizeof(key), "%" PRIu64, entry.run);
    payload_put_cancel(&payload, &(struct payload_cancel){.run = entry.run, .who = SLICE("console")});
    op_put_push(&ops, &(struct op_push){.queue = SLICE("flow"),
                                        .priority = FLOW_PRIORITY,
                                        .key = slice_of(key),
                                        .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                        .payload = buffer_slice(&payload),
                                        .run = entry.run});
    ask_commit(scheduler, ask, &ops, cancel_on_committed);
    buffer_free(&payload);
    buffer_free(&ops);
}

void ask_run_cancel(struct scheduler *scheduler, struct ask *ask)
{
    read_run(scheduler, ask, ask_number(ask, "id", 0), cancel_on_page);
}

/* ---- job cancel ---- */

/* What is told to the run whose step waits for this job. When the event of a step's end is withdrawn itself, the step
 * ends by it all the same; so does a step whose call never began. An alarm is no end of anything. */
static bool ended_step(const struct record_job_view *job, struct payload_step_done *done)
{
    struct payload payload;

    *done = (struct payload_step_done){.run = job->run,
                                       .step = job->step,
                                       .job = job->id,
                                       .error = ERROR_CANCELLED,
                                       .result = SLICE("null"),
                                       .detail = SLICE("withdrawn by a person")};
    if (!slice_is(job->queue, "flow"))
        return job->run != 0;
    if (!payload_take(job->payload, &payload))
        return false;
    if (payload.id == PAYLOAD_START) {
        done->run = payload.start.parent_run;
        done->step = payload.start.parent_step;
        done->job = payload.start.run;
        return done->run != 0;
    }
    done->job = payload.step_done.job;
    return payload.id == PAYLOAD_STEP_DONE;
}

/* Without it the run would stand still for ever. */
static bool moves_run(const struct record_job_view *job)
{
    struct payload payload;

    return slice_is(job->queue, "flow") && job->state != JOB_DEAD && payload_take(job->payload, &payload) &&
           (payload.id == PAYLOAD_GO_ON || payload.id == PAYLOAD_WAKE || payload.id == PAYLOAD_DECISION ||
            payload.id == PAYLOAD_CANCEL);
}

static void job_on_committed(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    int64_t id = ask_number(ask, "id", 0);

    if (committed->error == ERROR_OK)
        ask_done(scheduler, ask, json_pack("{s:b, s:I}", "done", 1, "job", (json_int_t)id));
    else if (committed->error == ERROR_HELD)
        ask_refuse(scheduler, ask, ERROR_HELD, "job %" PRId64 " is being worked on", id);
    else
        ask_refuse(scheduler, ask, committed->error, "%s", error_doc(committed->error));
}

static void job_on_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *msg)
{
    int64_t id = ask_number(ask, "id", 0);
    struct wire wire = wire_over(msg->rows);
    struct buffer ops = {NULL, 0, 0};
    struct record_job_view job;
    struct payload_step_done done;

    if (msg->error == ERROR_NOT_FOUND)
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "there is no job %" PRId64 ": it is done, or never was", id);
    else if (!record_take_job_view(&wire, &job))
        ask_refuse(scheduler, ask, ERROR_CORRUPT, "%s", error_doc(ERROR_CORRUPT));
    else if (job.state == JOB_LEASED)
        ask_refuse(scheduler, ask, ERROR_HELD, "job %" PRId64 " is being worked on", id);
    else if (moves_run(&job))
        ask_refuse(scheduler, ask, ERROR_INVALID,
                   "run %" PRIu64 " could not go on without this job; run cancel %" PRIu64 " ends the run", job.run,
                   job.run);
    else {
        op_put_cancel(&ops, &(struct op_cancel){job.id});
        if (ended_step(&job, &done))
            step_event_put(&ops, &done);
        ask_commit(scheduler, ask, &ops, job_on_committed);
        buffer_free(&ops);
    }
}

void ask_job_cancel(struct scheduler *scheduler, struct ask *ask)
{
    ask_read(scheduler, ask, &(struct msg_read){.what = READ_JOB, .id = (uint64_t)ask_number(ask, "id", 0), .limit = 1},
             job_on_page);
}
