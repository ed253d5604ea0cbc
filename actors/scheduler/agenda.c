// SPDX-License-Identifier: MIT
#include "actors/scheduler/agenda.h"
#include "proto/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t MARK_MS_MAX = INT64_C(1) << 50; /* some 35,000 years: sums with it cannot overflow */

/* FNV-1a. */
static uint64_t digest(uint64_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t key_id(struct slice key)
{
    return digest(UINT64_C(0xcbf29ce484222325), key);
}

static uint32_t edition_of(struct slice cron_text, const char *zone)
{
    uint64_t hash = digest(digest(key_id(cron_text), SLICE("\n")), slice_of(zone));

    return (uint32_t)(hash ^ hash >> 32);
}

/* ---- keys and marks ---- */

void entry_key(const struct entry *entry, bool with_edition, char key[AGENDA_KEY_ROOM])
{
    int size = snprintf(key, AGENDA_KEY_ROOM, "%s/%u", entry->workflow->name, entry->trigger);

    if (entry->slot > 0)
        size += snprintf(key + size, AGENDA_KEY_ROOM - (size_t)size, "/%u", entry->slot);
    if (with_edition)
        snprintf(key + size, AGENDA_KEY_ROOM - (size_t)size, "#%08x", entry->edition);
}

static bool take_ms(struct slice text, size_t *at, int64_t *ms)
{
    size_t start = *at;

    for (*ms = 0; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at)
        if ((*ms = *ms * 10 + (text.data[*at] - '0')) > MARK_MS_MAX)
            return false;
    return *at > start;
}

static bool read_mark(struct slice text, int64_t *mark_ms, int64_t *fired_ms)
{
    size_t at = 0;

    *fired_ms = 0;
    if (!take_ms(text, &at, mark_ms))
        return false;
    if (at == text.size)
        return true;
    return text.data[at++] == ' ' && take_ms(text, &at, fired_ms) && at == text.size;
}

void agenda_put_mark(const struct entry *entry, int64_t mark_ms, int64_t fired_ms, struct buffer *value)
{
    int64_t fired = fired_ms > 0 ? fired_ms : entry->fired_ms;

    buffer_printf(value, "%lld", (long long)mark_ms);
    if (fired > 0)
        buffer_printf(value, " %lld", (long long)fired);
}

bool agenda_take_mark(struct agenda *agenda, struct slice key, struct slice value)
{
    const char *hash = key.size > 0 ? memchr(key.data, '#', key.size) : NULL;
    struct slice base = {key.data, hash != NULL ? (size_t)(hash - key.data) : key.size};
    struct entry *entry = agenda_find(agenda, key_id(base));
    char own[AGENDA_KEY_ROOM];
    int64_t mark_ms, fired_ms;

    if (entry == NULL || entry->is_off)
        return false;
    entry_key(entry, hash != NULL, own);
    if (!slice_is(key, own) || (hash == NULL && entry->is_marked))
        return false;
    if (!read_mark(value, &mark_ms, &fired_ms))
        return hash != NULL;         /* begins anew and writes over it */
    entry->has_bare |= hash == NULL; /* it sorts before the others, so those are right in the end */
    entry->is_marked = true;
    entry->mark_ms = mark_ms;
    entry->fired_ms = fired_ms;
    return true;
}

/* ---- what stands in it ---- */

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

struct entry *agenda_find(const struct agenda *agenda, uint64_t id)
{
    if (agenda->count == 0)
        return NULL;
    return bsearch(&(struct entry){.id = id}, agenda->entries, agenda->count, sizeof(agenda->entries[0]),
                   entry_compare);
}

static uint32_t zone_index(struct agenda *agenda, const char *name)
{
    for (size_t i = 0; i < agenda->zone_count; i++)
        if (strcmp(agenda->zones[i].name, name) == 0)
            return (uint32_t)i;
    agenda->zones = xrealloc(agenda->zones, (agenda->zone_count + 1) * sizeof(agenda->zones[0]));
    agenda->zones[agenda->zone_count] = (struct agenda_zone){name, zone_open(name)};
    return (uint32_t)agenda->zone_count++;
}

static void add(struct agenda *agenda, struct entry entry, const char *zone)
{
    char key[AGENDA_KEY_ROOM];

    entry.edition = edition_of(entry.cron_text, zone);
    entry.zone = zone_index(agenda, zone);
    entry_key(&entry, false, key);
    entry.id = key_id(slice_of(key));
    if ((agenda->count & (agenda->count - 1)) == 0) /* it grows by doubling */
        agenda->entries =
            xrealloc(agenda->entries, (agenda->count > 0 ? agenda->count * 2 : 1) * sizeof(agenda->entries[0]));
    agenda->entries[agenda->count++] = entry;
}

static void read_holidays(struct agenda *agenda, const struct config *config)
{
    char problem[CRON_PROBLEM_BYTES];

    agenda->holidays = xcalloc(config->holiday_count + 1, sizeof(agenda->holidays[0]));
    for (size_t i = 0; i < config->holiday_count; i++)
        if (schedule_days_read(slice_of(config->holidays[i]), &agenda->holidays[agenda->holiday_count], problem))
            agenda->holiday_count++;
}

static void read_slots(struct agenda *agenda, const struct config *config)
{
    char problem[CRON_PROBLEM_BYTES];
    size_t count = 0, at = 0;

    read_holidays(agenda, config);
    for (size_t i = 0; i < config->channel_count; i++)
        count += config->channels[i].slot_count;
    agenda->slots = xcalloc(count + 1, sizeof(agenda->slots[0]));
    for (size_t i = 0; i < config->channel_count; i++)
        for (size_t j = 0; j < config->channels[i].slot_count; j++, at++) {
            agenda->slots[at].except = agenda->holidays;
            agenda->slots[at].except_count = agenda->holiday_count;
            CHECK(cron_parse(slice_of(config->channels[i].slots[j]), &agenda->slots[at].cron, problem));
        }
}

static void add_slots(struct agenda *agenda, const struct config *config, struct entry entry)
{
    const char *name = entry.workflow->triggers[entry.trigger].name;
    size_t at = 0;

    for (size_t i = 0; i < config->channel_count; at += config->channels[i++].slot_count) {
        const struct channel *channel = &config->channels[i];
        if (strcmp(channel->name, name) != 0)
            continue;
        for (size_t j = 0; j < channel->slot_count; j++) {
            entry.slot = (uint16_t)(j + 1);
            entry.schedule = &agenda->slots[at + j];
            entry.cron_text = slice_of(channel->slots[j]);
            add(agenda, entry, channel->zone != NULL ? channel->zone : config->shop_zone);
        }
    }
}

static void add_triggers(struct agenda *agenda, const struct config *config, const struct workflow *workflow)
{
    for (size_t i = 0; i < workflow->trigger_count; i++) {
        const struct workflow_trigger *trigger = &workflow->triggers[i];
        struct entry entry = {.workflow = workflow, .trigger = (uint16_t)i, .is_off = workflow->mode == WORKFLOW_OFF};

        if (trigger->kind == TRIGGER_SLOT)
            add_slots(agenda, config, entry);
        if (trigger->kind != TRIGGER_SCHEDULE)
            continue;
        entry.schedule = &trigger->schedule;
        entry.cron_text = trigger->cron_text;
        add(agenda, entry, trigger->schedule.zone != NULL ? trigger->schedule.zone : config->shop_zone);
    }
}

static void keep_marks(struct agenda *agenda, const struct agenda *before)
{
    for (size_t i = 0; i < agenda->count; i++) {
        struct entry *entry = &agenda->entries[i];
        const struct entry *old = agenda_find(before, entry->id);

        if (old == NULL || entry->is_off || old->edition != entry->edition)
            continue;
        entry->is_marked = old->is_marked;
        entry->has_bare = old->has_bare;
        entry->mark_ms = old->mark_ms;
        entry->fired_ms = old->fired_ms;
    }
}

void agenda_build(struct agenda *agenda, const struct config *config, struct workflow *const *workflows,
                  size_t workflow_count)
{
    struct agenda before = *agenda;

    *agenda = (struct agenda){0};
    read_slots(agenda, config);
    for (size_t i = 0; i < workflow_count; i++)
        add_triggers(agenda, config, workflows[i]);
    if (agenda->count > 0) {
        qsort(agenda->entries, agenda->count, sizeof(agenda->entries[0]), entry_compare);
        agenda->entries = xrealloc(agenda->entries, agenda->count * sizeof(agenda->entries[0]));
    }
    agenda->heap = xcalloc(agenda->count + 1, sizeof(agenda->heap[0]));
    keep_marks(agenda, &before);
    agenda_fini(&before);
    agenda_look_again(agenda);
}

void agenda_fini(struct agenda *agenda)
{
    for (size_t i = 0; i < agenda->zone_count; i++)
        zone_close(&agenda->zones[i].zone);
    free(agenda->zones);
    free(agenda->entries);
    free(agenda->heap);
    free(agenda->slots);
    free(agenda->holidays);
    *agenda = (struct agenda){0};
}

const struct zone *entry_zone(const struct agenda *agenda, const struct entry *entry)
{
    return agenda->zones[entry->zone].zone;
}

int64_t entry_delay(const struct entry *entry, int64_t planned_ms)
{
    char key[AGENDA_KEY_ROOM];

    if (entry->schedule->jitter_ms <= 0)
        return 0;
    entry_key(entry, false, key);
    return schedule_delay(entry->schedule, slice_of(key), planned_ms);
}

struct plan entry_plan(const struct agenda *agenda, const struct entry *entry, int64_t mark_ms, int64_t now_ms)
{
    const struct workflow_trigger *trigger = &entry->workflow->triggers[entry->trigger];
    char key[AGENDA_KEY_ROOM];

    entry_key(entry, false, key);
    return planner_next(&(struct planner_rule){.schedule = entry->schedule,
                                               .zone = entry_zone(agenda, entry),
                                               .name = slice_of(key),
                                               .missed = trigger->missed,
                                               .grace_ms = trigger->grace_ms},
                        mark_ms, now_ms);
}

void agenda_reopen_zones(struct agenda *agenda)
{
    for (size_t i = 0; i < agenda->zone_count; i++) {
        struct zone *zone = zone_open(agenda->zones[i].name);
        if (zone == NULL)
            continue;
        zone_close(&agenda->zones[i].zone);
        agenda->zones[i].zone = zone;
    }
}

/* ---- the heap ---- */

static int64_t due_at(const struct agenda *agenda, size_t place)
{
    return agenda->entries[agenda->heap[place]].due_ms;
}

static void swap(struct agenda *agenda, size_t a, size_t b)
{
    uint32_t index = agenda->heap[a];

    agenda->heap[a] = agenda->heap[b];
    agenda->heap[b] = index;
}

void agenda_look_again(struct agenda *agenda)
{
    agenda->heap_count = 0;
    for (size_t i = 0; i < agenda->count; i++) {
        struct entry *entry = &agenda->entries[i];

        entry->is_queued = !entry->is_off && entry_zone(agenda, entry) != NULL;
        entry->due_ms = INT64_MIN; /* all the same, so any order is a heap */
        if (entry->is_queued)
            agenda->heap[agenda->heap_count++] = (uint32_t)i;
    }
}

const struct entry *agenda_first(const struct agenda *agenda)
{
    return agenda->heap_count > 0 ? &agenda->entries[agenda->heap[0]] : NULL;
}

struct entry *agenda_pop(struct agenda *agenda)
{
    CHECK(agenda->heap_count > 0);
    struct entry *entry = &agenda->entries[agenda->heap[0]];
    size_t at = 0;

    agenda->heap[0] = agenda->heap[--agenda->heap_count];
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < agenda->heap_count; child++)
            if (due_at(agenda, child) < due_at(agenda, least))
                least = child;
        if (least == at)
            break;
        swap(agenda, at, least);
        at = least;
    }
    entry->is_queued = false;
    return entry;
}

void agenda_push(struct agenda *agenda, struct entry *entry, int64_t due_ms)
{
    size_t at = agenda->heap_count++;

    CHECK(!entry->is_queued && agenda->heap_count <= agenda->count);
    entry->is_queued = true;
    entry->due_ms = due_ms;
    agenda->heap[at] = (uint32_t)(entry - agenda->entries);
    for (; at > 0 && due_at(agenda, at) < due_at(agenda, (at - 1) / 2); at = (at - 1) / 2)
        swap(agenda, at, (at - 1) / 2);
}
