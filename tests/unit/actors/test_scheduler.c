// SPDX-License-Identifier: MIT
#include "actors/scheduler/scheduler.h"
#include "config/config.h"
#include "flow/workflow.h"
#include "proto/jobs.h"
#include "proto/payloads.h"
#include "proto/text/json.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char order_text[] =
    "workflow: order\n"
    "mode: live\n"
    "on:\n"
    "  - webhook: orders\n"
    "    topic: [orders/create]\n"
    "unique: \"{{ trigger.body.id }}\"\n"
    "steps:\n"
    "  - id: total\n"
    "    count: {book: revenue, amount: \"{{ minor(trigger.body.total, trigger.body.currency) }}\",\n"
    "            currency: \"{{ trigger.body.currency }}\", once: \"{{ trigger.body.id }}\"}\n"
    "  - id: never\n"
    "    when: \"{{ false }}\"\n"
    "    count: {book: nothing}\n"
    "  - id: thanks\n"
    "    generate: {prompt: thanks, vars: {first: \"{{ trigger.body.first }}\"}}\n"
    "    unreachable_after: 2m\n"
    "    else: {text: \"Thank you, {{ trigger.body.first }}\"}\n"
    "  - id: mail\n"
    "    email: {to: \"{{ trigger.body.email }}\", subject: Thanks, text: \"{{ steps.thanks.result.text }}\"}\n";

static const char tick_text[] = "workflow: tick\n"
                                "mode: live\n"
                                "on:\n"
                                "  - schedule: {cron: \"0 * * * *\", zone: UTC}\n"
                                "steps:\n"
                                "  - id: one\n"
                                "    count: {book: ticks}\n";

enum { WORKFLOWS_MAX = 3, OPS_ROOM = 32 };

struct bench {
    struct config *config;
    struct workflow *workflows[WORKFLOWS_MAX];
    struct fake *fake;
    struct op ops[OPS_ROOM];
    size_t op_count;
    uint64_t ticket; /* of the commit in ops */
    uint64_t fence;
    struct buffer run_row; /* the run as a page would hold it */
};

static struct workflow *parse(const char *text)
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

static struct bench *bench_new(const char *first, const char *second)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->config = config_default();
    bench->workflows[0] = parse(first);
    if (second != NULL)
        bench->workflows[1] = parse(second);
    bench->config->workflows = bench->workflows;
    bench->config->workflow_count = second != NULL ? 2 : 1;
    bench->fake = fake_new(&scheduler_spec, bench->config);
    bench->fake->wall_trusted = true;
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    return bench;
}

static void bench_free(struct bench *bench)
{
    fake_destroy(&bench->fake);
    for (size_t i = 0; i < bench->config->workflow_count; i++)
        workflow_destroy(&bench->workflows[i]);
    bench->config->workflows = NULL;
    bench->config->workflow_count = 0;
    config_free(&bench->config);
    buffer_free(&bench->run_row);
    free(bench);
}

static void take(struct bench *bench)
{
    bench->op_count = fake_take_ops(bench->fake, &bench->ticket, bench->ops, OPS_ROOM);
}

static void settle(struct bench *bench, enum error error, uint64_t failed_op)
{
    fake_deliver_committed(bench->fake,
                           &(struct msg_committed){.ticket = bench->ticket, .error = error, .failed_op = failed_op});
}

static void ids(struct bench *bench)
{
    take(bench);
    assert_int_equal(bench->ops[0].id, OP_ALLOCATE);
    fake_committed(bench->fake, bench->ticket, ERROR_OK, 1000);
}

static const struct op *op_of(const struct bench *bench, enum op_id id)
{
    for (size_t i = 0; i < bench->op_count; i++)
        if (bench->ops[i].id == id)
            return &bench->ops[i];
    return NULL;
}

static void event(struct bench *bench, const struct buffer *payload)
{
    fake_deliver_job(bench->fake, &(struct msg_job){.life = 1,
                                                    .id = 50,
                                                    .fence = ++bench->fence,
                                                    .queue = SLICE("flow"),
                                                    .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                    .payload = buffer_slice(payload)});
}

static void hook(struct bench *bench, const char *body)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_hook(&payload, &(struct payload_hook){.hook = SLICE("orders"),
                                                      .topic = SLICE("orders/create"),
                                                      .shop = SLICE("shop"),
                                                      .received_ms = 1,
                                                      .body = slice_of(body),
                                                      .content_type = SLICE("application/json")});
    event(bench, &payload);
    buffer_free(&payload);
}

