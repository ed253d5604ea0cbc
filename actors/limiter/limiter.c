// SPDX-License-Identifier: MIT
#include "actors/limiter/limiter.h"
#include "actors/limiter/state.h"
#include "connectors/gemini/quota.h"
#include "store/client.h"
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 1000, UNKNOWN_NAMES_MAX = 400, NEAR_PERCENT = 80, NARROW_REFUSALS_MAX = 1 };
static const int64_t HOLD_MS_MIN = 5000, HOLD_MS_UNTOLD_MAX = 600000, HOLD_MS_MAX = 3600000, HOLD_DAY_MS_MAX = 90000000;
static const int64_t NEAR_MS_PER_PERCENT = 3000, DAY_MS = 86400000, LONG_DAY_MS = 90000000, DAY_UNKNOWN_MS = 3600000;

struct limiter *limiter_of(void *self)
{
    struct limiter *limiter;

    CAST_OBJ(limiter, self, LIMITER_MAGIC);
    return limiter;
}

/* ---- asks ---- */

static void copy(char *into, size_t room, struct slice text)
{
    size_t size = text.size < room ? text.size : room - 1;

    if (size > 0)
        memcpy(into, text.data, size);
    into[size] = '\0';
}

static void on_permit_ask(void *self, const struct msg_permit_ask *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_find(limiter, msg->gate);
    struct ask ask = {.ticket = msg->ticket,
                      .asker = actor_sender(limiter->actor),
                      .cost = msg->cost > INT32_MAX ? 0 : (int64_t)msg->cost,
                      .is_urgent = msg->urgent};
    const struct ledger_no no = {0};

    copy(ask.key, sizeof(ask.key), msg->key);
    copy(ask.class_name, sizeof(ask.class_name), msg->class_name);
    if (gate == NULL)
        ask_answer(limiter, NULL, &ask, ERROR_INVALID, &no);
    else
        gate_ask(limiter, gate, &ask);
}

/* ---- what answers teach ---- */

/* A day ends at a midnight of the service's; gemini's is set. */
static int64_t day_left_ms(const struct limiter *limiter, const struct gate *gate)
{
    const struct config *config = actor_config(limiter->actor);
    bool is_pacific = strcmp(gate->limit->api, "gemini") == 0 && strcmp(config->gemini_day_reset, "pacific") == 0;
    int64_t wall = actor_wall(limiter->actor);

    if (!actor_wall_trusted(limiter->actor) || wall < 0)
        return DAY_UNKNOWN_MS;
    return quota_next_day_ms(wall, is_pacific ? DAY_RESET_PACIFIC : DAY_RESET_UTC) - wall;
}

/* How long to leave a service alone that said "too much". */
static int64_t hold_of(const struct limiter *limiter, const struct gate *gate, const struct msg_usage *msg)
{
    int64_t most = msg->day_quota ? HOLD_DAY_MS_MAX : HOLD_MS_MAX, hold = msg->retry_after_ms;

    if (hold <= 0 && msg->day_quota)
        hold = day_left_ms(limiter, gate);
    if (hold <= 0) {
        unsigned doublings = gate->limited_in_a_row > 8 ? 8 : gate->limited_in_a_row;
        hold = HOLD_MS_MIN << doublings;
        most = HOLD_MS_UNTOLD_MAX;
    }
    return hold < most ? hold : most;
}

/* One refusal of a call with a key is about its key; the next one in a row is about all of them. */
static void gate_limited(struct limiter *limiter, struct gate *gate, const struct ledger_flight *flight,
                         const struct msg_usage *msg)
{
    int64_t hold = hold_of(limiter, gate, msg), now = actor_now(limiter->actor);
    bool is_narrow = gate->limited_in_a_row < NARROW_REFUSALS_MAX && !msg->day_quota;
    bool lowered = ledger_refused(&gate->ledger, now, flight, hold, is_narrow, !msg->day_quota);

    gate->limited_in_a_row++;
    gate->must_save = true;
    actor_count(limiter->actor, METRIC_LIMIT_VIOLATIONS, 0, 1);
    ACTOR_LOG(limiter->actor, LOG_WARN, "limited", L_TEXT("gate", msg->gate), L_I64("hold_ms", hold),
              L_U64("day_quota", msg->day_quota), L_U64("lowered", lowered));
}

/* Near the end of what a service allows calls go out ever further apart, so that its end is never met. */
static void gate_slow(struct gate *gate, int64_t now_ms, const struct msg_usage *msg)
{
    int64_t percent = msg->percent_used > 100 ? 100 : msg->percent_used;
    int64_t pace = percent <= NEAR_PERCENT ? 0 : (percent - NEAR_PERCENT) * NEAR_MS_PER_PERCENT;

    if (percent == 100 && msg->retry_after_ms > pace)
        pace = msg->retry_after_ms < HOLD_MS_MAX ? msg->retry_after_ms : HOLD_MS_MAX;
    if (pace == 0)
        return;
    ledger_hold(&gate->ledger, now_ms, pace);
    gate->must_save = true;
}

