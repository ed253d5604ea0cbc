// SPDX-License-Identifier: MIT
#include "actors/scheduler/planner.h"
#include "actors/scheduler/state.h"
#include <stdio.h>
#include <stdlib.h>

enum { FLOW_PRIORITY = 2, KEY_ROOM = 96 };
/* The wall clock may step at any time, so a schedule looks again at least this often. */
static const int64_t LOOK_MS_MAX = 60000, UNTRUSTED_MS = 5000, CLAIM_KEEP_MS = 35 * INT64_C(86400000);

static void mark_key(const struct schedule *schedule, char key[KEY_ROOM])
{
    snprintf(key, KEY_ROOM, "%s/%zu", schedule->workflow->name, schedule->trigger);
}

static void put_mark(struct buffer *ops, const struct schedule *schedule, int64_t mark_ms)
{
    char key[KEY_ROOM], value[24];

    mark_key(schedule, key);
    snprintf(value, sizeof(value), "%lld", (long long)mark_ms);
    op_put_put(ops, &(struct op_put){.space = SLICE("schedule"), .key = slice_of(key), .value = slice_of(value)});
}

/* The claim makes an occurrence happen once even if two of us, or a restored mark, think of it. */
static void put_occurrence(struct buffer *ops, const struct schedule *schedule, int64_t planned_ms)
{
    struct buffer payload = {NULL, 0, 0};
    char key[KEY_ROOM + 32];

    snprintf(key, sizeof(key), "cron/%s/%zu/%lld", schedule->workflow->name, schedule->trigger, (long long)planned_ms);
    op_put_claim(ops, &(struct op_claim){.key = slice_of(key), .until_ms = planned_ms + CLAIM_KEEP_MS});
    payload_put_occurrence(
        &payload, &(struct payload_occurrence){slice_of(schedule->workflow->name), schedule->trigger, planned_ms});
    op_put_push(ops, &(struct op_push){.queue = SLICE("flow"),
                                       .priority = FLOW_PRIORITY,
                                       .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                       .payload = buffer_slice(&payload)});
    buffer_free(&payload);
}

/* True when a commit is under way. */
static bool settle(struct scheduler *scheduler, struct schedule *schedule, int64_t planned_ms, bool fires)
{
    struct buffer ops = {NULL, 0, 0};
    uint64_t ticket = actor_ticket(scheduler->actor);

    if (fires)
        put_occurrence(&ops, schedule, planned_ms);
    put_mark(&ops, schedule, planned_ms);
    if (store_commit(scheduler->actor, ticket, &ops) == ERROR_OK) {
        schedule->ticket = ticket;
        schedule->planned_ms = planned_ms;
        schedule->fires = fires;
    }
    buffer_free(&ops);
    return schedule->ticket != 0;
}

/* How long until it is worth looking again. */
static int64_t turn(struct scheduler *scheduler, struct schedule *schedule)
{
    const struct workflow_trigger *trigger = &schedule->workflow->triggers[schedule->trigger];
    int64_t now = actor_wall(scheduler->actor);

    if (schedule->ticket != 0 || !schedule->is_loaded)
        return LOOK_MS_MAX;
    if (schedule->is_new) /* it begins now: nothing before was missed */
        return settle(scheduler, schedule, now, false) ? LOOK_MS_MAX : AGAIN_MS;
    struct plan plan = planner_next(trigger, schedule->zone, schedule->mark_ms, now);
    if (plan.kind == PLAN_WAIT)
        return plan.at_ms - now < LOOK_MS_MAX ? plan.at_ms - now : LOOK_MS_MAX;
    if (plan.kind == PLAN_SKIP)
        ACTOR_LOG(scheduler->actor, LOG_WARN, "schedule-missed", L_STR("workflow", schedule->workflow->name),
                  L_I64("until_ms", plan.at_ms));
    return settle(scheduler, schedule, plan.at_ms, plan.kind == PLAN_FIRE) ? LOOK_MS_MAX : AGAIN_MS;
}

static bool load(struct scheduler *scheduler, struct schedule *schedule)
{
    char key[KEY_ROOM];
    struct msg_read read = {
        .ticket = actor_ticket(scheduler->actor), .what = READ_SPACE_GET, .space = SLICE("schedule"), .limit = 1};

    mark_key(schedule, key);
    read.from = slice_of(key);
    if (store_read(scheduler->actor, &read) != ERROR_OK)
        return false;
    schedule->ticket = read.ticket;
    return true;
}

