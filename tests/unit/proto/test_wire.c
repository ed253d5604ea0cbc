// SPDX-License-Identifier: MIT
#include "proto/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const int64_t numbers[] = {0,      1,      127,        128,         255,       256,       65535,     65536,   -1,
                                  -32,    -33,    -128,       -129,        -32768,    -32769,    INT32_MAX, INT32_MIN,
                                  INT64_MAX, INT64_MIN, 4294967295, 4294967296, -2147483649};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct buffer bytes = {NULL, 0, 0};
        wire_put_i64(&bytes, numbers[i]);
        struct wire wire = wire_over(buffer_slice(&bytes));
        assert_true(wire_take_i64(&wire) == numbers[i]);
        assert_true(wire_done(&wire));
        wire = wire_over(buffer_slice(&bytes));
        if (numbers[i] >= 0) {
            assert_true(wire_take_u64(&wire) == (uint64_t)numbers[i]);
        } else {
            wire_take_u64(&wire);
            assert_false(wire_done(&wire));
        }
        buffer_free(&bytes);
    }
}

static void test_signed_refuses_too_large(void **state)
{
    struct buffer bytes = {NULL, 0, 0};

    (void)state;
    wire_put_u64(&bytes, UINT64_MAX);
    struct wire wire = wire_over(buffer_slice(&bytes));
    assert_int_equal(wire_take_i64(&wire), 0);
    assert_false(wire_done(&wire));
    wire = wire_over(buffer_slice(&bytes));
    assert_true(wire_take_u64(&wire) == UINT64_MAX);
    buffer_free(&bytes);
}

static void test_mixed(void **state)
{
    static char large[70000];
    struct buffer bytes = {NULL, 0, 0};

    (void)state;
    memset(large, 'x', sizeof(large));
    wire_put_array(&bytes, 6);
    wire_put_text(&bytes, SLICE("é"));
    wire_put_text(&bytes, (struct slice){large, 300});
    wire_put_blob(&bytes, (struct slice){large, sizeof(large)});
    wire_put_flag(&bytes, true);
    wire_put_nil(&bytes);
    wire_put_map(&bytes, 1);
    wire_put_text(&bytes, SLICE("k"));
    wire_put_text(&bytes, SLICE(""));
    assert_true(wire_is_value(buffer_slice(&bytes)));

    struct wire wire = wire_over(buffer_slice(&bytes));
    assert_int_equal(wire_take_array(&wire), 6);
    assert_true(slice_is(wire_take_text(&wire), "é"));
    assert_int_equal(wire_take_text(&wire).size, 300);
    assert_false(wire_take_nil(&wire));
    assert_int_equal(wire_take_blob(&wire).size, sizeof(large));
    assert_true(wire_take_flag(&wire));
    assert_true(wire_take_nil(&wire));
    assert_int_equal(wire_skip(&wire).size, 4);
    assert_true(wire_done(&wire));
    buffer_free(&bytes);
}

static void test_sticky(void **state)
{
    struct wire wire = wire_over(SLICE("\x01\xc3"));

    (void)state;
    assert_int_equal(wire_take_text(&wire).size, 0);
    assert_int_equal(wire_take_u64(&wire), 0);
    assert_false(wire_take_flag(&wire));
    assert_false(wire_done(&wire));
}

static void test_hostile(void **state)
{
    const struct slice hostile[] = {
        SLICE(""),                     /* nothing */
        SLICE("\xc1"),                 /* the byte msgpack never uses */
        SLICE("\xdd\xff\xff\xff\xff"), /* four billion elements announced */
        SLICE("\xdf\x00\x00\x00\x01\xc0"),
        SLICE("\xdb\xff\xff\xff\xffx"),
        SLICE("\xc6\xff\xff\xff\xff"),
        SLICE("\xc9\xff\xff\xff\xff\x01"),
        SLICE("\xa2\xc0\x80"), /* overlong NUL */
        SLICE("\xa1\x00"),     /* NUL */
        SLICE("\xcb\x00"),
        SLICE("\xd8\x00"),
        SLICE("\xc0\xc0"), /* two values */
    };
    char deep[WIRE_DEPTH_MAX + 3];

    (void)state;
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        assert_false(wire_is_value(hostile[i]));
    memset(deep, '\x91', sizeof(deep));
    deep[WIRE_DEPTH_MAX] = '\xc0';
    assert_true(wire_is_value((struct slice){deep, WIRE_DEPTH_MAX + 1}));
    deep[WIRE_DEPTH_MAX] = '\x91';
    deep[WIRE_DEPTH_MAX + 1] = '\xc0';
    assert_false(wire_is_value((struct slice){deep, WIRE_DEPTH_MAX + 2}));
    assert_true(wire_is_value(SLICE("\xd4\x01\x02")));
    assert_true(wire_is_value(SLICE("\xc7\x01\x05x")));
    assert_true(wire_is_value(SLICE("\xca\x01\x02\x03\x04")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_signed_refuses_too_large),
        cmocka_unit_test(test_mixed),   cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
