// SPDX-License-Identifier: MIT
/* The life of a job through commits. */
#include "tests/unit/store/fixture.h"

static void push_lease_finish(void **state)
{
    struct fixture *f = *state;
    uint64_t id = push_to(f, "ai", "", "", "hello");

    assert_int_equal(view_job(f, id).state, JOB_READY);
    store_subscribe(f->store, ACTOR_AI_WORKER, SLICE("ai"), 1);
    struct handed job = deliver_one(f);
    assert_int_equal(job.id, id);
    assert_int_equal(job.actor, ACTOR_AI_WORKER);
    assert_string_equal(job.payload, "hello");
    assert_string_equal(job.queue, "ai");
    assert_int_equal(view_job(f, id).state, JOB_LEASED);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(DO(f, finish, .job = id, .fence = job.fence), ERROR_OK);
    assert_int_equal(view_job(f, id).state, JOB_NONE);
    assert_int_equal(DO(f, finish, .job = id, .fence = job.fence), ERROR_FENCED);
    assert_int_equal(view_queue(f, "ai").ready, 0);
    assert_int_equal(view_store(f).jobs, 0);
}

static struct handed pushed_and_leased(struct fixture *f)
{
    push_to(f, "ai", "", "", "work");
    store_subscribe(f->store, ACTOR_AI_WORKER, SLICE("ai"), 1);
    return deliver_one(f);
}

static void retry_charges(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);

    assert_int_equal(DO(f, retry, job.id, job.fence, f->now + 5000, ERROR_TIMEOUT), ERROR_OK);
    struct record_job_view view = view_job(f, job.id);
    assert_int_equal(view.state, JOB_WAITING);
    assert_int_equal(view.attempt, 1);
    assert_int_equal(view.error, ERROR_TIMEOUT);
    assert_int_equal(view_queue(f, "ai").waiting, 1);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(store_next_due(f->store), f->now + 5000);
    f->now += 5000;
    assert_int_equal(view_job(f, job.id).state, JOB_READY);
    struct handed again = deliver_one(f);
    assert_int_equal(again.id, job.id);
    assert_int_equal(again.attempt, 1);
    assert_true(again.fence > job.fence);
    assert_int_equal(DO(f, finish, job.id, job.fence), ERROR_FENCED);
    assert_int_equal(DO(f, finish, job.id, again.fence), ERROR_OK);
}

static void park_does_not_charge(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);

    assert_int_equal(DO(f, park, job.id, job.fence, f->now + 60000, ERROR_OFFLINE), ERROR_OK);
    struct record_job_view view = view_job(f, job.id);
    assert_int_equal(view.state, JOB_PARKED);
    assert_int_equal(view.attempt, 0);
    assert_int_equal(view_queue(f, "ai").parked, 1);
    f->now += 61000;
    assert_int_equal(view_queue(f, "ai").ready, 1);
    assert_int_equal(deliver_one(f).id, job.id);
}

static void parked_for_ever_until_revived(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);

    assert_int_equal(DO(f, park, job.id, job.fence, INT64_MAX, ERROR_AUTH), ERROR_OK);
    f->now += (int64_t)1000 * 86400000;
    assert_int_equal(deliver(f), 0);
    assert_int_equal(view_job(f, job.id).state, JOB_PARKED);
    assert_int_equal(view_queue(f, "ai").parked, 1);
    assert_int_equal(DO(f, revive, .job = job.id), ERROR_OK);
    assert_int_equal(view_queue(f, "ai").parked, 0);
    assert_int_equal(deliver_one(f).id, job.id);
}

static void bury_and_revive(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);

    assert_int_equal(DO(f, retry, job.id, job.fence, 0, ERROR_FAILED), ERROR_OK);
    job = deliver_one(f);
    assert_int_equal(DO(f, bury, job.id, job.fence, ERROR_REFUSED, SLICE("it said no")), ERROR_OK);
    struct record_job_view view = view_job(f, job.id);
    assert_int_equal(view.state, JOB_DEAD);
    assert_int_equal(view.error, ERROR_REFUSED);
    assert_true(slice_is(view.detail, "it said no"));
    assert_int_equal(view_queue(f, "ai").dead, 1);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(DO(f, revive, .job = job.id), ERROR_OK);
    view = view_job(f, job.id);
    assert_int_equal(view.attempt, 0);
    assert_int_equal(view.error, ERROR_OK);
    assert_int_equal(deliver_one(f).id, job.id);
    assert_int_equal(DO(f, revive, .job = job.id), ERROR_HELD);
    assert_int_equal(DO(f, revive, .job = job.id + 999), ERROR_NOT_FOUND);
}

