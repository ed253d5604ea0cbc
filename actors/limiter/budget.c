// SPDX-License-Identifier: MIT
#include "actors/limiter/budget.h"
#include "proto/check.h"
#include "proto/wire.h"
#include <stdlib.h>
#include <string.h>

enum { BUDGET_VERSION = 1, BUDGET_COUNT_MAX = 1000000000 };
static const int64_t DAY_MS = 86400000, US = 1000;

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

static enum error window_ask(struct budget_window *window, int64_t now_ms, int64_t wanted, int64_t *when_ms)
{
    int64_t excess;

    window_forget(window, now_ms);
    excess = window->used + wanted - window->count;
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

/* ---- bucket and day ---- */

static int64_t bucket_debt_us(const struct budget *budget, int64_t now_ms)
{
    int64_t debt = budget->level_until_us - now_ms * US;

    return debt > 0 ? debt : 0;
}

static void bucket_stamp(struct budget *budget, int64_t now_ms, int64_t count)
{
    if (budget->bucket_size > 0)
        budget->level_until_us = now_ms * US + bucket_debt_us(budget, now_ms) + count * budget->token_us;
}

static enum error bucket_ask(const struct budget *budget, int64_t now_ms, int64_t wanted, int64_t *when_ms)
{
    int64_t excess_us =
        bucket_debt_us(budget, now_ms) + wanted * budget->token_us - budget->bucket_size * budget->token_us;

    if (budget->bucket_size == 0 || excess_us <= 0)
        return ERROR_OK;
    *when_ms = now_ms + (excess_us + US - 1) / US;
    return ERROR_LIMITED;
}

static int64_t utc_day_end_ms(int64_t wall_ms)
{
    return (wall_ms / DAY_MS + 1) * DAY_MS;
}

/* The number of the UTC day whose noon lies in it. */
static int64_t day_of(const struct budget *budget, int64_t wall_ms)
{
    return wall_ms >= 0 ? budget->day_end_ms(wall_ms) / DAY_MS - 1 : 0;
}

/* A day ends only by a trusted clock that moved forward. What was spent while the clock was not trusted may belong to
 * the new day, so it stays. */
static void day_turn(struct budget *budget, const struct budget_clock *clock)
{
    if (!clock->wall_trusted || day_of(budget, clock->wall_ms) <= budget->day)
        return;
    budget->day = day_of(budget, clock->wall_ms);
    budget->day_used = budget->day_used_untrusted;
    budget->day_used_untrusted = 0;
}

static enum error day_ask(const struct budget *budget, const struct budget_clock *clock, int64_t wanted,
                          int64_t *when_ms)
{
    if (budget->per_day == 0 || budget->day_used + wanted <= budget->per_day)
        return ERROR_OK;
    /* A clock that went back may stand days before the day that is counted. */
    int64_t end_ms = budget->day_end_ms(budget->day * DAY_MS + DAY_MS / 2);
    *when_ms = clock->now_ms + (clock->wall_trusted ? end_ms - clock->wall_ms : 60000);
    return ERROR_LIMITED;
}

int64_t budget_day_left_ms(const struct budget *budget, const struct budget_clock *clock)
{
    return clock->wall_trusted && clock->wall_ms >= 0 ? budget->day_end_ms(clock->wall_ms) - clock->wall_ms : 3600000;
}

/* ---- hold ---- */

void budget_hold(struct budget *budget, const struct budget_clock *clock, int64_t hold_ms)
{
    if (hold_ms > budget_held_ms(budget, clock))
        budget->hold_until_ms = clock->now_ms + hold_ms;
}

int64_t budget_held_ms(const struct budget *budget, const struct budget_clock *clock)
{
    return budget->hold_until_ms > clock->now_ms ? budget->hold_until_ms - clock->now_ms : 0;
}

/* ---- life ---- */

void budget_init(struct budget *budget, const struct budget_limits *limits, const struct budget_clock *clock)
{
    *budget = (struct budget){.window_count = limits->window_count,
                              .bucket_size = limits->bucket_size,
                              .per_day = limits->per_day,
                              .day_end_ms = limits->day_end_ms != NULL ? limits->day_end_ms : utc_day_end_ms};
    budget->day = clock->wall_trusted ? day_of(budget, clock->wall_ms) : 0;
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
        budget->token_us = (INT64_C(1000000000) + limits->refill_milli_per_s - 1) / limits->refill_milli_per_s;
    }
    budget->in_flight_max = limits->in_flight > 0 && limits->in_flight < BUDGET_IN_FLIGHT_MAX
                                ? (size_t)limits->in_flight
                                : BUDGET_IN_FLIGHT_MAX;
}

