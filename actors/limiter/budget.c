// SPDX-License-Identifier: MIT
#include "actors/limiter/budget.h"
#include "proto/check.h"
#include "proto/wire.h"
#include <stdlib.h>
#include <string.h>

enum { BUDGET_VERSION = 2, BUDGET_FIELDS = 12 };
enum { BUDGET_COUNT_MAX = 1000000000, FACTOR_STEP = 63, STEP_MS = 5000, SLOWER_MAX = 64 };
enum { QUIET_SPANS = 240, QUIET_STEPS = 24 };
static const int64_t DAY_MS = 86400000, US = 1000;

/* A learned share never makes a bound vanish. */
static int64_t share_of(int64_t count, int64_t permille)
{
    int64_t share = count / BUDGET_FULL * permille + count % BUDGET_FULL * permille / BUDGET_FULL;

    return share > 0 ? share : 1;
}

/* ---- windows ---- */

static struct budget_stamp *stamp_at(const struct budget_window *window, size_t index)
{
    return &window->stamps[(window->stamp_first + index) % window->stamp_room];
}

static void window_forget(struct budget_window *window, int64_t now_ms)
{
    while (window->stamp_count > 0 && now_ms - stamp_at(window, 0)->last_ms > window->per_ms) {
        window->used -= stamp_at(window, 0)->count;
        window->stamp_first = (window->stamp_first + 1) % window->stamp_room;
        window->stamp_count--;
    }
}

/* A stamp never lies before the one in front of it, so that the ring stays sorted. */
static void window_stamp(struct budget_window *window, int64_t at_ms, int64_t count)
{
    struct budget_stamp *last = window->stamp_count > 0 ? stamp_at(window, window->stamp_count - 1) : NULL;
    int64_t grain = window->count > BUDGET_STAMPS ? window->per_ms / BUDGET_STAMPS : 0;

    if (count == 0)
        return;
    if (last != NULL && at_ms < last->last_ms)
        at_ms = last->last_ms;
    window->used += count;
    if (last != NULL && (at_ms - last->first_ms <= grain || window->stamp_count == window->stamp_room)) {
        last->last_ms = at_ms;
        last->count += count;
        return;
    }
    window->stamp_count++;
    *stamp_at(window, window->stamp_count - 1) = (struct budget_stamp){at_ms, at_ms, count};
}

/* A single call that fits what the owner allows passes when nothing else is spent, however low the learned share. */
static enum error window_ask(struct budget_window *window, int64_t now_ms, int64_t wanted, int64_t room,
                             int64_t *when_ms)
{
    int64_t excess;

    window_forget(window, now_ms);
    excess = window->used + wanted - room;
    if (excess <= 0)
        return ERROR_OK;
    for (size_t i = 0; i < window->stamp_count; i++) {
        excess -= stamp_at(window, i)->count;
        if (excess <= 0) {
            *when_ms = stamp_at(window, i)->last_ms + window->per_ms + 1;
            return ERROR_LIMITED;
        }
    }
    *when_ms = now_ms + window->per_ms; /* only calls that end can make room */
    return ERROR_LIMITED;
}

/* ---- bucket ---- */

static int64_t refill_us(int64_t milli_per_s)
{
    return (INT64_C(1000000000) + milli_per_s - 1) / milli_per_s;
}

/* How long a token takes to come back: by the owner's word or the service's, whichever is slower. */
static int64_t bucket_unit_us(const struct budget *budget)
{
    int64_t told_us = budget->told_milli_per_s > 0 ? refill_us(budget->told_milli_per_s) : 0;

    if (told_us > budget->token_us * SLOWER_MAX)
        return budget->token_us * SLOWER_MAX;
    return told_us > budget->token_us ? told_us : budget->token_us;
}

static int64_t bucket_size(const struct budget *budget)
{
    return budget->told_size > 0 && budget->told_size < budget->bucket_size ? budget->told_size : budget->bucket_size;
}

