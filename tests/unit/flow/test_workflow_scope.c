// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A workflow with one of each, in which @NAME@ marks places for an expression. */
static const char house[] = "workflow: house\n"
                            "mode: live\n"
                            "on:\n  - manual: true\n"
                            "steps:\n"
                            "  - {id: first, log: \"@FIRST@\"}\n"
                            "  - id: both\n"
                            "    parallel:\n"
                            "      left:\n"
                            "        - {id: left_one, log: x}\n"
                            "        - {id: left_two, log: \"@LEFT@\"}\n"
                            "      right:\n"
                            "        - {id: right_one, log: \"@RIGHT@\"}\n"
                            "  - id: kind\n"
                            "    switch: \"{{ @OF@ }}\"\n"
                            "    cases:\n"
                            "      paid:\n"
                            "        - {id: paid_one, log: x}\n"
                            "    default:\n"
                            "      - {id: other_one, log: \"@DEFAULT@\"}\n"
                            "  - id: each\n"
                            "    when: \"{{ @WHEN@ }}\"\n"
                            "    for_each: \"{{ @LIST@ }}\"\n"
                            "    as: line\n"
                            "    do:\n"
                            "      - {id: each_one, log: x}\n"
                            "      - id: inner\n"
                            "        for_each: \"{{ line.parts }}\"\n"
                            "        as: part\n"
                            "        do:\n"
                            "          - {id: inner_one, log: \"@INNER@\"}\n"
                            "      - {id: each_two, log: \"@EACH@\"}\n"
                            "    else:\n"
                            "      - {id: each_else, log: \"@ELSE@\"}\n"
                            "  - id: group\n"
                            "    do:\n"
                            "      - id: ask\n"
                            "        generate: p\n"
                            "        else: {text: \"@MAP@\"}\n"
                            "      - {id: group_two, log: \"@GROUP@\"}\n"
                            "  - {id: last, log: \"@LAST@\"}\n"
                            "on_failure:\n"
                            "  - {id: tell, log: \"@FAILURE@\"}\n"
                            "result: {x: \"@RESULT@\"}\n"
                            "unique: \"@UNIQUE@\"\n";

/* The text with `expression` at that mark, "now" at all others. */
static void build(struct buffer *into, const char *mark, const char *expression)
{
    for (const char *at = house; *at != '\0';) {
        const char *end = *at == '@' ? strchr(at + 1, '@') : NULL;
        if (end == NULL) {
            buffer_append(into, at++, 1);
            continue;
        }
        bool is_it = strlen(mark) == (size_t)(end - at - 1) && memcmp(at + 1, mark, strlen(mark)) == 0;
        bool is_bare = at[-1] == ' ';
        buffer_printf(into, is_bare ? "%s" : "{{ %s }}", is_it ? expression : "now");
        at = end + 1;
    }
}

