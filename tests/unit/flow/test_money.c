// SPDX-License-Identifier: MIT
#include "flow/money.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void amounts_are_exact(void **state)
{
    static const struct {
        const char *text, *currency;
        int64_t minor;
    } cases[] = {
        {"199.00", "USD", 19900}, {"0", "EUR", 0},          {"-5.5", "EUR", -550},
        {"1990", "JPY", 1990},    {"1990.0", "JPY", 1990},  {"1.234", "KWD", 1234},
        {"0.29", "USD", 29},      {"12.3400", "EUR", 1234}, {"10000000000000", "EUR", MONEY_MINOR_MAX},
        {"1.5", "CLF", 15000},
    };
    int64_t minor;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(money_read(slice_of(cases[i].text), slice_of(cases[i].currency), &minor));
        assert_int_equal(minor, cases[i].minor);
    }
}

static void wrong_amounts_are_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "-",
                                        ".",
                                        "1.",
                                        ".5",
                                        "1,00",
                                        "1e3",
                                        " 1",
                                        "1 ",
                                        "0x10",
                                        "1.001",
                                        "1.2.3",
                                        "+1",
                                        "10000000000000.01",
                                        "99999999999999999999",
                                        "NaN"};
    int64_t minor;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(money_read(slice_of(wrong[i]), SLICE("EUR"), &minor));
    assert_false(money_read(SLICE("1.5"), SLICE("JPY"), &minor));
    assert_false(money_read(SLICE("1"), SLICE("eur"), &minor));
    assert_false(money_read(SLICE("1"), SLICE(""), &minor));
}

static void amounts_are_printed(void **state)
{
    struct buffer out = {0};

    (void)state;
    money_print(&out, 19900, 2);
    money_print(&out, -5, 2);
    money_print(&out, 1990, 0);
    money_print(&out, INT64_MIN, 3);
    assert_true(slice_is(buffer_slice(&out), "199.00-0.051990-9223372036854775.808"));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_exact),
        cmocka_unit_test(wrong_amounts_are_refused),
        cmocka_unit_test(amounts_are_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
