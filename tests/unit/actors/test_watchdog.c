// SPDX-License-Identifier: MIT
#include "actors/watchdog/watchdog.h"
#include "config/config.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct config *config;

static int set_up(void **state)
{
    struct fake *fake;

    config = config_default();
    *state = fake = fake_new(&watchdog_spec, config);
    fake->progress = "[{\"actor\":\"store\",\"restarts\":0}]";
    assert_int_equal(fake_start(fake), ERROR_OK);
    assert_int_equal(fake->serve.port, 8422);
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;

    fake_destroy(&fake);
    config_free(&config);
    return 0;
}

static uint64_t get(struct fake *fake, const char *path)
{
    return fake_http(fake, &(struct http_request){.method = SLICE("GET"), .path = slice_of(path)});
}

/* Answers both READs: `refusing` is the store's. */
static void tell(struct fake *fake, bool refusing)
{
    struct buffer rows = {NULL, 0, 0};
    struct msg_read read;

    while (fake_take_read(fake, &read)) {
        buffer_clear(&rows);
        if (read.what == READ_STORE)
            record_put_store_entry(&rows, &(struct record_store_entry){.format = 1, .jobs = 5, .refusing = refusing});
        else
            record_put_queue_entry(
                &rows, &(struct record_queue_entry){.queue = SLICE("a\"b"), .ready = 3, .dead = 2, .oldest_ms = 1500});
        fake_page(fake, read.ticket, ERROR_OK, &rows, 1);
    }
    buffer_free(&rows);
}

