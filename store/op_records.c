// SPDX-License-Identifier: MIT
/* Spaces, books, outbox, runs, ids. */
#include "proto/rows.h"
#include "store/engine.h"
#include <string.h>

enum { TRIM_ROWS_PER_COMMIT = 1000, HOUR_MS = 3600000, RUN_RECORD_BYTES_MAX = 1 << 20 };

static enum error entry_name_check(struct slice space, struct slice entry)
{
    if (space.size == 0)
        return ERROR_INVALID;
    return space.size > NAME_BYTES_MAX || entry.size > KEY_BYTES_MAX ? ERROR_TOO_LARGE : ERROR_OK;
}

/* The entry, or one of version 0 when it is absent. */
static enum error entry_load(struct commit *commit, const struct key *key, struct stored_entry *entry)
{
    struct slice value;
    enum error error = stage_get(commit->stage, key, &value);

    *entry = (struct stored_entry){.version = 0};
    if (error == ERROR_OK && !stored_take_entry(value, entry))
        error = ERROR_CORRUPT;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static void entry_write(struct commit *commit, const struct key *key, const struct stored_entry *entry)
{
    struct buffer *scratch = &commit->store->scratch;

    buffer_clear(scratch);
    stored_put_entry(scratch, entry);
    stage_put(commit->stage, key, buffer_slice(scratch));
}

enum error op_apply_put(struct commit *commit, const struct op_put *op)
{
    struct stored_entry entry;
    struct key key;
    enum error error = entry_name_check(op->space, op->key);

    if (error == ERROR_OK && op->value.size > STORE_ENTRY_BYTES_MAX)
        error = ERROR_TOO_LARGE;
    if (error != ERROR_OK)
        return error;
    key_space(&key, op->space, op->key);
    error = entry_load(commit, &key, &entry);
    if (error == ERROR_OK)
        entry_write(commit, &key, &(struct stored_entry){.version = entry.version + 1, .value = op->value});
    return error;
}

enum error op_apply_add(struct commit *commit, const struct op_add *op)
{
    struct stored_entry entry;
    struct key key;
    int64_t sum;
    enum error error = entry_name_check(op->space, op->key);

    if (error != ERROR_OK)
        return error;
    key_space(&key, op->space, op->key);
    error = entry_load(commit, &key, &entry);
    if (error != ERROR_OK)
        return error;
    if ((entry.version > 0 && !entry.counter) || __builtin_add_overflow(entry.number, op->delta, &sum))
        return ERROR_INVALID;
    entry_write(commit, &key, &(struct stored_entry){.version = entry.version + 1, .counter = true, .number = sum});
    return ERROR_OK;
}

enum error op_apply_delete(struct commit *commit, const struct op_delete *op)
{
    struct key key;
    enum error error = entry_name_check(op->space, op->key);

    if (error != ERROR_OK)
        return error;
    key_space(&key, op->space, op->key);
    stage_del(commit->stage, &key); /* also the way to be rid of a corrupt one */
    return ERROR_OK;
}

enum error op_apply_expect(struct commit *commit, const struct op_expect *op)
{
    struct stored_entry entry;
    struct key key;
    enum error error = entry_name_check(op->space, op->key);

    if (error != ERROR_OK)
        return error;
    key_space(&key, op->space, op->key);
    error = entry_load(commit, &key, &entry);
    if (error != ERROR_OK)
        return error;
    return entry.version == op->version ? ERROR_OK : ERROR_CONFLICT;
}

enum error op_apply_book(struct commit *commit, const struct op_book *op)
{
    struct stored_sum sum = {0, 0};
    struct slice value;
    struct key key;
    int64_t hour = op->at_ms / HOUR_MS - (op->at_ms % HOUR_MS < 0);
    enum error error;

    if (op->book.size == 0 || (op->currency.size != 0 && op->currency.size != 3))
        return ERROR_INVALID;
    if (op->book.size > NAME_BYTES_MAX)
        return ERROR_TOO_LARGE;
    key_book(&key, op->book, op->currency, hour);
    error = stage_get(commit->stage, &key, &value);
    if (error == ERROR_OK && !stored_take_sum(value, &sum))
        error = ERROR_CORRUPT;
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    if (__builtin_add_overflow(sum.amount, op->amount, &sum.amount))
        return ERROR_INVALID;
    sum.entries++;
    buffer_clear(&commit->store->scratch);
    stored_put_sum(&commit->store->scratch, &sum);
    stage_put(commit->stage, &key, buffer_slice(&commit->store->scratch));
    return ERROR_OK;
}

enum error op_apply_append(struct commit *commit, const struct op_append *op)
{
    struct store *store = commit->store;
    struct row row;
    struct key key;
    uint64_t sequence;
    enum error error;

