// SPDX-License-Identifier: MIT
/* libpurser against a daemon made of a few lines in a child process, which answers by the queue's name. */
#include "proto/client/purser.h"
#include "proto/client.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>
#include <cmocka.h>

struct daemon {
    char folder[64], endpoint[128];
    pid_t keeper;
    int orders; /* to the keeper */
};

struct peer {
    void *socket;
    char id[256];
    size_t id_size;
    unsigned pushes;
};

static void reply(struct peer *peer, struct buffer *frame)
{
    zmq_send(peer->socket, peer->id, peer->id_size, ZMQ_SNDMORE);
    zmq_send(peer->socket, frame->data, frame->size, 0);
    buffer_free(frame);
}

static void answer_push(struct peer *peer, const struct client_push *push)
{
    struct buffer frame = {NULL, 0, 0};

    peer->pushes++;
    if (slice_is(push->queue, "silent") || (slice_is(push->queue, "crash-once") && peer->pushes == 1))
        return;
    if (slice_is(push->queue, "late")) { /* an old answer comes first */
        client_put_accepted(&frame, &(struct client_accepted){push->sequence - 1, 1, 1, 0});
        reply(peer, &frame);
    }
    if (slice_is(push->queue, "garbage"))
        wire_put_u64(&frame, 7);
    else if (slice_is(push->queue, "full"))
        client_put_full(&frame, &(struct client_full){push->sequence, 250});
    else if (slice_is(push->queue, "no-such"))
        client_put_refused(&frame,
                           &(struct client_refused){push->sequence, SLICE("not-found"), SLICE("no such queue")});
    else if (slice_is(push->queue, "known"))
        client_put_duplicate(&frame, &(struct client_duplicate){push->sequence});
    else
        client_put_accepted(&frame, &(struct client_accepted){push->sequence, 42 + peer->pushes, 1, 0});
    reply(peer, &frame);
}

static void answer_command(struct peer *peer, const struct client_command *command)
{
    struct buffer frame = {NULL, 0, 0};

    if (slice_is(command->words, "status"))
        client_put_result(&frame, &(struct client_result){command->sequence, SLICE("ok"), command->arguments});
    else
        client_put_result(&frame, &(struct client_result){command->sequence, SLICE("not-found"),
                                                          SLICE("{\"message\":\"no such job\"}")});
    reply(peer, &frame);
}

/* False: the connection is to break without an answer. */
static bool answer(struct peer *peer, struct slice bytes)
{
    struct buffer frame = {NULL, 0, 0};
    struct client_message message;
    uint64_t sequence;
    char problem[200];

    if (!client_take(bytes, &message, &sequence, problem, sizeof(problem)))
        return false;
    if (message.id == CLIENT_HELLO) {
        client_put_welcome(&frame, &(struct client_welcome){message.hello.sequence, 1, SLICE("fake 1"), 4096, 256});
        reply(peer, &frame);
    } else if (message.id == CLIENT_PING) {
        client_put_pong(&frame, &(struct client_pong){message.ping.sequence});
        reply(peer, &frame);
    } else if (message.id == CLIENT_PUSH) {
        answer_push(peer, &message.push);
        return !slice_is(message.push.queue, "crash-once") || peer->pushes > 1;
    } else if (message.id == CLIENT_PUSH_MANY) {
        struct wire wire = wire_over(message.push_many.jobs);
        client_put_accepted(&frame,
                            &(struct client_accepted){message.push_many.sequence, 7, wire_take_array(&wire), 0});
        reply(peer, &frame);
    } else {
        answer_command(peer, &message.command);
    }
    return true;
}

static void serve(const char *endpoint)
{
    void *context = zmq_ctx_new();
    struct peer peer = {.socket = NULL};
    char bytes[65536];
    int zero = 0;

    for (;;) {
        peer.socket = zmq_socket(context, ZMQ_ROUTER);
        zmq_setsockopt(peer.socket, ZMQ_LINGER, &zero, sizeof(zero));
        while (zmq_bind(peer.socket, endpoint) != 0)
            usleep(1000);
        for (bool good = true; good;) {
            peer.id_size = (size_t)zmq_recv(peer.socket, peer.id, sizeof(peer.id), 0);
            size_t size = (size_t)zmq_recv(peer.socket, bytes, sizeof(bytes), 0);
            good = answer(&peer, (struct slice){bytes, size});
        }
        zmq_close(peer.socket);
    }
}

