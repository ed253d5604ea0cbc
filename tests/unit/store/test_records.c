// SPDX-License-Identifier: MIT
/* Claims, spaces, books, outbox, runs, and the pages they are read by. */
#include "tests/unit/store/fixture.h"

static void claims_hold(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(DO(f, claim, SLICE("k"), f->now + 1000, 0, SLICE("me")), ERROR_OK);
    PUT_OP(f, push, .queue = SLICE("q"));
    PUT_OP(f, claim, SLICE("k"), f->now + 5000, 0, SLICE("you"));
    struct store_commit commit = commit_all(f);
    assert_int_equal(commit.error, ERROR_HELD);
    assert_int_equal(commit.failed_op, 1);
    assert_int_equal(commit.detail_size, 2);
    assert_memory_equal(commit.detail, "me", 2);
    assert_int_equal(view_store(f).jobs, 0);
    assert_int_equal(view_store(f).claims, 1);
    reopen_store(f);
    assert_int_equal(DO(f, claim, SLICE("k"), f->now + 5000, 0, SLICE("you")), ERROR_HELD);
    f->now += 1000;
    assert_int_equal(DO(f, claim, SLICE("k"), f->now + (int64_t)3 * 86400000, 0, SLICE("you")), ERROR_OK);
    assert_int_equal(DO(f, claim, SLICE("k"), f->now + 5000, 0, SLICE("me")), ERROR_HELD);
    assert_int_equal(view_store(f).claims, 1);
    assert_int_equal(DO(f, claim, SLICE(""), f->now, 0, SLICE("")), ERROR_INVALID);
}

static void a_held_claim_skips(void **state)
{
    struct fixture *f = *state;

    PUT_OP(f, claim, SLICE("a"), f->now + 1000, 1, SLICE(""));
    PUT_OP(f, push, .queue = SLICE("q"), .payload = SLICE("one"));
    PUT_OP(f, claim, SLICE("a"), f->now + 1000, 2, SLICE("")); /* taken two operations ago */
    PUT_OP(f, push, .queue = SLICE("q"), .payload = SLICE("skipped"));
    PUT_OP(f, append, SLICE("skipped too: this is no row"));
    PUT_OP(f, push, .queue = SLICE("q"), .payload = SLICE("two"));
    struct store_commit commit = commit_all(f);
    assert_int_equal(commit.error, ERROR_OK);
    assert_int_equal(commit.skipped, 1);
    assert_true(slice_is(view_job(f, commit.first_id).payload, "one"));
    assert_true(slice_is(view_job(f, commit.first_id + 1).payload, "two"));
    assert_int_equal(view_store(f).jobs, 2);
    PUT_OP(f, claim, SLICE("a"), f->now + 1000, 2, SLICE(""));
    PUT_OP(f, push, .queue = SLICE("q"));
    assert_int_equal(commit_all(f).error, ERROR_INVALID);
}

static void claims_are_forgotten_by_days(void **state)
{
    struct fixture *f = *state;
    char key[32];

    for (int day = 0; day < 3; day++)
        for (int i = 0; i < 300; i++) {
            snprintf(key, sizeof(key), "claim-%d-%d", day, i);
            PUT_OP(f, claim, slice_of(key), f->now + (int64_t)day * 86400000 + 10, 0, SLICE("v"));
            if (i % 100 == 99)
                assert_int_equal(commit_all(f).error, ERROR_OK);
        }
    assert_int_equal(view_store(f).claims, 900);
    f->now += (int64_t)86400000 * 2;
    store_trust_clock(f->store, false);
    assert_int_equal(view_store(f).claims, 900);
    store_trust_clock(f->store, true);
    assert_int_equal(view_store(f).claims, 300);
    assert_int_equal(DO(f, claim, SLICE("claim-2-7"), f->now + 5, 0, SLICE("")), ERROR_HELD);
    assert_int_equal(DO(f, claim, SLICE("claim-0-7"), f->now + 5, 0, SLICE("")), ERROR_OK);
    reopen_store(f);
    assert_int_equal(view_store(f).claims, 301);
    f->now += (int64_t)86400000 * 9;
    assert_int_equal(view_store(f).claims, 0);
}

