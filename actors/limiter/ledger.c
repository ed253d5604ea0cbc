// SPDX-License-Identifier: MIT
#include "actors/limiter/ledger.h"
#include "proto/check.h"
#include "proto/wire.h"
#include <stdlib.h>
#include <string.h>

enum { LEDGER_VERSION = 1, KEYS_AGAIN_MS = 1000 };

/* ---- life ---- */

static struct budget_limits limits_of(const struct limit_scope *rule, int64_t day_ms, int64_t per_day)
{
    struct budget_limits limits = {.window_count = rule->window_count,
                                   .bucket_size = rule->bucket_size,
                                   .refill_milli_per_s = rule->bucket_refill_milli_per_s,
                                   .in_flight = rule->concurrency};

    for (size_t i = 0; i < rule->window_count; i++) {
        limits.windows[i].count = rule->windows[i].count;
        limits.windows[i].per_ms = rule->windows[i].per_ms;
    }
    if (rule->per_day > 0)
        per_day = rule->per_day;
    if (per_day > 0) {
        limits.windows[limits.window_count].count = per_day;
        limits.windows[limits.window_count++].per_ms = day_ms;
    }
    return limits;
}

void ledger_init(struct ledger *ledger, const struct limit *limit, int64_t day_ms, int64_t per_day)
{
    CHECK(limit->scope_count >= 1 && limit->scope_count <= LIMIT_SCOPES_MAX);
    *ledger = (struct ledger){.limit = limit, .scope_count = limit->scope_count, .restart_ms = INT64_MIN};
    for (size_t i = 0; i < ledger->scope_count; i++) {
        struct ledger_scope *scope = &ledger->scopes[i];
        scope->rule = &limit->scopes[i];
        scope->limits = limits_of(scope->rule, day_ms, i == 0 ? per_day : 0);
        if (!scope->rule->each_key)
            budget_init(&scope->budget, &scope->limits);
    }
}

void ledger_fini(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->scope_count; i++) {
        struct ledger_scope *scope = &ledger->scopes[i];
        for (size_t k = 0; k < scope->key_count; k++) {
            budget_fini(&scope->keys[k]->budget);
            free(scope->keys[k]);
        }
        free(scope->keys);
        budget_fini(&scope->budget);
    }
    *ledger = (struct ledger){0};
}

/* ---- keys ---- */

/* FNV-1a */
static uint64_t hash_of(struct slice name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 0x100000001b3u;
    return hash;
}

static struct slice cut(struct slice key)
{
    return (struct slice){key.data, key.size < LEDGER_KEY_BYTES_MAX ? key.size : LEDGER_KEY_BYTES_MAX - 1};
}

static struct ledger_key *key_find(const struct ledger_scope *scope, struct slice name)
{
    uint64_t hash = hash_of(name);

    for (size_t i = 0; i < scope->key_count; i++)
        if (scope->keys[i]->hash == hash && slice_is(name, scope->keys[i]->name))
            return scope->keys[i];
    return NULL;
}

/* The one that has been of no use for longest, if forgetting it loses nothing. */
static struct ledger_key *key_reuse(struct ledger_scope *scope, int64_t now_ms)
{
    struct ledger_key *oldest = NULL;

    for (size_t i = 0; i < scope->key_count; i++)
        if ((oldest == NULL || scope->keys[i]->used_ms < oldest->used_ms) &&
            budget_is_idle(&scope->keys[i]->budget, now_ms))
            oldest = scope->keys[i];
    if (oldest != NULL)
        budget_fini(&oldest->budget);
    return oldest;
}

/* NULL when as many keys as are remembered have something spent. */
static struct ledger_key *key_add(struct ledger *ledger, struct ledger_scope *scope, struct slice name, int64_t now_ms)
{
    struct ledger_key *key;

    if (scope->key_count == LEDGER_KEYS_MAX)
        key = key_reuse(scope, now_ms);
    else {
        if (scope->keys == NULL)
            scope->keys = xcalloc(LEDGER_KEYS_MAX, sizeof(scope->keys[0]));
        key = scope->keys[scope->key_count++] = xcalloc(1, sizeof(*key));
    }
    if (key == NULL)
        return NULL;
    *key = (struct ledger_key){.hash = hash_of(name), .used_ms = now_ms};
    memcpy(key->name, name.data, name.size);
    budget_init(&key->budget, &scope->limits);
    if (ledger->restart_ms != INT64_MIN)
        budget_fill(&key->budget, ledger->restart_ms);
    return key;
}

/* ---- which scopes a call belongs to ---- */

