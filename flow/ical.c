// SPDX-License-Identifier: MIT
#include "flow/ical.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FOLD_BYTES = 75, SECOND_MS = 1000, SHOWN_BYTES = 60 };

/* ---- printing ---- */

/* Folds between characters, never inside one; the space that begins a continuation counts. */
static void put_line(struct buffer *into, const char *name, const char *value, bool is_text)
{
    size_t used = strlen(name) + 1;

    buffer_printf(into, "%s:", name);
    for (; *value != '\0'; value++) {
        const char *escaped = !is_text || strchr("\\;,\n", *value) == NULL ? NULL
                              : *value == '\\'                             ? "\\\\"
                              : *value == ';'                              ? "\\;"
                              : *value == ','                              ? "\\,"
                                                                           : "\\n";
        size_t size = escaped != NULL ? 2 : 1;
        for (size_t i = 1;
             escaped == NULL && ((unsigned char)value[0] & 0xc0) == 0xc0 && ((unsigned char)value[i] & 0xc0) == 0x80;
             i++)
            size++;
        if (used + size > FOLD_BYTES) {
            buffer_text(into, "\r\n ");
            used = 1;
        }
        buffer_append(into, escaped != NULL ? escaped : value, size);
        used += size;
        value += escaped != NULL ? 0 : size - 1;
    }
    buffer_text(into, "\r\n");
}

static void put_moment(struct buffer *into, const char *name, int64_t ms)
{
    struct civil civil = civil_of_seconds(civil_floor(ms, SECOND_MS));

    buffer_printf(into, "%s:%04lld%02d%02dT%02d%02d%02dZ\r\n", name, (long long)civil.year, civil.month, civil.day,
                  civil.hour, civil.minute, civil.second);
}

