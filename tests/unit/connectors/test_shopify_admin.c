// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t NOW = 1795377600000;

struct bench {
    struct scratch scratch;
    struct step step;
    json_t *inputs;
    struct connector_job job;
    struct connector_settings settings;
};

static void bench_open(struct bench *bench, const char *inputs)
{
    struct json_problem problem;

    *bench = (struct bench){.settings = {.url = SLICE("https://demo.myshopify.com"),
                                         .secret = SLICE("vault/token"),
                                         .user = SLICE("client-1"),
                                         .client_secret = SLICE("shopify/client"),
                                         .shop = SLICE("demo.myshopify.com"),
                                         .version = SLICE("2026-07")}};
    bench->inputs = json_read(slice_of(inputs), &problem);
    if (bench->inputs == NULL)
        fail_msg("%s: %s", inputs, problem.text);
    bench->job = (struct connector_job){.id = SLICE("job-17"), .created_ms = NOW, .inputs = bench->inputs};
    connector_shopify.begin(&bench->job, &bench->settings, NOW, &bench->scratch, &bench->step);
}

static void bench_close(struct bench *bench)
{
    step_fini(&bench->step);
    scratch_free(&bench->scratch);
    json_decref(bench->inputs);
}

static void answer_with(struct bench *bench, const struct answer *answer)
{
    bench->job.mark = bench->step.mark;
    step_fini(&bench->step);
    connector_shopify.answer(&bench->job, &bench->settings, answer, NOW, &bench->scratch, &bench->step);
}

static void answer(struct bench *bench, int status, const char *body)
{
    answer_with(bench, &(struct answer){.error = ERROR_OK, .status = status, .body = slice_of(body)});
}

static bool asks(const struct bench *bench, const char *words)
{
    struct slice body = bench->step.call.body;

    return bench->step.kind == STEP_REQUEST && body.size > 0 && memmem(body.data, body.size, words, strlen(words));
}

static void expect_result(const struct bench *bench, const char *text)
{
    struct buffer found = {NULL, 0, 0};

    assert_int_equal(bench->step.kind, STEP_DONE);
    json_write(&found, bench->step.result);
    buffer_append(&found, "", 1);
    assert_string_equal(found.data, text);
    buffer_free(&found);
}

static void expect_end(const struct bench *bench, enum step_kind kind, enum error error, const char *words)
{
    char text[512];

    snprintf(text, sizeof(text), "%.*s", (int)bench->step.detail.size,
             bench->step.detail.size > 0 ? bench->step.detail.data : "");
    if (bench->step.kind != kind || bench->step.error != error || strstr(text, words) == NULL)
        fail_msg("kind %d, error %s: %s", bench->step.kind, error_name(bench->step.error), text);
}

#define COST(left)                                                                                                     \
    "\"extensions\":{\"cost\":{\"requestedQueryCost\":10,\"actualQueryCost\":10,\"throttleStatus\":{"                  \
    "\"maximumAvailable\":2000.0,\"currentlyAvailable\":" left ",\"restoreRate\":100.0}}}"
#define TAG "{\"action\":\"tag\",\"input\":{\"order\":820982911946154508,\"tags\":\"processed, vip\"}}"
#define TAGGED                                                                                                         \
    "{\"data\":{\"tagsAdd\":{\"node\":{\"id\":\"gid://shopify/Order/820982911946154508\"},\"userErrors\":[]}}," COST(  \
        "1990") "}"

static void test_tag(void **state)
{
    struct bench bench;
    struct usage usage;

    (void)state;
    bench_open(&bench, TAG);
    assert_true(asks(&bench, "tagsAdd(id: $id, tags: $tags)"));
    assert_true(asks(&bench, "\"variables\":{\"id\":\"gid://shopify/Order/820982911946154508\",\"tags\":[\"processed\","
                             "\"vip\"]}"));
    assert_true(slice_is(bench.step.call.url, "https://demo.myshopify.com/admin/api/2026-07/graphql.json"));
    assert_true(slice_is(bench.step.call.auth_name, "X-Shopify-Access-Token"));
    assert_true(slice_is(bench.step.call.secret, "vault/token"));
    assert_true(bench.step.call.idempotent);
    assert_false(bench.step.needs_note);
    connector_shopify.usage(&bench.settings, &(struct answer){.status = 200, .body = SLICE(TAGGED)}, NOW, &usage);
    assert_false(usage.limited);
    assert_int_equal(usage.percent_used, 0);
    answer(&bench, 200, TAGGED);
    expect_result(&bench, "{\"order\":820982911946154508}");
    bench_close(&bench);
}