static bool belongs(const struct ledger_scope *scope, const struct ledger_call *call)
{
    if (scope->rule->class_name != NULL && !slice_is(call->class_name, scope->rule->class_name))
        return false;
    return !scope->rule->each_key || call->key.size > 0;
}

static int64_t cost_in(const struct ledger_scope *scope, int64_t cost)
{
    return scope->rule->counts_cost ? cost : 1;
}

static enum error scope_ask(struct ledger *ledger, struct ledger_scope *scope, int64_t now_ms,
                            const struct ledger_call *call, int64_t *when_ms)
{
    int64_t keep = call->is_urgent ? 0 : ledger->limit->urgent_percent * BUDGET_FULL / 100;
    struct budget *budget = &scope->budget;

    if (scope->rule->each_key) {
        struct ledger_key *key = key_find(scope, cut(call->key));
        if (key == NULL)
            key = key_add(ledger, scope, cut(call->key), now_ms);
        if (key == NULL) {
            *when_ms = now_ms + KEYS_AGAIN_MS;
            return ERROR_LIMITED;
        }
        budget = &key->budget;
        keep = 0;
    }
    return budget_ask(budget, now_ms, cost_in(scope, call->cost), keep, when_ms);
}

/* Another call, plain and urgent, would pass this scope: the gate as a whole is not shut by it. */
static bool is_narrow(struct ledger *ledger, struct ledger_scope *scope, int64_t now_ms)
{
    const struct ledger_call plain = {.cost = 1, .is_urgent = true};
    int64_t when;

    return !belongs(scope, &plain) || scope_ask(ledger, scope, now_ms, &plain, &when) == ERROR_OK;
}

enum error ledger_ask(struct ledger *ledger, int64_t now_ms, const struct ledger_call *call, struct ledger_no *no)
{
    enum error worst = ERROR_OK;

    *no = (struct ledger_no){.when_ms = now_ms, .is_narrow = true};
    if (call->cost < 1)
        return ERROR_INVALID;
    if (ledger->flight_count == LEDGER_CALLS_MAX) {
        *no = (struct ledger_no){.when_ms = now_ms + KEYS_AGAIN_MS};
        return ERROR_LIMITED;
    }
    for (size_t i = 0; i < ledger->scope_count; i++) {
        struct ledger_scope *scope = &ledger->scopes[i];
        int64_t when = now_ms;
        enum error error = belongs(scope, call) ? scope_ask(ledger, scope, now_ms, call, &when) : ERROR_OK;
        if (error == ERROR_INVALID)
            return error;
        if (error == ERROR_OK)
            continue;
        no->is_narrow = no->is_narrow && is_narrow(ledger, scope, now_ms);
        if (worst == ERROR_OK || when > no->when_ms) {
            no->when_ms = when;
            no->scope = i;
        }
        worst = error;
    }
    return worst;
}

enum error ledger_open(struct ledger *ledger, int64_t now_ms, size_t ahead, int64_t *when_ms)
{
    const struct ledger_call plain = {.cost = 1, .is_urgent = true};
    enum error worst = ERROR_OK;

    *when_ms = now_ms;
    if (ledger->flight_count + ahead >= LEDGER_CALLS_MAX) {
        *when_ms = now_ms + KEYS_AGAIN_MS;
        worst = ERROR_LIMITED;
    }
    for (size_t i = 0; i < ledger->scope_count; i++) {
        struct ledger_scope *scope = &ledger->scopes[i];
        int64_t when = now_ms;
        if (!belongs(scope, &plain))
            continue;
        enum error error = budget_ask(&scope->budget, now_ms, (int64_t)ahead + 1, 0, &when);
        if (error == ERROR_INVALID)
            error = ERROR_LIMITED; /* more than there ever is room for at once */
        if (error == ERROR_OK && scope->budget.in_flight + (int64_t)ahead >= scope->budget.in_flight_max) {
            when = now_ms + KEYS_AGAIN_MS;
            error = ERROR_LIMITED;
        }
        if (error != ERROR_OK) {
            worst = error;
            *when_ms = when > *when_ms ? when : *when_ms;
        }
    }
    return worst;
}

/* ---- the calls that are out ---- */

bool ledger_covers(const struct ledger *ledger, const struct ledger_call *call)
{
    for (size_t i = 0; i < ledger->scope_count; i++) {
        const struct ledger_scope *scope = &ledger->scopes[i];
        if (!scope->rule->each_key && belongs(scope, call) && scope->allowance < cost_in(scope, call->cost))
            return false;
    }
    return true;
}

