// SPDX-License-Identifier: MIT
#include "proto/rows.h"
#include "proto/check.h"
#include "proto/wire.h"

#define COLUMN(type, name, doc) {COLUMN_##type, #name, doc},
#define TABLE(ID, name, doc, columns) static const struct column_info columns_of_##name[] = {columns};
#include "proto/rows.def"
#undef TABLE
#undef COLUMN

/* A table lists its keys first and its stamp right behind them, so that counting the keys finds both. */
#define COLUMN(type, name, doc) +(COLUMN_##type == COLUMN_key)
#define TABLE(ID, name, doc, columns) enum { keys_of_##name = 0 columns };
#include "proto/rows.def"
#undef TABLE
#undef COLUMN

#define COLUMN_COUNT(name) (sizeof(columns_of_##name) / sizeof(columns_of_##name[0]))

#define TABLE(ID, name, doc, columns) _Static_assert(COLUMN_COUNT(name) <= COLUMNS_MAX, #name " has too many columns");
#include "proto/rows.def"
#undef TABLE

const struct table_info table_info[TABLE_COUNT] = {
#define TABLE(ID, name, doc, columns)                                                                                  \
    {#name, doc, columns_of_##name, COLUMN_COUNT(name), keys_of_##name, keys_of_##name},
#include "proto/rows.def"
#undef TABLE
};

bool table_from_name(struct slice name, enum table_id *table)
{
    for (int i = 0; i < TABLE_COUNT; i++) {
        if (slice_is(name, table_info[i].name)) {
            *table = (enum table_id)i;
            return true;
        }
    }
    return false;
}

static bool is_text(enum column_type type)
{
    return type == COLUMN_key || type == COLUMN_text;
}

static bool may_be_null(enum column_type type)
{
    return type != COLUMN_key && type != COLUMN_stamp;
}

void row_pack(struct buffer *into, const struct row *row)
{
    CHECK(row->table < TABLE_COUNT);
    const struct table_info *table = &table_info[row->table];

    wire_put_array(into, 1 + table->column_count);
    wire_put_text(into, slice_of(table->name));
    for (size_t i = 0; i < table->column_count; i++) {
        enum column_type type = table->columns[i].type;
        const struct row_value *value = &row->values[i];
        CHECK(!value->is_null || may_be_null(type));
        if (value->is_null)
            wire_put_nil(into);
        else if (is_text(type))
            wire_put_text(into, value->text);
        else
            wire_put_i64(into, value->number);
    }
}

bool row_unpack(struct slice bytes, struct row *row)
{
    struct wire wire = wire_over(bytes);
    size_t count = wire_take_array(&wire);

    *row = (struct row){0};
    if (!table_from_name(wire_take_text(&wire), &row->table))
        return false;
    const struct table_info *table = &table_info[row->table];
    if (count != 1 + table->column_count)
        return false;
    for (size_t i = 0; i < table->column_count; i++) {
        enum column_type type = table->columns[i].type;
        struct row_value *value = &row->values[i];
        if (may_be_null(type) && wire_take_nil(&wire))
            value->is_null = true;
        else if (is_text(type))
            value->text = wire_take_text(&wire);
        else
            value->number = wire_take_i64(&wire);
    }
    return wire_done(&wire);
}
