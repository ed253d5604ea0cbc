// SPDX-License-Identifier: MIT
#include "actors/publisher/publisher.h"
#include "actors/common/outcome.h"
#include "config/config.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct bench {
    struct config *config;
    struct fake *fake;
};

static void set(char **option, const char *value)
{
    free(*option);
    *option = strdup(value);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->config = config_default();
    set(&bench->config->mail_url, "smtp://127.0.0.1:2525");
    set(&bench->config->mail_from, "shop@example.org");
    bench->fake = fake_new(&publisher_spec, bench->config);
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    fake_destroy(&bench->fake);
    config_free(&bench->config);
    free(bench);
    return 0;
}

static void give(struct bench *bench, uint64_t attempt, const char *on_unknown, const char *state, const char *mode)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_task(&payload,
                     &(struct payload_task){
                         .run = 7,
                         .step = SLICE("mail"),
                         .skill = SLICE("email"),
                         .mode = slice_of(mode),
                         .input = SLICE("{\"to\":\"a@example.org\",\"subject\":\"Hello\",\"text\":\"Thank you\"}"),
                         .attempts_max = 3,
                         .first_ms = 1000,
                         .max_ms = 60000,
                         .timeout_ms = 5000,
                         .on_unknown = slice_of(on_unknown)});
    fake_deliver_job(bench->fake, &(struct msg_job){.life = 1,
                                                    .id = 42,
                                                    .fence = 3,
                                                    .queue = SLICE("publish"),
                                                    .gate = SLICE("smtp/default"),
                                                    .attempt = attempt,
                                                    .run = 7,
                                                    .step = SLICE("mail"),
                                                    .created_ms = INT64_C(1700000000000),
                                                    .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                    .payload = buffer_slice(&payload),
                                                    .state = slice_of(state)});
    buffer_free(&payload);
}

static void permit(struct bench *bench, enum error error)
{
    struct msg_permit_ask ask;

    assert_true(fake_take_permit_ask(bench->fake, &ask));
    assert_true(slice_is(ask.gate, "smtp/default"));
    fake_deliver_permit(bench->fake, &(struct msg_permit){.ticket = ask.ticket, .error = error});
}

/* Leads the job to its call: permit, note, request. */
static void call(struct bench *bench)
{
    struct op ops[4];
    uint64_t ticket;

    permit(bench, ERROR_OK);
    assert_null(fake_request_next(bench->fake));
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_true(ops[0].note.state.size > 0);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    assert_non_null(fake_request_next(bench->fake));
    assert_int_equal(fake_request_next(bench->fake)->job, 42);
}

static void answer(struct bench *bench, enum error error, int status)
{
    fake_answer(bench->fake, fake_request_next(bench->fake)->ticket,
                &(struct answer){.error = error, .status = status, .detail = SLICE("said so")});
}

static enum error usage(struct bench *bench)
{
    struct msg_usage msg;

    assert_true(fake_take_usage(bench->fake, &msg));
    return msg.outcome;
}

static void assert_step_done(const struct op *op, enum error error)
{
    struct payload payload;

    assert_int_equal(op->id, OP_PUSH);
    assert_true(slice_is(op->push.queue, "flow"));
    assert_true(slice_is(op->push.key, "7"));
    assert_true(payload_take(op->push.payload, &payload));
    assert_int_equal(payload.id, PAYLOAD_STEP_DONE);
    assert_int_equal(payload.step_done.run, 7);
    assert_int_equal(payload.step_done.job, 42);
    assert_int_equal(payload.step_done.error, error);
}

static void test_mail_is_noted_sent_and_finished_in_one_commit(void **state)
{
    struct bench *bench = *state;
    struct msg_subscribe subscribe;
    struct op ops[4];
    uint64_t ticket;

    assert_true(fake_take_subscribe(bench->fake, &subscribe));
    assert_true(slice_is(subscribe.queue, "publish"));
    assert_int_equal(subscribe.window, 8);
    give(bench, 0, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_OK, 250);
    assert_int_equal(usage(bench), ERROR_OK);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_FINISH);
    assert_int_equal(ops[0].finish.fence, 3);
    assert_step_done(&ops[1], ERROR_OK);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    assert_int_equal(fake_metric(bench->fake, METRIC_MAILS_SENT, 0), 1);
}

