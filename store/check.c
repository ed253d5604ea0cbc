// SPDX-License-Identifier: MIT
#include "store/check.h"
#include "proto/text/json.h"
#include "store/engine.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECK_SLICE = 512, FIRST_TABLE = 1 };

struct store_check {
    struct store *store;
    struct store_check_report report;
    struct key position; /* the next record is not below it */
    uint64_t changes;    /* the store's, when the check began */
    int64_t *depths;     /* [queue number][state] */
    size_t queue_count;
    struct kv_txn *txn; /* of the slice */
};

static void find(struct store_check *check, uint64_t *kind, const char *what, uint64_t id)
{
    struct store_check_report *report = &check->report;

    ++*kind;
    if (report->finding_count < CHECK_FINDINGS_MAX)
        snprintf(report->findings[report->finding_count++], sizeof(report->findings[0]), "%s %" PRIu64, what, id);
}

static bool is_there(struct store_check *check, const struct key *key)
{
    struct slice value;

    return record_get(check->txn, key, &value) == ERROR_OK;
}

static bool load_head(struct store_check *check, uint64_t id, struct job *job)
{
    struct slice value;
    struct key key;

    job->id = id;
    key_job(&key, id, JOB_HEAD);
    return record_get(check->txn, &key, &value) == ERROR_OK && stored_take_job(value, &job->head) &&
           job->head.state < JOB_STATE_COUNT;
}

/* Is the job the first of its order key? True without one. */
static bool is_first(struct store_check *check, const struct job *job)
{
    const struct kv_ops *ops = check->store->ops;
    struct order_ref ref = job_order_ref(&job->head), found;
    struct kv_cursor *cursor;
    struct kv_pair pair;
    struct key prefix;
    uint16_t queue;
    bool first = false;

    if (job->head.order == 0)
        return true;
    key_order_all(&prefix, (uint16_t)job->head.queue, &ref);
    if (ops->cursor_open(check->txn, &cursor) != ERROR_OK)
        return false;
    if (ops->seek(cursor, key_slice(&prefix), &pair) == ERROR_OK && key_parse_order(pair.key, &queue, &found))
        first = key_has_prefix(pair.key, &prefix) && found.order == ref.order;
    ops->cursor_close(&cursor);
    return first;
}

static void check_head(struct store_check *check, uint64_t id, struct slice value)
{
    struct store_check_report *report = &check->report;
    struct job job = {.id = id};
    struct order_ref ref;
    struct ready ready;
    struct key key;

    if (!stored_take_job(value, &job.head) || job.head.state >= JOB_STATE_COUNT ||
        names_at(&check->store->queues, job.head.queue) == NULL) {
        find(check, &report->corrupt, "the head cannot be read: job", id);
        return;
    }
    report->jobs++;
    if (job.head.queue <= check->queue_count)
        check->depths[job.head.queue * JOB_STATE_COUNT + job.head.state]++;
    key_job(&key, id, JOB_BODY);
    if (!is_there(check, &key))
        find(check, &report->missing, "no body: job", id);
    key_job(&key, id, JOB_NOTED);
    if (is_there(check, &key) != (job.head.note_bytes > 0))
        find(check, &report->missing, "note and head disagree: job", id);
    job_ready_of(&job, &ready);
    key_ready(&key, &ready);
    if (is_there(check, &key) != (job_is_runnable(&job.head) && is_first(check, &job)))
        find(check, &report->missing, "ready index and head disagree: job", id);
    ref = job_order_ref(&job.head);
    key_order(&key, (uint16_t)job.head.queue, &ref);
    if (job_holds_order(&job.head) && !is_there(check, &key))
        find(check, &report->missing, "not in the order index: job", id);
    key_list(&key, (enum job_state)job.head.state, id);
    if (is_there(check, &key) != (job.head.state != JOB_WAITING))
        find(check, &report->missing, "lists and head disagree: job", id);
}

static void check_job_record(struct store_check *check, const struct kv_pair *pair)
{
    enum job_part part = JOB_HEAD;
    uint64_t id = 0;
    struct key head;

    if (!key_parse_job(pair->key, &id, &part)) {
        find(check, &check->report.stray, "a key of no known form in table", TABLE_JOBS);
        return;
    }
    key_job(&head, id, JOB_HEAD);
    if (part == JOB_HEAD)
        check_head(check, id, pair->value);
    else if (!is_there(check, &head))
        find(check, &check->report.stray, "a body or note without its head: job", id);
}