    if (op->row.size > STORE_ROW_BYTES_MAX)
        return ERROR_TOO_LARGE;
    if (!row_unpack(op->row, &row))
        return ERROR_INVALID;
    error = numbers_take(store, commit->stage, 1, &sequence);
    if (error != ERROR_OK)
        return error;
    key_outbox(&key, sequence);
    stage_put(commit->stage, &key, op->row);
    commit->result->outbox_last = store->totals.outbox_last = sequence;
    store->totals.outbox += count_passed(store, &key);
    return ERROR_OK;
}

static void trim_note(struct commit *commit, uint64_t last)
{
    struct buffer *scratch = &commit->store->scratch;
    struct key key;

    key_trim(&key);
    buffer_clear(scratch);
    stored_put_trim(scratch, &(struct stored_trim){last});
    stage_put(commit->stage, &key, buffer_slice(scratch));
    commit->store->totals.trim_to = last;
}

void trim_done(struct commit *commit)
{
    struct key key;

    key_trim(&key);
    stage_del(commit->stage, &key);
    commit->store->totals.trim_to = 0;
}

/* A long tail is hidden from readers at once, with a note that outlives a restart, and deleted by and by: a huge
 * transaction would need room of its own. */
enum error op_apply_trim(struct commit *commit, const struct op_trim *op)
{
    struct store *store = commit->store;
    /* Rows to come have sequences that were not given yet. */
    const uint64_t last = op->sequence < store->id_next ? op->sequence : store->id_next - 1;
    struct key prefix, found;
    struct slice value;
    uint64_t sequence;

    key_table(&prefix, TABLE_OUTBOX);
    found = prefix;
    for (size_t i = batch_size(store, TRIM_ROWS_PER_COMMIT); i > 0; i--) {
        enum error error = stage_seek(commit->stage, &found, &prefix, &found, &value);
        if (error == ERROR_NOT_FOUND)
            return ERROR_OK;
        if (error != ERROR_OK && error != ERROR_CORRUPT)
            return error;
        if (!key_parse_outbox(key_slice(&found), &sequence) || sequence > last)
            return ERROR_OK;
        stage_del(commit->stage, &found);
        store->totals.outbox -= count_passed(store, &found);
    }
    if (last > store->totals.trim_to)
        trim_note(commit, last);
    return ERROR_OK;
}

static enum error run_load(struct commit *commit, uint64_t id, struct stored_run *run)
{
    struct slice value;
    struct key key;
    enum error error;

    *run = (struct stored_run){.version = 0};
    key_run(&key, id, RUN_HEAD);
    error = stage_get(commit->stage, &key, &value);
    if (error == ERROR_OK && !stored_take_run(value, run))
        error = ERROR_CORRUPT;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

enum error op_apply_run(struct commit *commit, const struct op_run *op)
{
    struct stored_run run;
    struct key key;
    enum error error;

    if (!id_was_given(commit, op->run) || op->state >= RUN_STATE_COUNT)
        return ERROR_INVALID;
    if (op->workflow.size > NAME_BYTES_MAX || op->record.size > RUN_RECORD_BYTES_MAX)
        return ERROR_TOO_LARGE;
    error = run_load(commit, op->run, &run);
    if (error != ERROR_OK)
        return error;
    if (run.version != op->version)
        return ERROR_CONFLICT;
    /* An ended run that is written again, say with less in it, ended when it did: its age counts from there. */
    const bool is_same_end = run.version > 0 && run.state != RUN_OPEN && run.state == op->state;
    run = (struct stored_run){op->version + 1, op->state, is_same_end ? run.changed_ms : commit->now_ms, op->workflow};
    buffer_clear(&commit->store->scratch);
    stored_put_run(&commit->store->scratch, &run);
    key_run(&key, op->run, RUN_HEAD);
    stage_put(commit->stage, &key, buffer_slice(&commit->store->scratch));
    key_run(&key, op->run, RUN_RECORD);
    stage_put(commit->stage, &key, op->record);
    return ERROR_OK;
}

enum error op_apply_forget_run(struct commit *commit, const struct op_forget_run *op)
{
    struct stored_run run;
    struct key key;
    enum error error = run_load(commit, op->run, &run);

    if (error == ERROR_OK && run.version > 0 && run.state == RUN_OPEN)
        return ERROR_INVALID;
    if (error != ERROR_OK && error != ERROR_CORRUPT)
        return error;
    for (unsigned part = RUN_HEAD; part < RUN_PARTS; part++) {
        key_run(&key, op->run, (enum run_part)part);
        stage_del(commit->stage, &key);
    }
    return ERROR_OK;
}

enum error op_apply_allocate(struct commit *commit, const struct op_allocate *op)
{
    if (commit->result->first_id == 0)
        commit->result->first_id = commit->id_next;
    commit->id_next += op->count;
    return ERROR_OK;
}
