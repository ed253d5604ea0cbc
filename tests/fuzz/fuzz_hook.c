// LINK: actors
// SPDX-License-Identifier: MIT
#include "actors/ingress/hook_check.h"
#include "proto/check.h"
#include "runtime/io/crypto.h"
#include <string.h>

static char *topics[] = {"orders/create", "orders/paid"};
static const struct hook hooks[] = {
    {.name = "a", .scheme = HOOK_SHOPIFY, .topics = topics, .topic_count = 2, .shop = "a",
     .header = "X-Shopify-Hmac-Sha256", .encoding = HOOK_BASE64},
    {.name = "b", .scheme = HOOK_HMAC_SHA256, .shop = "b", .header = "X-Signature-256", .encoding = HOOK_HEX},
};
static const struct hook_keys keys = {{"key", 3}, {"old", 3}};

/* The next line of the input; what is left after the headers is the body. */
static struct slice line(struct slice *rest)
{
    const char *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    struct slice taken = {rest->data, size};

    rest->data += end == NULL ? size : size + 1;
    rest->size -= end == NULL ? size : size + 1;
    return taken;
}

static void add(struct http_request *request, const char *name, struct slice value)
{
    request->headers[request->header_count++] = (struct http_header){slice_of(name), value};
}

static bool check(const struct hook *hook, const struct http_request *request)
{
    struct hook_delivery delivery;
    struct hook_refusal refusal = {0};
    bool good = hook_check(hook, &keys, request, &delivery, &refusal);

    CHECK(good || (refusal.status >= 400 && refusal.status < 500 && refusal.message[0] != '\0'));
    CHECK(!good || delivery.sender_id.size <= HOOK_ID_BYTES_MAX);
    return good;
}

/* A delivery as it came must not pass unsigned; signed by us, only what is wrong with the rest may refuse it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    struct http_request request = {.method = SLICE("POST")};
    unsigned char digest[SHA256_BYTES];
    char right[64];

    if (size == 0)
        return 0;
    const struct hook *hook = &hooks[data[0] & 1];
    add(&request, hook->header, line(&rest));
    add(&request, "Content-Type", line(&rest));
    add(&request, data[0] & 2 ? "X-Shopify-Topic" : "X-Webhook-Topic", line(&rest));
    add(&request, data[0] & 2 ? "X-Shopify-Webhook-Id" : "X-Webhook-Id", line(&rest));
    add(&request, "X-Shopify-Shop-Domain", line(&rest));
    add(&request, "X-Shopify-API-Version", SLICE("2026-07"));
    request.body = rest;
    CHECK(!check(hook, &request));
    crypto_hmac_sha256(keys.old, request.body, digest);
    crypto_base64((struct slice){(const char *)digest, sizeof(digest)}, right);
    struct hook base64 = *hook;
    base64.encoding = HOOK_BASE64;
    request.headers[0].value = slice_of(right);
    CHECK(hook_signature_fits(&base64, &keys, request.headers[0].value, request.body));
    check(&base64, &request);
    return 0;
}
