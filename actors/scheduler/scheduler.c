// SPDX-License-Identifier: MIT
#include "actors/scheduler/scheduler.h"
#include "actors/scheduler/state.h"
#include "proto/check.h"
#include <stdlib.h>
#include <string.h>

enum { IDS_AT_ONCE = 512 };

struct scheduler *scheduler_of(void *self)
{
    struct scheduler *scheduler;

    CAST_OBJ(scheduler, self, SCHEDULER_MAGIC);
    return scheduler;
}

/* ---- ids ---- */

static void ids_ask(struct scheduler *scheduler)
{
    struct buffer ops = {NULL, 0, 0};
    uint64_t ticket = actor_ticket(scheduler->actor);

    if (scheduler->id_ticket != 0)
        return;
    op_put_allocate(&ops, &(struct op_allocate){IDS_AT_ONCE});
    if (store_commit(scheduler->actor, ticket, &ops) == ERROR_OK)
        scheduler->id_ticket = ticket;
    else
        actor_timer(scheduler->actor, TIMER_IDS, actor_now(scheduler->actor) + AGAIN_MS);
    buffer_free(&ops);
}

/* Ids that are left over when new ones come are given up: there are 2^64. */
bool scheduler_has_ids(struct scheduler *scheduler)
{
    if (scheduler->id_next + ADVANCE_IDS_MAX <= scheduler->id_end)
        return true;
    ids_ask(scheduler);
    return false;
}

static void ids_came(struct scheduler *scheduler, const struct msg_committed *msg)
{
    scheduler->id_ticket = 0;
    if (msg->error != ERROR_OK) {
        actor_timer(scheduler->actor, TIMER_IDS, actor_now(scheduler->actor) + AGAIN_MS);
        return;
    }
    scheduler->id_next = msg->first_id;
    scheduler->id_end = msg->first_id + IDS_AT_ONCE;
    for (size_t i = 0; i < scheduler->event_room; i++)
        if (scheduler->events[i].phase == EVENT_IDS)
            event_restart(scheduler, &scheduler->events[i]);
}

/* ---- queues ---- */

static bool subscribe_one(struct scheduler *scheduler, const char *queue, uint64_t window)
{
    return store_subscribe_to(scheduler->actor, slice_of(queue), scheduler->is_quiescing ? 0 : window) == ERROR_OK;
}

/* The queue of this trigger was named by an earlier one. */
static bool is_named_before(const struct config *config, size_t workflow, size_t trigger)
{
    const char *name = config->workflows[workflow]->triggers[trigger].name;

    for (size_t i = 0; i <= workflow; i++)
        for (size_t j = 0; j < (i == workflow ? trigger : config->workflows[i]->trigger_count); j++) {
            const struct workflow_trigger *other = &config->workflows[i]->triggers[j];
            if (other->kind == TRIGGER_QUEUE && config->workflows[i]->mode != WORKFLOW_OFF &&
                strcmp(other->name, name) == 0)
                return true;
        }
    return false;
}

/* Calls for each queue that a workflow which is not off listens to; returns how many there are. */
static size_t each_queue(struct scheduler *scheduler, bool subscribes, bool *good)
{
    const struct config *config = scheduler->config;
    size_t count = 0;

    for (size_t i = 0; i < config->workflow_count; i++)
        for (size_t j = 0; j < config->workflows[i]->trigger_count; j++) {
            const struct workflow_trigger *trigger = &config->workflows[i]->triggers[j];
            if (trigger->kind != TRIGGER_QUEUE || config->workflows[i]->mode == WORKFLOW_OFF ||
                is_named_before(config, i, j))
                continue;
            count++;
            if (subscribes && !subscribe_one(scheduler, trigger->name, QUEUE_WINDOW))
                *good = false;
        }
    return count;
}

static void subscribe(struct scheduler *scheduler)
{
    bool good = subscribe_one(scheduler, "flow", EVENTS_MAX);

    each_queue(scheduler, true, &good);
    if (!good)
        actor_timer(scheduler->actor, TIMER_SUBSCRIBE, actor_now(scheduler->actor) + AGAIN_MS);
}

/* ---- messages ---- */

static void on_job(void *self, const struct msg_job *msg)
{
    event_take(scheduler_of(self), msg);
}

