// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "proto/check.h"
#include <string.h>

static void read_page(struct scheduler *scheduler, struct event *event)
{
    static const enum read_kind kinds[] = {[FACT_VALUE] = READ_SPACE_GET,
                                           [FACT_LIST] = READ_SPACE_SCAN,
                                           [FACT_BOOKS] = READ_BOOKS,
                                           [FACT_QUEUES] = READ_QUEUES,
                                           [FACT_RUNS] = READ_RUNS};
    const struct event_fact *fact = &event->fact;
    bool is_of_space = fact->wanted.kind == FACT_VALUE || fact->wanted.kind == FACT_LIST;
    struct slice from = buffer_slice(&fact->from);

    if (is_of_space && from.size == 0)
        from = slice_of(fact->wanted.key);
    event_read(scheduler, event, EVENT_FACT,
               (struct msg_read){.what = kinds[fact->wanted.kind],
                                 .space = is_of_space ? slice_of(fact->wanted.space) : (struct slice){NULL, 0},
                                 .from = from,
                                 .limit = fact->wanted.kind == FACT_VALUE ? 1 : FACT_ROWS_MAX});
}

void fact_read(struct scheduler *scheduler, struct event *event, const struct fact_wanted *wanted)
{
    struct event_fact *fact = &event->fact;

    if (++event->fact_count > MACHINE_FACTS_MAX) {
        event_ruin(scheduler, event, ERROR_TOO_LARGE, "its steps ask for more of the store than one event may read");
        return;
    }
    json_decref(fact->value);
    fact->value = wanted->kind == FACT_VALUE ? NULL : json_array();
    fact->wanted = *wanted;
    fact->looked = 0;
    buffer_clear(&fact->from);
    read_page(scheduler, event);
}

/* ---- rows ---- */

/* NULL when the text is none: a value that no step has put there. */
static json_t *entry_json(const struct record_space_entry *entry, bool with_key)
{
    json_t *row = json_pack("{s:I}", "version", (json_int_t)entry->version);

    if (with_key)
        json_object_set_new(row, "key", json_stringn(entry->key.size ? entry->key.data : "", entry->key.size));
    json_object_set_new(row, "value", json_stringn(entry->value.size ? entry->value.data : "", entry->value.size));
    return row;
}

static bool begins_with(struct slice text, const char *prefix)
{
    size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* The next row as JSON into *row, or NULL when it was not asked for; false at the end. */
typedef bool take_row(struct wire *wire, const struct fact_wanted *wanted, json_t **row, bool *is_past);

static bool take_entry(struct wire *wire, const struct fact_wanted *wanted, json_t **row, bool *is_past)
{
    struct record_space_entry entry;

    if (!record_take_space_entry(wire, &entry))
        return false;
    *is_past = !begins_with(entry.key, wanted->key);
    *row = *is_past ? NULL : entry_json(&entry, true);
    return true;
}

static bool take_book(struct wire *wire, const struct fact_wanted *wanted, json_t **row, bool *is_past)
{
    struct record_book_entry book;

    (void)is_past;
    if (!record_take_book_entry(wire, &book))
        return false;
    *row = NULL;
    if (book.hour_ms >= wanted->from_ms && book.hour_ms < wanted->to_ms)
        *row =
            json_pack("{s:s%, s:s%, s:I, s:I, s:I}", "book", book.book.data, book.book.size, "currency",
                      book.currency.size ? book.currency.data : "", book.currency.size, "hour_ms",
                      (json_int_t)book.hour_ms, "amount", (json_int_t)book.amount, "entries", (json_int_t)book.entries);
    return true;
}

static bool take_queue(struct wire *wire, const struct fact_wanted *wanted, json_t **row, bool *is_past)
{
    struct record_queue_entry queue;

    (void)wanted;
    (void)is_past;
    if (!record_take_queue_entry(wire, &queue))
        return false;
    *row = json_pack("{s:s%, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "queue", queue.queue.data, queue.queue.size, "ready",
                     (json_int_t)queue.ready, "waiting", (json_int_t)queue.waiting, "leased", (json_int_t)queue.leased,
                     "parked", (json_int_t)queue.parked, "doubt", (json_int_t)queue.doubt, "dead",
                     (json_int_t)queue.dead, "oldest_ms", (json_int_t)queue.oldest_ms);
    return true;
}

static bool take_run(struct wire *wire, const struct fact_wanted *wanted, json_t **row, bool *is_past)
{
    struct record_run_entry run;

    (void)is_past;
    if (!record_take_run_entry(wire, &run))
        return false;
    *row = NULL;
    if (run.changed_ms >= wanted->from_ms && run.changed_ms < wanted->to_ms && run.state < RUN_STATE_COUNT)
        *row = json_pack("{s:I, s:s%, s:s, s:I}", "run", (json_int_t)run.run, "workflow", run.workflow.data,
                         run.workflow.size, "state", run_state_name((enum run_state)run.state), "changed_ms",
                         (json_int_t)run.changed_ms);
    return true;
}

/* ---- pages ---- */

static void fact_is_there(struct scheduler *scheduler, struct event *event)
{
    json_object_set_new(event->facts, event->fact.wanted.name, event->fact.value);
    event->fact.value = NULL;
    event_go_on(scheduler, event);
}

static json_t *value_of_page(const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;

    if (msg->error == ERROR_OK && record_take_space_entry(&wire, &entry))
        return entry_json(&entry, false);
    return json_pack("{s:i}", "version", 0);
}

void fact_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    static take_row *const takes[] = {
        [FACT_LIST] = take_entry, [FACT_BOOKS] = take_book, [FACT_QUEUES] = take_queue, [FACT_RUNS] = take_run};
    struct event_fact *fact = &event->fact;
    struct wire wire = wire_over(msg->rows);
    bool is_past = false;
    json_t *row;

    CHECK(event->phase == EVENT_FACT);
    if (fact->wanted.kind == FACT_VALUE) {
        fact->value = value_of_page(msg);
        fact_is_there(scheduler, event);
        return;
    }
    size_t rows_max = fact->wanted.kind == FACT_BOOKS ? FACT_LOOKED_MAX : FACT_ROWS_MAX;
    for (uint64_t i = 0; i < msg->count && !is_past && json_array_size(fact->value) < rows_max; i++) {
        if (!takes[fact->wanted.kind](&wire, &fact->wanted, &row, &is_past))
            break;
        fact->looked++;
        if (row != NULL)
            json_array_append_new(fact->value, row);
    }
    bool is_whole = is_past || msg->next.size == 0 || json_array_size(fact->value) >= rows_max ||
                    (fact->wanted.kind != FACT_BOOKS && fact->looked >= FACT_LOOKED_MAX);
    if (is_whole) {
        fact_is_there(scheduler, event);
        return;
    }
    buffer_clear(&fact->from);
    buffer_append(&fact->from, msg->next.data, msg->next.size);
    read_page(scheduler, event);
}
