/* codec - how the field types of every table are held, packed and strictly taken. One home for all families
 * (messages, operations, records, client). Text and blob fields borrow the bytes they were taken from. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"
#include "proto/wire.h"

#define FIELD_TYPE_u64 uint64_t
#define FIELD_TYPE_i64 int64_t
#define FIELD_TYPE_flag bool
#define FIELD_TYPE_text struct slice
#define FIELD_TYPE_blob struct slice
#define FIELD_TYPE_error enum error
#define FIELD_TYPE_list struct slice /* one packed array, taken whole; the caller walks it */

static inline void field_put_u64(struct buffer *into, uint64_t value)
{
    wire_put_u64(into, value);
}
static inline void field_put_i64(struct buffer *into, int64_t value)
{
    wire_put_i64(into, value);
}
static inline void field_put_flag(struct buffer *into, bool value)
{
    wire_put_flag(into, value);
}
static inline void field_put_text(struct buffer *into, struct slice value)
{
    wire_put_text(into, value);
}
static inline void field_put_blob(struct buffer *into, struct slice value)
{
    wire_put_blob(into, value);
}
static inline void field_put_error(struct buffer *into, enum error value)
{
    wire_put_u64(into, value);
}

static inline void field_put_list(struct buffer *into, struct slice value)
{
    buffer_append(into, value.data, value.size);
}

static inline void field_take_u64(struct wire *wire, uint64_t *value)
{
    *value = wire_take_u64(wire);
}
static inline void field_take_i64(struct wire *wire, int64_t *value)
{
    *value = wire_take_i64(wire);
}
static inline void field_take_flag(struct wire *wire, bool *value)
{
    *value = wire_take_flag(wire);
}
static inline void field_take_text(struct wire *wire, struct slice *value)
{
    *value = wire_take_text(wire);
}
static inline void field_take_blob(struct wire *wire, struct slice *value)
{
    *value = wire_take_blob(wire);
}
static inline void field_take_error(struct wire *wire, enum error *value)
{
    uint64_t number = wire_take_u64(wire);

    if (number >= ERROR_COUNT)
        wire->bad = true;
    *value = wire->bad ? ERROR_OK : (enum error)number;
}

static inline void field_take_list(struct wire *wire, struct slice *value)
{
    struct wire inside;

    *value = wire_skip(wire);
    inside = wire_over(*value);
    wire_take_array(&inside);
    if (inside.bad)
        wire->bad = true;
}

/* For reference pages. */
struct field_info {
    const char *type, *name, *doc;
};
