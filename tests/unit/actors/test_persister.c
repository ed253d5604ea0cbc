// SPDX-License-Identifier: MIT
#include "actors/persister/persister.h"
#include "config/config.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct config *config;

static int set_up(void **state)
{
    config = config_default();
    *state = fake_new(&persister_spec, config);
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;

    fake_destroy(&fake);
    config_free(&config);
    return 0;
}

/* Answers the READ of how far rows were trimmed; NULL: they never were. */
static void watermark(struct fake *fake, const char *value)
{
    struct buffer row = {NULL, 0, 0};
    struct msg_read read;

    assert_true(fake_take_read(fake, &read));
    assert_int_equal(read.what, READ_SPACE_GET);
    assert_true(slice_is(read.space, "sinks") && slice_is(read.from, "sqlite"));
    if (value != NULL)
        record_put_space_entry(&row,
                               &(struct record_space_entry){.key = read.from, .version = 1, .value = slice_of(value)});
    fake_page(fake, read.ticket, value != NULL ? ERROR_OK : ERROR_NOT_FOUND, &row, value != NULL);
    buffer_free(&row);
}

/* Starts, lets the sink say its cursor and the store how far it trimmed. */
static void begin_trimmed(struct fake *fake, uint64_t cursor, const char *trimmed)
{
    assert_int_equal(fake_start(fake), ERROR_OK);
    const struct fake_batch *batch = fake_batch_next(fake);
    assert_non_null(batch);
    assert_int_equal(batch->count, 0);
    fake_sink_done(fake, batch->ticket, ERROR_OK, cursor);
    watermark(fake, trimmed);
}

static void begin(struct fake *fake, uint64_t cursor)
{
    begin_trimmed(fake, cursor, NULL);
}

/* Answers the READ under way with the rows first..last and returns after which sequence it asked. */
static uint64_t page(struct fake *fake, uint64_t first, uint64_t last)
{
    struct buffer rows = {NULL, 0, 0};
    struct msg_read read;

    do
        assert_true(fake_take_read(fake, &read));
    while (read.what == READ_STORE); /* how many rows there are: not answered here */
    assert_int_equal(read.what, READ_OUTBOX);
    for (uint64_t sequence = first; first > 0 && sequence <= last; sequence++)
        record_put_outbox_entry(&rows, &(struct record_outbox_entry){sequence, SLICE("row")});
    fake_page(fake, read.ticket, ERROR_OK, &rows, first > 0 ? last - first + 1 : 0);
    buffer_free(&rows);
    return read.id;
}

static void written(struct fake *fake, uint64_t first, uint64_t last)
{
    const struct fake_batch *batch = fake_batch_next(fake);

    assert_non_null(batch);
    assert_int_equal(batch->count, last - first + 1);
    assert_int_equal(batch->sequences[0], first);
    assert_true(slice_is(batch->rows[0], "row"));
    fake_sink_done(fake, batch->ticket, ERROR_OK, last);
}

static void grew(struct fake *fake, uint64_t last)
{
    fake_deliver_outbox_grew(fake, &(struct msg_outbox_grew){last});
}

static void test_rows_in_order(void **state)
{
    struct fake *fake = *state;

    begin(fake, 0);
    assert_string_equal(fake->sink_path, "data/shop.sqlite");
    assert_int_equal(page(fake, 0, 0), 0);
    assert_null(fake_batch_next(fake));
    grew(fake, 3);
    assert_int_equal(page(fake, 1, 3), 0);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    written(fake, 1, 3);
    assert_int_equal(fake_metric(fake, METRIC_SINK_ROWS, 0), 3);
    assert_int_equal(page(fake, 0, 0), 3);
    assert_int_equal(fake_logged(fake, "rows-trimmed-before"), 0);
}

static void test_lost_wake_up(void **state)
{
    struct fake *fake = *state;
    struct msg_read read;

    begin(fake, 0);
    assert_true(fake_take_read(fake, &read));
    grew(fake, 1); /* while the page, made before the row, is on its way */
    fake_page(fake, read.ticket, ERROR_OK, NULL, 0);
    fake_advance(fake, 1);
    assert_int_equal(page(fake, 1, 1), 0);
    written(fake, 1, 1);
    assert_int_equal(page(fake, 0, 0), 1);
    fake_advance(fake, 5000); /* nobody said that row 2 came */
    assert_int_equal(page(fake, 2, 2), 1);
    written(fake, 2, 2);
}

