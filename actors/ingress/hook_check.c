// SPDX-License-Identifier: MIT
#include "actors/ingress/hook_check.h"
#include "proto/text/json.h"
#include "runtime/io/crypto.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool hook_refuse(struct hook_refusal *refusal, int status, enum error error, const char *format, ...)
{
    va_list arguments;

    refusal->status = status;
    refusal->error = error;
    va_start(arguments, format);
    vsnprintf(refusal->message, sizeof(refusal->message), format, arguments);
    va_end(arguments);
    return false;
}

const struct hook *hook_route(const struct config *config, struct slice path)
{
    struct slice prefix = SLICE("/hooks/");

    if (path.size <= prefix.size || memcmp(path.data, prefix.data, prefix.size) != 0)
        return NULL;
    return config_hook(config, (struct slice){path.data + prefix.size, path.size - prefix.size});
}

static struct slice header(const struct http_request *request, const char *name)
{
    const struct http_header *found = http_header_find(request, name);

    return found == NULL ? (struct slice){NULL, 0} : found->value;
}

static bool equal_without_case(struct slice a, const char *text)
{
    return a.size == strlen(text) && (a.size == 0 || strncasecmp(a.data, text, a.size) == 0);
}

/* application/json, with no parameter or charset=utf-8 in any spelling. */
static bool is_json_type(struct slice type)
{
    char plain[64];
    size_t size = 0;

    for (size_t i = 0; i < type.size; i++) {
        if (type.data[i] == ' ' || type.data[i] == '\t' || type.data[i] == '"')
            continue;
        if (size == sizeof(plain) - 1)
            return false;
        plain[size++] = type.data[i];
    }
    plain[size] = '\0';
    if (size > 0 && plain[size - 1] == ';')
        plain[--size] = '\0';
    return strcasecmp(plain, "application/json") == 0 || strcasecmp(plain, "application/json;charset=utf-8") == 0;
}

/* --- headers --- */

static bool has_headers(const struct hook *hook, const struct http_request *request, struct hook_refusal *refusal)
{
    static const char *const of_shopify[] = {"X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-API-Version",
                                             "X-Shopify-Webhook-Id"};
    bool shopify = hook->scheme == HOOK_SHOPIFY;

    if (header(request, hook->header).size == 0)
        return hook_refuse(refusal, 400, ERROR_MALFORMED, "the header %s with the signature is missing", hook->header);
    for (size_t i = 0; shopify && i < sizeof(of_shopify) / sizeof(of_shopify[0]); i++)
        if (header(request, of_shopify[i]).size == 0)
            return hook_refuse(refusal, 400, ERROR_MALFORMED, "the header %s is missing", of_shopify[i]);
    return true;
}

const char *hook_id_header(const struct hook *hook)
{
    return hook->scheme == HOOK_SHOPIFY ? "X-Shopify-Webhook-Id" : "X-Webhook-Id";
}

static bool take_sender_id(const struct hook *hook, const struct http_request *request, struct hook_delivery *delivery,
                           struct hook_refusal *refusal)
{
    const char *name = hook_id_header(hook);

    delivery->sender_id = header(request, name);
    if (delivery->sender_id.size > HOOK_ID_BYTES_MAX)
        return hook_refuse(refusal, 400, ERROR_TOO_LARGE, "%s has more than %d bytes", name, HOOK_ID_BYTES_MAX);
    for (size_t i = 0; i < delivery->sender_id.size; i++)
        if (delivery->sender_id.data[i] < '!' || delivery->sender_id.data[i] > '~')
            return hook_refuse(refusal, 400, ERROR_MALFORMED, "%s has bytes that are not printable ASCII", name);
    return true;
}

/* --- the signature --- */

static size_t decode(enum hook_encoding encoding, struct slice text, unsigned char *into, size_t room)
{
    struct slice prefix = SLICE("sha256=");
    long size;

    if (text.size > prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0)
        text = (struct slice){text.data + prefix.size, text.size - prefix.size};
    size = encoding == HOOK_HEX ? crypto_hex_decode(text, into, room) : crypto_base64_decode(text, into, room);
    return size < 0 ? 0 : (size_t)size;
}

bool hook_signature_fits(const struct hook *hook, const struct hook_keys *keys, struct slice signature,
                         struct slice body)
{
    unsigned char sent[SHA256_BYTES], right[SHA256_BYTES];
    bool fits = false;

