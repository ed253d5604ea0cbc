// SPDX-License-Identifier: MIT
#include "flow/approval.h"
#include "flow/sha256.h"
#include "proto/text/json.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 1, DURATION_DIGITS_MAX = 9 };
static const int64_t SECOND_MS = 1000, REMIND_MS_MIN = 60000, DURATION_MS_MAX = INT64_C(7776000000), AGAIN_MS = 30000;

/* ---- ids and texts ---- */

void approval_key(uint64_t id, char key[APPROVAL_KEY_BYTES])
{
    snprintf(key, APPROVAL_KEY_BYTES, "%016" PRIx64, id);
}

bool approval_key_read(struct slice text, uint64_t *id)
{
    *id = 0;
    if (text.size != APPROVAL_KEY_BYTES - 1)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *id = *id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static json_t *text_new(struct slice text)
{
    json_t *value = json_stringn(text.size ? text.data : "", text.size);

    return value != NULL ? value : json_string("");
}

static void set_text(json_t *object, const char *name, struct slice text)
{
    json_object_set_new(object, name, text_new(text));
}

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void set_number(json_t *object, const char *name, int64_t value)
{
    json_object_set_new(object, name, json_integer(value));
}

static struct slice cut(struct slice text, size_t size_max)
{
    text.size = text.size > size_max ? size_max : text.size;
    while (text.size > 0 && !slice_is_utf8(text))
        text.size--;
    return text;
}

/* The picture is part of what is agreed to. A line end cannot stand in it, so that no two pairs look the same. */
static void set_hash(json_t *approval)
{
    struct buffer bytes = {NULL, 0, 0};
    struct slice media = json_text_at(approval, "media"), content = json_text_at(approval, "content");
    char hex[65];

    buffer_append(&bytes, media.data, media.size);
    buffer_text(&bytes, "\n");
    buffer_append(&bytes, content.data, content.size);
    sha256_hex(buffer_slice(&bytes), hex);
    json_object_set_new(approval, "hash", json_string(hex));
    buffer_free(&bytes);
}

/* ---- the record ---- */

static int64_t first_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

json_t *approval_make(const struct approval_question *question, int64_t now_ms)
{
    json_t *approval = json_pack("{s:i, s:I, s:I}", "v", VERSION, "id", (json_int_t)question->id, "run",
                                 (json_int_t)question->run);

    set_text(approval, "step", question->step);
    set_text(approval, "workflow", question->workflow);
    set_text(approval, "title", question->title);
    set_text(approval, "platform", question->platform);
    set_text(approval, "media", question->media);
    set_text(approval, "reason", question->reason);
    set_text(approval, "content", question->content);
    set_hash(approval);
    set_number(approval, "asked_ms", now_ms);
    set_number(approval, "remind_ms", question->remind_ms);
    set_number(approval, "remind_at_ms", now_ms + question->remind_ms);
    set_number(approval, "expires_ms", now_ms + question->expires_ms);
    json_object_set_new(approval, "at_expiry", json_string(question->approves_at_expiry ? "approve" : "reject"));
    set_number(approval, "need", question->need < 1 ? 1 : question->need);
    json_object_set_new(approval, "state", json_string("open"));
    json_object_set_new(approval, "votes", json_array());
    set_number(approval, "edits", 0);
    set_number(approval, "asks", 1);
    return approval;
}

json_t *approval_read(struct slice text)
{
    struct json_problem problem;
    json_t *approval = json_read(text, &problem);

    if (number(approval, "v") == VERSION && json_is_array(json_object_get(approval, "votes")) &&
        json_is_integer(json_object_get(approval, "id")) && json_text_at(approval, "hash").size == 64)
        return approval;
    json_decref(approval);
    return NULL;
}

bool approval_is_open(const json_t *approval)
{
    return slice_is(json_text_at(approval, "state"), "open");
}

uint64_t approval_run(const json_t *approval)
{
    return (uint64_t)number(approval, "run");
}

static void decide(json_t *approval, const char *state, int64_t at_ms)
{
    json_object_set_new(approval, "state", json_string(state));
    set_number(approval, "decided_ms", at_ms);
}

/* ---- votes ---- */

static bool is_by(const json_t *cast, const struct approval_vote *vote)
{
    return slice_equal(json_text_at(cast, "via"), vote->via) && slice_equal(json_text_at(cast, "who"), vote->who);
}

static bool is_yes(const json_t *approval, const json_t *cast)
{
    return slice_is(json_text_at(cast, "verb"), "approve") &&
           slice_equal(json_text_at(cast, "hash"), json_text_at(approval, "hash"));
}

/* Whether this person has cast this verb over the content as it is now. */
static bool has_cast(const json_t *approval, const struct approval_vote *vote)
{
    const json_t *votes = json_object_get(approval, "votes");

    for (size_t i = 0; i < json_array_size(votes); i++) {
        const json_t *cast = json_array_get(votes, i);
        if (is_by(cast, vote) && slice_equal(json_text_at(cast, "verb"), vote->verb) &&
            slice_equal(json_text_at(cast, "hash"), json_text_at(approval, "hash")))
            return true;
    }
    return false;
}

static int64_t count_yes(const json_t *approval)
{
    const json_t *votes = json_object_get(approval, "votes");
    int64_t count = 0;

    for (size_t i = 0; i < json_array_size(votes); i++)
        count += is_yes(approval, json_array_get(votes, i));
    return count;
}

static void keep_vote(json_t *approval, const struct approval_vote *vote)
{
    json_t *cast = json_object();

    set_text(cast, "verb", vote->verb);
    set_text(cast, "via", vote->via);
    set_text(cast, "who", vote->who);
    set_text(cast, "name", vote->name.size > 0 ? vote->name : vote->who);
    set_number(cast, "at_ms", vote->at_ms);
    json_object_set(cast, "hash", json_object_get(approval, "hash"));
    if (vote->text.size > 0 && !slice_is(vote->verb, "edit"))
        set_text(cast, "note", cut(vote->text, APPROVAL_NOTE_MAX));
    json_array_append_new(json_object_get(approval, "votes"), cast);
}

static bool fits_hash(const json_t *approval, struct slice hash)
{
    struct slice now = json_text_at(approval, "hash");

    return hash.size == 0 || (hash.size >= APPROVAL_HASH_MIN && hash.size <= now.size &&
                              memcmp(hash.data, now.data, hash.size) == 0);
}

static enum approval_verdict approve(json_t *approval, const struct approval_vote *vote)
{
    if (has_cast(approval, vote))
        return APPROVAL_ALREADY;
    keep_vote(approval, vote);
    if (count_yes(approval) < number(approval, "need"))
        return APPROVAL_COUNTED;
    decide(approval, "approved", vote->at_ms);
    return APPROVAL_DECIDED;
}

static enum approval_verdict edit(json_t *approval, const struct approval_vote *vote, int64_t now_ms)
{
    if (vote->text.size == 0 || vote->text.size > APPROVAL_CONTENT_MAX || !slice_is_utf8(vote->text) ||
        number(approval, "edits") >= APPROVAL_EDITS_MAX)
        return APPROVAL_WRONG;
    if (slice_equal(json_text_at(approval, "content"), vote->text))
        return APPROVAL_ALREADY;
    set_text(approval, "content", vote->text);
    set_hash(approval);
    keep_vote(approval, vote);
    set_number(approval, "edits", number(approval, "edits") + 1);
    set_number(approval, "asks", number(approval, "asks") + 1);
    set_number(approval, "remind_at_ms", now_ms + number(approval, "remind_ms"));
    return APPROVAL_EDITED;
}

/* "90s", "30m", "2h", "1d"; false for anything else. */
static bool read_duration(struct slice text, int64_t *ms)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    int64_t value = 0;

    if (text.size < 2 || text.size > DURATION_DIGITS_MAX + 1)
        return false;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (units[i].letter == text.data[text.size - 1]) {
            *ms = value * units[i].seconds * SECOND_MS;
            return *ms >= REMIND_MS_MIN && *ms <= DURATION_MS_MAX;
        }
    return false;
}

