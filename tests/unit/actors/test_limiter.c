// SPDX-License-Identifier: MIT
#include "actors/limiter/limiter.h"
#include "actors/limiter/budget.h"
#include "config/config.h"
#include "proto/text/json.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct bench {
    struct config *config;
    struct limit limits[3];
    struct fake *fake;
    uint64_t granted; /* ticket of the latest permit */
};

static char points[] = "points";

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->config = config_default();
    bench->limits[0] =
        (struct limit){.gate = "gemini/default",
                       .api = "gemini",
                       .scopes = {{.windows = {{2, 60000}}, .window_count = 1}},
                       .scope_count = 1};
    bench->limits[1] =
        (struct limit){.gate = "smtp/default",
                       .api = "smtp",
                       .scopes = {{.windows = {{100, 10000}}, .window_count = 1}},
                       .scope_count = 1};
    bench->limits[2] = (struct limit){
        .gate = "telegram/default",
        .api = "telegram",
        .urgent_percent = 50,
        .scopes = {{.windows = {{4, 10000}}, .window_count = 1},
                   {.each_key = true, .windows = {{1, 1000}}, .window_count = 1},
                   {.class_name = points, .counts_cost = true, .bucket_size = 100, .bucket_refill_milli_per_s = 10000}},
        .scope_count = 3};
    bench->config->limits = bench->limits;
    bench->config->limit_count = 3;
    bench->fake = fake_new(&limiter_spec, bench->config);
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    fake_destroy(&bench->fake);
    bench->config->limits = NULL;
    bench->config->limit_count = 0;
    config_free(&bench->config);
    free(bench);
    return 0;
}

/* Answers the limiter's reads: nothing is stored yet. */
static void load_empty(struct bench *bench)
{
    struct msg_read read;

    while (fake_take_read(bench->fake, &read))
        fake_page(bench->fake, read.ticket, ERROR_NOT_FOUND, NULL, 0);
}

static void ask(struct bench *bench, const char *gate, uint64_t ticket)
{
    fake_deliver_permit_ask(bench->fake, &(struct msg_permit_ask){.ticket = ticket, .gate = slice_of(gate), .cost = 1});
}

static void usage(struct bench *bench, const char *gate, enum error outcome, int64_t retry_after_ms, bool day)
{
    fake_deliver_usage(bench->fake, &(struct msg_usage){.gate = slice_of(gate),
                                                        .outcome = outcome,
                                                        .retry_after_ms = retry_after_ms,
                                                        .day_quota = day,
                                                        .ticket = bench->granted,
                                                        .used = -1});
}

static enum error permit(struct bench *bench, uint64_t ticket, int64_t *retry_ms)
{
    struct msg_permit msg;

    assert_true(fake_take_permit(bench->fake, &msg));
    assert_int_equal(msg.ticket, ticket);
    *retry_ms = msg.retry_ms;
    if (msg.error == ERROR_OK)
        bench->granted = ticket;
    return msg.error;
}

/* The last word on a gate, or -1. */
static int gate_told(struct bench *bench, const char *gate)
{
    struct msg_gate msg;
    int told = -1;

    while (fake_take_gate(bench->fake, &msg))
        if (slice_is(msg.gate, gate))
            told = msg.open;
    return told;
}

static void test_grants_only_after_the_promise_is_on_disk(void **state)
{
    struct bench *bench = *state;
    struct msg_permit msg;
    int64_t retry;

    ask(bench, "gemini/default", 1);
    assert_int_equal(permit(bench, 1, &retry), ERROR_LIMITED); /* not loaded yet */
    load_empty(bench);
    assert_int_equal(gate_told(bench, "gemini/default"), 1);
    ask(bench, "gemini/default", 2);
    assert_false(fake_take_permit(bench->fake, &msg));
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 2, &retry), ERROR_OK);
    assert_int_equal(fake_metric(bench->fake, METRIC_PERMITS_GRANTED, 0), 1);
    ask(bench, "nobody/default", 3);
    assert_int_equal(permit(bench, 3, &retry), ERROR_INVALID);
}

