// SPDX-License-Identifier: MIT
#include "tests/crash/powercut_work.h"
#include "proto/rows.h"
#include "store/kv_lmdb.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN_JOBS = 5, PAYLOAD_MAX = 6000 };
static const int64_t now_ms = 1772409600000;

struct store *powercut_open(const char *folder, char problem[STORE_PROBLEM_BYTES])
{
    static struct kv_lmdb_options lmdb;
    struct store_options options = {.box = 1};
    enum error error;

    lmdb = (struct kv_lmdb_options){.directory = folder, .bound_bytes = 16 << 20};
    struct store *store = store_open(&kv_lmdb_ops, &lmdb, &options, now_ms, &error, problem);
    if (store == NULL && problem[0] == '\0')
        snprintf(problem, STORE_PROBLEM_BYTES, "open: %s", error_name(error));
    return store;
}

static size_t payload_of(uint64_t n, char payload[PAYLOAD_MAX])
{
    size_t size = 40 + n * 37 % (n % 7 == 0 ? PAYLOAD_MAX - 40 : 600);

    for (size_t i = 0; i < size; i++)
        payload[i] = (char)(n * 31 + i);
    return size;
}

struct taken {
    uint64_t n, fence, id;
    bool found;
};

/* Looks for the job with the wanted number among what is handed out. */
static enum error take(void *context, enum actor_index actor, const struct msg_job *job)
{
    struct taken *taken = context;

    (void)actor;
    if (job->run == taken->n) {
        taken->fence = job->fence;
        taken->id = job->id;
        taken->found = true;
    }
    return ERROR_OK;
}

static enum error no_gate(void *context, struct slice gate)
{
    (void)context;
    (void)gate;
    return ERROR_OK;
}

static bool put_finish(struct store *store, struct buffer *ops, uint64_t n)
{
    struct taken taken = {.n = n};
    struct store_receiver receiver = {&taken, take, no_gate};

    store_reset(store, ACTOR_PUBLISHER);
    store_subscribe(store, ACTOR_PUBLISHER, SLICE("work"), 2 * OPEN_JOBS);
    store_deliver(store, now_ms, &receiver);
    if (taken.found)
        op_put_finish(ops, &(struct op_finish){taken.id, taken.fence});
    return taken.found;
}

static void put_row(struct buffer *ops, struct slice key)
{
    struct row row = {.table = TABLE_CUSTOMERS};
    struct buffer packed = {NULL, 0, 0};

    for (size_t i = 0; i < table_info[TABLE_CUSTOMERS].column_count; i++)
        row.values[i].is_null = i > 2;
    row.values[0].text = SLICE("shop");
    row.values[1].text = key;
    row.values[2].number = now_ms;
    row_pack(&packed, &row);
    op_put_append(ops, &(struct op_append){buffer_slice(&packed)});
    buffer_free(&packed);
}

bool powercut_commit(struct store *store, uint64_t n)
{
    struct buffer ops = {NULL, 0, 0};
    char payload[PAYLOAD_MAX], key[32];

    snprintf(key, sizeof(key), "claim-%llu", (unsigned long long)n);
    op_put_claim(&ops, &(struct op_claim){.key = slice_of(key), .until_ms = now_ms + 86400000, .value = SLICE("v")});
    op_put_push(&ops, &(struct op_push){.queue = SLICE("work"),
                                        .content_type = SLICE("application/octet-stream"),
                                        .payload = {payload, payload_of(n, payload)},
                                        .run = n});
    if (n > OPEN_JOBS && !put_finish(store, &ops, n - OPEN_JOBS))
        return false;
    op_put_add(&ops, &(struct op_add){SLICE("work"), SLICE("count"), 1});
    op_put_put(&ops, &(struct op_put){SLICE("work"), SLICE("last"), slice_of(key)});
    op_put_book(&ops, &(struct op_book){SLICE("work"), SLICE("EUR"), now_ms, (int64_t)n});
    put_row(&ops, slice_of(key));
    struct store_commit commit = {.ops = buffer_slice(&ops)};
    store_commit_group(store, &commit, 1, now_ms);
    buffer_free(&ops);
    if (commit.error != ERROR_OK && commit.error != ERROR_HELD)
        fprintf(stderr, "commit %llu: op %llu: %s\n", (unsigned long long)n, (unsigned long long)commit.failed_op,
                error_name(commit.error));
    return commit.error == ERROR_OK;
}

