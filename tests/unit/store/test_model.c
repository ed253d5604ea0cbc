// SPDX-License-Identifier: MIT
/* Random commits, deliveries, crashes and lost answers against a model that is simple enough to be right: what was
 * acknowledged is never lost, what was refused leaves nothing, an unknown outcome is one of the two. */
#include "store/check.h"
#include "tests/unit/store/fixture.h"

enum { JOBS = 256, KEYS = 4, ENTRIES = 6, CLAIMS = 6, ROUNDS = 10000, OPS_MAX = 5, QUEUES = 2 };

struct model_job {
    uint64_t id, order;
    int64_t due;
    unsigned state, attempt, key, queue; /* key 0: none */
    bool noted;
};

struct model {
    struct model_job jobs[JOBS];
    uint64_t versions[ENTRIES];
    int64_t claims[CLAIMS], counter;
    uint64_t order_last, serial;
};

struct lease_seen {
    uint64_t id, fence;
};

struct world {
    struct fixture *f;
    uint64_t random;
    struct model model;
    struct lease_seen leases[JOBS];
    size_t lease_count;
    size_t operations, crashes, unknown, refused;
};

static uint64_t roll(struct world *world, uint64_t below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random % below;
}

static const char *const queue_names[QUEUES] = {"q0", "q1"};
static const char *const key_names[KEYS] = {"", "k1", "k2", "k3"};

static struct model_job *job_of(struct model *model, uint64_t id)
{
    for (size_t i = 0; i < JOBS; i++)
        if (model->jobs[i].id == id && id != 0)
            return &model->jobs[i];
    return NULL;
}

static bool is_leased(const struct world *world, uint64_t id)
{
    for (size_t i = 0; i < world->lease_count; i++)
        if (world->leases[i].id == id)
            return true;
    return false;
}

static void drop_lease(struct world *world, uint64_t id)
{
    for (size_t i = 0; i < world->lease_count; i++)
        if (world->leases[i].id == id)
            world->leases[i--] = world->leases[--world->lease_count];
}

static unsigned state_now(const struct world *world, const struct model_job *job)
{
    if (is_leased(world, job->id))
        return JOB_LEASED;
    if ((job->state == JOB_WAITING || job->state == JOB_PARKED) && job->due <= world->f->now)
        return JOB_READY;
    return job->state;
}

static bool is_eligible(struct world *world, const struct model_job *job)
{
    if (job->id == 0 || state_now(world, job) != JOB_READY)
        return false;
    for (size_t i = 0; i < JOBS; i++) {
        const struct model_job *other = &world->model.jobs[i];
        if (other->id != 0 && job->key != 0 && other->key == job->key && other->queue == job->queue &&
            other->state != JOB_DEAD && other->order < job->order)
            return false;
    }
    return true;
}

static void random_deliver(struct world *world)
{
    struct fixture *f = world->f;
    size_t eligible = 0, count;

    for (size_t i = 0; i < JOBS; i++)
        eligible += is_eligible(world, &world->model.jobs[i]);
    f->inbox_room = roll(world, 4) ? HANDED_MAX : roll(world, 5);
    size_t room = f->inbox_room;
    for (int i = 0; i < QUEUES; i++)
        store_subscribe(f->store, ACTOR_PUBLISHER, slice_of(queue_names[i]), 1000);
    count = deliver(f);
    assert_int_equal(count, eligible < room ? eligible : room);
    for (size_t i = 0; i < count; i++) {
        struct model_job *job = job_of(&world->model, f->handed[i].id);
        assert_non_null(job);
        assert_true(is_eligible(world, job));
        assert_int_equal(f->handed[i].attempt, job->attempt);
        assert_int_equal(f->handed[i].state_size > 0, job->noted);
    }
    for (size_t i = 0; i < count; i++)
        world->leases[world->lease_count++] = (struct lease_seen){f->handed[i].id, f->handed[i].fence};
    while (world->lease_count > 0 && roll(world, 3) == 0) {
        struct lease_seen lease = world->leases[roll(world, world->lease_count)];
        assert_true(store_release(f->store, lease.id, lease.fence));
        drop_lease(world, lease.id);
    }
}

