// SPDX-License-Identifier: MIT
#include "actors/scheduler/scheduler.h"
#include "config/config.h"
#include "proto/jobs.h"
#include "proto/payloads.h"
#include "tests/support/fake_world.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OPS_ROOM = 16, FIRST_MS = 5000, TURN_MS = 600000, HOUR_MS = 3600000 };

static struct config *config;

static int set_up(void **state)
{
    struct fake *fake;

    config = config_default();
    *state = fake = fake_new(&scheduler_spec, config);
    fake->wall_trusted = true;
    assert_int_equal(fake_start(fake), ERROR_OK);
    fake_commit_ok(fake, 1000); /* the ids */
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;

    fake_destroy(&fake);
    config_free(&config);
    return 0;
}

/* Answers the READ of dead jobs or of runs under way, which went on at `from`; there is more at `next`. */
static void page(struct fake *fake, enum read_kind what, const char *from, const struct buffer *rows, uint64_t count,
                 const char *next)
{
    struct msg_read read;

    assert_true(fake_take_read(fake, &read));
    assert_int_equal(read.what, what);
    assert_int_equal(read.id, what == READ_JOBS ? 1u << JOB_DEAD : 0);
    assert_true(slice_is(read.from, from));
    assert_in_range(read.limit, 1, 1000);
    fake_deliver_page(fake, &(struct msg_page){.ticket = read.ticket,
                                               .error = ERROR_OK,
                                               .count = count,
                                               .rows = rows ? buffer_slice(rows) : (struct slice){NULL, 0},
                                               .next = slice_of(next)});
}

static void nothing(struct fake *fake, enum read_kind what)
{
    page(fake, what, "", NULL, 0, "");
}

/* The walks behind that over the runs to forget. */
static void nothing_else(struct fake *fake)
{
    nothing(fake, READ_RUNS);
    for (int space = 0; space < 5; space++)
        nothing(fake, READ_SPACE_SCAN);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
}

static void put_dead(struct buffer *rows, uint64_t id, const char *queue, enum error error, int64_t created_ms)
{
    record_put_job_view(rows, &(struct record_job_view){.id = id,
                                                        .queue = slice_of(queue),
                                                        .state = JOB_DEAD,
                                                        .created_ms = created_ms,
                                                        .error = error,
                                                        .run = 7,
                                                        .step = SLICE("mail")});
}

static void put_run(struct buffer *rows, uint64_t id, enum run_state state, int64_t changed_ms)
{
    record_put_run_entry(rows, &(struct record_run_entry){id, 1, SLICE("order"), state, changed_ms, {NULL, 0}});
}

static void test_run_of_a_poisonous_job_is_told(void **state)
{
    struct fake *fake = *state;
    struct buffer rows = {NULL, 0, 0};
    struct op ops[OPS_ROOM];
    struct payload payload;
    uint64_t ticket;

    put_dead(&rows, 50, "publish", ERROR_POISON, fake->wall_ms);
    put_dead(&rows, 51, "publish", ERROR_REFUSED, fake->wall_ms); /* its worker told the run */
    put_dead(&rows, 52, "flow", ERROR_POISON, fake->wall_ms);     /* would end the process again */
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    fake_advance(fake, FIRST_MS);
    page(fake, READ_JOBS, "", &rows, 3, "more");
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    assert_int_equal(fake_take_ops(fake, &ticket, ops, OPS_ROOM), 2);
    assert_int_equal(ops[0].id, OP_CLAIM);
    assert_true(slice_is(ops[0].claim.key, "poison/50"));
    assert_int_equal(ops[0].claim.skip, 1);
    assert_int_equal(ops[0].claim.until_ms, fake->wall_ms + config->run_keep_ms);
    assert_int_equal(ops[1].id, OP_PUSH);
    assert_true(slice_is(ops[1].push.queue, "flow") && slice_is(ops[1].push.key, "7"));
    assert_true(payload_take(ops[1].push.payload, &payload));
    assert_int_equal(payload.step_done.job, 50);
    assert_int_equal(payload.step_done.error, ERROR_POISON);
    fake_committed(fake, ticket, ERROR_OK, 0);
    page(fake, READ_JOBS, "more", NULL, 0, "");
    assert_int_equal(fake_logged(fake, "poison-told"), 1);
    nothing(fake, READ_JOBS);
    nothing(fake, READ_RUNS);
    nothing_else(fake);
    fake_advance(fake, TURN_MS);
    page(fake, READ_JOBS, "", &rows, 1, "");
    assert_int_equal(fake_take_ops(fake, &ticket, ops, OPS_ROOM), 2);
    fake_deliver_committed(fake, &(struct msg_committed){.ticket = ticket, .skipped = 1});
    assert_int_equal(fake_logged(fake, "poison-told"), 1); /* known already */
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);  /* age is looked at by the hour */
    buffer_free(&rows);
}

