// SPDX-License-Identifier: MIT
#include "actors/limiter/breaker.h"
#include "actors/limiter/budget.h"
#include "connectors/gemini/quota.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int64_t below(uint64_t *state, int64_t bound)
{
    return (int64_t)(next(state) % (uint64_t)bound);
}

enum { ARRIVALS_MAX = 20000 };

/* A life of one gate: calls travel for random times, the process and the machine crash, the wall clock steps. What the
 * service sees is kept in true time, which nobody in the program knows. */
struct life {
    uint64_t random;
    struct budget_limits limits;
    struct budget budget;
    int64_t true_ms, boot_ms, wall_offset_ms;
    bool trusted;
    struct buffer saved;
    int64_t allowance;
    size_t under_way, on_the_way; /* of those under way, how many the service has not seen yet */
    int64_t *arrivals;            /* true time at which the service saw each */
    size_t arrived;
};

static struct budget_clock clock_of(const struct life *life)
{
    return (struct budget_clock){life->true_ms - life->boot_ms, life->true_ms + life->wall_offset_ms, life->trusted};
}

static void save(struct life *life)
{
    struct budget_clock clock = clock_of(life);

    buffer_clear(&life->saved);
    life->allowance = budget_block(&life->budget);
    budget_save(&life->budget, &clock, life->allowance, &life->saved);
}

static void arrive(struct life *life)
{
    life->arrivals[life->arrived++] = life->true_ms;
}

static void crash(struct life *life, bool machine)
{
    budget_fini(&life->budget);
    life->under_way = 0;
    for (; life->on_the_way > 0; life->on_the_way--)
        arrive(life);
    life->true_ms += below(&life->random, 3000);
    if (machine) {
        life->boot_ms = life->true_ms;
        life->true_ms += below(&life->random, 60000);
        life->trusted = next(&life->random) % 2;
        /* An untrusted clock may say anything; a trusted one is right. */
        life->wall_offset_ms = life->trusted ? 1700000000000 : below(&life->random, 4000000000000) - 2000000000000;
    }
    struct budget_clock clock = clock_of(life);
    budget_init(&life->budget, &life->limits, &clock);
    assert_true(budget_load(&life->budget, &clock, buffer_slice(&life->saved)));
    life->allowance = 0;
}

static void end_one(struct life *life)
{
    struct budget_clock clock = clock_of(life);

    if (life->on_the_way > 0 && (life->on_the_way == life->under_way || next(&life->random) % 2)) {
        life->on_the_way--;
        arrive(life);
    }
    life->under_way--;
    assert_true(budget_end(&life->budget, &clock));
}

static void call(struct life *life)
{
    struct budget_clock clock = clock_of(life);
    int64_t when;

    if (life->arrived + life->on_the_way == ARRIVALS_MAX || budget_ask(&life->budget, &clock, 1, &when) != ERROR_OK)
        return;
    if (life->allowance == 0)
        save(life);
    life->allowance--;
    budget_take(&life->budget, &clock, 1);
    life->under_way++;
    /* The service sees it at once, or at the last moment, or somewhere between. */
    if (next(&life->random) % 2)
        arrive(life);
    else
        life->on_the_way++;
}

static void step(struct life *life)
{
    uint64_t what = next(&life->random) % 1000;

    if (what < 500)
        call(life);
    else if (what < 800 && life->under_way > 0)
        end_one(life);
    else if (what < 990)
        life->true_ms += below(&life->random, what % 10 == 0 ? 30000 : 400);
    else if (what < 996 && life->on_the_way > 0 && what % 2) {
        life->on_the_way--;
        arrive(life);
    } else if (what < 996)
        life->wall_offset_ms += life->trusted ? 0 : below(&life->random, 1000000) - 500000;
    else
        crash(life, what == 999);
}

static void assert_window_held(const struct life *life, int64_t count, int64_t per_ms)
{
    for (size_t i = (size_t)count; i < life->arrived; i++)
        assert_true(life->arrivals[i] - life->arrivals[i - (size_t)count] > per_ms);
}

