// SPDX-License-Identifier: MIT
#include "tests/cloud/control.h"
#include "proto/text/json.h"
#include <string.h>

static const int64_t FAULT_MS_MAX = 366 * 86400000LL;
enum { ORDERS_MAX = 1000000, RATE_MAX = 60000, CALL_TIMEOUT_MS = 600000 };

bool cloud_control_owns(const struct http_request *request)
{
    return request->path.size >= 8 && memcmp(request->path.data, "/_cloud/", 8) == 0;
}

static int refuse(struct buffer *body, const char *why)
{
    buffer_printf(body, "{\"error\":\"%s\"}", why);
    return 400;
}

static int take_fault(struct cloud *cloud, int64_t now_ms, const json_t *input, struct buffer *body)
{
    const json_t *for_ms = json_at(input, "for_ms"), *probability = json_at(input, "probability");
    double chance = probability ? json_number_value(probability) : 1.0;
    enum cloud_service service;
    enum cloud_fault fault;

    if (!cloud_service_find(json_text_at(input, "service"), &service))
        return refuse(body, "service is gemini, smtp, shopify, telegram, http, meta or admin");
    if (!cloud_fault_find(json_text_at(input, "kind"), &fault))
        return refuse(body, "kind is no fault that I know; see tests/cloud/faults.def");
    if (!json_is_integer(for_ms) || json_integer_value(for_ms) < 0 || json_integer_value(for_ms) > FAULT_MS_MAX)
        return refuse(body, "for_ms is an integer from 0 to a year");
    if (!(chance >= 0.0 && chance <= 1.0))
        return refuse(body, "probability is a number from 0 to 1");
    if (!cloud_fault_set(cloud, service, fault, now_ms + json_integer_value(for_ms), (unsigned)(chance * 1000 + 0.5)))
        return refuse(body, "this service cannot fail like that");
    buffer_text(body, "{}");
    return 200;
}

static int take_orders(struct cloud *cloud, int64_t now_ms, const json_t *input, struct buffer *body)
{
    json_int_t count = json_integer_value(json_at(input, "count"));
    json_int_t rate = json_at(input, "rate") ? json_integer_value(json_at(input, "rate")) : 60;

    if (count < 1 || count > ORDERS_MAX || rate < 1 || rate > RATE_MAX)
        return refuse(body, "count is 1 to 1000000, rate (orders a minute) 1 to 60000");
    if (!cloud_orders_place(cloud, now_ms, (uint32_t)count, (uint32_t)(60000 / rate)))
        return refuse(body, "too many plans are under way");
    buffer_text(body, "{}");
    return 200;
}

static int64_t number_of(const json_t *input, const char *name)
{
    return json_integer_value(json_at(input, name));
}

static int take_press(struct cloud *cloud, int64_t now_ms, const json_t *input, struct buffer *body)
{
    if (!cloud_telegram_press(cloud, now_ms, number_of(input, "user"), number_of(input, "chat"),
                              number_of(input, "message_id"), json_text_at(input, "button")))
        return refuse(body, "there is no such message or button");
    buffer_text(body, "{}");
    return 200;
}

static int take_say(struct cloud *cloud, int64_t now_ms, const json_t *input, struct buffer *body)
{
    cloud_telegram_say(cloud, now_ms, number_of(input, "user"), number_of(input, "chat"), json_text_at(input, "text"),
                       number_of(input, "reply_to"));
    buffer_text(body, "{}");
    return 200;
}

static int take_revoke(struct cloud *cloud, const json_t *input, struct buffer *body)
{
    cloud_admin_revoke(cloud, number_of(input, "lives_ms"));
    buffer_text(body, "{}");
    return 200;
}

static int take_unsubscribe(struct cloud *cloud, int64_t now_ms, const json_t *input, struct buffer *body)
{
    if (!cloud_subscription_delete(cloud, now_ms, json_text_at(input, "topic")))
        return refuse(body, "there is no such subscription");
    buffer_text(body, "{}");
    return 200;
}

static int take_post(struct cloud *cloud, int64_t now_ms, const struct http_request *request, struct buffer *body)
{
    struct json_problem problem;
    json_t *input = json_read(request->body, &problem);
    int status = 404;

    if (!json_is_object(input))
        status = refuse(body, "the body is no JSON object");
    else if (slice_is(request->path, "/_cloud/fault"))
        status = take_fault(cloud, now_ms, input, body);
    else if (slice_is(request->path, "/_cloud/orders"))
        status = take_orders(cloud, now_ms, input, body);
    else if (slice_is(request->path, "/_cloud/press"))
        status = take_press(cloud, now_ms, input, body);
    else if (slice_is(request->path, "/_cloud/say"))
        status = take_say(cloud, now_ms, input, body);
    else if (slice_is(request->path, "/_cloud/revoke"))
        status = take_revoke(cloud, input, body);
    else if (slice_is(request->path, "/_cloud/unsubscribe"))
        status = take_unsubscribe(cloud, now_ms, input, body);
    json_decref(input);
    return status;
}

int cloud_control(struct cloud *cloud, int64_t now_ms, const struct http_request *request, struct buffer *body)
{
    struct slice effects = cloud_effects(cloud);

    buffer_clear(body);
    if (slice_is(request->method, "POST"))
        return take_post(cloud, now_ms, request, body);
    if (!slice_is(request->method, "GET"))
        return 405;
    if (slice_is(request->path, "/_cloud/counts"))
        cloud_counts_print(cloud, body);
    else if (slice_is(request->path, "/_cloud/effects"))
        buffer_append(body, effects.data, effects.size);
    else if (slice_is(request->path, "/_cloud/telegram"))
        cloud_telegram_print(cloud, body);
    else if (slice_is(request->path, "/_cloud/shopify"))
        cloud_admin_print(cloud, now_ms, body);
    else if (slice_is(request->path, "/_cloud/pending"))
        buffer_printf(body, "{\"deliveries\":%zu}", cloud_delivery_pending(cloud));
    else
        return 404;
    return 200;
}

void cloud_call_of(const struct http_request *request, struct buffer *url, struct call *call)
{
    static const char *const names[] = {"x-goog-api-key", "idempotency-key", "content-type", "authorization",
                                        "x-shopify-access-token"};

    buffer_clear(url);
    buffer_text(url, "http://127.0.0.1");
    buffer_append(url, request->path.data, request->path.size);
    *call = (struct call){.kind = CALL_HTTP,
                          .url = buffer_slice(url),
                          .method = request->method,
                          .body = request->body,
                          .idempotent = true,
                          .timeout_ms = CALL_TIMEOUT_MS};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct http_header *header = http_header_find(request, names[i]);
        if (header != NULL)
            call->headers[call->header_count++] = (struct call_header){header->name, header->value};
    }
}
