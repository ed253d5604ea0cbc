// SPDX-License-Identifier: MIT
#include "actors/scheduler/schedules.h"
#include "proto/check.h"
#include <stdlib.h>

enum { LOOKS_MAX = 512 }; /* in one turn */
/* The wall clock may step at any time, so somebody looks at least this often. */
static const int64_t LOOK_MS_MAX = 60000, UNTRUSTED_MS = 5000, STEP_MS = 2000, DAY_MS = 86400000;
static const int64_t CLAIM_KEEP_MS = 35 * INT64_C(86400000);

static void look_in(struct scheduler *scheduler, int64_t wait_ms)
{
    if (!scheduler->is_quiescing)
        actor_timer(scheduler->actor, TIMER_SCHEDULES, actor_now(scheduler->actor) + wait_ms);
}

/* ---- the commit of what is due ---- */

/* The claim makes an occurrence happen once even if two of us, or a restored mark, or two slots of one moment think of
 * it; when it is held, the push alone is passed over. */
static void put_occurrence(struct buffer *ops, const struct entry *entry, const struct occasion *occasion,
                           int64_t now_ms)
{
    struct buffer payload = {NULL, 0, 0}, key = {NULL, 0, 0};
    int64_t delay = entry_delay(entry, occasion->at_ms);

    buffer_printf(&key, "cron/%s/%u/%lld", entry->workflow->name, entry->trigger, (long long)occasion->at_ms);
    op_put_claim(ops, &(struct op_claim){.key = buffer_slice(&key), .until_ms = now_ms + CLAIM_KEEP_MS, .skip = 1});
    payload_put_occurrence(&payload, &(struct payload_occurrence){slice_of(entry->workflow->name), entry->trigger,
                                                                  occasion->at_ms, occasion->is_late});
    op_put_push(ops, &(struct op_push){.queue = SLICE("flow"),
                                       .due_ms = delay > 0 ? occasion->at_ms + delay : 0,
                                       .priority = FLOW_PRIORITY,
                                       .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                       .payload = buffer_slice(&payload)});
    buffer_free(&payload);
    buffer_free(&key);
}

static void put_mark(struct buffer *ops, const struct entry *entry, int64_t mark_ms, int64_t fired_ms)
{
    struct buffer value = {NULL, 0, 0};
    char key[AGENDA_KEY_ROOM];

    agenda_put_mark(entry, mark_ms, fired_ms, &value);
    entry_key(entry, true, key);
    op_put_put(ops,
               &(struct op_put){.space = SLICE(AGENDA_SPACE), .key = slice_of(key), .value = buffer_slice(&value)});
    if (entry->has_bare) {
        entry_key(entry, false, key);
        op_put_delete(ops, &(struct op_delete){.space = SLICE(AGENDA_SPACE), .key = slice_of(key)});
    }
    buffer_free(&value);
}

/* Occasions of one entry follow each other; the last one carries the mark. */
static void put_batch(const struct timetable *table, int64_t now_ms, struct buffer *ops)
{
    int64_t fired_ms = 0;

    for (size_t i = 0; i < table->occasion_count; i++) {
        const struct occasion *occasion = &table->occasions[i];
        const struct entry *entry = agenda_find(&table->agenda, occasion->id);
        if (occasion->fires) {
            put_occurrence(ops, entry, occasion, now_ms);
            fired_ms = occasion->at_ms;
        }
        if (i + 1 < table->occasion_count && occasion[1].id == occasion->id)
            continue;
        put_mark(ops, entry, occasion->at_ms, fired_ms);
        fired_ms = 0;
    }
}

/* Entries of the batch wait in the heap again. After a reload they do so already, or are gone. */
static void give_back(struct timetable *table, int64_t due_ms)
{
    for (size_t i = 0; i < table->occasion_count; i++) {
        struct entry *entry = agenda_find(&table->agenda, table->occasions[i].id);
        if (entry != NULL && !entry->is_queued && !entry->is_off && entry_zone(&table->agenda, entry) != NULL)
            agenda_push(&table->agenda, entry, due_ms);
    }
    table->occasion_count = 0;
}