static void note_is_kept_and_doubt_forgets_on_wish(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);

    assert_int_equal(DO(f, note, job.id, job.fence, SLICE("intent")), ERROR_OK);
    assert_int_equal(view_job(f, job.id).state, JOB_LEASED);
    assert_int_equal(DO(f, doubt, job.id, job.fence, SLICE("answer lost")), ERROR_OK);
    assert_int_equal(view_job(f, job.id).state, JOB_DOUBT);
    assert_int_equal(DO(f, revive, .job = job.id), ERROR_OK);
    struct handed again = deliver_one(f);
    assert_string_equal(again.state, "intent");
    assert_int_equal(DO(f, doubt, again.id, again.fence, SLICE("")), ERROR_OK);
    assert_int_equal(DO(f, revive, .job = job.id, .forget_state = true), ERROR_OK);
    again = deliver_one(f);
    assert_int_equal(again.state_size, 0);
    assert_int_equal(DO(f, note, again.id, again.fence, SLICE("x")), ERROR_OK);
    assert_int_equal(DO(f, note, again.id, again.fence, SLICE("")), ERROR_OK);
    assert_int_equal(view_job(f, job.id).note.size, 0);
    struct buffer big = {NULL, 0, 0};
    char block[1024] = {1};
    for (int i = 0; i < 65; i++)
        buffer_append(&big, block, sizeof(block));
    assert_int_equal(DO(f, note, again.id, again.fence, buffer_slice(&big)), ERROR_TOO_LARGE);
    buffer_free(&big);
}

static void cancel_rules(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);
    uint64_t other = push_to(f, "ai", "", "", "other");

    assert_int_equal(DO(f, cancel, job.id), ERROR_HELD);
    assert_int_equal(DO(f, cancel, other), ERROR_OK);
    assert_int_equal(DO(f, cancel, other), ERROR_OK);
    assert_int_equal(view_job(f, other).state, JOB_NONE);
    assert_int_equal(DO(f, bury, job.id, job.fence, ERROR_REFUSED, SLICE("")), ERROR_OK);
    assert_int_equal(DO(f, cancel, job.id), ERROR_OK);
    assert_int_equal(view_store(f).jobs, 0);
    assert_int_equal(view_queue(f, "ai").dead, 0);
}

static void one_commit_sees_itself(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);

    PUT_OP(f, retry, job.id, job.fence, 0, ERROR_FAILED);
    PUT_OP(f, finish, job.id, job.fence);
    struct store_commit commit = commit_all(f);
    assert_int_equal(commit.error, ERROR_FENCED);
    assert_int_equal(commit.failed_op, 1);
    assert_int_equal(view_job(f, job.id).attempt, 0);
    assert_int_equal(DO(f, finish, job.id, job.fence), ERROR_OK);
}

static void a_group_sees_those_before(void **state)
{
    struct fixture *f = *state;
    struct handed job = pushed_and_leased(f);
    struct buffer first = {NULL, 0, 0}, second = {NULL, 0, 0};

    op_put_retry(&first, &(struct op_retry){job.id, job.fence, 0, ERROR_FAILED});
    op_put_finish(&second, &(struct op_finish){job.id, job.fence});
    struct store_commit commits[2] = {{.ops = buffer_slice(&first)}, {.ops = buffer_slice(&second)}};
    store_commit_group(f->store, commits, 2, f->now);
    assert_int_equal(commits[0].error, ERROR_OK);
    assert_int_equal(commits[1].error, ERROR_FENCED);
    assert_int_equal(view_job(f, job.id).attempt, 1);
    buffer_free(&first);
    buffer_free(&second);
}

static void push_refusals(void **state)
{
    struct fixture *f = *state;
    char name[66], step[STEP_BYTES_MAX + 2];

    memset(step, 's', sizeof(step) - 1);
    step[sizeof(step) - 1] = '\0';
    memset(name, 'a', sizeof(name) - 1);
    name[65] = '\0';
    assert_int_equal(DO(f, push, .queue = SLICE("")), ERROR_INVALID);
    assert_int_equal(DO(f, push, .queue = slice_of(name)), ERROR_TOO_LARGE);
    assert_int_equal(DO(f, push, .queue = SLICE("q"), .gate = slice_of(name)), ERROR_TOO_LARGE);
    assert_int_equal(DO(f, push, .queue = SLICE("q"), .step = slice_of(step)), ERROR_TOO_LARGE);
    assert_int_equal(DO(f, push, .queue = SLICE("q"), .priority = 8), ERROR_INVALID);
    assert_int_equal(DO(f, push, .queue = SLICE("q"), .due_ms = -1), ERROR_INVALID);
    assert_int_equal(DO(f, push, .queue = SLICE("q"), .id = 12345678), ERROR_INVALID);
    char *large = xcalloc(1, (1 << 20) + 1);
    assert_int_equal(DO(f, push, .queue = SLICE("q"), .payload = {large, (1 << 20) + 1}), ERROR_TOO_LARGE);
    assert_int_equal(DO(f, push, .queue = SLICE("q"), .payload = {large, 1 << 20}), ERROR_OK);
    free(large);
    assert_int_equal(commit_all(f).error, ERROR_MALFORMED);
    buffer_append(&f->commit, "\xff", 1);
    assert_int_equal(commit_all(f).error, ERROR_MALFORMED);
    for (int i = 0; i <= OPS_PER_COMMIT_MAX; i++)
        PUT_OP(f, cancel, 1);
    assert_int_equal(commit_all(f).error, ERROR_TOO_LARGE);
    assert_int_equal(view_store(f).jobs, 1);
}

