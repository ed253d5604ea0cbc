// SPDX-License-Identifier: MIT
#include "store/keys.h"
#include "proto/check.h"
#include <string.h>

enum {
    READY_BYTES = 1 + 2 + 2 + 1 + 1 + 8 + 8,
    ORDER_BYTES = 1 + 2 + KEY_HASH_BYTES + 8,
    DAY_MS = 86400000,
};

void put_number(char *into, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        into[i] = (char)(number >> 8 * (bytes - 1 - i) & 0xff);
}

uint64_t take_number(const char *from, size_t bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | (unsigned char)from[i];
    return number;
}

struct slice key_slice(const struct key *key)
{
    return (struct slice){key->bytes, key->size};
}

bool key_has_prefix(struct slice key, const struct key *prefix)
{
    return key.size >= prefix->size && memcmp(key.data, prefix->bytes, prefix->size) == 0;
}

bool key_after(struct key *key)
{
    while (key->size > 0 && (unsigned char)key->bytes[key->size - 1] == 0xff)
        key->size--;
    if (key->size == 0)
        return false;
    key->bytes[key->size - 1]++;
    return true;
}

static void add(struct key *key, uint64_t number, size_t bytes)
{
    CHECK(key->size + bytes <= KV_KEY_MAX);
    put_number(key->bytes + key->size, number, bytes);
    key->size += bytes;
}

static void add_bytes(struct key *key, struct slice bytes)
{
    CHECK(key->size + bytes.size <= KV_KEY_MAX);
    if (bytes.size > 0)
        memcpy(key->bytes + key->size, bytes.data, bytes.size);
    key->size += bytes.size;
}

void key_table(struct key *key, enum table table)
{
    key->size = 0;
    add(key, table, 1);
}

void key_meta(struct key *key)
{
    key_table(key, TABLE_META);
}

void key_trim(struct key *key)
{
    key_table(key, TABLE_META);
    add(key, 0, 1);
}

void key_name(struct key *key, char kind, struct slice name)
{
    key_table(key, TABLE_NAMES);
    add(key, (unsigned char)kind, 1);
    add_bytes(key, name);
}

void key_job(struct key *key, uint64_t id, enum job_part part)
{
    key_table(key, TABLE_JOBS);
    add(key, id, 8);
    add(key, part, 1);
}

void key_quarantine(struct key *key, uint64_t id, enum job_part part)
{
    key_table(key, TABLE_QUARANTINE);
    add(key, id, 8);
    add(key, part, 1);
}

void key_ready_queue(struct key *key, uint16_t queue)
{
    key_table(key, TABLE_READY);
    add(key, queue, 2);
}

void key_ready_gate(struct key *key, uint16_t queue, uint16_t gate)
{
    key_ready_queue(key, queue);
    add(key, gate, 2);
}

void key_ready_lane(struct key *key, const struct ready *ready)
{
    key_ready_gate(key, ready->queue, ready->gate);
    add(key, ready->priority, 1);
    add(key, ready->lane, 1);
}

void key_ready(struct key *key, const struct ready *ready)
{
    key_ready_lane(key, ready);
    add(key, ready->time, 8);
    add(key, ready->id, 8);
}

void key_order_all(struct key *key, uint16_t queue, const struct order_ref *ref)
{
    key_table(key, TABLE_ORDER);
    add(key, queue, 2);
    add_bytes(key, (struct slice){ref->hash, KEY_HASH_BYTES});
}

void key_order(struct key *key, uint16_t queue, const struct order_ref *ref)
{
    key_order_all(key, queue, ref);
    add(key, ref->order, 8);
}

void key_list_all(struct key *key, enum job_state state)
{
    key_table(key, TABLE_LISTS);
    add(key, state, 1);
}

void key_list(struct key *key, enum job_state state, uint64_t id)
{
    key_list_all(key, state);
    add(key, id, 8);
}

void key_claim_day(struct key *key, uint32_t day)
{
    key_table(key, TABLE_CLAIMS);
    add(key, day, 4);
}

void key_claim(struct key *key, uint32_t day, struct slice claim)
{
    key_claim_day(key, day);
    add_bytes(key, claim);
}

void key_space(struct key *key, struct slice space, struct slice entry)
{
    key_table(key, TABLE_SPACES);
    add_bytes(key, space);
    add(key, 0, 1);
    add_bytes(key, entry);
}

void key_book_all(struct key *key, struct slice book)
{
    key_table(key, TABLE_BOOKS);
    add_bytes(key, book);
    add(key, 0, 1);
}

/* The sign bit is turned so that hours before 1970 sort first. */
void key_book(struct key *key, struct slice book, struct slice currency, int64_t hour)
{
    key_book_all(key, book);
    add_bytes(key, currency);
    add(key, 0, 1);
    add(key, (uint64_t)hour ^ (uint64_t)1 << 63, 8);
}

void key_outbox(struct key *key, uint64_t sequence)
{
    key_table(key, TABLE_OUTBOX);
    add(key, sequence, 8);
}

void key_run(struct key *key, uint64_t run, enum run_part part)
{
    key_table(key, TABLE_RUNS);
    add(key, run, 8);
    add(key, part, 1);
}

