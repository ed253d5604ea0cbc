// SPDX-License-Identifier: MIT
/* The run machine: what each event makes of a run. */
#include "tests/unit/flow/machine_bench.h"

/* ---- control ---- */

static void steps_in_a_row_wait_for_each_other(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD "  - {id: a, log: one}\n  - " MAIL("b") "\n  - {id: c, log: \"{{ steps.b.result.n }}\"}\n");
    begin(&bench, "{}");
    assert_state(&bench, "a", "done");
    assert_state(&bench, "b", "waiting");
    assert_state(&bench, "c", NULL);
    assert_int_equal(json_array_size(bench.jobs), 1);
    assert_true(end_step(&bench, "b", ERROR_OK, "{\"n\": 5}"));
    assert_state(&bench, "c", "done");
    assert_int_equal(bench.run.state, RUN_DONE);
    assert_result(&bench, "c", "{\"text\": \"5\"}");
    assert_int_equal(json_integer_value(json_object_get(run_step(&bench.run, "b", false), "attempts")), 2);
    bench_close(&bench);
}

static void an_old_event_changes_nothing(void **state)
{
    struct bench bench;
    struct payload_step_done done = {.run = 7, .step = SLICE("b"), .job = 1, .result = SLICE("{}")};

    (void)state;
    bench_open(&bench, HEAD "  - " MAIL("b") "\n");
    begin(&bench, "{}");
    assert_false(happen(&bench, do_step_done, &done));
    done.step = SLICE("nobody");
    assert_false(happen(&bench, do_step_done, &done));
    assert_true(end_step(&bench, "b", ERROR_OK, "{}"));
    assert_false(end_step(&bench, "b", ERROR_OK, "{}"));
    bench_close(&bench);
}

static void branches_are_independent(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD "  - id: p\n    parallel:\n      one:\n        - " MAIL("a") "\n        - " MAIL(
                           "b") "\n      two:\n        - " MAIL("c") "\n        - {id: d, log: done}\n");
    begin(&bench, "{}");
    assert_int_equal(json_array_size(bench.jobs), 2);
    assert_true(end_step(&bench, "a", ERROR_AUTH, "null"));
    assert_int_equal(bench.run.state, RUN_OPEN);
    assert_state(&bench, "a", "failed");
    assert_state(&bench, "b", NULL);
    assert_true(end_step(&bench, "c", ERROR_OK, "{}"));
    assert_state(&bench, "d", "done");
    assert_state(&bench, "p", "failed");
    assert_int_equal(bench.run.state, RUN_FAILED);
    assert_string_equal(json_string_value(json_at(bench.run.record, "error.step")), "a");
    bench_close(&bench);
}

static void else_of_a_group_catches_what_fails_inside(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD "  - id: g\n    do:\n      - " MAIL("a") "\n      - " MAIL(
                           "b") "\n    else:\n      - " MAIL("c") "\n  - {id: z, log: \"{{ steps.g.result.n }}\"}\n");
    begin(&bench, "{}");
    assert_true(end_step(&bench, "a", ERROR_AUTH, "null"));
    assert_state(&bench, "g", "running");
    assert_state(&bench, "c", "waiting");
    assert_true(end_step(&bench, "c", ERROR_OK, "{\"n\": 3}"));
    assert_state(&bench, "g", "else");
    assert_result(&bench, "z", "{\"text\": \"3\"}");
    assert_int_equal(bench.run.state, RUN_DONE);
    bench_close(&bench);
}

static void a_mistake_is_not_caught_by_else(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench,
               HEAD "  - id: g\n    do:\n      - {id: a, log: \"{{ 1 + trigger.body }}\"}\n    else: {text: no}\n"
                    "on_failure:\n  - {id: f, log: \"{{ failure.step }} {{ failure.error }}\"}\n");
    begin(&bench, "{\"body\": {}}");
    assert_state(&bench, "g", "failed");
    assert_result(&bench, "f", "{\"text\": \"a expression\"}");
    assert_int_equal(bench.run.state, RUN_FAILED);
    bench_close(&bench);
}

static void on_failure_may_wait(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD "  - " MAIL("a") "\non_failure:\n  - " MAIL("f") "\n");
    begin(&bench, "{}");
    assert_true(end_step(&bench, "a", ERROR_AUTH, "null"));
    assert_int_equal(bench.run.state, RUN_OPEN);
    assert_true(end_step(&bench, "f", ERROR_AUTH, "null"));
    assert_int_equal(bench.run.state, RUN_FAILED);
    assert_string_equal(json_string_value(json_at(bench.run.record, "error.step")), "a");
    bench_close(&bench);
}

