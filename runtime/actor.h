/* actor - what an actor is and all it can do to the world.
 * An actor is a struct of state and a table of handlers. It owns no loop, clock, socket or thread: it is called, and
 * acts through its context (struct actor). The same code runs on a thread over ZeroMQ pipes (runtime/threads.c) and in
 * one thread under a virtual clock (tests/sim). Handlers never block and never call each other. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/call.h"
#include "proto/check.h"
#include "proto/commands.h"
#include "proto/http.h"
#include "proto/metrics.h"
#include "proto/msg.h"
#include "runtime/io/http_server.h"
#include "runtime/io/sink.h"
#include "runtime/log.h"

struct actor;  /* the context */
struct config; /* config/config.h; the runtime only carries the pointer */

struct actor_spec {
    enum actor_index index;
    size_t state_size; /* zeroed before each start */
    /* Begins a life. An error ends it: the supervisor starts the actor again within its budget. */
    enum error (*start)(void *self, struct actor *actor);
    /* Frees what this life allocated; no sends any more. May be NULL. */
    void (*stop)(void *self);
    const union msg_handler *handlers; /* [MSG_COUNT]: exactly the messages addressed to this actor, less READY..STOP */
    void (*turn_end)(void *self);      /* after each batch of inputs; may be NULL */
    /* The following may be NULL when the actor never uses what they answer. */
    void (*on_timer)(void *self, uint64_t timer);
    void (*on_answer)(void *self, uint64_t ticket, const struct answer *answer);        /* actor_request */
    void (*on_http)(void *self, uint64_t exchange, const struct http_request *request); /* actor_serve */
    void (*on_peer)(void *self, uint64_t peer, struct slice message);                   /* actor_peer_listen */
    void (*on_sink)(void *self, uint64_t ticket, enum error error, uint64_t cursor);    /* actor_sink_* */
};

/* Panics unless the handlers are exactly the messages addressed to this actor. Called by every world at its start. */
void actor_spec_check(const struct actor_spec *spec);

/* --- clocks, chance, numbers --- */
int64_t actor_now(const struct actor *actor);  /* monotonic milliseconds (CLOCK_BOOTTIME) */
int64_t actor_wall(const struct actor *actor); /* UTC milliseconds; may step */
bool actor_wall_trusted(
    const struct actor *actor); /* false until the clock is synchronised or past the last known time */
uint64_t actor_random(struct actor *actor);
/* A number that answers are matched by; never 0, never repeated, and carries this life of the actor: replies to an
 * earlier life are dropped before any handler. */
uint64_t actor_ticket(struct actor *actor);
const struct config *actor_config(const struct actor *actor);
void *actor_resource(const struct actor *actor);
/* What may change while the program runs, read anew and checked whole; the daemon says what that is, and the caller
 * owns it. NULL with what is wrong and where, for people. */
void *actor_reload(struct actor *actor, char *problem, size_t room);
/* Who sent the message whose handler runs now: the runtime's word, not the message's. Answers go there. */
enum actor_index actor_sender(const struct actor *actor);

/* --- timers: one-shot, `timer` is the actor's own number; setting it again moves it, at < 0 cancels --- */
void actor_timer(struct actor *actor, uint64_t timer, int64_t at_ms);

/* --- messages: send_<name>() below --- */
/* OK or FULL. CHECKs that the edge exists. A REPLY is never FULL. */
enum error actor_send(struct actor *actor, enum actor_index dest, enum msg_id id, struct slice frame)
    __attribute__((warn_unused_result));

/* --- outgoing calls (HTTP, SMTP); on_answer() follows exactly once unless this life ends --- */
/* FULL past the actor's in-flight bound. `job` (0: none) is charged if the process dies while its answer is handled. */
enum error actor_request(struct actor *actor, uint64_t ticket, const struct call *call)
    __attribute__((warn_unused_result));

/* --- incoming HTTP: the actor's one listener; options' callbacks are filled in by the world --- */
enum error actor_serve(struct actor *actor, const struct http_server_options *options);
void actor_respond(struct actor *actor, uint64_t exchange, const struct http_reply *reply);
void actor_serve_quiesce(struct actor *actor);

/* --- the ROUTER for outside clients; `endpoint` is a ZeroMQ endpoint (tcp on loopback, or ipc) --- */
struct peer_options {
    const char *endpoint;
    size_t message_bytes_max;
};
enum error actor_peer_listen(struct actor *actor, const struct peer_options *options);
/* Dropped (and counted) when the peer is gone or does not read. */
void actor_peer_send(struct actor *actor, uint64_t peer, struct slice message);

