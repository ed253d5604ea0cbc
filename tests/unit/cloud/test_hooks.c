// SPDX-License-Identifier: MIT
#include "tests/cloud/cloud.h"
#include "proto/text/json.h"
#include "runtime/io/crypto.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t T0 = 1795377600000;
static const struct answer ok = {.error = ERROR_OK, .status = 200}, failed = {.error = ERROR_OK, .status = 500};

static struct cloud *shop_open(unsigned hooks)
{
    struct cloud_options options = {
        .hooks = {{SLICE("orders/create"), SLICE("http://127.0.0.1:1/c"), SLICE("hush")},
                  {SLICE("orders/paid"), SLICE("http://127.0.0.1:1/p"), SLICE("hush")},
                  {SLICE("orders/updated"), SLICE("http://127.0.0.1:1/u"), SLICE("hush")}},
        .hook_count = hooks,
        .guest_permille = 300,
    };
    return cloud_new(11, &options);
}

static struct slice header(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (slice_is(call->headers[i].name, name))
            return call->headers[i].value;
    return (struct slice){NULL, 0};
}

static void hmac_of(const char *key, struct slice body, char text[48])
{
    unsigned char digest[SHA256_BYTES];

    crypto_hmac_sha256(slice_of(key), body, digest);
    crypto_base64((struct slice){(const char *)digest, sizeof(digest)}, text);
}

/* The vectors of Shopify's signature that the sender is held against. */
static void test_signature_vectors(void **state)
{
    char path[512], bytes[8192], text[48];
    (void)state;

    hmac_of("hush",
            SLICE("{\"id\":820982911946154508,\"admin_graphql_api_id\":\"gid:\\/\\/shopify\\/Order\\/"
                  "820982911946154508\",\"name\":\"#9999\",\"email\":\"jon@example.com\",\"total_price\":"
                  "\"388.00\",\"currency\":\"EUR\",\"note\":\"Gr\xc3\xbc\xc3\x9f"
                  "e\"}"),
            text);
    assert_string_equal(text, "J4Fmf3fZ+xMIhfPRtvPyNVYVGt7V8p4qms4R2MT7c5c=");
    snprintf(path, sizeof(path), "%s/shopify/orders_paid.activepieces.json", TEST_DATA);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    hmac_of("hush", (struct slice){bytes, size}, text);
    assert_string_equal(text, "1dtYW1spvQYiqK8ocw2UCJhexWLHwK3HfurDgqq5Q9A=");
}

static void test_a_delivery_is_complete_and_signed(void **state)
{
    static const char *const names[] = {"X-Shopify-Topic",       "X-Shopify-Hmac-Sha256", "X-Shopify-Shop-Domain",
                                        "X-Shopify-API-Version", "X-Shopify-Webhook-Id",  "X-Shopify-Event-Id",
                                        "X-Shopify-Triggered-At"};
    struct cloud *cloud = shop_open(3);
    struct call call;
    uint64_t ticket;
    char text[48];
    (void)state;

    cloud_orders_place(cloud, T0, 1, 0);
    assert_int_equal(cloud_delivery_next_ms(cloud), T0);
    assert_true(cloud_delivery_take(cloud, T0, &ticket, &call));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(header(&call, names[i]).size > 0);
    hmac_of("hush", call.body, text);
    assert_true(slice_is(header(&call, "X-Shopify-Hmac-Sha256"), text));
    assert_true(slice_is(header(&call, "X-Shopify-Topic"), "orders/create"));
    assert_int_equal(call.timeout_ms, 5000);
    cloud_delivery_told(cloud, T0, ticket, &ok);
    assert_false(cloud_delivery_take(cloud, T0 + 1999, &ticket, &call));
    assert_true(cloud_delivery_take(cloud, T0 + 2000, &ticket, &call));
    assert_true(slice_is(header(&call, "X-Shopify-Topic"), "orders/paid"));
    cloud_fault_set(cloud, CLOUD_SHOPIFY, CLOUD_BAD_SIGNATURE, T0 + 4000, 1000);
    assert_true(cloud_delivery_take(cloud, T0 + 3000, &ticket, &call));
    hmac_of("hush", call.body, text);
    assert_false(slice_is(header(&call, "X-Shopify-Hmac-Sha256"), text));
    cloud_destroy(&cloud);
}