/* Of a bucket that is given only a share each unit is dearer. */
static int64_t bucket_charge_us(const struct budget *budget, int64_t count)
{
    int64_t most = 2 * budget->bucket_size;

    return (count < most ? count : most) * (bucket_unit_us(budget) * BUDGET_FULL / budget->factor);
}

static int64_t bucket_debt_us(const struct budget *budget, int64_t now_ms)
{
    int64_t debt = budget->level_until_us - now_ms * US;

    return debt > 0 ? debt : 0;
}

/* Past the brim nothing is owed: a service refuses what does not fit. */
static void bucket_owe(struct budget *budget, int64_t now_ms, int64_t debt_us)
{
    int64_t brim = budget->bucket_size * bucket_unit_us(budget);

    budget->level_until_us = now_ms * US + (debt_us < brim ? debt_us : brim);
}

static void bucket_stamp(struct budget *budget, int64_t now_ms, int64_t count)
{
    if (budget->bucket_size > 0)
        bucket_owe(budget, now_ms, bucket_debt_us(budget, now_ms) + bucket_charge_us(budget, count));
}

static enum error bucket_ask(const struct budget *budget, int64_t now_ms, int64_t cost, int64_t keep, int64_t *when_ms)
{
    int64_t room = bucket_size(budget) * bucket_unit_us(budget), need, excess;

    if (budget->bucket_size == 0)
        return ERROR_OK;
    room -= keep > 0 ? share_of(room, keep) : 0;
    need = bucket_charge_us(budget, cost);
    need = (need < room ? need : room) + bucket_charge_us(budget, budget->outstanding);
    excess = bucket_debt_us(budget, now_ms) + need - room;
    if (excess <= 0)
        return ERROR_OK;
    *when_ms = now_ms + (excess + US - 1) / US;
    return ERROR_LIMITED;
}

/* ---- what the service says ---- */

void budget_hold(struct budget *budget, int64_t now_ms, int64_t hold_ms)
{
    if (hold_ms > budget_held_ms(budget, now_ms))
        budget->hold_until_ms = now_ms + hold_ms;
}

int64_t budget_held_ms(const struct budget *budget, int64_t now_ms)
{
    return budget->hold_until_ms > now_ms ? budget->hold_until_ms - now_ms : 0;
}

int64_t budget_share(struct budget *budget, int64_t now_ms)
{
    int64_t most = 0;

    for (size_t i = 0; i < budget->window_count; i++) {
        struct budget_window *window = &budget->windows[i];
        window_forget(window, now_ms);
        int64_t share = (window->used + budget->outstanding) * BUDGET_FULL / window->count;
        most = share > most ? share : most;
    }
    return most > 0 && most < budget->factor ? most : budget->factor;
}

bool budget_lower(struct budget *budget, int64_t now_ms, int64_t granted_ms)
{
    int64_t factor = budget_share(budget, now_ms) / 2, before = budget->factor;

    if (budget->lowered_ms > 0 && granted_ms <= budget->lowered_ms)
        return false;
    budget->factor = factor > BUDGET_FACTOR_MIN ? factor : BUDGET_FACTOR_MIN;
    budget->lowered_ms = budget->raised_ms = now_ms;
    return budget->factor != before;
}

/* 240 of its spans, at most a day. */
static int64_t quiet_ms(const struct budget *budget)
{
    int64_t span = budget->bucket_size * bucket_unit_us(budget) / US;

    for (size_t i = 0; i < budget->window_count; i++)
        span = budget->windows[i].per_ms > span ? budget->windows[i].per_ms : span;
    return span < BUDGET_LOWERED_MS / QUIET_SPANS ? span * QUIET_SPANS + QUIET_STEPS : BUDGET_LOWERED_MS;
}

