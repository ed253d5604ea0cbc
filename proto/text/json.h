/* json - the one home of jansson: strict reading of outside JSON, and small helpers over json_t.
 * Strict: UTF-8, no duplicate keys, no NaN or Infinity, nothing behind the value, depth and size bounded,
 * integers within 64 bits kept exactly (a number past that is an error naming its place). */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"
#include <jansson.h>

enum { JSON_DEPTH_MAX = 64, JSON_BYTES_MAX = 8 << 20, JSON_VALUES_MAX = 200000 };

struct json_problem {
    unsigned line, column; /* 1-based */
    size_t offset;         /* in bytes */
    char text[160];        /* what is wrong, for people; never quotes the value */
};

/* Parses one JSON value. NULL on a problem. The caller owns the result (json_decref). */
json_t *json_read(struct slice text, struct json_problem *problem);
/* Whether json_read() would take what json_write() wrote: values that were read one by one can be too deep or too many
 * together. */
bool json_is_readable(struct slice text);

/* Compact text with sorted keys into `into` (canonical: equal values give equal bytes). */
void json_write(struct buffer *into, const json_t *value);

/* json_object_get along keys separated by '.', array indexes as numbers ("line_items.0.sku"); NULL when absent.
 * Borrowed. */
json_t *json_at(const json_t *value, const char *path);

/* The string at `path`, or an empty slice when it is absent, null or no string. Borrowed from `value`. */
struct slice json_text_at(const json_t *value, const char *path);

/* Reads an id that Shopify sends as integer or string into decimal text (at most 32 characters); false otherwise. */
bool json_id_at(const json_t *value, const char *path, char id[33]);
