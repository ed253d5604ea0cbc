// SPDX-License-Identifier: MIT
/* The local steps check, remember, variant, measure and figures, against a store of the test's own. */
#include "flow/experiment.h"
#include "flow/run/machine_priv.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t NOW_MS = 1767603600000; /* 2026-01-05T09:00:00Z */

struct bench {
    json_t *store; /* "SPACE/KEY": {version, value} */
    json_t *rows;  /* for facts that are no keys: by the beginning of their name */
    int64_t now_ms;
    size_t asked; /* facts of the last step */
    char problem[600];
};

static json_t *parse(const char *text)
{
    struct json_problem problem;
    json_t *value = json_read(slice_of(text), &problem);

    if (value == NULL)
        fail_msg("%s: %s", text, problem.text);
    return value;
}

static void bench_open(struct bench *bench)
{
    *bench = (struct bench){.store = json_object(), .rows = json_object(), .now_ms = NOW_MS + 1};
}

static void bench_close(struct bench *bench)
{
    json_decref(bench->store);
    json_decref(bench->rows);
}

static json_t *fact_of(const struct bench *bench, const struct fact_wanted *wanted)
{
    char name[600];
    json_t *found;

    if (wanted->kind == FACT_VALUE) {
        snprintf(name, sizeof(name), "%s/%s", wanted->space, wanted->key);
        found = json_object_get(bench->store, name);
        return found != NULL ? json_incref(found) : parse("{\"version\":0}");
    }
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(wanted->name, "/"), wanted->name);
    found = json_object_get(bench->rows, name);
    return found != NULL ? json_incref(found) : json_array();
}

/* The store does the commit, and checks that nothing is written that was not expected. */
static void commit(struct bench *bench, const struct buffer *ops)
{
    struct wire wire = wire_over(buffer_slice(ops));
    struct op op;
    uint64_t expected[8], expects = 0, puts = 0;

    while (op_take(&wire, &op)) {
        char name[600];
        if (op.id == OP_EXPECT) {
            snprintf(name, sizeof(name), "%.*s/%.*s", (int)op.expect.space.size, op.expect.space.data,
                     (int)op.expect.key.size, op.expect.key.data);
            json_t *old = json_object_get(bench->store, name);
            assert_int_equal(op.expect.version, json_integer_value(json_object_get(old, "version")));
            expected[expects++ % 8] = op.expect.version;
            continue;
        }
        assert_int_equal(op.id, OP_PUT);
        snprintf(name, sizeof(name), "%.*s/%.*s", (int)op.put.space.size, op.put.space.data, (int)op.put.key.size,
                 op.put.key.data);
        json_t *value = json_pack("{s:I, s:s%}", "version", (json_int_t)(expected[puts++ % 8] + 1), "value",
                                  op.put.value.data, op.put.value.size);
        json_object_set_new(bench->store, name, value);
    }
    assert_true(wire_done(&wire));
    assert_int_equal(puts, expects);
}

/* Does one step; the result is owned by the caller, NULL when it failed. */
static json_t *step_do(struct bench *bench, enum skill_id skill, const char *inputs_text)
{
    json_t *inputs = parse(inputs_text), *facts = json_object(), *result = NULL;
    struct machine_step step = {.definition = NULL};
    enum error error = ERROR_OK;

    bench->asked = 0;
    bench->problem[0] = '\0';
    for (;;) {
        struct buffer ops = {NULL, 0, 0};
        struct machine machine = {.facts = facts, .now_ms = bench->now_ms, .ops = &ops};
        error = local_of(skill)(&machine, &step, inputs, &result, bench->problem, sizeof(bench->problem));
        json_decref(machine.written);
        if (!machine.is_wanting) {
            if (error == ERROR_OK)
                commit(bench, &ops);
            else
                assert_int_equal(ops.size, 0);
            buffer_free(&ops);
            break;
        }
        buffer_free(&ops);
        json_decref(result);
        result = NULL;
        json_object_set_new(facts, machine.wanted.name, fact_of(bench, &machine.wanted));
        bench->now_ms += 7; /* time goes on while the store is read */
        if (++bench->asked > 5)
            fail_msg("asks for ever, at last for %s", machine.wanted.name);
    }
    assert_int_equal(error == ERROR_OK, result != NULL);
    json_decref(inputs);
    json_decref(facts);
    return result;
}

