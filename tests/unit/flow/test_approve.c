// SPDX-License-Identifier: MIT
/* An approval as a step of a run: the test keeps a store of its own and lets every event pass through the machine. */
#include "flow/approval.h"
#include "flow/run/machine.h"
#include "proto/text/json.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int64_t START_MS = 1767603600000, HOUR_MS = 3600000;
static const char yaml[] = "workflow: ask\nmode: live\non:\n  - manual: true\nsteps:\n"
                           "  - id: ok\n    approve: \"Fresh figs\"\n    with: {approvers: 1}\n"
                           "  - id: after\n    log: \"{{ steps.ok.result.content }}\"\n";

struct bench {
    struct workflow *workflow;
    struct expression_engine *engine;
    struct run run;
    json_t *store; /* "SPACE/KEY": {version, value} */
    uint64_t ids;
    int64_t now_ms;
    json_t *jobs;  /* "ID": {payload, due_ms, input} */
    struct buffer ops;
};

static const struct run_shop shop = {"Shop", "UTC", "EUR"};

typedef bool (*event_fn)(struct machine *machine, const void *what);

/* ---- the store ---- */

static json_t *entry_of(const struct bench *bench, struct slice space, struct slice key)
{
    char name[600];

    snprintf(name, sizeof(name), "%.*s/%.*s", (int)space.size, space.data, (int)key.size, key.data);
    return json_object_get(bench->store, name);
}

static void put(struct bench *bench, struct slice space, struct slice key, struct slice value)
{
    char name[600];
    json_int_t version = json_integer_value(json_object_get(entry_of(bench, space, key), "version"));

    snprintf(name, sizeof(name), "%.*s/%.*s", (int)space.size, space.data, (int)key.size, key.data);
    json_object_set_new(bench->store, name,
                        json_pack("{s:I, s:s%, s:s%}", "version", version + 1, "key", key.data, key.size, "value",
                                  value.data, value.size));
}

static json_t *read_fact(const struct bench *bench, const struct fact_wanted *wanted)
{
    json_t *entry = entry_of(bench, slice_of(wanted->space), slice_of(wanted->key)), *list = json_array(), *value;
    char prefix[600];
    const char *name;

    if (wanted->kind == FACT_VALUE) {
        json_decref(list);
        return entry != NULL ? json_deep_copy(entry) : json_pack("{s:i}", "version", 0);
    }
    assert_int_equal(wanted->kind, FACT_LIST);
    snprintf(prefix, sizeof(prefix), "%s/%s", wanted->space, wanted->key);
    json_object_foreach(bench->store, name, value) if (strncmp(name, prefix, strlen(prefix)) == 0)
        json_array_append(list, value);
    return list;
}

static void take_push(struct bench *bench, const struct op_push *push)
{
    struct payload payload;
    char id[24];

    assert_true(payload_take(push->payload, &payload));
    snprintf(id, sizeof(id), "%" PRIu64, push->id);
    json_t *job = json_pack("{s:i, s:I}", "payload", (int)payload.id, "due_ms", (json_int_t)push->due_ms);
    if (payload.id == PAYLOAD_TASK) {
        struct json_problem problem;
        assert_true(slice_is(push->gate, "telegram/default"));
        json_object_set_new(job, "input", json_read(payload.task.input, &problem));
    }
    json_object_set_new(bench->jobs, id, job);
}

static void apply(struct bench *bench)
{
    struct wire wire = wire_over(buffer_slice(&bench->ops));
    struct op op;
    char name[600];

    while (op_take(&wire, &op)) {
        if (op.id == OP_PUSH) {
            take_push(bench, &op.push);
        } else if (op.id == OP_CANCEL) {
            snprintf(name, sizeof(name), "%" PRIu64, op.cancel.job);
            json_object_del(bench->jobs, name);
        } else if (op.id == OP_EXPECT) {
            const json_t *entry = entry_of(bench, op.expect.space, op.expect.key);
            assert_int_equal(json_integer_value(json_object_get(entry, "version")), op.expect.version);
        } else if (op.id == OP_PUT) {
            put(bench, op.put.space, op.put.key, op.put.value);
        } else if (op.id == OP_DELETE) {
            snprintf(name, sizeof(name), "%.*s/%.*s", (int)op.delete.space.size, op.delete.space.data,
                     (int)op.delete.key.size, op.delete.key.data);
            json_object_del(bench->store, name);
        }
    }
    assert_true(wire_done(&wire));
}

