// SPDX-License-Identifier: MIT
#include "flow/run/rehearse.h"
#include "proto/rows.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct run_shop shop = {.name = "shop.example", .zone = "UTC", .currency = "EUR"};

/* One row for each item of `from`. */
static enum error save(const struct machine_save *what, struct buffer *ops, size_t *rows, char *problem, size_t room)
{
    assert_true(slice_is(what->target, "orders") && what->shop.size > 0 && what->rows_max > 0);
    if (!json_is_array(what->from)) {
        snprintf(problem, room, "save: no list");
        return ERROR_MALFORMED;
    }
    *rows = json_array_size(what->from);
    for (size_t i = 0; i < *rows; i++) {
        struct row row = {.table = TABLE_CUSTOMERS};
        struct buffer bytes = {NULL, 0, 0};
        for (size_t c = 0; c < table_info[TABLE_CUSTOMERS].column_count; c++)
            row.values[c] = (struct row_value){.is_null = c > 2};
        row_pack(&bytes, &row);
        op_put_append(ops, &(struct op_append){.row = buffer_slice(&bytes)});
        buffer_free(&bytes);
    }
    return ERROR_OK;
}

static const struct machine_hooks hooks = {.save = save};

static struct workflow *parse(const char *text)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_parse("w.yaml", slice_of(text), &problem);
    char shown[800];

    if (workflow == NULL) {
        text_problem_print(&problem, shown, sizeof(shown));
        fail_msg("%s", shown);
    }
    return workflow;
}

static bool play(const struct workflow *workflow, const struct workflow_fixture *fixture, bool invent,
                 struct rehearsal *rehearsal, struct text_problem *problem)
{
    struct expression_engine *engine = expression_engine_new(NULL);
    json_t *trigger = rehearsal_trigger(workflow, fixture, NULL, &shop);
    struct rehearsal_given given = {.workflow = workflow,
                                    .trigger = trigger,
                                    .answers = fixture->answers,
                                    .store = fixture->store,
                                    .invent = invent,
                                    .now_ms = fixture->now_ms,
                                    .engine = engine,
                                    .shop = &shop,
                                    .hooks = &hooks};
    bool good = rehearse(&given, rehearsal, problem);

    json_decref(trigger);
    expression_engine_destroy(&engine);
    return good;
}

/* Plays every fixture and appends what is wrong. */
static void play_all(const struct workflow *workflow, struct buffer *into)
{
    for (size_t i = 0; i < workflow->fixture_count; i++) {
        struct rehearsal rehearsal;
        struct text_problem problem;
        char text[800];
        if (play(workflow, &workflow->fixtures[i], false, &rehearsal, &problem)) {
            rehearsal_check(workflow, &workflow->fixtures[i], &rehearsal, into);
            rehearsal_fini(&rehearsal);
            continue;
        }
        text_problem_print(&problem, text, sizeof(text));
        buffer_printf(into, "%s\n", text);
    }
}

static void expect(const char *yaml, const char *expected)
{
    struct workflow *workflow = parse(yaml);
    struct buffer text = {NULL, 0, 0};

    assert_true(workflow->fixture_count > 0);
    play_all(workflow, &text);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, expected);
    buffer_free(&text);
    workflow_destroy(&workflow);
}

#define HEAD "workflow: w\nmode: live\non:\n  - manual: true\n"

static void test_local_steps(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: rows\n    save: {target: orders, from: \"{{ trigger.body }}\", shop: s}\n"
                "  - id: sum\n    count: {book: revenue, amount: 250, currency: EUR, once: a}\n"
                "  - id: again\n    count: {book: revenue, amount: 250, currency: EUR, once: a}\n"
                "  - id: yen\n    count: {book: foreign, amount: 7, currency: JPY}\n"
                "  - id: euro\n    count: {book: foreign, amount: 8, currency: EUR}\n"
                "  - id: runs\n    count: {book: runs}\n"
                "  - id: last\n    get: {key: last/run}\n"
                "  - id: kept\n    put: {key: last/run, value: \"{{ steps.last.result + 1 }}\"}\n"
                "result: {before: \"{{ steps.last.result }}\"}\n"
                "tests:\n"
                "  - name: all\n"
                "    trigger: {body: [1, 2, 3]}\n"
                "    store: {last/run: 41}\n"
                "    expect:\n"
                "      state: done\n"
                "      effects: []\n"
                "      books: {revenue: 250, foreign: {JPY: 7, EUR: 8}, runs: 1, none: 0}\n"
                "      store: {last/run: 42, other: null}\n"
                "      result: {before: 41}\n"
                "  - name: no list\n"
                "    trigger: {body: 1}\n"
                "    expect: {error: \"rows: malformed: save: no list\", steps: {rows: failed, sum: not begun}}\n",
           "");
}

