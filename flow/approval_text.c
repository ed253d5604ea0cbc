// SPDX-License-Identifier: MIT
#include "flow/approval.h"
#include "flow/civil.h"
#include "flow/platform.h"
#include "proto/text/json.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- as the platform shows it ---- */

/* Characters shown before "more" is pressed, as seen in the apps of 2026; nobody promises them. */
static const struct {
    const char *platform;
    size_t characters;
} shown_first[] = {{"instagram", 125}, {"facebook", 477}, {"story", 90}, {"mail", 140}, {"telegram", 4096}};

enum { SHOWN_ELSE = 200 };

static size_t shown_on(struct slice platform)
{
    for (size_t i = 0; i < sizeof(shown_first) / sizeof(shown_first[0]); i++)
        if (slice_is(platform, shown_first[i].platform))
            return shown_first[i].characters;
    return SHOWN_ELSE;
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t count_characters(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += starts_character(text.data[i]);
    return count;
}

static size_t units_of(char c)
{
    return !starts_character(c) ? 0 : (unsigned char)c >= 0xf0 ? 2 : 1;
}

static size_t count_units(struct slice text)
{
    size_t units = 0;

    for (size_t i = 0; i < text.size; i++)
        units += units_of(text.data[i]);
    return units;
}

/* The first so many characters. */
static struct slice first_characters(struct slice text, size_t characters)
{
    size_t at = 0;

    for (size_t count = 0; at < text.size; at++)
        if (starts_character(text.data[at]) && count++ == characters)
            break;
    return (struct slice){text.data, at};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* '#' at the start of a word, with something behind it. */
static size_t count_tags(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i + 1 < text.size; i++)
        count += text.data[i] == '#' && (i == 0 || is_space(text.data[i - 1])) && !is_space(text.data[i + 1]) &&
                 text.data[i + 1] != '#';
    return count;
}

json_t *approval_preview(struct slice name, struct slice content)
{
    const struct platform *platform = platform_find(name);
    struct slice shown = first_characters(content, shown_on(name));
    size_t characters = platform != NULL && platform->counts_units ? count_units(content) : count_characters(content);

    return json_pack("{s:s%, s:b, s:I, s:I, s:I, s:I}", "shown", shown.size ? shown.data : "", shown.size, "is_cut",
                     shown.size < content.size, "characters", (json_int_t)characters, "characters_max",
                     (json_int_t)(platform != NULL ? platform->characters : 0), "tags", (json_int_t)count_tags(content),
                     "tags_max", (json_int_t)(platform != NULL ? platform->hashtags : 0));
}

/* ---- messages ---- */

static void put(struct buffer *into, struct slice text)
{
    buffer_append(into, text.data, text.size);
}

static void put_time(struct buffer *into, int64_t ms)
{
    struct civil civil = civil_of_seconds(civil_floor(ms, 1000));

    buffer_printf(into, "%04" PRId64 "-%02d-%02d %02d:%02d UTC", civil.year, civil.month, civil.day,
                  civil.hour, civil.minute);
}

static struct slice first_units(struct slice text, size_t units)
{
    size_t at = 0, used = 0;

    for (; at < text.size; at++) {
        if (starts_character(text.data[at]) && used + units_of(text.data[at]) > units)
            break;
        used += units_of(text.data[at]);
    }
    return (struct slice){text.data, at};
}

void approval_title(const json_t *approval, struct buffer *into)
{
    struct slice title = json_text_at(approval, "title");

    if (title.size > 0) {
        put(into, title);
        return;
    }
    put(into, json_text_at(approval, "workflow"));
    buffer_text(into, ": ");
    put(into, json_text_at(approval, "step"));
}

static void put_bound(struct buffer *into, const json_t *preview, const char *name, const char *max_name)
{
    json_int_t count = json_integer_value(json_object_get(preview, name));
    json_int_t most = json_integer_value(json_object_get(preview, max_name));

    buffer_printf(into, ", %" JSON_INTEGER_FORMAT, count);
    if (most > 0)
        buffer_printf(into, " of at most %" JSON_INTEGER_FORMAT, most);
    buffer_printf(into, " %s%s", name, most > 0 && count > most ? " (too many)" : "");
}

/* What stands before the content: title, reason, how it fits the platform. */
static void put_head(const json_t *approval, struct buffer *into)
{
    struct slice platform = json_text_at(approval, "platform"), reason = json_text_at(approval, "reason");
    json_t *preview = approval_preview(platform, json_text_at(approval, "content"));
    const char *again = json_integer_value(json_object_get(approval, "edits")) > 0 ? " (edited)" : "";

    buffer_text(into, "Approve? ");
    approval_title(approval, into);
    buffer_text(into, again);
    buffer_text(into, "\n");
    if (reason.size > 0) {
        buffer_text(into, "Why you are asked: ");
        put(into, reason);
        buffer_text(into, "\n");
    }
    if (platform.size > 0) {
        put(into, platform);
        put_bound(into, preview, "characters", "characters_max");
        put_bound(into, preview, "tags", "tags_max");
        buffer_text(into, "\n");
    }
    if (platform.size > 0 && json_is_true(json_object_get(preview, "is_cut"))) {
        buffer_text(into, "Seen before unfolding: ");
        put(into, first_units(json_text_at(preview, "shown"), 200));
        buffer_text(into, "...\n");
    }
    json_decref(preview);
}

static void put_foot(const json_t *approval, struct buffer *into)
{
    json_int_t need = json_integer_value(json_object_get(approval, "need"));

    buffer_text(into, "\n\n");
    if (need > 1)
        buffer_printf(into, "%" JSON_INTEGER_FORMAT " people must agree. ", need);
    buffer_printf(into, "Without an answer it is %s ",
                  slice_is(json_text_at(approval, "at_expiry"), "approve") ? "approved" : "rejected");
    put_time(into, json_integer_value(json_object_get(approval, "expires_ms")));
    buffer_printf(into, ".\nApproval %" JSON_INTEGER_FORMAT ", content %.16s",
                  json_integer_value(json_object_get(approval, "id")), json_text_at(approval, "hash").data);
}

void approval_ask_text(const json_t *approval, size_t units_max, struct buffer *into)
{
    struct slice content = json_text_at(approval, "content");
    struct buffer head = {NULL, 0, 0}, foot = {NULL, 0, 0};
    static const char note[] = "\n[cut here: read the whole text in the console before you agree]";
    size_t frame;

    put_head(approval, &head);
    put_foot(approval, &foot);
    frame = count_units(buffer_slice(&head)) + count_units(buffer_slice(&foot)) + 1;
    put(into, buffer_slice(&head));
    buffer_text(into, "\n");
    if (frame + count_units(content) <= units_max) {
        put(into, content);
    } else {
        frame += sizeof(note) - 1;
        put(into, first_units(content, units_max > frame ? units_max - frame : 0));
        buffer_text(into, note);
    }
    put(into, buffer_slice(&foot));
    buffer_free(&head);
    buffer_free(&foot);
}

static const char *state_title(const json_t *approval)
{
    struct slice state = json_text_at(approval, "state");

    if (slice_is(state, "approved"))
        return "Approved";
    if (slice_is(state, "rejected"))
        return "Rejected";
    if (slice_is(state, "cancelled"))
        return "Not needed any more: the run was ended";
    if (slice_is(state, "expired"))
        return slice_is(json_text_at(approval, "at_expiry"), "approve") ? "Nobody answered in time: approved by rule"
                                                                        : "Nobody answered in time: rejected by rule";
    return json_integer_value(json_object_get(approval, "edits")) > 0 ? "Edited: the new text is asked about anew"
                                                                      : "Still open";
}

void approval_settled_text(const json_t *approval, struct buffer *into)
{
    json_t *result = approval_result(approval);
    const json_t *by = json_object_get(result, "by");
    json_int_t decided_ms = json_integer_value(json_object_get(approval, "decided_ms"));

    buffer_text(into, state_title(approval));
    for (size_t i = 0; !slice_is(json_text_at(approval, "state"), "open") && i < json_array_size(by); i++) {
        buffer_text(into, i == 0 ? " by " : ", ");
        put(into, (struct slice){json_string_value(json_array_get(by, i)), json_string_length(json_array_get(by, i))});
    }
    if (decided_ms > 0) {
        buffer_text(into, ", ");
        put_time(into, decided_ms);
    }
    buffer_text(into, "\n");
    approval_title(approval, into);
    buffer_text(into, "\n\n");
    put(into, first_units(json_text_at(approval, "content"), 500));
    if (count_units(json_text_at(approval, "content")) > 500)
        buffer_text(into, "...");
    json_decref(result);
}

void approval_verdict_text(const json_t *approval, const struct approval_vote *vote, enum approval_verdict verdict,
                           struct buffer *into)
{
    json_t *shown = approval_show(approval, false);
    json_int_t yes = json_integer_value(json_object_get(shown, "yes"));
    json_int_t need = json_integer_value(json_object_get(approval, "need"));

    switch (verdict) {
    case APPROVAL_COUNTED:
        buffer_printf(into, "Noted: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " have agreed.", yes, need);
        break;
    case APPROVAL_DECIDED:
        buffer_text(into, slice_is(vote->verb, "reject") ? "Rejected." : "Approved.");
        break;
    case APPROVAL_EDITED:
        buffer_text(into, "The text is changed; it is asked about anew.");
        break;
    case APPROVAL_LATER:
        buffer_text(into, "You are asked again ");
        put_time(into, json_integer_value(json_object_get(approval, "remind_at_ms")));
        buffer_text(into, ".");
        break;
    case APPROVAL_ALREADY:
        buffer_text(into, "You have said so already.");
        break;
    case APPROVAL_STALE:
        buffer_text(into, "The text has changed since. Please look at the newest question.");
        break;
    case APPROVAL_CLOSED:
        buffer_text(into, approval_is_open(approval) ? "Too late: the time to answer is over." : "Too late: ");
        if (!approval_is_open(approval))
            buffer_text(into, state_title(approval));
        break;
    case APPROVAL_WRONG:
        buffer_text(into, "This cannot be taken: a new text is 1 to 65,536 bytes long, a time is like 30m, 2h or 1d, "
                          "and a question takes 20 edits.");
        break;
    }
    json_decref(shown);
}
