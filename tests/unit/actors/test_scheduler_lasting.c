// SPDX-License-Identifier: MIT
#include "actors/scheduler/scheduler.h"
#include "config/config.h"
#include "flow/workflow.h"
#include "proto/jobs.h"
#include "proto/payloads.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char mail_text[] = "workflow: order\n"
                                "mode: live\n"
                                "on:\n"
                                "  - webhook: orders\n"
                                "    topic: [orders/create]\n"
                                "steps:\n"
                                "  - id: mail\n"
                                "    email: {to: \"a@b.example\", subject: Thanks, text: Hello}\n"
                                "    unreachable_after: 2m\n"
                                "    else: {message_id: none}\n"
                                "  - id: total\n"
                                "    count: {book: mails, once: \"{{ trigger.body.id }}\"}\n";

struct bench {
    struct config *config;
    struct workflow *workflow;
    struct fake *fake;
    struct op ops[32];
    size_t op_count;
    uint64_t ticket;
    struct buffer run_row;
};

static void take(struct bench *bench)
{
    bench->op_count = fake_take_ops(bench->fake, &bench->ticket, bench->ops, 32);
}

static void event(struct bench *bench, uint64_t id, struct buffer *payload)
{
    fake_deliver_job(bench->fake, &(struct msg_job){.life = 1,
                                                    .id = id,
                                                    .fence = id,
                                                    .queue = SLICE("flow"),
                                                    .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                    .payload = buffer_slice(payload)});
    buffer_free(payload);
}

/* A run of `body` that waits for its mail, job 1001. */
static struct bench *begun(const char *body)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct buffer payload = {NULL, 0, 0};
    struct text_problem problem;

    bench->config = config_default();
    bench->workflow = workflow_parse("test.yaml", slice_of(mail_text), &problem);
    assert_non_null(bench->workflow);
    bench->config->workflows = &bench->workflow;
    bench->config->workflow_count = 1;
    bench->fake = fake_new(&scheduler_spec, bench->config);
    bench->fake->wall_trusted = true;
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    fake_commit_ok(bench->fake, 1000);
    payload_put_hook(&payload, &(struct payload_hook){.hook = SLICE("orders"),
                                                      .topic = SLICE("orders/create"),
                                                      .shop = SLICE("shop"),
                                                      .received_ms = 1,
                                                      .body = slice_of(body),
                                                      .content_type = SLICE("application/json")});
    event(bench, 50, &payload);
    take(bench);
    for (size_t i = 0; i < bench->op_count; i++)
        if (bench->ops[i].id == OP_RUN)
            record_put_run_entry(&bench->run_row,
                                 &(struct record_run_entry){bench->ops[i].run.run, 1, bench->ops[i].run.workflow,
                                                            bench->ops[i].run.state, 1, bench->ops[i].run.record});
    fake_committed(bench->fake, bench->ticket, ERROR_OK, 0);
    fake_forget(bench->fake);
    return bench;
}

static void end(struct bench *bench)
{
    fake_destroy(&bench->fake);
    workflow_destroy(&bench->workflow);
    bench->config->workflows = NULL;
    bench->config->workflow_count = 0;
    config_free(&bench->config);
    buffer_free(&bench->run_row);
    free(bench);
}

/* ---- alarms ---- */

/* Lets the alarm of the mail go off and answers the READ of its job. */
static void alarm_finds(struct bench *bench, const struct record_job_view *job)
{
    struct buffer payload = {NULL, 0, 0}, row = {NULL, 0, 0};
    struct msg_read read;

    payload_put_alarm(&payload, &(struct payload_alarm){1000, SLICE("mail"), 1001});
    event(bench, 51, &payload);
    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_JOB);
    record_put_job_view(&row, job);
    fake_page(bench->fake, read.ticket, ERROR_OK, &row, 1);
    buffer_free(&row);
}

static void give_run(struct bench *bench)
{
    struct msg_read read;

    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_RUN);
    fake_page(bench->fake, read.ticket, ERROR_OK, &bench->run_row, 1);
}

static const struct op *op_of(const struct bench *bench, enum op_id id)
{
    for (size_t i = 0; i < bench->op_count; i++)
        if (bench->ops[i].id == id)
            return &bench->ops[i];
    return NULL;
}

static void assert_deferred(struct bench *bench, int64_t for_ms)
{
    take(bench);
    assert_int_equal(bench->op_count, 1);
    assert_int_equal(bench->ops[0].id, OP_RETRY);
    assert_int_equal(bench->ops[0].retry.job, 51);
    assert_int_equal(bench->ops[0].retry.due_ms, bench->fake->wall_ms + for_ms);
    fake_committed(bench->fake, bench->ticket, ERROR_OK, 0);
    assert_int_equal(fake_sent_count(bench->fake, MSG_READ), 0);
}

/* A crash ended the lease while the mail was out: the job is ready again and still carries its note. Whether the mail
 * left is unknown, so its time limit may not take `else`. */
static void test_alarm_leaves_a_job_with_a_note_alone(void **state)
{
    static const enum job_state states[] = {JOB_WAITING, JOB_READY, JOB_PARKED};
    struct bench *bench = begun("{\"id\":1}");

    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        alarm_finds(bench, &(struct record_job_view){.id = 1001, .state = states[i], .note = SLICE("sent-intent")});
        assert_deferred(bench, 10000);
    }
    alarm_finds(bench, &(struct record_job_view){.id = 1001, .state = JOB_READY});
    give_run(bench);
    take(bench);
    assert_int_equal(op_of(bench, OP_CANCEL)->cancel.job, 1001); /* settled: it was not sent */
    end(bench);
}

