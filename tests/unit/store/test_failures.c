// SPDX-License-Identifier: MIT
/* A full store, a failing disk, flipped bits, a cut file, a second process. */
#include "tests/unit/store/fixture.h"
#include "store/check.h"
#include <fcntl.h>
#include <sys/stat.h>

static struct store_check_report check(struct fixture *f)
{
    while (store_step(f->store, f->now))
        continue;
    struct store_check *running = store_check_begin(f->store);
    while (!store_check_step(running))
        continue;
    struct store_check_report report = *store_check_report(running);
    store_check_end(&running);
    return report;
}

static void one_bad_commit_in_a_group(void **state)
{
    struct fixture *f = *state;
    struct buffer ops[5] = {{NULL, 0, 0}};
    struct store_commit commits[5];

    for (int i = 0; i < 5; i++) {
        op_put_push(&ops[i], &(struct op_push){.queue = SLICE("q"), .payload = SLICE("x")});
        if (i == 2)
            op_put_expect(&ops[i], &(struct op_expect){SLICE("s"), SLICE("k"), 5});
        commits[i] = (struct store_commit){.ops = buffer_slice(&ops[i])};
    }
    store_commit_group(f->store, commits, 5, f->now);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(commits[i].error, i == 2 ? ERROR_CONFLICT : ERROR_OK);
        buffer_free(&ops[i]);
    }
    struct record_store_entry entry = view_store(f);
    assert_int_equal(entry.jobs, 4);
    assert_int_equal(entry.syncs, 2); /* the start and the group */
    assert_int_equal(entry.commits, 4);
}

/* Pushes until new work is refused, for whatever room there is. */
static size_t fill(struct fixture *f, uint64_t *last)
{
    char *payload = xcalloc(1, 3000);
    size_t pushed = 0;
    enum error error = ERROR_OK;

    memset(payload, 'p', 3000);
    while (error == ERROR_OK) {
        PUT_OP(f, push, .queue = SLICE("q"), .payload = {payload, 3000});
        struct store_commit commit = commit_all(f);
        error = commit.error;
        pushed += error == ERROR_OK;
        *last = commit.first_id ? commit.first_id : *last;
    }
    assert_int_equal(error, ERROR_FULL);
    free(payload);
    return pushed;
}

static void a_full_store_still_finishes(struct fixture *f)
{
    uint64_t last = 0;

    open_store(f);
    size_t pushed = fill(f, &last);
    assert_true(pushed > 50);
    assert_true(view_store(f).refusing);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 100);
    /* Work that is in the store carries on: a finish with what follows from it is taken. */
    assert_true(deliver(f) > 0);
    PUT_OP(f, finish, f->handed[0].id, f->handed[0].fence);
    PUT_OP(f, push, .queue = SLICE("flow"), .payload = SLICE("next step"));
    PUT_OP(f, put, SLICE("s"), SLICE("k"), SLICE("v"));
    assert_int_equal(commit_all(f).error, ERROR_OK);
    for (size_t finished = 1, at = 1; finished < pushed; finished++, at++) {
        if (at == f->handed_count) {
            assert_true(deliver(f) > 0);
            at = 0;
        }
        assert_int_equal(DO(f, finish, f->handed[at].id, f->handed[at].fence), ERROR_OK);
    }
    assert_int_equal(DO(f, push, .queue = SLICE("q")), ERROR_OK);
    assert_false(view_store(f).refusing);
    assert_int_equal(view_store(f).jobs, 2);
    struct store_check_report report = check(f);
    assert_true(store_check_is_clean(&report));
}

static void full_memory(void **state)
{
    struct fixture *f = *state = fixture_new(&kv_memory_ops, 1 << 20);

    a_full_store_still_finishes(f);
}

static void full_lmdb(void **state)
{
    struct fixture *f = *state = fixture_new(&kv_lmdb_ops, 1 << 20);

    a_full_store_still_finishes(f);
}

static void a_short_file_system_refuses_new_work(void **state)
{
    struct fixture *f = *state;

    f->options.disk_reserve_bytes = 1000;
    reopen_store(f);
    push_to(f, "q", "", "", "x");
    kv_memory_disk_set_free(f->disk, 900);
    assert_int_equal(DO(f, push, .queue = SLICE("q")), ERROR_DISK_FULL);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 1);
    struct handed job = deliver_one(f);
    PUT_OP(f, finish, job.id, job.fence);
    PUT_OP(f, push, .queue = SLICE("flow"));
    assert_int_equal(commit_all(f).error, ERROR_OK);
    kv_memory_disk_set_free(f->disk, 2000);
    assert_int_equal(DO(f, push, .queue = SLICE("q")), ERROR_OK);
    kv_memory_disk_fail(f->disk, 1, KV_FAULT_DISK_FULL);
    assert_int_equal(DO(f, push, .queue = SLICE("q")), ERROR_OK); /* tried once more without upkeep */
    assert_true(store_usable(f->store));
}

