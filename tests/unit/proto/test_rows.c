// SPDX-License-Identifier: MIT
#include "proto/rows.h"
#include "proto/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_tables_have_their_shape(void **state)
{
    (void)state;
    for (int i = 0; i < TABLE_COUNT; i++) {
        const struct table_info *table = &table_info[i];
        enum table_id found;
        assert_true(table_from_name(slice_of(table->name), &found));
        assert_int_equal(found, i);
        assert_true(table->key_count > 0 && table->column_count <= COLUMNS_MAX);
        for (size_t c = 0; c < table->column_count; c++) {
            assert_int_equal(table->columns[c].type == COLUMN_key, c < table->key_count);
            assert_int_equal(table->columns[c].type == COLUMN_stamp, c == table->stamp_index);
        }
    }
    assert_string_equal(table_info[TABLE_ORDERS].columns[7].name, "total");
    assert_int_equal(table_info[TABLE_ORDER_LINES].key_count, 3);
    enum table_id none;
    assert_false(table_from_name(SLICE("order"), &none));
}

static struct row sample(void)
{
    struct row row = {.table = TABLE_CUSTOMERS};

    row.values[0].text = SLICE("demo");
    row.values[1].text = SLICE("42");
    row.values[2].number = 1750000000000;
    row.values[3].is_null = true;
    row.values[4].text = SLICE("Zoë");
    row.values[5].is_null = true;
    row.values[6].number = -1;
    return row;
}

static void test_round_trip(void **state)
{
    struct row row = sample(), back;
    struct buffer packed = {NULL, 0, 0};

    (void)state;
    row_pack(&packed, &row);
    assert_true(row_unpack(buffer_slice(&packed), &back));
    assert_int_equal(back.table, TABLE_CUSTOMERS);
    assert_true(slice_is(back.values[1].text, "42"));
    assert_true(back.values[3].is_null);
    assert_true(slice_is(back.values[4].text, "Zoë"));
    assert_int_equal(back.values[6].number, -1);
    for (size_t cut = 0; cut < packed.size; cut++)
        assert_false(row_unpack((struct slice){packed.data, cut}, &back));
    buffer_append(&packed, "\xc0", 1);
    assert_false(row_unpack(buffer_slice(&packed), &back));
    buffer_free(&packed);
}

/* [customers, demo, 42, STAMP, nil, nil, nil, LAST] */
static bool accepts(bool null_stamp, bool text_last)
{
    struct buffer packed = {NULL, 0, 0};
    struct row row;

    wire_put_array(&packed, 8);
    wire_put_text(&packed, SLICE("customers"));
    wire_put_text(&packed, SLICE("demo"));
    wire_put_text(&packed, SLICE("42"));
    if (null_stamp)
        wire_put_nil(&packed);
    else
        wire_put_i64(&packed, 7);
    for (int i = 0; i < 3; i++)
        wire_put_nil(&packed);
    if (text_last)
        wire_put_text(&packed, SLICE("7"));
    else
        wire_put_i64(&packed, 7);
    bool good = row_unpack(buffer_slice(&packed), &row);
    buffer_free(&packed);
    return good;
}

static void test_strict(void **state)
{
    struct row row;

    (void)state;
    assert_true(accepts(false, false));
    assert_false(accepts(true, false));
    assert_false(accepts(false, true));
    assert_false(row_unpack(SLICE(""), &row));
    assert_false(row_unpack(SLICE("\x91\xa6"
                                  "orders"),
                            &row));
    assert_false(row_unpack(SLICE("\x91\xa5"
                                  "wrong"),
                            &row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_have_their_shape),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