/* One operation on a job in hand (or with a lease that never was): the model after it, and the error expected. */
static enum error random_leased_op(struct world *world, struct model *next, uint64_t ended[], size_t *ended_count)
{
    struct fixture *f = world->f;
    bool wrong = world->lease_count == 0 || roll(world, 20) == 0;
    struct lease_seen lease =
        wrong ? (struct lease_seen){1 + roll(world, 50), 77} : world->leases[roll(world, world->lease_count)];
    struct model_job *job = job_of(next, lease.id);
    int64_t due = roll(world, 2) ? 0 : f->now + (int64_t)roll(world, 3000);
    uint64_t kind = roll(world, 7);

    for (size_t i = 0; i < *ended_count; i++)
        wrong |= ended[i] == lease.id;
    if (kind == 0)
        PUT_OP(f, retry, lease.id, lease.fence, due, ERROR_FAILED);
    else if (kind == 1)
        PUT_OP(f, park, lease.id, lease.fence, due, ERROR_OFFLINE);
    else if (kind == 2)
        PUT_OP(f, bury, lease.id, lease.fence, ERROR_REFUSED, SLICE("no"));
    else if (kind == 3)
        PUT_OP(f, doubt, lease.id, lease.fence, SLICE("?"));
    else if (kind == 4)
        PUT_OP(f, note, lease.id, lease.fence, SLICE("noted"));
    else
        PUT_OP(f, finish, lease.id, lease.fence);
    if (wrong)
        return ERROR_FENCED;
    if (kind == 4) {
        job->noted = true;
        return ERROR_OK;
    }
    ended[(*ended_count)++] = lease.id;
    job->attempt += kind == 0;
    job->state = kind == 0 ? JOB_WAITING : kind == 1 ? JOB_PARKED : kind == 2 ? JOB_DEAD : JOB_DOUBT;
    job->due = kind <= 1 ? due : job->due;
    if (kind >= 5)
        *job = (struct model_job){.id = 0};
    return ERROR_OK;
}

/* Cancel or revive of some job. A lease that this commit ended before does not count. */
static enum error random_settle(struct world *world, struct model *next, const uint64_t ended[], size_t ended_count)
{
    struct fixture *f = world->f;
    struct model_job *job = &next->jobs[roll(world, JOBS)];
    const bool revive = roll(world, 2);

    if (job->id == UINT64_MAX)
        return ERROR_OK; /* pushed by this very commit: nobody knows its id yet */
    if (revive)
        PUT_OP(f, revive, .job = job->id);
    else
        PUT_OP(f, cancel, job->id);
    if (job->id == 0)
        return revive ? ERROR_NOT_FOUND : ERROR_OK;
    unsigned state = state_now(world, job);
    for (size_t i = 0; i < ended_count; i++)
        if (ended[i] == job->id)
            state =
                (job->state == JOB_WAITING || job->state == JOB_PARKED) && job->due <= f->now ? JOB_READY : job->state;
    if (state == JOB_LEASED)
        return ERROR_HELD;
    if (!revive) {
        *job = (struct model_job){.id = 0};
        return ERROR_OK;
    }
    if (state != JOB_PARKED && state != JOB_DEAD && state != JOB_DOUBT)
        return ERROR_INVALID;
    if (job->state == JOB_DEAD)
        job->order = ++next->order_last;
    job->state = JOB_WAITING;
    job->due = 0;
    job->attempt = 0;
    return ERROR_OK;
}

static enum error random_record_op(struct world *world, struct model *next)
{
    struct fixture *f = world->f;
    const uint64_t at = roll(world, ENTRIES);
    const char name[2] = {(char)('a' + at), '\0'};
    int64_t until = f->now + 1 + (int64_t)roll(world, 2000);
    uint64_t version;

