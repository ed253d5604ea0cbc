// SPDX-License-Identifier: MIT
/* Lives of the actors and of the process: boot, turns, restarts, crash. Plays the supervisor's part. */
#include "tests/sim/sim.h"
#include "daemon/wiring.h"
#include <stdlib.h>
#include <string.h>

enum { REBOOT_MS = 1000, RESTART_MS = 500, RESTARTS_MAX = 3 };

static void free_lane(struct sim_lane *lane)
{
    while (lane->first != NULL) {
        struct sim_frame *frame = lane->first;
        lane->first = frame->next;
        free(frame);
    }
    *lane = (struct sim_lane){0};
}

void sim_end_life(struct sim_actor *actor)
{
    if (actor->alive && actor->base.spec->stop != NULL)
        actor->base.spec->stop(actor->base.self);
    actor->alive = false;
    actor->serving = actor->sink_open = false;
    timers_clear(&actor->timers);
}

/* From now on the process has only so many turns to live, if it is armed. */
void sim_light_fuse(struct sim *sim)
{
    if (!sim->armed || sim->calm)
        return;
    sim->armed = false;
    sim->fuse = 1 + (unsigned)sim_below(sim, 60);
    if (sim->forgetful && sim->old_disk == NULL)
        sim->old_disk = kv_memory_disk_clone(sim->disk);
}

/* As after kill -9: memory is gone, the disk keeps what was committed, the cloud keeps what was done. */
void sim_crash(struct sim *sim)
{
    if (!sim->process_up)
        return;
    sim->crashes++;
    sim->fuse = 0;
    sim->process_up = false;
    for (unsigned i = 0; i < ACTOR_COUNT; i++) {
        struct sim_actor *actor = &sim->actors[i];

        if (actor->base.spec != NULL)
            sim_end_life(actor);
        for (unsigned from = 0; from < ACTOR_COUNT; from++)
            free_lane(&actor->lanes[from]);
        free(actor->base.self);
        memset(actor, 0, sizeof(*actor));
    }
    if (sim->old_disk != NULL) {
        kv_memory_disk_destroy(&sim->disk);
        sim->disk = sim->old_disk;
        sim->old_disk = NULL;
    }
    sim_drop_connections(sim);
    sim_event_add(sim, &(struct sim_event){.at_ms = sim->now_ms + REBOOT_MS, .kind = SIM_BOOT});
}

static void begin_life(struct sim_actor *actor)
{
    struct actor *base = &actor->base;

    base->life++;
    base->failed = false;
    base->job = base->run = 0;
    memset(base->self, 0, base->spec->state_size);
    for (unsigned from = 0; from < ACTOR_COUNT; from++) {
        actor->sim->actors[from].lanes[base->spec->index].reserved -= actor->owed[from];
        actor->owed[from] = 0;
    }
    if (base->spec->index != ACTOR_STORE)
        CHECK(send_reset(base, ACTOR_STORE, &(struct msg_reset){.life = base->life}) == ERROR_OK);
    actor->alive = true;
    actor->restart_ms = 0;
    enum error error = base->spec->start(base->self, base);
    if (error != ERROR_OK)
        actor_fail(base, error, error_doc(error));
    if (!base->failed)
        CHECK(send_ready(base, ACTOR_SUPERVISOR, &(struct msg_ready){.restarts = actor->restarts}) == ERROR_OK);
}

static void start_next(struct sim *sim)
{
    if (sim->next_start < ACTOR_COUNT)
        begin_life(&sim->actors[sim->next_start++]);
}

void sim_boot(struct sim *sim)
{
    sim->boot++;
    sim->process_up = true;
    for (unsigned i = 1; i < ACTOR_COUNT; i++) {
        struct sim_actor *actor = &sim->actors[i];
        const struct actor_spec *spec = wiring_specs[i];

        actor->sim = sim;
        actor->base = (struct actor){.magic = ACTOR_MAGIC,
                                     .world = &sim_world,
                                     .spec = spec,
                                     .config = sim->config,
                                     .metrics = &actor->metrics,
                                     .sender = ACTOR_COUNT,
                                     .self = xcalloc(1, spec->state_size)};
    }
    wiring_store_memory(&sim->store, sim->disk);
    sim->actors[ACTOR_STORE].base.resource = &sim->store;
    sim->next_start = ACTOR_SUPERVISOR + 1;
    start_next(sim);
}

