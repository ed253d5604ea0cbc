// SPDX-License-Identifier: MIT
#include "actors/scheduler/planner.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t minute = 60000, hour = 3600000, day = 86400000, base = INT64_C(1700002800000); /* a full hour */

struct fired {
    size_t count, late;
    uint64_t missed;
    int64_t first, last;
};

static struct schedule schedule_of(const char *cron)
{
    struct schedule made = {.except = NULL};
    char problem[CRON_PROBLEM_BYTES];

    assert_true(cron_parse(slice_of(cron), &made.cron, problem));
    return made;
}

/* Works everything off at one moment. */
static struct fired fires(const struct planner_rule *rule, int64_t mark, int64_t now)
{
    struct fired fired = {0};

    for (int turns = 0; turns < 1000; turns++) {
        struct plan plan = planner_next(rule, mark, now);
        if (plan.kind == PLAN_WAIT) {
            assert_true(plan.at_ms > now);
            return fired;
        }
        assert_true(plan.at_ms > mark && plan.at_ms <= now);
        mark = plan.at_ms;
        fired.missed += plan.missed;
        if (plan.kind != PLAN_FIRE)
            continue;
        fired.first = fired.count++ == 0 ? plan.at_ms : fired.first;
        fired.late += plan.is_late;
        fired.last = plan.at_ms;
    }
    fail();
    return fired;
}

static struct fired fires_in(const char *zone, const char *cron, enum missed_policy missed, int64_t grace_ms,
                             const int64_t span[2])
{
    struct schedule schedule = schedule_of(cron);
    struct zone *opened = zone_open(zone);

    assert_non_null(opened);
    struct fired fired = fires(
        &(struct planner_rule){
            .schedule = &schedule, .zone = opened, .name = SLICE("w/0"), .missed = missed, .grace_ms = grace_ms},
        span[0], span[1]);
    zone_close(&opened);
    return fired;
}

#define FIRES(cron, missed, grace, from, until) fires_in("UTC", cron, missed, grace, (int64_t[2]){from, until})

static void test_missed_policies(void **state)
{
    int64_t now = base + 10 * hour + hour / 2;
    struct fired fired;

    (void)state;
    fired = FIRES("0 * * * *", MISSED_SKIP, 0, base, base + hour); /* on time */
    assert_true(fired.count == 1 && fired.late == 0 && fired.missed == 0);
    fired = FIRES("0 * * * *", MISSED_SKIP, 0, base, now);
    assert_true(fired.count == 0 && fired.missed == 10);
    fired = FIRES("0 * * * *", MISSED_SKIP, 2 * hour, base, now);
    assert_true(fired.count == 1 && fired.late == 0 && fired.missed == 9 && fired.first == base + 10 * hour);
    for (int ask = 0; ask < 2; ask++) {
        fired = FIRES("0 * * * *", ask ? MISSED_ASK : MISSED_ONCE, 0, base, now);
        assert_true(fired.count == 1 && fired.late == 1 && fired.missed == 9 && fired.last == base + 10 * hour);
        fired = FIRES("0 * * * *", ask ? MISSED_ASK : MISSED_ONCE, 0, base, base + 10 * hour);
        assert_true(fired.count == 1 && fired.late == 0);
    }
    fired = FIRES("0 * * * *", MISSED_ALL, 2 * hour, base, now);
    assert_true(fired.count == 10 && fired.late == 8 && fired.missed == 0 && fired.first == base + hour);
    fired = FIRES("0 * * * *", MISSED_ALL, 0, base, base + 200 * hour);
    assert_true(fired.count == PLANNER_ALL_MAX && fired.missed == 100 && fired.first == base + 101 * hour);
    fired = FIRES("0 * * * *", MISSED_ALL, 0, base, base + 5000 * hour + minute);
    assert_true(fired.count == PLANNER_ALL_MAX && fired.last == base + 5000 * hour);
    assert_true(fired.first == base + 4901 * hour);
}

static void test_grace_counts_from_when_it_was_to_happen(void **state)
{
    struct schedule schedule = schedule_of("0 * * * *");
    struct zone *zone = zone_open("UTC");
    struct planner_rule rule = {&schedule, zone, SLICE("w/0"), MISSED_SKIP, 0};
    int64_t at = base + hour;

    (void)state;
    schedule.jitter_ms = hour;
    int64_t delay = schedule_delay(&schedule, SLICE("w/0"), at);
    assert_true(delay > 0 && delay < hour);
    assert_int_equal(planner_next(&rule, base, at + delay + minute - 1).kind, PLAN_FIRE);
    assert_int_equal(planner_next(&rule, base, at + delay + minute + 1).kind, PLAN_SKIP);
    zone_close(&zone);
}

