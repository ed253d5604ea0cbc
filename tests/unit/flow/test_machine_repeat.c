// SPDX-License-Identifier: MIT
/* The run machine: kept values, shadow, and what a repeated run does not do again. */
#include "tests/unit/flow/machine_bench.h"

/* ---- kept values ---- */

static void set_fact(struct bench *bench, const char *name, json_int_t version, const char *value)
{
    json_object_set_new(bench->facts, name, json_pack("{s:I, s:s}", "version", version, "value", value));
}

static void values_are_read_and_written_guarded(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(
        &bench, HEAD
        "  - {id: g, get: n, with: {missing: 0}}\n  - {id: p, put: n, with: {value: \"{{ steps.g.result + 1 }}\"}}\n"
        "  - {id: h, get: n}\n");
    set_fact(&bench, "value/value/n", 9, "41");
    begin(&bench, "{}");
    assert_result(&bench, "h", "42");
    assert_string_equal(json_string_value(json_object_get(bench.put, "n")), "42");
    assert_int_equal(json_array_size(bench.expected), 1);
    assert_int_equal(json_integer_value(json_array_get(bench.expected, 0)), 9);
    bench_close(&bench);
}

/* Whatever the order in which the same amounts come, the book holds the newest. */
static void a_book_follows_the_newest_amount(void **state)
{
    static const char yaml[] =
        HEAD "  - id: c\n    count: {book: revenue, amount: \"{{ trigger.body.amount }}\", currency: EUR, instead: o1,"
             " at: \"{{ trigger.body.at }}\", as_of: \"{{ trigger.body.as_of }}\"}\n";
    static const char *const bodies[] = {"{\"body\": {\"amount\": 100, \"at\": 1000, \"as_of\": 1}}",
                                         "{\"body\": {\"amount\": 80, \"at\": 1000, \"as_of\": 2}}",
                                         "{\"body\": {\"amount\": 0, \"at\": 1000, \"as_of\": 3}}"};
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        json_int_t sum = 0;
        char *kept = NULL;
        for (size_t j = 0; j < 3; j++) {
            struct bench bench;
            bench_open(&bench, yaml);
            if (kept != NULL)
                set_fact(&bench, "value/booked/revenue/o1", (json_int_t)j, kept);
            begin(&bench, bodies[orders[i][j]]);
            assert_int_equal(bench.run.state, RUN_DONE);
            sum += json_integer_value(json_object_get(bench.booked, "revenue"));
            const char *put = json_string_value(json_object_get(bench.put, "revenue/o1"));
            if (put != NULL) {
                free(kept);
                kept = strdup(put);
            }
            bench_close(&bench);
        }
        free(kept);
        assert_int_equal(sum, 0);
    }
}

static void a_throttle_lets_so_many_through(void **state)
{
    struct bench bench;
    char past[100];

    (void)state;
    snprintf(past, sizeof(past), "{\"times\": [%" PRId64 ", %" PRId64 "]}", START_MS - 3600001, START_MS - 1000);
    bench_open(&bench, HEAD "  - {id: t, throttle: {key: k, limit: 2, per: 1h}}\n");
    set_fact(&bench, "value/throttle/k", 1, past);
    begin(&bench, "{}");
    assert_result(&bench, "t", "{\"passed\": true, \"left\": 0}");
    bench_close(&bench);

    bench_open(&bench, HEAD "  - {id: t, throttle: {key: k, limit: 1, per: 1h, then: wait}}\n  - {id: z, log: x}\n");
    set_fact(&bench, "value/throttle/k", 1, past);
    begin(&bench, "{}");
    assert_state(&bench, "t", "waiting");
    bench.now_ms = json_integer_value(json_object_get(json_array_get(bench.jobs, 0), "due_ms"));
    assert_int_equal(bench.now_ms, START_MS - 1000 + 3600001);
    assert_true(happen(&bench, do_wake, &(struct payload_wake){.run = 7, .step = SLICE("t")}));
    assert_state(&bench, "z", "done");
    bench_close(&bench);

    bench_open(&bench, HEAD "  - {id: t, throttle: {key: k, limit: 1, per: 1h, then: end}}\n  - " MAIL("z") "\n");
    set_fact(&bench, "value/throttle/k", 1, past);
    begin(&bench, "{}");
    assert_state(&bench, "z", NULL);
    assert_int_equal(bench.run.state, RUN_DONE);
    bench_close(&bench);
}

