// SPDX-License-Identifier: MIT
#include "flow/calendar.h"
#include "proto/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHORT_CHARACTERS = 80, WARNINGS_MAX = 50 };

#define SAME_TEXT_MS ((int64_t)CALENDAR_SAME_TEXT_DAYS * CIVIL_DAY_S * 1000)

static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/* The first characters of a text. */
static struct slice cut(struct slice text, size_t characters)
{
    size_t at = 0;

    while (at < text.size && (characters > 0 || ((unsigned char)text.data[at] & 0xc0) == 0x80)) {
        if (((unsigned char)text.data[at] & 0xc0) != 0x80)
            characters--;
        at++;
    }
    return (struct slice){text.data, at};
}

/* Tells texts apart without keeping them (FNV-1a). */
static uint64_t print_of(const char *text)
{
    uint64_t print = 0xcbf29ce484222325;

    for (; *text != '\0'; text++)
        print = (print ^ (unsigned char)*text) * 0x100000001b3;
    return print;
}

json_t *calendar_brief(struct slice json)
{
    struct calendar_entry entry;
    json_t *brief = NULL;
    char print[17] = "";

    if (calendar_entry_read(json, &entry)) {
        struct slice text = cut(slice_of(entry.text), SHORT_CHARACTERS);
        if (entry.text[0] != '\0')
            snprintf(print, sizeof(print), "%016llx", (unsigned long long)print_of(entry.text));
        brief = json_pack("{s:I, s:s, s:s, s:I, s:s%, s:s}", "id", (json_int_t)entry.id, "title", entry.title, "state",
                          calendar_state_name(entry.state), "slot_ms", (json_int_t)entry.slot_ms, "text",
                          text.size > 0 ? text.data : "", text.size, "print", print);
        CHECK(brief != NULL);
    }
    calendar_entry_fini(&entry);
    return brief;
}

/* One view being made. */
struct view {
    const struct calendar_channel *channel;
    const json_t *briefs;
    size_t at;      /* the next brief */
    int64_t *twins; /* by brief: the id of the one with the same text, or 0 */
    int64_t now_ms;
    json_t *warnings;
};

static json_int_t number_of(const json_t *brief, const char *name)
{
    return json_integer_value(json_object_get(brief, name));
}

static int64_t slot_of(const struct view *view, size_t at)
{
    return at < json_array_size(view->briefs) ? number_of(json_array_get(view->briefs, at), "slot_ms") : INT64_MAX;
}

static enum calendar_state state_of(const struct view *view, const json_t *brief)
{
    struct slice name = json_text_at(brief, "state");

    for (int state = CALENDAR_DRAFT; state < CALENDAR_MISSED; state++)
        if (slice_is(name, calendar_state_name((enum calendar_state)state)))
            return calendar_state_at((enum calendar_state)state, number_of(brief, "slot_ms"), view->now_ms);
    return CALENDAR_MISSED;
}

/* A missed entry was never seen by anybody, so its text may come again. */
static void find_twins(struct view *view)
{
    json_t *last = json_object(); /* print -> index of the last brief with it */
    size_t index;
    const json_t *brief;

    view->twins = xcalloc(json_array_size(view->briefs) + 1, sizeof(view->twins[0]));
    json_array_foreach(view->briefs, index, brief)
    {
        const char *print = json_string_value(json_object_get(brief, "print"));
        if (print == NULL || print[0] == '\0' || number_of(brief, "slot_ms") == 0 ||
            state_of(view, brief) == CALENDAR_MISSED)
            continue;
        const json_t *place = json_object_get(last, print);
        size_t before = (size_t)json_integer_value(place);
        if (place != NULL && number_of(brief, "slot_ms") - slot_of(view, before) <= SAME_TEXT_MS) {
            view->twins[index] = number_of(json_array_get(view->briefs, before), "id");
            view->twins[before] = view->twins[before] != 0 ? view->twins[before] : number_of(brief, "id");
        }
        json_object_set_new(last, print, json_integer((json_int_t)index));
    }
    json_decref(last);
}

__attribute__((format(printf, 3, 4))) static void warn(struct view *view, int64_t at_ms, const char *format, ...)
{
    struct buffer text = {NULL, 0, 0};
    char sentence[160];
    va_list args;

    if (json_array_size(view->warnings) >= WARNINGS_MAX)
        return;
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    calendar_print_at(&text, view->channel, at_ms);
    buffer_printf(&text, ": %s", sentence);
    json_array_append_new(view->warnings, json_stringn(text.data, text.size));
    buffer_free(&text);
}

static json_t *entry_show(struct view *view, size_t at, json_t *into)
{
    const json_t *brief = json_array_get(view->briefs, at);
    json_t *shown = json_object();

    json_object_set(shown, "id", json_object_get(brief, "id"));
    json_object_set(shown, "title", json_object_get(brief, "title"));
    json_object_set_new(shown, "state", json_string(calendar_state_name(state_of(view, brief))));
    json_object_set(shown, "text", json_object_get(brief, "text"));
    json_array_append_new(into, shown);
    return shown;
}

