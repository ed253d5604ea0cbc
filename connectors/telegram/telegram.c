// SPDX-License-Identifier: MIT
#include "connectors/telegram/telegram.h"
#include "connectors/telegram/bot_api.h"
#include <stdio.h>
#include <string.h>

enum { CHATS_MAX = 64 };

/* What one step works with. */
struct turn {
    const struct connector_job *job;
    const struct connector_settings *settings;
    struct scratch *scratch;
    struct step *step;
};

static bool is_kind(const struct connector_job *job, const char *kind)
{
    return slice_is(json_text_at(job->inputs, "kind"), kind);
}

/* ---- requests ---- */

static json_t *text_new(struct slice text)
{
    return json_stringn(text.size ? text.data : "", text.size);
}

/* Telegram counts each chat by itself, and groups, whose numbers are below zero, more strictly. */
static void aim(struct step *step, const json_t *chat)
{
    if (json_is_integer(chat))
        snprintf(step->limit_key, sizeof(step->limit_key), "%" JSON_INTEGER_FORMAT, json_integer_value(chat));
    else if (json_is_string(chat))
        snprintf(step->limit_key, sizeof(step->limit_key), "%s", json_string_value(chat));
    step->limit_class = step->limit_key[0] == '-' ? "group" : NULL;
}

/* Takes the body over. */
static void request(const struct turn *turn, const char *method, json_t *body, bool idempotent)
{
    bot_api_call(turn->settings, method, body, turn->scratch, &turn->step->call);
    aim(turn->step, json_object_get(body, "chat_id"));
    turn->step->call.idempotent = idempotent;
    turn->step->kind = STEP_REQUEST;
    turn->step->error = ERROR_OK;
    json_decref(body);
}

/* Takes the state over: it is noted before the request goes out. */
static void note(const struct turn *turn, json_t *state)
{
    json_write(&turn->scratch->state, state);
    turn->step->state = buffer_slice(&turn->scratch->state);
    turn->step->needs_note = true;
    json_decref(state);
}

static json_t *message_body(json_t *chat, struct slice text, struct slice photo, bool as_caption)
{
    struct slice shown = bot_api_cut(text, as_caption ? BOT_API_CAPTION_UNITS_MAX : BOT_API_TEXT_UNITS_MAX);
    json_t *body = json_pack("{s:o}", "chat_id", chat);

    json_object_set_new(body, as_caption ? "caption" : "text", text_new(shown));
    if (as_caption)
        json_object_set_new(body, "photo", text_new(photo));
    else if (photo.size > 0)
        json_object_set_new(body, "link_preview_options",
                            json_pack("{s:s%, s:b, s:b}", "url", photo.data, photo.size, "prefer_large_media", 1,
                                      "show_above_text", 1));
    else
        json_object_set_new(body, "link_preview_options", json_pack("{s:b}", "is_disabled", 1));
    return body;
}

static void begin_send(const struct turn *turn)
{
    const json_t *inputs = turn->job->inputs;
    struct slice photo = json_text_at(inputs, "photo"), text = json_text_at(inputs, "text");
    json_t *chat = bot_api_chat(json_text_at(inputs, "chat")), *body;

    if (turn->job->state.size > 0) {
        json_decref(chat);
        step_fail(turn->scratch, turn->step, ERROR_LOST,
                  "the message was handed over and no answer is known; Telegram cannot tell");
        return;
    }
    if (chat == NULL || text.size == 0) {
        json_decref(chat);
        step_fail(turn->scratch, turn->step, ERROR_INVALID,
                  text.size == 0 ? "text is missing" : "chat is a number or @name");
        return;
    }
    body = message_body(chat, text, photo, photo.size > 0);
    if (json_is_true(json_object_get(inputs, "silent")))
        json_object_set_new(body, "disable_notification", json_true());
    request(turn, photo.size > 0 ? "sendPhoto" : "sendMessage", body, false);
    note(turn, json_string("sent-intent"));
}

static void begin_prompt(const struct turn *turn)
{
    const json_t *inputs = turn->job->inputs;
    json_t *chat = bot_api_chat(json_text_at(inputs, "chat")), *body;

    if (chat == NULL) {
        step_fail(turn->scratch, turn->step, ERROR_INVALID, "chat is a number or @name");
        return;
    }
    buffer_append(&turn->scratch->text, json_text_at(inputs, "text").data, json_text_at(inputs, "text").size);
    buffer_text(&turn->scratch->text, "\n");
    bot_api_prompt_mark(json_text_at(inputs, "approval"), json_text_at(inputs, "hash"), &turn->scratch->text);
    body = message_body(chat, buffer_slice(&turn->scratch->text), (struct slice){NULL, 0}, false);
    json_object_set_new(body, "reply_markup",
                        json_pack("{s:b, s:s}", "force_reply", 1, "input_field_placeholder", "The new text"));
    request(turn, "sendMessage", body, true);
}

