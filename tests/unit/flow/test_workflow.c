// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CONFIG TEST_DATA "/../../config"
#define HEAD "workflow: test\nmode: live\non:\n  - webhook: shop\nsteps:\n"

static struct workflow *shipped(void)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_read_file(CONFIG "/workflows/order-confirmation.yaml", &problem);

    if (workflow == NULL)
        fail_msg("%u:%u: %s", problem.line, problem.column, problem.text);
    return workflow;
}

static json_t *json_of_file(const char *path)
{
    static char bytes[256 * 1024];
    struct json_problem problem;
    FILE *file = fopen(path, "r");
    size_t size;
    json_t *value;

    assert_non_null(file);
    size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    value = json_read((struct slice){bytes, size}, &problem);
    if (value == NULL)
        fail_msg("%s: %s", path, problem.text);
    return value;
}

static json_t *vars_of(const char *body)
{
    char path[512];

    snprintf(path, sizeof path, TEST_DATA "/shopify/%s.json", body);
    return json_pack("{s:{s:s,s:o},s:I,s:{},s:{},s:{s:{s:{s:s}}}}", "trigger", "shop", "demo.example", "body",
                     json_of_file(path), "now", (json_int_t)1763800000000, "shop", "run", "steps", "thanks", "result",
                     "paragraph", "Thanks & <3");
}

static void the_shipped_workflow_is_read(void **state)
{
    struct workflow *workflow = shipped();
    const struct workflow_step *mail = workflow_find_step(workflow, SLICE("mail"));
    const struct workflow_step *thanks = workflow_find_step(workflow, SLICE("thanks"));

    (void)state;
    assert_string_equal(workflow->name, "order-confirmation");
    assert_int_equal(workflow->steps.step_count, 6);
    assert_int_equal(workflow_matches_webhook(workflow, "shopify-orders", "orders/create"), 0);
    assert_int_equal(workflow_matches_webhook(workflow, "shopify-orders", "orders/paid"), 0);
    assert_int_equal(workflow_matches_webhook(workflow, "shopify-orders", "orders/updated"), -1);
    assert_int_equal(workflow_matches_webhook(workflow, "other", "orders/paid"), -1);
    assert_int_equal(workflow_find_trigger(workflow, TRIGGER_QUEUE, "shopify-orders"), -1);
    assert_int_equal(mail->attempts_max, 8);
    assert_int_equal(mail->retry_max_ms, 1800000);
    assert_int_equal(mail->on_unknown, UNKNOWN_ASK);
    assert_string_equal(skill_queue(mail->skill), "publish");
    assert_int_equal(thanks->unreachable_after_ms, 120000);
    assert_int_equal(json_integer_value(json_object_get(thanks->fields, "max_tokens")), 500);
    assert_non_null(thanks->otherwise);
    workflow_destroy(&workflow);
}

static void real_orders_become_inputs(void **state)
{
    static const struct {
        const char *body, *unique, *to, *total;
        int64_t revenue;
        bool has_customer;
    } cases[] = {
        {"orders_create_paid.shopify-app-js", "demo.example/1073459972", "foo@example.com", "Total: 199.00 USD", 19900,
         true},
        {"orders_paid.activepieces", "demo.example/5324830114101", NULL, NULL, 262995, false},
        {"orders_create_paid_big.shopify-app-js", "demo.example/1073459963", NULL, NULL, 27037, false},
        {"order.go-shopify", "demo.example/123456", "jon@doe.ca", "Total: 10.00 USD", 1000, false},
    };
    struct expression_engine *engine = expression_engine_new(NULL);
    struct workflow *workflow = shipped();
    struct text_problem problem;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *vars = vars_of(cases[i].body), *inputs;
        struct buffer key = {0};
        bool applies;

        assert_true(workflow_render_unique(engine, workflow, vars, &key, &problem));
        assert_true(slice_is(buffer_slice(&key), cases[i].unique));
        buffer_free(&key);
        assert_true(workflow_render_inputs(engine, workflow, &workflow->steps.steps[1], vars, &inputs, &problem));
        assert_int_equal(json_integer_value(json_object_get(inputs, "amount")), cases[i].revenue);
        assert_true(json_is_integer(json_object_get(inputs, "at")));
        json_decref(inputs);
        assert_true(workflow_step_applies(engine, workflow, &workflow->steps.steps[3], vars, &applies, &problem));
        assert_int_equal(applies, cases[i].has_customer);
        assert_true(workflow_step_applies(engine, workflow, &workflow->steps.steps[5], vars, &applies, &problem));
        assert_int_equal(applies, cases[i].to != NULL);
        if (applies) {
            assert_true(workflow_render_inputs(engine, workflow, &workflow->steps.steps[5], vars, &inputs, &problem));
            assert_true(slice_is(json_text_at(inputs, "to"), cases[i].to));
            assert_non_null(strstr(json_string_value(json_object_get(inputs, "text")), cases[i].total));
            assert_non_null(strstr(json_string_value(json_object_get(inputs, "html")), "Thanks &amp; &lt;3"));
            json_decref(inputs);
        }
        json_decref(vars);
    }
    workflow_destroy(&workflow);
    expression_engine_destroy(&engine);
}

