// SPDX-License-Identifier: MIT
#include "actors/ingress/ingress.h"
#include "config/config.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct queue_rule queues[] = {
    {.name = "orders", .ordered = true, .attempts = 8, .depth_max = 10},
    {.name = "notes", .ordered = false, .attempts = 8, .depth_max = 10000},
    {.name = "flow", .ordered = false, .attempts = 8, .depth_max = 10000}, /* ours, whatever the file says */
};
static struct config *config;

enum { ME = 7 };

static int set_up(void **state)
{
    config = config_default();
    config->queues = queues;
    config->queue_count = 3;
    config->payload_bytes_max = 1024;
    struct fake *fake = fake_new(&ingress_spec, config);
    assert_int_equal(fake_start(fake), ERROR_OK);
    struct msg_read read;
    assert_true(fake_take_read(fake, &read));
    assert_int_equal(read.what, READ_QUEUES);
    fake_page(fake, read.ticket, ERROR_OK, NULL, 0);
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;

    fake_destroy(&fake);
    config->queues = NULL;
    config->queue_count = 0;
    config_free(&config);
    return 0;
}

#define SAY(fake, from, name, ...)                                                                                     \
    do {                                                                                                               \
        struct buffer packed = {NULL, 0, 0};                                                                           \
        client_put_##name(&packed, &(struct client_##name){__VA_ARGS__});                                              \
        fake_peer((fake), (from), buffer_slice(&packed));                                                              \
        buffer_free(&packed);                                                                                          \
    } while (0)

static struct client_message heard(struct fake *fake, uint64_t peer, enum client_id id, uint64_t sequence)
{
    struct client_message message = {0};

    assert_true(fake_take_peer(fake, peer, &message));
    if (message.id == CLIENT_REFUSED && id != CLIENT_REFUSED)
        print_error("refused: %.*s\n", (int)message.refused.message.size, message.refused.message.data);
    assert_int_equal(message.id, id);
    assert_int_equal(message.ping.sequence, sequence); /* the first field of each */
    return message;
}

static void refused(struct fake *fake, uint64_t sequence, enum error error, const char *says)
{
    struct client_message message = heard(fake, ME, CLIENT_REFUSED, sequence);
    char *text = slice_dup(message.refused.message);

    if (strstr(text, says) == NULL)
        print_error("\"%s\" does not say \"%s\"\n", text, says);
    assert_non_null(strstr(text, says));
    assert_true(slice_is(message.refused.error, error_name(error)));
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0);
    free(text);
}

static void hello(struct fake *fake, uint64_t peer)
{
    SAY(fake, peer, hello, .sequence = 1, .version = 1, .client = SLICE("test"));
    heard(fake, peer, CLIENT_WELCOME, 1);
}

static struct client_push push_of(uint64_t sequence, const char *id)
{
    return (struct client_push){.sequence = sequence,
                                .queue = SLICE("orders"),
                                .id = slice_of(id),
                                .key = SLICE("k"),
                                .priority = 4,
                                .content_type = SLICE("application/json"),
                                .payload = SLICE("{\"a\":1}")};
}

static void say_push(struct fake *fake, const struct client_push *push)
{
    struct buffer packed = {NULL, 0, 0};

    client_put_push(&packed, push);
    fake_peer(fake, ME, buffer_slice(&packed));
    buffer_free(&packed);
}