    if (decode(hook->encoding, signature, sent, sizeof(sent)) != SHA256_BYTES)
        return false;
    if (keys->current.size > 0) {
        crypto_hmac_sha256(keys->current, body, right);
        fits = crypto_equal(sent, right, sizeof(right));
    }
    if (keys->old.size > 0) {
        crypto_hmac_sha256(keys->old, body, right);
        fits = crypto_equal(sent, right, sizeof(right)) || fits;
    }
    crypto_wipe(right, sizeof(right));
    return fits;
}

/* --- topic and shop --- */

static void list_topics(const struct hook *hook, char *into, size_t room)
{
    size_t at = 0;

    into[0] = '\0';
    for (size_t i = 0; i < hook->topic_count && at < room; i++)
        at += (size_t)snprintf(into + at, room - at, "%s%s", i == 0 ? "" : ", ", hook->topics[i]);
}

/* Headers are not signed: a topic is taken from one only when the endpoint lists it. */
static bool take_topic(const struct hook *hook, const struct http_request *request, struct hook_delivery *delivery,
                       struct hook_refusal *refusal)
{
    const char *name = hook->scheme == HOOK_SHOPIFY ? "X-Shopify-Topic" : "X-Webhook-Topic";
    struct slice said = header(request, name);
    char allowed[200];

    if (hook->topic_count == 0) {
        delivery->topic = hook->topic == NULL ? (struct slice){NULL, 0} : slice_of(hook->topic);
        if (said.size == 0 || hook->topic == NULL || slice_is(said, hook->topic))
            return true;
        return hook_refuse(refusal, 422, ERROR_INVALID, "%s is not what this endpoint takes: %s", name, hook->topic);
    }
    for (size_t i = 0; i < hook->topic_count; i++)
        if (slice_is(said, hook->topics[i])) {
            delivery->topic = slice_of(hook->topics[i]);
            return true;
        }
    list_topics(hook, allowed, sizeof(allowed));
    return hook_refuse(refusal, 422, ERROR_INVALID, "%s is not one of those this endpoint takes: %s", name, allowed);
}

static bool is_domain(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!((text.data[i] >= 'a' && text.data[i] <= 'z') || (text.data[i] >= '0' && text.data[i] <= '9') ||
              text.data[i] == '.' || text.data[i] == '-'))
            return false;
    return text.size > 0 && text.size <= 253;
}

/* An endpoint whose shop is not set carries its own name there; then the sender's word is taken. */
static bool take_shop(const struct hook *hook, const struct http_request *request, struct hook_delivery *delivery,
                      struct hook_refusal *refusal)
{
    struct slice said = header(request, "X-Shopify-Shop-Domain");

    delivery->shop = slice_of(hook->shop);
    if (hook->scheme != HOOK_SHOPIFY || equal_without_case(said, hook->shop))
        return true;
    if (!slice_is(delivery->shop, hook->name))
        return hook_refuse(refusal, 422, ERROR_INVALID, "X-Shopify-Shop-Domain is not the shop of this endpoint");
    delivery->shop = said;
    return is_domain(said) ||
           hook_refuse(refusal, 422, ERROR_INVALID, "X-Shopify-Shop-Domain is no domain in lower case");
}

/* --- the body --- */

static bool is_json_object(struct slice body, struct hook_refusal *refusal)
{
    struct json_problem problem;
    json_t *value = json_read(body, &problem);
    bool is_object = json_is_object(value);

    if (value == NULL)
        return hook_refuse(refusal, 400, ERROR_MALFORMED, "body: line %u, column %u: %s", problem.line, problem.column,
                           problem.text);
    json_decref(value);
    return is_object ||
           hook_refuse(refusal, 400, ERROR_MALFORMED, "body: line 1, column 1: a webhook's body is a JSON object");
}

bool hook_check(const struct hook *hook, const struct hook_keys *keys, const struct http_request *request,
                struct hook_delivery *delivery, struct hook_refusal *refusal)
{
    *delivery = (struct hook_delivery){.content_type = SLICE("application/json")};
    if (!is_json_type(header(request, "Content-Type")))
        return hook_refuse(refusal, 415, ERROR_UNSUPPORTED, "send Content-Type: application/json, in UTF-8");
    if (!has_headers(hook, request, refusal))
        return false;
    if (!hook_signature_fits(hook, keys, header(request, hook->header), request->body))
        return hook_refuse(refusal, 401, ERROR_UNAUTHORIZED, "the signature does not fit the body");
    return take_sender_id(hook, request, delivery, refusal) && take_topic(hook, request, delivery, refusal) &&
           take_shop(hook, request, delivery, refusal) && is_json_object(request->body, refusal);
}
