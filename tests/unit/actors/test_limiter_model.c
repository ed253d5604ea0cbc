// SPDX-License-Identifier: MIT
/* Lives of gates against a checker that knows only what the service saw and when: calls travel for random times, the
 * process and the machine crash, clocks are set, keys come and go. PURSER_MODEL_CALLS sets how many calls are made over
 * all (100,000 without it). */
#include "actors/limiter/ledger.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ARRIVALS_MAX = 8000, STEPS = 20000, KEYS = 6, CALLS_DEFAULT = 100000, FLIGHTS = LEDGER_CALLS_MAX };
static const int64_t DAY_MS = 86400000, WALL_MS = 1700000000000;

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int64_t below(uint64_t *state, int64_t bound)
{
    return (int64_t)(next(state) % (uint64_t)bound);
}

/* What the service saw. */
struct arrival {
    int64_t at_ms, cost; /* true time, which nobody in the program knows */
    int key, class_index;
};

struct trip {
    struct arrival call;
    uint64_t ticket;
    int64_t asked; /* cost that was reserved */
    bool arrived, never;
};

struct life {
    uint64_t random, tickets;
    const struct limit *limit;
    struct ledger ledger;
    struct budget_witness witness;
    int64_t true_ms, boot_ms, wall_offset_ms;
    bool trusted, has_saved; /* since the machine started */
    struct buffer saved;
    struct trip trips[FLIGHTS];
    size_t trip_count;
    struct arrival *arrivals;
    size_t arrived;
    size_t refused;
};

static const char *const classes[] = {"", "group"};
static const char *const keys[KEYS] = {"", "100", "200", "300", "-400", "-500"};

static struct budget_clock clock_of(struct life *life)
{
    struct budget_clock clock = {life->true_ms - life->boot_ms, life->true_ms + life->wall_offset_ms, life->trusted};

    return budget_clock_seen(&life->witness, clock);
}

static void arrive(struct life *life, struct trip *trip)
{
    if (trip->arrived || trip->never)
        return;
    trip->arrived = true;
    trip->call.at_ms = life->true_ms;
    life->arrivals[life->arrived++] = trip->call;
}

/* What the process kept in memory is gone; what was on its way arrives, since a socket may have had it already. */
static void crash(struct life *life, bool machine)
{
    ledger_fini(&life->ledger);
    for (size_t i = 0; i < life->trip_count; i++)
        arrive(life, &life->trips[i]);
    life->trip_count = 0;
    life->witness = (struct budget_witness){0};
    life->true_ms += below(&life->random, 3000);
    if (machine) {
        life->boot_ms = life->true_ms;
        life->has_saved = false;
        life->true_ms += below(&life->random, 60000);
        life->trusted = next(&life->random) % 2;
        /* An untrusted clock may say anything; one that is trusted at the start is right. */
        life->wall_offset_ms = life->trusted ? WALL_MS : below(&life->random, 2 * WALL_MS) - WALL_MS;
    }
    struct budget_clock clock = clock_of(life);
    ledger_init(&life->ledger, life->limit, DAY_MS, 0);
    if (life->saved.size == 0)
        return;
    assert_true(ledger_load(&life->ledger, &life->witness, &clock, buffer_slice(&life->saved)));
}

static void end_one(struct life *life)
{
    size_t index = (size_t)below(&life->random, (int64_t)life->trip_count);
    struct trip *trip = &life->trips[index];
    int64_t now = clock_of(life).now_ms, used = trip->never ? 0 : trip->call.cost;

    arrive(life, trip);
    assert_true(ledger_end(&life->ledger, now, 1, trip->ticket, used));
    life->trips[index] = life->trips[--life->trip_count];
}

