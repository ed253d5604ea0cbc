// SPDX-License-Identifier: MIT
#include "store/store_actor.h"
#include "proto/check.h"
#include "store/store_actor_priv.h"
#include <stdlib.h>

enum { DELIVER_AGAIN_MS = 20, DELIVER_AT_MOST_MS = 60000, STEP_IDLE_MS = 1000 };

struct store_ask *store_actor_ask(struct store_actor *self, enum msg_id message, uint64_t ticket)
{
    if (self->ask_count == self->ask_capacity) {
        self->ask_capacity = self->ask_capacity ? 2 * self->ask_capacity : 64;
        self->asks = xrealloc(self->asks, self->ask_capacity * sizeof(*self->asks));
    }
    struct store_ask *ask = &self->asks[self->ask_count++];
    *ask = (struct store_ask){.message = message, .asker = actor_sender(self->actor), .ticket = ticket};
    return ask;
}

static void settle(struct store_actor *self);

/* What the sender asked for in its life before comes first, as it was sent: a FINISH that is overtaken by the reset
 * would be FENCED and its job delivered, and its effect done, a second time. */
static void on_reset(void *state, const struct msg_reset *msg)
{
    struct store_actor *self = state;
    bool asked = false;

    for (size_t i = 0; i < self->ask_count && !asked; i++)
        asked = self->asks[i].asker == actor_sender(self->actor);
    if (asked)
        settle(self);
    self->lives[actor_sender(self->actor)] = msg->life;
    store_reset(self->store, actor_sender(self->actor));
}

static void on_commit(void *state, const struct msg_commit *msg)
{
    struct store_ask *ask = store_actor_ask(state, MSG_COMMIT, msg->ticket);

    buffer_append(&ask->bytes, msg->ops.data, msg->ops.size);
}

static void on_read(void *state, const struct msg_read *msg)
{
    struct store_ask *ask = store_actor_ask(state, MSG_READ, msg->ticket);

    ask->read = *msg;
    ask->space_size = msg->space.size;
    buffer_append(&ask->bytes, msg->space.data, msg->space.size);
    buffer_append(&ask->bytes, msg->from.data, msg->from.size);
}

static void on_subscribe(void *state, const struct msg_subscribe *msg)
{
    struct store_actor *self = state;

    store_subscribe(self->store, actor_sender(self->actor), msg->queue, msg->window);
}

/* Waits for the commits of the turn: one that was sent before may use the lease. */
static void on_release(void *state, const struct msg_release *msg)
{
    store_actor_ask(state, MSG_RELEASE, msg->fence)->read.id = msg->job;
}

static void on_gate(void *state, const struct msg_gate *msg)
{
    store_gate(((struct store_actor *)state)->store, msg->gate, msg->open);
}

static void on_quiesce(void *state, const struct msg_quiesce *msg)
{
    struct store_actor *self = state;

    (void)msg;
    self->quiescing = true;
    store_quiesce(self->store);
}

