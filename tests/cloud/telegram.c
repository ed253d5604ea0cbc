/* telegram - the Bot API as a model: messages that can be edited, buttons that users press, updates until they are
 * confirmed, and limits a second and a chat. A long poll that finds nothing answers after its time. */
// SPDX-License-Identifier: MIT
#include "tests/cloud/model.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BOT = 7000001, TEXT_MAX = 4096, CAPTION_MAX = 1024, KEY_MAX = 64, UPDATES_DEFAULT = 100 };
static const int64_t SECOND_MS = 1000;

/* What a method works on. */
struct asked {
    struct cloud *cloud;
    int64_t now_ms;
    const json_t *body;
    struct cloud_reply *reply;
};

/* ---- replies ---- */

static void reply_body(const struct asked *asked, int status, json_t *body)
{
    buffer_clear(&asked->cloud->body);
    json_write(&asked->cloud->body, body);
    asked->reply->answer =
        (struct answer){.error = ERROR_OK, .status = status, .body = buffer_slice(&asked->cloud->body)};
    asked->reply->answer.headers[0] = (struct call_header){SLICE("content-type"), SLICE("application/json")};
    asked->reply->answer.header_count = 1;
    json_decref(body);
}

static void reply_ok(const struct asked *asked, json_t *result)
{
    reply_body(asked, 200, json_pack("{s:b, s:o}", "ok", 1, "result", result));
}

static void reply_error(const struct asked *asked, int status, const char *description)
{
    asked->cloud->counts.telegram_refused += status != 429;
    reply_body(asked, status, json_pack("{s:b, s:i, s:s}", "ok", 0, "error_code", status, "description", description));
}

static void reply_limited(const struct asked *asked, int64_t after_s)
{
    char text[80];

    asked->cloud->counts.telegram_limited++;
    snprintf(text, sizeof(text), "Too Many Requests: retry after %" PRId64, after_s);
    reply_body(asked, 429, json_pack("{s:b, s:i, s:s, s:{s:I}}", "ok", 0, "error_code", 429, "description", text,
                                     "parameters", "retry_after", (json_int_t)after_s));
}

/* ---- messages ---- */

static void print_key(char key[KEY_MAX], int64_t chat, int64_t id)
{
    snprintf(key, KEY_MAX, "%" PRId64 "/%" PRId64, chat, id);
}

static json_t *message_find(const struct cloud *cloud, int64_t chat, int64_t id)
{
    char key[KEY_MAX];

    print_key(key, chat, id);
    return json_object_get(cloud->telegram.messages, key);
}

static json_t *chat_new(int64_t chat)
{
    return json_pack("{s:I, s:s}", "id", (json_int_t)chat, "type", chat < 0 ? "supergroup" : "private");
}

static json_t *bot_new(void)
{
    return json_pack("{s:i, s:b, s:s, s:s}", "id", BOT, "is_bot", 1, "first_name", "Purser", "username", "purser_bot");
}

static json_t *user_new(int64_t user)
{
    return json_pack("{s:I, s:b, s:s}", "id", (json_int_t)user, "is_bot", 0, "first_name", "Somebody");
}

/* As an update or a result shows it. */
static json_t *message_show(const json_t *kept)
{
    static const char *const copied[] = {"message_id", "date", "text", "caption", "photo", "reply_markup"};
    json_t *message = json_pack("{s:o, s:o}", "from", bot_new(), "chat",
                                chat_new(json_integer_value(json_object_get(kept, "chat_id"))));

    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        if (json_object_get(kept, copied[i]) != NULL)
            json_object_set_new(message, copied[i], json_deep_copy(json_object_get(kept, copied[i])));
    return message;
}

static size_t units_of(struct slice text)
{
    size_t units = 0;

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        units += (c & 0xc0) == 0x80 ? 0 : c >= 0xf0 ? 2 : 1;
    }
    return units;
}

/* callback_data is at most 64 bytes. */
static bool buttons_fit(const json_t *body)
{
    const json_t *rows = json_at(body, "reply_markup.inline_keyboard");

    for (size_t i = 0; i < json_array_size(rows); i++)
        for (size_t k = 0; k < json_array_size(json_array_get(rows, i)); k++) {
            struct slice data = json_text_at(json_array_get(json_array_get(rows, i), k), "callback_data");
            if (data.size < 1 || data.size > 64)
                return false;
        }
    return true;
}

