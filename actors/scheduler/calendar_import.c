// SPDX-License-Identifier: MIT
#include "actors/scheduler/calendar_ask.h"
#include "flow/ical.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* calendar export and import. An import keeps in ask->state: `events` (those of the file), `at` (the next one), `known`
 * (UID -> {id, rev, slot_ms, used, print, created_ms} of what stands in the channel), `load` (slot -> how many
 * entries), and the counts of its answer. */

enum {
    BATCH_ENTRIES = 50,
    BATCH_BYTES = 256 * 1024,
    WARNINGS_MAX = 50,
    EXPORT_BYTES_MAX = 1280 * 1024,
    SHOWN_BYTES = 60
};

/* ---- export ---- */

static void export_entry(struct ask *ask, const struct calendar_entry *entry)
{
    const struct ical_event event = {
        .uid = entry->uid, .title = entry->title, .text = entry->text, .media = entry->media, .at_ms = entry->slot_ms};
    struct buffer text = {NULL, 0, 0};
    int64_t bytes = calendar_number(ask, "bytes");

    ical_put_event(&text, &event, entry->channel, entry->changed_ms);
    if (bytes + (int64_t)text.size > EXPORT_BYTES_MAX)
        calendar_set_number(ask, "left_out", calendar_number(ask, "left_out") + 1);
    else {
        json_array_append_new(calendar_list(ask, "parts"), json_stringn(text.data, text.size));
        calendar_set_number(ask, "bytes", bytes + (int64_t)text.size);
    }
    buffer_free(&text);
}

/* Drafts have no time, which an event must have. */
static bool on_export_row(struct scheduler *scheduler, struct ask *ask, const struct record_space_entry *row)
{
    struct calendar_entry entry;

    (void)scheduler;
    if (calendar_entry_read(row->value, &entry) && entry.slot_ms > 0)
        export_entry(ask, &entry);
    calendar_entry_fini(&entry);
    return true;
}

/* Alone in its answer the text is what the console prints, fit for a file. */
static void export_done(struct scheduler *scheduler, struct ask *ask)
{
    const int64_t left_out = calendar_number(ask, "left_out");
    struct buffer text = {NULL, 0, 0};
    json_t *answer;
    size_t index;
    const json_t *part;

    ical_put_begin(&text, scheduler->config->shop_name);
    json_array_foreach(calendar_list(ask, "parts"), index, part)
        buffer_append(&text, json_string_value(part), json_string_length(part));
    ical_put_end(&text);
    answer = json_pack("{s:s%}", "ics", text.data, text.size);
    if (left_out > 0)
        json_object_set_new(answer, "left_out", json_integer(left_out));
    ask_done(scheduler, ask, answer);
    buffer_free(&text);
}

static void export_channel(struct scheduler *scheduler, struct ask *ask);

static void on_export_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    if (!calendar_take_page(scheduler, ask, page, on_export_row, on_export_page))
        return;
    calendar_next_channel(ask);
    if (calendar_channel_in_turn(ask).size > 0)
        export_channel(scheduler, ask);
    else
        export_done(scheduler, ask);
}

static void export_channel(struct scheduler *scheduler, struct ask *ask)
{
    struct buffer prefix = {NULL, 0, 0}, from = {NULL, 0, 0};
    char *name = slice_dup(calendar_channel_in_turn(ask));

    calendar_channel_prefix(&prefix, name);
    calendar_slot_prefix(&from, name, 1);
    calendar_scan(scheduler, ask, buffer_slice(&prefix), buffer_slice(&from), on_export_page);
    buffer_free(&prefix);
    buffer_free(&from);
    free(name);
}

void ask_calendar_export(struct scheduler *scheduler, struct ask *ask)
{
    if (!calendar_take_channels(scheduler, ask))
        return;
    json_object_set_new(ask->state, "parts", json_array());
    export_channel(scheduler, ask);
}

/* ---- import: the file ---- */

/* A title is one line, whatever a calendar program put there. */
static char *title_of(const char *summary)
{
    char *title = slice_dup(slice_of(summary));

    for (char *at = title; *at != '\0'; at++)
        if (*at == '\n' || *at == '\t' || *at == '\r')
            *at = ' ';
    return title;
}

static char *text_of(const char *description)
{
    char *text = slice_dup(slice_of(description)), *into = text;

    for (const char *at = text; *at != '\0'; at++)
        if (*at != '\r')
            *into++ = *at;
    *into = '\0';
    return text;
}

