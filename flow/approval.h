/* approval - the rules of a question to people: who has answered what about which content, and what follows. Pure, over
 * one JSON record that is kept in space "approval" under approval_key().
 *
 * {v, id, run, step, workflow, title, platform, media, reason, content, hash, asked_ms, remind_ms, remind_at_ms,
 * expires_ms, at_expiry, need, state, decided_ms, votes: [{verb, via, who, name, at_ms, hash, note}], edits, asks,
 * notice}: `hash` is the SHA-256 of content and media, and a yes counts only for the content it was given to; `asks`
 * counts the questions sent, `notice` is the job of the latest one. States: open, approved, rejected, expired,
 * cancelled. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"

enum {
    APPROVAL_KEY_BYTES = 17,    /* 16 hex digits and a NUL */
    APPROVAL_HASH_SHOWN = 16,   /* hex digits of the hash that buttons and people use */
    APPROVAL_HASH_MIN = 8,      /* fewer name no content */
    APPROVAL_CONTENT_MAX = 65536,
    APPROVAL_NOTE_MAX = 400,
    APPROVAL_VOTES_MAX = 200,
    APPROVAL_EDITS_MAX = 20,
    APPROVAL_ASKS_MAX = 20,     /* later reminders only show in the console */
};

struct approval_question {
    uint64_t id, run;
    struct slice step, workflow, title, platform, media, reason, content; /* may be empty but step, workflow, content */
    int64_t need, remind_ms, expires_ms;                                  /* durations */
    bool approves_at_expiry;
};

struct approval_vote {
    struct slice verb;           /* approve, reject, edit or later */
    struct slice hash;           /* of the content that was seen, or its beginning; empty: the current one */
    struct slice via, who, name; /* channel, id there, name for people (may be empty) */
    struct slice text;           /* edit: the new content; later: a duration; otherwise a note */
    int64_t at_ms;               /* when the person answered */
};

enum approval_verdict {
    APPROVAL_COUNTED, /* a yes, and more are needed */
    APPROVAL_DECIDED, /* the question is answered */
    APPROVAL_EDITED,  /* there is a new content, and nobody has agreed to it yet */
    APPROVAL_LATER,   /* asked again at another time */
    APPROVAL_ALREADY, /* this person has said so before */
    APPROVAL_STALE,   /* the content has changed since it was seen */
    APPROVAL_CLOSED,  /* it was decided, has expired or was cancelled */
    APPROVAL_WRONG,   /* no such verb, no text, too much of it */
};

enum approval_wake { APPROVAL_SLEEPS, APPROVAL_REMINDS, APPROVAL_EXPIRES };

void approval_key(uint64_t id, char key[APPROVAL_KEY_BYTES]);
/* False when the text is not 16 hex digits. */
bool approval_key_read(struct slice text, uint64_t *id);

/* A new record; the caller owns it. */
json_t *approval_make(const struct approval_question *question, int64_t now_ms);
/* From its stored text; NULL when it is none. */
json_t *approval_read(struct slice text);
bool approval_is_open(const json_t *approval);
uint64_t approval_run(const json_t *approval);

/* What an answer does; the record is changed by COUNTED, DECIDED, EDITED and LATER only. */
enum approval_verdict approval_vote(json_t *approval, const struct approval_vote *vote, int64_t now_ms);
/* Whether anything can be answered to what was seen: COUNTED when it can, or STALE or CLOSED. */
enum approval_verdict approval_look(const json_t *approval, struct slice hash, int64_t at_ms);
/* What the verdict means, in a short sentence for the person. */
void approval_verdict_text(const json_t *approval, const struct approval_vote *vote, enum approval_verdict verdict,
                           struct buffer *into);
/* What is due: a reminder (the next one is then planned), or the end. */
enum approval_wake approval_wake(json_t *approval, int64_t now_ms);
/* When to look again. */
int64_t approval_wake_ms(const json_t *approval);
/* The run is over: nobody is asked any more. */
void approval_cancel(json_t *approval, int64_t now_ms);

/* What the step ends with: {approved, decision, content, by: [names], at_ms, edits, approval}. Owned by the caller. */
json_t *approval_result(const json_t *approval);
/* What it is about, in a few words. */
void approval_title(const json_t *approval, struct buffer *into);
/* The question as a message of at most `units_max` UTF-16 units, the unit chat services count in. */
void approval_ask_text(const json_t *approval, size_t units_max, struct buffer *into);
/* What the message is to say once it is answered: "Approved by Ann, 2026-11-22 09:30 UTC" and what it was about. */
void approval_settled_text(const json_t *approval, struct buffer *into);
/* How the content looks where it is to appear: what is shown before it is unfolded, length and tags against the
 * platform's bounds: {shown, is_cut, characters, characters_max, tags, tags_max}. Owned by the caller. */
json_t *approval_preview(struct slice platform, struct slice content);
/* For lists (without content) and, whole, for one look: with content, preview and votes. Owned by the caller. */
json_t *approval_show(const json_t *approval, bool whole);