/* ---- events ---- */

static bool happen(struct bench *bench, event_fn event, const void *what)
{
    struct buffer before = {NULL, 0, 0};
    json_t *facts = json_object();
    uint64_t ids = bench->ids;
    enum run_state state = bench->run.state;
    struct machine machine;
    bool taken;

    json_write(&before, bench->run.record);
    for (;;) {
        buffer_clear(&bench->ops);
        machine = (struct machine){.workflow = bench->workflow,
                                   .run = &bench->run,
                                   .shop = &shop,
                                   .engine = bench->engine,
                                   .facts = facts,
                                   .ids = &bench->ids,
                                   .ids_left = MACHINE_IDS_MAX,
                                   .now_ms = bench->now_ms,
                                   .ops = &bench->ops};
        taken = event(&machine, what);
        if (!machine.is_wanting)
            break;
        json_object_set_new(facts, machine.wanted.name, read_fact(bench, &machine.wanted));
        run_fini(&bench->run);
        bench->run.state = state;
        bench->ids = ids;
        assert_true(run_read(&bench->run, buffer_slice(&before)));
    }
    if (taken) {
        machine_put_run(&machine);
        apply(bench);
    }
    buffer_free(&before);
    json_decref(facts);
    return taken;
}

static bool do_go_on(struct machine *machine, const void *what)
{
    (void)what;
    machine_go_on(machine);
    return true;
}

static bool do_wake(struct machine *machine, const void *what)
{
    return machine_wake(machine, what);
}

static bool do_decide(struct machine *machine, const void *what)
{
    return machine_decide(machine, what);
}

static bool do_cancel(struct machine *machine, const void *what)
{
    machine_cancel(machine, slice_of(what));
    return true;
}

static uint64_t approval_id(const struct bench *bench)
{
    return (uint64_t)json_integer_value(json_object_get(run_step(&bench->run, "ok", false), "approval"));
}

static json_t *kept(const struct bench *bench)
{
    char key[APPROVAL_KEY_BYTES];

    approval_key(approval_id(bench), key);
    return approval_read(json_text_at(entry_of(bench, SLICE("approval"), slice_of(key)), "value"));
}

static bool decide(struct bench *bench, const char *verb, const char *text, struct slice hash)
{
    struct payload_decision decision = {.run = bench->run.id,
                                        .step = SLICE("ok"),
                                        .approval = approval_id(bench),
                                        .verb = slice_of(verb),
                                        .text = slice_of(text),
                                        .hash = hash,
                                        .via = SLICE("telegram"),
                                        .who = SLICE("42"),
                                        .name = SLICE("ann"),
                                        .at_ms = bench->now_ms};

    return happen(bench, do_decide, &decision);
}

static bool wake(struct bench *bench)
{
    struct payload_wake payload = {.run = bench->run.id, .step = SLICE("ok"), .job = approval_id(bench)};

    return happen(bench, do_wake, &payload);
}

/* The publisher has asked: it keeps which message. */
static void publish(struct bench *bench, int n)
{
    char key[64], id[APPROVAL_KEY_BYTES];

    approval_key(approval_id(bench), id);
    snprintf(key, sizeof(key), "asked/%s/%d", id, n);
    put(bench, SLICE("telegram"), slice_of(key), SLICE("[{\"chat\":-7,\"message_id\":9,\"photo\":false}]"));
}