static void on_committed(void *self, const struct msg_committed *msg)
{
    struct scheduler *scheduler = scheduler_of(self);

    if (msg->ticket == scheduler->id_ticket)
        ids_came(scheduler, msg);
    else if (!event_on_committed(scheduler, msg) && !schedule_on_committed(scheduler, msg) &&
             !upkeep_on_committed(scheduler, msg))
        CHECK(ask_on_committed(scheduler, msg));
}

static void on_page(void *self, const struct msg_page *msg)
{
    struct scheduler *scheduler = scheduler_of(self);

    if (!event_on_page(scheduler, msg) && !schedule_on_page(scheduler, msg) && !upkeep_on_page(scheduler, msg))
        CHECK(ask_on_page(scheduler, msg));
}

static void on_command(void *self, const struct msg_command *msg)
{
    ask_command(scheduler_of(self), msg);
}

/* What is in hand ends within milliseconds; what waits for a better moment is given back. */
static void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    struct scheduler *scheduler = scheduler_of(self);

    (void)msg;
    scheduler->is_quiescing = true;
    subscribe(scheduler);
    actor_timer(scheduler->actor, TIMER_SCHEDULES, -1);
    actor_timer(scheduler->actor, TIMER_UPKEEP, -1);
    for (size_t i = 0; i < scheduler->event_room; i++) {
        struct event *event = &scheduler->events[i];
        if (event->phase != EVENT_PAUSE && event->phase != EVENT_IDS)
            continue;
        actor_timer(scheduler->actor, i + 1, -1);
        if (send_release(scheduler->actor, ACTOR_STORE, &(struct msg_release){event->id, event->fence}) == ERROR_OK)
            event_free(event);
    }
}

static void on_timer(void *self, uint64_t timer)
{
    struct scheduler *scheduler = scheduler_of(self);

    if (timer == TIMER_SUBSCRIBE)
        subscribe(scheduler);
    else if (timer == TIMER_SCHEDULES)
        schedules_turn(scheduler);
    else if (timer == TIMER_IDS)
        ids_ask(scheduler);
    else if (timer == TIMER_UPKEEP)
        upkeep_turn(scheduler);
    else {
        CHECK(timer >= 1 && timer <= scheduler->event_room);
        if (scheduler->events[timer - 1].phase == EVENT_PAUSE)
            event_restart(scheduler, &scheduler->events[timer - 1]);
        actor_hand(scheduler->actor, 0, 0);
    }
}

/* ---- life ---- */

static enum error start(void *self, struct actor *actor)
{
    struct scheduler *scheduler = self;
    bool good = true;

    *scheduler = (struct scheduler){.magic = SCHEDULER_MAGIC, .actor = actor, .config = actor_config(actor)};
    scheduler->engine = expression_engine_new(NULL);
    scheduler->event_room = EVENTS_MAX + QUEUE_WINDOW * each_queue(scheduler, false, &good);
    scheduler->events = xcalloc(scheduler->event_room, sizeof(scheduler->events[0]));
    scheduler->is_stored = xcalloc(scheduler->config->workflow_count + 1, sizeof(scheduler->is_stored[0]));
    ids_ask(scheduler);
    schedules_start(scheduler);
    upkeep_start(scheduler);
    subscribe(scheduler);
    return ERROR_OK;
}

static void stop(void *self)
{
    struct scheduler *scheduler = scheduler_of(self);

    for (size_t i = 0; i < scheduler->event_room; i++)
        event_free(&scheduler->events[i]);
    for (size_t i = 0; i < scheduler->old_count; i++)
        workflow_destroy(&scheduler->old[i]);
    schedules_stop(scheduler);
    upkeep_stop(scheduler);
    free(scheduler->events);
    free(scheduler->is_stored);
    expression_engine_destroy(&scheduler->engine);
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE].quiesce = on_quiesce,
    [MSG_COMMAND].command = on_command,
    [MSG_COMMITTED].committed = on_committed,
    [MSG_PAGE].page = on_page,
    [MSG_JOB].job = on_job,
};

const struct actor_spec scheduler_spec = {
    .index = ACTOR_SCHEDULER,
    .state_size = sizeof(struct scheduler),
    .start = start,
    .stop = stop,
    .handlers = handlers,
    .on_timer = on_timer,
};
