// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <stdio.h>
#include <stdlib.h>

enum { FILL_PERCENT = 80, PAYLOAD_BYTES_MAX = 1 << 20, CHARGED_MAX = 64 };

static enum error names_read(struct store *store, char *problem, size_t size)
{
    struct kv_txn *txn;
    struct kv_cursor *cursor = NULL;
    struct kv_pair pair;
    struct key table;
    enum error error = store->ops->begin(store->kv, false, &txn);

    if (error != ERROR_OK)
        return error;
    key_table(&table, TABLE_NAMES);
    error = store->ops->cursor_open(txn, &cursor);
    if (error == ERROR_OK)
        error = store->ops->seek(cursor, key_slice(&table), &pair);
    while (error == ERROR_OK && key_has_prefix(pair.key, &table)) {
        struct stored_name stored;
        struct slice text, value;
        char kind = 0;
        if (!key_parse_name(pair.key, &kind, &text) || !record_open(pair.key, pair.value, &value) ||
            !stored_take_name(value, &stored) ||
            !names_load(kind == 'q' ? &store->queues : &store->gates, text, stored.number)) {
            snprintf(problem, size, "the store's register of queues and gates is damaged");
            error = ERROR_CORRUPT;
            break;
        }
        error = store->ops->next(cursor, &pair);
    }
    if (cursor != NULL)
        store->ops->cursor_close(&cursor);
    store->ops->abort(&txn);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static enum error begin_epoch(struct commit *commit, void *context)
{
    (void)context;
    meta_put(commit->store, commit->stage, commit->store->id_next + ID_BLOCK);
    return ERROR_OK;
}

static enum error meta_read(struct store *store, struct stored_meta *meta)
{
    struct kv_txn *txn;
    struct slice value;
    struct key key;
    enum error error = store->ops->begin(store->kv, false, &txn);

    if (error != ERROR_OK)
        return error;
    *meta = (struct stored_meta){.format = STORE_FORMAT, .box = store->options.box, .ceiling = 1};
    key_meta(&key);
    error = record_get(txn, &key, &value);
    if (error == ERROR_OK && !stored_take_meta(value, meta))
        error = ERROR_CORRUPT;
    store->ops->abort(&txn);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* A note that cannot be read is none: rows that were trimmed are read once more then, as after a trim that was lost. */
static void trim_read(struct store *store)
{
    struct kv_txn *txn;
    struct slice value;
    struct stored_trim trim;
    struct key key;

    store->totals.trim_to = 0;
    if (store->ops->begin(store->kv, false, &txn) != ERROR_OK)
        return;
    key_trim(&key);
    if (record_get(txn, &key, &value) == ERROR_OK && stored_take_trim(value, &trim))
        store->totals.trim_to = trim.sequence;
    store->ops->abort(&txn);
}

/* Brings a store of an older format up to STORE_FORMAT, step by step (keys.h tells how to add one). Format 1 is the
 * first there is, so the only other answer is to refuse what a newer program wrote. */
static enum error store_migrate(uint64_t format)
{
    return format == STORE_FORMAT ? ERROR_OK : ERROR_UNSUPPORTED;
}

static enum error begin(struct store *store, int64_t now_ms, char *problem, size_t size)
{
    struct stored_meta meta;
    enum error error = meta_read(store, &meta);

    if (error == ERROR_OK)
        error = store_migrate(meta.format);
    if (error != ERROR_OK) {
        snprintf(problem, size,
                 error == ERROR_UNSUPPORTED ? "the store was written by a newer purserd"
                                            : "the store's first record cannot be read");
        return error;
    }
    if (meta.box != store->options.box) {
        snprintf(problem, size, "the store belongs to box %llu, not to box %llu; a store keeps its box for life",
                 (unsigned long long)meta.box, (unsigned long long)store->options.box);
        return ERROR_INVALID;
    }
    store->epoch = meta.epoch + 1;
    store->id_next = store->totals.ceiling = meta.ceiling;
    trim_read(store);
    error = names_read(store, problem, size);
    if (error == ERROR_OK)
        error = claim_days_load(store);
    if (error == ERROR_OK)
        error = commit_own(store, now_ms, begin_epoch, NULL);
    if (error != ERROR_OK && problem[0] == '\0')
        snprintf(problem, size, "the store cannot be written: %s", error_name(error));
    return error;
}

static void set_options(struct store *store, const struct store_options *options)
{
    CHECK(options->box <= BOX_MAX && options->fill_percent <= 95);
    store->options = *options;
    if (store->options.fill_percent == 0)
        store->options.fill_percent = FILL_PERCENT;
    if (store->options.payload_bytes_max == 0)
        store->options.payload_bytes_max = PAYLOAD_BYTES_MAX;
}

struct store *store_open(const struct kv_ops *ops, void *argument, const struct store_options *options, int64_t now_ms,
                         enum error *error, char problem[STORE_PROBLEM_BYTES])
{
    struct store *store = xcalloc(1, sizeof(*store));

