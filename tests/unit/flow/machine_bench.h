/* machine_bench - a run machine on the bench: the test plays the store, and looks at the operations of each commit. */
// SPDX-License-Identifier: MIT
#pragma once
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

static inline enum error save_one(const struct machine_save *save, struct buffer *ops, size_t *rows, char *problem,
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

static inline struct workflow *parse(const char *yaml)
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

static inline json_t *read_json(const char *text)
{
    struct json_problem problem;
    json_t *value = json_read(slice_of(text), &problem);

    if (value == NULL)
        fail_msg("%s: %s", text, problem.text);
    return value;
}

static inline void bench_open(struct bench *bench, const char *yaml)
{
    *bench = (struct bench){.ids = 100, .now_ms = START_MS, .facts = json_object()};
    bench->workflow = parse(yaml);
    bench->engine = expression_engine_new(NULL);
}

static inline void forget_told(struct bench *bench)
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

static inline void bench_close(struct bench *bench)
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

static inline json_t *text_json(struct slice text)
{
    return json_stringn(text.size ? text.data : "", text.size);
}

static inline void see_push(struct bench *bench, const struct op_push *push)
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
        json_object_set_new(job, "replay_of", json_integer((json_int_t)payload.start.replay_of));
        json_object_set_new(job, "mode", text_json(payload.start.mode));
    } else if (payload.id == PAYLOAD_STEP_DONE) {
        json_object_set_new(job, "error", json_string(error_name(payload.step_done.error)));
        json_object_set_new(job, "result", text_json(payload.step_done.result));
    }
    json_array_append_new(bench->jobs, job);
}

static inline void see_ops(struct bench *bench)
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

static inline struct machine machine_of(struct bench *bench)
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

static inline bool happen(struct bench *bench, event_fn event, const void *what)
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

static inline bool do_go_on(struct machine *machine, const void *what)
{
    (void)what;
    machine_go_on(machine);
    return true;
}

static inline bool do_step_done(struct machine *machine, const void *what)
{
    return machine_step_done(machine, what, true);
}

static inline bool do_alarm(struct machine *machine, const void *what)
{
    return machine_alarm(machine, what);
}

static inline bool do_wake(struct machine *machine, const void *what)
{
    return machine_wake(machine, what);
}

static inline bool do_cancel(struct machine *machine, const void *what)
{
    machine_cancel(machine, slice_of(what));
    return true;
}

static inline void begin(struct bench *bench, const char *trigger)
{
    run_begin(&bench->run, 7, bench->workflow, bench->workflow->mode, read_json(trigger), bench->now_ms);
    happen(bench, do_go_on, NULL);
}

static const char *state_of(struct bench *bench, const char *instance)
{
    return json_string_value(json_object_get(run_step(&bench->run, instance, false), "state"));
}

static inline void assert_state(struct bench *bench, const char *instance, const char *state)
{
    const char *is = state_of(bench, instance);

    if (is == NULL ? state != NULL : state == NULL || strcmp(is, state) != 0)
        fail_msg("step %s is %s, not %s", instance, is ? is : "absent", state ? state : "absent");
}

static inline uint64_t job_of(struct bench *bench, const char *instance)
{
    return (uint64_t)json_integer_value(json_object_get(run_step(&bench->run, instance, false), "job"));
}

static inline bool end_step(struct bench *bench, const char *instance, enum error error, const char *result)
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

static inline void assert_result(struct bench *bench, const char *instance, const char *expected)
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
