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
    const struct workflow_step *mail = &workflow->steps[workflow_find_step(workflow, "mail")];
    const struct workflow_step *thanks = &workflow->steps[workflow_find_step(workflow, "thanks")];

    (void)state;
    assert_string_equal(workflow->name, "order-confirmation");
    assert_int_equal(workflow->step_count, 6);
    assert_int_equal(workflow_matches_webhook(workflow, "shopify-orders", "orders/create"), 0);
    assert_int_equal(workflow_matches_webhook(workflow, "shopify-orders", "orders/paid"), 0);
    assert_int_equal(workflow_matches_webhook(workflow, "shopify-orders", "orders/updated"), -1);
    assert_int_equal(workflow_matches_webhook(workflow, "other", "orders/paid"), -1);
    assert_int_equal(workflow_matches_queue(workflow, "shopify-orders"), -1);
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
        assert_true(workflow_render_inputs(engine, workflow, &workflow->steps[1], vars, &inputs, &problem));
        assert_int_equal(json_integer_value(json_object_get(inputs, "amount")), cases[i].revenue);
        assert_true(json_is_integer(json_object_get(inputs, "at")));
        json_decref(inputs);
        assert_true(workflow_step_applies(engine, workflow, &workflow->steps[3], vars, &applies, &problem));
        assert_int_equal(applies, cases[i].has_customer);
        assert_true(workflow_step_applies(engine, workflow, &workflow->steps[5], vars, &applies, &problem));
        assert_int_equal(applies, cases[i].to != NULL);
        if (applies) {
            assert_true(workflow_render_inputs(engine, workflow, &workflow->steps[5], vars, &inputs, &problem));
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
    assert_int_equal(workflow_matches_queue(workflow, "stock-updates"), 0);
    assert_int_equal(workflow->triggers[1].kind, TRIGGER_SCHEDULE);
    assert_int_equal(workflow->triggers[1].missed, MISSED_ALL);
    assert_int_equal(workflow->triggers[1].grace_ms, 7200000);
    assert_string_equal(workflow->triggers[1].zone, "Europe/Berlin");
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
        assert_true(workflow_render_inputs(engine, workflow, &workflow->steps[i], vars, &value, &problem));
        json_write(&text, value);
        json_decref(value);
    }
    assert_true(workflow_render_otherwise(engine, workflow, &workflow->steps[2], vars, &value, &problem));
    json_write(&text, value);
    json_decref(value);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, "{\"subject\":\"Hi  Bcc: evil\",\"text\":\"x\",\"to\":\"a@example.com\"}"
                                   "{\"amount\":5,\"book\":\"revenue\"}"
                                   "{\"prompt\":\"p\",\"vars\":{\"l\":[5,true],\"n\":9007199254740993,\"t\":\"007\"}}"
                                   "{\"n\":5,\"text\":\"n is 5\"}");
    json_object_set_new(json_object_get(vars, "trigger"), "n", json_string("5"));
    assert_false(workflow_render_inputs(engine, workflow, &workflow->steps[1], vars, &value, &problem));
    assert_non_null(strstr(problem.text, "b.amount: the value is no integer"));
    json_object_del(json_object_get(vars, "trigger"), "to");
    assert_false(workflow_render_inputs(engine, workflow, &workflow->steps[0], vars, &value, &problem));
    assert_non_null(strstr(problem.text, "a.to: the rendered text is empty"));
    buffer_free(&text);
    json_decref(vars);
    workflow_destroy(&workflow);
    expression_engine_destroy(&engine);
}

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
    {HEAD "  - {id: a, log: x}\n  - {id: a, log: x}\n", "7:10: the id \"a\" is taken"},
    {HEAD "  - id: a\n", "the step does nothing; add one of"},
    {HEAD "  - {id: a, log: x, save: orders}\n", "a step does one thing"},
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
    {HEAD "  - id: a\n    generate: p\n    timeout: 91d\n", "up to 90d"},
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

static void bounds_are_kept(void **state)
{
    struct text_problem problem;
    struct buffer text = {0};

    (void)state;
    buffer_text(&text, HEAD);
    for (int i = 0; i <= WORKFLOW_STEPS_MAX; i++)
        buffer_printf(&text, "  - {id: s%d, log: x}\n", i);
    assert_null(workflow_parse("many", buffer_slice(&text), &problem));
    assert_non_null(strstr(problem.text, "1 to 100 steps"));
    while (text.size <= WORKFLOW_BYTES_MAX)
        buffer_text(&text, "# more\n");
    assert_null(workflow_parse("large", buffer_slice(&text), &problem));
    assert_non_null(strstr(problem.text, "larger than 256 KiB"));
    buffer_free(&text);
}

/* The schema for editors tells the same fields as skills.def. */
static void the_schema_follows_the_table(void **state)
{
    json_t *schema = json_of_file(CONFIG "/schema/workflow.schema.json");
    const json_t *steps = json_at(schema, "$defs.step.properties");

    (void)state;
    assert_int_equal(json_object_size(steps), SKILLS_COUNT + 8);
    for (size_t i = 0; i < SKILLS_COUNT; i++) {
        const json_t *skill = json_object_get(steps, skills[i].name);
        const json_t *fields = json_at(skill, "anyOf.0.properties"), *required = json_at(skill, "anyOf.0.required");
        size_t required_count = 0;

        assert_true(slice_is(json_text_at(skill, "description"), skills[i].doc));
        assert_int_equal(json_object_size(fields), skills[i].field_count);
        for (size_t k = 0; k < skills[i].field_count; k++) {
            const struct skill_field *field = &skills[i].fields[k];
            const json_t *row = json_object_get(fields, field->name);
            assert_true(slice_is(json_text_at(row, "description"), field->doc));
            required_count += field->is_required;
            if (field->kind == FIELD_integer && field->low > INT64_MIN)
                assert_int_equal(json_integer_value(json_at(row, "anyOf.0.minimum")), field->low);
        }
        assert_int_equal(json_array_size(required), required_count);
    }
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_workflow_is_read),
        cmocka_unit_test(real_orders_become_inputs),
        cmocka_unit_test(the_definition_can_be_kept),
        cmocka_unit_test(triggers_are_read),
        cmocka_unit_test(fields_are_rendered),
        cmocka_unit_test(wrong_files_say_what_is_right),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(the_schema_follows_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