static void test_full_store_inbox(void **state)
{
    struct fake *fake = *state;

    fake->send_error[MSG_READ] = ERROR_FULL;
    assert_int_equal(fake_start(fake), ERROR_OK);
    fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_OK, 0);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    fake->send_error[MSG_READ] = ERROR_OK;
    fake_advance(fake, 1000);
    watermark(fake, NULL);
    assert_int_equal(page(fake, 1, 2), 0);
    written(fake, 1, 2);
}

static void test_cursor_after_crash(void **state)
{
    struct fake *fake = *state;

    begin(fake, 7);
    assert_int_equal(page(fake, 7, 7), 6); /* the store had the row the cursor names */
    assert_int_equal(page(fake, 8, 9), 7);
    written(fake, 8, 9);
    assert_int_equal(fake_logged(fake, "rows-trimmed-before"), 0);
    fake_forget(fake);
    begin(fake, 9);
    assert_int_equal(page(fake, 0, 0), 8); /* trimmed since */
    assert_int_equal(page(fake, 0, 0), 0);
    assert_int_equal(page(fake, 10, 10), 9);
    written(fake, 10, 10);
    assert_int_equal(fake_logged(fake, "sink-ahead-of-store"), 0);
}

static void test_sink_deleted(void **state)
{
    struct fake *fake = *state;

    begin_trimmed(fake, 0, "40");
    assert_int_equal(fake_logged(fake, "rows-trimmed-before"), 1);
    assert_int_equal(page(fake, 41, 42), 0);
    written(fake, 41, 42);
    assert_int_equal(page(fake, 0, 0), 42);
}

static void test_gaps_are_no_loss(void **state)
{
    struct fake *fake = *state;

    begin_trimmed(fake, 7, "7");
    assert_int_equal(page(fake, 0, 0), 6);
    assert_int_equal(page(fake, 0, 0), 0);
    assert_int_equal(page(fake, 900, 901), 7); /* jobs took the numbers between */
    written(fake, 900, 901);
    assert_int_equal(fake_metric(fake, METRIC_SINK_ROWS, 0), 2);
    assert_int_equal(fake_logged(fake, "rows-trimmed-before"), 0);
    fake_forget(fake);
    begin_trimmed(fake, 0, "seven"); /* nobody can tell, and the next trim mends it */
    assert_int_equal(fake_logged(fake, "rows-trimmed-before"), 0);
}

static void test_nothing_is_trimmed_before_the_watermark_is_known(void **state)
{
    struct fake *fake = *state;
    struct msg_read read;

    assert_int_equal(fake_start(fake), ERROR_OK);
    fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_OK, 9);
    assert_true(fake_take_read(fake, &read));
    fake_page(fake, read.ticket, ERROR_IO, NULL, 0);
    fake_deliver_quiesce(fake, &(struct msg_quiesce){.deadline_ms = 1});
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0);
}

static void test_store_put_back(void **state)
{
    struct fake *fake = *state;

    begin(fake, 500);
    assert_int_equal(page(fake, 0, 0), 499);
    assert_int_equal(page(fake, 3, 3), 0); /* older rows, and not the cursor's */
    assert_int_equal(fake_logged(fake, "sink-ahead-of-store"), 1);
    assert_int_equal(fake_metric(fake, METRIC_SINK_FAILURES, ERROR_CONFLICT), 1);
    assert_int_equal(page(fake, 0, 0), 500);
    fake_advance(fake, 60000);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0); /* a trim would drop rows nobody has */
}

static void test_store_new_while_running(void **state)
{
    struct fake *fake = *state;

    begin(fake, 500);
    page(fake, 0, 0);
    page(fake, 0, 0);
    assert_int_equal(page(fake, 0, 0), 500);
    grew(fake, 1);
    assert_int_equal(page(fake, 0, 0), 499);
    assert_int_equal(page(fake, 1, 1), 0);
    assert_int_equal(fake_logged(fake, "sink-ahead-of-store"), 1);
}

