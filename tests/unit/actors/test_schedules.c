// SPDX-License-Identifier: MIT
#include "tests/support/schedules_world.h"

static const int64_t minute = 60000, hour = 3600000;

/* ---- once ---- */

static void test_occurrence_is_claimed_pushed_and_marked_at_once(void **state)
{
    struct bench *bench = bench_new();
    struct op ops[8];
    uint64_t ticket;

    (void)state;
    add(bench, "tick", "0 * * * *", MISSED_SKIP);
    begin(bench);
    assert_true(read_one(bench));
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 8), 1); /* first sight: only the mark */
    assert_int_equal(ops[0].id, OP_PUT);
    apply(bench, ops, 1);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    fake_advance(bench->fake, hour - 1);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0);
    fake_advance(bench->fake, 1);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 8), 3);
    assert_int_equal(ops[0].id, OP_CLAIM);
    assert_int_equal(ops[0].claim.skip, 1);
    assert_int_equal(ops[1].id, OP_PUSH);
    assert_int_equal(ops[2].id, OP_PUT);
    apply(bench, ops, 3);
    assert_int_equal(mark_of(bench, "tick/0#"), bench->fake->wall_ms);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    pass(bench, 5 * hour);
    assert_int_equal(bench->pushes, 6);
    assert_once_each(bench);
    bench_free(bench);
}

static void test_crash_between_commit_and_answer(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "tick", "0 * * * *", MISSED_SKIP);
    begin(bench);
    play(bench);
    fake_advance(bench->fake, hour);
    assert_true(commit_one(bench, false)); /* on disk, and the process dies */
    begin(bench);
    pass(bench, 10 * minute);
    assert_int_equal(bench->pushes, 1);
    fake_advance(bench->fake, 50 * minute);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 1);
    begin(bench); /* it dies before that one is on disk */
    play(bench);
    assert_int_equal(bench->pushes, 2);
    assert_int_equal(bench->late, 0);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 3);
    assert_once_each(bench);
    bench_free(bench);
}

static void test_held_claim_does_not_block_others(void **state)
{
    struct bench *bench = bench_new();
    char key[100];

    (void)state;
    add(bench, "a", "0 * * * *", MISSED_SKIP);
    add(bench, "b", "0 * * * *", MISSED_SKIP);
    add(bench, "c", "0 * * * *", MISSED_SKIP);
    begin(bench);
    play(bench);
    snprintf(key, sizeof(key), "cron/b/0/%lld", (long long)(bench->fake->wall_ms + hour));
    json_object_set_new(bench->claims, key, json_integer(INT64_MAX)); /* a backup brought an old mark back */
    pass(bench, hour);
    assert_int_equal(bench->pushes, 2);
    assert_int_equal(fake_logged(bench->fake, "schedule-fired-before"), 1);
    assert_int_equal(mark_of(bench, "b/0"), bench->fake->wall_ms);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 5);
    bench_free(bench);
}

static void test_one_bad_entry_does_not_block_others(void **state)
{
    struct bench *bench = bench_new();
    char name[20];

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "w%d", i);
        add(bench, name, "0 * * * *", MISSED_SKIP);
    }
    begin(bench);
    play(bench);
    bench->bad = "w77";
    pass(bench, hour - minute);
    for (int i = 0; i < 200; i++) {
        fake_advance(bench->fake, 500);
        play(bench);
    }
    assert_int_equal(bench->pushes, 199);
    bench->bad = NULL;
    pass(bench, minute);
    assert_int_equal(bench->pushes, 200);
    assert_once_each(bench);
    bench_free(bench);
}

static void test_ten_thousand_in_one_minute(void **state)
{
    struct bench *bench = bench_new();
    char name[20];

    (void)state;
    for (int i = 0; i < WORKFLOWS_MAX; i++) {
        snprintf(name, sizeof(name), "w%d", i);
        add(bench, name, "0 * * * *", MISSED_SKIP);
    }
    begin(bench);
    play(bench);
    assert_int_equal(json_object_size(bench->marks), WORKFLOWS_MAX);
    bench->refusals = 3;
    fake_advance(bench->fake, hour);
    for (int i = 0; i < 4; i++) {
        play(bench);
        fake_advance(bench->fake, 500);
    }
    assert_int_equal(bench->pushes, WORKFLOWS_MAX);
    assert_in_range(bench->largest, OCCASIONS_MAX, OCCASIONS_MAX);
    begin(bench); /* ten pages of marks */
    pass(bench, 10 * minute);
    assert_int_equal(bench->pushes, WORKFLOWS_MAX);
    fake_advance(bench->fake, 40 * minute);
    pass(bench, 10 * minute);
    assert_int_equal(bench->pushes, 2 * WORKFLOWS_MAX);
    assert_once_each(bench);
    bench_free(bench);
}

