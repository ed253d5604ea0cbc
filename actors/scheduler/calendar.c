// SPDX-License-Identifier: MIT
#include "actors/scheduler/calendar_ask.h"
#include <stdlib.h>
#include <string.h>

/* calendar and calendar drafts: what is looked at, one channel after the other. */

enum { DRAFTS_MAX = 1000, YEAR_MIN = 1971, YEAR_MAX = 2200 };

static char *channel_name(const struct ask *ask)
{
    return slice_dup(calendar_channel_in_turn(ask));
}

/* ---- calendar ---- */

/* Whether the scan has come to the end of what the view looks at is seen by the time of the entry. */
static bool on_viewed_row(struct scheduler *scheduler, struct ask *ask, const struct record_space_entry *row)
{
    json_t *brief = calendar_brief(row->value);

    (void)scheduler;
    if (brief == NULL)
        return true;
    bool is_inside = json_integer_value(json_object_get(brief, "slot_ms")) < calendar_number(ask, "until_ms");
    if (is_inside)
        json_array_append(calendar_list(ask, "briefs"), brief);
    json_decref(brief);
    return is_inside;
}

/* "2026-11-22" as a local day; today when there is none. */
static bool day_wanted(struct scheduler *scheduler, const struct ask *ask, const struct calendar_channel *channel,
                       int64_t *day)
{
    struct slice text = ask_text(ask, "from");
    struct buffer instant = {NULL, 0, 0};
    int64_t ms;

    *day = calendar_day_of(channel, actor_wall(scheduler->actor));
    if (text.size == 0)
        return true;
    if (text.size != 10)
        return false;
    buffer_append(&instant, text.data, text.size);
    buffer_text(&instant, "T00:00Z");
    bool good = civil_read_instant(buffer_slice(&instant), &ms);
    buffer_free(&instant);
    if (good)
        *day = civil_floor(ms, (int64_t)CIVIL_DAY_S * 1000);
    return good && *day >= civil_days(YEAR_MIN, 1, 1) && *day <= civil_days(YEAR_MAX, 1, 1);
}

static bool span_wanted(struct scheduler *scheduler, struct ask *ask, const struct calendar_channel *channel,
                        struct calendar_span *span)
{
    struct slice view = ask_text(ask, "view");
    int64_t day;

    if (view.size > 0 && !slice_is(view, "week") && !slice_is(view, "month")) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "a view is month or week");
        return false;
    }
    if (!day_wanted(scheduler, ask, channel, &day)) {
        ask_refuse(scheduler, ask, ERROR_INVALID, "from is a day between %d and %d, like 2026-11-22", YEAR_MIN,
                   YEAR_MAX);
        return false;
    }
    *span = slice_is(view, "month") ? calendar_month_of(day) : calendar_week_of(day);
    return true;
}

static void view_channel(struct scheduler *scheduler, struct ask *ask);

static bool is_too_large(const json_t *answer)
{
    struct buffer text = {NULL, 0, 0};
    bool is_large;

    json_write(&text, answer);
    is_large = text.size > CALENDAR_ANSWER_MAX;
    buffer_free(&text);
    return is_large;
}

static void view_done(struct scheduler *scheduler, struct ask *ask)
{
    json_t *answer =
        json_pack("{s:I, s:s, s:O}", "now_ms", (json_int_t)actor_wall(scheduler->actor), "view",
                  slice_is(ask_text(ask, "view"), "month") ? "month" : "week", "channels", calendar_list(ask, "shown"));

    if (!is_too_large(answer)) {
        ask_done(scheduler, ask, answer);
        return;
    }
    json_decref(answer);
    ask_refuse(scheduler, ask, ERROR_TOO_LARGE,
               "that is more than one answer can hold; name a channel, or look at a week");
}

