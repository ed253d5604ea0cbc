/* metrics - the table of metrics.def, and slots that one thread adds to and any thread may read. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"
#include <stdatomic.h>

enum metric_id {
#define METRIC(ID, kind, label, name, doc) METRIC_##ID,
#include "proto/metrics.def"
#undef METRIC
    METRIC_COUNT
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum metric_label { METRIC_LABEL_NONE, METRIC_LABEL_ERROR, METRIC_LABEL_STATUS, METRIC_LABEL_ACTOR };

struct metric_info {
    const char *name, *doc;
    enum metric_kind kind;
    enum metric_label label;
};
extern const struct metric_info metric_info[METRIC_COUNT];

enum { METRIC_SLOTS = ERROR_COUNT > 24 ? ERROR_COUNT : 24, METRIC_BUCKETS = 16 };
/* Upper bounds of histogram buckets in seconds; the last is +Inf. */
extern const double metric_buckets[METRIC_BUCKETS - 1];

/* One per actor. Slot: label value (error, status / 100), or bucket, with the sum in the last slot of a histogram
 * in microseconds. */
struct metrics {
    _Atomic int64_t slots[METRIC_COUNT][METRIC_SLOTS];
};

void metrics_add(struct metrics *metrics, enum metric_id metric, uint64_t label, uint64_t add);
void metrics_set(struct metrics *metrics, enum metric_id metric, uint64_t label, int64_t value);
void metrics_observe(struct metrics *metrics, enum metric_id metric, double seconds);
/* Sums `count` blocks (one per actor, named by `names`) into Prometheus text format 0.0.4. */
void metrics_text(struct buffer *into, struct metrics *const blocks[], const char *const names[], size_t count);
