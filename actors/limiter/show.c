// SPDX-License-Identifier: MIT
#include "actors/limiter/state.h"
#include "proto/commands.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX = 200 };

static void done(struct limiter *limiter, uint64_t ticket, enum error error, json_t *answer)
{
    struct buffer body = {NULL, 0, 0};

    json_write(&body, answer);
    json_decref(answer);
    CHECK(send_command_done(limiter->actor, ACTOR_SUPERVISOR,
                            &(struct msg_command_done){
                                .ticket = ticket, .error = error, .body = buffer_slice(&body)}) == ERROR_OK);
    buffer_free(&body);
}

static json_t *limit_json(int64_t limit)
{
    return limit < 0 ? json_null() : json_integer(limit);
}

static json_t *left_json(int64_t used, int64_t limit)
{
    return limit < 0 ? json_null() : json_integer(limit > used ? limit - used : 0);
}

/* The key that is nearest to its bound stands for the keys of a scope. */
static struct budget *fullest_key(struct ledger_scope *scope, int64_t now_ms, const char **name)
{
    struct budget *fullest = NULL;
    int64_t most = -1;

    for (size_t i = 0; i < scope->key_count; i++) {
        int64_t used, limit;
        budget_tightest(&scope->keys[i]->budget, now_ms, &used, &limit);
        int64_t share = limit > 0 ? used * BUDGET_FULL / limit : 0;
        if (share > most) {
            most = share;
            fullest = &scope->keys[i]->budget;
            *name = scope->keys[i]->name;
        }
    }
    return fullest;
}

static json_t *scope_json(struct ledger_scope *scope, int64_t now_ms)
{
    const char *key = NULL;
    struct budget *budget = scope->rule->each_key ? fullest_key(scope, now_ms, &key) : &scope->budget;
    int64_t used = 0, limit = -1;

    if (budget != NULL)
        budget_tightest(budget, now_ms, &used, &limit);
    json_t *shown = json_pack(
        "{s:s, s:s*, s:s, s:I, s:o, s:o, s:I, s:I}", "counts", scope->rule->counts_cost ? "cost" : "calls", "class",
        scope->rule->class_name, "each", scope->rule->each_key ? "key" : "gate", "used", (json_int_t)used, "limit",
        limit_json(limit), "left", left_json(used, limit), "held_ms",
        (json_int_t)(budget != NULL ? budget_held_ms(budget, now_ms) : 0), "factor_percent",
        (json_int_t)(budget != NULL ? budget->factor / 10 : 100));
    if (scope->rule->each_key) {
        json_object_set_new(shown, "keys", json_integer((json_int_t)scope->key_count));
        json_object_set_new(shown, "fullest", key != NULL ? json_string(key) : json_null());
    }
    return shown;
}

/* The scope nearest to its bound speaks for the gate. */
static void gate_tightest(struct gate *gate, int64_t now_ms, int64_t *used, int64_t *limit)
{
    budget_tightest(&gate->ledger.scopes[0].budget, now_ms, used, limit);
    for (size_t i = 1; i < gate->ledger.scope_count; i++) {
        struct ledger_scope *scope = &gate->ledger.scopes[i];
        int64_t other_used, other_limit;
        if (scope->rule->each_key || scope->rule->counts_cost || scope->rule->class_name != NULL)
            continue;
        budget_tightest(&scope->budget, now_ms, &other_used, &other_limit);
        if (other_limit >= 0 && (*limit < 0 || other_used * *limit > *used * other_limit)) {
            *used = other_used;
            *limit = other_limit;
        }
    }
}

static json_t *asks_json(const struct gate *gate)
{
    json_t *list = json_array();

    for (size_t i = 0; i < gate->ask_count; i++) {
        const struct ask *ask = &gate->asks[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:s}", "who", roster[ask->asker].thread, "key",
                                              ask->key, "class", ask->class_name, "cost", (json_int_t)ask->cost,
                                              "why", "its promise is on its way to the disk"));
    }
    return list;
}

static json_t *gate_json(struct limiter *limiter, struct gate *gate)
{
    const struct ledger_call plain = {.cost = 1, .is_urgent = true};
    int64_t used, limit, now = actor_now(limiter->actor), factor = BUDGET_FULL;
    struct ledger_no no = {.when_ms = now};
    enum error error = gate->is_ready ? gate_check(limiter, gate, &plain, &no) : ERROR_SHUTDOWN;
    json_t *scopes = json_array();

    for (size_t i = 0; i < gate->ledger.scope_count; i++) {
        struct ledger_scope *scope = &gate->ledger.scopes[i];
        json_array_append_new(scopes, scope_json(scope, now));
        if (!scope->rule->each_key && scope->budget.factor < factor)
            factor = scope->budget.factor;
    }
    gate_tightest(gate, now, &used, &limit);
    return json_pack("{s:s, s:s, s:b, s:I, s:o, s:o, s:I, s:I, s:s, s:I, s:I, s:I, s:o, s:o}", "gate",
                     gate->limit->gate, "state", !gate->is_ready ? "loading" : error_name(error), "open",
                     gate->is_told && gate->is_open, "used", (json_int_t)used, "limit", limit_json(limit), "left",
                     left_json(used, limit), "regain_ms",
                     (json_int_t)(error == ERROR_OK || no.when_ms < now ? 0 : no.when_ms - now), "held_ms",
                     (json_int_t)ledger_held_ms(&gate->ledger, now), "breaker",
                     breaker_state_name(gate->breaker.state), "in_flight", (json_int_t)gate->ledger.flight_count,
                     "waiting", (json_int_t)gate->ask_count, "factor_percent", (json_int_t)(factor / 10), "scopes",
                     scopes, "waits", asks_json(gate));
}

