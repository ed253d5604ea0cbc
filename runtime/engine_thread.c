// SPDX-License-Identifier: MIT
/* The loop around an actor: lives, turns, inputs. */
#include "runtime/engine_priv.h"
#include "runtime/clock.h"
#include "runtime/io/crypto.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <zmq.h>

static void on_answer(void *context, uint64_t ticket, const struct answer *answer)
{
    struct thread_actor *actor = context;
    struct pending_request request = {0};

    engine_forget_request(actor, ticket, &request);
    if (actor->base.failed)
        return;
    actor_count(&actor->base, METRIC_CALLS, answer->error, 1);
    actor_observe(&actor->base, METRIC_CALL_SECONDS, (double)(clock_monotonic_ms() - request.started_ms) / 1000);
    actor_hand(&actor->base, request.job, request.run);
    actor->base.spec->on_answer(actor->base.self, ticket, answer);
    actor_hand(&actor->base, 0, 0);
}

static void open_client(struct thread_actor *actor)
{
    struct http_client_options options = actor->engine->options->http_client[actor->base.spec->index];

    if (options.in_flight_max == 0)
        return;
    options.done = on_answer;
    options.done_context = actor;
    actor->client = http_client_new(&options);
    CHECK(actor->client != NULL);
    actor->requests = xcalloc(REQUESTS_MAX, sizeof(*actor->requests));
}

/* Life messages are rare and small, and the supervisor's inbox is larger than all of them together. */
static void tell_supervisor(struct thread_actor *actor, enum error error)
{
    CHECK(error == ERROR_OK || actor->base.spec->index != ACTOR_SUPERVISOR);
}

static void report_failure(struct thread_actor *actor)
{
    if (actor->base.spec->stop != NULL)
        actor->base.spec->stop(actor->base.self);
    engine_close_io(actor);
    timers_clear(&actor->timers);
    actor->alive = false;
    atomic_store(&actor->state, ACTOR_FAILED);
    tell_supervisor(actor, send_failed(&actor->base, ACTOR_SUPERVISOR,
                                       &(struct msg_failed){.error = actor->base.failure,
                                                            .reason = slice_of(actor->base.failure_reason)}));
}

void engine_actor_begin(struct thread_actor *actor)
{
    struct actor *base = &actor->base;

    atomic_store(&actor->state, ACTOR_STARTING);
    base->life++;
    base->failed = false;
    base->job = base->run = 0;
    memset(base->self, 0, base->spec->state_size);
    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        if (actor->pipes[i].socket != NULL && base->life > 1)
            pipe_forgive(&actor->pipes[i]);
    open_client(actor);
    if (base->spec->index != ACTOR_STORE && base->spec->index != ACTOR_SUPERVISOR)
        CHECK(send_reset(base, ACTOR_STORE, &(struct msg_reset){.life = base->life}) == ERROR_OK);
    actor->alive = true;
    atomic_store(&actor->turn_since_ms, clock_awake_ms());
    enum error error = base->spec->start(base->self, base);
    atomic_store(&actor->turn_since_ms, 0);
    if (error != ERROR_OK)
        actor_fail(base, error, base->failed ? base->failure_reason : error_doc(error));
    if (base->failed) {
        report_failure(actor);
        return;
    }
    atomic_store(&actor->state, ACTOR_RUNNING);
    if (base->spec->index != ACTOR_SUPERVISOR)
        tell_supervisor(
            actor, send_ready(base, ACTOR_SUPERVISOR, &(struct msg_ready){.restarts = atomic_load(&actor->restarts)}));
}

/* RESTART and STOP are the runtime's own; true when the frame was one of them. */
static bool handle_life(struct thread_actor *actor, struct slice frame)
{
    uint64_t ticket;
    enum msg_id id = msg_peek(frame, &ticket);

    if (actor->base.spec->index == ACTOR_SUPERVISOR || (id != MSG_RESTART && id != MSG_STOP))
        return false;
    if (id == MSG_STOP) {
        actor->ended = true;
    } else if (!actor->alive) {
        atomic_fetch_add(&actor->restarts, 1);
        actor_count(&actor->base, METRIC_RESTARTS, 0, 1);
        engine_actor_begin(actor);
    }
    return true;
}

/* Between two lives only the supervisor is listened to: the inbox outlives the actor. */
static bool listens(const struct thread_actor *actor, unsigned from)
{
    return actor->pipes[from].socket != NULL &&
           ((actor->alive && !actor->base.failed) || (!actor->alive && from == ACTOR_SUPERVISOR));
}

static void receive_pipes(struct thread_actor *actor)
{
    zmq_msg_t message;

    for (unsigned i = 0; i < ACTOR_COUNT && !actor->ended; i++) {
        unsigned from = (actor->rotation + i) % ACTOR_COUNT;
        struct pipe_end *end = &actor->pipes[from];

        for (unsigned n = 0; listens(actor, from) && n < TURN_MESSAGES_MAX / 4; n++) {
            zmq_msg_init(&message);
            bool got = pipe_receive(end, &message);
            struct slice frame = {zmq_msg_data(&message), zmq_msg_size(&message)};
            if (got && !handle_life(actor, frame) && actor->alive && !actor->base.failed)
                actor_deliver(&actor->base, (enum actor_index)from, frame);
            zmq_msg_close(&message);
            if (!got || actor->ended)
                break;
        }
    }
    actor->rotation++;
}