static struct record_space_entry space_get(struct fixture *f, const char *space, const char *key)
{
    struct record_space_entry entry = {.version = 0};
    enum error error =
        read_page(f, (struct msg_read){.what = READ_SPACE_GET, .space = slice_of(space), .from = slice_of(key)});

    if (error == ERROR_NOT_FOUND)
        return entry;
    assert_int_equal(error, ERROR_OK);
    struct wire wire = rows_of(f);
    assert_true(record_take_space_entry(&wire, &entry));
    return entry;
}

static void spaces_and_versions(void **state)
{
    struct fixture *f = *state;

    PUT_OP(f, expect, SLICE("s"), SLICE("k"), 0);
    PUT_OP(f, put, SLICE("s"), SLICE("k"), SLICE("one"));
    PUT_OP(f, expect, SLICE("s"), SLICE("k"), 1);
    PUT_OP(f, put, SLICE("s"), SLICE("k"), SLICE("two"));
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(space_get(f, "s", "k").version, 2);
    assert_true(slice_is(space_get(f, "s", "k").value, "two"));
    assert_int_equal(DO(f, expect, SLICE("s"), SLICE("k"), 1), ERROR_CONFLICT);
    assert_int_equal(DO(f, add, SLICE("s"), SLICE("k"), 1), ERROR_INVALID);
    assert_int_equal(DO(f, add, SLICE("s"), SLICE("n"), -5), ERROR_OK);
    assert_int_equal(DO(f, add, SLICE("s"), SLICE("n"), 12), ERROR_OK);
    assert_true(space_get(f, "s", "n").counter);
    assert_true(slice_is(space_get(f, "s", "n").value, "7"));
    assert_int_equal(DO(f, add, SLICE("s"), SLICE("n"), INT64_MAX), ERROR_INVALID);
    assert_int_equal(DO(f, delete, SLICE("s"), SLICE("k")), ERROR_OK);
    assert_int_equal(DO(f, delete, SLICE("s"), SLICE("k")), ERROR_OK);
    assert_int_equal(space_get(f, "s", "k").version, 0);
    assert_int_equal(DO(f, put, SLICE(""), SLICE("k"), SLICE("")), ERROR_INVALID);
}

static void space_scan_pages(void **state)
{
    struct fixture *f = *state;
    char key[16], last[16] = "";
    struct buffer from = {NULL, 0, 0};
    int seen = 0;

    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "k%03d", i);
        PUT_OP(f, put, SLICE("s"), slice_of(key), SLICE("v"));
    }
    PUT_OP(f, put, SLICE("t"), SLICE("k000"), SLICE("other space"));
    assert_int_equal(commit_all(f).error, ERROR_OK);
    do {
        struct msg_read request = {
            .what = READ_SPACE_SCAN, .space = SLICE("s"), .from = buffer_slice(&from), .limit = 64};
        assert_int_equal(read_page(f, request), ERROR_OK);
        struct wire wire = rows_of(f);
        for (uint64_t i = 0; i < f->page.count; i++, seen++) {
            struct record_space_entry entry;
            assert_true(record_take_space_entry(&wire, &entry));
            copy_text(key, sizeof(key), entry.key);
            assert_true(strcmp(last, key) < 0);
            memcpy(last, key, sizeof(last));
        }
        buffer_clear(&from);
        buffer_append(&from, f->page.next.data, f->page.next.size);
    } while (from.size > 0);
    assert_int_equal(seen, 500);
    buffer_free(&from);
}

