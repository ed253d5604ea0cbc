/* budget - how much one scope of a gate lets out, and when more. Pure: no I/O, no clock of its own.
 *
 * A call counts from the moment it is taken, and its stamp is the moment it *ended*: the service saw it somewhere in
 * between. So at the service, too, no span of a window's length ever holds more than the window allows, however long
 * each call travelled. Until it ends a call counts as spent and nothing of it regains.
 *
 * Windows are exact: up to BUDGET_STAMPS units keep their own stamp. A larger window groups what ended within
 * 1/BUDGET_STAMPS of its length under the latest stamp, which errs on the safe side. A span is closed at both ends.
 * A day is a window as well: it rolls, so that no clock can move its border. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum { BUDGET_WINDOWS_MAX = 5, BUDGET_STAMPS = 256, BUDGET_IN_FLIGHT_MAX = 64, BUDGET_BLOCK_MAX = 16 };
enum { BUDGET_FULL = 1000, BUDGET_FACTOR_MIN = 15 }; /* shares are thousandths */

/* A bucket fills within this; config refuses a slower one. */
#define BUDGET_FILL_MS_MAX INT64_C(2592000000)
/* A lowered share stays for 240 of the longest window or fill, at most this long, and each sixteenth of the way back
 * takes a twenty-fourth of that. */
#define BUDGET_LOWERED_MS INT64_C(86400000)

/* What the owner allows; 0 means: not bounded this way. */
struct budget_limits {
    struct {
        int64_t count, per_ms; /* at most count in any span of per_ms */
    } windows[BUDGET_WINDOWS_MAX];
    size_t window_count;
    int64_t bucket_size, refill_milli_per_s; /* tokens; thousandths of a token a second */
    int64_t in_flight;                       /* calls at once; BUDGET_IN_FLIGHT_MAX at most, and when 0 */
};

struct budget_clock {
    int64_t now_ms; /* monotonic, from the start of the machine */
    int64_t wall_ms;
    bool wall_trusted;
};

/* Watches the wall clock. One that was seen to jump while it counted as right proves nothing any more, until the
 * machine starts anew. */
struct budget_witness {
    int64_t ahead_ms; /* of the wall clock, before the monotonic one, when it was last right */
    bool is_known, has_stepped;
};

/* The clock as far as it may be believed. */
struct budget_clock budget_clock_seen(struct budget_witness *witness, struct budget_clock clock);
/* What an earlier life has saved, perhaps before the machine started anew, tells whether the clock jumped meanwhile. */
void budget_clock_recall(struct budget_witness *witness, struct slice saved, const struct budget_clock *clock);

struct budget_stamp {
    int64_t first_ms, last_ms;
    int64_t count;
};

struct budget_window {
    int64_t count, per_ms, used; /* used: sum over the stamps */
    struct budget_stamp *stamps; /* a ring */
    size_t stamp_room, stamp_first, stamp_count;
};

struct budget {
    struct budget_window windows[BUDGET_WINDOWS_MAX];
    size_t window_count;
    int64_t bucket_size, token_us, level_until_us; /* GCRA: the bucket is empty of debt at level_until_us */
    int64_t told_size, told_milli_per_s;           /* what the service said its bucket is; 0: nothing */
    int64_t hold_until_ms;                         /* the service asked to be left alone until then */
    int64_t in_flight_max, in_flight;              /* calls */
    int64_t outstanding;                           /* units of the calls in flight */
    int64_t factor;                                /* learned: this share of what the owner allows is used */
    int64_t lowered_ms, raised_ms;                 /* when the factor was lowered and raised last */
};

/* Begins with nothing spent. budget_fini() frees it. */
void budget_init(struct budget *budget, const struct budget_limits *limits);
void budget_fini(struct budget *budget);
/* As full as it gets, spent at this very moment. */
void budget_fill(struct budget *budget, int64_t now_ms);

/* OK, or LIMITED with *when_ms: the earliest moment that is worth asking again (a call that ends may make it earlier).
 * `keep` thousandths of each bound stay free for others. INVALID: no amount of waiting allows this cost. Changes
 * nothing that a caller can see. */
enum error budget_ask(struct budget *budget, int64_t now_ms, int64_t cost, int64_t keep, int64_t *when_ms);
/* Spends it; budget_ask() has said OK for the same moment. */
void budget_take(struct budget *budget, int64_t cost);
/* A call that took `cost` ended and used `used` (0: the service never saw it). */
void budget_end(struct budget *budget, int64_t now_ms, int64_t cost, int64_t used);
/* Nothing of it is spent, so that forgetting it loses nothing. */
bool budget_is_idle(struct budget *budget, int64_t now_ms);

/* The service asks to be left alone for a time; a shorter hold never ends a longer one. Saved with the rest. */
void budget_hold(struct budget *budget, int64_t now_ms, int64_t hold_ms);
/* What is left of the hold. */
int64_t budget_held_ms(const struct budget *budget, int64_t now_ms);
/* How full the fullest window is, in thousandths, at most the factor; the factor where there is no window. */
int64_t budget_share(struct budget *budget, int64_t now_ms);
/* A call granted at granted_ms was refused as too much: what was let out then was too much, so half of it is used from
 * now on. Of the calls that were on their way together only the first lowers it. True when the factor changed. */
bool budget_lower(struct budget *budget, int64_t now_ms, int64_t granted_ms);
/* The service told of its own bucket: so many tokens are used of so many, refilled so fast (0: not told). A bucket
 * larger or faster than the owner's changes nothing. */
void budget_told(struct budget *budget, int64_t now_ms, int64_t used, int64_t size, int64_t milli_per_s);

/* How many units a durable reservation should cover: 1 below one unit a second, up to BUDGET_BLOCK_MAX above. */
int64_t budget_block(const struct budget *budget);
/* Packs the state and a promise: after a crash everything in flight now and `block` units more count as spent. */
void budget_save(const struct budget *budget, const struct budget_clock *clock, int64_t block, struct buffer *into);
/* Restores a saved state, possibly after a restart of the machine: what was promised counts as spent at this very
 * moment, and only time that certainly went by has gone by. False when the bytes are no saved budget; the budget is
 * then as full as it gets. The limits may have changed in between. */
bool budget_load(struct budget *budget, const struct budget_clock *clock, struct slice bytes);

/* How much certainly went by since (then): monotonic time never overstates it, also across a restart of the machine,
 * after which only a wall clock that was trusted both times adds to it. */
int64_t budget_elapsed(const struct budget_clock *then, const struct budget_clock *now);

/* For the console: the tightest bound as used and its limit (-1: unbounded). */
void budget_tightest(struct budget *budget, int64_t now_ms, int64_t *used, int64_t *limit);
