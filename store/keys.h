/* keys - every key of the store's one keyspace, built and parsed in one place. Numbers are big-endian, so that memcmp
 * order is their order.
 *
 *   'M'                                         meta: format, box, ceiling of given ids, epoch of starts
 *   'M' 0                                       up to where the outbox is trimmed, while rows below are left
 *   'N' kind name                               number of a queue ('q') or gate ('g'), 1 to 65,535
 *   'J' id 0 | 1 | 2                            a job's head, body, noted state; neighbours, so mostly one page
 *   'R' queue gate priority lane time id        ready index: what may be delivered, in order. Lane 0: at once, time is
 *                                               when it was pushed; lane 1: not before time. What becomes due needs no
 *                                               write, and a clock that was set back holds up lane 1 only
 *   'K' queue hash order                        jobs that share an order key, in order; only the first stands in 'R'
 *   'L' state id                                list of the parked, doubtful, dead
 *   'C' day key                                 claims by the day they end in: a day that is over is dropped from the
 *                                               front of the table, neighbours together, without an index of its own
 *   'S' space 0 key                             named spaces
 *   'D' book 0 currency 0 hour                  the books
 *   'O' sequence                                outbox
 *   'U' run 0 | 1                               a run's head and record
 *   'Q' id 0 | 1 | 2                            raw records of jobs that failed their checksum, never delivered
 *
 * Values are packed by stored.def (or raw bytes) and carry a checksum (stage.h).
 *
 * To change the format: (1) raise STORE_FORMAT; (2) keep the reader of the old shape beside the new one and add a step
 * "from n to n+1" to store_migrate() in open.c, which rewrites records in batches of one transaction each and stores
 * its progress in 'M' last; (3) keep a data directory of the old format under tests/data and open it in a test. A store
 * of a newer format than the program is refused (UNSUPPORTED), never guessed at. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/jobs.h"
#include "store/kv.h"

enum { STORE_FORMAT = 1 };

enum table {
    TABLE_BOOKS = 'D', TABLE_CLAIMS = 'C', TABLE_JOBS = 'J', TABLE_LISTS = 'L', TABLE_META = 'M', TABLE_NAMES = 'N',
    TABLE_ORDER = 'K', TABLE_OUTBOX = 'O', TABLE_QUARANTINE = 'Q', TABLE_READY = 'R', TABLE_RUNS = 'U',
    TABLE_SPACES = 'S'
};

enum job_part { JOB_HEAD, JOB_BODY, JOB_NOTED, JOB_PARTS };
enum run_part { RUN_HEAD, RUN_RECORD, RUN_PARTS };
enum { LANE_NOW, LANE_TIMED, LANES };
enum { KEY_HASH_BYTES = 16, ORDER_REF_BYTES = KEY_HASH_BYTES + 8, LISTED_BYTES = ORDER_REF_BYTES + 2 };

struct key {
    size_t size;
    char bytes[KV_KEY_MAX];
};

struct ready {
    uint16_t queue, gate;
    unsigned priority, lane;
    uint64_t time, id;
};

/* Place of a job among those of its order key. */
struct order_ref {
    char hash[KEY_HASH_BYTES];
    uint64_t order;
};

struct slice key_slice(const struct key *key);
bool key_has_prefix(struct slice key, const struct key *prefix);
/* The smallest key above all that begin with `key`; false when there is none. */
bool key_after(struct key *key);

void key_table(struct key *key, enum table table);
void key_meta(struct key *key);
void key_trim(struct key *key);
void key_name(struct key *key, char kind, struct slice name);
void key_job(struct key *key, uint64_t id, enum job_part part);
void key_ready(struct key *key, const struct ready *ready);
/* Prefixes of the ready index, from the queue down. */
void key_ready_queue(struct key *key, uint16_t queue);
void key_ready_gate(struct key *key, uint16_t queue, uint16_t gate);
void key_ready_lane(struct key *key, const struct ready *ready);
void key_order(struct key *key, uint16_t queue, const struct order_ref *ref);
void key_order_all(struct key *key, uint16_t queue, const struct order_ref *ref);
void key_list(struct key *key, enum job_state state, uint64_t id);
void key_list_all(struct key *key, enum job_state state);
void key_claim(struct key *key, uint32_t day, struct slice claim);
void key_claim_day(struct key *key, uint32_t day);
void key_space(struct key *key, struct slice space, struct slice entry);
void key_book(struct key *key, struct slice book, struct slice currency, int64_t hour);
void key_book_all(struct key *key, struct slice book);
void key_outbox(struct key *key, uint64_t sequence);
void key_run(struct key *key, uint64_t run, enum run_part part);
void key_quarantine(struct key *key, uint64_t id, enum job_part part);

/* False when the key is not of that table or has the wrong size. */
bool key_parse_job(struct slice key, uint64_t *id, enum job_part *part);
bool key_parse_ready(struct slice key, struct ready *ready);
bool key_parse_order(struct slice key, uint16_t *queue, struct order_ref *ref);
bool key_parse_list(struct slice key, enum job_state *state, uint64_t *id);
bool key_parse_claim(struct slice key, uint32_t *day, struct slice *claim);
bool key_parse_space(struct slice key, struct slice *space, struct slice *entry);
bool key_parse_book(struct slice key, struct slice *book, struct slice *currency, int64_t *hour);
bool key_parse_outbox(struct slice key, uint64_t *sequence);
bool key_parse_run(struct slice key, uint64_t *run, enum run_part *part);
bool key_parse_name(struct slice key, char *kind, struct slice *name);

/* The day a claim ends in, counted from 1970; what ends before counts as day 0. */
uint32_t claim_day(int64_t until_ms);
/* Two 64-bit hashes. A collision makes two order keys share one order and nothing worse. */
void order_hash(struct slice order_key, char hash[KEY_HASH_BYTES]);
void put_number(char *into, uint64_t number, size_t bytes);
uint64_t take_number(const char *from, size_t bytes);
