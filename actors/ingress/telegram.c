// SPDX-License-Identifier: MIT
#include "actors/ingress/telegram.h"
#include "actors/ingress/state.h"
#include "flow/approval.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UPDATES_MAX = 20, KEY_MAX = 64, DOUBLINGS_MAX = 6, TOAST_MS = 10000 };
static const int64_t AGAIN_MS = 1000, MARGIN_MS = 10000, AUTH_PAUSE_MS = 300000, CONFLICT_PAUSE_MS = 30000;

/* ---- calls ---- */

/* FULL when too many calls are out. Takes the body over. */
static enum error call(struct ingress *ingress, uint64_t ticket, const char *method, json_t *body, int64_t timeout_ms)
{
    const struct config *config = ingress->config;
    struct telegram *telegram = &ingress->telegram;
    struct connector_settings settings = {.url = slice_of(config->telegram_url),
                                          .secret = slice_of(config->telegram_token),
                                          .timeout_ms = (uint32_t)timeout_ms};
    struct call request;

    buffer_clear(&telegram->scratch.url);
    buffer_clear(&telegram->scratch.body);
    bot_api_call(&settings, method, body, &telegram->scratch, &request);
    request.idempotent = true;
    json_decref(body);
    return actor_request(ingress->actor, ticket, &request);
}

/* Drops the batch, if any; the same updates come again with the same offset. */
static void pause_for(struct ingress *ingress, int64_t for_ms)
{
    struct telegram *telegram = &ingress->telegram;

    json_decref(telegram->updates);
    json_decref(telegram->toasts);
    telegram->updates = telegram->toasts = NULL;
    buffer_clear(&telegram->ops);
    telegram->phase = TELEGRAM_PAUSE;
    telegram->ticket = 0;
    actor_timer(ingress->actor, TIMER_TELEGRAM, actor_now(ingress->actor) + for_ms);
}

static void ask(struct ingress *ingress, enum telegram_phase phase, const char *method, json_t *body,
                int64_t timeout_ms)
{
    struct telegram *telegram = &ingress->telegram;

    telegram->phase = phase;
    telegram->ticket = actor_ticket(ingress->actor);
    telegram->asked_ms = actor_now(ingress->actor);
    if (call(ingress, telegram->ticket, method, body, timeout_ms) != ERROR_OK)
        pause_for(ingress, AGAIN_MS);
}

static void poll(struct ingress *ingress)
{
    int64_t wait_ms = ingress->config->telegram_poll_ms;
    json_t *body = json_pack("{s:i, s:I, s:[s, s]}", "limit", UPDATES_MAX, "timeout", (json_int_t)(wait_ms / 1000),
                             "allowed_updates", "message", "callback_query");

    if (ingress->telegram.offset != 0)
        json_object_set_new(body, "offset", json_integer(ingress->telegram.offset));
    ask(ingress, TELEGRAM_POLL, "getUpdates", body, wait_ms + MARGIN_MS);
}

static void go_on(struct ingress *ingress)
{
    if (ingress->quiescing)
        ingress->telegram.phase = TELEGRAM_OFF;
    else if (ingress->telegram.bot == 0)
        ask(ingress, TELEGRAM_WHO, "getMe", json_object(), ingress->config->telegram_timeout_ms);
    else
        poll(ingress);
}

static void failed(struct ingress *ingress, const struct bot_api_answer *read)
{
    struct telegram *telegram = &ingress->telegram;
    unsigned doublings = telegram->failures < DOUBLINGS_MAX ? telegram->failures : DOUBLINGS_MAX;
    int64_t pause_ms = AGAIN_MS << doublings;
    bool is_loud = telegram->failures == 0;

    if (read->error == ERROR_AUTH || read->error == ERROR_NO_SECRET)
        pause_ms = AUTH_PAUSE_MS;
    else if (read->error == ERROR_CONFLICT)
        pause_ms = CONFLICT_PAUSE_MS;
    else if (read->retry_after_ms > pause_ms)
        pause_ms = read->retry_after_ms;
    if (is_loud)
        ACTOR_LOG(ingress->actor, LOG_WARN, "telegram-not-heard", L_ERROR(read->error), L_STR("said", read->text));
    telegram->failures++;
    pause_for(ingress, pause_ms + (int64_t)(actor_random(ingress->actor) % (uint64_t)AGAIN_MS));
}

