// SPDX-License-Identifier: MIT
/* The calls of runtime/actor.h in the production world. */
#include "runtime/engine_priv.h"
#include "runtime/clock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

struct thread_actor *thread_actor_of(const struct actor *actor)
{
    CHECK(actor != NULL && actor->magic == ACTOR_MAGIC && actor->world == &engine_world);
    struct thread_actor *self = (struct thread_actor *)(uintptr_t)actor;
    CHECK(!self->has_owner || pthread_equal(pthread_self(), self->owner));
    return self;
}

static int64_t world_now(const struct actor *actor)
{
    (void)actor;
    return clock_monotonic_ms();
}

static int64_t world_wall(const struct actor *actor)
{
    (void)actor;
    return clock_wall_ms();
}

static bool world_wall_trusted(const struct actor *actor)
{
    return atomic_load(&thread_actor_of(actor)->engine->wall_trusted);
}

/* xoroshiro128+: chance for jitter, not for secrets. */
static uint64_t world_random(struct actor *actor)
{
    uint64_t *s = thread_actor_of(actor)->random_state;
    uint64_t a = s[0], b = s[1], result = a + b;

    b ^= a;
    s[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    s[1] = b << 37 | b >> 27;
    return result;
}

static void world_timer(struct actor *actor, uint64_t timer, int64_t at_ms)
{
    timers_set(&thread_actor_of(actor)->timers, timer, at_ms);
}

static enum error world_send(struct actor *actor, enum actor_index dest, enum msg_id id, struct slice frame)
{
    return pipe_send(&thread_actor_of(actor)->pipes[dest], msg_info[id].flow, frame);
}

static enum error world_request(struct actor *actor, uint64_t ticket, const struct call *call)
{
    struct thread_actor *self = thread_actor_of(actor);

    CHECK(self->client != NULL);
    if (self->request_count == REQUESTS_MAX)
        return ERROR_FULL;
    enum error error = http_client_start(self->client, ticket, call);
    if (error == ERROR_OK)
        self->requests[self->request_count++] =
            (struct pending_request){ticket, actor->job, actor->run, clock_monotonic_ms()};
    return error;
}

static void on_request(void *context, uint64_t exchange, const struct http_request *request)
{
    struct thread_actor *self = context;

    if (self->base.failed)
        return; /* its server closes with this life, and the connection with it */
    self->base.spec->on_http(self->base.self, exchange, request);
}

static void on_refused(void *context, int status)
{
    struct thread_actor *self = context;

    actor_count(&self->base, METRIC_HTTP_REQUESTS, (uint64_t)status / 100, 1);
}

static enum error world_serve(struct actor *actor, const struct http_server_options *options)
{
    struct thread_actor *self = thread_actor_of(actor);
    struct http_server_options filled = *options;
    enum error error = ERROR_OK;

    CHECK(self->server == NULL);
    filled.request = on_request;
    filled.refused = on_refused;
    filled.context = self;
    self->server = http_server_open(&filled, &error);
    if (self->server == NULL)
        ACTOR_LOG(actor, LOG_ERROR, "cannot-listen", L_STR("address", options->address), L_U64("port", options->port),
                  L_STR("why", strerror(errno)));
    return error;
}

static void world_respond(struct actor *actor, uint64_t exchange, const struct http_reply *reply)
{
    struct thread_actor *self = thread_actor_of(actor);

    http_server_respond(self->server, exchange, reply);
}

static void world_serve_quiesce(struct actor *actor)
{
    struct thread_actor *self = thread_actor_of(actor);

    if (self->server != NULL)
        http_server_quiesce(self->server);
}

static void set_option(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof(value)) == 0);
}

static enum error world_peer_listen(struct actor *actor, const struct peer_options *options)
{
    struct thread_actor *self = thread_actor_of(actor);
    int64_t bytes_max = (int64_t)options->message_bytes_max;

    CHECK(self->router == NULL);
    self->router = zmq_socket(self->engine->context, ZMQ_ROUTER);
    CHECK(self->router != NULL);
    CHECK(zmq_setsockopt(self->router, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) == 0);
    set_option(self->router, ZMQ_ROUTER_MANDATORY, 1); /* else answers to the gone vanish without a trace */
    set_option(self->router, ZMQ_SNDTIMEO, 0);
    set_option(self->router, ZMQ_LINGER, 0);
    set_option(self->router, ZMQ_SNDHWM, 1000);
    set_option(self->router, ZMQ_RCVHWM, 1000);
    set_option(self->router, ZMQ_HANDSHAKE_IVL, 5000);
    set_option(self->router, ZMQ_HEARTBEAT_IVL, 10000);
    set_option(self->router, ZMQ_HEARTBEAT_TIMEOUT, 30000);
    set_option(self->router, ZMQ_HEARTBEAT_TTL, 30000);
    set_option(self->router, ZMQ_TCP_KEEPALIVE, 1);
    self->router_bytes_max = options->message_bytes_max;
    self->peers = xcalloc(PEERS_MAX, sizeof(*self->peers));
    if (zmq_bind(self->router, options->endpoint) != 0) {
        ACTOR_LOG(actor, LOG_ERROR, "cannot-listen", L_STR("endpoint", options->endpoint),
                  L_STR("why", zmq_strerror(zmq_errno())));
        zmq_close(self->router);
        self->router = NULL;
        return ERROR_INVALID;
    }
    return ERROR_OK;
}