/* ---- shadow, repetition, old records ---- */

static void shadow_withholds_and_shows(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(
        &bench,
        "workflow: w\nmode: shadow\non:\n  - manual: true\nsteps:\n  - " MAIL(
            "m") "\n"
                 "  - {id: ok, approve: {content: \"Hello\"}}\n  - {id: l, log: \"{{ steps.ok.result.content }}\"}\n");
    begin(&bench, "{}");
    assert_int_equal(json_array_size(bench.jobs), 0);
    assert_state(&bench, "m", "shadow");
    assert_result(&bench, "l", "{\"text\": \"Hello\"}");
    assert_string_equal(json_string_value(json_at(run_step(&bench.run, "m", false), "input.to")), "a@b.example");
    bench_close(&bench);
}

static void a_repetition_does_no_effect_again(void **state)
{
    struct bench bench;
    struct run again = {0};
    char problem[200];

    (void)state;
    bench_open(&bench, HEAD
               "  - {id: g, generate: greeting}\n  - " MAIL("m") "\n  - {id: c, count: things}\n  - " MAIL("n") "\n");
    begin(&bench, "{}");
    assert_true(end_step(&bench, "g", ERROR_OK, "{\"text\": \"one\"}"));
    assert_true(end_step(&bench, "m", ERROR_OK, "{\"message_id\": \"1\"}"));
    assert_true(end_step(&bench, "n", ERROR_AUTH, "null"));
    assert_int_equal(bench.run.state, RUN_FAILED);
    struct run old = bench.run;
    bench.run = (struct run){0};

    run_begin(&again, 8, bench.workflow, WORKFLOW_LIVE, json_object(), START_MS);
    assert_true(machine_copy(&again, &old, bench.workflow, &(struct machine_repeat){SLICE("g"), false}, problem,
                             sizeof(problem)));
    assert_null(run_step(&again, "g", false));
    assert_true(run_step_is(run_step(&again, "m", false), "copied"));
    assert_true(run_step_is(run_step(&again, "c", false), "copied"));
    assert_null(run_step(&again, "n", false));
    run_fini(&again);

    run_begin(&again, 9, bench.workflow, WORKFLOW_LIVE, json_object(), START_MS);
    assert_true(machine_copy(&again, &old, bench.workflow, &(struct machine_repeat){SLICE(""), false}, problem,
                             sizeof(problem)));
    assert_true(run_step_is(run_step(&again, "g", false), "copied"));
    bench.run = again;
    happen(&bench, do_go_on, NULL);
    assert_int_equal(json_array_size(bench.jobs), 1);
    assert_state(&bench, "n", "waiting");
    run_fini(&bench.run);

    run_begin(&again, 10, bench.workflow, WORKFLOW_LIVE, json_object(), START_MS);
    assert_true(machine_copy(&again, &old, bench.workflow, &(struct machine_repeat){SLICE("m"), true}, problem,
                             sizeof(problem)));
    assert_null(run_step(&again, "m", false));
    assert_false(machine_copy(&again, &old, bench.workflow, &(struct machine_repeat){SLICE("nix"), false}, problem,
                              sizeof(problem)));
    assert_string_equal(problem, "workflow w has no step \"nix\"");
    run_fini(&again);
    run_fini(&old);
    bench_close(&bench);
}

