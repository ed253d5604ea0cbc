// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ON "workflow: test\nmode: live\non:\n"
#define HEAD ON "  - webhook: shop\nsteps:\n"
#define EACH "  - {id: a, for_each: \"{{ trigger.list }}\", do: [{id: b, log: x}], "
#define TESTS HEAD "  - {id: mail, email: {to: a@b.c, subject: s, text: t}}\n"

static const struct {
    const char *text, *says;
} wrong_files[] = {
    {"", ""},
    {"[]", "1:1: here belongs a map"},
    {"workflow: t\nmode: live\non:\n  - webhook: a\n", "the workflow lacks steps; add"},
    {"mode: live\n", "lacks workflow; add workflow: NAME"},
    {"workflow: T x\nmode: live\n", "1:11: the workflow's name \"T x\" is no name"},
    {"workflow: t\nmode: on\n", "2:7: mode \"on\" is unknown; write one of: off, shadow, live"},
    {"workflow: t\nmodes: live\n", "2:1: unknown key \"modes\"; did you mean \"mode\"?"},
    {"workflow: t\nmode: live\nfrobnicate: 1\n", "possible here: workflow, description"},
    {"workflow: t\nmode: live\non: shop\nsteps: []\n", "on wants a list"},
    {"workflow: t\nmode: live\non:\n  - webhook: a\n    queue: b\n", "4:5: each entry of on wants exactly one"},
    {"workflow: t\nmode: live\non:\n  - queue: a\n    topic: b\n", "only a webhook has a topic"},
    {"workflow: t\nmode: live\non:\n  - schedule: {cron: \"0 25 * * *\"}\n",
     "4:22: the hour field \"25\" is out of range"},
    {"workflow: t\nmode: live\non:\n  - schedule: {cron: \"0 5 * * *\", zone: Berlin}\n", "no time zone \"Berlin\""},
    {"workflow: t\nmode: live\non:\n  - schedule: {zone: UTC}\n", "lacks cron"},
    {"workflow: t\nmode: live\nunique: \"{{ steps.a.result }}\"\n", "3:19: there is no earlier step \"a\" here"},
    {HEAD "  - log: x\n", "6:5: the step lacks an id"},
    {HEAD "  - id: a-b\n    log: x\n", "6:9: the id \"a-b\" is no name"},
    {HEAD "  - {id: a, log: x}\n  - {id: a, log: x}\n", "7:10: the id \"a\" is taken by the step in line 6"},
    {HEAD "  - id: a\n", "the step does nothing; add one of"},
    {HEAD "  - {id: a, log: x, save: orders}\n", "a step does one thing"},
    {HEAD "  - {id: a, email: x, log: y}\n", "6:23: a step does one thing, and this one has email and log"},
    {HEAD "  - {id: a, emial: x}\n", "did you mean \"email\""},
    {HEAD "  - id: a\n    email: {to: x@y.z, subjekt: a}\n",
     "7:24: unknown key \"subjekt\"; did you mean \"subject\"?"},
    {HEAD "  - id: a\n    email: {to: x@y.z, subject: a}\n", "email lacks text; add it: Plain text"},
    {HEAD "  - id: a\n    save: order\n    with: {from: x}\n",
     "7:11: target \"order\" is unknown; write one of: orders"},
    {HEAD "  - id: a\n    save: orders\n    with: {from: {{ trigger.body }}}\n", "quotes"},
    {HEAD "  - id: a\n    save: {target: orders, from: x}\n    with: {shop: x}\n", "with goes together with"},
    {HEAD "  - id: a\n    log: x\n    with: {text: y}\n", "text stands twice"},
    {HEAD "  - id: a\n    count: {book: r, amount: 1.5}\n", "amount \"1.5\" is no such number"},
    {HEAD "  - id: a\n    count: {book: \"{{ x }}\"}\n", "book is fixed when the file is read"},
    {HEAD "  - id: a\n    generate: {prompt: p, max_tokens: 0}\n", "write a whole number from 1 to 65536"},
    {HEAD "  - id: a\n    generate: {prompt: p, temperature: 3}\n", "write one from 0 to 2"},
    {HEAD "  - id: a\n    generate: {prompt: p, vars: x}\n", "vars wants a map"},
    {HEAD "  - id: a\n    generate: p\n    timeout: 5\n",
     "8:14: timeout \"5\" is no duration; write a number and ms, s"},
    {HEAD "  - id: a\n    generate: p\n    timeout: 91d\n", "from 1ms to 90d"},
    {HEAD "  - id: a\n    generate: p\n    unreachable_after: 2m\n", "lacks its else"},
    {HEAD "  - id: a\n    generate: p\n    else: hello\n", "else wants a map"},
    {HEAD "  - id: a\n    generate: p\n    on_unknown: ask\n", "leave on_unknown out"},
    {HEAD "  - id: a\n    generate: p\n    retry: {attempts: 0}\n", "from 1 to 100"},
    {HEAD "  - id: a\n    generate: p\n    retry: {first: 2h, max: 1h}\n", "write first below max"},
    {HEAD "  - id: a\n    log: x\n    retry: {attempts: 2}\n", "log is done at once and needs no retry"},
    {HEAD "  - id: a\n    log: x\n    else: {a: b}\n", "log is done at once and needs no else"},
    {HEAD "  - id: a\n    log: x\n    when: \"true\"\n", "when must be one expression"},
    {HEAD "  - id: a\n    log: \"{{ triger.x }}\"\n",
     "7:14: there is no name \"triger\" here; did you mean \"trigger\""},
    {HEAD "  - id: a\n    log: |\n      x\n      {{ triger.x }}\n", "9:4: there is no name"},
    {HEAD "  - id: a\n    log: \"{{ steps.b.result }}\"\n  - {id: b, log: x}\n", "no earlier step \"b\""},
    {HEAD "  - id: a\n    log: \"{{ 1 + }}\"\n", "unexpected symbol"},
    {HEAD "  - id: a\n    log: [x]\n", "text is a list; write one text"},
    {HEAD "  - id: a\n    log: \"\"\n", "text has 0 bytes; write 1 to 1000"},

    /* the parts of a file */
    {HEAD "  - {id: a, log: x}\nresult: {a: \"{{ steps.b.result }}\"}\n", "7:23: there is no earlier step \"b\""},
    {HEAD "  - {id: a, log: x}\non_failure: oops\n", "7:13: on_failure wants a list of 1 to 200 steps"},
    {HEAD "  - {id: a, log: x}\non_failure:\n  - {id: a, log: y}\n",
     "8:10: the id \"a\" is taken by the step in line 6"},
    {HEAD "  - {id: a, log: \"{{ failure.text }}\"}\n", "6:22: there is no name \"failure\" here"},
    {HEAD "  - {id: a, log: x}\non_failure:\n  - {id: b, log: \"{{ error.step }}\"}\n",
     "8:22: \"error\" is a function and has no fields; did you mean \"failure\"?"},
    {HEAD "  - {id: a, log: \"{{ date.year }}\"}\n", "6:22: \"date\" is a function and has no fields; call it with ()"},
    {HEAD "  - {id: a, log: x}\n  - {id: b, log: x, else: {x: y}, wen: \"{{ true }}\"}\n", "did you mean \"when\""},
    {HEAD "  - id: a\n    log: {{ now }}\n", "7:10: YAML reads an unquoted {{ as the start of a map; put quotes"},

    /* triggers */
    {ON "  - schedul: {}\n", "4:5: unknown key \"schedul\"; did you mean \"schedule\"?"},
    {ON "  - {queue: a, state: done}\n", "4:16: state goes together with after only"},
    {ON "  - {queue: a, missed: all}\n", "4:16: missed stands beside slot, or inside schedule"},
    {ON "  - schedule: {cron: \"0 5 * * *\"}\n    overlap: skip\n", "5:5: overlap stands beside slot, or inside"},
    {ON "  - {slot: a, missed: never}\n", "4:23: missed \"never\" is unknown; write one of: skip, once, all, ask"},
    {ON "  - {slot: a, overlap: no}\n", "4:24: overlap \"no\" is unknown; write one of: allow, skip, wait"},
    {ON "  - {slot: \"a b\"}\n", "4:12: the channel \"a b\" is no name"},
    {ON "  - {after: a, state: sick}\n", "4:23: state \"sick\" is unknown; write one of: any, done, failed"},
    {ON "  - {manual: yes}\n", "4:14: manual \"yes\" is neither true nor false"},
    {ON "  - {manual: false}\n", "4:14: manual is true or not there"},
    {ON "  - {message: pigeon}\n", "4:15: message \"pigeon\" is unknown; write one of: telegram, mail"},
    {ON "  - schedule: {cron: \"0 5 * * *\", jitter: 2d}\n", "4:43: jitter \"2d\" is no duration"},
    {ON "  - schedule: {cron: \"0 5 * * *\", except: 12-24}\n", "4:43: except wants a list of up to 64 days"},
    {ON "  - schedule: {cron: \"0 5 * * *\", except: [\"13-24\"]}\n", "4:44: "},

    /* steps inside steps */
    {HEAD "  - {id: a, do: []}\n", "6:17: do wants a list of 1 to 200 steps"},
    {HEAD "  - {id: a, do: [{id: b, log: x}], log: y}\n", "a step does one thing, and this one has do and log"},
    {HEAD "  - {id: a, do: [{id: b, log: x}], timeout: 1m}\n",
     "6:36: timeout belongs to a step with a skill; put it on the steps inside do"},
    {HEAD "  - {id: a, log: x, at_most: 3}\n", "6:21: at_most goes together with for_each only"},
    {HEAD "  - {id: a, log: x, cases: {}}\n", "6:21: cases goes together with switch only"},
    {HEAD "  - {id: a, parallel: {b: [{id: c, log: x}]}}\n", "6:23: parallel wants a map of 2 to 16 branches"},
    {HEAD "  - {id: a, parallel: [{id: c, log: x}]}\n", "6:23: parallel wants a map of 2 to 16 branches"},
    {HEAD "  - {id: a, parallel: {b: [{id: c, log: x}], \"d e\": [{id: f, log: x}]}}\n",
     "6:46: the branch \"d e\" is no name"},
    {HEAD "  - {id: a, parallel: {b: [{id: c, log: x}], d: {id: f, log: x}}}\n", "6:49: d wants a list of 1 to"},
    {HEAD "  - {id: a, switch: \"{{ now }}\"}\n", "6:5: the switch lacks cases; add cases: {VALUE: [steps]}"},
    {HEAD "  - {id: a, switch: paid, cases: {b: [{id: c, log: x}]}}\n", "6:21: switch must be one expression"},
    {HEAD "  - {id: a, switch: \"{{ now }}\", cases: {}}\n", "6:41: cases wants a map of 1 to 15 cases"},
    {HEAD "  - {id: a, switch: \"{{ now }}\", cases: {b: [{id: c, log: x}], b: [{id: d, log: x}]}}\n",
     "the key \"b\" stands here twice"},
    {HEAD "  - {id: a, for_each: \"{{ steps }}\"}\n", "6:5: the for_each lacks do; add do: [steps]"},
    {HEAD "  - {id: a, for_each: [1, 2], do: [{id: b, log: x}]}\n", "6:23: for_each is a list; write one text"},
    {HEAD "  - {id: a, for_each: all, do: [{id: b, log: x}]}\n", "6:23: for_each must be one expression"},
    {HEAD EACH "as: now}\n", "as \"now\" would hide what now stands for"},
    {HEAD EACH "as: index}\n", "as \"index\" would hide what index stands for"},
    {HEAD EACH "as: end}\n", "as \"end\" is a word of the expressions"},
    {HEAD EACH "as: first}\n", "as \"first\" is a word of the expressions"},
    {HEAD EACH "as: Line}\n", "as \"Line\" is no name"},
    {HEAD EACH "at_most: 1001}\n", "at_most \"1001\" is no such number; write a whole number from 1 to 1000"},
    {HEAD EACH "at_once: 17}\n", "at_once \"17\" is no such number; write a whole number from 1 to 16"},
    {HEAD
     "  - {id: a, for_each: \"{{ trigger.x }}\", do: [{id: b, for_each: \"{{ item }}\", do: [{id: c, log: x}]}]}\n",
     "6:65: as \"item\" would hide the item of the for_each around it"},
    {HEAD "  - id: a\n    do: &x [{id: b, log: x}]\n", "anchors (&) are not part of this format"},

    /* skills */
    {HEAD "  - {id: a, delay: soon}\n", "6:20: time \"soon\" is no duration; write a number and ms, s, m, h or d"},
    {HEAD "  - {id: a, delay: 367d}\n", "from 1ms to 366d"},
    {HEAD "  - {id: a, until: tomorrow}\n", "6:20: moment \"tomorrow\" is no time; write one like"},
    {HEAD "  - {id: a, telegram: {text: x, silent: maybe}}\n", "6:41: silent \"maybe\" is neither true nor false"},
    {HEAD "  - {id: a, throttle: k}\n", "throttle lacks per; add it: In any span of this length"},
    {HEAD "  - {id: a, throttle: {key: k, per: 1h, then: skip}}\n",
     "then \"skip\" is unknown; write one of: go|end|wait"},
    {HEAD "  - {id: a, call: \"{{ x }}\"}\n", "6:19: workflow is fixed when the file is read"},
    {HEAD "  - {id: a, delay: 1h, timeout: 1h}\n", "6:33: delay asks no service and needs no timeout"},
    {HEAD "  - {id: a, end: \"\"}\n", "6:18: text has 0 bytes; write 1 to 400"},
    {HEAD "  - {id: a, variant: v, with: {variants: 3, unit: u}}\n", "6:42: variants wants a map; write {name: value}"},
    {HEAD "  - {id: a, generate: p, else: []}\n", "6:32: else wants a list of 1 to 200 steps"},
    {HEAD "  - {id: a, generate: p, else: [{id: b, frob: x}]}\n", "6:41: unknown key \"frob\""},
    {HEAD "  - {id: a, generate: p, unreachable_after: 1m}\n", "6:45: unreachable_after lacks its else"},

    /* rehearsals */
    {TESTS "tests: yes\n", "7:8: tests wants a list of 1 to 64 rehearsals"},
    {TESTS "tests:\n  - {expect: {state: done}}\n", "8:5: the rehearsal lacks a name"},
    {TESTS "tests:\n  - {name: t}\n", "8:5: the rehearsal lacks expect; add expect: {state: done}"},
    {TESTS "tests:\n  - {name: t, expect: {}}\n  - {name: t, expect: {}}\n",
     "9:12: the name is taken by the rehearsal in line 8"},
    {TESTS "tests:\n  - {name: t, expects: {}}\n", "8:15: unknown key \"expects\"; did you mean \"expect\"?"},
    {TESTS "tests:\n  - {name: t, now: noon, expect: {}}\n", "8:20: now is no time"},
    {TESTS "tests:\n  - {name: t, body_file: /etc/passwd, expect: {}}\n", "8:26: body_file is a path from"},
    {TESTS "tests:\n  - {name: t, trigger: 5, expect: {}}\n", "8:24: trigger wants a map"},
    {TESTS "tests:\n  - {name: t, expect: {state: good}}\n",
     "8:31: state \"good\" is unknown; write one of: open, done"},
    {TESTS "tests:\n  - {name: t, expect: {steps: {b: done}}}\n", "8:32: there is no step \"b\""},
    {TESTS "tests:\n  - {name: t, expect: {steps: {mial: done}}}\n", "did you mean \"mail\""},
    {TESTS "tests:\n  - {name: t, expect: {steps: {mail: fine}}}\n", "8:38: the step's state \"fine\" is unknown"},
    {TESTS "tests:\n  - {name: t, expect: {effects: 1}}\n", "8:33: effects wants a list"},
    {TESTS "tests:\n  - {name: t, expect: {effects: [{to: x}]}}\n", "8:34: an effect lacks skill or step"},
    {TESTS "tests:\n  - {name: t, expect: {effects: [{skill: fax}]}}\n", "8:42: there is no skill \"fax\""},
    {TESTS "tests:\n  - {name: t, expect: {effects: [{step: mail, too: x}]}}\n",
     "unknown key \"too\"; did you mean \"to\"?"},
    {TESTS "tests:\n  - {name: t, expect: {}, answers: {mail: {eror: lost}}}\n", "did you mean \"error\""},
    {TESTS "tests:\n  - {name: t, expect: {}, answers: {mail: {error: sad}}}\n", "8:51: there is no error \"sad\""},
    {TESTS "tests:\n  - {name: t, expect: {}, answers: {mail: {error: lost, result: x}}}\n",
     "exactly one of result, error"},
    {TESTS "tests:\n  - {name: t, expect: {}, answers: {mail: [unreachable, away]}}\n",
     "8:57: an answer is {result: ...}"},
    {TESTS "tests:\n  - {name: t, expect: {}, answers: {male: unreachable}}\n", "8:37: there is no step \"male\""},
    {TESTS "tests:\n  - {name: t, expect: {}, answers: {mail: {decision: maybe}}}\n", "decision \"maybe\" is unknown"},
};