/* ---- several messages, one after the other: {at, sent, missed, plain} ---- */

static json_t *state_of(const struct connector_job *job)
{
    struct json_problem problem;
    json_t *state = job->state.size > 0 ? json_read(job->state, &problem) : NULL;

    if (json_is_array(json_object_get(state, "sent")) && json_is_integer(json_object_get(state, "at")))
        return state;
    json_decref(state);
    return json_pack("{s:i, s:[], s:i, s:b}", "at", 0, "sent", "missed", 0, "plain", 0);
}

static size_t at_of(const json_t *state)
{
    return (size_t)json_integer_value(json_object_get(state, "at"));
}

static void move_on(json_t *state)
{
    json_object_set_new(state, "at", json_integer((json_int_t)at_of(state) + 1));
}

/* A picture needs a text that fits below it, and a service that can fetch it. */
static bool asks_with_photo(const json_t *inputs, const json_t *state)
{
    struct slice text = json_text_at(inputs, "text");

    return json_text_at(inputs, "photo").size > 0 && !json_is_true(json_object_get(state, "plain")) &&
           bot_api_cut(text, BOT_API_CAPTION_UNITS_MAX).size == text.size;
}

/* Takes the state over. */
static void next_ask(const struct turn *turn, json_t *state)
{
    const json_t *inputs = turn->job->inputs, *chats = json_object_get(inputs, "chats");
    struct slice chat_text = {json_string_value(json_array_get(chats, at_of(state))),
                              json_string_length(json_array_get(chats, at_of(state)))};
    json_t *chat, *body;

    if (at_of(state) >= json_array_size(chats) || at_of(state) >= CHATS_MAX) {
        turn->step->kind = STEP_DONE;
        turn->step->error = ERROR_OK;
        turn->step->result =
            json_pack("{s:O, s:O, s:O, s:O}", "approval", json_object_get(inputs, "approval"), "n",
                      json_object_get(inputs, "n"), "messages", json_object_get(state, "sent"), "missed",
                      json_object_get(state, "missed"));
        json_decref(state);
        return;
    }
    chat = bot_api_chat(chat_text);
    if (chat == NULL) {
        json_decref(state);
        step_fail(turn->scratch, turn->step, ERROR_INVALID, "a chat is a number or @name");
        return;
    }
    bool photo = asks_with_photo(inputs, state);
    body = message_body(chat, json_text_at(inputs, "text"), json_text_at(inputs, "photo"), photo);
    json_object_set_new(body, "reply_markup",
                        bot_api_buttons(json_text_at(inputs, "approval"), json_text_at(inputs, "hash")));
    request(turn, photo ? "sendPhoto" : "sendMessage", body, true);
    note(turn, state);
}

static void next_settle(const struct turn *turn, json_t *state)
{
    const json_t *inputs = turn->job->inputs, *messages = json_object_get(inputs, "messages");
    const json_t *message = json_array_get(messages, at_of(state));
    bool photo = json_is_true(json_object_get(message, "photo"));
    struct slice text = bot_api_cut(json_text_at(inputs, "text"),
                                    photo ? BOT_API_CAPTION_UNITS_MAX : BOT_API_TEXT_UNITS_MAX);

    if (message == NULL) {
        turn->step->kind = STEP_DONE;
        turn->step->error = ERROR_OK;
        turn->step->result = json_pack("{s:O}", "missed", json_object_get(state, "missed"));
        json_decref(state);
        return;
    }
    request(turn, photo ? "editMessageCaption" : "editMessageText",
            json_pack("{s:O?, s:O?, s:o, s:{s:[]}}", "chat_id", json_object_get(message, "chat"), "message_id",
                      json_object_get(message, "message_id"), photo ? "caption" : "text", text_new(text),
                      "reply_markup", "inline_keyboard"),
            true);
    note(turn, state);
}

