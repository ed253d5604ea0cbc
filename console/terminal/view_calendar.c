// SPDX-License-Identifier: MIT
#include "console/terminal/view.h"
#include "console/terminal/width.h"
#include <stdio.h>

enum { TITLE_COLUMNS = 48, FREE_ON_A_LINE = 8, CELL_COLUMNS = 11, TIME_AT = 11, TIME_BYTES = 5, DATE_BYTES = 10 };

static const char indent[] = "                ";

static struct slice part(struct slice text, size_t at, size_t size)
{
    return text.size >= at + size ? (struct slice){text.data + at, size} : (struct slice){"?", 1};
}

/* "09:00" of "2026-11-23T09:00:00+01:00". */
static struct slice clock_of(const json_t *of)
{
    return part(json_text_at(of, "at"), TIME_AT, TIME_BYTES);
}

static bool is_true(const json_t *of, const char *key)
{
    return json_is_true(json_object_get(of, key));
}

static void put(struct buffer *into, struct slice text)
{
    width_clean(into, text, false, 0);
}

/* "#17 Tea", and the state where it is not the usual one. */
static void put_entry(struct buffer *into, const json_t *entry, const char *mark)
{
    struct slice title = json_text_at(entry, "title"), state = json_text_at(entry, "state");
    struct buffer clean = {NULL, 0, 0};

    put(&clean, title.size > 0 ? title : json_text_at(entry, "text"));
    struct slice shown = width_cut(buffer_slice(&clean), TITLE_COLUMNS);
    buffer_printf(into, "#%lld %.*s", (long long)json_integer_value(json_object_get(entry, "id")), (int)shown.size,
                  shown.size > 0 ? shown.data : "");
    if (shown.size < clean.size)
        buffer_text(into, "\xe2\x80\xa6");
    if (!slice_is(state, "planned"))
        buffer_printf(into, " (%.*s)", (int)state.size, state.size > 0 ? state.data : "");
    buffer_printf(into, "%s\n", mark);
    buffer_free(&clean);
}

static void put_entries(struct buffer *into, const json_t *slot)
{
    const json_t *entries = json_object_get(slot, "entries");
    struct slice clock = clock_of(slot);

    for (size_t i = 0; i < json_array_size(entries); i++) {
        if (i == 0)
            buffer_printf(into, "%.*s  ", (int)clock.size, clock.data);
        else
            buffer_printf(into, "%s%*s  ", indent, (int)clock.size, "");
        put_entry(into, json_array_get(entries, i), is_true(slot, "conflict") ? "  ! conflict" : "");
    }
}

/* ---- the week ---- */

static const char *empty_word(const json_t *day, const json_t *slot)
{
    return is_true(slot, "gap") ? "free" : is_true(day, "holiday") ? "holiday" : "nothing";
}

/* Empty slots in a row that say the same, on one line; the index behind them. */
static size_t put_empty(struct buffer *into, const json_t *day, size_t at)
{
    const json_t *slots = json_object_get(day, "slots");
    const char *word = empty_word(day, json_array_get(slots, at));

    for (size_t count = 0; at < json_array_size(slots) && count < FREE_ON_A_LINE; at++, count++) {
        const json_t *slot = json_array_get(slots, at);
        struct slice clock = clock_of(slot);
        if (json_array_size(json_object_get(slot, "entries")) > 0 || empty_word(day, slot) != word)
            break;
        buffer_printf(into, "%s%.*s", count > 0 ? ", " : "", (int)clock.size, clock.data);
    }
    buffer_printf(into, "  %s\n", word);
    return at;
}

static void put_strays(struct buffer *into, const json_t *day, bool is_first)
{
    const json_t *strays = json_object_get(day, "strays");

    for (size_t i = 0; i < json_array_size(strays); i++) {
        const json_t *stray = json_array_get(strays, i);
        struct slice clock = clock_of(stray);
        buffer_printf(into, "%s%.*s  ", is_first && i == 0 ? "" : indent, (int)clock.size, clock.data);
        put_entry(into, stray, "  ! no slot");
    }
}

static void put_day(struct buffer *into, const json_t *day)
{
    const json_t *slots = json_object_get(day, "slots");
    struct slice name = part(json_text_at(day, "weekday"), 0, 3);
    size_t strays = json_array_size(json_object_get(day, "strays"));

    buffer_printf(into, "%.*s ", (int)name.size, name.data);
    put(into, json_text_at(day, "date"));
    buffer_text(into, "  ");
    if (json_array_size(slots) + strays == 0)
        buffer_text(into, is_true(day, "holiday") ? "holiday\n" : "no slot\n");
    for (size_t at = 0; at < json_array_size(slots);) {
        const json_t *slot = json_array_get(slots, at);
        buffer_text(into, at > 0 ? indent : "");
        if (json_array_size(json_object_get(slot, "entries")) > 0) {
            put_entries(into, slot);
            at++;
        } else
            at = put_empty(into, day, at);
    }
    put_strays(into, day, json_array_size(slots) == 0);
}

/* ---- the month ---- */

struct tally {
    size_t taken, slots, free;
    bool is_odd; /* a conflict or a stray */
};

static struct tally tally_of(const json_t *day)
{
    const json_t *slots = json_object_get(day, "slots");
    struct tally tally = {.slots = json_array_size(slots)};