static void show_limits(struct limiter *limiter, uint64_t ticket)
{
    json_t *list = json_array();

    for (size_t i = 0; i < limiter->gate_count; i++)
        json_array_append_new(list, gate_json(limiter, &limiter->gates[i]));
    done(limiter, ticket, ERROR_OK, json_pack("{s:o}", "gates", list));
}

/* ---- limit try ---- */

static void tell_try(struct limiter *limiter, uint64_t ticket, struct gate *gate, enum error error,
                     const struct ledger_no *no)
{
    int64_t now = actor_now(limiter->actor), used, limit, wait = error == ERROR_OK ? 0 : no->when_ms - now;
    const struct limit_scope *scope = &gate->limit->scopes[no->scope];

    gate_tightest(gate, now, &used, &limit);
    json_t *answer = json_pack("{s:s, s:b, s:s, s:I, s:o, s:o}", "gate", gate->limit->gate, "allowed",
                               error == ERROR_OK, "why", error_name(error), "wait_ms",
                               (json_int_t)(wait > 0 ? wait : 0), "limit", limit_json(limit), "left",
                               left_json(used, limit));
    if (error == ERROR_LIMITED)
        json_object_set_new(answer, "bound", json_pack("{s:s, s:s*, s:s, s:b}", "counts",
                                                       scope->counts_cost ? "cost" : "calls", "class",
                                                       scope->class_name, "each", scope->each_key ? "key" : "gate",
                                                       "only_this", no->is_narrow));
    done(limiter, ticket, ERROR_OK, answer);
}

void limiter_tell_try(struct limiter *limiter, const struct gate *gate, const struct ask *ask, enum error error,
                      const struct ledger_no *no)
{
    tell_try(limiter, ask->ticket, &limiter->gates[gate - limiter->gates], error, no);
}

static void fail(struct limiter *limiter, uint64_t ticket, enum error error, const char *text)
{
    done(limiter, ticket, error, json_pack("{s:s}", "message", text));
}

/* "gemini" means gemini/default. */
static struct gate *gate_meant(struct limiter *limiter, struct slice name)
{
    struct gate *gate = gate_find(limiter, name);
    char whole[NAME_MAX];

    if (gate != NULL || name.size > NAME_MAX - sizeof("/default"))
        return gate;
    snprintf(whole, sizeof(whole), "%.*s/default", (int)name.size, name.data);
    return gate_find(limiter, slice_of(whole));
}

static bool put_text(char *into, size_t room, struct slice text)
{
    if (text.size >= room)
        return false;
    if (text.size > 0)
        memcpy(into, text.data, text.size);
    into[text.size] = '\0';
    return true;
}

static void try_gate(struct limiter *limiter, uint64_t ticket, const json_t *arguments)
{
    struct gate *gate = gate_meant(limiter, json_text_at(arguments, "gate"));
    const json_t *cost = json_at(arguments, "cost");
    struct ask ask = {.ticket = ticket,
                      .asker = ACTOR_SUPERVISOR,
                      .cost = cost != NULL ? json_integer_value(cost) : 1,
                      .is_urgent = true};
    struct ledger_no no;

    if (gate == NULL) {
        fail(limiter, ticket, ERROR_NOT_FOUND, "there is no such gate; `purser limits` lists them");
        return;
    }
    if (!put_text(ask.key, sizeof(ask.key), json_text_at(arguments, "key")) ||
        !put_text(ask.class_name, sizeof(ask.class_name), json_text_at(arguments, "class")) || ask.cost < 1) {
        fail(limiter, ticket, ERROR_INVALID, "a key has at most 127 bytes, a class 64, and a cost is 1 or more");
        return;
    }
    if (json_is_true(json_at(arguments, "take"))) {
        gate_ask(limiter, gate, &ask);
        return;
    }
    struct ledger_call call = ask_call(&ask);
    no = (struct ledger_no){.when_ms = actor_now(limiter->actor)};
    enum error error = gate->is_ready ? gate_check(limiter, gate, &call, &no) : ERROR_LIMITED;
    tell_try(limiter, ticket, gate, error, &no);
}

void limiter_on_command(void *self, const struct msg_command *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct json_problem problem;

    if (msg->command == COMMAND_LIMITS) {
        show_limits(limiter, msg->ticket);
        return;
    }
    CHECK(msg->command == COMMAND_LIMIT_TRY);
    json_t *arguments = json_read(msg->arguments, &problem);
    CHECK(arguments != NULL);
    try_gate(limiter, msg->ticket, arguments);
    json_decref(arguments);
}