void ical_put_begin(struct buffer *into, const char *name)
{
    buffer_text(into, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Purser//Content calendar//EN\r\n");
    buffer_text(into, "CALSCALE:GREGORIAN\r\n");
    put_line(into, "X-WR-CALNAME", name, true);
}

void ical_put_event(struct buffer *into, const struct ical_event *event, const char *category, int64_t stamp_ms)
{
    buffer_text(into, "BEGIN:VEVENT\r\n");
    put_line(into, "UID", event->uid, true);
    put_moment(into, "DTSTAMP", stamp_ms);
    if (event->at_ms > 0)
        put_moment(into, "DTSTART", event->at_ms);
    if (event->title[0] != '\0')
        put_line(into, "SUMMARY", event->title, true);
    if (event->text[0] != '\0')
        put_line(into, "DESCRIPTION", event->text, true);
    if (event->media[0] != '\0')
        put_line(into, "ATTACH", event->media, false);
    put_line(into, "CATEGORIES", category, true);
    buffer_text(into, "END:VEVENT\r\n");
}

void ical_put_end(struct buffer *into)
{
    buffer_text(into, "END:VCALENDAR\r\n");
}

/* ---- reading: lines ---- */

struct reader {
    struct slice text;
    size_t at;
    unsigned next_line, line; /* of the place `at`; where the line in hand began */
    struct buffer unfolded;
    const struct zone *zone;
    size_t depth;       /* components that are open */
    size_t event_depth; /* of the VEVENT that is open, or 0 */
    struct ical_event event;
    bool is_repeated, is_cancelled, has_attached;
    struct ical_events *events;
    char *problem;
};

/* One line without its continuations: NAME;PARAMETERS:VALUE. Borrows the reader's bytes. */
struct property {
    struct slice name, parameters, value;
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct reader *reader, const char *format, ...)
{
    int used = snprintf(reader->problem, ICAL_PROBLEM_BYTES, "line %u: ", reader->line);
    va_list args;

    va_start(args, format);
    vsnprintf(reader->problem + used, ICAL_PROBLEM_BYTES - (size_t)used, format, args);
    va_end(args);
    text_end_whole(reader->problem);
    return false;
}

/* About the event in hand, which is named as its owner knows it. */
static bool wrong_event(struct reader *reader, const char *what)
{
    const char *name = reader->event.title != NULL && reader->event.title[0] != '\0' ? reader->event.title
                       : reader->event.uid != NULL                                   ? reader->event.uid
                                                                                     : "without a name";
    char shown[SHOWN_BYTES];

    snprintf(shown, sizeof(shown), "%s", name);
    text_end_whole(shown);
    reader->line = reader->event.line;
    return wrong(reader, "the event \"%s\" %s", shown, what);
}

/* The bytes up to the end of this line, which is passed. */
static struct slice take_raw(struct reader *reader)
{
    const char *begin = reader->text.data + reader->at;
    const char *end = memchr(begin, '\n', reader->text.size - reader->at);
    size_t size = end != NULL ? (size_t)(end - begin) : reader->text.size - reader->at;

    reader->at += size + (end != NULL);
    reader->next_line++;
    return (struct slice){begin, size > 0 && begin[size - 1] == '\r' ? size - 1 : size};
}

static bool is_continued(const struct reader *reader)
{
    return reader->at < reader->text.size &&
           (reader->text.data[reader->at] == ' ' || reader->text.data[reader->at] == '\t');
}

/* Puts the next line together. False at the end and on a problem (then `problem` says so). */
static bool take_line(struct reader *reader)
{
    buffer_clear(&reader->unfolded);
    while (reader->unfolded.size == 0 && reader->at < reader->text.size) {
        struct slice raw;
        reader->line = reader->next_line;
        raw = take_raw(reader);
        buffer_append(&reader->unfolded, raw.data, raw.size);
        while (is_continued(reader)) {
            raw = take_raw(reader);
            buffer_append(&reader->unfolded, raw.data + 1, raw.size - 1);
            if (reader->unfolded.size > ICAL_LINE_MAX)
                break;
        }
    }
    if (reader->unfolded.size > ICAL_LINE_MAX)
        return wrong(reader, "is longer than %d bytes", ICAL_LINE_MAX);
    if (!slice_is_utf8(buffer_slice(&reader->unfolded)))
        return wrong(reader, "is not UTF-8; save the file as UTF-8");
    return reader->unfolded.size > 0;
}

static bool split(struct reader *reader, struct property *property)
{
    const char *data = reader->unfolded.data;
    const size_t size = reader->unfolded.size;
    size_t name = 0, colon;
    bool is_quoted = false;

    while (name < size && data[name] != ';' && data[name] != ':')
        name++;
    for (colon = name; colon < size && (is_quoted || data[colon] != ':'); colon++)
        is_quoted = data[colon] == '"' ? !is_quoted : is_quoted;
    if (name == 0 || colon == size)
        return wrong(reader, "is no iCalendar: a line is NAME:VALUE");
    property->name = (struct slice){data, name};
    property->parameters = (struct slice){data + name, colon - name};
    property->value = (struct slice){data + colon + 1, size - colon - 1};
    return true;
}

static bool is_word(struct slice text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* The value of ";NAME=value", without its quotes; empty when absent. */
static struct slice parameter(const struct property *property, const char *name)
{
    const struct slice all = property->parameters;
    const size_t name_size = strlen(name);

    for (size_t at = 0; at < all.size;) {
        size_t begin = at + 1, end;
        bool is_quoted = false;
        for (end = begin; end < all.size && (is_quoted || all.data[end] != ';'); end++)
            is_quoted = all.data[end] == '"' ? !is_quoted : is_quoted;
        if (end - begin > name_size && all.data[begin + name_size] == '=' &&
            strncasecmp(all.data + begin, name, name_size) == 0) {
            begin += name_size + 1;
            if (end - begin >= 2 && all.data[begin] == '"' && all.data[end - 1] == '"') {
                begin++;
                end--;
            }
            return (struct slice){all.data + begin, end - begin};
        }
        at = end;
    }
    return (struct slice){NULL, 0};
}

/* ---- reading: values ---- */

static void set_text(char **into, struct slice value)
{
    struct buffer text = {NULL, 0, 0};

    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        if (c == '\\' && i + 1 < value.size) {
            c = value.data[++i];
            c = c == 'n' || c == 'N' ? '\n' : c;
        }
        buffer_append(&text, &c, 1);
    }
    free(*into);
    *into = slice_dup(buffer_slice(&text));
    buffer_free(&text);
}

static bool digits(struct slice text, size_t at, size_t count, int *value)
{
    *value = 0;
    for (size_t i = at; i < at + count; i++) {
        if (i >= text.size || text.data[i] < '0' || text.data[i] > '9')
            return false;
        *value = *value * 10 + (text.data[i] - '0');
    }
    return true;
}

/* "20261122" or "20261122T090000", with or without Z, as the clock's reading. */
static bool read_clock(struct slice value, struct civil *civil, bool *is_date, bool *is_utc)
{
    int year;

    *civil = (struct civil){0};
    *is_date = value.size == 8;
    *is_utc = value.size == 16 && value.data[15] == 'Z';
    if (value.size != 8 && value.size != 15 && !*is_utc)
        return false;
    if (!digits(value, 0, 4, &year) || !digits(value, 4, 2, &civil->month) || !digits(value, 6, 2, &civil->day))
        return false;
    civil->year = year;
    if (year < 1970 || civil->month < 1 || civil->month > 12 || civil->day < 1 ||
        civil->day > civil_month_days(year, civil->month))
        return false;
    if (*is_date)
        return true;
    if (value.data[8] != 'T' || !digits(value, 9, 2, &civil->hour) || !digits(value, 11, 2, &civil->minute) ||
        !digits(value, 13, 2, &civil->second))
        return false;
    civil->second = civil->second == 60 ? 59 : civil->second;
    return civil->hour < 24 && civil->minute < 60 && civil->second < 60;
}

/* A TZID that some programs prefix: "/example.org/20050126_1/Europe/Berlin" is tried from each slash on. */
static struct zone *open_zone(struct slice id)
{
    char name[ZONE_NAME_MAX + 1];
    struct zone *zone = NULL;

    for (size_t at = 0; at < id.size && zone == NULL; at++) {
        if (id.size - at > ZONE_NAME_MAX || (at > 0 && id.data[at - 1] != '/') || id.data[at] == '/')
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(id.size - at), id.data + at);
        zone = zone_open(name);
    }
    return zone;
}

