/* shopify - the sender of webhooks: cuts orders from real bodies, signs and delivers them, and tries again. */
// SPDX-License-Identifier: MIT
#include "tests/cloud/model.h"
#include "proto/check.h"
#include "proto/text/json.h"
#include "runtime/io/crypto.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DELIVERY_DATE_MAX = 32 };
static const int64_t RETRY_FIRST_MS = 56000, ID_FLOOR = 5000000000000, ID_PAST_DOUBLE = 9100000000000000000;

static const char built_in[] = "{\"id\":1,\"currency\":\"EUR\",\"total_price\":\"10.00\",\"line_items\":[{\"id\":1,"
                               "\"title\":\"Tea\",\"quantity\":1,\"price\":\"10.00\"}],\"customer\":{\"id\":1}}";
static const char *const first_names[] = {"Kim", "J\xc3\xbcrgen", "Zo\xc3\xab", "Ana", "\xe5\xa4\xaa\xe9\x83\x8e",
                                          "Sam"};
static const char *const last_names[] = {"Wei\xc3\x9f", "O'Hara", "Lee", "Mu\xc3\xb1oz", "Novak", "Dupont"};

int64_t cloud_retry_delay_ms(unsigned retry)
{
    return RETRY_FIRST_MS << (retry - 1);
}

/* ---- the body of one order ---- */

static void date_print(int64_t ms, char text[DELIVERY_DATE_MAX])
{
    time_t seconds = (time_t)(ms / 1000) - 5 * 3600;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, DELIVERY_DATE_MAX, "%Y-%m-%dT%H:%M:%S-05:00", &tm);
}

/* Every third id is past 2^53 and then some: a reader that takes doubles shows. */
static json_t *id_new(struct cloud *cloud)
{
    int64_t base = cloud_random_below(cloud, 3) == 0 ? ID_PAST_DOUBLE : ID_FLOOR;

    return json_integer(base + (int64_t)cloud_random_below(cloud, 1000000000000));
}

static void customer_fill(struct cloud *cloud, json_t *order, uint64_t number)
{
    const char *first = first_names[cloud_random_below(cloud, 6)], *last = last_names[cloud_random_below(cloud, 6)];
    char email[64];

    snprintf(email, sizeof(email), "customer%llu@example.com", (unsigned long long)number);
    json_object_set_new(order, "email", json_string(email));
    json_object_set_new(order, "contact_email", json_string(email));
    if (cloud_random_below(cloud, 1000) < cloud->options.guest_permille) {
        json_object_set_new(order, "customer", json_null());
        return;
    }
    json_object_set_new(order, "customer",
                        json_pack("{s:o, s:s, s:s, s:s, s:i}", "id", id_new(cloud), "email", email, "first_name", first,
                                  "last_name", last, "orders_count", 1));
}

static json_t *template_read(struct cloud *cloud)
{
    struct slice text = slice_of(built_in);
    struct json_problem problem;

    if (cloud->options.template_count > 0)
        text = cloud->options.templates[cloud_random_below(cloud, cloud->options.template_count)];
    json_t *order = json_read(text, &problem);
    CHECK(json_is_object(order));
    return order;
}

/* A fresh id, and the global id that spells it, where the template has one. */
static void id_renew(struct cloud *cloud, json_t *object, const char *kind)
{
    json_t *id = id_new(cloud);
    char global[80];

    snprintf(global, sizeof(global), "gid://shopify/%s/%lld", kind, (long long)json_integer_value(id));
    if (json_object_get(object, "admin_graphql_api_id") != NULL)
        json_object_set_new(object, "admin_graphql_api_id", json_string(global));
    json_object_set_new(object, "id", id);
}

