// SPDX-License-Identifier: MIT
#include "actors/common/decision_event.h"
#include "actors/ingress/state.h"
#include "actors/ingress/telegram.h"
#include "flow/approval.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_PRIORITY = 4, NOTICE_PRIORITY = 2, NOTICE_ATTEMPTS = 5, CONTENT_UNITS_MAX = 3500, NAME_MAX_BYTES = 200 };
static const int64_t NOTICE_FIRST_MS = 2000, NOTICE_MAX_MS = 60000;

typedef char id_text[24];

/* The jobs of one update: all of them, or none when the update came before. */
struct jobs {
    struct buffer ops;
    uint64_t count;
};

/* An update, taken apart. Borrows it. */
struct said {
    const json_t *update, *press, *message, *from; /* press: NULL for a message */
    const struct approver *approver;               /* NULL: not listed */
    id_text user, chat, message_id;
    bool is_here; /* in telegram_chat, or in the approver's own chat */
    struct slice verb, key, hash, text; /* key is empty when it answers no question */
};

/* ---- who, where and what ---- */

static void print_id(id_text into, const json_t *value)
{
    snprintf(into, sizeof(id_text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static const struct approver *approver_of(const struct config *config, const char *user)
{
    for (size_t i = 0; i < config->approver_count; i++)
        if (config->approvers[i].telegram != NULL && strcmp(config->approvers[i].telegram, user) == 0)
            return &config->approvers[i];
    return NULL;
}

static bool is_the_chat(const struct config *config, const struct said *said)
{
    struct slice name = json_text_at(said->message, "chat.username");
    const char *chat = config->telegram_chat;

    if (chat[0] == '@')
        return name.size > 0 && slice_is(name, chat + 1);
    return chat[0] != '\0' && strcmp(chat, said->chat) == 0;
}

static void read_press(struct said *said)
{
    if (!bot_api_button_read(json_text_at(said->press, "data"), &said->verb, &said->key, &said->hash))
        said->key = (struct slice){NULL, 0};
}

/* A reply to a message of ours that asks for a text. */
static void read_reply(const struct ingress *ingress, struct said *said)
{
    const json_t *prompt = json_object_get(said->message, "reply_to_message");

    said->verb = SLICE("edit");
    if (json_integer_value(json_at(prompt, "from.id")) != ingress->telegram.bot ||
        !bot_api_prompt_read(json_text_at(prompt, "text"), &said->key, &said->hash))
        said->key = (struct slice){NULL, 0};
}

static void take_apart(const struct ingress *ingress, const json_t *update, struct said *said)
{
    *said = (struct said){.update = update, .press = json_object_get(update, "callback_query")};
    said->message = said->press != NULL ? json_object_get(said->press, "message") : json_object_get(update, "message");
    said->from = json_object_get(said->press != NULL ? said->press : said->message, "from");
    print_id(said->user, json_object_get(said->from, "id"));
    print_id(said->chat, json_at(said->message, "chat.id"));
    print_id(said->message_id, json_object_get(said->message, "message_id"));
    said->approver = approver_of(ingress->config, said->user);
    said->is_here =
        is_the_chat(ingress->config, said) || (said->approver != NULL && strcmp(said->chat, said->user) == 0);
    said->text = json_text_at(said->message, "text");
    if (said->text.size == 0)
        said->text = json_text_at(said->message, "caption");
    if (said->press != NULL)
        read_press(said);
    else
        read_reply(ingress, said);
}

static bool may_answer(const struct said *said)
{
    return said->approver != NULL && said->is_here && said->key.size > 0;
}

bool update_is_answer(const struct ingress *ingress, const json_t *update, struct slice *key)
{
    struct said said;

    take_apart(ingress, update, &said);
    *key = said.key;
    return may_answer(&said);
}

/* ---- what follows ---- */

static void add_notice(struct jobs *jobs, json_t *input)
{
    struct buffer payload = {NULL, 0, 0}, text = {NULL, 0, 0};

    json_write(&text, input);
    payload_put_task(&payload, &(struct payload_task){.skill = SLICE("telegram"),
                                                      .mode = SLICE("live"),
                                                      .input = buffer_slice(&text),
                                                      .attempts_max = NOTICE_ATTEMPTS,
                                                      .first_ms = NOTICE_FIRST_MS,
                                                      .max_ms = NOTICE_MAX_MS,
                                                      .on_unknown = SLICE("drop")});
    op_put_push(&jobs->ops, &(struct op_push){.queue = SLICE("publish"),
                                              .priority = NOTICE_PRIORITY,
                                              .gate = SLICE("telegram/default"),
                                              .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                              .payload = buffer_slice(&payload)});
    jobs->count++;
    buffer_free(&payload);
    buffer_free(&text);
    json_decref(input);
}

static void toast(struct ingress *ingress, const struct said *said, struct slice text)
{
    struct slice id = json_text_at(said->press, "id");

    if (id.size == 0)
        return;
    text = bot_api_cut(text, BOT_API_TOAST_CHARACTERS_MAX);
    json_array_append_new(ingress->telegram.toasts,
                          json_pack("{s:s%, s:s%}", "callback_query_id", id.data, id.size, "text",
                                    text.size ? text.data : "", text.size));
}

/* Says it on the phone: over the message for a press, as a message for a reply. */
static void tell(struct ingress *ingress, const struct said *said, struct slice text, struct jobs *jobs)
{
    if (said->press != NULL)
        toast(ingress, said, text);
    else
        add_notice(jobs, json_pack("{s:s%, s:s}", "text", text.data, text.size, "chat", said->chat));
}

/* Buttons that lead nowhere any more go away. */
static void settle_message(const struct said *said, const json_t *approval, struct jobs *jobs)
{
    struct buffer text = {NULL, 0, 0};

    approval_settled_text(approval, &text);
    add_notice(jobs, json_pack("{s:{s:[{s:O?, s:O?, s:b}], s:s%}}", "settle", "messages", "chat",
                               json_at(said->message, "chat.id"), "message_id",
                               json_object_get(said->message, "message_id"), "photo",
                               json_is_array(json_object_get(said->message, "photo")), "text", text.data, text.size));
    buffer_free(&text);
}

static void ask_for_text(const struct said *said, const json_t *approval, struct jobs *jobs)
{
    struct buffer text = {NULL, 0, 0};
    struct slice content = json_text_at(approval, "content");
    struct slice shown = bot_api_cut(content, CONTENT_UNITS_MAX);

    buffer_text(&text, "Reply to this message with the new text for \"");
    approval_title(approval, &text);
    buffer_text(&text, "\". The text now:\n\n");
    buffer_append(&text, shown.data, shown.size);
    buffer_text(&text, shown.size < content.size ? "...\n" : "\n");
    add_notice(jobs, json_pack("{s:{s:s, s:s%, s:s%, s:s%}}", "prompt", "chat", said->chat, "approval", said->key.data,
                               said->key.size, "hash", said->hash.data, said->hash.size, "text", text.data, text.size));
    buffer_free(&text);
}

static void add_decision(const struct said *said, const json_t *approval, const struct approval_vote *vote,
                         struct jobs *jobs)
{
    uint64_t id = 0;

    approval_key_read(said->key, &id);
    decision_event_put(&jobs->ops, &(struct payload_decision){.run = approval_run(approval),
                                                              .step = json_text_at(approval, "step"),
                                                              .approval = id,
                                                              .hash = vote->hash,
                                                              .verb = vote->verb,
                                                              .text = vote->text,
                                                              .via = vote->via,
                                                              .who = vote->who,
                                                              .at_ms = vote->at_ms,
                                                              .name = vote->name});
    jobs->count++;
}

/* The run judges the answer again, in its turn: what the person reads here is what it will do unless somebody else was
 * faster. */
static void take_vote(struct ingress *ingress, const struct said *said, const json_t *approval,
                      const struct approval_vote *vote, struct jobs *jobs)
{
    json_t *judged = json_deep_copy(approval);
    enum approval_verdict verdict = approval_vote(judged, vote, actor_wall(ingress->actor));
    struct buffer text = {NULL, 0, 0};

    approval_verdict_text(judged, vote, verdict, &text);
    tell(ingress, said, buffer_slice(&text), jobs);
    if (verdict <= APPROVAL_LATER)
        add_decision(said, approval, vote, jobs);
    else if (said->press != NULL && (verdict == APPROVAL_CLOSED || verdict == APPROVAL_STALE))
        settle_message(said, approval, jobs);
    buffer_free(&text);
    json_decref(judged);
}

static void take_answer(struct ingress *ingress, const struct said *said, const json_t *approval, struct jobs *jobs)
{
    int64_t now_ms = actor_wall(ingress->actor);
    struct approval_vote vote = {.verb = said->verb,
                                 .hash = said->hash,
                                 .via = SLICE("telegram"),
                                 .who = slice_of(said->user),
                                 .name = slice_of(said->approver->name),
                                 .at_ms = now_ms};

    if (approval == NULL) {
        tell(ingress, said, SLICE("This question is not kept any more."), jobs);
    } else if (said->press != NULL && slice_is(said->verb, "edit") &&
               approval_look(approval, said->hash, now_ms) == APPROVAL_COUNTED) {
        ask_for_text(said, approval, jobs);
        toast(ingress, said, SLICE("Reply to the message that follows."));
    } else {
        vote.text = said->press == NULL ? said->text : (struct slice){NULL, 0};
        take_vote(ingress, said, approval, &vote, jobs);
    }
}

static void ignore(struct ingress *ingress, const struct said *said)
{
    actor_count(ingress->actor, METRIC_TELEGRAM_IGNORED, 0, 1);
    ACTOR_LOG(ingress->actor, LOG_WARN, "telegram-ignored", L_STR("what", said->press != NULL ? "press" : "message"),
              L_STR("why", !said->is_here ? "not a known chat"
                           : said->approver == NULL ? "not an approver"
                                                    : "not ours"));
    toast(ingress, said,
          said->approver != NULL ? SLICE("This button leads nowhere.")
                                 : SLICE("You are not on the list of those who decide here."));
}

static void add_message(const struct said *said, struct jobs *jobs)
{
    struct slice first = json_text_at(said->from, "first_name"), last = json_text_at(said->from, "last_name");
    const json_t *reply = json_at(said->message, "reply_to_message.message_id");
    struct buffer payload = {NULL, 0, 0}, name = {NULL, 0, 0};
    id_text reply_to = "";

    buffer_append(&name, first.data, first.size);
    if (last.size > 0)
        buffer_text(&name, first.size > 0 ? " " : "");
    buffer_append(&name, last.data, last.size);
    if (reply != NULL)
        print_id(reply_to, reply);
    payload_put_message(
        &payload,
        &(struct payload_message){
            .channel = SLICE("telegram"),
            .chat = slice_of(said->chat),
            .sender = slice_of(said->user),
            .name = bot_api_cut(buffer_slice(&name), NAME_MAX_BYTES),
            .text = said->text,
            .message_id = slice_of(said->message_id),
            .reply_to = slice_of(reply_to),
            .received_ms = json_integer_value(json_object_get(said->message, "date")) * 1000});
    op_put_push(&jobs->ops, &(struct op_push){.queue = SLICE("flow"),
                                              .priority = MESSAGE_PRIORITY,
                                              .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                              .payload = buffer_slice(&payload)});
    jobs->count++;
    buffer_free(&payload);
    buffer_free(&name);
}

static void keep_jobs(struct ingress *ingress, const struct said *said, const struct jobs *jobs)
{
    char key[64];

    snprintf(key, sizeof(key), "telegram/%" PRId64 "/%" JSON_INTEGER_FORMAT, ingress->telegram.bot,
             json_integer_value(json_object_get(said->update, "update_id")));
    op_put_claim(&ingress->telegram.ops,
                 &(struct op_claim){.key = slice_of(key),
                                    .until_ms = actor_wall(ingress->actor) + ingress->config->dedup_keep_ms,
                                    .skip = jobs->count});
    buffer_append(&ingress->telegram.ops, jobs->ops.data, jobs->ops.size);
}

void update_take(struct ingress *ingress, const json_t *update, const json_t *approval)
{
    struct jobs jobs = {{NULL, 0, 0}, 0};
    struct said said;

    take_apart(ingress, update, &said);
    actor_count(ingress->actor, METRIC_TELEGRAM_UPDATES, 0, 1);
    if (may_answer(&said))
        take_answer(ingress, &said, approval, &jobs);
    else if (said.press != NULL || !said.is_here || json_is_true(json_object_get(said.from, "is_bot")))
        ignore(ingress, &said);
    else if (said.text.size > 0)
        add_message(&said, &jobs);
    if (jobs.count > 0)
        keep_jobs(ingress, &said, &jobs);
    buffer_free(&jobs.ops);
}
