/* shopify_admin - the GraphQL Admin API as a model: tokens that end, orders that the shop has taken, subscriptions, and
 * a bucket of points. In a process without runtime/io in between a token is only ever "kept". */
// SPDX-License-Identifier: MIT
#include "tests/cloud/graphql.h"
#include "tests/cloud/model.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ORDERS_MAX = 3000, QUERY_POINTS_MAX = 1000, POINTS_MAX = 2000, POINTS_PER_S = 100, PAGE_MAX = 250 };
static const int64_t TOKEN_MS = 86399000;

/* What a query works on. */
struct asked {
    struct cloud *cloud;
    int64_t now_ms;
    struct cloud_reply *reply;
    const json_t *operation;
    double cost;
    char problem[200];
};

static void model_begin(struct cloud *cloud, int64_t now_ms)
{
    struct admin_model *model = &cloud->admin;

    if (model->orders != NULL)
        return;
    model->orders = json_array();
    model->subscriptions = json_array();
    model->points = POINTS_MAX;
    model->points_ms = now_ms;
    for (size_t i = 0; i < cloud->options.hook_count; i++)
        cloud_subscription_add(cloud, cloud->options.hooks[i].topic, cloud->options.hooks[i].url, false);
}

void cloud_admin_fini(struct cloud *cloud)
{
    json_decref(cloud->admin.orders);
    json_decref(cloud->admin.subscriptions);
}

/* ---- replies ---- */

static void reply_json(struct cloud *cloud, struct cloud_reply *reply, int status, json_t *body)
{
    buffer_clear(&cloud->body);
    json_write(&cloud->body, body);
    json_decref(body);
    reply->answer = (struct answer){.error = ERROR_OK, .status = status, .body = buffer_slice(&cloud->body)};
    reply->answer.headers[0] = (struct call_header){SLICE("content-type"), SLICE("application/json")};
    reply->answer.header_count = 1;
}

static json_t *cost_of(const struct asked *asked, bool is_throttled)
{
    json_t *cost = json_pack("{s:f, s:{s:f, s:i, s:f}}", "requestedQueryCost", asked->cost, "throttleStatus",
                             "maximumAvailable", (double)POINTS_MAX, "currentlyAvailable",
                             (int)asked->cloud->admin.points, "restoreRate", (double)POINTS_PER_S);

    if (!is_throttled)
        json_object_set_new(cost, "actualQueryCost", json_real(asked->cost));
    return cost;
}

static void reply_errors(const struct asked *asked, const char *message, const char *code)
{
    asked->cloud->counts.shopify_refused++;
    reply_json(asked->cloud, asked->reply, 200,
               json_pack("{s:[{s:s, s:{s:s}}], s:{s:o}}", "errors", "message", message, "extensions", "code", code,
                         "extensions", "cost", cost_of(asked, strcmp(code, "THROTTLED") == 0)));
}

/* ---- topics and subscriptions ---- */

static void topic_word(struct slice topic, char word[64])
{
    size_t size = topic.size < 63 ? topic.size : 63;

    for (size_t i = 0; i < size; i++)
        word[i] = topic.data[i] == '/' ? '_' : (char)toupper((unsigned char)topic.data[i]);
    word[size] = '\0';
}

static json_t *subscription_find(const struct cloud *cloud, struct slice topic, struct slice uri)
{
    json_t *entry;
    size_t index;
    char word[64];

    topic_word(topic, word);
    json_array_foreach(cloud->admin.subscriptions, index, entry)
    {
        if (slice_is(json_text_at(entry, "topic"), word) && slice_equal(json_text_at(entry, "uri"), uri))
            return entry;
    }
    return NULL;
}

json_t *cloud_subscription_add(struct cloud *cloud, struct slice topic, struct slice uri, bool by_api)
{
    char word[64], id[80];

    topic_word(topic, word);
    snprintf(id, sizeof(id), "gid://shopify/WebhookSubscription/%" PRIu64, ++cloud->admin.next_subscription);
    json_t *entry = json_pack("{s:s, s:s, s:s%, s:s, s:b}", "id", id, "topic", word, "uri", uri.data, uri.size,
                              "format", "JSON", "by_api", by_api);
    json_array_append_new(cloud->admin.subscriptions, entry);
    return entry;
}