static void test_closes_when_spent_and_opens_again(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    load_empty(bench);
    gate_told(bench, "gemini/default");
    for (uint64_t i = 1; i <= 2; i++) {
        ask(bench, "gemini/default", i);
        fake_commit_ok(bench->fake, 0);
        assert_int_equal(permit(bench, i, &retry), ERROR_OK);
        usage(bench, "gemini/default", ERROR_OK, 0, false);
    }
    assert_int_equal(gate_told(bench, "gemini/default"), 0);
    ask(bench, "gemini/default", 3);
    assert_int_equal(permit(bench, 3, &retry), ERROR_LIMITED);
    assert_int_equal(retry, 1000000 + 60001);
    fake_advance(bench->fake, 60000);
    assert_int_equal(gate_told(bench, "gemini/default"), -1);
    fake_advance(bench->fake, 1);
    assert_int_equal(gate_told(bench, "gemini/default"), 1);
}

static void test_failed_promise_grants_nothing(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;
    int64_t retry;

    load_empty(bench);
    ask(bench, "gemini/default", 1);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_PUT);
    assert_true(slice_is(ops[0].put.space, "limiter"));
    assert_true(slice_is(ops[1].put.space, "gate"));
    assert_true(slice_is(ops[1].put.key, "gemini/default"));
    fake_committed(bench->fake, ticket, ERROR_IO, 0);
    assert_int_equal(permit(bench, 1, &retry), ERROR_LIMITED);
}

static void test_promise_counts_as_spent_after_a_crash(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    struct buffer row = {NULL, 0, 0};
    struct msg_read read;
    uint64_t ticket;
    int64_t retry;

    load_empty(bench);
    ask(bench, "gemini/default", 1);
    fake_take_ops(bench->fake, &ticket, ops, 4);
    record_put_space_entry(
        &row, &(struct record_space_entry){.key = ops[0].put.key, .version = 1, .value = ops[0].put.value});
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    assert_int_equal(permit(bench, 1, &retry), ERROR_OK);
    fake_forget(bench->fake);
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    while (fake_take_read(bench->fake, &read)) {
        bool is_gemini = slice_is(read.from, "gemini/default");
        fake_page(bench->fake, read.ticket, is_gemini ? ERROR_OK : ERROR_NOT_FOUND, is_gemini ? &row : NULL, is_gemini);
    }
    for (uint64_t i = 2; i <= 3; i++) {
        ask(bench, "gemini/default", i);
        if (i == 2)
            fake_commit_ok(bench->fake, 0);
        assert_int_equal(permit(bench, i, &retry), i == 2 ? ERROR_OK : ERROR_LIMITED);
    }
    buffer_free(&row);
}

static void test_blocks_save_commits(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    load_empty(bench);
    ask(bench, "smtp/default", 1);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 1, &retry), ERROR_OK);
    for (uint64_t i = 2; i <= BUDGET_BLOCK_MAX; i++) {
        ask(bench, "smtp/default", i);
        assert_int_equal(permit(bench, i, &retry), ERROR_OK);
    }
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0);
    ask(bench, "smtp/default", 99);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 1);
}

/* 22:13:20 by UTC is 14:13:20 in the Pacific zone, where Google's day ends. */
static void test_day_of_gemini_is_the_day_of_its_quota(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    bench->fake->wall_trusted = true;
    load_empty(bench);
    ask(bench, "gemini/default", 1);
    fake_commit_ok(bench->fake, 0);
    permit(bench, 1, &retry);
    usage(bench, "gemini/default", ERROR_LIMITED, 0, true);
    fake_commit_ok(bench->fake, 0);
    ask(bench, "gemini/default", 2);
    assert_int_equal(permit(bench, 2, &retry), ERROR_LIMITED);
    assert_int_equal(retry - bench->fake->now_ms, (9 * 3600 + 46 * 60 + 40) * 1000);
}

