// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "proto/check.h"
#include <string.h>

static const int64_t HELD_PAUSE_MS = 2000;

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
    buffer_free(&event->record);
    buffer_free(&event->doubts);
    buffer_free(&event->ops);
    buffer_free(&event->fact.from);
    json_decref(event->fact.value);
    json_decref(event->facts);
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

void event_read(struct scheduler *scheduler, struct event *event, enum event_phase phase, struct msg_read read)
{
    read.ticket = actor_ticket(scheduler->actor);
    if (store_read(scheduler->actor, &read) != ERROR_OK) {
        event_pause(scheduler, event, AGAIN_MS);
        return;
    }
    event->phase = phase;
    event->ticket = read.ticket;
}

/* ---- ends without a run ---- */

void event_forget(struct event *event)
{
    buffer_clear(&event->ops);
    run_fini(&event->run);
    event->has_unique = false;
    event->begun[0] = '\0';
    event->else_error = ERROR_OK;
}

void event_drop(struct scheduler *scheduler, struct event *event)
{
    event_forget(event);
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    event_commit(scheduler, event);
}

void event_bury(struct scheduler *scheduler, struct event *event, enum error error, const char *detail)
{
    ACTOR_LOG(scheduler->actor, LOG_WARN, "event-buried", L_ERROR(error), L_STR("detail", detail));
    event_forget(event);
    op_put_bury(&event->ops, &(struct op_bury){event->id, event->fence, error, slice_of(detail)});
    start_put_refusal(event, error, slice_of(detail));
    event_commit(scheduler, event);
}

void event_defer(struct scheduler *scheduler, struct event *event, int64_t for_ms, enum error error)
{
    event_forget(event);
    op_put_retry(&event->ops,
                 &(struct op_retry){event->id, event->fence, actor_wall(scheduler->actor) + for_ms, error});
    event_commit(scheduler, event);
}

/* Buried alone it would leave its run open for ever, so the run is read anew, as it was before the event, and fails.
 * One that is not there yet begins and fails when it wanted to know too much: there is something to look at then. */
void event_ruin(struct scheduler *scheduler, struct event *event, enum error error, const char *detail)
{
    if (event->ruin != ERROR_OK || !(event_is_of_run(event) || event->fact_count > MACHINE_FACTS_MAX)) {
        event_bury(scheduler, event, error, detail);
        return;
    }
    event->ruin = error;
    event->ruin_detail = detail;
    event_restart(scheduler, event);
}

/* ---- tries ---- */

struct machine event_machine(struct scheduler *scheduler, struct event *event, const struct workflow *workflow)
{
    return (struct machine){.workflow = workflow,
                            .run = &event->run,
                            .shop = &scheduler->shop,
                            .engine = scheduler->engine,
                            .hooks = &scheduler_hooks,
                            .others = scheduler->workflows,
                            .other_count = scheduler->workflow_count,
                            .facts = event->facts,
                            .ids = &scheduler->id_next,
                            .ids_left = MACHINE_IDS_MAX,
                            .now_ms = event->now_ms,
                            .ops = &event->ops};
}

/* Begins anew, from what the job says: nothing of an earlier try is kept. */
void event_restart(struct scheduler *scheduler, struct event *event)
{
    actor_hand(scheduler->actor, event->id, event->run_id);
    event_forget(event);
    event->run = (struct run){0};
    buffer_clear(&event->record);
    buffer_clear(&event->doubts);
    event->doubts_are_known = false;
    json_decref(event->facts);
    event->facts = json_object();
    event->fact_count = 0;
    event->overlap_is_known = false;
    event->ticket = 0;
    event->now_ms = actor_wall(scheduler->actor);
    if (event->is_malformed)
        event_bury(scheduler, event, ERROR_MALFORMED, "the payload is no event");
    else if (event_is_of_run(event))
        follow_begin(scheduler, event);
    else
        begin_runs(scheduler, event);
}