static const char *text_problem(const json_t *body, const char *field, size_t most)
{
    struct slice text = json_text_at(body, field);

    if (units_of(text) > most)
        return most == TEXT_MAX ? "Bad Request: message is too long" : "Bad Request: message caption is too long";
    if (text.size == 0 && most == TEXT_MAX)
        return "Bad Request: message text is empty";
    return buttons_fit(body) ? NULL : "Bad Request: BUTTON_DATA_INVALID";
}

/* ---- limits ---- */

static bool over_limit(const struct asked *asked, int64_t chat)
{
    struct telegram_model *model = &asked->cloud->telegram;
    int64_t *slot = &model->sent[model->sent_count % TELEGRAM_PER_SECOND];
    char name[24];

    snprintf(name, sizeof(name), "%" PRId64, chat);
    const json_t *last = json_object_get(model->chats, name);
    if ((model->sent_count >= TELEGRAM_PER_SECOND && asked->now_ms - *slot < SECOND_MS) ||
        (last != NULL && asked->now_ms - json_integer_value(last) < SECOND_MS)) {
        reply_limited(asked, 1);
        return true;
    }
    *slot = asked->now_ms;
    model->sent_count++;
    json_object_set_new(model->chats, name, json_integer(asked->now_ms));
    return false;
}

/* ---- methods ---- */

static void log_message(const struct asked *asked, const char *what, int64_t chat, int64_t id)
{
    struct buffer *text = &asked->cloud->text;

    buffer_clear(text);
    buffer_printf(text, ",\"chat\":%" PRId64 ",\"message_id\":%" PRId64, chat, id);
    cloud_log(asked->cloud, asked->now_ms, "telegram", what, buffer_slice(text));
}

static void send_message(const struct asked *asked, const char *field, size_t most)
{
    struct telegram_model *model = &asked->cloud->telegram;
    int64_t chat = json_integer_value(json_object_get(asked->body, "chat_id"));
    const char *problem = text_problem(asked->body, field, most);
    char key[KEY_MAX];

    if (chat == 0 || problem != NULL) {
        reply_error(asked, 400, chat == 0 ? "Bad Request: chat not found" : problem);
        return;
    }
    if (over_limit(asked, chat))
        return;
    json_t *kept = json_pack("{s:I, s:I, s:I, s:i, s:O}", "chat_id", (json_int_t)chat, "message_id",
                             (json_int_t)++model->next_message, "date", (json_int_t)(asked->now_ms / SECOND_MS),
                             "edits", 0, field, json_object_get(asked->body, field));
    if (json_object_get(asked->body, "reply_markup") != NULL)
        json_object_set(kept, "reply_markup", json_object_get(asked->body, "reply_markup"));
    if (most == CAPTION_MAX)
        json_object_set_new(kept, "photo", json_pack("[{s:O?}]", "file_id", json_object_get(asked->body, "photo")));
    print_key(key, chat, model->next_message);
    json_object_set_new(model->messages, key, kept);
    asked->cloud->counts.telegram_messages++;
    log_message(asked, "message", chat, model->next_message);
    reply_ok(asked, message_show(kept));
}

static bool same(const json_t *a, const json_t *b)
{
    return a == NULL || b == NULL ? json_array_size(json_at(a, "inline_keyboard")) ==
                                        json_array_size(json_at(b, "inline_keyboard"))
                                  : json_equal(a, b) == 1;
}

static void edit_message(const struct asked *asked, const char *field, size_t most)
{
    int64_t chat = json_integer_value(json_object_get(asked->body, "chat_id"));
    int64_t id = json_integer_value(json_object_get(asked->body, "message_id"));
    json_t *kept = message_find(asked->cloud, chat, id);
    const json_t *markup = json_object_get(asked->body, "reply_markup");
    const char *problem = text_problem(asked->body, field, most);

    if (kept == NULL || problem != NULL) {
        reply_error(asked, 400, kept == NULL ? "Bad Request: message to edit not found" : problem);
        return;
    }
    if (json_object_get(kept, field) == NULL) {
        reply_error(asked, 400, "Bad Request: there is no text in the message to edit");
        return;
    }
    if (json_equal(json_object_get(kept, field), json_object_get(asked->body, field)) == 1 &&
        same(json_object_get(kept, "reply_markup"), markup)) {
        asked->cloud->counts.telegram_unchanged++;
        reply_error(asked, 400,
                    "Bad Request: message is not modified: specified new message content and reply markup are exactly "
                    "the same as a current content and reply markup of the message");
        return;
    }
    json_object_set(kept, field, json_object_get(asked->body, field));
    json_object_del(kept, "reply_markup");
    if (markup != NULL)
        json_object_set_new(kept, "reply_markup", json_deep_copy(markup));
    json_object_set_new(kept, "edits", json_integer(json_integer_value(json_object_get(kept, "edits")) + 1));
    asked->cloud->counts.telegram_edits++;
    log_message(asked, "edit", chat, id);
    reply_ok(asked, message_show(kept));
}