static void pages_are_bounded_by_bytes(void **state)
{
    struct fixture *f = *state;
    char *large = xcalloc(1, 100 << 10);
    char key[16];

    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(DO(f, put, SLICE("s"), slice_of(key), {large, 100 << 10}), ERROR_OK);
    }
    free(large);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_SPACE_SCAN, .space = SLICE("s")}), ERROR_OK);
    assert_int_equal(f->page.count, 2);
    assert_true(f->page.rows.size <= STORE_PAGE_BYTES_MAX);
    assert_true(slice_is(buffer_slice(&f->page.next), "k2"));
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_SPACE_SCAN, .space = SLICE("s"), .limit = 1001}),
                     ERROR_INVALID);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_KIND_COUNT}), ERROR_INVALID);
}

static void books_add_up(void **state)
{
    struct fixture *f = *state;
    const int64_t hour = f->now - f->now % 3600000;
    struct record_book_entry entry;

    PUT_OP(f, book, SLICE("revenue"), SLICE("EUR"), f->now, 1999);
    PUT_OP(f, book, SLICE("revenue"), SLICE("EUR"), hour, -500);
    PUT_OP(f, book, SLICE("revenue"), SLICE("USD"), f->now, 7);
    PUT_OP(f, book, SLICE("orders"), SLICE(""), -1, 1);
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_BOOKS, .space = SLICE("revenue")}), ERROR_OK);
    assert_int_equal(f->page.count, 2);
    struct wire wire = rows_of(f);
    assert_true(record_take_book_entry(&wire, &entry));
    assert_int_equal(entry.amount, 1499);
    assert_int_equal(entry.entries, 2);
    assert_int_equal(entry.hour_ms, hour);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_BOOKS}), ERROR_OK);
    assert_int_equal(f->page.count, 3);
    wire = rows_of(f);
    assert_true(record_take_book_entry(&wire, &entry));
    assert_int_equal(entry.hour_ms, -3600000);
    assert_int_equal(DO(f, book, SLICE("revenue"), SLICE("EUR"), f->now, INT64_MAX), ERROR_INVALID);
    assert_int_equal(DO(f, book, SLICE("revenue"), SLICE("EURO"), f->now, 1), ERROR_INVALID);
}

static void put_row(struct fixture *f, int number)
{
    struct buffer packed = {NULL, 0, 0};
    struct row row = {.table = TABLE_CUSTOMERS};
    const struct table_info *info = &table_info[TABLE_CUSTOMERS];

    for (size_t i = 0; i < info->column_count; i++) {
        row.values[i].number = number;
        row.values[i].text = SLICE("x");
    }
    row_pack(&packed, &row);
    PUT_OP(f, append, buffer_slice(&packed));
    buffer_free(&packed);
}

static uint64_t outbox_rows(struct fixture *f, uint64_t after, uint64_t *first, uint64_t *last)
{
    struct record_outbox_entry entry = {.sequence = 0};

    assert_int_equal(read_page(f, (struct msg_read){.what = READ_OUTBOX, .id = after}), ERROR_OK);
    struct wire wire = rows_of(f);
    for (uint64_t i = 0; i < f->page.count; i++) {
        uint64_t before = entry.sequence;
        assert_true(record_take_outbox_entry(&wire, &entry));
        assert_true(entry.sequence > before);
        if (i == 0)
            *first = entry.sequence;
    }
    *last = entry.sequence;
    return f->page.count;
}

static void outbox_grows_and_is_trimmed(void **state)
{
    struct fixture *f = *state;
    uint64_t first, last, end;

    for (int i = 0; i < 30; i++)
        put_row(f, i);
    struct store_commit commit = commit_all(f);
    assert_int_equal(commit.error, ERROR_OK);
    assert_int_equal(outbox_rows(f, 0, &first, &last), 30);
    assert_int_equal(commit.outbox_last, last);
    assert_int_equal(outbox_rows(f, first + 9, &first, &end), 20);
    assert_int_equal(DO(f, trim, first - 1), ERROR_OK);
    assert_int_equal(outbox_rows(f, 0, &first, &end), 20);
    assert_int_equal(view_store(f).outbox, 20);
    assert_int_equal(DO(f, trim, UINT64_MAX), ERROR_OK);
    assert_int_equal(outbox_rows(f, 0, &first, &end), 0);
    reopen_store(f);
    put_row(f, 1);
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(outbox_rows(f, last, &first, &end), 1); /* a sequence is never used again */
    assert_int_equal(DO(f, append, SLICE("no row")), ERROR_INVALID);
}

