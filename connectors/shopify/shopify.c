// SPDX-License-Identifier: MIT
#include "connectors/shopify/shopify.h"
#include "proto/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct shopify_topic_info shopify_topic_info[SHOPIFY_TOPIC_COUNT] = {
#define TOPIC(ID, name, body, doc) {name, doc, SHOPIFY_##body},
#include "connectors/shopify/topics.def"
#undef TOPIC
};

enum error shopify_topic_find(struct slice name, enum shopify_topic *topic, struct shopify_problem *problem)
{
    static const char known[] = ""
#define TOPIC(ID, name, body, doc) " " name
#include "connectors/shopify/topics.def"
#undef TOPIC
        ;

    for (int i = 0; i < SHOPIFY_TOPIC_COUNT; i++) {
        if (slice_is(name, shopify_topic_info[i].name)) {
            *topic = (enum shopify_topic)i;
            return ERROR_OK;
        }
    }
    snprintf(problem->field, sizeof(problem->field), "topic");
    snprintf(problem->text, sizeof(problem->text), "no such topic; known are:%s", known);
    return ERROR_INVALID;
}

/* One pass over an order. Sticky: after the first misfit nothing is read any more. */
struct reading {
    struct shopify_facts *facts;
    struct shopify_problem *problem;
    struct slice currency;
    const json_t *at; /* the object being read */
    char prefix[48];  /* where it stands: "", "line_items.3." */
    enum error error;
};

static void misfit(struct reading *reading, const char *field, enum error error, const char *why)
{
    if (reading->error != ERROR_OK)
        return;
    reading->error = error;
    snprintf(reading->problem->field, sizeof(reading->problem->field), "%s%s", reading->prefix, field);
    snprintf(reading->problem->text, sizeof(reading->problem->text), "%s", why);
}

static const json_t *take(struct reading *reading, const char *field)
{
    const json_t *value = json_at(reading->at, field);

    return value == NULL || json_is_null(value) ? NULL : value;
}

static const struct row_value none = {.is_null = true};

static struct row_value take_text(struct reading *reading, const char *field)
{
    const json_t *value = take(reading, field);

    if (value == NULL)
        return none;
    if (!json_is_string(value)) {
        misfit(reading, field, ERROR_INVALID, "must be text or null");
        return none;
    }
    return (struct row_value){.text = json_text_at(reading->at, field)};
}

static struct row_value take_id(struct reading *reading, const char *field, bool needed)
{
    char *id = reading->facts->ids[reading->facts->id_count];

    if (take(reading, field) == NULL) {
        if (needed)
            misfit(reading, field, ERROR_INVALID, "is missing");
        return none;
    }
    if (!json_id_at(reading->at, field, id)) {
        misfit(reading, field, ERROR_INVALID, "must be an id: an integer, or text of up to 32 digits");
        return none;
    }
    reading->facts->id_count++;
    return (struct row_value){.text = slice_of(id)};
}

static struct row_value take_integer(struct reading *reading, const char *field)
{
    const json_t *value = take(reading, field);

    if (value == NULL)
        return none;
    if (json_is_boolean(value))
        return (struct row_value){.number = json_is_true(value)};
    if (!json_is_integer(value)) {
        misfit(reading, field, ERROR_INVALID, "must be an integer");
        return none;
    }
    return (struct row_value){.number = json_integer_value(value)};
}

static struct row_value take_time(struct reading *reading, const char *field)
{
    struct row_value value = take_text(reading, field);

    if (!value.is_null && !shopify_time(value.text, &value.number)) {
        misfit(reading, field, ERROR_MALFORMED, "must be a time like 2025-04-02T11:31:05-05:00");
        return none;
    }
    return value.is_null ? none : (struct row_value){.number = value.number};
}

/* Shopify sends money as text. Whole JSON numbers are exact too; fractions of them are not. */
static struct row_value take_money(struct reading *reading, const char *field)
{
    const json_t *value = take(reading, field);
    char digits[32];
    struct slice text = json_text_at(reading->at, field);
    struct row_value money = {0};

    if (value == NULL)
        return none;
    if (json_is_integer(value)) {
        snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(value));
        text = slice_of(digits);
    } else if (!json_is_string(value)) {
        misfit(reading, field, ERROR_INVALID, "must be an amount written as text, like \"199.65\"");
        return none;
    }
    if (reading->currency.size == 0)
        misfit(reading, field, ERROR_INVALID, "is an amount, and the order names no currency");
    enum error error = shopify_money(text, reading->currency, &money.number);
    if (error == ERROR_MALFORMED)
        misfit(reading, field, error, "is no decimal amount");
    else if (error != ERROR_OK)
        misfit(reading, field, error,
               "is an amount outside 10^15 minor units, finer than its currency, or in no currency");
    return money;
}

