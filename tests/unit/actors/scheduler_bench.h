/* scheduler_bench - the scheduler over a real store in memory; the test plays the workers, the console and the clock.
 */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/common/step_event.h"
#include "actors/scheduler/scheduler.h"
#include "config/config.h"
#include "flow/run/machine.h"
#include "proto/jobs.h"
#include "proto/payloads.h"
#include "proto/text/json.h"
#include "store/kv_memory.h"
#include "store/store.h"
#include "tests/support/fake_world.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WORK_MAX = 64, ROUNDS_MAX = 2000 };

/* A job in a worker's hand. */
struct bench_work {
    uint64_t job, fence, run;
    char step[101], skill[33];
    json_t *input;
};

struct bench {
    struct config *config;
    struct workflow **workflows;
    struct fake *fake;
    struct kv_memory_disk *disk;
    struct store *store;
    struct bench_work work[WORK_MAX];
    size_t work_count;
    size_t commit_bytes_most;
    bool is_refusing; /* every commit that writes a run is answered CONFLICT, once */
    uint64_t command;
};

static inline struct workflow *bench_parse(const char *text)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_parse("test.yaml", slice_of(text), &problem);
    char shown[800];

    if (workflow == NULL) {
        text_problem_print(&problem, shown, sizeof(shown));
        fail_msg("%s", shown);
    }
    return workflow;
}

static inline bool writes_run(struct slice ops)
{
    struct wire wire = wire_over(ops);
    struct op op;

    while (op_take(&wire, &op))
        if (op.id == OP_RUN)
            return true;
    return false;
}

static inline void bench_commit(struct bench *bench, const struct msg_commit *msg)
{
    struct store_commit commit = {.ops = msg->ops};

    if (msg->ops.size > bench->commit_bytes_most)
        bench->commit_bytes_most = msg->ops.size;
    if (bench->is_refusing && writes_run(msg->ops)) {
        bench->is_refusing = false;
        fake_committed(bench->fake, msg->ticket, ERROR_CONFLICT, 0);
        return;
    }
    store_commit_group(bench->store, &commit, 1, bench->fake->wall_ms);
    fake_deliver_committed(bench->fake, &(struct msg_committed){.ticket = msg->ticket,
                                                                .error = commit.error,
                                                                .failed_op = commit.failed_op,
                                                                .first_id = commit.first_id,
                                                                .skipped = commit.skipped,
                                                                .detail = {commit.detail, commit.detail_size}});
}

static inline void bench_read(struct bench *bench, const struct msg_read *msg)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    enum error error = store_read_page(bench->store, msg, bench->fake->wall_ms, &page);

    fake_deliver_page(bench->fake, &(struct msg_page){.ticket = msg->ticket,
                                                      .error = error,
                                                      .count = page.count,
                                                      .rows = buffer_slice(&page.rows),
                                                      .next = buffer_slice(&page.next)});
    buffer_free(&page.rows);
    buffer_free(&page.next);
}

static inline enum error bench_job(void *context, enum actor_index actor, const struct msg_job *msg)
{
    struct bench *bench = context;
    struct msg_job job = *msg;
    struct json_problem problem;
    struct payload payload;

    if (actor == ACTOR_SCHEDULER) {
        job.life = 1;
        fake_deliver_job(bench->fake, &job);
        return ERROR_OK;
    }
    assert_true(bench->work_count < WORK_MAX);
    assert_true(payload_take(msg->payload, &payload));
    struct bench_work *work = &bench->work[bench->work_count++];
    *work = (struct bench_work){.job = msg->id, .fence = msg->fence, .run = msg->run};
    snprintf(work->step, sizeof(work->step), "%.*s", (int)msg->step.size, msg->step.data);
    snprintf(work->skill, sizeof(work->skill), "%.*s", (int)payload.task.skill.size, payload.task.skill.data);
    work->input = json_read(payload.task.input, &problem);
    return ERROR_OK;
}

static inline enum error bench_gate(void *context, struct slice gate)
{
    struct bench *bench = context;

    store_gate(bench->store, gate, true);
    return ERROR_OK;
}