static void refused_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    PUT_OP(f, push, .queue = SLICE("never-seen"));
    PUT_OP(f, put, SLICE("s"), SLICE("k"), SLICE("v"));
    PUT_OP(f, book, SLICE("b"), SLICE("EUR"), NOW, 5);
    PUT_OP(f, expect, SLICE("s"), SLICE("other"), 7);
    struct store_commit commit = commit_all(f);
    assert_int_equal(commit.error, ERROR_CONFLICT);
    assert_int_equal(commit.failed_op, 3);
    assert_int_equal(commit.first_id, 0);
    assert_int_equal(view_store(f).jobs, 0);
    assert_int_equal(view_store(f).syncs, 1);
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_SPACE_GET, .space = SLICE("s"), .from = SLICE("k")}),
                     ERROR_NOT_FOUND);
    /* The name's number was only in memory: it goes to disk with the commit that is accepted. */
    push_to(f, "never-seen", "", "", "x");
    reopen_store(f);
    assert_int_equal(view_queue(f, "never-seen").ready, 1);
}

static void ids_are_consecutive_and_never_reused(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;

    for (int round = 0; round < 4; round++) {
        PUT_OP(f, push, .queue = SLICE("q"), .key = SLICE("k"));
        PUT_OP(f, allocate, 3);
        PUT_OP(f, push, .queue = SLICE("q"), .key = SLICE("k"));
        struct store_commit commit = commit_all(f);
        assert_int_equal(commit.error, ERROR_OK);
        assert_true(commit.first_id > last);
        assert_int_equal(view_job(f, commit.first_id).state, JOB_READY);
        assert_int_equal(view_job(f, commit.first_id + 4).state, JOB_READY);
        last = commit.first_id + 4;
        assert_int_equal(DO(f, push, .id = commit.first_id + 1, .queue = SLICE("q")), ERROR_OK);
        assert_int_equal(DO(f, push, .id = commit.first_id + 1, .queue = SLICE("q")), ERROR_DUPLICATE);
        if (round == 1)
            reopen_store(f);
    }
    /* The very id that this commit's own push is about to get cannot be named in it. */
    PUT_OP(f, push, .id = push_to(f, "q", "", "", "x") + 1, .queue = SLICE("q"));
    PUT_OP(f, push, .queue = SLICE("q"));
    assert_int_equal(commit_all(f).error, ERROR_INVALID);
    assert_int_equal(DO(f, allocate, 0), ERROR_INVALID);
    assert_int_equal(DO(f, allocate, 4097), ERROR_INVALID);
    assert_int_equal(DO(f, allocate, 4096), ERROR_OK);
    reopen_store(f);
    assert_true(push_to(f, "q", "", "", "x") > last);
}

/* The box stands in the upper bits of every id, so a store that changed its box would not know its own ids. */
static void a_store_keeps_its_box(void **state)
{
    struct fixture *f = *state;
    char problem[STORE_PROBLEM_BYTES];
    enum error error;

    store_close(&f->store);
    f->options.box = 7;
    assert_null(store_open(f->ops, f->argument, &f->options, f->now, &error, problem));
    assert_int_equal(error, ERROR_INVALID);
    assert_non_null(strstr(problem, "belongs to box 0"));
    f->options.box = 0;
    open_store(f);
}