void ledger_take(struct ledger *ledger, int64_t now_ms, const struct ledger_call *call, uint64_t asker, uint64_t ticket)
{
    struct ledger_flight *flight = &ledger->flights[ledger->flight_count];

    CHECK(ledger->flight_count < LEDGER_CALLS_MAX);
    ledger->flight_count++;
    *flight = (struct ledger_flight){asker, ticket, now_ms, call->cost, {NULL}};
    for (size_t i = 0; i < ledger->scope_count; i++) {
        struct ledger_scope *scope = &ledger->scopes[i];
        if (!belongs(scope, call))
            continue;
        if (scope->rule->each_key) {
            struct ledger_key *key = key_find(scope, cut(call->key));
            CHECK(key != NULL); /* ledger_ask() made it */
            key->used_ms = now_ms;
            flight->parts[i] = &key->budget;
        } else {
            CHECK(scope->allowance >= cost_in(scope, call->cost));
            scope->allowance -= cost_in(scope, call->cost);
            flight->parts[i] = &scope->budget;
        }
        budget_take(flight->parts[i], cost_in(scope, call->cost));
    }
}

const struct ledger_flight *ledger_flight(const struct ledger *ledger, uint64_t asker, uint64_t ticket)
{
    for (size_t i = 0; i < ledger->flight_count; i++)
        if (ledger->flights[i].ticket == ticket && ledger->flights[i].asker == asker)
            return &ledger->flights[i];
    return NULL;
}

static void flight_end(struct ledger *ledger, size_t index, int64_t now_ms, int64_t used)
{
    struct ledger_flight flight = ledger->flights[index];

    ledger->flight_count--;
    memmove(&ledger->flights[index], &ledger->flights[index + 1],
            (ledger->flight_count - index) * sizeof(ledger->flights[0]));
    for (size_t i = 0; i < ledger->scope_count; i++) {
        int64_t cost = cost_in(&ledger->scopes[i], flight.cost);
        if (flight.parts[i] != NULL)
            budget_end(flight.parts[i], now_ms, cost,
                       used < 0    ? cost
                       : used == 0 ? 0
                                   : cost_in(&ledger->scopes[i], used));
    }
}

bool ledger_end(struct ledger *ledger, int64_t now_ms, uint64_t asker, uint64_t ticket, int64_t used)
{
    const struct ledger_flight *flight = ledger_flight(ledger, asker, ticket);

    if (flight == NULL)
        return false;
    flight_end(ledger, (size_t)(flight - ledger->flights), now_ms, used);
    return true;
}

size_t ledger_expire(struct ledger *ledger, int64_t now_ms)
{
    size_t ended = 0;

    for (; now_ms >= ledger_expiry_ms(ledger); ended++)
        flight_end(ledger, 0, now_ms, -1);
    return ended;
}

int64_t ledger_expiry_ms(const struct ledger *ledger)
{
    return ledger->flight_count > 0 ? ledger->flights[0].granted_ms + LEDGER_CALL_MS_MAX : INT64_MAX;
}

/* ---- what the service says ---- */

void ledger_hold(struct ledger *ledger, int64_t now_ms, int64_t hold_ms)
{
    budget_hold(&ledger->scopes[0].budget, now_ms, hold_ms);
}

int64_t ledger_held_ms(const struct ledger *ledger, int64_t now_ms)
{
    return budget_held_ms(&ledger->scopes[0].budget, now_ms);
}

static bool hold_key(struct ledger *ledger, int64_t now_ms, const struct ledger_flight *flight, int64_t hold_ms)
{
    bool held = false;

    for (size_t i = 0; i < ledger->scope_count; i++)
        if (flight->parts[i] != NULL && ledger->scopes[i].rule->each_key) {
            budget_hold(flight->parts[i], now_ms, hold_ms);
            held = true;
        }
    return held;
}

static bool is_bounded(const struct ledger_scope *scope)
{
    return scope->limits.window_count > 0 || scope->limits.bucket_size > 0;
}

bool ledger_refused(struct ledger *ledger, int64_t now_ms, const struct ledger_flight *flight, int64_t hold_ms,
                    bool is_narrow, bool may_lower)
{
    struct budget *fullest = NULL;

    if (flight != NULL && is_narrow && hold_key(ledger, now_ms, flight, hold_ms))
        return false;
    ledger_hold(ledger, now_ms, hold_ms);
    for (size_t i = 0; flight != NULL && i < ledger->scope_count; i++) {
        struct budget *budget = flight->parts[i];
        if (budget == NULL || ledger->scopes[i].rule->each_key || !is_bounded(&ledger->scopes[i]))
            continue;
        if (fullest == NULL || budget_share(budget, now_ms) > budget_share(fullest, now_ms))
            fullest = budget;
    }
    return may_lower && fullest != NULL && budget_lower(fullest, now_ms, flight->granted_ms);
}

