// SPDX-License-Identifier: MIT
#include "flow/expression.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char vars_text[] =
    "{\"trigger\":{\"id\":820982911946154508,\"low\":-9223372036854775808,\"name\":\"Gr\xc3\xbc\xc3\x9f\x65 {{ now "
    "}}\","
    "\"price\":\"199.00\",\"empty\":\"\",\"none\":null,\"list\":[1,null,3],\"no_items\":[],\"flag\":false,"
    "\"lines\":[{\"title\":\"Cup\",\"quantity\":2},{\"title\":null},{\"title\":\"Plate\",\"quantity\":3}],"
    "\"code\":\"}} os.exit() --\",\"map\":{\"b\":1,\"a\":2,\"C\":3}},\"now\":1763800000000}";

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

static void texts_are_rendered(void **state)
{
    static const struct {
        const char *text, *result;
    } cases[] = {
        {"", ""},
        {"no braces } { }} {", "no braces } { }} {"},
        {"{{ trigger.id }}/{{trigger.low}}", "820982911946154508/-9223372036854775808"},
        {"{{ trigger.name }}", "Gr\xc3\xbc\xc3\x9f\x65 {{ now }}"},
        {"{{ trigger.code }}", "}} os.exit() --"},
        {"{{ trigger.none }}{{ trigger.a.b.c }}{{ trigger.flag }}{{ nil }}", "false"},
        {"{{ trigger.list[2] }}|{{ trigger.list[2].x }}|{{ trigger.list[3] }}", "||3"},
        {"{{ \"}}\" }}{{ [[ {{ ]] }}{{ 'it\\'s' }}", "}} {{ it's"},
        {"{{ ({a={b=1}}).a.b }}", "1"},
        {"{{ money(19900, \"USD\") }} {{ money(-5, \"EUR\") }} {{ money(1990, \"JPY\") }}",
         "199.00 USD -0.05 EUR 1990 JPY"},
        {"{{ minor(trigger.price, \"USD\") + 1 }}", "19901"},
        {"{{ date(now, \"%A %e %B %Y, %R %Z\", \"Europe/Berlin\") }}", "Saturday 22 November 2025, 09:26 CET"},
        {"{{ date(\"2025-04-02T11:31:05-05:00\") }} {{ ms(\"1970-01-01T00:00:01Z\") }}", "2025-04-02 16:31 1000"},
        {"{{ shorten(\"Die sch\xc3\xb6nen Gr\xc3\xbc\xc3\x9f\x65\", 12) }}", "Die sch\xc3\xb6nen\xe2\x80\xa6"},
        {"{{ upper(\"\xc3\xa4\xc5\x82\xd1\x8f\xc3\x9f\") }}{{ lower(\"\xc3\x84\xc5\x81\xd0\xaf\") }}",
         "\xc3\x84\xc5\x81\xd0\xaf\xc3\x9f\xc3\xa4\xc5\x82\xd1\x8f"},
        {"{{ (\" a \"):trim():upper() }}{{ len(\"\xc3\xbc\") }}{{ sub(\"\xc3\xbc\x62\x63\", 2, -1) }}", "A1bc"},
        {"{{ join(trigger.lines, \", \", \"title\") }}; {{ sum(trigger.lines, \"quantity\") }}", "Cup, Plate; 5"},
        {"{{ json(trigger.list) }}{{ json(trigger.no_items) }}{{ json({}) }}", "[1,null,3][]{}"},
        {"{{ html(\"<a href='x'>&\\\"\") }}", "&lt;a href=&#39;x&#39;&gt;&amp;&quot;"},
        {"{{ count(trigger.lines) }}{{ count(nil) }}{{ first(trigger.list) }}{{ last(trigger.list) }}", "3013"},
        {"{{ default(trigger.empty, \"d\") }}{{ filled(nil, \" \", trigger.no_items, 7) }}", "d7"},
        {"{{ number(1234567, 2, \".\", \",\") }} {{ number(-1234.567, 1) }} {{ number(12) }}",
         "1.234.567,00 -1,234.6 12"},
        {"{{ format(\"%05.1f|%s|%d\", 3.14159, trigger.none, 7) }}", "003.1||7"},
        {"{{ replace(\"a.b.c\", \".\", \"-\") }}{{ join(split(\"a,b,,\", \",\"), \"|\") }}", "a-b-ca|b||"},
        {"{{ contains(\"abc\", \"b\") and starts(\"abc\", \"ab\") and ends(\"abc\", \"c\") }}", "true"},
        {"{{ (function() local t = {} for k, v in pairs(trigger.map) do t[#t + 1] = k .. v end return join(t, \" \") "
         "end)() }}",
         "C3 a2 b1"},
        {"{{ (function() local n = 0 for _, v in ipairs({1, 2, 3}) do n = n + v end return n end)() }}", "6"},
        {"{{ round(2.5) }}{{ round(-2.5) }}{{ math.max(1, 3) }}{{ 7 // 2 }}{{ 1.5 }}", "3-3331.5"},
    };
    struct fixture *fixture = *state;
    struct expression_problem problem;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        if (!expression_render(fixture->engine, slice_of(cases[i].text), fixture->vars, &out, &problem))
            fail_msg("%s: %u:%u %s", cases[i].text, problem.line, problem.column, problem.text);
        if (!slice_is(buffer_slice(&out), cases[i].result))
            fail_msg("%s gives %.*s", cases[i].text, (int)out.size, out.data);
        buffer_free(&out);
    }
}

