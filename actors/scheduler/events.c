// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "proto/check.h"
#include <stdio.h>
#include <string.h>

static const int64_t HELD_PAUSE_MS = 2000, UNKNOWN_PAUSE_MS = 10000, DOUBT_PAUSE_MS = 60000;

/* ---- the table ---- */

/* Takes the event into the hand: a crash and the lines written from here on are its own. */
static struct event *event_by_ticket(struct scheduler *scheduler, uint64_t ticket)
{
    for (size_t i = 0; i < scheduler->event_room; i++)
        if (scheduler->events[i].phase != EVENT_FREE && scheduler->events[i].ticket == ticket) {
            actor_hand(scheduler->actor, scheduler->events[i].id, scheduler->events[i].run_id);
            return &scheduler->events[i];
        }
    return NULL;
}

void event_free(struct event *event)
{
    buffer_free(&event->bytes);
    buffer_free(&event->content_type);
    buffer_free(&event->queue);
    buffer_free(&event->key);
    buffer_free(&event->ops);
    run_fini(&event->run);
    *event = (struct event){.phase = EVENT_FREE};
}

void event_pause(struct scheduler *scheduler, struct event *event, int64_t for_ms)
{
    event->phase = EVENT_PAUSE;
    event->ticket = 0;
    actor_timer(scheduler->actor, (uint64_t)(event - scheduler->events) + 1, actor_now(scheduler->actor) + for_ms);
}

void event_commit(struct scheduler *scheduler, struct event *event)
{
    uint64_t ticket = actor_ticket(scheduler->actor);

    if (store_commit(scheduler->actor, ticket, &event->ops) != ERROR_OK) {
        event_pause(scheduler, event, AGAIN_MS);
        return;
    }
    event->phase = EVENT_COMMIT;
    event->ticket = ticket;
}

void event_drop(struct scheduler *scheduler, struct event *event)
{
    buffer_clear(&event->ops);
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    run_fini(&event->run);
    event->has_unique = false;
    event->begun = -1;
    event_commit(scheduler, event);
}

void event_bury(struct scheduler *scheduler, struct event *event, enum error error, const char *detail)
{
    ACTOR_LOG(scheduler->actor, LOG_WARN, "event-buried", L_ERROR(error), L_STR("detail", detail));
    buffer_clear(&event->ops);
    op_put_bury(&event->ops, &(struct op_bury){event->id, event->fence, error, slice_of(detail)});
    run_fini(&event->run);
    event->has_unique = false;
    event->begun = -1;
    event_commit(scheduler, event);
}

/* Later again, with the place in hand and the lease given up meanwhile: this may take days, and a table full of such
 * alarms would keep all other events out. */
static void event_defer(struct scheduler *scheduler, struct event *event, int64_t for_ms)
{
    buffer_clear(&event->ops);
    op_put_retry(&event->ops,
                 &(struct op_retry){event->id, event->fence, actor_wall(scheduler->actor) + for_ms, ERROR_LOST});
    event_commit(scheduler, event);
}

static void event_read(struct scheduler *scheduler, struct event *event, enum event_phase phase, struct msg_read read)
{
    read.ticket = actor_ticket(scheduler->actor);
    read.limit = 1;
    if (store_read(scheduler->actor, &read) != ERROR_OK) {
        event_pause(scheduler, event, AGAIN_MS);
        return;
    }
    event->phase = phase;
    event->ticket = read.ticket;
}

static void read_run(struct scheduler *scheduler, struct event *event)
{
    uint64_t run = event->payload.id == PAYLOAD_ALARM ? event->payload.alarm.run : event->payload.step_done.run;

    event_read(scheduler, event, EVENT_RUN, (struct msg_read){.what = READ_RUN, .id = run});
}

