/* ical - calendar events as iCalendar text (RFC 5545): printed, and read back from what calendar programs write. Pure.
 * Of a file only the VEVENTs are read, and of these UID, DTSTART, SUMMARY, DESCRIPTION, ATTACH, URL, CATEGORIES and
 * STATUS; all else is passed over, but for what would repeat an event, which is refused. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/zone.h"

enum {
    ICAL_BYTES_MAX = 2 * 1024 * 1024,
    ICAL_EVENTS_MAX = 5000,
    ICAL_LINE_MAX = 64 * 1024, /* bytes of a line, its continuations included */
    ICAL_DEPTH_MAX = 8,        /* components inside components */
    ICAL_UID_MAX = 255,
    ICAL_PROBLEM_BYTES = 300,
};

struct ical_event {
    char *uid, *title, *text, *media; /* owned, never NULL; media: an https address or "" */
    char *category;                   /* owned; as written, several of them with their commas; "" without */
    int64_t at_ms;                    /* UTC; 0: it has no time */
    bool is_date;                     /* a day without a time; at_ms is its beginning */
    unsigned line;                    /* where it begins, from 1 */
};

struct ical_events {
    struct ical_event *list; /* owned; in the order of the file, cancelled ones left out */
    size_t count;
};

/* A time without a zone is one of `zone`. False with a sentence that names the line or the event; `events` is empty
 * then. Ended with ical_events_fini(). */
bool ical_read(struct slice text, const struct zone *zone, struct ical_events *events,
               char problem[ICAL_PROBLEM_BYTES]);
void ical_events_fini(struct ical_events *events);

/* A calendar is its beginning, its events and its end. Lines end in CRLF and are folded at 75 bytes. */
void ical_put_begin(struct buffer *into, const char *name);
/* `category` is the channel, `stamp_ms` when it was last changed. */
void ical_put_event(struct buffer *into, const struct ical_event *event, const char *category, int64_t stamp_ms);
void ical_put_end(struct buffer *into);