/* Lets everything happen that can happen now. */
static inline void bench_run(struct bench *bench)
{
    const struct store_receiver receiver = {bench, bench_job, bench_gate};

    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct msg_subscribe subscribe;
        struct msg_release release;
        struct msg_commit commit;
        struct msg_read read;
        bool is_busy = false;

        while (fake_take_subscribe(bench->fake, &subscribe))
            store_subscribe(bench->store, ACTOR_SCHEDULER, subscribe.queue, subscribe.window);
        while (fake_take_release(bench->fake, &release))
            store_release(bench->store, release.job, release.fence);
        for (; fake_take_commit(bench->fake, &commit); is_busy = true)
            bench_commit(bench, &commit);
        for (; fake_take_read(bench->fake, &read); is_busy = true)
            bench_read(bench, &read);
        store_deliver(bench->store, bench->fake->wall_ms, &receiver);
        if (!is_busy && fake_sent_count(bench->fake, MSG_COMMIT) == 0 && fake_sent_count(bench->fake, MSG_READ) == 0)
            return;
    }
    fail_msg("it never comes to rest");
}

static inline void bench_pass(struct bench *bench, int64_t ms)
{
    const int64_t part_ms = ms > 20000 ? ms / 20 : 1000;

    for (int64_t passed = 0; passed < ms; passed += part_ms) {
        fake_advance(bench->fake, part_ms < ms - passed ? part_ms : ms - passed);
        bench_run(bench);
    }
}

/* Up to four workflows. */
static inline struct bench *bench_new(const char *const *texts)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    const struct store_options options = {.box = 1};
    char problem[STORE_PROBLEM_BYTES];
    enum error error;

    bench->config = config_default();
    bench->workflows = calloc(8, sizeof(*bench->workflows));
    for (; texts[bench->config->workflow_count] != NULL; bench->config->workflow_count++)
        bench->workflows[bench->config->workflow_count] = bench_parse(texts[bench->config->workflow_count]);
    bench->config->workflows = bench->workflows;
    bench->fake = fake_new(&scheduler_spec, bench->config);
    bench->fake->wall_trusted = true;
    bench->disk = kv_memory_disk_new(0);
    bench->store = store_open(&kv_memory_ops, bench->disk, &options, bench->fake->wall_ms, &error, problem);
    assert_non_null(bench->store);
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    store_subscribe(bench->store, ACTOR_PUBLISHER, SLICE("publish"), 32);
    store_subscribe(bench->store, ACTOR_AI_WORKER, SLICE("ai"), 32);
    bench_run(bench);
    return bench;
}

static inline void bench_free(struct bench *bench)
{
    fake_destroy(&bench->fake);
    store_close(&bench->store);
    kv_memory_disk_destroy(&bench->disk);
    for (size_t i = 0; i < bench->config->workflow_count; i++)
        workflow_destroy(&bench->workflows[i]);
    for (size_t i = 0; i < bench->work_count; i++)
        json_decref(bench->work[i].input);
    bench->config->workflows = NULL;
    bench->config->workflow_count = 0;
    config_free(&bench->config);
    free(bench->workflows);
    free(bench);
}

/* ---- the store's side ---- */

static inline enum error bench_put(struct bench *bench, struct buffer *ops, uint64_t *first_id)
{
    struct store_commit commit = {.ops = buffer_slice(ops)};

    store_commit_group(bench->store, &commit, 1, bench->fake->wall_ms);
    if (first_id != NULL)
        *first_id = commit.first_id;
    buffer_free(ops);
    return commit.error;
}

static inline void bench_push_flow(struct bench *bench, struct buffer *payload, const char *key)
{
    struct buffer ops = {NULL, 0, 0};

    op_put_push(&ops, &(struct op_push){.queue = SLICE("flow"),
                                        .key = slice_of(key),
                                        .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                        .payload = buffer_slice(payload)});
    buffer_free(payload);
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    bench_run(bench);
}

static inline void bench_hook(struct bench *bench, const char *body)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_hook(&payload, &(struct payload_hook){.hook = SLICE("orders"),
                                                      .topic = SLICE("orders/create"),
                                                      .shop = SLICE("shop"),
                                                      .received_ms = 1,
                                                      .body = slice_of(body),
                                                      .content_type = SLICE("application/json")});
    bench_push_flow(bench, &payload, "");
}

/* The work of a step (of any run) in a worker's hand, or NULL. */
static inline struct bench_work *bench_find(struct bench *bench, const char *step)
{
    for (size_t i = 0; i < bench->work_count; i++)
        if (strcmp(bench->work[i].step, step) == 0)
            return &bench->work[i];
    return NULL;
}

static inline void bench_forget(struct bench *bench, struct bench_work *work)
{
    json_decref(work->input);
    *work = bench->work[--bench->work_count];
}