static void test_token_is_fetched_once(void **state)
{
    const struct answer none = {.error = ERROR_NO_SECRET, .detail = SLICE("the secret has no value")};
    struct bench bench;

    (void)state;
    bench_open(&bench, TAG);
    answer_with(&bench, &none);
    assert_true(slice_is(bench.step.call.url, "https://demo.myshopify.com/admin/oauth/access_token"));
    assert_true(slice_is(bench.step.call.body, "{\"client_id\":\"client-1\",\"client_secret\":\"{secret}\","
                                               "\"grant_type\":\"client_credentials\"}"));
    assert_int_equal(bench.step.call.auth, AUTH_BODY_TOKEN);
    assert_true(slice_is(bench.step.call.secret, "shopify/client"));
    assert_true(slice_is(bench.step.call.keep_path, "access_token"));
    assert_true(slice_is(bench.step.call.keep_secret, "vault/token"));
    assert_true(slice_is(bench.step.call.keep_expiry, "expires_in"));
    answer(&bench, 200, "{\"access_token\":\"(kept)\",\"scope\":\"read_orders\",\"expires_in\":86399}");
    assert_true(asks(&bench, "tagsAdd"));
    /* Refused all the same: that is no reason to fetch another one. */
    answer(&bench, 401, "{\"errors\":\"[API] Invalid API key or access token\"}");
    expect_end(&bench, STEP_REFUSED, ERROR_AUTH, "Invalid API key");
    bench_close(&bench);

    bench_open(&bench, TAG);
    answer(&bench, 401, "{\"errors\":\"[API] Invalid API key or access token\"}");
    assert_int_equal(bench.step.call.auth, AUTH_BODY_TOKEN);
    answer(&bench, 400, "{\"error\":\"invalid_client\",\"error_description\":\"no such client\"}");
    expect_end(&bench, STEP_REFUSED, ERROR_AUTH, "no such client");
    bench_close(&bench);

    /* One that ends while the call waits for its turn is no matter for a person. */
    bench_open(&bench, TAG);
    answer_with(&bench, &none);
    answer(&bench, 200, "{\"access_token\":\"(kept)\",\"expires_in\":1}");
    answer_with(&bench, &none);
    expect_end(&bench, STEP_RETRY, ERROR_FAILED, "the token ended");
    bench_close(&bench);

    bench_open(&bench, TAG);
    answer_with(&bench, &none);
    answer(&bench, 200, "{\"access_token\":null}");
    expect_end(&bench, STEP_RETRY, ERROR_GARBLED, "no token");
    bench_close(&bench);

    bench_open(&bench, TAG);
    answer_with(&bench, &none);
    answer_with(&bench, &(struct answer){.error = ERROR_TIMEOUT});
    expect_end(&bench, STEP_RETRY, ERROR_TIMEOUT, "");
    bench_close(&bench);
}

static void test_permanent_token(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, TAG);
    bench.settings.user = (struct slice){NULL, 0};
    answer(&bench, 401, "{\"errors\":\"[API] Invalid API key or access token\"}");
    expect_end(&bench, STEP_REFUSED, ERROR_AUTH, "HTTP 401");
    bench_close(&bench);
}

