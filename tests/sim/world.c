// SPDX-License-Identifier: MIT
/* The calls of runtime/actor.h in the simulated world. */
#include "tests/sim/sim.h"
#include "config/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t world_now(const struct actor *actor)
{
    return sim_actor_of(actor)->sim->now_ms;
}

static int64_t world_wall(const struct actor *actor)
{
    struct sim *sim = sim_actor_of(actor)->sim;

    return sim->now_ms + sim->wall_offset_ms;
}

static bool world_wall_trusted(const struct actor *actor)
{
    (void)actor;
    return true;
}

/* The simulated shop keeps the workflows it began with. */
static void *world_reload(struct actor *actor, char *problem, size_t room)
{
    (void)actor;
    snprintf(problem, room, "nothing can be read anew here");
    return NULL;
}

static uint64_t world_random(struct actor *actor)
{
    return sim_random(sim_actor_of(actor)->sim);
}

static void world_timer(struct actor *actor, uint64_t timer, int64_t at_ms)
{
    timers_set(&sim_actor_of(actor)->timers, timer, at_ms);
}

static bool has_room(const struct sim_lane *lane, enum actor_index receiver, size_t more)
{
    return lane->messages + lane->reserved < roster[receiver].inbox_messages_max &&
           (lane->bytes == 0 || lane->bytes + more <= roster[receiver].inbox_bytes_max);
}

static void enqueue(struct sim_lane *lane, struct slice frame)
{
    struct sim_frame *copy = xcalloc(1, sizeof(*copy) + frame.size);

    copy->size = frame.size;
    memcpy(copy->data, frame.data, frame.size);
    if (lane->first == NULL)
        lane->last = &lane->first;
    *lane->last = copy;
    lane->last = &copy->next;
    lane->messages++;
    lane->bytes += frame.size;
}

/* The same rules as runtime/pipe.c. */
static enum error world_send(struct actor *actor, enum actor_index dest, enum msg_id id, struct slice frame)
{
    struct sim_actor *self = sim_actor_of(actor);
    struct sim *sim = self->sim;
    enum actor_index from = actor->spec->index;
    struct sim_lane *out = &sim->actors[dest].lanes[from], *back = &self->lanes[dest];

    if (dest == ACTOR_SUPERVISOR) {
        sim_supervise(sim, self, id, frame);
        return ERROR_OK;
    }
    if (msg_info[id].flow != FLOW_REPLY && !has_room(out, dest, frame.size))
        return ERROR_FULL;
    if (msg_info[id].flow == FLOW_ASK) {
        if (!has_room(back, from, 0))
            return ERROR_FULL;
        back->reserved++;
    }
    if (msg_info[id].flow == FLOW_REPLY) {
        CHECK(self->owed[dest] > 0);
        self->owed[dest]--;
        out->reserved--;
    }
    enqueue(out, frame);
    return ERROR_OK;
}

static enum error world_request(struct actor *actor, uint64_t ticket, const struct call *call)
{
    struct sim_actor *self = sim_actor_of(actor);
    struct sim *sim = self->sim;
    struct sim_event event = {.at_ms = sim->now_ms + 1 + (int64_t)sim_below(sim, 60),
                              .kind = SIM_CALL,
                              .actor = actor->spec->index,
                              .boot = sim->boot,
                              .life = actor->life,
                              .ticket = ticket,
                              .job = actor->job,
                              .run = actor->run,
                              .idempotent = call->idempotent,
                              .timeout_ms = call->timeout_ms};

    call_pack(&event.bytes, call);
    sim_event_add(sim, &event);
    return ERROR_OK;
}

static enum error world_serve(struct actor *actor, const struct http_server_options *options)
{
    (void)options;
    sim_actor_of(actor)->serving = true;
    return ERROR_OK;
}

static void world_respond(struct actor *actor, uint64_t exchange, const struct http_reply *reply)
{
    struct sim *sim = sim_actor_of(actor)->sim;

    if (actor->spec->index == ACTOR_INGRESS)
        sim_hook_answered(sim, exchange, reply->status);
}

static void world_serve_quiesce(struct actor *actor)
{
    sim_actor_of(actor)->quiesced = true;
}

static enum error world_peer_listen(struct actor *actor, const struct peer_options *options)
{
    (void)actor;
    (void)options;
    return ERROR_OK;
}

static void world_peer_send(struct actor *actor, uint64_t peer, struct slice message)
{
    (void)peer;
    sim_producer_message(sim_actor_of(actor)->sim, message);
}

static enum error world_sink_open(struct actor *actor, const char *path)
{
    (void)path;
    sim_actor_of(actor)->sink_open = true;
    return ERROR_OK;
}

/* A batch ends after a while: written; not written; or written with the COMMIT's answer lost. */
static void world_sink_write(struct actor *actor, uint64_t ticket, const struct sink_row *rows, size_t count)
{
    struct sim *sim = sim_actor_of(actor)->sim;
    uint64_t chance = sim->calm ? 99 : sim_below(sim, 100);
    struct sim_event event = {.at_ms = sim->now_ms + 1 + (int64_t)sim_below(sim, 50),
                              .kind = SIM_SINK,
                              .actor = actor->spec->index,
                              .boot = sim->boot,
                              .life = actor->life,
                              .ticket = ticket};

    if (chance >= 4)
        event.cursor = sim_sink_apply(sim->sink, rows, count);
    if (chance < 8)
        event.error = ERROR_IO;
    sim_event_add(sim, &event);
}

static void world_hand(struct actor *actor, uint64_t job, uint64_t run)
{
    (void)actor;
    (void)job;
    (void)run;
}

static void world_log(struct actor *actor, enum log_level level, const char *event, const struct log_field *fields,
                      size_t count)
{
    struct log_line line = {.wall_ms = world_wall(actor),
                            .level = level,
                            .actor = roster[actor->spec->index].thread,
                            .event = event,
                            .job = actor->job,
                            .run = actor->run,
                            .fields = fields,
                            .field_count = count};

    log_write(&line);
}

static void world_metrics_text(struct actor *actor, struct buffer *into)
{
    struct metrics *block = &sim_actor_of(actor)->metrics;
    const char *name = roster[actor->spec->index].thread;

    metrics_text(into, &block, &name, 1);
}

static void world_progress_json(struct actor *actor, struct buffer *into)
{
    (void)actor;
    buffer_text(into, "[]");
}

const struct world sim_world = {
    .now = world_now,
    .wall = world_wall,
    .wall_trusted = world_wall_trusted,
    .random = world_random,
    .reload = world_reload,
    .timer = world_timer,
    .send = world_send,
    .request = world_request,
    .serve = world_serve,
    .respond = world_respond,
    .serve_quiesce = world_serve_quiesce,
    .peer_listen = world_peer_listen,
    .peer_send = world_peer_send,
    .sink_open = world_sink_open,
    .sink_write = world_sink_write,
    .hand = world_hand,
    .log = world_log,
    .metrics_text = world_metrics_text,
    .progress_json = world_progress_json,
};