    switch (roll(world, 4)) {
    case 0:
        PUT_OP(f, put, SLICE("s"), slice_of(name), SLICE("v"));
        next->versions[at]++;
        return ERROR_OK;
    case 1:
        version = roll(world, 4) ? next->versions[at] : next->versions[at] + 1;
        PUT_OP(f, expect, SLICE("s"), slice_of(name), version);
        return version == next->versions[at] ? ERROR_OK : ERROR_CONFLICT;
    case 2:
        PUT_OP(f, add, SLICE("n"), SLICE("counter"), 3);
        next->counter += 3;
        return ERROR_OK;
    default:
        PUT_OP(f, claim, slice_of(name), until, 0, SLICE("x"));
        if (next->claims[at] > f->now)
            return ERROR_HELD;
        next->claims[at] = until;
        return ERROR_OK;
    }
}

static void random_push(struct world *world, struct model *next, struct model_job *pushed[], size_t *pushed_count)
{
    struct fixture *f = world->f;
    size_t free_at = 0;

    while (free_at < JOBS && next->jobs[free_at].id != 0)
        free_at++;
    if (free_at == JOBS)
        return;
    struct model_job job = {.id = UINT64_MAX,
                            .state = JOB_WAITING,
                            .key = (unsigned)roll(world, KEYS),
                            .queue = (unsigned)roll(world, QUEUES),
                            .order = ++next->order_last};
    job.due = roll(world, 2) ? 0 : f->now + (int64_t)roll(world, 2000);
    PUT_OP(f, push, .queue = slice_of(queue_names[job.queue]), .key = slice_of(key_names[job.key]), .due_ms = job.due,
           .priority = roll(world, 8), .payload = SLICE("payload"));
    next->jobs[free_at] = job;
    pushed[(*pushed_count)++] = &next->jobs[free_at];
}

/* The serial that every commit writes tells whether a commit of unknown outcome happened. */
static uint64_t stored_serial(struct fixture *f)
{
    struct record_space_entry entry;
    enum error error =
        read_page(f, (struct msg_read){.what = READ_SPACE_GET, .space = SLICE("serial"), .from = SLICE("n")});

    if (error == ERROR_NOT_FOUND)
        return 0;
    assert_int_equal(error, ERROR_OK);
    struct wire wire = rows_of(f);
    assert_true(record_take_space_entry(&wire, &entry));
    return entry.version;
}

/* Ids of an unknown commit were never told: they are found in the store. */
static void learn_ids(struct world *world, struct model_job *pushed[], size_t pushed_count)
{
    struct record_job_view view;
    size_t found = 0;

    assert_int_equal(read_page(world->f, (struct msg_read){.what = READ_JOBS}), ERROR_OK);
    struct wire wire = rows_of(world->f);
    for (uint64_t i = 0; i < world->f->page.count; i++) {
        assert_true(record_take_job_view(&wire, &view));
        if (job_of(&world->model, view.id) == NULL && found < pushed_count)
            pushed[found++]->id = view.id;
    }
    assert_int_equal(found, pushed_count);
}

