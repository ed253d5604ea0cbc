// SPDX-License-Identifier: MIT
#include "actors/scheduler/calendar_ask.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_ENTRIES = 200, ROOM_ROWS = 100, KEPT_DAYS = 60, PAGE_ROWS = 1000 };

/* ---- channels ---- */

const struct channel *calendar_channel_find(const struct scheduler *scheduler, struct slice name)
{
    for (size_t i = 0; i < scheduler->config->channel_count; i++)
        if (slice_is(name, scheduler->config->channels[i].name))
            return &scheduler->config->channels[i];
    return NULL;
}

static void refuse_channel(struct scheduler *scheduler, struct ask *ask, struct slice name)
{
    struct buffer known = {NULL, 0, 0};
    char shown[NAME_BYTES_MAX + 1];

    snprintf(shown, sizeof(shown), "%.*s", (int)(name.size < NAME_BYTES_MAX ? name.size : NAME_BYTES_MAX),
             name.size > 0 ? name.data : "");
    text_end_whole(shown);
    for (size_t i = 0; i < scheduler->config->channel_count; i++)
        buffer_printf(&known, "%s%s", i > 0 ? ", " : "", scheduler->config->channels[i].name);
    if (known.size == 0)
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "the configuration has no channels; add channels: to purser.yaml");
    else
        ask_refuse(scheduler, ask, ERROR_NOT_FOUND, "there is no channel \"%s\" in the configuration; known: %.*s",
                   shown, (int)known.size, known.data);
    buffer_free(&known);
}

bool calendar_channel_named(struct scheduler *scheduler, struct ask *ask, struct slice name,
                            struct calendar_channel *channel)
{
    const struct config *config = scheduler->config;
    const struct channel *found = calendar_channel_find(scheduler, name);

    if (found == NULL) {
        refuse_channel(scheduler, ask, name);
        return false;
    }
    if (!calendar_channel_open(channel, found->name, found->zone != NULL ? found->zone : config->shop_zone,
                               found->slots, found->slot_count) ||
        !calendar_channel_holidays(channel, config->holidays, config->holiday_count)) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "the time zone of the channel \"%s\" cannot be read", found->name);
        return false;
    }
    channel->capacity = (size_t)found->capacity;
    return true;
}

/* ---- what a command keeps ---- */

static json_t *state_of(struct ask *ask)
{
    if (ask->state == NULL)
        ask->state = json_object();
    return ask->state;
}

int64_t calendar_number(const struct ask *ask, const char *name)
{
    return json_integer_value(json_object_get(ask->state, name));
}

void calendar_set_number(struct ask *ask, const char *name, int64_t value)
{
    json_object_set_new(state_of(ask), name, json_integer(value));
}

json_t *calendar_list(const struct ask *ask, const char *name)
{
    return json_object_get(ask->state, name);
}

bool calendar_take_channels(struct scheduler *scheduler, struct ask *ask)
{
    const struct config *config = scheduler->config;
    struct slice only = ask_text(ask, "channel");
    json_t *names = json_array();

    for (size_t i = 0; i < config->channel_count; i++)
        if (only.size == 0 || slice_is(only, config->channels[i].name))
            json_array_append_new(names, json_string(config->channels[i].name));
    json_object_set_new(state_of(ask), "channels", names);
    calendar_set_number(ask, "index", 0);
    if (json_array_size(names) > 0)
        return true;
    refuse_channel(scheduler, ask, only);
    return false;
}

struct slice calendar_channel_in_turn(const struct ask *ask)
{
    const json_t *name = json_array_get(calendar_list(ask, "channels"), (size_t)calendar_number(ask, "index"));

    return name != NULL ? slice_of(json_string_value(name)) : (struct slice){NULL, 0};
}

void calendar_next_channel(struct ask *ask)
{
    calendar_set_number(ask, "index", calendar_number(ask, "index") + 1);
}

/* ---- reading ---- */

