// SPDX-License-Identifier: MIT
#include "proto/wire.h"
#include "proto/check.h"
#include <msgpack.h>
#include <string.h>

static int write_into(void *data, const char *bytes, size_t size)
{
    buffer_append(data, bytes, size);
    return 0;
}

static msgpack_packer packer(struct buffer *into)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, into, write_into);
    return pk;
}

void wire_put_u64(struct buffer *into, uint64_t value)
{
    msgpack_packer pk = packer(into);
    msgpack_pack_uint64(&pk, value);
}

void wire_put_i64(struct buffer *into, int64_t value)
{
    msgpack_packer pk = packer(into);
    msgpack_pack_int64(&pk, value);
}

void wire_put_flag(struct buffer *into, bool value)
{
    msgpack_packer pk = packer(into);
    if (value)
        msgpack_pack_true(&pk);
    else
        msgpack_pack_false(&pk);
}

void wire_put_nil(struct buffer *into)
{
    msgpack_packer pk = packer(into);
    msgpack_pack_nil(&pk);
}

void wire_put_text(struct buffer *into, struct slice value)
{
    msgpack_packer pk = packer(into);
    CHECK(value.size <= UINT32_MAX);
    msgpack_pack_str(&pk, value.size);
    msgpack_pack_str_body(&pk, value.data, value.size);
}

void wire_put_blob(struct buffer *into, struct slice value)
{
    msgpack_packer pk = packer(into);
    CHECK(value.size <= UINT32_MAX);
    msgpack_pack_bin(&pk, value.size);
    msgpack_pack_bin_body(&pk, value.data, value.size);
}

void wire_put_array(struct buffer *into, size_t count)
{
    msgpack_packer pk = packer(into);
    msgpack_pack_array(&pk, count);
}

void wire_put_map(struct buffer *into, size_t count)
{
    msgpack_packer pk = packer(into);
    msgpack_pack_map(&pk, count);
}

struct wire wire_over(struct slice bytes)
{
    const unsigned char *data = (const unsigned char *)bytes.data;

    if (bytes.size == 0)
        return (struct wire){NULL, NULL, false};
    return (struct wire){data, data + bytes.size, false};
}

static size_t left(const struct wire *wire)
{
    return wire->bad || wire->at == NULL ? 0 : (size_t)(wire->end - wire->at);
}

/* The next byte, 0xc1 (never used by msgpack) when there is none. */
static unsigned peek(const struct wire *wire)
{
    return left(wire) ? *wire->at : 0xc1;
}

static bool fail(struct wire *wire)
{
    wire->bad = true;
    return false;
}

/* A big-endian number of `size` bytes behind the type byte, which is eaten too. */
static uint64_t number(struct wire *wire, size_t size)
{
    uint64_t value = 0;

    if (left(wire) < 1 + size) {
        fail(wire);
        return 0;
    }
    for (size_t i = 1; i <= size; i++)
        value = value << 8 | wire->at[i];
    wire->at += 1 + size;
    return value;
}

uint64_t wire_take_u64(struct wire *wire)
{
    unsigned type = peek(wire);

    if (type < 0x80)
        return number(wire, 0), (uint64_t)type;
    if (type >= 0xcc && type <= 0xcf)
        return number(wire, (size_t)1 << (type - 0xcc));
    fail(wire);
    return 0;
}

int64_t wire_take_i64(struct wire *wire)
{
    unsigned type = peek(wire);
    uint64_t value;

    switch (type) {
    case 0xd0:
        return (int8_t)number(wire, 1);
    case 0xd1:
        return (int16_t)number(wire, 2);
    case 0xd2:
        return (int32_t)number(wire, 4);
    case 0xd3:
        return (int64_t)number(wire, 8);
    default:
        break;
    }
    if (type >= 0xe0)
        return number(wire, 0), (int64_t)type - 0x100;
    value = wire_take_u64(wire);
    if (value > INT64_MAX)
        return fail(wire);
    return (int64_t)value;
}

bool wire_take_flag(struct wire *wire)
{
    unsigned type = peek(wire);

    if (type != 0xc2 && type != 0xc3)
        return fail(wire);
    wire->at++;
    return type == 0xc3;
}

bool wire_take_nil(struct wire *wire)
{
    if (peek(wire) != 0xc0)
        return false;
    wire->at++;
    return true;
}

static struct slice body(struct wire *wire, uint64_t size)
{
    struct slice value;