/* Back up in sixteenths, long after the last refusal, so that trying costs a refusal in so long a time at most. */
static void factor_raise(struct budget *budget, int64_t now_ms)
{
    int64_t quiet = quiet_ms(budget), from = budget->lowered_ms + quiet, pause = quiet / QUIET_STEPS;

    if (budget->factor == BUDGET_FULL || now_ms < from)
        return;
    from = budget->raised_ms > from ? budget->raised_ms : from;
    int64_t steps = (now_ms - from) / pause;
    budget->raised_ms = from + steps * pause;
    steps = steps > 16 ? 16 : steps;
    budget->factor += steps * FACTOR_STEP;
    if (budget->factor > BUDGET_FULL)
        budget->factor = BUDGET_FULL;
}

void budget_told(struct budget *budget, int64_t now_ms, int64_t used, int64_t size, int64_t milli_per_s)
{
    if (budget->bucket_size == 0)
        return;
    if (size > 0)
        budget->told_size = size;
    if (milli_per_s > 0)
        budget->told_milli_per_s = milli_per_s;
    int64_t debt = used > 0 ? (used < budget->bucket_size ? used : budget->bucket_size) * bucket_unit_us(budget) : 0;
    if (debt > bucket_debt_us(budget, now_ms))
        bucket_owe(budget, now_ms, debt);
}

/* ---- life ---- */

void budget_init(struct budget *budget, const struct budget_limits *limits)
{
    *budget = (struct budget){
        .window_count = limits->window_count, .bucket_size = limits->bucket_size, .factor = BUDGET_FULL};
    CHECK(limits->window_count <= BUDGET_WINDOWS_MAX);
    for (size_t i = 0; i < limits->window_count; i++) {
        struct budget_window *window = &budget->windows[i];
        CHECK(limits->windows[i].count > 0 && limits->windows[i].per_ms > 0);
        window->count = limits->windows[i].count;
        window->per_ms = limits->windows[i].per_ms;
        /* Grouped stamps begin a grain apart, so two more than a window's worth are never alive at once. */
        window->stamp_room = (size_t)(window->count < BUDGET_STAMPS ? window->count : BUDGET_STAMPS) + 2;
        window->stamps = xcalloc(window->stamp_room, sizeof(window->stamps[0]));
    }
    if (budget->bucket_size > 0) {
        CHECK(limits->refill_milli_per_s > 0);
        budget->token_us = refill_us(limits->refill_milli_per_s);
        CHECK(budget->bucket_size <= BUDGET_FILL_MS_MAX * US / budget->token_us);
    }
    budget->in_flight_max =
        limits->in_flight > 0 && limits->in_flight < BUDGET_IN_FLIGHT_MAX ? limits->in_flight : BUDGET_IN_FLIGHT_MAX;
}

void budget_fini(struct budget *budget)
{
    for (size_t i = 0; i < budget->window_count; i++)
        free(budget->windows[i].stamps);
    *budget = (struct budget){0};
}

void budget_fill(struct budget *budget, int64_t now_ms)
{
    for (size_t i = 0; i < budget->window_count; i++) {
        budget->windows[i].stamp_count = 0;
        budget->windows[i].used = 0;
        window_stamp(&budget->windows[i], now_ms, budget->windows[i].count);
    }
    if (budget->bucket_size > 0)
        bucket_owe(budget, now_ms, budget->bucket_size * bucket_unit_us(budget));
}

static bool is_possible(const struct budget *budget, int64_t cost)
{
    if (cost < 1 || cost > BUDGET_COUNT_MAX || (budget->bucket_size > 0 && cost > budget->bucket_size))
        return false;
    for (size_t i = 0; i < budget->window_count; i++)
        if (cost > budget->windows[i].count)
            return false;
    return true;
}

/* What is used of a window: the learned share, less what is kept for others, and room for this one call at least. */
static int64_t window_room(const struct budget *budget, const struct budget_window *window, int64_t cost, int64_t keep)
{
    int64_t room = share_of(window->count, budget->factor);

    room -= room * keep / BUDGET_FULL;
    return room > cost ? room : cost;
}

