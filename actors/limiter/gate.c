// SPDX-License-Identifier: MIT
#include "actors/limiter/state.h"
#include "store/client.h"
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 1000, TELL_AGAIN_MS = 100 };

/* Windows follow the machine's own clock; the wall clock only says how long it was off. */
struct budget_clock limiter_clock(struct limiter *limiter)
{
    struct budget_clock clock = {actor_now(limiter->actor), actor_wall(limiter->actor),
                                 actor_wall_trusted(limiter->actor)};

    return budget_clock_seen(&limiter->witness, clock);
}

struct gate *gate_find(struct limiter *limiter, struct slice name)
{
    for (size_t i = 0; i < limiter->gate_count; i++)
        if (slice_is(name, limiter->gates[i].limit->gate))
            return &limiter->gates[i];
    return NULL;
}

/* ---- may it go? ---- */

struct ledger_call ask_call(const struct ask *ask)
{
    return (struct ledger_call){slice_of(ask->key), slice_of(ask->class_name), ask->cost, ask->is_urgent};
}

enum error gate_check(struct limiter *limiter, struct gate *gate, const struct ledger_call *call,
                      struct ledger_no *no)
{
    int64_t now = actor_now(limiter->actor);

    *no = (struct ledger_no){.when_ms = now};
    enum error error = breaker_ask(&gate->breaker, now, gate->ledger.flight_count, &no->when_ms);
    return error != ERROR_OK ? error : ledger_ask(&gate->ledger, now, call, no);
}

void ask_answer(struct limiter *limiter, const struct gate *gate, const struct ask *ask, enum error error,
                const struct ledger_no *no)
{
    if (ask->asker == ACTOR_SUPERVISOR) {
        limiter_tell_try(limiter, gate, ask, error, no);
        return;
    }
    CHECK(send_permit(limiter->actor, ask->asker,
                      &(struct msg_permit){.ticket = ask->ticket,
                                           .error = error,
                                           .retry_ms = error == ERROR_OK ? 0 : no->when_ms,
                                           .narrow = error == ERROR_LIMITED && no->is_narrow}) == ERROR_OK);
    if (error == ERROR_OK)
        actor_count(limiter->actor, METRIC_PERMITS_GRANTED, 0, 1);
    else
        actor_count(limiter->actor, METRIC_PERMITS_DENIED, error, 1);
}

static void asks_drop_first(struct gate *gate)
{
    gate->ask_count--;
    memmove(&gate->asks[0], &gate->asks[1], gate->ask_count * sizeof(gate->asks[0]));
}

/* Soon again: it is our own disk that is slow. */
static void asks_deny(struct limiter *limiter, struct gate *gate)
{
    const struct ledger_no no = {.when_ms = actor_now(limiter->actor) + AGAIN_MS};

    for (size_t i = 0; i < gate->ask_count; i++)
        ask_answer(limiter, gate, &gate->asks[i], ERROR_LIMITED, &no);
    gate->ask_count = 0;
}

void gate_ask(struct limiter *limiter, struct gate *gate, const struct ask *ask)
{
    const struct ledger_no no = {.when_ms = actor_now(limiter->actor) + AGAIN_MS};

    if (!gate->is_ready || gate->ask_count == ASKS_MAX) {
        ask_answer(limiter, gate, ask, ERROR_LIMITED, &no);
        return;
    }
    gate->asks[gate->ask_count++] = *ask;
    gate_serve(limiter, gate);
}

/* ---- what the store knows ---- */

void gate_sleep(struct limiter *limiter, struct gate *gate, int64_t until_ms)
{
    actor_timer(limiter->actor, (uint64_t)(gate - limiter->gates) + 1, until_ms);
}

/* The same for people and workflows (figures of limits): what the gate is at, as JSON. */
static void gate_put_figures(struct gate *gate, const struct budget_clock *clock, struct buffer *ops)
{
    struct buffer value = {NULL, 0, 0};
    int64_t used, limit;

    budget_tightest(&gate->ledger.scopes[0].budget, clock->now_ms, &used, &limit);
    json_t *figures =
        json_pack("{s:I, s:o, s:I, s:I}", "used", (json_int_t)used, "limit",
                  limit < 0 ? json_null() : json_integer(limit), "held_ms",
                  (json_int_t)ledger_held_ms(&gate->ledger, clock->now_ms), "at_ms", (json_int_t)clock->wall_ms);
    json_write(&value, figures);
    op_put_put(ops, &(struct op_put){
                        .space = SLICE("gate"), .key = slice_of(gate->limit->gate), .value = buffer_slice(&value)});
    json_decref(figures);
    buffer_free(&value);
}

