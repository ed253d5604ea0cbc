// SPDX-License-Identifier: MIT
/* What is tidied up in small batches beside other commits: corrupt jobs, claims of days that are over, trimmed rows.
 * Claims of one day are neighbours, so dropping some hundreds of them touches a few pages. */
#include "store/engine.h"
#include <string.h>

enum { BAD_MAX = 1024, BAD_PER_RUN = 16, CLAIMS_PER_RUN = 256, ROWS_PER_RUN = 512 };

void bad_add(struct store *store, const struct bad *bad)
{
    for (size_t i = 0; i < store->bad_count; i++)
        if (store->bad[i].id == bad->id) {
            if (bad->has_ready)
                store->bad[i].ready = bad->ready;
            else if (!store->bad[i].has_ready)
                store->bad[i].ready.queue = bad->ready.queue;
            if (bad->has_order)
                store->bad[i].order = bad->order;
            store->bad[i].has_ready |= bad->has_ready;
            store->bad[i].has_order |= bad->has_order;
            return;
        }
    if (store->bad_count == BAD_MAX)
        return; /* it is met again */
    if (store->bad_count == store->bad_capacity) {
        store->bad_capacity = store->bad_capacity ? 2 * store->bad_capacity : 16;
        store->bad = xrealloc(store->bad, store->bad_capacity * sizeof(*store->bad));
    }
    store->bad[store->bad_count++] = *bad;
}

/* Copies the records as they are, to be looked at by people; never read as a job again. */
static enum error move_aside(struct commit *commit, struct kv_txn *txn, uint64_t id, bool *found)
{
    for (unsigned part = JOB_HEAD; part < JOB_PARTS; part++) {
        struct slice raw;
        struct key key;
        key_job(&key, id, (enum job_part)part);
        enum error error = txn->kv->ops->get(txn, key_slice(&key), &raw);
        if (error == ERROR_NOT_FOUND)
            continue;
        if (error != ERROR_OK)
            return error;
        *found = true;
        stage_del(commit->stage, &key);
        key_quarantine(&key, id, (enum job_part)part);
        stage_put(commit->stage, &key, raw);
    }
    return ERROR_OK;
}

/* Can every record of the job be read? */
static bool is_sound(struct commit *commit, const struct job *job)
{
    struct slice value;
    struct key key;

    key_job(&key, job->id, JOB_BODY);
    if (stage_get(commit->stage, &key, &value) != ERROR_OK || value.size != job->head.payload_bytes)
        return false;
    key_job(&key, job->id, JOB_NOTED);
    return job->head.note_bytes == 0 ||
           (stage_get(commit->stage, &key, &value) == ERROR_OK && value.size == job->head.note_bytes);
}

static void withdraw_lease(struct store *store, uint64_t id)
{
    struct lease *lease = lease_find(&store->leases, id);

    if (lease == NULL || lease->ending)
        return;
    lease->ending = true;
    undo_add(&store->undo, (struct undo){.lease = lease});
}

/* A job that cannot be read is moved aside with all that points to it. When it was only an index entry that did not
 * fit, the entry is made anew from the job. */
static enum error quarantine(struct commit *commit, struct kv_txn *txn, struct bad *bad)
{
    struct job job;
    struct slice value;
    struct key key;
    bool found = false;
    enum error error;

    if (bad->has_ready) {
        key_ready(&key, &bad->ready);
        stage_del(commit->stage, &key);
    }
    if (job_load(commit, bad->id, &job) == ERROR_OK && is_sound(commit, &job))
        return job_list(commit, &job);
    error = move_aside(commit, txn, bad->id, &found);
    for (unsigned state = JOB_PARKED; state <= JOB_DEAD; state++) {
        key_list(&key, (enum job_state)state, bad->id);
        if (!bad->has_order && stage_get(commit->stage, &key, &value) == ERROR_OK)
            bad->has_order = listed_take(value, &bad->ready.queue, &bad->order);
        stage_del(commit->stage, &key);
    }
    withdraw_lease(commit->store, bad->id);
    commit->store->totals.stats.quarantined += found;
    if (error == ERROR_OK && bad->has_order)
        error = order_leave(commit, bad->ready.queue, &bad->order);
    return error;
}

