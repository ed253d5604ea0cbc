// SPDX-License-Identifier: MIT
#include "flow/content.h"
#include "flow/expression.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char vars_text[] =
    "{\"o\":{\"id\":7,\"line_items\":[{\"sku\":\"A\",\"n\":1,\"tags\":[\"x\",\"y\"]},{\"sku\":\"B\",\"n\":2},{\"n\":1},"
    "{\"sku\":\"A\",\"n\":null,\"gift\":true},{\"sku\":\"C\",\"gift\":false}],\"map\":{\"0\":\"zero\",\"a "
    "b\":{\"c\":1}},"
    "\"list\":[3,null,\"3\",3,null,1]},\"now\":1774742400000,\"text\":\"Caf\\u00e9 au Lait\",\"weekday\":\"a "
    "variable\"}";

struct fixture {
    struct expression_engine *engine;
    json_t *vars;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct json_problem problem;

    fixture->engine = expression_engine_new(NULL);
    fixture->vars = json_read(slice_of(vars_text), &problem);
    assert_non_null(fixture->vars);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    expression_engine_destroy(&fixture->engine);
    json_decref(fixture->vars);
    free(fixture);
    return 0;
}

struct function_case {
    const char *expression, *json; /* or, after '!', a part of the problem */
};

static void check(void **state, const struct function_case *cases, size_t count)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < count; i++) {
        struct expression_problem problem = {0};
        struct buffer text = {0}, got = {0};
        json_t *value = NULL;

        buffer_printf(&text, "{{ %s }}", cases[i].expression);
        if (expression_value(fixture->engine, buffer_slice(&text), fixture->vars, &value, &problem))
            json_write(&got, value);
        else
            buffer_printf(&got, "!%s", problem.text);
        buffer_append(&got, "", 1);
        if (cases[i].json[0] == '!' ? got.data[0] != '!' || strstr(got.data, cases[i].json + 1) == NULL
                                    : strcmp(got.data, cases[i].json) != 0)
            fail_msg("%s: %s", cases[i].expression, got.data);
        json_decref(value);
        buffer_free(&text);
        buffer_free(&got);
    }
}
#define CHECK_CASES(...)                                                                                               \
    do {                                                                                                               \
        static const struct function_case cases[] = {__VA_ARGS__};                                                     \
        check(state, cases, sizeof cases / sizeof *cases);                                                             \
    } while (0)

static void paths_are_followed(void **state)
{
    CHECK_CASES(
        {"at(o, \"line_items.0.sku\")", "\"A\""}, {"at(o, \"line_items.-1.sku\")", "\"C\""},
        {"at(o, \"line_items.0.tags.1\")", "\"y\""}, {"at(o, \"line_items.9.sku\")", "null"},
        {"at(o, \"line_items.-9.sku\")", "null"}, {"at(o, \"id.x.y\")", "null"}, {"at(nil, \"a.b\")", "null"},
        {"at(o, \"map.0\")", "\"zero\""}, {"at(o, \"map.a b.c\")", "1"}, {"at(o.id, \"\")", "7"},
        {"at(o, \"..\")", "null"}, {"at({5, 6}, 1)", "6"}, {"at(o, o)", "!a table is no text"},
        {"at(o, replace(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", \"a\", \"b.\"))",
         "!more than 64 parts"});
}

static void lists_are_filtered(void **state)
{
    CHECK_CASES({"pluck(where(o.line_items, \"sku\", \"A\"), \"n\")", "[1]"},
                {"count(where(o.line_items, \"n\", 1))", "2"}, {"count(where(o.line_items, \"gift\"))", "1"},
                {"count(where(o.line_items, \"n\", nil))", "2"}, {"where(o.none, \"n\", 1)", "[]"},
                {"where(o.line_items, \"tags.0\", \"x\")[1].sku", "\"A\""},
                {"pluck(o.line_items, \"sku\")", "[\"A\",\"B\",\"A\",\"C\"]"}, {"pluck(nil, \"sku\")", "[]"},
                {"pluck(o.list, \"\")", "[3,\"3\",3,1]"}, {"unique(o.list)", "[3,null,\"3\",1]"},
                {"pluck(unique(o.line_items, \"sku\"), \"sku\")", "[\"A\",\"B\",\"C\"]"},
                {"unique(o.line_items)", "!name a field"}, {"slice({1, 2, 3, 4}, 2, 3)", "[2,3]"},
                {"slice({1, 2, 3, 4}, -2)", "[3,4]"}, {"slice({1, 2, 3, 4}, 3, 99)", "[3,4]"},
                {"slice({1, 2, 3, 4}, 4, 2)", "[]"}, {"slice(nil, 1)", "[]"},
                {"slice(\"text\", 1)", "!a list is wanted"}, {"pluck(7, \"a\")", "!a list is wanted"});
}