/* One bad entry must not hold up the others of its batch forever: batches get smaller until it is alone. */
static void give_up(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;

    give_back(table, actor_wall(scheduler->actor) + AGAIN_MS);
    table->occasion_max = table->occasion_max > 4 ? table->occasion_max / 4 : 1;
}

static void commit(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;
    struct buffer ops = {NULL, 0, 0};
    uint64_t ticket = actor_ticket(scheduler->actor);

    put_batch(table, actor_wall(scheduler->actor), &ops);
    if (store_commit(scheduler->actor, ticket, &ops) == ERROR_OK)
        table->commit_ticket = ticket;
    else {
        give_back(table, actor_wall(scheduler->actor));
        look_in(scheduler, AGAIN_MS);
    }
    buffer_free(&ops);
}

static void settle(struct scheduler *scheduler, const struct occasion *occasion)
{
    struct entry *entry = agenda_find(&scheduler->timetable->agenda, occasion->id);

    if (entry == NULL || entry->edition != occasion->edition || entry->is_off)
        return;
    entry->is_marked = true;
    entry->has_bare = false;
    entry->mark_ms = occasion->at_ms;
    if (!occasion->fires)
        return;
    int64_t late_ms = actor_wall(scheduler->actor) - occasion->at_ms - entry_delay(entry, occasion->at_ms);
    entry->fired_ms = occasion->at_ms;
    actor_gauge(scheduler->actor, METRIC_SCHEDULE_LAG, 0, late_ms > 0 ? late_ms / 1000 : 0);
}

static void tell_missed(struct scheduler *scheduler)
{
    const struct timetable *table = scheduler->timetable;
    const struct entry *first = NULL;
    uint64_t missed = 0;

    for (size_t i = 0; i < table->occasion_count; i++) {
        if (table->occasions[i].missed > 0 && first == NULL)
            first = agenda_find(&table->agenda, table->occasions[i].id);
        missed += table->occasions[i].missed;
    }
    if (missed == 0)
        return;
    actor_count(scheduler->actor, METRIC_SCHEDULE_MISSED, 0, missed);
    ACTOR_LOG(scheduler->actor, LOG_WARN, "schedule-missed", L_STR("workflow", first ? first->workflow->name : ""),
              L_U64("count", missed));
}

bool schedule_on_committed(struct scheduler *scheduler, const struct msg_committed *msg)
{
    struct timetable *table = scheduler->timetable;

    if (msg->ticket == table->sweep_ticket) {
        table->sweep_ticket = 0;
        schedules_turn(scheduler);
        return true;
    }
    if (msg->ticket != table->commit_ticket)
        return false;
    table->commit_ticket = 0;
    if (msg->error != ERROR_OK) {
        ACTOR_LOG(scheduler->actor, LOG_WARN, "schedule-not-written", L_ERROR(msg->error),
                  L_U64("count", table->occasion_count));
        give_up(scheduler);
        look_in(scheduler, AGAIN_MS);
        return true;
    }
    if (msg->skipped > 0)
        ACTOR_LOG(scheduler->actor, LOG_INFO, "schedule-fired-before", L_U64("count", msg->skipped));
    for (size_t i = 0; i < table->occasion_count; i++)
        settle(scheduler, &table->occasions[i]);
    tell_missed(scheduler);
    give_back(table, INT64_MIN);
    table->occasion_max = table->occasion_max < OCCASIONS_MAX / 2 ? table->occasion_max * 2 : OCCASIONS_MAX;
    schedules_turn(scheduler);
    return true;
}

/* ---- what is due ---- */

static void note(struct timetable *table, const struct entry *entry, const struct plan *plan)
{
    table->occasions[table->occasion_count++] = (struct occasion){.id = entry->id,
                                                                  .edition = entry->edition,
                                                                  .fires = plan->kind == PLAN_FIRE,
                                                                  .is_late = plan->is_late,
                                                                  .at_ms = plan->at_ms,
                                                                  .missed = plan->missed};
}