static void run_timers(struct thread_actor *actor)
{
    uint64_t timer;

    for (unsigned n = 0; n < TURN_MESSAGES_MAX && !actor->base.failed; n++) {
        if (!timers_take(&actor->timers, clock_monotonic_ms(), &timer))
            return;
        CHECK(actor->base.spec->on_timer != NULL);
        actor->base.spec->on_timer(actor->base.self, timer);
    }
}

/* What comes from outside; nothing is delivered any more once a handler has failed. */
static void run_sockets(struct thread_actor *actor)
{
    const bool *failed = &actor->base.failed;

    if (actor->router != NULL && !*failed)
        engine_receive_peers(actor);
    if (actor->client != NULL && !*failed)
        http_client_turn(actor->client);
    if (actor->server != NULL && !*failed)
        http_server_turn(actor->server);
    if (actor->sink != NULL && !*failed)
        sink_turn(actor->sink);
}

static long earlier(long timeout, long other)
{
    return other < 0 ? timeout : timeout < 0 || other < timeout ? other : timeout;
}

static long poll_timeout(struct thread_actor *actor)
{
    long timeout = 1000; /* every actor turns at least once a second: the beat */
    int64_t next = timers_next(&actor->timers);

    if (next >= 0) {
        int64_t left = next - clock_monotonic_ms();
        timeout = earlier(timeout, left < 0 ? 0 : left > 1000 ? 1000 : (long)left);
    }
    if (actor->client != NULL)
        timeout = earlier(timeout, http_client_timeout_ms(actor->client));
    if (actor->server != NULL)
        timeout = earlier(timeout, http_server_timeout_ms(actor->server));
    return timeout;
}

static void wait_input(struct thread_actor *actor)
{
    zmq_pollitem_t items[ACTOR_COUNT + 5];
    int count = 0;

    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        if (listens(actor, i))
            items[count++] = (zmq_pollitem_t){actor->pipes[i].socket, 0, ZMQ_POLLIN, 0};
    if (actor->router != NULL)
        items[count++] = (zmq_pollitem_t){actor->router, 0, ZMQ_POLLIN, 0};
    if (actor->client != NULL)
        items[count++] = (zmq_pollitem_t){NULL, http_client_fd(actor->client), ZMQ_POLLIN, 0};
    if (actor->server != NULL)
        items[count++] = (zmq_pollitem_t){NULL, http_server_fd(actor->server), ZMQ_POLLIN, 0};
    if (actor->sink != NULL)
        items[count++] = (zmq_pollitem_t){NULL, sink_fd(actor->sink), ZMQ_POLLIN, 0};
    if (actor->base.spec->index == ACTOR_SUPERVISOR)
        items[count++] = (zmq_pollitem_t){NULL, actor->engine->signal_fd, ZMQ_POLLIN, 0};
    zmq_poll(items, count, poll_timeout(actor));
}

bool engine_actor_turn(struct thread_actor *actor)
{
    struct actor *base = &actor->base;

    wait_input(actor);
    atomic_store(&actor->turn_since_ms, clock_awake_ms());
    receive_pipes(actor);
    if (actor->alive && !actor->ended && !base->failed) {
        run_timers(actor);
        run_sockets(actor);
        if (base->spec->turn_end != NULL && !base->failed)
            base->spec->turn_end(base->self);
        actor_count(base, METRIC_TURNS, 0, 1);
    }
    if (actor->alive && base->failed && !actor->ended)
        report_failure(actor);
    atomic_fetch_add(&actor->turns, 1);
    atomic_store(&actor->last_turn_ms, clock_monotonic_ms());
    atomic_store(&actor->turn_since_ms, 0);
    return !actor->ended;
}

void engine_actor_close(struct thread_actor *actor)
{
    if (actor->alive && actor->base.spec->stop != NULL)
        actor->base.spec->stop(actor->base.self);
    actor->alive = false;
    engine_close_io(actor);
    timers_clear(&actor->timers);
    atomic_store(&actor->state, ACTOR_ENDED);
}

static void *actor_thread(void *argument)
{
    struct thread_actor *actor = argument;

    prctl(PR_SET_NAME, roster[actor->base.spec->index].thread);
    actor->owner = pthread_self();
    actor->has_owner = true;
    engine_actor_begin(actor);
    while (engine_actor_turn(actor))
        ;
    engine_actor_close(actor);
    tell_supervisor(actor, send_stopped(&actor->base, ACTOR_SUPERVISOR,
                                        &(struct msg_stopped){.restarts = atomic_load(&actor->restarts)}));
    /* Its pipe ends stay open until all threads are joined: others may still answer it. */
    return NULL;
}

bool engine_start_thread(struct engine *engine, enum actor_index index)
{
    struct thread_actor *actor = &engine->actors[index];

    atomic_store(&actor->state, ACTOR_STARTING);
    return pthread_create(&actor->handle, NULL, actor_thread, actor) == 0;
}