static void crash_charges_and_quarantines(void **state)
{
    struct fixture *f = *state;
    uint64_t id = push_to(f, "q", "", "", "poison"), other = push_to(f, "q", "", "", "fine");

    assert_int_equal(store_charge_crash(f->store, STORE_EXIT_OTHER, &id, 1, f->now), ERROR_OK);
    assert_int_equal(view_job(f, id).crashes, 0);
    assert_int_equal(store_charge_crash(f->store, STORE_EXIT_CRASH, &id, 1, f->now), ERROR_OK);
    assert_int_equal(view_job(f, id).crashes, 1);
    assert_int_equal(view_job(f, id).state, JOB_READY);
    uint64_t both[2] = {id, other + 12345};
    assert_int_equal(store_charge_crash(f->store, STORE_EXIT_HANG, both, 2, f->now), ERROR_OK);
    assert_int_equal(view_job(f, id).state, JOB_DEAD);
    assert_int_equal(view_job(f, id).error, ERROR_POISON);
    assert_int_equal(view_job(f, other).state, JOB_READY);
    assert_int_equal(DO(f, revive, .job = id), ERROR_OK);
    assert_int_equal(view_job(f, id).crashes, 0);
}

static void depth_bound(void **state)
{
    struct fixture *f = *state;

    f->options.queue_depth_max = 3;
    reopen_store(f);
    assert_int_equal(view_store(f).counted, true);
    for (int i = 0; i < 3; i++)
        push_to(f, "q", "", "", "x");
    assert_int_equal(DO(f, push, .queue = SLICE("q")), ERROR_FULL);
    assert_int_equal(DO(f, push, .queue = SLICE("other")), ERROR_OK);
}

static void reopen_keeps_all(void **state)
{
    struct fixture *f = *state;
    uint64_t ready = push_to(f, "q", "gate", "", "a");
    struct handed job = pushed_and_leased(f);

    assert_int_equal(DO(f, note, job.id, job.fence, SLICE("noted")), ERROR_OK);
    reopen_store(f);
    assert_int_equal(DO(f, finish, job.id, job.fence), ERROR_FENCED);
    assert_true(slice_is(view_job(f, job.id).note, "noted"));
    struct record_job_view view = view_job(f, ready);
    assert_true(slice_is(view.gate, "gate"));
    assert_true(slice_is(view.payload, "a"));
    assert_int_equal(view.created_ms, NOW);
    store_subscribe(f->store, ACTOR_AI_WORKER, SLICE("ai"), 1);
    struct handed again = deliver_one(f);
    assert_int_equal(again.id, job.id);
    assert_true(again.fence > job.fence);
}

/* Depths by due time are kept coarser the farther away: what comes nearer, is revived or cancelled stays right. */
static void depths_by_due_time_stay_right(void **state)
{
    static const int64_t after_ms[] = {5000, 1800000, 7200000, 7205000, 86400000, (int64_t)40 * 86400000};
    enum { TIMES = sizeof(after_ms) / sizeof(after_ms[0]) };
    struct fixture *f = *state;
    uint64_t ids[2 * TIMES];

    for (unsigned i = 0; i < 2 * TIMES; i++) {
        PUT_OP(f, push, .queue = SLICE("q"), .due_ms = NOW + after_ms[i % TIMES]);
        ids[i] = commit_all(f).first_id;
    }
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(view_queue(f, "q").waiting, 2 * TIMES);
        reopen_store(f);
    }
    f->now = NOW + 3600000 + 60000;
    assert_int_equal(view_queue(f, "q").waiting, 8);
    PUT_OP(f, push, .queue = SLICE("q"), .due_ms = NOW + after_ms[2]); /* near by now: a finer slot */
    uint64_t near = commit_all(f).first_id;
    assert_int_equal(view_queue(f, "q").waiting, 9);
    for (unsigned i = 0; i < 2 * TIMES; i++) {
        assert_int_equal(DO(f, cancel, ids[i]), ERROR_OK);
        PUT_OP(f, cancel, near);
        PUT_OP(f, expect, SLICE("s"), SLICE("k"), 7);
        assert_int_equal(commit_all(f).error, ERROR_CONFLICT);
    }
    assert_int_equal(view_queue(f, "q").waiting, 1);
    assert_int_equal(DO(f, cancel, near), ERROR_OK);
    assert_int_equal(view_queue(f, "q").waiting, 0);
    assert_int_equal(view_queue(f, "q").ready, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(push_lease_finish),
        ON_BOTH(retry_charges),
        ON_BOTH(park_does_not_charge),
        ON_BOTH(parked_for_ever_until_revived),
        ON_BOTH(bury_and_revive),
        ON_BOTH(note_is_kept_and_doubt_forgets_on_wish),
        ON_BOTH(cancel_rules),
        ON_BOTH(one_commit_sees_itself),
        ON_BOTH(a_group_sees_those_before),
        ON_BOTH(push_refusals),
        ON_BOTH(refused_leaves_nothing),
        ON_BOTH(ids_are_consecutive_and_never_reused),
        ON_BOTH(crash_charges_and_quarantines),
        ON_BOTH(a_store_keeps_its_box),
        ON_BOTH(depth_bound),
        ON_BOTH(reopen_keeps_all),
        ON_BOTH(depths_by_due_time_stay_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
