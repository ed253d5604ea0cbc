// SPDX-License-Identifier: MIT
#include "actors/common/step_event.h"
#include "actors/scheduler/state.h"
#include "proto/check.h"
#include <stdio.h>

bool event_is_start(const struct event *event)
{
    return event->is_flow && !event->is_malformed && event->payload.id == PAYLOAD_START;
}

/* ---- who waits for it ---- */

void start_put_refusal(struct event *event, enum error error, struct slice detail)
{
    const struct payload_start *start = &event->payload.start;

    if (!event_is_start(event) || start->parent_run == 0)
        return;
    step_event_put(&event->ops, &(struct payload_step_done){.run = start->parent_run,
                                                            .step = start->parent_step,
                                                            .job = start->run,
                                                            .error = error,
                                                            .result = SLICE("null"),
                                                            .detail = detail});
}

/* One that somebody asked for stays listed; one that another run's end or an event of the shop led to is as unheard as
 * those that no workflow listens to. */
void start_refuse(struct scheduler *scheduler, struct event *event, enum error error, const char *detail)
{
    const struct payload_start *start = &event->payload.start;

    if (start->run != 0 && start->parent_run == 0 && error != ERROR_DUPLICATE) {
        event_bury(scheduler, event, error, detail);
        return;
    }
    ACTOR_LOG(scheduler->actor, LOG_WARN, "run-refused", L_TEXT("workflow", start->workflow), L_ERROR(error),
              L_STR("detail", detail));
    if (start->parent_run == 0)
        actor_count(scheduler->actor, METRIC_EVENTS_UNHEARD, 0, 1);
    event_forget(event);
    op_put_finish(&event->ops, &(struct op_finish){event->id, event->fence});
    start_put_refusal(event, error, slice_of(detail));
    event_commit(scheduler, event);
}

/* ---- a run of that name ---- */

/* A person may try in shadow what is switched off. */
static bool is_switched_off(const struct payload_start *start, const struct workflow *workflow)
{
    bool is_trial = start->parent_run == 0 && start->run != 0 && slice_is(start->mode, "shadow");

    return workflow->mode == WORKFLOW_OFF && !is_trial;
}

static void begin_with(struct scheduler *scheduler, struct event *event, struct workflow *workflow)
{
    const struct payload_start *start = &event->payload.start;
    struct json_problem problem;
    struct run old;
    json_t *trigger = NULL;

    if (start->replay_of == 0)
        trigger = json_read(start->trigger, &problem);
    else if (run_read(&old, buffer_slice(&event->record))) {
        trigger = run_is_reduced(&old) ? NULL : json_incref(json_object_get(old.record, "trigger"));
        run_fini(&old);
    }
    if (trigger == NULL)
        start_refuse(scheduler, event, ERROR_MALFORMED, "what would begin the run cannot be read, or is not kept");
    else
        begin_one(scheduler, event, workflow, trigger);
}

void start_begin(struct scheduler *scheduler, struct event *event)
{
    const struct payload_start *start = &event->payload.start;
    struct workflow *workflow = scheduler_workflow(scheduler, start->workflow);

    if (workflow == NULL)
        start_refuse(scheduler, event, ERROR_NOT_FOUND, "there is no workflow of that name");
    else if (is_switched_off(start, workflow))
        start_refuse(scheduler, event, ERROR_INVALID, "the workflow is switched off");
    else if (start->depth > MACHINE_DEPTH_MAX)
        start_refuse(scheduler, event, ERROR_INVALID, "too many runs called or followed each other up to here");
    else if (start->replay_of != 0 && event->record.size == 0)
        event_read(scheduler, event, EVENT_RUN,
                   (struct msg_read){.what = READ_RUN, .id = start->replay_of, .limit = 1});
    else
        begin_with(scheduler, event, workflow);
}

void start_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;

    CHECK(event->phase == EVENT_RUN);
    if (msg->error != ERROR_OK || !record_take_run_entry(&wire, &entry) || entry.record.size == 0) {
        start_refuse(scheduler, event, ERROR_NOT_FOUND, "the run that is to be repeated is not kept any more");
        return;
    }
    buffer_append(&event->record, entry.record.data, entry.record.size);
    event->head = (struct record_run_entry){.run = entry.run, .version = entry.version, .state = entry.state};
    event_go_on(scheduler, event);
}

static bool copy_old(struct event *event, const struct workflow *workflow, char *problem, size_t room)
{
    const struct payload_start *start = &event->payload.start;
    struct run old = {
        .id = event->head.run, .version = event->head.version, .state = (enum run_state)event->head.state};

    if (!run_read(&old, buffer_slice(&event->record))) {
        snprintf(problem, room, "the record of the run that is to be repeated cannot be read");
        return false;
    }
    if (old.state == RUN_OPEN) {
        snprintf(problem, room, "the run that is to be repeated has not ended");
        run_fini(&old);
        return false;
    }
    bool good = machine_copy(&event->run, &old, workflow, &(struct machine_repeat){start->replay_from, start->redo},
                             problem, room);
    run_fini(&old);
    return good;
}

bool start_fill(struct event *event, const struct workflow *workflow, char *problem, size_t room)
{
    const struct payload_start *start = &event->payload.start;
    json_t *record = event->run.record;

    if (!event_is_start(event))
        return true;
    if (start->depth > 0)
        json_object_set_new(record, "depth", json_integer((json_int_t)start->depth));
    if (start->parent_run != 0)
        json_object_set_new(record, "parent",
                            json_pack("{s:I, s:s%}", "run", (json_int_t)start->parent_run, "step",
                                      start->parent_step.size ? start->parent_step.data : "", start->parent_step.size));
    return start->replay_of == 0 || copy_old(event, workflow, problem, room);
}