/* Starts and stops the daemon as it is told. A process of its own, because one with threads, as the test is once it
 * has used libzmq, must not fork. */
static void keep(int orders, const char *endpoint)
{
    pid_t pid = 0;
    char order;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(orders, &order, 1) == 1) {
        if (order == '1' && (pid = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(endpoint);
        } else if (order == '0' && pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            pid = 0;
        }
        if (write(orders, &order, 1) != 1)
            break;
    }
    _exit(0);
}

static void tell(struct daemon *daemon, char order)
{
    assert_int_equal(write(daemon->orders, &order, 1), 1);
    assert_int_equal(read(daemon->orders, &order, 1), 1);
}

static void start(struct daemon *daemon)
{
    tell(daemon, '1');
}

static void stop(struct daemon *daemon)
{
    tell(daemon, '0');
}

/* Once, before libzmq has made threads. */
static int setup_all(void **state)
{
    static struct daemon daemon = {.folder = "/tmp/purser-test-XXXXXX"};
    int pair[2];

    if (mkdtemp(daemon.folder) == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return -1;
    snprintf(daemon.endpoint, sizeof(daemon.endpoint), "ipc://%s/socket", daemon.folder);
    daemon.keeper = fork();
    if (daemon.keeper == 0) {
        close(pair[0]);
        keep(pair[1], daemon.endpoint);
    }
    close(pair[1]);
    daemon.orders = pair[0];
    *state = &daemon;
    return daemon.keeper > 0 ? 0 : -1;
}

static int teardown_all(void **state)
{
    struct daemon *daemon = *state;

    close(daemon->orders);
    waitpid(daemon->keeper, NULL, 0);
    unlink(daemon->endpoint + strlen("ipc://"));
    rmdir(daemon->folder);
    return 0;
}

static int setup(void **state)
{
    start(*state);
    return 0;
}

static int teardown(void **state)
{
    stop(*state);
    return 0;
}

static struct purser *connected(void **state, int64_t timeout_ms)
{
    struct daemon *daemon = *state;
    struct purser_answer problem;
    struct purser *purser =
        purser_connect(daemon->endpoint, &(struct purser_options){.timeout_ms = timeout_ms}, &problem);

    assert_non_null(purser);
    assert_string_equal(purser_server(purser), "fake 1");
    assert_int_equal(purser_batch_max(purser), 256);
    return purser;
}

static enum purser_outcome push(struct purser *purser, const char *queue, const char *id, struct purser_answer *answer)
{
    return purser_push(purser,
                       &(struct purser_push){.queue = slice_of(queue),
                                             .content_type = SLICE("application/json"),
                                             .job = {.id = slice_of(id), .payload = SLICE("{}")},
                                             .priority = PURSER_PRIORITY_USUAL},
                       answer);
}

static void test_outcomes(void **state)
{
    struct purser *purser = connected(state, 5000);
    struct purser_answer got;

    assert_int_equal(push(purser, "flow", "", &got), PURSER_ACCEPTED);
    assert_int_equal(got.job, 43);
    assert_int_equal(push(purser, "known", "a", &got), PURSER_DUPLICATE);
    assert_int_equal(push(purser, "full", "a", &got), PURSER_FULL);
    assert_int_equal(got.retry_ms, 250);
    assert_int_equal(push(purser, "no-such", "a", &got), PURSER_REFUSED);
    assert_string_equal(got.error, "not-found");
    assert_string_equal(got.message, "no such queue");
    assert_int_equal(push(purser, "late", "a", &got), PURSER_ACCEPTED);
    assert_int_equal(got.job, 47);
    assert_int_equal(purser_ping(purser, &got), PURSER_ACCEPTED);
    purser_close(&purser);
    assert_null(purser);
    purser_close(&purser);
}

static void test_push_many(void **state)
{
    struct purser *purser = connected(state, 5000);
    struct purser_job jobs[3] = {{SLICE("1"), SLICE(""), SLICE("{}")},
                                 {SLICE("2"), SLICE("k"), SLICE("[]")},
                                 {SLICE("3"), SLICE(""), SLICE("1")}};
    struct purser_answer got;

    assert_int_equal(purser_push_many(purser, SLICE("flow"), SLICE("application/json"), jobs, 3, &got),
                     PURSER_ACCEPTED);
    assert_int_equal(got.count, 3);
    assert_int_equal(purser_push_many(purser, SLICE("flow"), SLICE("application/json"), jobs, 0, &got), PURSER_REFUSED);
    assert_string_equal(got.error, "invalid");
    purser_close(&purser);
}

static void test_command(void **state)
{
    struct purser *purser = connected(state, 5000);
    struct buffer body = {NULL, 0, 0};
    struct purser_answer got;

    assert_int_equal(purser_command(purser, "status", SLICE("{\"a\":1}"), &body, &got), PURSER_ACCEPTED);
    assert_true(slice_is(buffer_slice(&body), "{\"a\":1}"));
    buffer_clear(&body);
    assert_int_equal(purser_command(purser, "job show", SLICE("{}"), &body, &got), PURSER_REFUSED);
    assert_string_equal(got.error, "not-found");
    assert_true(slice_is(buffer_slice(&body), "{\"message\":\"no such job\"}"));
    buffer_free(&body);
    purser_close(&purser);
}

static void test_too_large(void **state)
{
    struct purser *purser = connected(state, 5000);
    struct purser_answer got;
    char *large = calloc(1, 5001);

    memset(large, 'x', 5000);
    assert_int_equal(push(purser, large, "", &got), PURSER_REFUSED);
    assert_string_equal(got.error, "too-large");
    free(large);
    purser_close(&purser);
}

static void test_lost_answers(void **state)
{
    struct purser *purser = connected(state, 1000);
    struct purser_answer got;

    assert_int_equal(push(purser, "silent", "", &got), PURSER_NO_ANSWER);
    assert_int_equal(push(purser, "garbage", "", &got), PURSER_NO_ANSWER);
    assert_int_equal(push(purser, "flow", "", &got), PURSER_ACCEPTED);
    purser_close(&purser);
}

static void test_lost_connection_with_id(void **state)
{
    struct purser *purser = connected(state, 5000);
    struct purser_answer got;

    assert_int_equal(push(purser, "crash-once", "mine", &got), PURSER_ACCEPTED);
    assert_int_equal(got.job, 44);
    purser_close(&purser);
}

static void test_lost_connection_without_id(void **state)
{
    struct purser *purser = connected(state, 5000);
    struct purser_answer got;

    assert_int_equal(push(purser, "crash-once", "", &got), PURSER_NO_ANSWER);
    assert_int_equal(push(purser, "crash-once", "", &got), PURSER_ACCEPTED);
    purser_close(&purser);
}

static void test_daemon_restarts(void **state)
{
    struct daemon *daemon = *state;
    struct purser *purser = connected(state, 5000);
    struct purser_answer got;

    assert_int_equal(purser_ping(purser, &got), PURSER_ACCEPTED);
    stop(daemon);
    start(daemon);
    assert_int_equal(push(purser, "flow", "mine", &got), PURSER_ACCEPTED);
    purser_close(&purser);
}

static void test_unreachable(void **state)
{
    struct daemon *daemon = *state;
    struct purser_answer problem;

    stop(daemon);
    struct purser_options options = {.timeout_ms = 100};
    assert_null(purser_connect(daemon->endpoint, &options, &problem));
    assert_int_equal(problem.outcome, PURSER_UNREACHABLE);
    assert_non_null(strstr(problem.message, "is it running?"));
    assert_null(purser_connect("nonsense", &options, &problem));
    assert_non_null(strstr(problem.message, "is no endpoint"));
    struct purser *purser = purser_open(daemon->endpoint, &options, &problem);
    assert_non_null(purser);
    assert_int_equal(push(purser, "flow", "", &problem), PURSER_UNREACHABLE);
    start(daemon);
    options.timeout_ms = 5000;
    purser_close(&purser);
    purser = purser_connect(daemon->endpoint, &options, &problem);
    assert_non_null(purser);
    purser_close(&purser);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_outcomes),
        TEST(test_push_many),
        TEST(test_command),
        TEST(test_too_large),
        TEST(test_lost_answers),
        TEST(test_lost_connection_with_id),
        TEST(test_lost_connection_without_id),
        TEST(test_daemon_restarts),
        TEST(test_unreachable),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