/* An event as JSON for ask->state; false, and the ask is refused, when it cannot be an entry. */
static bool take_event(struct scheduler *scheduler, struct ask *ask, const struct ical_event *event)
{
    struct calendar_entry entry = {
        .title = title_of(event->title), .text = text_of(event->text), .media = slice_dup(slice_of(event->media))};
    char problem[CALENDAR_PROBLEM_BYTES];
    bool is_good = calendar_entry_check(&entry, problem);

    char shown[SHOWN_BYTES];

    snprintf(shown, sizeof(shown), "%s", entry.title[0] != '\0' ? entry.title : event->uid);
    text_end_whole(shown);
    if (is_good)
        json_array_append_new(calendar_list(ask, "events"),
                              json_pack("{s:s, s:s, s:s, s:s, s:I}", "uid", event->uid, "title", entry.title, "text",
                                        entry.text, "media", entry.media, "at_ms", (json_int_t)event->at_ms));
    else
        ask_refuse(scheduler, ask, ERROR_INVALID, "line %u: the event \"%s\" cannot be taken: %s", event->line, shown,
                   problem);
    calendar_entry_fini(&entry);
    return is_good;
}

/* An export of all channels, read back into one, must not bring it the others' posts. */
static bool is_elsewhere(const struct scheduler *scheduler, const struct ask *ask, const struct ical_event *event)
{
    const struct config *config = scheduler->config;

    for (size_t i = 0; i < config->channel_count; i++)
        if (strcmp(config->channels[i].name, event->category) == 0)
            return !slice_is(json_text_at(ask->state, "channel"), event->category);
    return false;
}

static bool take_file(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel)
{
    char problem[ICAL_PROBLEM_BYTES];
    struct ical_events events;
    bool is_good = ical_read(ask_text(ask, "ics"), channel->zone, &events, problem);

    if (!is_good)
        ask_refuse(scheduler, ask, ERROR_INVALID, "%s", problem);
    for (size_t i = 0; is_good && i < events.count; i++)
        if (is_elsewhere(scheduler, ask, &events.list[i]))
            calendar_set_number(ask, "elsewhere", calendar_number(ask, "elsewhere") + 1);
        else
            is_good = take_event(scheduler, ask, &events.list[i]);
    ical_events_fini(&events);
    return is_good;
}

/* ---- import: what stands there ---- */

