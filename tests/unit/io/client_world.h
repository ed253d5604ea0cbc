/* client_world - a client whose answers are kept, and scripted one-thread peers for it. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/io/http_client.h"
#include "tests/unit/io/loopback.h"
#include <poll.h>
#include <pthread.h>

struct client_world {
    struct http_client *client;
    void (*also)(void *context); /* run beside the client, NULL: nothing */
    void *also_context;
    unsigned done_count, lookups;
    uint64_t ticket;
    enum error error;
    int status;
    struct buffer body, detail, retry_after;
};

static inline void keep(struct buffer *into, struct slice bytes)
{
    buffer_clear(into);
    buffer_append(into, bytes.data, bytes.size);
    buffer_append(into, "", 1);
    into->size--;
}

static inline void on_done(void *context, uint64_t ticket, const struct answer *answer)
{
    struct client_world *world = context;

    world->done_count++;
    world->ticket = ticket;
    world->error = answer->error;
    world->status = answer->status;
    keep(&world->body, answer->body);
    keep(&world->detail, answer->detail);
    keep(&world->retry_after, answer_header(answer, "retry-after"));
    assert_null(strstr(world->detail.data, "s3cret"));
}

/* "good" belongs to 127.0.0.1 alone; "crlf" is a secret that would begin another header, "slash" one
 * that would change a path. */
static inline long on_secret(void *context, struct slice reference, struct slice url, char *into, size_t room)
{
    struct client_world *world = context;
    struct slice value = slice_is(reference, "crlf")    ? SLICE("a\r\nX-Evil: s3cret")
                         : slice_is(reference, "slash") ? SLICE("../s3cret")
                                                        : SLICE("s3cret");

    world->lookups++;
    if (slice_is(reference, "none"))
        return -1;
    if (memmem(url.data, url.size, "127.0.0.1", 9) == NULL)
        return -2;
    assert_true(room >= value.size);
    memcpy(into, value.data, value.size);
    return (long)value.size;
}

static inline struct http_client_options world_options(struct client_world *world)
{
    return (struct http_client_options){.secret = on_secret,
                                        .secret_context = world,
                                        .in_flight_max = 4,
                                        .allow_plain_loopback = true,
                                        .done = on_done,
                                        .done_context = world};
}

static inline void world_fini(struct client_world *world)
{
    http_client_destroy(&world->client);
    buffer_free(&world->body);
    buffer_free(&world->detail);
    buffer_free(&world->retry_after);
}

static inline void world_turn(struct client_world *world)
{
    struct pollfd wait = {http_client_fd(world->client), POLLIN, 0};
    long timeout = http_client_timeout_ms(world->client);

    if (timeout < 0 || timeout > 20)
        timeout = 20;
    assert_true(poll(&wait, 1, world->also != NULL && timeout > 1 ? 1 : (int)timeout) >= 0);
    http_client_turn(world->client);
    if (world->also != NULL)
        world->also(world->also_context);
}

static inline void world_wait(struct client_world *world, unsigned done_count)
{
    long end = clock_ms() + 30000;

    while (world->done_count < done_count) {
        world_turn(world);
        assert_true(clock_ms() < end);
    }
}

static inline void world_perform(struct client_world *world, const struct call *call)
{
    unsigned wanted = world->done_count + 1;

    assert_int_equal(http_client_start(world->client, wanted, call), ERROR_OK);
    world_wait(world, wanted);
    assert_int_equal(world->ticket, wanted);
}

/* A peer on a thread of its own that serves one connection. */
struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    void (*serve)(struct peer *peer, int fd);
    const char *script;
    unsigned connections, connections_max; /* one more ends the thread */
    struct buffer got;
};

static inline void *peer_work(void *argument)
{
    struct peer *peer = argument;

    while (peer->connections < peer->connections_max) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0)
            break;
        peer->connections++;
        peer->serve(peer, fd);
        close(fd);
    }
    return NULL;
}

static inline void peer_start(struct peer *peer, void (*serve)(struct peer *peer, int fd), const char *script)
{
    *peer = (struct peer){.serve = serve, .script = script, .connections_max = 4};
    peer->listener = listen_on(&peer->port);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_work, peer), 0);
}

static inline void peer_end(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    buffer_free(&peer->got);
}

/* Reads until `text` came; false at the end of the stream. */
static inline bool peer_until(struct peer *peer, int fd, const char *text)
{
    while (!holds(&peer->got, text))
        if (!take_some(fd, &peer->got, 0))
            return false;
    return true;
}