static void test_service_that_says_too_much_is_left_alone(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    load_empty(bench);
    ask(bench, "smtp/default", 1);
    fake_commit_ok(bench->fake, 0);
    permit(bench, 1, &retry);
    usage(bench, "smtp/default", ERROR_LIMITED, 30000, false);
    fake_commit_ok(bench->fake, 0); /* the hold is kept */
    assert_int_equal(fake_metric(bench->fake, METRIC_LIMIT_VIOLATIONS, 0), 1);
    assert_int_equal(gate_told(bench, "smtp/default"), 0);
    fake_advance(bench->fake, 29999);
    assert_int_equal(gate_told(bench, "smtp/default"), -1);
    fake_advance(bench->fake, 1);
    assert_int_equal(gate_told(bench, "smtp/default"), 1);
    usage(bench, "smtp/default", ERROR_LIMITED, 86400000, false); /* absurd: capped at an hour */
    fake_advance(bench->fake, 3600001);
    assert_int_equal(gate_told(bench, "smtp/default"), 1);
    bench->fake->wall_ms = INT64_C(1700000000000) / 86400000 * 86400000 + 86400000 - 7200000;
    usage(bench, "smtp/default", ERROR_LIMITED, 0, true);
    fake_advance(bench->fake, 7199999);
    assert_int_equal(gate_told(bench, "smtp/default"), 0);
    fake_advance(bench->fake, 1);
    assert_int_equal(gate_told(bench, "smtp/default"), 1);
}

static void test_breaker_closes_the_gate(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    load_empty(bench);
    for (int i = 0; i < 5; i++)
        usage(bench, "smtp/default", ERROR_OFFLINE, 0, false);
    assert_int_equal(gate_told(bench, "smtp/default"), 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_BREAKER_OPENED, 0), 1);
    ask(bench, "smtp/default", 1);
    assert_int_equal(permit(bench, 1, &retry), ERROR_BREAKER);
    fake_advance(bench->fake, 10000);
    assert_int_equal(gate_told(bench, "smtp/default"), 1);
    ask(bench, "smtp/default", 2);
    ask(bench, "smtp/default", 3);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 2, &retry), ERROR_OK);
    assert_int_equal(permit(bench, 3, &retry), ERROR_BREAKER); /* one probe at a time */
    assert_int_equal(gate_told(bench, "smtp/default"), 0);
    usage(bench, "smtp/default", ERROR_OK, 0, false);
    assert_int_equal(gate_told(bench, "smtp/default"), 1);
}

static void test_wanted_gates_are_answered(void **state)
{
    struct bench *bench = *state;

    load_empty(bench);
    gate_told(bench, "smtp/default");
    fake_deliver_gate_wanted(bench->fake, &(struct msg_gate_wanted){SLICE("smtp/default")});
    assert_int_equal(gate_told(bench, "smtp/default"), 1);
    fake_deliver_gate_wanted(bench->fake, &(struct msg_gate_wanted){SLICE("smpt/default")});
    assert_int_equal(gate_told(bench, "smpt/default"), -1);
    assert_int_equal(fake_logged(bench->fake, "gate-unknown"), 1);
}

static void test_limits_command_tells_the_truth(void **state)
{
    struct bench *bench = *state;
    struct msg_command_done done;
    struct json_problem problem;
    int64_t retry;

    load_empty(bench);
    ask(bench, "gemini/default", 1);
    fake_commit_ok(bench->fake, 0);
    permit(bench, 1, &retry);
    fake_deliver_command(bench->fake, &(struct msg_command){5, COMMAND_LIMITS, SLICE("{}")});
    assert_true(fake_take_command_done(bench->fake, &done));
    json_t *body = json_read(done.body, &problem);
    assert_non_null(body);
    assert_true(slice_is(json_text_at(body, "gates.0.gate"), "gemini/default"));
    assert_int_equal(json_integer_value(json_at(body, "gates.0.used")), 1);
    assert_int_equal(json_integer_value(json_at(body, "gates.0.left")), 1);
    assert_int_equal(json_integer_value(json_at(body, "gates.0.in_flight")), 1);
    json_decref(body);
}