static void test_hello(void **state)
{
    struct fake *fake = *state;

    SAY(fake, ME, push, .sequence = 5, .queue = SLICE("orders"));
    refused(fake, 5, ERROR_UNSUPPORTED, "hello first");
    SAY(fake, ME, ping, .sequence = 6);
    refused(fake, 6, ERROR_UNSUPPORTED, "hello first");
    SAY(fake, ME, hello, .sequence = 1, .version = 0, .client = SLICE(""));
    refused(fake, 1, ERROR_UNSUPPORTED, "version 1");
    SAY(fake, ME, hello, .sequence = 2, .version = 1,
        .client = SLICE("12345678901234567890123456789012345678901234567890123456789012345"));
    refused(fake, 2, ERROR_TOO_LARGE, "64");
    SAY(fake, ME, hello, .sequence = 3, .version = 99, .client = SLICE("new"));
    struct client_message message = heard(fake, ME, CLIENT_WELCOME, 3);
    assert_int_equal(message.welcome.version, CLIENT_VERSION);
    assert_int_equal(message.welcome.batch_max, 256);
    assert_int_equal(message.welcome.message_bytes_max, config->producer_message_bytes_max);
    SAY(fake, ME, ping, .sequence = 4);
    heard(fake, ME, CLIENT_PONG, 4);
    SAY(fake, ME, command, .sequence = 5, .words = SLICE("stop"), .arguments = SLICE("{}"));
    refused(fake, 5, ERROR_UNSUPPORTED, "control socket");
}

static void test_malformed(void **state)
{
    struct fake *fake = *state;

    hello(fake, ME);
    fake_peer(fake, ME, SLICE("GET / HTTP/1.0"));
    refused(fake, 0, ERROR_MALFORMED, "msgpack array");
    SAY(fake, ME, pong, .sequence = 9);
    refused(fake, 9, ERROR_MALFORMED, "answer of ours");
    assert_int_equal(fake_metric(fake, METRIC_PEER_MALFORMED, 0), 2);
}

static void test_push(void **state)
{
    struct fake *fake = *state;
    struct client_push push = push_of(2, "");
    struct op ops[2];
    uint64_t ticket;

    hello(fake, ME);
    push.due_ms = 99;
    push.priority = 0;
    say_push(fake, &push);
    assert_int_equal(fake_take_ops(fake, &ticket, ops, 2), 1);
    assert_int_equal(ops[0].id, OP_PUSH);
    assert_true(slice_is(ops[0].push.queue, "orders") && slice_is(ops[0].push.key, "k"));
    assert_true(slice_is(ops[0].push.payload, "{\"a\":1}") && ops[0].push.due_ms == 99 && ops[0].push.priority == 0);
    struct client_message early;
    assert_false(fake_take_peer(fake, ME, &early));
    fake_committed(fake, ticket, ERROR_OK, 41);
    struct client_message message = heard(fake, ME, CLIENT_ACCEPTED, 2);
    assert_int_equal(message.accepted.job, 41);
    assert_int_equal(message.accepted.count, 1);
    assert_int_equal(fake_metric(fake, METRIC_PUSHES_ACCEPTED, 0), 1);
}

static void test_push_with_id(void **state)
{
    struct fake *fake = *state;
    struct client_push push = push_of(2, "mine");
    struct op ops[2];
    uint64_t ticket;

    hello(fake, ME);
    say_push(fake, &push);
    assert_int_equal(fake_take_ops(fake, &ticket, ops, 2), 2);
    assert_int_equal(ops[0].id, OP_CLAIM);
    assert_true(slice_is(ops[0].claim.key, "push/orders/mine"));
    assert_int_equal(ops[0].claim.skip, 1);
    assert_int_equal(ops[0].claim.until_ms, fake->wall_ms + config->dedup_keep_ms);
    fake_deliver_committed(fake, &(struct msg_committed){.ticket = ticket, .error = ERROR_OK, .skipped = 1});
    heard(fake, ME, CLIENT_DUPLICATE, 2);
    assert_int_equal(fake_metric(fake, METRIC_PUSHES_ACCEPTED, 0), 0);
}

