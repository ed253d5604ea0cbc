// SPDX-License-Identifier: MIT
/* The run machine: what each event makes of a run, as the operations of its commit. The test plays the store. */
#include "flow/run/machine.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int64_t START_MS = 1767603600000; /* 2026-01-05T09:00:00Z */

struct bench {
    struct workflow *workflow, *others[4];
    size_t other_count;
    struct expression_engine *engine;
    struct run run;
    json_t *facts;
    uint64_t ids;
    int64_t now_ms;
    struct buffer ops;
    struct machine machine; /* after the last event */
    json_t *jobs;           /* pushed by the last event: [{id, queue, due_ms, step, payload, run, key}] */
    json_t *cancelled, *booked, *put, *expected;
};

static enum error save_one(const struct machine_save *save, struct buffer *ops, size_t *rows, char *problem,
                           size_t room)
{
    (void)problem, (void)room;
    if (!json_is_object(save->from))
        return ERROR_INVALID;
    op_put_append(ops, &(struct op_append){.row = SLICE("row")});
    *rows = 1;
    return ERROR_OK;
}

static const struct machine_hooks hooks = {save_one};
static const struct run_shop shop = {"Shop", "Europe/Berlin", "EUR"};

static struct workflow *parse(const char *yaml)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_parse("test.yaml", slice_of(yaml), &problem);

    if (workflow == NULL) {
        char text[800];
        text_problem_print(&problem, text, sizeof(text));
        fail_msg("%s", text);
    }
    return workflow;
}

static json_t *read_json(const char *text)
{
    struct json_problem problem;
    json_t *value = json_read(slice_of(text), &problem);

    if (value == NULL)
        fail_msg("%s: %s", text, problem.text);
    return value;
}

static void bench_open(struct bench *bench, const char *yaml)
{
    *bench = (struct bench){.ids = 100, .now_ms = START_MS, .facts = json_object()};
    bench->workflow = parse(yaml);
    bench->engine = expression_engine_new(NULL);
}

static void forget_told(struct bench *bench)
{
    json_decref(bench->jobs);
    json_decref(bench->cancelled);
    json_decref(bench->booked);
    json_decref(bench->put);
    json_decref(bench->expected);
    buffer_free(&bench->ops);
    bench->jobs = json_array();
    bench->cancelled = json_array();
    bench->booked = json_object();
    bench->put = json_object();
    bench->expected = json_array();
}

static void bench_close(struct bench *bench)
{
    forget_told(bench);
    json_decref(bench->jobs);
    json_decref(bench->cancelled);
    json_decref(bench->booked);
    json_decref(bench->put);
    json_decref(bench->expected);
    json_decref(bench->facts);
    run_fini(&bench->run);
    workflow_destroy(&bench->workflow);
    for (size_t i = 0; i < bench->other_count; i++)
        workflow_destroy(&bench->others[i]);
    expression_engine_destroy(&bench->engine);
}

static json_t *text_json(struct slice text)
{
    return json_stringn(text.size ? text.data : "", text.size);
}

static void see_push(struct bench *bench, const struct op_push *push)
{
    struct payload payload;
    json_t *job = json_pack("{s:I, s:o, s:I, s:o, s:o, s:I}", "id", (json_int_t)push->id, "queue",
                            text_json(push->queue), "due_ms", (json_int_t)push->due_ms, "step", text_json(push->step),
                            "key", text_json(push->key), "run", (json_int_t)push->run);

    assert_true(payload_take(push->payload, &payload));
    json_object_set_new(job, "payload", json_integer(payload.id));
    if (payload.id == PAYLOAD_START) {
        json_object_set_new(job, "workflow", text_json(payload.start.workflow));
        json_object_set_new(job, "child", json_integer((json_int_t)payload.start.run));
        json_object_set_new(job, "mode", text_json(payload.start.mode));
    } else if (payload.id == PAYLOAD_STEP_DONE) {
        json_object_set_new(job, "error", json_string(error_name(payload.step_done.error)));
        json_object_set_new(job, "result", text_json(payload.step_done.result));
    }
    json_array_append_new(bench->jobs, job);
}

static void see_ops(struct bench *bench)
{
    struct wire wire = wire_over(buffer_slice(&bench->ops));
    struct op op;
    size_t count = 0;

    while (op_take(&wire, &op)) {
        count++;
        if (op.id == OP_PUSH)
            see_push(bench, &op.push);
        else if (op.id == OP_CANCEL)
            json_array_append_new(bench->cancelled, json_integer((json_int_t)op.cancel.job));
        else if (op.id == OP_EXPECT)
            json_array_append_new(bench->expected, json_integer((json_int_t)op.expect.version));
        else if (op.id == OP_PUT || op.id == OP_BOOK) {
            struct slice name = op.id == OP_PUT ? op.put.key : op.book.book;
            char key[200];
            snprintf(key, sizeof(key), "%.*s", (int)name.size, name.data);
            json_int_t sum = json_integer_value(json_object_get(bench->booked, key));
            if (op.id == OP_PUT)
                json_object_set_new(bench->put, key, text_json(op.put.value));
            else
                json_object_set_new(bench->booked, key, json_integer(sum + op.book.amount));
        }
    }
    assert_true(wire_done(&wire));
    assert_int_equal(count, bench->machine.op_count);
}

