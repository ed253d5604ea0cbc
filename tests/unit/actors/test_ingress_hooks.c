// SPDX-License-Identifier: MIT
#include "actors/ingress/ingress.h"
#include "config/config.h"
#include "proto/payloads.h"
#include "runtime/io/crypto.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static const char yaml[] =
    "payload_bytes_max: 2KiB\nhttp_body_bytes_max: 4KiB\n"
    "hooks:\n"
    "  orders: {scheme: shopify, topic: orders/create, shop: tiny.myshopify.com, secret: shop/key,"
    " old_secret: shop/old}\n"
    "  any: {scheme: shopify, topics: [orders/paid, orders/updated], secret: shop/key}\n"
    "  form: {scheme: hmac-sha256, secret: shop/key}\n"
    "  unset: {scheme: hmac-sha256, secret: shop/none}\n";

static char folder[32];
static struct config *config;

static void write_file(const char *name, const char *text)
{
    char path[100];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    fputs(text, file);
    fclose(file);
}

static void remove_file(const char *name)
{
    char path[100];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
}

static int set_up(void **state)
{
    struct text_problem problem;
    char path[100];

    snprintf(folder, sizeof(folder), "/tmp/purser-ingress-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_file("purser.yaml", yaml);
    snprintf(path, sizeof(path), "%s/secrets", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("secrets/shop.key", "new secret\n");
    write_file("secrets/shop.old", "old secret\n");
    snprintf(path, sizeof(path), "%s/workflows", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/prompts", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/purser.yaml", folder);
    config = config_load(path, &problem);
    if (config == NULL)
        print_error("%u:%u %s\n", problem.line, problem.column, problem.text);
    assert_non_null(config);
    *state = fake_new(&ingress_spec, config);
    assert_int_equal(fake_start(*state), ERROR_OK);
    fake_forget(*state);
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;

    fake_destroy(&fake);
    config_free(&config);
    remove_file("secrets/shop.key");
    remove_file("secrets/shop.old");
    remove_file("secrets/shop.none");
    remove_file("purser.yaml");
    for (size_t i = 0; i < 3; i++) {
        char path[100];
        snprintf(path, sizeof(path), "%s/%s", folder, ((const char *const[]){"secrets", "workflows", "prompts"})[i]);
        rmdir(path);
    }
    return rmdir(folder);
}

/* --- requests --- */

static char signature[2][100];

static struct slice sign(int slot, const char *secret, struct slice body, bool hex)
{
    unsigned char digest[SHA256_BYTES];

    crypto_hmac_sha256(slice_of(secret), body, digest);
    crypto_base64((struct slice){(const char *)digest, sizeof(digest)}, signature[slot]);
    for (size_t i = 0; hex && i < sizeof(digest); i++)
        snprintf(signature[slot] + 2 * i, 3, "%02x", digest[i]);
    return slice_of(signature[slot]);
}

static void set(struct http_request *request, const char *name, const char *value)
{
    size_t i = 0;

    while (i < request->header_count && !slice_is(request->headers[i].name, name))
        i++;
    if (i == request->header_count)
        request->header_count++;
    request->headers[i] = (struct http_header){slice_of(name), value == NULL ? (struct slice){0} : slice_of(value)};
}

static struct http_request shopify(const char *body, const char *id)
{
    struct http_request request = {.method = SLICE("POST"),
                                   .path = SLICE("/hooks/orders"),
                                   .body = slice_of(body),
                                   .peer = SLICE("203.0.113.7")};

    set(&request, "content-type", "application/json");
    set(&request, "X-Shopify-Topic", "orders/create");
    set(&request, "X-Shopify-Shop-Domain", "tiny.myshopify.com");
    set(&request, "X-Shopify-API-Version", "2026-07");
    set(&request, "X-Shopify-Webhook-Id", id);
    set(&request, "X-Shopify-Hmac-Sha256", sign(0, "new secret", request.body, false).data);
    return request;
}

static struct http_request form(const char *body)
{
    struct http_request request = {.method = SLICE("POST"),
                                   .path = SLICE("/hooks/form"),
                                   .body = slice_of(body),
                                   .peer = SLICE("203.0.113.8")};

    set(&request, "Content-Type", "application/json; charset=\"UTF-8\"");
    set(&request, "X-Signature-256", sign(1, "new secret", request.body, true).data);
    return request;
}

static const struct http_reply *refused(struct fake *fake, const struct http_request *request, int status,
                                        const char *says)
{
    const struct http_reply *reply = fake_reply(fake, fake_http(fake, request));

    assert_non_null(reply);
    assert_int_equal(reply->status, status);
    assert_int_equal(fake_sent_count(fake, MSG_COMMIT), 0);
    char *text = slice_dup(reply->body);
    if (strstr(text, says) == NULL)
        print_error("\"%s\" does not say \"%s\"\n", text, says);
    assert_non_null(strstr(text, says));
    free(text);
    return reply;
}

/* Sends it and answers its commit; returns the reply. */
static const struct http_reply *sent(struct fake *fake, const struct http_request *request, enum error error,
                                     uint64_t failed_op, struct slice detail)
{
    uint64_t exchange = fake_http(fake, request);
    struct msg_commit commit;

    assert_null(fake_reply(fake, exchange));
    assert_true(fake_take_commit(fake, &commit));
    fake_advance(fake, 3);
    fake_deliver_committed(fake, &(struct msg_committed){.ticket = commit.ticket,
                                                         .error = error,
                                                         .failed_op = failed_op,
                                                         .first_id = error == ERROR_OK ? 7 : 0,
                                                         .detail = detail});
    assert_non_null(fake_reply(fake, exchange));
    return fake_reply(fake, exchange);
}

/* --- tests --- */

static void test_yes_after_the_commit(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{\"id\":1}", "b54557e4");
    uint64_t exchange = fake_http(fake, &request), ticket;
    struct payload payload;
    struct op ops[3];
    char hex[SHA256_HEX], key[120];

    assert_null(fake_reply(fake, exchange));
    assert_int_equal(fake_take_ops(fake, &ticket, ops, 3), 3);
    assert_int_equal(ops[0].id, OP_CLAIM);
    crypto_sha256_hex(request.body, hex);
    snprintf(key, sizeof(key), "hook/orders/body/orders/create/%s", hex);
    assert_true(slice_is(ops[0].claim.key, key));
    assert_int_equal(ops[0].claim.until_ms, fake->wall_ms + config->dedup_keep_ms);
    assert_int_equal(ops[0].claim.skip, 0);
    assert_int_equal(ops[0].claim.value.size, SHA256_BYTES);
    assert_int_equal(ops[1].id, OP_CLAIM);
    assert_true(slice_is(ops[1].claim.key, "hook/orders/id/tiny.myshopify.com/b54557e4"));
    assert_int_equal(ops[1].claim.until_ms, fake->wall_ms + config->dedup_keep_ms);
    assert_int_equal(ops[1].claim.skip, 0);
    assert_int_equal(ops[2].id, OP_PUSH);
    assert_true(slice_is(ops[2].push.queue, "flow"));
    assert_int_equal(ops[2].push.key.size, 0);
    assert_true(payload_take(ops[2].push.payload, &payload));
    assert_int_equal(payload.id, PAYLOAD_HOOK);
    assert_true(slice_is(payload.hook.hook, "orders") && slice_is(payload.hook.topic, "orders/create"));
    assert_true(slice_is(payload.hook.shop, "tiny.myshopify.com") && slice_is(payload.hook.sender_id, "b54557e4"));
    assert_true(slice_is(payload.hook.body, "{\"id\":1}"));
    assert_int_equal(payload.hook.received_ms, fake->wall_ms);
    fake_committed(fake, ticket, ERROR_OK, 11);
    assert_int_equal(fake_reply(fake, exchange)->status, 200);
    assert_int_equal(fake_reply(fake, exchange)->body.size, 0);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_ACCEPTED, 0), 1);
    assert_int_equal(fake_metric(fake, METRIC_HTTP_REQUESTS, 2), 1);
    assert_int_equal(fake_metric(fake, METRIC_HOOK_SECONDS, 0), 1);
}

