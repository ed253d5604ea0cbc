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
static const char prompt[] = "{\"contents\":[{\"parts\":[{\"text\":\"Order #1001 says hello\"}]}],"
                             "\"generationConfig\":{\"maxOutputTokens\":64}}";

static struct call gemini_call(const char *body)
{
    return (struct call){.kind = CALL_HTTP,
                         .url = SLICE("https://127.0.0.1/v1beta/models/gemini-3.8-flash:generateContent"),
                         .method = SLICE("POST"),
                         .body = slice_of(body),
                         .auth = AUTH_HEADER,
                         .auth_name = SLICE("x-goog-api-key"),
                         .secret = SLICE("gemini/key"),
                         .idempotent = true,
                         .timeout_ms = 120000};
}

static const char mail[] =
    "From: <a@example.com>\r\nTo: kim@example.net\r\nSubject: Hi\r\n"
    "Date: Sun, 22 Nov 2026 20:00:00 +0000\r\nMessage-ID: <job-1.pi@example.com>\r\n\r\nHello\r\n";

static struct call mail_call(const char *body)
{
    return (struct call){.kind = CALL_SMTP,
                         .url = SLICE("smtp://127.0.0.1:25/x"),
                         .body = slice_of(body),
                         .mail_from = SLICE("a@example.com"),
                         .mail_to = SLICE("kim@example.net"),
                         .timeout_ms = 60000};
}

static int cloud_open(void **state)
{
    struct cloud_options options = {
        .gemini_per_minute = 3,
        .gemini_per_day = 8,
        .hooks = {{SLICE("orders/create"), SLICE("http://127.0.0.1:1/hooks/create"), SLICE("hush")},
                  {SLICE("orders/updated"), SLICE("http://127.0.0.1:1/hooks/updated"), SLICE("hush")}},
        .hook_count = 2,
        .guest_permille = 300,
    };
    *state = cloud_new(7, &options);
    return 0;
}

static int cloud_close(void **state)
{
    struct cloud *cloud = *state;

    cloud_destroy(&cloud);
    assert_null(cloud);
    return 0;
}

static int gemini_status(struct cloud *cloud, int64_t now_ms)
{
    struct call call = gemini_call(prompt);
    struct cloud_reply reply;

    cloud_answer(cloud, now_ms, &call, &reply);
    return reply.answer.error == ERROR_OK ? reply.answer.status : -(int)reply.answer.error;
}

static json_t *body_of(const struct cloud_reply *reply)
{
    struct json_problem problem;
    json_t *body = json_read(reply->answer.body, &problem);

    assert_non_null(body);
    return body;
}

static void test_minute_limit_rolls(void **state)
{
    struct cloud *cloud = *state;

    assert_int_equal(gemini_status(cloud, T0), 200);
    assert_int_equal(gemini_status(cloud, T0 + 1000), 200);
    assert_int_equal(gemini_status(cloud, T0 + 2000), 200);
    assert_int_equal(gemini_status(cloud, T0 + 59999), 429);
    assert_int_equal(gemini_status(cloud, T0 + 60000), 200);
    assert_int_equal(gemini_status(cloud, T0 + 60001), 429);
    assert_int_equal(gemini_status(cloud, T0 + 61000), 200);
    assert_int_equal(cloud_counts(cloud)->gemini_violations, 2);
    assert_int_equal(cloud_counts(cloud)->gemini_done, 5);
    assert_int_equal(cloud_counts(cloud)->gemini_requests, 7);
}

static void test_day_limit_starts_again(void **state)
{
    struct cloud *cloud = *state;
    struct call call = gemini_call(prompt);
    struct cloud_reply reply;

    for (int i = 0; i < 8; i++)
        assert_int_equal(gemini_status(cloud, T0 + i * 60000), 200);
    cloud_answer(cloud, T0 + 3600000, &call, &reply);
    assert_int_equal(reply.answer.status, 429);
    assert_non_null(memmem(reply.answer.body.data, reply.answer.body.size, "PerDay", 6));
    json_decref(body_of(&reply));
    assert_int_equal(gemini_status(cloud, T0 + 4 * 3600000), 200);
}