/* Begins anew, from what the job says: nothing of an earlier try is kept. */
void event_restart(struct scheduler *scheduler, struct event *event)
{
    actor_hand(scheduler->actor, event->id, event->run_id);
    buffer_clear(&event->ops);
    run_fini(&event->run);
    event->run = (struct run){0};
    event->has_unique = false;
    event->begun = -1;
    event->else_error = ERROR_OK;
    event->ticket = 0;
    if (event->is_malformed)
        event_bury(scheduler, event, ERROR_MALFORMED, "the payload is no event");
    else if (event->ruin != ERROR_OK)
        read_run(scheduler, event);
    else if (event->is_flow && event->payload.id == PAYLOAD_ALARM)
        event_read(scheduler, event, EVENT_JOB, (struct msg_read){.what = READ_JOB, .id = event->payload.alarm.job});
    else if (event->is_flow && event->payload.id == PAYLOAD_STEP_DONE)
        read_run(scheduler, event);
    else
        event_begin_runs(scheduler, event);
}

void event_take(struct scheduler *scheduler, const struct msg_job *job)
{
    struct event *event = NULL;

    for (size_t i = 0; i < scheduler->event_room && event == NULL; i++)
        if (scheduler->events[i].phase == EVENT_FREE)
            event = &scheduler->events[i];
    if (event == NULL || scheduler->is_quiescing) {
        if (send_release(scheduler->actor, ACTOR_STORE, &(struct msg_release){job->id, job->fence}) != ERROR_OK)
            actor_log(scheduler->actor, LOG_WARN, "release-not-sent", NULL, 0);
        return;
    }
    *event = (struct event){.phase = EVENT_PAUSE,
                            .id = job->id,
                            .fence = job->fence,
                            .run_id = job->run,
                            .created_ms = job->created_ms,
                            .is_flow = slice_is(job->queue, "flow"),
                            .begun = -1};
    buffer_append(&event->bytes, job->payload.data, job->payload.size);
    buffer_append(&event->content_type, job->content_type.data, job->content_type.size);
    buffer_append(&event->queue, job->queue.data, job->queue.size);
    buffer_append(&event->key, job->key.data, job->key.size);
    event->is_malformed = event->is_flow && (!payload_take(buffer_slice(&event->bytes), &event->payload) ||
                                             event->payload.id == PAYLOAD_TASK);
    event_restart(scheduler, event);
}

/* ---- definitions ---- */

/* The definition a run began with: loaded, or read from the store before; NULL when it must be read. */
static const struct workflow *definition_find(const struct scheduler *scheduler, struct slice hash)
{
    for (size_t i = 0; i < scheduler->config->workflow_count; i++)
        if (slice_is(hash, scheduler->config->workflows[i]->hash))
            return scheduler->config->workflows[i];
    for (size_t i = 0; i < scheduler->old_count; i++)
        if (slice_is(hash, scheduler->old[i]->hash))
            return scheduler->old[i];
    return NULL;
}

static void definition_keep(struct scheduler *scheduler, struct workflow *workflow)
{
    if (scheduler->old_count == OLD_DEFINITIONS_MAX) {
        workflow_destroy(&scheduler->old[0]);
        scheduler->old_count--;
        memmove(&scheduler->old[0], &scheduler->old[1], scheduler->old_count * sizeof(scheduler->old[0]));
    }
    scheduler->old[scheduler->old_count++] = workflow;
}

/* ---- going on with a run ---- */

/* The event can never be handled. Buried alone it would leave its run open for ever, so the run is read anew, as it
 * was before the event, and fails. `detail` is a literal. */
static void event_ruin(struct scheduler *scheduler, struct event *event, enum error error, const char *detail)
{
    bool is_of_run = event->is_flow && (event->payload.id == PAYLOAD_ALARM || event->payload.id == PAYLOAD_STEP_DONE);

    if (event->ruin != ERROR_OK || !is_of_run) {
        event_bury(scheduler, event, error, detail);
        return;
    }
    event->ruin = error;
    event->ruin_detail = detail;
    event_restart(scheduler, event);
}

