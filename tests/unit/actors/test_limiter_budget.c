// SPDX-License-Identifier: MIT
#include "actors/limiter/breaker.h"
#include "actors/limiter/budget.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct budget_clock at(int64_t now_ms)
{
    return (struct budget_clock){now_ms, 1700000000000 + now_ms, true};
}

static void take_and_end(struct budget *budget, int64_t now_ms, int64_t cost)
{
    budget_take(budget, cost);
    budget_end(budget, now_ms, cost, cost);
}

static void test_window_tells_when(void **state)
{
    struct budget_limits limits = {.windows = {{2, 1000}}, .window_count = 1};
    struct budget budget;
    int64_t when;

    (void)state;
    budget_init(&budget, &limits);
    take_and_end(&budget, 100, 1);
    take_and_end(&budget, 400, 1);
    assert_int_equal(budget_ask(&budget, 500, 1, 0, &when), ERROR_LIMITED);
    assert_int_equal(when, 1101);
    assert_int_equal(budget_ask(&budget, 500, 2, 0, &when), ERROR_LIMITED);
    assert_int_equal(when, 1401);
    assert_int_equal(budget_ask(&budget, 500, 3, 0, &when), ERROR_INVALID);
    assert_int_equal(budget_ask(&budget, 1100, 1, 0, &when), ERROR_LIMITED);
    assert_int_equal(budget_ask(&budget, 1101, 1, 0, &when), ERROR_OK);
    budget_fini(&budget);
}

static void test_call_regains_nothing_until_it_ends(void **state)
{
    struct budget_limits limits = {.windows = {{1, 1000}}, .window_count = 1};
    struct budget budget;
    int64_t when;

    (void)state;
    budget_init(&budget, &limits);
    budget_take(&budget, 1);
    assert_int_equal(budget_ask(&budget, 5000, 1, 0, &when), ERROR_LIMITED);
    budget_end(&budget, 5000, 1, 1);
    assert_int_equal(budget_ask(&budget, 6000, 1, 0, &when), ERROR_LIMITED);
    assert_int_equal(budget_ask(&budget, 6001, 1, 0, &when), ERROR_OK);
    budget_take(&budget, 1);
    budget_end(&budget, 6001, 1, 0); /* it was never sent: nothing is spent */
    assert_int_equal(budget_ask(&budget, 6001, 1, 0, &when), ERROR_OK);
    budget_fini(&budget);
}

static void test_settling_gives_back_what_was_not_used(void **state)
{
    struct budget_limits limits = {.windows = {{1000, 60000}}, .window_count = 1};
    struct budget budget;
    int64_t when;

    (void)state;
    budget_init(&budget, &limits);
    budget_take(&budget, 900);
    assert_int_equal(budget_ask(&budget, 0, 200, 0, &when), ERROR_LIMITED);
    budget_end(&budget, 0, 900, 50);
    assert_int_equal(budget_ask(&budget, 0, 950, 0, &when), ERROR_OK);
    assert_int_equal(budget_ask(&budget, 0, 951, 0, &when), ERROR_LIMITED);
    budget_fini(&budget);
}

static void test_a_share_is_kept_for_what_is_urgent(void **state)
{
    struct budget_limits limits = {.windows = {{10, 1000}}, .window_count = 1};
    struct budget budget;
    int64_t when;

    (void)state;
    budget_init(&budget, &limits);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(budget_ask(&budget, 0, 1, 200, &when), ERROR_OK);
        take_and_end(&budget, 0, 1);
    }
    assert_int_equal(budget_ask(&budget, 0, 1, 200, &when), ERROR_LIMITED);
    assert_int_equal(when, 1001);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(budget_ask(&budget, 0, 1, 0, &when), ERROR_OK);
        take_and_end(&budget, 0, 1);
    }
    assert_int_equal(budget_ask(&budget, 0, 1, 0, &when), ERROR_LIMITED);
    budget_fini(&budget);
}

static void test_bucket_follows_what_the_service_tells(void **state)
{
    struct budget_limits limits = {.bucket_size = 40, .refill_milli_per_s = 2000};
    struct budget budget;
    int64_t used, limit, when;

    (void)state;
    budget_init(&budget, &limits);
    budget_told(&budget, 1000, 39, 40, 2000);
    assert_int_equal(budget_ask(&budget, 1000, 1, 0, &when), ERROR_OK);
    assert_int_equal(budget_ask(&budget, 1000, 2, 0, &when), ERROR_LIMITED);
    assert_int_equal(when, 1500);
    budget_told(&budget, 1000, 2, 80, 4000); /* less than we know, and more than the owner allows */
    budget_tightest(&budget, 1000, &used, &limit);
    assert_int_equal(used, 39);
    assert_int_equal(limit, 40);
    budget_told(&budget, 60000, 0, 20, 1000); /* a smaller plan */
    budget_tightest(&budget, 60000, &used, &limit);
    assert_int_equal(limit, 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(budget_ask(&budget, 60000, 1, 0, &when), ERROR_OK);
        take_and_end(&budget, 60000, 1);
    }
    assert_int_equal(budget_ask(&budget, 60000, 1, 0, &when), ERROR_LIMITED);
    assert_int_equal(when, 61000); /* and it refills more slowly */
    budget_fini(&budget);
}

