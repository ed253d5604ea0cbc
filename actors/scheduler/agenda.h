/* agenda - every schedule and slot trigger of the workflows, each with its mark, and a heap that gives the one that is
 * due first. Pure but for reading zone files. Internal to the scheduler.
 *
 * Marks are kept in the store, space "schedule": key WORKFLOW/TRIGGER#EDITION, for a slot
 * WORKFLOW/TRIGGER/SLOT#EDITION; value "SETTLED FIRED", milliseconds, FIRED missing or 0 when it never did. The edition
 * is a digest of cron and zone: an edited schedule begins anew. A key without one was written by an earlier release,
 * and is good for any. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/planner.h"
#include "config/config.h"

#define AGENDA_SPACE "schedule"

enum { AGENDA_KEY_ROOM = 128 };

struct entry {
    uint64_t id; /* digest of its key without the edition: entries are in this order */
    uint32_t edition, zone;
    uint16_t trigger, slot; /* slot: index into the channel's slots, 1 the first; 0: a schedule */
    bool is_off;            /* its workflow is */
    bool is_marked;         /* not so: it begins now */
    bool has_bare;          /* a key of an earlier release is to be removed */
    bool is_queued;         /* in the heap */
    const struct workflow *workflow;
    const struct schedule *schedule;
    struct slice cron_text;
    int64_t mark_ms;  /* everything planned up to here is settled */
    int64_t fired_ms; /* planned time of the last one that fired; 0: none yet */
    int64_t due_ms;   /* when to look at it again */
};

struct agenda_zone {
    const char *name;  /* borrowed */
    struct zone *zone; /* NULL: cannot be read */
};

struct agenda {
    struct entry *entries;
    size_t count;
    uint32_t *heap; /* of entries' indexes, by due_ms */
    size_t heap_count;
    struct agenda_zone *zones;
    size_t zone_count;
    struct schedule *slots; /* of all channels, one behind the other */
    struct schedule_days *holidays;
    size_t holiday_count;
};

/* Reads all triggers anew. Entries that were there before in the same edition keep their marks. Config and workflows
 * are borrowed until the next build or the end; those of the build before may be gone already. */
void agenda_build(struct agenda *agenda, const struct config *config, struct workflow *const *workflows,
                  size_t workflow_count);
void agenda_fini(struct agenda *agenda);

/* The entry of that id, or NULL. */
struct entry *agenda_find(const struct agenda *agenda, uint64_t id);
/* An entry's key, with or without its edition. */
void entry_key(const struct entry *entry, bool with_edition, char key[AGENDA_KEY_ROOM]);
/* NULL when the zone cannot be read. */
const struct zone *entry_zone(const struct agenda *agenda, const struct entry *entry);
/* What to do about it at now_ms if everything up to mark_ms is settled. Its zone must be there. */
struct plan entry_plan(const struct agenda *agenda, const struct entry *entry, int64_t mark_ms, int64_t now_ms);
/* How much later than planned it is to happen. */
int64_t entry_delay(const struct entry *entry, int64_t planned_ms);

/* Takes a row of the space. False: it belongs to none of the entries, or to an earlier edition. */
bool agenda_take_mark(struct agenda *agenda, struct slice key, struct slice value);
void agenda_put_mark(const struct entry *entry, int64_t mark_ms, int64_t fired_ms, struct buffer *value);

/* Opens the zones again: rules change on disk. Those that cannot be read now stay as they were. */
void agenda_reopen_zones(struct agenda *agenda);
/* Every entry that can fire is to be looked at, at once. */
void agenda_look_again(struct agenda *agenda);
/* The entry that is due first, or NULL. */
const struct entry *agenda_first(const struct agenda *agenda);
struct entry *agenda_pop(struct agenda *agenda);
/* Puts an entry that is not in the heap into it. */
void agenda_push(struct agenda *agenda, struct entry *entry, int64_t due_ms);
