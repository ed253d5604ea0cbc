// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <stdlib.h>

enum { ALLOCATE_MAX = 4096, BATCH_SHIFT_MAX = 10 };

/* Every operation is of one kind. Both kinds in one commit count as freeing: what ends a job must never be held up by
 * what is noted of it. */
static void look_at_kind(struct commit *commit, enum op_id id)
{
    switch (id) {
    case OP_PUSH:
    case OP_NOTE:
    case OP_CLAIM:
    case OP_PUT:
    case OP_ADD:
    case OP_BOOK:
    case OP_APPEND:
    case OP_RUN:
        commit->grows = true;
        break;
    case OP_FINISH:
    case OP_RETRY:
    case OP_PARK:
    case OP_BURY:
    case OP_DOUBT:
    case OP_CANCEL:
    case OP_REVIVE:
    case OP_DELETE:
    case OP_TRIM:
    case OP_FORGET_RUN:
        commit->frees = true;
        break;
    case OP_EXPECT:
    case OP_ALLOCATE:
    case OP_COUNT:
        break;
    }
}

/* Takes the operations apart and sets ids aside: pushes and allocations get one consecutive block, whatever numbers
 * other operations draw in between. */
static enum error prepare(struct commit *commit, struct slice bytes, uint64_t *ids)
{
    struct store *store = commit->store;
    struct wire wire = wire_over(bytes);
    struct op op;

    *ids = 0;
    for (commit->count = 0; op_take(&wire, &op); commit->count++) {
        commit->at = commit->count;
        if (commit->count == OPS_PER_COMMIT_MAX)
            return ERROR_TOO_LARGE;
        if (op.id == OP_ALLOCATE && (op.allocate.count < 1 || op.allocate.count > ALLOCATE_MAX))
            return ERROR_INVALID;
        if (op.id == OP_ALLOCATE)
            *ids += op.allocate.count;
        *ids += op.id == OP_PUSH && op.push.id == 0;
        commit->finishes |= op.id == OP_FINISH;
        look_at_kind(commit, op.id);
        store->taken[commit->count] = op;
    }
    commit->at = commit->count;
    return wire_done(&wire) && commit->count > 0 ? ERROR_OK : ERROR_MALFORMED;
}

static enum error apply_one(struct commit *commit, const struct op *op)
{
    switch (op->id) {
#define OP(ID, name, doc, fields)                                                                                      \
    case OP_##ID:                                                                                                      \
        return op_apply_##name(commit, &op->name);
#include "proto/ops.def"
#undef OP
    case OP_COUNT:
        break;
    }
    return ERROR_MALFORMED;
}

/* A commit that only grows stays below the last mark: what is above is for those that end jobs and delete. */
static enum error take_room(struct commit *commit, size_t bytes)
{
    struct store *store = commit->store;

    if (!commit->grows || commit->frees)
        return ERROR_OK;
    if (bytes > store->room)
        return ERROR_FULL;
    store->room -= bytes;
    return ERROR_OK;
}

static enum error work_out(struct commit *commit, struct slice bytes)
{
    uint64_t ids, first;
    enum error error = prepare(commit, bytes, &ids);

