// SPDX-License-Identifier: MIT
/* Sets the engine up, runs the supervisor on the calling thread and takes everything down. */
#include "runtime/clock.h"
#include "runtime/engine_priv.h"
#include "runtime/io/crypto.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

static bool has_edge(unsigned a, unsigned b)
{
    unsigned bit_a = 1u << a, bit_b = 1u << b;

    for (unsigned id = 0; id < MSG_COUNT; id++)
        if ((msg_info[id].from & bit_a && msg_info[id].to & bit_b) ||
            (msg_info[id].from & bit_b && msg_info[id].to & bit_a))
            return true;
    return false;
}

static void open_pipes(struct engine *engine)
{
    for (unsigned a = 0; a < ACTOR_COUNT; a++)
        for (unsigned b = a + 1; b < ACTOR_COUNT; b++)
            if (has_edge(a, b))
                pipe_open(engine->context, (enum actor_index)a, (enum actor_index)b, &engine->actors[a].pipes[b],
                          &engine->actors[b].pipes[a]);
}

static void init_actor(struct engine *engine, unsigned index)
{
    struct thread_actor *actor = &engine->actors[index];
    const struct actor_spec *spec = index == ACTOR_SUPERVISOR ? &supervisor_spec : engine->options->specs[index];

    CHECK(spec != NULL && spec->index == index);
    actor_spec_check(spec);
    actor->engine = engine;
    actor->base = (struct actor){.magic = ACTOR_MAGIC,
                                 .world = &engine_world,
                                 .spec = spec,
                                 .config = engine->options->config,
                                 .metrics = &actor->metrics,
                                 .resource = engine->options->resources[index],
                                 .sender = ACTOR_COUNT,
                                 .self = xcalloc(1, spec->state_size)};
    crypto_random(actor->random_state, sizeof(actor->random_state));
    atomic_store(&actor->last_turn_ms, clock_monotonic_ms());
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static struct engine *engine_new(const struct engine_options *options)
{
    struct engine *engine = xcalloc(1, sizeof(*engine));

    engine->options = options;
    engine->started_ms = clock_monotonic_ms();
    engine->context = zmq_ctx_new();
    CHECK(engine->context != NULL);
    zmq_ctx_set(engine->context, ZMQ_IO_THREADS, 1);
    engine->signal_fd = open_signals();
    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        init_actor(engine, i);
    open_pipes(engine);
    return engine;
}

/* Only after every thread has ended: sockets are closed by now, so the context ends at once. */
static void engine_destroy(struct engine *engine)
{
    for (unsigned a = 0; a < ACTOR_COUNT; a++) {
        for (unsigned b = 0; b < ACTOR_COUNT; b++) {
            pipe_close(&engine->actors[a].pipes[b]);
            if (a < b)
                pipe_free_lanes(&engine->actors[a].pipes[b]);
        }
        free(engine->actors[a].base.self);
    }
    close(engine->signal_fd);
    zmq_ctx_term(engine->context);
    free(engine);
}

int engine_run(const struct engine_options *options)
{
    struct engine *engine = engine_new(options);
    struct thread_actor *supervisor = &engine->actors[ACTOR_SUPERVISOR];
    int exit_code = ENGINE_STOPPED;

    supervisor->owner = pthread_self();
    supervisor->has_owner = true;
    engine_actor_begin(supervisor);
    if (supervisor->base.failed)
        return ENGINE_START_FAILED;
    while (!supervisor_done(supervisor->base.self, &exit_code))
        engine_actor_turn(supervisor);
    if (exit_code != ENGINE_STOPPED)
        return exit_code; /* threads may hang: the caller ends the process without waiting for them */
    for (unsigned i = 1; i < ACTOR_COUNT; i++)
        if (atomic_load(&engine->actors[i].state) != ACTOR_NEW)
            pthread_join(engine->actors[i].handle, NULL);
    engine_actor_close(supervisor);
    engine_destroy(engine);
    return exit_code;
}
