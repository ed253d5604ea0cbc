/* limits - what Shopify tells about its buckets. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

/* Fills *usage from an answer of the Admin API: the header X-Shopify-Shop-Api-Call-Limit (REST, 32/40) or the throttle
 * status of a GraphQL answer, which counts points; its own answer "THROTTLED" comes with status 200. now_ms: UTC. */
void shopify_usage(const struct answer *answer, int64_t now_ms, struct usage *usage);