static void world_peer_send(struct actor *actor, uint64_t number, struct slice message)
{
    struct thread_actor *self = thread_actor_of(actor);
    struct peer *peer = &self->peers[number % PEERS_MAX];
    bool sent = self->router != NULL && peer->number == number &&
                zmq_send(self->router, peer->id, peer->id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
                zmq_send(self->router, message.data, message.size, ZMQ_DONTWAIT) >= 0;

    if (!sent)
        actor_count(actor, METRIC_PEER_DROPS, 0, 1);
}

static void on_sink_done(void *context, uint64_t ticket, enum error error, uint64_t cursor)
{
    struct thread_actor *self = context;

    if (actor_ticket_life(ticket) == self->base.life && !self->base.failed)
        self->base.spec->on_sink(self->base.self, ticket, error, cursor);
}

static enum error world_sink_open(struct actor *actor, const char *path)
{
    struct thread_actor *self = thread_actor_of(actor);

    CHECK(self->sink == NULL);
    self->sink = sink_open_sqlite(path, on_sink_done, self);
    return self->sink != NULL ? ERROR_OK : ERROR_IO;
}

static void world_sink_write(struct actor *actor, uint64_t ticket, const struct sink_row *rows, size_t count)
{
    sink_write(thread_actor_of(actor)->sink, ticket, rows, count);
}

static void world_hand(struct actor *actor, uint64_t job, uint64_t run)
{
    const struct engine_options *options = thread_actor_of(actor)->engine->options;

    if (options->hand != NULL)
        options->hand(options->hand_context, actor->spec->index, job, run);
}

static void *world_reload(struct actor *actor, char *problem, size_t room)
{
    const struct engine_options *options = thread_actor_of(actor)->engine->options;

    if (options->reload != NULL)
        return options->reload(options->reload_context, problem, room);
    snprintf(problem, room, "nothing can be read anew here");
    return NULL;
}

static void world_log(struct actor *actor, enum log_level level, const char *event, const struct log_field *fields,
                      size_t count)
{
    log_write(&(struct log_line){.wall_ms = clock_wall_ms(),
                                 .level = level,
                                 .actor = roster[actor->spec->index].thread,
                                 .event = event,
                                 .job = actor->job,
                                 .run = actor->run,
                                 .fields = fields,
                                 .field_count = count});
}

static void world_metrics_text(struct actor *actor, struct buffer *into)
{
    struct engine *engine = thread_actor_of(actor)->engine;
    struct metrics *blocks[ACTOR_COUNT];
    const char *names[ACTOR_COUNT];

    for (unsigned i = 0; i < ACTOR_COUNT; i++) {
        blocks[i] = &engine->actors[i].metrics;
        names[i] = roster[i].thread;
    }
    metrics_text(into, blocks, names, ACTOR_COUNT);
}

static void world_progress_json(struct actor *actor, struct buffer *into)
{
    static const char *const states[] = {"new", "starting", "running", "failed", "ended"};
    struct engine *engine = thread_actor_of(actor)->engine;
    int64_t now = clock_monotonic_ms();

    buffer_text(into, "[");
    for (unsigned i = 0; i < ACTOR_COUNT; i++) {
        struct thread_actor *other = &engine->actors[i];
        size_t inbox = 0;

        for (unsigned from = 0; from < ACTOR_COUNT; from++)
            if (other->pipes[from].in != NULL)
                inbox += atomic_load_explicit(&other->pipes[from].in->messages, memory_order_relaxed);
        buffer_printf(into,
                      "%s{\"actor\":\"%s\",\"state\":\"%s\",\"restarts\":%llu,\"turns\":%llu,\"messages\":%lld,"
                      "\"inbox\":%zu,\"idle_ms\":%lld}",
                      i ? "," : "", roster[i].thread, states[atomic_load(&other->state)],
                      (unsigned long long)atomic_load(&other->restarts), (unsigned long long)atomic_load(&other->turns),
                      (long long)atomic_load(&other->metrics.slots[METRIC_MESSAGES][0]), inbox,
                      (long long)(now - atomic_load(&other->last_turn_ms)));
    }
    buffer_text(into, "]");
}

const struct world engine_world = {
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
