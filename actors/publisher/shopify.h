/* shopify - what the publisher knows of the shop: its address, its token, and where its webhooks belong. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/common/worker.h"

/* Input of a step: {action, input}. Adds `webhooks`, what check_webhooks is to find: [{topic, uri}] of every hook of
 * the shop. */
json_t *shopify_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                        struct scratch *scratch, struct step *step);
