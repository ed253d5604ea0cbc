/* wire - msgpack, written through msgpack-c and read strictly from bounded bytes without allocating.
 * The reader never trusts a count: it looks at what is left first (msgpack-c allocates for an announced count).
 * A reader is sticky: after the first misfit every take_ returns zeros and wire_done() is false. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { WIRE_DEPTH_MAX = 32 };

void wire_put_u64(struct buffer *into, uint64_t value);
void wire_put_i64(struct buffer *into, int64_t value);
void wire_put_flag(struct buffer *into, bool value);
void wire_put_nil(struct buffer *into);
void wire_put_text(struct buffer *into, struct slice value); /* str */
void wire_put_blob(struct buffer *into, struct slice value); /* bin */
void wire_put_array(struct buffer *into, size_t count);
void wire_put_map(struct buffer *into, size_t count);

struct wire {
    const unsigned char *at, *end;
    bool bad;
};

struct wire wire_over(struct slice bytes);
uint64_t wire_take_u64(struct wire *wire);
int64_t wire_take_i64(struct wire *wire); /* accepts non-negative integers up to INT64_MAX too */
bool wire_take_flag(struct wire *wire);
struct slice wire_take_text(struct wire *wire); /* str, valid UTF-8; borrowed */
struct slice wire_take_blob(struct wire *wire); /* bin; borrowed */
/* The element count, never more than the bytes that are left (a map needs two bytes an entry). */
size_t wire_take_array(struct wire *wire);
size_t wire_take_map(struct wire *wire);
/* Takes nil if it is next. */
bool wire_take_nil(struct wire *wire);
/* Passes over one well-formed value of any type, depth bounded, and returns its bytes. */
struct slice wire_skip(struct wire *wire);
/* True when nothing misfitted and every byte was eaten. */
bool wire_done(const struct wire *wire);
/* True when the bytes are exactly one well-formed msgpack value of bounded depth. */
bool wire_is_value(struct slice bytes);