static bool take_start(struct reader *reader, const struct property *property)
{
    struct slice id = parameter(property, "TZID");
    struct zone *own = NULL;
    char shown[SHOWN_BYTES];
    struct civil civil;
    bool is_utc;

    if (!read_clock(property->value, &civil, &reader->event.is_date, &is_utc))
        return wrong(reader, "DTSTART must be a time from 1970 on, like 20261122T090000 or 20261122T080000Z");
    snprintf(shown, sizeof(shown), "%.*s", (int)(id.size < SHOWN_BYTES ? id.size : SHOWN_BYTES),
             id.size > 0 ? id.data : "");
    text_end_whole(shown);
    if (id.size > 0 && !is_utc && (own = open_zone(id)) == NULL)
        return wrong(reader, "the time zone \"%s\" is not known; use names like Europe/Berlin", shown);
    reader->event.at_ms = civil_seconds(&civil);
    if (!is_utc)
        reader->event.at_ms = zone_from_local(own != NULL ? own : reader->zone, reader->event.at_ms).first;
    reader->event.at_ms *= SECOND_MS;
    zone_close(&own);
    return reader->event.at_ms > 0 || wrong(reader, "DTSTART must be a time from 1970 on");
}

/* An attached file by its address comes before URL, which calendar programs also use for the event's own page. */
static void take_media(struct reader *reader, const struct property *property, bool is_attached)
{
    if (property->value.size < 8 || strncasecmp(property->value.data, "https://", 8) != 0 || reader->has_attached)
        return;
    reader->has_attached = is_attached;
    free(reader->event.media);
    reader->event.media = slice_dup(property->value);
}

static bool take_property(struct reader *reader, const struct property *property)
{
    const struct slice name = property->name;

    if (is_word(name, "UID"))
        set_text(&reader->event.uid, property->value);
    else if (is_word(name, "SUMMARY"))
        set_text(&reader->event.title, property->value);
    else if (is_word(name, "DESCRIPTION"))
        set_text(&reader->event.text, property->value);
    else if (is_word(name, "CATEGORIES"))
        set_text(&reader->event.category, property->value);
    else if (is_word(name, "DTSTART"))
        return take_start(reader, property);
    else if (is_word(name, "ATTACH") || is_word(name, "URL"))
        take_media(reader, property, is_word(name, "ATTACH"));
    else if (is_word(name, "STATUS"))
        reader->is_cancelled = is_word(property->value, "CANCELLED");
    else if (is_word(name, "RRULE") || is_word(name, "RDATE") || is_word(name, "RECURRENCE-ID"))
        reader->is_repeated = true;
    return true;
}