static void on_usage(void *self, const struct msg_usage *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_find(limiter, msg->gate);
    uint64_t asker = (uint64_t)actor_sender(limiter->actor);
    int64_t now = actor_now(limiter->actor);

    if (gate == NULL || !gate->is_ready)
        return;
    const struct ledger_flight *flight = ledger_flight(&gate->ledger, asker, msg->ticket);
    struct ledger_flight ended = flight != NULL ? *flight : (struct ledger_flight){.ticket = msg->ticket};
    if (msg->outcome == ERROR_LIMITED)
        gate_limited(limiter, gate, flight, msg);
    else if (msg->outcome == ERROR_OK)
        gate->limited_in_a_row = 0;
    gate_slow(gate, now, msg);
    ledger_end(&gate->ledger, now, asker, msg->ticket, msg->used);
    /* The service has counted this call already. */
    if (msg->bucket_size > 0)
        ledger_told(&gate->ledger, now, &ended, msg->bucket_used, msg->bucket_size, msg->bucket_milli_per_s);
    if (breaker_learn(&gate->breaker, now, msg->outcome)) {
        actor_count(limiter->actor, METRIC_BREAKER_OPENED, 0, 1);
        ACTOR_LOG(limiter->actor, LOG_WARN, "breaker-open", L_TEXT("gate", msg->gate), L_ERROR(msg->outcome),
                  L_I64("pause_ms", gate->breaker.pause_ms));
    }
    gate_serve(limiter, gate);
}

/* ---- the store ---- */

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
    if (msg->error != ERROR_OK) {
        gate_save_failed(limiter, gate);
        return;
    }
    ledger_saved(&gate->ledger);
    gate_serve(limiter, gate);
}

static void on_page(void *self, const struct msg_page *msg)
{
    struct limiter *limiter = limiter_of(self);
    struct gate *gate = gate_of_ticket(limiter, msg->ticket);
    struct budget_clock clock = limiter_clock(limiter);
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;

    gate->ticket = 0;
    if (msg->error != ERROR_OK && msg->error != ERROR_NOT_FOUND && msg->error != ERROR_CORRUPT) {
        gate_sleep(limiter, gate, clock.now_ms + AGAIN_MS);
        return;
    }
    if (msg->error != ERROR_NOT_FOUND) {
        bool known = msg->error == ERROR_OK && record_take_space_entry(&wire, &entry);
        if (!ledger_load(&gate->ledger, &limiter->witness, &clock, known ? entry.value : (struct slice){NULL, 0}))
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

/* Permits are part of finishing what is in hand, so they go on until the end. */
static void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    (void)self;
    (void)msg;
}

static void on_timer(void *self, uint64_t timer)
{
    struct limiter *limiter = limiter_of(self);

    CHECK(timer >= 1 && timer <= limiter->gate_count);
    struct gate *gate = &limiter->gates[timer - 1];
    if (!gate->is_ready) {
        if (gate->ticket == 0)
            gate_load(limiter, gate);
        return;
    }
    ledger_expire(&gate->ledger, actor_now(limiter->actor));
    gate_serve(limiter, gate);
}

/* ---- life ---- */

/* A day of Google's has 25 hours once a year, and no window of ours may be shorter than the service's. */
static void gate_init(const struct config *config, struct gate *gate, const struct limit *limit)
{
    bool is_gemini = strcmp(limit->api, "gemini") == 0;
    bool is_pacific = is_gemini && strcmp(config->gemini_day_reset, "pacific") == 0;

    gate->limit = limit;
    ledger_init(&gate->ledger, limit, is_pacific ? LONG_DAY_MS : DAY_MS,
                is_gemini ? config->gemini_daily_requests_max : 0);
}

static enum error start(void *self, struct actor *actor)
{
    struct limiter *limiter = self;
    const struct config *config = actor_config(actor);

    *limiter = (struct limiter){.magic = LIMITER_MAGIC, .actor = actor, .gate_count = config->limit_count};
    limiter->gates = config->limit_count > 0 ? xcalloc(config->limit_count, sizeof(limiter->gates[0])) : NULL;
    for (size_t i = 0; i < limiter->gate_count; i++) {
        gate_init(config, &limiter->gates[i], &config->limits[i]);
        gate_load(limiter, &limiter->gates[i]);
    }
    return ERROR_OK;
}

static void stop(void *self)
{
    struct limiter *limiter = limiter_of(self);

    for (size_t i = 0; i < limiter->gate_count; i++)
        ledger_fini(&limiter->gates[i].ledger);
    free(limiter->gates);
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE].quiesce = on_quiesce,
    [MSG_COMMAND].command = limiter_on_command,
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
