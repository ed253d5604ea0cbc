// SPDX-License-Identifier: MIT
#include "connectors/telegram/bot_api.h"
#include "proto/check.h"
#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MS = 30000, HEX_DIGITS = 16, CHAT_DIGITS_MAX = 18, CHAT_NAME_MAX = 64 };
static const int64_t AGAIN_MS_MIN = 1000;
static const char prompt_mark[] = "#edit ";

/* ---- calls ---- */

void bot_api_call(const struct connector_settings *settings, const char *method, const json_t *body,
                  struct scratch *scratch, struct call *call)
{
    buffer_append(&scratch->url, settings->url.data, settings->url.size);
    buffer_printf(&scratch->url, "/bot%s/%s", CALL_URL_TOKEN, method);
    json_write(&scratch->body, body);
    *call = (struct call){
        .kind = CALL_HTTP,
        .url = buffer_slice(&scratch->url),
        .method = SLICE("POST"),
        .headers = {{SLICE("Content-Type"), SLICE("application/json")}},
        .header_count = 1,
        .body = buffer_slice(&scratch->body),
        .auth = AUTH_URL_TOKEN,
        .secret = settings->secret,
        .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
        .ca_file = settings->ca_file,
    };
}

/* ---- answers ---- */

static bool says(struct slice text, const char *words)
{
    return text.size > 0 && memmem(text.data, text.size, words, strlen(words)) != NULL;
}

static void keep_text(struct bot_api_answer *read, int status, struct slice text)
{
    int size = text.size > 200 ? 200 : (int)text.size;

    snprintf(read->text, sizeof(read->text), "%d %.*s", status, size, size > 0 ? text.data : "");
    text_end_whole(read->text);
}

static enum error error_of_status(int status)
{
    if (status == 429)
        return ERROR_LIMITED;
    /* A wrong token has no path of its own. */
    if (status == 401 || status == 404)
        return ERROR_AUTH;
    if (status == 409)
        return ERROR_CONFLICT;
    return status >= 500 || status < 400 ? ERROR_FAILED : ERROR_REFUSED;
}

static void read_refusal(const struct answer *answer, const json_t *body, struct bot_api_answer *read)
{
    struct slice description = json_text_at(body, "description");
    const json_t *after = json_at(body, "parameters.retry_after");
    const json_t *moved = json_at(body, "parameters.migrate_to_chat_id");

    keep_text(read, answer->status, description);
    read->error = error_of_status(answer->status);
    /* A gateway that has no answer of the service's own does not know what it did. */
    read->is_unknown = !json_is_false(json_object_get(body, "ok")) && read->error == ERROR_FAILED;
    if (answer->status == 400 && says(description, "message is not modified")) {
        read->error = ERROR_OK;
        read->is_unchanged = true;
    }
    if (json_is_integer(moved))
        snprintf(read->text, sizeof(read->text), "the chat has a new id: %" JSON_INTEGER_FORMAT,
                 json_integer_value(moved));
    if (read->error != ERROR_LIMITED)
        return;
    read->retry_after_ms = connector_retry_after(answer);
    if (json_is_integer(after) && json_integer_value(after) >= 0 && json_integer_value(after) <= 86400)
        read->retry_after_ms = json_integer_value(after) * 1000;
    if (read->retry_after_ms < AGAIN_MS_MIN)
        read->retry_after_ms = AGAIN_MS_MIN;
}

void bot_api_read(const struct answer *answer, struct bot_api_answer *read)
{
    struct json_problem problem;
    json_t *body;

    *read = (struct bot_api_answer){.error = answer->error, .retry_after_ms = -1};
    if (answer->error != ERROR_OK) {
        keep_text(read, answer->status, answer->detail);
        read->is_unknown = answer->error == ERROR_LOST || answer->error == ERROR_TIMEOUT;
        return;
    }
    body = json_read(answer->body, &problem);
    if (answer->status == 200 && json_is_true(json_object_get(body, "ok")) && json_object_get(body, "result") != NULL) {
        read->result = json_incref(json_object_get(body, "result"));
    } else if (answer->status == 200) {
        read->error = ERROR_GARBLED;
        read->is_unknown = true;
        keep_text(read, answer->status, SLICE("the answer cannot be understood"));
    } else {
        read_refusal(answer, body, read);
    }
    json_decref(body);
}

