// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD "workflow: test\nmode: live\non:\n  - manual: true\nsteps:\n"

struct bench {
    struct workflow *workflow;
    struct expression_engine *engine;
    json_t *vars;
    struct text_problem problem;
};

static void open_bench(struct bench *bench, const char *text, const char *trigger)
{
    struct json_problem problem;
    json_t *value = json_read(slice_of(trigger), &problem);

    bench->workflow = workflow_parse("test.yaml", slice_of(text), &bench->problem);
    if (bench->workflow == NULL)
        fail_msg("%u:%u: %s", bench->problem.line, bench->problem.column, bench->problem.text);
    assert_non_null(value);
    bench->engine = expression_engine_new(NULL);
    bench->vars = json_pack("{s:o, s:I}", "trigger", value, "now", (json_int_t)1767603600000);
}

static void close_bench(struct bench *bench)
{
    workflow_destroy(&bench->workflow);
    expression_engine_destroy(&bench->engine);
    json_decref(bench->vars);
}

static void assert_json(const json_t *value, const char *expected)
{
    struct buffer text = {0};

    json_write(&text, value);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, expected);
    buffer_free(&text);
}

#define INPUTS                                                                                                         \
    HEAD "  - {id: wait, delay: \"{{ trigger.d }}\"}\n"                                                                \
         "  - {id: say, telegram: {text: hi, silent: \"{{ trigger.f }}\"}}\n"                                          \
         "  - {id: then, until: \"{{ trigger.t }}\"}\n"                                                                \
         "  - {id: add, count: {book: b, amount: \"{{ trigger.n }}\"}}\n"                                              \
         "  - {id: judge, check: {text: x, model: \"{{ trigger.m }}\"}}\n"

static const struct {
    const char *step, *trigger, *inputs, *says; /* one of the last two */
} rendered[] = {
    {"wait", "{\"d\":90000}", "{\"time\":90000}", NULL},
    {"wait", "{\"d\":\"90s\"}", "{\"time\":90000}", NULL},
    {"wait", "{\"d\":\"2h\"}", "{\"time\":7200000}", NULL},
    {"wait", "{\"d\":\"soon\"}", NULL, "wait.time: the value is no duration; give milliseconds or text like \"90s\""},
    {"wait", "{\"d\":0}", NULL, "wait.time: the duration is out of its bounds; it may be from 1ms to 366d"},
    {"wait", "{\"d\":\"9999999999d\"}", NULL, "the duration is out of its bounds"},
    {"wait", "{\"d\":1.5}", NULL, "the value is no duration"},
    {"wait", "{}", NULL, "wait.time: there is no value; give it one with default(x, y)"},
    {"say", "{\"f\":true}", "{\"silent\":true,\"text\":\"hi\"}", NULL},
    {"say", "{\"f\":\"false\"}", "{\"silent\":false,\"text\":\"hi\"}", NULL},
    {"say", "{}", "{\"text\":\"hi\"}", NULL},
    {"say", "{\"f\":1}", NULL, "say.silent: the value is neither true nor false; write a comparison such as x == 1"},
    {"then", "{\"t\":5}", "{\"moment\":5}", NULL},
    {"then", "{\"t\":\"1970-01-01T00:00:01Z\"}", "{\"moment\":1000}", NULL},
    {"then", "{\"t\":\"noon\"}", NULL, "then.moment: the value is no time"},
    {"add", "{\"n\":7}", "{\"amount\":7,\"book\":\"b\"}", NULL},
    {"add", "{\"n\":7.5}", NULL, "add.amount: the value is no integer"},
    {"judge", "{\"m\":0.5}", "{\"model\":0.5,\"text\":\"x\"}", NULL},
    {"judge", "{\"m\":2}", NULL, "judge.model: the number is out of its bounds; it may be from 0 to 1"},
};

static void inputs_have_their_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rendered / sizeof *rendered; i++) {
        struct bench bench;
        json_t *inputs;
        open_bench(&bench, INPUTS, rendered[i].trigger);
        const struct workflow_step *step = workflow_find_step(bench.workflow, slice_of(rendered[i].step));
        bool good = workflow_render_inputs(bench.engine, bench.workflow, step, bench.vars, &inputs, &bench.problem);
        if (good != (rendered[i].says == NULL))
            fail_msg("%s %s: %s", rendered[i].step, rendered[i].trigger, good ? "accepted" : bench.problem.text);
        if (good)
            assert_json(inputs, rendered[i].inputs);
        else if (strstr(bench.problem.text, rendered[i].says) == NULL)
            fail_msg("%s %s: %s", rendered[i].step, rendered[i].trigger, bench.problem.text);
        json_decref(inputs);
        close_bench(&bench);
    }
}

/* What is no expression is turned into its kind when the file is read. */
static void plain_inputs_are_read_once(void **state)
{
    struct bench bench;
    json_t *inputs;

    (void)state;
    open_bench(&bench,
               HEAD "  - {id: a, delay: 90s}\n  - {id: b, until: \"1970-01-01T00:00:01Z\"}\n"
                    "  - {id: c, telegram: {text: x, silent: false}}\n  - {id: d, end: }\n  - id: e\n    end:\n"
                    "  - {id: f, end: {}}\n  - {id: g, end: all is well}\n",
               "{}");
    static const char *const expected[] = {
        "{\"time\":90000}",          "{\"moment\":1000}", "{\"silent\":false,\"text\":\"x\"}", "{}", "{}", "{}",
        "{\"text\":\"all is well\"}"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(workflow_render_inputs(bench.engine, bench.workflow, bench.workflow->all[i], bench.vars, &inputs,
                                           &bench.problem));
        assert_json(inputs, expected[i]);
        json_decref(inputs);
    }
    close_bench(&bench);
}

