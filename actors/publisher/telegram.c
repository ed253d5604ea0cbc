// SPDX-License-Identifier: MIT
#include "actors/publisher/telegram.h"
#include "store/client.h"
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 64, APPROVAL_DIGITS = 16 };

static const char *const notices[] = {"ask", "settle", "prompt"};

/* ---- what is to be sent ---- */

static json_t *question_chats(const struct config *config)
{
    json_t *chats = json_array();

    if (config->telegram_chat[0] != '\0')
        json_array_append_new(chats, json_string(config->telegram_chat));
    for (size_t i = 0; i < config->approver_count; i++) {
        const struct approver *approver = &config->approvers[i];
        if (approver->gets_asked && approver->telegram != NULL &&
            strcmp(approver->telegram, config->telegram_chat) != 0)
            json_array_append_new(chats, json_string(approver->telegram));
    }
    return chats;
}

static json_t *skip(const char *why)
{
    return json_pack("{s:s, s:s}", "kind", "skip", "why", why);
}

static json_t *notice_inputs(const struct config *config, const char *kind, const json_t *notice)
{
    json_t *inputs, *chats;

    if (config->telegram_token[0] == '\0')
        return skip("telegram_token is not set");
    inputs = json_deep_copy(notice);
    json_object_set_new(inputs, "kind", json_string(kind));
    if (strcmp(kind, "ask") != 0)
        return inputs;
    chats = question_chats(config);
    json_object_set(inputs, "chats", chats);
    bool has_chats = json_array_size(chats) > 0;
    json_decref(chats);
    if (has_chats)
        return inputs;
    json_decref(inputs);
    return skip("there is no chat to ask in: telegram_chat, or an approver with gets_asked");
}

json_t *telegram_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                         struct scratch *scratch, struct step *step)
{
    json_t *inputs;

    *settings = (struct connector_settings){.url = slice_of(config->telegram_url),
                                            .secret = slice_of(config->telegram_token),
                                            .timeout_ms = (uint32_t)config->telegram_timeout_ms};
    for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++)
        if (json_is_object(json_object_get(input, notices[i])))
            return notice_inputs(config, notices[i], json_object_get(input, notices[i]));
    if (config->telegram_token[0] == '\0') {
        step_fail(scratch, step, ERROR_NO_SECRET, "no bot is set up: telegram_token is needed");
        return NULL;
    }
    inputs = json_deep_copy(input);
    json_object_set_new(inputs, "kind", json_string("send"));
    if (json_text_at(inputs, "chat").size == 0)
        json_object_set_new(inputs, "chat", json_string(config->telegram_chat));
    if (json_text_at(inputs, "chat").size > 0)
        return inputs;
    json_decref(inputs);
    step_fail(scratch, step, ERROR_INVALID, "no chat: the step names none, and telegram_chat is not set");
    return NULL;
}

/* ---- what was sent ---- */

static void keep_messages(struct actor *actor, const json_t *result)
{
    const json_t *messages = json_object_get(result, "messages");
    struct buffer value = {NULL, 0, 0}, ops = {NULL, 0, 0};
    char key[KEY_MAX];

    if (json_array_size(messages) == 0)
        return;
    snprintf(key, sizeof(key), "asked/%.16s/%" JSON_INTEGER_FORMAT,
             json_string_value(json_object_get(result, "approval")), json_integer_value(json_object_get(result, "n")));
    json_write(&value, messages);
    op_put_put(&ops, &(struct op_put){.space = SLICE("telegram"), .key = slice_of(key), .value = buffer_slice(&value)});
    /* Its own commit, ahead of the step's end: what is lost with it is only that these messages are not edited. */
    if (store_commit(actor, actor_ticket(actor), &ops) != ERROR_OK)
        actor_log(actor, LOG_WARN, "question-not-kept", NULL, 0);
    buffer_free(&value);
    buffer_free(&ops);
}

void telegram_done(struct actor *actor, const json_t *inputs, json_t *result)
{
    struct slice kind = json_text_at(inputs, "kind");

    if (slice_is(kind, "skip"))
        return;
    actor_count(actor, METRIC_TELEGRAM_SENT, 0, 1);
    if (slice_is(kind, "ask") && json_text_at(result, "approval").size == APPROVAL_DIGITS)
        keep_messages(actor, result);
}