static void ask_for(struct bench *bench, uint64_t ticket, const char *key, const char *class_name, uint64_t cost)
{
    fake_deliver_permit_ask(bench->fake, &(struct msg_permit_ask){.ticket = ticket,
                                                                  .gate = SLICE("telegram/default"),
                                                                  .cost = cost,
                                                                  .key = slice_of(key),
                                                                  .class_name = slice_of(class_name),
                                                                  .urgent = true});
}

static void told(struct bench *bench, struct msg_usage msg)
{
    msg.gate = SLICE("telegram/default");
    msg.ticket = bench->granted;
    fake_deliver_usage(bench->fake, &msg);
}

/* A chat that has to wait keeps no other chat waiting. */
static void test_keys_wait_by_themselves(void **state)
{
    struct bench *bench = *state;
    struct msg_permit msg;
    int64_t retry;

    load_empty(bench);
    gate_told(bench, "telegram/default");
    ask_for(bench, 1, "100", "", 1);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 1, &retry), ERROR_OK);
    told(bench, (struct msg_usage){.used = -1});
    ask_for(bench, 2, "100", "", 1);
    assert_true(fake_take_permit(bench->fake, &msg));
    assert_int_equal(msg.error, ERROR_LIMITED);
    assert_true(msg.narrow);
    assert_int_equal(msg.retry_ms, bench->fake->now_ms + 1001);
    assert_int_equal(gate_told(bench, "telegram/default"), -1);
    ask_for(bench, 3, "200", "", 1);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 3, &retry), ERROR_OK);
    told(bench, (struct msg_usage){.used = 0}); /* it never went out, so it may go now */
    ask_for(bench, 4, "200", "", 1);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 4, &retry), ERROR_OK);
}

static void test_refusal_of_a_chat_holds_that_chat(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    load_empty(bench);
    gate_told(bench, "telegram/default");
    ask_for(bench, 1, "100", "", 1);
    fake_commit_ok(bench->fake, 0);
    permit(bench, 1, &retry);
    told(bench, (struct msg_usage){.outcome = ERROR_LIMITED, .retry_after_ms = 37000, .used = -1});
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(gate_told(bench, "telegram/default"), -1);
    ask_for(bench, 2, "100", "", 1);
    assert_int_equal(permit(bench, 2, &retry), ERROR_LIMITED);
    assert_int_equal(retry, bench->fake->now_ms + 37000);
    ask_for(bench, 3, "200", "", 1);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 3, &retry), ERROR_OK);
    told(bench, (struct msg_usage){.outcome = ERROR_LIMITED, .retry_after_ms = 5000, .used = -1});
    assert_int_equal(gate_told(bench, "telegram/default"), 0); /* the second in a row is about all of them */
}

static void test_cost_and_the_service_s_bucket(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    load_empty(bench);
    ask_for(bench, 1, "", "points", 101);
    assert_int_equal(permit(bench, 1, &retry), ERROR_INVALID);
    ask_for(bench, 2, "", "points", 80);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 2, &retry), ERROR_OK);
    told(bench, (struct msg_usage){.used = 10});
    ask_for(bench, 3, "", "points", 90);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 3, &retry), ERROR_OK);
    told(bench, (struct msg_usage){.used = 10, .bucket_used = 95, .bucket_size = 100, .bucket_milli_per_s = 10000});
    ask_for(bench, 4, "", "points", 50);
    assert_int_equal(permit(bench, 4, &retry), ERROR_LIMITED);
    assert_int_equal(retry, bench->fake->now_ms + 4500); /* the service counts 95, and 10 come back a second */
}