bool cloud_subscription_is(struct cloud *cloud, int64_t now_ms, const struct cloud_hook *hook)
{
    model_begin(cloud, now_ms);
    return subscription_find(cloud, hook->topic, hook->url) != NULL;
}

bool cloud_subscription_delete(struct cloud *cloud, int64_t now_ms, struct slice topic)
{
    bool found = false;
    char word[64];

    model_begin(cloud, now_ms);
    topic_word(topic, word);
    for (size_t i = 0; i < json_array_size(cloud->admin.subscriptions);) {
        if (slice_is(json_text_at(json_array_get(cloud->admin.subscriptions, i), "topic"), word)) {
            json_array_remove(cloud->admin.subscriptions, i);
            found = true;
        } else {
            i++;
        }
    }
    return found;
}

/* Shopify removes what was made through the API and fails eight times; what the app's file holds stays. */
void cloud_subscription_failed(struct cloud *cloud, int64_t now_ms, const struct cloud_hook *hook)
{
    model_begin(cloud, now_ms);
    json_t *entry = subscription_find(cloud, hook->topic, hook->url);
    if (json_is_true(json_object_get(entry, "by_api")))
        cloud_subscription_delete(cloud, now_ms, hook->topic);
}

/* ---- orders ---- */

static int64_t time_of(struct slice text)
{
    char copy[40];
    struct tm tm = {0};
    int hours = 0, minutes = 0;

    snprintf(copy, sizeof(copy), "%.*s", text.size > 39 ? 39 : (int)text.size, text.size ? text.data : "");
    const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL)
        return INT64_MIN;
    if ((*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2 && *rest == '-')
        hours = -hours, minutes = -minutes;
    return ((int64_t)timegm(&tm) - hours * 3600 - minutes * 60) * 1000;
}

static void date_print(int64_t ms, char text[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void cloud_admin_order(struct cloud *cloud, int64_t now_ms, const json_t *order)
{
    json_t *kept = json_deep_copy(order);

    model_begin(cloud, now_ms);
    json_object_set_new(kept, "updated_ms", json_integer(time_of(json_text_at(order, "updated_at"))));
    json_array_append_new(cloud->admin.orders, kept);
    if (json_array_size(cloud->admin.orders) > ORDERS_MAX)
        json_array_remove(cloud->admin.orders, 0);
}

static void touch(const struct asked *asked, json_t *order)
{
    char date[32];

    date_print(asked->now_ms, date);
    json_object_set_new(order, "updated_at", json_string(date));
    json_object_set_new(order, "updated_ms", json_integer(asked->now_ms / 1000 * 1000));
}

static json_t *gid(const char *kind, const json_t *id)
{
    char text[80];

    if (!json_is_integer(id))
        return json_null();
    snprintf(text, sizeof(text), "gid://shopify/%s/%" JSON_INTEGER_FORMAT, kind, json_integer_value(id));
    return json_string(text);
}

static json_t *copied(const json_t *from, const char *name)
{
    const json_t *value = json_object_get(from, name);

    return value != NULL ? json_deep_copy(value) : json_null();
}

static json_t *money(const json_t *from, const char *name)
{
    const json_t *amount = json_object_get(from, name);

    return json_pack("{s:{s:o}}", "shopMoney", "amount",
                     amount != NULL && !json_is_null(amount) ? json_deep_copy(amount) : json_string("0.0"));
}

static json_t *utc(const json_t *from, const char *name)
{
    int64_t ms = time_of(json_text_at(from, name));
    char date[32];

    if (ms == INT64_MIN)
        return json_null();
    date_print(ms, date);
    return json_string(date);
}

static json_t *raised(const json_t *from, const char *name, const char *otherwise)
{
    char word[64];
    struct slice text = json_text_at(from, name);

    topic_word(text, word);
    if (slice_is(text, "partial"))
        return json_string("PARTIALLY_FULFILLED");
    return text.size > 0 ? json_string(word) : otherwise != NULL ? json_string(otherwise) : json_null();
}

static json_t *tags_of(const json_t *order)
{
    const json_t *kept = json_object_get(order, "tag_list");

    return kept != NULL ? json_deep_copy(kept) : json_array();
}

static json_t *lines_of(const json_t *order, json_int_t first)
{
    const json_t *lines = json_object_get(order, "line_items");
    json_t *nodes = json_array();

    for (size_t i = 0; i < json_array_size(lines) && (json_int_t)i < first; i++) {
        const json_t *line = json_array_get(lines, i);
        const json_t *product = json_object_get(line, "product_id"), *variant = json_object_get(line, "variant_id");
        json_array_append_new(
            nodes, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                             gid("LineItem", json_object_get(line, "id")), "title", copied(line, "title"), "sku",
                             copied(line, "sku"), "quantity", copied(line, "quantity"), "originalUnitPriceSet",
                             money(line, "price"), "totalDiscountSet", money(line, "total_discount"), "product",
                             json_is_integer(product) ? json_pack("{s:o}", "id", gid("Product", product)) : json_null(),
                             "variant",
                             json_is_integer(variant) ? json_pack("{s:o}", "id", gid("ProductVariant", variant))
                                                      : json_null()));
    }
    return json_pack("{s:o, s:{s:b}}", "nodes", nodes, "pageInfo", "hasNextPage",
                     (json_int_t)json_array_size(lines) > first);
}

static json_t *customer_of(const json_t *order)
{
    const json_t *customer = json_object_get(order, "customer");

    if (!json_is_object(customer))
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:s}", "id", gid("Customer", json_object_get(customer, "id")), "email",
                     copied(customer, "email"), "firstName", copied(customer, "first_name"), "lastName",
                     copied(customer, "last_name"), "numberOfOrders", "1");
}