static const char order_body[] =
    "{\"id\":5,\"total\":\"19.90\",\"currency\":\"EUR\",\"first\":\"Ada\",\"email\":\"a@b.example\"}";

/* Keeps the RUN operation of the commit as the store would give it back. */
static void keep_run(struct bench *bench)
{
    const struct op *op = op_of(bench, OP_RUN);

    assert_non_null(op);
    buffer_clear(&bench->run_row);
    record_put_run_entry(&bench->run_row, &(struct record_run_entry){op->run.run, op->run.version + 1, op->run.workflow,
                                                                     op->run.state, 1, op->run.record});
}

/* Begins the order's run and stops at its first worker step. */
static void begin(struct bench *bench)
{
    ids(bench);
    hook(bench, order_body);
    take(bench);
    keep_run(bench);
    settle(bench, ERROR_OK, 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_STARTED, 0), 1);
}

static void give_run(struct bench *bench)
{
    struct msg_read read;

    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_RUN);
    fake_page(bench->fake, read.ticket, ERROR_OK, &bench->run_row, 1);
}

static void step_done(struct bench *bench, const char *step, uint64_t job, enum error error, const char *result)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_step_done(&payload, &(struct payload_step_done){.run = 1000,
                                                                .step = slice_of(step),
                                                                .job = job,
                                                                .error = error,
                                                                .result = slice_of(result),
                                                                .detail = SLICE("why")});
    event(bench, &payload);
    buffer_free(&payload);
    give_run(bench);
    take(bench);
}

static json_t *record_of(const struct bench *bench)
{
    struct json_problem problem;
    const struct op *op = op_of(bench, OP_RUN);

    assert_non_null(op);
    return json_read(op->run.record, &problem);
}

static void assert_record(const struct bench *bench, const char *path, const char *value)
{
    json_t *record = record_of(bench);

    assert_true(slice_is(json_text_at(record, path), value));
    json_decref(record);
}

static void test_hook_is_answered_by_one_commit(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct payload payload;

    (void)state;
    ids(bench);
    hook(bench, order_body);
    take(bench);
    assert_int_equal(bench->ops[0].id, OP_CLAIM);
    assert_true(slice_is(bench->ops[0].claim.key, "run/order/5"));
    assert_int_equal(bench->ops[0].claim.skip, 0);
    assert_int_equal(bench->ops[1].id, OP_FINISH);
    assert_int_equal(bench->ops[2].id, OP_PUT);
    assert_true(slice_is(bench->ops[2].put.space, "workflow"));
    assert_int_equal(bench->ops[3].id, OP_CLAIM);
    assert_true(slice_is(bench->ops[3].claim.key, "count/revenue/5"));
    assert_int_equal(bench->ops[3].claim.skip, 1);
    assert_int_equal(bench->ops[4].id, OP_BOOK);
    assert_int_equal(bench->ops[4].book.amount, 1990);
    assert_int_equal(bench->ops[5].id, OP_PUSH);
    assert_true(slice_is(bench->ops[5].push.gate, "gemini/default"));
    assert_true(payload_take(bench->ops[5].push.payload, &payload));
    assert_int_equal(payload.id, PAYLOAD_TASK);
    assert_non_null(memmem(payload.task.input.data, payload.task.input.size, "\"first\":\"Ada\"", 13));
    assert_int_equal(bench->ops[6].id, OP_PUSH);
    assert_true(payload_take(bench->ops[6].push.payload, &payload));
    assert_int_equal(payload.id, PAYLOAD_ALARM);
    assert_int_equal(payload.alarm.job, 1001);
    assert_int_equal(bench->ops[6].push.due_ms, bench->fake->wall_ms + 120000);
    assert_int_equal(bench->ops[7].id, OP_RUN);
    assert_int_equal(bench->ops[7].run.version, 0);
    assert_int_equal(bench->op_count, 8);
    assert_record(bench, "steps.never.state", "skipped");
    assert_record(bench, "steps.thanks.state", "waiting");
    bench_free(bench);
}

