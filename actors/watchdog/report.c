// SPDX-License-Identifier: MIT
#include "actors/watchdog/report.h"
#include "proto/check.h"

static const char *const states[] = {"waiting", "ready", "leased", "parked", "doubt", "dead"};
enum { STATE_COUNT = sizeof(states) / sizeof(states[0]) };

static uint64_t depth_of(const struct record_queue_entry *entry, size_t state)
{
    const uint64_t depths[STATE_COUNT] = {entry->waiting, entry->ready, entry->leased,
                                          entry->parked,  entry->doubt, entry->dead};

    return depths[state];
}

/* A label value of the text format: backslash, quote and newline are escaped. */
static void put_label(struct buffer *into, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\n') {
            buffer_text(into, "\\n");
            continue;
        }
        if (text.data[i] == '"' || text.data[i] == '\\')
            buffer_text(into, "\\");
        buffer_append(into, &text.data[i], 1);
    }
}

static bool next_queue(struct wire *wire, uint64_t *left, struct record_queue_entry *entry)
{
    if (*left == 0)
        return false;
    --*left;
    bool fits = record_take_queue_entry(wire, entry);
    CHECK(fits);
    return true;
}

static void queue_metrics(struct buffer *into, const struct report *report)
{
    struct wire wire = wire_over(report->queues);
    struct record_queue_entry entry;
    uint64_t left = report->queue_count;

    buffer_text(into, "# HELP purser_queue_jobs Jobs of a queue, by state.\n# TYPE purser_queue_jobs gauge\n");
    while (next_queue(&wire, &left, &entry))
        for (size_t state = 0; state < STATE_COUNT; state++) {
            buffer_text(into, "purser_queue_jobs{queue=\"");
            put_label(into, entry.queue);
            buffer_printf(into, "\",state=\"%s\"} %llu\n", states[state], (unsigned long long)depth_of(&entry, state));
        }
    wire = wire_over(report->queues);
    left = report->queue_count;
    buffer_text(into, "# HELP purser_queue_oldest_timestamp_seconds When the oldest ready job was pushed; 0: none.\n"
                      "# TYPE purser_queue_oldest_timestamp_seconds gauge\n");
    while (next_queue(&wire, &left, &entry)) {
        buffer_text(into, "purser_queue_oldest_timestamp_seconds{queue=\"");
        put_label(into, entry.queue);
        buffer_printf(into, "\"} %lld.%03d\n", (long long)(entry.oldest_ms / 1000), (int)(entry.oldest_ms % 1000));
    }
}

static void gauge(struct buffer *into, const char *name, const char *doc, uint64_t value)
{
    buffer_printf(into, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", name, doc, name, name, (unsigned long long)value);
}

void report_metrics(struct buffer *into, const struct report *report)
{
    buffer_text(into, "# HELP purser_build_info Always 1; the version stands in the label.\n"
                      "# TYPE purser_build_info gauge\npurser_build_info{version=\"" PURSER_VERSION "\"} 1\n");
    gauge(into, "purser_store_answers", "1 when the store told its depths for this page.",
          report->has_queues && report->has_store);
    if (report->has_queues)
        queue_metrics(into, report);
    if (!report->has_store)
        return;
    gauge(into, "purser_store_jobs", "Jobs in the store, in any state.", report->store.jobs);
    gauge(into, "purser_store_claims", "Dedup claims that are kept.", report->store.claims);
    gauge(into, "purser_store_outbox_rows", "Rows of the outbox that are not trimmed yet.", report->store.outbox);
}

/* --- status --- */

static json_t *text_json(struct slice text)
{
    return json_stringn(text.size ? text.data : "", text.size);
}

static json_t *queues_json(const struct report *report)
{
    struct wire wire = wire_over(report->queues);
    struct record_queue_entry entry;
    uint64_t left = report->queue_count;
    json_t *list;

    if (!report->has_queues)
        return json_null();
    list = json_array();
    while (next_queue(&wire, &left, &entry)) {
        json_t *row = json_object();
        json_object_set_new(row, "queue", text_json(entry.queue));
        for (size_t state = 0; state < STATE_COUNT; state++)
            json_object_set_new(row, states[state], json_integer((json_int_t)depth_of(&entry, state)));
        json_object_set_new(row, "oldest_ms", json_integer(entry.oldest_ms));
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *store_json(const struct report *report)
{
    const struct record_store_entry *store = &report->store;

    if (!report->has_store)
        return json_null();
    return json_pack("{s:I s:I s:I s:b s:I s:I s:I s:I s:I s:I s:b}", "format", (json_int_t)store->format, "used_bytes",
                     (json_int_t)store->used_bytes, "bound_bytes", (json_int_t)store->bound_bytes, "refusing",
                     store->refusing, "commits", (json_int_t)store->commits, "transactions", (json_int_t)store->syncs,
                     "jobs", (json_int_t)store->jobs, "claims", (json_int_t)store->claims, "outbox",
                     (json_int_t)store->outbox, "corrupt", (json_int_t)store->corrupt, "counted", store->counted);
}

void report_status(struct buffer *into, const struct report *report)
{
    struct json_problem problem;
    json_t *status = json_object();
    json_t *actors = json_read(report->actors, &problem);

    json_object_set_new(status, "version", json_string(PURSER_VERSION));
    json_object_set_new(status, "up_ms", json_integer(report->up_ms));
    json_object_set_new(status, "safe_mode", json_boolean(report->safe_mode));
    json_object_set_new(status, "last_panic",
                        report->last_panic != NULL && report->last_panic[0] != '\0' ? json_string(report->last_panic)
                                                                                    : json_null());
    json_object_set_new(status, "actors", actors == NULL ? json_null() : actors);
    json_object_set_new(status, "queues", queues_json(report));
    json_object_set_new(status, "store", store_json(report));
    json_write(into, status);
    json_decref(status);
}