static const struct {
    const char *mark, *expression, *says; /* NULL: good */
} cases[] = {
    {"FIRST", "trigger.x", NULL},
    {"FIRST", "shop.name .. run.id .. now", NULL},
    {"FIRST", "steps.first.result", "the step \"first\" is not over yet here"},
    {"FIRST", "steps.last.result", "there is no earlier step \"last\" here"},
    {"FIRST", "item", "there is no name \"item\" here"},
    {"FIRST", "index", "there is no name \"index\" here"},
    {"LEFT", "steps.first.result .. steps.left_one.result", NULL},
    {"LEFT", "steps.both.result", "the step \"both\" is not over yet here"},
    {"RIGHT", "steps.first.result", NULL},
    {"RIGHT", "steps.left_one.result", "the step \"left_one\" is in another branch of the parallel \"both\""},
    {"RIGHT", "steps.lift_one.result", "there is no earlier step \"lift_one\" here"},
    {"OF", "steps.left_one.result", NULL},
    {"OF", "steps.both.result.left", NULL},
    {"OF", "steps.paid_one.result", "there is no earlier step \"paid_one\" here"},
    {"DEFAULT", "steps.right_one.result", NULL},
    {"DEFAULT", "steps.paid_one.result", "the step \"paid_one\" is in another case of the switch \"kind\""},
    {"WHEN", "steps.paid_one.result or steps.other_one.result or steps.kind.result", NULL},
    {"WHEN", "line", "there is no name \"line\" here"},
    {"LIST", "line", "there is no name \"line\" here"},
    {"INNER", "line.name .. part.name .. index .. steps.each_one.result", NULL},
    {"EACH", "line.name .. index .. steps.each_one.result .. steps.inner.result[1]", NULL},
    {"EACH", "part", "there is no name \"part\" here"},
    {"EACH", "steps.inner_one.result",
     "the step \"inner_one\" is inside the for_each \"inner\", once for each item; use steps.inner.result"},
    {"ELSE", "steps.each.error .. steps.kind.result", NULL},
    {"ELSE", "line", "there is no name \"line\" here"},
    {"ELSE", "steps.each_one.result", "the step \"each_one\" is inside the for_each \"each\""},
    {"ELSE", "failure.text", "there is no name \"failure\" here"},
    {"MAP", "steps.ask.error", NULL},
    {"MAP", "steps.group.result", "the step \"group\" is not over yet here"},
    {"GROUP", "steps.ask.result.text", NULL},
    {"LAST", "steps.ask.result.text .. steps.group_two.result .. steps.each_else.result", NULL},
    {"LAST", "steps.each_two.result", "the step \"each_two\" is inside the for_each \"each\""},
    {"LAST", "last(steps.each.result)", NULL},
    {"LAST", "trigger.steps.each_two", NULL},
    {"FAILURE", "failure.step .. failure.error .. failure.text .. steps.last.result .. steps.left_one.error", NULL},
    {"FAILURE", "steps.each_one.result", "is inside the for_each \"each\""},
    {"RESULT", "steps.last.result .. now .. run.id", NULL},
    {"RESULT", "steps.tell.result", "there is no earlier step \"tell\" here"},
    {"RESULT", "failure.text", "there is no name \"failure\" here"},
    {"UNIQUE", "trigger.body.id .. shop.name", NULL},
    {"UNIQUE", "run.id", "there is no name \"run\" here"},
};

static void each_place_sees_what_has_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text_problem problem = {.text = ""};
        struct buffer text = {0};
        build(&text, cases[i].mark, cases[i].expression);
        struct workflow *workflow = workflow_parse("house.yaml", buffer_slice(&text), &problem);
        if ((workflow != NULL) != (cases[i].says == NULL) ||
            (cases[i].says != NULL && strstr(problem.text, cases[i].says) == NULL))
            fail_msg("%s: %s: %u:%u: %s", cases[i].mark, cases[i].expression, problem.line, problem.column,
                     problem.text);
        workflow_destroy(&workflow);
        buffer_free(&text);
    }
}

static struct workflow *read_house(void)
{
    struct text_problem problem;
    struct buffer text = {0};

    build(&text, "", "");
    struct workflow *workflow = workflow_parse("house.yaml", buffer_slice(&text), &problem);
    buffer_free(&text);
    assert_non_null(workflow);
    return workflow;
}

static void the_tree_is_as_written(void **state)
{
    static const char *const order[] = {"first", "both",      "left_one",  "left_two",  "right_one",
                                        "kind",  "paid_one",  "other_one", "each",      "each_one",
                                        "inner", "inner_one", "each_two",  "each_else", "group",
                                        "ask",   "group_two", "last",      "tell"};
    struct workflow *workflow = read_house();
    const struct workflow_step *both = workflow_find_step(workflow, SLICE("both"));
    const struct workflow_step *kind = workflow_find_step(workflow, SLICE("kind"));
    const struct workflow_step *inner = workflow_find_step(workflow, SLICE("inner"));
    const struct workflow_step *each = workflow_find_step(workflow, SLICE("each"));

    (void)state;
    assert_int_equal(workflow->all_count, sizeof order / sizeof *order);
    for (size_t i = 0; i < workflow->all_count; i++)
        assert_string_equal(workflow->all[i]->id, order[i]);
    assert_int_equal(workflow->steps.step_count, 6);
    assert_int_equal(both->kind, NODE_PARALLEL);
    assert_int_equal(both->block_count, 2);
    assert_string_equal(both->blocks[1].name, "right");
    assert_ptr_equal(both->blocks[0].steps[1].inside, both);
    assert_int_equal(kind->kind, NODE_SWITCH);
    assert_string_equal(kind->blocks[0].name, "paid");
    assert_null(kind->blocks[1].name);
    assert_int_equal(each->kind, NODE_EACH);
    assert_string_equal(each->item, "line");
    assert_int_equal(each->at_most, 100);
    assert_int_equal(each->at_once, 1);
    assert_int_equal(each->otherwise_steps->step_count, 1);
    assert_ptr_equal(inner->inside, each);
    assert_int_equal(inner->depth, 1);
    assert_int_equal(workflow_find_step(workflow, SLICE("inner_one"))->depth, 2);
    assert_int_equal(workflow->on_failure.step_count, 1);
    assert_null(workflow->on_failure.steps[0].inside);
    workflow_destroy(&workflow);
}

