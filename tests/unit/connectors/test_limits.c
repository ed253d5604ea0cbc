// SPDX-License-Identifier: MIT
/* What services tell about their limits: Shopify's two buckets and Retry-After in both forms. */
#include "connectors/connector.h"
#include "connectors/shopify/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* 1994-11-06 08:49:00 UTC */
static const int64_t NOW_MS = 784111740000;

static struct answer answer_of(int status, const char *name, const char *value, const char *body)
{
    struct answer answer = {.status = status, .body = slice_of(body)};

    if (name != NULL) {
        answer.headers[0] = (struct call_header){slice_of(name), slice_of(value)};
        answer.header_count = 1;
    }
    return answer;
}

static void test_retry_after_in_both_forms(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"2.0", 2000},
                 {"120", 120000},
                 {"Sun, 06 Nov 1994 08:49:37 GMT", 37000},
                 {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
                 {"Mon, 06 Nov 2034 08:49:37 GMT", 7 * INT64_C(86400000)},
                 {"Sun, 06 Nev 1994 08:49:37 GMT", -1},
                 {"Sun, 06 ovD 1994 08:49:37 GMT", -1},
                 {"Sun, 06 Nov 1994 08:49:37 CET", -1},
                 {"Sun, 06 Nov 1994 08:49:37 GMT!", -1},
                 {"Sun, 36 Nov 1994 08:49:37 GMT", -1},
                 {"soon", -1},
                 {"-5", -1},
                 {"", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answer answer = answer_of(429, "retry-after", cases[i].text, "");
        assert_int_equal(connector_retry_after_at(&answer, NOW_MS), cases[i].ms);
    }
}

static void test_rest_tells_its_bucket(void **state)
{
    struct answer answer = answer_of(200, "x-shopify-shop-api-call-limit", "32/40", "{}");
    struct usage usage;

    (void)state;
    shopify_usage(&answer, NOW_MS, &usage);
    assert_int_equal(usage.bucket_used, 32);
    assert_int_equal(usage.bucket_size, 40);
    assert_int_equal(usage.bucket_milli_per_s, 2000);
    assert_false(usage.limited);
    answer = answer_of(200, "x-shopify-shop-api-call-limit", "1/400", "{}");
    shopify_usage(&answer, NOW_MS, &usage);
    assert_int_equal(usage.bucket_milli_per_s, 20000);
    static const char *const nonsense[] = {"40", "-1/40", "1/0", "1/40 ", "1/9999999", "x/y", ""};
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        answer = answer_of(200, "x-shopify-shop-api-call-limit", nonsense[i], "{}");
        shopify_usage(&answer, NOW_MS, &usage);
        assert_int_equal(usage.bucket_size, 0);
    }
}

static void test_graphql_tells_its_points(void **state)
{
    struct answer answer =
        answer_of(200, NULL, NULL,
                  "{\"data\":{},\"extensions\":{\"cost\":{\"requestedQueryCost\":101,\"actualQueryCost\":46,"
                  "\"throttleStatus\":{\"maximumAvailable\":2000.0,\"currentlyAvailable\":1990,"
                  "\"restoreRate\":100.0}}}}");
    struct usage usage;

    (void)state;
    shopify_usage(&answer, NOW_MS, &usage);
    assert_int_equal(usage.used, 46);
    assert_int_equal(usage.bucket_used, 10);
    assert_int_equal(usage.bucket_size, 2000);
    assert_int_equal(usage.bucket_milli_per_s, 100000);
    assert_false(usage.limited);
    answer = answer_of(200, NULL, NULL,
                       "{\"errors\":[{\"message\":\"Throttled\",\"extensions\":{\"code\":\"THROTTLED\"}}],"
                       "\"extensions\":{\"cost\":{\"requestedQueryCost\":400,\"throttleStatus\":{"
                       "\"maximumAvailable\":1000.0,\"currentlyAvailable\":300,\"restoreRate\":50.0}}}}");
    shopify_usage(&answer, NOW_MS, &usage);
    assert_true(usage.limited);
    assert_int_equal(usage.retry_after_ms, 2001);
    assert_int_equal(usage.bucket_used, 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_after_in_both_forms),
        cmocka_unit_test(test_rest_tells_its_bucket),
        cmocka_unit_test(test_graphql_tells_its_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