static void test_known_key_ends_quietly(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);

    (void)state;
    ids(bench);
    hook(bench, order_body);
    take(bench);
    settle(bench, ERROR_HELD, 0);
    take(bench);
    assert_int_equal(bench->op_count, 1);
    assert_int_equal(bench->ops[0].id, OP_FINISH);
    settle(bench, ERROR_OK, 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_STARTED, 0), 0);
    bench_free(bench);
}

static void test_steps_follow_each_other_to_the_end(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct payload payload;

    (void)state;
    begin(bench);
    step_done(bench, "thanks", 1001, ERROR_OK, "{\"text\":\"So kind\",\"tokens\":9}");
    assert_int_equal(bench->ops[0].id, OP_FINISH);
    assert_int_equal(bench->ops[1].id, OP_CANCEL);
    assert_int_equal(bench->ops[1].cancel.job, 1002);
    assert_true(slice_is(bench->ops[2].push.queue, "publish"));
    assert_true(payload_take(bench->ops[2].push.payload, &payload));
    assert_non_null(memmem(payload.task.input.data, payload.task.input.size, "So kind", 7));
    assert_int_equal(op_of(bench, OP_RUN)->run.version, 1);
    keep_run(bench);
    settle(bench, ERROR_OK, 0);
    step_done(bench, "mail", 1003, ERROR_OK, "{\"message_id\":\"x@y\"}");
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_DONE);
    assert_int_equal(bench->op_count, 2);
    settle(bench, ERROR_OK, 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_ENDED, 0), 1);
    bench_free(bench);
}

static void test_failure_takes_else_or_fails_the_run(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct payload payload;

    (void)state;
    begin(bench);
    step_done(bench, "thanks", 1001, ERROR_BLOCKED, "null");
    assert_record(bench, "steps.thanks.state", "else");
    assert_true(payload_take(op_of(bench, OP_PUSH)->push.payload, &payload));
    assert_non_null(memmem(payload.task.input.data, payload.task.input.size, "Thank you, Ada", 14));
    keep_run(bench);
    settle(bench, ERROR_OK, 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_STEPS_ELSE, ERROR_BLOCKED), 1);
    step_done(bench, "mail", 1003, ERROR_REFUSED, "null");
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_FAILED);
    assert_record(bench, "error.error", "refused");
    settle(bench, ERROR_OK, 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_FAILED, 0), 1);
    bench_free(bench);
}

static void alarm(struct bench *bench, uint64_t job, enum job_state job_state, bool there)
{
    struct buffer payload = {NULL, 0, 0}, row = {NULL, 0, 0};
    struct msg_read read;

    payload_put_alarm(&payload, &(struct payload_alarm){1000, SLICE("thanks"), job});
    event(bench, &payload);
    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_JOB);
    assert_int_equal(read.id, job);
    record_put_job_view(&row, &(struct record_job_view){.id = job, .state = job_state});
    fake_page(bench->fake, read.ticket, there ? ERROR_OK : ERROR_NOT_FOUND, there ? &row : NULL, there);
    buffer_free(&row);
    buffer_free(&payload);
}

static void test_alarm_withdraws_the_job_and_takes_else(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);

    (void)state;
    begin(bench);
    alarm(bench, 1001, JOB_READY, true);
    give_run(bench);
    take(bench);
    assert_int_equal(bench->ops[1].id, OP_CANCEL);
    assert_int_equal(bench->ops[1].cancel.job, 1001);
    assert_record(bench, "steps.thanks.state", "else");
    settle(bench, ERROR_HELD, 1); /* a worker took it meanwhile: look again soon */
    assert_int_equal(fake_sent_count(bench->fake, MSG_READ), 0);
    fake_advance(bench->fake, 2000);
    assert_int_equal(fake_sent_count(bench->fake, MSG_READ), 1);
    bench_free(bench);
}

static void test_alarm_of_an_ended_job_is_passed_over(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);

    (void)state;
    begin(bench);
    alarm(bench, 1001, JOB_NONE, false);
    take(bench);
    assert_int_equal(bench->op_count, 1);
    assert_int_equal(bench->ops[0].id, OP_FINISH);
    bench_free(bench);
}

