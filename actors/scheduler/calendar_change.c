// SPDX-License-Identifier: MIT
#include "actors/scheduler/calendar_ask.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* calendar add, move, edit and remove: one entry each. What is read on the way stands in ask->state: `entry` (as it is
 * stored) and `taken` (the times of what is planned to come). */

static void begin(struct scheduler *scheduler, struct ask *ask);
static void finish(struct scheduler *scheduler, struct ask *ask);

/* ---- the entry as it is to be ---- */

static void set_text(const struct ask *ask, const char *name, char **into)
{
    const json_t *value = json_object_get(ask->arguments, name);

    if (!json_is_string(value))
        return;
    free(*into);
    *into = slice_dup(slice_of(json_string_value(value)));
}

static bool entry_stored(const struct ask *ask, struct calendar_entry *entry)
{
    return calendar_entry_read(json_text_at(ask->state, "entry"), entry);
}

/* A new entry, but for its id. */
static void entry_new(const struct scheduler *scheduler, const struct ask *ask, struct calendar_entry *entry)
{
    *entry = (struct calendar_entry){.channel = slice_dup(ask_text(ask, "channel")),
                                     .title = slice_dup((struct slice){NULL, 0}),
                                     .text = slice_dup((struct slice){NULL, 0}),
                                     .media = slice_dup((struct slice){NULL, 0}),
                                     .uid = slice_dup((struct slice){NULL, 0}),
                                     .created_ms = actor_wall(scheduler->actor)};
    set_text(ask, "title", &entry->title);
    set_text(ask, "text", &entry->text);
    set_text(ask, "media", &entry->media);
}

static bool is_fit(struct scheduler *scheduler, struct ask *ask, const struct calendar_entry *entry)
{
    char problem[CALENDAR_PROBLEM_BYTES];

    if (calendar_entry_check(entry, problem))
        return true;
    ask_refuse(scheduler, ask, ERROR_INVALID, "%s", problem);
    return false;
}

static struct slice channel_of(const struct ask *ask)
{
    return json_text_at(ask->state, "channel");
}

/* ---- the slot ---- */

static void refuse_no_slot(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel,
                           int64_t at_ms)
{
    struct buffer text = {NULL, 0, 0};
    int64_t before = calendar_slot_before(channel, at_ms), after = calendar_next_slot(channel, at_ms);

    calendar_print_at(&text, channel, at_ms);
    buffer_printf(&text, " is no slot of %s", channel->name);
    if (before != INT64_MIN || after != INT64_MAX)
        buffer_text(&text, before != INT64_MIN && after != INT64_MAX ? "; the nearest are " : "; the nearest is ");
    if (before != INT64_MIN)
        calendar_print_at(&text, channel, before);
    if (before != INT64_MIN && after != INT64_MAX)
        buffer_text(&text, " and ");
    if (after != INT64_MAX)
        calendar_print_at(&text, channel, after);
    ask_refuse(scheduler, ask, ERROR_INVALID, "%.*s", (int)text.size, text.data);
    buffer_free(&text);
}

static int64_t next_free(const struct ask *ask, const struct calendar_channel *channel, int64_t after_ms)
{
    const json_t *list = calendar_list(ask, "taken");
    size_t count = json_array_size(list);
    int64_t *taken = xcalloc(count + 1, sizeof(taken[0])), at;

    for (size_t i = 0; i < count; i++)
        taken[i] = json_integer_value(json_array_get(list, i));
    at = calendar_next_free(channel, after_ms, taken, count);
    free(taken);
    return at;
}

/* Names the next free slot after the one that cannot be had. */
static void refuse_slot(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel,
                        int64_t at_ms, const char *why)
{
    int64_t now_ms = actor_wall(scheduler->actor), free_ms = next_free(ask, channel, at_ms > now_ms ? at_ms : now_ms);
    struct buffer text = {NULL, 0, 0};

    calendar_print_at(&text, channel, at_ms);
    buffer_printf(&text, " %s", why);
    if (free_ms != INT64_MAX) {
        buffer_text(&text, "; the next free slot is ");
        calendar_print_at(&text, channel, free_ms);
    }
    ask_refuse(scheduler, ask, ERROR_INVALID, "%.*s", (int)text.size, text.data);
    buffer_free(&text);
}

