// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <stdlib.h>
#include <string.h>

enum { COUNT_SLICE = 512 };

/* Jobs due at a moment to come are also counted by queue, state and time, so that "waiting" and "ready" can be told
 * apart at any moment without a write when a job becomes due. The time is a second within an hour from now, a minute
 * within a month, else an hour: the table is bounded by time, not by the number of jobs. A job that was counted when it
 * was farther away stays in the coarser slot: what is taken away goes from the finest slot that holds anything. With
 * n jobs due in a second, its slot holds at most n and the coarser ones the rest, so none falls below zero. */
enum grain { GRAIN_SECOND, GRAIN_MINUTE, GRAIN_HOUR, GRAINS };
enum { HOUR_MS = 3600000 };
static const int64_t grain_ms[GRAINS] = {1000, 60000, HOUR_MS};
static const int64_t MONTH_MS = (int64_t)30 * 24 * HOUR_MS;

static enum grain grain_of(int64_t due_ms, int64_t now_ms)
{
    const int64_t distance = due_ms > now_ms ? due_ms - now_ms : now_ms - due_ms;

    return distance < HOUR_MS ? GRAIN_SECOND : distance < MONTH_MS ? GRAIN_MINUTE : GRAIN_HOUR;
}

/* 16 bits queue, 2 grain, 1 state, 40 time, counted from 1 so that no key is 0. */
static uint64_t due_key(const struct name *queue, uint64_t state, enum grain grain, int64_t due_ms)
{
    return (uint64_t)queue->number << 43 | (uint64_t)grain << 41 | (uint64_t)(state == JOB_PARKED) << 40 |
           (uint64_t)(due_ms / grain_ms[grain] + 1);
}

static enum grain key_grain(uint64_t key)
{
    return (enum grain)(key >> 41 & 3);
}

/* Up to when the jobs of a slot count as not due: all of a grain is due when its first moment has passed. */
static int64_t key_due_ms(uint64_t key)
{
    return ((int64_t)(key & (((uint64_t)1 << 40) - 1)) - 1) * grain_ms[key_grain(key)];
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

/* The slot's key once those of the past, too, are counted as coarsely as they are far away. */
static uint64_t key_now(const struct counts *counts, uint64_t key)
{
    const int64_t due_ms = key_due_ms(key);
    const enum grain grain = grain_of(due_ms, counts->now_ms);

    if (due_ms > counts->now_ms || grain <= key_grain(key))
        return key;
    return (key >> 40 & 1) << 40 | key >> 43 << 43 | (uint64_t)grain << 41 |
           (uint64_t)(due_ms / grain_ms[grain] + 1);
}

static size_t due_move(const struct counts *counts, struct due_slot *slots, size_t capacity)
{
    size_t used = 0;

    for (size_t i = 0; i < counts->due_capacity; i++) {
        if (counts->dues[i].count == 0)
            continue;
        const uint64_t key = key_now(counts, counts->dues[i].key);
        struct due_slot *slot = due_slot(slots, capacity, key);
        used += slot->key == 0;
        slot->key = key;
        slot->count += counts->dues[i].count;
    }
    return used;
}

/* Makes room; slots that count nothing any more are left behind. */
static void due_rebuild(struct counts *counts)
{
    size_t live = 0, capacity = 64;

    for (size_t i = 0; i < counts->due_capacity; i++)
        live += counts->dues[i].count != 0;
    while (capacity < 4 * (live + 1))
        capacity *= 2;
    struct due_slot *slots = xcalloc(capacity, sizeof(*slots));
    counts->due_used = due_move(counts, slots, capacity);
    free(counts->dues);
    counts->dues = slots;
    counts->due_capacity = capacity;
}

/* The slot to count in: the one of its distance for what comes, the finest that holds anything for what goes. */
static struct due_slot *due_slot_for(struct counts *counts, const struct name *queue, uint64_t state, int64_t due_ms,
                                     int delta)
{
    struct due_slot *slot;
    uint64_t key;

    for (unsigned grain = GRAIN_SECOND; delta < 0 && grain < GRAINS; grain++) {
        slot = due_slot(counts->dues, counts->due_capacity, due_key(queue, state, (enum grain)grain, due_ms));
        if (slot->count > 0)
            return slot;
    }
    key = due_key(queue, state, grain_of(due_ms, counts->now_ms), due_ms);
    slot = due_slot(counts->dues, counts->due_capacity, key);
    counts->due_used += slot->key == 0;
    slot->key = key;
    return slot;
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
    due_slot_for(counts, queue, state, due_ms, delta)->count += delta;
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
    for (size_t i = 1; i <= store->queues.count; i++)
        if (store->queues.by_number[i] != NULL)
            memcpy(store->queues.by_number[i]->later, store->queues.by_number[i]->never,
                   sizeof(store->queues.by_number[i]->later));
    for (size_t i = 0; i < store->counts.due_capacity; i++) {
        const struct due_slot *slot = &store->counts.dues[i];
        struct name *queue = slot->count ? names_at(&store->queues, slot->key >> 43) : NULL;
        if (queue != NULL && key_due_ms(slot->key) >= now_ms)
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