enum error budget_ask(struct budget *budget, int64_t now_ms, int64_t cost, int64_t keep, int64_t *when_ms)
{
    int64_t latest = now_ms, when = 0, wanted = budget->outstanding + cost;
    enum error worst = ERROR_OK;

    if (!is_possible(budget, cost))
        return ERROR_INVALID;
    factor_raise(budget, now_ms);
    if (budget->in_flight >= budget->in_flight_max) {
        worst = ERROR_LIMITED;
        latest = now_ms + 1000; /* the next one that ends is sooner */
    }
    if (budget_held_ms(budget, now_ms) > 0) {
        worst = ERROR_LIMITED;
        latest = budget->hold_until_ms > latest ? budget->hold_until_ms : latest;
    }
    for (size_t i = 0; i <= budget->window_count; i++) {
        struct budget_window *window = &budget->windows[i];
        enum error error = i < budget->window_count
                               ? window_ask(window, now_ms, wanted, window_room(budget, window, cost, keep), &when)
                               : bucket_ask(budget, now_ms, cost, keep, &when);
        if (error != ERROR_OK && when > latest)
            latest = when;
        worst = error != ERROR_OK ? error : worst;
    }
    *when_ms = latest;
    return worst;
}

void budget_take(struct budget *budget, int64_t cost)
{
    CHECK(budget->in_flight < budget->in_flight_max);
    budget->in_flight++;
    budget->outstanding += cost;
}

static void spend(struct budget *budget, int64_t now_ms, int64_t count)
{
    for (size_t i = 0; i < budget->window_count; i++) {
        window_forget(&budget->windows[i], now_ms);
        window_stamp(&budget->windows[i], now_ms, count);
    }
    bucket_stamp(budget, now_ms, count);
}

void budget_end(struct budget *budget, int64_t now_ms, int64_t cost, int64_t used)
{
    CHECK(budget->in_flight > 0 && budget->outstanding >= cost);
    budget->in_flight--;
    budget->outstanding -= cost;
    spend(budget, now_ms, used);
}

bool budget_is_idle(struct budget *budget, int64_t now_ms)
{
    factor_raise(budget, now_ms);
    for (size_t i = 0; i < budget->window_count; i++) {
        window_forget(&budget->windows[i], now_ms);
        if (budget->windows[i].used > 0)
            return false;
    }
    return budget->in_flight == 0 && bucket_debt_us(budget, now_ms) == 0 && budget_held_ms(budget, now_ms) == 0 &&
           budget->factor == BUDGET_FULL;
}

/* ---- across a crash ---- */

int64_t budget_block(const struct budget *budget)
{
    int64_t block = BUDGET_BLOCK_MAX;

    for (size_t i = 0; i < budget->window_count; i++) {
        const struct budget_window *window = &budget->windows[i];
        if (window->count * 1000 < window->per_ms)
            return 1;
        if (window->count / 4 < block)
            block = window->count / 4;
    }
    if (budget->bucket_size > 0 && budget->token_us > 1000 * US)
        return 1;
    if (budget->bucket_size > 0 && budget->bucket_size / 4 < block)
        block = budget->bucket_size / 4;
    return block > 0 ? block : 1;
}

static void window_save(const struct budget_window *window, int64_t now_ms, struct buffer *into)
{
    wire_put_array(into, 1 + window->stamp_count * 2);
    wire_put_i64(into, window->per_ms);
    for (size_t i = 0; i < window->stamp_count; i++) {
        wire_put_i64(into, now_ms - stamp_at(window, i)->last_ms);
        wire_put_i64(into, stamp_at(window, i)->count);
    }
}