static inline void bench_end_quietly(struct bench *bench, const char *step, enum error error, const char *result)
{
    struct bench_work *work = bench_find(bench, step);
    struct buffer ops = {NULL, 0, 0};

    if (work == NULL)
        fail_msg("no worker has step %s in hand", step);
    op_put_finish(&ops, &(struct op_finish){work->job, work->fence});
    step_event_put(&ops, &(struct payload_step_done){.run = work->run,
                                                     .step = slice_of(work->step),
                                                     .job = work->job,
                                                     .error = error,
                                                     .result = slice_of(result),
                                                     .detail = SLICE("why"),
                                                     .attempts = 1});
    assert_int_equal(bench_put(bench, &ops, NULL), ERROR_OK);
    bench_forget(bench, work);
}

static inline void bench_end(struct bench *bench, const char *step, enum error error, const char *result)
{
    bench_end_quietly(bench, step, error, result);
    bench_run(bench);
}

/* ---- the console's side ---- */

/* Owned by the caller. */
static inline json_t *bench_ask(struct bench *bench, enum command_id command, enum error wanted, const char *format,
                                ...)
{
    char arguments[2000];
    struct msg_command_done done;
    struct json_problem problem;
    va_list list;

    va_start(list, format);
    vsnprintf(arguments, sizeof(arguments), format, list);
    va_end(list);
    fake_deliver_command(bench->fake, &(struct msg_command){++bench->command, command, slice_of(arguments)});
    bench_run(bench);
    assert_true(fake_take_command_done(bench->fake, &done));
    assert_int_equal(done.ticket, bench->command);
    if (done.error != wanted)
        fail_msg("%s: %.*s", error_name(done.error), (int)done.body.size, done.body.data);
    return json_read(done.body, &problem);
}

/* The refusal's message holds this. */
static inline void bench_refused(struct bench *bench, enum command_id command, enum error error, const char *arguments,
                                 const char *part)
{
    json_t *body = bench_ask(bench, command, error, "%s", arguments);
    const char *message = json_string_value(json_object_get(body, "message"));

    assert_non_null(message);
    if (strstr(message, part) == NULL)
        fail_msg("%s", message);
    json_decref(body);
}

static inline uint64_t bench_begin(struct bench *bench, const char *workflow)
{
    json_t *body =
        bench_ask(bench, COMMAND_WORKFLOW_RUN, ERROR_OK, "{\"name\":\"%s\",\"input\":\"{\\\"n\\\":4}\"}", workflow);
    uint64_t run = (uint64_t)json_integer_value(json_object_get(body, "run"));

    json_decref(body);
    return run;
}

/* The stored record, owned by the caller; with its state as `is`. */
static inline json_t *bench_record(struct bench *bench, uint64_t run)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct record_run_entry entry;
    struct json_problem problem;
    json_t *record = NULL;

    if (store_read_page(bench->store, &(struct msg_read){.what = READ_RUN, .id = run, .limit = 1}, bench->fake->wall_ms,
                        &page) == ERROR_OK) {
        struct wire wire = wire_over(buffer_slice(&page.rows));
        assert_true(record_take_run_entry(&wire, &entry));
        record = json_read(entry.record, &problem);
        json_object_set_new(record, "is", json_string(run_state_name((enum run_state)entry.state)));
    }
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return record;
}

static inline void bench_expect(struct bench *bench, uint64_t run, const char *path, const char *value)
{
    json_t *record = bench_record(bench, run), *found;
    struct buffer text = {NULL, 0, 0};

    assert_non_null(record);
    found = json_at(record, path);
    if (json_is_string(found))
        buffer_text(&text, json_string_value(found));
    else if (found != NULL)
        json_write(&text, found);
    if (!slice_is(buffer_slice(&text), value)) {
        struct buffer whole = {NULL, 0, 0};
        json_write(&whole, record);
        fail_msg("%s is %.*s, not %s, in %.*s", path, (int)text.size, text.size ? text.data : "", value,
                 (int)whole.size, whole.data);
    }
    buffer_free(&text);
    json_decref(record);
}

/* The newest run of a workflow. */
static inline uint64_t bench_newest(struct bench *bench, const char *workflow)
{
    json_t *body = bench_ask(bench, COMMAND_RUNS, ERROR_OK, "{\"workflow\":\"%s\",\"limit\":1}", workflow);
    uint64_t run = (uint64_t)json_integer_value(json_at(body, "runs.0.run"));

    json_decref(body);
    return run;
}

static inline size_t bench_count_runs(struct bench *bench, const char *workflow)
{
    json_t *body = bench_ask(bench, COMMAND_RUNS, ERROR_OK, "{\"workflow\":\"%s\",\"limit\":1000}", workflow);
    size_t count = json_array_size(json_object_get(body, "runs"));

    json_decref(body);
    return count;
}
