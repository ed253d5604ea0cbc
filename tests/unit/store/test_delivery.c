// SPDX-License-Identifier: MIT
/* Credit, gates, priorities, order keys, leases. */
#include "tests/unit/store/fixture.h"

static void credit_is_never_exceeded(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 10; i++)
        push_to(f, "q", "", "", "x");
    assert_int_equal(deliver(f), 0);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 3);
    assert_int_equal(deliver(f), 3);
    struct handed first = f->handed[0];
    assert_int_equal(deliver(f), 0);
    assert_int_equal(DO(f, finish, first.id, first.fence), ERROR_OK);
    assert_int_equal(deliver(f), 1);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 5);
    assert_int_equal(deliver(f), 2);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 0);
    assert_true(store_release(f->store, f->handed[0].id, f->handed[0].fence));
    assert_false(store_release(f->store, f->handed[0].id, f->handed[0].fence));
    assert_int_equal(deliver(f), 0);
}

static void in_order_of_pushes(void **state)
{
    struct fixture *f = *state;
    uint64_t ids[5];

    for (int i = 0; i < 5; i++, f->now++)
        ids[i] = push_to(f, "q", "", "", "x");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 5);
    assert_int_equal(deliver(f), 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(f->handed[i].id, ids[i]);
}

static void priority_and_due(void **state)
{
    struct fixture *f = *state;

    PUT_OP(f, push, .queue = SLICE("q"), .priority = 7, .payload = SLICE("last"));
    PUT_OP(f, push, .queue = SLICE("q"), .priority = 3, .due_ms = f->now + 1000, .payload = SLICE("later"));
    PUT_OP(f, push, .queue = SLICE("q"), .priority = 0, .payload = SLICE("first"));
    PUT_OP(f, push, .queue = SLICE("q"), .priority = 3, .due_ms = f->now - 5, .payload = SLICE("overdue"));
    PUT_OP(f, push, .queue = SLICE("q"), .priority = 3, .payload = SLICE("now"));
    assert_int_equal(commit_all(f).error, ERROR_OK);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    assert_int_equal(deliver(f), 4);
    assert_string_equal(f->handed[0].payload, "first");
    assert_string_equal(f->handed[1].payload, "overdue");
    assert_string_equal(f->handed[2].payload, "now");
    assert_string_equal(f->handed[3].payload, "last");
    assert_int_equal(store_next_due(f->store), f->now + 1000);
    assert_int_equal(deliver(f), 0);
    f->now += 1000;
    assert_string_equal(deliver_one(f).payload, "later");
    assert_int_equal(store_next_due(f->store), INT64_MAX);
}

static void a_clock_set_back_holds_up_nothing_at_once(void **state)
{
    struct fixture *f = *state;

    push_to(f, "q", "", "", "pushed later than now");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    f->now -= 86400000;
    assert_int_equal(deliver(f), 1);
}

static void gates_are_closed_until_opened(void **state)
{
    struct fixture *f = *state;

    push_to(f, "q", "insta", "", "gated");
    push_to(f, "q", "", "", "free");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    assert_string_equal(deliver_one(f).payload, "free");
    assert_int_equal(f->wanted_count, 1);
    assert_string_equal(f->wanted[0], "insta");
    push_to(f, "q", "insta", "", "gated too");
    assert_int_equal(deliver(f), 0);
    assert_int_equal(f->wanted_count, 1);
    store_gate(f->store, SLICE("insta"), true);
    assert_int_equal(deliver(f), 2);
    assert_string_equal(f->handed[0].gate, "insta");
    store_gate(f->store, SLICE("insta"), false);
    push_to(f, "q", "insta", "", "shut out");
    assert_int_equal(deliver(f), 0);
    store_reset(f->store, ACTOR_LIMITER);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(f->wanted_count, 2);
}

static void gates_take_turns(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 6; i++)
        push_to(f, "q", "a", "", "a");
    for (int i = 0; i < 6; i++)
        push_to(f, "q", "b", "", "b");
    store_gate(f->store, SLICE("a"), true);
    store_gate(f->store, SLICE("b"), true);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 1);
    int served[2] = {0, 0};
    for (int i = 0; i < 8; i++) {
        struct handed job = deliver_one(f);
        served[job.gate[0] - 'a']++;
        assert_int_equal(DO(f, finish, job.id, job.fence), ERROR_OK);
    }
    assert_int_equal(served[0], 4);
    assert_int_equal(served[1], 4);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 4);
    assert_int_equal(deliver(f), 4);
    assert_true(f->handed[0].gate[0] != f->handed[1].gate[0]);
    assert_true(f->handed[2].gate[0] != f->handed[3].gate[0]);
}

static void subscribers_take_turns(void **state)
{
    struct fixture *f = *state;
    int publisher = 0;

    for (int i = 0; i < 8; i++)
        push_to(f, "q", "", "", "x");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 4);
    store_subscribe(f->store, ACTOR_AI_WORKER, SLICE("q"), 4);
    assert_int_equal(deliver(f), 8);
    for (size_t i = 0; i < 8; i++)
        publisher += f->handed[i].actor == ACTOR_PUBLISHER;
    assert_int_equal(publisher, 4);
}