static void call(struct life *life)
{
    struct arrival what = {.key = (int)below(&life->random, KEYS), .cost = 1 + below(&life->random, 5)};
    struct ledger_call ask = {.key = slice_of(keys[what.key]), .is_urgent = next(&life->random) % 2};
    struct budget_clock clock = clock_of(life);
    struct ledger_no no;

    what.class_index = keys[what.key][0] == '-';
    ask.class_name = slice_of(classes[what.class_index]);
    ask.cost = what.cost + below(&life->random, 3); /* what is reserved may be more than what is used */
    if (life->arrived + life->trip_count == ARRIVALS_MAX)
        return;
    if (ledger_ask(&life->ledger, clock.now_ms, &ask, &no) != ERROR_OK) {
        life->refused++;
        return;
    }
    if (!ledger_covers(&life->ledger, &ask)) {
        struct buffer saved = {NULL, 0, 0};
        ledger_save(&life->ledger, &clock, &ask, &saved);
        if (next(&life->random) % 16 == 0) { /* the disk said no, and may have done it */
            if (next(&life->random) % 2)
                buffer_free(&saved);
            else {
                buffer_free(&life->saved);
                life->saved = saved;
            }
            return;
        }
        ledger_saved(&life->ledger);
        life->has_saved = true;
        buffer_free(&life->saved);
        life->saved = saved;
    }
    ledger_take(&life->ledger, clock.now_ms, &ask, 1, ++life->tickets);
    struct trip *trip = &life->trips[life->trip_count++];
    *trip = (struct trip){.call = what, .ticket = life->tickets, .asked = ask.cost};
    trip->never = next(&life->random) % 20 == 0;
    if (next(&life->random) % 2) /* the service sees it at once, or at the last moment, or somewhere between */
        arrive(life, trip);
}

static void step(struct life *life)
{
    uint64_t what = next(&life->random) % 1000;

    if (what < 500)
        call(life);
    else if (what < 800) {
        if (life->trip_count > 0)
            end_one(life);
    } else if (what < 985)
        life->true_ms += below(&life->random, what % 50 == 0 ? 30000 : 400);
    else if (what < 990 && life->trip_count > 0)
        arrive(life, &life->trips[below(&life->random, (int64_t)life->trip_count)]);
    else if (what < 993) {
        /* The wall clock is set, trusted or not. One that lies before anything was saved is right for all we know. */
        if (life->has_saved || !life->trusted)
            life->wall_offset_ms += below(&life->random, 8 * 3600000) - 4 * 3600000;
    } else if (what < 995)
        life->true_ms += below(&life->random, 3600000); /* the machine slept: its clock went on */
    else if (what >= 996)
        crash(life, what == 999);
}

/* ---- the checker ---- */

static bool counts(const struct limit_scope *scope, const struct arrival *arrival, int key)
{
    return (scope->class_name == NULL || strcmp(scope->class_name, classes[arrival->class_index]) == 0) &&
           (!scope->each_key || arrival->key == key);
}

static int64_t weight(const struct limit_scope *scope, const struct arrival *arrival)
{
    return scope->counts_cost ? arrival->cost : 1;
}

/* The fullest span of that length that ends with an arrival: any other span holds no more. */
static void check_window(const struct life *life, const struct limit_scope *scope, int key, int64_t count,
                         int64_t per_ms)
{
    int64_t held = 0;
    size_t from = 0;

    for (size_t i = 0; i < life->arrived; i++) {
        held += counts(scope, &life->arrivals[i], key) ? weight(scope, &life->arrivals[i]) : 0;
        for (; life->arrivals[i].at_ms - life->arrivals[from].at_ms > per_ms; from++)
            held -= counts(scope, &life->arrivals[from], key) ? weight(scope, &life->arrivals[from]) : 0;
        assert_true(held <= count);
    }
}

/* The service's own leaky bucket never runs over. */
static void check_bucket(const struct life *life, const struct limit_scope *scope, int key)
{
    int64_t level_micro = 0, last = 0;

    for (size_t i = 0; i < life->arrived; i++) {
        if (!counts(scope, &life->arrivals[i], key))
            continue;
        int64_t leaked = (life->arrivals[i].at_ms - last) * scope->bucket_refill_milli_per_s;
        level_micro = level_micro > leaked ? level_micro - leaked : 0;
        level_micro += weight(scope, &life->arrivals[i]) * 1000000;
        last = life->arrivals[i].at_ms;
        assert_true(level_micro <= scope->bucket_size * 1000000);
    }
}