static void a_long_outbox_is_trimmed_at_once_for_readers(void **state)
{
    struct fixture *f = *state;
    uint64_t first, last = 0;

    for (int i = 0; i < 2500; i++) {
        put_row(f, i);
        if (i % 500 == 499)
            last = commit_all(f).outbox_last;
    }
    assert_int_equal(DO(f, trim, last), ERROR_OK);
    assert_int_equal(outbox_rows(f, 0, &first, &last), 0);
    assert_int_equal(view_store(f).outbox, 0);
    put_row(f, 1);
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(outbox_rows(f, 0, &first, &last), 1);
}

/* A trim that reaches beyond what was given hides nothing that comes after it. */
static void a_trim_does_not_reach_into_the_future(void **state)
{
    struct fixture *f = *state;
    uint64_t first, last;

    for (int i = 0; i < 2000; i++) {
        put_row(f, i);
        if (i % 500 == 499)
            assert_int_equal(commit_all(f).error, ERROR_OK);
    }
    assert_int_equal(DO(f, trim, .sequence = (uint64_t)1 << 39), ERROR_OK);
    put_row(f, 1);
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(outbox_rows(f, 0, &first, &last), 1);
}

static void trimmed_rows_stay_hidden_after_a_restart(void **state)
{
    struct fixture *f = *state;
    uint64_t first, last = 0, end;

    for (int i = 0; i < 2500; i++) {
        put_row(f, i);
        if (i % 500 == 499)
            last = commit_all(f).outbox_last;
    }
    put_row(f, 1);
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(DO(f, trim, last), ERROR_OK);
    reopen_store(f);
    assert_int_equal(outbox_rows(f, 0, &first, &end), 1);
    assert_true(first > last);
    assert_int_equal(view_store(f).outbox, 1); /* the scan after the start and the deleting went on together */
    reopen_store(f);
    assert_int_equal(outbox_rows(f, 0, &first, &end), 1);
}

static void runs_have_versions(void **state)
{
    struct fixture *f = *state;
    struct record_run_entry entry;

    PUT_OP(f, allocate, 3);
    uint64_t run = commit_all(f).first_id;
    assert_int_equal(DO(f, run, run, 1, SLICE("w"), RUN_OPEN, SLICE("r")), ERROR_CONFLICT);
    assert_int_equal(DO(f, run, run, 0, SLICE("w"), RUN_OPEN, SLICE("r1")), ERROR_OK);
    assert_int_equal(DO(f, run, run, 0, SLICE("w"), RUN_OPEN, SLICE("r1")), ERROR_CONFLICT);
    assert_int_equal(DO(f, run, run + 99999, 0, SLICE("w"), RUN_OPEN, SLICE("")), ERROR_INVALID);
    assert_int_equal(DO(f, forget_run, run), ERROR_INVALID);
    PUT_OP(f, run, run, 1, SLICE("w"), RUN_DONE, SLICE("r2"));
    PUT_OP(f, run, run + 1, 0, SLICE("v"), RUN_OPEN, SLICE("x"));
    PUT_OP(f, run, run + 2, 0, SLICE("v"), RUN_OPEN, SLICE("y"));
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_RUN, .id = run}), ERROR_OK);
    struct wire wire = rows_of(f);
    assert_true(record_take_run_entry(&wire, &entry));
    assert_int_equal(entry.version, 2);
    assert_int_equal(entry.state, RUN_DONE);
    assert_true(slice_is(entry.record, "r2"));
    struct buffer from = {NULL, 0, 0};
    for (uint64_t i = 3; i-- > 0;) {
        assert_int_equal(read_page(f, (struct msg_read){.what = READ_RUNS, .from = buffer_slice(&from), .limit = 1}),
                         ERROR_OK);
        assert_int_equal(f->page.count, 1);
        wire = rows_of(f);
        assert_true(record_take_run_entry(&wire, &entry));
        assert_int_equal(entry.run, run + i);
        assert_int_equal(entry.record.size, 0);
        buffer_clear(&from);
        buffer_append(&from, f->page.next.data, f->page.next.size);
    }
    buffer_free(&from);
    assert_int_equal(DO(f, forget_run, run), ERROR_OK);
    assert_int_equal(DO(f, forget_run, run), ERROR_OK);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_RUN, .id = run}), ERROR_NOT_FOUND);
}