static void test_answers_fit_the_schema(void **state)
{
    struct cloud *cloud = *state;
    struct call call = gemini_call(
        "{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}],\"generationConfig\":{\"responseSchema\":{\"type\":\"OBJECT\","
        "\"properties\":{\"gift\":{\"type\":\"BOOLEAN\"},\"tags\":{\"type\":\"ARRAY\",\"items\":{\"type\":\"STRING\","
        "\"enum\":[\"a\",\"b\"]}}}}}}");
    struct cloud_reply reply;
    struct json_problem problem;

    cloud_answer(cloud, T0, &call, &reply);
    json_t *body = body_of(&reply);
    json_t *object = json_read(json_text_at(body, "candidates.0.content.parts.0.text"), &problem);
    assert_true(json_is_boolean(json_at(object, "gift")));
    assert_int_equal(json_text_at(object, "tags.0").size, 1);
    json_decref(object);
    json_decref(body);
}

static void test_wrong_calls(void **state)
{
    struct cloud *cloud = *state;
    struct call call = gemini_call("{}");
    struct cloud_reply reply;

    cloud_answer(cloud, T0, &call, &reply);
    assert_int_equal(reply.answer.status, 400);
    call.auth = AUTH_NONE;
    cloud_answer(cloud, T0, &call, &reply);
    assert_int_equal(reply.answer.status, 403);
    call.url = SLICE("https://127.0.0.1/elsewhere");
    cloud_answer(cloud, T0, &call, &reply);
    assert_int_equal(reply.answer.status, 404);
    assert_int_equal(cloud_counts(cloud)->unknown_calls, 1);
    assert_int_equal(cloud_counts(cloud)->gemini_done, 0);
}

static void test_every_gemini_fault_happens_and_ends(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *mark;
    } faults[] = {
        {"limited", 429, "RetryInfo"},     {"retry-after", 429, "exhausted"},  {"day-quota", 429, "PerDay"},
        {"internal", 500, "INTERNAL"},     {"overloaded", 503, "UNAVAILABLE"}, {"html", 200, "<html>"},
        {"max-tokens", 200, "MAX_TOKENS"}, {"safety", 200, "blockReason"},     {"key", 400, "API_KEY_INVALID"},
    };
    struct cloud *cloud = *state;
    struct call call = gemini_call(prompt);
    struct cloud_reply reply;
    enum cloud_fault fault;

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_true(cloud_fault_find(slice_of(faults[i].name), &fault));
        int64_t now_ms = T0 + (int64_t)i * 86400000;
        assert_true(cloud_fault_set(cloud, CLOUD_GEMINI, fault, now_ms + 1000, 1000));
        cloud_answer(cloud, now_ms, &call, &reply);
        assert_int_equal(reply.answer.status, faults[i].status);
        assert_non_null(memmem(reply.answer.body.data, reply.answer.body.size, faults[i].mark, strlen(faults[i].mark)));
        assert_int_equal(gemini_status(cloud, now_ms + 1000), 200);
    }
    assert_int_equal(cloud_counts(cloud)->faults, sizeof(faults) / sizeof(faults[0]));
}

static void test_spoiled_lost_and_absent(void **state)
{
    struct cloud *cloud = *state;
    struct call call = gemini_call(prompt);
    struct cloud_reply reply;
    struct json_problem problem;

    cloud_fault_set(cloud, CLOUD_GEMINI, CLOUD_TRUNCATED, T0 + 1, 1000);
    cloud_answer(cloud, T0, &call, &reply);
    assert_null(json_read(reply.answer.body, &problem));
    cloud_fault_set(cloud, CLOUD_GEMINI, CLOUD_DROPPED, T0 + 2, 1000);
    cloud_answer(cloud, T0 + 1, &call, &reply);
    assert_true(reply.lost);
    assert_int_equal(reply.answer.error, ERROR_TIMEOUT);
    assert_int_equal(cloud_counts(cloud)->gemini_done, 2);
    cloud_fault_set(cloud, CLOUD_GEMINI, CLOUD_OUTAGE, T0 + 3, 1000);
    assert_true(cloud_fault_total(cloud, CLOUD_GEMINI, CLOUD_OUTAGE, T0 + 2));
    cloud_answer(cloud, T0 + 2, &call, &reply);
    assert_true(reply.absent);
    assert_int_equal(reply.answer.error, ERROR_OFFLINE);
    assert_int_equal(cloud_counts(cloud)->gemini_done, 2);
    assert_false(cloud_fault_set(cloud, CLOUD_GEMINI, CLOUD_GREYLIST, T0, 1000));
    assert_false(cloud_fault_set(cloud, CLOUD_SMTP, CLOUD_OUTAGE, T0, 1001));
}