static void test_duplicates_and_conflicts(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{\"id\":1}", "one");
    unsigned char body[SHA256_BYTES], id[SHA256_BYTES];

    crypto_sha256(request.body, body);
    crypto_sha256(SLICE("one"), id);
    assert_int_equal(sent(fake, &request, ERROR_HELD, 1, (struct slice){(char *)body, 32})->status, 200);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_DUPLICATE, 0), 1);
    assert_int_equal(sent(fake, &request, ERROR_HELD, 0, (struct slice){(char *)id, 32})->status, 200);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_DUPLICATE, 0), 2);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_CONFLICT, 0), 0);
    id[0] ^= 1; /* a known body with another id: it is kept */
    assert_int_equal(sent(fake, &request, ERROR_HELD, 0, (struct slice){(char *)id, 32})->status, 200);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_CONFLICT, 0), 1);
    assert_int_equal(fake_logged(fake, "hook-conflict"), 1);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_REFUSED, ERROR_CONFLICT), 0);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_ACCEPTED, 0), 0);
}

/* A body that was never kept must not be acknowledged. */
static void test_used_id_is_refused(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{\"id\":1}", "one");
    unsigned char other[SHA256_BYTES];

    crypto_sha256(SLICE("{\"id\":2}"), other);
    const struct http_reply *reply = sent(fake, &request, ERROR_HELD, 1, (struct slice){(char *)other, 32});
    assert_int_equal(reply->status, 409);
    assert_int_equal(memcmp(reply->body.data, "X-Shopify-Webhook-Id came before with another body", 50), 0);
    assert_int_equal(fake_reply_header(reply, "Retry-After").size, 0);
    request = form("{\"id\":1}");
    set(&request, "X-Webhook-Id", "one");
    reply = sent(fake, &request, ERROR_HELD, 1, (struct slice){(char *)other, 32});
    assert_int_equal(reply->status, 409);
    assert_int_equal(memcmp(reply->body.data, "X-Webhook-Id came", 17), 0);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_CONFLICT, 0), 2);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_REFUSED, ERROR_CONFLICT), 2);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_DUPLICATE, 0), 0);
    assert_int_equal(fake_metric(fake, METRIC_HTTP_REQUESTS, 4), 2);
    assert_int_equal(fake_logged(fake, "hook-conflict"), 2);
}