static uint64_t count_jobs(struct fixture *f, const char *queue, uint64_t states, uint64_t limit)
{
    struct buffer from = {NULL, 0, 0};
    uint64_t seen = 0;

    do {
        struct msg_read request = {
            .what = READ_JOBS, .space = slice_of(queue), .id = states, .from = buffer_slice(&from), .limit = limit};
        assert_int_equal(read_page(f, request), ERROR_OK);
        assert_true(f->page.count <= limit);
        seen += f->page.count;
        buffer_clear(&from);
        buffer_append(&from, f->page.next.data, f->page.next.size);
    } while (from.size > 0);
    buffer_free(&from);
    return seen;
}

static void jobs_are_listed_by_queue_and_state(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 30; i++)
        push_to(f, i % 3 ? "q" : "r", "", "", "x");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 9);
    assert_int_equal(deliver(f), 9);
    for (int i = 0; i < 3; i++) {
        PUT_OP(f, bury, f->handed[i].id, f->handed[i].fence, ERROR_REFUSED, SLICE(""));
        PUT_OP(f, doubt, f->handed[i + 3].id, f->handed[i + 3].fence, SLICE(""));
    }
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(count_jobs(f, "", 0, 7), 30);
    assert_int_equal(count_jobs(f, "q", 0, 7), 20);
    assert_int_equal(count_jobs(f, "r", 0, 1000), 10);
    assert_int_equal(count_jobs(f, "", 1u << JOB_DEAD, 2), 3);
    assert_int_equal(count_jobs(f, "", 1u << JOB_DEAD | 1u << JOB_DOUBT, 2), 6);
    assert_int_equal(count_jobs(f, "q", 1u << JOB_LEASED, 2), 3);
    assert_int_equal(count_jobs(f, "r", 1u << JOB_DEAD, 2), 0);
    assert_int_equal(count_jobs(f, "", 1u << JOB_READY, 5), 21);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_JOBS, .from = SLICE("Zoo")}), ERROR_INVALID);
    struct record_queue_entry entry = view_queue(f, "q");
    assert_int_equal(entry.ready, 11);
    assert_int_equal(entry.leased, 3);
    assert_int_equal(entry.doubt, 3);
    assert_int_equal(entry.dead, 3);
    assert_int_equal(entry.oldest_ms, NOW);
    reopen_store(f);
    assert_false(store_counted(f->store));
    assert_int_equal(view_queue(f, "q").ready, 14);
    assert_true(store_counted(f->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(claims_hold),
        ON_BOTH(a_held_claim_skips),
        ON_BOTH(claims_are_forgotten_by_days),
        ON_BOTH(spaces_and_versions),
        ON_BOTH(space_scan_pages),
        ON_BOTH(pages_are_bounded_by_bytes),
        ON_BOTH(books_add_up),
        ON_BOTH(outbox_grows_and_is_trimmed),
        ON_BOTH(a_long_outbox_is_trimmed_at_once_for_readers),
        ON_BOTH(a_trim_does_not_reach_into_the_future),
        ON_BOTH(trimmed_rows_stay_hidden_after_a_restart),
        ON_BOTH(runs_have_versions),
        ON_BOTH(jobs_are_listed_by_queue_and_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