/* ---- texts ---- */

json_t *bot_api_chat(struct slice chat)
{
    size_t at = chat.size > 0 && chat.data[0] == '-';
    int64_t id = 0;

    if (chat.size > 1 && chat.size <= CHAT_NAME_MAX && chat.data[0] == '@')
        return json_stringn(chat.data, chat.size);
    if (chat.size == at || chat.size - at > CHAT_DIGITS_MAX)
        return NULL;
    for (size_t i = at; i < chat.size; i++) {
        if (chat.data[i] < '0' || chat.data[i] > '9')
            return NULL;
        id = id * 10 + (chat.data[i] - '0');
    }
    return json_integer(at == 1 ? -id : id);
}

struct slice bot_api_cut(struct slice text, size_t units_max)
{
    size_t at = 0, used = 0;

    for (; at < text.size; at++) {
        unsigned char c = (unsigned char)text.data[at];
        size_t units = (c & 0xc0) == 0x80 ? 0 : c >= 0xf0 ? 2 : 1;
        if (used + units > units_max)
            break;
        used += units;
    }
    return (struct slice){text.data, at};
}

/* ---- buttons ---- */

static const struct {
    char letter;
    const char *verb, *title;
} buttons[] = {
    {'a', "approve", "Approve"},
    {'e', "edit", "Edit"},
    {'r', "reject", "Reject"},
    {'l', "later", "Later"},
};

enum { BUTTONS = sizeof(buttons) / sizeof(buttons[0]) };

static json_t *button(size_t index, struct slice key, struct slice hash)
{
    char data[BOT_API_BUTTON_BYTES];
    int size = snprintf(data, sizeof(data), "p:%c:%.*s:%.*s", buttons[index].letter, (int)key.size, key.data,
                        (int)hash.size, hash.data);

    CHECK(size > 0 && (size_t)size < sizeof(data));
    return json_pack("{s:s, s:s}", "text", buttons[index].title, "callback_data", data);
}

json_t *bot_api_buttons(struct slice key, struct slice hash)
{
    return json_pack("{s:[[o, o], [o, o]]}", "inline_keyboard", button(0, key, hash), button(2, key, hash),
                     button(1, key, hash), button(3, key, hash));
}

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (memchr("0123456789abcdef", text.data[i], 16) == NULL)
            return false;
    return text.size == HEX_DIGITS;
}

/* "KEY:HASH" with nothing behind it. */
static bool read_pair(struct slice text, struct slice *key, struct slice *hash)
{
    if (text.size != 2 * HEX_DIGITS + 1 || text.data[HEX_DIGITS] != ':')
        return false;
    *key = (struct slice){text.data, HEX_DIGITS};
    *hash = (struct slice){text.data + HEX_DIGITS + 1, HEX_DIGITS};
    return is_hex(*key) && is_hex(*hash);
}

bool bot_api_button_read(struct slice data, struct slice *verb, struct slice *key, struct slice *hash)
{
    if (data.size < 4 || data.data[0] != 'p' || data.data[1] != ':' || data.data[3] != ':')
        return false;
    for (size_t i = 0; i < BUTTONS; i++)
        if (buttons[i].letter == data.data[2]) {
            *verb = slice_of(buttons[i].verb);
            return read_pair((struct slice){data.data + 4, data.size - 4}, key, hash);
        }
    return false;
}

void bot_api_prompt_mark(struct slice key, struct slice hash, struct buffer *into)
{
    buffer_printf(into, "%s%.*s:%.*s", prompt_mark, (int)key.size, key.data, (int)hash.size, hash.data);
}

/* The mark is the end of the prompt, so that nothing quoted in it can be taken for one. */
bool bot_api_prompt_read(struct slice text, struct slice *key, struct slice *hash)
{
    size_t size = sizeof(prompt_mark) - 1 + 2 * HEX_DIGITS + 1;

    if (text.size < size || memcmp(text.data + text.size - size, prompt_mark, sizeof(prompt_mark) - 1) != 0)
        return false;
    return read_pair((struct slice){text.data + text.size - 2 * HEX_DIGITS - 1, 2 * HEX_DIGITS + 1}, key, hash);
}