/* The wanted slot, 0 for a draft, as far as the words tell; false, and the ask is refused, when they do not. "next" is
 * told by -1: it depends on what is taken. */
static bool slot_wanted(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel,
                        int64_t *slot_ms)
{
    struct slice at = ask_text(ask, "at");

    *slot_ms = at.size == 0 ? 0 : -1;
    if (at.size == 0 || slice_is(at, "next"))
        return true;
    if (!calendar_read_at(channel, at, slot_ms)) {
        ask_refuse(scheduler, ask, ERROR_INVALID,
                   "at is a time like 2026-11-22T09:00 or 2026-11-22T09:00+01:00, or \"next\"");
        return false;
    }
    if (calendar_is_slot(channel, *slot_ms))
        return true;
    refuse_no_slot(scheduler, ask, channel, *slot_ms);
    return false;
}

/* Settles "next", and looks whether the slot can be had. `own_ms`: where the entry itself stands among the taken. */
static bool slot_settled(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel,
                         int64_t own_ms, int64_t *slot_ms)
{
    const json_t *taken = calendar_list(ask, "taken");
    int64_t now_ms = actor_wall(scheduler->actor);
    size_t index, here = 0;
    const json_t *at;

    if (*slot_ms == -1) {
        *slot_ms = next_free(ask, channel, now_ms);
        if (*slot_ms == INT64_MAX)
            ask_refuse(scheduler, ask, ERROR_FULL, "%s has no free slot within two years", channel->name);
        return *slot_ms != INT64_MAX;
    }
    if (*slot_ms == own_ms)
        return true;
    json_array_foreach(taken, index, at) here += json_integer_value(at) == *slot_ms;
    if (*slot_ms > now_ms && here < channel->capacity && !calendar_is_holiday(channel, *slot_ms))
        return true;
    refuse_slot(scheduler, ask, channel, *slot_ms,
                *slot_ms <= now_ms                       ? "is over"
                : calendar_is_holiday(channel, *slot_ms) ? "is on a holiday, when nothing is posted"
                                                         : "is full");
    return false;
}

/* ---- reading what is there ---- */

static bool on_taken_row(struct scheduler *scheduler, struct ask *ask, const struct record_space_entry *row)
{
    struct calendar_entry entry;

    (void)scheduler;
    if (calendar_entry_read(row->value, &entry) && entry.state == CALENDAR_PLANNED)
        json_array_append_new(calendar_list(ask, "taken"), json_integer(entry.slot_ms));
    calendar_entry_fini(&entry);
    return true;
}

static void on_taken_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    if (calendar_take_page(scheduler, ask, page, on_taken_row, on_taken_page))
        finish(scheduler, ask);
}

static void read_taken(struct scheduler *scheduler, struct ask *ask)
{
    struct buffer prefix = {NULL, 0, 0}, from = {NULL, 0, 0};
    char *channel = slice_dup(channel_of(ask));

    calendar_channel_prefix(&prefix, channel);
    calendar_slot_prefix(&from, channel, actor_wall(scheduler->actor));
    calendar_scan(scheduler, ask, buffer_slice(&prefix), buffer_slice(&from), on_taken_page);
    buffer_free(&prefix);
    buffer_free(&from);
    free(channel);
}

void calendar_change_go_on(struct scheduler *scheduler, struct ask *ask)
{
    json_object_set_new(ask->state, "taken", json_array());
    if (ask_text(ask, "at").size > 0)
        read_taken(scheduler, ask);
    else
        finish(scheduler, ask);
}

static void refuse_unknown(struct scheduler *scheduler, struct ask *ask)
{
    ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "there is no entry %lld", (long long)ask_number(ask, "id", 0));
}

/* Begins anew when another change came first. */
static void try_again(struct scheduler *scheduler, struct ask *ask, enum error error)
{
    calendar_set_number(ask, "tries", calendar_number(ask, "tries") + 1);
    if (error == ERROR_CONFLICT && calendar_number(ask, "tries") < CALENDAR_TRIES_MAX)
        begin(scheduler, ask);
    else
        ask_refuse(scheduler, ask, error, "%s", error_doc(error));
}