static enum approval_verdict later(json_t *approval, const struct approval_vote *vote, int64_t now_ms)
{
    int64_t duration = number(approval, "remind_ms"), old = number(approval, "remind_at_ms");

    if (vote->text.size > 0 && !read_duration(vote->text, &duration))
        return APPROVAL_WRONG;
    /* The same button twice. */
    if (has_cast(approval, vote) && old - (now_ms + duration) > -AGAIN_MS && old - (now_ms + duration) < AGAIN_MS)
        return APPROVAL_ALREADY;
    keep_vote(approval, vote);
    set_number(approval, "remind_at_ms", now_ms + duration);
    return APPROVAL_LATER;
}

enum approval_verdict approval_look(const json_t *approval, struct slice hash, int64_t at_ms)
{
    if (!approval_is_open(approval) || at_ms >= number(approval, "expires_ms"))
        return APPROVAL_CLOSED;
    return fits_hash(approval, hash) ? APPROVAL_COUNTED : APPROVAL_STALE;
}

enum approval_verdict approval_vote(json_t *approval, const struct approval_vote *vote, int64_t now_ms)
{
    bool is_full = json_array_size(json_object_get(approval, "votes")) >= APPROVAL_VOTES_MAX;
    enum approval_verdict seen = approval_look(approval, vote->hash, vote->at_ms);