void budget_save(const struct budget *budget, const struct budget_clock *clock, int64_t block, struct buffer *into)
{
    wire_put_array(into, BUDGET_FIELDS);
    wire_put_u64(into, BUDGET_VERSION);
    wire_put_i64(into, clock->now_ms);
    wire_put_i64(into, clock->wall_ms);
    wire_put_flag(into, clock->wall_trusted);
    wire_put_i64(into, budget->outstanding + block);
    wire_put_i64(into, bucket_debt_us(budget, clock->now_ms));
    wire_put_i64(into, budget->token_us);
    wire_put_i64(into, budget_held_ms(budget, clock->now_ms));
    wire_put_i64(into, budget->factor);
    wire_put_i64(into, budget->told_size);
    wire_put_i64(into, budget->told_milli_per_s);
    wire_put_array(into, budget->window_count);
    for (size_t i = 0; i < budget->window_count; i++)
        window_save(&budget->windows[i], clock->now_ms, into);
}

struct budget_clock budget_clock_seen(struct budget_witness *witness, struct budget_clock clock)
{
    int64_t ahead = clock.wall_ms - clock.now_ms;

    if (clock.wall_trusted) {
        int64_t step = witness->is_known ? ahead - witness->ahead_ms : 0;
        witness->has_stepped = witness->has_stepped || step > STEP_MS || step < -STEP_MS;
        witness->is_known = true;
        witness->ahead_ms = ahead;
    }
    clock.wall_trusted = clock.wall_trusted && !witness->has_stepped;
    return clock;
}

int64_t budget_elapsed(const struct budget_clock *then, const struct budget_clock *now)
{
    int64_t wall = then->wall_trusted && now->wall_trusted ? now->wall_ms - then->wall_ms : 0;

    if (now->now_ms >= then->now_ms)
        return now->now_ms - then->now_ms;
    return wall > now->now_ms ? wall : now->now_ms;
}

static bool count_fits(int64_t count)
{
    return count >= 0 && count <= BUDGET_COUNT_MAX;
}

/* The stamps go into the window of the same length, if there is still one. */
static bool window_load(struct budget *budget, struct wire *wire, int64_t now_ms, int64_t elapsed_ms)
{
    struct budget_window *window = NULL;
    size_t count = wire_take_array(wire);
    int64_t per_ms = count > 0 ? wire_take_i64(wire) : 0;

    if (wire->bad || count % 2 != 1)
        return false;
    for (size_t i = 0; i < budget->window_count; i++)
        if (budget->windows[i].per_ms == per_ms)
            window = &budget->windows[i];
    for (size_t i = 0; i < count / 2; i++) {
        int64_t age = wire_take_i64(wire), calls = wire_take_i64(wire);
        if (wire->bad || age < 0 || age > INT64_MAX / 4 || !count_fits(calls))
            return false;
        if (window != NULL && age + elapsed_ms <= per_ms)
            window_stamp(window, now_ms - age - elapsed_ms, calls);
    }
    return true;
}

struct saved {
    struct budget_clock then;
    int64_t promised, debt_us, token_us, held_ms, factor, told_size, told_milli_per_s;
};

static bool saved_take(struct wire *wire, struct saved *saved)
{
    if (wire_take_array(wire) != BUDGET_FIELDS || wire_take_u64(wire) != BUDGET_VERSION)
        return false;
    saved->then.now_ms = wire_take_i64(wire);
    saved->then.wall_ms = wire_take_i64(wire);
    saved->then.wall_trusted = wire_take_flag(wire);
    saved->promised = wire_take_i64(wire);
    saved->debt_us = wire_take_i64(wire);
    saved->token_us = wire_take_i64(wire);
    saved->held_ms = wire_take_i64(wire);
    saved->factor = wire_take_i64(wire);
    saved->told_size = wire_take_i64(wire);
    saved->told_milli_per_s = wire_take_i64(wire);
    return !wire->bad && saved->then.now_ms >= 0 && count_fits(saved->promised) && saved->debt_us >= 0 &&
           saved->debt_us <= BUDGET_FILL_MS_MAX * US * SLOWER_MAX && saved->token_us >= 0 && saved->held_ms >= 0 &&
           saved->held_ms <= DAY_MS * 2 && saved->factor >= BUDGET_FACTOR_MIN && saved->factor <= BUDGET_FULL &&
           count_fits(saved->told_size) && count_fits(saved->told_milli_per_s);
}