static void test_push_refusals(void **state)
{
    static char long_id[258], long_key[402], large[1026];
    struct fake *fake = *state;
    struct client_push push;

    memset(long_id, 'i', 257);
    memset(long_key, 'k', 401);
    memset(large, ' ', 1025);
    hello(fake, ME);
#define REFUSED(field, value, error, says)                                                                             \
    do {                                                                                                               \
        push = push_of(3, "x");                                                                                        \
        push.field = (value);                                                                                          \
        say_push(fake, &push);                                                                                         \
        refused(fake, 3, error, says);                                                                                 \
    } while (0)
    REFUSED(queue, SLICE("nope"), ERROR_INVALID, "known: orders, notes");
    REFUSED(queue, SLICE("flow"), ERROR_INVALID, "known: orders, notes");
    REFUSED(queue, SLICE(""), ERROR_INVALID, "known: orders, notes");
    REFUSED(content_type, SLICE("text/plain"), ERROR_UNSUPPORTED, "application/msgpack");
    REFUSED(payload, SLICE("{\"a\":\n 1,}"), ERROR_MALFORMED, "line 2, column");
    REFUSED(payload, SLICE(""), ERROR_MALFORMED, "line 1");
    REFUSED(payload, ((struct slice){large, 1025}), ERROR_TOO_LARGE, "1024");
    REFUSED(priority, 8, ERROR_INVALID, "0 (first) to 7");
    REFUSED(due_ms, -1, ERROR_INVALID, "UTC");
    REFUSED(id, slice_of(long_id), ERROR_TOO_LARGE, "256");
    REFUSED(key, slice_of(long_key), ERROR_TOO_LARGE, "400");
    REFUSED(queue, SLICE("notes"), ERROR_INVALID, "ordered: true");
    push = push_of(3, "");
    push.content_type = SLICE("application/msgpack");
    push.payload = SLICE("\x81\xa1");
    say_push(fake, &push);
    refused(fake, 3, ERROR_MALFORMED, "msgpack value");
    push.payload = SLICE("\x81\xa1k\x01");
    say_push(fake, &push);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 1);
    assert_int_equal(fake_metric(fake, METRIC_PUSHES_REFUSED, ERROR_INVALID), 6);
}

static void test_store_errors(void **state)
{
    struct fake *fake = *state;
    struct client_push push = push_of(2, "");
    uint64_t ticket;
    struct op ops[2];
    static const enum error later[] = {ERROR_FULL, ERROR_DISK_FULL, ERROR_TIMEOUT, ERROR_SHUTDOWN};

    hello(fake, ME);
    for (size_t i = 0; i < 4; i++) {
        say_push(fake, &push);
        fake_take_ops(fake, &ticket, ops, 2);
        fake_committed(fake, ticket, later[i], 0);
        assert_true(heard(fake, ME, CLIENT_FULL, 2).full.retry_ms > 0);
    }
    say_push(fake, &push);
    fake_take_ops(fake, &ticket, ops, 2);
    fake_committed(fake, ticket, ERROR_TOO_LARGE, 0);
    refused(fake, 2, ERROR_TOO_LARGE, "bound");
    say_push(fake, &push);
    fake_take_ops(fake, &ticket, ops, 2);
    fake_committed(fake, ticket, ERROR_IO, 0);
    struct client_message none;
    assert_false(fake_take_peer(fake, ME, &none)); /* kept or not is unknown: nothing true can be said */
    assert_int_equal(fake_logged(fake, "push-unknown"), 1);
    fake->send_error[MSG_COMMIT] = ERROR_FULL;
    say_push(fake, &push);
    heard(fake, ME, CLIENT_FULL, 2);
}

static void put_job(struct buffer *jobs, const char *id, const char *payload)
{
    wire_put_array(jobs, 3);
    wire_put_text(jobs, slice_of(id));
    wire_put_text(jobs, SLICE(""));
    wire_put_blob(jobs, slice_of(payload));
}

static void say_many(struct fake *fake, struct buffer *jobs)
{
    SAY(fake, ME, push_many, .sequence = 8, .queue = SLICE("notes"), .content_type = SLICE("application/json"),
        .jobs = buffer_slice(jobs));
    buffer_free(jobs);
}

