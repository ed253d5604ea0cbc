// SPDX-License-Identifier: MIT
#include "actors/scheduler/ask.h"
#include "actors/scheduler/schedules.h"
#include <stdlib.h>
#include <string.h>

enum { TIMES_MAX = 50, ROWS_MAX = 1000, CELLS_MAX = 5000 };
static const int64_t AHEAD_MS = 60000;

struct shown {
    const struct entry *entry;
    int64_t next_ms; /* INT64_MAX: never */
};

static const char *const missed_names[] = {
    [MISSED_SKIP] = "skip", [MISSED_ONCE] = "once", [MISSED_ALL] = "all", [MISSED_ASK] = "ask"};
static const char *const overlap_names[] = {
    [OVERLAP_ALLOW] = "allow", [OVERLAP_SKIP] = "skip", [OVERLAP_WAIT] = "wait"};

/* "2026-11-22T09:00:00+01:00" */
static void print_local(struct buffer *into, const struct zone *zone, int64_t ms)
{
    int64_t utc = civil_floor(ms, 1000);
    struct civil local = zone_local(zone, utc);
    int offset = zone_offset_at(zone, utc).seconds;
    int minutes = (offset < 0 ? -offset : offset) / 60;

    buffer_printf(into, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", (int)local.year, local.month, local.day, local.hour,
                  local.minute, local.second, offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static json_t *local_text(const struct zone *zone, int64_t ms)
{
    struct buffer text = {NULL, 0, 0};
    json_t *made;

    print_local(&text, zone, ms);
    made = json_stringn(text.data, text.size);
    buffer_free(&text);
    return made;
}

static const char *held_by(const struct scheduler *scheduler, const struct entry *entry)
{
    if (entry->is_off)
        return "the workflow is off";
    if (entry_zone(&scheduler->timetable->agenda, entry) == NULL)
        return "the time zone cannot be read";
    if (!scheduler->timetable->is_loaded)
        return "what fired before is still being read";
    if (!actor_wall_trusted(scheduler->actor))
        return "the clock is not trusted yet";
    if (entry->mark_ms > actor_wall(scheduler->actor) + AHEAD_MS)
        return "the clock is behind the last occurrence";
    return NULL;
}

/* Nothing fires a second time, so the times begin behind what has been settled. */
static int64_t begin_of(const struct scheduler *scheduler, const struct entry *entry)
{
    int64_t now = actor_wall(scheduler->actor);

    return entry->mark_ms > now ? entry->mark_ms : now;
}

static json_t *row_json(struct scheduler *scheduler, const struct shown *row, int64_t times)
{
    const struct entry *entry = row->entry;
    const struct agenda *agenda = &scheduler->timetable->agenda;
    const struct workflow_trigger *trigger = &entry->workflow->triggers[entry->trigger];
    const struct zone *zone = entry_zone(agenda, entry);
    json_t *next = json_array();
    int64_t at = row->next_ms;

    for (int64_t i = 0; i < times && at != INT64_MAX; i++) {
        json_array_append_new(next, local_text(zone, at));
        at = schedule_next(entry->schedule, zone, at);
    }
    json_t *made =
        json_pack("{s:s, s:s, s:i, s:s%, s:s, s:s, s:s, s:o, s:s?, s:i}", "workflow", entry->workflow->name, "mode",
                  workflow_mode_name(entry->workflow->mode), "trigger", (int)entry->trigger, "cron",
                  entry->cron_text.data, entry->cron_text.size, "zone", agenda->zones[entry->zone].name, "missed",
                  missed_names[trigger->missed], "overlap", overlap_names[trigger->overlap], "next", next, "held",
                  held_by(scheduler, entry), "fires_a_day", (int)schedule_fires_a_day(entry->schedule));
    if (entry->slot > 0)
        json_object_set_new(made, "slot", json_string(trigger->name));
    if (entry->schedule->jitter_ms > 0)
        json_object_set_new(made, "jitter_ms", json_integer(entry->schedule->jitter_ms));
    json_object_set_new(made, "last",
                        entry->fired_ms > 0 && zone != NULL ? local_text(zone, entry->fired_ms) : json_null());
    return made;
}

static int row_compare(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;

    if (x->next_ms != y->next_ms)
        return x->next_ms < y->next_ms ? -1 : 1;
    int order = strcmp(x->entry->workflow->name, y->entry->workflow->name);
    if (order != 0)
        return order;
    if (x->entry->trigger != y->entry->trigger)
        return x->entry->trigger < y->entry->trigger ? -1 : 1;
    return (x->entry->slot > y->entry->slot) - (x->entry->slot < y->entry->slot);
}

/* The rows that are asked for, soonest first; the caller frees them. */
static struct shown *rows_of(struct scheduler *scheduler, struct slice workflow, size_t *count)
{
    const struct agenda *agenda = &scheduler->timetable->agenda;
    struct shown *rows = xcalloc(agenda->count + 1, sizeof(rows[0]));

    *count = 0;
    for (size_t i = 0; i < agenda->count; i++) {
        const struct entry *entry = &agenda->entries[i];
        const struct zone *zone = entry_zone(agenda, entry);
        if (workflow.size > 0 && !slice_is(workflow, entry->workflow->name))
            continue;
        bool fires = !entry->is_off && zone != NULL;
        rows[(*count)++] =
            (struct shown){entry, fires ? schedule_next(entry->schedule, zone, begin_of(scheduler, entry)) : INT64_MAX};
    }
    qsort(rows, *count, sizeof(rows[0]), row_compare);
    return rows;
}

void ask_schedules(struct scheduler *scheduler, struct ask *ask)
{
    int64_t times = ask_number(ask, "count", 1);
    size_t count, shown;

    if (times < 1 || times > TIMES_MAX) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "count is 1 to %d", TIMES_MAX);
        return;
    }
    struct shown *rows = rows_of(scheduler, ask_text(ask, "workflow"), &count);
    json_t *list = json_array();
    size_t room = CELLS_MAX / (size_t)times < ROWS_MAX ? CELLS_MAX / (size_t)times : ROWS_MAX;
    for (shown = 0; shown < count && shown < room; shown++)
        json_array_append_new(list, row_json(scheduler, &rows[shown], times));
    free(rows);
    ask_done(scheduler, ask, json_pack("{s:o, s:I}", "schedules", list, "more", (json_int_t)(count - shown)));
}