static const char outside_text[] = HEAD
    "steps:\n"
    "  - id: thanks\n    generate: {prompt: p}\n    unreachable_after: 2m\n    else: {text: plain}\n"
    "  - id: mail\n    email: {to: \"{{ trigger.body.to }}\", subject: Hi, text: \"{{ steps.thanks.result.text }}\"}\n"
    "    else: {message_id: none}\n"
    "  - id: read\n    http: {url: \"https://a.example/x\"}\n    when: \"{{ trigger.body.read }}\"\n"
    "tests:\n"
    "  - name: happy\n"
    "    trigger: {body: {to: a@b.example}}\n"
    "    answers: {thanks: {result: {text: \"Thanks, {{ x }} <b>\"}}}\n"
    "    expect:\n"
    "      effects: [{step: mail, skill: email, to: a@b.example, text: {contains: \"{{ x }} <b>\"}, html: null}]\n"
    "      steps: {thanks: done, read: skipped}\n"
    "  - name: no model\n"
    "    trigger: {body: {to: a@b.example}}\n"
    "    answers: {thanks: unreachable}\n"
    "    expect: {effects: [{step: mail, text: plain}], steps: {thanks: else}}\n"
    "  - name: refused\n"
    "    trigger: {body: {to: a@b.example, read: true}}\n"
    "    answers:\n"
    "      thanks: {error: refused, text: no}\n"
    "      mail: {error: refused, text: no such mailbox}\n"
    "      read: {result: {status: 200}}\n"
    "    expect: {effects: [], steps: {mail: else}, result: {status: 200}}\n";

static void test_workers(void **state)
{
    (void)state;
    expect(outside_text, "");
}

static void test_mismatches(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: mail\n    email: {to: a@b.example, subject: Hi, text: Hello}\n"
                "  - id: bye\n    email: {to: c@d.example, subject: Bye, text: Bye}\n"
                "  - id: sum\n    count: {book: mails}\n"
                "tests:\n"
                "  - name: wrong\n"
                "    answers: {bye: {error: refused, text: no such mailbox}}\n"
                "    expect:\n"
                "      state: done\n"
                "      steps: {bye: done}\n"
                "      effects: [{step: mail, to: x@b.example, text: {contains: [Hell, xyz]}}, {step: bye}]\n"
                "      books: {mails: 1}\n"
                "      store: {a: 1}\n"
                "      result: {x: 1}\n"
                "  - name: other error\n"
                "    answers: {mail: {error: offline}}\n"
                "    expect: {state: failed, error: mailbox, effects: []}\n"
                "  - name: other step\n"
                "    expect: {effects: [{step: bye}, {step: mail, subject: Hi}, {skill: email}]}\n",
           "w.yaml:13: wrong: expected the run to be done, but it was failed: bye: refused: no such mailbox\n"
           "w.yaml:13: wrong: step bye: expected done, but it was failed: no such mailbox\n"
           "w.yaml:13: wrong: effect 1 (mail): to: expected \"x@b.example\", but it was \"a@b.example\"\n"
           "w.yaml:13: wrong: effect 1 (mail): text: expected a text with [\"Hell\",\"xyz\"], but it was \"Hello\"\n"
           "w.yaml:13: wrong: expected 2 effects, but there was 1: mail\n"
           "w.yaml:13: wrong: book mails: expected 1, but it was 0\n"
           "w.yaml:13: wrong: store a: expected 1, but it was nothing\n"
           "w.yaml:13: wrong: result: expected {\"x\":1}, but it was nothing\n"
           "w.yaml:22: other error: error: expected a text with \"mailbox\", but it was \"mail: offline\"\n"
           "w.yaml:25: other step: effect 1: expected \"bye\", but it was \"mail\"\n"
           "w.yaml:25: other step: effect 2: expected \"mail\", but it was \"bye\"\n"
           "w.yaml:25: other step: expected 3 effects, but there were 2: mail, bye\n");
}