void schedules_turn(struct scheduler *scheduler)
{
    int64_t soonest = LOOK_MS_MAX;

    if (scheduler->schedule_count == 0 || scheduler->is_quiescing)
        return;
    for (size_t i = 0; i < scheduler->schedule_count; i++) {
        struct schedule *schedule = &scheduler->schedules[i];
        int64_t wait = AGAIN_MS;
        if (!schedule->is_loaded)
            wait = schedule->ticket != 0 || load(scheduler, schedule) ? LOOK_MS_MAX : AGAIN_MS;
        else if (actor_wall_trusted(scheduler->actor))
            wait = turn(scheduler, schedule);
        else
            wait = UNTRUSTED_MS;
        soonest = wait < soonest ? wait : soonest;
    }
    actor_timer(scheduler->actor, TIMER_SCHEDULES, actor_now(scheduler->actor) + (soonest > 1 ? soonest : 1));
}

static struct schedule *schedule_by_ticket(struct scheduler *scheduler, uint64_t ticket)
{
    for (size_t i = 0; i < scheduler->schedule_count; i++)
        if (scheduler->schedules[i].ticket == ticket)
            return &scheduler->schedules[i];
    return NULL;
}

bool schedule_on_committed(struct scheduler *scheduler, const struct msg_committed *msg)
{
    struct schedule *schedule = schedule_by_ticket(scheduler, msg->ticket);

    if (schedule == NULL)
        return false;
    schedule->ticket = 0;
    /* HELD: this occurrence has happened before. Only the mark in memory moves; the next one writes it. */
    if (msg->error == ERROR_OK || (msg->error == ERROR_HELD && schedule->fires)) {
        schedule->mark_ms = schedule->planned_ms;
        schedule->is_new = false;
        schedules_turn(scheduler);
        return true;
    }
    ACTOR_LOG(scheduler->actor, LOG_WARN, "schedule-not-written", L_ERROR(msg->error),
              L_STR("workflow", schedule->workflow->name));
    actor_timer(scheduler->actor, TIMER_SCHEDULES, actor_now(scheduler->actor) + AGAIN_MS);
    return true;
}

static bool mark_read(struct slice text, int64_t *mark_ms)
{
    char digits[24];
    char *end;

    if (text.size == 0 || text.size >= sizeof(digits))
        return false;
    snprintf(digits, sizeof(digits), "%.*s", (int)text.size, text.data);
    *mark_ms = strtoll(digits, &end, 10);
    return *end == '\0';
}

bool schedule_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct schedule *schedule = schedule_by_ticket(scheduler, msg->ticket);
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;

    if (schedule == NULL)
        return false;
    schedule->ticket = 0;
    if (msg->error == ERROR_OK)
        schedule->is_new = !record_take_space_entry(&wire, &entry) || !mark_read(entry.value, &schedule->mark_ms);
    else
        schedule->is_new = true;
    schedule->is_loaded = msg->error == ERROR_OK || msg->error == ERROR_NOT_FOUND || msg->error == ERROR_CORRUPT;
    if (schedule->is_loaded)
        schedules_turn(scheduler);
    else
        actor_timer(scheduler->actor, TIMER_SCHEDULES, actor_now(scheduler->actor) + AGAIN_MS);
    return true;
}

static void add(struct scheduler *scheduler, const struct workflow *workflow, size_t trigger)
{
    struct zone *zone = zone_open(workflow->triggers[trigger].zone);

    if (zone == NULL) {
        ACTOR_LOG(scheduler->actor, LOG_ERROR, "zone-missing", L_STR("workflow", workflow->name),
                  L_STR("zone", workflow->triggers[trigger].zone));
        return;
    }
    scheduler->schedules[scheduler->schedule_count++] =
        (struct schedule){.workflow = workflow, .trigger = trigger, .zone = zone};
}

void schedules_start(struct scheduler *scheduler)
{
    const struct config *config = scheduler->config;
    size_t count = 0;

    for (size_t i = 0; i < config->workflow_count; i++)
        count += config->workflows[i]->trigger_count;
    scheduler->schedules = count > 0 ? xcalloc(count, sizeof(scheduler->schedules[0])) : NULL;
    for (size_t i = 0; i < config->workflow_count; i++)
        for (size_t j = 0; j < config->workflows[i]->trigger_count; j++)
            if (config->workflows[i]->mode != WORKFLOW_OFF &&
                config->workflows[i]->triggers[j].kind == TRIGGER_SCHEDULE)
                add(scheduler, config->workflows[i], j);
    schedules_turn(scheduler);
}

void schedules_stop(struct scheduler *scheduler)
{
    for (size_t i = 0; i < scheduler->schedule_count; i++)
        zone_close(&scheduler->schedules[i].zone);
    free(scheduler->schedules);
}
