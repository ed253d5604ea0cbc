// SPDX-License-Identifier: MIT
#include "runtime/timers.h"
#include "proto/slice.h"
#include <stdlib.h>

static bool before(const struct timer_entry *a, const struct timer_entry *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct timer_entry *a, struct timer_entry *b)
{
    struct timer_entry keep = *a;

    *a = *b;
    *b = keep;
}

static void sift_up(struct timers *timers, size_t at)
{
    while (at > 0 && before(&timers->heap[at], &timers->heap[(at - 1) / 2])) {
        swap(&timers->heap[at], &timers->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct timers *timers, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;

        if (left < timers->count && before(&timers->heap[left], &timers->heap[least]))
            least = left;
        if (right < timers->count && before(&timers->heap[right], &timers->heap[least]))
            least = right;
        if (least == at)
            return;
        swap(&timers->heap[at], &timers->heap[least]);
        at = least;
    }
}

static void remove_at(struct timers *timers, size_t at)
{
    timers->count--;
    if (at == timers->count)
        return;
    timers->heap[at] = timers->heap[timers->count];
    sift_down(timers, at);
    sift_up(timers, at);
}

void timers_set(struct timers *timers, uint64_t timer, int64_t at_ms)
{
    for (size_t i = 0; i < timers->count; i++)
        if (timers->heap[i].timer == timer) {
            remove_at(timers, i);
            break;
        }
    if (at_ms < 0)
        return;
    if (timers->count == timers->capacity) {
        timers->capacity = timers->capacity ? 2 * timers->capacity : 16;
        timers->heap = xrealloc(timers->heap, timers->capacity * sizeof(*timers->heap));
    }
    timers->heap[timers->count] = (struct timer_entry){at_ms, timers->order_next++, timer};
    sift_up(timers, timers->count++);
}

int64_t timers_next(const struct timers *timers)
{
    return timers->count ? timers->heap[0].at_ms : -1;
}

bool timers_take(struct timers *timers, int64_t now_ms, uint64_t *timer)
{
    if (timers->count == 0 || timers->heap[0].at_ms > now_ms)
        return false;
    *timer = timers->heap[0].timer;
    remove_at(timers, 0);
    return true;
}

void timers_clear(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){NULL, 0, 0, 0};
}