static bool fail(char *problem, size_t size, const char *what, int64_t is, int64_t wanted)
{
    snprintf(problem, size, "%s: %lld, not %lld", what, (long long)is, (long long)wanted);
    return false;
}

/* The counter in space `work`, 0 when it is not there yet; -1 when it cannot be read. */
static int64_t read_count(struct store *store)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_space_entry entry;
    struct msg_read read = {.what = READ_SPACE_GET, .space = SLICE("work"), .from = SLICE("count"), .limit = 1};
    enum error error = store_read_page(store, &read, now_ms, &page);
    int64_t count = error == ERROR_NOT_FOUND ? 0 : -1;

    struct wire wire = wire_over(buffer_slice(&page.rows));
    if (error == ERROR_OK && record_take_space_entry(&wire, &entry) && entry.counter) {
        char *text = slice_dup(entry.value);
        count = strtoll(text, NULL, 10);
        free(text);
    }
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return count;
}

static bool verify_books(struct store *store, int64_t count, char *problem, size_t size)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_book_entry entry = {.amount = 0};
    struct msg_read read = {.what = READ_BOOKS, .space = SLICE("work"), .limit = 10};
    enum error error = store_read_page(store, &read, now_ms, &page);
    struct wire wire = wire_over(buffer_slice(&page.rows));
    bool ok = error == ERROR_OK && page.count == (count > 0) && (count == 0 || record_take_book_entry(&wire, &entry));

    buffer_free(&page.rows);
    buffer_free(&page.next);
    return ok && entry.amount == count * (count + 1) / 2
               ? true
               : fail(problem, size, "books", entry.amount, count * (count + 1) / 2);
}

/* Exactly the jobs count - 4 .. count, each with its payload. */
static bool verify_jobs(struct store *store, int64_t count, char *problem, size_t size)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0}, one = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct msg_read read = {.what = READ_JOBS, .limit = 1000};
    struct record_job_view view, full;
    int64_t first = count > OPEN_JOBS ? count - OPEN_JOBS + 1 : 1, next = first;
    char payload[PAYLOAD_MAX];
    bool ok = store_read_page(store, &read, now_ms, &page) == ERROR_OK;

    struct wire wire = wire_over(buffer_slice(&page.rows));
    for (uint64_t i = 0; ok && i < page.count; i++, next++) {
        ok = record_take_job_view(&wire, &view) && view.run == (uint64_t)next;
        struct msg_read body = {.what = READ_JOB, .id = view.id, .limit = 1};
        ok = ok && store_read_page(store, &body, now_ms, &one) == ERROR_OK;
        struct wire inside = wire_over(buffer_slice(&one.rows));
        ok = ok && record_take_job_view(&inside, &full) &&
             slice_equal(full.payload, (struct slice){payload, payload_of((uint64_t)next, payload)});
    }
    buffer_free(&page.rows);
    buffer_free(&page.next);
    buffer_free(&one.rows);
    buffer_free(&one.next);
    return ok && next == count + 1 ? true : fail(problem, size, "jobs", next - 1, count);
}

static bool verify_outbox(struct store *store, int64_t count, char *problem, size_t size)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct msg_read read = {.what = READ_OUTBOX, .limit = 1000};
    struct record_outbox_entry entry;
    int64_t rows = 0;

    for (;;) {
        if (store_read_page(store, &read, now_ms, &page) != ERROR_OK)
            break;
        struct wire wire = wire_over(buffer_slice(&page.rows));
        for (uint64_t i = 0; i < page.count && record_take_outbox_entry(&wire, &entry); i++, rows++)
            read.id = entry.sequence;
        if (page.count == 0)
            break;
    }
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return rows == count ? true : fail(problem, size, "outbox", rows, count);
}

int64_t powercut_verify(struct store *store, char *problem, size_t size)
{
    int64_t count = read_count(store);

    if (count < 0) {
        snprintf(problem, size, "the counter cannot be read");
        return -1;
    }
    if (!verify_books(store, count, problem, size) || !verify_jobs(store, count, problem, size) ||
        !verify_outbox(store, count, problem, size))
        return -1;
    /* What was claimed is held, what was not is free: the next commit must go through, the last one must not. */
    if (count > 0 && powercut_commit(store, (uint64_t)count)) {
        snprintf(problem, size, "claim %lld was lost", (long long)count);
        return -1;
    }
    if (!powercut_commit(store, (uint64_t)count + 1)) {
        snprintf(problem, size, "the store does not go on after commit %lld", (long long)count);
        return -1;
    }
    return count;
}