void event_go_on(struct scheduler *scheduler, struct event *event)
{
    actor_hand(scheduler->actor, event->id, event->run_id);
    event_forget(event);
    event->ticket = 0;
    if (event_is_of_run(event))
        follow_go_on(scheduler, event);
    else
        begin_runs(scheduler, event);
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
                            .has_note = job->state.size > 0,
                            .is_flow = slice_is(job->queue, "flow")};
    buffer_append(&event->bytes, job->payload.data, job->payload.size);
    buffer_append(&event->content_type, job->content_type.data, job->content_type.size);
    buffer_append(&event->queue, job->queue.data, job->queue.size);
    buffer_append(&event->key, job->key.data, job->key.size);
    event->is_malformed = event->is_flow && (!payload_take(buffer_slice(&event->bytes), &event->payload) ||
                                             event->payload.id == PAYLOAD_TASK);
    event_restart(scheduler, event);
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
    else if (event->phase == EVENT_FACT)
        fact_on_page(scheduler, event, msg);
    else if (event_is_of_run(event))
        follow_on_page(scheduler, event, msg);
    else if (event_is_start(event))
        start_on_page(scheduler, event, msg);
    else
        occurrence_on_page(scheduler, event, msg);
    return true;
}

/* ---- commits ---- */

static void definition_is_stored(struct scheduler *scheduler, const struct event *event)
{
    for (size_t i = 0; i < scheduler->workflow_count; i++)
        if (strcmp(scheduler->workflows[i]->hash, event->begun) == 0)
            scheduler->is_stored[i] = true;
}

static void count_end(struct scheduler *scheduler, const struct event *event)
{
    static const enum metric_id metrics[RUN_STATE_COUNT] = {
        [RUN_DONE] = METRIC_RUNS_ENDED, [RUN_FAILED] = METRIC_RUNS_FAILED, [RUN_CANCELLED] = METRIC_RUNS_CANCELLED};

    if (event->begun[0] != '\0') {
        definition_is_stored(scheduler, event);
        actor_count(scheduler->actor, METRIC_RUNS_STARTED, 0, 1);
        if (event->is_flow && event->payload.id == PAYLOAD_OCCURRENCE)
            actor_count(scheduler->actor, METRIC_SCHEDULE_FIRES, 0, 1);
    }
    if (event->else_error != ERROR_OK)
        actor_count(scheduler->actor, METRIC_STEPS_ELSE, event->else_error, 1);
    if (event->run.record == NULL || event->run.state == RUN_OPEN)
        return;
    actor_count(scheduler->actor, metrics[event->run.state], 0, 1);
    if (event->run.state != RUN_FAILED)
        return;
    actor_hand(scheduler->actor, event->id, event->run.id);
    ACTOR_LOG(scheduler->actor, LOG_WARN, "run-failed", L_TEXT("workflow", json_text_at(event->run.record, "workflow")),
              L_TEXT("error", json_text_at(event->run.record, "error.error")));
}

static void run_is_known(struct scheduler *scheduler, struct event *event, struct slice known)
{
    ACTOR_LOG(scheduler->actor, LOG_INFO, "run-known", L_TEXT("known", known));
    if (event_is_start(event))
        start_refuse(scheduler, event, ERROR_DUPLICATE, "there is a run with this unique key already");
    else
        event_drop(scheduler, event);
}

static void refused(struct scheduler *scheduler, struct event *event, const struct msg_committed *msg)
{
    bool is_done = event->is_flow && event->payload.id == PAYLOAD_STEP_DONE;
    bool is_alarm = event->is_flow && event->payload.id == PAYLOAD_ALARM;

    if (msg->error == ERROR_FENCED || (msg->error == ERROR_NOT_FOUND && event->run.record == NULL)) {
        actor_log(scheduler->actor, LOG_WARN, "lease-lost", NULL, 0);
        event_free(event);
    } else if (msg->error == ERROR_HELD && event->has_unique && msg->failed_op == 0) {
        run_is_known(scheduler, event, msg->detail);
    } else if (msg->error == ERROR_HELD && is_done && !event->alarm_is_held) {
        event->alarm_is_held = true;
        event_restart(scheduler, event);
    } else if (msg->error == ERROR_CONFLICT || msg->error == ERROR_HELD || error_class(msg->error) != RETRY_PERMANENT) {
        /* A job that is to be withdrawn is in a worker's hand: that ends, and then its own end is in the run. */
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
