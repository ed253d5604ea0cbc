// SPDX-License-Identifier: MIT
#include "actors/scheduler/scheduler.h"
#include "actors/scheduler/ask.h"
#include "actors/scheduler/schedules.h"
#include "config/workflows.h"
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
    if (scheduler->id_next + MACHINE_IDS_MAX <= scheduler->id_end)
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
            event_go_on(scheduler, &scheduler->events[i]);
}

/* ---- queues ---- */

static struct subscription *subscription_of(struct scheduler *scheduler, const char *queue)
{
    for (size_t i = 0; i < scheduler->subscription_count; i++)
        if (strcmp(scheduler->subscriptions[i].queue, queue) == 0)
            return &scheduler->subscriptions[i];
    return NULL;
}

static void want_queue(struct scheduler *scheduler, const char *queue, uint64_t window)
{
    struct subscription *known = subscription_of(scheduler, queue);

    if (known == NULL) {
        scheduler->subscriptions = xrealloc(scheduler->subscriptions,
                                            (scheduler->subscription_count + 1) * sizeof(scheduler->subscriptions[0]));
        known = &scheduler->subscriptions[scheduler->subscription_count++];
        known->queue = slice_dup(slice_of(queue));
    }
    known->window = window;
}

/* Each queue that a workflow which is not off listens to; 0 for those that nobody listens to any more. */
static void want_queues(struct scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->subscription_count; i++)
        scheduler->subscriptions[i].window = 0;
    want_queue(scheduler, "flow", EVENTS_MAX);
    for (size_t i = 0; i < scheduler->workflow_count; i++)
        for (size_t j = 0; j < scheduler->workflows[i]->trigger_count; j++) {
            const struct workflow_trigger *trigger = &scheduler->workflows[i]->triggers[j];
            if (trigger->kind == TRIGGER_QUEUE && scheduler->workflows[i]->mode != WORKFLOW_OFF)
                want_queue(scheduler, trigger->name, QUEUE_WINDOW);
        }
}

/* As many as may be in hand at once, and never fewer than there were: some may be in use. */
static void make_room(struct scheduler *scheduler)
{
    size_t room = 0;

    for (size_t i = 0; i < scheduler->subscription_count; i++)
        room += scheduler->subscriptions[i].window;
    if (room <= scheduler->event_room)
        return;
    scheduler->events = xrealloc(scheduler->events, room * sizeof(scheduler->events[0]));
    for (size_t i = scheduler->event_room; i < room; i++)
        scheduler->events[i] = (struct event){.phase = EVENT_FREE};
    scheduler->event_room = room;
}

static void subscribe(struct scheduler *scheduler)
{
    bool is_told = true;

    for (size_t i = 0; i < scheduler->subscription_count; i++) {
        const struct subscription *wanted = &scheduler->subscriptions[i];
        if (store_subscribe_to(scheduler->actor, slice_of(wanted->queue),
                               scheduler->is_quiescing ? 0 : wanted->window) != ERROR_OK)
            is_told = false;
    }
    if (!is_told) {
        actor_timer(scheduler->actor, TIMER_SUBSCRIBE, actor_now(scheduler->actor) + AGAIN_MS);
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < scheduler->subscription_count; i++)
        if (scheduler->subscriptions[i].window > 0)
            scheduler->subscriptions[kept++] = scheduler->subscriptions[i];
        else
            free(scheduler->subscriptions[i].queue);
    scheduler->subscription_count = kept;
}

/* ---- workflows ---- */

struct workflow *scheduler_workflow(const struct scheduler *scheduler, struct slice name)
{
    for (size_t i = 0; i < scheduler->workflow_count; i++)
        if (slice_is(name, scheduler->workflows[i]->name))
            return scheduler->workflows[i];
    return NULL;
}

static void forget_reloaded(struct scheduler *scheduler)
{
    size_t count = scheduler->workflow_count;

    if (scheduler->reloaded != NULL)
        workflows_destroy(&scheduler->reloaded, &count);
}

/* A definition that a run has begun with is in the store since then. */
static void look_at(struct scheduler *scheduler, struct workflow *const *workflows, size_t count)
{
    scheduler->workflows = workflows;
    scheduler->workflow_count = count;
    free(scheduler->is_stored);
    scheduler->is_stored = xcalloc(count + 1, sizeof(scheduler->is_stored[0]));
    want_queues(scheduler);
    make_room(scheduler);
}

void scheduler_take_workflows(struct scheduler *scheduler, struct workflow **workflows, size_t count)
{
    forget_reloaded(scheduler);
    scheduler->reloaded = workflows;
    look_at(scheduler, workflows, count);
    subscribe(scheduler);
    schedules_reload(scheduler);
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
    const struct config *config = actor_config(actor);

    *scheduler = (struct scheduler){.magic = SCHEDULER_MAGIC,
                                    .actor = actor,
                                    .config = config,
                                    .shop = {config->shop_name, config->shop_zone, config->shop_currency}};
    scheduler->engine = expression_engine_new(NULL);
    scheduler->asks = xcalloc(ASKS_MAX, sizeof(scheduler->asks[0]));
    look_at(scheduler, config->workflows, config->workflow_count);
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
    for (size_t i = 0; i < scheduler->subscription_count; i++)
        free(scheduler->subscriptions[i].queue);
    schedules_stop(scheduler);
    upkeep_stop(scheduler);
    asks_stop(scheduler);
    forget_reloaded(scheduler);
    free(scheduler->events);
    free(scheduler->is_stored);
    free(scheduler->subscriptions);
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