static void answer_press(const struct asked *asked)
{
    json_t *toast;

    if (json_text_at(asked->body, "callback_query_id").size == 0) {
        reply_error(asked, 400,
                    "Bad Request: query is too old and response timeout expired or query ID is invalid");
        return;
    }
    toast = json_pack("{s:O, s:O?}", "callback_query_id", json_object_get(asked->body, "callback_query_id"), "text",
                      json_object_get(asked->body, "text"));
    json_array_append_new(asked->cloud->telegram.toasts, toast);
    asked->cloud->counts.telegram_toasts++;
    reply_ok(asked, json_true());
}

static void get_updates(const struct asked *asked)
{
    json_t *updates = asked->cloud->telegram.updates, *batch = json_array();
    json_int_t offset = json_integer_value(json_object_get(asked->body, "offset"));
    json_int_t limit = json_integer_value(json_object_get(asked->body, "limit"));
    json_int_t timeout_s = json_integer_value(json_object_get(asked->body, "timeout"));

    asked->cloud->counts.telegram_polls++;
    while (json_array_size(updates) > 0 &&
           json_integer_value(json_object_get(json_array_get(updates, 0), "update_id")) < offset)
        json_array_remove(updates, 0);
    if (limit < 1 || limit > UPDATES_DEFAULT)
        limit = UPDATES_DEFAULT;
    for (size_t i = 0; i < json_array_size(updates) && (json_int_t)i < limit; i++)
        json_array_append(batch, json_array_get(updates, i));
    if (json_array_size(batch) == 0 && timeout_s > 0)
        asked->reply->latency_ms = (uint32_t)timeout_s * 1000;
    reply_ok(asked, batch);
}

/* ---- the answer ---- */

/* ".../botTOKEN/METHOD" */
static struct slice method_of(struct slice url, struct slice *token)
{
    const char *start = memmem(url.data, url.size, "/bot", 4);
    const char *end = start != NULL ? memchr(start + 4, '/', url.size - (size_t)(start + 4 - url.data)) : NULL;

    if (end == NULL)
        return (struct slice){NULL, 0};
    *token = (struct slice){start + 4, (size_t)(end - start) - 4};
    return (struct slice){end + 1, url.size - (size_t)(end + 1 - url.data)};
}

static bool fails(const struct asked *asked, struct slice token)
{
    struct slice right = asked->cloud->options.telegram_token;

    if (cloud_meets(asked->cloud, CLOUD_TELEGRAM, CLOUD_KEY, asked->now_ms) ||
        (right.size > 0 && !slice_equal(right, token)))
        reply_error(asked, 401, "Unauthorized");
    else if (cloud_meets(asked->cloud, CLOUD_TELEGRAM, CLOUD_INTERNAL, asked->now_ms))
        reply_error(asked, 500, "Internal Server Error");
    else if (cloud_meets(asked->cloud, CLOUD_TELEGRAM, CLOUD_LIMITED, asked->now_ms))
        reply_limited(asked, 1 + (int64_t)cloud_random_below(asked->cloud, 5));
    else
        return false;
    return true;
}

static void model_begin(struct telegram_model *model)
{
    if (model->messages != NULL)
        return;
    model->messages = json_object();
    model->updates = json_array();
    model->toasts = json_array();
    model->chats = json_object();
    model->next_update = 1000;
}

