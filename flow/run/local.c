// SPDX-License-Identifier: MIT
#include "actors/scheduler/local.h"
#include "connectors/shopify/shopify.h"
#include "proto/check.h"
#include <stdio.h>

/* The rows of a Shopify order: the order, its lines and its customer. */
static enum error save(struct advance *advance, const json_t *inputs, json_t **result, char *problem, size_t room)
{
    struct shopify_facts facts;
    struct shopify_problem why;
    struct slice shop = json_text_at(inputs, "shop");
    enum error error;

    if (shop.size == 0)
        shop = json_text_at(advance->run->record, "trigger.shop");
    if (shop.size == 0) {
        snprintf(problem, room, "save: the trigger has no shop; give one with shop:");
        return ERROR_INVALID;
    }
    error = shopify_order_facts(shop, json_object_get(inputs, "from"), &facts, &why);
    if (error != ERROR_OK) {
        snprintf(problem, room, "save: %s: %s", why.field, why.text);
        return error;
    }
    if (advance->op_count + facts.row_count > ADVANCE_OPS_MAX) {
        snprintf(problem, room, "save: %zu rows are too many for one commit", facts.row_count);
        shopify_facts_free(&facts);
        return ERROR_TOO_LARGE;
    }
    for (size_t i = 0; i < facts.row_count; i++) {
        struct buffer row = {NULL, 0, 0};
        row_pack(&row, &facts.rows[i]);
        op_put_append(advance->ops, &(struct op_append){.row = buffer_slice(&row)});
        buffer_free(&row);
    }
    advance->op_count += facts.row_count;
    *result = json_pack("{s:I}", "rows", (json_int_t)facts.row_count);
    shopify_facts_free(&facts);
    return ERROR_OK;
}

static json_int_t integer_or(const json_t *inputs, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(inputs, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

/* A count that was taken before skips its booking; the claim and the booking are one commit, so neither stands alone.
 */
static enum error count(struct advance *advance, const json_t *inputs, json_t **result)
{
    struct slice book = json_text_at(inputs, "book"), currency = json_text_at(inputs, "currency");
    struct slice once = json_text_at(inputs, "once");
    struct op_book op = {.book = book,
                         .currency = currency,
                         .at_ms = integer_or(inputs, "at", advance->now_ms),
                         .amount = integer_or(inputs, "amount", 1)};

    if (once.size > 0) {
        struct buffer key = {NULL, 0, 0};
        buffer_printf(&key, "count/%.*s/", (int)book.size, book.size ? book.data : "");
        buffer_append(&key, once.data, once.size);
        op_put_claim(advance->ops, &(struct op_claim){.key = buffer_slice(&key), .until_ms = INT64_MAX, .skip = 1});
        advance->op_count++;
        buffer_free(&key);
    }
    op_put_book(advance->ops, &op);
    advance->op_count++;
    *result = json_pack("{s:s%, s:s%, s:I}", "book", book.data, book.size, "currency",
                        currency.size ? currency.data : "", currency.size, "amount", (json_int_t)op.amount);
    return ERROR_OK;
}

enum error local_do(struct advance *advance, enum skill_id skill, const json_t *inputs, json_t **result, char *problem,
                    size_t room)
{
    CHECK(skill == SKILL_SAVE || skill == SKILL_COUNT || skill == SKILL_LOG);
    if (skill == SKILL_SAVE)
        return save(advance, inputs, result, problem, room);
    if (skill == SKILL_COUNT)
        return count(advance, inputs, result);
    *result = json_deep_copy(inputs);
    return ERROR_OK;
}