/* Index entries must lead to a head that says the same. */
static void check_index(struct store_check *check, const struct kv_pair *pair)
{
    struct ready ready, expected;
    struct order_ref ref;
    struct job job = {.id = 0};
    enum job_state state;
    uint16_t queue;
    struct key key;
    bool fits = false;

    if (key_parse_ready(pair->key, &ready) && load_head(check, ready.id, &job)) {
        job_ready_of(&job, &expected);
        key_ready(&key, &expected);
        fits = job_is_runnable(&job.head) && slice_equal(key_slice(&key), pair->key);
    } else if (key_parse_order(pair->key, &queue, &ref) && pair->value.size == 8 &&
               load_head(check, take_number(pair->value.data, 8), &job)) {
        fits = job_holds_order(&job.head) && job.head.order == ref.order && job.head.queue == queue;
    } else if (key_parse_list(pair->key, &state, &job.id)) {
        fits = load_head(check, job.id, &job) && job.head.state == state;
    }
    if (!fits)
        find(check, &check->report.stray, "an index entry that does not fit: job", job.id);
}

static void check_run(struct store_check *check, const struct kv_pair *pair)
{
    struct stored_run stored;
    enum run_part part = RUN_HEAD;
    uint64_t run = 0;
    struct key other;

    if (!key_parse_run(pair->key, &run, &part) || (part == RUN_HEAD && !stored_take_run(pair->value, &stored))) {
        find(check, &check->report.corrupt, "the head cannot be read: run", run);
        return;
    }
    key_run(&other, run, part == RUN_HEAD ? RUN_RECORD : RUN_HEAD);
    if (!is_there(check, &other))
        find(check, &check->report.missing, "only a half is there: run", run);
}

static void check_claim(struct store_check *check, const struct kv_pair *pair)
{
    struct stored_claim stored;
    struct slice claim;
    uint32_t day;

    check->report.claims++;
    if (!key_parse_claim(pair->key, &day, &claim) || !stored_take_claim(pair->value, &stored))
        find(check, &check->report.corrupt, "a claim cannot be read in table", TABLE_CLAIMS);
    else if (claim_day(stored.until_ms) != day)
        find(check, &check->report.stray, "a claim stands under another day than its own:", day);
}

static bool value_is_readable(const struct kv_pair *pair)
{
    struct stored_meta meta;
    struct stored_trim trim;
    struct stored_name name;
    struct stored_entry entry;
    struct stored_sum sum;

    switch ((enum table)(unsigned char)pair->key.data[0]) {
    case TABLE_META:
        return pair->key.size == 1 ? stored_take_meta(pair->value, &meta) : stored_take_trim(pair->value, &trim);
    case TABLE_NAMES:
        return stored_take_name(pair->value, &name);
    case TABLE_SPACES:
        return stored_take_entry(pair->value, &entry);
    case TABLE_BOOKS:
        return stored_take_sum(pair->value, &sum);
    default:
        return true;
    }
}

static void check_record(struct store_check *check, const struct kv_pair *sealed)
{
    struct kv_pair pair = {.key = sealed->key};
    const unsigned table = (unsigned char)sealed->key.data[0];

    check->report.records++;
    if (!record_open(sealed->key, sealed->value, &pair.value) || !value_is_readable(&pair)) {
        find(check, &check->report.corrupt, "a record fails its checksum in table", table);
        return;
    }
    switch ((enum table)table) {
    case TABLE_JOBS:
        check_job_record(check, &pair);
        break;
    case TABLE_READY:
    case TABLE_ORDER:
    case TABLE_LISTS:
        check_index(check, &pair);
        break;
    case TABLE_RUNS:
        check_run(check, &pair);
        break;
    case TABLE_CLAIMS:
        check_claim(check, &pair);
        break;
    case TABLE_OUTBOX:
        check->report.outbox++;
        break;
    case TABLE_QUARANTINE:
        check->report.quarantined++;
        break;
    case TABLE_META:
    case TABLE_NAMES:
    case TABLE_SPACES:
    case TABLE_BOOKS:
        break;
    default:
        find(check, &check->report.stray, "a record of no known table", table);
    }
}