/* What was owed in tokens is owed still, also when the owner has changed how fast they come back. */
static void bucket_load(struct budget *budget, int64_t now_ms, const struct saved *saved, int64_t elapsed_ms)
{
    int64_t debt = elapsed_ms < saved->debt_us / US ? saved->debt_us - elapsed_ms * US : 0;

    if (budget->bucket_size == 0)
        return;
    if (debt > 0 && saved->token_us != budget->token_us) {
        int64_t tokens = saved->token_us > 0 ? debt / saved->token_us + 1 : budget->bucket_size;
        debt = (tokens < budget->bucket_size ? tokens : budget->bucket_size) * budget->token_us;
    }
    bucket_owe(budget, now_ms, debt);
}

void budget_clock_recall(struct budget_witness *witness, struct slice bytes, const struct budget_clock *clock)
{
    struct wire wire = wire_over(bytes);
    struct saved saved;

    if (!saved_take(&wire, &saved) || saved.then.now_ms > clock->now_ms)
        return; /* the machine has started anew */
    witness->has_stepped = witness->has_stepped || !saved.then.wall_trusted;
    if (saved.then.wall_trusted) {
        witness->is_known = true;
        witness->ahead_ms = saved.then.wall_ms - saved.then.now_ms;
    }
}

static bool state_load(struct budget *budget, const struct budget_clock *clock, struct slice bytes)
{
    struct wire wire = wire_over(bytes);
    struct saved saved;
    int64_t elapsed;

    if (!saved_take(&wire, &saved))
        return false;
    elapsed = budget_elapsed(&saved.then, clock);
    for (size_t left = wire_take_array(&wire); left > 0 && !wire.bad; left--)
        if (!window_load(budget, &wire, clock->now_ms, elapsed))
            return false;
    if (!wire_done(&wire))
        return false;
    bucket_load(budget, clock->now_ms, &saved, elapsed);
    budget_hold(budget, clock->now_ms, saved.held_ms - elapsed);
    budget->told_size = saved.told_size;
    budget->told_milli_per_s = saved.told_milli_per_s;
    budget->factor = saved.factor;
    if (saved.factor < BUDGET_FULL)
        budget->lowered_ms = budget->raised_ms = clock->now_ms;
    spend(budget, clock->now_ms, saved.promised);
    return true;
}

bool budget_load(struct budget *budget, const struct budget_clock *clock, struct slice bytes)
{
    if (state_load(budget, clock, bytes))
        return true;
    budget->factor = BUDGET_FULL;
    budget_fill(budget, clock->now_ms);
    return false;
}

/* ---- for people ---- */

static void keep_tighter(int64_t used, int64_t limit, int64_t *best_used, int64_t *best_limit)
{
    if (*best_limit >= 0 && (limit - used) * *best_limit >= (*best_limit - *best_used) * limit)
        return;
    *best_used = used;
    *best_limit = limit;
}

void budget_tightest(struct budget *budget, int64_t now_ms, int64_t *used, int64_t *limit)
{
    *used = budget->outstanding;
    *limit = -1;
    factor_raise(budget, now_ms);
    for (size_t i = 0; i < budget->window_count; i++) {
        window_forget(&budget->windows[i], now_ms);
        keep_tighter(budget->windows[i].used + budget->outstanding,
                     share_of(budget->windows[i].count, budget->factor), used, limit);
    }
    if (budget->bucket_size > 0)
        keep_tighter((bucket_debt_us(budget, now_ms) + bucket_unit_us(budget) - 1) / bucket_unit_us(budget) +
                         budget->outstanding,
                     bucket_size(budget), used, limit);
}