static void test_lost_answer_is_doubt_resend_or_drop(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_LOST, 0);
    assert_int_equal(usage(bench), ERROR_LOST);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    assert_int_equal(ops[0].id, OP_DOUBT);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);

    give(bench, 0, "resend", "", "live");
    call(bench);
    answer(bench, ERROR_LOST, 0);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_int_equal(ops[0].note.state.size, 0);
    assert_int_equal(ops[1].id, OP_RETRY);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);

    give(bench, 0, "drop", "", "live");
    call(bench);
    answer(bench, ERROR_LOST, 0);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_FINISH);
    assert_step_done(&ops[1], ERROR_LOST);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
}

static void test_noted_job_is_never_sent_again_blindly(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "sent-intent", "live");
    assert_int_equal(fake_sent_count(bench->fake, MSG_PERMIT_ASK), 0);
    assert_null(fake_request_next(bench->fake));
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    assert_int_equal(ops[0].id, OP_DOUBT);
}

static void test_offline_parks_without_a_charge_and_forgets_the_note(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 2, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_OFFLINE, 0);
    assert_int_equal(usage(bench), ERROR_OFFLINE);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_int_equal(ops[0].note.state.size, 0);
    assert_int_equal(ops[1].id, OP_PARK);
    assert_true(ops[1].park.due_ms > bench->fake->wall_ms);
    assert_int_equal(ops[1].park.error, ERROR_OFFLINE);
}

static void test_failures_are_charged_until_they_exhaust(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 1, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_OK, 451);
    usage(bench);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[1].id, OP_RETRY);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);

    give(bench, 2, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_OK, 451);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 3);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_int_equal(ops[1].id, OP_BURY);
    assert_step_done(&ops[2], ERROR_EXHAUSTED);
}

/* The mail certainly did not leave, so nothing is in doubt when a person revives the job. */
static void test_a_definite_failure_erases_the_note(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_OK, 550);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 3);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_int_equal(ops[0].note.state.size, 0);
    assert_int_equal(ops[1].id, OP_BURY);
    assert_step_done(&ops[2], ERROR_REFUSED);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);

    give(bench, 2, "resend", "", "live"); /* the last attempt, and nobody knows what became of it */
    call(bench);
    answer(bench, ERROR_LOST, 0);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_BURY);
    assert_step_done(&ops[1], ERROR_EXHAUSTED);
}

/* The note is from a lease before: what stops this one says nothing about that call. */
static void test_older_note_outlives_a_failure_to_begin(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "sent-intent", "shadow");
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_BURY);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    give(bench, 0, "resend", "sent-intent", "live"); /* to begin anew, it goes */
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_int_equal(ops[1].id, OP_RETRY);
}

static void test_what_was_done_stays_done_when_its_outcome_is_refused(void **state)
{
    struct bench *bench = *state;
    struct msg_release release;
    struct payload payload;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_OK, 250);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    fake_committed(bench->fake, ticket, ERROR_TOO_LARGE, 1);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_FINISH);
    assert_step_done(&ops[1], ERROR_OK);
    assert_true(payload_take(ops[1].push.payload, &payload));
    assert_true(slice_is(payload.step_done.result, "{}"));
    fake_committed(bench->fake, ticket, ERROR_TOO_LARGE, 1);
    assert_true(fake_take_release(bench->fake, &release));
    assert_int_equal(fake_metric(bench->fake, METRIC_MAILS_SENT, 0), 1);
}

