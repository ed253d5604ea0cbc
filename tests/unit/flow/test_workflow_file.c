// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD "workflow: test\nmode: live\non:\n  - manual: true\nsteps:\n"
#define W(name, trigger, step)                                                                                         \
    "workflow: " name "\nmode: live\non:\n  - " trigger "\nsteps:\n  - {id: a, log: x}\n  - {id: b, " step "}\n"

static struct workflow *read_text(const char *file, const char *text)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_parse(file, slice_of(text), &problem);

    if (workflow == NULL)
        fail_msg("%s\n%u:%u: %s", text, problem.line, problem.column, problem.text);
    return workflow;
}

static void every_trigger_is_read(void **state)
{
    struct workflow *workflow = read_text(
        "t.yaml", "workflow: t\nmode: off\non:\n"
                  "  - webhook: shop\n    topic: [orders/create, orders/paid]\n"
                  "  - queue: stock\n"
                  "  - schedule: {cron: \"0 9 * * MON-FRI\", missed: ask, grace: 2h, jitter: 10m, overlap: wait,\n"
                  "      except: [\"12-24..12-26\", \"2026-05-14\"]}\n"
                  "  - {slot: instagram, missed: skip, grace: 5m, overlap: skip}\n"
                  "  - after: closing\n"
                  "  - {after: backup, state: failed}\n"
                  "  - manual: true\n"
                  "  - message: telegram\n"
                  "  - schedule: {cron: \"@daily\", zone: Europe/Berlin}\n"
                  "steps:\n  - {id: a, log: x}\n");
    const struct workflow_trigger *at = workflow->triggers;

    (void)state;
    assert_int_equal(workflow->trigger_count, 9);
    assert_string_equal(at[0].topics[1], "orders/paid");
    assert_null(at[0].topics[2]);
    assert_int_equal(at[2].kind, TRIGGER_SCHEDULE);
    assert_null(at[2].schedule.zone);
    assert_true(slice_is(at[2].cron_text, "0 9 * * MON-FRI"));
    assert_int_equal(at[2].missed, MISSED_ASK);
    assert_int_equal(at[2].overlap, OVERLAP_WAIT);
    assert_int_equal(at[2].grace_ms, 7200000);
    assert_int_equal(at[2].schedule.jitter_ms, 600000);
    assert_int_equal(at[2].schedule.except_count, 2);
    assert_true(at[2].schedule.except[0].is_yearly);
    assert_int_equal(at[3].kind, TRIGGER_SLOT);
    assert_string_equal(at[3].name, "instagram");
    assert_int_equal(at[3].missed, MISSED_SKIP);
    assert_int_equal(at[3].overlap, OVERLAP_SKIP);
    assert_int_equal(at[3].grace_ms, 300000);
    assert_int_equal(at[4].after, AFTER_DONE);
    assert_int_equal(at[5].after, AFTER_FAILED);
    assert_int_equal(at[6].kind, TRIGGER_MANUAL);
    assert_null(at[6].name);
    assert_string_equal(at[7].name, "telegram");
    assert_string_equal(at[8].schedule.zone, "Europe/Berlin");
    assert_int_equal(at[8].missed, MISSED_ONCE);
    assert_int_equal(at[8].overlap, OVERLAP_ALLOW);
    assert_int_equal(at[8].line, 14);
    assert_int_equal(workflow_find_trigger(workflow, TRIGGER_AFTER, "backup"), 5);
    assert_int_equal(workflow_find_trigger(workflow, TRIGGER_AFTER, NULL), 4);
    assert_int_equal(workflow_find_trigger(workflow, TRIGGER_MANUAL, NULL), 6);
    assert_int_equal(workflow_find_trigger(workflow, TRIGGER_SLOT, "facebook"), -1);
    workflow_destroy(&workflow);
}

static void rehearsals_are_read(void **state)
{
    struct workflow *workflow = read_text(
        "t.yaml", HEAD "  - {id: ask, generate: p, else: {text: x}}\n"
                       "  - {id: mail, email: {to: a@b.c, subject: s, text: t}}\n"
                       "tests:\n"
                       "  - name: the model is away\n"
                       "    trigger: {kind: manual, body: {id: 9007199254740993, text: \"{{ as it is }}\"}}\n"
                       "    body_file: bodies/order.json\n"
                       "    now: 1970-01-02T00:00:00Z\n"
                       "    store: {theme: autumn}\n"
                       "    answers:\n"
                       "      ask: [unreachable, {error: refused, text: no}, {result: {text: y}}]\n"
                       "      mail#2: {decision: edited, text: z, by: anna}\n"
                       "    expect:\n"
                       "      state: failed\n"
                       "      error: refused\n"
                       "      effects: [{step: mail, to: a@b.c}, {skill: email, mode: live, subject: {contains: s}}]\n"
                       "      steps: {ask: else, mail: not begun, mail#0: done}\n"
                       "      books: {revenue: 5}\n"
                       "      store: {theme: winter}\n"
                       "      result: [1]\n"
                       "  - {name: plain, expect: {}}\n");
    const struct workflow_fixture *fixture = &workflow->fixtures[0];

    (void)state;
    assert_int_equal(workflow->fixture_count, 2);
    assert_string_equal(fixture->name, "the model is away");
    assert_int_equal(json_integer_value(json_at(fixture->trigger, "body.id")), INT64_C(9007199254740993));
    assert_true(slice_is(json_text_at(fixture->trigger, "body.text"), "{{ as it is }}"));
    assert_string_equal(fixture->body_file, "bodies/order.json");
    assert_int_equal(fixture->now_ms, 86400000);
    assert_int_equal(json_array_size(json_object_get(fixture->answers, "ask")), 3);
    assert_int_equal(json_array_size(json_object_get(fixture->expect, "effects")), 2);
    assert_int_equal(fixture->line, 9);
    assert_null(workflow->fixtures[1].trigger);
    assert_null(workflow->fixtures[1].answers);
    assert_int_equal(workflow->fixtures[1].now_ms, 0);
    assert_non_null(workflow->fixtures[1].expect);
    workflow_destroy(&workflow);
}

