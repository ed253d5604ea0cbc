// SPDX-License-Identifier: MIT
#include "actors/limiter/limiter.h"
#include "actors/limiter/breaker.h"
#include "actors/limiter/budget.h"
#include "config/config.h"
#include "connectors/gemini/quota.h"
#include "proto/text/json.h"
#include "store/client.h"
#include <stdlib.h>
#include <string.h>

enum { ASKS_MAX = 64, AGAIN_MS = 1000, TELL_AGAIN_MS = 100, UNKNOWN_NAMES_MAX = 400 };
static const int64_t HOLD_MS_MIN = 5000, HOLD_MS_UNTOLD_MAX = 600000, HOLD_MS_MAX = 3600000, HOLD_DAY_MS_MAX = 90000000;

struct ask {
    uint64_t ticket;
    enum actor_index asker;
    int64_t cost;
};

struct gate {
    const struct limit *limit;
    struct budget budget;
    struct breaker breaker;
    bool is_ready;         /* what the store knows of it is loaded */
    bool is_told, is_open; /* what the store was told */
    bool must_save;        /* something worth keeping changed since the last save */
    uint64_t ticket;       /* of the READ or COMMIT under way, 0 for none */
    int64_t block_asked;   /* what the commit under way promises */
    int64_t allowance;     /* units that may be granted under the last promise */
    int64_t asleep_until_ms;
    unsigned limited_in_a_row;
    struct ask asks[ASKS_MAX]; /* waiting for a promise to be on disk */
    size_t ask_count;
};

struct limiter {
    unsigned magic;
#define LIMITER_MAGIC 0x4c494d49u
    struct actor *actor;
    struct gate *gates;
    size_t gate_count;
};

static struct limiter *limiter_of(void *self)
{
    struct limiter *limiter;

    CAST_OBJ(limiter, self, LIMITER_MAGIC);
    return limiter;
}

static struct budget_clock clock_of(const struct limiter *limiter)
{
    return (struct budget_clock){actor_now(limiter->actor), actor_wall(limiter->actor),
                                 actor_wall_trusted(limiter->actor)};
}

static struct gate *gate_find(struct limiter *limiter, struct slice name)
{
    for (size_t i = 0; i < limiter->gate_count; i++)
        if (slice_is(name, limiter->gates[i].limit->gate))
            return &limiter->gates[i];
    return NULL;
}

/* ---- may it go? ---- */

static int64_t waiting_cost(const struct gate *gate)
{
    int64_t cost = 0;

    for (size_t i = 0; i < gate->ask_count; i++)
        cost += gate->asks[i].cost;
    return cost;
}

/* `ahead` calls are promised to somebody already. */
static enum error gate_check(struct limiter *limiter, struct gate *gate, int64_t cost, size_t ahead, int64_t *when_ms)
{
    struct budget_clock clock = clock_of(limiter);
    enum error error = breaker_ask(&gate->breaker, clock.now_ms, gate->budget.call_count + ahead, when_ms);

    return error != ERROR_OK ? error : budget_ask(&gate->budget, &clock, cost, when_ms);
}