void budget_fini(struct budget *budget)
{
    for (size_t i = 0; i < budget->window_count; i++)
        free(budget->windows[i].stamps);
    *budget = (struct budget){0};
}

static bool is_possible(const struct budget *budget, int64_t cost)
{
    if (cost < 1 || cost > BUDGET_COUNT_MAX || (budget->bucket_size > 0 && cost > budget->bucket_size) ||
        (budget->per_day > 0 && cost > budget->per_day))
        return false;
    for (size_t i = 0; i < budget->window_count; i++)
        if (cost > budget->windows[i].count)
            return false;
    return true;
}

enum error budget_ask(struct budget *budget, const struct budget_clock *clock, int64_t cost, int64_t *when_ms)
{
    int64_t latest = clock->now_ms, when = 0, wanted = budget->outstanding + cost;
    enum error worst = ERROR_OK;

    if (!is_possible(budget, cost))
        return ERROR_INVALID;
    day_turn(budget, clock);
    if (budget->call_count >= budget->in_flight_max) {
        worst = ERROR_LIMITED;
        latest = budget->calls[0].granted_ms + BUDGET_CALL_MS_MAX;
    }
    if (budget_held_ms(budget, clock) > 0) {
        worst = ERROR_LIMITED;
        latest = budget->hold_until_ms > latest ? budget->hold_until_ms : latest;
    }
    for (size_t i = 0; i <= budget->window_count + 1; i++) {
        enum error error = i < budget->window_count    ? window_ask(&budget->windows[i], clock->now_ms, wanted, &when)
                           : i == budget->window_count ? bucket_ask(budget, clock->now_ms, wanted, &when)
                                                       : day_ask(budget, clock, wanted, &when);
        if (error != ERROR_OK && when > latest)
            latest = when;
        worst = error != ERROR_OK ? error : worst;
    }
    *when_ms = latest;
    return worst;
}

void budget_take(struct budget *budget, const struct budget_clock *clock, int64_t cost)
{
    int64_t when;

    CHECK(budget_ask(budget, clock, cost, &when) == ERROR_OK);
    budget->calls[budget->call_count++] = (struct budget_call){clock->now_ms, cost};
    budget->outstanding += cost;
}

static void spend(struct budget *budget, const struct budget_clock *clock, int64_t count)
{
    day_turn(budget, clock);
    for (size_t i = 0; i < budget->window_count; i++) {
        window_forget(&budget->windows[i], clock->now_ms);
        window_stamp(&budget->windows[i], clock->now_ms, count);
    }
    bucket_stamp(budget, clock->now_ms, count);
    budget->day_used += count;
    if (!clock->wall_trusted)
        budget->day_used_untrusted += count;
}

static void call_end(struct budget *budget, const struct budget_clock *clock, size_t index)
{
    int64_t cost = budget->calls[index].cost;

    budget->call_count--;
    memmove(&budget->calls[index], &budget->calls[index + 1], (budget->call_count - index) * sizeof(budget->calls[0]));
    budget->outstanding -= cost;
    spend(budget, clock, cost);
}

bool budget_end(struct budget *budget, const struct budget_clock *clock)
{
    size_t cheapest = 0;

    if (budget->call_count == 0)
        return false;
    for (size_t i = 1; i < budget->call_count; i++)
        if (budget->calls[i].cost < budget->calls[cheapest].cost)
            cheapest = i;
    call_end(budget, clock, cheapest);
    return true;
}

