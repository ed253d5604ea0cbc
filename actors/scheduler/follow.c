// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "actors/common/step_event.h"
#include "proto/check.h"
#include <stdio.h>
#include <string.h>

enum { DOUBTS_PAGE = 1000 };
static const int64_t HELD_PAUSE_MS = 2000, UNKNOWN_PAUSE_MS = 10000, DOUBT_PAUSE_MS = 60000;

/* ---- what the event says ---- */

/* 0: the event begins runs. `step` is empty when the event is about the run as a whole. */
static uint64_t run_of(const struct event *event, struct slice *step)
{
    const struct payload *payload = &event->payload;

    *step = (struct slice){NULL, 0};
    if (!event->is_flow || event->is_malformed)
        return 0;
    switch (payload->id) {
    case PAYLOAD_STEP_DONE:
        *step = payload->step_done.step;
        return payload->step_done.run;
    case PAYLOAD_ALARM:
        *step = payload->alarm.step;
        return payload->alarm.run;
    case PAYLOAD_WAKE:
        *step = payload->wake.step;
        return payload->wake.run;
    case PAYLOAD_DECISION:
        *step = payload->decision.step;
        return payload->decision.run;
    case PAYLOAD_GO_ON:
        return payload->go_on.run;
    case PAYLOAD_CANCEL:
        return payload->cancel.run;
    default:
        return 0;
    }
}

bool event_is_of_run(const struct event *event)
{
    static const bool is_of_run[PAYLOAD_COUNT] = {
        [PAYLOAD_STEP_DONE] = true, [PAYLOAD_ALARM] = true, [PAYLOAD_WAKE] = true,
        [PAYLOAD_DECISION] = true,  [PAYLOAD_GO_ON] = true, [PAYLOAD_CANCEL] = true};

    return event->is_flow && !event->is_malformed && is_of_run[event->payload.id];
}

static void read_run(struct scheduler *scheduler, struct event *event)
{
    struct slice step;

    event_read(scheduler, event, EVENT_RUN,
               (struct msg_read){.what = READ_RUN, .id = run_of(event, &step), .limit = 1});
}

static void read_doubts(struct scheduler *scheduler, struct event *event, struct slice from)
{
    event_read(scheduler, event, EVENT_DOUBTS,
               (struct msg_read){.what = READ_JOBS, .id = 1u << JOB_DOUBT, .from = from, .limit = DOUBTS_PAGE});
}

void follow_begin(struct scheduler *scheduler, struct event *event)
{
    if (event->ruin == ERROR_OK && event->payload.id == PAYLOAD_ALARM)
        event_read(scheduler, event, EVENT_JOB,
                   (struct msg_read){.what = READ_JOB, .id = event->payload.alarm.job, .limit = 1});
    else
        read_run(scheduler, event);
}

/* ---- definitions ---- */

