// SPDX-License-Identifier: MIT
#include "console/terminal/show.h"
#include "console/terminal/width.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    COLUMNS_MAX = 32,
    CELL_COLUMNS_MAX = 60,
    DEPTH_MAX = 6, /* deeper values are shown as JSON */
    INDENT = 2,
    SHORT_LIST_MAX = 16,
    KEY_BYTES = 64,
};

static const int64_t days_30_ms = 30ll * 24 * 3600 * 1000;
static const int64_t earliest_time_ms = 946684800000; /* 2000-01-01: a *_ms below it is a duration */

/* What people look for first stands left, in this order; the rest follows as it came. */
static const char *const first_keys[] = {"id",   "run",     "actor",      "name",       "workflow", "queue", "gate",
                                         "step", "book",    "variant",    "key",        "state",    "error", "n",
                                         "mean", "against", "experiment", "difference", "low",      "high",  NULL};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

static void put_time(struct buffer *into, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    char text[64];

    localtime_r(&seconds, &local);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &local);
    buffer_text(into, text);
}

static void put_duration(struct buffer *into, int64_t ms)
{
    if (ms < 1000)
        buffer_printf(into, "%lld ms", (long long)ms);
    else if (ms < 120 * 1000)
        buffer_printf(into, "%.1f s", (double)ms / 1000);
    else if (ms < 2 * 3600 * 1000)
        buffer_printf(into, "%lld min", (long long)(ms / 60000));
    else if (ms < days_30_ms)
        buffer_printf(into, "%.1f h", (double)ms / 3600000);
    else
        buffer_printf(into, "%lld d", (long long)(ms / 86400000));
}

static void put_size(struct buffer *into, int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        buffer_printf(into, "%lld B", (long long)bytes);
        return;
    }
    for (; size >= 1024 && unit < 3; unit++)
        size /= 1024;
    buffer_printf(into, "%.1f %s", size, units[unit]);
}

static void put_integer(struct buffer *into, const char *key, int64_t value)
{
    if (ends_with(key, "_ms") && value >= earliest_time_ms)
        put_time(into, value);
    else if (ends_with(key, "_ms") && value == 0)
        buffer_text(into, "-");
    else if (ends_with(key, "_ms") && value > 0)
        put_duration(into, value);
    else if (ends_with(key, "_bytes") && value >= 0)
        put_size(into, value);
    else
        buffer_printf(into, "%lld", (long long)value);
}

/* Texts and numbers alone, few enough to be read in one go. */
static bool is_short_list(const json_t *value)
{
    size_t index;
    const json_t *item;

    if (!json_is_array(value) || json_array_size(value) > SHORT_LIST_MAX)
        return false;
    json_array_foreach(value, index, item) if (!json_is_string(item) && !json_is_number(item)) return false;
    return true;
}

static void put_cell(struct buffer *into, const char *key, const json_t *value, bool lines, size_t indent);

/* {"short": 12, "long": 9} as "short 12, long 9". */
static bool put_short_object(struct buffer *into, const json_t *object)
{
    const char *key;
    const json_t *item;
    size_t start = into->size;

    if (!json_is_object(object) || json_object_size(object) == 0 || json_object_size(object) > SHORT_LIST_MAX)
        return false;
    json_object_foreach((json_t *)object, key, item) if (json_is_object(item) || json_is_array(item)) return false;
    json_object_foreach((json_t *)object, key, item)
    {
        buffer_text(into, into->size > start ? ", " : "");
        width_clean(into, slice_of(key), false, 0);
        buffer_text(into, " ");
        put_cell(into, key, item, false, 0);
    }
    return true;
}

static void put_short_list(struct buffer *into, const json_t *list, bool lines, size_t indent)
{
    size_t index;
    const json_t *item;

    json_array_foreach(list, index, item)
    {
        if (index > 0 && lines)
            buffer_printf(into, "\n%*s", (int)indent, "");
        else
            buffer_text(into, index > 0 ? ", " : "");
        put_cell(into, "", item, false, 0);
    }
}