static void on_viewed_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    struct calendar_channel channel;
    struct calendar_span span;

    if (!calendar_take_page(scheduler, ask, page, on_viewed_row, on_viewed_page) ||
        !calendar_channel_named(scheduler, ask, calendar_channel_in_turn(ask), &channel))
        return;
    if (span_wanted(scheduler, ask, &channel, &span)) {
        json_array_append_new(calendar_list(ask, "shown"), calendar_view(&channel, span, calendar_list(ask, "briefs"),
                                                                         actor_wall(scheduler->actor)));
        calendar_next_channel(ask);
        if (calendar_channel_in_turn(ask).size > 0)
            view_channel(scheduler, ask);
        else
            view_done(scheduler, ask);
    }
    calendar_channel_close(&channel);
}

static void view_channel(struct scheduler *scheduler, struct ask *ask)
{
    struct buffer prefix = {NULL, 0, 0}, from = {NULL, 0, 0};
    struct calendar_channel channel;
    struct calendar_span span;

    if (!calendar_channel_named(scheduler, ask, calendar_channel_in_turn(ask), &channel))
        return;
    if (span_wanted(scheduler, ask, &channel, &span)) {
        json_object_set_new(ask->state, "briefs", json_array());
        calendar_set_number(ask, "until_ms", calendar_day_begin(&channel, span.last_day + 1 + CALENDAR_SAME_TEXT_DAYS));
        calendar_channel_prefix(&prefix, channel.name);
        calendar_slot_prefix(&from, channel.name,
                             calendar_day_begin(&channel, span.first_day - CALENDAR_SAME_TEXT_DAYS));
        calendar_scan(scheduler, ask, buffer_slice(&prefix), buffer_slice(&from), on_viewed_page);
        buffer_free(&prefix);
        buffer_free(&from);
    }
    calendar_channel_close(&channel);
}

void ask_calendar(struct scheduler *scheduler, struct ask *ask)
{
    if (!calendar_take_channels(scheduler, ask))
        return;
    json_object_set_new(ask->state, "shown", json_array());
    view_channel(scheduler, ask);
}

/* ---- calendar drafts ---- */

static bool on_draft_row(struct scheduler *scheduler, struct ask *ask, const struct record_space_entry *row)
{
    json_t *drafts = calendar_list(ask, "drafts"), *brief = calendar_brief(row->value);
    struct slice channel = calendar_channel_in_turn(ask);

    (void)scheduler;
    if (brief == NULL)
        return true;
    if (json_array_size(drafts) >= DRAFTS_MAX) {
        calendar_set_number(ask, "left_out", calendar_number(ask, "left_out") + 1);
        json_decref(brief);
        return true;
    }
    json_object_set_new(brief, "channel", json_stringn(channel.data, channel.size));
    json_object_del(brief, "slot_ms");
    json_object_del(brief, "state");
    json_object_del(brief, "print");
    json_array_append_new(drafts, brief);
    return true;
}

static void list_drafts(struct scheduler *scheduler, struct ask *ask);

static void on_draft_page(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page)
{
    if (!calendar_take_page(scheduler, ask, page, on_draft_row, on_draft_page))
        return;
    calendar_next_channel(ask);
    if (calendar_channel_in_turn(ask).size > 0)
        list_drafts(scheduler, ask);
    else
        ask_done(scheduler, ask,
                 json_pack("{s:O, s:I}", "drafts", calendar_list(ask, "drafts"), "left_out",
                           (json_int_t)calendar_number(ask, "left_out")));
}

static void list_drafts(struct scheduler *scheduler, struct ask *ask)
{
    struct buffer prefix = {NULL, 0, 0};
    char *name = channel_name(ask);

    calendar_slot_prefix(&prefix, name, 0);
    calendar_scan(scheduler, ask, buffer_slice(&prefix), (struct slice){NULL, 0}, on_draft_page);
    buffer_free(&prefix);
    free(name);
}

void ask_calendar_drafts(struct scheduler *scheduler, struct ask *ask)
{
    if (!calendar_take_channels(scheduler, ask))
        return;
    json_object_set_new(ask->state, "drafts", json_array());
    list_drafts(scheduler, ask);
}