/* ---- reading: components ---- */

static void event_fini(struct ical_event *event)
{
    free(event->uid);
    free(event->title);
    free(event->text);
    free(event->media);
    free(event->category);
    *event = (struct ical_event){0};
}

static bool begin_component(struct reader *reader, struct slice name)
{
    if (reader->depth == 0 && !is_word(name, "VCALENDAR"))
        return wrong(reader, "is no iCalendar: a file begins with BEGIN:VCALENDAR");
    if (reader->depth == ICAL_DEPTH_MAX)
        return wrong(reader, "components stand more than %d deep in each other", ICAL_DEPTH_MAX);
    reader->depth++;
    if (is_word(name, "VEVENT") && reader->event_depth == 0) {
        reader->event_depth = reader->depth;
        reader->is_repeated = reader->is_cancelled = reader->has_attached = false;
        reader->event = (struct ical_event){.line = reader->line};
    }
    return true;
}

static bool end_event(struct reader *reader)
{
    struct ical_events *events = reader->events;
    struct ical_event *event = &reader->event;
    char **const texts[] = {&event->title, &event->text, &event->media, &event->category};

    if (reader->is_cancelled) {
        event_fini(event);
        return true;
    }
    if (event->uid == NULL || event->uid[0] == '\0')
        return wrong_event(reader, "has no UID, by which it would be known again");
    if (strlen(event->uid) > ICAL_UID_MAX)
        return wrong_event(reader, "has a UID of more than 255 bytes");
    if (reader->is_repeated)
        return wrong_event(reader, "is a repeated one (RRULE, RDATE or RECURRENCE-ID); an entry is posted once, so "
                                   "write its dates as single events");
    if (events->count == ICAL_EVENTS_MAX)
        return wrong(reader, "a file may have at most %d events", ICAL_EVENTS_MAX);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (*texts[i] == NULL)
            *texts[i] = slice_dup((struct slice){NULL, 0});
    if (events->count % 64 == 0)
        events->list = xrealloc(events->list, (events->count + 64) * sizeof(events->list[0]));
    events->list[events->count++] = *event;
    *event = (struct ical_event){0};
    return true;
}

static bool end_component(struct reader *reader, struct slice name)
{
    bool is_event = reader->depth == reader->event_depth && reader->depth > 0;

    if (reader->depth == 0 || is_event != (is_word(name, "VEVENT") && reader->event_depth > 0))
        return wrong(reader, "this END does not belong to the last BEGIN");
    reader->depth--;
    if (!is_event)
        return true;
    reader->event_depth = 0;
    return end_event(reader);
}

static bool take_all(struct reader *reader)
{
    struct property property = {0};
    bool is_good = true, has_begun = false;

    while (is_good && take_line(reader)) {
        is_good = split(reader, &property);
        if (is_good && is_word(property.name, "BEGIN"))
            is_good = begin_component(reader, property.value);
        else if (is_good && is_word(property.name, "END"))
            is_good = end_component(reader, property.value);
        else if (is_good && reader->depth == 0)
            is_good = wrong(reader, "is no iCalendar: a file begins with BEGIN:VCALENDAR");
        else if (is_good && reader->depth == reader->event_depth)
            is_good = take_property(reader, &property);
        has_begun = true;
    }
    if (reader->problem[0] != '\0')
        return false;
    if (!has_begun || reader->depth > 0)
        return wrong(reader, "the file ends before its END:VCALENDAR");
    return true;
}

bool ical_read(struct slice text, const struct zone *zone, struct ical_events *events, char problem[ICAL_PROBLEM_BYTES])
{
    struct reader reader = {
        .text = text, .next_line = 1, .line = 1, .zone = zone, .events = events, .problem = problem};
    bool is_good;

    *events = (struct ical_events){0};
    problem[0] = '\0';
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        reader.at = 3;
    is_good = text.size <= ICAL_BYTES_MAX ? take_all(&reader)
                                          : wrong(&reader, "the file has more than %d bytes", ICAL_BYTES_MAX);
    event_fini(&reader.event);
    buffer_free(&reader.unfolded);
    if (!is_good)
        ical_events_fini(events);
    return is_good;
}

void ical_events_fini(struct ical_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        event_fini(&events->list[i]);
    free(events->list);
    *events = (struct ical_events){0};
}
