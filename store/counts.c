// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <stdlib.h>
#include <string.h>

enum { COUNT_SLICE = 512 };

/* Jobs due at a moment to come are also counted by queue, state and second, so that "waiting" and "ready" can be told
 * apart at any moment without a write when a job becomes due. */
static uint64_t due_key(const struct name *queue, uint64_t state, int64_t due_ms)
{
    return (uint64_t)queue->number << 41 | (uint64_t)(state == JOB_PARKED) << 40 | (uint64_t)(due_ms / 1000 + 1);
}

static bool is_never_due(int64_t due_ms)
{
    return due_ms / 1000 >= ((int64_t)1 << 40) - 2;
}

static struct due_slot *due_slot(struct due_slot *slots, size_t capacity, uint64_t key)
{
    size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 24) & (capacity - 1);

    while (slots[at].key != 0 && slots[at].key != key)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

/* Makes room; seconds that count nothing any more are left behind. */
static void due_rebuild(struct counts *counts)
{
    size_t live = 0, capacity = 64;

    for (size_t i = 0; i < counts->due_capacity; i++)
        live += counts->dues[i].count != 0;
    while (capacity < 4 * (live + 1))
        capacity *= 2;
    struct due_slot *slots = xcalloc(capacity, sizeof(*slots));
    for (size_t i = 0; i < counts->due_capacity; i++)
        if (counts->dues[i].count != 0)
            *due_slot(slots, capacity, counts->dues[i].key) = counts->dues[i];
    free(counts->dues);
    counts->dues = slots;
    counts->due_capacity = capacity;
    counts->due_used = live;
}

void count_apply(struct store *store, struct name *queue, uint64_t state, int64_t due_ms, int delta)
{
    struct counts *counts = &store->counts;

    queue->stored[state] += delta;
    if ((state != JOB_WAITING && state != JOB_PARKED) || due_ms <= 0)
        return;
    if (is_never_due(due_ms)) {
        queue->never[state] += delta;
        return;
    }
    if (2 * (counts->due_used + 1) > counts->due_capacity)
        due_rebuild(counts);
    struct due_slot *slot = due_slot(counts->dues, counts->due_capacity, due_key(queue, state, due_ms));
    counts->due_used += slot->key == 0;
    slot->key = due_key(queue, state, due_ms);
    slot->count += delta;
}

bool count_passed(const struct store *store, const struct key *key)
{
    return store->counts.done || slice_compare(key_slice(key), key_slice(&store->counts.position)) < 0;
}

void count_job(struct store *store, uint64_t id, const struct stored_job *head, int delta)
{
    struct name *queue = names_at(&store->queues, head->queue);
    struct key key;

    key_job(&key, id, JOB_HEAD);
    if (queue == NULL || head->state >= JOB_STATE_COUNT || !count_passed(store, &key))
        return;
    count_apply(store, queue, head->state, head->due_ms, delta);
    undo_add(&store->undo, (struct undo){.queue = queue, .state = head->state, .due_ms = head->due_ms, .delta = delta});
}

void count_later(struct store *store, int64_t now_ms)
{
    const uint64_t second_mask = ((uint64_t)1 << 40) - 1;

    for (size_t i = 1; i <= store->queues.count; i++)
        if (store->queues.by_number[i] != NULL)
            memcpy(store->queues.by_number[i]->later, store->queues.by_number[i]->never,
                   sizeof(store->queues.by_number[i]->later));
    for (size_t i = 0; i < store->counts.due_capacity; i++) {
        const struct due_slot *slot = &store->counts.dues[i];
        struct name *queue = slot->count ? names_at(&store->queues, slot->key >> 41) : NULL;
        if (queue != NULL && (int64_t)(slot->key & second_mask) * 1000 > now_ms + 999)
            queue->later[slot->key >> 40 & 1 ? JOB_PARKED : JOB_WAITING] += slot->count;
    }
}

void count_begin(struct store *store)
{
    struct counts *counts = &store->counts;

    for (size_t i = 1; i <= store->queues.count; i++)
        if (store->queues.by_number[i] != NULL) {
            memset(store->queues.by_number[i]->stored, 0, sizeof(store->queues.by_number[i]->stored));
            memset(store->queues.by_number[i]->never, 0, sizeof(store->queues.by_number[i]->never));
        }
    counts_fini(counts);
    store->totals.claims = store->totals.outbox = 0;
    counts->done = false;
    key_table(&counts->position, TABLE_CLAIMS);
}

/* Counts one record and moves the scan behind it. */
static void count_pair(struct store *store, const struct kv_pair *pair, struct key *position)
{
    struct stored_job head;
    struct slice value;
    enum job_part part;
    uint64_t id;

    if (key_parse_job(pair->key, &id, &part)) {
        if (part == JOB_HEAD && record_open(pair->key, pair->value, &value) && stored_take_job(value, &head) &&
            head.state < JOB_STATE_COUNT && names_at(&store->queues, head.queue))
            count_apply(store, names_at(&store->queues, head.queue), head.state, head.due_ms, 1);
        key_job(position, id + 1, JOB_HEAD); /* bodies and notes are passed over */
        return;
    }
    store->totals.claims += pair->key.data[0] == (char)TABLE_CLAIMS;
    store->totals.outbox += pair->key.data[0] == (char)TABLE_OUTBOX;
    CHECK(pair->key.size < KV_KEY_MAX);
    memcpy(position->bytes, pair->key.data, pair->key.size);
    position->bytes[pair->key.size] = 0;
    position->size = pair->key.size + 1;
}

/* The scan goes over three tables, in the order of their bytes. */
static bool next_table(struct key *position)
{
    switch ((enum table)position->bytes[0]) {
    case TABLE_CLAIMS:
        key_table(position, TABLE_JOBS);
        return true;
    case TABLE_JOBS:
        key_table(position, TABLE_OUTBOX);
        return true;
    default:
        return false;
    }
}

enum error count_step(struct store *store)
{
    struct counts *counts = &store->counts;
    struct kv_txn *txn;
    struct kv_cursor *cursor = NULL;
    struct kv_pair pair;
    enum error error = store->ops->begin(store->kv, false, &txn);

    if (error != ERROR_OK)
        return error;
    error = store->ops->cursor_open(txn, &cursor);
    for (size_t i = 0; error == ERROR_OK && i < COUNT_SLICE && !counts->done; i++) {
        char table = counts->position.bytes[0];
        error = store->ops->seek(cursor, key_slice(&counts->position), &pair);
        if (error == ERROR_OK && pair.key.data[0] == table)
            count_pair(store, &pair, &counts->position);
        else if (error == ERROR_OK || error == ERROR_NOT_FOUND)
            counts->done = !next_table(&counts->position), error = ERROR_OK;
    }
    if (cursor != NULL)
        store->ops->cursor_close(&cursor);
    store->ops->abort(&txn);
    return error;
}

void counts_fini(struct counts *counts)
{
    free(counts->dues);
    counts->dues = NULL;
    counts->due_capacity = counts->due_used = 0;
}