static const struct {
    int status;
    const char *body;
    enum step_kind kind;
    enum error error;
    const char *words;
} ends[] = {
    {402, "{}", STEP_REFUSED, ERROR_AUTH, "frozen"},
    {403, "{\"errors\":\"[API] This action requires merchant approval for write_orders scope.\"}", STEP_REFUSED,
     ERROR_AUTH, "write_orders"},
    {404, "{\"errors\":\"Not Found\"}", STEP_REFUSED, ERROR_AUTH, "no such shop or version"},
    {423, "{}", STEP_REFUSED, ERROR_AUTH, "locked"},
    {429, "{\"errors\":\"Exceeded 2 calls per second for api client.\"}", STEP_RETRY, ERROR_LIMITED, "Exceeded"},
    {430, "", STEP_RETRY, ERROR_LIMITED, "attack"},
    {500, "<html>", STEP_RETRY, ERROR_FAILED, "HTTP 500"},
    {503, "", STEP_RETRY, ERROR_LIMITED, "overloaded"},
    {504, "", STEP_RETRY, ERROR_TIMEOUT, "HTTP 504"},
    {302, "", STEP_REFUSED, ERROR_REFUSED, "HTTP 302"},
    {200, "", STEP_RETRY, ERROR_GARBLED, "no JSON"},
    {200, "<html>Sign in</html>", STEP_RETRY, ERROR_GARBLED, "no JSON"},
    {200, "[]", STEP_RETRY, ERROR_GARBLED, "no JSON object"},
    {200, "{}", STEP_RETRY, ERROR_GARBLED, "neither"},
    {200, "{\"data\":null,\"errors\":[{\"message\":\"denied\",\"extensions\":{\"code\":\"ACCESS_DENIED\"}}]}",
     STEP_REFUSED, ERROR_AUTH, "scope"},
    {200, "{\"errors\":[{\"message\":\"x\",\"extensions\":{\"code\":\"SHOP_INACTIVE\"}}]}", STEP_REFUSED, ERROR_AUTH,
     "not active"},
    {200, "{\"errors\":[{\"message\":\"x\",\"extensions\":{\"code\":\"INTERNAL_SERVER_ERROR\"}}]}", STEP_RETRY,
     ERROR_FAILED, "x"},
    {200, "{\"errors\":[{\"message\":\"too dear\",\"extensions\":{\"code\":\"MAX_COST_EXCEEDED\"}}]}", STEP_REFUSED,
     ERROR_REFUSED, "too dear"},
    {200, "{\"errors\":[{\"message\":\"Field 'x' doesn't exist\"}]}", STEP_REFUSED, ERROR_REFUSED, "doesn't exist"},
    {200, "{\"data\":{\"tagsAdd\":{\"userErrors\":[{\"field\":[\"id\"],\"message\":\"Order does not exist\"}]}}}",
     STEP_REFUSED, ERROR_REFUSED, "id: Order does not exist"},
    {200, "{\"data\":{\"tagsAdd\":null}}", STEP_RETRY, ERROR_GARBLED, "what became of it"},
};

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct bench bench;
        bench_open(&bench, TAG);
        answer(&bench, ends[i].status, ends[i].body);
        expect_end(&bench, ends[i].kind, ends[i].error, ends[i].words);
        bench_close(&bench);
    }
}

static void test_lost_answers_are_slow_ones(void **state)
{
    static const enum error lost[] = {ERROR_LOST, ERROR_TIMEOUT};
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bench_open(&bench, TAG);
        answer_with(&bench, &(struct answer){.error = lost[i]});
        expect_end(&bench, STEP_RETRY, ERROR_TIMEOUT, "");
        bench_close(&bench);
    }
}

#define THROTTLED                                                                                                      \
    "{\"errors\":[{\"message\":\"Throttled\",\"extensions\":{\"code\":\"THROTTLED\"}}],\"extensions\":{\"cost\":{"     \
    "\"requestedQueryCost\":400,\"throttleStatus\":{\"maximumAvailable\":1000.0,\"currentlyAvailable\":300,"           \
    "\"restoreRate\":50.0}}}}"

static void test_throttled(void **state)
{
    struct bench bench;
    struct usage usage;
    struct answer decimal = {.status = 429, .headers = {{SLICE("retry-after"), SLICE("2.5")}}, .header_count = 1};

    (void)state;
    bench_open(&bench, TAG);
    answer(&bench, 200, THROTTLED);
    expect_end(&bench, STEP_RETRY, ERROR_LIMITED, "throttled");
    assert_int_equal(bench.step.retry_after_ms, 2001);
    connector_shopify.usage(&bench.settings, &(struct answer){.status = 200, .body = SLICE(THROTTLED)}, NOW, &usage);
    assert_true(usage.limited);
    assert_int_equal(usage.retry_after_ms, 2001);
    assert_int_equal(usage.percent_used, 70);
    connector_shopify.usage(&bench.settings, &decimal, NOW, &usage);
    assert_int_equal(usage.retry_after_ms, 2500);
    bench_close(&bench);
}

#define NOTE "{\"action\":\"note\",\"input\":{\"order\":\"7\",\"note\":\"checked\"}}"

