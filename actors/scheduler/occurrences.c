// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "flow/calendar.h"
#include "flow/civil.h"
#include "proto/check.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_ROOM = WORKFLOW_NAME_MAX + 24 };
static const int64_t OVERLAP_PAUSE_MS = 10000, OVERLAP_PAUSE_MS_MAX = 900000;

static const struct workflow_trigger *trigger_of(const struct event *event, const struct workflow *workflow)
{
    return &workflow->triggers[event->payload.occurrence.trigger];
}

static bool is_occurrence(const struct event *event)
{
    return event->is_flow && !event->is_malformed && event->payload.id == PAYLOAD_OCCURRENCE;
}

/* ---- missed: ask ---- */

/* The owner is asked once, by a job in doubt: reviving it says yes. */
static void ask_owner(struct scheduler *scheduler, struct event *event)
{
    struct buffer detail = {NULL, 0, 0};

    buffer_text(&detail, "missed at ");
    civil_print_instant(&detail, event->payload.occurrence.planned_ms);
    buffer_printf(&detail, "; job revive %" PRIu64 " runs it late, job cancel %" PRIu64 " drops it", event->id,
                  event->id);
    event_forget(event);
    op_put_note(&event->ops, &(struct op_note){event->id, event->fence, SLICE("asked")});
    op_put_doubt(&event->ops, &(struct op_doubt){event->id, event->fence, buffer_slice(&detail)});
    buffer_free(&detail);
    event_commit(scheduler, event);
}

/* ---- overlap ---- */

static void overlap_key(const struct event *event, const struct workflow *workflow, char key[KEY_ROOM])
{
    snprintf(key, KEY_ROOM, "%s/%" PRIu64, workflow->name, event->payload.occurrence.trigger);
}

static void overlap_is_known(struct scheduler *scheduler, struct event *event)
{
    event->overlap_is_known = true;
    event_go_on(scheduler, event);
}

static void on_overlap(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    struct wire wire = wire_over(msg->rows);
    struct record_space_entry entry;
    char digits[24];

    event->overlap_version = 0;
    if (msg->error != ERROR_OK || !record_take_space_entry(&wire, &entry)) {
        overlap_is_known(scheduler, event);
        return;
    }
    event->overlap_version = entry.version;
    snprintf(digits, sizeof(digits), "%.*s", (int)(entry.value.size < 20 ? entry.value.size : 20),
             entry.value.size ? entry.value.data : "");
    event_read(scheduler, event, EVENT_OVERLAP_RUN,
               (struct msg_read){.what = READ_RUN, .id = strtoull(digits, NULL, 10), .limit = 1});
}

/* The longer one has waited, the longer it may wait: many of them must not keep the disk busy. */
static int64_t overlap_pause(struct scheduler *scheduler, const struct event *event)
{
    int64_t pause = (actor_wall(scheduler->actor) - event->created_ms) / 16;

    return pause < OVERLAP_PAUSE_MS ? OVERLAP_PAUSE_MS : pause > OVERLAP_PAUSE_MS_MAX ? OVERLAP_PAUSE_MS_MAX : pause;
}

static void on_overlap_run(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    const struct payload_occurrence *occurrence = &event->payload.occurrence;
    const struct workflow *workflow = scheduler_workflow(scheduler, occurrence->workflow);
    struct wire wire = wire_over(msg->rows);
    struct record_run_entry entry;

    if (msg->error != ERROR_OK || !record_take_run_entry(&wire, &entry) || entry.state != RUN_OPEN) {
        overlap_is_known(scheduler, event);
        return;
    }
    /* The workflow may have been changed meanwhile. */
    if (workflow == NULL || occurrence->trigger >= workflow->trigger_count)
        event_restart(scheduler, event);
    else if (trigger_of(event, workflow)->overlap == OVERLAP_WAIT)
        event_defer(scheduler, event, overlap_pause(scheduler, event), ERROR_HELD);
    else {
        ACTOR_LOG(scheduler->actor, LOG_WARN, "schedule-skipped", L_TEXT("workflow", occurrence->workflow),
                  L_I64("planned_ms", occurrence->planned_ms), L_U64("open", entry.run));
        actor_count(scheduler->actor, METRIC_SCHEDULE_SKIPPED, 0, 1);
        event_drop(scheduler, event);
    }
}

void occurrence_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg)
{
    if (event->phase == EVENT_OVERLAP)
        on_overlap(scheduler, event, msg);
    else {
        CHECK(event->phase == EVENT_OVERLAP_RUN);
        on_overlap_run(scheduler, event, msg);
    }
}