/* The definition a run began with: loaded, or read from the store before; NULL when it must be read. */
static const struct workflow *definition_find(const struct scheduler *scheduler, struct slice hash)
{
    for (size_t i = 0; i < scheduler->workflow_count; i++)
        if (slice_is(hash, scheduler->workflows[i]->hash))
            return scheduler->workflows[i];
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

/* ---- a run that no event can move any more ---- */

static void withdraw_all(struct event *event, const char *step_name, int64_t now_ms)
{
    const char *instance;
    json_t *step;

    json_object_foreach(json_object_get(event->run.record, "steps"), instance, step)
    {
        json_int_t job = json_integer_value(json_object_get(step, "job"));
        if (!run_step_is(step, "waiting"))
            continue;
        if (strcmp(instance, step_name) == 0) {
            run_step_set(step, "failed", now_ms);
            json_object_set_new(step, "error", json_string(error_name(event->ruin)));
            continue;
        }
        run_step_set(step, "cancelled", now_ms);
        if (job != 0)
            op_put_cancel(&event->ops, &(struct op_cancel){(uint64_t)job});
    }
}

/* Without its definition: a run whose definition is lost ends here too. */
static void fail_run(struct scheduler *scheduler, struct event *event)
{
    struct slice id;
    char name[RECORD_INSTANCE_MAX + 1];
    struct buffer record = {NULL, 0, 0};
    int64_t now_ms = actor_wall(scheduler->actor);

    run_of(event, &id);
    snprintf(name, sizeof(name), "%.*s", (int)id.size, id.size ? id.data : "");
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    withdraw_all(event, name, now_ms);
    run_fail(&event->run, name, event->ruin, event->ruin_detail, now_ms);
    json_write(&record, event->run.record);
    if (record.size > RECORD_BYTES_MAX) {
        run_reduce(&event->run);
        buffer_clear(&record);
        json_write(&record, event->run.record);
    }
    uint64_t parent = (uint64_t)json_integer_value(json_at(event->run.record, "parent.run"));
    if (parent != 0)
        step_event_put(&event->ops, &(struct payload_step_done){.run = parent,
                                                                .step = json_text_at(event->run.record, "parent.step"),
                                                                .job = event->run.id,
                                                                .error = ERROR_FAILED,
                                                                .result = SLICE("null"),
                                                                .detail = slice_of(event->ruin_detail)});
    op_put_run(&event->ops, &(struct op_run){.run = event->run.id,
                                             .version = event->run.version,
                                             .workflow = json_text_at(event->run.record, "workflow"),
                                             .state = event->run.state,
                                             .record = buffer_slice(&record)});
    buffer_free(&record);
    event_commit(scheduler, event);
}

/* ---- the machine ---- */

static bool is_doubted(const struct event *event, uint64_t job)
{
    for (size_t at = 0; at + sizeof(job) <= event->doubts.size; at += sizeof(job))
        if (memcmp(event->doubts.data + at, &job, sizeof(job)) == 0)
            return true;
    return false;
}

/* What a job in doubt did is for its owner to find out, whether or not the run goes on. */
static void keep_doubts(struct event *event)
{
    struct buffer kept = {NULL, 0, 0};
    struct wire wire = wire_over(buffer_slice(&event->ops));
    const unsigned char *from = wire.at;
    struct op op;

    if (event->doubts.size == 0)
        return;
    for (; op_take(&wire, &op); from = wire.at)
        if (op.id != OP_CANCEL || !is_doubted(event, op.cancel.job))
            buffer_append(&kept, from, (size_t)(wire.at - from));
    buffer_free(&event->ops);
    event->ops = kept;
}

/* A run that repeats this one must not do again what may have been done. */
static void mark_doubts(struct event *event)
{
    json_t *step;
    const char *instance;

    json_object_foreach(json_object_get(event->run.record, "steps"), instance, step)
    {
        if (run_step_is(step, "cancelled") &&
            is_doubted(event, (uint64_t)json_integer_value(json_object_get(step, "job"))))
            json_object_set_new(step, "in_doubt", json_true());
    }
}

/* Jobs of steps that had not ended. A run too large to keep does not tell any more which they were. */
static bool withdraws(const struct event *event)
{
    json_t *steps = json_object_get(event->run.record, "steps"), *step;
    const char *instance;

    json_object_foreach(steps, instance, step)
    {
        if (run_step_is(step, "cancelled"))
            return true;
    }
    return json_object_size(steps) == 0;
}

/* False when nothing waits for the event any more. */
static bool move(struct event *event, struct machine *machine)
{
    const struct payload *payload = &event->payload;

    switch (payload->id) {
    case PAYLOAD_STEP_DONE:
        return machine_step_done(machine, &payload->step_done, !event->alarm_is_held);
    case PAYLOAD_ALARM:
        return machine_alarm(machine, &payload->alarm);
    case PAYLOAD_WAKE:
        return machine_wake(machine, &payload->wake);
    case PAYLOAD_DECISION:
        return machine_decide(machine, &payload->decision);
    case PAYLOAD_GO_ON:
        machine_go_on(machine);
        return true;
    default:
        CHECK(payload->id == PAYLOAD_CANCEL);
        machine_cancel(machine, payload->cancel.who);
        return true;
    }
}

static void work(struct scheduler *scheduler, struct event *event, const struct workflow *workflow)
{
    struct machine machine = event_machine(scheduler, event, workflow);
    const uint64_t first_id = scheduler->id_next; /* what a try took that comes to nothing is there for the next */

    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    machine.op_count = 1;
    bool is_moved = move(event, &machine);
    if (is_moved && !machine.is_wanting) {
        mark_doubts(event);
        machine_put_run(&machine);
    }
    if (machine.is_wanting) {
        scheduler->id_next = first_id;
        fact_read(scheduler, event, &machine.wanted);
        return;
    }
    if (!is_moved) {
        actor_log(scheduler->actor, LOG_DEBUG, "event-late", NULL, 0);
        event_drop(scheduler, event);
        return;
    }
    event->else_error = machine.else_error;
    if (event->run.state != RUN_OPEN && !event->doubts_are_known && withdraws(event)) {
        read_doubts(scheduler, event, (struct slice){NULL, 0});
        return;
    }
    keep_doubts(event);
    event_commit(scheduler, event);
}

void follow_go_on(struct scheduler *scheduler, struct event *event)
{
    if (!run_read(&event->run, buffer_slice(&event->record))) {
        event_bury(scheduler, event, ERROR_CORRUPT, "the run's record cannot be read");
        return;
    }
    event->run.id = event->head.run;
    event->run.version = event->head.version;
    event->run.state = (enum run_state)event->head.state;
    if (event->ruin != ERROR_OK) {
        fail_run(scheduler, event);
        return;
    }
    struct slice hash = json_text_at(event->run.record, "hash");
    const struct workflow *workflow = definition_find(scheduler, hash);
    if (workflow == NULL)
        event_read(scheduler, event, EVENT_DEFINITION,
                   (struct msg_read){.what = READ_SPACE_GET, .space = SLICE("workflow"), .from = hash, .limit = 1});
    else if (!scheduler_has_ids(scheduler))
        event->phase = EVENT_IDS;
    else
        work(scheduler, event, workflow);
}

/* ---- what a job did although its run has ended ---- */

/* The step whose job was in a worker's hand when its run ended, or NULL. */
static json_t *withdrawn_step(const struct event *event)
{
    const struct payload_step_done *done = &event->payload.step_done;
    char name[RECORD_INSTANCE_MAX + 1];

    if (event->payload.id != PAYLOAD_STEP_DONE || done->step.size > RECORD_INSTANCE_MAX)
        return NULL;
    snprintf(name, sizeof(name), "%.*s", (int)done->step.size, done->step.size ? done->step.data : "");
    json_t *step = run_step(&event->run, name, false);
    bool is_it =
        run_step_is(step, "cancelled") && (uint64_t)json_integer_value(json_object_get(step, "job")) == done->job;
    bool says_something = done->error == ERROR_OK || json_is_true(json_object_get(step, "in_doubt"));
    return is_it && says_something ? step : NULL;
}

/* Its effect happened, and a run that repeats this one is not to do it again. */
static void end_late(struct scheduler *scheduler, struct event *event, const struct record_run_entry *entry)
{
    struct buffer record = {NULL, 0, 0};
    struct json_problem problem;
    json_t *step = run_read(&event->run, entry->record) ? withdrawn_step(event) : NULL;

    if (step != NULL) {
        json_object_del(step, "in_doubt");
        if (event->payload.step_done.error == ERROR_OK) {
            json_t *result = json_read(event->payload.step_done.result, &problem);
            json_object_set_new(step, "result", result != NULL ? result : json_null());
            run_step_set(step, "done", event->now_ms);
        }
        json_write(&record, event->run.record);
        if (record.size > RECORD_BYTES_MAX || !json_is_readable(buffer_slice(&record))) {
            json_object_set_new(step, "result", json_null());
            buffer_clear(&record);
            json_write(&record, event->run.record);
        }
    }
    event_forget(event);
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    if (step != NULL)
        op_put_run(&event->ops, &(struct op_run){.run = entry->run,
                                                 .version = entry->version,
                                                 .workflow = entry->workflow,
                                                 .state = entry->state,
                                                 .record = buffer_slice(&record)});
    buffer_free(&record);
    event_commit(scheduler, event);
}

/* ---- pages ---- */

static void on_run(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;

    if (msg->error != ERROR_OK || !record_take_run_entry(&wire, &entry)) {
        event_drop(scheduler, event);
        return;
    }
    if (entry.state != RUN_OPEN) {
        end_late(scheduler, event, &entry);
        return;
    }
    buffer_clear(&event->record);
    buffer_append(&event->record, entry.record.data, entry.record.size);
    event->head = (struct record_run_entry){.run = entry.run, .version = entry.version, .state = entry.state};
    follow_go_on(scheduler, event);
}

static void on_definition(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;
    struct text_problem problem;
    struct workflow *workflow = NULL;

    if (msg->error == ERROR_OK && record_take_space_entry(&wire, &entry))
        workflow = workflow_parse("stored definition", entry.value, &problem);
    if (workflow == NULL || !slice_is(json_text_at(event->run.record, "hash"), workflow->hash)) {
        workflow_destroy(&workflow);
        event_ruin(scheduler, event, ERROR_NOT_FOUND, "the definition that the run began with is not there any more");
        return;
    }
    definition_keep(scheduler, workflow);
    event_go_on(scheduler, event);
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
        event_defer(scheduler, event, DOUBT_PAUSE_MS, ERROR_LOST);
    else if (job.state != JOB_DEAD && is_unknown(&job))
        event_defer(scheduler, event, UNKNOWN_PAUSE_MS, ERROR_LOST);
    else
        read_run(scheduler, event);
}

static void on_doubts(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_job_view job;

    for (uint64_t i = 0; i < msg->count && record_take_job_view(&wire, &job); i++)
        if (job.run == event->head.run)
            buffer_append(&event->doubts, &job.id, sizeof(job.id));
    event->doubts_are_known = msg->next.size == 0;
    if (event->doubts_are_known)
        event_go_on(scheduler, event);
    else
        read_doubts(scheduler, event, msg->next);
}

void follow_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    switch (event->phase) {
    case EVENT_JOB:
        on_job_view(scheduler, event, msg);
        break;
    case EVENT_DOUBTS:
        on_doubts(scheduler, event, msg);
        break;
    case EVENT_RUN:
        on_run(scheduler, event, msg);
        break;
    default:
        CHECK(event->phase == EVENT_DEFINITION);
        on_definition(scheduler, event, msg);
    }
}
