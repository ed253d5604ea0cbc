/* state - what the limiter's files share: gates, asks and the way to the store. Internal to the limiter. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/limiter/breaker.h"
#include "actors/limiter/ledger.h"
#include "proto/text/json.h"
#include "runtime/actor.h"

enum { ASKS_MAX = 64, CLASS_BYTES_MAX = 65 };

/* Somebody who waits for an answer: a worker with a call, or the console (`limit try --take`). */
struct ask {
    uint64_t ticket;
    enum actor_index asker; /* ACTOR_SUPERVISOR: the console */
    int64_t cost;
    bool is_urgent;
    char key[LEDGER_KEY_BYTES_MAX], class_name[CLASS_BYTES_MAX];
};

struct gate {
    const struct limit *limit;
    struct ledger ledger;
    struct breaker breaker;
    bool is_ready;         /* what the store knows of it is loaded */
    bool is_told, is_open; /* what the store was told */
    bool must_save;        /* something worth keeping changed since the last save */
    uint64_t ticket;       /* of the READ or COMMIT under way, 0 for none */
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
    struct budget_witness witness;
};

/* ---- gate.c ---- */

struct budget_clock limiter_clock(struct limiter *limiter);
/* NULL when there is none of that name. */
struct gate *gate_find(struct limiter *limiter, struct slice name);
/* OK, LIMITED, BREAKER or INVALID. */
enum error gate_check(struct limiter *limiter, struct gate *gate, const struct ledger_call *call,
                      struct ledger_no *no);
struct ledger_call ask_call(const struct ask *ask);
/* Queues it, or answers it at once. */
void gate_ask(struct limiter *limiter, struct gate *gate, const struct ask *ask);
void ask_answer(struct limiter *limiter, const struct gate *gate, const struct ask *ask, enum error error,
                const struct ledger_no *no);
void gate_load(struct limiter *limiter, struct gate *gate);
void gate_sleep(struct limiter *limiter, struct gate *gate, int64_t until_ms);
/* Answers what can be answered, then tells the store how the gate stands. */
void gate_serve(struct limiter *limiter, struct gate *gate);
void gate_settle(struct limiter *limiter, struct gate *gate);
/* What could not be promised is not granted. */
void gate_save_failed(struct limiter *limiter, struct gate *gate);

/* ---- show.c ---- */

void limiter_on_command(void *self, const struct msg_command *msg);
/* The end of a `limit try`. */
void limiter_tell_try(struct limiter *limiter, const struct gate *gate, const struct ask *ask, enum error error,
                      const struct ledger_no *no);
struct limiter *limiter_of(void *self);