static void test_not_kept_is_503(void **state)
{
    static const enum error errors[] = {ERROR_FULL, ERROR_DISK_FULL, ERROR_IO, ERROR_SHUTDOWN, ERROR_CORRUPT};
    struct fake *fake = *state;
    struct http_request request = shopify("{\"id\":1}", "one");

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        const struct http_reply *reply = sent(fake, &request, errors[i], 2, (struct slice){NULL, 0});
        assert_int_equal(reply->status, 503);
        assert_true(slice_is(fake_reply_header(reply, "Retry-After"), "5"));
        assert_int_equal(fake_metric(fake, METRIC_HOOKS_REFUSED, errors[i]), 1);
    }
    assert_int_equal(sent(fake, &request, ERROR_TOO_LARGE, 2, (struct slice){NULL, 0})->status, 413);
    fake->send_error[MSG_COMMIT] = ERROR_FULL;
    assert_true(fake_reply_header(refused(fake, &request, 503, "busy"), "Retry-After").size > 0);
}

static void test_routes(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{}", "one");

    request.path = SLICE("/hooks/nobody");
    refused(fake, &request, 404, "nothing here");
    request.path = SLICE("/hooks/");
    refused(fake, &request, 404, "nothing");
    request.path = SLICE("/hooks/orders/");
    refused(fake, &request, 404, "nothing");
    request.path = SLICE("/");
    request.method = SLICE("GET");
    refused(fake, &request, 404, "nothing");
    request.path = SLICE("/hooks/orders");
    const struct http_reply *reply = refused(fake, &request, 405, "POST");
    assert_true(slice_is(fake_reply_header(reply, "Allow"), "POST"));
    assert_int_equal(fake_metric(fake, METRIC_HTTP_REQUESTS, 4), 5);
}