static json_t *order_new(struct cloud *cloud, int64_t placed_ms, uint64_t number)
{
    json_t *order = template_read(cloud), *lines = json_object_get(order, "line_items");
    char date[DELIVERY_DATE_MAX], name[24];

    date_print(placed_ms, date);
    snprintf(name, sizeof(name), "#%llu", (unsigned long long)number);
    id_renew(cloud, order, "Order");
    json_object_set_new(order, "name", json_string(name));
    json_object_set_new(order, "order_number", json_integer((json_int_t)number));
    json_object_set_new(order, "created_at", json_string(date));
    json_object_set_new(order, "updated_at", json_string(date));
    json_object_set_new(order, "processed_at", json_string(date));
    json_object_set_new(order, "cancelled_at", json_null());
    for (size_t i = 0; i < json_array_size(lines); i++)
        id_renew(cloud, json_array_get(lines, i), "LineItem");
    customer_fill(cloud, order, number);
    return order;
}

/* Shopify escapes slashes; in JSON a slash stands only inside strings, where "\/" means the same. */
static void body_write(struct buffer *into, const json_t *order)
{
    struct buffer text = {0};

    json_write(&text, order);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '/')
            buffer_append(into, "\\", 1);
        buffer_append(into, &text.data[i], 1);
    }
    buffer_free(&text);
}

/* ---- the queue ---- */

static void uuid_print(struct cloud *cloud, char text[37])
{
    uint64_t a = cloud_random(cloud), b = cloud_random(cloud);

    snprintf(text, 37, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xfff), (unsigned)(b >> 52), (unsigned long long)(b & 0xffffffffffff));
}

static void delivery_add(struct cloud *cloud, struct delivery *delivery)
{
    if (cloud->delivery_count == cloud->delivery_room) {
        cloud->delivery_room = cloud->delivery_room ? cloud->delivery_room * 2 : 64;
        cloud->deliveries = xrealloc(cloud->deliveries, cloud->delivery_room * sizeof(cloud->deliveries[0]));
    }
    cloud->deliveries[cloud->delivery_count++] = delivery;
}

static void delivery_drop(struct cloud *cloud, size_t at)
{
    buffer_free(&cloud->deliveries[at]->body);
    free(cloud->deliveries[at]);
    cloud->deliveries[at] = cloud->deliveries[--cloud->delivery_count];
}

void cloud_shopify_fini(struct cloud *cloud)
{
    while (cloud->delivery_count > 0)
        delivery_drop(cloud, cloud->delivery_count - 1);
    free(cloud->deliveries);
}

static const struct cloud_hook *hook_of(const struct cloud *cloud, const char *topic)
{
    for (size_t i = 0; i < cloud->options.hook_count; i++)
        if (slice_is(cloud->options.hooks[i].topic, topic))
            return &cloud->options.hooks[i];
    return NULL;
}

static void delivery_plan(struct cloud *cloud, const char *topic, const json_t *order, int64_t due_ms,
                          const char *event_id)
{
    const struct cloud_hook *hook = hook_of(cloud, topic);

    if (hook == NULL || !cloud_subscription_is(cloud, due_ms, hook))
        return;
    if (cloud_meets(cloud, CLOUD_SHOPIFY, CLOUD_LOST_HOOK, due_ms)) {
        cloud->counts.hooks_lost++;
        return;
    }
    struct delivery *delivery = xcalloc(1, sizeof(*delivery));
    delivery->ticket = ++cloud->next_ticket;
    delivery->due_ms = due_ms;
    delivery->hook = hook;
    uuid_print(cloud, delivery->webhook_id);
    snprintf(delivery->event_id, sizeof(delivery->event_id), "%s", event_id);
    snprintf(delivery->order_name, sizeof(delivery->order_name), "%s",
             json_string_value(json_object_get(order, "name")));
    date_print(due_ms, delivery->triggered_at);
    body_write(&delivery->body, order);
    delivery_add(cloud, delivery);
}