/* Whether somebody could still do something about this entry. */
static bool is_open(const struct view *view, size_t at)
{
    return state_of(view, json_array_get(view->briefs, at)) == CALENDAR_PLANNED;
}

static void warn_of_twin(struct view *view, size_t at)
{
    if (view->twins[at] != 0 && is_open(view, at))
        warn(view, slot_of(view, at), "entry %lld has the same text as entry %lld, less than %d days apart",
             (long long)number_of(json_array_get(view->briefs, at), "id"), (long long)view->twins[at],
             CALENDAR_SAME_TEXT_DAYS);
}

static json_t *slot_show(struct view *view, int64_t at_ms)
{
    struct buffer at = {NULL, 0, 0};
    json_t *entries = json_array();
    size_t count = 0;
    bool is_twin = false, is_holiday = calendar_is_holiday(view->channel, at_ms), is_to_come = at_ms > view->now_ms;

    for (; slot_of(view, view->at) == at_ms; view->at++, count++) {
        entry_show(view, view->at, entries);
        is_twin = is_twin || view->twins[view->at] != 0;
        warn_of_twin(view, view->at);
    }
    if (count > view->channel->capacity && is_to_come)
        warn(view, at_ms, "%zu entries, and the slot takes %zu; the oldest are posted", count, view->channel->capacity);
    if (count > 0 && is_holiday && is_to_come)
        warn(view, at_ms, "a holiday: what is planned here is not posted");
    calendar_print_at(&at, view->channel, at_ms);
    json_t *slot =
        json_pack("{s:s%, s:I, s:I, s:o, s:b, s:b}", "at", at.data, at.size, "at_ms", (json_int_t)at_ms, "capacity",
                  (json_int_t)view->channel->capacity, "entries", entries, "gap",
                  count == 0 && is_to_come && !is_holiday, "conflict", is_twin || count > view->channel->capacity);
    buffer_free(&at);
    return slot;
}

static void stray_show(struct view *view, json_t *strays)
{
    struct buffer at = {NULL, 0, 0};
    int64_t at_ms = slot_of(view, view->at);
    json_t *shown = entry_show(view, view->at, strays);

    calendar_print_at(&at, view->channel, at_ms);
    json_object_set_new(shown, "at", json_stringn(at.data, at.size));
    json_object_set_new(shown, "at_ms", json_integer(at_ms));
    warn_of_twin(view, view->at);
    if (is_open(view, view->at) && at_ms > view->now_ms)
        warn(view, at_ms, "entry %lld stands at a time that is no slot, so it is not posted",
             (long long)number_of(shown, "id"));
    buffer_free(&at);
}

static json_t *day_show(struct view *view, int64_t day)
{
    const int64_t begin = calendar_day_begin(view->channel, day), end = calendar_day_begin(view->channel, day + 1);
    const struct civil civil = civil_of_seconds(day * CIVIL_DAY_S);
    json_t *slots = json_array(), *strays = json_array();
    int64_t at = calendar_next_slot(view->channel, begin - 1);
    char date[40];

    while (at < end || slot_of(view, view->at) < end) {
        if (at < end && at <= slot_of(view, view->at)) {
            json_array_append_new(slots, slot_show(view, at));
            at = calendar_next_slot(view->channel, at);
        } else {
            stray_show(view, strays);
            view->at++;
        }
    }
    snprintf(date, sizeof(date), "%04lld-%02d-%02d", (long long)civil.year, civil.month, civil.day);
    return json_pack("{s:s, s:s, s:b, s:o, s:o}", "date", date, "weekday", weekdays[civil_weekday(day)], "holiday",
                     calendar_is_holiday(view->channel, begin), "slots", slots, "strays", strays);
}

json_t *calendar_view(const struct calendar_channel *channel, struct calendar_span span, const json_t *briefs,
                      int64_t now_ms)
{
    struct view view = {.channel = channel, .briefs = briefs, .now_ms = now_ms, .warnings = json_array()};
    struct buffer from = {NULL, 0, 0}, to = {NULL, 0, 0};
    int64_t begin = calendar_day_begin(channel, span.first_day);
    json_t *days = json_array(), *shown;

    find_twins(&view);
    while (slot_of(&view, view.at) < begin)
        view.at++;
    for (int64_t day = span.first_day; day <= span.last_day; day++)
        json_array_append_new(days, day_show(&view, day));
    calendar_print_at(&from, channel, begin);
    calendar_print_at(&to, channel, calendar_day_begin(channel, span.last_day + 1));
    shown = json_pack("{s:s, s:s, s:I, s:s%, s:s%, s:o, s:o}", "channel", channel->name, "zone",
                      zone_name(channel->zone), "capacity", (json_int_t)channel->capacity, "from", from.data, from.size,
                      "to", to.data, to.size, "days", days, "warnings", view.warnings);
    CHECK(shown != NULL);
    buffer_free(&from);
    buffer_free(&to);
    free(view.twins);
    return shown;
}