void calendar_get(struct scheduler *scheduler, struct ask *ask, struct slice key, calendar_on_page *on_page)
{
    ask_read(scheduler, ask,
             &(struct msg_read){.what = READ_SPACE_GET, .space = SLICE(CALENDAR_SPACE), .from = key, .limit = 1},
             on_page);
}

static void read_on(struct scheduler *scheduler, struct ask *ask, struct slice from, calendar_on_page *on_page)
{
    ask_read(
        scheduler, ask,
        &(struct msg_read){.what = READ_SPACE_SCAN, .space = SLICE(CALENDAR_SPACE), .from = from, .limit = PAGE_ROWS},
        on_page);
}

void calendar_scan(struct scheduler *scheduler, struct ask *ask, struct slice prefix, struct slice from,
                   calendar_on_page *on_page)
{
    json_object_set_new(state_of(ask), "prefix", json_stringn(prefix.data, prefix.size));
    read_on(scheduler, ask, from.size > 0 ? from : prefix, on_page);
}

static bool has_prefix(const struct ask *ask, struct slice key)
{
    struct slice prefix = json_text_at(ask->state, "prefix");

    return key.size >= prefix.size && memcmp(key.data, prefix.data, prefix.size) == 0;
}

bool calendar_take_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page,
                        calendar_on_row *on_row, calendar_on_page *on_page)
{
    struct wire wire = wire_over(page->rows);
    struct record_space_entry row;

    for (uint64_t i = 0; i < page->count; i++) {
        if (!record_take_space_entry(&wire, &row)) {
            ask_refuse(scheduler, ask, ERROR_CORRUPT, "%s", error_doc(ERROR_CORRUPT));
            return false;
        }
        if (!has_prefix(ask, row.key) || !on_row(scheduler, ask, &row))
            return true;
    }
    if (page->next.size == 0 || !has_prefix(ask, page->next))
        return true;
    read_on(scheduler, ask, page->next, on_page);
    return false;
}

bool calendar_take_row(const struct msg_page *page, struct record_space_entry *row)
{
    struct wire wire = wire_over(page->rows);

    return page->error == ERROR_OK && page->count > 0 && record_take_space_entry(&wire, row);
}

/* ---- meta ---- */

static void go_on(struct scheduler *scheduler, struct ask *ask)
{
    if (ask->command == COMMAND_CALENDAR_IMPORT)
        calendar_import_go_on(scheduler, ask);
    else
        calendar_change_go_on(scheduler, ask);
}

void calendar_put_meta(struct buffer *ops, struct ask *ask)
{
    const struct slice space = SLICE(CALENDAR_SPACE), key = SLICE(CALENDAR_META);
    json_t *meta = json_pack("{s:i, s:I, s:I}", "v", 1, "next", (json_int_t)calendar_number(ask, "next"), "count",
                             (json_int_t)calendar_number(ask, "count"));
    struct buffer json = {NULL, 0, 0};

    json_write(&json, meta);
    op_put_expect(ops, &(struct op_expect){space, key, (uint64_t)calendar_number(ask, "meta_version")});
    op_put_put(ops, &(struct op_put){space, key, buffer_slice(&json)});
    calendar_set_number(ask, "meta_version", calendar_number(ask, "meta_version") + 1);
    json_decref(meta);
    buffer_free(&json);
}

/* Drops what was posted or missed long ago; its posts can still be seen in the runs and in the shop's database. */
static bool on_old_row(struct scheduler *scheduler, struct ask *ask, const struct record_space_entry *row)
{
    const int64_t until = actor_wall(scheduler->actor) - (int64_t)KEPT_DAYS * CIVIL_DAY_S * 1000;
    json_t *old = calendar_list(ask, "old");
    struct calendar_entry entry;
    bool is_old = calendar_entry_read(row->value, &entry) && entry.slot_ms < until;

    if (is_old && entry.slot_ms > 0)
        json_array_append_new(old, json_pack("{s:I, s:I, s:I}", "id", (json_int_t)entry.id, "rev",
                                             (json_int_t)entry.rev, "slot_ms", (json_int_t)entry.slot_ms));
    calendar_entry_fini(&entry);
    return is_old && json_array_size(old) < ROOM_ROWS;
}