/* ---- the commit ---- */

static void offset_key(const struct telegram *telegram, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "offset/%" PRId64, telegram->bot);
}

static int64_t id_of(const json_t *update)
{
    return json_integer_value(json_object_get(update, "update_id"));
}

static void commit(struct ingress *ingress)
{
    struct telegram *telegram = &ingress->telegram;
    char key[KEY_MAX], value[24];
    int64_t next = 0;

    for (size_t i = 0; i < json_array_size(telegram->updates); i++)
        if (id_of(json_array_get(telegram->updates, i)) >= next)
            next = id_of(json_array_get(telegram->updates, i)) + 1;
    offset_key(telegram, key);
    snprintf(value, sizeof(value), "%" PRId64, next);
    op_put_put(&telegram->ops,
               &(struct op_put){.space = SLICE("telegram"), .key = slice_of(key), .value = slice_of(value)});
    telegram->phase = TELEGRAM_COMMIT;
    telegram->ticket = actor_ticket(ingress->actor);
    if (store_commit(ingress->actor, telegram->ticket, &telegram->ops) != ERROR_OK)
        pause_for(ingress, AGAIN_MS);
}

/* From the update at `at` on: stops where an approval has to be read first. */
static void take_updates(struct ingress *ingress)
{
    struct telegram *telegram = &ingress->telegram;

    for (; telegram->at < json_array_size(telegram->updates); telegram->at++) {
        const json_t *update = json_array_get(telegram->updates, telegram->at);
        struct slice key;
        if (!update_is_answer(ingress, update, &key)) {
            update_take(ingress, update, NULL);
            continue;
        }
        telegram->phase = TELEGRAM_LOOK;
        telegram->ticket = actor_ticket(ingress->actor);
        if (store_read(ingress->actor, &(struct msg_read){.ticket = telegram->ticket,
                                                          .what = READ_SPACE_GET,
                                                          .space = SLICE("approval"),
                                                          .from = key,
                                                          .limit = 1}) != ERROR_OK)
            pause_for(ingress, AGAIN_MS);
        return;
    }
    commit(ingress);
}

/* Nothing hangs on an answer to a press: its sign on the phone goes out, or it goes out by itself. */
static void say_toasts(struct ingress *ingress)
{
    json_t *toasts = ingress->telegram.toasts;

    for (size_t i = 0; i < json_array_size(toasts); i++)
        if (call(ingress, actor_ticket(ingress->actor), "answerCallbackQuery",
                 json_incref(json_array_get(toasts, i)), TOAST_MS) != ERROR_OK)
            break;
}

bool telegram_on_committed(struct ingress *ingress, const struct msg_committed *msg)
{
    struct telegram *telegram = &ingress->telegram;

    if (telegram->phase != TELEGRAM_COMMIT || telegram->ticket != msg->ticket)
        return false;
    if (msg->error != ERROR_OK) {
        ACTOR_LOG(ingress->actor, LOG_WARN, "telegram-not-kept", L_ERROR(msg->error));
        pause_for(ingress, AGAIN_MS);
        return true;
    }
    telegram->offset = 0;
    for (size_t i = 0; i < json_array_size(telegram->updates); i++)
        if (id_of(json_array_get(telegram->updates, i)) >= telegram->offset)
            telegram->offset = id_of(json_array_get(telegram->updates, i)) + 1;
    say_toasts(ingress);
    pause_for(ingress, 0);
    return true;
}

/* ---- pages ---- */

static void on_offset(struct ingress *ingress, const struct msg_page *page)
{
    struct wire wire = wire_over(page->rows);
    struct record_space_entry entry;
    int64_t offset = 0;

    if (page->error != ERROR_OK && page->error != ERROR_NOT_FOUND) {
        ingress->telegram.bot = 0;
        pause_for(ingress, AGAIN_MS);
        return;
    }
    if (page->error == ERROR_OK && page->count > 0 && record_take_space_entry(&wire, &entry))
        for (size_t i = 0; i < entry.value.size && i < 18; i++)
            if (entry.value.data[i] >= '0' && entry.value.data[i] <= '9')
                offset = offset * 10 + (entry.value.data[i] - '0');
    ingress->telegram.offset = offset;
    go_on(ingress);
}

