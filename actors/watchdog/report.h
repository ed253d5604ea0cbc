/* report - what the watchdog says: rows of the store as Prometheus text and as JSON. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/msg.h"
#include "proto/records.h"
#include "proto/text/json.h"

/* What the store told; queues are packed record_queue_entry. */
struct report {
    bool has_queues, has_store;
    struct slice queues;
    uint64_t queue_count;
    struct record_store_entry store;
    struct slice actors; /* JSON array of actor_progress_json() */
    bool safe_mode;
    const char *last_panic; /* NULL or empty: none */
    int64_t up_ms;          /* since the process began, to the second */
};

/* Gauges of queues and store in Prometheus text format 0.0.4; nothing for what the store did not tell. */
void report_metrics(struct buffer *into, const struct report *report);
/* The object of `status`; null where the store did not tell. */
void report_status(struct buffer *into, const struct report *report);