static void a_switch_takes_one_case(void **state)
{
    static const char yaml[] = HEAD "  - id: s\n    switch: \"{{ trigger.body.kind }}\"\n    cases:\n      paid:\n"
                                    "        - {id: a, log: paid}\n      \"2\":\n        - {id: b, log: two}\n"
                                    "    default:\n      - {id: c, log: other}\n";
    static const char *const bodies[] = {"{\"body\": {\"kind\": \"paid\"}}", "{\"body\": {\"kind\": 2}}",
                                         "{\"body\": {}}"};
    static const char *const taken[] = {"a", "b", "c"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct bench bench;
        bench_open(&bench, yaml);
        begin(&bench, bodies[i]);
        for (size_t j = 0; j < 3; j++)
            assert_state(&bench, taken[j], i == j ? "done" : NULL);
        assert_int_equal(bench.run.state, RUN_DONE);
        bench_close(&bench);
    }
}

static void items_go_a_few_at_once_and_each_has_its_own_steps(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench,
               HEAD "  - id: e\n    for_each: \"{{ trigger.body }}\"\n    as: pic\n    at_once: 2\n    do:\n      - "
                    "{id: up, email: {to: a@b.example, subject: \"{{ pic }}\", text: t}}\n"
                    "      - {id: note, log: \"{{ pic }} {{ index }} {{ steps.up.result.n }}\"}\n");
    begin(&bench, "{\"body\": [\"x\", \"y\", \"z\"]}");
    assert_state(&bench, "up#0", "waiting");
    assert_state(&bench, "up#1", "waiting");
    assert_state(&bench, "up#2", NULL);
    assert_true(end_step(&bench, "up#1", ERROR_OK, "{\"n\": 11}"));
    assert_state(&bench, "up#2", "waiting");
    assert_result(&bench, "note#1", "{\"text\": \"y 1 11\"}");
    assert_true(end_step(&bench, "up#0", ERROR_AUTH, "null"));
    assert_int_equal(bench.run.state, RUN_OPEN);
    assert_true(end_step(&bench, "up#2", ERROR_OK, "{\"n\": 12}"));
    assert_state(&bench, "e", "failed");
    assert_int_equal(bench.run.state, RUN_FAILED);
    bench_close(&bench);
}

static void items_give_a_list(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(
        &bench, HEAD
        "  - id: outer\n    for_each: \"{{ trigger.body }}\"\n    do:\n      - id: inner\n"
        "        for_each: \"{{ item }}\"\n        as: x\n        do:\n          - {id: l, log: \"{{ x * 2 }}\"}\n");
    begin(&bench, "{\"body\": [[1, 2], [], [3]]}");
    assert_int_equal(bench.run.state, RUN_DONE);
    assert_state(&bench, "l#0.1", "done");
    assert_result(&bench, "outer", "[[{\"text\":\"2\"},{\"text\":\"4\"}],[],[{\"text\":\"6\"}]]");
    bench_close(&bench);
}

/* Far more steps than one commit takes: the rest comes with GO_ON events, and what arrives between is not lost. */
static void a_full_commit_goes_on(void **state)
{
    struct bench bench;
    json_t *list = json_array(), *trigger = json_pack("{s:o}", "body", list);
    struct buffer text = {NULL, 0, 0};
    size_t commits = 1;

    (void)state;
    for (int i = 0; i < 900; i++)
        json_array_append_new(list, json_integer(i));
    json_write(&text, trigger);
    buffer_append(&text, "", 1);
    bench_open(
        &bench,
        HEAD "  - id: p\n    parallel:\n      mail:\n        - " MAIL(
            "m") "\n        - {id: after, log: x}\n"
                 "      list:\n        - id: e\n          for_each: \"{{ trigger.body }}\"\n          at_most: 1000\n"
                 "          do:\n            - {id: l, count: things}\n");
    begin(&bench, text.data);
    assert_true(bench.machine.is_full);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(bench.jobs, 1), "payload")), PAYLOAD_GO_ON);
    assert_true(end_step(&bench, "m", ERROR_OK, "{}"));
    assert_state(&bench, "m", "done");
    while (bench.run.state == RUN_OPEN && commits < 20) {
        happen(&bench, do_go_on, NULL);
        commits++;
    }
    assert_int_equal(bench.run.state, RUN_DONE);
    assert_state(&bench, "after", "done");
    assert_state(&bench, "l#899", "done");
    assert_in_range(commits, 2, 10);
    buffer_free(&text);
    json_decref(trigger);
    bench_close(&bench);
}

/* ---- waits ---- */

static void a_delay_is_a_job_due_later(void **state)
{
    struct bench bench;
    struct payload_wake wake = {.run = 7, .step = SLICE("d")};

    (void)state;
    bench_open(&bench, HEAD "  - {id: d, delay: 2h}\n  - {id: z, log: x}\n");
    begin(&bench, "{}");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(bench.jobs, 0), "due_ms")), START_MS + 7200000);
    assert_string_equal(json_string_value(json_object_get(json_array_get(bench.jobs, 0), "key")), "");
    bench.now_ms += 7200000;
    assert_true(happen(&bench, do_wake, &wake));
    assert_int_equal(bench.run.state, RUN_DONE);
    assert_false(happen(&bench, do_wake, &wake));
    bench_close(&bench);
}