static void telegram_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                           struct scratch *scratch, struct step *step)
{
    struct turn turn = {job, settings, scratch, step};

    (void)now_ms;
    step_start(scratch, step);
    if (is_kind(job, "skip")) {
        step->kind = STEP_DONE;
        step->error = ERROR_OK;
        step->result = json_pack("{s:O?}", "skipped", json_object_get(job->inputs, "why"));
    } else if (settings->secret.size == 0)
        step_fail(scratch, step, ERROR_NO_SECRET, "no bot is set up: telegram_token is needed");
    else if (is_kind(job, "send"))
        begin_send(&turn);
    else if (is_kind(job, "prompt"))
        begin_prompt(&turn);
    else if (is_kind(job, "ask"))
        next_ask(&turn, state_of(job));
    else if (is_kind(job, "settle"))
        next_settle(&turn, state_of(job));
    else
        step_fail(scratch, step, ERROR_INVALID, "no such kind of message");
}

/* ---- answers ---- */

static void fail(const struct turn *turn, const struct bot_api_answer *read, enum error error)
{
    turn->step->retry_after_ms = read->retry_after_ms;
    step_fail(turn->scratch, turn->step, error, "Telegram: %s", read->text);
}

static void sent(const struct turn *turn, const struct bot_api_answer *read, bool may_repeat)
{
    if (read->error == ERROR_OK) {
        turn->step->kind = STEP_DONE;
        turn->step->error = ERROR_OK;
        turn->step->result = json_pack("{s:O?, s:O?}", "message_id", json_object_get(read->result, "message_id"),
                                       "chat", json_at(read->result, "chat.id"));
        return;
    }
    if (read->is_unknown && !may_repeat)
        fail(turn, read, ERROR_LOST);
    else
        fail(turn, read, read->error == ERROR_LOST ? ERROR_TIMEOUT : read->error);
}

static void keep_sent(const struct turn *turn, const struct bot_api_answer *read, json_t *state)
{
    json_t *message = json_pack("{s:O?, s:O?, s:b}", "chat", json_at(read->result, "chat.id"), "message_id",
                                json_object_get(read->result, "message_id"), "photo",
                                asks_with_photo(turn->job->inputs, state));

    json_array_append_new(json_object_get(state, "sent"), message);
    move_on(state);
}

static void miss(json_t *state)
{
    json_object_set_new(state, "missed", json_integer(json_integer_value(json_object_get(state, "missed")) + 1));
    move_on(state);
}

/* One chat that cannot be reached does not keep the others from being asked; when nobody was, the job fails. */
static void asked(const struct turn *turn, const struct bot_api_answer *read)
{
    json_t *state = state_of(turn->job);
    size_t count = json_array_size(json_object_get(state, "sent"));
    bool is_last = at_of(state) + 1 >= json_array_size(json_object_get(turn->job->inputs, "chats"));

    if (read->error == ERROR_OK) {
        keep_sent(turn, read, state);
    } else if (read->error == ERROR_REFUSED && asks_with_photo(turn->job->inputs, state) &&
               strstr(read->text, "chat") == NULL) {
        json_object_set_new(state, "plain", json_true());
    } else if (count > 0 || (error_class(read->error) == RETRY_PERMANENT && !is_last)) {
        miss(state);
    } else {
        json_decref(state);
        fail(turn, read, read->error == ERROR_LOST ? ERROR_TIMEOUT : read->error);
        return;
    }
    next_ask(turn, state);
}

/* A message that is gone needs no edit. */
static void settled(const struct turn *turn, const struct bot_api_answer *read)
{
    json_t *state = state_of(turn->job);

    if (read->error == ERROR_OK) {
        move_on(state);
    } else if (error_class(read->error) == RETRY_PERMANENT) {
        miss(state);
    } else {
        json_decref(state);
        fail(turn, read, read->error == ERROR_LOST ? ERROR_TIMEOUT : read->error);
        return;
    }
    next_settle(turn, state);
}

static void telegram_answer(const struct connector_job *job, const struct connector_settings *settings,
                            const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    struct turn turn = {job, settings, scratch, step};
    struct bot_api_answer read;

    (void)now_ms;
    step_start(scratch, step);
    bot_api_read(answer, &read);
    if (read.error == ERROR_CONFLICT)
        read.error = ERROR_FAILED;
    if (is_kind(job, "ask"))
        asked(&turn, &read);
    else if (is_kind(job, "settle"))
        settled(&turn, &read);
    else
        sent(&turn, &read, is_kind(job, "prompt"));
    json_decref(read.result);
}

static void telegram_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                           struct usage *usage)
{
    struct bot_api_answer read;

    (void)settings;
    (void)now_ms;
    bot_api_read(answer, &read);
    *usage = (struct usage){.limited = read.error == ERROR_LIMITED,
                            .overloaded = answer->error == ERROR_OK && answer->status >= 500,
                            .retry_after_ms = read.retry_after_ms};
    json_decref(read.result);
}

const struct connector connector_telegram = {"telegram", telegram_begin, telegram_answer, telegram_usage};