static bool says(struct slice text, const char *part)
{
    return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static void test_healthz_and_strangers(void **state)
{
    struct fake *fake = *state;
    const struct http_reply *reply = fake_reply(fake, get(fake, "/healthz"));

    assert_int_equal(reply->status, 200);
    assert_true(slice_is(reply->body, "ok\n"));
    assert_int_equal(fake_reply(fake, get(fake, "/"))->status, 404);
    const struct http_request post = {.method = SLICE("POST"), .path = SLICE("/metrics")};
    reply = fake_reply(fake, fake_http(fake, &post));
    assert_int_equal(reply->status, 405);
    assert_true(slice_is(fake_reply_header(reply, "Allow"), "GET"));
}

/* When the file is named, a script may give it to promtool. */
static void keep(struct slice text)
{
    const char *path = getenv("METRICS_TEXT");
    FILE *file = path == NULL ? NULL : fopen(path, "w");

    if (file == NULL)
        return;
    fwrite(text.data, 1, text.size, file);
    fclose(file);
}

static void test_metrics(void **state)
{
    struct fake *fake = *state;
    uint64_t exchange = get(fake, "/metrics");

    assert_null(fake_reply(fake, exchange));
    tell(fake, false);
    const struct http_reply *reply = fake_reply(fake, exchange);
    assert_int_equal(reply->status, 200);
    assert_true(slice_is(fake_reply_header(reply, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8"));
    assert_true(says(reply->body, "purser_queue_jobs{queue=\"a\\\"b\",state=\"ready\"} 3\n"));
    assert_true(says(reply->body, "purser_queue_jobs{queue=\"a\\\"b\",state=\"dead\"} 2\n"));
    assert_true(says(reply->body, "purser_queue_oldest_timestamp_seconds{queue=\"a\\\"b\"} 1.500\n"));
    assert_true(says(reply->body, "purser_store_jobs 5\n"));
    assert_true(says(reply->body, "purser_store_answers 1\n"));
    assert_true(says(reply->body, "# TYPE purser_hook_seconds histogram\n"));
    assert_true(fake_metric(fake, METRIC_RESIDENT, 0) > 0);
    assert_int_equal(fake_timer_at(fake, 0), -1);
    keep(reply->body);
}

static void test_metrics_of_a_silent_store(void **state)
{
    struct fake *fake = *state;
    uint64_t exchange = get(fake, "/metrics");

    fake_advance(fake, 2000);
    assert_int_equal(fake_reply(fake, exchange)->status, 200);
    assert_true(says(fake_reply(fake, exchange)->body, "purser_store_answers 0\n"));
    assert_false(says(fake_reply(fake, exchange)->body, "purser_queue_jobs"));
    tell(fake, false); /* too late: nobody waits */
    fake->send_error[MSG_READ] = ERROR_FULL;
    assert_int_equal(fake_reply(fake, get(fake, "/metrics"))->status, 200);
}

static void test_ready(void **state)
{
    struct fake *fake = *state;
    uint64_t exchange = get(fake, "/readyz"), ticket;
    struct op ops[1];

    assert_int_equal(fake_take_ops(fake, &ticket, ops, 1), 1);
    assert_int_equal(ops[0].id, OP_PUT);
    assert_true(slice_is(ops[0].put.space, "watchdog"));
    tell(fake, false);
    assert_null(fake_reply(fake, exchange));
    fake_committed(fake, ticket, ERROR_OK, 0);
    assert_int_equal(fake_reply(fake, exchange)->status, 200);
    assert_int_equal(fake_metric(fake, METRIC_READY, 0), 1);
}

static void not_ready(struct fake *fake, uint64_t exchange, const char *why)
{
    const struct http_reply *reply = fake_reply(fake, exchange);

    assert_non_null(reply);
    assert_int_equal(reply->status, 503);
    assert_true(says(reply->body, why));
    assert_int_equal(fake_metric(fake, METRIC_READY, 0), 0);
}

static void test_not_ready(void **state)
{
    struct fake *fake = *state;
    uint64_t exchange = get(fake, "/readyz"), ticket;
    struct op ops[1];

    fake_take_ops(fake, &ticket, ops, 1);
    fake_committed(fake, ticket, ERROR_DISK_FULL, 0);
    tell(fake, false);
    not_ready(fake, exchange, "disk-full");
    exchange = get(fake, "/readyz");
    fake_commit_ok(fake, 0);
    tell(fake, true);
    not_ready(fake, exchange, "full and refuses");
    exchange = get(fake, "/readyz");
    fake_advance(fake, 1999);
    assert_null(fake_reply(fake, exchange));
    fake_advance(fake, 1);
    not_ready(fake, exchange, "not answered within 2000 ms");
    fake_commit_ok(fake, 0); /* too late */
    fake_forget(fake);
    fake->send_error[MSG_COMMIT] = ERROR_FULL;
    exchange = get(fake, "/readyz");
    tell(fake, false);
    not_ready(fake, exchange, "answered full");
    fake_deliver_quiesce(fake, &(struct msg_quiesce){.deadline_ms = 1});
    not_ready(fake, get(fake, "/readyz"), "stopping");
}

static void test_visits_are_bounded(void **state)
{
    struct fake *fake = *state;

    for (int i = 0; i < 16; i++)
        assert_null(fake_reply(fake, get(fake, "/metrics")));
    assert_int_equal(fake_reply(fake, get(fake, "/metrics"))->status, 503);
    assert_int_equal(fake_reply(fake, get(fake, "/healthz"))->status, 200);
    tell(fake, false);
    assert_null(fake_reply(fake, get(fake, "/metrics")));
}

static struct slice command(struct fake *fake, enum command_id id, bool store_answers, enum error error)
{
    struct msg_command_done done;

    fake_deliver_command(fake, &(struct msg_command){.ticket = 6, .command = id, .arguments = SLICE("{}")});
    if (store_answers)
        tell(fake, false);
    else
        fake_advance(fake, 2000);
    assert_true(fake_take_command_done(fake, &done));
    assert_int_equal(done.ticket, 6);
    assert_int_equal(done.error, error);
    return done.body;
}

static void test_commands(void **state)
{
    struct fake *fake = *state;
    struct slice body = command(fake, COMMAND_STATUS, true, ERROR_OK);

    assert_true(says(body, "\"actors\":[{\"actor\":\"store\",\"restarts\":0}]"));
    assert_true(says(body, "\"queue\":\"a\\\"b\"") && says(body, "\"ready\":3"));
    assert_true(says(body, "\"jobs\":5") && says(body, "\"version\":") && says(body, "\"up_ms\":0"));
    body = command(fake, COMMAND_STATUS, false, ERROR_OK);
    assert_true(says(body, "\"queues\":null") && says(body, "\"store\":null") && says(body, "\"up_ms\":2000"));
    fake_forget(fake);
    body = command(fake, COMMAND_METRICS, true, ERROR_OK);
    assert_true(says(body, "{\"metrics\":\"# HELP"));
    command(fake, COMMAND_STOP, true, ERROR_UNSUPPORTED);
}

static void test_uptime_is_of_the_process(void **state)
{
    struct fake *fake = *state;

    fake_advance(fake, 60000);
    assert_int_equal(fake_start(fake), ERROR_OK); /* another life of the watchdog alone */
    fake->now_ms += 5000;
    assert_true(says(command(fake, COMMAND_STATUS, true, ERROR_OK), "\"up_ms\":65000"));
}

static void test_start_error(void **state)
{
    struct fake *fake = *state;

    get(fake, "/metrics");
    fake->serve_error = ERROR_IO;
    assert_int_equal(fake_start(fake), ERROR_IO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_healthz_and_strangers),
        TEST(test_metrics),
        TEST(test_metrics_of_a_silent_store),
        TEST(test_ready),
        TEST(test_not_ready),
        TEST(test_visits_are_bounded),
        TEST(test_commands),
        TEST(test_uptime_is_of_the_process),
        TEST(test_start_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
