// SPDX-License-Identifier: MIT
#include "proto/errors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_compare(void **state)
{
    (void)state;
    assert_true(slice_equal(SLICE(""), (struct slice){NULL, 0}));
    assert_false(slice_equal(SLICE("a"), SLICE("b")));
    assert_true(slice_compare(SLICE("a"), SLICE("ab")) < 0);
    assert_true(slice_compare(SLICE("b"), SLICE("ab")) > 0);
    assert_true(slice_compare(SLICE("\xff"), SLICE("a")) > 0);
    assert_int_equal(slice_compare(SLICE("ab"), SLICE("ab")), 0);
    assert_true(slice_is(SLICE("name"), "name"));
    char *copy = slice_dup(SLICE("text"));
    assert_string_equal(copy, "text");
    free(copy);
}

static void test_utf8(void **state)
{
    const struct slice good[] = {SLICE(""), SLICE("plain"), SLICE("é€😀"), SLICE("\xed\x9f\xbf"),
                                 SLICE("\xf4\x8f\xbf\xbf")};
    const struct slice bad[] = {SLICE("\x80"),
                                SLICE("\xc0\x80"),
                                SLICE("\xc1\xbf"),
                                SLICE("\xe0\x9f\xbf"),
                                SLICE("\xed\xa0\x80"),
                                SLICE("\xf0\x8f\xbf\xbf"),
                                SLICE("\xe2\x82"),
                                SLICE("\xf4\x90\x80\x80"),
                                SLICE("\xf5\x80\x80\x80"),
                                SLICE("a\0b"),
                                SLICE("\xff")};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(slice_is_utf8(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(slice_is_utf8(bad[i]));
}

static void test_buffer(void **state)
{
    struct buffer buffer = {NULL, 0, 0};

    (void)state;
    buffer_append(&buffer, NULL, 0);
    assert_null(buffer.data);
    for (int i = 0; i < 100; i++)
        buffer_printf(&buffer, "%d,", i);
    buffer_text(&buffer, "end");
    assert_int_equal(buffer.size, 10 * 2 + 90 * 3 + 3);
    assert_memory_equal(buffer.data + buffer.size - 6, "99,end", 6);
    buffer_clear(&buffer);
    assert_int_equal(buffer_slice(&buffer).size, 0);
    buffer_free(&buffer);
    assert_null(buffer.data);
}

static void test_errors(void **state)
{
    enum error found;

    (void)state;
    for (int i = 0; i < ERROR_COUNT; i++) {
        assert_true(error_from_name(slice_of(error_name((enum error)i)), &found));
        assert_int_equal(found, i);
        assert_non_null(error_doc((enum error)i));
        assert_non_null(retry_class_name(error_class((enum error)i)));
    }
    assert_false(error_from_name(SLICE("no-such"), &found));
    assert_int_equal(error_class(ERROR_LOST), RETRY_UNKNOWN);
}

/* A text that snprintf cut in the middle of a character must end before it. */
static void ends_whole(void **state)
{
    char euro[] = "a\xe2\x82\xac", cut[] = "a\xe2\x82", one[] = "ab\xc3", lone[] = "\xf0\x9f\x98", plain[] = "abc";

    (void)state;
    text_end_whole(euro);
    assert_string_equal(euro, "a\xe2\x82\xac");
    text_end_whole(cut);
    assert_string_equal(cut, "a");
    text_end_whole(one);
    assert_string_equal(one, "ab");
    text_end_whole(lone);
    assert_string_equal(lone, "");
    text_end_whole(plain);
    assert_string_equal(plain, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_utf8),  cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_errors),  cmocka_unit_test(ends_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