static void test_witness_doubts_a_clock_that_jumps(void **state)
{
    struct budget_witness witness = {0};
    struct buffer saved = {NULL, 0, 0};
    struct budget_limits limits = {.windows = {{2, 1000}}, .window_count = 1};
    struct budget_clock clock = at(1000);
    struct budget budget;

    (void)state;
    assert_true(budget_clock_seen(&witness, clock).wall_trusted);
    clock = at(2000);
    clock.wall_ms += 4000; /* the daily bit of correction */
    assert_true(budget_clock_seen(&witness, clock).wall_trusted);
    clock.wall_ms -= 3600000;
    assert_false(budget_clock_seen(&witness, clock).wall_trusted);
    assert_false(budget_clock_seen(&witness, at(3000)).wall_trusted);
    budget_init(&budget, &limits);
    clock = budget_clock_seen(&witness, at(4000));
    budget_save(&budget, &clock, 1, &saved);
    witness = (struct budget_witness){0};
    clock = at(5000);
    budget_clock_recall(&witness, buffer_slice(&saved), &clock);
    assert_false(budget_clock_seen(&witness, clock).wall_trusted);
    witness = (struct budget_witness){0};
    clock = at(50); /* the machine started anew */
    budget_clock_recall(&witness, buffer_slice(&saved), &clock);
    assert_true(budget_clock_seen(&witness, clock).wall_trusted);
    buffer_free(&saved);
    budget_fini(&budget);
}

static void test_a_lowered_share_comes_back_slowly(void **state)
{
    const int64_t hour = 3600000;
    struct budget_limits limits = {.windows = {{100, hour}}, .window_count = 1};
    struct budget budget;
    int64_t used, limit;

    (void)state;
    budget_init(&budget, &limits);
    for (int i = 0; i < 80; i++)
        take_and_end(&budget, 1000, 1);
    assert_true(budget_lower(&budget, 1000, 1000));
    assert_int_equal(budget.factor, 400);
    assert_false(budget_lower(&budget, 1001, 900)); /* it was on its way already */
    budget_tightest(&budget, 1000 + BUDGET_LOWERED_MS, &used, &limit);
    assert_int_equal(limit, 40);
    budget_tightest(&budget, 1000 + BUDGET_LOWERED_MS + 2 * hour, &used, &limit);
    assert_int_equal(limit, 52);
    budget_tightest(&budget, 1000 + BUDGET_LOWERED_MS + 90 * hour, &used, &limit);
    assert_int_equal(limit, 100);
    budget_fini(&budget);
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
        .windows = {{3, 1000}}, .window_count = 1, .bucket_size = 2, .refill_milli_per_s = 1000};
    struct budget_clock clock = at(50000);
    struct budget budget;
    struct buffer saved = {NULL, 0, 0};
    int64_t when;

    (void)state;
    budget_init(&budget, &limits);
    budget_save(&budget, &clock, 1, &saved);
    for (size_t size = 0; size < saved.size; size++) {
        struct budget other;
        budget_init(&other, &limits);
        assert_false(budget_load(&other, &clock, (struct slice){saved.data, size}));
        assert_int_equal(budget_ask(&other, clock.now_ms, 1, 0, &when), ERROR_LIMITED);
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
    budget_init(&budget, &limits);
    budget_hold(&budget, 1000, 60000);
    budget_hold(&budget, 1000, 10);
    assert_int_equal(budget_ask(&budget, 1000, 1, 0, &when), ERROR_LIMITED);
    assert_int_equal(when, 61000);
    budget_save(&budget, &clock, 1, &saved);
    clock = at(21000);
    budget_init(&other, &limits);
    assert_true(budget_load(&other, &clock, buffer_slice(&saved)));
    assert_int_equal(budget_held_ms(&other, 21000), 40000);
    buffer_free(&saved);
    budget_fini(&other);
    budget_fini(&budget);
}

/* A bucket that the owner has changed owes as many tokens as before. */
static void test_debt_is_kept_in_tokens(void **state)
{
    struct budget_limits limits = {.bucket_size = 40, .refill_milli_per_s = 2000};
    struct budget_clock clock = at(1000);
    struct budget budget, other;
    struct buffer saved = {NULL, 0, 0};
    int64_t used, limit;

    (void)state;
    budget_init(&budget, &limits);
    take_and_end(&budget, 1000, 30);
    budget_save(&budget, &clock, 0, &saved);
    limits.refill_milli_per_s = 20000;
    budget_init(&other, &limits);
    assert_true(budget_load(&other, &clock, buffer_slice(&saved)));
    budget_tightest(&other, 1000, &used, &limit);
    assert_in_range(used, 30, 31);
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
        cmocka_unit_test(test_window_tells_when),
        cmocka_unit_test(test_call_regains_nothing_until_it_ends),
        cmocka_unit_test(test_settling_gives_back_what_was_not_used),
        cmocka_unit_test(test_a_share_is_kept_for_what_is_urgent),
        cmocka_unit_test(test_bucket_follows_what_the_service_tells),
        cmocka_unit_test(test_witness_doubts_a_clock_that_jumps),
        cmocka_unit_test(test_a_lowered_share_comes_back_slowly),
        cmocka_unit_test(test_elapsed_never_overstates),
        cmocka_unit_test(test_unreadable_state_counts_as_all_spent),
        cmocka_unit_test(test_hold_survives_and_shrinks_by_time),
        cmocka_unit_test(test_debt_is_kept_in_tokens),
        cmocka_unit_test(test_breaker_opens_probes_and_ramps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