/* A used entry is what was posted: only removing it is left. */
static void on_entry(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct record_space_entry row;
    struct calendar_entry entry = {0};

    if (!calendar_take_row(page, &row) || !calendar_entry_read(row.value, &entry)) {
        calendar_entry_fini(&entry);
        try_again(scheduler, ask, ERROR_CONFLICT); /* it moved between the two looks */
        return;
    }
    json_object_set_new(ask->state, "entry", json_stringn(row.value.data, row.value.size));
    json_object_set_new(ask->state, "channel", json_string(entry.channel));
    if (entry.state == CALENDAR_USED && ask->command != COMMAND_CALENDAR_REMOVE)
        ask_refuse(scheduler, ask, ERROR_INVALID, "entry %llu was used by run %llu and stays as it is",
                   (unsigned long long)entry.id, (unsigned long long)entry.run);
    else if (ask->command == COMMAND_CALENDAR_EDIT)
        finish(scheduler, ask);
    else
        calendar_read_meta(scheduler, ask);
    calendar_entry_fini(&entry);
}

static void on_place(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct record_space_entry row;

    if (!calendar_take_row(page, &row)) {
        refuse_unknown(scheduler, ask);
        return;
    }
    calendar_get(scheduler, ask, row.value, on_entry);
}

static void read_entry(struct scheduler *scheduler, struct ask *ask)
{
    struct buffer key = {NULL, 0, 0};

    calendar_entry_key(&key, (uint64_t)ask_number(ask, "id", 0));
    calendar_get(scheduler, ask, buffer_slice(&key), on_place);
    buffer_free(&key);
}

/* ---- the change ---- */

static void on_committed(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    json_t *answer = json_object_get(ask->state, "answer");

    if (committed->error == ERROR_OK)
        ask_done(scheduler, ask, json_incref(answer));
    else
        try_again(scheduler, ask, committed->error);
}

static void commit(struct scheduler *scheduler, struct ask *ask, const struct buffer *ops,
                   const struct calendar_channel *channel, const struct calendar_entry *entry)
{
    json_object_set_new(ask->state, "answer", calendar_entry_told(channel, entry));
    ask_commit(scheduler, ask, ops, on_committed);
}

static void place(struct calendar_entry *entry, int64_t slot_ms)
{
    entry->slot_ms = slot_ms;
    entry->state = slot_ms > 0 ? CALENDAR_PLANNED : CALENDAR_DRAFT;
}

static void finish_add(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel)
{
    struct calendar_entry entry;
    struct buffer ops = {NULL, 0, 0};
    char uid[64];
    int64_t slot_ms;

    if (calendar_number(ask, "count") >= CALENDAR_ENTRIES_MAX) {
        ask_refuse(scheduler, ask, ERROR_FULL, "the calendar holds %d entries, as many as it may; remove some",
                   CALENDAR_ENTRIES_MAX);
        return;
    }
    if (!slot_wanted(scheduler, ask, channel, &slot_ms) ||
        (slot_ms != 0 && !slot_settled(scheduler, ask, channel, 0, &slot_ms)))
        return;
    entry_new(scheduler, ask, &entry);
    place(&entry, slot_ms);
    entry.id = (uint64_t)calendar_number(ask, "next");
    entry.changed_ms = entry.created_ms;
    snprintf(uid, sizeof(uid), "%llu.%lld@purser", (unsigned long long)entry.id, (long long)scheduler->config->box);
    free(entry.uid);
    entry.uid = slice_dup(slice_of(uid));
    calendar_set_number(ask, "next", (int64_t)entry.id + 1);
    calendar_set_number(ask, "count", calendar_number(ask, "count") + 1);
    calendar_put_meta(&ops, ask);
    calendar_put_entry(&ops, &entry, NULL);
    commit(scheduler, ask, &ops, channel, &entry);
    calendar_entry_fini(&entry);
    buffer_free(&ops);
}

static void finish_move(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel,
                        struct calendar_entry *entry)
{
    struct buffer ops = {NULL, 0, 0}, was = {NULL, 0, 0};
    int64_t slot_ms;

    if (!slot_wanted(scheduler, ask, channel, &slot_ms) ||
        (slot_ms != 0 && !slot_settled(scheduler, ask, channel, entry->slot_ms, &slot_ms)))
        return;
    calendar_place_key(&was, entry->channel, entry->slot_ms, entry->id);
    place(entry, slot_ms);
    entry->changed_ms = actor_wall(scheduler->actor);
    calendar_put_meta(&ops, ask);
    calendar_put_entry(&ops, entry, &was);
    commit(scheduler, ask, &ops, channel, entry);
    buffer_free(&ops);
    buffer_free(&was);
}