static void test_note_keeps_what_is_there(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, NOTE);
    assert_true(asks(&bench, "order(id: $id) { id note }"));
    answer(&bench, 200, "{\"data\":{\"order\":{\"id\":\"gid://shopify/Order/7\",\"note\":\"gift\"}}}");
    assert_true(asks(&bench, "\"note\":\"gift\\nchecked\""));
    /* The answer is lost: begun again it is read again, and is there. */
    answer_with(&bench, &(struct answer){.error = ERROR_TIMEOUT});
    expect_end(&bench, STEP_RETRY, ERROR_TIMEOUT, "");
    bench_close(&bench);
    bench_open(&bench, NOTE);
    answer(&bench, 200, "{\"data\":{\"order\":{\"id\":\"gid://shopify/Order/7\",\"note\":\"gift\\nchecked\"}}}");
    expect_result(&bench, "{\"changed\":false,\"order\":\"7\"}");
    bench_close(&bench);
    bench_open(&bench, NOTE);
    answer(&bench, 200, "{\"data\":{\"order\":{\"id\":\"gid://shopify/Order/7\",\"note\":null}}}");
    assert_true(asks(&bench, "\"note\":\"checked\""));
    answer(&bench, 200, "{\"data\":{\"orderUpdate\":{\"order\":{\"id\":\"x\"},\"userErrors\":[]}}}");
    expect_result(&bench, "{\"changed\":true,\"order\":\"7\"}");
    bench_close(&bench);
    bench_open(&bench, NOTE);
    answer(&bench, 200, "{\"data\":{\"order\":null}}");
    expect_end(&bench, STEP_REFUSED, ERROR_NOT_FOUND, "no such order");
    bench_close(&bench);
}

/* A token that ends between the two calls: from the start, once. */
static void test_token_ends_in_between(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, NOTE);
    for (int i = 0; i < 2; i++) {
        answer(&bench, 200, "{\"data\":{\"order\":{\"id\":\"gid://shopify/Order/7\",\"note\":null}}}");
        assert_true(asks(&bench, "orderUpdate"));
        answer(&bench, 401, "{\"errors\":\"Invalid access token\"}");
        if (i == 0) {
            assert_int_equal(bench.step.call.auth, AUTH_BODY_TOKEN);
            answer(&bench, 200, "{\"access_token\":\"(kept)\",\"expires_in\":60}");
        }
    }
    expect_end(&bench, STEP_REFUSED, ERROR_AUTH, "HTTP 401");
    bench_close(&bench);
}

#define RECONCILE "{\"action\":\"reconcile\",\"input\":{\"updated_after\":\"2026-11-22T10:00:00+01:00\"}}"
#define NODE                                                                                                           \
    "{\"id\":\"gid://shopify/Order/820982911946154508\",\"name\":\"#1\",\"createdAt\":\"2026-11-22T09:00:00Z\","       \
    "\"updatedAt\":\"2026-11-22T09:30:00Z\",\"cancelledAt\":null}"

static void test_reconcile(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, RECONCILE);
    /* Five minutes before now: what has just changed is left for the next time. */
    assert_true(asks(&bench, "\"q\":\"updated_at:>='2026-11-22T09:00:00Z' updated_at:<='2026-11-22T19:55:00Z'\""));
    answer(&bench, 200,
           "{\"data\":{\"orders\":{\"nodes\":[" NODE "],\"pageInfo\":{\"hasNextPage\":false,\"endCursor\":\"c\"}}}}");
    expect_result(&bench,
                  "{\"after\":null,\"more\":false,\"orders\":[{\"cancelled_at\":null,\"created_at\":\"2026-11-22T09:00:"
                  "00Z\",\"id\":820982911946154508,\"name\":\"#1\",\"updated_at\":\"2026-11-22T09:30:00Z\"}],\"shop\":"
                  "\"demo.myshopify.com\",\"since\":\"2026-11-22T10:00:00+01:00\",\"up_to\":\"2026-11-22T09:30:00Z\"}");
    bench_close(&bench);
    bench_open(&bench, RECONCILE);
    answer(&bench, 200,
           "{\"data\":{\"orders\":{\"nodes\":[" NODE "],\"pageInfo\":{\"hasNextPage\":true,\"endCursor\":\"c\"}}}}");
    assert_true(slice_is(json_text_at(bench.step.result, "after"), "c"));
    assert_true(slice_is(json_text_at(bench.step.result, "up_to"), "2026-11-22T10:00:00+01:00"));
    bench_close(&bench);
    bench_open(&bench, RECONCILE);
    answer(&bench, 200, "{\"data\":{\"orders\":{\"nodes\":[],\"pageInfo\":{\"hasNextPage\":false}}}}");
    assert_true(slice_is(json_text_at(bench.step.result, "up_to"), "2026-11-22T10:00:00+01:00"));
    bench_close(&bench);
    bench_open(&bench, "{\"action\":\"reconcile\",\"input\":{\"updated_after\":\"2026-11-22T09:00:00Z\",\"after\":"
                       "\"old\"}}");
    assert_true(asks(&bench, "\"after\":\"old\""));
    answer(&bench, 200, "{\"errors\":[{\"message\":\"Invalid cursor for current pagination sort.\"}]}");
    assert_int_equal(bench.step.kind, STEP_DONE);
    assert_true(json_is_null(json_object_get(bench.step.result, "after")));
    assert_true(json_is_true(json_object_get(bench.step.result, "more")));
    bench_close(&bench);
}

