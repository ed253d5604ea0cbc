/* breaker - stops calling a service in trouble, tries it with one probe, and lets work back in by and by. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF };

struct breaker {
    enum breaker_state state;
    unsigned failures; /* in a row */
    int64_t pause_ms;  /* length of the last pause; 0 when all was well */
    int64_t until_ms;  /* OPEN: when a probe may go */
    int64_t at_once;   /* calls let out at a time after an outage: 1, doubled by each success; 0: no such bound */
};

/* OK, or BREAKER with *when_ms: when to ask again. `in_flight` is how many calls are out now. */
enum error breaker_ask(struct breaker *breaker, int64_t now_ms, size_t in_flight, int64_t *when_ms);
/* A call ended; SHUTDOWN: it was not made, which teaches nothing. True when the breaker opened by it. */
bool breaker_learn(struct breaker *breaker, int64_t now_ms, enum error outcome);
const char *breaker_state_name(enum breaker_state state);
