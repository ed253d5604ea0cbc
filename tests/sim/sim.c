// SPDX-License-Identifier: MIT
#include "tests/sim/sim.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000, DRAIN_MS = 27 * 1800 * 1000, STEPS_PER_DAY_MAX = 20000000 };
/* 2026-03-02, 2026-03-23 and 2026-10-19, each at 00:00Z: a usual week of the shop's zone, and those in which its clocks
 * are put forward and back. */
static const int64_t first_days_ms[] = {1772409600000, 1774224000000, 1792368000000};

/* splitmix64 */
uint64_t sim_random(struct sim *sim)
{
    uint64_t z = (sim->random += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    return sim_random(sim) % bound;
}

void sim_trace(struct sim *sim, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        sim->trace = (sim->trace ^ bytes[i]) * 0x100000001b3u;
}

void sim_breach(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (sim->breach[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(sim->breach, sizeof(sim->breach), format, args);
    va_end(args);
}

struct sim_actor *sim_actor_of(const struct actor *actor)
{
    CHECK(actor != NULL && actor->magic == ACTOR_MAGIC && actor->world == &sim_world);
    return (struct sim_actor *)(uintptr_t)actor;
}

/* --- the heap of events --- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event keep = *a;

    *a = *b;
    *b = keep;
}

void sim_event_add(struct sim *sim, const struct sim_event *event)
{
    size_t at = sim->event_count++;

    if (sim->event_count > sim->event_capacity) {
        sim->event_capacity = sim->event_capacity ? 2 * sim->event_capacity : 256;
        sim->events = xrealloc(sim->events, sim->event_capacity * sizeof(*sim->events));
    }
    sim->events[at] = *event;
    sim->events[at].order = sim->event_order++;
    for (; at > 0 && before(&sim->events[at], &sim->events[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&sim->events[at], &sim->events[(at - 1) / 2]);
}

static struct sim_event event_take(struct sim *sim)
{
    struct sim_event first = sim->events[0];
    size_t at = 0, count = --sim->event_count;

    sim->events[0] = sim->events[count];
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        if (left < count && before(&sim->events[left], &sim->events[least]))
            least = left;
        if (left + 1 < count && before(&sim->events[left + 1], &sim->events[least]))
            least = left + 1;
        if (least == at)
            return first;
        swap(&sim->events[at], &sim->events[least]);
        at = least;
    }
}

/* --- time --- */

static int64_t next_moment(const struct sim *sim)
{
    int64_t next = sim_timer_next(sim), hook = cloud_delivery_next_ms(sim->cloud);

    if (sim->event_count > 0 && sim->events[0].at_ms < next)
        next = sim->events[0].at_ms;
    return hook < next ? hook : next;
}

static void run_until(struct sim *sim, int64_t until_ms)
{
    uint64_t steps_max = sim->steps + STEPS_PER_DAY_MAX;

    while (sim->breach[0] == '\0') {
        if (sim->steps++ > steps_max) {
            sim_breach(sim, "I3: the process spins without letting time pass");
            return;
        }
        if (sim->event_count > 0 && sim->events[0].at_ms <= sim->now_ms) {
            struct sim_event event = event_take(sim);
            sim_event_run(sim, &event);
            buffer_free(&event.bytes);
            continue;
        }
        sim_deliver_hooks(sim);
        if (sim_turn(sim))
            continue;
        int64_t next = next_moment(sim);
        if (next > until_ms)
            break;
        if (next > sim->now_ms)
            sim->now_ms = next;
    }
    if (sim->now_ms < until_ms)
        sim->now_ms = until_ms;
}

void sim_run(struct sim *sim, unsigned days)
{
    int64_t start = sim->now_ms;

    sim_weather(sim, days);
    sim_boot(sim);
    for (unsigned day = 1; day <= days && sim->breach[0] == '\0'; day++)
        run_until(sim, start + (int64_t)day * DAY_MS);
    sim->calm = true;
    kv_memory_disk_fail(sim->disk, 0, KV_FAULT_LOST);
    sim->wall_offset_ms = 0;
    run_until(sim, sim->now_ms + DRAIN_MS);
    if (sim->breach[0] == '\0')
        sim_judge(sim);
}

/* --- birth and death --- */

static const struct cloud_hook hooks[] = {
    {{"orders/create", 13}, {"http://127.0.0.1/hooks/shopify-orders", 37}, {"sim-secret", 10}},
    {{"orders/paid", 11}, {"http://127.0.0.1/hooks/shopify-orders", 37}, {"sim-secret", 10}},
};

struct sim *sim_new(uint64_t seed, struct config *config)
{
    struct sim *sim = xcalloc(1, sizeof(*sim));
    /* I5: a day's budget of calls that is too small for a day's orders; no clock that is set may get past it. */
    struct cloud_options options = {.gemini_per_minute = 10, .gemini_per_day = 11, .guest_permille = 150};

    sim->seed = seed;
    sim->random = seed * 0x2545f4914f6cdd1du + 1;
    sim->trace = 0xcbf29ce484222325u;
    sim->now_ms = sim->started_ms = first_days_ms[seed % 5 < 2 ? 1 + seed % 5 : 0];
    sim->config = config;
    memcpy(options.hooks, hooks, sizeof(hooks));
    /* With one topic an order that is lost stays lost; with two they must become one run. */
    options.hook_count = 1 + seed % 2;
    sim->strict_people = seed % 4 == 3;
    sim->cloud = cloud_new(sim_random(sim), &options);
    sim->disk = kv_memory_disk_new(0);
    sim->sink = sim_sink_new();
    return sim;
}

void sim_destroy(struct sim **sim)
{
    struct sim *self = *sim;

    if (self->process_up)
        sim_crash(self);
    while (self->event_count > 0) {
        struct sim_event event = event_take(self);
        buffer_free(&event.bytes);
    }
    free(self->events);
    free(self->pushes);
    free(self->mail_orders);
    buffer_free(&self->cursor);
    cloud_destroy(&self->cloud);
    if (self->old_disk != NULL)
        kv_memory_disk_destroy(&self->old_disk);
    kv_memory_disk_destroy(&self->disk);
    sim_sink_destroy(&self->sink);
    free(self);
    *sim = NULL;
}