static void test_content_type(void **state)
{
    static const char *const wrong[] = {"text/plain", "application/json; charset=latin-1", "application/jsonx", "",
                                        "application/json; charset=utf-8; charset=utf-8; charset=utf-8; charset=utf-8"};
    static const char *const right[] = {"application/json", "Application/JSON;charset=utf-8", "application/json;"};
    struct fake *fake = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct http_request request = shopify("{}", "one");
        set(&request, "content-type", wrong[i]);
        refused(fake, &request, 415, "application/json");
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        struct http_request request = shopify("{}", "one");
        set(&request, "content-type", right[i]);
        assert_int_equal(sent(fake, &request, ERROR_OK, 0, (struct slice){NULL, 0})->status, 200);
    }
}

static void test_missing_headers(void **state)
{
    static const char *const names[] = {"X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-API-Version",
                                        "X-Shopify-Webhook-Id", "X-Shopify-Hmac-Sha256"};
    struct fake *fake = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct http_request request = shopify("{}", "one");
        set(&request, names[i], NULL);
        refused(fake, &request, 400, names[i]);
    }
    struct http_request request = form("{}");
    set(&request, "X-Signature-256", NULL);
    refused(fake, &request, 400, "X-Signature-256");
}

static void test_signatures(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("not even JSON", "one");

    set(&request, "X-Shopify-Hmac-Sha256", sign(0, "wrong", request.body, false).data);
    refused(fake, &request, 401, "signature"); /* judged before the body is parsed */
    set(&request, "X-Shopify-Hmac-Sha256", "AAAA");
    refused(fake, &request, 401, "signature");
    set(&request, "X-Shopify-Hmac-Sha256", "!");
    refused(fake, &request, 401, "signature");
    assert_int_equal(fake_logged(fake, "hook-unsigned"), 3);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_REFUSED, ERROR_UNAUTHORIZED), 3);
    request = shopify("{\"a\":\"\\/ \xc3\xbc\"}", "two");
    set(&request, "X-Shopify-Hmac-Sha256", sign(0, "old secret", request.body, false).data);
    assert_int_equal(sent(fake, &request, ERROR_OK, 0, (struct slice){NULL, 0})->status, 200);
    request = form("{}");
    char prefixed[120];
    snprintf(prefixed, sizeof(prefixed), "sha256=%s", signature[1]);
    set(&request, "X-Signature-256", prefixed);
    assert_int_equal(sent(fake, &request, ERROR_OK, 0, (struct slice){NULL, 0})->status, 200);
    set(&request, "X-Signature-256", sign(1, "old secret", request.body, true).data);
    refused(fake, &request, 401, "signature"); /* this endpoint is not in a rotation */
}

static void test_rotation_without_restart(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{}", "one");

    set(&request, "X-Shopify-Hmac-Sha256", sign(0, "newest", request.body, false).data);
    refused(fake, &request, 401, "signature");
    write_file("secrets/shop.key", "newest");
    refused(fake, &request, 401, "signature"); /* files are not read for every stranger */
    fake_advance(fake, 5000);
    assert_int_equal(sent(fake, &request, ERROR_OK, 0, (struct slice){NULL, 0})->status, 200);
}

static void test_missing_secret(void **state)
{
    struct fake *fake = *state;
    struct http_request request = form("{}");

    assert_int_equal(fake_logged(fake, "hook-secret"), 1);
    request.path = SLICE("/hooks/unset");
    refused(fake, &request, 503, "not set up");
    write_file("secrets/shop.none", "new secret");
    fake_advance(fake, 5000);
    assert_int_equal(sent(fake, &request, ERROR_OK, 0, (struct slice){NULL, 0})->status, 200);
}

