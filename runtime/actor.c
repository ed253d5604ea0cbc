// SPDX-License-Identifier: MIT
#include "runtime/actor.h"
#include <stdio.h>
#include <stdlib.h>

enum { TICKET_LIFE_SHIFT = 48 };

void actor_spec_check(const struct actor_spec *spec)
{
    unsigned bit = 1u << spec->index;

    for (unsigned id = 0; id < MSG_COUNT; id++) {
        bool by_runtime = id == MSG_RESTART || id == MSG_STOP;
        bool addressed = (msg_info[id].to & bit) != 0;
        bool handled = spec->handlers[id].any != NULL;

        if (by_runtime || addressed == handled)
            continue;
        fprintf(stderr, "%s: message %s: %s\n", roster[spec->index].name, msg_info[id].name,
                addressed ? "addressed here, nobody handles it" : "handled here, not addressed here");
        CHECK(addressed == handled);
    }
}

int64_t actor_now(const struct actor *actor)
{
    return actor->world->now(actor);
}

int64_t actor_wall(const struct actor *actor)
{
    return actor->world->wall(actor);
}

bool actor_wall_trusted(const struct actor *actor)
{
    return actor->world->wall_trusted(actor);
}

uint64_t actor_random(struct actor *actor)
{
    return actor->world->random(actor);
}

uint64_t actor_ticket(struct actor *actor)
{
    CHECK(actor->life < UINT64_C(1) << (64 - TICKET_LIFE_SHIFT));
    return actor->life << TICKET_LIFE_SHIFT | ++actor->ticket_last;
}

uint64_t actor_ticket_life(uint64_t ticket)
{
    return ticket >> TICKET_LIFE_SHIFT;
}

const struct config *actor_config(const struct actor *actor)
{
    return actor->config;
}

enum actor_index actor_sender(const struct actor *actor)
{
    CHECK(actor->sender < ACTOR_COUNT);
    return actor->sender;
}

void *actor_resource(const struct actor *actor)
{
    return actor->resource;
}

void actor_timer(struct actor *actor, uint64_t timer, int64_t at_ms)
{
    actor->world->timer(actor, timer, at_ms);
}

enum error actor_send(struct actor *actor, enum actor_index dest, enum msg_id id, struct slice frame)
{
    CHECK(msg_info[id].from & (1u << actor->spec->index));
    CHECK(msg_info[id].to & (1u << dest));
    enum error error = actor->world->send(actor, dest, id, frame);

    CHECK(error == ERROR_OK || msg_info[id].flow != FLOW_REPLY);
    if (error != ERROR_OK)
        actor_count(actor, METRIC_INBOX_FULL, 0, 1);
    return error;
}

#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    enum error send_##name(struct actor *actor, enum actor_index dest_actor, const struct msg_##name *msg)             \
    {                                                                                                                  \
        struct buffer frame = {NULL, 0, 0};                                                                            \
        msg_pack_##name(&frame, msg);                                                                                  \
        enum error error = actor_send(actor, dest_actor, MSG_##ID, buffer_slice(&frame));                              \
        buffer_free(&frame);                                                                                           \
        return error;                                                                                                  \
    }
#include "proto/messages.def"
#undef MESSAGE

enum error actor_request(struct actor *actor, uint64_t ticket, const struct call *call)
{
    CHECK(actor->spec->on_answer != NULL);
    return actor->world->request(actor, ticket, call);
}

enum error actor_serve(struct actor *actor, const struct http_server_options *options)
{
    CHECK(actor->spec->on_http != NULL);
    return actor->world->serve(actor, options);
}

void actor_respond(struct actor *actor, uint64_t exchange, const struct http_reply *reply)
{
    actor->world->respond(actor, exchange, reply);
}

void actor_serve_quiesce(struct actor *actor)
{
    actor->world->serve_quiesce(actor);
}

enum error actor_peer_listen(struct actor *actor, const struct peer_options *options)
{
    CHECK(actor->spec->on_peer != NULL);
    return actor->world->peer_listen(actor, options);
}

void actor_peer_send(struct actor *actor, uint64_t peer, struct slice message)
{
    actor->world->peer_send(actor, peer, message);
}

enum error actor_sink_open(struct actor *actor, const char *path)
{
    CHECK(actor->spec->on_sink != NULL);
    return actor->world->sink_open(actor, path);
}

void actor_sink_write(struct actor *actor, uint64_t ticket, const struct sink_row *rows, size_t count)
{
    actor->world->sink_write(actor, ticket, rows, count);
}

void actor_hand(struct actor *actor, uint64_t job, uint64_t run)
{
    actor->job = job;
    actor->run = run;
    actor->world->hand(actor, job, run);
}

void actor_count(struct actor *actor, enum metric_id metric, uint64_t label, uint64_t add)
{
    metrics_add(actor->metrics, metric, label, add);
}

void actor_gauge(struct actor *actor, enum metric_id metric, uint64_t label, int64_t value)
{
    metrics_set(actor->metrics, metric, label, value);
}

void actor_observe(struct actor *actor, enum metric_id metric, double value)
{
    metrics_observe(actor->metrics, metric, value);
}

void actor_log(struct actor *actor, enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    actor_count(actor, METRIC_LOG_LINES, 0, 1);
    actor->world->log(actor, level, event, fields, count);
}

void *actor_reload(struct actor *actor, char *problem, size_t room)
{
    return actor->world->reload(actor, problem, room);
}

void actor_metrics_text(struct actor *actor, struct buffer *into)
{
    actor->world->metrics_text(actor, into);
}

void actor_progress_json(struct actor *actor, struct buffer *into)
{
    actor->world->progress_json(actor, into);
}

void actor_fail(struct actor *actor, enum error error, const char *reason)
{
    CHECK(error != ERROR_OK);
    if (actor->failed)
        return;
    actor->failed = true;
    actor->failure = error;
    snprintf(actor->failure_reason, sizeof(actor->failure_reason), "%s", reason);
}

/* Takes job and run of a JOB frame [id, life, job, fence, queue, gate, key, attempt, run, ...] into the hand.
 * False when the job was meant for an earlier life: its lease ended with the RESET. */
static bool hand_job(struct actor *actor, struct slice frame)
{
    struct wire wire = wire_over(frame);

    wire_take_array(&wire);
    wire_take_u64(&wire);
    uint64_t life = wire_take_u64(&wire);
    uint64_t job = wire_take_u64(&wire);
    for (int field = 0; field < 5; field++)
        wire_skip(&wire);
    uint64_t run = wire_take_u64(&wire);
    CHECK(!wire.bad);
    if (life != actor->life)
        return false;
    actor_hand(actor, job, run);
    return true;
}

void actor_deliver(struct actor *actor, enum actor_index sender, struct slice frame)
{
    uint64_t ticket;
    enum msg_id id = msg_peek(frame, &ticket);

    CHECK(id < MSG_COUNT);
    bool stale = msg_info[id].flow == FLOW_REPLY && actor_ticket_life(ticket) != actor->life;
    if (stale || (id == MSG_JOB && !hand_job(actor, frame))) {
        actor_count(actor, METRIC_STALE_REPLIES, 0, 1);
        return;
    }
    actor_count(actor, METRIC_MESSAGES, 0, 1);
    CHECK(msg_info[id].from & (1u << sender));
    actor->sender = sender;
    bool fits = msg_dispatch(actor->spec->handlers, actor->self, frame);
    actor->sender = ACTOR_COUNT;
    CHECK(fits);
    if (actor->job != 0 || actor->run != 0)
        actor_hand(actor, 0, 0);
}