static void check_scope(const struct life *life, const struct limit_scope *scope)
{
    for (int key = scope->each_key ? 1 : 0; key < (scope->each_key ? KEYS : 1); key++) {
        for (size_t i = 0; i < scope->window_count; i++)
            check_window(life, scope, key, scope->windows[i].count, scope->windows[i].per_ms);
        if (scope->per_day > 0)
            check_window(life, scope, key, scope->per_day, DAY_MS);
        if (scope->bucket_size > 0)
            check_bucket(life, scope, key);
    }
}

static size_t live(uint64_t seed, const struct limit *limit)
{
    struct life life = {.random = seed * 0x9e3779b97f4a7c15u + 1,
                        .limit = limit,
                        .true_ms = 5000000,
                        .boot_ms = 1000,
                        .wall_offset_ms = WALL_MS,
                        .trusted = true};

    life.arrivals = xcalloc(ARRIVALS_MAX, sizeof(life.arrivals[0]));
    ledger_init(&life.ledger, limit, DAY_MS, 0);
    for (int i = 0; i < STEPS; i++)
        step(&life);
    for (size_t i = 0; i < limit->scope_count; i++)
        check_scope(&life, &limit->scopes[i]);
    ledger_fini(&life.ledger);
    buffer_free(&life.saved);
    free(life.arrivals);
    return life.arrived;
}

static char group[] = "group";

static const struct limit gates[] = {
    {.scopes = {{.windows = {{5, 10000}}, .window_count = 1}}, .scope_count = 1},
    {.scopes = {{.windows = {{180, 600000}}, .window_count = 1}}, .scope_count = 1},
    {.scopes = {{.windows = {{3, 1000}, {20, 60000}}, .window_count = 2}}, .scope_count = 1},
    {.scopes = {{.windows = {{1000, 60000}}, .window_count = 1, .concurrency = 7}}, .scope_count = 1},
    {.scopes = {{.bucket_size = 40, .bucket_refill_milli_per_s = 2000}}, .scope_count = 1},
    {.scopes = {{.windows = {{30, 1000}}, .window_count = 1, .bucket_size = 3, .bucket_refill_milli_per_s = 500}},
     .scope_count = 1},
    {.scopes = {{.windows = {{30, 60000}}, .window_count = 1, .per_day = 200}}, .scope_count = 1},
    /* telegram */
    {.scopes = {{.windows = {{30, 1000}}, .window_count = 1},
                {.each_key = true, .windows = {{1, 1000}}, .window_count = 1},
                {.class_name = group, .each_key = true, .windows = {{20, 60000}}, .window_count = 1}},
     .scope_count = 3,
     .urgent_percent = 20},
    /* gemini */
    {.scopes = {{.windows = {{100, 60000}}, .window_count = 1, .per_day = 1500, .concurrency = 4},
                {.counts_cost = true, .windows = {{250, 60000}}, .window_count = 1}},
     .scope_count = 2},
    /* shopify */
    {.scopes = {{.concurrency = 9},
                {.class_name = group, .counts_cost = true, .bucket_size = 50, .bucket_refill_milli_per_s = 1000},
                {.each_key = true, .bucket_size = 10, .bucket_refill_milli_per_s = 3000}},
     .scope_count = 3},
};

static void test_no_limit_is_ever_exceeded(void **state)
{
    const char *wanted = getenv("PURSER_MODEL_CALLS");
    size_t seen = 0, calls = wanted != NULL ? (size_t)strtoul(wanted, NULL, 10) : CALLS_DEFAULT;

    (void)state;
    for (uint64_t seed = 1; seen < calls; seed++)
        for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]) && seen < calls; i++) {
            size_t came = live(seed, &gates[i]);
            assert_true(came > 100);
            seen += came;
        }
    if (wanted != NULL)
        printf("%zu calls, 0 over a limit\n", seen);
}