static void a_full_inbox_keeps_the_job(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++)
        push_to(f, "q", "", "", "x");
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    f->inbox_room = 2;
    assert_int_equal(deliver(f), 2);
    assert_true(store_next_due(f->store) <= f->now);
    assert_int_equal(deliver(f), 0);
    f->inbox_room = 10;
    assert_int_equal(deliver(f), 2);
    assert_int_equal(view_queue(f, "q").leased, 4);
}

static void one_at_a_time_per_key(void **state)
{
    struct fixture *f = *state;
    uint64_t a1 = push_to(f, "q", "", "order-1", "a1"), a2 = push_to(f, "q", "", "order-1", "a2");
    uint64_t b1 = push_to(f, "q", "", "order-2", "b1");

    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    assert_int_equal(deliver(f), 2);
    struct handed first = f->handed[0];
    assert_int_equal(first.id, a1);
    assert_int_equal(f->handed[1].id, b1);
    assert_string_equal(first.key, "order-1");
    assert_int_equal(view_queue(f, "q").ready, 1);
    assert_int_equal(DO(f, retry, first.id, first.fence, f->now + 1000, ERROR_FAILED), ERROR_OK);
    assert_int_equal(deliver(f), 0); /* the first of the key waits, so all of the key do */
    f->now += 1000;
    first = deliver_one(f);
    assert_int_equal(first.id, a1);
    assert_int_equal(DO(f, doubt, first.id, first.fence, SLICE("?")), ERROR_OK);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(DO(f, cancel, a1), ERROR_OK);
    first = deliver_one(f);
    assert_int_equal(first.id, a2);
    uint64_t a3 = push_to(f, "q", "", "order-1", "a3");
    PUT_OP(f, bury, first.id, first.fence, ERROR_REFUSED, SLICE(""));
    PUT_OP(f, push, .queue = SLICE("q"), .key = SLICE("order-1"), .payload = SLICE("a4"), .priority = 0);
    assert_int_equal(commit_all(f).error, ERROR_OK);
    assert_int_equal(deliver_one(f).id, a3);
    /* Revived, it stands behind those that were pushed meanwhile. */
    assert_int_equal(DO(f, revive, .job = a2), ERROR_OK);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(DO(f, finish, a3, f->handed[0].fence), ERROR_OK);
    first = deliver_one(f);
    assert_string_equal(first.payload, "a4");
    assert_int_equal(DO(f, finish, first.id, first.fence), ERROR_OK);
    assert_int_equal(deliver_one(f).id, a2);
}

static void keys_of_queues_are_apart_and_survive(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        push_to(f, "q", "", "k", "x");
        push_to(f, "r", "", "k", "x");
    }
    reopen_store(f);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("r"), 10);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(deliver(f), 2);
        for (int j = 0; j < 2; j++)
            PUT_OP(f, finish, f->handed[j].id, f->handed[j].fence);
        assert_int_equal(commit_all(f).error, ERROR_OK);
    }
    assert_int_equal(deliver(f), 0);
}

static void cancel_of_the_middle_of_a_key(void **state)
{
    struct fixture *f = *state;
    uint64_t ids[3];

    for (int i = 0; i < 3; i++)
        ids[i] = push_to(f, "q", "", "k", "x");
    assert_int_equal(DO(f, cancel, ids[1]), ERROR_OK);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 10);
    struct handed job = deliver_one(f);
    assert_int_equal(job.id, ids[0]);
    assert_int_equal(DO(f, finish, job.id, job.fence), ERROR_OK);
    assert_int_equal(deliver_one(f).id, ids[2]);
}

static void reset_ends_leases(void **state)
{
    struct fixture *f = *state;
    uint64_t id = push_to(f, "q", "", "", "x");

    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 1);
    struct handed before = deliver_one(f);
    store_reset(f->store, ACTOR_PUBLISHER);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(DO(f, finish, id, before.fence), ERROR_FENCED);
    store_subscribe(f->store, ACTOR_PUBLISHER, SLICE("q"), 1);
    struct handed after = deliver_one(f);
    assert_int_equal(after.id, id);
    assert_true(after.fence != before.fence);
    assert_int_equal(DO(f, note, id, before.fence, SLICE("late")), ERROR_FENCED);
    store_quiesce(f->store);
    push_to(f, "q", "", "", "y");
    assert_int_equal(DO(f, finish, id, after.fence), ERROR_OK);
    assert_int_equal(deliver(f), 0);
    assert_int_equal(store_lease_count(f->store), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(credit_is_never_exceeded),
        ON_BOTH(in_order_of_pushes),
        ON_BOTH(priority_and_due),
        ON_BOTH(a_clock_set_back_holds_up_nothing_at_once),
        ON_BOTH(gates_are_closed_until_opened),
        ON_BOTH(gates_take_turns),
        ON_BOTH(subscribers_take_turns),
        ON_BOTH(a_full_inbox_keeps_the_job),
        ON_BOTH(one_at_a_time_per_key),
        ON_BOTH(keys_of_queues_are_apart_and_survive),
        ON_BOTH(cancel_of_the_middle_of_a_key),
        ON_BOTH(reset_ends_leases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