static struct machine machine_of(struct bench *bench)
{
    return (struct machine){.workflow = bench->workflow,
                            .run = &bench->run,
                            .shop = &shop,
                            .engine = bench->engine,
                            .hooks = &hooks,
                            .others = bench->others,
                            .other_count = bench->other_count,
                            .facts = bench->facts,
                            .ids = &bench->ids,
                            .ids_left = MACHINE_IDS_MAX,
                            .now_ms = bench->now_ms,
                            .ops = &bench->ops};
}

/* What happens to the run; the machine is asked again when it wants a fact that `give` knows. */
typedef bool (*event_fn)(struct machine *machine, const void *what);

static bool happen(struct bench *bench, event_fn event, const void *what)
{
    struct buffer before = {NULL, 0, 0};
    bool taken = false;
    uint64_t ids = bench->ids;
    enum run_state state = bench->run.state;

    json_write(&before, bench->run.record);
    for (size_t facts = 0; facts < 10; facts++) {
        forget_told(bench);
        bench->machine = machine_of(bench);
        taken = event(&bench->machine, what);
        if (!bench->machine.is_wanting)
            break;
        if (json_object_get(bench->facts, bench->machine.wanted.name) == NULL)
            json_object_set_new(bench->facts, bench->machine.wanted.name, read_json("{\"version\": 0}"));
        run_fini(&bench->run);
        bench->run.state = state;
        bench->ids = ids;
        assert_true(run_read(&bench->run, buffer_slice(&before)));
    }
    buffer_free(&before);
    assert_false(bench->machine.is_wanting);
    if (taken) {
        machine_put_run(&bench->machine);
        see_ops(bench);
    }
    return taken;
}

static bool do_go_on(struct machine *machine, const void *what)
{
    (void)what;
    machine_go_on(machine);
    return true;
}

static bool do_step_done(struct machine *machine, const void *what)
{
    return machine_step_done(machine, what, true);
}

static bool do_alarm(struct machine *machine, const void *what)
{
    return machine_alarm(machine, what);
}

static bool do_wake(struct machine *machine, const void *what)
{
    return machine_wake(machine, what);
}

static bool do_cancel(struct machine *machine, const void *what)
{
    machine_cancel(machine, slice_of(what));
    return true;
}

static void begin(struct bench *bench, const char *trigger)
{
    run_begin(&bench->run, 7, bench->workflow, bench->workflow->mode, read_json(trigger), bench->now_ms);
    happen(bench, do_go_on, NULL);
}

static const char *state_of(struct bench *bench, const char *instance)
{
    return json_string_value(json_object_get(run_step(&bench->run, instance, false), "state"));
}

static void assert_state(struct bench *bench, const char *instance, const char *state)
{
    const char *is = state_of(bench, instance);

    if (is == NULL ? state != NULL : state == NULL || strcmp(is, state) != 0)
        fail_msg("step %s is %s, not %s", instance, is ? is : "absent", state ? state : "absent");
}

static uint64_t job_of(struct bench *bench, const char *instance)
{
    return (uint64_t)json_integer_value(json_object_get(run_step(&bench->run, instance, false), "job"));
}

static bool end_step(struct bench *bench, const char *instance, enum error error, const char *result)
{
    struct payload_step_done done = {.run = 7,
                                     .step = slice_of(instance),
                                     .job = job_of(bench, instance),
                                     .error = error,
                                     .result = slice_of(result),
                                     .detail = SLICE("it did not work"),
                                     .attempts = 2};

    return happen(bench, do_step_done, &done);
}

static void assert_result(struct bench *bench, const char *instance, const char *expected)
{
    json_t *value = read_json(expected), *is = json_object_get(run_step(&bench->run, instance, false), "result");
    struct buffer text = {NULL, 0, 0};

    json_write(&text, is != NULL ? is : json_null());
    if (!json_equal(value, is))
        fail_msg("result of %s is %.*s, not %s", instance, (int)text.size, text.data, expected);
    buffer_free(&text);
    json_decref(value);
}

#define HEAD "workflow: w\nmode: live\non:\n  - manual: true\nsteps:\n"
#define MAIL(ID) "{id: " ID ", email: {to: a@b.example, subject: s, text: t}}"

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
        cmocka_unit_test(values_are_read_and_written_guarded),
        cmocka_unit_test(a_book_follows_the_newest_amount),
        cmocka_unit_test(a_throttle_lets_so_many_through),
        cmocka_unit_test(shadow_withholds_and_shows),
        cmocka_unit_test(a_repetition_does_no_effect_again),
        cmocka_unit_test(a_run_of_the_first_version_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