/* An order's later states carry a later updated_at; which of them arrives first is not promised by anybody. */
static void order_place(struct cloud *cloud, int64_t placed_ms)
{
    uint64_t number = cloud->next_order++;
    json_t *order = order_new(cloud, placed_ms, number);
    char event_id[37], date[DELIVERY_DATE_MAX];
    bool late = cloud_meets(cloud, CLOUD_SHOPIFY, CLOUD_LATE_CREATE, placed_ms);

    uuid_print(cloud, event_id);
    cloud->counts.orders++;
    delivery_plan(cloud, "orders/create", order, placed_ms + (late ? 60000 : 0), event_id);
    date_print(placed_ms + 2000, date);
    json_object_set_new(order, "financial_status", json_string("paid"));
    json_object_set_new(order, "updated_at", json_string(date));
    delivery_plan(cloud, "orders/paid", order, placed_ms + 2000, event_id);
    delivery_plan(cloud, "orders/updated", order, placed_ms + 3000, event_id);
    cloud_admin_order(cloud, placed_ms, order);
    buffer_clear(&cloud->text);
    buffer_printf(&cloud->text, ",\"order_id\":\"%lld\",\"name\":\"#%llu\"",
                  (long long)json_integer_value(json_object_get(order, "id")), (unsigned long long)number);
    cloud_log(cloud, placed_ms, "shopify", "order", buffer_slice(&cloud->text));
    json_decref(order);
}

bool cloud_orders_place(struct cloud *cloud, int64_t now_ms, uint32_t count, uint32_t gap_ms)
{
    for (size_t i = 0; i < CLOUD_PLANS_MAX; i++) {
        if (cloud->plans[i].left == 0) {
            cloud->plans[i] = (struct order_plan){now_ms, count, gap_ms};
            return true;
        }
    }
    return false;
}

/* Orders come into being when their time has come: a year of them is never in memory at once. */
static void plans_follow(struct cloud *cloud, int64_t now_ms)
{
    for (size_t i = 0; i < CLOUD_PLANS_MAX; i++) {
        struct order_plan *plan = &cloud->plans[i];
        for (; plan->left > 0 && plan->next_ms <= now_ms; plan->left--, plan->next_ms += plan->gap_ms)
            order_place(cloud, plan->next_ms);
    }
}

/* ---- delivering ---- */

static struct delivery *next_due(const struct cloud *cloud)
{
    struct delivery *best = NULL;

    for (size_t i = 0; i < cloud->delivery_count; i++) {
        struct delivery *delivery = cloud->deliveries[i];
        if (!delivery->under_way && (best == NULL || delivery->due_ms < best->due_ms ||
                                     (delivery->due_ms == best->due_ms && delivery->ticket < best->ticket)))
            best = delivery;
    }
    return best;
}

int64_t cloud_delivery_next_ms(const struct cloud *cloud)
{
    const struct delivery *delivery = next_due(cloud);
    int64_t next_ms = delivery ? delivery->due_ms : INT64_MAX;

    for (size_t i = 0; i < CLOUD_PLANS_MAX; i++)
        if (cloud->plans[i].left > 0 && cloud->plans[i].next_ms < next_ms)
            next_ms = cloud->plans[i].next_ms;
    return next_ms;
}

size_t cloud_delivery_pending(const struct cloud *cloud)
{
    size_t count = cloud->delivery_count;

    for (size_t i = 0; i < CLOUD_PLANS_MAX; i++)
        count += cloud->plans[i].left;
    return count;
}

static void sign(struct cloud *cloud, int64_t now_ms, struct delivery *delivery)
{
    unsigned char digest[SHA256_BYTES];
    struct slice secret = delivery->hook->secret;

    if (cloud_meets(cloud, CLOUD_SHOPIFY, CLOUD_BAD_SIGNATURE, now_ms))
        secret = SLICE("not the secret");
    crypto_hmac_sha256(secret, buffer_slice(&delivery->body), digest);
    crypto_base64((struct slice){(const char *)digest, sizeof(digest)}, delivery->hmac);
}