static size_t count_jobs(const struct bench *bench, int payload, const char *kind)
{
    const char *id;
    json_t *job;
    size_t count = 0;

    json_object_foreach(bench->jobs, id, job) count +=
        json_integer_value(json_object_get(job, "payload")) == payload &&
        (kind == NULL || json_at(job, "input") == NULL || json_object_get(json_at(job, "input"), kind) != NULL);
    return count;
}

static int64_t wake_due_ms(const struct bench *bench)
{
    const char *id;
    json_t *job;

    assert_int_equal(count_jobs(bench, PAYLOAD_WAKE, NULL), 1);
    json_object_foreach(bench->jobs, id, job) if (json_integer_value(json_object_get(job, "payload")) == PAYLOAD_WAKE)
        return json_integer_value(json_object_get(job, "due_ms"));
    return 0;
}

static int bench_open(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    struct text_problem problem;

    bench->workflow = workflow_parse("test.yaml", slice_of(yaml), &problem);
    if (bench->workflow == NULL)
        print_error("%u: %s\n", problem.line, problem.text);
    assert_non_null(bench->workflow);
    bench->engine = expression_engine_new(NULL);
    bench->store = json_object();
    bench->jobs = json_object();
    bench->ids = 100;
    bench->now_ms = START_MS;
    run_begin(&bench->run, 7, bench->workflow, WORKFLOW_LIVE, json_pack("{s:s}", "kind", "manual"), START_MS);
    assert_true(happen(bench, do_go_on, NULL));
    bench->run.version = 1;
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;

    run_fini(&bench->run);
    workflow_destroy(&bench->workflow);
    expression_engine_destroy(&bench->engine);
    json_decref(bench->store);
    json_decref(bench->jobs);
    buffer_free(&bench->ops);
    free(bench);
    return 0;
}

/* ---- tests ---- */

static void asking_keeps_the_question_and_waits(void **state)
{
    struct bench *bench = *state;
    json_t *approval = kept(bench);

    assert_true(approval_is_open(approval));
    assert_true(slice_is(json_text_at(approval, "step"), "ok"));
    assert_int_equal(approval_run(approval), 7);
    assert_int_equal(count_jobs(bench, PAYLOAD_TASK, "ask"), 1);
    assert_int_equal(wake_due_ms(bench), START_MS + 4 * HOUR_MS);
    assert_true(run_step_is(run_step(&bench->run, "ok", false), "waiting"));
    assert_int_equal(bench->run.state, RUN_OPEN);
    json_decref(approval);
}

static void a_yes_ends_the_step_and_tidies_up(void **state)
{
    struct bench *bench = *state;
    const json_t *result;

    publish(bench, 1);
    assert_true(decide(bench, "approve", "", (struct slice){NULL, 0}));
    assert_int_equal(bench->run.state, RUN_DONE);
    result = json_object_get(run_step(&bench->run, "ok", false), "result");
    assert_true(json_is_true(json_object_get(result, "approved")));
    assert_true(slice_is(json_text_at(result, "content"), "Fresh figs"));
    assert_true(slice_is(json_text_at(result, "by.0"), "ann"));
    assert_int_equal(count_jobs(bench, PAYLOAD_WAKE, NULL), 0);
    assert_int_equal(count_jobs(bench, PAYLOAD_TASK, "ask"), 0);
    assert_int_equal(count_jobs(bench, PAYLOAD_TASK, "settle"), 1);
    assert_null(entry_of(bench, SLICE("telegram"), SLICE("asked/0000000000000064/1")));
    for (int i = 0; i < 4; i++)
        assert_false(decide(bench, "approve", "", (struct slice){NULL, 0}));
}

static void a_question_that_was_not_sent_yet_is_withdrawn(void **state)
{
    struct bench *bench = *state;

    assert_true(decide(bench, "reject", "", (struct slice){NULL, 0}));
    assert_int_equal(json_object_size(bench->jobs), 0);
    assert_false(json_is_true(json_at(run_step(&bench->run, "ok", false), "result.approved")));
}

