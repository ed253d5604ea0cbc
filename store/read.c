// SPDX-License-Identifier: MIT
/* Reads: one short transaction, rows copied out, a page bounded by rows, bytes and records looked at. A record that
 * fails its checksum is counted and passed over in a list, and is the answer when it was asked for by name. */
#include "store/engine.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_MAX = 20000 };

struct reader {
    struct store *store;
    const struct msg_read *request;
    struct store_page *page;
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    int64_t now_ms;
    uint64_t looked;
};

/* Packs the row of a record into the page. NOT_FOUND: it is not wanted; CORRUPT: it cannot be read. */
typedef enum error visit_function(struct reader *reader, const struct kv_pair *pair);

static void go_on_at(struct reader *reader, struct slice key)
{
    buffer_clear(&reader->page->next);
    buffer_append(&reader->page->next, key.data, key.size);
}

static bool page_is_full(const struct reader *reader)
{
    return reader->page->count >= reader->request->limit || reader->page->rows.size >= STORE_PAGE_BYTES_MAX ||
           reader->looked >= LOOK_MAX;
}

/* One row; false when it does not fit behind those before it. */
static bool take_row(struct reader *reader, const struct kv_pair *pair, visit_function *visit, enum error *error)
{
    const size_t before = reader->page->rows.size;

    reader->looked++;
    *error = visit(reader, pair);
    if (*error == ERROR_OK) {
        if (reader->page->count > 0 && reader->page->rows.size > STORE_PAGE_BYTES_MAX) {
            reader->page->rows.size = before;
            return false;
        }
        reader->page->count++;
        return true;
    }
    reader->page->rows.size = before;
    if (*error == ERROR_CORRUPT)
        reader->store->totals.stats.corrupt++;
    if (*error == ERROR_CORRUPT || *error == ERROR_NOT_FOUND)
        *error = ERROR_OK;
    return true;
}

/* All records from `at` on that begin with the prefix; `next` is the key where the page ended. */
static enum error scan(struct reader *reader, const struct key *at, const struct key *prefix, visit_function *visit)
{
    struct kv_pair pair;
    enum error error = reader->store->ops->seek(reader->cursor, key_slice(at), &pair);

