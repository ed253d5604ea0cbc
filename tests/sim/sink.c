// SPDX-License-Identifier: MIT
/* A sink as plain tables with the rules of runtime/io/sink.c: the newer stamp wins, a batch and its cursor are one. */
#include "tests/sim/sim.h"
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    enum table_id table;
    int64_t stamp;
    char *key;
};

enum { BUCKETS = 4096 };

struct sim_sink_table {
    struct entry *buckets[BUCKETS];
    size_t counts[TABLE_COUNT];
    uint64_t cursor;
};

struct sim_sink_table *sim_sink_new(void)
{
    return xcalloc(1, sizeof(struct sim_sink_table));
}

void sim_sink_destroy(struct sim_sink_table **sink)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while ((*sink)->buckets[i] != NULL) {
            struct entry *entry = (*sink)->buckets[i];
            (*sink)->buckets[i] = entry->next;
            free(entry->key);
            free(entry);
        }
    free(*sink);
    *sink = NULL;
}

static uint32_t hash(struct slice key)
{
    uint32_t value = 2166136261u;

    for (size_t i = 0; i < key.size; i++)
        value = (value ^ (unsigned char)key.data[i]) * 16777619u;
    return value;
}

static void apply_row(struct sim_sink_table *sink, struct slice packed)
{
    struct buffer key = {NULL, 0, 0};
    struct row row;

    CHECK(row_unpack(packed, &row));
    const struct table_info *info = &table_info[row.table];
    buffer_printf(&key, "%s", info->name);
    for (size_t i = 0; i < info->key_count; i++)
        buffer_printf(&key, "/%.*s", (int)row.values[i].text.size, row.values[i].text.data);
    struct entry **at = &sink->buckets[hash(buffer_slice(&key)) % BUCKETS];
    while (*at != NULL && !slice_is(buffer_slice(&key), (*at)->key))
        at = &(*at)->next;
    int64_t stamp = row.values[info->stamp_index].number;
    if (*at == NULL) {
        *at = xcalloc(1, sizeof(**at));
        **at = (struct entry){.table = row.table, .stamp = stamp, .key = slice_dup(buffer_slice(&key))};
        sink->counts[row.table]++;
    } else if ((*at)->stamp <= stamp) {
        (*at)->stamp = stamp;
    }
    buffer_free(&key);
}

uint64_t sim_sink_apply(struct sim_sink_table *sink, const struct sink_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].sequence > sink->cursor) {
            apply_row(sink, rows[i].row);
            sink->cursor = rows[i].sequence;
        }
    return sink->cursor;
}

size_t sim_sink_rows(const struct sim_sink_table *sink, enum table_id table)
{
    return sink->counts[table];
}

uint64_t sim_sink_cursor(const struct sim_sink_table *sink)
{
    return sink->cursor;
}