/* clang-format off */
#define MONEY(name, amount) "\"" name "\":{\"shopMoney\":{\"amount\":\"" amount "\"}},"
static const char an_order[] =
    "{\"data\":{\"order\":{\"id\":\"gid://shopify/Order/820982911946154508\",\"name\":\"#9999\","
    "\"email\":\"a@b.example\",\"phone\":null,\"note\":null,\"tags\":[\"a\",\"b\"],\"test\":false,"
    "\"createdAt\":\"2026-11-22T09:00:00Z\",\"updatedAt\":\"2026-11-22T09:30:00Z\",\"processedAt\":null,"
    "\"cancelledAt\":null,\"cancelReason\":null,\"closedAt\":null,\"currencyCode\":\"EUR\",\"sourceName\":\"web\","
    "\"customerLocale\":\"de\",\"displayFinancialStatus\":\"PARTIALLY_PAID\","
    "\"displayFulfillmentStatus\":\"UNFULFILLED\","
    MONEY("totalPriceSet", "388.0") MONEY("currentTotalPriceSet", "388.0") MONEY("subtotalPriceSet", "388.0")
    MONEY("totalTaxSet", "0.0") MONEY("totalDiscountsSet", "0.0")
    "\"customer\":{\"id\":\"gid://shopify/Customer/5\",\"email\":null,\"firstName\":\"J\",\"lastName\":\"N\","
    "\"numberOfOrders\":\"3\"},\"billingAddress\":null,"
    "\"lineItems\":{\"nodes\":[{\"id\":\"gid://shopify/LineItem/9\",\"title\":\"Mug\",\"sku\":\"M1\","
    MONEY("originalUnitPriceSet", "194.0") MONEY("totalDiscountSet", "0.0")
    "\"quantity\":2,\"product\":null,\"variant\":{\"id\":\"gid://shopify/ProductVariant/808950810\"}}],"
    "\"pageInfo\":{\"hasNextPage\":false}}}},"
    "\"errors\":[{\"message\":\"not this field\",\"path\":[\"order\",\"phone\"],"
    "\"extensions\":{\"code\":\"ACCESS_DENIED\"}}]}";
/* clang-format on */

