// SPDX-License-Identifier: MIT
#include "proto/metrics.h"
#include "proto/check.h"

const struct metric_info metric_info[METRIC_COUNT] = {
#define METRIC(ID, what, by, metric, text) [METRIC_##ID] = {metric, text, METRIC_##what, METRIC_LABEL_##by},
#include "proto/metrics.def"
#undef METRIC
};

const double metric_buckets[METRIC_BUCKETS - 1] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                   0.05,   0.1,     0.25,   0.5,   1,      5,     30};

void metrics_add(struct metrics *metrics, enum metric_id metric, uint64_t label, uint64_t add)
{
    CHECK(metric < METRIC_COUNT && label < METRIC_SLOTS);
    atomic_fetch_add_explicit(&metrics->slots[metric][label], (int64_t)add, memory_order_relaxed);
}

void metrics_set(struct metrics *metrics, enum metric_id metric, uint64_t label, int64_t value)
{
    CHECK(metric < METRIC_COUNT && label < METRIC_SLOTS);
    atomic_store_explicit(&metrics->slots[metric][label], value, memory_order_relaxed);
}

void metrics_observe(struct metrics *metrics, enum metric_id metric, double seconds)
{
    uint64_t bucket = 0;

    CHECK(metric_info[metric].kind == METRIC_HISTOGRAM);
    while (bucket < METRIC_BUCKETS - 1 && seconds > metric_buckets[bucket])
        bucket++;
    metrics_add(metrics, metric, bucket, 1);
    metrics_add(metrics, metric, METRIC_BUCKETS, (uint64_t)(seconds * 1e6));
}

static int64_t slot_sum(struct metrics *const blocks[], size_t count, enum metric_id metric, size_t slot)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += atomic_load_explicit(&blocks[i]->slots[metric][slot], memory_order_relaxed);
    return sum;
}

static void histogram_text(struct buffer *into, struct metrics *const blocks[], size_t count, enum metric_id metric)
{
    const char *name = metric_info[metric].name;
    int64_t total = 0;

    for (size_t bucket = 0; bucket < METRIC_BUCKETS; bucket++) {
        total += slot_sum(blocks, count, metric, bucket);
        if (bucket < METRIC_BUCKETS - 1)
            buffer_printf(into, "%s_bucket{le=\"%g\"} %lld\n", name, metric_buckets[bucket], (long long)total);
        else
            buffer_printf(into, "%s_bucket{le=\"+Inf\"} %lld\n", name, (long long)total);
    }
    buffer_printf(into, "%s_sum %.6f\n%s_count %lld\n", name,
                  (double)slot_sum(blocks, count, metric, METRIC_BUCKETS) / 1e6, name, (long long)total);
}

static void labelled_text(struct buffer *into, struct metrics *const blocks[], size_t count, enum metric_id metric)
{
    bool is_error = metric_info[metric].label == METRIC_LABEL_ERROR;

    for (size_t slot = is_error ? 0 : 1; slot < (is_error ? ERROR_COUNT : 6); slot++) {
        int64_t value = slot_sum(blocks, count, metric, slot);
        if (is_error && (value > 0 || slot == 0))
            buffer_printf(into, "%s{error=\"%s\"} %lld\n", metric_info[metric].name, error_name((enum error)slot),
                          (long long)value);
        else if (!is_error)
            buffer_printf(into, "%s{status=\"%zuxx\"} %lld\n", metric_info[metric].name, slot, (long long)value);
    }
}

void metrics_text(struct buffer *into, struct metrics *const blocks[], const char *const names[], size_t count)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};

    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        enum metric_id metric = (enum metric_id)m;
        const struct metric_info *info = &metric_info[m];

        buffer_printf(into, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->doc, info->name, kinds[info->kind]);
        if (info->kind == METRIC_HISTOGRAM)
            histogram_text(into, blocks, count, metric);
        else if (info->label == METRIC_LABEL_ACTOR)
            for (size_t i = 0; i < count; i++)
                buffer_printf(into, "%s{actor=\"%s\"} %lld\n", info->name, names[i],
                              (long long)slot_sum(&blocks[i], 1, metric, 0));
        else if (info->label == METRIC_LABEL_NONE)
            buffer_printf(into, "%s %lld\n", info->name, (long long)slot_sum(blocks, count, metric, 0));
        else
            labelled_text(into, blocks, count, metric);
    }
}