static void on_approval(struct ingress *ingress, const struct msg_page *page)
{
    struct telegram *telegram = &ingress->telegram;
    struct wire wire = wire_over(page->rows);
    struct record_space_entry entry;
    json_t *approval = NULL;

    if (page->error != ERROR_OK && page->error != ERROR_NOT_FOUND) {
        pause_for(ingress, AGAIN_MS);
        return;
    }
    if (page->error == ERROR_OK && page->count > 0 && record_take_space_entry(&wire, &entry))
        approval = approval_read(entry.value);
    update_take(ingress, json_array_get(telegram->updates, telegram->at), approval);
    json_decref(approval);
    telegram->at++;
    take_updates(ingress);
}

bool telegram_on_page(struct ingress *ingress, const struct msg_page *page)
{
    struct telegram *telegram = &ingress->telegram;

    if (telegram->ticket != page->ticket || telegram->ticket == 0)
        return false;
    if (telegram->phase == TELEGRAM_OFFSET)
        on_offset(ingress, page);
    else if (telegram->phase == TELEGRAM_LOOK)
        on_approval(ingress, page);
    else
        return false;
    return true;
}

/* ---- answers ---- */

static void on_who(struct ingress *ingress, const struct bot_api_answer *read)
{
    struct telegram *telegram = &ingress->telegram;
    char key[KEY_MAX];

    telegram->bot = json_integer_value(json_object_get(read->result, "id"));
    telegram->failures = 0;
    offset_key(telegram, key);
    telegram->phase = TELEGRAM_OFFSET;
    telegram->ticket = actor_ticket(ingress->actor);
    if (store_read(ingress->actor, &(struct msg_read){.ticket = telegram->ticket,
                                                      .what = READ_SPACE_GET,
                                                      .space = SLICE("telegram"),
                                                      .from = slice_of(key),
                                                      .limit = 1}) != ERROR_OK) {
        telegram->bot = 0;
        pause_for(ingress, AGAIN_MS);
    }
}

static void on_updates(struct ingress *ingress, const struct bot_api_answer *read)
{
    struct telegram *telegram = &ingress->telegram;

    if (telegram->failures > 0)
        actor_log(ingress->actor, LOG_INFO, "telegram-heard", NULL, 0);
    telegram->failures = 0;
    if (json_array_size(read->result) == 0) {
        /* A server that does not hold the call must not be asked in a circle. */
        int64_t spent_ms = actor_now(ingress->actor) - telegram->asked_ms;
        pause_for(ingress, spent_ms < AGAIN_MS ? AGAIN_MS - spent_ms : 0);
        return;
    }
    telegram->updates = json_incref(read->result);
    telegram->toasts = json_array();
    telegram->at = 0;
    take_updates(ingress);
}

void telegram_on_answer(struct ingress *ingress, uint64_t ticket, const struct answer *answer)
{
    struct telegram *telegram = &ingress->telegram;
    struct bot_api_answer read;

    if (ticket != telegram->ticket || (telegram->phase != TELEGRAM_WHO && telegram->phase != TELEGRAM_POLL))
        return;
    if (ingress->quiescing) {
        telegram->phase = TELEGRAM_OFF;
        return;
    }
    bot_api_read(answer, &read);
    if (read.error == ERROR_OK && !(telegram->phase == TELEGRAM_WHO ? json_is_object(read.result)
                                                                    : json_is_array(read.result)))
        read.error = ERROR_GARBLED;
    if (read.error != ERROR_OK)
        failed(ingress, &read);
    else if (telegram->phase == TELEGRAM_WHO)
        on_who(ingress, &read);
    else
        on_updates(ingress, &read);
    json_decref(read.result);
}

/* ---- life ---- */

void telegram_start(struct ingress *ingress)
{
    if (ingress->config->telegram_token[0] != '\0')
        go_on(ingress);
}

void telegram_on_timer(struct ingress *ingress)
{
    if (ingress->telegram.phase == TELEGRAM_PAUSE)
        go_on(ingress);
}

void telegram_stop(struct ingress *ingress)
{
    struct telegram *telegram = &ingress->telegram;

    json_decref(telegram->updates);
    json_decref(telegram->toasts);
    buffer_free(&telegram->ops);
    scratch_free(&telegram->scratch);
}
