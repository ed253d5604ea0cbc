// SPDX-License-Identifier: MIT
#include "proto/text/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
    const char *text;
    unsigned line, column;
    const char *problem;
} refused[] = {
    {"", 1, 1, "the text is empty"},
    {"{\"a\":1,\"a\":2}", 1, 11, "an object has the same key twice"},
    {"[1,\n 9223372036854775808]", 2, 2, "an integer does not fit 64 bits; send it as a string"},
    {"[-9223372036854775809]", 1, 2, "an integer does not fit 64 bits; send it as a string"},
    {"[1e999]", 1, 7, "a number is too large"},
    {"[NaN]", 1, 5, "this is not JSON"},
    {"{} x", 1, 5, "something follows the value"},
    {"[1,", 1, 4, "the text ends too early"},
    {"\"unclosed", 1, 10, "the text ends too early"},
    {"\"unclosed\\", 1, 11, "this is not JSON"},
    {"[\"\\u0000\"]", 1, 10, "a string holds a NUL character"},
    {"[\"\\ud800\"]", 1, 10, "this is not JSON"},
    {"[\"\xc0\x80\"]", 1, 3, "the text is not valid UTF-8"},
    {"\xef\xbb\xbf[]", 1, 2, "this is not JSON"},
    {"[01]", 1, 3, "this is not JSON"},
    {"{'a':1}", 1, 3, "this is not JSON"},
};

static void test_refuses(void **state)
{
    struct json_problem problem;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        json_t *value = json_read(slice_of(refused[i].text), &problem);
        assert_null(value);
        assert_string_equal(problem.text, refused[i].problem);
        assert_int_equal(problem.line, refused[i].line);
        assert_int_equal(problem.column, refused[i].column);
    }
}

static void test_depth(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 2];
    struct json_problem problem;

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    json_t *value = json_read((struct slice){text, 2 * JSON_DEPTH_MAX}, &problem);
    assert_non_null(value);
    json_decref(value);

    memset(text, '[', JSON_DEPTH_MAX + 1);
    assert_null(json_read((struct slice){text, JSON_DEPTH_MAX + 1}, &problem));
    assert_string_equal(problem.text, "nested too deep");
    assert_int_equal(problem.offset, JSON_DEPTH_MAX);
}

static void test_bounds(void **state)
{
    size_t size = JSON_BYTES_MAX + 1;
    char *text = xcalloc(size, 1);
    struct json_problem problem;

    (void)state;
    memset(text, ' ', size);
    assert_null(json_read((struct slice){text, size}, &problem));
    assert_string_equal(problem.text, "the text is too large");
    memset(text, ',', size);
    assert_null(json_read((struct slice){text, JSON_VALUES_MAX + 10}, &problem));
    assert_string_equal(problem.text, "too many values");
    memset(text, '1', size);
    assert_null(json_read((struct slice){text, size - 1}, &problem));
    assert_string_equal(problem.text, "a number has too many digits");
    free(text);
}

static void assert_canonical(const char *text, const char *expected)
{
    struct json_problem problem;
    struct buffer out = {NULL, 0, 0};
    json_t *value = json_read(slice_of(text), &problem);

    assert_non_null(value);
    json_write(&out, value);
    assert_true(slice_is(buffer_slice(&out), expected));
    buffer_free(&out);
    json_decref(value);
}

static void test_canonical(void **state)
{
    (void)state;
    assert_canonical(" { \"b\" : [1, 2.5, true, null], \"a\" : \"\\u00e9\" } ",
                     "{\"a\":\"é\",\"b\":[1,2.5,true,null]}");
    assert_canonical("9223372036854775807", "9223372036854775807");
    assert_canonical("-9223372036854775808", "-9223372036854775808");
    assert_canonical("\"text\"", "\"text\"");
    assert_canonical("[\"[[[[ 99999999999999999999 \\\" ]\"]", "[\"[[[[ 99999999999999999999 \\\" ]\"]");
}

static void test_paths(void **state)
{
    struct json_problem problem;
    char id[33];
    json_t *value = json_read(SLICE("{\"id\":820982911946154508,\"text_id\":\"0012\",\"gid\":\"gid://x/1\","
                                    "\"line_items\":[{\"sku\":\"A\"},{\"sku\":null}],\"minus\":-1,\"\":{\"x\":1}}"),
                              &problem);

    (void)state;
    assert_non_null(value);
    assert_true(slice_is(json_text_at(value, "line_items.0.sku"), "A"));
    assert_int_equal(json_text_at(value, "line_items.1.sku").size, 0);
    assert_null(json_at(value, "line_items.2.sku"));
    assert_null(json_at(value, "line_items.x"));
    assert_null(json_at(value, "line_items.9999999999"));
    assert_null(json_at(value, "id.x"));
    assert_non_null(json_at(value, ".x"));
    assert_true(json_id_at(value, "id", id));
    assert_string_equal(id, "820982911946154508");
    assert_true(json_id_at(value, "text_id", id));
    assert_string_equal(id, "0012");
    assert_false(json_id_at(value, "gid", id));
    assert_false(json_id_at(value, "minus", id));
    assert_false(json_id_at(value, "absent", id));
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),   cmocka_unit_test(test_depth), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_canonical), cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
