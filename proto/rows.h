/* rows - typed rows for sinks (rows.def): a row is a table and one value per column, in column order. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum table_id {
#define TABLE(ID, name, doc, columns) TABLE_##ID,
#include "proto/rows.def"
#undef TABLE
    TABLE_COUNT
};

enum column_type { COLUMN_key, COLUMN_text, COLUMN_integer, COLUMN_minor, COLUMN_time, COLUMN_stamp };

enum { COLUMNS_MAX = 24 };

struct column_info {
    enum column_type type;
    const char *name, *doc;
};

struct table_info {
    const char *name, *doc;
    const struct column_info *columns;
    size_t column_count, key_count, stamp_index;
};

extern const struct table_info table_info[TABLE_COUNT];

struct row_value {
    bool is_null;
    int64_t number;    /* integer, minor, time, stamp */
    struct slice text; /* key, text */
};

struct row {
    enum table_id table;
    struct row_value values[COLUMNS_MAX];
};

bool table_from_name(struct slice name, enum table_id *table);
/* One row as msgpack [table name, value...]. */
void row_pack(struct buffer *into, const struct row *row);
/* Strict: known table, right count, right types, non-null keys and stamp. Borrows `bytes`. */
bool row_unpack(struct slice bytes, struct row *row);