static void test_old_runs_and_dead_jobs_go(void **state)
{
    struct fake *fake = *state;
    struct buffer rows = {NULL, 0, 0};
    struct op ops[OPS_ROOM];
    uint64_t ticket;
    int64_t kept_ms = fake->wall_ms - config->run_keep_ms + HOUR_MS, old_ms = fake->wall_ms - config->run_keep_ms - 1;

    fake_advance(fake, FIRST_MS);
    nothing(fake, READ_JOBS);
    put_dead(&rows, 50, "publish", ERROR_REFUSED, old_ms);
    put_dead(&rows, 51, "publish", ERROR_REFUSED, kept_ms);
    page(fake, READ_JOBS, "", &rows, 2, "");
    assert_int_equal(fake_take_ops(fake, &ticket, ops, OPS_ROOM), 1);
    assert_int_equal(ops[0].id, OP_CANCEL);
    assert_int_equal(ops[0].cancel.job, 50);
    fake_committed(fake, ticket, ERROR_HELD, 0); /* revived meanwhile */
    assert_int_equal(fake_logged(fake, "upkeep-refused"), 1);
    buffer_clear(&rows);
    put_run(&rows, 9, RUN_OPEN, old_ms);
    put_run(&rows, 8, RUN_DONE, kept_ms);
    put_run(&rows, 7, RUN_FAILED, old_ms);
    page(fake, READ_RUNS, "", &rows, 3, "below-7");
    assert_int_equal(fake_take_ops(fake, &ticket, ops, OPS_ROOM), 1);
    assert_int_equal(ops[0].id, OP_FORGET_RUN);
    assert_int_equal(ops[0].forget_run.run, 7);
    fake_committed(fake, ticket, ERROR_OK, 0);
    page(fake, READ_RUNS, "below-7", NULL, 0, "");
    assert_int_equal(fake_logged(fake, "runs-forgotten"), 1);
    assert_int_equal(fake_logged(fake, "dead-jobs-removed"), 0);
    buffer_free(&rows);
}

static void test_nothing_is_old_by_an_untrusted_clock(void **state)
{
    struct fake *fake = *state;

    fake->wall_trusted = false;
    fake_advance(fake, FIRST_MS);
    nothing(fake, READ_JOBS);
    nothing(fake, READ_SPACE_SCAN); /* of what belongs to workflows that are gone, whatever its age */
    for (int turn = 1; turn < 8; turn++) {
        fake_advance(fake, TURN_MS);
        nothing(fake, READ_JOBS);
        if (turn == HOUR_MS / TURN_MS)
            nothing(fake, READ_SPACE_SCAN);
        assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    }
    fake->wall_trusted = true;
    fake_advance(fake, TURN_MS);
    nothing(fake, READ_JOBS);
    nothing(fake, READ_JOBS);
    nothing(fake, READ_RUNS);
    nothing(fake, READ_RUNS);
    for (int space = 0; space < 4; space++) /* the other one has had its turn */
        nothing(fake, READ_SPACE_SCAN);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
}

static void put_row(struct buffer *rows, const char *key, uint64_t version, const char *format, int64_t ms)
{
    char value[200];

    snprintf(value, sizeof(value), format, ms);
    record_put_space_entry(rows, &(struct record_space_entry){slice_of(key), version, false, slice_of(value)});
}

/* The page of the next walk, of which one row goes. */
static void goes(struct fake *fake, const char *space, const struct buffer *rows, uint64_t count, const char *key)
{
    struct op ops[OPS_ROOM];
    uint64_t ticket;

    page(fake, READ_SPACE_SCAN, "", rows, count, "");
    assert_int_equal(fake_take_ops(fake, &ticket, ops, OPS_ROOM), 2);
    assert_int_equal(ops[0].id, OP_EXPECT);
    assert_int_equal(ops[0].expect.version, 3);
    assert_int_equal(ops[1].id, OP_DELETE);
    assert_true(slice_is(ops[1].delete.space, space));
    assert_true(slice_is(ops[1].delete.key, key));
    fake_committed(fake, ticket, ERROR_OK, 0);
}