static void on_room_made(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed)
{
    (void)committed; /* somebody else's change in between is as good: the next look tells */
    calendar_read_meta(scheduler, ask);
}

static void on_old_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct buffer ops = {NULL, 0, 0};
    size_t index;
    const json_t *old;

    if (!calendar_take_page(scheduler, ask, page, on_old_row, on_old_page))
        return;
    calendar_set_number(ask, "roomed", 1);
    if (json_array_size(calendar_list(ask, "old")) == 0) {
        go_on(scheduler, ask);
        return;
    }
    calendar_set_number(ask, "count",
                        calendar_number(ask, "count") - (int64_t)json_array_size(calendar_list(ask, "old")));
    calendar_put_meta(&ops, ask);
    json_array_foreach(calendar_list(ask, "old"), index, old)
    {
        char *channel = slice_dup(json_text_at(ask->state, "channel"));
        calendar_put_removal(&ops,
                             &(struct calendar_entry){.id = (uint64_t)json_integer_value(json_object_get(old, "id")),
                                                      .rev = (uint64_t)json_integer_value(json_object_get(old, "rev")),
                                                      .slot_ms = json_integer_value(json_object_get(old, "slot_ms")),
                                                      .channel = channel});
        free(channel);
    }
    ask_commit(scheduler, ask, &ops, on_room_made);
    buffer_free(&ops);
}

static void make_room(struct scheduler *scheduler, struct ask *ask)
{
    char *channel = slice_dup(json_text_at(ask->state, "channel"));
    struct buffer prefix = {NULL, 0, 0}, from = {NULL, 0, 0};

    json_object_set_new(ask->state, "old", json_array());
    calendar_channel_prefix(&prefix, channel);
    calendar_slot_prefix(&from, channel, 1);
    calendar_scan(scheduler, ask, buffer_slice(&prefix), buffer_slice(&from), on_old_page);
    buffer_free(&prefix);
    buffer_free(&from);
    free(channel);
}

static void on_meta(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct record_space_entry row;
    struct json_problem problem;
    json_t *meta = NULL;

    if (calendar_take_row(page, &row))
        meta = json_read(row.value, &problem);
    calendar_set_number(ask, "meta_version", meta != NULL ? (int64_t)row.version : 0);
    calendar_set_number(ask, "next", meta != NULL ? json_integer_value(json_object_get(meta, "next")) : 1);
    calendar_set_number(ask, "count", json_integer_value(json_object_get(meta, "count")));
    json_decref(meta);
    if (calendar_number(ask, "count") + ROOM_ENTRIES > CALENDAR_ENTRIES_MAX && calendar_number(ask, "roomed") == 0)
        make_room(scheduler, ask);
    else
        go_on(scheduler, ask);
}

void calendar_read_meta(struct scheduler *scheduler, struct ask *ask)
{
    calendar_get(scheduler, ask, SLICE(CALENDAR_META), on_meta);
}

/* ---- answers ---- */

json_t *calendar_entry_told(const struct calendar_channel *channel, const struct calendar_entry *entry)
{
    json_t *told = json_pack("{s:I, s:s, s:s, s:s, s:n, s:I}", "id", (json_int_t)entry->id, "channel", entry->channel,
                             "title", entry->title, "state", calendar_state_name(entry->state), "slot", "slot_ms",
                             (json_int_t)entry->slot_ms);
    struct buffer at = {NULL, 0, 0};

    CHECK(told != NULL);
    if (entry->slot_ms > 0) {
        calendar_print_at(&at, channel, entry->slot_ms);
        json_object_set_new(told, "slot", json_stringn(at.data, at.size));
    }
    buffer_free(&at);
    return told;
}