static void read_order(struct reading *reading, struct slice shop, struct row *row)
{
    struct row_value stamp = take_time(reading, "updated_at");

    if (stamp.is_null)
        stamp = take_time(reading, "created_at");
    if (stamp.is_null)
        misfit(reading, "updated_at", ERROR_INVALID, "is missing, and so is created_at");
    struct row_value values[] = {
        {.text = shop},
        take_id(reading, "id", true),
        stamp,
        take_text(reading, "name"),
        take_id(reading, "customer.id", false),
        take_text(reading, "email"),
        take_text(reading, "currency"),
        take_money(reading, "total_price"),
        take_money(reading, "subtotal_price"),
        take_money(reading, "total_tax"),
        take_money(reading, "total_discounts"),
        take_text(reading, "financial_status"),
        take_text(reading, "fulfillment_status"),
        take_text(reading, "source_name"),
        take_time(reading, "created_at"),
        take_time(reading, "cancelled_at"),
        take_integer(reading, "test"),
    };
    row->table = TABLE_ORDERS;
    memcpy(row->values, values, sizeof(values));
}

/* What was taken off a line: the sum of its allocations where the shop sends them, its own field before that. */
static struct row_value line_discount(struct reading *reading)
{
    const json_t *allocations = json_at(reading->at, "discount_allocations");
    size_t count = json_array_size(allocations);
    struct row_value sum = {0};
    char field[64];

    if (count == 0)
        return take_money(reading, "total_discount");
    if (count > SHOPIFY_LINES_MAX)
        misfit(reading, "discount_allocations", ERROR_TOO_LARGE, "has too many entries");
    for (size_t i = 0; i < count && reading->error == ERROR_OK; i++) {
        snprintf(field, sizeof(field), "discount_allocations.%zu.amount", i);
        sum.number += take_money(reading, field).number;
    }
    return sum;
}

static void read_line(struct reading *reading, const struct row *order, struct row *row)
{
    struct row_value values[] = {
        order->values[0],
        order->values[1],
        take_id(reading, "id", true),
        order->values[2],
        take_id(reading, "product_id", false),
        take_id(reading, "variant_id", false),
        take_text(reading, "sku"),
        take_text(reading, "title"),
        take_integer(reading, "quantity"),
        order->values[6],
        take_money(reading, "price"),
        line_discount(reading),
    };
    row->table = TABLE_ORDER_LINES;
    memcpy(row->values, values, sizeof(values));
}

static void read_customer(struct reading *reading, const struct row *order, struct row *row)
{
    struct row_value values[] = {
        order->values[0],
        order->values[4],
        order->values[2],
        take_text(reading, "email"),
        take_text(reading, "first_name"),
        take_text(reading, "last_name"),
        take_integer(reading, "orders_count"),
    };
    row->table = TABLE_CUSTOMERS;
    memcpy(row->values, values, sizeof(values));
}

static void read_all(struct reading *reading, struct slice shop, const json_t *order, size_t line_count)
{
    const json_t *lines = json_at(order, "line_items"), *customer = json_at(order, "customer");
    struct shopify_facts *facts = reading->facts;

    read_order(reading, shop, &facts->rows[0]);
    facts->row_count = 1;
    for (size_t i = 0; i < line_count && reading->error == ERROR_OK; i++) {
        reading->at = json_array_get(lines, i);
        snprintf(reading->prefix, sizeof(reading->prefix), "line_items.%zu.", i);
        read_line(reading, &facts->rows[0], &facts->rows[facts->row_count++]);
    }
    if (facts->rows[0].values[4].is_null || reading->error != ERROR_OK)
        return;
    reading->at = customer;
    snprintf(reading->prefix, sizeof(reading->prefix), "customer.");
    read_customer(reading, &facts->rows[0], &facts->rows[facts->row_count++]);
}

enum error shopify_order_facts(struct slice shop, const json_t *order, struct shopify_facts *facts,
                               struct shopify_problem *problem)
{
    const json_t *lines = json_at(order, "line_items");
    size_t line_count = json_array_size(lines);
    struct reading reading = {.facts = facts, .problem = problem, .at = order};

    *facts = (struct shopify_facts){0};
    *problem = (struct shopify_problem){0};
    reading.currency = json_text_at(order, "currency");
    if (!json_is_object(order))
        misfit(&reading, "body", ERROR_INVALID, "must be an order, a JSON object");
    else if (lines != NULL && !json_is_null(lines) && !json_is_array(lines))
        misfit(&reading, "line_items", ERROR_INVALID, "must be a list");
    else if (line_count > SHOPIFY_LINES_MAX)
        misfit(&reading, "line_items", ERROR_TOO_LARGE, "has more than 1000 entries");
    if (reading.error != ERROR_OK)
        return reading.error;
    facts->rows = xcalloc(line_count + 2, sizeof(facts->rows[0]));
    facts->ids = xcalloc(2 + 3 * line_count, sizeof(facts->ids[0]));
    read_all(&reading, shop, order, line_count);
    CHECK(facts->id_count <= 2 + 3 * line_count);
    if (reading.error != ERROR_OK)
        shopify_facts_free(facts);
    return reading.error;
}

void shopify_facts_free(struct shopify_facts *facts)
{
    free(facts->rows);
    free(facts->ids);
    *facts = (struct shopify_facts){0};
}