static void test_topic_and_shop(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{}", "one");

    set(&request, "X-Shopify-Topic", "orders/paid");
    refused(fake, &request, 422, "orders/create");
    request = shopify("{}", "one");
    set(&request, "X-Shopify-Shop-Domain", "other.myshopify.com");
    refused(fake, &request, 422, "shop of this endpoint");
    set(&request, "X-Shopify-Shop-Domain", "TINY.myshopify.com");
    assert_int_equal(sent(fake, &request, ERROR_OK, 0, (struct slice){NULL, 0})->status, 200);
    request = shopify("{}", "one");
    request.path = SLICE("/hooks/any");
    refused(fake, &request, 422, "orders/paid, orders/updated");
    set(&request, "X-Shopify-Topic", "orders/updated");
    set(&request, "X-Shopify-Shop-Domain", "who/ever");
    refused(fake, &request, 422, "no domain");
    set(&request, "X-Shopify-Shop-Domain", "a.example");
    fake_http(fake, &request);
    struct op ops[3];
    assert_int_equal(fake_take_ops(fake, NULL, ops, 3), 3);
    assert_true(slice_is(ops[1].claim.key, "hook/any/id/a.example/one"));
}

static void test_sender_ids(void **state)
{
    struct fake *fake = *state;
    char longest[130];
    struct http_request request = shopify("{}", "with space");

    refused(fake, &request, 400, "printable");
    memset(longest, 'i', 129);
    longest[129] = '\0';
    request = shopify("{}", longest);
    refused(fake, &request, 400, "128");
    request = form("{}");
    fake_http(fake, &request);
    struct op ops[3];
    assert_int_equal(fake_take_ops(fake, NULL, ops, 3), 2); /* no id: one claim, on the body */
    assert_true(memcmp(ops[0].claim.key.data, "hook/form/body//", 16) == 0);
    set(&request, "X-Webhook-Id", "mine");
    fake_http(fake, &request);
    assert_int_equal(fake_take_ops(fake, NULL, ops, 3), 3);
    assert_true(slice_is(ops[1].claim.key, "hook/form/id/form/mine"));
}

static void test_no_id_is_a_duplicate(void **state)
{
    struct fake *fake = *state;
    struct http_request request = form("{}");
    unsigned char none[SHA256_BYTES];

    crypto_sha256((struct slice){NULL, 0}, none);
    assert_int_equal(sent(fake, &request, ERROR_HELD, 0, (struct slice){(char *)none, 32})->status, 200);
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_DUPLICATE, 0), 1);
}

static void test_bodies(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{\n \"a\": 1,\n \"a\": 2}", "one");

    refused(fake, &request, 400, "line 3, column");
    request = shopify("[]", "one");
    refused(fake, &request, 400, "JSON object");
    request = shopify("", "one");
    refused(fake, &request, 400, "line 1, column 1");
    request = shopify("{\"n\": NaN}", "one");
    refused(fake, &request, 400, "line 1");
    char large[2100];
    snprintf(large, sizeof(large), "{\"a\": \"%02070d\"}", 0);
    request = shopify(large, "one");
    refused(fake, &request, 413, "payload_bytes_max, 2048");
}

