/* fixture - a store on either backend, and short words for what tests ask of it. */
// SPDX-License-Identifier: MIT
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "proto/rows.h"
#include "store/keys.h"
#include "store/kv_lmdb.h"
#include "store/kv_memory.h"
#include "store/store.h"

enum { BOUND_BYTES = 16 << 20, HANDED_MAX = 4096 };
static const int64_t NOW = 1700000000000;

struct handed {
    enum actor_index actor;
    uint64_t id, fence, attempt, run;
    size_t payload_size, state_size;
    char queue[65], gate[65], key[65], payload[64], state[64];
};

struct fixture {
    const struct kv_ops *ops;
    void *argument;
    struct kv_memory_disk *disk; /* memory */
    struct kv_lmdb_options lmdb; /* LMDB */
    char directory[64];
    struct store_options options;
    struct store *store;
    struct buffer commit;
    struct store_page page;
    int64_t now;
    struct handed handed[HANDED_MAX];
    size_t handed_count;
    size_t inbox_room; /* jobs the receivers take before they are full */
    char wanted[8][65];
    size_t wanted_count;
};

static inline void open_store(struct fixture *fixture)
{
    char problem[STORE_PROBLEM_BYTES];
    enum error error;

    fixture->store = store_open(fixture->ops, fixture->argument, &fixture->options, fixture->now, &error, problem);
    if (fixture->store == NULL)
        fail_msg("open: %s: %s", error_name(error), problem);
}

static inline void reopen_store(struct fixture *fixture)
{
    store_close(&fixture->store);
    open_store(fixture);
}

static inline struct fixture *fixture_new(const struct kv_ops *ops, uint64_t bound)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));

    fixture->ops = ops;
    fixture->now = NOW;
    fixture->inbox_room = HANDED_MAX;
    if (ops == &kv_memory_ops) {
        fixture->argument = fixture->disk = kv_memory_disk_new(bound);
        return fixture;
    }
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/purser-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->lmdb = (struct kv_lmdb_options){fixture->directory, bound};
    fixture->argument = &fixture->lmdb;
    return fixture;
}

static inline void fixture_destroy(struct fixture *fixture)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};
    char path[128];

    store_close(&fixture->store);
    kv_memory_disk_destroy(&fixture->disk);
    for (size_t i = 0; fixture->directory[0] && i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture->directory, files[i]);
        unlink(path);
    }
    if (fixture->directory[0])
        rmdir(fixture->directory);
    buffer_free(&fixture->commit);
    buffer_free(&fixture->page.rows);
    buffer_free(&fixture->page.next);
    free(fixture);
}

static inline int setup_lmdb(void **state)
{
    struct fixture *fixture = fixture_new(&kv_lmdb_ops, BOUND_BYTES);

    open_store(fixture);
    *state = fixture;
    return 0;
}