static void a_lost_commit_may_be_repeated(void **state)
{
    struct fixture *f = *state;
    uint64_t id = push_to(f, "q", "", "", "x");

    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 1);
    struct handed job = deliver_one(f);
    kv_memory_disk_fail(f->disk, 1, KV_FAULT_LOST);
    assert_int_equal(DO(f, finish, id, job.fence), ERROR_IO);
    assert_int_equal(view_job(f, id).state, JOB_LEASED);
    assert_int_equal(DO(f, finish, id, job.fence), ERROR_OK);
}

static void a_commit_whose_answer_is_lost_is_fenced(void **state)
{
    struct fixture *f = *state;
    uint64_t id = push_to(f, "q", "", "", "x"), other = push_to(f, "q", "", "", "y");

    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 2);
    assert_int_equal(deliver(f), 2);
    kv_memory_disk_fail(f->disk, 1, KV_FAULT_ANSWER_LOST);
    assert_int_equal(DO(f, retry, id, f->handed[0].fence, f->now + 5, ERROR_FAILED), ERROR_IO);
    assert_int_equal(DO(f, retry, id, f->handed[0].fence, f->now + 5, ERROR_FAILED), ERROR_FENCED);
    assert_int_equal(view_job(f, id).attempt, 1);
    assert_int_equal(DO(f, finish, other, f->handed[1].fence), ERROR_OK); /* untouched: its lease holds */
    PUT_OP(f, claim, SLICE("once"), f->now + 1000, 1, SLICE(""));
    PUT_OP(f, push, .queue = SLICE("r"), .payload = SLICE("z"));
    kv_memory_disk_fail(f->disk, 1, KV_FAULT_ANSWER_LOST);
    assert_int_equal(commit_all(f).error, ERROR_IO);
    PUT_OP(f, claim, SLICE("once"), f->now + 1000, 1, SLICE(""));
    PUT_OP(f, push, .queue = SLICE("r"), .payload = SLICE("z"));
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(view_queue(f, "r").ready, 1);
    struct store_check_report report = check(f);
    assert_true(store_check_is_clean(&report));
}

static void corrupt_jobs_are_set_aside(void **state)
{
    struct fixture *f = *state;
    uint64_t ids[3][2];
    struct key key;

    for (unsigned part = 0; part < 3; part++)
        for (int i = 0; i < 2; i++) {
            char order[8];
            snprintf(order, sizeof(order), "key-%u", part);
            ids[part][i] = push_to(f, "q", "", order, "payload");
        }
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    assert_int_equal(deliver(f), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(DO(f, note, f->handed[i].id, f->handed[i].fence, SLICE("note")), ERROR_OK);
    for (unsigned part = 0; part < 3; part++) {
        key_job(&key, ids[part][0], (enum job_part)part);
        flip_bit(f, &key, 11 + part);
    }
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_JOB, .id = ids[0][0]}), ERROR_CORRUPT);
    struct store_check_report report = check(f); /* the steps before it set them aside */
    assert_true(store_check_is_clean(&report));
    assert_true(report.quarantined >= 8);
    assert_int_equal(deliver(f), 3); /* those behind them in their keys */
    for (unsigned part = 0; part < 3; part++)
        assert_int_equal(view_job(f, ids[part][0]).state, JOB_NONE);
    assert_true(view_store(f).corrupt >= 3);
    assert_int_equal(view_store(f).jobs, 3);
}

static void a_corrupt_index_entry_is_mended(void **state)
{
    struct fixture *f = *state;
    uint64_t id = push_to(f, "q", "", "k", "x");
    struct ready ready = {.queue = 1, .priority = 4, .lane = LANE_NOW, .time = (uint64_t)NOW, .id = id};
    struct key key;

    key_ready(&key, &ready);
    flip_bit(f, &key, 3);
    struct store_check_report report = check(f);
    assert_int_equal(report.corrupt, 1);
    assert_true(report.finding_count >= 1);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 1);
    assert_int_equal(deliver(f), 0);
    report = check(f);
    assert_true(store_check_is_clean(&report));
    assert_int_equal(deliver_one(f).id, id);
}

static void fill_with_rows(struct fixture *f, size_t bytes)
{
    char *text = xcalloc(1, bytes + 1);
    struct row row = {.table = 0};
    struct buffer packed = {NULL, 0, 0};
    enum error error = ERROR_OK;

    memset(text, 'x', bytes);
    for (size_t i = 0; i < table_info[0].column_count; i++) {
        enum column_type type = table_info[0].columns[i].type;
        if (type == COLUMN_key)
            row.values[i].text = (struct slice){text, bytes};
        else if (type != COLUMN_stamp)
            row.values[i].is_null = true;
    }
    row_pack(&packed, &row);
    for (size_t i = 0; i < 100000 && error == ERROR_OK; i++)
        error = DO(f, append, .row = buffer_slice(&packed));
    assert_int_equal(error, ERROR_FULL);
    buffer_free(&packed);
    free(text);
}