static const struct {
    const char *trigger, *step; /* first step of the block that is chosen; NULL: none */
} choices[] = {
    {"{\"x\":\"paid\"}", "paid"}, {"{\"x\":7}", "seven"}, {"{\"x\":true}", "yes"},  {"{\"x\":\"7\"}", "seven"},
    {"{\"x\":\"Paid\"}", "rest"}, {"{}", "rest"},         {"{\"x\":null}", "rest"}, {"{\"x\":false}", "rest"},
};

static void a_case_is_chosen_by_its_text(void **state)
{
    static const char cases[] = HEAD "  - id: s\n    switch: \"{{ trigger.x }}\"\n    cases:\n"
                                     "      paid: [{id: paid, log: x}]\n      7: [{id: seven, log: x}]\n"
                                     "      \"true\": [{id: yes, log: x}]\n";
    const struct workflow_block *block;
    struct bench bench;
    char text[600];

    (void)state;
    for (int with_default = 0; with_default < 2; with_default++) {
        snprintf(text, sizeof text, "%s%s", cases, with_default ? "    default: [{id: rest, log: x}]\n" : "");
        for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
            bool is_rest = strcmp(choices[i].step, "rest") == 0;
            open_bench(&bench, text, choices[i].trigger);
            assert_true(workflow_choose_block(bench.engine, bench.workflow, &bench.workflow->steps.steps[0], bench.vars,
                                              &block, &bench.problem));
            assert_int_equal(block != NULL, with_default || !is_rest);
            if (block != NULL)
                assert_string_equal(block->steps[0].id, choices[i].step);
            close_bench(&bench);
        }
    }
    open_bench(&bench, text, "{\"x\":{\"y\":1}}");
    assert_false(workflow_choose_block(bench.engine, bench.workflow, &bench.workflow->steps.steps[0], bench.vars,
                                       &block, &bench.problem));
    assert_null(block);
    assert_non_null(strstr(bench.problem.text, "s.switch: "));
    close_bench(&bench);
}

static const struct {
    const char *trigger, *items, *says;
} lists[] = {
    {"{\"l\":[1,{\"a\":2}]}", "[1,{\"a\":2}]", NULL},
    {"{\"l\":[]}", "[]", NULL},
    {"{\"l\":null}", "[]", NULL},
    {"{}", "[]", NULL},
    {"{\"l\":[1,2,3]}", NULL, "e.for_each: the list has 3 items, and at_most is 2; raise at_most (up to 1000)"},
    {"{\"l\":{\"a\":1}}", NULL, "e.for_each: the value is a table with names and no list"},
    {"{\"l\":\"abc\"}", NULL, "e.for_each: the value is a text and no list"},
    {"{\"l\":5}", NULL, "e.for_each: the value is a single value and no list"},
};

static void items_are_a_bounded_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct bench bench;
        json_t *items;
        open_bench(&bench, HEAD "  - {id: e, for_each: \"{{ trigger.l }}\", at_most: 2, do: [{id: a, log: x}]}\n",
                   lists[i].trigger);
        bool good = workflow_render_items(bench.engine, bench.workflow, &bench.workflow->steps.steps[0], bench.vars,
                                          &items, &bench.problem);
        assert_int_equal(good, lists[i].says == NULL);
        if (good)
            assert_json(items, lists[i].items);
        else if (strstr(bench.problem.text, lists[i].says) == NULL || items != NULL)
            fail_msg("%s: %s", lists[i].trigger, bench.problem.text);
        json_decref(items);
        close_bench(&bench);
    }
}

static void a_result_is_rendered(void **state)
{
    struct bench bench;
    json_t *result;

    (void)state;
    open_bench(&bench,
               HEAD "  - {id: a, log: x}\nresult: {n: \"{{ trigger.n }}\", text: \"n={{ trigger.n }}\", l: [1]}\n",
               "{\"n\":3}");
    assert_true(workflow_render_result(bench.engine, bench.workflow, bench.vars, &result, &bench.problem));
    assert_json(result, "{\"l\":[1],\"n\":3,\"text\":\"n=3\"}");
    json_decref(result);
    close_bench(&bench);
    open_bench(&bench, HEAD "  - {id: a, log: x}\nresult: \"{{ trigger.n + 1 }}\"\n", "{\"n\":\"x\"}");
    assert_false(workflow_render_result(bench.engine, bench.workflow, bench.vars, &result, &bench.problem));
    assert_null(result);
    assert_non_null(strstr(bench.problem.text, "result: "));
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_have_their_kinds),      cmocka_unit_test(plain_inputs_are_read_once),
        cmocka_unit_test(a_case_is_chosen_by_its_text), cmocka_unit_test(items_are_a_bounded_list),
        cmocka_unit_test(a_result_is_rendered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