/* ---- clocks ---- */

static void test_untrusted_clock_holds(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "tick", "0 * * * *", MISSED_ONCE);
    begin(bench);
    play(bench);
    bench->fake->wall_trusted = false;
    pass(bench, 3 * hour + 30 * minute);
    assert_int_equal(bench->pushes, 0);
    bench->fake->wall_trusted = true;
    fake_advance(bench->fake, 60000);
    play(bench);
    assert_int_equal(bench->pushes, 1);
    assert_int_equal(bench->late, 1);
    assert_int_equal(fake_metric(bench->fake, METRIC_SCHEDULE_MISSED, 0), 2);
    bench_free(bench);
}

static void test_clock_that_goes_back_fires_nothing_again(void **state)
{
    static const int64_t backs[] = {3600000, 3 * INT64_C(86400000)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct bench *bench = bench_new();
        add(bench, "tick", "0 * * * *", MISSED_ALL);
        begin(bench);
        play(bench);
        pass(bench, 5 * hour);
        assert_int_equal(bench->pushes, 5);
        bench->fake->wall_ms -= backs[i];
        pass(bench, backs[i]);
        assert_int_equal(bench->pushes, 5);
        bench->fake->wall_ms -= backs[i];
        begin(bench);
        pass(bench, backs[i]);
        assert_int_equal(bench->pushes, 5);
        pass(bench, hour);
        assert_int_equal(bench->pushes, 6);
        assert_once_each(bench);
        bench_free(bench);
    }
}

static void test_clock_that_goes_forward_misses(void **state)
{
    static const struct {
        enum missed_policy missed;
        int64_t grace_ms, hours;
        size_t pushes, late, passed;
    } cases[] = {
        {MISSED_SKIP, 0, 1, 0, 0, 1},       {MISSED_SKIP, 0, 10, 0, 0, 10},       {MISSED_SKIP, 0, 1000, 0, 0, 1000},
        {MISSED_SKIP, 3600000, 1, 1, 0, 0}, {MISSED_SKIP, 3600000, 10, 1, 0, 9},  {MISSED_ONCE, 0, 1, 1, 1, 0},
        {MISSED_ONCE, 0, 10, 1, 1, 9},      {MISSED_ONCE, 0, 1000, 1, 1, 999},    {MISSED_ALL, 0, 1, 1, 1, 0},
        {MISSED_ALL, 0, 10, 10, 10, 0},     {MISSED_ALL, 0, 1000, 100, 100, 900}, {MISSED_ALL, 7200000, 10, 10, 8, 0},
        {MISSED_ASK, 0, 1, 1, 1, 0},        {MISSED_ASK, 0, 1000, 1, 1, 999},     {MISSED_ASK, 3600000, 1, 1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench *bench = bench_new();
        add(bench, "tick", "0 * * * *", cases[i].missed)->grace_ms = cases[i].grace_ms;
        begin(bench);
        play(bench);
        bench->fake->wall_ms += cases[i].hours * hour + 30 * minute;
        pass(bench, 2 * minute);
        assert_int_equal(bench->pushes, cases[i].pushes);
        assert_int_equal(bench->late, cases[i].late);
        assert_int_equal(fake_metric(bench->fake, METRIC_SCHEDULE_MISSED, 0), cases[i].passed);
        pass(bench, 28 * minute);
        assert_int_equal(bench->pushes, cases[i].pushes + 1);
        assert_once_each(bench);
        bench_free(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_occurrence_is_claimed_pushed_and_marked_at_once),
        cmocka_unit_test(test_crash_between_commit_and_answer),
        cmocka_unit_test(test_held_claim_does_not_block_others),
        cmocka_unit_test(test_one_bad_entry_does_not_block_others),
        cmocka_unit_test(test_ten_thousand_in_one_minute),
        cmocka_unit_test(test_untrusted_clock_holds),
        cmocka_unit_test(test_clock_that_goes_back_fires_nothing_again),
        cmocka_unit_test(test_clock_that_goes_forward_misses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