/* Nothing here may crash, hang, pass a bound or reach the outside. */
static const struct {
    const char *expression, *says;
} attacks[] = {
    {"(function() while true do end end)()", "more than 200000 steps"},
    {"(function() repeat until false end)()", "steps"},
    {"(function(f) return f(f) end)(function(f) return f(f) end)", "steps"},
    {"(function(f) return f(f) end)(function(f) return 1 + f(f) end)", ""},
    {"(function() local s = 'x' while true do s = s .. s end end)()", "more memory"},
    {"(function() local s = ('x'):upper() for i = 1, 17 do s = s .. s end for i = 1, 1e5 do local t = s .. i end "
     "end)()",
     "more memory"},
    {"(function() local t = {} while true do t[#t + 1] = {} end end)()", "more"},
    {"(function() local t = {} for i = 1, 60 do t = {t, t} end return json(t) end)()", "larger than the bound"},
    {"(function() local t = {} t[1] = t return json(t) end)()", "nested too deep"},
    {"(function() local t = {} for i = 1, 2e4 do t[i] = 2e4 - i end while true do table.sort(t) end end)()", "steps"},
    {"(function() local t = {} while true do table.insert(t, 1, 1) end end)()", "steps"},
    {"(function() local s = 'a' for i = 1, 16 do s = s .. s end while true do html(s) end end)()", "steps"},
    {"(function() local s = 'a' for i = 1, 16 do s = s .. s end return replace(s, 'a', s) end)()", "more"},
    {"(function() local t = {} for i = 1, 9e4 do t[i] = 1 end while true do join(t) end end)()", "more"},
    {"('x'):rep(1e9)", "no such function"},
    {"('x'):find('x')", "no such function"},
    {"os.exit(1)", "no name \"os\""},
    {"io.open('/etc/passwd')", "no name \"io\""},
    {"require('os')", "no name"},
    {"load('return 1')()", "no name"},
    {"loadstring('x')", "no name"},
    {"dofile('/etc/passwd')", "no name"},
    {"pcall(error)", "no name"},
    {"coroutine.create(1)", "no name"},
    {"setmetatable({}, {__gc = 1})", "no name"},
    {"getmetatable('')", "no name"},
    {"rawset({}, 1, 1)", "no name"},
    {"debug.getregistry()", "no name"},
    {"string.dump(type)", "no name"},
    {"_G", "no name"},
    {"collectgarbage()", "no name"},
    {"math.random()", "no such function"},
    {"tostring({})", "a table is no text"},
    {"format('%p', {})", "knows no %p"},
    {"format('%s', {})", "a table is no text"},
    {"format('%99999d', 1)", ""},
    {"(function() x = 1 end)()", "write local x"},
    {"1; os = 2", ""},
    {"1 end function f() return 2", ""},
    {"'\\xff\\xfe'", "UTF-8"},
    {"'\\0'", "UTF-8"},
    {"1 // 0", ""},
    {"1 / 0", "not finite"},
    {"0 / 0", "not finite"},
    {"error({})", ""},
    {"error(nil)", ""},
    {"error()", ""},
    {"{1, 2}", "a table, not text"},
    {"money", "a function"},
    {"trigger.none + 1", "default(x, 0)"},
    {"trigger.price * 2", "minor(text, currency)"},
    {"'a' .. trigger.none", "default(x, \"\")"},
    {"trigger.lines .. ''", "json(x)"},
    {"trigger.none < 1", "compare numbers with numbers"},
    {"money(1.5, 'EUR')", "integer"},
    {"money(1, 'eur')", "capital letters"},
    {"minor('1,00', 'EUR')", "199.00"},
    {"minor(1.5, 'EUR')", "as text"},
    {"minor('1.5', 'JPY')", "JPY"},
    {"minor('99999999999999999', 'EUR')", "EUR"},
    {"date('2026-01-01')", "with its offset"},
    {"date(9e18 // 1 | 0)", "1 to 9999"},
    {"date(now, '%Q')", "%Q"},
    {"date(now, '%')", "date() knows no"},
    {"date(now, '%F', '../../etc/passwd')", "no time zone"},
    {"shorten('abc', 0)", "at least 1"},
    {"table.concat({{}})", ""},
    {"table.sort({3, 'a'})", "compare"},
    {"(function() local t = {} t[{}] = 1 for k in pairs(t) do end end)()", "keys that are numbers or text"},
};