/* One value as clean text; what is neither short nor plain as JSON. */
static void put_cell(struct buffer *into, const char *key, const json_t *value, bool lines, size_t indent)
{
    struct buffer json = {NULL, 0, 0};

    if (value == NULL || json_is_null(value)) {
        buffer_text(into, "-");
    } else if (json_is_string(value)) {
        struct slice text = {json_string_value(value), json_string_length(value)};
        width_clean(into, text.size > 0 ? text : slice_of("-"), lines, indent);
    } else if ((json_is_array(value) && json_array_size(value) == 0) ||
               (json_is_object(value) && json_object_size(value) == 0)) {
        buffer_text(into, "none");
    } else if (json_is_boolean(value)) {
        buffer_text(into, json_is_true(value) ? "yes" : "no");
    } else if (json_is_integer(value)) {
        put_integer(into, key, json_integer_value(value));
    } else if (json_is_real(value)) {
        buffer_printf(into, "%.6g", json_real_value(value));
    } else if (is_short_list(value)) {
        put_short_list(into, value, lines, indent);
    } else if (!put_short_object(into, value)) {
        json_write(&json, value);
        width_clean(into, buffer_slice(&json), false, 0);
        buffer_free(&json);
    }
}

static void put_padded(struct buffer *into, struct slice text, size_t width, bool right)
{
    size_t has = width_of(text);
    int pad = has < width ? (int)(width - has) : 0;

    if (right)
        buffer_printf(into, "%*s", pad, "");
    buffer_append(into, text.data, text.size);
    if (!right)
        buffer_printf(into, "%*s", pad, "");
}

/* --- tables --- */

struct column {
    const char *key;
    size_t width;
    bool number; /* all its values are numbers: aligned to the right */
};

struct table {
    struct column columns[COLUMNS_MAX];
    size_t count;
};

/* "slot_ms" beside "slot", which says the same in its own zone. */
static bool is_said_twice(const json_t *object, const char *key)
{
    char said[KEY_BYTES];
    size_t size = ends_with(key, "_ms") ? strlen(key) - strlen("_ms") : KEY_BYTES;

    if (size >= KEY_BYTES)
        return false;
    memcpy(said, key, size);
    said[size] = '\0';
    return json_object_get(object, said) != NULL;
}

static void add_column(struct table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->columns[i].key, key) == 0)
            return;
    if (table->count < COLUMNS_MAX)
        table->columns[table->count++] = (struct column){key, 0, true};
}

static void find_columns(struct table *table, const json_t *rows)
{
    size_t index;
    json_t *row, *value;
    const char *key;

    for (const char *const *first = first_keys; *first != NULL; first++)
        json_array_foreach(rows, index, row) if (json_object_get(row, *first) != NULL) add_column(table, *first);
    json_array_foreach(rows, index, row) json_object_foreach(row, key, value) if (!is_said_twice(row, key))
        add_column(table, key);
}

/* The cell's text, cut to the widest that a table shows, into `into` (cleared first). */
static struct slice cell_text(struct buffer *into, const char *key, const json_t *value)
{
    buffer_clear(into);
    put_cell(into, key, value, false, 0);
    if (width_of(buffer_slice(into)) > CELL_COLUMNS_MAX) {
        into->size = width_cut(buffer_slice(into), CELL_COLUMNS_MAX - 1).size;
        buffer_text(into, "\xe2\x80\xa6");
    }
    return buffer_slice(into);
}

/* "due_ms" is headed "due": the unit is shown with each value. */
static struct slice heading(const char *key)
{
    size_t length = strlen(key);

    if (ends_with(key, "_ms"))
        length -= strlen("_ms");
    else if (ends_with(key, "_bytes"))
        length -= strlen("_bytes");
    return (struct slice){key, length};
}

static void measure(struct table *table, const json_t *rows)
{
    struct buffer cell = {NULL, 0, 0};
    size_t index;
    json_t *row;

    for (size_t i = 0; i < table->count; i++) {
        struct column *column = &table->columns[i];
        column->width = width_of(heading(column->key));
        json_array_foreach(rows, index, row)
        {
            const json_t *value = json_object_get(row, column->key);
            size_t width = width_of(cell_text(&cell, column->key, value));
            column->width = width > column->width ? width : column->width;
            column->number = column->number && (value == NULL || json_is_number(value));
        }
    }
    buffer_free(&cell);
}

static void trim_blanks(struct buffer *into)
{
    while (into->size > 0 && into->data[into->size - 1] == ' ')
        into->size--;
}