static json_t *stored(const struct bench *bench, const char *name)
{
    struct slice text = json_text_at(json_object_get(bench->store, name), "value");
    struct json_problem problem;

    return text.size > 0 ? json_read(text, &problem) : NULL;
}

/* ---- check and remember ---- */

static void test_remembered_texts(void **state)
{
    struct bench bench;
    char inputs[400];

    (void)state;
    bench_open(&bench);
    for (unsigned i = 0; i < 60; i++) {
        snprintf(inputs, sizeof(inputs), "{\"unlike\":\"posts\",\"text\":\"Number %u is about thing %u and word%u\"}",
                 i, i * 7, i);
        json_decref(step_do(&bench, SKILL_REMEMBER, inputs));
    }
    json_t *kept = stored(&bench, "recent/posts");
    assert_int_equal(json_array_size(json_object_get(kept, "sketches")), 50);
    json_decref(kept);
    json_t *again = step_do(&bench, SKILL_REMEMBER, inputs);
    assert_int_equal(json_integer_value(json_object_get(again, "kept")), 50);
    json_decref(again);
    json_t *result =
        step_do(&bench, SKILL_CHECK,
                "{\"unlike\":\"posts\",\"text\":\"Number 59 is about thing 413 and word59\",\"facts\":{}}");
    assert_true(json_is_false(json_object_get(result, "passed")));
    assert_true(slice_is(json_text_at(result, "findings.0.check"), "copy"));
    assert_int_equal(bench.asked, 1);
    json_decref(result);
    /* The oldest ones are forgotten. */
    result = step_do(&bench, SKILL_CHECK, "{\"unlike\":\"posts\",\"text\":\"Number 0 is about thing 0 and word0\"}");
    assert_true(json_is_true(json_object_get(result, "passed")));
    json_decref(result);
    bench_close(&bench);
}

static void test_check_inputs(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    json_t *result = step_do(&bench, SKILL_CHECK, "{\"text\":\"It is free\",\"banned\":\"free\",\"pass\":0.2}");
    assert_true(json_is_false(json_object_get(result, "passed")));
    assert_int_equal(bench.asked, 0);
    json_decref(result);
    result = step_do(&bench, SKILL_CHECK, "{\"text\":\"At 50 %\",\"pass\":0.6}");
    assert_true(json_is_true(json_object_get(result, "passed")));
    json_decref(result);
    assert_null(step_do(&bench, SKILL_CHECK, "{\"text\":\"x\",\"banned\":{\"a\":1}}"));
    assert_non_null(strstr(bench.problem, "list of texts"));
    bench_close(&bench);
}

/* ---- variant and measure ---- */

static void test_a_unit_keeps_its_variant(void **state)
{
    struct bench bench;
    char inputs[300], first[64][8];

    (void)state;
    bench_open(&bench);
    for (unsigned i = 0; i < 128; i++) {
        unsigned unit = i % 64;
        /* The second time around the weights have turned. */
        snprintf(inputs, sizeof(inputs), "{\"experiment\":\"cap\",\"variants\":{\"a\":%d,\"b\":%d},\"unit\":\"u%u\"}",
                 i < 64 ? 1 : 0, 1, unit);
        json_t *result = step_do(&bench, SKILL_VARIANT, inputs);
        const char *variant = json_string_value(json_object_get(result, "variant"));
        if (i < 64)
            snprintf(first[unit], sizeof(first[unit]), "%s", variant);
        else
            assert_string_equal(first[unit], variant);
        json_decref(result);
    }
    json_t *head = stored(&bench, "experiment/cap/at");
    assert_int_equal(json_integer_value(json_at(head, "variants.a")) + json_integer_value(json_at(head, "variants.b")),
                     64);
    json_decref(head);
    /* A variant that is gone cannot be done any more. */
    json_t *result =
        step_do(&bench, SKILL_VARIANT, "{\"experiment\":\"cap\",\"variants\":{\"c\":1,\"d\":1},\"unit\":\"u1\"}");
    assert_true(strchr("cd", json_string_value(json_object_get(result, "variant"))[0]) != NULL);
    json_decref(result);
    assert_null(step_do(&bench, SKILL_VARIANT, "{\"experiment\":\"cap\",\"variants\":{\"c\":1},\"unit\":\"u1\"}"));
    bench_close(&bench);
}

