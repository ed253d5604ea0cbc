// SPDX-License-Identifier: MIT
#include "tests/cloud/cloud.h"
#include "proto/text/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t T0 = 1795377600000;

struct bench {
    struct cloud *cloud;
    struct cloud_reply reply;
    json_t *body;
};

static int bench_open(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->cloud = cloud_new(3, &(struct cloud_options){.telegram_token = SLICE("7:right")});
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;

    cloud_destroy(&bench->cloud);
    json_decref(bench->body);
    free(bench);
    return 0;
}

static int ask_as(struct bench *bench, const char *token, int64_t at_ms, const char *method, const char *body)
{
    char url[200];
    struct json_problem problem;
    struct call call = {.kind = CALL_HTTP, .method = SLICE("POST"), .body = slice_of(body), .timeout_ms = 60000};

    snprintf(url, sizeof(url), "https://api.telegram.org/bot%s/%s", token, method);
    call.url = slice_of(url);
    cloud_answer(bench->cloud, at_ms, &call, &bench->reply);
    json_decref(bench->body);
    bench->body = json_read(bench->reply.answer.body, &problem);
    return bench->reply.answer.status;
}

static int ask(struct bench *bench, int64_t at_ms, const char *method, const char *body)
{
    return ask_as(bench, "7:right", at_ms, method, body);
}

static json_int_t number_at(const struct bench *bench, const char *path)
{
    return json_integer_value(json_at(bench->body, path));
}

static const char question[] =
    "{\"chat_id\":42,\"text\":\"Approve?\",\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"Approve\","
    "\"callback_data\":\"p:a:1\"}]]}}";

static void tokens_are_checked(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(ask_as(bench, "7:wrong", T0, "getMe", "{}"), 401);
    assert_int_equal(ask(bench, T0, "getMe", "{}"), 200);
    assert_int_equal(ask(bench, T0, "sendFax", "{}"), 404);
}

static void messages_are_edited_and_the_same_edit_is_none(void **state)
{
    static const char edit[] =
        "{\"chat_id\":42,\"message_id\":1,\"text\":\"Approved\",\"reply_markup\":{\"inline_keyboard\":[]}}";
    struct bench *bench = *state;

    assert_int_equal(ask(bench, T0, "sendMessage", question), 200);
    assert_int_equal(number_at(bench, "result.message_id"), 1);
    assert_int_equal(ask(bench, T0, "editMessageText", edit), 200);
    assert_int_equal(ask(bench, T0, "editMessageText", edit), 400);
    assert_non_null(memmem(bench->reply.answer.body.data, bench->reply.answer.body.size, "is not modified", 15));
    assert_int_equal(cloud_counts(bench->cloud)->telegram_edits, 1);
    assert_int_equal(cloud_counts(bench->cloud)->telegram_unchanged, 1);
    assert_int_equal(ask(bench, T0, "editMessageText", "{\"chat_id\":42,\"message_id\":5,\"text\":\"x\"}"), 400);
    assert_int_equal(ask(bench, T0, "editMessageCaption", "{\"chat_id\":42,\"message_id\":1,\"caption\":\"x\"}"), 400);
}

static void limits_hold_a_chat_and_all_chats(void **state)
{
    struct bench *bench = *state;
    char body[100];

    assert_int_equal(ask(bench, T0, "sendMessage", question), 200);
    assert_int_equal(ask(bench, T0 + 999, "sendMessage", question), 429);
    assert_int_equal(number_at(bench, "parameters.retry_after"), 1);
    assert_int_equal(ask(bench, T0 + 1000, "sendMessage", question), 200);
    for (int chat = 100; chat < 129; chat++) {
        snprintf(body, sizeof(body), "{\"chat_id\":%d,\"text\":\"x\"}", chat);
        assert_int_equal(ask(bench, T0 + 1500, "sendMessage", body), 200);
    }
    assert_int_equal(ask(bench, T0 + 1500, "sendMessage", "{\"chat_id\":200,\"text\":\"x\"}"), 429);
}

