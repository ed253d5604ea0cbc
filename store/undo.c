// SPDX-License-Identifier: MIT
#include "store/engine.h"

void undo_add(struct undo_log *log, struct undo entry)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? 2 * log->capacity : 64;
        log->entries = xrealloc(log->entries, log->capacity * sizeof(*log->entries));
    }
    log->entries[log->count++] = entry;
}

void undo_back_to(struct store *store, size_t mark)
{
    struct undo_log *log = &store->undo;

    while (log->count > mark) {
        const struct undo *entry = &log->entries[--log->count];
        if (entry->lease != NULL)
            entry->lease->ending = false;
        else if (entry->queue != NULL)
            count_apply(store, entry->queue, entry->state, entry->due_ms, -entry->delta);
    }
}

void undo_forget(struct store *store)
{
    for (size_t i = 0; i < store->undo.count; i++) {
        const struct undo *entry = &store->undo.entries[i];
        if (entry->lease != NULL)
            lease_drop(&store->leases, entry->lease);
        else if (entry->name != NULL)
            entry->name->saved = true;
        else if (entry->day_over)
            claim_day_drop(store, entry->day);
    }
    store->undo.count = 0;
}
