// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <string.h>

void claim_day_add(struct store *store, uint32_t day)
{
    size_t at = store->claim_day_count;

    while (at > 0 && store->claim_days[at - 1] > day)
        at--;
    if (at > 0 && store->claim_days[at - 1] == day)
        return;
    if (store->claim_day_count == store->claim_day_capacity) {
        store->claim_day_capacity = store->claim_day_capacity ? 2 * store->claim_day_capacity : 16;
        store->claim_days = xrealloc(store->claim_days, store->claim_day_capacity * sizeof(uint32_t));
    }
    memmove(&store->claim_days[at + 1], &store->claim_days[at], (store->claim_day_count - at) * sizeof(uint32_t));
    store->claim_days[at] = day;
    store->claim_day_count++;
}

void claim_day_drop(struct store *store, uint32_t day)
{
    size_t at = 0;

    while (at < store->claim_day_count && store->claim_days[at] != day)
        at++;
    if (at < store->claim_day_count)
        memmove(&store->claim_days[at], &store->claim_days[at + 1],
                (--store->claim_day_count - at) * sizeof(uint32_t));
}

/* Steps from day to day by seeks: as many as there are days with claims. */
enum error claim_days_load(struct store *store)
{
    struct kv_txn *txn;
    struct kv_cursor *cursor = NULL;
    struct kv_pair pair;
    struct key at;
    struct slice claim;
    uint32_t day;
    enum error error = store->ops->begin(store->kv, false, &txn);

    if (error != ERROR_OK)
        return error;
    key_table(&at, TABLE_CLAIMS);
    error = store->ops->cursor_open(txn, &cursor);
    while (error == ERROR_OK) {
        error = store->ops->seek(cursor, key_slice(&at), &pair);
        if (error != ERROR_OK || !key_parse_claim(pair.key, &day, &claim))
            break;
        claim_day_add(store, day);
        key_claim_day(&at, day);
        if (!key_after(&at))
            break;
    }
    if (cursor != NULL)
        store->ops->cursor_close(&cursor);
    store->ops->abort(&txn);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* The claim's record, whatever day it was made to end in: OK with the day it stands under, or NOT_FOUND. One that has
 * ended is reported too; the last found wins, since at most one is alive. */
static enum error claim_find(struct commit *commit, struct slice claim, struct stored_claim *found, uint32_t *day)
{
    const struct store *store = commit->store;
    enum error result = ERROR_NOT_FOUND;

    for (size_t i = store->claim_day_count; i-- > 0;) {
        struct slice value;
        struct key key;
        key_claim(&key, store->claim_days[i], claim);
        enum error error = stage_get(commit->stage, &key, &value);
        if (error == ERROR_OK && !stored_take_claim(value, found))
            error = ERROR_CORRUPT;
        if (error == ERROR_NOT_FOUND)
            continue;
        *day = store->claim_days[i];
        return error;
    }
    return result;
}

static enum error held(struct commit *commit, const struct op_claim *op, const struct stored_claim *found)
{
    struct store_commit *result = commit->result;

    if (op->skip > 0) {
        if (op->skip > commit->count - commit->at - 1)
            return ERROR_INVALID;
        commit->at += op->skip;
        result->skipped++;
        return ERROR_OK;
    }
    result->detail_size = found->value.size < sizeof(result->detail) ? found->value.size : sizeof(result->detail);
    if (result->detail_size > 0)
        memcpy(result->detail, found->value.data, result->detail_size);
    return ERROR_HELD;
}

enum error op_apply_claim(struct commit *commit, const struct op_claim *op)
{
    struct store *store = commit->store;
    struct stored_claim found;
    struct key key;
    uint32_t day, found_day;
    enum error error;

    if (op->key.size == 0 || op->until_ms < 0)
        return ERROR_INVALID;
    if (op->key.size > KEY_BYTES_MAX || op->value.size > CLAIM_VALUE_BYTES_MAX)
        return ERROR_TOO_LARGE;
    error = claim_find(commit, op->key, &found, &found_day);
    if (error == ERROR_OK && found.until_ms > commit->now_ms)
        return held(commit, op, &found);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    day = claim_day(op->until_ms);
    if (error == ERROR_OK) {
        key_claim(&key, found_day, op->key);
        stage_del(commit->stage, &key);
        store->totals.claims -= count_passed(store, &key);
    }
    claim_day_add(store, day);
    key_claim(&key, day, op->key);
    buffer_clear(&store->scratch);
    stored_put_claim(&store->scratch, &(struct stored_claim){op->until_ms, op->value});
    stage_put(commit->stage, &key, buffer_slice(&store->scratch));
    store->totals.claims += count_passed(store, &key);
    return ERROR_OK;
}