/* Takes what the entry has to settle into the batch, or puts it back for later. */
static void consider(struct timetable *table, struct entry *entry, int64_t now_ms)
{
    size_t before = table->occasion_count;
    int64_t mark = entry->mark_ms;

    if (!entry->is_marked) { /* it begins now: nothing before was missed */
        note(table, entry, &(struct plan){PLAN_SKIP, now_ms, false, 0});
        return;
    }
    while (table->occasion_count < table->occasion_max) {
        struct plan plan = entry_plan(&table->agenda, entry, mark, now_ms);
        if (plan.kind == PLAN_WAIT) {
            if (table->occasion_count == before)
                agenda_push(&table->agenda, entry, plan.at_ms);
            return;
        }
        note(table, entry, &plan);
        mark = plan.at_ms;
    }
}

/* What was worked out from a clock or from rules that do not hold any more is worked out again. */
static void watch_clocks(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;
    int64_t now = actor_now(scheduler->actor), lead = actor_wall(scheduler->actor) - now;

    if (now >= table->zones_due_ms) {
        agenda_reopen_zones(&table->agenda);
        agenda_look_again(&table->agenda);
        table->zones_due_ms = now + DAY_MS;
    }
    if (lead - table->clock_ms > STEP_MS || table->clock_ms - lead > STEP_MS)
        agenda_look_again(&table->agenda);
    table->clock_ms = lead;
}

static void work(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;
    int64_t now = actor_wall(scheduler->actor), wait = LOOK_MS_MAX;
    const struct entry *first;
    size_t looks = 0;

    watch_clocks(scheduler);
    while ((first = agenda_first(&table->agenda)) != NULL && first->due_ms <= now && looks++ < LOOKS_MAX &&
           table->occasion_count < table->occasion_max)
        consider(table, agenda_pop(&table->agenda), now);
    if (table->occasion_count > 0) {
        commit(scheduler);
        return;
    }
    if (first != NULL && first->due_ms <= now)
        wait = 1;
    else if (first != NULL && first->due_ms - now < LOOK_MS_MAX)
        wait = first->due_ms - now;
    look_in(scheduler, wait);
}

/* ---- marks ---- */

static void doom(struct timetable *table, struct slice key)
{
    if (table->doomed_count < DOOMED_MAX)
        table->doomed[table->doomed_count++] = slice_dup(key);
}

static void spare_doomed(struct timetable *table)
{
    while (table->doomed_count > 0)
        free(table->doomed[--table->doomed_count]);
}

/* Nothing hangs on it: what is not removed now is so after the next start. */
static void sweep(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;
    struct buffer ops = {NULL, 0, 0};
    uint64_t ticket = actor_ticket(scheduler->actor);

    for (size_t i = 0; i < OCCASIONS_MAX && table->doomed_count > 0; i++) {
        char *key = table->doomed[--table->doomed_count];
        op_put_delete(&ops, &(struct op_delete){.space = SLICE(AGENDA_SPACE), .key = slice_of(key)});
        free(key);
    }
    if (store_commit(scheduler->actor, ticket, &ops) == ERROR_OK)
        table->sweep_ticket = ticket;
    else
        spare_doomed(table);
    buffer_free(&ops);
}

/* False when there is nothing left to read. */
static bool load_next(struct timetable *table, struct msg_read *read, char key[AGENDA_KEY_ROOM])
{
    *read = (struct msg_read){.what = READ_SPACE_SCAN,
                              .space = SLICE(AGENDA_SPACE),
                              .from = buffer_slice(&table->load_from),
                              .limit = MARK_PAGE_ROWS};
    if (!table->is_broken)
        return true;
    for (; table->single < table->agenda.count; table->single++) {
        const struct entry *entry = &table->agenda.entries[table->single];
        if (entry->is_off || entry->is_marked)
            continue;
        entry_key(entry, true, key);
        read->what = READ_SPACE_GET;
        read->from = slice_of(key);
        read->limit = 1;
        return true;
    }
    return false;
}