    if (error == ERROR_OK)
        error = take_room(commit, bytes.size);
    commit->given_end = commit->store->id_next;
    if (error == ERROR_OK && ids > 0) {
        error = numbers_take(commit->store, commit->stage, ids, &first);
        commit->id_next = id_of(commit->store, first);
        commit->at = 0;
    }
    if (error != ERROR_OK)
        return error;
    for (commit->at = 0; commit->at < commit->count; commit->at++) {
        error = apply_one(commit, &commit->ops[commit->at]);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static void refuse(struct store *store, struct store_commit *result, enum error error)
{
    store->totals.stats.refused[error]++;
    result->error = error;
    result->first_id = result->outbox_last = 0;
}

/* Works out one commit and hands it to the transaction, or leaves nothing of it. What is returned is an error of the
 * transaction itself, which is lost then. */
static enum error run_commit(struct store *store, struct kv_txn *txn, struct store_commit *result, int64_t now_ms)
{
    const size_t mark = store->undo.count;
    const struct totals before = store->totals;
    struct commit commit = {
        .store = store, .stage = store->stage, .now_ms = now_ms, .ops = store->taken, .result = result};

    *result = (struct store_commit){.ops = result->ops};
    stage_begin(store->stage, txn);
    enum error error = work_out(&commit, result->ops);
    if (error != ERROR_OK) {
        undo_back_to(store, mark);
        store->totals = before;
        result->failed_op = commit.at;
        refuse(store, result, error);
        return ERROR_OK;
    }
    store->totals.stats.commits++;
    return stage_flush(store->stage);
}

/* How full the store is decides once per transaction what it takes. Work that carries on what is in the store may use
 * half of the room that new work is refused, and what else only grows three quarters of it. The rest is kept for what
 * finishes or deletes: a disk copies pages before it can give any back. */
static void look_at_room(struct store *store, struct kv_txn *txn)
{
    const struct store_options *options = &store->options;
    struct kv_usage *usage = &store->usage;

    if (store->ops->usage(txn, usage) != ERROR_OK)
        return;
    const unsigned percent_all = (100 + options->fill_percent) / 2, percent_growth = (100 + percent_all) / 2;
    const uint64_t growth_end = usage->bound_bytes / 100 * percent_growth;
    store->room = usage->used_bytes < growth_end ? growth_end - usage->used_bytes : 0;
    store->refusing = REFUSING_NOTHING;
    store->refusing_error = ERROR_FULL;
    if (usage->used_bytes / 100 >= usage->bound_bytes / 10000 * percent_all)
        store->refusing = REFUSING_ALL_PUSHES;
    else if (usage->used_bytes / 100 >= usage->bound_bytes / 10000 * options->fill_percent)
        store->refusing = REFUSING_NEW;
    if (usage->free_bytes < options->disk_reserve_bytes / 2)
        store->refusing = REFUSING_ALL_PUSHES;
    else if (usage->free_bytes < options->disk_reserve_bytes && store->refusing == REFUSING_NOTHING)
        store->refusing = REFUSING_NEW;
    if (usage->free_bytes < options->disk_reserve_bytes)
        store->refusing_error = ERROR_DISK_FULL;
}

/* Ends a transaction that failed: memory goes back to what it was, and everybody is told. */
static void fail_group(struct store *store, const struct totals *before, struct store_commit *commits, size_t count,
                       enum error error)
{
    undo_back_to(store, 0);
    store->totals = *before;
    for (size_t i = 0; i < count; i++)
        if (commits[i].error == ERROR_OK) {
            refuse(store, &commits[i], error);
            commits[i].failed_op = 0;
        }
}

static enum error end_group(struct store *store, struct kv_txn **txn, const struct totals *before,
                            struct store_commit *commits, size_t count)
{
    enum error error = store->ops->commit(txn);

    if (error != ERROR_OK) {
        fail_group(store, before, commits, count, error);
        if (error != ERROR_FULL && error != ERROR_DISK_FULL)
            store_reopen(store);
        return error;
    }
    undo_forget(store);
    upkeep_forget(store);
    if (store->room > 0)
        store->batch_shift = 0;
    store->totals.stats.syncs++;
    store->changes++;
    store->stirred = true;
    return ERROR_OK;
}

size_t batch_size(const struct store *store, size_t most)
{
    return most >> store->batch_shift > 0 ? most >> store->batch_shift : 1;
}

static bool shrink_batches(struct store *store, enum error error)
{
    if ((error != ERROR_FULL && error != ERROR_DISK_FULL) || store->batch_shift == BATCH_SHIFT_MAX)
        return false;
    store->batch_shift++;
    return true;
}

enum attempt { ATTEMPT_DONE, ATTEMPT_ONE_BY_ONE, ATTEMPT_SMALLER };

static enum attempt attempt_after(struct store *store, enum error error)
{
    return shrink_batches(store, error) ? ATTEMPT_SMALLER : ATTEMPT_ONE_BY_ONE;
}

/* One transaction. When it fails before its outcome could be unknown, its commits may be tried one by one. */
static enum attempt try_group(struct store *store, struct store_commit *commits, size_t count, int64_t now_ms,
                              bool upkeep)
{
    const struct totals before = store->totals;
    struct kv_txn *txn;
    size_t accepted = 0;
    bool tidied = false;
    store->bad_done = 0;
    store->counts.now_ms = now_ms;
    enum error error = store->kv ? store->ops->begin(store->kv, true, &txn) : ERROR_IO;

    for (size_t i = 0; i < count; i++)
        commits[i].error = ERROR_OK;
    if (error != ERROR_OK) {
        fail_group(store, &before, commits, count, error);
        store_reopen(store);
        return ATTEMPT_DONE;
    }
    look_at_room(store, txn);
    for (size_t i = 0; i < count && error == ERROR_OK; i++) {
        error = run_commit(store, txn, &commits[i], now_ms);
        accepted += commits[i].error == ERROR_OK;
    }
    if (error == ERROR_OK && upkeep)
        error = upkeep_run(store, txn, now_ms, &tidied);
    if (error != ERROR_OK) {
        store->ops->abort(&txn);
        fail_group(store, &before, commits, count, error);
        return attempt_after(store, error);
    }
    if (accepted == 0 && !tidied) {
        store->ops->abort(&txn);
        return ATTEMPT_DONE;
    }
    error = end_group(store, &txn, &before, commits, count);
    return error == ERROR_FULL || error == ERROR_DISK_FULL ? attempt_after(store, error) : ATTEMPT_DONE;
}

void store_commit_group(struct store *store, struct store_commit *commits, size_t count, int64_t now_ms)
{
    const uint64_t quarantined = store->totals.stats.quarantined;

    enum attempt attempt = try_group(store, commits, count, now_ms, true);

    while (count == 0 && attempt == ATTEMPT_SMALLER)
        attempt = try_group(store, commits, count, now_ms, true);
    if (attempt != ATTEMPT_DONE)
        for (size_t i = 0; i < count; i++)
            while (try_group(store, &commits[i], 1, now_ms, false) == ATTEMPT_SMALLER)
                continue;
    if (store->totals.stats.quarantined != quarantined)
        count_begin(store); /* nobody can say any more how the lost ones were counted */
}

enum error commit_own(struct store *store, int64_t now_ms, enum error (*work)(struct commit *, void *), void *context)
{
    const struct totals before = store->totals;
    struct store_commit result = {.error = ERROR_OK};
    struct commit commit = {.store = store, .stage = store->stage, .now_ms = now_ms, .result = &result};
    struct kv_txn *txn;
    enum error error = store->kv ? store->ops->begin(store->kv, true, &txn) : ERROR_IO;

    if (error != ERROR_OK)
        return error;
    stage_begin(store->stage, txn);
    error = work(&commit, context);
    if (error == ERROR_OK)
        error = stage_flush(store->stage);
    store->bad_done = 0;
    if (error == ERROR_OK)
        return end_group(store, &txn, &before, NULL, 0);
    store->ops->abort(&txn);
    undo_back_to(store, 0);
    store->totals = before;
    return error;
}