static void permit(struct limiter *limiter, const struct ask *ask, enum error error, int64_t retry_ms)
{
    CHECK(send_permit(limiter->actor, ask->asker,
                      &(struct msg_permit){.ticket = ask->ticket, .error = error, .retry_ms = retry_ms}) == ERROR_OK);
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

static void asks_deny(struct limiter *limiter, struct gate *gate, enum error error, int64_t retry_ms)
{
    for (size_t i = 0; i < gate->ask_count; i++)
        permit(limiter, &gate->asks[i], error, retry_ms);
    gate->ask_count = 0;
}

/* ---- what the store knows ---- */

static void gate_sleep(struct limiter *limiter, struct gate *gate, int64_t until_ms)
{
    gate->asleep_until_ms = until_ms;
    actor_timer(limiter->actor, (uint64_t)(gate - limiter->gates) + 1, until_ms);
}

/* The same for people and workflows (figures of limits): what the gate is at, as JSON. */
static void gate_put_figures(struct gate *gate, const struct budget_clock *clock, struct buffer *ops)
{
    struct buffer value = {NULL, 0, 0};
    int64_t used, limit;

    budget_tightest(&gate->budget, clock, &used, &limit);
    json_t *figures = json_pack("{s:I, s:o, s:I, s:I}", "used", (json_int_t)used, "limit",
                                limit < 0 ? json_null() : json_integer(limit), "held_ms",
                                (json_int_t)budget_held_ms(&gate->budget, clock), "at_ms", (json_int_t)clock->wall_ms);
    json_write(&value, figures);
    op_put_put(ops, &(struct op_put){
                        .space = SLICE("gate"), .key = slice_of(gate->limit->gate), .value = buffer_slice(&value)});
    json_decref(figures);
    buffer_free(&value);
}

static void gate_save(struct limiter *limiter, struct gate *gate, int64_t block)
{
    struct buffer value = {NULL, 0, 0}, ops = {NULL, 0, 0};
    struct budget_clock clock = clock_of(limiter);
    uint64_t ticket = actor_ticket(limiter->actor);

    budget_save(&gate->budget, &clock, block, &value);
    op_put_put(&ops, &(struct op_put){
                         .space = SLICE("limiter"), .key = slice_of(gate->limit->gate), .value = buffer_slice(&value)});
    gate_put_figures(gate, &clock, &ops);
    if (store_commit(limiter->actor, ticket, &ops) == ERROR_OK) {
        gate->ticket = ticket;
        gate->block_asked = block;
        gate->must_save = false;
    }
    buffer_free(&ops);
    buffer_free(&value);
}

static void gate_load(struct limiter *limiter, struct gate *gate)
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

static void gate_tell(struct limiter *limiter, struct gate *gate, bool open)
{
    if (gate->is_told && gate->is_open == open)
        return;
    gate->is_told = send_gate(limiter->actor, ACTOR_STORE,
                              &(struct msg_gate){.gate = slice_of(gate->limit->gate), .open = open}) == ERROR_OK;
    gate->is_open = open;
}

/* Tells the store how the gate stands, and wakes up when that may change by itself. */
static void gate_settle(struct limiter *limiter, struct gate *gate)
{
    int64_t now = actor_now(limiter->actor), when = now;
    int64_t expiry = gate->budget.call_count > 0 ? gate->budget.calls[0].granted_ms + BUDGET_CALL_MS_MAX : INT64_MAX;
    bool open = gate->is_ready && gate->ask_count < ASKS_MAX &&
                gate_check(limiter, gate, waiting_cost(gate) + 1, gate->ask_count, &when) == ERROR_OK;

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

/* Answers what can be answered. Nothing is granted while a promise is on its way to the disk. */
static void gate_serve(struct limiter *limiter, struct gate *gate)
{
    int64_t when, now = actor_now(limiter->actor);

    while (gate->is_ready && gate->ticket == 0 && gate->ask_count > 0) {
        struct ask *ask = &gate->asks[0];
        enum error error = gate_check(limiter, gate, ask->cost, 0, &when);
        if (error != ERROR_OK) {
            permit(limiter, ask, error, when);
            asks_drop_first(gate);
        } else if (gate->allowance >= ask->cost) {
            struct budget_clock clock = clock_of(limiter);
            budget_take(&gate->budget, &clock, ask->cost);
            gate->allowance -= ask->cost;
            permit(limiter, ask, ERROR_OK, 0);
            asks_drop_first(gate);
        } else {
            int64_t block = budget_block(&gate->budget);
            gate_save(limiter, gate, block > ask->cost ? block : ask->cost);
            if (gate->ticket == 0)
                asks_deny(limiter, gate, ERROR_LIMITED, now + AGAIN_MS);
        }
    }
    if (gate->is_ready && gate->ticket == 0 && gate->must_save)
        gate_save(limiter, gate, gate->allowance);
    gate_settle(limiter, gate);
}

/* ---- messages ---- */

static void on_permit_ask(void *self, const struct msg_permit_ask *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_find(limiter, msg->gate);
    struct ask ask = {msg->ticket, actor_sender(limiter->actor), msg->cost > INT32_MAX ? 0 : (int64_t)msg->cost};

    if (gate == NULL)
        permit(limiter, &ask, ERROR_INVALID, 0);
    else if (!gate->is_ready || gate->ask_count == ASKS_MAX)
        permit(limiter, &ask, ERROR_LIMITED, actor_now(limiter->actor) + AGAIN_MS);
    else {
        gate->asks[gate->ask_count++] = ask;
        gate_serve(limiter, gate);
    }
}

/* How long to leave a service alone that said "too much". */
static int64_t hold_of(const struct limiter *limiter, const struct gate *gate, const struct msg_usage *msg)
{
    struct budget_clock clock = clock_of(limiter);
    int64_t most = msg->day_quota ? HOLD_DAY_MS_MAX : HOLD_MS_MAX, hold = msg->retry_after_ms;

    if (hold <= 0 && msg->day_quota)
        hold = budget_day_left_ms(&gate->budget, &clock);
    if (hold <= 0) {
        unsigned doublings = gate->limited_in_a_row > 8 ? 8 : gate->limited_in_a_row;
        hold = HOLD_MS_MIN << doublings;
        most = HOLD_MS_UNTOLD_MAX;
    }
    return hold < most ? hold : most;
}

static void gate_limited(struct limiter *limiter, struct gate *gate, const struct msg_usage *msg)
{
    struct budget_clock clock = clock_of(limiter);
    int64_t hold = hold_of(limiter, gate, msg);

    budget_hold(&gate->budget, &clock, hold);
    gate->limited_in_a_row++;
    gate->must_save = true;
    actor_count(limiter->actor, METRIC_LIMIT_VIOLATIONS, 0, 1);
    ACTOR_LOG(limiter->actor, LOG_WARN, "limited", L_TEXT("gate", msg->gate), L_I64("hold_ms", hold),
              L_U64("day_quota", msg->day_quota));
}

static void on_usage(void *self, const struct msg_usage *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_find(limiter, msg->gate);
    struct budget_clock clock = clock_of(limiter);

    if (gate == NULL || !gate->is_ready)
        return;
    budget_end(&gate->budget, &clock);
    if (msg->outcome == ERROR_LIMITED)
        gate_limited(limiter, gate, msg);
    else if (msg->outcome == ERROR_OK)
        gate->limited_in_a_row = 0;
    if (breaker_learn(&gate->breaker, clock.now_ms, msg->outcome)) {
        actor_count(limiter->actor, METRIC_BREAKER_OPENED, 0, 1);
        ACTOR_LOG(limiter->actor, LOG_WARN, "breaker-open", L_TEXT("gate", msg->gate), L_ERROR(msg->outcome),
                  L_I64("pause_ms", gate->breaker.pause_ms));
    }
    gate_serve(limiter, gate);
}

static struct gate *gate_of_ticket(struct limiter *limiter, uint64_t ticket)
{
    for (size_t i = 0; i < limiter->gate_count; i++)
        if (limiter->gates[i].ticket == ticket)
            return &limiter->gates[i];
    CHECK(false); /* every ticket we gave out is some gate's */
    return NULL;
}

static void on_committed(void *self, const struct msg_committed *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_of_ticket(limiter, msg->ticket);

    gate->ticket = 0;
    if (msg->error == ERROR_OK) {
        gate->allowance = gate->block_asked;
        gate_serve(limiter, gate);
        return;
    }
    /* What could not be promised is not granted; the promise before still holds for what is left of it. */
    gate->must_save = true;
    asks_deny(limiter, gate, ERROR_LIMITED, actor_now(limiter->actor) + AGAIN_MS);
    gate_settle(limiter, gate);
}

static void on_page(void *self, const struct msg_page *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_of_ticket(limiter, msg->ticket);
    struct budget_clock clock = clock_of(limiter);
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;

    gate->ticket = 0;
    if (msg->error != ERROR_OK && msg->error != ERROR_NOT_FOUND && msg->error != ERROR_CORRUPT) {
        gate_sleep(limiter, gate, clock.now_ms + AGAIN_MS);
        return;
    }
    if (msg->error != ERROR_NOT_FOUND) {
        bool known = msg->error == ERROR_OK && record_take_space_entry(&wire, &entry);
        if (!budget_load(&gate->budget, &clock, known ? entry.value : (struct slice){NULL, 0}))
            ACTOR_LOG(limiter->actor, LOG_WARN, "budget-unreadable", L_STR("gate", gate->limit->gate));
    }
    gate->is_ready = true;
    gate_serve(limiter, gate);
}

static void on_gate_wanted(void *self, const struct msg_gate_wanted *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_find(limiter, msg->gate);
    struct buffer names = {NULL, 0, 0};

    if (gate != NULL) {
        gate->is_told = false;
        gate_settle(limiter, gate);
        return;
    }
    for (size_t i = 0; i < limiter->gate_count && names.size < UNKNOWN_NAMES_MAX; i++)
        buffer_printf(&names, "%s%s", i ? " " : "", limiter->gates[i].limit->gate);
    ACTOR_LOG(limiter->actor, LOG_WARN, "gate-unknown", L_TEXT("gate", msg->gate),
              L_TEXT("configured", buffer_slice(&names)));
    buffer_free(&names);
}

static json_t *gate_json(struct limiter *limiter, struct gate *gate)
{
    struct budget_clock clock = clock_of(limiter);
    int64_t used, limit, when = clock.now_ms;
    enum error error = gate->is_ready ? gate_check(limiter, gate, 1, 0, &when) : ERROR_SHUTDOWN;

    budget_tightest(&gate->budget, &clock, &used, &limit);
    return json_pack("{s:s, s:s, s:b, s:I, s:o, s:o, s:I, s:I, s:s, s:I, s:I}", "gate", gate->limit->gate, "state",
                     !gate->is_ready ? "loading" : error_name(error), "open", gate->is_told && gate->is_open, "used",
                     (json_int_t)used, "limit", limit < 0 ? json_null() : json_integer(limit), "left",
                     limit < 0 ? json_null() : json_integer(limit > used ? limit - used : 0), "regain_ms",
                     (json_int_t)(error == ERROR_OK || when < clock.now_ms ? 0 : when - clock.now_ms), "held_ms",
                     (json_int_t)budget_held_ms(&gate->budget, &clock), "breaker",
                     breaker_state_name(gate->breaker.state), "in_flight", (json_int_t)gate->budget.call_count,
                     "waiting", (json_int_t)gate->ask_count);
}

static void on_command(void *self, const struct msg_command *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct buffer body = {NULL, 0, 0};
    json_t *list = json_array();

    CHECK(msg->command == COMMAND_LIMITS);
    for (size_t i = 0; i < limiter->gate_count; i++)
        json_array_append_new(list, gate_json(limiter, &limiter->gates[i]));
    json_t *answer = json_pack("{s:o}", "gates", list);
    json_write(&body, answer);
    json_decref(answer);
    CHECK(send_command_done(limiter->actor, ACTOR_SUPERVISOR,
                            &(struct msg_command_done){.ticket = msg->ticket, .body = buffer_slice(&body)}) ==
          ERROR_OK);
    buffer_free(&body);
}

/* Permits are part of finishing what is in hand, so they go on until the end. */
static void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    (void)self;
    (void)msg;
}

static void on_timer(void *self, uint64_t timer)
{
    struct limiter *limiter = limiter_of(self);
    struct budget_clock clock = clock_of(limiter);

    CHECK(timer >= 1 && timer <= limiter->gate_count);
    struct gate *gate = &limiter->gates[timer - 1];
    if (!gate->is_ready) {
        if (gate->ticket == 0)
            gate_load(limiter, gate);
        return;
    }
    budget_expire(&gate->budget, &clock);
    gate_serve(limiter, gate);
}

/* ---- life ---- */

static int64_t pacific_day_end_ms(int64_t wall_ms)
{
    return quota_next_day_ms(wall_ms, DAY_RESET_PACIFIC);
}

static struct budget_limits limits_of(const struct config *config, const struct limit *limit)
{
    struct budget_limits limits = {.window_count = limit->window_count,
                                   .bucket_size = limit->bucket_size,
                                   .refill_milli_per_s = limit->bucket_refill_milli_per_s,
                                   .per_day = limit->per_day,
                                   .in_flight = limit->concurrency};

    for (size_t i = 0; i < limit->window_count; i++) {
        limits.windows[i].count = limit->windows[i].count;
        limits.windows[i].per_ms = limit->windows[i].per_ms;
    }
    if (strcmp(limit->api, "gemini") != 0)
        return limits;
    /* Our day is the service's: calls of two of our days could else fall into one of its own. */
    if (strcmp(config->gemini_day_reset, "pacific") == 0)
        limits.day_end_ms = pacific_day_end_ms;
    if (limits.per_day == 0)
        limits.per_day = config->gemini_daily_requests_max;
    return limits;
}

static enum error start(void *self, struct actor *actor)
{
    struct limiter *limiter = self;
    const struct config *config = actor_config(actor);

    *limiter = (struct limiter){.magic = LIMITER_MAGIC, .actor = actor, .gate_count = config->limit_count};
    limiter->gates = config->limit_count > 0 ? xcalloc(config->limit_count, sizeof(limiter->gates[0])) : NULL;
    for (size_t i = 0; i < limiter->gate_count; i++) {
        struct budget_clock clock = clock_of(limiter);
        struct budget_limits limits = limits_of(config, &config->limits[i]);
        limiter->gates[i].limit = &config->limits[i];
        budget_init(&limiter->gates[i].budget, &limits, &clock);
        gate_load(limiter, &limiter->gates[i]);
    }
    return ERROR_OK;
}

static void stop(void *self)
{
    struct limiter *limiter = limiter_of(self);

    for (size_t i = 0; i < limiter->gate_count; i++)
        budget_fini(&limiter->gates[i].budget);
    free(limiter->gates);
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE].quiesce = on_quiesce,
    [MSG_COMMAND].command = on_command,
    [MSG_COMMITTED].committed = on_committed,
    [MSG_PAGE].page = on_page,
    [MSG_GATE_WANTED].gate_wanted = on_gate_wanted,
    [MSG_PERMIT_ASK].permit_ask = on_permit_ask,
    [MSG_USAGE].usage = on_usage,
};

const struct actor_spec limiter_spec = {
    .index = ACTOR_LIMITER,
    .state_size = sizeof(struct limiter),
    .start = start,
    .stop = stop,
    .handlers = handlers,
    .on_timer = on_timer,
};