static bool measure(struct bench *bench, const char *variant, const char *metric, unsigned unit, double value)
{
    char inputs[300];

    snprintf(inputs, sizeof(inputs),
             "{\"experiment\":\"cap\",\"variant\":\"%s\",\"metric\":\"%s\",\"unit\":\"u%u\",\"value\":%f}", variant,
             metric, unit, value);
    json_t *result = step_do(bench, SKILL_MEASURE, inputs);
    bool counted = json_is_true(json_object_get(result, "counted"));
    json_decref(result);
    return counted;
}

static void test_a_unit_counts_once(void **state)
{
    struct bench bench;
    struct experiment_sum sum;

    (void)state;
    bench_open(&bench);
    for (unsigned i = 0; i < 30; i++)
        assert_true(measure(&bench, i % 2 ? "a" : "b", "likes_24h", i, i));
    assert_false(measure(&bench, "b", "likes_24h", 0, 99));
    assert_true(measure(&bench, "b", "likes_7d", 0, 99));
    json_t *value = stored(&bench, "experiment/cap/sum/b/likes_24h");
    assert_true(experiment_sum_read(value, &sum));
    assert_int_equal(sum.count, 15);
    assert_true(fabs(sum.mean - 14) < 1e-9); /* 0, 2, ... 28 */
    json_decref(value);
    json_decref(
        step_do(&bench, SKILL_VARIANT, "{\"experiment\":\"cap\",\"variants\":{\"a\":1,\"b\":1},\"unit\":\"u0\"}"));
    value = stored(&bench, "experiment/cap/at");
    assert_int_equal(json_integer_value(json_at(value, "variants.b")), 15);
    json_decref(value);
    assert_null(step_do(&bench, SKILL_MEASURE,
                        "{\"experiment\":\"cap\",\"variant\":\"a\",\"metric\":\"x\",\"unit\":\"u0\",\"value\":1}"));
    assert_non_null(strstr(bench.problem, "was given variant \"b\""));
    assert_null(step_do(&bench, SKILL_MEASURE,
                        "{\"experiment\":\"cap\",\"variant\":\"a/b\",\"metric\":\"x\",\"unit\":\"u0\",\"value\":1}"));
    bench_close(&bench);
}

static void test_metrics_of_a_unit_are_bounded(void **state)
{
    struct bench bench;
    char metric[20];

    (void)state;
    bench_open(&bench);
    for (unsigned i = 0; i < EXPERIMENT_METRICS_MAX; i++) {
        snprintf(metric, sizeof(metric), "m%u", i);
        assert_true(measure(&bench, "a", metric, 1, 1));
    }
    assert_null(step_do(&bench, SKILL_MEASURE,
                        "{\"experiment\":\"cap\",\"variant\":\"a\",\"metric\":\"more\",\"unit\":\"u1\",\"value\":1}"));
    assert_false(measure(&bench, "a", "m3", 1, 1));
    bench_close(&bench);
}

/* ---- figures ---- */