    problem[0] = '\0';
    store->magic = STORE_MAGIC;
    store->ops = ops;
    store->argument = argument;
    store->stage = stage_new();
    store->taken = xcalloc(OPS_PER_COMMIT_MAX, sizeof(*store->taken));
    store->clock_trusted = store->stirred = true;
    store->next_due_ms = INT64_MAX;
    set_options(store, options);
    store->counts.now_ms = now_ms;
    count_begin(store);
    *error = ops->open(argument, &store->kv, problem, STORE_PROBLEM_BYTES);
    if (*error == ERROR_OK)
        *error = begin(store, now_ms, problem, STORE_PROBLEM_BYTES);
    if (*error != ERROR_OK)
        store_close(&store);
    return store;
}

void store_close(struct store **handle)
{
    struct store *store = *handle;

    if (store == NULL)
        return;
    if (store->kv != NULL)
        store->ops->close(&store->kv);
    stage_destroy(&store->stage);
    buffer_free(&store->scratch);
    leases_fini(&store->leases);
    names_fini(&store->queues);
    names_fini(&store->gates);
    counts_fini(&store->counts);
    free(store->undo.entries);
    free(store->claim_days);
    free(store->bad);
    free(store->taken);
    free(store);
    *handle = NULL;
}

/* After an unknown outcome a lease is kept only when its job stands as it was taken: whoever asks again about a commit
 * that did happen is FENCED then, and one that did not may be repeated. */
static void check_leases(struct store *store, struct kv_txn *txn)
{
    for (size_t i = 0; i < store->leases.chain_count; i++)
        for (struct lease *lease = store->leases.chains[i], *next; lease != NULL; lease = next) {
            struct stored_job head;
            struct slice value;
            struct key key;
            next = lease->next;
            key_job(&key, lease->job, JOB_HEAD);
            if (record_get(txn, &key, &value) != ERROR_OK || !stored_take_job(value, &head) ||
                head.attempt != lease->attempt || head.state != lease->stored_state || head.due_ms != lease->due_ms)
                lease_drop(&store->leases, lease);
        }
}

void store_reopen(struct store *store)
{
    char problem[200];
    struct kv_txn *txn;
    struct stored_meta meta;

    if (store->kv != NULL)
        store->ops->close(&store->kv);
    if (store->ops->open(store->argument, &store->kv, problem, sizeof(problem)) != ERROR_OK)
        return;
    if (meta_read(store, &meta) != ERROR_OK || store->ops->begin(store->kv, false, &txn) != ERROR_OK) {
        store->ops->close(&store->kv);
        return;
    }
    check_leases(store, txn);
    store->ops->abort(&txn);
    store->totals.ceiling = meta.ceiling;
    trim_read(store);
    claim_days_load(store);
    count_begin(store);
    store->stirred = true;
}

static enum error charge_one(struct commit *commit, uint64_t id)
{
    struct job job;
    enum error error = job_load(commit, id, &job);

    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND || error == ERROR_CORRUPT ? ERROR_OK : error;
    if (!job_is_runnable(&job.head))
        return ERROR_OK; /* put aside by its last commit before the end */
    job.head.crashes++;
    if (job.head.crashes < CRASHES_MAX) {
        job_write_head(commit, &job);
        return ERROR_OK;
    }
    job.head.error = slice_of(error_name(ERROR_POISON));
    commit->store->totals.stats.buried[ERROR_POISON]++;
    return job_move(commit, &job, job_next(JOB_LEASED, JOB_ON_QUARANTINE), job.head.due_ms);
}

struct charged {
    const uint64_t *jobs;
    size_t count;
};

static enum error charge(struct commit *commit, void *context)
{
    const struct charged *charged = context;
    enum error error = ERROR_OK;

    for (size_t i = 0; i < charged->count && error == ERROR_OK; i++)
        error = charge_one(commit, charged->jobs[i]);
    return error;
}

enum error store_charge_crash(struct store *store, enum store_exit how, const uint64_t *jobs, size_t count,
                              int64_t now_ms)
{
    struct charged charged = {jobs, count};

    CHECK(count <= CHARGED_MAX);
    if (count == 0 || (how != STORE_EXIT_CRASH && how != STORE_EXIT_HANG))
        return ERROR_OK;
    return commit_own(store, now_ms, charge, &charged);
}

bool store_step(struct store *store, int64_t now_ms)
{
    const uint64_t changes = store->changes;

    store->counts.now_ms = now_ms;
    if (store->kv == NULL)
        store_reopen(store);
    if (store->kv == NULL)
        return false;
    if (upkeep_wanted(store, now_ms))
        store_commit_group(store, NULL, 0, now_ms);
    if (store->kv != NULL && !store->counts.done && count_step(store) != ERROR_OK)
        return false;
    /* Upkeep that the disk refuses is tried again later, not at once. */
    return !store->counts.done || (store->changes != changes && upkeep_wanted(store, now_ms));
}

void store_trust_clock(struct store *store, bool trusted)
{
    store->clock_trusted = trusted;
}

bool store_usable(const struct store *store)
{
    return store->kv != NULL;
}

void store_stats(const struct store *store, struct store_stats *stats)
{
    *stats = store->totals.stats;
}

void store_size(const struct store *store, uint64_t *used_bytes, uint64_t *bound_bytes, bool *refusing)
{
    *used_bytes = store->usage.used_bytes;
    *bound_bytes = store->usage.bound_bytes;
    *refusing = store->refusing != REFUSING_NOTHING;
}

bool store_counted(const struct store *store)
{
    return store->counts.done;
}