static void random_commit(struct world *world)
{
    struct fixture *f = world->f;
    static struct model next;
    struct model_job *pushed[OPS_MAX];
    uint64_t ended[OPS_MAX];
    size_t pushed_count = 0, ended_count = 0;
    enum error expected = ERROR_OK;

    next = world->model;
    for (uint64_t left = 1 + roll(world, OPS_MAX); left > 0 && expected == ERROR_OK; left--, world->operations++) {
        uint64_t kind = roll(world, 10);
        if (kind < 3)
            random_push(world, &next, pushed, &pushed_count);
        else if (kind < 6)
            expected = random_leased_op(world, &next, ended, &ended_count);
        else if (kind < 8)
            expected = random_settle(world, &next, ended, ended_count);
        else
            expected = random_record_op(world, &next);
    }
    PUT_OP(f, add, SLICE("serial"), SLICE("n"), 1);
    next.serial++;
    uint64_t fault = f->disk ? roll(world, 40) : 39;
    if (fault <= KV_FAULT_ANSWER_LOST && fault != KV_FAULT_DISK_FULL)
        kv_memory_disk_fail(f->disk, 1, (enum kv_memory_fault)fault);
    struct store_commit commit = commit_all(f);
    if (f->disk)
        kv_memory_disk_fail(f->disk, 0, KV_FAULT_LOST);
    bool happened = commit.error == ERROR_OK;
    if (commit.error == ERROR_IO) {
        world->unknown++;
        happened = stored_serial(f) == next.serial;
    }
    if (commit.error != ERROR_IO || happened)
        assert_int_equal(commit.error == ERROR_IO ? ERROR_OK : commit.error, expected);
    world->refused += commit.error != ERROR_OK;
    if (!happened)
        return;
    for (size_t i = 0; i < pushed_count; i++)
        pushed[i]->id = commit.first_id ? commit.first_id + i : UINT64_MAX;
    for (size_t i = 0; i < pushed_count; i++)
        pushed[i] = &world->model.jobs[pushed[i] - next.jobs];
    world->model = next;
    if (commit.error == ERROR_IO)
        learn_ids(world, pushed, pushed_count);
    for (size_t i = 0; i < ended_count; i++)
        drop_lease(world, ended[i]);
}

static void compare(struct world *world)
{
    struct fixture *f = world->f;
    struct record_job_view view;
    uint64_t jobs = 0;

    for (size_t i = 0; i < JOBS; i++)
        jobs += world->model.jobs[i].id != 0;
    assert_int_equal(read_page(f, (struct msg_read){.what = READ_JOBS}), ERROR_OK);
    assert_int_equal(f->page.count, jobs);
    struct wire wire = rows_of(f);
    for (uint64_t i = 0; i < f->page.count; i++) {
        assert_true(record_take_job_view(&wire, &view));
        const struct model_job *job = job_of(&world->model, view.id);
        assert_non_null(job);
        assert_int_equal(view.state, state_now(world, job));
        assert_int_equal(view.attempt, job->attempt);
        assert_int_equal(view.due_ms, job->due);
        assert_true(slice_is(view.key, key_names[job->key]));
    }
    assert_int_equal(stored_serial(f), world->model.serial);
    while (store_step(f->store, f->now))
        continue;
    struct store_check *check = store_check_begin(f->store);
    while (!store_check_step(check))
        continue;
    if (!store_check_is_clean(store_check_report(check)))
        fail_msg("check: %s", store_check_report(check)->findings[0]);
    assert_true(store_check_report(check)->counts_compared);
    store_check_end(&check);
}

static void crash(struct world *world)
{
    world->crashes++;
    world->lease_count = 0;
    reopen_store(world->f);
}

static void run_model(struct fixture *f, uint64_t seed, size_t rounds)
{
    struct world *world = xcalloc(1, sizeof(*world));

    world->f = f;
    world->random = seed * 0x9e3779b97f4a7c15u | 1;
    for (size_t round = 0; round < rounds; round++) {
        f->now += (int64_t)roll(world, 300);
        random_commit(world);
        if (roll(world, 4) == 0)
            random_deliver(world);
        if (roll(world, 150) == 0)
            crash(world);
        if (roll(world, 100) == 0)
            store_step(f->store, f->now);
        if (roll(world, 60) == 0)
            compare(world);
    }
    compare(world);
    print_message("seed %llu: %zu operations, %zu crashes, %zu unknown, %zu refused\n", (unsigned long long)seed,
                  world->operations, world->crashes, world->unknown, world->refused);
    free(world);
}

static void model_on_memory(void **state)
{
    run_model(*state, 1, ROUNDS);
}

static void model_on_memory_again(void **state)
{
    run_model(*state, 20251122, ROUNDS);
}

static void model_on_lmdb(void **state)
{
    run_model(*state, 3, ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(model_on_memory, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(model_on_memory_again, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(model_on_lmdb, setup_lmdb, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