static void fail_run(struct scheduler *scheduler, struct event *event)
{
    struct slice id = event->payload.id == PAYLOAD_ALARM ? event->payload.alarm.step : event->payload.step_done.step;
    char name[NAME_BYTES_MAX + 1];
    struct buffer record = {NULL, 0, 0};
    int64_t now_ms = actor_wall(scheduler->actor);

    snprintf(name, sizeof(name), "%.*s", (int)id.size, id.size ? id.data : "");
    json_t *step = json_object_get(json_object_get(event->run.record, "steps"), name);
    if (slice_is(json_text_at(step, "state"), "waiting")) {
        run_step_set(step, "failed", now_ms);
        json_object_set_new(step, "error", json_string(error_name(event->ruin)));
    }
    run_fail(&event->run, event->ruin, event->ruin_detail, now_ms);
    run_reduce_trigger(&event->run);
    json_write(&record, event->run.record);
    buffer_clear(&event->ops);
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    op_put_run(&event->ops, &(struct op_run){.run = event->run.id,
                                             .version = event->run.version,
                                             .workflow = json_text_at(event->run.record, "workflow"),
                                             .state = event->run.state,
                                             .record = buffer_slice(&record)});
    buffer_free(&record);
    event_commit(scheduler, event);
}

static void go_on(struct scheduler *scheduler, struct event *event, const struct workflow *workflow)
{
    struct advance advance = {.config = scheduler->config,
                              .engine = scheduler->engine,
                              .workflow = workflow,
                              .run = &event->run,
                              .ops = &event->ops,
                              .op_count = 1,
                              .ids = &scheduler->id_next,
                              .now_ms = actor_wall(scheduler->actor)};
    bool is_alarm = event->payload.id == PAYLOAD_ALARM;

    if (!scheduler_has_ids(scheduler)) {
        event->phase = EVENT_IDS;
        return;
    }
    buffer_clear(&event->ops);
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    if (!(is_alarm ? advance_alarm(&advance, &event->payload.alarm)
                   : advance_step_done(&advance, &event->payload.step_done, !event->alarm_is_held))) {
        actor_log(scheduler->actor, LOG_DEBUG, "event-late", NULL, 0);
        event_drop(scheduler, event);
        return;
    }
    event->else_error = advance.else_error;
    advance_put_run(&advance);
    event_commit(scheduler, event);
}

static void on_run(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;
    const struct workflow *workflow;

    if (msg->error != ERROR_OK || !record_take_run_entry(&wire, &entry) || entry.state != RUN_OPEN) {
        event_drop(scheduler, event);
        return;
    }
    if (!run_read(&event->run, entry.record)) {
        event_bury(scheduler, event, ERROR_CORRUPT, "the run's record cannot be read");
        return;
    }
    event->run.id = entry.run;
    event->run.version = entry.version;
    event->run.state = (enum run_state)entry.state;
    if (event->ruin != ERROR_OK) {
        fail_run(scheduler, event);
        return;
    }
    struct slice hash = json_text_at(event->run.record, "hash");
    workflow = definition_find(scheduler, hash);
    if (workflow != NULL)
        go_on(scheduler, event, workflow);
    else
        event_read(scheduler, event, EVENT_DEFINITION,
                   (struct msg_read){.what = READ_SPACE_GET, .space = SLICE("workflow"), .from = hash});
}

static void on_definition(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;
    struct text_problem problem;
    struct workflow *workflow = NULL;

    if (msg->error == ERROR_OK && record_take_space_entry(&wire, &entry))
        workflow = workflow_parse("stored definition", entry.value, &problem);
    if (workflow == NULL) {
        event_ruin(scheduler, event, ERROR_NOT_FOUND, "the definition that the run began with is not there any more");
        return;
    }
    definition_keep(scheduler, workflow);
    go_on(scheduler, event, workflow);
}

/* Its effect may have happened: nobody has settled the note that was made before it, or the call was lost and is to be
 * made again. `else` would say that it did not. */
static bool is_unknown(const struct record_job_view *job)
{
    return job->note.size > 0 || job->error == ERROR_LOST;
}

/* An alarm went off: what became of the job? */
static void on_job_view(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_job_view job;

    /* Gone or given up: its end stands in queue flow already, but for one that the store itself put aside because it
     * ended the process. In doubt: only a person knows what is right, and the job may have to be waited for again. */
    if (msg->error != ERROR_OK || !record_take_job_view(&wire, &job) ||
        (job.state == JOB_DEAD && job.error != ERROR_POISON))
        event_drop(scheduler, event);
    else if (job.state == JOB_LEASED)
        event_pause(scheduler, event, HELD_PAUSE_MS);
    else if (job.state == JOB_DOUBT)
        event_defer(scheduler, event, DOUBT_PAUSE_MS);
    else if (job.state != JOB_DEAD && is_unknown(&job))
        event_defer(scheduler, event, UNKNOWN_PAUSE_MS);
    else
        read_run(scheduler, event);
}