    if (!approval_is_open(approval) && has_cast(approval, vote))
        return APPROVAL_ALREADY;
    if (seen != APPROVAL_COUNTED)
        return seen;
    if (slice_is(vote->verb, "reject")) {
        keep_vote(approval, vote);
        decide(approval, "rejected", vote->at_ms);
        return APPROVAL_DECIDED;
    }
    if (is_full)
        return APPROVAL_WRONG;
    if (slice_is(vote->verb, "approve"))
        return approve(approval, vote);
    if (slice_is(vote->verb, "edit"))
        return edit(approval, vote, now_ms);
    return slice_is(vote->verb, "later") ? later(approval, vote, now_ms) : APPROVAL_WRONG;
}

/* ---- time ---- */

int64_t approval_wake_ms(const json_t *approval)
{
    if (number(approval, "asks") >= APPROVAL_ASKS_MAX)
        return number(approval, "expires_ms");
    return first_of(number(approval, "remind_at_ms"), number(approval, "expires_ms"));
}

enum approval_wake approval_wake(json_t *approval, int64_t now_ms)
{
    if (!approval_is_open(approval))
        return APPROVAL_SLEEPS;
    if (now_ms >= number(approval, "expires_ms")) {
        decide(approval, "expired", now_ms);
        return APPROVAL_EXPIRES;
    }
    if (now_ms < number(approval, "remind_at_ms") || number(approval, "asks") >= APPROVAL_ASKS_MAX)
        return APPROVAL_SLEEPS;
    set_number(approval, "remind_at_ms", now_ms + number(approval, "remind_ms"));
    set_number(approval, "asks", number(approval, "asks") + 1);
    return APPROVAL_REMINDS;
}

void approval_cancel(json_t *approval, int64_t now_ms)
{
    if (approval_is_open(approval))
        decide(approval, "cancelled", now_ms);
}

/* ---- the result ---- */

static bool is_approved(const json_t *approval)
{
    struct slice state = json_text_at(approval, "state");

    return slice_is(state, "approved") ||
           (slice_is(state, "expired") && slice_is(json_text_at(approval, "at_expiry"), "approve"));
}

/* Who made the decision what it is. */
static json_t *deciders(const json_t *approval)
{
    const json_t *votes = json_object_get(approval, "votes");
    bool rejected = slice_is(json_text_at(approval, "state"), "rejected");
    json_t *names = json_array();

    for (size_t i = 0; i < json_array_size(votes); i++) {
        const json_t *cast = json_array_get(votes, i);
        if (rejected ? slice_is(json_text_at(cast, "verb"), "reject") : is_yes(approval, cast))
            json_array_append(names, json_object_get(cast, "name"));
    }
    return names;
}

json_t *approval_result(const json_t *approval)
{
    return json_pack("{s:b, s:O, s:O, s:o, s:I, s:I, s:I}", "approved", is_approved(approval), "decision",
                     json_object_get(approval, "state"), "content", json_object_get(approval, "content"), "by",
                     deciders(approval), "at_ms", (json_int_t)number(approval, "decided_ms"), "edits",
                     (json_int_t)number(approval, "edits"), "approval", (json_int_t)number(approval, "id"));
}

json_t *approval_show(const json_t *approval, bool whole)
{
    static const char *const kept[] = {"id",         "run",    "step",         "workflow",   "title",
                                       "platform",   "reason", "state",        "asked_ms",   "remind_at_ms",
                                       "expires_ms", "need",   "decided_ms",   "edits",      "at_expiry"};
    static const char *const inner[] = {"content", "media", "hash", "votes", "asks"};
    json_t *shown = json_object();

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(approval, kept[i]) != NULL)
            json_object_set(shown, kept[i], json_object_get(approval, kept[i]));
    for (size_t i = 0; whole && i < sizeof(inner) / sizeof(inner[0]); i++)
        json_object_set(shown, inner[i], json_object_get(approval, inner[i]));
    if (whole)
        json_object_set_new(shown, "preview",
                            approval_preview(json_text_at(approval, "platform"), json_text_at(approval, "content")));
    set_number(shown, "yes", count_yes(approval));
    if (!approval_is_open(approval))
        json_object_set_new(shown, "by", deciders(approval));
    set_text(shown, "short_hash", cut(json_text_at(approval, "hash"), APPROVAL_HASH_SHOWN));
    return shown;
}