/* As a webhook would bring it; a field that the app may not see is null, and the rest is an order all the same. */
static void test_order(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, "{\"action\":\"order\",\"input\":{\"order\":\"gid://shopify/Order/820982911946154508\"}}");
    assert_true(asks(&bench, "lineItems(first: $n)"));
    assert_true(asks(&bench, "\"n\":10}"));
    answer(&bench, 200, an_order);
    expect_result(
        &bench,
        "{\"order\":{\"admin_graphql_api_id\":\"gid://shopify/Order/820982911946154508\",\"cancel_reason\":null,"
        "\"cancelled_at\":null,\"closed_at\":null,\"contact_email\":\"a@b.example\",\"created_at\":\"2026-11-22T09:00:"
        "00Z\",\"currency\":\"EUR\",\"current_total_price\":\"388.0\",\"customer\":{\"email\":null,\"first_name\":"
        "\"J\","
        "\"id\":5,\"last_name\":\"N\",\"orders_count\":3},\"customer_locale\":\"de\",\"email\":\"a@b.example\","
        "\"financial_status\":\"partially_paid\",\"fulfillment_status\":null,\"id\":820982911946154508,\"line_items\":["
        "{"
        "\"admin_graphql_api_id\":\"gid://shopify/LineItem/9\",\"id\":9,\"price\":\"194.0\",\"product_id\":null,"
        "\"quantity\":2,\"sku\":\"M1\",\"title\":\"Mug\",\"total_discount\":\"0.0\",\"variant_id\":808950810}],"
        "\"name\":\"#9999\",\"note\":null,\"phone\":null,\"processed_at\":null,\"source_name\":\"web\","
        "\"subtotal_price\":\"388.0\",\"tags\":\"a, b\",\"test\":false,\"total_discounts\":\"0.0\",\"total_price\":"
        "\"388.0\",\"total_tax\":\"0.0\",\"updated_at\":\"2026-11-22T09:30:00Z\"},\"shop\":\"demo.myshopify.com\"}");
    bench_close(&bench);
    bench_open(&bench, "{\"action\":\"order\",\"input\":{\"order\":7}}");
    answer(&bench, 200,
           "{\"data\":{\"order\":{\"id\":\"gid://shopify/Order/7\",\"lineItems\":{\"nodes\":[],"
           "\"pageInfo\":{\"hasNextPage\":true}}}}}");
    assert_true(asks(&bench, "\"n\":100}"));
    answer(&bench, 200,
           "{\"data\":{\"order\":{\"id\":\"gid://shopify/Order/7\",\"lineItems\":{\"nodes\":[],"
           "\"pageInfo\":{\"hasNextPage\":true}}}}}");
    assert_true(json_is_true(json_at(bench.step.result, "order.lines_cut")));
    bench_close(&bench);
    bench_open(&bench, "{\"action\":\"order\",\"input\":{\"order\":7}}");
    answer(&bench, 200, "{\"data\":{\"order\":null}}");
    expect_result(&bench, "{\"order\":null,\"shop\":\"demo.myshopify.com\"}");
    bench_close(&bench);
}

static void test_product(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, "{\"action\":\"product\",\"input\":{\"product\":12}}");
    assert_true(asks(&bench, "gid://shopify/Product/12"));
    answer(&bench, 200,
           "{\"data\":{\"product\":{\"id\":\"gid://shopify/Product/12\",\"title\":\"Tea\",\"handle\":\"tea\","
           "\"description\":\"Green.\",\"vendor\":\"V\",\"productType\":\"T\",\"tags\":[\"new\"],\"status\":\"ACTIVE\","
           "\"onlineStoreUrl\":null,\"totalInventory\":4,\"featuredMedia\":null,\"priceRangeV2\":{\"minVariantPrice\":{"
           "\"amount\":\"9.9\",\"currencyCode\":\"EUR\"}}}}}");
    expect_result(&bench, "{\"product\":{\"currency\":\"EUR\",\"handle\":\"tea\",\"id\":12,\"picture\":null,\"price\":"
                          "\"9.9\",\"status\":\"active\",\"stock\":4,\"tags\":[\"new\"],\"text\":\"Green.\",\"title\":"
                          "\"Tea\",\"type\":\"T\",\"url\":null,\"vendor\":\"V\"}}");
    bench_close(&bench);
}

/* Nineteen digits need not fit in a number. */
static void test_an_id_too_large_for_a_number_is_null(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, "{\"action\":\"product\",\"input\":{\"product\":12}}");
    answer(&bench, 200, "{\"data\":{\"product\":{\"id\":\"gid://shopify/Product/9999999999999999999\"}}}");
    assert_int_equal(bench.step.kind, STEP_DONE);
    assert_true(json_is_null(json_at(bench.step.result, "product.id")));
    bench_close(&bench);
}

/* What the next time begins from is a time, not before the last one and not ahead of the clock. */
static void test_reconcile_goes_on_from_a_time_only(void **state)
{
    static const char *const times[] = {"soon", "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"};
    struct bench bench;
    char body[200];

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        bench_open(&bench, RECONCILE);
        snprintf(body, sizeof(body), "{\"data\":{\"orders\":{\"nodes\":[{\"updatedAt\":\"%s\"}],\"pageInfo\":{}}}}",
                 times[i]);
        answer(&bench, 200, body);
        assert_true(slice_is(json_text_at(bench.step.result, "up_to"), "2026-11-22T10:00:00+01:00"));
        bench_close(&bench);
    }
}

#define HOOKS                                                                                                          \
    "{\"action\":\"check_webhooks\",\"webhooks\":[{\"topic\":\"orders/create\",\"uri\":\"https://p.example/hooks/"     \
    "o\"},"                                                                                                            \
    "{\"topic\":\"orders/paid\",\"uri\":\"https://p.example/hooks/o\"},{\"topic\":\"customers/redact\",\"uri\":"       \
    "\"https://p.example/hooks/o\"}]}"