/* Every field that the model knows of an order. */
static json_t *order_whole(const json_t *order, json_int_t lines)
{
    json_t *whole =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", gid("Order", json_object_get(order, "id")), "name",
                  copied(order, "name"), "email", copied(order, "email"), "phone", copied(order, "phone"), "note",
                  copied(order, "note"), "tags", tags_of(order), "test", json_false(), "customer", customer_of(order));
    static const struct {
        const char *name, *from;
    } times[] = {{"createdAt", "created_at"},
                 {"updatedAt", "updated_at"},
                 {"processedAt", "processed_at"},
                 {"cancelledAt", "cancelled_at"},
                 {"closedAt", "closed_at"}},
      sums[] = {{"totalPriceSet", "total_price"},
                {"subtotalPriceSet", "subtotal_price"},
                {"totalTaxSet", "total_tax"},
                {"totalDiscountsSet", "total_discounts"}};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        json_object_set_new(whole, times[i].name, utc(order, times[i].from));
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
        json_object_set_new(whole, sums[i].name, money(order, sums[i].from));
    json_object_set_new(
        whole, "currentTotalPriceSet",
        money(order, json_object_get(order, "current_total_price") ? "current_total_price" : "total_price"));
    json_object_set_new(whole, "cancelReason", raised(order, "cancel_reason", NULL));
    json_object_set_new(whole, "currencyCode", copied(order, "currency"));
    json_object_set_new(whole, "sourceName", copied(order, "source_name"));
    json_object_set_new(whole, "customerLocale", copied(order, "customer_locale"));
    json_object_set_new(whole, "displayFinancialStatus", raised(order, "financial_status", NULL));
    json_object_set_new(whole, "displayFulfillmentStatus", raised(order, "fulfillment_status", "UNFULFILLED"));
    json_object_set_new(whole, "billingAddress", json_null());
    json_object_set_new(whole, "lineItems", lines_of(order, lines));
    return whole;
}

static json_t *order_find(const struct cloud *cloud, const json_t *id)
{
    json_t *order;
    size_t index;

    json_array_foreach(cloud->admin.orders, index, order)
    {
        json_t *own = gid("Order", json_object_get(order, "id"));
        bool same = json_equal(own, id);
        json_decref(own);
        if (same)
            return order;
    }
    return NULL;
}

