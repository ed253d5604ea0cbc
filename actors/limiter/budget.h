/* budget - how many calls may go out, and when the next one may. Pure: no I/O, no clock of its own.
 *
 * A call counts from the moment it is granted, and its stamp is the moment it *ended*: the service saw it somewhere in
 * between. So at the service, too, no span of a window's length ever holds more calls than the window allows, however
 * long each one travelled. Until it ends a call counts as spent and nothing of it regains.
 *
 * Windows are exact: up to BUDGET_STAMPS calls keep their own stamp. A larger window groups calls that ended within
 * 1/BUDGET_STAMPS of its length under the latest stamp, which errs on the safe side. A span is closed at both ends. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum { BUDGET_WINDOWS_MAX = 4, BUDGET_STAMPS = 256, BUDGET_IN_FLIGHT_MAX = 64, BUDGET_BLOCK_MAX = 16 };

/* A call that was never reported back is taken to have ended after this long; no call may last longer. */
#define BUDGET_CALL_MS_MAX INT64_C(900000)

/* What the owner allows; 0 means: not bounded this way. */
struct budget_limits {
    struct {
        int64_t count, per_ms; /* at most count in any span of per_ms */
    } windows[BUDGET_WINDOWS_MAX];
    size_t window_count;
    int64_t bucket_size, refill_milli_per_s; /* tokens; thousandths of a token a second */
    int64_t per_day;
    /* The first end of a day after a moment, both UTC; its days last 23 to 25 hours and hold their UTC noon. NULL: UTC
     * days. Pure. */
    int64_t (*day_end_ms)(int64_t wall_ms);
    int64_t in_flight; /* calls at once; BUDGET_IN_FLIGHT_MAX at most */
};

struct budget_clock {
    int64_t now_ms; /* monotonic, from the start of the machine */
    int64_t wall_ms;
    bool wall_trusted;
};

struct budget_stamp {
    int64_t first_ms, last_ms;
    int64_t count;
};

struct budget_window {
    int64_t count, per_ms, used; /* used: sum over the stamps */
    struct budget_stamp *stamps; /* a ring */
    size_t stamp_room, stamp_first, stamp_count;
};

struct budget_call {
    int64_t granted_ms, cost;
};

struct budget {
    struct budget_window windows[BUDGET_WINDOWS_MAX];
    size_t window_count;
    int64_t bucket_size, token_us, level_until_us; /* GCRA: the bucket is empty of debt at level_until_us */
    int64_t per_day, day, day_used, day_used_untrusted;
    int64_t (*day_end_ms)(int64_t wall_ms);
    int64_t hold_until_ms; /* the service asked to be left alone until then */
    size_t in_flight_max, call_count;
    struct budget_call calls[BUDGET_IN_FLIGHT_MAX]; /* in the order they were granted */
    int64_t outstanding;                            /* sum of their costs */
};

/* Begins with nothing spent. budget_fini() frees it. */
void budget_init(struct budget *budget, const struct budget_limits *limits, const struct budget_clock *clock);
void budget_fini(struct budget *budget);

/* OK, or LIMITED with *when_ms: the earliest moment that is worth asking again (a call that ends may make it earlier).
 * INVALID: a cost that no amount of waiting allows. Changes nothing that a caller can see. */
enum error budget_ask(struct budget *budget, const struct budget_clock *clock, int64_t cost, int64_t *when_ms);
/* Spends it; budget_ask() has said OK for the same clock. */
void budget_take(struct budget *budget, const struct budget_clock *clock, int64_t cost);
/* A call ended (well or not): the cheapest and then oldest one in flight, so that mixed costs never count too little.
 * False when none was in flight. */
bool budget_end(struct budget *budget, const struct budget_clock *clock);
/* Ends the calls that are in flight for BUDGET_CALL_MS_MAX; returns how many. */
size_t budget_expire(struct budget *budget, const struct budget_clock *clock);

/* The service asks to be left alone for a time; a shorter hold never ends a longer one. Saved with the rest. */
void budget_hold(struct budget *budget, const struct budget_clock *clock, int64_t hold_ms);
/* What is left of the hold. */
int64_t budget_held_ms(const struct budget *budget, const struct budget_clock *clock);
/* How long it is to the end of the day; an hour while nobody knows. */
int64_t budget_day_left_ms(const struct budget *budget, const struct budget_clock *clock);

/* How many calls a durable reservation should cover: 1 below one call a second, up to BUDGET_BLOCK_MAX above. */
int64_t budget_block(const struct budget *budget);
/* Packs the state and a promise: after a crash everything in flight now and `block` units more count as spent. */
void budget_save(const struct budget *budget, const struct budget_clock *clock, int64_t block, struct buffer *into);
/* Restores a saved state, possibly after a restart of the machine: what was promised counts as spent at this very
 * moment, and only time that certainly went by has gone by. False when the bytes are no saved budget; the budget is
 * then as full as it gets (all spent now). The limits may have changed in between. */
bool budget_load(struct budget *budget, const struct budget_clock *clock, struct slice bytes);

/* How much certainly went by since (then): monotonic time never overstates it, also across a restart of the machine,
 * after which only a wall clock that was trusted both times adds to it. */
int64_t budget_elapsed(const struct budget_clock *then, const struct budget_clock *now);

/* For the console: the tightest bound as used and its limit (-1: unbounded). */
void budget_tightest(struct budget *budget, const struct budget_clock *clock, int64_t *used, int64_t *limit);