bool event_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct event *event = event_by_ticket(scheduler, msg->ticket);

    if (event == NULL)
        return false;
    event->ticket = 0;
    bool is_told = msg->error == ERROR_OK || msg->error == ERROR_NOT_FOUND;
    if (!is_told && error_class(msg->error) != RETRY_PERMANENT)
        event_pause(scheduler, event, AGAIN_MS);
    else if (!is_told)
        event_ruin(scheduler, event, msg->error, "what the event belongs to cannot be read");
    else if (event->phase == EVENT_JOB)
        on_job_view(scheduler, event, msg);
    else if (event->phase == EVENT_RUN)
        on_run(scheduler, event, msg);
    else {
        CHECK(event->phase == EVENT_DEFINITION);
        on_definition(scheduler, event, msg);
    }
    return true;
}

/* ---- commits ---- */

static void count_end(struct scheduler *scheduler, const struct event *event)
{
    if (event->begun >= 0) {
        scheduler->is_stored[event->begun] = true;
        actor_count(scheduler->actor, METRIC_RUNS_STARTED, 0, 1);
        if (event->is_flow && event->payload.id == PAYLOAD_OCCURRENCE)
            actor_count(scheduler->actor, METRIC_SCHEDULE_FIRES, 0, 1);
    }
    if (event->else_error != ERROR_OK)
        actor_count(scheduler->actor, METRIC_STEPS_ELSE, event->else_error, 1);
    if (event->run.record == NULL)
        return;
    if (event->run.state == RUN_DONE)
        actor_count(scheduler->actor, METRIC_RUNS_ENDED, 0, 1);
    if (event->run.state != RUN_FAILED)
        return;
    actor_count(scheduler->actor, METRIC_RUNS_FAILED, 0, 1);
    actor_hand(scheduler->actor, event->id, event->run.id);
    ACTOR_LOG(scheduler->actor, LOG_WARN, "run-failed", L_TEXT("workflow", json_text_at(event->run.record, "workflow")),
              L_TEXT("error", json_text_at(event->run.record, "error.error")));
}

static void refused(struct scheduler *scheduler, struct event *event, const struct msg_committed *msg)
{
    bool is_alarm = event->is_flow && event->payload.id == PAYLOAD_ALARM;

    if (msg->error == ERROR_FENCED || (msg->error == ERROR_NOT_FOUND && event->run.record == NULL)) {
        actor_log(scheduler->actor, LOG_WARN, "lease-lost", NULL, 0);
        event_free(event);
    } else if (msg->error == ERROR_HELD && event->has_unique && msg->failed_op == 0) {
        ACTOR_LOG(scheduler->actor, LOG_INFO, "run-known", L_TEXT("known", msg->detail));
        event_drop(scheduler, event);
    } else if (msg->error == ERROR_HELD && event->is_flow && event->payload.id == PAYLOAD_STEP_DONE) {
        event->alarm_is_held = true;
        event_restart(scheduler, event);
    } else if (msg->error == ERROR_CONFLICT || msg->error == ERROR_HELD || error_class(msg->error) != RETRY_PERMANENT) {
        event_pause(scheduler, event, is_alarm && msg->error == ERROR_HELD ? HELD_PAUSE_MS : AGAIN_MS);
    } else
        event_ruin(scheduler, event, msg->error, "the store does not take what the event leads to");
}

bool event_on_committed(struct scheduler *scheduler, const struct msg_committed *msg)
{
    struct event *event = event_by_ticket(scheduler, msg->ticket);

    if (event == NULL)
        return false;
    CHECK(event->phase == EVENT_COMMIT);
    event->ticket = 0;
    if (msg->error == ERROR_OK) {
        count_end(scheduler, event);
        event_free(event);
    } else
        refused(scheduler, event, msg);
    return true;
}