/* Keys may stand in any order; `all` is that of the text. */
static void the_order_of_keys_is_free(void **state)
{
    static const char text[] = "on_failure:\n  - {id: tell, log: \"{{ failure.text }}\"}\n"
                               "steps:\n"
                               "  - else:\n"
                               "      - {id: instead, log: \"{{ steps.one.error }}\"}\n"
                               "    default: [{id: other, log: x}]\n"
                               "    cases: {a: [{id: in_a, log: x}]}\n"
                               "    switch: \"{{ trigger.kind }}\"\n"
                               "    id: one\n"
                               "on: [manual: true]\n"
                               "mode: shadow\n"
                               "workflow: turned\n";
    static const char *const order[] = {"tell", "one", "instead", "other", "in_a"};
    struct text_problem problem;
    struct workflow *workflow = workflow_parse("turned.yaml", SLICE(""), &problem);

    (void)state;
    assert_null(workflow);
    workflow = workflow_parse("turned.yaml", slice_of(text), &problem);
    if (workflow == NULL)
        fail_msg("%u:%u: %s", problem.line, problem.column, problem.text);
    assert_int_equal(workflow->all_count, 5);
    for (size_t i = 0; i < workflow->all_count; i++)
        assert_string_equal(workflow->all[i]->id, order[i]);
    workflow_destroy(&workflow);
}

static void assert_same_block(const struct workflow_block *one, const struct workflow_block *two)
{
    assert_int_equal(one->step_count, two->step_count);
    for (size_t i = 0; i < one->step_count; i++) {
        const struct workflow_step *a = &one->steps[i], *b = &two->steps[i];
        assert_string_equal(a->id, b->id);
        assert_int_equal(a->kind, b->kind);
        assert_ptr_equal(a->skill, b->skill);
        assert_int_equal(a->line, b->line);
        assert_true(a->fields == NULL ? b->fields == NULL : json_equal(a->fields, b->fields));
        assert_true(a->otherwise == NULL ? b->otherwise == NULL : json_equal(a->otherwise, b->otherwise));
        assert_int_equal(a->block_count, b->block_count);
        for (size_t k = 0; k < a->block_count; k++)
            assert_same_block(&a->blocks[k], &b->blocks[k]);
        assert_int_equal(a->otherwise_steps != NULL, b->otherwise_steps != NULL);
        if (a->otherwise_steps != NULL)
            assert_same_block(a->otherwise_steps, b->otherwise_steps);
    }
}

static void a_kept_definition_is_equal(void **state)
{
    struct workflow *first = read_house();
    struct text_problem problem;
    struct workflow *again = workflow_parse("kept", workflow_definition_text(first), &problem);

    (void)state;
    assert_non_null(again);
    assert_string_equal(first->hash, again->hash);
    assert_same_block(&first->steps, &again->steps);
    assert_same_block(&first->on_failure, &again->on_failure);
    assert_true(json_equal(first->result, again->result));
    workflow_destroy(&first);
    assert_string_equal(again->all[2]->id, "left_one");
    workflow_destroy(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_place_sees_what_has_ended),
        cmocka_unit_test(the_tree_is_as_written),
        cmocka_unit_test(the_order_of_keys_is_free),
        cmocka_unit_test(a_kept_definition_is_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