/* The service's own leaky bucket never runs over. */
static void assert_bucket_held(const struct life *life, int64_t size, int64_t milli_per_s)
{
    int64_t level_micro = 0, last = 0;

    for (size_t i = 0; i < life->arrived; i++) {
        level_micro -= (life->arrivals[i] - last) * milli_per_s;
        level_micro = (level_micro < 0 ? 0 : level_micro) + 1000000;
        last = life->arrivals[i];
        assert_true(level_micro <= size * 1000000);
    }
}

static size_t live(uint64_t seed, const struct budget_limits *limits)
{
    struct life life = {.random = seed * 0x9e3779b97f4a7c15u + 1,
                        .limits = *limits,
                        .true_ms = 5000000,
                        .boot_ms = 1000,
                        .wall_offset_ms = 1700000000000,
                        .trusted = true};
    struct budget_clock clock = clock_of(&life);
    size_t seen;

    life.arrivals = xcalloc(ARRIVALS_MAX, sizeof(life.arrivals[0]));
    budget_init(&life.budget, limits, &clock);
    for (int i = 0; i < 20000; i++)
        step(&life);
    for (size_t i = 0; i < limits->window_count; i++)
        assert_window_held(&life, limits->windows[i].count, limits->windows[i].per_ms);
    if (limits->bucket_size > 0)
        assert_bucket_held(&life, limits->bucket_size, limits->refill_milli_per_s);
    seen = life.arrived;
    budget_fini(&life.budget);
    buffer_free(&life.saved);
    free(life.arrivals);
    return seen;
}

static void test_no_window_is_ever_exceeded(void **state)
{
    static const struct budget_limits kinds[] = {
        {.windows = {{5, 10000}}, .window_count = 1},
        {.windows = {{180, 600000}}, .window_count = 1},
        {.windows = {{3, 1000}, {20, 60000}}, .window_count = 2},
        {.windows = {{1000, 60000}}, .window_count = 1, .in_flight = 7},
        {.bucket_size = 40, .refill_milli_per_s = 2000},
        {.windows = {{30, 1000}}, .window_count = 1, .bucket_size = 3, .refill_milli_per_s = 500},
    };
    size_t seen = 0;

    (void)state;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
        for (uint64_t seed = 1; seed <= 12; seed++)
            seen += live(seed, &kinds[kind]);
    assert_true(seen > 10000);
}

static struct budget_clock at(int64_t now_ms)
{
    return (struct budget_clock){now_ms, 1700000000000 + now_ms, true};
}

static void take_and_end(struct budget *budget, int64_t now_ms, int64_t cost)
{
    struct budget_clock clock = at(now_ms);

    budget_take(budget, &clock, cost);
    assert_true(budget_end(budget, &clock));
}

static void test_window_tells_when(void **state)
{
    struct budget_limits limits = {.windows = {{2, 1000}}, .window_count = 1};
    struct budget_clock clock = at(100);
    struct budget budget;
    int64_t when;

    (void)state;
    budget_init(&budget, &limits, &clock);
    take_and_end(&budget, 100, 1);
    take_and_end(&budget, 400, 1);
    clock = at(500);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    assert_int_equal(when, 1101);
    assert_int_equal(budget_ask(&budget, &clock, 2, &when), ERROR_LIMITED);
    assert_int_equal(when, 1401);
    assert_int_equal(budget_ask(&budget, &clock, 3, &when), ERROR_INVALID);
    clock = at(1100);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    clock = at(1101);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_OK);
    budget_fini(&budget);
}

static void test_call_regains_nothing_until_it_ends(void **state)
{
    struct budget_limits limits = {.windows = {{1, 1000}}, .window_count = 1};
    struct budget_clock clock = at(0);
    struct budget budget;
    int64_t when;

    (void)state;
    budget_init(&budget, &limits, &clock);
    budget_take(&budget, &clock, 1);
    clock = at(5000);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    assert_true(budget_end(&budget, &clock));
    assert_false(budget_end(&budget, &clock));
    clock = at(6000);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    clock = at(6001);
    budget_take(&budget, &clock, 1);
    clock = at(6001 + BUDGET_CALL_MS_MAX);
    assert_int_equal(budget_expire(&budget, &clock), 1);
    clock = at(6001 + BUDGET_CALL_MS_MAX + 1001);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_OK);
    budget_fini(&budget);
}