static const struct {
    const char *text, *says; /* every line that is warned of; "" for none */
} doubts[] = {
    {HEAD "  - {id: a, log: x}\n", ""},
    {"workflow: t\nmode: off\non: [manual: true]\nsteps: [{id: a, log: x}]\n",
     "t.yaml:1: the workflow \"t\" is off: nothing begins a run\n"},
    {HEAD "  - {id: a, end: }\n  - {id: b, log: x}\n  - {id: c, log: x}\n",
     "t.yaml:7: the step \"b\" is never reached: \"a\" above it always ends the run\n"},
    {HEAD "  - {id: a, end: , when: \"{{ now > 5 }}\"}\n  - {id: b, log: x}\n", ""},
    {HEAD "  - {id: a, end: }\n", ""},
    {HEAD "  - id: s\n    switch: \"{{ now }}\"\n    cases:\n      x:\n        - {id: a, end: }\n"
          "        - {id: b, log: x}\n  - {id: c, log: x}\n",
     "t.yaml:11: the step \"b\" is never reached: \"a\" above it always ends the run\n"},
    {HEAD "  - {id: a, log: x, when: \"{{ false }}\"}\n", "t.yaml:6: the step \"a\" is never done: its when is always "
                                                          "false\n"},
    {HEAD "  - {id: a, log: x}\non_failure:\n  - {id: b, log: x, when: \"{{false}}\"}\n",
     "t.yaml:8: the step \"b\" is never done: its when is always false\n"},
};

static void what_looks_like_a_mistake_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof doubts / sizeof *doubts; i++) {
        struct workflow *workflow = read_text("t.yaml", doubts[i].text);
        struct buffer text = {0};
        workflow_warn(workflow, &text);
        buffer_append(&text, "", 1);
        assert_string_equal(text.data, doubts[i].says);
        buffer_free(&text);
        workflow_destroy(&workflow);
    }
}

/* The sentence is schedule_doubt()'s; here is its place, and how often it fires. */
static void a_cron_of_every_minute_is_told(void **state)
{
    struct workflow *workflow =
        read_text("t.yaml", "workflow: t\nmode: live\non:\n  - schedule: {cron: \"* 3 * * *\"}\n"
                            "  - schedule: {cron: \"0 3 * * *\"}\nsteps: [{id: a, log: x}]\n");
    struct buffer text = {0};

    (void)state;
    workflow_warn(workflow, &text);
    buffer_append(&text, "", 1);
    assert_int_equal(strncmp(text.data, "t.yaml:4: ", 10), 0);
    assert_non_null(strstr(text.data, "60 times"));
    assert_null(strstr(text.data, "t.yaml:5"));
    buffer_free(&text);
    workflow_destroy(&workflow);
}

static const struct {
    const char *texts[4];
    const char *says; /* NULL: no ring */
} rings[] = {
    {{W("a", "manual: true", "call: b"), W("b", "manual: true", "call: c"), W("c", "manual: true", "log: x")}, NULL},
    {{W("a", "manual: true", "call: b"), W("b", "manual: true", "call: c"), W("c", "manual: true", "call: a")},
     "0.yaml:7:1: these workflows begin each other for ever: a -> b -> c -> a; take out one call or after"},
    {{W("a", "manual: true", "call: b"), W("b", "manual: true", "call: c"), W("c", "manual: true", "call: b")},
     "1.yaml:7:1: these workflows begin each other for ever: b -> c -> b"},
    {{W("a", "manual: true", "call: a")}, "0.yaml:7:1: these workflows begin each other for ever: a -> a;"},
    {{W("a", "after: a", "log: x")}, "0.yaml:4:1: these workflows begin each other for ever: a -> a;"},
    {{W("a", "after: b", "call: b"), W("b", "manual: true", "log: x")},
     "0.yaml:7:1: these workflows begin each other for ever: a -> b -> a"},
    {{W("a", "after: b", "log: x"), W("b", "manual: true", "call: a")}, NULL},
    {{W("a", "after: b", "log: x"), W("b", "after: c", "log: x"), W("c", "manual: true", "log: x")}, NULL},
    {{W("a", "manual: true", "do: [{id: c, for_each: \"{{ now }}\", do: [{id: d, call: a}]}]")}, "a -> a"},
    {{W("a", "manual: true", "call: nobody")}, NULL},
};

static void rings_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
        struct text_problem problem = {.text = ""};
        struct workflow *workflows[4];
        char file[20], line[800];
        size_t count = 0;
        for (; count < 4 && rings[i].texts[count] != NULL; count++) {
            snprintf(file, sizeof file, "%zu.yaml", count);
            workflows[count] = read_text(file, rings[i].texts[count]);
        }
        bool good = workflows_check_rings(workflows, count, &problem);
        text_problem_print(&problem, line, sizeof line);
        if (good != (rings[i].says == NULL) || (!good && strstr(line, rings[i].says) == NULL))
            fail_msg("case %zu: %s", i, line);
        while (count > 0)
            workflow_destroy(&workflows[--count]);
    }
    struct text_problem problem;
    assert_true(workflows_check_rings(NULL, 0, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_trigger_is_read),
        cmocka_unit_test(rehearsals_are_read),
        cmocka_unit_test(what_looks_like_a_mistake_is_told),
        cmocka_unit_test(a_cron_of_every_minute_is_told),
        cmocka_unit_test(rings_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