/* ---- a service that changes its mind ---- */

enum { RING = 256, HOURLY = 180, HOUR_MS = 3600000, TICK_MS = 5000, TICKS = 40 * 86400 / 5 };

struct service {
    int64_t accepted[RING], limit;
    size_t count;
};

/* At most `limit` in any hour; what it refuses does not count. */
static bool service_takes(struct service *service, int64_t now_ms)
{
    size_t limit = (size_t)service->limit;

    if (service->count >= limit && now_ms - service->accepted[(service->count - limit) % RING] <= HOUR_MS)
        return false;
    service->accepted[service->count++ % RING] = now_ms;
    return true;
}

struct shop {
    struct ledger ledger;
    struct service service;
    uint64_t random, tickets;
    int64_t now_ms, changed_ms, change_at_ms;
    unsigned changes, refused, refused_since; /* since: within a day of the latest change */
};

/* By half at most, or up again to anything. */
static void service_change(struct shop *shop)
{
    int64_t half = (shop->service.limit + 1) / 2, low = next(&shop->random) % 2 ? half : shop->service.limit;

    shop->service.limit = low + below(&shop->random, HOURLY + 1 - low);
    if (next(&shop->random) % 3)
        shop->service.limit = half + below(&shop->random, half);
    shop->changes++;
    shop->changed_ms = shop->now_ms;
    shop->change_at_ms = shop->now_ms + below(&shop->random, 72 * (int64_t)HOUR_MS);
    shop->refused_since = 0;
}

static void shop_tick(struct shop *shop)
{
    const struct ledger_call call = {.cost = 1};
    const struct budget_clock clock = {shop->now_ms, shop->now_ms, false};
    struct buffer saved = {NULL, 0, 0};
    struct ledger_no no;

    if (ledger_ask(&shop->ledger, shop->now_ms, &call, &no) != ERROR_OK)
        return;
    ledger_save(&shop->ledger, &clock, &call, &saved);
    ledger_saved(&shop->ledger);
    buffer_free(&saved);
    ledger_take(&shop->ledger, shop->now_ms, &call, 1, ++shop->tickets);
    if (!service_takes(&shop->service, shop->now_ms)) {
        const struct ledger_flight *flight = ledger_flight(&shop->ledger, 1, shop->tickets);
        ledger_refused(&shop->ledger, shop->now_ms, flight, 5000, true, true);
        shop->refused++;
        shop->refused_since += shop->now_ms - shop->changed_ms < DAY_MS;
    }
    ledger_end(&shop->ledger, shop->now_ms, 1, shop->tickets, -1);
}

/* A lowered limit costs one refusal; another one a day is what trying costs whether it was raised again. */
static void test_a_lowered_limit_costs_one_refusal(void **state)
{
    static const struct limit limit = {.scopes = {{.windows = {{HOURLY, HOUR_MS}}, .window_count = 1}},
                                       .scope_count = 1};

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct shop shop = {.random = seed * 0x9e3779b97f4a7c15u + 1, .service.limit = HOURLY, .now_ms = DAY_MS};
        ledger_init(&shop.ledger, &limit, DAY_MS, 0);
        shop.change_at_ms = shop.now_ms + HOUR_MS;
        for (int i = 0; i < TICKS; i++, shop.now_ms += TICK_MS) {
            if (shop.now_ms >= shop.change_at_ms)
                service_change(&shop);
            shop_tick(&shop);
            assert_true(shop.refused_since <= 1);
        }
        assert_true(shop.changes > 10 && shop.refused <= shop.changes + TICKS / (86400 / 5));
        assert_true(shop.service.count > 20000);
        ledger_fini(&shop.ledger);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit_is_ever_exceeded),
        cmocka_unit_test(test_a_lowered_limit_costs_one_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