static void test_days_follow_a_trusted_clock_forward(void **state)
{
    const int64_t day = 86400000;
    struct budget_limits limits = {.per_day = 2};
    struct budget_clock clock = {1000, 20000 * day + 1000, true};
    struct budget budget;
    int64_t when;

    (void)state;
    budget_init(&budget, &limits, &clock);
    for (int i = 0; i < 2; i++) {
        budget_take(&budget, &clock, 1);
        budget_end(&budget, &clock);
    }
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    assert_int_equal(when, 1000 + day - 1000);
    clock = (struct budget_clock){2000, 19999 * day, true};
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    clock = (struct budget_clock){3000, 20001 * day, false};
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    clock = (struct budget_clock){4000, 20001 * day, true};
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_OK);
    /* Spent under a clock nobody trusts: it may belong to the day that comes. */
    clock.wall_trusted = false;
    budget_take(&budget, &clock, 1);
    budget_end(&budget, &clock);
    clock = (struct budget_clock){5000, 20002 * day, true};
    assert_int_equal(budget_ask(&budget, &clock, 2, &when), ERROR_LIMITED);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_OK);
    budget_fini(&budget);
}

static int64_t pacific_day_end_ms(int64_t wall_ms)
{
    return quota_next_day_ms(wall_ms, DAY_RESET_PACIFIC);
}

/* Also over the short day of spring (2026-03-08) and the long one of autumn (2026-11-01). */
static void test_days_end_where_the_service_says(void **state)
{
    const int64_t day = 86400000, hour = 3600000;
    static const struct {
        int64_t noon_day, begin_hour, end_hour;
    } days[] = {{20514, 8, 8}, {20520, 8, 7}, {20521, 7, 7}, {20758, 7, 8}, {20759, 8, 8}};
    struct budget_limits limits = {.per_day = 1, .day_end_ms = pacific_day_end_ms};

    (void)state;
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        int64_t begin = days[i].noon_day * day + days[i].begin_hour * hour, when;
        int64_t end = (days[i].noon_day + 1) * day + days[i].end_hour * hour;
        struct budget_clock clock = {1000, begin - 1, true};
        struct budget budget;
        budget_init(&budget, &limits, &clock);
        assert_int_equal(budget_day_left_ms(&budget, &clock), 1);
        budget_take(&budget, &clock, 1);
        budget_end(&budget, &clock);
        assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
        assert_int_equal(when, 1001);
        clock.wall_ms = begin;
        budget_take(&budget, &clock, 1);
        budget_end(&budget, &clock);
        clock.wall_ms = (days[i].noon_day + 1) * day + hour; /* another day by UTC alone */
        assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
        assert_int_equal(when - 1000, end - clock.wall_ms);
        clock.wall_ms = end - 1;
        assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
        clock.wall_ms = end;
        assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_OK);
        budget_fini(&budget);
    }
}

static void test_elapsed_never_overstates(void **state)
{
    struct budget_clock then = {5000, 1000000, true};

    (void)state;
    assert_int_equal(budget_elapsed(&then, &(struct budget_clock){6000, 99000000, true}), 1000);
    assert_int_equal(budget_elapsed(&then, &(struct budget_clock){200, 1500000, true}), 500000);
    assert_int_equal(budget_elapsed(&then, &(struct budget_clock){200, 900000, true}), 200);
    assert_int_equal(budget_elapsed(&then, &(struct budget_clock){200, 99000000, false}), 200);
    then.wall_trusted = false;
    assert_int_equal(budget_elapsed(&then, &(struct budget_clock){200, 99000000, true}), 200);
}