static void test_insides(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: both\n"
                "    parallel:\n"
                "      mail:\n"
                "        - id: late\n          delay: 2h\n"
                "        - id: mail\n          email: {to: a@b.example, subject: s, text: \"{{ now }}\"}\n"
                "      books:\n"
                "        - id: one\n          count: {book: one}\n"
                "  - id: kind\n"
                "    switch: \"{{ trigger.body.kind }}\"\n"
                "    cases:\n"
                "      big:\n"
                "        - id: big\n          count: {book: big}\n"
                "    default:\n"
                "      - id: small\n        count: {book: small}\n"
                "  - id: all\n"
                "    for_each: \"{{ trigger.body.items }}\"\n"
                "    as: it\n"
                "    at_once: 2\n"
                "    do:\n"
                "      - id: tell\n        telegram: {text: \"{{ index }} {{ it }}\"}\n"
                "on_failure:\n"
                "  - id: alert\n    telegram: {text: \"{{ failure.step }} {{ failure.error }}\"}\n"
                "tests:\n"
                "  - name: all well\n"
                "    now: \"2026-01-05T09:00:00Z\"\n"
                "    trigger: {body: {kind: big, items: [a, b, c]}}\n"
                "    expect:\n"
                "      books: {one: 1, big: 1, small: 0}\n"
                "      steps: {both: done, tell#2: done, small: not begun}\n"
                "      effects:\n"
                "        - {step: mail, text: \"1767610800000\"}\n"
                "        - {step: tell, text: 0 a}\n"
                "        - {step: tell#1, text: 1 b}\n"
                "        - {step: tell#2, text: 2 c}\n"
                "  - name: one item fails\n"
                "    trigger: {body: {kind: x, items: [a, b]}}\n"
                "    answers:\n"
                "      tell#0: {error: refused}\n"
                "      tell: [{result: {}}, {error: failed}]\n"
                "    expect:\n"
                "      state: failed\n"
                "      error: refused\n"
                "      books: {small: 1}\n"
                "      effects: [{step: mail}, {step: tell#1}, {step: alert, text: \"tell#0 refused\"}]\n",
           "");
}

static void test_waiting_for_ever(void **state)
{
    (void)state;
    expect(
        HEAD "steps:\n"
             "  - id: mail\n    email: {to: a@b.example, subject: s, text: t}\n"
             "tests:\n"
             "  - name: nobody answers\n"
             "    answers: {mail: unreachable}\n"
             "    expect: {state: open, effects: [], steps: {mail: waiting}}\n"
             "  - name: said to be done\n"
             "    answers: {mail: unreachable}\n"
             "    expect: {state: done}\n",
        "w.yaml:12: said to be done: expected the run to be done, but it was open: step mail waits for ever; give it "
        "unreachable_after and else, or an answer\n");
}

static void test_calls(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: sub\n    call: {workflow: other, input: {a: 1}}\n"
                "tests:\n"
                "  - name: answered\n"
                "    answers: {sub: {result: {b: 2}}}\n"
                "    expect: {result: {b: 2}}\n"
                "  - name: failed\n"
                "    answers: {sub: {error: failed, text: it failed}}\n"
                "    expect: {error: it failed}\n"
                "  - name: not answered\n"
                "    expect: {state: done}\n",
           "w.yaml:6:1: step sub calls another workflow: say what comes back under answers.sub\n");
}

static void test_approvals(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: ok\n    approve: {content: Text, approvers: 2, remind: 1h, expires: 3h}\n"
                "  - id: post\n    when: \"{{ steps.ok.result.approved }}\"\n"
                "    telegram: {text: \"{{ steps.ok.result.content }}\"}\n"
                "tests:\n"
                "  - name: usual\n"
                "    expect: {effects: [{step: post, text: Text}]}\n"
                "  - name: approved\n"
                "    answers: {ok: {decision: approved, by: Ann}}\n"
                "    expect: {effects: [{step: post, text: Text}]}\n"
                "  - name: edited\n"
                "    answers: {ok: {decision: edited, text: Better}}\n"
                "    expect: {effects: [{step: post, text: Better}]}\n"
                "  - name: rejected\n"
                "    answers: {ok: {decision: rejected}}\n"
                "    expect: {effects: [], steps: {ok: done, post: skipped}}\n"
                "  - name: expired\n"
                "    answers: {ok: {decision: expired}}\n"
                "    expect: {effects: [], steps: {post: skipped}}\n",
           "");
}