/* ---- lists ---- */

static int by_update(const void *a, const void *b)
{
    const json_t *one = *(json_t *const *)a, *two = *(json_t *const *)b;
    json_int_t x = json_integer_value(json_object_get(one, "updated_ms"));
    json_int_t y = json_integer_value(json_object_get(two, "updated_ms"));

    if (x != y)
        return x < y ? -1 : 1;
    x = json_integer_value(json_object_get(one, "id"));
    y = json_integer_value(json_object_get(two, "id"));
    return x < y ? -1 : x > y;
}

/* updated_at:>='TIME' and updated_at:<='TIME' are all that is understood. */
static int64_t bound_of(struct slice query, const char *mark, int64_t otherwise)
{
    const char *at = query.size > 0 ? memmem(query.data, query.size, mark, strlen(mark)) : NULL;
    const char *from = at != NULL ? at + strlen(mark) : NULL;

    return from != NULL ? time_of((struct slice){from, query.size - (size_t)(from - query.data)}) : otherwise;
}

static void cursor_print(const json_t *order, char text[64])
{
    snprintf(text, 64, "%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(order, "updated_ms")),
             json_integer_value(json_object_get(order, "id")));
}

static json_t *orders_list(struct asked *asked, const json_t *args)
{
    struct slice query = json_text_at(args, "query"), after = json_text_at(args, "after");
    int64_t from = bound_of(query, "updated_at:>='", INT64_MIN), to = bound_of(query, "updated_at:<='", INT64_MAX);
    json_int_t first = json_integer_value(json_object_get(args, "first"));
    json_t *orders = asked->cloud->admin.orders, *nodes = json_array(), *order, *mark = NULL;
    json_t **found = xcalloc(json_array_size(orders) + 1, sizeof(json_t *));
    char end[64] = "";
    size_t count = 0, index;
    long long after_ms = 0, after_id = 0;
    bool more = false;

    if (after.size > 0) {
        snprintf(end, sizeof(end), "%.*s", after.size > 63 ? 63 : (int)after.size, after.data);
        if (sscanf(end, "%lld:%lld", &after_ms, &after_id) != 2)
            snprintf(asked->problem, sizeof(asked->problem), "Invalid cursor for current pagination sort.");
        mark = json_pack("{s:I, s:I}", "updated_ms", (json_int_t)after_ms, "id", (json_int_t)after_id);
    }
    json_array_foreach(orders, index, order)
    {
        int64_t ms = json_integer_value(json_object_get(order, "updated_ms"));
        if (ms >= from && ms <= to && ms <= asked->now_ms && (mark == NULL || by_update(&order, &mark) > 0))
            found[count++] = order;
    }
    if (count > 1)
        qsort(found, count, sizeof(found[0]), by_update);
    for (size_t i = 0; i < count; i++) {
        more = (json_int_t)i >= first || i >= PAGE_MAX;
        if (more)
            break;
        json_array_append_new(nodes, order_whole(found[i], 10));
        cursor_print(found[i], end);
    }
    free(found);
    json_decref(mark);
    return json_pack("{s:o, s:{s:b, s:s}}", "nodes", nodes, "pageInfo", "hasNextPage", more, "endCursor", end);
}

static json_t *subscriptions_list(struct asked *asked)
{
    return json_pack("{s:O, s:{s:b, s:n}}", "nodes", asked->cloud->admin.subscriptions, "pageInfo", "hasNextPage", 0,
                     "endCursor");
}

/* ---- mutations ---- */

static json_t *said(const char *name, json_t *value, const char *field, const char *message)
{
    json_t *errors = json_array();

    if (message != NULL)
        json_array_append_new(errors, json_pack("{s:[s], s:s}", "field", field, "message", message));
    return json_pack("{s:o, s:o}", name, value, "userErrors", errors);
}