static void an_unreachable_service_gives_way_to_else(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD "  - id: g\n    generate: greeting\n    unreachable_after: 2m\n    else: {text: plain}\n");
    begin(&bench, "{}");
    uint64_t job = job_of(&bench, "g");
    assert_int_equal(json_array_size(bench.jobs), 2);
    assert_true(happen(&bench, do_alarm, &(struct payload_alarm){.run = 7, .step = SLICE("g"), .job = job}));
    assert_state(&bench, "g", "else");
    assert_int_equal(json_integer_value(json_array_get(bench.cancelled, 0)), job);
    assert_int_equal(bench.machine.else_error, ERROR_OFFLINE);
    bench_close(&bench);
}

static void a_called_run_answers_its_caller(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD "  - {id: c, call: other, with: {input: {n: \"{{ 1 + 1 }}\"}}}\n");
    begin(&bench, "{}");
    json_t *start = json_array_get(bench.jobs, 0);
    assert_int_equal(json_integer_value(json_object_get(start, "child")), job_of(&bench, "c"));
    assert_string_equal(json_string_value(json_object_get(start, "key")), "100"); /* the child's: its CANCEL follows */
    assert_true(end_step(&bench, "c", ERROR_OK, "{\"answer\": 42}"));
    assert_int_equal(bench.run.state, RUN_DONE);
    json_object_set_new(bench.run.record, "parent", read_json("{\"run\": 3, \"step\": \"c#2\"}"));
    forget_told(&bench);
    bench.machine = machine_of(&bench);
    machine_put_run(&bench.machine);
    see_ops(&bench);
    json_t *told = json_array_get(bench.jobs, 0);
    assert_int_equal(json_integer_value(json_object_get(told, "run")), 3);
    assert_string_equal(json_string_value(json_object_get(told, "step")), "c#2");
    assert_string_equal(json_string_value(json_object_get(told, "result")), "{\"answer\":42}");
    bench_close(&bench);
}

static void runs_follow_an_end(void **state)
{
    struct bench bench;
    static const char other[] = "workflow: %s\nmode: %s\non:\n  - {after: w, state: %s}\nsteps:\n  - {id: a, log: x}\n";
    static const char *const names[][3] = {
        {"any", "live", "any"}, {"good", "live", "done"}, {"bad", "live", "failed"}, {"off", "off", "any"}};

    (void)state;
    bench_open(&bench, HEAD "  - {id: a, log: x}\n");
    for (; bench.other_count < 4; bench.other_count++) {
        char yaml[300];
        const char *const *name = names[bench.other_count];
        snprintf(yaml, sizeof(yaml), other, name[0], name[1], name[2]);
        bench.others[bench.other_count] = parse(yaml);
    }
    begin(&bench, "{}");
    assert_int_equal(json_array_size(bench.jobs), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(bench.jobs, 0), "workflow")), "any");
    assert_string_equal(json_string_value(json_object_get(json_array_get(bench.jobs, 1), "workflow")), "good");
    bench_close(&bench);
}

static void a_cancelled_run_withdraws_what_it_waits_for(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, HEAD
               "  - id: p\n    parallel:\n      a:\n        - " MAIL("m") "\n      b:\n        - {id: d, delay: 1h}\n"
                                                                          "      c:\n        - {id: k, call: other}\n");
    begin(&bench, "{}");
    assert_true(happen(&bench, do_cancel, "console"));
    assert_int_equal(bench.run.state, RUN_CANCELLED);
    assert_int_equal(json_array_size(bench.cancelled), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(bench.jobs, 0), "payload")), PAYLOAD_CANCEL);
    assert_state(&bench, "m", "cancelled");
    assert_state(&bench, "p", "cancelled");
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_in_a_row_wait_for_each_other),
        cmocka_unit_test(an_old_event_changes_nothing),
        cmocka_unit_test(branches_are_independent),
        cmocka_unit_test(else_of_a_group_catches_what_fails_inside),
        cmocka_unit_test(a_mistake_is_not_caught_by_else),
        cmocka_unit_test(on_failure_may_wait),
        cmocka_unit_test(a_switch_takes_one_case),
        cmocka_unit_test(items_go_a_few_at_once_and_each_has_its_own_steps),
        cmocka_unit_test(items_give_a_list),
        cmocka_unit_test(a_full_commit_goes_on),
        cmocka_unit_test(a_delay_is_a_job_due_later),
        cmocka_unit_test(an_unreachable_service_gives_way_to_else),
        cmocka_unit_test(a_called_run_answers_its_caller),
        cmocka_unit_test(runs_follow_an_end),
        cmocka_unit_test(a_cancelled_run_withdraws_what_it_waits_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
