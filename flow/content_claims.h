/* content_claims - what a text claims: links, addresses, mentions, telephone numbers, prices and percentages. The same
 * reader reads the facts, so that both sides are understood alike. Internal to flow/content. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"

enum claim_kind {
    CLAIM_LINK,
    CLAIM_ADDRESS,
    CLAIM_MENTION,
    CLAIM_PHONE,
    CLAIM_PRICE,
    CLAIM_PERCENT,
    CLAIM_NUMBER, /* facts only: a JSON number, or a text that is nothing but one */
};

struct claim {
    enum claim_kind kind;
    char *text;       /* as it stands there, cut at 80 bytes */
    char *key;        /* what is compared: host and path, address, name, digits; "" for amounts */
    int64_t milli;    /* PRICE, PERCENT, NUMBER: thousandths */
    int64_t integer;  /* NUMBER from a JSON integer: that; else -1 */
    char currency[4]; /* PRICE: "" when the sign fits several */
};

struct claims {
    struct claim *items;
    size_t count;
};

void claims_read(struct claims *claims, struct slice text);
/* All texts and numbers in it. */
void claims_read_facts(struct claims *claims, const json_t *facts);
/* Whether the facts bear the claim out. A price's amount may stand in the facts as a price of the same currency, as a
 * number, or as an integer of minor units; a percentage also as a share of 1. */
bool claims_know(const struct claims *facts, const struct claim *claim);
void claims_free(struct claims *claims);
