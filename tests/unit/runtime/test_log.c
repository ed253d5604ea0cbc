// SPDX-License-Identifier: MIT
#include "proto/text/json.h"
#include "runtime/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct slice line(struct buffer *into, enum log_format format, const struct log_field *fields, size_t count)
{
    buffer_clear(into);
    log_format_line(into, format,
                    &(struct log_line){.wall_ms = 1772409600123,
                                       .level = LOG_WARN,
                                       .actor = "publisher",
                                       .event = "call-failed",
                                       .job = 7,
                                       .run = 3,
                                       .fields = fields,
                                       .field_count = count});
    return buffer_slice(into);
}

static void test_text(void **state)
{
    struct buffer into = {NULL, 0, 0};
    const struct log_field fields[] = {L_STR("queue", "publish"), L_I64("wait_ms", -5), L_ERROR(ERROR_LIMITED),
                                       L_STR("why", "two words")};

    (void)state;
    assert_true(slice_is(line(&into, LOG_FORMAT_TEXT, fields, 4),
                         "2026-03-02T00:00:00.123Z warn  publisher call-failed job=7 run=3 queue=publish wait_ms=-5 "
                         "error=limited why=\"two words\"\n"));
    buffer_free(&into);
}

static void test_json_is_json(void **state)
{
    struct buffer into = {NULL, 0, 0};
    struct json_problem problem;
    const struct log_field fields[] = {L_TEXT("odd", ((struct slice){"a\"\n\x01\xff", 5})), L_PERSONAL("to")};

    (void)state;
    json_t *value = json_read(line(&into, LOG_FORMAT_JSON, fields, 2), &problem);
    assert_non_null(value);
    assert_true(slice_is(json_text_at(value, "to"), "[personal]"));
    json_decref(value);
    buffer_free(&into);
}

/* A line forged inside a value must not become a line of its own, and a line is bounded whatever comes. */
static void test_injection_and_bound(void **state)
{
    struct buffer into = {NULL, 0, 0};
    static char long_text[20000];
    struct log_field fields[20];

    (void)state;
    memset(long_text, 'x', sizeof(long_text));
    for (size_t i = 0; i < 20; i++)
        fields[i] = (struct log_field)L_TEXT("text", ((struct slice){long_text, sizeof(long_text)}));
    fields[0] = (struct log_field)L_STR("peer", "x\n2026 error supervisor fake");
    for (enum log_format format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        struct slice text = line(&into, format, fields, 20);
        assert_true(text.size <= LOG_LINE_MAX);
        assert_ptr_equal(memchr(text.data, '\n', text.size), text.data + text.size - 1);
    }
    buffer_free(&into);
}

static void test_private_kinds_have_no_value(void **state)
{
    struct buffer into = {NULL, 0, 0};
    const struct log_field fields[] = {L_PERSONAL("email"), L_SECRET("key")};

    (void)state;
    struct slice text = line(&into, LOG_FORMAT_TEXT, fields, 2);
    buffer_append(&into, "", 1);
    assert_non_null(strstr(text.data, "email=[personal] key=[secret]\n"));
    buffer_free(&into);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_json_is_json),
                                       cmocka_unit_test(test_injection_and_bound),
                                       cmocka_unit_test(test_private_kinds_have_no_value)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