static void test_unreadable_state_counts_as_all_spent(void **state)
{
    struct budget_limits limits = {
        .windows = {{3, 1000}}, .window_count = 1, .bucket_size = 2, .refill_milli_per_s = 1000, .per_day = 9};
    struct budget_clock clock = at(50000);
    struct budget budget;
    struct buffer saved = {NULL, 0, 0};
    int64_t when;

    (void)state;
    budget_init(&budget, &limits, &clock);
    budget_save(&budget, &clock, 1, &saved);
    for (size_t size = 0; size < saved.size; size++) {
        struct budget other;
        budget_init(&other, &limits, &clock);
        assert_false(budget_load(&other, &clock, (struct slice){saved.data, size}));
        assert_int_equal(budget_ask(&other, &clock, 1, &when), ERROR_LIMITED);
        budget_fini(&other);
    }
    buffer_free(&saved);
    budget_fini(&budget);
}

static void test_hold_survives_and_shrinks_by_time(void **state)
{
    struct budget_limits limits = {.windows = {{3, 1000}}, .window_count = 1};
    struct budget_clock clock = at(1000);
    struct budget budget, other;
    struct buffer saved = {NULL, 0, 0};
    int64_t when;

    (void)state;
    budget_init(&budget, &limits, &clock);
    budget_hold(&budget, &clock, 60000);
    budget_hold(&budget, &clock, 10);
    assert_int_equal(budget_ask(&budget, &clock, 1, &when), ERROR_LIMITED);
    assert_int_equal(when, 61000);
    budget_save(&budget, &clock, 1, &saved);
    clock = at(21000);
    budget_init(&other, &limits, &clock);
    assert_true(budget_load(&other, &clock, buffer_slice(&saved)));
    assert_int_equal(budget_held_ms(&other, &clock), 40000);
    buffer_free(&saved);
    budget_fini(&other);
    budget_fini(&budget);
}

static void test_breaker_opens_probes_and_ramps(void **state)
{
    struct breaker breaker = {0};
    int64_t when;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_false(breaker_learn(&breaker, 0, ERROR_FAILED));
    assert_false(breaker_learn(&breaker, 0, ERROR_REFUSED)); /* it answers: it is well */
    for (int i = 0; i < 4; i++)
        assert_false(breaker_learn(&breaker, 0, ERROR_OFFLINE));
    assert_true(breaker_learn(&breaker, 0, ERROR_TIMEOUT));
    assert_int_equal(breaker_ask(&breaker, 9999, 0, &when), ERROR_BREAKER);
    assert_int_equal(when, 10000);
    assert_int_equal(breaker_ask(&breaker, 10000, 0, &when), ERROR_OK);
    assert_int_equal(breaker_ask(&breaker, 10000, 1, &when), ERROR_BREAKER);
    assert_true(breaker_learn(&breaker, 11000, ERROR_OFFLINE));
    assert_int_equal(breaker.until_ms, 31000);
    assert_int_equal(breaker_ask(&breaker, 31000, 0, &when), ERROR_OK);
    breaker_learn(&breaker, 31100, ERROR_OK);
    assert_int_equal(breaker_ask(&breaker, 31100, 1, &when), ERROR_BREAKER);
    breaker_learn(&breaker, 31200, ERROR_OK);
    assert_int_equal(breaker_ask(&breaker, 31200, 1, &when), ERROR_OK);
    for (int i = 0; i < 6; i++)
        breaker_learn(&breaker, 31300, ERROR_OK);
    assert_int_equal(breaker_ask(&breaker, 31400, 60, &when), ERROR_OK);
    assert_int_equal(breaker.pause_ms, 0);
    for (int round = 0; round < 12; round++)
        for (int i = 0; i < 5; i++) {
            breaker_ask(&breaker, 1000000 * round + 999999, 0, &when);
            breaker_learn(&breaker, 1000000 * round, ERROR_FAILED);
        }
    assert_int_equal(breaker.pause_ms, 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_window_is_ever_exceeded),
        cmocka_unit_test(test_window_tells_when),
        cmocka_unit_test(test_call_regains_nothing_until_it_ends),
        cmocka_unit_test(test_days_follow_a_trusted_clock_forward),
        cmocka_unit_test(test_days_end_where_the_service_says),
        cmocka_unit_test(test_elapsed_never_overstates),
        cmocka_unit_test(test_unreadable_state_counts_as_all_spent),
        cmocka_unit_test(test_hold_survives_and_shrinks_by_time),
        cmocka_unit_test(test_breaker_opens_probes_and_ramps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
