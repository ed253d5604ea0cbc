// SPDX-License-Identifier: MIT
#include "connectors/shopify/shopify.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static json_t *order_read(const char *name)
{
    char path[512], bytes[1 << 16];
    struct json_problem problem;

    snprintf(path, sizeof(path), "%s/shopify/%s.json", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    json_t *order = json_read((struct slice){bytes, size}, &problem);
    assert_non_null(order);
    return order;
}

static json_t *json_of(const char *text)
{
    struct json_problem problem;
    json_t *value = json_read(slice_of(text), &problem);

    assert_non_null(value);
    return value;
}

static void row_print(struct buffer *into, const struct row *row)
{
    const struct table_info *table = &table_info[row->table];

    buffer_printf(into, "%s", table->name);
    for (size_t i = 0; i < table->column_count; i++) {
        const struct row_value *value = &row->values[i];
        bool is_text = table->columns[i].type == COLUMN_key || table->columns[i].type == COLUMN_text;
        if (value->is_null)
            buffer_text(into, "|-");
        else if (is_text)
            buffer_printf(into, "|%.*s", (int)value->text.size, value->text.data);
        else
            buffer_printf(into, "|%lld", (long long)value->number);
    }
    buffer_text(into, "\n");
}

/* The rows of an order as lines of text; every row must also survive its own strict encoding. */
static void assert_facts(const char *name, const char *expected)
{
    json_t *order = order_read(name);
    struct shopify_facts facts;
    struct shopify_problem problem;
    struct buffer text = {0}, packed = {0};

    assert_int_equal(shopify_order_facts(SLICE("demo"), order, &facts, &problem), ERROR_OK);
    for (size_t i = 0; i < facts.row_count; i++) {
        struct row again;
        row_print(&text, &facts.rows[i]);
        buffer_clear(&packed);
        row_pack(&packed, &facts.rows[i]);
        assert_true(row_unpack(buffer_slice(&packed), &again));
    }
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, expected);
    buffer_free(&packed);
    buffer_free(&text);
    shopify_facts_free(&facts);
    json_decref(order);
}

static void test_cancelled_order_with_refunds(void **state)
{
    (void)state;
    assert_facts("orders_cancelled.shopify-app-js",
                 "orders|demo|450789469|1743611481000|#1001|207119551|bob.norman@mail.example.com|USD|59894|59700|1194|"
                 "1000|refunded|-|web|1199980800000|1743611481000|0\n"
                 "order_lines|demo|450789469|466157049|1743611481000|632910392|39072856|IPOD2008GREEN|"
                 "IPod Nano - 8gb|1|USD|19900|334\n"
                 "order_lines|demo|450789469|518995019|1743611481000|632910392|49148385|IPOD2008RED|"
                 "IPod Nano - 8gb|1|USD|19900|333\n"
                 "order_lines|demo|450789469|703073504|1743611481000|632910392|457924702|IPOD2008BLACK|"
                 "IPod Nano - 8gb|1|USD|19900|333\n"
                 "customers|demo|207119551|1743611481000|bob.norman@mail.example.com|Bob|Norman|-\n");
}

static void test_old_order_without_customer(void **state)
{
    (void)state;
    assert_facts(
        "order.go-shopify",
        "orders|demo|123456|1463472876000|#9999|-|jon@doe.ca|USD|1000|0|-|500|voided|pending|web|1463458476000|"
        "1463472876000|1\n"
        "order_lines|demo|123456|254721536|1463472876000|111475476|-||Soda|1|USD|0|0\n"
        "order_lines|demo|123456|5|1463472876000|5410685889|-||Another Beer For Good Times|1|USD|500|500\n");
}

static void test_every_real_order_is_understood(void **state)
{
    static const struct {
        const char *name;
        size_t rows;
        int64_t total;
    } orders[] = {
        {"order.shopify_python_api", 5, 40994},
        {"orders_create_paid.shopify-app-js", 3, 19900},
        {"orders_create_paid_big.shopify-app-js", 4, 27037},
        {"orders_create_partially_paid.shopify-app-js", 3, 19900},
        {"orders_paid.activepieces", 2, 262995},
        {"orders_updated.shopify-app-js", 5, 59894},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        json_t *order = order_read(orders[i].name);
        struct shopify_facts facts;
        struct shopify_problem problem;
        assert_int_equal(shopify_order_facts(SLICE("demo"), order, &facts, &problem), ERROR_OK);
        assert_int_equal(facts.row_count, orders[i].rows);
        assert_int_equal(facts.rows[0].values[7].number, orders[i].total);
        shopify_facts_free(&facts);
        json_decref(order);
    }
}

static void test_ids_past_2_to_the_53_stay_exact(void **state)
{
    json_t *order =
        json_of("{\"id\":820982911946154508,\"updated_at\":\"2026-01-01T00:00:00Z\","
                "\"customer\":{\"id\":\"99999999999999999999\"},\"line_items\":[{\"id\":866550311766439020}]}");
    struct shopify_facts facts;
    struct shopify_problem problem;
    (void)state;

    assert_int_equal(shopify_order_facts(SLICE("demo"), order, &facts, &problem), ERROR_OK);
    assert_true(slice_is(facts.rows[0].values[1].text, "820982911946154508"));
    assert_true(slice_is(facts.rows[1].values[2].text, "866550311766439020"));
    assert_true(slice_is(facts.rows[2].values[1].text, "99999999999999999999"));
    shopify_facts_free(&facts);
    json_decref(order);
}