    tally.is_odd = json_array_size(json_object_get(day, "strays")) > 0;
    for (size_t i = 0; i < tally.slots; i++) {
        const json_t *slot = json_array_get(slots, i);
        tally.taken += json_array_size(json_object_get(slot, "entries")) > 0;
        tally.free += is_true(slot, "gap");
        tally.is_odd = tally.is_odd || is_true(slot, "conflict");
    }
    return tally;
}

static unsigned weekday_of(const json_t *day)
{
    static const char *const names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    struct slice name = json_text_at(day, "weekday");
    unsigned at = 0;

    while (at < 6 && !slice_is(name, names[at]))
        at++;
    return at;
}

static void put_cell(struct buffer *into, const json_t *day, unsigned weekday)
{
    struct slice date = part(json_text_at(day, "date"), 8, 2);
    struct tally tally = tally_of(day);
    char cell[48];

    if (is_true(day, "holiday") && tally.taken == 0)
        snprintf(cell, sizeof(cell), "%.*s holiday", (int)date.size, date.data);
    else
        snprintf(cell, sizeof(cell), "%.*s %zu/%zu%s", (int)date.size, date.data, tally.taken, tally.slots,
                 tally.is_odd ? "!" : "");
    buffer_printf(into, "%-*s%s", weekday == 6 ? 0 : CELL_COLUMNS, cell, weekday == 6 ? "\n" : "");
}

static void put_grid(struct buffer *into, const json_t *days)
{
    unsigned weekday = 0;

    buffer_text(into, "Mon        Tue        Wed        Thu        Fri        Sat        Sun\n");
    for (size_t i = 0; i < json_array_size(days); i++) {
        const json_t *day = json_array_get(days, i);
        weekday = weekday_of(day);
        if (i == 0)
            buffer_printf(into, "%*s", (int)(weekday * CELL_COLUMNS), "");
        put_cell(into, day, weekday);
    }
    if (weekday == 6)
        return;
    while (into->size > 0 && into->data[into->size - 1] == ' ')
        into->size--;
    buffer_text(into, "\n");
}

/* A day's date with the first of its entries, blanks with the others. */
static void put_planned(struct buffer *into, const json_t *day, size_t *free, struct slice *first_free)
{
    const json_t *slots = json_object_get(day, "slots");
    struct slice date = json_text_at(day, "date");

    for (size_t i = 0; i < json_array_size(slots); i++) {
        const json_t *slot = json_array_get(slots, i);
        if (is_true(slot, "gap") && (*free)++ == 0)
            *first_free = json_text_at(slot, "at");
        if (json_array_size(json_object_get(slot, "entries")) == 0)
            continue;
        buffer_printf(into, "%.*s      ", (int)date.size, date.size > 0 ? date.data : "");
        put_entries(into, slot);
    }
    for (size_t i = 0; i < json_array_size(json_object_get(day, "strays")); i++) {
        const json_t *stray = json_array_get(json_object_get(day, "strays"), i);
        struct slice clock = clock_of(stray);
        buffer_printf(into, "%.*s      %.*s  ", (int)date.size, date.size > 0 ? date.data : "", (int)clock.size,
                      clock.data);
        put_entry(into, stray, "  ! no slot");
    }
}

static void put_month(struct buffer *into, const json_t *days)
{
    struct slice first = {"", 0};
    size_t free = 0;

    put_grid(into, days);
    buffer_text(into, "\n");
    for (size_t i = 0; i < json_array_size(days); i++)
        put_planned(into, json_array_get(days, i), &free, &first);
    if (free > 0) {
        buffer_printf(into, "%zu slot%s free, the first ", free, free == 1 ? " is" : "s are");
        put(into, first);
        buffer_text(into, "\n");
    }
}

/* ---- the whole ---- */

static void put_channel(struct buffer *into, const json_t *channel, bool is_month)
{
    const json_t *days = json_object_get(channel, "days"), *warnings = json_object_get(channel, "warnings");
    struct slice from = part(json_text_at(channel, "from"), 0, DATE_BYTES);

    put(into, json_text_at(channel, "channel"));
    buffer_text(into, " (");
    put(into, json_text_at(channel, "zone"));
    buffer_printf(into, "), %s from %.*s\n\n", is_month ? "month" : "week", (int)from.size, from.data);
    if (is_month)
        put_month(into, days);
    for (size_t i = 0; !is_month && i < json_array_size(days); i++)
        put_day(into, json_array_get(days, i));
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const json_t *warning = json_array_get(warnings, i);
        buffer_text(into, i == 0 ? "\nwarnings\n  " : "  ");
        put(into, (struct slice){json_string_value(warning), json_string_length(warning)});
        buffer_text(into, "\n");
    }
}

void view_calendar(struct buffer *into, const json_t *value)
{
    const json_t *channels = json_object_get(value, "channels");

    for (size_t i = 0; i < json_array_size(channels); i++) {
        buffer_text(into, i > 0 ? "\n\n" : "");
        put_channel(into, json_array_get(channels, i), slice_is(json_text_at(value, "view"), "month"));
    }
    if (json_array_size(channels) == 0)
        buffer_text(into, "no channels; docs/calendar.md says how the configuration names them\n");
}