static void times_are_counted(void **state)
{
    /* now is 2026-03-29T00:00Z, one hour before the clocks of Berlin jump. */
    CHECK_CASES(
        {"iso(now)", "\"2026-03-29T00:00:00+00:00\""}, {"iso(now, \"Europe/Berlin\")", "\"2026-03-29T01:00:00+01:00\""},
        {"iso(add(now, \"1h\"), \"Europe/Berlin\")", "\"2026-03-29T03:00:00+02:00\""},
        {"iso(add(now, \"1d\"), \"Europe/Berlin\")", "\"2026-03-30T02:00:00+02:00\""},
        {"iso(add(now, \"1d\", \"Europe/Berlin\"), \"Europe/Berlin\")", "\"2026-03-30T01:00:00+02:00\""},
        {"iso(add(now, \"-1w2d30m\"))", "\"2026-03-19T23:30:00+00:00\""},
        {"iso(\"2026-11-22T09:30:00+01:00\", \"Asia/Kathmandu\")", "\"2026-11-22T14:15:00+05:45\""},
        {"iso(start_of(\"day\", now, \"Europe/Berlin\"))", "\"2026-03-28T23:00:00+00:00\""},
        {"iso(start_of(\"week\", now, \"Europe/Berlin\"), \"Europe/Berlin\")", "\"2026-03-23T00:00:00+01:00\""},
        {"iso(start_of(\"month\", now))", "\"2026-03-01T00:00:00+00:00\""},
        {"iso(start_of(\"year\", now))", "\"2026-01-01T00:00:00+00:00\""},
        {"iso(start_of(\"hour\", now + 3599999, \"Asia/Kathmandu\"), \"Asia/Kathmandu\")",
         "\"2026-03-29T06:00:00+05:45\""},
        {"iso(start_of(\"day\", \"2026-09-06T12:00:00Z\", \"America/Santiago\"), \"America/Santiago\")",
         "\"2026-09-06T01:00:00-03:00\""},
        {"start_of(\"decade\", now)", "!\"week\", \"month\""}, {"days(now, add(now, \"36h\"))", "1"},
        {"days(now, now - 1)", "-1"}, {"days(now, now - 1, \"Europe/Berlin\")", "0"}, {"duration_ms(\"90s\")", "90000"},
        {"duration_ms(\"1d12h\")", "129600000"}, {"duration_ms(\"-5m\")", "-300000"}, {"duration_ms(\"250ms\")", "250"},
        {"duration_ms(\"5\")", "!a duration is wanted"}, {"duration_ms(\"\")", "!a duration is wanted"},
        {"duration_ms(\"-\")", "!a duration is wanted"}, {"duration_ms(\"1y\")", "!a duration is wanted"},
        {"duration_ms(\"h\")", "!a duration is wanted"}, {"duration_ms(5)", "!a duration is wanted"},
        {"duration_ms(\"999999999999999w\")", "!a duration is wanted"},
        {"add(now, \"9000000d\")", "!a duration is wanted"}, {"add(now, \"3600000d\")", "!years 1 to 9999"},
        {"iso(now, \"Nowhere\")", "!no time zone"}, {"iso(\"2026-01-01\")", "!a time is wanted"});
}

static void variables_hide_functions(void **state)
{
    CHECK_CASES({"weekday", "\"a variable\""});
}

static void weekdays_are_named(void **state)
{
    struct fixture *fixture = *state;

    json_object_del(fixture->vars, "weekday");
    CHECK_CASES({"weekday(now)", "7"}, {"weekday(now + 86400000)", "1"}, {"weekday(now - 1, \"UTC\")", "6"},
                {"weekday(now - 1, \"Europe/Berlin\")", "7"});
}