static void test_push_many(void **state)
{
    struct fake *fake = *state;
    struct buffer jobs = {NULL, 0, 0};
    struct op ops[8];
    uint64_t ticket;

    hello(fake, ME);
    wire_put_array(&jobs, 4);
    put_job(&jobs, "a", "1");
    put_job(&jobs, "", "2");
    put_job(&jobs, "b", "3");
    put_job(&jobs, "a", "4"); /* again in the same batch */
    say_many(fake, &jobs);
    assert_int_equal(fake_take_ops(fake, &ticket, ops, 8), 5);
    assert_true(ops[0].id == OP_CLAIM && ops[1].id == OP_PUSH && ops[2].id == OP_PUSH && ops[3].id == OP_CLAIM);
    assert_true(slice_is(ops[4].push.payload, "3"));
    assert_int_equal(ops[4].push.priority, 4);
    fake_deliver_committed(fake, &(struct msg_committed){.ticket = ticket, .skipped = 1, .first_id = 70});
    struct client_message message = heard(fake, ME, CLIENT_ACCEPTED, 8);
    assert_int_equal(message.accepted.count, 2);
    assert_int_equal(message.accepted.duplicates, 2);
    wire_put_array(&jobs, 1);
    put_job(&jobs, "a", "1");
    say_many(fake, &jobs);
    fake_take_ops(fake, &ticket, ops, 8);
    fake_deliver_committed(fake, &(struct msg_committed){.ticket = ticket, .skipped = 1});
    assert_int_equal(heard(fake, ME, CLIENT_ACCEPTED, 8).accepted.count, 0);
}

static void test_push_many_refusals(void **state)
{
    struct fake *fake = *state;
    struct buffer jobs = {NULL, 0, 0};

    hello(fake, ME);
    wire_put_array(&jobs, 0);
    say_many(fake, &jobs);
    refused(fake, 8, ERROR_MALFORMED, "1 to 256");
    wire_put_array(&jobs, 257);
    for (int i = 0; i < 257; i++)
        put_job(&jobs, "", "1");
    say_many(fake, &jobs);
    refused(fake, 8, ERROR_MALFORMED, "257");
    wire_put_array(&jobs, 2);
    put_job(&jobs, "", "1");
    wire_put_u64(&jobs, 1);
    say_many(fake, &jobs);
    refused(fake, 8, ERROR_MALFORMED, "job 2");
    wire_put_array(&jobs, 2);
    put_job(&jobs, "", "1");
    put_job(&jobs, "", "{");
    say_many(fake, &jobs);
    refused(fake, 8, ERROR_MALFORMED, "job 2: payload: line 1");
}

static void test_asks_are_bounded(void **state)
{
    struct fake *fake = *state;
    struct client_push push = push_of(1, "");

    hello(fake, ME);
    push.queue = SLICE("notes");
    push.key = SLICE("");
    for (push.sequence = 2; push.sequence < 258; push.sequence++)
        say_push(fake, &push);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 256);
    say_push(fake, &push);
    heard(fake, ME, CLIENT_FULL, 258);
    fake_commit_ok(fake, 9);
    heard(fake, ME, CLIENT_ACCEPTED, 2);
    say_push(fake, &push);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 256);
}

static void test_peers_are_bounded(void **state)
{
    struct fake *fake = *state;

    for (uint64_t peer = 1000; peer < 1300; peer++) {
        hello(fake, peer);
        fake->now_ms++;
    }
    SAY(fake, 1299, ping, .sequence = 2);
    heard(fake, 1299, CLIENT_PONG, 2);
    SAY(fake, 1000, ping, .sequence = 2); /* silent for longest: forgotten */
    heard(fake, 1000, CLIENT_REFUSED, 2);
}

