// SPDX-License-Identifier: MIT
#include "flow/calendar.h"
#include "proto/check.h"
#include "proto/ops.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_VERSION = 1, DAY_MS = CIVIL_DAY_S * 1000 };

static const char *const state_names[] = {"draft", "planned", "used", "missed", NULL};

const char *calendar_state_name(enum calendar_state state)
{
    return state_names[state];
}

enum calendar_state calendar_state_at(enum calendar_state state, int64_t slot_ms, int64_t now_ms)
{
    return state == CALENDAR_PLANNED && slot_ms < now_ms - DAY_MS ? CALENDAR_MISSED : state;
}

/* ---- keys ---- */

void calendar_channel_prefix(struct buffer *into, const char *channel)
{
    buffer_printf(into, "at/%s/", channel);
}

void calendar_slot_prefix(struct buffer *into, const char *channel, int64_t planned_ms)
{
    CHECK(planned_ms >= 0);
    buffer_printf(into, "at/%s/%016llx/", channel, (unsigned long long)planned_ms);
}

void calendar_place_key(struct buffer *into, const char *channel, int64_t slot_ms, uint64_t id)
{
    calendar_slot_prefix(into, channel, slot_ms);
    buffer_printf(into, "%016llx", (unsigned long long)id);
}

void calendar_entry_key(struct buffer *into, uint64_t id)
{
    buffer_printf(into, "entry/%016llx", (unsigned long long)id);
}

/* ---- entries ---- */

static bool take_state(const json_t *object, enum calendar_state *state)
{
    struct slice name = json_text_at(object, "state");

    for (int i = 0; state_names[i] != NULL; i++)
        if (slice_is(name, state_names[i])) {
            *state = (enum calendar_state)i;
            return true;
        }
    return false;
}

static int64_t number_at(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static bool entry_take(const json_t *object, struct calendar_entry *entry)
{
    struct {
        const char *name;
        char **into;
    } const texts[] = {{"channel", &entry->channel},
                       {"title", &entry->title},
                       {"text", &entry->text},
                       {"media", &entry->media},
                       {"uid", &entry->uid}};

    *entry = (struct calendar_entry){
        .id = (uint64_t)number_at(object, "id"),
        .rev = (uint64_t)number_at(object, "rev"),
        .slot_ms = number_at(object, "slot_ms"),
        .run = (uint64_t)number_at(object, "run"),
        .created_ms = number_at(object, "created_ms"),
        .changed_ms = number_at(object, "changed_ms"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i].into = slice_dup(json_text_at(object, texts[i].name));
    return number_at(object, "v") == ENTRY_VERSION && entry->id > 0 && entry->slot_ms >= 0 &&
           entry->channel[0] != '\0' && take_state(object, &entry->state);
}

bool calendar_entry_read(struct slice json, struct calendar_entry *entry)
{
    struct json_problem problem;
    json_t *object = json_read(json, &problem);
    bool good = object != NULL && json_is_object(object) && entry_take(object, entry);

    if (object == NULL || !json_is_object(object))
        *entry = (struct calendar_entry){0};
    json_decref(object);
    return good;
}

void calendar_entry_write(const struct calendar_entry *entry, struct buffer *into)
{
    json_t *object =
        json_pack("{s:i, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I}", "v", ENTRY_VERSION, "id",
                  (json_int_t)entry->id, "rev", (json_int_t)entry->rev, "channel", entry->channel, "title",
                  entry->title, "text", entry->text, "media", entry->media, "uid", entry->uid, "slot_ms",
                  (json_int_t)entry->slot_ms, "state", calendar_state_name(entry->state), "run", (json_int_t)entry->run,
                  "created_ms", (json_int_t)entry->created_ms, "changed_ms", (json_int_t)entry->changed_ms);

    CHECK(object != NULL);
    json_write(into, object);
    json_decref(object);
}

void calendar_entry_fini(struct calendar_entry *entry)
{
    free(entry->channel);
    free(entry->title);
    free(entry->text);
    free(entry->media);
    free(entry->uid);
    *entry = (struct calendar_entry){0};
}

/* ---- what an entry may hold ---- */

static bool has_control(const char *text, const char *allowed)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < 0x20 && strchr(allowed, *text) == NULL) || *text == 0x7f)
            return true;
    return false;
}

static bool is_address(const char *media)
{
    return strncmp(media, "https://", 8) == 0 && media[8] != '\0' && strchr("/?#:@", media[8]) == NULL &&
           strpbrk(media, " \"<>\\^`{|}") == NULL && !has_control(media, "");
}