static void log_effect(const struct asked *asked, const char *what, const json_t *order)
{
    struct buffer *text = &asked->cloud->text;

    buffer_clear(text);
    buffer_printf(text, ",\"order_id\":\"%" JSON_INTEGER_FORMAT "\"", json_integer_value(json_object_get(order, "id")));
    cloud_log(asked->cloud, asked->now_ms, "shopify", what, buffer_slice(text));
}

static json_t *tags_add(struct asked *asked, const json_t *args)
{
    json_t *order = order_find(asked->cloud, json_object_get(args, "id")), *tag;
    const json_t *given = json_object_get(args, "tags");
    size_t index;
    bool changed = false;

    if (order == NULL)
        return said("node", json_null(), "id", "Order does not exist");
    if (json_object_get(order, "tag_list") == NULL)
        json_object_set_new(order, "tag_list", json_array());
    json_array_foreach(given, index, tag)
    {
        json_t *list = json_object_get(order, "tag_list"), *old;
        size_t at;
        bool there = false;
        json_array_foreach(list, at, old) there = there || json_equal(old, tag);
        if (!there)
            json_array_append(list, tag);
        changed = changed || !there;
    }
    asked->cloud->counts.shopify_tagged += changed;
    if (changed) {
        touch(asked, order);
        log_effect(asked, "tagged", order);
    }
    return said("node", order_whole(order, 10), NULL, NULL);
}

static json_t *order_update(struct asked *asked, const json_t *args)
{
    const json_t *input = json_object_get(args, "input"), *note = json_object_get(input, "note");
    json_t *order = order_find(asked->cloud, json_object_get(input, "id"));

    if (order == NULL)
        return said("order", json_null(), "id", "Order does not exist");
    asked->cloud->counts.shopify_noted++;
    asked->cloud->counts.shopify_noted_same += json_equal(json_object_get(order, "note"), note) == 1;
    json_object_set_new(order, "note", json_deep_copy(note));
    touch(asked, order);
    log_effect(asked, "noted", order);
    return said("order", order_whole(order, 10), NULL, NULL);
}

static json_t *subscribe(struct asked *asked, const json_t *args)
{
    struct slice topic = json_text_at(args, "topic"), uri = json_text_at(args, "webhookSubscription.uri");

    if (uri.size == 0)
        return said("webhookSubscription", json_null(), "uri", "Address can't be blank");
    if (subscription_find(asked->cloud, topic, uri) != NULL) {
        asked->cloud->counts.shopify_doubled++;
        return said("webhookSubscription", json_null(), "uri", "Address for this topic has already been taken");
    }
    asked->cloud->counts.shopify_subscribed++;
    return said("webhookSubscription", json_incref(cloud_subscription_add(asked->cloud, topic, uri, true)), NULL, NULL);
}

/* ---- a query ---- */

static json_t *lines_asked(const json_t *fields)
{
    json_t *field;
    size_t index;

    json_array_foreach(fields, index, field)
    {
        if (slice_is(json_text_at(field, "name"), "lineItems"))
            return json_at(field, "args.first");
    }
    return NULL;
}

static json_t *root_of(struct asked *asked, const json_t *field)
{
    const json_t *args = json_object_get(field, "args"), *order;
    struct slice name = json_text_at(field, "name");
    const json_t *lines = lines_asked(json_object_get(field, "fields"));

    if (slice_is(name, "orders"))
        return orders_list(asked, args);
    if (slice_is(name, "order")) {
        order = order_find(asked->cloud, json_object_get(args, "id"));
        return order != NULL ? order_whole(order, json_is_integer(lines) ? json_integer_value(lines) : 10)
                             : json_null();
    }
    if (slice_is(name, "shop"))
        return json_pack("{s:s%, s:s%}", "name", "Demo", (size_t)4, "myshopifyDomain", asked->cloud->options.shop.data,
                         asked->cloud->options.shop.size);
    if (slice_is(name, "product"))
        return json_null();
    if (slice_is(name, "webhookSubscriptions"))
        return subscriptions_list(asked);
    if (slice_is(name, "tagsAdd"))
        return tags_add(asked, args);
    if (slice_is(name, "orderUpdate"))
        return order_update(asked, args);
    if (slice_is(name, "webhookSubscriptionCreate"))
        return subscribe(asked, args);
    snprintf(asked->problem, sizeof(asked->problem), "Field '%.60s' doesn't exist on type 'QueryRoot'", name.data);
    return json_null();
}