/* The latest ones are found however far the mark lies behind, in any pattern. */
static void test_years_off_end_soon(void **state)
{
    static const struct {
        const char *cron;
        int64_t last, first;
    } cases[] = {
        {"* * * * *", 1735691400000, 1735685460000}, /* 00:30 back to 22:51 */
        {"* * 1 1 *", 1735691400000,
         1704149460000}, /* 31 of this New Year's Day, and of the one before from 22:51 on */
        {"0 0 29 2 *", 1709164800000, 1709164800000},  /* the only one */
        {"* * * 1-6 *", 1735691400000, 1719787860000}, /* 31, and June's last 69 */
    };
    int64_t now = INT64_C(1735691430000); /* 2025-01-01T00:30:30Z */

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fired fired = FIRES(cases[i].cron, MISSED_ALL, 0, base, now);
        assert_int_equal(fired.last, cases[i].last);
        assert_int_equal(fired.first, cases[i].first);
        assert_int_equal(fired.count, i == 2 ? 1 : PLANNER_ALL_MAX);
        assert_true(i == 2 || fired.missed == PLANNER_COUNT_MAX - PLANNER_ALL_MAX);
        fired = FIRES(cases[i].cron, MISSED_ONCE, 0, base, now);
        assert_true(fired.count == 1 && fired.last == cases[i].last);
    }
}

static void test_clock_that_went_back_waits(void **state)
{
    (void)state;
    assert_int_equal(FIRES("0 * * * *", MISSED_ALL, 0, base + 5 * hour, base).count, 0);
}

/* Every occurrence of a day with a clock change, met on time and met late. */
static void test_clock_changes(void **state)
{
    static const struct {
        const char *cron;
        int64_t from; /* midnight in Berlin */
        size_t count;
    } cases[] = {
        {"30 2 * * *", INT64_C(1711839600000), 1}, /* 2024-03-31: 02:30 does not exist, and runs once */
        {"30 2 * * *", INT64_C(1729980000000), 1}, /* 2024-10-27: 02:30 comes twice, and runs once */
        {"*/30 * * * *", INT64_C(1711839600000), 46}, {"*/30 * * * *", INT64_C(1729980000000), 50},
        {"0 9 * * *", INT64_C(1711839600000), 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t hours = cases[i].from == INT64_C(1711839600000) ? 23 : 25;
        int64_t from = cases[i].from - 1, until = cases[i].from + hours * hour - 1;
        size_t met = 0;
        for (int64_t now = from; now <= until; now += minute) {
            int64_t span[2] = {now - minute > from ? now - minute : from, now};
            met += fires_in("Europe/Berlin", cases[i].cron, MISSED_ALL, 0, span).count;
        }
        assert_int_equal(met, cases[i].count);
        assert_int_equal(fires_in("Europe/Berlin", cases[i].cron, MISSED_ALL, 0, (int64_t[2]){from, until}).count,
                         cases[i].count);
    }
}

static void test_excepted_days_are_not_missed(void **state)
{
    struct schedule schedule = schedule_of("0 12 * * *");
    struct zone *zone = zone_open("UTC");
    struct schedule_days days;
    char problem[CRON_PROBLEM_BYTES];

    (void)state;
    assert_true(schedule_days_read(SLICE("11-16..11-18"), &days, problem));
    schedule.except = &days;
    schedule.except_count = 1;
    struct fired fired =
        fires(&(struct planner_rule){&schedule, zone, SLICE("w/0"), MISSED_ALL, 0}, base, base + 7 * day);
    assert_true(fired.count == 4 && fired.missed == 0);
    assert_int_equal(
        fires(&(struct planner_rule){&schedule, zone, SLICE("w/0"), MISSED_ONCE, 0}, base + day, base + 4 * day).count,
        0);
    zone_close(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missed_policies),    cmocka_unit_test(test_grace_counts_from_when_it_was_to_happen),
        cmocka_unit_test(test_years_off_end_soon), cmocka_unit_test(test_clock_that_went_back_waits),
        cmocka_unit_test(test_clock_changes),      cmocka_unit_test(test_excepted_days_are_not_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