static void test_slows_down_before_the_end_is_met(void **state)
{
    struct bench *bench = *state;
    int64_t retry;

    load_empty(bench);
    ask_for(bench, 1, "", "", 1);
    fake_commit_ok(bench->fake, 0);
    permit(bench, 1, &retry);
    told(bench, (struct msg_usage){.used = -1, .percent_used = 90});
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(gate_told(bench, "telegram/default"), 0);
    ask_for(bench, 2, "", "", 1);
    assert_int_equal(permit(bench, 2, &retry), ERROR_LIMITED);
    assert_int_equal(retry, bench->fake->now_ms + 30000);
    assert_int_equal(fake_metric(bench->fake, METRIC_LIMIT_VIOLATIONS, 0), 0);
}

static void test_urgent_ones_have_their_share(void **state)
{
    struct bench *bench = *state;
    struct msg_permit msg;
    int64_t retry;

    load_empty(bench);
    for (uint64_t i = 1; i <= 2; i++) {
        ask(bench, "telegram/default", i);
        fake_commit_ok(bench->fake, 0);
        assert_int_equal(permit(bench, i, &retry), ERROR_OK);
        told(bench, (struct msg_usage){.used = -1});
    }
    ask(bench, "telegram/default", 3);
    assert_true(fake_take_permit(bench->fake, &msg));
    assert_int_equal(msg.error, ERROR_LIMITED);
    assert_true(msg.narrow);
    ask_for(bench, 4, "", "", 1);
    fake_commit_ok(bench->fake, 0);
    assert_int_equal(permit(bench, 4, &retry), ERROR_OK);
}

static json_t *try_it(struct bench *bench, const char *arguments, enum error expected)
{
    struct msg_command_done done;
    struct json_problem problem;

    fake_deliver_command(bench->fake, &(struct msg_command){7, COMMAND_LIMIT_TRY, slice_of(arguments)});
    if (fake_sent_count(bench->fake, MSG_COMMIT) > 0)
        fake_commit_ok(bench->fake, 0);
    assert_true(fake_take_command_done(bench->fake, &done));
    assert_int_equal(done.ticket, 7);
    assert_int_equal(done.error, expected);
    json_t *body = json_read(done.body, &problem);
    assert_non_null(body);
    return body;
}

static void test_limit_try_tells_and_takes(void **state)
{
    struct bench *bench = *state;

    load_empty(bench);
    json_t *body = try_it(bench, "{\"gate\":\"telegram\",\"key\":\"100\"}", ERROR_OK);
    assert_true(json_is_true(json_at(body, "allowed")));
    assert_int_equal(json_integer_value(json_at(body, "left")), 4);
    json_decref(body);
    body = try_it(bench, "{\"gate\":\"telegram\",\"key\":\"100\",\"take\":true}", ERROR_OK);
    assert_true(json_is_true(json_at(body, "allowed")));
    assert_int_equal(json_integer_value(json_at(body, "left")), 3);
    json_decref(body);
    body = try_it(bench, "{\"gate\":\"telegram/default\",\"key\":\"100\",\"take\":true}", ERROR_OK);
    assert_false(json_is_true(json_at(body, "allowed")));
    assert_true(slice_is(json_text_at(body, "bound.each"), "key"));
    assert_int_equal(json_integer_value(json_at(body, "wait_ms")), 1001);
    json_decref(body);
    json_decref(try_it(bench, "{\"gate\":\"nobody\"}", ERROR_NOT_FOUND));
    json_decref(try_it(bench, "{\"gate\":\"telegram\",\"cost\":0}", ERROR_INVALID));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grants_only_after_the_promise_is_on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closes_when_spent_and_opens_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_promise_grants_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_promise_counts_as_spent_after_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks_save_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_day_of_gemini_is_the_day_of_its_quota, setup, teardown),
        cmocka_unit_test_setup_teardown(test_service_that_says_too_much_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_breaker_closes_the_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wanted_gates_are_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits_command_tells_the_truth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_wait_by_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal_of_a_chat_holds_that_chat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cost_and_the_service_s_bucket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slows_down_before_the_end_is_met, setup, teardown),
        cmocka_unit_test_setup_teardown(test_urgent_ones_have_their_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_try_tells_and_takes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