static int64_t number_at(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void count_load(struct ask *ask, int64_t slot_ms, int64_t by)
{
    json_t *load = calendar_list(ask, "load");
    char slot[24];

    snprintf(slot, sizeof(slot), "%lld", (long long)slot_ms);
    if (slot_ms > 0)
        json_object_set_new(load, slot, json_integer(number_at(load, slot) + by));
}

static int64_t load_of(const struct ask *ask, int64_t slot_ms)
{
    char slot[24];

    snprintf(slot, sizeof(slot), "%lld", (long long)slot_ms);
    return number_at(calendar_list(ask, "load"), slot);
}

static void know(struct ask *ask, const struct calendar_entry *entry)
{
    json_object_set_new(calendar_list(ask, "known"), entry->uid,
                        json_pack("{s:I, s:I, s:I, s:b, s:I, s:I}", "id", (json_int_t)entry->id, "rev",
                                  (json_int_t)entry->rev, "slot_ms", (json_int_t)entry->slot_ms, "used",
                                  entry->state == CALENDAR_USED, "print", (json_int_t)calendar_entry_print(entry),
                                  "created_ms", (json_int_t)entry->created_ms));
}

static bool on_known_row(struct scheduler *scheduler, struct ask *ask, const struct record_space_entry *row)
{
    struct calendar_entry entry;

    (void)scheduler;
    if (calendar_entry_read(row->value, &entry)) {
        know(ask, &entry);
        count_load(ask, entry.slot_ms, 1);
    }
    calendar_entry_fini(&entry);
    return true;
}

/* ---- import: the changes ---- */

static void add_to(struct ask *ask, const char *count)
{
    calendar_set_number(ask, count, calendar_number(ask, count) + 1);
}

static void warn(struct ask *ask, const struct calendar_channel *channel, const struct calendar_entry *entry,
                 const char *what)
{
    json_t *warnings = calendar_list(ask, "warnings");
    struct buffer text = {NULL, 0, 0};

    if (json_array_size(warnings) >= WARNINGS_MAX)
        return;
    buffer_printf(&text, "\"%s\" at ", entry->title[0] != '\0' ? entry->title : entry->uid);
    calendar_print_at(&text, channel, entry->slot_ms);
    buffer_printf(&text, " %s", what);
    json_array_append_new(warnings, json_stringn(text.data, text.size));
    buffer_free(&text);
}

static void look_at_slot(struct ask *ask, const struct calendar_channel *channel, const struct calendar_entry *entry)
{
    if (entry->slot_ms == 0)
        return;
    if (!calendar_is_slot(channel, entry->slot_ms)) {
        add_to(ask, "strays");
        warn(ask, channel, entry, "is at no slot, so it is not posted until it is moved to one");
    } else if (calendar_is_holiday(channel, entry->slot_ms))
        warn(ask, channel, entry, "is on a holiday, when nothing is posted");
    else if (load_of(ask, entry->slot_ms) >= (int64_t)channel->capacity)
        warn(ask, channel, entry, "is in a slot that is full already");
}

/* The entry that an event asks for, over what is known of it. */
static void entry_of(struct ask *ask, const json_t *event, const json_t *known, struct calendar_entry *entry)
{
    struct slice channel = json_text_at(ask->state, "channel");

    *entry = (struct calendar_entry){.id = (uint64_t)number_at(known, "id"),
                                     .rev = (uint64_t)number_at(known, "rev"),
                                     .created_ms = number_at(known, "created_ms"),
                                     .slot_ms = number_at(event, "at_ms"),
                                     .channel = slice_dup(channel),
                                     .title = slice_dup(json_text_at(event, "title")),
                                     .text = slice_dup(json_text_at(event, "text")),
                                     .media = slice_dup(json_text_at(event, "media")),
                                     .uid = slice_dup(json_text_at(event, "uid"))};
    entry->state = entry->slot_ms > 0 ? CALENDAR_PLANNED : CALENDAR_DRAFT;
}

/* Appends what an event changes; false when it changes nothing. */
static bool put_event(struct ask *ask, const struct calendar_channel *channel, struct calendar_entry *entry,
                      const json_t *known, struct buffer *ops)
{
    struct buffer was = {NULL, 0, 0};
    int64_t was_ms = number_at(known, "slot_ms");

    if (known != NULL &&
        (json_is_true(json_object_get(known, "used")) ||
         (was_ms == entry->slot_ms && (uint64_t)number_at(known, "print") == calendar_entry_print(entry)))) {
        add_to(ask, "unchanged");
        return false;
    }
    if (entry->slot_ms > 0 && entry->slot_ms <= calendar_number(ask, "now_ms")) {
        add_to(ask, "past");
        return false;
    }
    if (known == NULL) {
        entry->id = (uint64_t)calendar_number(ask, "next");
        entry->created_ms = calendar_number(ask, "now_ms");
        calendar_set_number(ask, "next", (int64_t)entry->id + 1);
        add_to(ask, "count");
    } else {
        calendar_place_key(&was, entry->channel, was_ms, entry->id);
        count_load(ask, was_ms, -1);
    }
    add_to(ask, known == NULL ? "added" : "updated");
    look_at_slot(ask, channel, entry);
    count_load(ask, entry->slot_ms, 1);
    entry->changed_ms = calendar_number(ask, "now_ms");
    calendar_put_entry(ops, entry, known != NULL ? &was : NULL);
    know(ask, entry);
    buffer_free(&was);
    return true;
}

static void import_done(struct scheduler *scheduler, struct ask *ask)
{
    ask_done(scheduler, ask,
             json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "added", (json_int_t)calendar_number(ask, "added"),
                       "updated", (json_int_t)calendar_number(ask, "updated"), "unchanged",
                       (json_int_t)calendar_number(ask, "unchanged"), "past", (json_int_t)calendar_number(ask, "past"),
                       "elsewhere", (json_int_t)calendar_number(ask, "elsewhere"), "strays",
                       (json_int_t)calendar_number(ask, "strays"), "warnings", calendar_list(ask, "warnings")));
}

static void import_batch(struct scheduler *scheduler, struct ask *ask);