static void attacks_end_in_a_problem(void **state)
{
    struct fixture *fixture = *state;
    struct expression_problem problem;

    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        struct buffer text = {0}, out = {0};
        buffer_printf(&text, "a {{ %s }}", attacks[i].expression);
        if (expression_render(fixture->engine, buffer_slice(&text), fixture->vars, &out, &problem))
            fail_msg("%s gives %.*s", attacks[i].expression, (int)out.size, out.data);
        assert_int_equal(out.size, 0);
        if (strstr(problem.text, attacks[i].says) == NULL)
            fail_msg("%s: %s", attacks[i].expression, problem.text);
        assert_true(problem.line == 1 && problem.column >= 3);
        buffer_free(&text);
        buffer_free(&out);
    }
}

static void deep_nesting_is_refused(void **state)
{
    static const char *const openers[] = {"(", "{", "- ", "not ", "(function() return ", "a[", "f("};
    struct fixture *fixture = *state;
    struct expression_scope scope = {NULL, NULL};
    struct expression_problem problem;

    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        struct buffer text = {0}, out = {0};
        buffer_text(&text, "{{ ");
        for (int depth = 0; depth < 1000 && text.size < 7000; depth++)
            buffer_text(&text, openers[i]);
        buffer_text(&text, "1 }}");
        assert_false(expression_check(buffer_slice(&text), &scope, &problem));
        assert_false(expression_render(fixture->engine, buffer_slice(&text), fixture->vars, &out, &problem));
        buffer_free(&text);
        buffer_free(&out);
    }
}

static void small_bounds_hold(void **state)
{
    struct fixture *fixture = *state;
    struct expression_problem problem;
    struct expression_bounds bounds = {1000, 1 << 20, 1 << 22, 1000, 100};
    bool rendered = false;

    for (bounds.memory_max = 0; bounds.memory_max < 1 << 17; bounds.memory_max += 777) {
        struct expression_engine *engine = expression_engine_new(&bounds);
        struct buffer out = {0};
        rendered = expression_render(engine, SLICE("{{ json(trigger.map) }}"), fixture->vars, &out, &problem);
        buffer_free(&out);
        expression_engine_destroy(&engine);
    }
    assert_true(rendered);
    struct expression_engine *engine = expression_engine_new(&bounds);
    struct buffer out = {0};
    assert_false(expression_render(engine,
                                   SLICE("{{ trigger.name }}{{ trigger.name }}{{ trigger.name }}{{ trigger.name }}"
                                         "{{ trigger.name }}{{ trigger.name }}{{ trigger.name }}"),
                                   fixture->vars, &out, &problem));
    assert_non_null(strstr(problem.text, "bound for output"));
    buffer_free(&out);
    expression_engine_destroy(&engine);
}