static void test_old_events_and_conflicts(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);

    (void)state;
    begin(bench);
    step_done(bench, "thanks", 999, ERROR_OK, "{}");
    assert_int_equal(bench->op_count, 1);
    assert_int_equal(bench->ops[0].id, OP_FINISH);
    settle(bench, ERROR_OK, 0);
    step_done(bench, "thanks", 1001, ERROR_OK, "{\"text\":\"x\"}");
    settle(bench, ERROR_CONFLICT, 3);
    fake_advance(bench->fake, 1000);
    give_run(bench);
    take(bench);
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_OPEN);
    settle(bench, ERROR_HELD, 1); /* the alarm is in hand itself: repeat without withdrawing it */
    give_run(bench);
    take(bench);
    assert_null(op_of(bench, OP_CANCEL));
    bench_free(bench);
}

static void test_run_keeps_the_definition_it_began_with(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct msg_read read;
    struct buffer row = {NULL, 0, 0}, payload = {NULL, 0, 0};

    (void)state;
    begin(bench);
    workflow_destroy(&bench->workflows[0]);
    bench->workflows[0] = parse(tick_text);
    payload_put_step_done(&payload, &(struct payload_step_done){.run = 1000,
                                                                .step = SLICE("thanks"),
                                                                .job = 1001,
                                                                .error = ERROR_OK,
                                                                .result = SLICE("{\"text\":\"x\"}"),
                                                                .detail = SLICE("")});
    event(bench, &payload);
    give_run(bench);
    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_SPACE_GET);
    assert_true(slice_is(read.space, "workflow"));
    record_put_space_entry(&row,
                           &(struct record_space_entry){.key = read.from, .version = 1, .value = slice_of(order_text)});
    fake_page(bench->fake, read.ticket, ERROR_OK, &row, 1);
    take(bench);
    assert_record(bench, "steps.mail.state", "waiting");
    buffer_free(&row);
    buffer_free(&payload);
    bench_free(bench);
}

static void test_shadow_withholds_and_keeps_what_it_would_send(void **state)
{
    char text[sizeof(order_text) + 8];
    struct bench *bench;

    (void)state;
    snprintf(text, sizeof(text), "workflow: order\nmode: shadow\n%s", strstr(order_text, "on:"));
    bench = bench_new(text, NULL);
    ids(bench);
    hook(bench, order_body);
    take(bench);
    assert_null(op_of(bench, OP_PUSH));
    assert_non_null(op_of(bench, OP_BOOK));
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_DONE);
    assert_record(bench, "steps.mail.state", "shadow");
    assert_record(bench, "steps.mail.input.text", "Thank you, Ada");
    bench_free(bench);
}

static void test_unheard_malformed_and_failing_events(void **state)
{
    struct bench *bench = bench_new(tick_text, order_text);

    (void)state;
    ids(bench);
    hook(bench, "{");
    take(bench);
    assert_int_equal(bench->ops[0].id, OP_BURY);
    settle(bench, ERROR_OK, 0);
    hook(bench, "{\"id\":5,\"total\":\"much\",\"currency\":\"EUR\"}");
    take(bench);
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_FAILED);
    assert_record(bench, "error.error", "expression");
    settle(bench, ERROR_OK, 0);
    event(bench, &(struct buffer){(char *)"junk", 4, 4});
    take(bench);
    assert_int_equal(bench->ops[0].id, OP_BURY);
    bench_free(bench);
}

static void test_several_listeners_get_a_start_each(void **state)
{
    char text[sizeof(order_text) + 8];
    struct bench *bench;

    (void)state;
    snprintf(text, sizeof(text), "workflow: again\n%s", strstr(order_text, "mode:"));
    bench = bench_new(order_text, text);
    ids(bench);
    hook(bench, order_body);
    take(bench);
    assert_int_equal(bench->op_count, 3);
    struct buffer payload = {NULL, 0, 0};
    buffer_append(&payload, bench->ops[2].push.payload.data, bench->ops[2].push.payload.size);
    settle(bench, ERROR_OK, 0);
    event(bench, &payload);
    take(bench);
    assert_true(slice_is(bench->ops[0].claim.key, "run/again/5"));
    buffer_free(&payload);
    bench_free(bench);
}