size_t budget_expire(struct budget *budget, const struct budget_clock *clock)
{
    size_t ended = 0;

    while (budget->call_count > 0 && clock->now_ms - budget->calls[0].granted_ms >= BUDGET_CALL_MS_MAX) {
        call_end(budget, clock, 0);
        ended++;
    }
    return ended;
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
    if (budget->per_day > 0 && budget->per_day < DAY_MS / 1000)
        return 1;
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
    wire_put_array(into, 11);
    wire_put_u64(into, BUDGET_VERSION);
    wire_put_i64(into, clock->now_ms);
    wire_put_i64(into, clock->wall_ms);
    wire_put_flag(into, clock->wall_trusted);
    wire_put_i64(into, budget->outstanding + block);
    wire_put_i64(into, bucket_debt_us(budget, clock->now_ms));
    wire_put_i64(into, budget->day);
    wire_put_i64(into, budget->day_used);
    wire_put_i64(into, budget->day_used_untrusted);
    wire_put_i64(into, budget_held_ms(budget, clock));
    wire_put_array(into, budget->window_count);
    for (size_t i = 0; i < budget->window_count; i++)
        window_save(&budget->windows[i], clock->now_ms, into);
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

static bool state_load(struct budget *budget, const struct budget_clock *clock, struct slice bytes)
{
    struct wire wire = wire_over(bytes);
    struct budget_clock then;
    int64_t promised, debt, elapsed, held;

    if (wire_take_array(&wire) != 11 || wire_take_u64(&wire) != BUDGET_VERSION)
        return false;
    then.now_ms = wire_take_i64(&wire);
    then.wall_ms = wire_take_i64(&wire);
    then.wall_trusted = wire_take_flag(&wire);
    promised = wire_take_i64(&wire);
    debt = wire_take_i64(&wire);
    budget->day = wire_take_i64(&wire);
    budget->day_used = wire_take_i64(&wire);
    budget->day_used_untrusted = wire_take_i64(&wire);
    held = wire_take_i64(&wire);
    if (wire.bad || held < 0 || held > DAY_MS * 2 || !count_fits(promised) || debt < 0 || debt > INT64_MAX / 4 ||
        then.now_ms < 0 || !count_fits(budget->day_used) || !count_fits(budget->day_used_untrusted))
        return false;
    elapsed = budget_elapsed(&then, clock);
    for (size_t left = wire_take_array(&wire); left > 0 && !wire.bad; left--)
        if (!window_load(budget, &wire, clock->now_ms, elapsed))
            return false;
    if (!wire_done(&wire))
        return false;
    if (budget->bucket_size > 0)
        budget->level_until_us = elapsed > debt / US ? 0 : clock->now_ms * US + debt - elapsed * US;
    budget_hold(budget, clock, held - elapsed);
    spend(budget, clock, promised);
    return true;
}

bool budget_load(struct budget *budget, const struct budget_clock *clock, struct slice bytes)
{
    if (state_load(budget, clock, bytes))
        return true;
    for (size_t i = 0; i < budget->window_count; i++) {
        budget->windows[i].stamp_count = 0;
        budget->windows[i].used = 0;
        window_stamp(&budget->windows[i], clock->now_ms, budget->windows[i].count);
    }
    budget->level_until_us = clock->now_ms * US + budget->bucket_size * budget->token_us;
    budget->day = clock->wall_trusted ? day_of(budget, clock->wall_ms) : 0;
    budget->day_used = budget->per_day;
    budget->day_used_untrusted = clock->wall_trusted ? 0 : budget->per_day;
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

void budget_tightest(struct budget *budget, const struct budget_clock *clock, int64_t *used, int64_t *limit)
{
    *used = budget->outstanding;
    *limit = -1;
    day_turn(budget, clock);
    for (size_t i = 0; i < budget->window_count; i++) {
        window_forget(&budget->windows[i], clock->now_ms);
        keep_tighter(budget->windows[i].used + budget->outstanding, budget->windows[i].count, used, limit);
    }
    if (budget->bucket_size > 0)
        keep_tighter((bucket_debt_us(budget, clock->now_ms) + budget->token_us - 1) / budget->token_us +
                         budget->outstanding,
                     budget->bucket_size, used, limit);
    if (budget->per_day > 0)
        keep_tighter(budget->day_used + budget->outstanding, budget->per_day, used, limit);
}
