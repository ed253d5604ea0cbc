/* shopify - what a Shopify webhook says, as facts: topics, and an order's body as typed rows. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/rows.h"
#include "proto/text/json.h"

enum shopify_topic {
#define TOPIC(ID, name, body, doc) SHOPIFY_##ID,
#include "connectors/shopify/topics.def"
#undef TOPIC
    SHOPIFY_TOPIC_COUNT
};

enum shopify_body { SHOPIFY_order, SHOPIFY_refund, SHOPIFY_product, SHOPIFY_shop, SHOPIFY_privacy };

struct shopify_topic_info {
    const char *name, *doc;
    enum shopify_body body;
};
extern const struct shopify_topic_info shopify_topic_info[SHOPIFY_TOPIC_COUNT];

/* Why something was not taken: the field ("line_items.2.price") and a sentence that never quotes a value. */
struct shopify_problem {
    char field[128];
    char text[400];
};

/* OK, or INVALID with a problem that lists the known topics. */
enum error shopify_topic_find(struct slice name, enum shopify_topic *topic, struct shopify_problem *problem);

enum { SHOPIFY_LINES_MAX = 1000 };

struct shopify_facts {
    struct row *rows; /* the order, its lines in their order, then the customer if there is one */
    size_t row_count;
    char (*ids)[33]; /* decimal ids that the rows point to */
    size_t id_count;
};

/* Turns an order (the body of any orders/ topic) into rows. `shop` is the first key of each row. The rows borrow
 * from `order`, `shop` and the facts themselves; free them with shopify_facts_free().
 * INVALID or MALFORMED name the field; TOO_LARGE means more than SHOPIFY_LINES_MAX lines. On an error the facts are
 * empty. Fields that are absent or null become null, except: id, a time of the last change (updated_at, else
 * created_at), each line's id, and currency when there is any money. */
enum error shopify_order_facts(struct slice shop, const json_t *order, struct shopify_facts *facts,
                               struct shopify_problem *problem);
void shopify_facts_free(struct shopify_facts *facts);

/* "199.65" in minor units of a currency: exact, at most 10^15 either way; digits past the currency's exponent must be
 * zeros. `currency` is three capital letters. MALFORMED or INVALID otherwise. */
enum error shopify_money(struct slice text, struct slice currency, int64_t *minor);
/* ISO 8601 with seconds and an offset ("2025-04-02T11:31:05-05:00", "...Z", fractions allowed) as UTC ms. */
bool shopify_time(struct slice text, int64_t *utc_ms);