/* A batch that another change came before is made anew from what stands there now, as it was counted before it. */
static void on_imported(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    if (committed->error == ERROR_OK) {
        import_batch(scheduler, ask);
        return;
    }
    json_object_update(ask->state, json_object_get(ask->state, "before"));
    calendar_set_number(ask, "tries", calendar_number(ask, "tries") + 1);
    if (committed->error == ERROR_CONFLICT && calendar_number(ask, "tries") < CALENDAR_TRIES_MAX)
        calendar_read_meta(scheduler, ask);
    else
        ask_refuse(scheduler, ask, committed->error, "%s; %lld of %zu events were looked at before",
                   error_doc(committed->error), (long long)calendar_number(ask, "at"),
                   json_array_size(calendar_list(ask, "events")));
}

static void keep_counts(struct ask *ask)
{
    static const char *const names[] = {"at", "added", "updated", "unchanged", "past", "strays"};
    json_t *before = json_object();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        json_object_set_new(before, names[i], json_integer(calendar_number(ask, names[i])));
    json_object_set_new(before, "warnings", json_copy(calendar_list(ask, "warnings")));
    json_object_set_new(ask->state, "before", before);
}

/* Takes events until a commit is full or all are taken; how many entries change. */
static size_t fill_batch(struct ask *ask, const struct calendar_channel *channel, struct buffer *ops)
{
    const json_t *events = calendar_list(ask, "events"), *event;
    size_t changed = 0;

    while (changed < BATCH_ENTRIES && ops->size < BATCH_BYTES && calendar_number(ask, "count") < CALENDAR_ENTRIES_MAX &&
           (event = json_array_get(events, (size_t)calendar_number(ask, "at"))) != NULL) {
        json_t *known =
            json_incref(json_object_get(calendar_list(ask, "known"), json_string_value(json_object_get(event, "uid"))));
        struct calendar_entry entry;
        entry_of(ask, event, known, &entry);
        changed += put_event(ask, channel, &entry, known, ops);
        calendar_entry_fini(&entry);
        json_decref(known);
        add_to(ask, "at");
    }
    return changed;
}

static void import_batch(struct scheduler *scheduler, struct ask *ask)
{
    struct buffer ops = {NULL, 0, 0};
    struct calendar_channel channel;

    if (!calendar_channel_named(scheduler, ask, json_text_at(ask->state, "channel"), &channel))
        return;
    keep_counts(ask);
    if (fill_batch(ask, &channel, &ops) > 0) {
        calendar_put_meta(&ops, ask);
        ask_commit(scheduler, ask, &ops, on_imported);
    } else if (calendar_number(ask, "at") < (int64_t)json_array_size(calendar_list(ask, "events")))
        ask_refuse(scheduler, ask, ERROR_FULL,
                   "the calendar holds %d entries, as many as it may; %lld of %zu events "
                   "were looked at before",
                   CALENDAR_ENTRIES_MAX, (long long)calendar_number(ask, "at"),
                   json_array_size(calendar_list(ask, "events")));
    else
        import_done(scheduler, ask);
    buffer_free(&ops);
    calendar_channel_close(&channel);
}

static void on_known_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    if (calendar_take_page(scheduler, ask, page, on_known_row, on_known_page))
        import_batch(scheduler, ask);
}

void calendar_import_go_on(struct scheduler *scheduler, struct ask *ask)
{
    char *channel = slice_dup(json_text_at(ask->state, "channel"));
    struct buffer prefix = {NULL, 0, 0};

    json_object_set_new(ask->state, "known", json_object());
    json_object_set_new(ask->state, "load", json_object());
    calendar_set_number(ask, "now_ms", actor_wall(scheduler->actor));
    calendar_channel_prefix(&prefix, channel);
    calendar_scan(scheduler, ask, buffer_slice(&prefix), (struct slice){NULL, 0}, on_known_page);
    buffer_free(&prefix);
    free(channel);
}

void ask_calendar_import(struct scheduler *scheduler, struct ask *ask)
{
    struct slice name = ask_text(ask, "channel");
    struct calendar_channel channel;

    if (!calendar_channel_named(scheduler, ask, name, &channel))
        return;
    calendar_set_number(ask, "at", 0);
    json_object_set_new(ask->state, "channel", json_stringn(name.data, name.size));
    json_object_set_new(ask->state, "events", json_array());
    json_object_set_new(ask->state, "warnings", json_array());
    if (take_file(scheduler, ask, &channel))
        calendar_read_meta(scheduler, ask);
    calendar_channel_close(&channel);
}