static void test_throttle(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{}", "one");

    set(&request, "X-Shopify-Hmac-Sha256", "AAAA");
    for (int i = 0; i < 20; i++)
        refused(fake, &request, 401, "signature");
    const struct http_reply *reply = refused(fake, &request, 429, "too many");
    assert_true(slice_is(fake_reply_header(reply, "Retry-After"), "1"));
    assert_int_equal(fake_metric(fake, METRIC_HOOKS_REFUSED, ERROR_LIMITED), 1);
    request.peer = SLICE("203.0.113.99");
    refused(fake, &request, 401, "signature");
    request.peer = SLICE("203.0.113.7");
    fake_advance(fake, 1000);
    refused(fake, &request, 401, "signature");
    /* Behind a proxy the last address it names counts; a local sender without one is not throttled. */
    fake_advance(fake, 60000);
    request.peer = SLICE("127.0.0.1");
    for (int i = 0; i < 50; i++)
        refused(fake, &request, 401, "signature");
    set(&request, "X-Forwarded-For", "1.2.3.4, 198.51.100.4");
    for (int i = 0; i < 20; i++)
        refused(fake, &request, 401, "signature");
    refused(fake, &request, 429, "too many");
    set(&request, "X-Forwarded-For", "198.51.100.4, 198.51.100.5");
    refused(fake, &request, 401, "signature");
    /* A proxy may add a line of its own below what the sender wrote. */
    request.headers[request.header_count++] =
        (struct http_header){SLICE("x-forwarded-for"), SLICE("198.51.100.9,198.51.100.4 ")};
    refused(fake, &request, 429, "too many");
}

static void test_throttle_by_network(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{}", "one");
    char peer[48];

    set(&request, "X-Shopify-Hmac-Sha256", "AAAA");
    for (int i = 0; i < 20; i++) {
        snprintf(peer, sizeof(peer), "2001:db8:0:7:%x::1", i + 1);
        request.peer = slice_of(peer);
        refused(fake, &request, 401, "signature");
    }
    request.peer = SLICE("2001:db8:0:7:ffff:ffff:ffff:ffff");
    refused(fake, &request, 429, "too many");
    request.peer = SLICE("2001:db8:0:8::1");
    refused(fake, &request, 401, "signature");
    /* IPv4 addresses written as IPv6 stay single addresses. */
    request.peer = SLICE("::ffff:203.0.113.1");
    for (int i = 0; i < 20; i++)
        refused(fake, &request, 401, "signature");
    refused(fake, &request, 429, "too many");
    request.peer = SLICE("203.0.113.1");
    refused(fake, &request, 429, "too many");
    request.peer = SLICE("::ffff:203.0.113.2");
    refused(fake, &request, 401, "signature");
}

static void test_bounded_and_quiesced(void **state)
{
    struct fake *fake = *state;
    struct http_request request = shopify("{}", "one");
    size_t taken = 0;

    request.peer = SLICE("127.0.0.1");
    while (fake_reply(fake, fake_http(fake, &request)) == NULL)
        assert_true(++taken <= 2048);
    assert_true(taken > 2000);
    fake_commit_ok(fake, 1);
    fake_forget(fake);
    fake_deliver_quiesce(fake, &(struct msg_quiesce){.deadline_ms = 1});
    assert_true(fake->quiesced);
    refused(fake, &request, 503, "stopping");
}

static void test_start_errors(void **state)
{
    struct fake *fake = *state;

    assert_int_equal(fake->serve.port, 8420);
    assert_int_equal(fake->serve.body_bytes_max, 2048); /* the smaller of the two bounds */
    assert_string_equal(fake->listen.endpoint, "tcp://127.0.0.1:8421");
    fake->serve_error = ERROR_IO;
    assert_int_equal(fake_start(fake), ERROR_IO);
    fake->serve_error = ERROR_OK;
    fake->listen_error = ERROR_INVALID;
    assert_int_equal(fake_start(fake), ERROR_INVALID);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_yes_after_the_commit), TEST(test_duplicates_and_conflicts), TEST(test_used_id_is_refused),
        TEST(test_not_kept_is_503),
        TEST(test_routes), TEST(test_content_type), TEST(test_missing_headers), TEST(test_signatures),
        TEST(test_rotation_without_restart), TEST(test_missing_secret), TEST(test_topic_and_shop),
        TEST(test_sender_ids), TEST(test_no_id_is_a_duplicate), TEST(test_bodies), TEST(test_throttle),
        TEST(test_throttle_by_network),
        TEST(test_bounded_and_quiesced), TEST(test_start_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