void ledger_told(struct ledger *ledger, int64_t now_ms, const struct ledger_flight *flight, int64_t used, int64_t size,
                 int64_t milli_per_s)
{
    for (size_t i = 0; flight != NULL && i < ledger->scope_count; i++)
        if (flight->parts[i] != NULL)
            budget_told(flight->parts[i], now_ms, used, size, milli_per_s);
}

/* ---- across a crash ---- */

/* A scope that others follow with a change of the file is known by what it counts. */
static void scope_name(const struct limit_scope *rule, struct buffer *into)
{
    buffer_printf(into, "%s %s", rule->counts_cost ? "cost" : "calls", rule->class_name ? rule->class_name : "");
}

void ledger_save(struct ledger *ledger, const struct budget_clock *clock, const struct ledger_call *call,
                 struct buffer *into)
{
    struct buffer state = {NULL, 0, 0}, name = {NULL, 0, 0};
    size_t shared = 0;

    for (size_t i = 0; i < ledger->scope_count; i++)
        shared += !ledger->scopes[i].rule->each_key;
    wire_put_array(into, 1 + 2 * shared);
    wire_put_u64(into, LEDGER_VERSION);
    for (size_t i = 0; i < ledger->scope_count; i++) {
        struct ledger_scope *scope = &ledger->scopes[i];
        if (scope->rule->each_key)
            continue;
        scope->asked = call != NULL ? budget_block(&scope->budget) : scope->allowance;
        if (call != NULL && belongs(scope, call) && scope->asked < cost_in(scope, call->cost))
            scope->asked = cost_in(scope, call->cost);
        /* Whichever of the two promises a crash finds on disk, it must cover what is granted from here on. */
        scope->allowance = scope->allowance < scope->asked ? scope->allowance : scope->asked;
        buffer_clear(&state);
        buffer_clear(&name);
        budget_save(&scope->budget, clock, scope->asked, &state);
        scope_name(scope->rule, &name);
        wire_put_text(into, buffer_slice(&name));
        wire_put_blob(into, buffer_slice(&state));
    }
    buffer_free(&state);
    buffer_free(&name);
}

void ledger_saved(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->scope_count; i++)
        ledger->scopes[i].allowance = ledger->scopes[i].asked;
}

/* The next scope of that name that has not been loaded yet: two of one name are told apart by their order. */
static struct ledger_scope *scope_named(struct ledger *ledger, struct slice wanted, const bool *loaded)
{
    struct buffer name = {NULL, 0, 0};
    struct ledger_scope *found = NULL;

    for (size_t i = 0; i < ledger->scope_count && found == NULL; i++) {
        buffer_clear(&name);
        scope_name(ledger->scopes[i].rule, &name);
        if (!loaded[i] && !ledger->scopes[i].rule->each_key && slice_equal(buffer_slice(&name), wanted))
            found = &ledger->scopes[i];
    }
    buffer_free(&name);
    return found;
}

bool ledger_load(struct ledger *ledger, struct budget_witness *witness, const struct budget_clock *clock,
                 struct slice bytes)
{
    struct wire wire = wire_over(bytes);
    size_t count = wire_take_array(&wire);
    bool loaded[LIMIT_SCOPES_MAX] = {false}, good = wire_take_u64(&wire) == LEDGER_VERSION && count % 2 == 1;

    ledger->restart_ms = clock->now_ms;
    for (size_t left = count / 2; left > 0 && good && !wire.bad; left--) {
        struct slice name = wire_take_text(&wire), state = wire_take_blob(&wire);
        struct ledger_scope *scope = wire.bad ? NULL : scope_named(ledger, name, loaded);
        if (!wire.bad)
            budget_clock_recall(witness, state, clock);
        if (scope == NULL)
            continue; /* the owner has taken it out of the file */
        good = budget_load(&scope->budget, clock, state);
        loaded[scope - ledger->scopes] = true;
    }
    good = good && wire_done(&wire);
    for (size_t i = 0; i < ledger->scope_count && !good; i++)
        if (!ledger->scopes[i].rule->each_key)
            budget_fill(&ledger->scopes[i].budget, clock->now_ms);
    return good;
}
