// SPDX-License-Identifier: MIT
#include "actors/publisher/publisher.h"
#include "config/config.h"
#include "proto/payloads.h"
#include "proto/text/json.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char ask[] = "{\"ask\":{\"approval\":\"000000000000004d\",\"hash\":\"0123456789abcdef\",\"n\":2,\"photo\":"
                          "\"\",\"text\":\"Approve? figs\"}}";
static const char sent[] = "{\"ok\":true,\"result\":{\"message_id\":9,\"chat\":{\"id\":-7}}}";

struct bench {
    struct config *config;
    struct approver approvers[2];
    struct fake *fake;
};

static void set(char **option, const char *value)
{
    free(*option);
    *option = slice_dup(slice_of(value));
}

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->config = config_default();
    bench->approvers[0] = (struct approver){.name = "ann", .telegram = "42", .gets_asked = true};
    bench->approvers[1] = (struct approver){.name = "bob", .telegram = "43"};
    bench->config->approvers = bench->approvers;
    bench->fake = fake_new(&publisher_spec, bench->config);
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    fake_destroy(&bench->fake);
    bench->config->approvers = NULL;
    bench->config->approver_count = 0;
    config_free(&bench->config);
    free(bench);
    return 0;
}

static void give(struct bench *bench, const char *input)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_task(&payload, &(struct payload_task){.skill = SLICE("telegram"),
                                                      .mode = SLICE("live"),
                                                      .input = slice_of(input),
                                                      .attempts_max = 3,
                                                      .first_ms = 1000,
                                                      .max_ms = 60000,
                                                      .on_unknown = SLICE("drop")});
    fake_deliver_job(bench->fake, &(struct msg_job){.life = 1,
                                                    .id = 42,
                                                    .fence = 3,
                                                    .queue = SLICE("publish"),
                                                    .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                    .payload = buffer_slice(&payload)});
    buffer_free(&payload);
}

/* Takes the next commit: its one operation, answered OK. */
static struct op next_op(struct bench *bench)
{
    struct op ops[4];
    uint64_t ticket;

    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    return ops[0];
}

/* A question goes to the chat, then to who wants to be asked; each is noted before it is sent. */
static void assert_asks(struct bench *bench, json_int_t chat)
{
    struct json_problem problem;

    assert_int_equal(next_op(bench).id, OP_NOTE);
    const struct fake_request *request = fake_request_next(bench->fake);
    assert_non_null(request);
    json_t *body = json_read(request->call.body, &problem);
    assert_int_equal(json_integer_value(json_object_get(body, "chat_id")), chat);
    json_decref(body);
    fake_answer(bench->fake, request->ticket,
                &(struct answer){.error = ERROR_OK, .status = 200, .body = slice_of(sent)});
}

static void a_question_is_asked_and_its_messages_are_kept(void **state)
{
    struct bench *bench = *state;

    set(&bench->config->telegram_token, "telegram/token");
    set(&bench->config->telegram_chat, "-7");
    bench->config->approver_count = 2;
    give(bench, ask);
    assert_asks(bench, -7);
    assert_asks(bench, 42);
    struct op kept = next_op(bench);
    assert_int_equal(kept.id, OP_PUT);
    assert_true(slice_is(kept.put.space, "telegram"));
    assert_true(slice_is(kept.put.key, "asked/000000000000004d/2"));
    assert_int_equal(next_op(bench).id, OP_FINISH);
    assert_int_equal(fake_metric(bench->fake, METRIC_TELEGRAM_SENT, 0), 1);
}

static void without_a_bot_or_a_chat_a_notice_ends_quietly(void **state)
{
    struct bench *bench = *state;

    give(bench, ask);
    assert_int_equal(next_op(bench).id, OP_FINISH);
    set(&bench->config->telegram_token, "telegram/token");
    give(bench, ask);
    assert_int_equal(next_op(bench).id, OP_FINISH);
    assert_null(fake_request_next(bench->fake));
}

static void without_a_bot_a_step_waits_for_its_owner(void **state)
{
    struct bench *bench = *state;

    give(bench, "{\"text\":\"Sold out\"}");
    struct op op = next_op(bench);
    assert_int_equal(op.id, OP_PARK);
    assert_int_equal(op.park.error, ERROR_NO_SECRET);
}

static void a_step_says_its_chat_or_takes_the_configured_one(void **state)
{
    struct bench *bench = *state;

    set(&bench->config->telegram_token, "telegram/token");
    give(bench, "{\"text\":\"Sold out\"}");
    assert_int_equal(next_op(bench).id, OP_BURY);
    set(&bench->config->telegram_chat, "-7");
    give(bench, "{\"text\":\"Sold out\"}");
    assert_asks(bench, -7);
    assert_int_equal(next_op(bench).id, OP_FINISH);
    give(bench, "{\"text\":\"Sold out\",\"chat\":\"77\"}");
    assert_asks(bench, 77);
    assert_int_equal(next_op(bench).id, OP_FINISH);
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        BENCH(a_question_is_asked_and_its_messages_are_kept),
        BENCH(without_a_bot_or_a_chat_a_notice_ends_quietly),
        BENCH(without_a_bot_a_step_waits_for_its_owner),
        BENCH(a_step_says_its_chat_or_takes_the_configured_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
