/* ledger - everything one gate counts: a budget for each scope of its limit, one more for every key of a scope that
 * counts keys by themselves, and the calls that are out. Pure: no I/O, no clock of its own.
 *
 * What keys spent is not kept over a restart: after one, each key counts as having spent all it may, which comes back
 * within ten minutes (config refuses longer bounds for keys). All else is promised on disk before it is granted. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/limiter/budget.h"
#include "config/config.h"

enum { LEDGER_CALLS_MAX = 64, LEDGER_KEYS_MAX = 512, LEDGER_KEY_BYTES_MAX = 128 };

/* A call that was never reported back is taken to have ended after this long; no call may last longer. */
#define LEDGER_CALL_MS_MAX INT64_C(900000)

/* What wants to go out. Borrowed for the call. */
struct ledger_call {
    struct slice key, class_name; /* empty: none; a long key is cut */
    int64_t cost;                 /* 1 or more: what it weighs in scopes that count cost; elsewhere a call is 1 */
    bool is_urgent;               /* may use the share that is kept free */
};

/* Who said no. */
struct ledger_no {
    int64_t when_ms;
    bool is_narrow; /* only calls of this key, class, weight or haste are concerned: others may go */
    size_t scope;
};

struct ledger_key {
    char name[LEDGER_KEY_BYTES_MAX];
    uint64_t hash;
    int64_t used_ms;
    struct budget budget;
};

struct ledger_scope {
    const struct limit_scope *rule;
    struct budget_limits limits;
    struct budget budget;     /* unless rule->each_key */
    struct ledger_key **keys; /* only with rule->each_key */
    size_t key_count;
    int64_t asked, allowance; /* units promised by the save under way, and by the last one, less what was granted */
};

/* A call that is out. */
struct ledger_flight {
    uint64_t asker, ticket;
    int64_t granted_ms, cost;
    struct budget *parts[LIMIT_SCOPES_MAX]; /* NULL where it does not belong */
};

struct ledger {
    const struct limit *limit;
    struct ledger_scope scopes[LIMIT_SCOPES_MAX];
    size_t scope_count;
    int64_t restart_ms; /* when an earlier life was loaded; INT64_MIN: there was none */
    struct ledger_flight flights[LEDGER_CALLS_MAX]; /* in the order they were granted */
    size_t flight_count;
};

/* `limit` is borrowed for the ledger's life. A day is a window of day_ms; per_day stands in for a day that the limit
 * itself leaves open (0: none). */
void ledger_init(struct ledger *ledger, const struct limit *limit, int64_t day_ms, int64_t per_day);
void ledger_fini(struct ledger *ledger);

/* OK; LIMITED with *no; INVALID: no waiting allows it. Changes nothing that a caller can see. */
enum error ledger_ask(struct ledger *ledger, int64_t now_ms, const struct ledger_call *call, struct ledger_no *no);
/* The same for `ahead` more plain calls than those that are out: may the gate stand open? */
enum error ledger_open(struct ledger *ledger, int64_t now_ms, size_t ahead, int64_t *when_ms);
/* The last promise covers it. */
bool ledger_covers(const struct ledger *ledger, const struct ledger_call *call);
/* ledger_ask() has said OK for the same moment and ledger_covers() said yes. asker and ticket name it from now on. */
void ledger_take(struct ledger *ledger, int64_t now_ms, const struct ledger_call *call, uint64_t asker,
                 uint64_t ticket);
/* The call that is out under this name, or NULL. */
const struct ledger_flight *ledger_flight(const struct ledger *ledger, uint64_t asker, uint64_t ticket);
/* It ended. used: its weight as it turned out; negative: as it was asked for; 0: the service never saw it. False when
 * no such call is out. */
bool ledger_end(struct ledger *ledger, int64_t now_ms, uint64_t asker, uint64_t ticket, int64_t used);
/* Ends the calls that are out for LEDGER_CALL_MS_MAX; returns how many. */
size_t ledger_expire(struct ledger *ledger, int64_t now_ms);
/* When the next call will be taken to have ended; INT64_MAX: none is out. */
int64_t ledger_expiry_ms(const struct ledger *ledger);

/* The service said "too much" to this call (NULL: to one we do not know), and wants hold_ms of peace. With `is_narrow`
 * only the call's key is held, where keys are counted; else the gate is, and the fullest scope is lowered if it may be
 * (`may_lower`). True when a scope was lowered. */
bool ledger_refused(struct ledger *ledger, int64_t now_ms, const struct ledger_flight *flight, int64_t hold_ms,
                    bool is_narrow, bool may_lower);
/* Leaves the whole gate alone for a while. */
void ledger_hold(struct ledger *ledger, int64_t now_ms, int64_t hold_ms);
int64_t ledger_held_ms(const struct ledger *ledger, int64_t now_ms);
/* What the service told of its bucket with the answer to a call that has just ended; see budget_told(). */
void ledger_told(struct ledger *ledger, int64_t now_ms, const struct ledger_flight *flight, int64_t used, int64_t size,
                 int64_t milli_per_s);

/* Packs the state with a promise that covers a block of plain calls and the call at hand (NULL: none); ledger_saved()
 * when it is on disk. */
void ledger_save(struct ledger *ledger, const struct budget_clock *clock, const struct ledger_call *call,
                 struct buffer *into);
void ledger_saved(struct ledger *ledger);
/* Restores it after a restart; false when the bytes cannot be read: all is spent then. The witness learns from what was
 * saved. */
bool ledger_load(struct ledger *ledger, struct budget_witness *witness, const struct budget_clock *clock,
                 struct slice bytes);