static void test_missing_answers(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: thanks\n    generate: {prompt: p}\n"
                "  - id: read\n    http: {url: \"https://a.example/x\"}\n"
                "tests:\n"
                "  - name: nothing said\n    expect: {state: done}\n"
                "  - name: half\n    answers: {thanks: {result: {}}}\n    expect: {state: done}\n"
                "  - name: wrong kind\n    answers: {thanks: {decision: approved}}\n    expect: {state: done}\n"
                "  - name: figures\n    store: {figures/books: 1}\n    expect: {state: done}\n",
           "w.yaml:6:1: step thanks asks a model: say what comes back under answers.thanks\n"
           "w.yaml:8:1: step read reads from outside: say what comes back under answers.read\n"
           "w.yaml:6:1: step thanks cannot be rehearsed: answers.thanks: must be {result: ...}, {error: NAME, text: "
           "...} or unreachable\n"
           "w.yaml:1:1: store: figures/books must be a list\n");
}

static void test_throttle_waits(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: each\n"
                "    for_each: \"{{ {1, 2, 3} }}\"\n"
                "    do:\n"
                "      - id: slow\n        throttle: {key: k, limit: 1, per: 1h, then: wait}\n"
                "      - id: tell\n        telegram: {text: \"{{ now }}\"}\n"
                "tests:\n"
                "  - name: an hour apart\n"
                "    expect:\n"
                "      effects:\n"
                "        - {text: \"1767603600000\", step: tell}\n"
                "        - {text: {contains: \"17676072000\"}, step: tell}\n"
                "        - {text: {contains: \"17676108000\"}, step: tell}\n",
           "");
}

static void test_asking_the_shop_is_no_effect(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: look\n    shopify: {action: order, input: {order: 7}}\n"
                "  - id: mark\n    shopify: {action: tag, input: {order: 7, tags: vip}}\n"
                "tests:\n"
                "  - name: it is asked\n"
                "    answers: {look: {result: {order: {id: 7}}}}\n"
                "    expect:\n"
                "      effects: [{skill: shopify, action: tag}]\n"
                "      steps: {look: done, mark: done}\n",
           "");
}

/* A run tells of what a service should have told; one that an event began must not, or both go round for ever. */
static void test_events_are_told(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: known\n    booked: {book: revenue, key: s/7}\n"
                "  - id: unknown\n    booked: {book: revenue, key: s/8}\n"
                "  - id: tell\n    event: {hook: orders, topic: orders/create, shop: s, body: {id: 7}}\n"
                "    when: \"{{ steps.known.result.as_of == 5 and not filled(steps.unknown.result) }}\"\n"
                "tests:\n"
                "  - name: by hand\n"
                "    trigger: {kind: manual}\n"
                "    store: {booked/revenue/s/7: {amount: 1, currency: EUR, as_of: 5, at: 5}}\n"
                "    expect: {state: done, steps: {tell: done}, effects: []}\n"
                "  - name: by a webhook\n"
                "    trigger: {kind: webhook}\n"
                "    store: {booked/revenue/s/7: {amount: 1, currency: EUR, as_of: 5, at: 5}}\n"
                "    expect: {state: failed, error: \"event: only a run\"}\n",
           "");
}

/* A ring that never ends on its own is ended by the rehearsal's clock. */
static void test_bounds(void **state)
{
    (void)state;
    expect(HEAD "steps:\n"
                "  - id: wait\n    until: \"{{ now + 500 * 86400000 }}\"\n"
                "tests:\n"
                "  - name: too far\n    expect: {state: open, steps: {wait: waiting}}\n",
           "");
}

static void test_unique_is_rendered(void **state)
{
    (void)state;
    struct workflow *workflow = parse(HEAD "unique: \"{{ trigger.body.id }}\"\n"
                                           "steps:\n  - id: a\n    log: {text: x}\n"
                                           "tests:\n"
                                           "  - name: good\n    trigger: {body: {id: 1}}\n    expect: {state: done}\n"
                                           "  - name: empty\n    expect: {state: done}\n");
    struct rehearsal rehearsal;
    struct text_problem problem;

    assert_true(play(workflow, &workflow->fixtures[0], false, &rehearsal, &problem));
    rehearsal_fini(&rehearsal);
    assert_false(play(workflow, &workflow->fixtures[1], false, &rehearsal, &problem));
    assert_null(rehearsal.run.record);
    workflow_destroy(&workflow);
}