static void gate_save(struct limiter *limiter, struct gate *gate, const struct ledger_call *call)
{
    struct buffer value = {NULL, 0, 0}, ops = {NULL, 0, 0};
    struct budget_clock clock = limiter_clock(limiter);
    uint64_t ticket = actor_ticket(limiter->actor);

    ledger_save(&gate->ledger, &clock, call, &value);
    op_put_put(&ops, &(struct op_put){
                         .space = SLICE("limiter"), .key = slice_of(gate->limit->gate), .value = buffer_slice(&value)});
    gate_put_figures(gate, &clock, &ops);
    if (store_commit(limiter->actor, ticket, &ops) == ERROR_OK) {
        gate->ticket = ticket;
        gate->must_save = false;
    }
    buffer_free(&ops);
    buffer_free(&value);
}

void gate_save_failed(struct limiter *limiter, struct gate *gate)
{
    gate->must_save = true;
    asks_deny(limiter, gate);
    gate_settle(limiter, gate);
}

void gate_load(struct limiter *limiter, struct gate *gate)
{
    uint64_t ticket = actor_ticket(limiter->actor);
    struct msg_read read = {.ticket = ticket,
                            .what = READ_SPACE_GET,
                            .space = SLICE("limiter"),
                            .from = slice_of(gate->limit->gate),
                            .limit = 1};

    if (store_read(limiter->actor, &read) == ERROR_OK)
        gate->ticket = ticket;
    else
        gate_sleep(limiter, gate, actor_now(limiter->actor) + AGAIN_MS);
}

/* ---- open or closed ---- */

static void gate_tell(struct limiter *limiter, struct gate *gate, bool open)
{
    if (gate->is_told && gate->is_open == open)
        return;
    gate->is_told = send_gate(limiter->actor, ACTOR_STORE,
                              &(struct msg_gate){.gate = slice_of(gate->limit->gate), .open = open}) == ERROR_OK;
    gate->is_open = open;
}

static bool gate_may_open(struct limiter *limiter, struct gate *gate, int64_t *when_ms)
{
    int64_t now = actor_now(limiter->actor);

    if (!gate->is_ready || gate->ask_count == ASKS_MAX)
        return false;
    return breaker_ask(&gate->breaker, now, gate->ledger.flight_count + gate->ask_count, when_ms) == ERROR_OK &&
           ledger_open(&gate->ledger, now, gate->ask_count, when_ms) == ERROR_OK;
}

/* Tells the store how the gate stands, and wakes up when that may change by itself. */
void gate_settle(struct limiter *limiter, struct gate *gate)
{
    int64_t now = actor_now(limiter->actor), when = now, expiry = ledger_expiry_ms(&gate->ledger);
    bool open = gate_may_open(limiter, gate, &when);

    gate_tell(limiter, gate, open);
    if (!gate->is_ready)
        return;
    if (open || when <= now)
        when = INT64_MAX;
    if (!gate->is_told)
        when = now + TELL_AGAIN_MS;
    else if (gate->must_save && gate->ticket == 0)
        when = now + AGAIN_MS;
    when = when < expiry ? when : expiry;
    gate_sleep(limiter, gate, when == INT64_MAX ? -1 : when);
}

/* The first ask that waits. False when it has to go on waiting for its promise. */
static bool serve_first(struct limiter *limiter, struct gate *gate)
{
    struct ask ask = gate->asks[0];
    struct ledger_call call = ask_call(&ask);
    int64_t now = actor_now(limiter->actor);
    struct ledger_no no;
    enum error error = gate_check(limiter, gate, &call, &no);

    if (error == ERROR_OK && !ledger_covers(&gate->ledger, &call)) {
        gate_save(limiter, gate, &call);
        if (gate->ticket == 0)
            asks_deny(limiter, gate);
        return gate->ticket == 0;
    }
    asks_drop_first(gate);
    if (error == ERROR_OK) {
        ledger_take(&gate->ledger, now, &call, (uint64_t)ask.asker, ask.ticket);
        if (ask.asker == ACTOR_SUPERVISOR)
            ledger_end(&gate->ledger, now, (uint64_t)ask.asker, ask.ticket, ask.cost);
    }
    ask_answer(limiter, gate, &ask, error, &no);
    return true;
}

/* Nothing is granted while a promise is on its way to the disk. */
void gate_serve(struct limiter *limiter, struct gate *gate)
{
    while (gate->is_ready && gate->ticket == 0 && gate->ask_count > 0)
        if (!serve_first(limiter, gate))
            break;
    if (gate->is_ready && gate->ticket == 0 && gate->must_save)
        gate_save(limiter, gate, NULL);
    gate_settle(limiter, gate);
}