bool cloud_delivery_take(struct cloud *cloud, int64_t now_ms, uint64_t *ticket, struct call *call)
{
    plans_follow(cloud, now_ms);
    struct delivery *delivery = next_due(cloud);
    if (delivery == NULL || delivery->due_ms > now_ms)
        return false;
    sign(cloud, now_ms, delivery);
    delivery->under_way = true;
    delivery->attempt++;
    cloud->counts.deliveries++;
    *ticket = delivery->ticket;
    *call = (struct call){
        .kind = CALL_HTTP,
        .url = delivery->hook->url,
        .method = SLICE("POST"),
        .headers = {{SLICE("Content-Type"), SLICE("application/json")},
                    {SLICE("X-Shopify-Topic"), delivery->hook->topic},
                    {SLICE("X-Shopify-Hmac-Sha256"), slice_of(delivery->hmac)},
                    {SLICE("X-Shopify-Shop-Domain"), cloud->options.shop},
                    {SLICE("X-Shopify-API-Version"), SLICE("2026-07")},
                    {SLICE("X-Shopify-Webhook-Id"), slice_of(delivery->webhook_id)},
                    {SLICE("X-Shopify-Event-Id"), slice_of(delivery->event_id)},
                    {SLICE("X-Shopify-Triggered-At"), slice_of(delivery->triggered_at)}},
        .header_count = 8,
        .body = buffer_slice(&delivery->body),
        .idempotent = true,
        .timeout_ms = CLOUD_HOOK_TIMEOUT_MS,
    };
    return true;
}

static void told_log(struct cloud *cloud, int64_t now_ms, const struct delivery *delivery, const char *what,
                     const struct answer *answer)
{
    buffer_clear(&cloud->text);
    buffer_printf(&cloud->text, ",\"topic\":\"%.*s\",\"name\":\"%s\",\"webhook_id\":\"%s\",\"attempt\":%u",
                  (int)delivery->hook->topic.size, delivery->hook->topic.data, delivery->order_name,
                  delivery->webhook_id, delivery->attempt);
    buffer_printf(&cloud->text, ",\"status\":%d,\"error\":\"%s\"", answer->status, error_name(answer->error));
    cloud_log(cloud, now_ms, "shopify", what, buffer_slice(&cloud->text));
}

/* False when the delivery is over. */
static bool goes_on(struct cloud *cloud, int64_t now_ms, struct delivery *delivery, const struct answer *answer)
{
    if (answer->error == ERROR_OK && answer->status >= 200 && answer->status <= 299) {
        cloud->counts.deliveries_ok++;
        told_log(cloud, now_ms, delivery, "delivered", answer);
        if (delivery->repeated || !cloud_meets(cloud, CLOUD_SHOPIFY, CLOUD_DUPLICATE, now_ms))
            return false;
        delivery->repeated = true;
        delivery->due_ms = now_ms + 1000;
        cloud->counts.deliveries_repeated++;
        return true;
    }
    cloud->counts.deliveries_failed++;
    if (delivery->attempt > CLOUD_HOOK_RETRIES || delivery->repeated) {
        cloud->counts.deliveries_given_up += !delivery->repeated;
        told_log(cloud, now_ms, delivery, "given-up", answer);
        cloud_subscription_failed(cloud, now_ms, delivery->hook);
        return false;
    }
    told_log(cloud, now_ms, delivery, "failed", answer);
    delivery->due_ms = now_ms + cloud_retry_delay_ms(delivery->attempt);
    return true;
}

void cloud_delivery_told(struct cloud *cloud, int64_t now_ms, uint64_t ticket, const struct answer *answer)
{
    for (size_t i = 0; i < cloud->delivery_count; i++) {
        struct delivery *delivery = cloud->deliveries[i];
        if (delivery->ticket != ticket)
            continue;
        CHECK(delivery->under_way);
        delivery->under_way = false;
        if (!goes_on(cloud, now_ms, delivery, answer))
            delivery_drop(cloud, i);
        return;
    }
}
