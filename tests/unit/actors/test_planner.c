// SPDX-License-Identifier: MIT
#include "actors/scheduler/planner.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const int64_t hour = 3600000, base = INT64_C(1700002800000); /* a full hour */

static struct workflow_trigger trigger(const char *cron, enum missed_policy missed, int64_t grace_ms)
{
    struct workflow_trigger made = {.kind = TRIGGER_SCHEDULE, .missed = missed, .grace_ms = grace_ms};
    char problem[CRON_PROBLEM_BYTES];

    assert_true(cron_parse(slice_of(cron), &made.cron, problem));
    return made;
}

/* Works everything off at one moment; returns how many fired, with the first and last of them. */
static size_t fires(const struct workflow_trigger *made, int64_t mark, int64_t now, int64_t *first, int64_t *last)
{
    struct zone *zone = zone_open("UTC");
    size_t count = 0;

    for (int turns = 0; turns < 1000; turns++) {
        struct plan plan = planner_next(made, zone, mark, now);
        if (plan.kind == PLAN_WAIT) {
            assert_true(plan.at_ms > now);
            break;
        }
        assert_true(plan.at_ms > mark && plan.at_ms <= now);
        mark = plan.at_ms;
        if (plan.kind != PLAN_FIRE)
            continue;
        *first = count++ == 0 ? plan.at_ms : *first;
        *last = plan.at_ms;
    }
    zone_close(&zone);
    return count;
}

static void test_missed_policies(void **state)
{
    int64_t first = 0, last = 0, now = base + 10 * hour + hour / 2;
    struct workflow_trigger made = trigger("0 * * * *", MISSED_SKIP, 0);

    (void)state;
    assert_int_equal(fires(&made, base, base + hour, &first, &last), 1); /* on time */
    assert_int_equal(fires(&made, base, now, &first, &last), 0);
    made = trigger("0 * * * *", MISSED_SKIP, 2 * hour);
    assert_int_equal(fires(&made, base, now, &first, &last), 1);
    assert_int_equal(first, base + 10 * hour);
    made = trigger("0 * * * *", MISSED_ONCE, 0);
    assert_int_equal(fires(&made, base, now, &first, &last), 1);
    assert_int_equal(last, base + 10 * hour);
    assert_int_equal(fires(&made, base, base + 10 * hour, &first, &last), 1);
    made = trigger("0 * * * *", MISSED_ALL, 0);
    assert_int_equal(fires(&made, base, now, &first, &last), 10);
    assert_int_equal(fires(&made, base, base + 1000 * hour + hour / 2, &first, &last), PLANNER_ALL_MAX);
    assert_int_equal(last, base + 1000 * hour);
    assert_int_equal(first, base + 901 * hour);
}

static void test_year_off_ends_soon(void **state)
{
    int64_t first = 0, last = 0, now = base + 365 * 24 * hour + 1800;
    struct workflow_trigger made = trigger("* * * * *", MISSED_ALL, 0);

    (void)state;
    assert_in_range(fires(&made, base, now, &first, &last), PLANNER_ALL_MAX, PLANNER_ALL_MAX + 2);
    assert_int_equal(last, base + 365 * 24 * hour);
}

static void test_clock_that_went_back_waits(void **state)
{
    int64_t first, last;
    struct workflow_trigger made = trigger("0 * * * *", MISSED_ALL, 0);

    (void)state;
    assert_int_equal(fires(&made, base + 5 * hour, base, &first, &last), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missed_policies),
        cmocka_unit_test(test_year_off_ends_soon),
        cmocka_unit_test(test_clock_that_went_back_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