static inline int setup_memory(void **state)
{
    struct fixture *fixture = fixture_new(&kv_memory_ops, BOUND_BYTES);

    open_store(fixture);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

#define ON_BOTH(test)                                                                                                  \
    {#test " on lmdb", test, setup_lmdb, teardown, NULL},                                                              \
    {                                                                                                                  \
#test " on memory", test, setup_memory, teardown, NULL                                                         \
    }

/* Commits what was put into fixture->commit, and empties it. */
static inline struct store_commit commit_all(struct fixture *fixture)
{
    struct store_commit commit = {.ops = buffer_slice(&fixture->commit)};

    store_commit_group(fixture->store, &commit, 1, fixture->now);
    buffer_clear(&fixture->commit);
    return commit;
}

#define PUT_OP(fixture, name, ...) op_put_##name(&(fixture)->commit, &(struct op_##name){__VA_ARGS__})
/* One operation as one commit. */
#define DO(fixture, name, ...) (PUT_OP(fixture, name, __VA_ARGS__), commit_all(fixture).error)

static inline uint64_t push_to(struct fixture *fixture, const char *queue, const char *gate, const char *key,
                               const char *payload)
{
    PUT_OP(fixture, push, .queue = slice_of(queue), .gate = slice_of(gate), .key = slice_of(key),
           .content_type = SLICE("text/plain"), .payload = slice_of(payload), .priority = 4);
    struct store_commit commit = commit_all(fixture);
    assert_int_equal(commit.error, ERROR_OK);
    assert_true(commit.first_id > 0);
    return commit.first_id;
}

static inline void copy_text(char *into, size_t size, struct slice from)
{
    size_t length = from.size < size - 1 ? from.size : size - 1;

    if (length > 0)
        memcpy(into, from.data, length);
    into[length] = '\0';
}

static inline enum error take_job(void *context, enum actor_index actor, const struct msg_job *job)
{
    struct fixture *fixture = context;
    struct handed *handed = &fixture->handed[fixture->handed_count];

    if (fixture->inbox_room == 0 || fixture->handed_count == HANDED_MAX)
        return ERROR_FULL;
    fixture->inbox_room--;
    fixture->handed_count++;
    *handed = (struct handed){.actor = actor,
                              .id = job->id,
                              .fence = job->fence,
                              .attempt = job->attempt,
                              .run = job->run,
                              .payload_size = job->payload.size,
                              .state_size = job->state.size};
    copy_text(handed->queue, sizeof(handed->queue), job->queue);
    copy_text(handed->gate, sizeof(handed->gate), job->gate);
    copy_text(handed->key, sizeof(handed->key), job->key);
    copy_text(handed->payload, sizeof(handed->payload), job->payload);
    copy_text(handed->state, sizeof(handed->state), job->state);
    return ERROR_OK;
}

static inline enum error want_gate(void *context, struct slice gate)
{
    struct fixture *fixture = context;

    assert_true(fixture->wanted_count < 8);
    copy_text(fixture->wanted[fixture->wanted_count++], 65, gate);
    return ERROR_OK;
}

/* Delivers; the jobs handed out stand in fixture->handed, the count is returned. */
static inline size_t deliver(struct fixture *fixture)
{
    struct store_receiver receiver = {fixture, take_job, want_gate};

    fixture->handed_count = 0;
    store_deliver(fixture->store, fixture->now, &receiver);
    return fixture->handed_count;
}

static inline struct handed deliver_one(struct fixture *fixture)
{
    assert_int_equal(deliver(fixture), 1);
    return fixture->handed[0];
}

static inline enum error read_page(struct fixture *fixture, struct msg_read request)
{
    if (request.limit == 0)
        request.limit = STORE_PAGE_ROWS_MAX;
    return store_read_page(fixture->store, &request, fixture->now, &fixture->page);
}

static inline struct wire rows_of(struct fixture *fixture)
{
    return wire_over(buffer_slice(&fixture->page.rows));
}

/* The job as listed; state JOB_NONE when there is none. Slices borrow the page. */
static inline struct record_job_view view_job(struct fixture *fixture, uint64_t id)
{
    struct record_job_view view = {.state = JOB_NONE};
    enum error error = read_page(fixture, (struct msg_read){.what = READ_JOB, .id = id});

    if (error == ERROR_NOT_FOUND)
        return view;
    assert_int_equal(error, ERROR_OK);
    struct wire wire = rows_of(fixture);
    assert_true(record_take_job_view(&wire, &view));
    assert_true(wire_done(&wire));
    return view;
}

static inline struct record_queue_entry view_queue(struct fixture *fixture, const char *queue)
{
    struct record_queue_entry entry = {.oldest_ms = 0};

    while (store_step(fixture->store, fixture->now))
        continue;
    assert_int_equal(read_page(fixture, (struct msg_read){.what = READ_QUEUES}), ERROR_OK);
    struct wire wire = rows_of(fixture);
    for (uint64_t i = 0; i < fixture->page.count; i++) {
        assert_true(record_take_queue_entry(&wire, &entry));
        if (slice_is(entry.queue, queue))
            return entry;
    }
    return (struct record_queue_entry){.oldest_ms = 0};
}

static inline struct record_store_entry view_store(struct fixture *fixture)
{
    struct record_store_entry entry;

    while (store_step(fixture->store, fixture->now))
        continue;
    assert_int_equal(read_page(fixture, (struct msg_read){.what = READ_STORE}), ERROR_OK);
    struct wire wire = rows_of(fixture);
    assert_true(record_take_store_entry(&wire, &entry));
    return entry;
}

/* Turns one bit of the stored value over, behind the store's back. */
static inline void flip_bit(struct fixture *fixture, const struct key *key, size_t bit)
{
    struct kv *kv;
    struct kv_txn *txn;
    struct slice value;
    char problem[STORE_PROBLEM_BYTES];

    store_close(&fixture->store);
    assert_int_equal(fixture->ops->open(fixture->argument, &kv, problem, sizeof(problem)), ERROR_OK);
    assert_int_equal(fixture->ops->begin(kv, true, &txn), ERROR_OK);
    assert_int_equal(fixture->ops->get(txn, key_slice(key), &value), ERROR_OK);
    char *copy = slice_dup(value);
    copy[bit / 8 % value.size] = (char)(copy[bit / 8 % value.size] ^ (1 << bit % 8));
    assert_int_equal(fixture->ops->put(txn, key_slice(key), (struct slice){copy, value.size}), ERROR_OK);
    assert_int_equal(fixture->ops->commit(&txn), ERROR_OK);
    fixture->ops->close(&kv);
    free(copy);
    open_store(fixture);
}
