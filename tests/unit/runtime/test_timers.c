// SPDX-License-Identifier: MIT
#include "runtime/timers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_order(void **state)
{
    struct timers timers = {0};
    uint64_t timer;

    (void)state;
    timers_set(&timers, 1, 30);
    timers_set(&timers, 2, 10);
    timers_set(&timers, 3, 20);
    timers_set(&timers, 4, 10);
    assert_int_equal(timers_next(&timers), 10);
    assert_false(timers_take(&timers, 9, &timer));
    assert_true(timers_take(&timers, 30, &timer));
    assert_int_equal(timer, 2);
    assert_true(timers_take(&timers, 30, &timer));
    assert_int_equal(timer, 4); /* same time: in the order they were set */
    assert_true(timers_take(&timers, 30, &timer));
    assert_int_equal(timer, 3);
    assert_true(timers_take(&timers, 30, &timer));
    assert_int_equal(timer, 1);
    assert_int_equal(timers_next(&timers), -1);
    timers_clear(&timers);
}

static void test_move_and_cancel(void **state)
{
    struct timers timers = {0};
    uint64_t timer;

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        timers_set(&timers, i, (int64_t)(i * 7 % 100));
    for (uint64_t i = 0; i < 100; i += 2)
        timers_set(&timers, i, -1);
    timers_set(&timers, 1, 1000);
    int64_t last = 0;
    size_t taken = 0;
    while (timers_take(&timers, 999, &timer)) {
        assert_int_equal(timer % 2, 1);
        assert_true((int64_t)(timer * 7 % 100) >= last);
        last = (int64_t)(timer * 7 % 100);
        taken++;
    }
    assert_int_equal(taken, 49);
    assert_int_equal(timers_next(&timers), 1000);
    timers_clear(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_move_and_cancel)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
