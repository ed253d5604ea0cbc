// SPDX-License-Identifier: MIT
#include "proto/text/json.h"
#include "tests/cloud/cloud.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t T0 = 1795377600000;

static struct cloud *cloud_open(void)
{
    struct cloud_options options = {0};

    return cloud_new(7, &options);
}

static struct call call_of(const char *method, const char *url, const char *key)
{
    struct call call = {.kind = CALL_HTTP,
                        .url = slice_of(url),
                        .method = slice_of(method),
                        .body = SLICE("{\"n\":5}"),
                        .timeout_ms = 30000};

    if (key != NULL)
        call.headers[call.header_count++] = (struct call_header){SLICE("Idempotency-Key"), slice_of(key)};
    return call;
}

static struct cloud_reply ask(struct cloud *cloud, const char *method, const char *url, const char *key)
{
    struct call call = call_of(method, url, key);
    struct cloud_reply reply;

    cloud_answer(cloud, T0, &call, &reply);
    return reply;
}

static void test_echo(void **state)
{
    struct cloud *cloud = cloud_open();
    struct cloud_reply reply = ask(cloud, "POST", "http://127.0.0.1:1/echo/a?b=1", "k");
    struct json_problem problem;
    json_t *told = json_read(reply.answer.body, &problem);

    (void)state;
    assert_int_equal(reply.answer.status, 200);
    assert_true(slice_is(json_text_at(told, "path"), "/echo/a?b=1"));
    assert_int_equal(json_integer_value(json_at(told, "body.n")), 5);
    assert_int_equal(json_integer_value(json_at(told, "count")), 1);
    assert_true(json_is_false(json_at(told, "authorized")));
    json_decref(told);
    assert_int_equal(ask(cloud, "GET", "http://127.0.0.1/echo/status/404", NULL).answer.status, 404);
    assert_int_equal(ask(cloud, "GET", "http://127.0.0.1/echo/status/x04", NULL).answer.status, 200);
    assert_int_equal(ask(cloud, "GET", "http://127.0.0.1/echo/redirect", NULL).answer.status, 302);
    assert_true(ask(cloud, "GET", "http://127.0.0.1/echo/big", NULL).answer.body.size > 65536);
    assert_true(slice_is(ask(cloud, "GET", "http://127.0.0.1/echo/text", NULL).answer.body, "plain words"));
    assert_int_equal(ask(cloud, "GET", "http://127.0.0.1/other", NULL).answer.status, 404);
    assert_int_equal(cloud_counts(cloud)->unknown_calls, 1);
    assert_int_equal(cloud_counts(cloud)->http_requests, 6);
    assert_int_equal(cloud_counts(cloud)->http_done, 4);
    cloud_destroy(&cloud);
}

static void test_deeds_are_counted_by_key(void **state)
{
    struct cloud *cloud = cloud_open();
    char key[16];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        ask(cloud, "POST", "http://127.0.0.1/echo/a", key);
    }
    assert_int_equal(cloud_counts(cloud)->http_repeated, 0);
    ask(cloud, "POST", "http://127.0.0.1/echo/a", "k500");
    ask(cloud, "POST", "http://127.0.0.1/echo/b", "k500");
    ask(cloud, "PATCH", "http://127.0.0.1/echo/a", "k500");
    ask(cloud, "PUT", "http://127.0.0.1/echo/a", NULL);
    ask(cloud, "PUT", "http://127.0.0.1/echo/a", NULL);
    assert_int_equal(cloud_counts(cloud)->http_repeated, 1);
    assert_int_equal(cloud_counts(cloud)->http_done, 1005);
    cloud_destroy(&cloud);
}

static void test_faults(void **state)
{
    static const struct {
        enum cloud_fault fault;
        int status;
        uint64_t done;
        enum error error;
    } cases[] = {{CLOUD_INTERNAL, 500, 0, ERROR_OK},    {CLOUD_LIMITED, 429, 0, ERROR_OK},
                 {CLOUD_RETRY_AFTER, 429, 0, ERROR_OK}, {CLOUD_OVERLOADED, 503, 0, ERROR_OK},
                 {CLOUD_DROPPED, 0, 1, ERROR_LOST},     {CLOUD_OUTAGE, 0, 0, ERROR_OFFLINE}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cloud *cloud = cloud_open();
        assert_true(cloud_fault_set(cloud, CLOUD_HTTP, cases[i].fault, T0 + 1000, 1000));
        struct cloud_reply reply = ask(cloud, "POST", "http://127.0.0.1/echo/a", "k");
        assert_int_equal(reply.answer.status, cases[i].status);
        assert_int_equal(reply.answer.error, cases[i].error);
        assert_int_equal(cloud_counts(cloud)->http_done, cases[i].done);
        assert_int_equal(answer_header(&reply.answer, "retry-after").size > 0,
                         cases[i].fault == CLOUD_RETRY_AFTER || cases[i].fault == CLOUD_OVERLOADED);
        cloud_destroy(&cloud);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_echo), cmocka_unit_test(test_deeds_are_counted_by_key),
                                       cmocka_unit_test(test_faults)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