static void wrong_files_say_what_is_right(void **state)
{
    struct text_problem problem;
    char line[800];

    (void)state;
    for (size_t i = 0; i < sizeof wrong_files / sizeof *wrong_files; i++) {
        if (workflow_parse("test.yaml", slice_of(wrong_files[i].text), &problem) != NULL)
            fail_msg("accepted: %s", wrong_files[i].text);
        text_problem_print(&problem, line, sizeof line);
        if (strstr(line, wrong_files[i].says) == NULL)
            fail_msg("%s\n%s", wrong_files[i].text, line);
    }
    assert_null(workflow_read_file(TEST_DATA "/no-such.yaml", &problem));
}

/* Seven levels: steps inside steps are bounded before anything recurses over them. */
static void depth_is_bounded(void **state)
{
    struct text_problem problem;
    struct workflow *workflow;
    struct buffer text = {0};

    (void)state;
    for (int levels = 6; levels <= 7; levels++) {
        text.size = 0;
        buffer_text(&text, HEAD);
        for (int i = 1; i < levels; i++)
            buffer_printf(&text, "%*s- id: s%d\n%*sdo:\n", 2 * i, "", i, 2 * i + 2, "");
        buffer_printf(&text, "%*s- {id: last, log: x}\n", 2 * levels, "");
        workflow = workflow_parse("deep", buffer_slice(&text), &problem);
        assert_int_equal(workflow != NULL, levels == 6);
        if (workflow != NULL)
            assert_int_equal(workflow_find_step(workflow, SLICE("last"))->depth, 5);
        workflow_destroy(&workflow);
    }
    assert_non_null(strstr(problem.text, "more than 6 levels deep; move some to another workflow and call it"));
    buffer_free(&text);
}

/* The bound holds for all steps together, wherever they stand. */
static void steps_are_counted_together(void **state)
{
    struct text_problem problem;
    struct buffer text = {0};

    (void)state;
    buffer_text(&text, HEAD);
    for (int i = 0; i < 2; i++) {
        buffer_printf(&text, "  - id: block%d\n    do:\n", i);
        for (int k = 0; k < WORKFLOW_STEPS_MAX / 2; k++)
            buffer_printf(&text, "      - {id: s%d_%d, log: x}\n", i, k);
    }
    assert_null(workflow_parse("many", buffer_slice(&text), &problem));
    assert_non_null(strstr(problem.text, "a workflow has at most 200 steps in all; move some to another one"));
    assert_int_equal(problem.line, 6 + 2 * 2 + WORKFLOW_STEPS_MAX - 2);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_files_say_what_is_right),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(steps_are_counted_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
