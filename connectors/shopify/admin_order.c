// SPDX-License-Identifier: MIT
#include "connectors/shopify/admin_order.h"
#include "connectors/shopify/graphql.h"
#include <ctype.h>
#include <stdlib.h>

#define MONEY(name) name " { shopMoney { amount } } "

const char admin_order_query[] =
    "query($id: ID!, $n: Int!) { order(id: $id) { id name email phone note tags test createdAt updatedAt processedAt "
    "cancelledAt "
    "cancelReason closedAt currencyCode sourceName customerLocale displayFinancialStatus "
    "displayFulfillmentStatus " MONEY("totalPriceSet") MONEY("currentTotalPriceSet") MONEY("subtotalPriceSet")
        MONEY("totalTaxSet") MONEY("totalDiscountsSet") "customer { id email firstName lastName numberOfOrders } "
                                                        "billingAddress { firstName lastName } "
                                                        "lineItems(first: $n) { nodes { id title sku quantity " MONEY(
                                                            "originalUnitPriceSet")
                                                            MONEY("totalDiscountSet") "product { id } variant { id } } "
                                                                                      "pageInfo { hasNextPage } } } }";

const char admin_product_query[] =
    "query($id: ID!) { product(id: $id) { id title handle description vendor productType tags status onlineStoreUrl "
    "totalInventory featuredMedia { preview { image { url } } } priceRangeV2 { minVariantPrice { amount currencyCode } "
    "} } }";

static json_t *copied(const json_t *from, const char *path)
{
    const json_t *value = json_at(from, path);

    return value != NULL ? json_deep_copy(value) : json_null();
}

static json_t *number_at(const json_t *from, const char *path)
{
    return graphql_number(json_text_at(from, path));
}

/* "PARTIALLY_PAID" as "partially_paid". */
static json_t *lowered(const json_t *from, const char *path)
{
    struct slice text = json_text_at(from, path);
    char *word = slice_dup(text);

    for (size_t i = 0; i < text.size; i++)
        word[i] = (char)tolower((unsigned char)word[i]);
    json_t *value = text.size > 0 ? json_stringn(word, text.size) : json_null();
    free(word);
    return value;
}

static json_t *fulfilment_of(const json_t *order)
{
    struct slice status = json_text_at(order, "displayFulfillmentStatus");

    if (slice_is(status, "UNFULFILLED"))
        return json_null();
    return slice_is(status, "PARTIALLY_FULFILLED") ? json_string("partial")
                                                   : lowered(order, "displayFulfillmentStatus");
}

/* Webhooks bring tags as one text. */
static json_t *tags_of(const json_t *order)
{
    struct buffer text = {NULL, 0, 0};
    const json_t *tags = json_object_get(order, "tags");

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        buffer_text(&text, i > 0 ? ", " : "");
        buffer_append(&text, json_string_length(tag) ? json_string_value(tag) : "", json_string_length(tag));
    }
    json_t *value = json_stringn(text.size ? text.data : "", text.size);
    buffer_free(&text);
    return value;
}

static json_t *customer_of(const json_t *order)
{
    const json_t *customer = json_object_get(order, "customer");
    struct slice count = json_text_at(customer, "numberOfOrders");

    if (!json_is_object(customer))
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "id", number_at(customer, "id"), "email", copied(customer, "email"),
                     "first_name", copied(customer, "firstName"), "last_name", copied(customer, "lastName"),
                     "orders_count", count.size > 0 ? graphql_number(count) : copied(customer, "numberOfOrders"));
}

static json_t *line_of(const json_t *line)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", number_at(line, "id"),
                     "admin_graphql_api_id", copied(line, "id"), "title", copied(line, "title"), "sku",
                     copied(line, "sku"), "quantity", copied(line, "quantity"), "price",
                     copied(line, "originalUnitPriceSet.shopMoney.amount"), "total_discount",
                     copied(line, "totalDiscountSet.shopMoney.amount"), "product_id", number_at(line, "product.id"),
                     "variant_id", number_at(line, "variant.id"));
}

static const struct {
    const char *name, *path;
} plain[] = {
    {"admin_graphql_api_id", "id"},
    {"name", "name"},
    {"email", "email"},
    {"contact_email", "email"},
    {"phone", "phone"},
    {"note", "note"},
    {"test", "test"},
    {"created_at", "createdAt"},
    {"updated_at", "updatedAt"},
    {"processed_at", "processedAt"},
    {"cancelled_at", "cancelledAt"},
    {"closed_at", "closedAt"},
    {"currency", "currencyCode"},
    {"source_name", "sourceName"},
    {"customer_locale", "customerLocale"},
    {"total_price", "totalPriceSet.shopMoney.amount"},
    {"current_total_price", "currentTotalPriceSet.shopMoney.amount"},
    {"subtotal_price", "subtotalPriceSet.shopMoney.amount"},
    {"total_tax", "totalTaxSet.shopMoney.amount"},
    {"total_discounts", "totalDiscountsSet.shopMoney.amount"},
};

json_t *admin_order_body(const json_t *order)
{
    json_t *body = json_object(), *lines = json_array();
    const json_t *nodes = json_at(order, "lineItems.nodes");

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        json_object_set_new(body, plain[i].name, copied(order, plain[i].path));
    if (json_is_object(json_object_get(order, "billingAddress")))
        json_object_set_new(body, "billing_address",
                            json_pack("{s:o, s:o}", "first_name", copied(order, "billingAddress.firstName"),
                                      "last_name", copied(order, "billingAddress.lastName")));
    for (size_t i = 0; i < json_array_size(nodes); i++)
        json_array_append_new(lines, line_of(json_array_get(nodes, i)));
    json_object_set_new(body, "id", number_at(order, "id"));
    json_object_set_new(body, "tags", tags_of(order));
    json_object_set_new(body, "cancel_reason", lowered(order, "cancelReason"));
    json_object_set_new(body, "financial_status", lowered(order, "displayFinancialStatus"));
    json_object_set_new(body, "fulfillment_status", fulfilment_of(order));
    json_object_set_new(body, "customer", customer_of(order));
    json_object_set_new(body, "line_items", lines);
    if (json_is_true(json_at(order, "lineItems.pageInfo.hasNextPage")))
        json_object_set_new(body, "lines_cut", json_true());
    return body;
}

json_t *admin_product(const json_t *product)
{
    static const struct {
        const char *name, *path;
    } fields[] = {{"title", "title"},
                  {"handle", "handle"},
                  {"text", "description"},
                  {"vendor", "vendor"},
                  {"type", "productType"},
                  {"tags", "tags"},
                  {"url", "onlineStoreUrl"},
                  {"picture", "featuredMedia.preview.image.url"},
                  {"price", "priceRangeV2.minVariantPrice.amount"},
                  {"currency", "priceRangeV2.minVariantPrice.currencyCode"},
                  {"stock", "totalInventory"}};
    json_t *shown = json_pack("{s:o, s:o}", "id", number_at(product, "id"), "status", lowered(product, "status"));

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        json_object_set_new(shown, fields[i].name, copied(product, fields[i].path));
    return shown;
}
