/* telegram - what the publisher knows of Telegram: to which chats messages and questions go, and which messages ask. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/common/worker.h"
#include "connectors/telegram/telegram.h"

/* Input of a step: {text, chat, photo, silent}. Of a notice: {ask: {...}}, {settle: {...}} or {prompt: {...}}; without
 * a bot or a chat a notice is skipped, since the console shows the same. */
json_t *telegram_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                         struct scratch *scratch, struct step *step);
/* Keeps which messages ask (space "telegram", key asked/APPROVAL/N), so that they can be edited when it is answered. */
void telegram_done(struct actor *actor, const json_t *inputs, json_t *result);
