/* bot_api - the words of Telegram's Bot API: calls, answers, buttons. Pure; used by the connector, which talks, and by
 * ingress, which listens. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

enum {
    BOT_API_TEXT_UNITS_MAX = 4096, /* UTF-16 units of a message */
    BOT_API_CAPTION_UNITS_MAX = 1024,
    BOT_API_TOAST_CHARACTERS_MAX = 200,
    BOT_API_BUTTON_BYTES = 65, /* callback_data: 64 bytes and a NUL */
};

/* The call of a method with its JSON body; url and body are kept in the scratch, the rest is borrowed from settings. */
void bot_api_call(const struct connector_settings *settings, const char *method, const json_t *body,
                  struct scratch *scratch, struct call *call);

/* What came back. */
struct bot_api_answer {
    enum error error;       /* OK: `result` is there */
    json_t *result;         /* owned by the caller */
    int64_t retry_after_ms; /* LIMITED; -1: not said */
    bool is_unchanged;      /* an edit that was done before: OK without a result */
    bool is_unknown;        /* not OK, but the method may have had its effect */
    char text[240];         /* what the service said, for people */
};
void bot_api_read(const struct answer *answer, struct bot_api_answer *read);

/* "-100123" becomes a number, "@name" stays a text; NULL when it is neither. Owned by the caller. */
json_t *bot_api_chat(struct slice chat);

/* The longest beginning of at most so many UTF-16 units. */
struct slice bot_api_cut(struct slice text, size_t units_max);

/* The buttons below a question, and what is in them. `key` and `hash` are 16 hex digits each. */
json_t *bot_api_buttons(struct slice key, struct slice hash);
/* The verb as a word of the approvals; false for data that no button of ours has. Slices borrow `data`. */
bool bot_api_button_read(struct slice data, struct slice *verb, struct slice *key, struct slice *hash);
/* The line that marks a message asking for a new text, so that the reply to it can be told. */
void bot_api_prompt_mark(struct slice key, struct slice hash, struct buffer *into);
bool bot_api_prompt_read(struct slice text, struct slice *key, struct slice *hash);