static void test_retries_fill_four_hours(void **state)
{
    struct cloud *cloud = shop_open(1);
    char first_id[40] = "";
    int64_t now_ms = T0;
    struct call call;
    uint64_t ticket;
    (void)state;

    cloud_orders_place(cloud, T0, 1, 0);
    for (unsigned attempt = 1; attempt <= 9; attempt++) {
        assert_false(cloud_delivery_take(cloud, now_ms - 1, &ticket, &call));
        assert_true(cloud_delivery_take(cloud, now_ms, &ticket, &call));
        assert_int_equal(cloud_delivery_next_ms(cloud), INT64_MAX);
        struct slice id = header(&call, "X-Shopify-Webhook-Id");
        if (attempt == 1)
            snprintf(first_id, sizeof(first_id), "%.*s", (int)id.size, id.data);
        assert_true(slice_is(id, first_id));
        cloud_delivery_told(cloud, now_ms, ticket, &failed);
        if (attempt < 9)
            assert_int_equal(cloud_delivery_next_ms(cloud), now_ms + cloud_retry_delay_ms(attempt));
        now_ms = attempt < 9 ? cloud_delivery_next_ms(cloud) : now_ms;
    }
    assert_int_equal(cloud_delivery_pending(cloud), 0);
    assert_int_equal(cloud_counts(cloud)->deliveries_given_up, 1);
    assert_in_range(now_ms - T0, 13 * 3600000 / 4, 4 * 3600000);
    cloud_destroy(&cloud);
}

static void test_duplicates_keep_their_id_and_late_creates_come_last(void **state)
{
    struct cloud *cloud = shop_open(3);
    struct call call;
    uint64_t ticket;
    (void)state;

    cloud_fault_set(cloud, CLOUD_SHOPIFY, CLOUD_LATE_CREATE, T0 + 10, 1000);
    cloud_fault_set(cloud, CLOUD_SHOPIFY, CLOUD_DUPLICATE, T0 + 10, 1000);
    cloud_orders_place(cloud, T0, 1, 0);
    assert_false(cloud_delivery_take(cloud, T0, &ticket, &call));
    assert_true(cloud_delivery_take(cloud, T0 + 2000, &ticket, &call));
    assert_true(slice_is(header(&call, "X-Shopify-Topic"), "orders/paid"));
    char *id = slice_dup(header(&call, "X-Shopify-Webhook-Id"));
    cloud_delivery_told(cloud, T0 + 5, ticket, &ok);
    assert_true(cloud_delivery_take(cloud, T0 + 2000, &ticket, &call));
    assert_true(slice_is(header(&call, "X-Shopify-Webhook-Id"), id));
    cloud_delivery_told(cloud, T0 + 5, ticket, &ok);
    assert_int_equal(cloud_counts(cloud)->deliveries_repeated, 1);
    assert_int_equal(cloud_delivery_pending(cloud), 2);
    free(id);
    cloud_destroy(&cloud);
}

static void test_orders_have_the_troubles_of_real_ones(void **state)
{
    struct cloud *cloud = shop_open(1);
    size_t guests = 0, big = 0, total = 0;
    struct json_problem problem;
    struct call call;
    uint64_t ticket;
    (void)state;

    cloud_orders_place(cloud, T0, 100, 10);
    assert_int_equal(cloud_delivery_pending(cloud), 100);
    for (; cloud_delivery_take(cloud, T0 + 1000, &ticket, &call); total++) {
        json_t *order = json_read(call.body, &problem);
        assert_non_null(order);
        assert_non_null(memmem(call.body.data, call.body.size, "example.com", 11));
        guests += json_is_null(json_object_get(order, "customer"));
        big += json_integer_value(json_object_get(order, "id")) > (json_int_t)1 << 53;
        json_decref(order);
        cloud_delivery_told(cloud, T0 + 1000, ticket, &ok);
    }
    assert_int_equal(total, 100);
    assert_in_range(guests, 10, 60);
    assert_in_range(big, 10, 60);
    cloud_destroy(&cloud);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_vectors),
        cmocka_unit_test(test_a_delivery_is_complete_and_signed),
        cmocka_unit_test(test_retries_fill_four_hours),
        cmocka_unit_test(test_duplicates_keep_their_id_and_late_creates_come_last),
        cmocka_unit_test(test_orders_have_the_troubles_of_real_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