static void test_trim_lags(void **state)
{
    struct fake *fake = *state;
    struct op ops[2];
    uint64_t ticket, sequence = 0;

    begin(fake, 0);
    for (int batch = 0; batch < 5; batch++, sequence += 200) {
        assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0);
        page(fake, sequence + 1, sequence + 200);
        written(fake, sequence + 1, sequence + 200);
    }
    assert_int_equal(fake_take_ops(fake, &ticket, ops, 2), 2);
    assert_int_equal(ops[0].id, OP_TRIM);
    assert_int_equal(ops[0].trim.sequence, 1000);
    assert_int_equal(ops[1].id, OP_PUT);
    assert_true(slice_is(ops[1].put.space, "sinks") && slice_is(ops[1].put.key, "sqlite"));
    assert_true(slice_is(ops[1].put.value, "1000"));
    page(fake, 1001, 1200);
    written(fake, 1001, 1200);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0); /* one at a time */
    fake_committed(fake, ticket, ERROR_OK, 0);
    page(fake, 0, 0);
    fake_advance(fake, 30000);
    assert_int_equal(fake_take_ops(fake, &ticket, ops, 2), 2);
    assert_int_equal(ops[0].trim.sequence, 1200);
    fake_committed(fake, ticket, ERROR_IO, 0);
    assert_int_equal(fake_logged(fake, "trim-refused"), 1);
    fake_advance(fake, 30000);
    fake_commit_ok(fake, 0);
    fake_advance(fake, 90000);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0); /* nothing new */
}

static void test_sink_errors_back_off(void **state)
{
    struct fake *fake = *state;
    int64_t pause_ms = 0;

    begin(fake, 0);
    page(fake, 1, 2);
    for (int failure = 0; failure < 10; failure++) {
        fake_sink_done(fake, fake_batch_next(fake)->ticket, failure % 2 ? ERROR_IO : ERROR_DISK_FULL, 0);
        int64_t next_ms = fake_timer_at(fake, 1) - fake->now_ms;
        assert_true(next_ms > 700 && next_ms <= 60000 && (failure > 4 || next_ms > pause_ms));
        pause_ms = next_ms;
        grew(fake, 2); /* does not cut the pause short */
        assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
        fake_advance(fake, next_ms);
        assert_int_equal(page(fake, 1, 2), 0);
    }
    assert_true(pause_ms > 40000);
    assert_int_equal(fake_metric(fake, METRIC_SINK_FAILURES, ERROR_DISK_FULL), 5);
    written(fake, 1, 2);
    assert_int_equal(page(fake, 0, 0), 2);
}

static void test_cursor_cannot_be_read(void **state)
{
    struct fake *fake = *state;

    assert_int_equal(fake_start(fake), ERROR_OK);
    fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_IO, 0);
    grew(fake, 4);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
    fake_advance(fake, 1000);
    assert_int_equal(fake_batch_next(fake)->count, 0);
    fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_OK, 0);
    watermark(fake, NULL);
    assert_int_equal(page(fake, 1, 4), 0);
}

/* A damaged sink is no reason to stop the shop: the rows wait in the outbox until somebody moves the file away. */
static void test_damaged_sink_is_waited_for(void **state)
{
    struct fake *fake = *state;

    begin_trimmed(fake, 0, "1");
    page(fake, 2, 2);
    fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_CORRUPT, 0);
    assert_false(fake->actor.failed);
    assert_int_equal(fake_logged(fake, "sink-damaged"), 1);
    assert_int_equal(fake_metric(fake, METRIC_SINK_FAILURES, ERROR_CORRUPT), 1);
    for (int failure = 0; failure < 4; failure++) {
        fake_advance(fake, fake_timer_at(fake, 1) - fake->now_ms);
        assert_int_equal(fake_batch_next(fake)->count, 0);
        fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_CORRUPT, 0);
    }
    assert_true(fake_timer_at(fake, 1) - fake->now_ms > 10000);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0);
    fake_advance(fake, 20000);
    fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_OK, 0); /* a new file */
    fake_forget(fake);
    fake_advance(fake, 5000);
    assert_false(fake->actor.failed);
}

