/* calendar - the content calendar: channels with slots (times at which something is to be posted), entries that stand
 * in them, and drafts that have no slot yet. Pure; moments are UTC milliseconds, days are local day numbers
 * (civil_days).
 *
 * In the store, space "calendar":
 *   at/CHANNEL/SLOT/ID   the entry as JSON: {v, id, rev, channel, title, text, media, slot_ms, state, run, uid,
 *                        created_ms, changed_ms}; SLOT (its time, 0 for a draft) and ID are 16 hex digits, so the
 *                        entries of a slot are one scan by prefix, the oldest first
 *   entry/ID             the key of the above. Every change of an entry puts this key, so its version counts the
 *                        changes: the entry knows it as `rev`, and whoever changes the entry expects it
 *   meta                 {v, next, count}: the next id, how many entries there are. Whatever adds, moves or removes an
 *                        entry expects its version, so two changes never take the same place */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/schedule.h"
#include "proto/text/json.h"

#define CALENDAR_SPACE "calendar"
#define CALENDAR_META "meta"

enum {
    CALENDAR_TITLE_MAX = 200,
    CALENDAR_TEXT_MAX = 8 * 1024,
    CALENDAR_MEDIA_MAX = 2000,
    CALENDAR_UID_MAX = 255,
    CALENDAR_ENTRIES_MAX = 10000,
    CALENDAR_CRONS_MAX = 16,
    CALENDAR_SLOTS_A_DAY_MAX = 96,
    CALENDAR_CAPACITY_MAX = 20,
    CALENDAR_PROBLEM_BYTES = 240,
    CALENDAR_SAME_TEXT_DAYS = 14, /* the same text twice within them is a conflict */
};

/* ---- a slot's run (H4's part of the scheduler) ---- */

struct calendar_slot {
    const char *channel;
    int64_t planned_ms;
    size_t capacity; /* of the channel */
};

/* Appends the prefix under which a slot's entries stand: what FACT_LIST is asked for in CALENDAR_SPACE. */
void calendar_slot_prefix(struct buffer *into, const char *channel, int64_t planned_ms);
/* What a run gets as trigger.entries: [{id, title, text, media}], those planned for this slot, the oldest first, at
 * most its capacity. `listed` is [{key, version, value}] with the value as text; rows of other slots are passed over.
 * The caller owns the result. */
json_t *calendar_trigger_entries(const json_t *listed, const struct calendar_slot *slot);
/* Appends the operations that mark these same entries as used by a run, guarded by EXPECTs (a CONFLICT means: list
 * again). Returns how many operations; 0 when there is nothing to mark. A run in shadow does not call it. */
size_t calendar_put_used(struct buffer *ops, const json_t *listed, const struct calendar_slot *slot, uint64_t run,
                         int64_t now_ms);

/* ---- channels ---- */

struct calendar_channel {
    char *name;
    struct zone *zone; /* owned */
    struct cron crons[CALENDAR_CRONS_MAX];
    size_t cron_count, capacity;
    struct schedule_days *holidays; /* owned */
    size_t holiday_count;
};

/* Opens a channel of capacity 1 without holidays from checked cron expressions. False when one of them or the zone
 * cannot be read; the channel is closed then. */
bool calendar_channel_open(struct calendar_channel *channel, const char *name, const char *zone, char *const *slots,
                           size_t slot_count);
/* Gives it its holidays, days as schedule_days_read() takes them; once. False, and closed, when one cannot be read. */
bool calendar_channel_holidays(struct calendar_channel *channel, char *const *days, size_t day_count);
void calendar_channel_close(struct calendar_channel *channel);

/* The first slot after a moment, holidays included; INT64_MAX when there is none. */
int64_t calendar_next_slot(const struct calendar_channel *channel, int64_t after_ms);
/* The last slot before a moment, holidays included; INT64_MIN when there is none within 60 days. */
int64_t calendar_slot_before(const struct calendar_channel *channel, int64_t before_ms);
bool calendar_is_slot(const struct calendar_channel *channel, int64_t at_ms);
/* Whether a moment lies on a day on which no slot fires. */
bool calendar_is_holiday(const struct calendar_channel *channel, int64_t at_ms);
/* The first slot after a moment that is on no holiday and has room. `taken` are the times of the planned entries, in
 * order, one for each entry. INT64_MAX when there is none within two years. */
