/* sim - the seeded world: the daemon's own actors and store in one thread, with a virtual clock, in-memory pipes, the
 * service models of tests/cloud, a sink that can lose a COMMIT's answer and a disk that outlives crashes.
 * Everything that could differ between two runs comes from the seed: same seed, same trace hash. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"
#include "runtime/timers.h"
#include "store/kv_memory.h"
#include "store/store_actor.h"
#include "tests/cloud/cloud.h"

enum { SIM_PENDING_MAX = 4096, SIM_CHAT = 500, SIM_APPROVER = 100, SIM_STRANGER = 666 };

struct sim;

struct sim_frame {
    struct sim_frame *next;
    size_t size;
    char data[];
};

struct sim_lane { /* one direction of a pipe */
    struct sim_frame *first, **last;
    size_t messages, bytes, reserved;
};

struct sim_actor {
    struct actor base; /* first: worlds embed it */
    struct sim *sim;
    struct sim_lane lanes[ACTOR_COUNT]; /* inbox, by sender */
    size_t owed[ACTOR_COUNT];           /* ASKs taken and not answered, by sender */
    struct timers timers;
    struct metrics metrics;
    bool alive, serving, quiesced, sink_open;
    int64_t restart_ms; /* 0: not waiting for a restart */
    unsigned restarts;
};

/* Things that happen at a time, in order of (at_ms, order). */
enum sim_event_kind {
    SIM_CALL,       /* a call reaches the cloud */
    SIM_ANSWER,     /* its answer reaches the actor */
    SIM_HOOK_LATE,  /* the sender of a webhook gives up waiting */
    SIM_SINK,       /* a sink ends a batch */
    SIM_CRASH,      /* the process dies */
    SIM_BOOT,       /* and starts again */
    SIM_CLOCK_STEP, /* the wall clock jumps */
    SIM_FAULTS,     /* the cloud's weather changes */
    SIM_DISK_FAULT, /* a commit will fail */
    SIM_PUSH,       /* the producer pushes */
    SIM_PRESS,      /* somebody presses a button below a message of the bot */
};

struct sim_event {
    int64_t at_ms;
    uint64_t order;
    enum sim_event_kind kind;
    enum actor_index actor;
    uint64_t boot, life; /* of the receiver: an event for an earlier one is dropped */
    uint64_t ticket, job, run;
    struct buffer bytes;
    bool idempotent;
    uint32_t timeout_ms;
    enum error error;
    uint64_t cursor;
};

struct sim_exchange { /* a webhook that waits for our answer */
    uint64_t exchange, delivery;
};

struct sim_sink_table; /* sink.c */

struct sim_push { /* what the producer knows of one push */
    uint64_t sequence;
    bool acknowledged;
    int64_t sent_ms; /* 0: not under way */
};

struct sim {
    uint64_t seed, random;
    int64_t now_ms;         /* true UTC; also the monotonic clock */
    int64_t wall_offset_ms; /* what the wall clock is off by */
    bool armed;             /* the next thing from outside lights the fuse, so that deaths come while there is work */
    unsigned fuse;          /* turns until the process dies; 0: it lives on */
    bool forgetful;         /* the disk forgets what it acknowledged shortly before a crash: must be found out */
    struct kv_memory_disk *old_disk;
    bool strict_people; /* the listed approver never says yes; strangers do */
    bool calm;          /* faults have stopped; only liveness is asked from here on */
    uint64_t boot, trace, steps, crashes, actor_restarts, refused_boots;
    struct config *config;
    struct sim_actor actors[ACTOR_COUNT];
    unsigned next_start;
    bool process_up;
    struct kv_memory_disk *disk;
    struct store_resource store;
    struct cloud *cloud;
    struct sim_sink_table *sink;
    struct sim_event *events; /* binary heap */
    size_t event_count, event_capacity;
    uint64_t event_order;
    struct sim_exchange exchanges[SIM_PENDING_MAX];
    size_t exchange_count;
    uint64_t exchange_last;
    uint64_t hooks_acknowledged;
    struct sim_push *pushes;
    size_t push_count;
    bool producer_greeted;
    uint64_t *mail_orders; /* ids of orders that want a mail, each once */
    size_t mail_order_count;
    int64_t started_ms;
    struct buffer cursor; /* of a paged read, for the verdict */
    int64_t approved;     /* questions that a listed person said yes to */
    char breach[400];     /* the first invariant that broke; empty: none */
};

extern const struct world sim_world; /* world.c */

/* sim.c */
struct sim *sim_new(uint64_t seed, struct config *config);
void sim_destroy(struct sim **sim);
void sim_run(struct sim *sim, unsigned days);
uint64_t sim_random(struct sim *sim);
uint64_t sim_below(struct sim *sim, uint64_t bound); /* 0 .. bound - 1 */
void sim_trace(struct sim *sim, const void *data, size_t size);
/* Takes ownership of event->bytes. */
void sim_event_add(struct sim *sim, const struct sim_event *event);
void sim_breach(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct sim_actor *sim_actor_of(const struct actor *actor);

/* process.c: lives of actors and of the process */
void sim_boot(struct sim *sim);
void sim_crash(struct sim *sim);
void sim_light_fuse(struct sim *sim);
bool sim_turn(struct sim *sim); /* lets one actor that has work do some; false when none has */
int64_t sim_timer_next(const struct sim *sim);
void sim_end_life(struct sim_actor *actor);
void sim_supervise(struct sim *sim, struct sim_actor *from, enum msg_id id, struct slice frame);

/* outside.c: everything beyond the process */
void sim_event_run(struct sim *sim, struct sim_event *event);
void sim_deliver_hooks(struct sim *sim);
void sim_hook_answered(struct sim *sim, uint64_t exchange, int status);
void sim_drop_connections(struct sim *sim);
void sim_producer_message(struct sim *sim, struct slice message);
void sim_weather(struct sim *sim, unsigned days);

/* sink.c */
struct sim_sink_table *sim_sink_new(void);
void sim_sink_destroy(struct sim_sink_table **sink);
/* Applies a batch as the real sink does; returns the stored cursor. */
uint64_t sim_sink_apply(struct sim_sink_table *sink, const struct sink_row *rows, size_t count);
size_t sim_sink_rows(const struct sim_sink_table *sink, enum table_id table);
uint64_t sim_sink_cursor(const struct sim_sink_table *sink);

/* invariants.c: asked when the world is calm and everything had time to drain */
void sim_judge(struct sim *sim);