static void test_alarm_waits_while_a_lost_call_is_made_again(void **state)
{
    struct bench *bench = begun("{\"id\":1}");

    (void)state;
    alarm_finds(bench, &(struct record_job_view){.id = 1001, .state = JOB_WAITING, .error = ERROR_LOST});
    assert_deferred(bench, 10000);
    alarm_finds(bench, &(struct record_job_view){.id = 1001, .state = JOB_PARKED, .error = ERROR_OFFLINE});
    give_run(bench);
    take(bench);
    assert_non_null(op_of(bench, OP_CANCEL));
    end(bench);
}

/* A person may revive the job, and then it may take too long again. */
static void test_alarm_outlasts_a_doubt(void **state)
{
    struct bench *bench = begun("{\"id\":1}");

    (void)state;
    alarm_finds(bench, &(struct record_job_view){.id = 1001, .state = JOB_DOUBT, .note = SLICE("sent-intent")});
    assert_deferred(bench, 60000);
    alarm_finds(bench, &(struct record_job_view){.id = 1001, .state = JOB_READY});
    give_run(bench);
    take(bench);
    assert_non_null(op_of(bench, OP_CANCEL));
    end(bench);
}

/* ---- events that can never be handled ---- */

static void mail_done(struct bench *bench)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_step_done(&payload, &(struct payload_step_done){.run = 1000,
                                                                .step = SLICE("mail"),
                                                                .job = 1001,
                                                                .error = ERROR_OK,
                                                                .result = SLICE("{\"message_id\":\"x@y\"}"),
                                                                .detail = SLICE("")});
    event(bench, 52, &payload);
    give_run(bench);
}

static void assert_run_failed(struct bench *bench, const char *error)
{
    struct json_problem problem;

    take(bench);
    assert_int_equal(bench->op_count, 2);
    assert_int_equal(bench->ops[0].id, OP_FINISH);
    assert_int_equal(bench->ops[1].id, OP_RUN);
    assert_int_equal(bench->ops[1].run.state, RUN_FAILED);
    assert_int_equal(bench->ops[1].run.version, 1);
    json_t *record = json_read(bench->ops[1].run.record, &problem);
    assert_true(slice_is(json_text_at(record, "error.error"), error));
    assert_true(slice_is(json_text_at(record, "steps.mail.state"), "failed"));
    assert_true(slice_is(json_text_at(record, "steps.mail.error"), error));
    json_decref(record);
    fake_committed(bench->fake, bench->ticket, ERROR_OK, 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_RUNS_FAILED, 0), 1);
}

/* What the store refuses for good must not leave the run open with nothing that could ever end it. */
static void test_refused_step_end_does_not_leave_the_run_open(void **state)
{
    struct bench *bench = begun("{\"id\":1}");

    (void)state;
    mail_done(bench);
    take(bench);
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_DONE);
    fake_committed(bench->fake, bench->ticket, ERROR_TOO_LARGE, 2);
    give_run(bench);
    assert_run_failed(bench, "too-large");
    end(bench);
}

static void test_failing_the_run_can_be_refused_too(void **state)
{
    struct bench *bench = begun("{\"id\":1}");

    (void)state;
    mail_done(bench);
    take(bench);
    fake_committed(bench->fake, bench->ticket, ERROR_INVALID, 2);
    give_run(bench);
    take(bench);
    fake_committed(bench->fake, bench->ticket, ERROR_CONFLICT, 1); /* somebody wrote it meanwhile: again */
    fake_advance(bench->fake, 1000);
    give_run(bench);
    take(bench);
    assert_int_equal(op_of(bench, OP_RUN)->run.state, RUN_FAILED);
    fake_committed(bench->fake, bench->ticket, ERROR_CORRUPT, 1);
    take(bench);
    assert_int_equal(bench->op_count, 1);
    assert_int_equal(bench->ops[0].id, OP_BURY);
    end(bench);
}

static void test_lost_definition_fails_the_run(void **state)
{
    struct bench *bench = begun("{\"id\":1}");
    struct msg_read read;

    (void)state;
    struct text_problem problem;
    workflow_destroy(&bench->workflow);
    bench->workflow = workflow_parse(
        "test.yaml", SLICE("workflow: other\nmode: live\non: [{manual: true}]\nsteps:\n  - {id: a, log: x}\n"),
        &problem);
    if (bench->workflow == NULL)
        fail_msg("%s", problem.text);
    mail_done(bench);
    assert_true(fake_take_read(bench->fake, &read));
    assert_int_equal(read.what, READ_SPACE_GET);
    fake_page(bench->fake, read.ticket, ERROR_NOT_FOUND, NULL, 0);
    give_run(bench);
    assert_run_failed(bench, "not-found");
    end(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alarm_leaves_a_job_with_a_note_alone),
        cmocka_unit_test(test_alarm_waits_while_a_lost_call_is_made_again),
        cmocka_unit_test(test_alarm_outlasts_a_doubt),
        cmocka_unit_test(test_refused_step_end_does_not_leave_the_run_open),
        cmocka_unit_test(test_failing_the_run_can_be_refused_too),
        cmocka_unit_test(test_lost_definition_fails_the_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