    if (wire->bad || size > left(wire)) {
        fail(wire);
        return (struct slice){NULL, 0};
    }
    value = (struct slice){(const char *)wire->at, (size_t)size};
    wire->at += size;
    return value;
}

/* Size of a str (fix 0xa0, then 0xd9..0xdb) or bin (0xc4..0xc6); fails on any other type. */
static uint64_t body_size(struct wire *wire, unsigned first)
{
    unsigned type = peek(wire);

    if (type >= first && type <= first + 2)
        return number(wire, (size_t)1 << (type - first));
    fail(wire);
    return 0;
}

struct slice wire_take_text(struct wire *wire)
{
    unsigned type = peek(wire);
    struct slice value;

    if (type >= 0xa0 && type <= 0xbf) {
        number(wire, 0);
        value = body(wire, type & 0x1f);
    } else {
        uint64_t size = body_size(wire, 0xd9);
        value = body(wire, size);
    }
    if (!slice_is_utf8(value)) {
        fail(wire);
        return (struct slice){NULL, 0};
    }
    return value;
}

struct slice wire_take_blob(struct wire *wire)
{
    uint64_t size = body_size(wire, 0xc4);

    return body(wire, size);
}

/* Array (fix 0x90, 0xdc, 0xdd) or map (fix 0x80, 0xde, 0xdf) header with at least `each` bytes left per entry. */
static size_t header(struct wire *wire, unsigned fix, unsigned wide, size_t each)
{
    unsigned type = peek(wire);
    uint64_t count;

    if (type >= fix && type <= fix + 15)
        count = number(wire, 0), count = type & 0x0f;
    else if (type == wide)
        count = number(wire, 2);
    else if (type == wide + 1)
        count = number(wire, 4);
    else
        return fail(wire);
    if (wire->bad || count > left(wire) / each)
        return fail(wire);
    return (size_t)count;
}

size_t wire_take_array(struct wire *wire)
{
    return header(wire, 0x90, 0xdc, 1);
}

size_t wire_take_map(struct wire *wire)
{
    return header(wire, 0x80, 0xde, 2);
}

/* Eats one scalar or one container header; returns how many values follow inside it. */
static uint64_t skip_one(struct wire *wire)
{
    unsigned type = peek(wire);

    if (type < 0x80 || type >= 0xe0 || type == 0xc0 || type == 0xc2 || type == 0xc3)
        number(wire, 0);
    else if (type <= 0x8f || type == 0xde || type == 0xdf)
        return 2 * (uint64_t)wire_take_map(wire);
    else if (type <= 0x9f || type == 0xdc || type == 0xdd)
        return wire_take_array(wire);
    else if (type <= 0xbf || (type >= 0xd9 && type <= 0xdb))
        wire_take_text(wire);
    else if (type >= 0xc4 && type <= 0xc6)
        wire_take_blob(wire);
    else if (type >= 0xc7 && type <= 0xc9)
        body(wire, number(wire, (size_t)1 << (type - 0xc7)) + 1); /* ext: type byte and data */
    else if (type == 0xca || type == 0xcb)
        number(wire, type == 0xca ? 4 : 8);
    else if (type >= 0xcc && type <= 0xcf)
        wire_take_u64(wire);
    else if (type >= 0xd0 && type <= 0xd3)
        number(wire, (size_t)1 << (type - 0xd0));
    else if (type >= 0xd4 && type <= 0xd8)
        number(wire, 0), body(wire, ((uint64_t)1 << (type - 0xd4)) + 1); /* fixext */
    else
        fail(wire);
    return 0;
}

struct slice wire_skip(struct wire *wire)
{
    uint64_t pending[WIRE_DEPTH_MAX + 1] = {1};
    int depth = 0;
    const unsigned char *start = wire->at;

    while (depth >= 0 && !wire->bad) {
        if (pending[depth] == 0) {
            depth--;
            continue;
        }
        pending[depth]--;
        uint64_t inside = skip_one(wire);
        if (inside > 0) {
            if (depth == WIRE_DEPTH_MAX)
                fail(wire);
            else
                pending[++depth] = inside;
        }
    }
    if (wire->bad)
        return (struct slice){NULL, 0};
    return (struct slice){(const char *)start, (size_t)(wire->at - start)};
}

bool wire_done(const struct wire *wire)
{
    return !wire->bad && wire->at == wire->end;
}

bool wire_is_value(struct slice bytes)
{
    struct wire wire = wire_over(bytes);

    wire_skip(&wire);
    return wire_done(&wire) && bytes.size > 0;
}