bool calendar_entry_check(const struct calendar_entry *entry, char problem[CALENDAR_PROBLEM_BYTES])
{
    problem[0] = '\0';
    if (strlen(entry->title) > CALENDAR_TITLE_MAX || has_control(entry->title, ""))
        snprintf(problem, CALENDAR_PROBLEM_BYTES, "a title is one line of at most %d bytes", CALENDAR_TITLE_MAX);
    else if (strlen(entry->text) > CALENDAR_TEXT_MAX)
        snprintf(problem, CALENDAR_PROBLEM_BYTES, "the text has %zu bytes; at most %d are kept", strlen(entry->text),
                 CALENDAR_TEXT_MAX);
    else if (has_control(entry->text, "\n\t"))
        snprintf(problem, CALENDAR_PROBLEM_BYTES,
                 "the text has control characters in it; only new lines and tabs may stand there");
    else if (strlen(entry->media) > CALENDAR_MEDIA_MAX || (entry->media[0] != '\0' && !is_address(entry->media)))
        snprintf(problem, CALENDAR_PROBLEM_BYTES,
                 "media must be an https address of at most %d bytes, like https://shop.example/tea.jpg",
                 CALENDAR_MEDIA_MAX);
    else if (entry->text[0] == '\0' && entry->title[0] == '\0' && entry->media[0] == '\0')
        snprintf(problem, CALENDAR_PROBLEM_BYTES, "the entry is empty: it needs a text, a title or media");
    return problem[0] == '\0';
}

/* FNV-1a; the NUL at the end of each text is part of it, so that texts do not run into each other. */
uint64_t calendar_entry_print(const struct calendar_entry *entry)
{
    const char *const texts[] = {entry->title, entry->text, entry->media};
    uint64_t print = 0xcbf29ce484222325;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (size_t at = 0, size = strlen(texts[i]); at <= size; at++)
            print = (print ^ (unsigned char)texts[i][at]) * 0x100000001b3;
    return print;
}

/* ---- changes ---- */

size_t calendar_put_entry(struct buffer *ops, struct calendar_entry *entry, const struct buffer *was)
{
    const struct slice space = SLICE(CALENDAR_SPACE);
    struct buffer key = {NULL, 0, 0}, place = {NULL, 0, 0}, json = {NULL, 0, 0};
    size_t count = 3;

    calendar_entry_key(&key, entry->id);
    calendar_place_key(&place, entry->channel, entry->slot_ms, entry->id);
    op_put_expect(ops, &(struct op_expect){space, buffer_slice(&key), entry->rev});
    entry->rev++;
    calendar_entry_write(entry, &json);
    if (was != NULL && !slice_equal(buffer_slice(was), buffer_slice(&place))) {
        op_put_delete(ops, &(struct op_delete){space, buffer_slice(was)});
        count++;
    }
    op_put_put(ops, &(struct op_put){space, buffer_slice(&place), buffer_slice(&json)});
    op_put_put(ops, &(struct op_put){space, buffer_slice(&key), buffer_slice(&place)});
    buffer_free(&key);
    buffer_free(&place);
    buffer_free(&json);
    return count;
}

size_t calendar_put_removal(struct buffer *ops, const struct calendar_entry *entry)
{
    const struct slice space = SLICE(CALENDAR_SPACE);
    struct buffer key = {NULL, 0, 0}, place = {NULL, 0, 0};

    calendar_entry_key(&key, entry->id);
    calendar_place_key(&place, entry->channel, entry->slot_ms, entry->id);
    op_put_expect(ops, &(struct op_expect){space, buffer_slice(&key), entry->rev});
    op_put_delete(ops, &(struct op_delete){space, buffer_slice(&place)});
    op_put_delete(ops, &(struct op_delete){space, buffer_slice(&key)});
    buffer_free(&key);
    buffer_free(&place);
    return 3;
}

/* ---- a slot's run ---- */

/* The next row that this slot's run takes, from *at on. The entry is to be ended by the caller when there is one. */
static bool take_next(const json_t *listed, size_t *at, const struct calendar_slot *slot, struct calendar_entry *entry)
{
    for (; *at < json_array_size(listed); (*at)++) {
        struct slice value = json_text_at(json_array_get(listed, *at), "value");
        if (calendar_entry_read(value, entry) && entry->state == CALENDAR_PLANNED &&
            entry->slot_ms == slot->planned_ms && strcmp(entry->channel, slot->channel) == 0) {
            (*at)++;
            return true;
        }
        calendar_entry_fini(entry);
    }
    return false;
}

json_t *calendar_trigger_entries(const json_t *listed, const struct calendar_slot *slot)
{
    json_t *entries = json_array();
    struct calendar_entry entry;

    for (size_t at = 0; json_array_size(entries) < slot->capacity && take_next(listed, &at, slot, &entry);) {
        json_array_append_new(entries, json_pack("{s:I, s:s, s:s, s:s}", "id", (json_int_t)entry.id, "title",
                                                 entry.title, "text", entry.text, "media", entry.media));
        calendar_entry_fini(&entry);
    }
    return entries;
}

size_t calendar_put_used(struct buffer *ops, const json_t *listed, const struct calendar_slot *slot, uint64_t run,
                         int64_t now_ms)
{
    struct calendar_entry entry;
    size_t count = 0, used = 0;

    for (size_t at = 0; used < slot->capacity && take_next(listed, &at, slot, &entry); used++) {
        entry.state = CALENDAR_USED;
        entry.run = run;
        entry.changed_ms = now_ms;
        count += calendar_put_entry(ops, &entry, NULL);
        calendar_entry_fini(&entry);
    }
    return count;
}
