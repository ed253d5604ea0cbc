// SPDX-License-Identifier: MIT
#include "store/engine.h"

/* One counter gives all numbers: ids (box and number), places in an order, sequences of the outbox. Its ceiling is on
 * disk and runs ahead of it by a block, so that giving a number writes nothing; after a start the counter goes on from
 * the ceiling, leaving a gap. */

void meta_put(struct store *store, struct stage *stage, uint64_t ceiling)
{
    struct stored_meta meta = {STORE_FORMAT, store->options.box, ceiling, store->epoch};
    struct key key;

    key_meta(&key);
    buffer_clear(&store->scratch);
    stored_put_meta(&store->scratch, &meta);
    stage_put(stage, &key, buffer_slice(&store->scratch));
    store->totals.ceiling = ceiling;
}

enum error numbers_take(struct store *store, struct stage *stage, uint64_t count, uint64_t *first)
{
    const uint64_t counter_end = (uint64_t)1 << ID_COUNTER_BITS;

    if (store->id_next + count + ID_BLOCK > counter_end)
        return ERROR_FULL;
    if (store->id_next + count > store->totals.ceiling)
        meta_put(store, stage, store->id_next + count + ID_BLOCK);
    *first = store->id_next;
    store->id_next += count;
    return ERROR_OK;
}

uint64_t id_of(const struct store *store, uint64_t number)
{
    return store->options.box << ID_COUNTER_BITS | number;
}

bool id_was_given(const struct commit *commit, uint64_t id)
{
    const uint64_t counter = id & (((uint64_t)1 << ID_COUNTER_BITS) - 1);

    return id >> ID_COUNTER_BITS == commit->store->options.box && counter > 0 && counter < commit->given_end;
}