static struct workflow *of_text(const char *text)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_parse("test.yaml", slice_of(text), &problem);

    if (workflow == NULL)
        fail_msg("%s\n%u:%u: %s", text, problem.line, problem.column, problem.text);
    return workflow;
}

static void the_definition_can_be_kept(void **state)
{
    struct workflow *first = of_text(HEAD "  - {id: a, log: x}\n"), *other = of_text(HEAD "  - {id: a, log: y}\n");
    struct text_problem problem;
    struct workflow *again = workflow_parse("kept", workflow_definition_text(first), &problem);

    (void)state;
    assert_string_equal(first->hash, again->hash);
    assert_string_not_equal(first->hash, other->hash);
    assert_int_equal(strlen(first->hash), 32);
    workflow_destroy(&first);
    workflow_destroy(&other);
    workflow_destroy(&again);
}

static void triggers_are_read(void **state)
{
    struct workflow *workflow =
        of_text("workflow: t\nmode: off\non:\n  - queue: stock-updates\n"
                "  - schedule: {cron: \"0 9 * * *\", zone: Europe/Berlin, missed: all, grace: 2h}\n"
                "  - webhook: any\nsteps:\n  - {id: a, log: x}\n");

    (void)state;
    assert_int_equal(workflow->mode, WORKFLOW_OFF);
    assert_int_equal(workflow_find_trigger(workflow, TRIGGER_QUEUE, "stock-updates"), 0);
    assert_int_equal(workflow->triggers[1].kind, TRIGGER_SCHEDULE);
    assert_int_equal(workflow->triggers[1].missed, MISSED_ALL);
    assert_int_equal(workflow->triggers[1].grace_ms, 7200000);
    assert_string_equal(workflow->triggers[1].schedule.zone, "Europe/Berlin");
    assert_int_equal(workflow_matches_webhook(workflow, "any", "whatever"), 2);
    workflow_destroy(&workflow);
}

static void fields_are_rendered(void **state)
{
    struct workflow *workflow =
        of_text(HEAD "  - id: a\n    email: {to: \"{{ trigger.to }}\", subject: \"{{ trigger.subject }}\", text: x, "
                     "html: \"{{ nil }}\"}\n"
                     "  - id: b\n    count: revenue\n    with: {amount: \"{{ trigger.n }}\", currency: \"\"}\n"
                     "  - id: c\n    generate: p\n    with: {vars: {n: 9007199254740993, t: \"007\", l: [\"{{ "
                     "trigger.n }}\", true]}}\n"
                     "    else: {text: \"n is {{ trigger.n }}\", n: \"{{ trigger.n }}\"}\n");
    struct expression_engine *engine = expression_engine_new(NULL);
    json_t *vars = json_pack("{s:{s:s,s:s,s:I}}", "trigger", "to", "a@example.com", "subject", "Hi\r\nBcc: evil", "n",
                             (json_int_t)5);
    struct text_problem problem;
    struct buffer text = {0};
    json_t *value;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(workflow_render_inputs(engine, workflow, &workflow->steps.steps[i], vars, &value, &problem));
        json_write(&text, value);
        json_decref(value);
    }
    assert_true(workflow_render_otherwise(engine, workflow, &workflow->steps.steps[2], vars, &value, &problem));
    json_write(&text, value);
    json_decref(value);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, "{\"subject\":\"Hi  Bcc: evil\",\"text\":\"x\",\"to\":\"a@example.com\"}"
                                   "{\"amount\":5,\"book\":\"revenue\"}"
                                   "{\"prompt\":\"p\",\"vars\":{\"l\":[5,true],\"n\":9007199254740993,\"t\":\"007\"}}"
                                   "{\"n\":5,\"text\":\"n is 5\"}");
    json_object_set_new(json_object_get(vars, "trigger"), "n", json_string("5"));
    assert_false(workflow_render_inputs(engine, workflow, &workflow->steps.steps[1], vars, &value, &problem));
    assert_non_null(strstr(problem.text, "b.amount: the value is no integer"));
    json_object_del(json_object_get(vars, "trigger"), "to");
    assert_false(workflow_render_inputs(engine, workflow, &workflow->steps.steps[0], vars, &value, &problem));
    assert_non_null(strstr(problem.text, "a.to: the rendered text is empty"));
    buffer_free(&text);
    json_decref(vars);
    workflow_destroy(&workflow);
    expression_engine_destroy(&engine);
}

static void bounds_are_kept(void **state)
{
    struct text_problem problem;
    struct buffer text = {0};

    (void)state;
    buffer_text(&text, HEAD);
    for (int i = 0; i <= WORKFLOW_STEPS_MAX; i++)
        buffer_printf(&text, "  - {id: s%d, log: x}\n", i);
    assert_null(workflow_parse("many", buffer_slice(&text), &problem));
    assert_non_null(strstr(problem.text, "1 to 200 steps"));
    while (text.size <= WORKFLOW_BYTES_MAX)
        buffer_text(&text, "# more\n");
    assert_null(workflow_parse("large", buffer_slice(&text), &problem));
    assert_non_null(strstr(problem.text, "larger than 256 KiB"));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_workflow_is_read),
        cmocka_unit_test(real_orders_become_inputs),
        cmocka_unit_test(the_definition_can_be_kept),
        cmocka_unit_test(triggers_are_read),
        cmocka_unit_test(fields_are_rendered),
        cmocka_unit_test(bounds_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