static void test_invented_answers(void **state)
{
    (void)state;
    struct workflow *workflow = parse(
        HEAD "steps:\n"
             "  - id: one\n    generate:\n      prompt: p\n      schema: {type: object, properties: {title: {type: "
             "string}, stars: {type: integer}}}\n"
             "  - id: two\n    generate: {prompt: p}\n    else: {text: plain}\n"
             "  - id: tell\n    telegram: {text: \"{{ steps.one.result.title }} {{ steps.two.result.text }}\"}\n"
             "tests:\n  - name: x\n    expect: {state: done}\n");
    struct rehearsal rehearsal;
    struct text_problem problem;

    assert_true(play(workflow, &workflow->fixtures[0], true, &rehearsal, &problem));
    assert_int_equal(rehearsal.run.state, RUN_DONE);
    assert_int_equal(json_array_size(rehearsal.invented), 2);
    assert_true(slice_is(json_text_at(rehearsal.effects, "0.input.text"), "(an answer of the model) plain"));
    rehearsal_fini(&rehearsal);
    workflow_destroy(&workflow);
}

static void test_triggers_are_filled_in(void **state)
{
    (void)state;
    struct workflow *workflow =
        parse("workflow: w\nmode: off\non:\n"
              "  - webhook: orders\n    topic: [orders/create, orders/paid]\n"
              "  - schedule: {cron: \"0 9 * * *\"}\n"
              "  - message: telegram\n"
              "steps:\n  - id: a\n    log: {text: \"{{ trigger.kind }}\"}\n"
              "tests:\n"
              "  - name: hook\n    trigger: {topic: orders/paid, body: {id: 1}}\n    expect: {state: done}\n"
              "  - name: clock\n    trigger: {kind: schedule}\n    expect: {state: done}\n"
              "  - name: words\n    trigger: {kind: message, text: hi}\n    expect: {state: done}\n");
    static const char *const expected[] = {
        ("{\"body\":{\"id\":1},\"hook\":\"orders\",\"kind\":\"webhook\",\"received_ms\":1767603600000,"
         "\"sender_id\":\"rehearsal\",\"shop\":\"shop.example\",\"topic\":\"orders/paid\"}"),
        "{\"index\":1,\"kind\":\"schedule\",\"late\":false,\"planned_ms\":1767603600000}",
        "{\"channel\":\"telegram\",\"kind\":\"message\",\"received_ms\":1767603600000,\"text\":\"hi\"}",
    };

    for (size_t i = 0; i < 3; i++) {
        struct buffer text = {NULL, 0, 0};
        json_t *trigger = rehearsal_trigger(workflow, &workflow->fixtures[i], NULL, &shop);
        json_write(&text, trigger);
        buffer_append(&text, "", 1);
        assert_string_equal(text.data, expected[i]);
        buffer_free(&text);
        json_decref(trigger);
    }
    workflow_destroy(&workflow);
}

/* Equal inputs, equal outcomes: the whole record, not only what fixtures look at. */
static void test_determinism(void **state)
{
    (void)state;
    struct workflow *workflow = parse(outside_text);
    struct buffer text[2] = {{NULL, 0, 0}, {NULL, 0, 0}};

    for (size_t i = 0; i < 2; i++) {
        struct rehearsal rehearsal;
        struct text_problem problem;
        assert_true(play(workflow, &workflow->fixtures[1], false, &rehearsal, &problem));
        json_write(&text[i], rehearsal.run.record);
        assert_int_equal(rehearsal.ended_ms, REHEARSAL_NOW_MS + 120000);
        rehearsal_fini(&rehearsal);
    }
    assert_true(slice_equal(buffer_slice(&text[0]), buffer_slice(&text[1])));
    buffer_free(&text[0]);
    buffer_free(&text[1]);
    workflow_destroy(&workflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_steps),      cmocka_unit_test(test_workers),
        cmocka_unit_test(test_mismatches),       cmocka_unit_test(test_insides),
        cmocka_unit_test(test_waiting_for_ever), cmocka_unit_test(test_calls),
        cmocka_unit_test(test_approvals),        cmocka_unit_test(test_missing_answers),
        cmocka_unit_test(test_throttle_waits),   cmocka_unit_test(test_asking_the_shop_is_no_effect),
        cmocka_unit_test(test_events_are_told),
        cmocka_unit_test(test_bounds),           cmocka_unit_test(test_unique_is_rendered),
        cmocka_unit_test(test_invented_answers), cmocka_unit_test(test_triggers_are_filled_in),
        cmocka_unit_test(test_determinism),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