static void test_mails_are_counted_by_message_id(void **state)
{
    struct cloud *cloud = *state;
    struct call call = mail_call(mail);
    struct cloud_reply reply;

    cloud_answer(cloud, T0, &call, &reply);
    assert_int_equal(reply.answer.status, 250);
    cloud_fault_set(cloud, CLOUD_SMTP, CLOUD_DROPPED, T0 + 2, 1000);
    cloud_answer(cloud, T0 + 1, &call, &reply);
    assert_int_equal(reply.answer.error, ERROR_LOST);
    assert_int_equal(cloud_mail_count(cloud, SLICE("job-1.pi@example.com")), 2);
    assert_int_equal(cloud_mail_count(cloud, SLICE("job-2.pi@example.com")), 0);
    assert_int_equal(cloud_counts(cloud)->mails, 2);
    assert_int_equal(cloud_counts(cloud)->mails_repeated, 1);
    struct slice log = cloud_effects(cloud);
    assert_non_null(memmem(log.data, log.size, "\"message_id\":\"job-1.pi@example.com\"", 35));
}

static void test_thousands_of_mails(void **state)
{
    struct cloud *cloud = *state;
    struct cloud_reply reply;
    char text[400], id[64];

    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text),
                 "From: <a@example.com>\r\nTo: kim@example.net\r\nDate: x\r\nMessage-ID: <job-%d@b>\r\n\r\nHi\r\n", i);
        struct call call = mail_call(text);
        cloud_answer(cloud, T0, &call, &reply);
        assert_int_equal(reply.answer.status, 250);
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof(id), "job-%d@b", i);
        assert_int_equal(cloud_mail_count(cloud, slice_of(id)), 1);
    }
}

static void test_mail_refusals(void **state)
{
    static const struct {
        enum cloud_fault fault;
        int status;
    } modes[] = {{CLOUD_BUSY, 421},      {CLOUD_KEY, 535},     {CLOUD_NO_USER, 550},
                 {CLOUD_DAY_QUOTA, 550}, {CLOUD_LIMITED, 450}, {CLOUD_GREYLIST, 451}};
    struct cloud *cloud = *state;
    struct call call = mail_call(mail), bare = mail_call("From: a\nTo: b\n\n");
    struct cloud_reply reply;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        cloud_fault_set(cloud, CLOUD_SMTP, modes[i].fault, T0 + 1, 1000);
        cloud_answer(cloud, T0, &call, &reply);
        assert_int_equal(reply.answer.status, modes[i].status);
        cloud_fault_set(cloud, CLOUD_SMTP, modes[i].fault, T0 + 1, 0);
    }
    cloud_answer(cloud, T0, &bare, &reply);
    assert_int_equal(reply.answer.status, 554);
    assert_int_equal(cloud_counts(cloud)->mails, 0);
    assert_int_equal(cloud_counts(cloud)->mails_refused, 7);
}

static void test_same_seed_same_world(void **state)
{
    struct cloud_options options = {.hooks = {{SLICE("orders/create"), SLICE("http://127.0.0.1:1/"), SLICE("k")}},
                                    .hook_count = 1};
    char *worlds[2];
    (void)state;

    for (int i = 0; i < 2; i++) {
        struct cloud *cloud = cloud_new(42, &options);
        struct answer ok = {.error = ERROR_OK, .status = 200};
        struct call call;
        uint64_t ticket;
        cloud_fault_set(cloud, CLOUD_SHOPIFY, CLOUD_DUPLICATE, T0 + 100000, 300);
        assert_true(cloud_orders_place(cloud, T0, 50, 100));
        while (cloud_delivery_take(cloud, T0 + 60000, &ticket, &call))
            cloud_delivery_told(cloud, T0 + 50000, ticket, &ok);
        assert_int_equal(cloud_delivery_pending(cloud), 0);
        assert_true(cloud_counts(cloud)->deliveries_repeated > 0);
        worlds[i] = slice_dup(cloud_effects(cloud));
        cloud_destroy(&cloud);
    }
    assert_string_equal(worlds[0], worlds[1]);
    free(worlds[0]);
    free(worlds[1]);
}

int main(void)
{
#define CLOUD_TEST(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)
    const struct CMUnitTest tests[] = {
        CLOUD_TEST(test_minute_limit_rolls),
        CLOUD_TEST(test_day_limit_starts_again),
        CLOUD_TEST(test_answers_fit_the_schema),
        CLOUD_TEST(test_wrong_calls),
        CLOUD_TEST(test_every_gemini_fault_happens_and_ends),
        CLOUD_TEST(test_spoiled_lost_and_absent),
        CLOUD_TEST(test_mails_are_counted_by_message_id),
        CLOUD_TEST(test_thousands_of_mails),
        CLOUD_TEST(test_mail_refusals),
        cmocka_unit_test(test_same_seed_same_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