static void load(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;
    char key[AGENDA_KEY_ROOM];
    struct msg_read read;

    if (table->load_ticket != 0)
        return;
    if (!load_next(table, &read, key)) {
        table->is_loaded = true;
        schedules_turn(scheduler);
        return;
    }
    read.ticket = actor_ticket(scheduler->actor);
    if (store_read(scheduler->actor, &read) == ERROR_OK)
        table->load_ticket = read.ticket;
    else
        look_in(scheduler, AGAIN_MS);
}

static void take_page(struct timetable *table, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry row;

    for (uint64_t i = 0; i < msg->count && record_take_space_entry(&wire, &row); i++)
        if (!agenda_take_mark(&table->agenda, row.key, row.value))
            doom(table, row.key);
    buffer_clear(&table->load_from);
    buffer_append(&table->load_from, msg->next.data, msg->next.size);
    table->single += table->is_broken;
    table->is_loaded = !table->is_broken && msg->next.size == 0;
}

bool schedule_on_page(struct scheduler *scheduler, const struct msg_page *msg)
{
    struct timetable *table = scheduler->timetable;

    if (msg->ticket != table->load_ticket)
        return false;
    table->load_ticket = 0;
    if (table->is_stale)
        table->is_stale = false;
    else if (msg->error == ERROR_OK || msg->error == ERROR_NOT_FOUND)
        take_page(table, msg);
    else if (msg->error == ERROR_CORRUPT && !table->is_broken)
        table->is_broken = true;
    else if (msg->error == ERROR_CORRUPT)
        table->single++; /* this one begins anew */
    else {
        look_in(scheduler, AGAIN_MS);
        return true;
    }
    schedules_turn(scheduler);
    return true;
}

/* ---- life ---- */

void schedules_turn(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;

    if (table->agenda.count == 0 || scheduler->is_quiescing)
        return;
    if (!table->is_loaded) {
        load(scheduler);
        return;
    }
    if (table->doomed_count > 0 && table->sweep_ticket == 0)
        sweep(scheduler);
    if (table->commit_ticket != 0)
        return;
    if (actor_wall_trusted(scheduler->actor))
        work(scheduler);
    else
        look_in(scheduler, UNTRUSTED_MS);
}

static void build(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;

    agenda_build(&table->agenda, scheduler->config, scheduler->workflows, scheduler->workflow_count);
    table->zones_due_ms = actor_now(scheduler->actor) + DAY_MS;
    for (size_t i = 0; i < table->agenda.zone_count; i++)
        if (table->agenda.zones[i].zone == NULL)
            ACTOR_LOG(scheduler->actor, LOG_ERROR, "zone-missing", L_STR("zone", table->agenda.zones[i].name));
}

void schedules_start(struct scheduler *scheduler)
{
    scheduler->timetable = xcalloc(1, sizeof(*scheduler->timetable));
    scheduler->timetable->occasion_max = OCCASIONS_MAX;
    build(scheduler);
    schedules_turn(scheduler);
}

void schedules_reload(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;

    if (!table->is_loaded) { /* all is read again, so nothing half read is kept */
        agenda_fini(&table->agenda);
        buffer_clear(&table->load_from);
        table->is_broken = false;
        table->single = 0;
        table->is_stale = table->load_ticket != 0;
    }
    spare_doomed(table); /* some of them may be wanted again */
    build(scheduler);
    schedules_turn(scheduler);
}

void schedules_stop(struct scheduler *scheduler)
{
    struct timetable *table = scheduler->timetable;

    if (table == NULL)
        return;
    agenda_fini(&table->agenda);
    buffer_free(&table->load_from);
    spare_doomed(table);
    free(table);
    scheduler->timetable = NULL;
}