static void test_commands_tell_runs_without_personal_data(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct msg_command_done done;
    struct msg_read read;

    (void)state;
    begin(bench);
    fake_deliver_command(bench->fake, &(struct msg_command){3, COMMAND_RUN_SHOW, SLICE("{\"id\":1000}")});
    give_run(bench);
    assert_true(fake_take_command_done(bench->fake, &done));
    assert_int_equal(done.error, ERROR_OK);
    assert_non_null(memmem(done.body.data, done.body.size, "waiting", 7));
    assert_null(memmem(done.body.data, done.body.size, "Ada", 3));
    assert_null(memmem(done.body.data, done.body.size, "a@b", 3));
    fake_deliver_command(bench->fake, &(struct msg_command){4, COMMAND_RUNS, SLICE("{\"workflow\":\"order\"}")});
    assert_true(fake_take_read(bench->fake, &read));
    fake_page(bench->fake, read.ticket, ERROR_OK, &bench->run_row, 1);
    assert_true(fake_take_command_done(bench->fake, &done));
    assert_non_null(memmem(done.body.data, done.body.size, "\"order\"", 7));
    bench_free(bench);
}

static bool is_step_done(const struct op *op, uint64_t job, enum error error)
{
    struct payload payload;

    return op->id == OP_PUSH && slice_is(op->push.queue, "flow") && slice_is(op->push.key, "1000") &&
           op->push.run == 1000 && payload_take(op->push.payload, &payload) && payload.id == PAYLOAD_STEP_DONE &&
           payload.step_done.run == 1000 && payload.step_done.job == job && payload.step_done.error == error &&
           slice_is(payload.step_done.step, "thanks");
}

/* Asks for `job cancel` and answers the READ of the job. */
static void cancel(struct bench *bench, const struct record_job_view *job)
{
    struct buffer row = {NULL, 0, 0};
    struct msg_read read;

    fake_deliver_command(bench->fake, &(struct msg_command){7, COMMAND_JOB_CANCEL, SLICE("{\"id\":1001}")});
    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_JOB);
    assert_int_equal(read.id, 1001);
    if (job != NULL)
        record_put_job_view(&row, job);
    fake_page(bench->fake, read.ticket, job != NULL ? ERROR_OK : ERROR_NOT_FOUND, &row, job != NULL);
    buffer_free(&row);
}

static void assert_cancel_answered(struct bench *bench, enum error error, const char *message)
{
    struct msg_command_done done;

    assert_true(fake_take_command_done(bench->fake, &done));
    assert_int_equal(done.ticket, 7);
    assert_int_equal(done.error, error);
    assert_non_null(memmem(done.body.data, done.body.size, message, strlen(message)));
}

static void test_cancelled_job_tells_its_run(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct record_job_view job = {
        .id = 1001, .queue = SLICE("ai"), .state = JOB_PARKED, .run = 1000, .step = SLICE("thanks")};

    (void)state;
    begin(bench);
    cancel(bench, &job);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMAND_DONE), 0); /* not before it is on disk */
    take(bench);
    assert_int_equal(bench->op_count, 2);
    assert_int_equal(bench->ops[0].id, OP_CANCEL);
    assert_int_equal(bench->ops[0].cancel.job, 1001);
    assert_true(is_step_done(&bench->ops[1], 1001, ERROR_CANCELLED));
    settle(bench, ERROR_OK, 0);
    assert_cancel_answered(bench, ERROR_OK, "\"done\":true");
    step_done(bench, "thanks", 1001, ERROR_CANCELLED, "null");
    assert_record(bench, "steps.thanks.state", "else");
    bench_free(bench);
}

static void test_cancel_of_jobs_without_a_waiting_step(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct buffer payload = {NULL, 0, 0};
    struct record_job_view job = {.id = 1001, .queue = SLICE("loose"), .state = JOB_READY};

    (void)state;
    ids(bench);
    cancel(bench, &job);
    take(bench);
    assert_int_equal(bench->op_count, 1);
    settle(bench, ERROR_HELD, 0); /* a worker took it meanwhile */
    assert_cancel_answered(bench, ERROR_HELD, "being worked on");
    payload_put_alarm(&payload, &(struct payload_alarm){1000, SLICE("thanks"), 1002});
    job = (struct record_job_view){.id = 1001, .queue = SLICE("flow"), .state = JOB_WAITING, .run = 1000};
    job.payload = buffer_slice(&payload);
    cancel(bench, &job);
    take(bench);
    assert_int_equal(bench->op_count, 1); /* the step is still waited for */
    settle(bench, ERROR_OK, 0);
    assert_cancel_answered(bench, ERROR_OK, "done");
    buffer_clear(&payload);
    payload_put_step_done(&payload, &(struct payload_step_done){.run = 1000,
                                                                .step = SLICE("thanks"),
                                                                .job = 1002,
                                                                .error = ERROR_OK,
                                                                .result = SLICE("{}"),
                                                                .detail = SLICE("")});
    job.step = SLICE("thanks");
    job.payload = buffer_slice(&payload);
    cancel(bench, &job);
    take(bench);
    assert_true(is_step_done(&bench->ops[1], 1002, ERROR_CANCELLED));
    buffer_free(&payload);
    bench_free(bench);
}

