// SPDX-License-Identifier: MIT
/* What services tell about their limits: Retry-After in both forms. */
#include "connectors/connector.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_after_in_both_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