struct dropped {
    int64_t counted; /* of those dropped, how many the counting after the start had seen */
    bool all;
};

/* Deletes up to `limit` neighbours that begin with the prefix and stand below `end` (NULL: all of them). */
static enum error drop_front(struct commit *commit, const struct key *prefix, const struct key *end, size_t limit,
                             struct dropped *dropped)
{
    struct key at = *prefix;
    struct slice value;

    for (*dropped = (struct dropped){0, false}; limit-- > 0;) {
        enum error error = stage_seek(commit->stage, &at, prefix, &at, &value);
        if (error == ERROR_NOT_FOUND || (end && slice_compare(key_slice(&at), key_slice(end)) > 0)) {
            dropped->all = true;
            return ERROR_OK;
        }
        if (error != ERROR_OK && error != ERROR_CORRUPT)
            return error;
        stage_del(commit->stage, &at);
        dropped->counted += count_passed(commit->store, &at);
    }
    return ERROR_OK;
}

static bool claims_are_over(const struct store *store, int64_t now_ms)
{
    return store->clock_trusted && store->claim_day_count > 0 && store->claim_days[0] < claim_day(now_ms);
}

static enum error forget_claims(struct commit *commit)
{
    struct store *store = commit->store;
    struct key prefix;
    struct dropped dropped;
    enum error error;

    key_claim_day(&prefix, store->claim_days[0]);
    error = drop_front(commit, &prefix, NULL, batch_size(store, CLAIMS_PER_RUN), &dropped);
    if (error != ERROR_OK)
        return error;
    store->totals.claims -= dropped.counted;
    if (dropped.all)
        undo_add(&store->undo, (struct undo){.day_over = true, .day = store->claim_days[0]});
    return ERROR_OK;
}

static enum error forget_rows(struct commit *commit)
{
    struct store *store = commit->store;
    struct key prefix, end;
    struct dropped dropped;
    enum error error;

    key_table(&prefix, TABLE_OUTBOX);
    key_outbox(&end, store->totals.trim_to);
    error = drop_front(commit, &prefix, &end, batch_size(store, ROWS_PER_RUN), &dropped);
    if (error != ERROR_OK)
        return error;
    store->totals.outbox -= dropped.counted;
    if (dropped.all)
        trim_done(commit);
    return ERROR_OK;
}

bool upkeep_wanted(const struct store *store, int64_t now_ms)
{
    return store->bad_count > 0 || store->totals.trim_to > 0 || claims_are_over(store, now_ms);
}

enum error upkeep_run(struct store *store, struct kv_txn *txn, int64_t now_ms, bool *worked)
{
    struct store_commit result = {.error = ERROR_OK};
    struct commit commit = {.store = store, .stage = store->stage, .now_ms = now_ms, .result = &result};
    enum error error = ERROR_OK;
    size_t todo = batch_size(store, BAD_PER_RUN);

    if (todo > store->bad_count)
        todo = store->bad_count;

    *worked = upkeep_wanted(store, now_ms);
    if (!*worked)
        return ERROR_OK;
    stage_begin(store->stage, txn);
    for (size_t i = 0; i < todo && error == ERROR_OK; i++) {
        struct bad bad = store->bad[i]; /* the list may move: a quarantine may find more of them */
        error = quarantine(&commit, txn, &bad);
    }
    if (error == ERROR_OK && claims_are_over(store, now_ms))
        error = forget_claims(&commit);
    if (error == ERROR_OK && store->totals.trim_to > 0)
        error = forget_rows(&commit);
    if (error == ERROR_OK)
        error = stage_flush(store->stage);
    store->bad_done = todo;
    /* What failed for want of room is tried again; what cannot be read at all must not end every group there is. */
    if (error != ERROR_OK && error != ERROR_FULL && error != ERROR_DISK_FULL)
        upkeep_forget(store);
    return error;
}

void upkeep_forget(struct store *store)
{
    if (store->bad_done > 0) {
        store->bad_count -= store->bad_done;
        memmove(store->bad, store->bad + store->bad_done, store->bad_count * sizeof(*store->bad));
    }
    store->bad_done = 0;
}