static void work(struct asked *asked)
{
    const json_t *fields = json_object_get(asked->operation, "fields");
    json_t *data = json_object(), *field;
    size_t index;

    json_array_foreach(fields, index, field)
    {
        json_t *root = root_of(asked, field);
        json_object_set_new(data, json_string_value(json_object_get(field, "alias")),
                            graphql_cut(root, json_object_get(field, "fields"), asked->problem));
        json_decref(root);
    }
    if (asked->problem[0] != '\0') {
        json_decref(data);
        reply_errors(asked, asked->problem, "undefinedField");
        return;
    }
    reply_json(asked->cloud, asked->reply, 200,
               json_pack("{s:o, s:{s:o}}", "data", data, "extensions", "cost", cost_of(asked, false)));
}

static void restore(struct admin_model *model, int64_t now_ms)
{
    double points = model->points + (double)(now_ms - model->points_ms) * POINTS_PER_S / 1000;

    model->points = points > POINTS_MAX ? POINTS_MAX : points;
    model->points_ms = now_ms;
}

static void query(struct asked *asked, const struct call *call)
{
    struct admin_model *model = &asked->cloud->admin;
    struct json_problem problem;
    json_t *body = json_read(call->body, &problem);
    json_t *operation = graphql_parse(json_text_at(body, "query"), json_object_get(body, "variables"), asked->problem);

    asked->operation = operation;
    asked->cost = operation != NULL ? graphql_cost(operation) : 0;
    restore(model, asked->now_ms);
    if (operation == NULL)
        reply_errors(asked, asked->problem, "parseError");
    else if (asked->cost > QUERY_POINTS_MAX)
        reply_errors(asked, "Query cost is over 1000, which is the single query max cost limit", "MAX_COST_EXCEEDED");
    else if (asked->cost > model->points || cloud_meets(asked->cloud, CLOUD_ADMIN, CLOUD_LIMITED, asked->now_ms)) {
        asked->cloud->counts.shopify_throttled++;
        asked->cloud->counts.shopify_violations += asked->cost > model->points;
        reply_errors(asked, "Throttled", "THROTTLED");
    } else {
        model->points -= asked->cost;
        work(asked);
    }
    json_decref(operation);
    json_decref(body);
}

/* ---- tokens ---- */

static struct slice header_of(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (call->headers[i].name.size == strlen(name) &&
            strncasecmp(call->headers[i].name.data, name, strlen(name)) == 0)
            return call->headers[i].value;
    return (struct slice){NULL, 0};
}

static bool is_known(struct cloud *cloud, int64_t now_ms, const struct call *call)
{
    struct slice token = header_of(call, "x-shopify-access-token");
    bool lives = cloud->admin.token[0] != '\0' && now_ms < cloud->admin.token_until_ms;

    return lives && (call->auth == AUTH_HEADER || slice_is(token, cloud->admin.token));
}

static void give_token(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    struct admin_model *model = &cloud->admin;
    struct json_problem problem;
    json_t *body = json_read(call->body, &problem);
    struct slice secret = json_text_at(body, "client_secret");
    int64_t lives_ms = model->token_ms > 0 ? model->token_ms : TOKEN_MS;
    bool is_right = slice_is(json_text_at(body, "grant_type"), "client_credentials") &&
                    json_text_at(body, "client_id").size > 0 && secret.size > 0 && !slice_is(secret, "wrong");

    if (!is_right) {
        cloud->counts.shopify_refused++;
        reply_json(cloud, reply, 400,
                   json_pack("{s:s, s:s}", "error", "invalid_client", "error_description",
                             "the client id or its secret is wrong"));
    } else {
        cloud->counts.shopify_tokens++;
        snprintf(model->token, sizeof(model->token), "shpat_%016" PRIx64 "%08" PRIx64, cloud_random(cloud),
                 cloud->counts.shopify_tokens);
        model->token_until_ms = now_ms + lives_ms;
        reply_json(cloud, reply, 200,
                   json_pack("{s:s, s:s, s:I}", "access_token", call->keep_path.size > 0 ? CALL_KEPT : model->token,
                             "scope", "read_orders,write_orders,read_products", "expires_in",
                             (json_int_t)(lives_ms / 1000)));
    }
    json_decref(body);
}