static void show_table(struct buffer *into, const json_t *rows, size_t indent)
{
    struct table table = {.count = 0};
    struct buffer cell = {NULL, 0, 0};
    size_t index;
    json_t *row;

    find_columns(&table, rows);
    measure(&table, rows);
    buffer_printf(into, "%*s", (int)indent, "");
    for (size_t i = 0; i < table.count; i++) {
        put_padded(into, heading(table.columns[i].key), table.columns[i].width, table.columns[i].number);
        buffer_text(into, "  ");
    }
    trim_blanks(into);
    buffer_text(into, "\n");
    json_array_foreach(rows, index, row)
    {
        buffer_printf(into, "%*s", (int)indent, "");
        for (size_t i = 0; i < table.count; i++) {
            const struct column *column = &table.columns[i];
            put_padded(into, cell_text(&cell, column->key, json_object_get(row, column->key)), column->width,
                       column->number);
            buffer_text(into, "  ");
        }
        trim_blanks(into);
        buffer_text(into, "\n");
    }
    buffer_free(&cell);
}

/* --- objects and lists --- */

static bool is_table(const json_t *value)
{
    size_t index;
    json_t *row;

    if (!json_is_array(value) || json_array_size(value) == 0)
        return false;
    json_array_foreach(value, index, row) if (!json_is_object(row)) return false;
    return true;
}

/* {"EUR": {"amount": 1}, "USD": {"amount": 2}}: a table whose rows have names. */
static bool is_named_table(const json_t *value)
{
    const char *key;
    json_t *row, *cell;

    json_object_foreach((json_t *)value, key, row)
    {
        if (json_object_size(row) == 0)
            return false;
        const char *inner;
        json_object_foreach(row, inner, cell) if (json_is_object(cell) || json_is_array(cell)) return false;
    }
    return json_object_size(value) > 0;
}

static void show_named_table(struct buffer *into, const json_t *object, size_t indent)
{
    json_t *rows = json_array(), *row;
    const char *key;

    json_object_foreach((json_t *)object, key, row)
    {
        json_t *named = json_copy(row);
        json_object_set_new(named, "name", json_string(key));
        json_array_append_new(rows, named);
    }
    show_table(into, rows, indent);
    json_decref(rows);
}

static bool is_block(const json_t *value)
{
    return is_table(value) || (json_is_object(value) && json_object_size(value) > 0);
}

static void show_value(struct buffer *into, const json_t *value, size_t indent, size_t depth);

static void show_object(struct buffer *into, const json_t *object, size_t indent, size_t depth)
{
    size_t width = 0, start = into->size;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value) if (!is_block(value) && width_of(heading(key)) > width) width =
        width_of(heading(key));
    json_object_foreach((json_t *)object, key, value) if (!is_block(value) && !is_said_twice(object, key))
    {
        buffer_printf(into, "%*s", (int)indent, "");
        put_padded(into, heading(key), width, false);
        buffer_text(into, "  ");
        put_cell(into, key, value, true, indent + width + 2);
        buffer_text(into, "\n");
    }
    json_object_foreach((json_t *)object, key, value) if (is_block(value))
    {
        buffer_printf(into, "%s%*s%s\n", into->size > start ? "\n" : "", (int)indent, "", key);
        show_value(into, value, indent + INDENT, depth + 1);
    }
}

static void show_value(struct buffer *into, const json_t *value, size_t indent, size_t depth)
{
    if (depth < DEPTH_MAX && is_table(value)) {
        show_table(into, value, indent);
    } else if (depth < DEPTH_MAX && is_named_table(value)) {
        show_named_table(into, value, indent);
    } else if (depth < DEPTH_MAX && json_is_object(value) && json_object_size(value) > 0) {
        show_object(into, value, indent, depth);
    } else {
        buffer_printf(into, "%*s", (int)indent, "");
        put_cell(into, "", value, true, indent);
        buffer_text(into, "\n");
    }
}

void show_json(struct buffer *into, const json_t *value)
{
    const json_t *alone =
        json_object_size(value) == 1 ? json_object_iter_value(json_object_iter((json_t *)value)) : NULL;

    if (alone != NULL && !json_is_number(alone) && !json_is_boolean(alone))
        value = alone; /* {"message": "stopping"}, {"jobs": [...]}: the name says nothing new */
    show_value(into, value, 0, 0);
    if (into->size > 1 && into->data[into->size - 1] == '\n' && into->data[into->size - 2] == '\n')
        into->size--;
}