/* What the supervisor does with messages of life; the simulator needs no more of it. */
void sim_supervise(struct sim *sim, struct sim_actor *from, enum msg_id id, struct slice frame)
{
    (void)frame;
    if (id == MSG_READY && from->restarts == 0 && sim->process_up)
        start_next(sim);
}

static void after_failure(struct sim *sim, struct sim_actor *actor)
{
    unsigned index = actor->base.spec->index;

    sim->actor_restarts++;
    if (index == ACTOR_STORE || index == ACTOR_LIMITER || ++actor->restarts > RESTARTS_MAX ||
        sim->next_start < ACTOR_COUNT) {
        sim_crash(sim);
        return;
    }
    sim_end_life(actor);
    actor->restart_ms = sim->now_ms + RESTART_MS;
}

static bool has_work(const struct sim *sim, const struct sim_actor *actor)
{
    int64_t timer = timers_next(&actor->timers);

    if (actor->restart_ms > 0 && actor->restart_ms <= sim->now_ms)
        return true;
    if (!actor->alive)
        return false;
    for (unsigned from = 0; from < ACTOR_COUNT; from++)
        if (actor->lanes[from].messages > 0)
            return true;
    return actor->base.failed || (timer >= 0 && timer <= sim->now_ms);
}

/* Takes the next frame of one sender with something to say, the choice of sender by chance. */
static bool deliver_one(struct sim *sim, struct sim_actor *actor)
{
    uint64_t ticket, first = sim_below(sim, ACTOR_COUNT);

    for (unsigned i = 0; i < ACTOR_COUNT; i++) {
        unsigned from = (unsigned)(first + i) % ACTOR_COUNT;
        struct sim_lane *lane = &actor->lanes[from];
        struct sim_frame *frame = lane->first;

        if (frame == NULL)
            continue;
        lane->first = frame->next;
        lane->messages--;
        lane->bytes -= frame->size;
        struct slice bytes = {frame->data, frame->size};
        enum msg_id id = msg_peek(bytes, &ticket);
        if (id < MSG_COUNT && msg_info[id].flow == FLOW_ASK)
            actor->owed[from]++;
        sim_trace(sim, &sim->now_ms, sizeof(sim->now_ms));
        sim_trace(sim, frame->data, frame->size);
        actor_deliver(&actor->base, (enum actor_index)from, bytes);
        free(frame);
        return true;
    }
    return false;
}

static void take_turn(struct sim *sim, struct sim_actor *actor)
{
    uint64_t timer, batch = 1 + sim_below(sim, 8);

    if (!actor->alive) {
        begin_life(actor);
        return;
    }
    for (uint64_t n = 0; n < batch && !actor->base.failed; n++)
        if (!deliver_one(sim, actor))
            break;
    while (!actor->base.failed && timers_take(&actor->timers, sim->now_ms, &timer))
        actor->base.spec->on_timer(actor->base.self, timer);
    if (!actor->base.failed && actor->base.spec->turn_end != NULL)
        actor->base.spec->turn_end(actor->base.self);
}

bool sim_turn(struct sim *sim)
{
    uint64_t first = sim_below(sim, ACTOR_COUNT);

    if (!sim->process_up)
        return false;
    for (unsigned i = 0; i < ACTOR_COUNT; i++) {
        struct sim_actor *actor = &sim->actors[(first + i) % ACTOR_COUNT];
        if (actor->base.spec == NULL || !has_work(sim, actor))
            continue;
        take_turn(sim, actor);
        if (sim->process_up && actor->base.failed && actor->alive)
            after_failure(sim, actor);
        if (sim->fuse > 0 && --sim->fuse == 0)
            sim_crash(sim);
        return true;
    }
    return false;
}

int64_t sim_timer_next(const struct sim *sim)
{
    int64_t next = INT64_MAX;

    for (unsigned i = 0; sim->process_up && i < ACTOR_COUNT; i++) {
        const struct sim_actor *actor = &sim->actors[i];
        int64_t timer = timers_next(&actor->timers);
        if (timer >= 0 && timer < next)
            next = timer;
        if (actor->restart_ms > 0 && actor->restart_ms < next)
            next = actor->restart_ms;
    }
    return next;
}