static void values_keep_their_type(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"{{ trigger.id }}", "820982911946154508"},
        {" {{ trigger.list }} ", "[1,null,3]"},
        {"{{ trigger.no_items }}", "[]"},
        {"{{ {} }}", "{}"},
        {"{{ {1, 2, {a = true}} }}", "[1,2,{\"a\":true}]"},
        {"{{ nil }}", "null"},
        {"x{{ 1 }}", "\"x1\""},
        {"plain", "\"plain\""},
        {"{{ trigger.map }}", "{\"C\":3,\"a\":2,\"b\":1}"},
    };
    struct fixture *fixture = *state;
    struct expression_problem problem;
    json_t *value;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        assert_true(expression_value(fixture->engine, slice_of(cases[i].text), fixture->vars, &value, &problem));
        json_write(&out, value);
        if (!slice_is(buffer_slice(&out), cases[i].json))
            fail_msg("%s gives %.*s", cases[i].text, (int)out.size, out.data);
        json_decref(value);
        buffer_free(&out);
    }
    assert_false(expression_value(fixture->engine, SLICE("{{ {1, x = 2} }}"), fixture->vars, &value, &problem));
    assert_non_null(strstr(problem.text, "key that is not text"));
}

static void truth_is_told(void **state)
{
    static const char *const yes[] = {"{{ 0 }}", "{{ trigger.id }}", "{{ {} }}", "{{ not nil }}", "{{ 'x' }}"};
    static const char *const no[] = {"{{ nil }}", "{{ false }}", "{{ '' }}", "{{ trigger.a.b }}", "{{ filled(' ') }}"};
    struct fixture *fixture = *state;
    struct expression_problem problem;
    bool truth;

    for (size_t i = 0; i < 5; i++) {
        assert_true(expression_truth(fixture->engine, slice_of(yes[i]), fixture->vars, &truth, &problem) && truth);
        assert_true(expression_truth(fixture->engine, slice_of(no[i]), fixture->vars, &truth, &problem) && !truth);
    }
    assert_false(expression_truth(fixture->engine, SLICE("true"), fixture->vars, &truth, &problem));
    assert_non_null(strstr(problem.text, "must be one expression"));
}

static void checks_name_the_place(void **state)
{
    static const char *const names[] = {"trigger", "steps", "now", NULL}, *const steps[] = {"order", NULL};
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } cases[] = {
        {"{{ triger.id }}", 1, 4, "did you mean \"trigger\""},
        {"a\n\xc3\xbc {{ uper(trigger.id) }}", 2, 6, "no function \"uper\" here; did you mean \"upper\""},
        {"{{ steps.ordr.result }}", 1, 10, "no earlier step \"ordr\" here; did you mean \"order\""},
        {"{{ trigger.id", 1, 1, "end it with }}"},
        {"x {{ }}", 1, 3, "is empty"},
        {"{{ \"abc }}", 1, 4, "not closed"},
        {"{{ 1 -- no\n }}", 1, 6, "comments"},
        {"{{ 1 +\n\n * 2 }}", 3, 1, "unexpected symbol"},
        {"{{ _ENV.x }}", 1, 4, "not possible"},
        {"{{ (function() goto x end)() }}", 1, 16, "no visible label"},
        {"{{ trigger.id } }", 1, 1, "end it with }}"},
    };
    struct expression_scope scope = {names, steps};
    struct expression_problem problem;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (expression_check(slice_of(cases[i].text), &scope, &problem))
            fail_msg("%s is accepted", cases[i].text);
        if (strstr(problem.text, cases[i].says) == NULL || problem.line != cases[i].line)
            fail_msg("%s: %u:%u %s", cases[i].text, problem.line, problem.column, problem.text);
        if (strstr(problem.text, "label") == NULL)
            assert_int_equal(problem.column, cases[i].column);
    }
    assert_true(expression_check(SLICE("{{ steps.order.result.steps }}{{ ({triger = 1}).triger }}"), &scope, &problem));
    assert_true(expression_check(SLICE("{{ (function(x) local y = x return y end)(1) }}"), &scope, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_rendered),      cmocka_unit_test(attacks_end_in_a_problem),
        cmocka_unit_test(deep_nesting_is_refused), cmocka_unit_test(small_bounds_hold),
        cmocka_unit_test(values_keep_their_type),  cmocka_unit_test(truth_is_told),
        cmocka_unit_test(checks_name_the_place),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