static void count_since(struct store_actor *self)
{
    struct store_stats now, *told = &self->told;
    uint64_t used, bound;
    bool refusing;

    store_stats(self->store, &now);
#define TELL(metric, field) actor_count(self->actor, METRIC_##metric, 0, now.field - told->field)
    TELL(COMMITS, commits);
    TELL(SYNCS, syncs);
    TELL(JOBS_PUSHED, pushed);
    TELL(JOBS_LEASED, leased);
    TELL(JOBS_FINISHED, finished);
    TELL(JOBS_DOUBTED, doubted);
    TELL(STORE_CORRUPT, corrupt);
    actor_count(self->actor, METRIC_JOBS_QUARANTINED, 0, now.quarantined - told->quarantined);
    actor_count(self->actor, METRIC_JOBS_QUARANTINED, 0, now.buried[ERROR_POISON] - told->buried[ERROR_POISON]);
#undef TELL
    for (unsigned error = 0; error < ERROR_COUNT; error++) {
#define TELL(metric, field)                                                                                            \
    if (now.field[error] != told->field[error])                                                                        \
    actor_count(self->actor, METRIC_##metric, error, now.field[error] - told->field[error])
        TELL(COMMITS_REFUSED, refused);
        TELL(JOBS_RETRIED, retried);
        TELL(JOBS_PARKED, parked);
        TELL(JOBS_BURIED, buried);
#undef TELL
    }
    self->told = now;
    store_size(self->store, &used, &bound, &refusing);
    actor_gauge(self->actor, METRIC_STORE_USED, 0, (int64_t)used);
    actor_gauge(self->actor, METRIC_STORE_BOUND, 0, (int64_t)bound);
    actor_gauge(self->actor, METRIC_STORE_REFUSING, 0, refusing);
}

static enum error start(void *state, struct actor *actor)
{
    struct store_actor *self = state;
    struct store_resource *resource;
    char problem[STORE_PROBLEM_BYTES];
    enum error error;

    CAST_OBJ(resource, actor_resource(actor), STORE_RESOURCE_MAGIC);
    self->actor = actor;
    self->store =
        store_open(resource->kv, resource->kv_argument, &resource->options, actor_wall(actor), &error, problem);
    if (self->store == NULL) {
        ACTOR_LOG(actor, LOG_ERROR, "store-not-opened", L_ERROR(error), L_STR("problem", problem));
        actor_fail(actor, error, problem);
        return error;
    }
    error = store_charge_crash(self->store, resource->previous_exit, resource->running, resource->running_count,
                               actor_wall(actor));
    if (error != ERROR_OK)
        return error;
    resource->running_count = 0;
    if (resource->hand != NULL)
        hand_charged(resource->hand);
    if (resource->deliver_nothing)
        store_quiesce(self->store);
    actor_timer(actor, STORE_TIMER_STEP, actor_now(actor));
    return ERROR_OK;
}

static void forget_asks(struct store_actor *self)
{
    for (size_t i = 0; i < self->ask_count; i++)
        buffer_free(&self->asks[i].bytes);
    self->ask_count = 0;
}

static void stop(void *state)
{
    struct store_actor *self = state;

    store_end_checks(self);
    store_end_listings(self);
    forget_asks(self);
    free(self->asks);
    free(self->commits);
    buffer_free(&self->page.rows);
    buffer_free(&self->page.next);
    store_close(&self->store);
}

static void answer_commit(struct store_actor *self, const struct store_ask *ask, const struct store_commit *commit)
{
    const struct msg_committed answer = {.ticket = ask->ticket,
                                         .error = commit->error,
                                         .failed_op = commit->failed_op,
                                         .first_id = commit->first_id,
                                         .skipped = commit->skipped,
                                         .detail = {commit->detail, commit->detail_size}};

    if (commit->outbox_last > self->outbox_last)
        self->outbox_last = commit->outbox_last;
    if (ask->message == MSG_COMMAND)
        store_command_committed(self, ask, commit);
    else
        CHECK(send_committed(self->actor, ask->asker, &answer) == ERROR_OK);
}

static bool is_commit(const struct store_ask *ask)
{
    return ask->message == MSG_COMMIT || ask->message == MSG_COMMAND;
}

/* All commits of the turn are one group: the more arrive while the disk syncs, the fewer syncs each one costs. */
static void commit_group(struct store_actor *self)
{
    const uint64_t outbox_before = self->outbox_last;
    size_t count = 0, at = 0;

    if (self->commit_capacity < self->ask_count) {
        self->commit_capacity = self->ask_count;
        self->commits = xrealloc(self->commits, self->commit_capacity * sizeof(*self->commits));
    }
    for (size_t i = 0; i < self->ask_count; i++)
        if (is_commit(&self->asks[i]))
            self->commits[count++] = (struct store_commit){.ops = buffer_slice(&self->asks[i].bytes)};
    if (count == 0)
        return;
    int64_t began = actor_now(self->actor);
    store_commit_group(self->store, self->commits, count, actor_wall(self->actor));
    actor_observe(self->actor, METRIC_COMMIT_SECONDS, (double)(actor_now(self->actor) - began) / 1000.0);
    for (size_t i = 0; i < self->ask_count; i++)
        if (is_commit(&self->asks[i]))
            answer_commit(self, &self->asks[i], &self->commits[at++]);
    if (self->outbox_last != outbox_before &&
        send_outbox_grew(self->actor, ACTOR_PERSISTER, &(struct msg_outbox_grew){self->outbox_last}) != ERROR_OK)
        return; /* a full inbox has something to wake it up as it is */
}

static void answer_reads(struct store_actor *self)
{
    for (size_t i = 0; i < self->ask_count; i++) {
        struct store_ask *ask = &self->asks[i];
        struct slice bytes = buffer_slice(&ask->bytes);
        if (ask->message != MSG_READ)
            continue;
        ask->read.space = (struct slice){bytes.data, ask->space_size};
        ask->read.from = (struct slice){bytes.data ? bytes.data + ask->space_size : NULL, bytes.size - ask->space_size};
        enum error error = store_read_page(self->store, &ask->read, actor_wall(self->actor), &self->page);
        const struct msg_page answer = {.ticket = ask->ticket,
                                        .error = error,
                                        .count = self->page.count,
                                        .rows = buffer_slice(&self->page.rows),
                                        .next = buffer_slice(&self->page.next)};
        CHECK(send_page(self->actor, ask->asker, &answer) == ERROR_OK);
    }
}

static void release_leases(struct store_actor *self)
{
    for (size_t i = 0; i < self->ask_count; i++)
        if (self->asks[i].message == MSG_RELEASE)
            store_release(self->store, self->asks[i].read.id, self->asks[i].ticket);
}

/* Does all that was asked for so far. */
static void settle(struct store_actor *self)
{
    store_trust_clock(self->store, actor_wall_trusted(self->actor));
    commit_group(self);
    release_leases(self);
    answer_reads(self);
    forget_asks(self);
}

static enum error hand_job(void *context, enum actor_index actor, const struct msg_job *job)
{
    struct store_actor *self = context;
    struct msg_job msg = *job;

    msg.life = self->lives[actor];
    return send_job(self->actor, actor, &msg);
}

static enum error tell_gate_wanted(void *context, struct slice gate)
{
    return send_gate_wanted(((struct store_actor *)context)->actor, ACTOR_LIMITER, &(struct msg_gate_wanted){gate});
}

/* The wall clock may step, so a job due far away is looked at again after a minute at the latest. */
static void set_deliver_timer(struct store_actor *self, int64_t wall_ms)
{
    const int64_t due = store_next_due(self->store);
    int64_t wait = due > wall_ms ? due - wall_ms : DELIVER_AGAIN_MS;

    if (due == INT64_MAX) {
        actor_timer(self->actor, STORE_TIMER_DELIVER, -1);
        return;
    }
    if (wait > DELIVER_AT_MOST_MS)
        wait = DELIVER_AT_MOST_MS;
    actor_timer(self->actor, STORE_TIMER_DELIVER, actor_now(self->actor) + wait);
}

static void tell_quiet(struct store_actor *self)
{
    if (!self->quiescing || self->quiet_told || store_lease_count(self->store) > 0)
        return;
    self->quiet_told = send_quiet(self->actor, ACTOR_SUPERVISOR, &(struct msg_quiet){0}) == ERROR_OK;
}

static void turn_end(void *state)
{
    struct store_actor *self = state;
    const struct store_receiver receiver = {self, hand_job, tell_gate_wanted};
    const int64_t wall = actor_wall(self->actor);

    settle(self);
    store_deliver(self->store, wall, &receiver);
    set_deliver_timer(self, wall);
    tell_quiet(self);
    count_since(self);
}

static void step(struct store_actor *self)
{
    const bool more = store_step(self->store, actor_wall(self->actor));
    const bool checking = store_step_checks(self), listing = store_step_listings(self);
    const bool usable = store_usable(self->store);

    if (!usable && !self->unusable_told)
        ACTOR_LOG(self->actor, LOG_ERROR, "store-unusable", L_ERROR(ERROR_IO));
    if (usable && self->unusable_told)
        ACTOR_LOG(self->actor, LOG_INFO, "store-usable-again", L_U64("leases", store_lease_count(self->store)));
    self->unusable_told = !usable;
    actor_timer(self->actor, STORE_TIMER_STEP,
                actor_now(self->actor) + (more || checking || listing ? 1 : STEP_IDLE_MS));
}

/* The delivery timer needs no work of its own: the turn that it begins ends with a delivery. */
static void on_timer(void *state, uint64_t timer)
{
    if (timer == STORE_TIMER_STEP)
        step(state);
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE] = {.quiesce = on_quiesce}, [MSG_COMMAND] = {.command = store_on_command},
    [MSG_RESET] = {.reset = on_reset},       [MSG_COMMIT] = {.commit = on_commit},
    [MSG_READ] = {.read = on_read},          [MSG_SUBSCRIBE] = {.subscribe = on_subscribe},
    [MSG_RELEASE] = {.release = on_release}, [MSG_GATE] = {.gate = on_gate},
};

const struct actor_spec store_actor_spec = {
    .index = ACTOR_STORE,
    .state_size = sizeof(struct store_actor),
    .start = start,
    .stop = stop,
    .handlers = handlers,
    .turn_end = turn_end,
    .on_timer = on_timer,
};