bool occurrence_may_begin(struct scheduler *scheduler, struct event *event, const struct workflow *workflow)
{
    const struct workflow_trigger *trigger = trigger_of(event, workflow);
    char key[KEY_ROOM];

    if (trigger->missed == MISSED_ASK && event->payload.occurrence.is_late && !event->has_note) {
        ask_owner(scheduler, event);
        return false;
    }
    if (trigger->overlap == OVERLAP_ALLOW || event->overlap_is_known)
        return true;
    overlap_key(event, workflow, key);
    event_read(scheduler, event, EVENT_OVERLAP,
               (struct msg_read){.what = READ_SPACE_GET, .space = SLICE("overlap"), .from = slice_of(key), .limit = 1});
    return false;
}

/* ---- slots ---- */

static struct calendar_slot slot_of(const struct scheduler *scheduler, const struct event *event,
                                    const struct workflow_trigger *trigger)
{
    struct calendar_slot slot = {trigger->name, event->payload.occurrence.planned_ms, 1};

    for (size_t i = 0; i < scheduler->config->channel_count; i++)
        if (strcmp(scheduler->config->channels[i].name, trigger->name) == 0)
            slot.capacity = (size_t)scheduler->config->channels[i].capacity;
    return slot;
}

/* The slot's entries as a fact; NULL when they are being read. */
static const json_t *listed(struct scheduler *scheduler, struct event *event, const struct calendar_slot *slot,
                            bool may_read)
{
    struct fact_wanted wanted = {.kind = FACT_LIST, .space = CALENDAR_SPACE};
    struct buffer prefix = {NULL, 0, 0};

    calendar_slot_prefix(&prefix, slot->channel, slot->planned_ms);
    CHECK(prefix.size < sizeof(wanted.key));
    memcpy(wanted.key, prefix.data, prefix.size);
    buffer_free(&prefix);
    snprintf(wanted.name, sizeof(wanted.name), "slot/%s", wanted.key);
    const json_t *fact = json_object_get(event->facts, wanted.name);
    if (fact == NULL && may_read)
        fact_read(scheduler, event, &wanted);
    return fact;
}

json_t *occurrence_trigger(struct scheduler *scheduler, struct event *event, const struct workflow *workflow)
{
    const struct payload_occurrence *occurrence = &event->payload.occurrence;
    const struct workflow_trigger *trigger = trigger_of(event, workflow);
    bool is_slot = trigger->kind == TRIGGER_SLOT;
    json_t *value = json_pack("{s:s, s:I, s:I, s:b}", "kind", is_slot ? "slot" : "schedule", "index",
                              (json_int_t)occurrence->trigger, "planned_ms", (json_int_t)occurrence->planned_ms, "late",
                              occurrence->is_late);

    if (!is_slot)
        return value;
    struct calendar_slot slot = slot_of(scheduler, event, trigger);
    const json_t *rows = listed(scheduler, event, &slot, true);
    if (rows == NULL) {
        json_decref(value);
        return NULL;
    }
    json_object_set_new(value, "channel", json_string(trigger->name));
    json_object_set_new(value, "entries", calendar_trigger_entries(rows, &slot));
    return value;
}

/* ---- the begin ---- */

static size_t put_overlap(struct event *event, const struct workflow *workflow)
{
    char key[KEY_ROOM], value[24];

    overlap_key(event, workflow, key);
    snprintf(value, sizeof(value), "%" PRIu64, event->begun_id);
    op_put_expect(&event->ops, &(struct op_expect){SLICE("overlap"), slice_of(key), event->overlap_version});
    op_put_put(&event->ops, &(struct op_put){SLICE("overlap"), slice_of(key), slice_of(value)});
    return 2;
}

size_t occurrence_put(struct scheduler *scheduler, struct event *event, const struct workflow *workflow)
{
    size_t count = 0;

    if (!is_occurrence(event))
        return 0;
    const struct workflow_trigger *trigger = trigger_of(event, workflow);
    if (trigger->overlap != OVERLAP_ALLOW)
        count += put_overlap(event, workflow);
    if (trigger->kind == TRIGGER_SLOT && run_is_live(&event->run)) {
        struct calendar_slot slot = slot_of(scheduler, event, trigger);
        count += calendar_put_used(&event->ops, listed(scheduler, event, &slot, false), &slot, event->begun_id,
                                   actor_wall(scheduler->actor));
    }
    return count;
}