static void finish_edit(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel,
                        struct calendar_entry *entry)
{
    struct buffer ops = {NULL, 0, 0};

    set_text(ask, "title", &entry->title);
    set_text(ask, "text", &entry->text);
    set_text(ask, "media", &entry->media);
    if (!is_fit(scheduler, ask, entry))
        return;
    entry->changed_ms = actor_wall(scheduler->actor);
    calendar_put_entry(&ops, entry, NULL);
    commit(scheduler, ask, &ops, channel, entry);
    buffer_free(&ops);
}

static void finish_removal(struct scheduler *scheduler, struct ask *ask, const struct calendar_entry *entry)
{
    struct buffer ops = {NULL, 0, 0};

    calendar_set_number(ask, "count", calendar_number(ask, "count") - 1);
    calendar_put_meta(&ops, ask);
    calendar_put_removal(&ops, entry);
    json_object_set_new(ask->state, "answer", json_pack("{s:I, s:b}", "id", (json_int_t)entry->id, "removed", 1));
    ask_commit(scheduler, ask, &ops, on_committed);
    buffer_free(&ops);
}

/* An entry of a channel that is not configured any more can still be removed. */
static void finish(struct scheduler *scheduler, struct ask *ask)
{
    const bool is_new = ask->command == COMMAND_CALENDAR_ADD;
    struct calendar_entry entry = {0};
    struct calendar_channel channel;

    CHECK(is_new || entry_stored(ask, &entry));
    if (ask->command == COMMAND_CALENDAR_REMOVE)
        finish_removal(scheduler, ask, &entry);
    else if (calendar_channel_named(scheduler, ask, channel_of(ask), &channel)) {
        if (is_new)
            finish_add(scheduler, ask, &channel);
        else if (ask->command == COMMAND_CALENDAR_MOVE)
            finish_move(scheduler, ask, &channel, &entry);
        else
            finish_edit(scheduler, ask, &channel, &entry);
        calendar_channel_close(&channel);
    }
    calendar_entry_fini(&entry);
}

static void begin(struct scheduler *scheduler, struct ask *ask)
{
    if (ask->command == COMMAND_CALENDAR_ADD)
        calendar_read_meta(scheduler, ask);
    else
        read_entry(scheduler, ask);
}

void ask_calendar_add(struct scheduler *scheduler, struct ask *ask)
{
    struct slice name = ask_text(ask, "channel");
    struct calendar_channel channel;
    struct calendar_entry entry;
    int64_t slot_ms;
    bool is_good;

    if (!calendar_channel_named(scheduler, ask, name, &channel))
        return;
    entry_new(scheduler, ask, &entry);
    is_good = is_fit(scheduler, ask, &entry) && slot_wanted(scheduler, ask, &channel, &slot_ms);
    if (is_good) {
        calendar_set_number(ask, "tries", 0);
        json_object_set_new(ask->state, "channel", json_stringn(name.data, name.size));
        begin(scheduler, ask);
    }
    calendar_entry_fini(&entry);
    calendar_channel_close(&channel);
}

static void change(struct scheduler *scheduler, struct ask *ask)
{
    if (ask_number(ask, "id", 0) <= 0) {
        refuse_unknown(scheduler, ask);
        return;
    }
    calendar_set_number(ask, "tries", 0);
    begin(scheduler, ask);
}

void ask_calendar_move(struct scheduler *scheduler, struct ask *ask)
{
    change(scheduler, ask);
}

void ask_calendar_edit(struct scheduler *scheduler, struct ask *ask)
{
    if (json_object_get(ask->arguments, "text") == NULL && json_object_get(ask->arguments, "title") == NULL &&
        json_object_get(ask->arguments, "media") == NULL)
        ask_refuse(scheduler, ask, ERROR_INVALID, "say what is to change: text, media or title");
    else
        change(scheduler, ask);
}

void ask_calendar_remove(struct scheduler *scheduler, struct ask *ask)
{
    change(scheduler, ask);
}
