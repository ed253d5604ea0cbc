// LINK: connectors flow proto
// SPDX-License-Identifier: MIT
/* What Telegram says: answers, the data of buttons, the marks of prompts; and approvals as they are kept. */
#include "connectors/telegram/bot_api.h"
#include "flow/approval.h"
#include "proto/check.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_answer(struct slice bytes)
{
    static const int statuses[] = {200, 400, 401, 409, 429, 500};
    struct bot_api_answer read;

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        bot_api_read(&(struct answer){.error = ERROR_OK, .status = statuses[i], .body = bytes}, &read);
        CHECK((read.result != NULL) == (read.error == ERROR_OK && !read.is_unchanged));
        CHECK(slice_is_utf8(slice_of(read.text)) || !slice_is_utf8(bytes));
        json_decref(read.result);
    }
}

static void read_data(struct slice bytes)
{
    struct slice verb, key, hash;
    uint64_t id;

    if (bot_api_button_read(bytes, &verb, &key, &hash))
        CHECK(approval_key_read(key, &id) && bytes.size <= 64);
    if (bot_api_prompt_read(bytes, &key, &hash))
        CHECK(approval_key_read(key, &id));
    json_decref(bot_api_chat(bytes));
}

static void read_approval(struct slice bytes)
{
    json_t *approval = approval_read(bytes);
    struct buffer text = {NULL, 0, 0};
    struct approval_vote vote = {.verb = SLICE("approve"), .via = SLICE("telegram"), .who = SLICE("1")};

    if (approval == NULL)
        return;
    approval_vote(approval, &vote, 0);
    approval_wake(approval, 1);
    approval_ask_text(approval, 4096, &text);
    approval_settled_text(approval, &text);
    json_decref(approval_show(approval, true));
    json_decref(approval_result(approval));
    json_decref(approval);
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = xcalloc(size + 1, 1);
    struct slice bytes = {copy, size};

    for (size_t i = 0; i < size; i++)
        copy[i] = (char)data[i];
    read_answer(bytes);
    read_data(bytes);
    read_approval(bytes);
    free(copy);
    return 0;
}