static void test_depth_is_bounded(void **state)
{
    struct fake *fake = *state;
    struct client_push push = push_of(2, "");
    struct buffer rows = {NULL, 0, 0};
    struct msg_read read;

    hello(fake, ME);
    for (int i = 0; i < 10; i++) {
        say_push(fake, &push);
        fake_commit_ok(fake, 5);
        heard(fake, ME, CLIENT_ACCEPTED, 2);
    }
    say_push(fake, &push);
    heard(fake, ME, CLIENT_FULL, 2);
    assert_true(fake_take_read(fake, &read));
    record_put_queue_entry(&rows, &(struct record_queue_entry){.queue = SLICE("orders"), .ready = 8, .leased = 1});
    record_put_queue_entry(&rows, &(struct record_queue_entry){.queue = SLICE("elsewhere"), .ready = 99});
    fake_page(fake, read.ticket, ERROR_OK, &rows, 2);
    buffer_free(&rows);
    say_push(fake, &push);
    fake_commit_ok(fake, 5);
    heard(fake, ME, CLIENT_ACCEPTED, 2);
    fake_advance(fake, 1000);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 1);
}

static void test_quiesce(void **state)
{
    struct fake *fake = *state;
    struct client_push push = push_of(2, "");

    hello(fake, ME);
    fake_deliver_quiesce(fake, &(struct msg_quiesce){.deadline_ms = 1});
    say_push(fake, &push);
    assert_true(heard(fake, ME, CLIENT_FULL, 2).full.retry_ms > 0);
}

/* --- the console --- */

static struct msg_command_done command(struct fake *fake, const char *arguments, bool commits, uint64_t skipped)
{
    struct msg_command_done done;
    struct msg_commit commit;

    fake_deliver_command(
        fake, &(struct msg_command){.ticket = 4, .command = COMMAND_PUSH, .arguments = slice_of(arguments)});
    assert_int_equal(fake_take_commit(fake, &commit), commits);
    if (commits)
        fake_deliver_committed(
            fake, &(struct msg_committed){.ticket = commit.ticket, .skipped = skipped, .first_id = skipped ? 0 : 12});
    assert_true(fake_take_command_done(fake, &done));
    assert_int_equal(done.ticket, 4);
    return done;
}

static void test_console_push(void **state)
{
    struct fake *fake = *state;
    struct msg_command_done done;

    done = command(fake, "{\"queue\":\"orders\",\"payload\":\"{}\",\"key\":\"k\",\"id\":\"i\"}", true, 0);
    assert_true(done.error == ERROR_OK && slice_is(done.body, "{\"job\":12}"));
    done = command(fake, "{\"queue\":\"orders\",\"payload\":\"{}\",\"id\":\"i\"}", true, 1);
    assert_true(done.error == ERROR_OK && slice_is(done.body, "{\"duplicate\":true}"));
    done = command(fake, "{\"queue\":\"none\",\"payload\":\"{}\"}", false, 0);
    assert_int_equal(done.error, ERROR_INVALID);
    done = command(fake, "{\"queue\":\"orders\",\"payload\":\"{\"}", false, 0);
    assert_int_equal(done.error, ERROR_MALFORMED);
    done = command(fake, "[]", false, 0);
    assert_int_equal(done.error, ERROR_MALFORMED);
    fake->send_error[MSG_COMMIT] = ERROR_FULL;
    done = command(fake, "{\"queue\":\"orders\",\"payload\":\"{}\"}", false, 0);
    assert_int_equal(done.error, ERROR_FULL);
    fake_deliver_command(fake, &(struct msg_command){.ticket = 5, .command = COMMAND_STOP, .arguments = SLICE("{}")});
    assert_true(fake_take_command_done(fake, &done));
    assert_int_equal(done.error, ERROR_UNSUPPORTED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_hello), TEST(test_malformed), TEST(test_push), TEST(test_push_with_id), TEST(test_push_refusals),
        TEST(test_store_errors), TEST(test_push_many), TEST(test_push_many_refusals), TEST(test_asks_are_bounded),
        TEST(test_peers_are_bounded), TEST(test_depth_is_bounded), TEST(test_quiesce), TEST(test_console_push),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
