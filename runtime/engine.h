/* engine - the production world: one thread per actor over ZeroMQ pipes, real clocks, real sockets.
 * The supervisor runs on the calling thread. Nothing here knows an actor by more than its roster row. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"
#include "runtime/io/http_client.h"

struct engine_options {
    const struct config *config;
    const struct actor_spec *specs[ACTOR_COUNT];         /* [ACTOR_SUPERVISOR] is filled in by the engine */
    void *resources[ACTOR_COUNT];                        /* struct actor.resource of each */
    struct http_client_options http_client[ACTOR_COUNT]; /* in_flight_max 0: the actor makes no calls */
    const char *control_socket;                          /* file system path of the console's ipc socket */
    const char *clock_file;                              /* keeps the last known time; NULL: none */
    int64_t clock_wait_ms;                               /* see clock_wall_trusted(); 0: for ever */
    int64_t stop_ms;                                     /* an orderly stop takes at most that */
    int guardian_fd;                                     /* a beat is written here each second; -1: no guardian */
    /* Notes what an actor has in hand; called on the actor's thread, must not block. May be NULL. */
    void (*hand)(void *context, enum actor_index actor, uint64_t job, uint64_t run);
    void *hand_context;
    /* Behind actor_reload(); called on the actor's thread. May be NULL: nothing can be read anew. */
    void *(*reload)(void *context, char *problem, size_t room);
    void *reload_context;
};

/* Exit codes of engine_run(), also of the process (docs/operations.md). */
enum {
    ENGINE_STOPPED = 0,      /* stopped in order */
    ENGINE_START_FAILED = 3, /* an actor did not start: configuration, address, store */
    ENGINE_ACTOR_FAILED = 4, /* an actor everybody stands on returned an error, or a restart budget is spent */
    ENGINE_STOP_TIMEOUT = 5, /* the orderly stop took too long; as safe as kill -9 */
};

/* Runs until it is stopped by SIGTERM, SIGINT or the console. Signals must be blocked by the caller before. */
int engine_run(const struct engine_options *options);