/* --- sinks: one per actor; on_sink() follows each write exactly once --- */
enum error actor_sink_open(struct actor *actor, const char *path);
void actor_sink_write(struct actor *actor, uint64_t ticket, const struct sink_row *rows, size_t count);

/* --- what the actor has in hand: the world notes it in the scratch file while handlers of this job run, and puts job
 * and run on each log line. 0 for none. It is cleared when a handler returns, and set by the world before JOB handlers
 * and before on_answer of a ticket that was requested while it was set. --- */
void actor_hand(struct actor *actor, uint64_t job, uint64_t run);

/* --- metrics and logs: see proto/metrics.def and runtime/log.h --- */
void actor_count(struct actor *actor, enum metric_id metric, uint64_t label, uint64_t add);
void actor_gauge(struct actor *actor, enum metric_id metric, uint64_t label, int64_t value);
void actor_observe(struct actor *actor, enum metric_id metric, double value);
void actor_log(struct actor *actor, enum log_level level, const char *event, const struct log_field *fields,
               size_t count);
#define ACTOR_LOG(actor, level, event, ...)                                                                            \
    actor_log((actor), (level), (event), (const struct log_field[]){__VA_ARGS__},                                      \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* All metrics of the process, summed over actors, in Prometheus text format 0.0.4 (for the watchdog). */
void actor_metrics_text(struct actor *actor, struct buffer *into);
/* One row per actor: restarts, turns, messages, inbox depth, last progress, what it does (JSON, for status). */
void actor_progress_json(struct actor *actor, struct buffer *into);

/* Ends this life: nothing further is delivered, and the supervisor decides about the next. */
void actor_fail(struct actor *actor, enum error error, const char *reason);

/* send_<message>(actor, dest, &msg): OK or FULL. */
#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    __attribute__((warn_unused_result)) enum error send_##name(struct actor *actor, enum actor_index dest_actor,       \
                                                               const struct msg_##name *msg);
#include "proto/messages.def"
#undef MESSAGE

/* --- for worlds only: what stands behind the calls above --- */
struct world {
    int64_t (*now)(const struct actor *);
    int64_t (*wall)(const struct actor *);
    bool (*wall_trusted)(const struct actor *);
    uint64_t (*random)(struct actor *);
    void *(*reload)(struct actor *, char *problem, size_t room);
    void (*timer)(struct actor *, uint64_t timer, int64_t at_ms);
    enum error (*send)(struct actor *, enum actor_index dest, enum msg_id id, struct slice frame);
    enum error (*request)(struct actor *, uint64_t ticket, const struct call *);
    enum error (*serve)(struct actor *, const struct http_server_options *);
    void (*respond)(struct actor *, uint64_t exchange, const struct http_reply *);
    void (*serve_quiesce)(struct actor *);
    enum error (*peer_listen)(struct actor *, const struct peer_options *);
    void (*peer_send)(struct actor *, uint64_t peer, struct slice message);
    enum error (*sink_open)(struct actor *, const char *path);
    void (*sink_write)(struct actor *, uint64_t ticket, const struct sink_row *rows, size_t count);
    void (*hand)(struct actor *, uint64_t job, uint64_t run);
    void (*log)(struct actor *, enum log_level, const char *event, const struct log_field *, size_t count);
    void (*metrics_text)(struct actor *, struct buffer *into);
    void (*progress_json)(struct actor *, struct buffer *into);
};

/* A world embeds this as the first member of its own per-actor struct. */
struct actor {
    unsigned magic;
#define ACTOR_MAGIC 0x41435430u
    const struct world *world;
    const struct actor_spec *spec;
    const struct config *config;
    struct metrics *metrics; /* this actor's slots */
    void *resource;          /* what the wiring gave this actor (the store's backend); outlives every life */
    void *self;              /* the actor's state */
    uint64_t life;           /* 1 at the first start */
    uint64_t ticket_last;
    enum actor_index sender; /* of the message whose handler runs; ACTOR_COUNT outside one */
    uint64_t job, run;       /* in hand now */
    bool failed;             /* actor_fail() was called in this life */
    enum error failure;
    char failure_reason[200];
};

/* Delivers one frame to the actor's handlers; drops replies to earlier lives; panics on a frame that does not fit. */
void actor_deliver(struct actor *actor, enum actor_index sender, struct slice frame);
/* Ticket of a life: life in the upper 16 bits. */
uint64_t actor_ticket_life(uint64_t ticket);