static void an_edit_asks_anew_and_old_hashes_are_void(void **state)
{
    struct bench *bench = *state;
    json_t *old = kept(bench), *now;
    struct slice hash = json_text_at(old, "hash");

    publish(bench, 1);
    assert_true(decide(bench, "edit", "Fresh dates", hash));
    assert_int_equal(count_jobs(bench, PAYLOAD_TASK, "settle"), 1);
    assert_int_equal(count_jobs(bench, PAYLOAD_TASK, "ask"), 1);
    assert_int_equal(count_jobs(bench, PAYLOAD_WAKE, NULL), 1);
    assert_false(decide(bench, "approve", "", hash));
    now = kept(bench);
    hash = json_text_at(now, "hash");
    hash.size = APPROVAL_HASH_SHOWN;
    assert_true(decide(bench, "approve", "", hash));
    assert_true(slice_is(json_text_at(run_step(&bench->run, "ok", false), "result.content"), "Fresh dates"));
    json_decref(old);
    json_decref(now);
}

static void later_moves_the_alarm(void **state)
{
    struct bench *bench = *state;

    bench->now_ms += HOUR_MS;
    assert_true(decide(bench, "later", "6h", (struct slice){NULL, 0}));
    assert_int_equal(wake_due_ms(bench), START_MS + 7 * HOUR_MS);
}

static void reminders_come_and_time_decides(void **state)
{
    struct bench *bench = *state;
    int reminders = 0;

    publish(bench, 1);
    while (bench->run.state == RUN_OPEN) {
        bench->now_ms = wake_due_ms(bench);
        json_object_clear(bench->jobs);
        assert_true(wake(bench));
        reminders += (int)count_jobs(bench, PAYLOAD_TASK, "ask");
    }
    assert_int_equal(reminders, 5);
    assert_int_equal(bench->now_ms, START_MS + 24 * HOUR_MS);
    assert_true(slice_is(json_text_at(run_step(&bench->run, "ok", false), "result.decision"), "expired"));
    assert_int_equal(count_jobs(bench, PAYLOAD_TASK, "settle"), 1);
    assert_int_equal(count_jobs(bench, PAYLOAD_WAKE, NULL), 0);
    assert_false(wake(bench));
}

static void an_early_alarm_only_waits_on(void **state)
{
    struct bench *bench = *state;

    json_object_clear(bench->jobs);
    assert_true(wake(bench));
    assert_int_equal(wake_due_ms(bench), START_MS + 4 * HOUR_MS);
    assert_int_equal(json_object_size(bench->jobs), 1);
}

static void a_cancelled_run_tells_those_who_were_asked(void **state)
{
    struct bench *bench = *state;

    publish(bench, 1);
    assert_true(happen(bench, do_cancel, "owner"));
    json_t *approval = kept(bench);
    assert_true(slice_is(json_text_at(approval, "state"), "cancelled"));
    assert_int_equal(count_jobs(bench, PAYLOAD_TASK, "settle"), 1);
    assert_int_equal(json_object_size(bench->jobs), 1);
    assert_false(decide(bench, "approve", "", (struct slice){NULL, 0}));
    json_decref(approval);
}

static void a_record_that_is_gone_ends_the_wait(void **state)
{
    struct bench *bench = *state;

    json_object_clear(bench->store);
    assert_false(decide(bench, "approve", "", (struct slice){NULL, 0}));
    assert_true(wake(bench));
    assert_int_equal(bench->run.state, RUN_FAILED);
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH(asking_keeps_the_question_and_waits),
        BENCH(a_yes_ends_the_step_and_tidies_up),
        BENCH(a_question_that_was_not_sent_yet_is_withdrawn),
        BENCH(an_edit_asks_anew_and_old_hashes_are_void),
        BENCH(later_moves_the_alarm),
        BENCH(reminders_come_and_time_decides),
        BENCH(an_early_alarm_only_waits_on),
        BENCH(a_cancelled_run_tells_those_who_were_asked),
        BENCH(a_record_that_is_gone_ends_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