int64_t calendar_next_free(const struct calendar_channel *channel, int64_t after_ms, const int64_t *taken,
                           size_t taken_count);

/* ---- entries ---- */

enum calendar_state { CALENDAR_DRAFT, CALENDAR_PLANNED, CALENDAR_USED, CALENDAR_MISSED };

struct calendar_entry {
    uint64_t id, rev; /* rev 0: not stored yet */
    char *channel, *title, *text, *media, *uid; /* owned; never NULL after a read */
    int64_t slot_ms; /* 0: a draft */
    enum calendar_state state;
    uint64_t run; /* that used it; 0: none */
    int64_t created_ms, changed_ms;
};

const char *calendar_state_name(enum calendar_state state);
/* False when the bytes are no entry. The entry is to be ended with calendar_entry_fini() in any case. */
bool calendar_entry_read(struct slice json, struct calendar_entry *entry);
void calendar_entry_write(const struct calendar_entry *entry, struct buffer *into);
void calendar_entry_fini(struct calendar_entry *entry);
/* False with a sentence when title, text or media is not as an entry may have it. */
bool calendar_entry_check(const struct calendar_entry *entry, char problem[CALENDAR_PROBLEM_BYTES]);
/* The same number for the same title, text and media. */
uint64_t calendar_entry_print(const struct calendar_entry *entry);
/* CALENDAR_MISSED for a planned entry whose slot passed more than a day ago, else the entry's own state. */
enum calendar_state calendar_state_at(enum calendar_state state, int64_t slot_ms, int64_t now_ms);

/* Keys. */
void calendar_channel_prefix(struct buffer *into, const char *channel);
void calendar_place_key(struct buffer *into, const char *channel, int64_t slot_ms, uint64_t id);
void calendar_entry_key(struct buffer *into, uint64_t id);

/* Appends what stores a new or changed entry: guarded by its rev, which then grows by one. `was` is the place it stood
 * at before when it moved, or NULL. Returns how many operations. */
size_t calendar_put_entry(struct buffer *ops, struct calendar_entry *entry, const struct buffer *was);
size_t calendar_put_removal(struct buffer *ops, const struct calendar_entry *entry);

/* ---- the view ---- */

struct calendar_span {
    int64_t first_day, last_day; /* both included */
};

/* The week (from Monday) or month that a day lies in. */
struct calendar_span calendar_week_of(int64_t day);
struct calendar_span calendar_month_of(int64_t day);
/* The local day that a moment lies in, and when a local day begins, in the channel's zone. */
int64_t calendar_day_of(const struct calendar_channel *channel, int64_t at_ms);
int64_t calendar_day_begin(const struct calendar_channel *channel, int64_t day);
/* "2026-11-22T09:00:00+01:00" in the channel's zone. */
void calendar_print_at(struct buffer *into, const struct calendar_channel *channel, int64_t at_ms);
/* "2026-11-22T09:00" in the channel's zone (a time the clock skips is refused; one it shows twice is the first), or
 * with an offset. */
bool calendar_read_at(const struct calendar_channel *channel, struct slice text, int64_t *at_ms);

/* What calendar_view() needs of a stored entry: {id, title, state, slot_ms, text (80 characters), print}. NULL when the
 * bytes are no entry. The caller owns it. */
json_t *calendar_brief(struct slice json);
/* {channel, zone, capacity, from, to, days: [{date, weekday, holiday, slots: [{at, at_ms, capacity, entries: [{id,
 * title, state, text}], gap, conflict}], strays: [{id, title, state, text, at, at_ms}]}], warnings: [text]}.
 * gap: a slot to come, on no holiday, without an entry. conflict: more entries than capacity, or one whose text stands
 * in another entry within 14 days. strays: entries at a time that is no slot (any more). `briefs`: those from 14 days
 * before the span to 14 days after it, in the order of their keys. The caller owns the result. */
json_t *calendar_view(const struct calendar_channel *channel, struct calendar_span span, const json_t *briefs,
                      int64_t now_ms);
