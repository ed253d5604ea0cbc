// SPDX-License-Identifier: MIT
#include "console/terminal/show.h"
#include "console/terminal/width.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void expect_show(const char *json, const char *want)
{
    struct json_problem problem;
    struct buffer text = {NULL, 0, 0};
    json_t *value = json_read(slice_of(json), &problem);

    assert_non_null(value);
    show_json(&text, value);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, want);
    buffer_free(&text);
    json_decref(value);
}

static void test_tables(void **state)
{
    (void)state;
    expect_show(
        "[{\"attempt\":1,\"id\":7,\"queue\":\"flow\"},{\"attempt\":12,\"id\":1234,\"queue\":\"ai\",\"note\":null}]",
        "  id  queue  attempt  note\n"
        "   7  flow         1  -\n"
        "1234  ai          12  -\n");
    expect_show("{\"jobs\":[{\"name\":\"Zoë 日本\",\"ok\":true},{\"name\":\"x\",\"ok\":false}]}", "name      ok\n"
                                                                                                  "Zoë 日本  yes\n"
                                                                                                  "x         no\n");
    expect_show("[]", "none\n");
    expect_show("{\"jobs\":[]}", "none\n");
    expect_show("{\"jobs\":[],\"more\":false}", "jobs  none\nmore  no\n");
}

static void test_units(void **state)
{
    (void)state;
    expect_show(
        "[{\"created_ms\":1700000000000,\"due_ms\":0,\"took_ms\":1500,\"used_bytes\":2048,\"amount\":1700000000000}]",
        "                 created  due   took     used         amount\n"
        "2023-11-14T22:13:20+0000    -  1.5 s  2.0 KiB  1700000000000\n");
}

static void test_objects(void **state)
{
    (void)state;
    expect_show(
        "{\"format\":1,\"refusing\":false,\"queues\":[{\"queue\":\"ai\",\"ready\":3}],\"store\":{\"used_bytes\":10}}",
        "format    1\n"
        "refusing  no\n"
        "\nqueues\n"
        "  queue  ready\n"
        "  ai         3\n"
        "\nstore\n"
        "  used  10 B\n");
    expect_show("{\"message\":\"stopping\"}", "stopping\n");
    expect_show("{\"text\":\"a 1\\nb 2\\n\"}", "a 1\nb 2\n");
    expect_show("{\"used\":3}", "used  3\n");
    expect_show("{\"books\":{\"revenue\":{\"EUR\":{\"amount\":5},\"USD\":{\"amount\":12}}},\"complete\":true}",
                "complete  yes\n"
                "\nbooks\n"
                "  revenue\n"
                "    name  amount\n"
                "    EUR        5\n"
                "    USD       12\n");
}

static void test_short_values(void **state)
{
    (void)state;
    expect_show("[{\"tags\":[\"a\",2],\"units\":{\"long\":1,\"short\":2},\"deep\":[[1]]}]",
                "tags  units            deep\n"
                "a, 2  long 1, short 2  [[1]]\n");
    expect_show("{\"metrics\":{},\"least\":20}", "metrics  none\n"
                                                 "least    20\n");
    expect_show("{\"added\":1,\"warnings\":[\"one\",\"two\"]}", "added     1\n"
                                                                "warnings  one\n"
                                                                "          two\n");
    expect_show("{\"id\":1,\"slot\":\"2026-11-23T09:00:00+01:00\",\"slot_ms\":1795420800000}",
                "id    1\n"
                "slot  2026-11-23T09:00:00+01:00\n");
}

static void test_hostile_text(void **state)
{
    (void)state;
    expect_show("{\"a\":\"x\\u001b[2Jy\",\"b\":1}", "a  x\xef\xbf\xbd[2Jy\nb  1\n");
    expect_show("[{\"a\":\"one\\ntwo\"}]", "a\none two\n");
    expect_show("[{\"a\":\"\\u009b31m\"}]", "a\n\xef\xbf\xbd"
                                            "31m\n");
}

static void test_long_cells(void **state)
{
    struct buffer json = {NULL, 0, 0}, want = {NULL, 0, 0};

    (void)state;
    buffer_text(&json, "[{\"a\":\"");
    buffer_text(&want, "a\n");
    for (int i = 0; i < 80; i++)
        buffer_text(&json, "é");
    for (int i = 0; i < 59; i++)
        buffer_text(&want, "é");
    buffer_text(&json, "\"}]");
    buffer_text(&want, "…\n");
    buffer_append(&json, "", 1);
    buffer_append(&want, "", 1);
    expect_show(json.data, want.data);
    buffer_free(&json);
    buffer_free(&want);
}

static void test_width(void **state)
{
    struct buffer text = {NULL, 0, 0};

    (void)state;
    assert_int_equal(width_of(SLICE("abc")), 3);
    assert_int_equal(width_of(SLICE("e\xcc\x81")), 1);
    assert_int_equal(width_of(SLICE("日本")), 4);
    assert_int_equal(width_of(SLICE("\xff\xfe")), 2);
    assert_int_equal(width_cut(SLICE("日本"), 3).size, 3);
    width_clean(&text,
                SLICE("a\xff"
                      "b"),
                false, 0);
    assert_true(slice_is(buffer_slice(&text), "a\xef\xbf\xbd"
                                              "b"));
    buffer_clear(&text);
    width_clean(&text, SLICE("a\nb"), true, 2);
    assert_true(slice_is(buffer_slice(&text), "a\n  b"));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),       cmocka_unit_test(test_units),      cmocka_unit_test(test_objects),
        cmocka_unit_test(test_hostile_text), cmocka_unit_test(test_long_cells), cmocka_unit_test(test_width),
        cmocka_unit_test(test_short_values),
    };

    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
