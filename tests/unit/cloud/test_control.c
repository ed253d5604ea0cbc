// SPDX-License-Identifier: MIT
#include "tests/cloud/control.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t T0 = 1795377600000;

struct bench {
    struct cloud *cloud;
    struct buffer body;
};

static int bench_open(void **state)
{
    struct cloud_options options = {.hooks = {{SLICE("orders/create"), SLICE("http://127.0.0.1:1/"), SLICE("k")}},
                                    .hook_count = 1};
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->cloud = cloud_new(5, &options);
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;

    cloud_destroy(&bench->cloud);
    buffer_free(&bench->body);
    free(bench);
    return 0;
}

static int ask(struct bench *bench, const char *method, const char *path, const char *body)
{
    struct http_request request = {.method = slice_of(method), .path = slice_of(path), .body = slice_of(body)};

    assert_true(cloud_control_owns(&request));
    return cloud_control(bench->cloud, T0, &request, &bench->body);
}

static void test_faults_are_switched(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(ask(bench, "POST", "/_cloud/fault",
                         "{\"service\":\"gemini\",\"kind\":\"outage\",\"for_ms\":1000,\"probability\":1}"),
                     200);
    assert_true(cloud_fault_total(bench->cloud, CLOUD_GEMINI, CLOUD_OUTAGE, T0 + 999));
    assert_false(cloud_fault_total(bench->cloud, CLOUD_GEMINI, CLOUD_OUTAGE, T0 + 1000));
    assert_int_equal(ask(bench, "POST", "/_cloud/fault", "{\"service\":\"gemini\",\"kind\":\"greylist\",\"for_ms\":1}"),
                     400);
    assert_int_equal(ask(bench, "POST", "/_cloud/fault", "{\"service\":\"fax\",\"kind\":\"outage\",\"for_ms\":1}"),
                     400);
    assert_int_equal(ask(bench, "POST", "/_cloud/fault", "{\"service\":\"smtp\",\"kind\":\"outage\",\"for_ms\":-1}"),
                     400);
    assert_int_equal(ask(bench, "POST", "/_cloud/fault",
                         "{\"service\":\"smtp\",\"kind\":\"outage\",\"for_ms\":1,\"probability\":1.1}"),
                     400);
    assert_int_equal(ask(bench, "POST", "/_cloud/fault", "nonsense"), 400);
}

static void test_orders_counts_effects(void **state)
{
    struct bench *bench = *state;
    struct call call;
    uint64_t ticket;

    assert_int_equal(ask(bench, "POST", "/_cloud/orders", "{\"count\":3,\"rate\":60000}"), 200);
    assert_int_equal(ask(bench, "POST", "/_cloud/orders", "{\"count\":0}"), 400);
    assert_int_equal(ask(bench, "GET", "/_cloud/pending", ""), 200);
    assert_true(slice_is(buffer_slice(&bench->body), "{\"deliveries\":3}"));
    assert_true(cloud_delivery_take(bench->cloud, T0 + 10, &ticket, &call));
    assert_int_equal(ask(bench, "GET", "/_cloud/counts", ""), 200);
    assert_non_null(memmem(bench->body.data, bench->body.size, "\"orders\":3,\"deliveries\":1,", 26));
    assert_int_equal(ask(bench, "GET", "/_cloud/effects", ""), 200);
    assert_non_null(memmem(bench->body.data, bench->body.size, "\"what\":\"order\"", 14));
    assert_int_equal(ask(bench, "GET", "/_cloud/elsewhere", ""), 404);
    assert_int_equal(ask(bench, "PUT", "/_cloud/counts", ""), 405);
}

static void test_requests_become_calls(void **state)
{
    struct http_request request = {.method = SLICE("POST"),
                                   .path = SLICE("/v1beta/models/m:generateContent"),
                                   .headers = {{SLICE("X-Goog-Api-Key"), SLICE("k")}},
                                   .header_count = 1,
                                   .body = SLICE("{\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]}")};
    struct bench *bench = *state;
    struct cloud_reply reply;
    struct call call;

    cloud_call_of(&request, &bench->body, &call);
    cloud_answer(bench->cloud, T0, &call, &reply);
    assert_int_equal(reply.answer.status, 200);
    request.header_count = 0;
    cloud_call_of(&request, &bench->body, &call);
    cloud_answer(bench->cloud, T0, &call, &reply);
    assert_int_equal(reply.answer.status, 403);
}

int main(void)
{
#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_faults_are_switched),
        BENCH_TEST(test_orders_counts_effects),
        BENCH_TEST(test_requests_become_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