static void test_cancel_that_cannot_be(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct record_job_view job = {.id = 1001, .queue = SLICE("ai"), .state = JOB_LEASED, .run = 1000};

    (void)state;
    ids(bench);
    cancel(bench, NULL);
    assert_cancel_answered(bench, ERROR_NOT_FOUND, "there is no job");
    cancel(bench, &job);
    assert_cancel_answered(bench, ERROR_HELD, "being worked on");
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0);
    bench->fake->send_error[MSG_COMMIT] = ERROR_FULL;
    job.state = JOB_DEAD;
    cancel(bench, &job);
    assert_cancel_answered(bench, ERROR_FULL, "message");
    bench_free(bench);
}

static void test_hook_nobody_listens_to_is_counted(void **state)
{
    struct bench *bench = bench_new(tick_text, NULL);

    (void)state;
    ids(bench);
    hook(bench, order_body);
    take(bench);
    assert_int_equal(bench->op_count, 1);
    assert_int_equal(bench->ops[0].id, OP_FINISH);
    assert_int_equal(fake_metric(bench->fake, METRIC_EVENTS_UNHEARD, 0), 1);
    assert_int_equal(fake_logged(bench->fake, "event-unheard"), 1);
    bench_free(bench);
}

/* It can be repeated until upkeep reduces it, and yet a look at it shows nobody's address. */
static void test_ended_run_keeps_what_began_it(void **state)
{
    struct bench *bench = bench_new(order_text, NULL);
    struct msg_command_done done;

    (void)state;
    begin(bench);
    step_done(bench, "thanks", 1001, ERROR_OK, "{\"text\":\"So kind\"}");
    keep_run(bench);
    settle(bench, ERROR_OK, 0);
    step_done(bench, "mail", 1003, ERROR_REFUSED, "null");
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_FAILED);
    assert_record(bench, "trigger.body.email", "a@b.example");
    keep_run(bench);
    settle(bench, ERROR_OK, 0);
    fake_deliver_command(bench->fake, &(struct msg_command){3, COMMAND_RUN_SHOW, SLICE("{\"id\":1000}")});
    give_run(bench);
    assert_true(fake_take_command_done(bench->fake, &done));
    assert_null(memmem(done.body.data, done.body.size, "a@b", 3));
    fake_deliver_command(bench->fake,
                         &(struct msg_command){4, COMMAND_RUN_SHOW, SLICE("{\"id\":1000,\"whole\":true}")});
    give_run(bench);
    assert_true(fake_take_command_done(bench->fake, &done));
    assert_non_null(memmem(done.body.data, done.body.size, "a@b", 3));
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hook_is_answered_by_one_commit),
        cmocka_unit_test(test_known_key_ends_quietly),
        cmocka_unit_test(test_steps_follow_each_other_to_the_end),
        cmocka_unit_test(test_failure_takes_else_or_fails_the_run),
        cmocka_unit_test(test_alarm_withdraws_the_job_and_takes_else),
        cmocka_unit_test(test_alarm_of_an_ended_job_is_passed_over),
        cmocka_unit_test(test_old_events_and_conflicts),
        cmocka_unit_test(test_run_keeps_the_definition_it_began_with),
        cmocka_unit_test(test_shadow_withholds_and_keeps_what_it_would_send),
        cmocka_unit_test(test_unheard_malformed_and_failing_events),
        cmocka_unit_test(test_several_listeners_get_a_start_each),
        cmocka_unit_test(test_commands_tell_runs_without_personal_data),
        cmocka_unit_test(test_cancelled_job_tells_its_run),
        cmocka_unit_test(test_cancel_of_jobs_without_a_waiting_step),
        cmocka_unit_test(test_cancel_that_cannot_be),
        cmocka_unit_test(test_hook_nobody_listens_to_is_counted),
        cmocka_unit_test(test_ended_run_keeps_what_began_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