static void test_books(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    json_object_set_new(
        bench.rows, "books",
        parse("[{\"book\":\"revenue\",\"currency\":\"EUR\",\"hour_ms\":0,\"amount\":500,\"entries\":2},"
              "{\"book\":\"revenue\",\"currency\":\"EUR\",\"hour_ms\":3600000,\"amount\":-100,\"entries\":1},"
              "{\"book\":\"orders\",\"currency\":\"\",\"hour_ms\":0,\"amount\":9223372036854775807,\"entries\":3},"
              "{\"book\":\"orders\",\"currency\":\"\",\"hour_ms\":1,\"amount\":5,\"entries\":1}]"));
    json_t *result = step_do(&bench, SKILL_FIGURES, "{\"of\":\"books\"}");
    assert_int_equal(bench.asked, 1);
    assert_int_equal(json_integer_value(json_at(result, "books.revenue.EUR.amount")), 400);
    assert_int_equal(json_integer_value(json_at(result, "books.revenue.EUR.entries")), 3);
    assert_true(json_integer_value(json_object_get(json_object_get(json_at(result, "books.orders"), ""), "amount")) ==
                INT64_MAX);
    assert_int_equal(json_array_size(json_at(result, "hours")), 4);
    assert_true(json_is_true(json_at(result, "complete")));
    assert_int_equal(json_integer_value(json_at(result, "to")) - json_integer_value(json_at(result, "from")),
                     86400000 + 60000);
    json_decref(result);
    assert_null(step_do(&bench, SKILL_FIGURES, "{\"of\":\"books\",\"from\":200000,\"to\":100000}"));
    bench_close(&bench);
}

static void test_runs_queues_and_limits(void **state)
{
    struct bench bench;
    json_t *runs = json_array();

    (void)state;
    bench_open(&bench);
    for (int i = 0; i < 1000; i++)
        json_array_append_new(runs, json_pack("{s:i, s:s, s:s, s:i}", "run", 2000 - i, "workflow", i % 2 ? "a" : "b",
                                              "state", i % 4 ? "done" : "failed", "changed_ms", i));
    json_object_set_new(bench.rows, "runs", runs);
    json_object_set_new(bench.rows, "queues", parse("[{\"queue\":\"ai\",\"ready\":2}]"));
    json_object_set_new(
        bench.rows, "list",
        parse("[{\"key\":\"smtp/default\",\"version\":3,\"value\":\"{\\\"used\\\":7,\\\"limit\\\":30}\"},"
              "{\"key\":\"odd/default\",\"version\":3}]"));
    json_t *result = step_do(&bench, SKILL_FIGURES, "{\"of\":\"runs\",\"from\":0,\"to\":1000}");
    assert_int_equal(json_integer_value(json_at(result, "workflows.a.done")), 500);
    assert_int_equal(json_integer_value(json_at(result, "workflows.b.failed")), 250);
    assert_int_equal(json_array_size(json_at(result, "failed")), 20);
    assert_int_equal(json_integer_value(json_at(result, "failed.0")), 2000);
    assert_true(json_is_false(json_at(result, "complete")));
    json_decref(result);
    result = step_do(&bench, SKILL_FIGURES, "{\"of\":\"queues\"}");
    assert_int_equal(json_integer_value(json_at(result, "queues.0.ready")), 2);
    json_decref(result);
    result = step_do(&bench, SKILL_FIGURES, "{\"of\":\"limits\"}");
    assert_int_equal(json_array_size(json_at(result, "limits")), 1);
    assert_true(slice_is(json_text_at(result, "limits.0.gate"), "smtp/default"));
    assert_int_equal(json_integer_value(json_at(result, "limits.0.used")), 7);
    json_decref(result);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remembered_texts),
        cmocka_unit_test(test_check_inputs),
        cmocka_unit_test(test_a_unit_keeps_its_variant),
        cmocka_unit_test(test_a_unit_counts_once),
        cmocka_unit_test(test_metrics_of_a_unit_are_bounded),
        cmocka_unit_test(test_books),
        cmocka_unit_test(test_runs_queues_and_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