static void test_what_only_the_past_needed_goes(void **state)
{
    const int64_t keep_ms = INT64_C(400) * 86400000;
    struct fake *fake = *state;
    struct buffer throttles = {NULL, 0, 0}, bookings = {NULL, 0, 0}, units = {NULL, 0, 0};

    fake_advance(fake, FIRST_MS);
    nothing(fake, READ_JOBS);
    nothing(fake, READ_JOBS);
    nothing(fake, READ_RUNS);
    nothing(fake, READ_RUNS);
    nothing(fake, READ_SPACE_SCAN);
    nothing(fake, READ_SPACE_SCAN);
    put_row(&throttles, "a", 3, "{\"times\":[%" PRId64 ",5],\"per\":1000}", fake->wall_ms - 1001);
    put_row(&throttles, "b", 3, "{\"times\":[5,%" PRId64 "],\"per\":1000}", fake->wall_ms - 999);
    put_row(&throttles, "c", 3, "broken", 0);
    goes(fake, "throttle", &throttles, 3, "a");
    put_row(&bookings, "revenue/1", 3, "{\"amount\":1,\"as_of\":%" PRId64 ",\"at\":7}", fake->wall_ms - keep_ms + 1);
    put_row(&bookings, "revenue/2", 3, "{\"amount\":1,\"as_of\":%" PRId64 ",\"at\":7}", fake->wall_ms - keep_ms - 1);
    goes(fake, "booked", &bookings, 2, "revenue/2");
    put_row(&units, "cap/at", 3, "{\"at_ms\":%" PRId64 "}", 1);
    put_row(&units, "cap/unit/1", 3, "{\"variant\":\"a\",\"at_ms\":%" PRId64 "}", fake->wall_ms - keep_ms - 1);
    put_row(&units, "cap/unit/2", 3, "{\"variant\":\"a\",\"at_ms\":%" PRId64 "}", fake->wall_ms - keep_ms + 1);
    put_row(&units, "cap/unit/3", 3, "{\"variant\":\"a\"}%.0" PRId64, 0);
    goes(fake, "experiment", &units, 4, "cap/unit/1");
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    assert_int_equal(fake_logged(fake, "throttles-forgotten"), 1);
    buffer_free(&throttles);
    buffer_free(&bookings);
    buffer_free(&units);
}

static void test_a_busy_store_is_asked_again(void **state)
{
    struct fake *fake = *state;
    struct buffer rows = {NULL, 0, 0};
    struct msg_read read;

    put_dead(&rows, 50, "publish", ERROR_POISON, fake->wall_ms);
    fake->send_error[MSG_READ] = ERROR_FULL;
    fake_advance(fake, FIRST_MS);
    fake->send_error[MSG_READ] = ERROR_OK;
    fake->send_error[MSG_COMMIT] = ERROR_FULL;
    fake_advance(fake, 500);
    page(fake, READ_JOBS, "", &rows, 1, "more");
    fake->send_error[MSG_COMMIT] = ERROR_OK;
    fake_advance(fake, 500);
    page(fake, READ_JOBS, "", &rows, 1, "more"); /* the same page */
    fake_commit_ok(fake, 0);
    assert_true(fake_take_read(fake, &read));
    fake_page(fake, read.ticket, ERROR_IO, NULL, 0);
    assert_int_equal(fake_logged(fake, "upkeep-unreadable"), 1);
    nothing(fake, READ_JOBS); /* the next walk */
    fake_deliver_quiesce(fake, &(struct msg_quiesce){.deadline_ms = 1});
    nothing(fake, READ_RUNS);
    fake_advance(fake, 2 * HOUR_MS);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    buffer_free(&rows);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_run_of_a_poisonous_job_is_told),       TEST(test_old_runs_and_dead_jobs_go),
        TEST(test_nothing_is_old_by_an_untrusted_clock), TEST(test_a_busy_store_is_asked_again),
        TEST(test_what_only_the_past_needed_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