    while (error == ERROR_OK && key_has_prefix(pair.key, prefix)) {
        if (page_is_full(reader) || !take_row(reader, &pair, visit, &error)) {
            go_on_at(reader, pair.key);
            return ERROR_OK;
        }
        if (error == ERROR_OK)
            error = reader->store->ops->next(reader->cursor, &pair);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Where a page that went on from `from` begins; false when `from` is not a key below the prefix. */
static bool start_of(const struct reader *reader, const struct key *prefix, struct key *at)
{
    struct slice from = reader->request->from;

    *at = *prefix;
    if (from.size == 0)
        return true;
    if (from.size > KV_KEY_MAX || !key_has_prefix(from, prefix))
        return false;
    at->size = from.size;
    memcpy(at->bytes, from.data, from.size);
    return true;
}

static struct slice text_of(const struct name *name)
{
    return name ? name->text : (struct slice){NULL, 0};
}

static enum error head_read(struct reader *reader, uint64_t id, struct stored_job *head)
{
    struct slice value;
    struct key key;
    enum error error;

    key_job(&key, id, JOB_HEAD);
    error = record_get(reader->txn, &key, &value);
    if (error == ERROR_OK && (!stored_take_job(value, head) || head->state >= JOB_STATE_COUNT))
        error = ERROR_CORRUPT;
    if (error == ERROR_CORRUPT)
        bad_add(reader->store, &(struct bad){.id = id});
    return error;
}

static void view_of(struct reader *reader, uint64_t id, const struct stored_job *head, struct record_job_view *view)
{
    struct job job = {id, *head};

    *view = (struct record_job_view){.id = id,
                                     .queue = text_of(names_at(&reader->store->queues, head->queue)),
                                     .gate = text_of(names_at(&reader->store->gates, head->gate)),
                                     .key = head->key,
                                     .state = job_state_now(reader->store, &job, reader->now_ms),
                                     .priority = head->priority,
                                     .due_ms = head->due_ms,
                                     .created_ms = head->created_ms,
                                     .attempt = head->attempt,
                                     .crashes = head->crashes,
                                     .detail = head->detail,
                                     .run = head->run,
                                     .step = head->step,
                                     .content_type = head->content_type,
                                     .payload_bytes = head->payload_bytes};
    if (!error_from_name(head->error, &view->error))
        view->error = ERROR_UNSUPPORTED;
}

static enum error read_job(struct reader *reader)
{
    const uint64_t id = reader->request->id;
    struct record_job_view view;
    struct stored_job head;
    struct key key;
    enum error error = head_read(reader, id, &head);

    if (error != ERROR_OK)
        return error;
    view_of(reader, id, &head, &view);
    key_job(&key, id, JOB_BODY);
    error = record_get(reader->txn, &key, &view.payload);
    key_job(&key, id, JOB_NOTED);
    if (error == ERROR_OK && head.note_bytes > 0)
        error = record_get(reader->txn, &key, &view.note);
    if (error != ERROR_OK) {
        bad_add(reader->store, &(struct bad){.id = id});
        return ERROR_CORRUPT;
    }
    record_put_job_view(&reader->page->rows, &view);
    reader->page->count = 1;
    return ERROR_OK;
}

static enum error visit_job(struct reader *reader, uint64_t id)
{
    const struct msg_read *request = reader->request;
    struct record_job_view view;
    struct stored_job head;
    enum error error = head_read(reader, id, &head);

    if (error != ERROR_OK)
        return error;
    view_of(reader, id, &head, &view);
    if ((request->space.size > 0 && !slice_equal(request->space, view.queue)) ||
        (request->id != 0 && (request->id >> view.state & 1) == 0))
        return ERROR_NOT_FOUND;
    record_put_job_view(&reader->page->rows, &view);
    return ERROR_OK;
}

static enum error visit_listed(struct reader *reader, const struct kv_pair *pair)
{
    enum job_state state;
    struct slice value;
    uint64_t id;

    if (!key_parse_list(pair->key, &state, &id) || !record_open(pair->key, pair->value, &value))
        return ERROR_CORRUPT;
    return visit_job(reader, id);
}

static enum error visit_any_job(struct reader *reader, const struct kv_pair *pair)
{
    enum job_part part;
    uint64_t id;

    if (!key_parse_job(pair->key, &id, &part))
        return ERROR_CORRUPT;
    return part == JOB_HEAD ? visit_job(reader, id) : ERROR_NOT_FOUND;
}

/* The parked, doubtful and dead are found by their lists; for any other state all jobs are gone through, by id. */
static enum error read_jobs(struct reader *reader)
{
    const uint64_t listed = 1u << JOB_PARKED | 1u << JOB_DOUBT | 1u << JOB_DEAD;
    const uint64_t wanted = reader->request->id;
    const bool by_list = wanted != 0 && (wanted & ~listed) == 0;
    struct key table, at, prefix;
    enum error error = ERROR_OK;

    key_table(&table, by_list ? TABLE_LISTS : TABLE_JOBS);
    if (!start_of(reader, &table, &at))
        return ERROR_INVALID;
    if (!by_list)
        return scan(reader, &at, &table, visit_any_job);
    for (unsigned state = JOB_PARKED; state <= JOB_DEAD && error == ERROR_OK; state++) {
        key_list_all(&prefix, (enum job_state)state);
        if ((wanted >> state & 1) == 0 || reader->page->next.size > 0)
            continue;
        if (slice_compare(key_slice(&at), key_slice(&prefix)) <= 0)
            error = scan(reader, &prefix, &prefix, visit_listed);
        else if (key_has_prefix(key_slice(&at), &prefix))
            error = scan(reader, &at, &prefix, visit_listed);
    }
    return error;
}

static enum error put_entry(struct reader *reader, struct slice key, struct slice value)
{
    struct record_space_entry row = {.key = key};
    struct stored_entry entry;
    char number[24];

    if (!stored_take_entry(value, &entry))
        return ERROR_CORRUPT;
    row.version = entry.version;
    row.counter = entry.counter;
    row.value = entry.value;
    if (entry.counter) {
        snprintf(number, sizeof(number), "%" PRId64, entry.number);
        row.value = slice_of(number);
    }
    record_put_space_entry(&reader->page->rows, &row);
    return ERROR_OK;
}

static bool space_is_valid(const struct msg_read *request)
{
    return request->space.size >= 1 && request->space.size <= NAME_BYTES_MAX && request->from.size <= KEY_BYTES_MAX;
}

static enum error read_space_get(struct reader *reader)
{
    struct slice value;
    struct key key;
    enum error error;

    if (!space_is_valid(reader->request))
        return ERROR_INVALID;
    key_space(&key, reader->request->space, reader->request->from);
    error = record_get(reader->txn, &key, &value);
    if (error == ERROR_OK)
        error = put_entry(reader, reader->request->from, value);
    reader->page->count = error == ERROR_OK;
    return error;
}

static enum error visit_entry(struct reader *reader, const struct kv_pair *pair)
{
    struct slice space, entry, value;

    if (!key_parse_space(pair->key, &space, &entry) || !record_open(pair->key, pair->value, &value))
        return ERROR_CORRUPT;
    return put_entry(reader, entry, value);
}

static enum error read_space_scan(struct reader *reader)
{
    struct key at, prefix;
    struct buffer *next = &reader->page->next;
    enum error error;

    if (!space_is_valid(reader->request))
        return ERROR_INVALID;
    key_space(&at, reader->request->space, reader->request->from);
    key_space(&prefix, reader->request->space, (struct slice){NULL, 0});
    error = scan(reader, &at, &prefix, visit_entry);
    if (next->size > 0) { /* the asker knows keys of the space, not ours */
        memmove(next->data, next->data + prefix.size, next->size - prefix.size);
        next->size -= prefix.size;
    }
    return error;
}

static enum error visit_outbox(struct reader *reader, const struct kv_pair *pair)
{
    struct record_outbox_entry row;

    if (!key_parse_outbox(pair->key, &row.sequence) || !record_open(pair->key, pair->value, &row.row))
        return ERROR_CORRUPT;
    record_put_outbox_entry(&reader->page->rows, &row);
    return ERROR_OK;
}

static enum error read_outbox(struct reader *reader)
{
    const uint64_t trimmed = reader->store->totals.trim_to;
    const uint64_t after = reader->request->id > trimmed ? reader->request->id : trimmed;
    struct key table, at, first;

    key_table(&table, TABLE_OUTBOX);
    if (!start_of(reader, &table, &at))
        return ERROR_INVALID;
    if (after == UINT64_MAX)
        return ERROR_OK;
    key_outbox(&first, after + 1);
    return scan(reader, slice_compare(key_slice(&at), key_slice(&first)) < 0 ? &first : &at, &table, visit_outbox);
}

static enum error put_run(struct reader *reader, uint64_t run, struct slice head, struct slice record)
{
    struct stored_run stored;

    if (!stored_take_run(head, &stored))
        return ERROR_CORRUPT;
    record_put_run_entry(&reader->page->rows,
                         &(struct record_run_entry){run, stored.version, stored.workflow, stored.state,
                                                    stored.changed_ms, record});
    return ERROR_OK;
}

static enum error read_run(struct reader *reader)
{
    struct slice head, record;
    struct key key;
    enum error error;

    key_run(&key, reader->request->id, RUN_HEAD);
    error = record_get(reader->txn, &key, &head);
    if (error != ERROR_OK)
        return error;
    key_run(&key, reader->request->id, RUN_RECORD);
    error = record_get(reader->txn, &key, &record);
    if (error == ERROR_OK)
        error = put_run(reader, reader->request->id, head, record);
    reader->page->count = error == ERROR_OK;
    return error == ERROR_NOT_FOUND ? ERROR_CORRUPT : error;
}

static enum error visit_run(struct reader *reader, const struct kv_pair *pair)
{
    struct slice value;
    enum run_part part;
    uint64_t run;

    if (!key_parse_run(pair->key, &run, &part))
        return ERROR_CORRUPT;
    if (part != RUN_HEAD)
        return ERROR_NOT_FOUND;
    if (!record_open(pair->key, pair->value, &value))
        return ERROR_CORRUPT;
    return put_run(reader, run, value, (struct slice){NULL, 0});
}

/* Newest first: the page goes on below the key it ended at. */
static enum error read_runs(struct reader *reader)
{
    const struct kv_ops *ops = reader->store->ops;
    struct key table, at;
    struct kv_pair pair;
    enum error error;

    key_table(&table, TABLE_RUNS);
    if (!start_of(reader, &table, &at))
        return ERROR_INVALID;
    if (reader->request->from.size == 0)
        CHECK(key_after(&at));
    error = ops->seek_before(reader->cursor, key_slice(&at), &pair);
    while (error == ERROR_OK && key_has_prefix(pair.key, &table)) {
        take_row(reader, &pair, visit_run, &error); /* heads are small: the page ends by its own bound below */
        if (page_is_full(reader)) {
            go_on_at(reader, pair.key);
            break;
        }
        error = ops->prev(reader->cursor, &pair);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static enum error visit_book(struct reader *reader, const struct kv_pair *pair)
{
    enum { HOUR_MS = 3600000 };
    struct record_book_entry row;
    struct stored_sum sum;
    struct slice value;

    if (!key_parse_book(pair->key, &row.book, &row.currency, &row.hour_ms) ||
        !record_open(pair->key, pair->value, &value) || !stored_take_sum(value, &sum))
        return ERROR_CORRUPT;
    row.hour_ms *= HOUR_MS;
    row.amount = sum.amount;
    row.entries = sum.entries;
    record_put_book_entry(&reader->page->rows, &row);
    return ERROR_OK;
}

static enum error read_books(struct reader *reader)
{
    struct key at, prefix;

    if (reader->request->space.size > NAME_BYTES_MAX)
        return ERROR_INVALID;
    key_table(&prefix, TABLE_BOOKS);
    if (reader->request->space.size > 0)
        key_book_all(&prefix, reader->request->space);
    return start_of(reader, &prefix, &at) ? scan(reader, &at, &prefix, visit_book) : ERROR_INVALID;
}

/* When the oldest ready job was pushed: the first entries of each gate's lanes are the oldest of them. */
static int64_t oldest_of(struct reader *reader, const struct name *queue)
{
    struct key at, prefix;
    struct kv_pair pair;
    struct ready ready;
    int64_t oldest = 0;

    key_ready_queue(&prefix, queue->number);
    at = prefix;
    while (reader->store->ops->seek(reader->cursor, key_slice(&at), &pair) == ERROR_OK &&
           key_has_prefix(pair.key, &prefix) && key_parse_ready(pair.key, &ready)) {
        struct stored_job head;
        if ((ready.lane == LANE_NOW || (int64_t)ready.time <= reader->now_ms) &&
            head_read(reader, ready.id, &head) == ERROR_OK && (oldest == 0 || head.created_ms < oldest))
            oldest = head.created_ms;
        key_ready_lane(&at, &ready);
        if (!key_after(&at))
            break;
    }
    return oldest;
}

static uint64_t not_negative(int64_t number)
{
    return number > 0 ? (uint64_t)number : 0;
}

static void put_queue(struct reader *reader, const struct name *queue)
{
    const int64_t waiting = queue->later[JOB_WAITING], parked = queue->later[JOB_PARKED];
    const int64_t runnable = queue->stored[JOB_WAITING] + queue->stored[JOB_PARKED];
    struct record_queue_entry row = {.queue = queue->text};

    row.waiting = not_negative(waiting);
    row.parked = not_negative(parked);
    row.leased = queue->leased;
    row.doubt = not_negative(queue->stored[JOB_DOUBT]);
    row.dead = not_negative(queue->stored[JOB_DEAD]);
    row.ready = not_negative(runnable - waiting - parked - (int64_t)queue->leased);
    row.oldest_ms = row.ready > 0 ? oldest_of(reader, queue) : 0;
    record_put_queue_entry(&reader->page->rows, &row);
    reader->page->count++;
}

static enum error read_queues(struct reader *reader)
{
    const struct names *queues = &reader->store->queues;
    const struct slice from = reader->request->from;
    char number[2];

    if (from.size != 0 && from.size != sizeof(number))
        return ERROR_INVALID;
    count_later(reader->store, reader->now_ms);
    for (uint64_t i = from.size ? take_number(from.data, 2) : 1; i <= queues->count; i++) {
        if (names_at(queues, i) == NULL)
            continue;
        if (page_is_full(reader)) {
            put_number(number, i, sizeof(number));
            go_on_at(reader, (struct slice){number, sizeof(number)});
            break;
        }
        put_queue(reader, names_at(queues, i));
    }
    return ERROR_OK;
}

static enum error read_store(struct reader *reader)
{
    const struct store *store = reader->store;
    struct record_store_entry row = {.format = STORE_FORMAT, .counted = store->counts.done};
    struct kv_usage usage;
    int64_t jobs = 0;
    enum error error = store->ops->usage(reader->txn, &usage);

    if (error != ERROR_OK)
        return error;
    for (size_t i = 1; i <= store->queues.count; i++)
        for (unsigned state = 0; names_at(&store->queues, i) && state < JOB_STATE_COUNT; state++)
            jobs += store->queues.by_number[i]->stored[state];
    row.used_bytes = usage.used_bytes;
    row.bound_bytes = usage.bound_bytes;
    row.refusing = store->refusing != REFUSING_NOTHING;
    row.commits = store->totals.stats.commits;
    row.syncs = store->totals.stats.syncs;
    row.jobs = not_negative(jobs);
    row.claims = not_negative(store->totals.claims);
    row.outbox = not_negative(store->totals.outbox);
    row.corrupt = store->totals.stats.corrupt;
    record_put_store_entry(&reader->page->rows, &row);
    reader->page->count = 1;
    return ERROR_OK;
}

typedef enum error read_function(struct reader *reader);
static read_function *const read_functions[READ_KIND_COUNT] = {
    [READ_JOB] = read_job,       [READ_JOBS] = read_jobs,     [READ_SPACE_GET] = read_space_get,
    [READ_SPACE_SCAN] = read_space_scan, [READ_OUTBOX] = read_outbox, [READ_RUN] = read_run,
    [READ_RUNS] = read_runs,     [READ_BOOKS] = read_books,   [READ_QUEUES] = read_queues,
    [READ_STORE] = read_store,
};

enum error store_read_page(struct store *store, const struct msg_read *request, int64_t now_ms,
                           struct store_page *page)
{
    struct reader reader = {.store = store, .request = request, .page = page, .now_ms = now_ms};
    enum error error;

    buffer_clear(&page->rows);
    buffer_clear(&page->next);
    page->count = 0;
    if (request->what >= READ_KIND_COUNT || request->limit < 1 || request->limit > STORE_PAGE_ROWS_MAX)
        return ERROR_INVALID;
    error = store->kv ? store->ops->begin(store->kv, false, &reader.txn) : ERROR_IO;
    if (error != ERROR_OK)
        return error;
    error = store->ops->cursor_open(reader.txn, &reader.cursor);
    if (error == ERROR_OK) {
        error = read_functions[request->what](&reader);
        store->ops->cursor_close(&reader.cursor);
    }
    store->ops->abort(&reader.txn);
    if (error == ERROR_CORRUPT)
        store->totals.stats.corrupt++;
    if (error != ERROR_OK) {
        buffer_clear(&page->rows);
        buffer_clear(&page->next);
        page->count = 0;
    }
    return error;
}