static void test_sink_that_does_not_open_is_tried_again(void **state)
{
    struct fake *fake = *state;

    fake->sink_error = ERROR_IO;
    assert_int_equal(fake_start(fake), ERROR_OK);
    assert_null(fake_batch_next(fake));
    assert_int_equal(fake_logged(fake, "sink-refused"), 1);
    grew(fake, 4);
    fake->sink_error = ERROR_CORRUPT;
    fake_advance(fake, 1000);
    assert_int_equal(fake_logged(fake, "sink-damaged"), 1);
    fake->sink_error = ERROR_OK;
    fake_advance(fake, 2000);
    fake_sink_done(fake, fake_batch_next(fake)->ticket, ERROR_OK, 0);
    watermark(fake, NULL);
    assert_int_equal(page(fake, 1, 4), 0);
    written(fake, 1, 4);
}

static void test_depth_is_what_the_store_counted(void **state)
{
    struct fake *fake = *state;
    struct buffer row = {NULL, 0, 0};
    struct msg_read read;

    begin(fake, 0);
    assert_true(fake_take_read(fake, &read)); /* the page, not answered: nothing to trim */
    fake_advance(fake, 30000);
    assert_true(fake_take_read(fake, &read));
    assert_int_equal(read.what, READ_STORE);
    /* A store that is slow to answer is not asked again: the later answer would belong to no question. */
    fake_advance(fake, 30000);
    struct msg_read again;
    assert_false(fake_take_read(fake, &again));
    record_put_store_entry(&row, &(struct record_store_entry){.outbox = 17, .counted = true});
    fake_page(fake, read.ticket, ERROR_OK, &row, 1);
    assert_int_equal(fake_metric(fake, METRIC_OUTBOX_ROWS, 0), 17);
    buffer_free(&row);
}

static void test_unreadable_outbox(void **state)
{
    struct fake *fake = *state;
    struct msg_read read;

    begin(fake, 0);
    assert_true(fake_take_read(fake, &read));
    fake_page(fake, read.ticket, ERROR_CORRUPT, NULL, 0);
    assert_int_equal(fake_logged(fake, "outbox-unreadable"), 1);
    fake_advance(fake, 1000);
    assert_int_equal(page(fake, 1, 1), 0);
}

static void test_quiesce_ends_the_batch(void **state)
{
    struct fake *fake = *state;
    struct op ops[2];

    begin(fake, 0);
    page(fake, 1, 5);
    fake_deliver_quiesce(fake, &(struct msg_quiesce){.deadline_ms = 1});
    written(fake, 1, 5);
    assert_int_equal(fake_take_ops(fake, NULL, ops, 2), 2);
    assert_int_equal(ops[0].trim.sequence, 5);
    assert_int_equal(fake_sent_count(fake, MSG_READ), 0);
}

static void test_commands_and_jobs_are_not_ours(void **state)
{
    struct fake *fake = *state;
    struct msg_command_done done;
    struct msg_release release;

    begin(fake, 0);
    fake_deliver_command(fake, &(struct msg_command){.ticket = 3, .command = COMMAND_STATUS, .arguments = SLICE("{}")});
    assert_true(fake_take_command_done(fake, &done));
    assert_int_equal(done.error, ERROR_UNSUPPORTED);
    fake_deliver_job(fake, &(struct msg_job){.life = fake->actor.life, .id = 9, .fence = 2, .queue = SLICE("persist")});
    assert_true(fake_take_release(fake, &release));
    assert_int_equal(release.job, 9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_rows_in_order),
        TEST(test_lost_wake_up),
        TEST(test_full_store_inbox),
        TEST(test_cursor_after_crash),
        TEST(test_sink_deleted),
        TEST(test_gaps_are_no_loss),
        TEST(test_nothing_is_trimmed_before_the_watermark_is_known),
        TEST(test_store_put_back),
        TEST(test_store_new_while_running),
        TEST(test_trim_lags),
        TEST(test_sink_errors_back_off),
        TEST(test_cursor_cannot_be_read),
        TEST(test_damaged_sink_is_waited_for),
        TEST(test_sink_that_does_not_open_is_tried_again),
        TEST(test_depth_is_what_the_store_counted),
        TEST(test_unreadable_outbox),
        TEST(test_quiesce_ends_the_batch),
        TEST(test_commands_and_jobs_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