static void work(const struct asked *asked, struct slice method)
{
    if (slice_is(method, "getMe"))
        reply_ok(asked, bot_new());
    else if (slice_is(method, "sendMessage"))
        send_message(asked, "text", TEXT_MAX);
    else if (slice_is(method, "sendPhoto"))
        send_message(asked, "caption", CAPTION_MAX);
    else if (slice_is(method, "editMessageText"))
        edit_message(asked, "text", TEXT_MAX);
    else if (slice_is(method, "editMessageCaption"))
        edit_message(asked, "caption", CAPTION_MAX);
    else if (slice_is(method, "answerCallbackQuery"))
        answer_press(asked);
    else if (slice_is(method, "getUpdates"))
        get_updates(asked);
    else
        reply_error(asked, 404, "Not Found");
}

void cloud_telegram_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    struct slice token = {NULL, 0}, method = method_of(call->url, &token);
    struct json_problem problem;
    json_t *body = json_read(call->body, &problem);
    struct asked asked = {cloud, now_ms, body, reply};

    model_begin(&cloud->telegram);
    if (!fails(&asked, token)) {
        work(&asked, method);
        if (cloud_meets(cloud, CLOUD_TELEGRAM, CLOUD_HTML, now_ms)) {
            buffer_clear(&cloud->body);
            buffer_text(&cloud->body, "<html><body>Sign in to the network</body></html>");
            reply->answer.body = buffer_slice(&cloud->body);
        }
    }
    json_decref(body);
}

void cloud_telegram_fini(struct cloud *cloud)
{
    json_decref(cloud->telegram.messages);
    json_decref(cloud->telegram.updates);
    json_decref(cloud->telegram.toasts);
    json_decref(cloud->telegram.chats);
}

/* ---- users ---- */

static void add_update(struct cloud *cloud, const char *kind, json_t *what)
{
    json_array_append_new(cloud->telegram.updates,
                          json_pack("{s:I, s:o}", "update_id", (json_int_t)++cloud->telegram.next_update, kind, what));
    cloud->counts.telegram_updates++;
}

/* The data of the button with that title, or the text itself when it is data. */
static struct slice button_data(const json_t *message, struct slice button)
{
    const json_t *rows = json_at(message, "reply_markup.inline_keyboard");

    for (size_t i = 0; i < json_array_size(rows); i++)
        for (size_t k = 0; k < json_array_size(json_array_get(rows, i)); k++) {
            const json_t *found = json_array_get(json_array_get(rows, i), k);
            if (slice_equal(json_text_at(found, "text"), button))
                return json_text_at(found, "callback_data");
        }
    return button.size > 0 && memchr(button.data, ':', button.size) != NULL ? button : (struct slice){NULL, 0};
}

bool cloud_telegram_press(struct cloud *cloud, int64_t now_ms, int64_t user, int64_t chat, int64_t message_id,
                          struct slice button)
{
    const json_t *message = message_find(cloud, chat, message_id);
    struct slice data = button_data(message, button);
    char id[24];

    (void)now_ms;
    if (message == NULL || data.size == 0)
        return false;
    snprintf(id, sizeof(id), "%" PRIu64, cloud_random(cloud) >> 2);
    add_update(cloud, "callback_query",
               json_pack("{s:s, s:o, s:o, s:s, s:s%}", "id", id, "from", user_new(user), "message",
                         message_show(message), "chat_instance", "1", "data", data.data, data.size));
    return true;
}

void cloud_telegram_say(struct cloud *cloud, int64_t now_ms, int64_t user, int64_t chat, struct slice text,
                        int64_t reply_to)
{
    const json_t *replied = message_find(cloud, chat, reply_to);
    json_t *message;

    model_begin(&cloud->telegram);
    message = json_pack("{s:I, s:o, s:o, s:I, s:s%}", "message_id", (json_int_t)++cloud->telegram.next_message, "from",
                        user_new(user), "chat", chat_new(chat), "date", (json_int_t)(now_ms / SECOND_MS), "text",
                        text.size ? text.data : "", text.size);
    if (replied != NULL)
        json_object_set_new(message, "reply_to_message", message_show(replied));
    add_update(cloud, "message", message);
}

void cloud_telegram_print(const struct cloud *cloud, struct buffer *into)
{
    json_t *messages = json_array(), *message, *shown;
    const char *key;

    json_object_foreach(cloud->telegram.messages, key, message) json_array_append(messages, message);
    shown = json_pack("{s:o, s:O?}", "messages", messages, "toasts", cloud->telegram.toasts);
    json_write(into, shown);
    json_decref(shown);
}