/* Whatever only grows ends below the bound, and the rest of the room is for what finishes or deletes. */
static void what_frees_room_has_room(void **state)
{
    struct fixture *f = *state;
    char text[300];

    push_to(f, "q", "", "", "work");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 1);
    struct handed job = deliver_one(f);
    memset(text, 'x', sizeof(text));
    fill_with_rows(f, 20000);
    fill_with_rows(f, 10);
    assert_int_equal(DO(f, put, SLICE("s"), SLICE("k"), {text, sizeof(text)}), ERROR_FULL);
    assert_int_equal(DO(f, claim, {text, sizeof(text)}, f->now + 1000, 0, SLICE("")), ERROR_FULL);
    assert_int_equal(DO(f, note, job.id, job.fence, {text, sizeof(text)}), ERROR_FULL);
    PUT_OP(f, finish, job.id, job.fence);
    PUT_OP(f, book, SLICE("b"), SLICE("EUR"), 0, 1);
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(DO(f, trim, .sequence = (uint64_t)1 << 39), ERROR_OK);
    reopen_store(f);
    assert_int_equal(view_store(f).outbox, 0);
    assert_int_equal(DO(f, push, .queue = SLICE("q")), ERROR_OK);
    struct store_check_report report = check(f);
    assert_true(store_check_is_clean(&report));
}

static void run_steps(struct fixture *f)
{
    while (store_step(f->store, f->now))
        continue;
}

/* One bit of a doubtful job's head turns over: the jobs of its order key behind it must still run one day. */
static void a_corrupt_doubtful_head_lets_the_next_pass(void **state)
{
    struct fixture *f = *state;
    struct key key;
    uint64_t first = push_to(f, "q", "", "k", "1");

    push_to(f, "q", "", "k", "2");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 4);
    struct handed job = deliver_one(f);
    assert_int_equal(DO(f, doubt, .job = job.id, .fence = job.fence), ERROR_OK);
    key_job(&key, first, JOB_HEAD);
    flip_bit(f, &key, 20);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 4);
    read_page(f, (struct msg_read){.what = READ_JOBS});
    for (int i = 0; i < 5; i++)
        run_steps(f);
    assert_int_equal(DO(f, cancel, .job = first), ERROR_OK);
    run_steps(f);
    assert_int_equal(deliver(f), 1);
}

/* One bit of the order entry behind turns over: the job in front was worked on and must be able to end. */
static void a_corrupt_order_entry_lets_the_front_finish(void **state)
{
    struct fixture *f = *state;
    struct order_ref ref;
    struct key key;

    uint64_t one = push_to(f, "q", "", "k", "1"), two = push_to(f, "q", "", "k", "2");
    assert_int_equal(two, one + 2); /* each took an id and a place */
    order_hash(SLICE("k"), ref.hash);
    ref.order = (two & (((uint64_t)1 << 40) - 1)) + 1;
    key_order(&key, 1, &ref);
    flip_bit(f, &key, 3);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 4);
    struct handed job = deliver_one(f);
    enum error finished = DO(f, finish, .job = job.id, .fence = job.fence);
    run_steps(f);
    assert_int_equal(finished, ERROR_OK);
    assert_int_equal(deliver_one(f).id, two);
    assert_int_equal(DO(f, finish, two, f->handed[0].fence), ERROR_OK);
    struct store_check_report report = check(f);
    assert_true(store_check_is_clean(&report));
}

/* The transaction that tidies up fails: what it wanted to forget is still there and must be forgotten later. */
static void a_day_of_claims_is_forgotten_after_all(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(DO(f, claim, .key = SLICE("k"), .until_ms = f->now + 1000), ERROR_OK);
    f->now += 3 * (int64_t)86400000;
    kv_memory_disk_fail(f->disk, 1, KV_FAULT_DISK_FULL);
    assert_int_equal(DO(f, put, .space = SLICE("s"), .key = SLICE("k")), ERROR_OK);
    assert_int_equal(view_store(f).claims, 0);
}