static void compare_counts(struct store_check *check)
{
    struct store *store = check->store;
    struct store_check_report *report = &check->report;

    report->counts_compared = store->counts.done && store->changes == check->changes;
    if (!report->counts_compared)
        return;
    for (size_t i = 1; i <= check->queue_count; i++)
        for (unsigned state = 0; names_at(&store->queues, i) && state < JOB_STATE_COUNT; state++)
            if (store->queues.by_number[i]->stored[state] != check->depths[i * JOB_STATE_COUNT + state])
                find(check, &report->miscounted, "the depth in memory differs: queue", i);
    if (store->totals.claims != (int64_t)report->claims)
        find(check, &report->miscounted, "claims counted in memory:", (uint64_t)store->totals.claims);
    if (store->totals.outbox != (int64_t)report->outbox)
        find(check, &report->miscounted, "outbox rows counted in memory:", (uint64_t)store->totals.outbox);
}

struct store_check *store_check_begin(struct store *store)
{
    struct store_check *check = xcalloc(1, sizeof(*check));

    check->store = store;
    check->changes = store->changes;
    check->queue_count = store->queues.count;
    check->depths = xcalloc((check->queue_count + 1) * JOB_STATE_COUNT, sizeof(*check->depths));
    check->position.size = 1;
    check->position.bytes[0] = FIRST_TABLE;
    return check;
}

void store_check_end(struct store_check **check)
{
    if (*check != NULL) {
        free((*check)->depths);
        free(*check);
    }
    *check = NULL;
}

/* The smallest key behind this one. A key of full length has none that fits, and no table has such keys. */
static void go_behind(struct key *position, struct slice key)
{
    CHECK(key.size < KV_KEY_MAX);
    memcpy(position->bytes, key.data, key.size);
    position->bytes[key.size] = 0;
    position->size = key.size + 1;
}

bool store_check_step(struct store_check *check)
{
    const struct kv_ops *ops = check->store->ops;
    struct kv_cursor *cursor = NULL;
    struct kv_pair pair;
    enum error error = check->store->kv ? ops->begin(check->store->kv, false, &check->txn) : ERROR_IO;

    if (error != ERROR_OK) {
        check->report.error = error;
        return true;
    }
    error = ops->cursor_open(check->txn, &cursor);
    if (error == ERROR_OK)
        error = ops->seek(cursor, key_slice(&check->position), &pair);
    for (size_t i = 0; error == ERROR_OK && i < CHECK_SLICE; i++) {
        check_record(check, &pair);
        go_behind(&check->position, pair.key);
        error = ops->next(cursor, &pair);
    }
    if (cursor != NULL)
        ops->cursor_close(&cursor);
    ops->abort(&check->txn);
    if (error == ERROR_OK)
        return false;
    if (error == ERROR_NOT_FOUND)
        compare_counts(check);
    else
        check->report.error = error;
    return true;
}

const struct store_check_report *store_check_report(const struct store_check *check)
{
    return &check->report;
}

bool store_check_is_clean(const struct store_check_report *report)
{
    return report->error == ERROR_OK && report->corrupt + report->missing + report->stray + report->miscounted == 0;
}

void store_check_json(struct buffer *into, const struct store_check_report *report)
{
    json_t *findings = json_array();
    json_t *object = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "clean",
                               store_check_is_clean(report), "records", (json_int_t)report->records, "jobs",
                               (json_int_t)report->jobs, "claims", (json_int_t)report->claims, "outbox",
                               (json_int_t)report->outbox, "corrupt", (json_int_t)report->corrupt, "missing",
                               (json_int_t)report->missing, "stray", (json_int_t)report->stray, "miscounted",
                               (json_int_t)report->miscounted, "quarantined", (json_int_t)report->quarantined,
                               "counts_compared", report->counts_compared, "error", error_name(report->error));

    for (size_t i = 0; i < report->finding_count; i++)
        json_array_append_new(findings, json_string(report->findings[i]));
    json_object_set_new(object, "findings", findings);
    json_write(into, object);
    json_decref(object);
}