static void test_check_webhooks(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HOOKS);
    answer(&bench, 200,
           "{\"data\":{\"webhookSubscriptions\":{\"nodes\":[{\"id\":\"1\",\"topic\":\"ORDERS_CREATE\",\"uri\":"
           "\"https://p.example/hooks/o\"},{\"id\":\"2\",\"topic\":\"ORDERS_PAID\",\"uri\":\"https://"
           "other.example\"}]}}}");
    assert_true(asks(&bench, "ORDERS_PAID_0: webhookSubscriptionCreate(topic: ORDERS_PAID, webhookSubscription: $s0)"));
    assert_true(asks(&bench, "\"s0\":{\"format\":\"JSON\",\"uri\":\"https://p.example/hooks/o\"}"));
    assert_false(asks(&bench, "ORDERS_CREATE"));
    assert_false(asks(&bench, "REDACT"));
    answer(&bench, 200, "{\"data\":{\"ORDERS_PAID_0\":{\"webhookSubscription\":{\"id\":\"3\"},\"userErrors\":[]}}}");
    expect_result(&bench, "{\"checked\":2,\"restored\":1,\"topics\":[\"ORDERS_PAID\"]}");
    bench_close(&bench);
    bench_open(&bench, HOOKS);
    answer(&bench, 200, "{\"data\":{\"webhookSubscriptions\":{\"nodes\":[]}}}");
    answer(&bench, 200,
           "{\"data\":{\"ORDERS_CREATE_0\":{\"userErrors\":[{\"field\":[\"uri\"],\"message\":\"Address for this topic "
           "has already been taken\"}]},\"ORDERS_PAID_1\":{\"userErrors\":[]}}}");
    expect_result(&bench, "{\"checked\":2,\"restored\":1,\"topics\":[\"ORDERS_PAID\"]}");
    bench_close(&bench);
    bench_open(&bench, HOOKS);
    answer(&bench, 200, "{\"data\":{\"webhookSubscriptions\":{\"nodes\":[]}}}");
    answer(&bench, 200,
           "{\"data\":{\"ORDERS_CREATE_0\":{\"userErrors\":[{\"field\":[\"uri\"],\"message\":\"Address is "
           "not allowed\"}]}}}");
    expect_end(&bench, STEP_REFUSED, ERROR_REFUSED, "not allowed");
    bench_close(&bench);
    bench_open(&bench, "{\"action\":\"check_webhooks\",\"webhooks\":[]}");
    assert_int_equal(json_integer_value(json_object_get(bench.step.result, "checked")), 0);
    bench_close(&bench);
}

static void test_what_is_refused_before_anything_is_sent(void **state)
{
    static const char *const bad[] = {
        "{\"action\":\"sell\"}",
        "{}",
        "{\"action\":\"tag\",\"input\":{\"order\":\"gid://shopify/Product/7\",\"tags\":\"a\"}}",
        "{\"action\":\"tag\",\"input\":{\"order\":\"7\\\"\",\"tags\":\"a\"}}",
        "{\"action\":\"tag\",\"input\":{\"order\":-7,\"tags\":\"a\"}}",
        "{\"action\":\"tag\",\"input\":{\"order\":7,\"tags\":\" , \"}}",
        "{\"action\":\"tag\",\"input\":{\"order\":7,\"tags\":[1]}}",
        "{\"action\":\"note\",\"input\":{\"order\":7}}",
        "{\"action\":\"order\"}",
        "{\"action\":\"product\",\"input\":{\"product\":\"x\"}}",
        "{\"action\":\"reconcile\",\"input\":{\"updated_after\":\"' OR 1\"}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bench bench;
        bench_open(&bench, bad[i]);
        expect_end(&bench, STEP_REFUSED, ERROR_INVALID, "");
        bench_close(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag),
        cmocka_unit_test(test_token_is_fetched_once),
        cmocka_unit_test(test_permanent_token),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_lost_answers_are_slow_ones),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_note_keeps_what_is_there),
        cmocka_unit_test(test_token_ends_in_between),
        cmocka_unit_test(test_reconcile),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_an_id_too_large_for_a_number_is_null),
        cmocka_unit_test(test_reconcile_goes_on_from_a_time_only),
        cmocka_unit_test(test_check_webhooks),
        cmocka_unit_test(test_what_is_refused_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