static void updates_stay_until_they_are_confirmed(void **state)
{
    struct bench *bench = *state;

    ask(bench, T0, "sendMessage", question);
    assert_true(cloud_telegram_press(bench->cloud, T0, 42, 42, 1, SLICE("Approve")));
    assert_false(cloud_telegram_press(bench->cloud, T0, 42, 42, 1, SLICE("Postpone")));
    assert_false(cloud_telegram_press(bench->cloud, T0, 42, 42, 9, SLICE("Approve")));
    cloud_telegram_say(bench->cloud, T0, 42, 42, SLICE("hello"), 1);
    assert_int_equal(ask(bench, T0, "getUpdates", "{\"timeout\":50}"), 200);
    assert_int_equal(json_array_size(json_object_get(bench->body, "result")), 2);
    assert_true(slice_is(json_text_at(bench->body, "result.0.callback_query.data"), "p:a:1"));
    assert_int_equal(number_at(bench, "result.1.message.reply_to_message.from.id"), 7000001);
    assert_true(bench->reply.latency_ms < 1000);
    assert_int_equal(ask(bench, T0, "getUpdates", "{\"offset\":1002,\"timeout\":50}"), 200);
    assert_int_equal(number_at(bench, "result.0.update_id"), 1002);
    assert_int_equal(ask(bench, T0, "getUpdates", "{\"offset\":1003,\"timeout\":50}"), 200);
    assert_int_equal(json_array_size(json_object_get(bench->body, "result")), 0);
    assert_int_equal(bench->reply.latency_ms, 50000);
}

static void bounds_are_those_of_the_service(void **state)
{
    struct bench *bench = *state;
    char body[5000], text[4200];

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    snprintf(body, sizeof(body), "{\"chat_id\":1,\"text\":\"%s\"}", text);
    assert_int_equal(ask(bench, T0, "sendMessage", body), 400);
    text[4096] = '\0';
    snprintf(body, sizeof(body), "{\"chat_id\":1,\"text\":\"%s\"}", text);
    assert_int_equal(ask(bench, T0, "sendMessage", body), 200);
    text[65] = '\0';
    snprintf(body, sizeof(body),
             "{\"chat_id\":2,\"text\":\"x\",\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"a\",\"callback_data\":"
             "\"%s\"}]]}}",
             text);
    assert_int_equal(ask(bench, T0, "sendMessage", body), 400);
    assert_int_equal(ask(bench, T0, "sendMessage", "{\"text\":\"x\"}"), 400);
    assert_int_equal(ask(bench, T0, "answerCallbackQuery", "{}"), 400);
}

static void faults_are_met(void **state)
{
    struct bench *bench = *state;

    assert_true(cloud_fault_set(bench->cloud, CLOUD_TELEGRAM, CLOUD_DROPPED, T0 + 1, 1000));
    ask(bench, T0, "sendMessage", question);
    assert_true(bench->reply.lost);
    assert_int_equal(bench->reply.answer.error, ERROR_LOST);
    assert_int_equal(cloud_counts(bench->cloud)->telegram_messages, 1);
    assert_true(cloud_fault_set(bench->cloud, CLOUD_TELEGRAM, CLOUD_INTERNAL, T0 + 20, 1000));
    assert_int_equal(ask(bench, T0 + 10, "sendMessage", question), 500);
    assert_true(cloud_fault_set(bench->cloud, CLOUD_TELEGRAM, CLOUD_KEY, T0 + 40, 1000));
    assert_int_equal(ask(bench, T0 + 30, "sendMessage", question), 401);
    assert_true(cloud_fault_set(bench->cloud, CLOUD_TELEGRAM, CLOUD_OUTAGE, T0 + 60, 1000));
    ask(bench, T0 + 50, "sendMessage", question);
    assert_true(bench->reply.absent);
    assert_false(cloud_fault_set(bench->cloud, CLOUD_TELEGRAM, CLOUD_GREYLIST, T0, 1000));
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH(tokens_are_checked),
        BENCH(messages_are_edited_and_the_same_edit_is_none),
        BENCH(limits_hold_a_chat_and_all_chats),
        BENCH(updates_stay_until_they_are_confirmed),
        BENCH(bounds_are_those_of_the_service),
        BENCH(faults_are_met),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