static void texts_are_encoded(void **state)
{
    CHECK_CASES({"hash(\"abc\")", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""},
                {"hash(nil)", "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""},
                {"hash(7) == hash(\"7\")", "true"}, {"hash(o)", "!a table is no text"}, {"base64(\"\")", "\"\""},
                {"base64(\"f\")", "\"Zg==\""}, {"base64(\"fo\")", "\"Zm8=\""}, {"base64(\"foo\")", "\"Zm9v\""},
                {"base64(text)", "\"Q2Fmw6kgYXUgTGFpdA==\""},
                {"urlencode(\"a b&c/d~e.f-g_\" .. text)", "\"a%20b%26c%2Fd~e.f-g_Caf%C3%A9%20au%20Lait\""},
                {"slug(text)", "\"cafe-au-lait\""}, {"slug(\"  -- New: Cup & Plate (2) --\")", "\"new-cup-plate-2\""},
                {"slug(\"!!!\")", "\"\""}, {"text:slug()", "\"cafe-au-lait\""});
}

/* What fit() gives and how long it is, with texts made here. */
static json_t *fitted(struct fixture *fixture, const char *platform, struct buffer *text)
{
    struct expression_problem problem = {0};
    char expression[60];
    json_t *value = NULL, *vars = json_object();

    snprintf(expression, sizeof expression, "{{ fit(text, \"%s\") }}", platform);
    json_object_set_new(vars, "text", json_stringn(text->data, text->size));
    if (!expression_value(fixture->engine, slice_of(expression), vars, &value, &problem))
        fail_msg("%s: %s", platform, problem.text);
    json_decref(vars);
    buffer_free(text);
    return value;
}

static void assert_ends(json_t *value, const char *end)
{
    const char *text = json_string_value(value);

    assert_true(strlen(text) >= strlen(end));
    assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void texts_fit_their_platform(void **state)
{
    struct fixture *fixture = *state;
    struct buffer text = {0};
    json_t *value;

    for (int i = 0; i < 1000; i++)
        buffer_text(&text, "word ");
    value = fitted(fixture, "instagram", &text);
    assert_int_equal(json_string_length(value), 439 * 5 + 4 + 3);
    assert_ends(value, "word\xe2\x80\xa6");
    json_decref(value);
    for (int i = 0; i < 3000; i++)
        buffer_text(&text, "\xf0\x9f\x98\x80"); /* two units each, and no word's end */
    value = fitted(fixture, "telegram", &text);
    assert_int_equal(json_string_length(value), 2047 * 4 + 3);
    json_decref(value);
    for (int i = 0; i < 1024; i++)
        buffer_text(&text, "\xc3\xbc");
    value = fitted(fixture, "telegram_caption", &text);
    assert_int_equal(json_string_length(value), 2048);
    json_decref(value);
    buffer_text(&text, "Your order\r\nBcc: someone");
    value = fitted(fixture, "mail_subject", &text);
    assert_string_equal(json_string_value(value), "Your order  Bcc: someone");
    json_decref(value);
    for (int i = 0; i < 75; i++)
        buffer_text(&text, "x");
    buffer_text(&text, "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7\xef\xb8\x8fyyyy"); /* one picture of four points */
    value = fitted(fixture, "mail_subject", &text);
    assert_ends(value, "x\xe2\x80\xa6");
    assert_int_equal(json_string_length(value), 75 + 3);
    json_decref(value);
}

static void tags_fit_their_platform(void **state)
{
    struct fixture *fixture = *state;
    struct content_rules rules = {.platform = SLICE("instagram"), .longest = -1, .shortest = -1};
    struct buffer text = {0};
    json_t *value, *review;

    buffer_text(&text, "New cups at #42");
    for (int i = 0; i < 40; i++)
        buffer_printf(&text, " #tag%d @shop%d", i, i);
    value = fitted(fixture, "instagram", &text);
    assert_non_null(strstr(json_string_value(value), "#tag28"));
    assert_null(strstr(json_string_value(value), "tag29"));
    assert_non_null(strstr(json_string_value(value), "@shop19"));
    assert_non_null(strstr(json_string_value(value), " shop20"));
    review = content_check((struct slice){json_string_value(value), json_string_length(value)}, &rules);
    for (size_t i = 0; i < json_array_size(json_object_get(review, "findings")); i++) {
        const json_t *finding = json_array_get(json_object_get(review, "findings"), i);
        assert_false(slice_is(json_text_at(finding, "check"), "tags"));
        assert_false(slice_is(json_text_at(finding, "check"), "long"));
    }
    json_decref(review);
    json_decref(value);
    CHECK_CASES({"fit(\"short #1\", \"facebook\")", "\"short #1\""}, {"fit(nil, \"story\")", "\"\""},
                {"fit(\"x\", \"myspace\")", "!one of: instagram, facebook"}, {"fit(\"x\")", "!one of: instagram"});
}

/* Work of functions counts like steps: nothing here may run on. */
static void functions_are_bounded(void **state)
{
    CHECK_CASES({"(function() while true do hash(text) end end)()", "!more than 200000 steps"},
                {"(function() local l = {} for i = 1, 9999 do l[i] = i end while true do slice(l, 1) end end)()",
                 "!more than 200000 steps"},
                {"(function() while true do at(o, \"line_items.0.sku\") end end)()", "!more than 200000 steps"},
                {"(function() while true do unique(o.list) end end)()", "!more than 200000 steps"},
                {"(function() local t = \"x\" while true do t = base64(t) end end)()", "!it takes more"},
                {"(function() while true do add(now, \"1d\") end end)()", "!more than 200000 steps"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_are_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_are_filtered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(variables_hide_functions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(weekdays_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_are_encoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_fit_their_platform, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tags_fit_their_platform, set_up, tear_down),
        cmocka_unit_test_setup_teardown(functions_are_bounded, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
