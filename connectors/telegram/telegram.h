/* telegram - messages over the Bot API. Inputs by `kind`:
 *   send    {chat, text, photo, silent}: one message. It cannot be asked for afterwards, so an unfinished one is
 *           unknown. Result {message_id, chat}.
 *   ask     {chats, approval, hash, n, text, photo}: a question with buttons to each chat. To ask twice does no harm
 *           (the approval counts an answer once), so it is repeated. Result {approval, n, messages: [{chat, message_id,
 *           photo}], missed}.
 *   prompt  {chat, approval, hash, text}: asks for a new text, as a reply. Repeated too. Result {message_id, chat}.
 *   settle  {messages, text}: edits messages and takes their buttons away; done again it changes nothing.
 *   skip    {why}: nothing; result {skipped: why}. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

extern const struct connector connector_telegram;
