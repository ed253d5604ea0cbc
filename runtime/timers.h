/* timers - the one-shot timers of one actor, ordered by time, then by when they were set. */
// SPDX-License-Identifier: MIT
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer_entry {
    int64_t at_ms;
    uint64_t order, timer;
};

struct timers {
    struct timer_entry *heap; /* binary heap by (at_ms, order) */
    size_t count, capacity;
    uint64_t order_next;
};

/* Sets, moves (same number) or cancels (at_ms < 0) a timer. */
void timers_set(struct timers *timers, uint64_t timer, int64_t at_ms);
/* The earliest time, or -1 when there is none. */
int64_t timers_next(const struct timers *timers);
/* Removes the earliest timer that is due by now; false when none is. */
bool timers_take(struct timers *timers, int64_t now_ms, uint64_t *timer);
void timers_clear(struct timers *timers);