void cloud_admin_revoke(struct cloud *cloud, int64_t lives_ms)
{
    cloud->admin.token[0] = '\0';
    cloud->admin.token_ms = lives_ms;
}

/* ---- the answer ---- */

bool cloud_admin_owns(const struct call *call)
{
    return call->kind == CALL_HTTP && call->url.size > 0 &&
           memmem(call->url.data, call->url.size, "/admin/", 7) != NULL;
}

/* Refused before anything was done. */
static bool fails(struct cloud *cloud, int64_t now_ms, struct cloud_reply *reply)
{
    static const struct {
        enum cloud_fault fault;
        int status;
        const char *errors, *retry_after;
    } faults[] = {
        {CLOUD_RETRY_AFTER, 429, "Exceeded 2 calls per second for api client.", "2.0"},
        {CLOUD_INTERNAL, 500, "Internal Server Error", NULL},
        {CLOUD_OVERLOADED, 503, "Service Unavailable", NULL},
        {CLOUD_KEY, 401, "[API] Invalid API key or access token (unrecognized login or wrong password)", NULL}};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (!cloud_meets(cloud, CLOUD_ADMIN, faults[i].fault, now_ms))
            continue;
        cloud->counts.shopify_refused++;
        reply_json(cloud, reply, faults[i].status, json_pack("{s:s}", "errors", faults[i].errors));
        if (faults[i].retry_after != NULL)
            reply->answer.headers[reply->answer.header_count++] =
                (struct call_header){SLICE("retry-after"), slice_of(faults[i].retry_after)};
        return true;
    }
    return false;
}

/* Done, and then said badly. */
static void spoil(struct cloud *cloud, int64_t now_ms, struct cloud_reply *reply)
{
    if (cloud_meets(cloud, CLOUD_ADMIN, CLOUD_HTML, now_ms)) {
        buffer_clear(&cloud->body);
        buffer_text(&cloud->body, "<html><body>Sign in to the network</body></html>");
    } else if (cloud_meets(cloud, CLOUD_ADMIN, CLOUD_GARBAGE, now_ms)) {
        buffer_clear(&cloud->body);
        buffer_text(&cloud->body, "\x01\xff not JSON");
    } else if (cloud_meets(cloud, CLOUD_ADMIN, CLOUD_TRUNCATED, now_ms)) {
        cloud->body.size /= 2;
    } else
        return;
    reply->answer.body = buffer_slice(&cloud->body);
}

void cloud_admin_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    struct asked asked = {.cloud = cloud, .now_ms = now_ms, .reply = reply};

    model_begin(cloud, now_ms);
    cloud->counts.shopify_requests++;
    if (fails(cloud, now_ms, reply))
        return;
    if (memmem(call->url.data, call->url.size, "/admin/oauth/access_token", 25) != NULL) {
        give_token(cloud, now_ms, call, reply);
    } else if (!is_known(cloud, now_ms, call)) {
        cloud->counts.shopify_unauthorized++;
        reply_json(cloud, reply, 401,
                   json_pack("{s:s}", "errors",
                             "[API] Invalid API key or access token (unrecognized login or wrong password)"));
        return;
    } else {
        query(&asked, call);
    }
    spoil(cloud, now_ms, reply);
}

void cloud_admin_print(struct cloud *cloud, int64_t now_ms, struct buffer *into)
{
    json_t *shown;

    model_begin(cloud, now_ms);
    shown = json_pack("{s:O, s:O}", "orders", cloud->admin.orders, "subscriptions", cloud->admin.subscriptions);
    json_write(into, shown);
    json_decref(shown);
}
