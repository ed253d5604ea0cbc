// SPDX-License-Identifier: MIT
/* Payloads lie on disk across upgrades: what an older writer left is read, and what a newer one wrote is refused. */
#include "proto/payloads.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void put_head(struct buffer *into, size_t fields, const char *name)
{
    buffer_clear(into);
    wire_put_array(into, 2 + fields);
    wire_put_u64(into, PAYLOAD_VERSION);
    wire_put_text(into, slice_of(name));
}

/* As the version before attempts and cost were told. */
static void put_old_step_done(struct buffer *into)
{
    put_head(into, 6, "step_done");
    wire_put_u64(into, 7);
    wire_put_text(into, SLICE("mail"));
    wire_put_u64(into, 9);
    field_put_error(into, ERROR_REFUSED);
    wire_put_text(into, SLICE("null"));
    wire_put_text(into, SLICE("no such mailbox"));
}

static void fields_that_an_older_writer_did_not_know_are_empty(void **state)
{
    struct buffer bytes = {NULL, 0, 0};
    struct payload payload;

    (void)state;
    put_old_step_done(&bytes);
    assert_true(payload_take(buffer_slice(&bytes), &payload));
    assert_int_equal(payload.id, PAYLOAD_STEP_DONE);
    assert_int_equal(payload.step_done.run, 7);
    assert_true(slice_is(payload.step_done.step, "mail"));
    assert_int_equal(payload.step_done.error, ERROR_REFUSED);
    assert_true(slice_is(payload.step_done.detail, "no such mailbox"));
    assert_int_equal(payload.step_done.attempts, 0);
    assert_int_equal(payload.step_done.cost_micros, 0);
    assert_int_equal(payload.step_done.currency.size, 0);
    buffer_free(&bytes);
}

static void what_a_newer_writer_added_is_refused(void **state)
{
    struct buffer bytes = {NULL, 0, 0};
    struct payload payload;

    (void)state;
    payload_put_go_on(&bytes, &(struct payload_go_on){.run = 7});
    assert_true(payload_take(buffer_slice(&bytes), &payload));
    put_head(&bytes, 2, "go_on");
    wire_put_u64(&bytes, 7);
    wire_put_u64(&bytes, 8);
    assert_false(payload_take(buffer_slice(&bytes), &payload));
    buffer_free(&bytes);
}

static void what_is_no_payload_is_refused(void **state)
{
    struct buffer bytes = {NULL, 0, 0};
    struct payload payload;

    (void)state;
    assert_false(payload_take((struct slice){NULL, 0}, &payload));
    put_head(&bytes, 1, "nobody_knows");
    wire_put_u64(&bytes, 7);
    assert_false(payload_take(buffer_slice(&bytes), &payload));
    put_head(&bytes, 0, "go_on");
    assert_false(payload_take(buffer_slice(&bytes), &payload));
    put_head(&bytes, 1, "go_on");
    assert_false(payload_take(buffer_slice(&bytes), &payload));
    put_head(&bytes, 1, "go_on");
    wire_put_text(&bytes, SLICE("seven"));
    assert_false(payload_take(buffer_slice(&bytes), &payload));
    put_old_step_done(&bytes);
    for (size_t size = 0; size < bytes.size; size++)
        assert_false(payload_take((struct slice){bytes.data, size}, &payload));
    buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_an_older_writer_did_not_know_are_empty),
        cmocka_unit_test(what_a_newer_writer_added_is_refused),
        cmocka_unit_test(what_is_no_payload_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