static void corrupt_records_answer_corrupt(void **state)
{
    struct fixture *f = *state;
    struct key key;

    assert_int_equal(DO(f, put, SLICE("s"), SLICE("k"), SLICE("value")), ERROR_OK);
    assert_int_equal(DO(f, put, SLICE("s"), SLICE("l"), SLICE("value")), ERROR_OK);
    assert_int_equal(DO(f, claim, SLICE("c"), f->now + 1000, 0, SLICE("")), ERROR_OK);
    assert_int_equal(DO(f, book, SLICE("b"), SLICE(""), 0, 1), ERROR_OK);
    key_space(&key, SLICE("s"), SLICE("k"));
    flip_bit(f, &key, 20);
    key_claim(&key, claim_day(f->now + 1000), SLICE("c"));
    flip_bit(f, &key, 9);
    key_book(&key, SLICE("b"), SLICE(""), 0);
    flip_bit(f, &key, 9);
    assert_int_equal(DO(f, put, SLICE("s"), SLICE("k"), SLICE("v")), ERROR_CORRUPT);
    assert_int_equal(DO(f, claim, SLICE("c"), f->now + 1000, 0, SLICE("")), ERROR_CORRUPT);
    assert_int_equal(DO(f, book, SLICE("b"), SLICE(""), 0, 1), ERROR_CORRUPT);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_SPACE_GET, .space = SLICE("s"), .from = SLICE("k")}),
                     ERROR_CORRUPT);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_SPACE_SCAN, .space = SLICE("s")}), ERROR_OK);
    assert_int_equal(f->page.count, 1);
    assert_int_equal(check(f).corrupt, 3);
    assert_int_equal(DO(f, delete, SLICE("s"), SLICE("k")), ERROR_OK);
    assert_int_equal(DO(f, put, SLICE("s"), SLICE("k"), SLICE("v")), ERROR_OK);
}

static void a_corrupt_meta_or_newer_format_is_refused(void **state)
{
    struct fixture *f = *state;
    char problem[STORE_PROBLEM_BYTES];
    enum error error;
    struct key key;

    key_meta(&key);
    store_close(&f->store);
    struct kv *kv;
    struct kv_txn *txn;
    assert_int_equal(f->ops->open(f->argument, &kv, problem, sizeof(problem)), ERROR_OK);
    assert_int_equal(f->ops->begin(kv, true, &txn), ERROR_OK);
    assert_int_equal(f->ops->put(txn, key_slice(&key), SLICE("rubbish")), ERROR_OK);
    assert_int_equal(f->ops->commit(&txn), ERROR_OK);
    f->ops->close(&kv);
    f->store = store_open(f->ops, f->argument, &f->options, f->now, &error, problem);
    assert_null(f->store);
    assert_int_equal(error, ERROR_CORRUPT);
    assert_true(strlen(problem) > 0);
}

static enum error try_open(struct fixture *f)
{
    char problem[STORE_PROBLEM_BYTES];
    enum error error;

    f->store = store_open(f->ops, f->argument, &f->options, f->now, &error, problem);
    return error;
}

static void lmdb_refuses_a_cut_or_foreign_file(void **state)
{
    struct fixture *f = *state;
    char path[100];
    struct stat info;

    for (int i = 0; i < 50; i++)
        push_to(f, "q", "", "", "a payload of some size, to have a few pages");
    store_close(&f->store);
    snprintf(path, sizeof(path), "%s/data.mdb", f->directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
    assert_int_equal(try_open(f), ERROR_CORRUPT);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(try_open(f), ERROR_CORRUPT);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(write(fd, "nonsense", 8), 8);
    close(fd);
    assert_int_equal(try_open(f), ERROR_CORRUPT);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(try_open(f), ERROR_OK);
}

static void lmdb_has_one_owner(void **state)
{
    struct fixture *f = *state;
    struct store *store;
    char problem[STORE_PROBLEM_BYTES];
    enum error error;

    store = store_open(f->ops, f->argument, &f->options, f->now, &error, problem);
    assert_null(store);
    assert_int_equal(error, ERROR_HELD);
    push_to(f, "q", "", "", "still fine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(one_bad_commit_in_a_group),
        cmocka_unit_test_teardown(full_memory, teardown),
        cmocka_unit_test_teardown(full_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_short_file_system_refuses_new_work, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(a_lost_commit_may_be_repeated, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(a_commit_whose_answer_is_lost_is_fenced, setup_memory, teardown),
        ON_BOTH(corrupt_jobs_are_set_aside),
        ON_BOTH(a_corrupt_index_entry_is_mended),
        ON_BOTH(what_frees_room_has_room),
        ON_BOTH(a_corrupt_doubtful_head_lets_the_next_pass),
        ON_BOTH(a_corrupt_order_entry_lets_the_front_finish),
        cmocka_unit_test_setup_teardown(a_day_of_claims_is_forgotten_after_all, setup_memory, teardown),
        ON_BOTH(corrupt_records_answer_corrupt),
        ON_BOTH(a_corrupt_meta_or_newer_format_is_refused),
        cmocka_unit_test_setup_teardown(lmdb_refuses_a_cut_or_foreign_file, setup_lmdb, teardown),
        cmocka_unit_test_setup_teardown(lmdb_has_one_owner, setup_lmdb, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