static void test_credential_trouble_waits_for_a_person(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_AUTH, 535);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[1].id, OP_PARK);
    assert_true(ops[1].park.due_ms == INT64_MAX);
    assert_int_equal(fake_logged(bench->fake, "step-parked"), 1);
}

static void test_denied_permit_gives_the_job_back(void **state)
{
    struct bench *bench = *state;
    struct msg_release release;

    give(bench, 0, "ask", "", "live");
    permit(bench, ERROR_LIMITED);
    assert_true(fake_take_release(bench->fake, &release));
    assert_int_equal(release.job, 42);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0);
    assert_int_equal(fake_sent_count(bench->fake, MSG_USAGE), 0);
}

static void test_lost_lease_sends_nothing(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "", "live");
    permit(bench, ERROR_OK);
    fake_take_ops(bench->fake, &ticket, ops, 4);
    fake_committed(bench->fake, ticket, ERROR_FENCED, 0);
    assert_null(fake_request_next(bench->fake));
    assert_int_equal(usage(bench), ERROR_SHUTDOWN);
    assert_int_equal(fake_logged(bench->fake, "lease-lost"), 1);
}

static void test_outcome_is_written_again_until_it_stands(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "", "live");
    call(bench);
    answer(bench, ERROR_OK, 250);
    fake_take_ops(bench->fake, &ticket, ops, 4);
    fake_committed(bench->fake, ticket, ERROR_FULL, 0);
    fake_advance(bench->fake, 1000);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_FINISH);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    fake_advance(bench->fake, 10000);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0);
}

static void test_what_is_not_live_or_no_task_is_buried(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, 0, "ask", "", "shadow");
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_BURY);
    assert_step_done(&ops[1], ERROR_INVALID);
    fake_deliver_job(
        bench->fake,
        &(struct msg_job){.life = 1, .id = 1, .fence = 1, .queue = SLICE("publish"), .payload = SLICE("junk")});
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    assert_int_equal(ops[0].id, OP_BURY);
    assert_int_equal(ops[0].bury.error, ERROR_MALFORMED);
}

static void test_quiesce_finishes_or_gives_back(void **state)
{
    struct bench *bench = *state;
    struct msg_subscribe subscribe;
    struct msg_release release;

    fake_forget(bench->fake);
    give(bench, 0, "ask", "", "live");
    call(bench);
    fake_deliver_quiesce(bench->fake, &(struct msg_quiesce){bench->fake->now_ms + 5000});
    assert_true(fake_take_subscribe(bench->fake, &subscribe));
    assert_int_equal(subscribe.window, 0);
    assert_int_equal(fake_sent_count(bench->fake, MSG_RELEASE), 0);
    fake_advance(bench->fake, 4900);
    assert_true(fake_take_release(bench->fake, &release));
    answer(bench, ERROR_OK, 250); /* too late: the note makes it a doubt next time */
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0);
}

static void test_pauses_grow_within_bounds(void **state)
{
    (void)state;
    for (uint64_t attempt = 0; attempt < 50; attempt++)
        for (uint64_t chance = 0; chance < 5; chance++) {
            int64_t pause = outcome_pause(1000, 60000, attempt, chance * 7919);
            assert_true(pause >= 500 && pause <= 60000);
            assert_true(attempt < 6 || pause >= 30000);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mail_is_noted_sent_and_finished_in_one_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_answer_is_doubt_resend_or_drop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_noted_job_is_never_sent_again_blindly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offline_parks_without_a_charge_and_forgets_the_note, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_are_charged_until_they_exhaust, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_definite_failure_erases_the_note, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_note_outlives_a_failure_to_begin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_done_stays_done_when_its_outcome_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_credential_trouble_waits_for_a_person, setup, teardown),
        cmocka_unit_test_setup_teardown(test_denied_permit_gives_the_job_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_lease_sends_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outcome_is_written_again_until_it_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_live_or_no_task_is_buried, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quiesce_finishes_or_gives_back, setup, teardown),
        cmocka_unit_test(test_pauses_grow_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