static void assert_refused(const char *text, enum error error, const char *field)
{
    json_t *order = json_of(text);
    struct shopify_facts facts;
    struct shopify_problem problem;

    assert_int_equal(shopify_order_facts(SLICE("demo"), order, &facts, &problem), error);
    assert_string_equal(problem.field, field);
    assert_true(problem.text[0] != '\0');
    assert_int_equal(facts.row_count, 0);
    json_decref(order);
}

#define HEAD "{\"id\":1,\"updated_at\":\"2026-01-01T00:00:00Z\","

static void test_misfits_name_their_field(void **state)
{
    (void)state;
    assert_refused("[]", ERROR_INVALID, "body");
    assert_refused("{\"updated_at\":\"2026-01-01T00:00:00Z\"}", ERROR_INVALID, "id");
    assert_refused("{\"id\":-4,\"updated_at\":\"2026-01-01T00:00:00Z\"}", ERROR_INVALID, "id");
    assert_refused("{\"id\":1}", ERROR_INVALID, "updated_at");
    assert_refused("{\"id\":1,\"updated_at\":\"yesterday\"}", ERROR_MALFORMED, "updated_at");
    assert_refused(HEAD "\"total_price\":\"1.00\"}", ERROR_INVALID, "total_price");
    assert_refused(HEAD "\"currency\":\"EUR\",\"total_price\":1.5}", ERROR_INVALID, "total_price");
    assert_refused(HEAD "\"currency\":\"EUR\",\"total_price\":\"1,50\"}", ERROR_MALFORMED, "total_price");
    assert_refused(HEAD "\"line_items\":{}}", ERROR_INVALID, "line_items");
    assert_refused(HEAD "\"currency\":\"EUR\",\"line_items\":[{\"id\":1},{\"id\":2,\"price\":\"x\"}]}", ERROR_MALFORMED,
                   "line_items.1.price");
    assert_refused(HEAD "\"customer\":{\"id\":5,\"email\":7}}", ERROR_INVALID, "customer.email");
}

static void test_money_is_exact(void **state)
{
    static const struct {
        const char *text, *currency;
        int64_t minor;
    } good[] = {
        {"199.65", "EUR", 19965},
        {"0.1", "USD", 10},
        {"-5", "USD", -500},
        {"1000", "JPY", 1000},
        {"1000.00", "JPY", 1000},
        {"1.234", "KWD", 1234},
        {"1.2", "KWD", 1200},
        {"7.10000", "EUR", 710},
        {"9999999999999.99", "EUR", 999999999999999},
        {"1000000000000000", "JPY", 1000000000000000},
    };
    static const struct {
        const char *text, *currency;
        enum error error;
    } bad[] = {
        {"", "EUR", ERROR_MALFORMED},
        {"-", "EUR", ERROR_MALFORMED},
        {".5", "EUR", ERROR_MALFORMED},
        {"5.", "EUR", ERROR_MALFORMED},
        {"1e3", "EUR", ERROR_MALFORMED},
        {" 1", "EUR", ERROR_MALFORMED},
        {"1.005", "EUR", ERROR_INVALID},
        {"1.5", "JPY", ERROR_INVALID},
        {"1", "eur", ERROR_INVALID},
        {"10000000000000.01", "EUR", ERROR_INVALID},
        {"99999999999999999999", "EUR", ERROR_INVALID},
        {"1", "EURO", ERROR_INVALID},
    };
    int64_t minor;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(shopify_money(slice_of(good[i].text), slice_of(good[i].currency), &minor), ERROR_OK);
        assert_int_equal(minor, good[i].minor);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(shopify_money(slice_of(bad[i].text), slice_of(bad[i].currency), &minor), bad[i].error);
}

static void test_times_carry_their_offset(void **state)
{
    static const char *const bad[] = {"2025-02-29T00:00:00Z",     "2025-04-02",
                                      "2025-04-02T11:31:05",      "2025-04-02T24:00:00Z",
                                      "2025-04-02T11:31:05-0500", "2025-04-02T11:31:05Zx",
                                      "2025-04-02T11:31:05.Z",    ""};
    int64_t ms;
    (void)state;
    assert_true(shopify_time(SLICE("2025-04-02T11:31:05-05:00"), &ms));
    assert_int_equal(ms, 1743611465000);
    assert_true(shopify_time(SLICE("2024-02-29T00:00:00.1239+14:00"), &ms));
    assert_int_equal(ms, 1709114400123);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(shopify_time(slice_of(bad[i]), &ms));
}

static void test_topics(void **state)
{
    enum shopify_topic topic;
    struct shopify_problem problem;
    (void)state;

    assert_int_equal(shopify_topic_find(SLICE("orders/cancelled"), &topic, &problem), ERROR_OK);
    assert_int_equal(topic, SHOPIFY_ORDERS_CANCELLED);
    assert_int_equal(shopify_topic_find(SLICE("ORDERS_CREATE"), &topic, &problem), ERROR_INVALID);
    assert_non_null(strstr(problem.text, "orders/create"));
    assert_non_null(strstr(problem.text, "shop/redact"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancelled_order_with_refunds),   cmocka_unit_test(test_old_order_without_customer),
        cmocka_unit_test(test_every_real_order_is_understood), cmocka_unit_test(test_ids_past_2_to_the_53_stay_exact),
        cmocka_unit_test(test_misfits_name_their_field),       cmocka_unit_test(test_money_is_exact),
        cmocka_unit_test(test_times_carry_their_offset),       cmocka_unit_test(test_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