static void a_repetition_knows_items_by_their_places(void **state)
{
    struct bench bench;
    struct run again = {0};
    char problem[200];

    (void)state;
    bench_open(&bench, HEAD "  - {id: n, get: n, with: {missing: 1}}\n  - id: e\n    for_each: \"{{ {steps.n.result, "
                            "2} }}\"\n    do:\n      - " MAIL("m") "\n");
    begin(&bench, "{}");
    assert_true(end_step(&bench, "m#0", ERROR_OK, "{}"));
    assert_true(end_step(&bench, "m#1", ERROR_AUTH, "null"));
    assert_int_equal(bench.run.state, RUN_FAILED);
    struct run old = bench.run;
    bench.run = (struct run){0};

    run_begin(&again, 8, bench.workflow, WORKFLOW_LIVE, json_object(), START_MS);
    assert_true(machine_copy(&again, &old, bench.workflow, &(struct machine_repeat){SLICE("n"), false}, problem,
                             sizeof(problem)));
    bench.run = again;
    set_fact(&bench, "value/value/n", 2, "5");
    happen(&bench, do_go_on, NULL);
    assert_state(&bench, "e", "failed");
    assert_int_equal(json_array_size(bench.jobs), 0);
    run_fini(&bench.run);

    run_begin(&again, 9, bench.workflow, WORKFLOW_LIVE, json_object(), START_MS);
    assert_true(machine_copy(&again, &old, bench.workflow, &(struct machine_repeat){SLICE("n"), false}, problem,
                             sizeof(problem)));
    bench.run = again;
    set_fact(&bench, "value/value/n", 2, "1");
    happen(&bench, do_go_on, NULL);
    assert_state(&bench, "m#0", "copied");
    assert_state(&bench, "m#1", "waiting");
    run_fini(&old);
    bench_close(&bench);
}

static void a_repetition_repeats_the_called_run(void **state)
{
    struct bench bench;
    struct run again = {0};
    char problem[200];

    (void)state;
    bench_open(&bench, HEAD "  - {id: c, call: other}\n");
    begin(&bench, "{}");
    uint64_t child = job_of(&bench, "c");
    assert_true(end_step(&bench, "c", ERROR_FAILED, "null"));
    struct run old = bench.run;
    bench.run = (struct run){0};
    run_begin(&again, 8, bench.workflow, WORKFLOW_LIVE, json_object(), START_MS);
    assert_true(machine_copy(&again, &old, bench.workflow, &(struct machine_repeat){SLICE(""), false}, problem,
                             sizeof(problem)));
    bench.run = again;
    happen(&bench, do_go_on, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(bench.jobs, 0), "replay_of")), child);
    run_fini(&old);
    bench_close(&bench);
}

static void what_is_in_doubt_is_not_repeated(void **state)
{
    struct bench bench;
    struct run again = {0};
    char problem[200];

    (void)state;
    bench_open(&bench, HEAD "  - " MAIL("m") "\n");
    begin(&bench, "{}");
    assert_true(happen(&bench, do_cancel, "console"));
    json_object_set_new(run_step(&bench.run, "m", false), "in_doubt", json_true());
    run_begin(&again, 8, bench.workflow, WORKFLOW_LIVE, json_object(), START_MS);
    assert_false(machine_copy(&again, &bench.run, bench.workflow, &(struct machine_repeat){SLICE("m"), false}, problem,
                              sizeof(problem)));
    assert_non_null(strstr(problem, "step m is in doubt; settle its job first"));
    json_object_del(run_step(&bench.run, "m", false), "in_doubt");
    assert_true(machine_copy(&again, &bench.run, bench.workflow, &(struct machine_repeat){SLICE(""), false}, problem,
                             sizeof(problem)));
    run_fini(&again);
    bench_close(&bench);
}

static void a_run_of_the_first_version_goes_on(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD "  - {id: a, log: x}\n  - " MAIL("b") "\n  - {id: c, log: y}\n");
    assert_true(
        run_read(&bench.run, SLICE("{\"v\":1,\"workflow\":\"w\",\"hash\":\"h\",\"mode\":\"live\",\"trigger\":{},"
                                   "\"started_ms\":1,\"at\":1,\"steps\":{\"a\":{\"state\":\"done\",\"result\":{}},"
                                   "\"b\":{\"state\":\"waiting\",\"job\":55,\"started_ms\":1}}}")));
    assert_true(end_step(&bench, "b", ERROR_OK, "{}"));
    assert_state(&bench, "c", "done");
    assert_int_equal(bench.run.state, RUN_DONE);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_and_written_guarded),
        cmocka_unit_test(a_book_follows_the_newest_amount),
        cmocka_unit_test(a_throttle_lets_so_many_through),
        cmocka_unit_test(shadow_withholds_and_shows),
        cmocka_unit_test(a_repetition_does_no_effect_again),
        cmocka_unit_test(a_repetition_knows_items_by_their_places),
        cmocka_unit_test(a_repetition_repeats_the_called_run),
        cmocka_unit_test(what_is_in_doubt_is_not_repeated),
        cmocka_unit_test(a_run_of_the_first_version_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
