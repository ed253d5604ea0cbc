// SPDX-License-Identifier: MIT
#include "runtime/pipe.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zmq.h>
#include <cmocka.h>

struct both {
    void *context;
    struct pipe_end worker, store;
};

static int setup(void **state)
{
    struct both *both = xcalloc(1, sizeof(*both));

    both->context = zmq_ctx_new();
    pipe_open(both->context, ACTOR_LIMITER, ACTOR_STORE, &both->worker, &both->store);
    *state = both;
    return 0;
}

static int teardown(void **state)
{
    struct both *both = *state;

    pipe_close(&both->worker);
    pipe_close(&both->store);
    pipe_free_lanes(&both->worker);
    zmq_ctx_term(both->context);
    free(both);
    return 0;
}

static struct slice frame_of(struct buffer *into, enum msg_id id)
{
    buffer_clear(into);
    if (id == MSG_COMMIT)
        msg_pack_commit(into, &(struct msg_commit){.ticket = 1, .ops = SLICE("x")});
    else if (id == MSG_COMMITTED)
        msg_pack_committed(into, &(struct msg_committed){.ticket = 1});
    else
        msg_pack_gate(into, &(struct msg_gate){.gate = SLICE("g")});
    return buffer_slice(into);
}

static bool receive(struct pipe_end *end)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    bool got = pipe_receive(end, &message);
    zmq_msg_close(&message);
    return got;
}

/* Full is an answer, and taking one message makes room for one. */
static void test_bound(void **state)
{
    struct both *both = *state;
    struct buffer frame = {NULL, 0, 0};
    size_t sent = 0;

    frame_of(&frame, MSG_GATE);
    while (pipe_send(&both->worker, FLOW_CAST, buffer_slice(&frame)) == ERROR_OK)
        sent++;
    assert_int_equal(sent, roster[ACTOR_STORE].inbox_messages_max);
    assert_true(receive(&both->store));
    assert_int_equal(pipe_send(&both->worker, FLOW_CAST, buffer_slice(&frame)), ERROR_OK);
    assert_int_equal(pipe_send(&both->worker, FLOW_CAST, buffer_slice(&frame)), ERROR_FULL);
    buffer_free(&frame);
}

static void test_bytes_bound(void **state)
{
    struct both *both = *state;
    struct slice big = {calloc(1, 1 << 20), 1 << 20};
    size_t sent = 0;

    while (pipe_send(&both->worker, FLOW_CAST, big) == ERROR_OK)
        sent++;
    assert_int_equal(sent, roster[ACTOR_STORE].inbox_bytes_max >> 20);
    free((void *)(uintptr_t)big.data);
}

/* Each ASK keeps a place for its reply: however many casts come, the replies still fit, and no ASK too many is let in.
 */
static void test_reserved_reply(void **state)
{
    struct both *both = *state;
    struct buffer ask = {NULL, 0, 0}, reply = {NULL, 0, 0}, cast = {NULL, 0, 0};
    size_t asks = 0;

    frame_of(&ask, MSG_COMMIT);
    frame_of(&reply, MSG_COMMITTED);
    frame_of(&cast, MSG_GATE);
    while (pipe_send(&both->worker, FLOW_ASK, buffer_slice(&ask)) == ERROR_OK)
        asks++;
    assert_int_equal(asks, roster[ACTOR_LIMITER].inbox_messages_max);
    assert_int_equal(pipe_send(&both->store, FLOW_CAST, buffer_slice(&cast)), ERROR_FULL);
    for (size_t i = 0; i < asks; i++)
        assert_true(receive(&both->store));
    for (size_t i = 0; i < asks; i++)
        assert_int_equal(pipe_send(&both->store, FLOW_REPLY, buffer_slice(&reply)), ERROR_OK);
    buffer_free(&ask);
    buffer_free(&reply);
    buffer_free(&cast);
}

/* An actor that starts anew gives back the places of replies that will never come. */
static void test_forgive(void **state)
{
    struct both *both = *state;
    struct buffer ask = {NULL, 0, 0};

    frame_of(&ask, MSG_COMMIT);
    while (pipe_send(&both->worker, FLOW_ASK, buffer_slice(&ask)) == ERROR_OK)
        ;
    while (receive(&both->store))
        ;
    assert_int_equal(pipe_send(&both->worker, FLOW_ASK, buffer_slice(&ask)), ERROR_FULL);
    pipe_forgive(&both->store);
    assert_int_equal(pipe_send(&both->worker, FLOW_ASK, buffer_slice(&ask)), ERROR_OK);
    buffer_free(&ask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_bytes_bound, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_reserved_reply, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_forgive, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
