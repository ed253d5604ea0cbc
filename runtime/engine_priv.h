/* engine_priv - what the files of the engine share: the threaded actor. Only runtime/engine*.c and supervisor.c. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/engine.h"
#include "runtime/pipe.h"
#include "runtime/timers.h"
#include <pthread.h>

enum { PEERS_MAX = 1024, TURN_MESSAGES_MAX = 256, REQUESTS_MAX = 1024 };

struct engine;

struct peer { /* an outside client of the ROUTER, by its routing id */
    unsigned char id[32];
    unsigned id_size;
    uint64_t number;
};

struct pending_request { /* which job a call belongs to, so that its answer is handled in that job's name */
    uint64_t ticket, job, run;
    int64_t started_ms;
};

struct thread_actor {
    struct actor base; /* first: handlers get &base */
    struct engine *engine;
    pthread_t handle; /* the supervisor's, to join */
    pthread_t owner;  /* the actor's own thread, written and read there only */
    bool has_owner;
    struct pipe_end pipes[ACTOR_COUNT];
    unsigned rotation; /* which pipe is served first next turn */
    struct timers timers;
    struct http_client *client;
    struct http_server *server;
    void *router;
    size_t router_bytes_max;
    struct peer *peers; /* PEERS_MAX; the oldest is overwritten */
    uint64_t peer_last;
    struct sink *sink;
    struct pending_request *requests; /* REQUESTS_MAX */
    size_t request_count;
    uint64_t random_state[2];
    bool alive;                    /* in a life: handlers may be called */
    bool ended;                    /* STOP was handled */
    _Atomic uint64_t turns;        /* progress, read by the supervisor */
    _Atomic int64_t last_turn_ms;  /* when the last turn ended */
    _Atomic int64_t turn_since_ms; /* when the turn under way began; 0: idle in poll */
    _Atomic uint64_t restarts;
    _Atomic int state; /* enum actor_state */
    struct metrics metrics;
};

enum actor_state { ACTOR_NEW, ACTOR_STARTING, ACTOR_RUNNING, ACTOR_FAILED, ACTOR_ENDED };

struct engine {
    const struct engine_options *options;
    void *context; /* ZeroMQ: the one context of the process */
    struct thread_actor actors[ACTOR_COUNT];
    int signal_fd; /* supervisor only */
    int64_t started_ms;
    _Atomic bool wall_trusted;
};

extern const struct world engine_world;         /* engine_world.c */
extern const struct actor_spec supervisor_spec; /* supervisor.c */

/* Whether the supervisor wants engine_run() to end, and with what. */
bool supervisor_done(const void *self, int *exit_code);

struct thread_actor *thread_actor_of(const struct actor *actor);

/* One life and the next: engine_thread.c. */
void engine_actor_begin(struct thread_actor *actor);
bool engine_actor_turn(struct thread_actor *actor); /* false when it has ended */
void engine_actor_close(struct thread_actor *actor);
bool engine_start_thread(struct engine *engine, enum actor_index index); /* false: out of threads */

/* Parts of a turn: engine_io.c. */
void engine_receive_peers(struct thread_actor *actor);
void engine_forget_request(struct thread_actor *actor, uint64_t ticket, struct pending_request *request);
void engine_close_io(struct thread_actor *actor);