static bool is_of(struct slice key, enum table table, size_t size)
{
    return key.size == size && key.data[0] == (char)table;
}

static unsigned byte_at(struct slice key, size_t at)
{
    return (unsigned char)key.data[at];
}

bool key_parse_job(struct slice key, uint64_t *id, enum job_part *part)
{
    if (!is_of(key, TABLE_JOBS, 10) || byte_at(key, 9) >= JOB_PARTS)
        return false;
    *id = take_number(key.data + 1, 8);
    *part = (enum job_part)byte_at(key, 9);
    return true;
}

bool key_parse_ready(struct slice key, struct ready *ready)
{
    if (!is_of(key, TABLE_READY, READY_BYTES) || byte_at(key, 6) >= LANES)
        return false;
    *ready = (struct ready){.queue = (uint16_t)take_number(key.data + 1, 2),
                            .gate = (uint16_t)take_number(key.data + 3, 2),
                            .priority = byte_at(key, 5),
                            .lane = byte_at(key, 6),
                            .time = take_number(key.data + 7, 8),
                            .id = take_number(key.data + 15, 8)};
    return true;
}

bool key_parse_order(struct slice key, uint16_t *queue, struct order_ref *ref)
{
    if (!is_of(key, TABLE_ORDER, ORDER_BYTES))
        return false;
    *queue = (uint16_t)take_number(key.data + 1, 2);
    memcpy(ref->hash, key.data + 3, KEY_HASH_BYTES);
    ref->order = take_number(key.data + 3 + KEY_HASH_BYTES, 8);
    return true;
}

bool key_parse_list(struct slice key, enum job_state *state, uint64_t *id)
{
    if (!is_of(key, TABLE_LISTS, 10) || byte_at(key, 1) >= JOB_STATE_COUNT)
        return false;
    *state = (enum job_state)byte_at(key, 1);
    *id = take_number(key.data + 2, 8);
    return true;
}

bool key_parse_claim(struct slice key, uint32_t *day, struct slice *claim)
{
    if (key.size < 5 || key.data[0] != (char)TABLE_CLAIMS)
        return false;
    *day = (uint32_t)take_number(key.data + 1, 4);
    *claim = (struct slice){key.data + 5, key.size - 5};
    return true;
}

/* The text from `at` up to a zero byte, which is passed over. */
static bool take_text(struct slice key, size_t *at, struct slice *text)
{
    const char *from = key.data + *at;
    const char *end = *at < key.size ? memchr(from, 0, key.size - *at) : NULL;

    if (end == NULL)
        return false;
    *text = (struct slice){from, (size_t)(end - from)};
    *at += text->size + 1;
    return true;
}

bool key_parse_space(struct slice key, struct slice *space, struct slice *entry)
{
    size_t at = 1;

    if (key.size < 2 || key.data[0] != (char)TABLE_SPACES || !take_text(key, &at, space))
        return false;
    *entry = (struct slice){key.data + at, key.size - at};
    return true;
}

bool key_parse_book(struct slice key, struct slice *book, struct slice *currency, int64_t *hour)
{
    size_t at = 1;

    if (key.size < 2 || key.data[0] != (char)TABLE_BOOKS || !take_text(key, &at, book) ||
        !take_text(key, &at, currency) || key.size != at + 8)
        return false;
    *hour = (int64_t)(take_number(key.data + at, 8) ^ (uint64_t)1 << 63);
    return true;
}

bool key_parse_outbox(struct slice key, uint64_t *sequence)
{
    if (!is_of(key, TABLE_OUTBOX, 9))
        return false;
    *sequence = take_number(key.data + 1, 8);
    return true;
}

bool key_parse_run(struct slice key, uint64_t *run, enum run_part *part)
{
    if (!is_of(key, TABLE_RUNS, 10) || byte_at(key, 9) >= RUN_PARTS)
        return false;
    *run = take_number(key.data + 1, 8);
    *part = (enum run_part)byte_at(key, 9);
    return true;
}

bool key_parse_name(struct slice key, char *kind, struct slice *name)
{
    if (key.size < 3 || key.data[0] != (char)TABLE_NAMES)
        return false;
    *kind = key.data[1];
    *name = (struct slice){key.data + 2, key.size - 2};
    return true;
}

uint32_t claim_day(int64_t until_ms)
{
    int64_t day = until_ms / DAY_MS;

    if (until_ms < 0)
        return 0;
    return day > UINT32_MAX ? UINT32_MAX : (uint32_t)day;
}

void order_hash(struct slice order_key, char hash[KEY_HASH_BYTES])
{
    uint64_t a = 0xcbf29ce484222325u, b = 0x9ae16a3b2f90404fu;

    for (size_t i = 0; i < order_key.size; i++) {
        a = (a ^ (unsigned char)order_key.data[i]) * 0x100000001b3u;
        b = (b + (unsigned char)order_key.data[i]) * 0x9e3779b97f4a7c15u;
        b ^= b >> 29;
    }
    put_number(hash, a ^ order_key.size, 8);
    put_number(hash + 8, b, 8);
}
