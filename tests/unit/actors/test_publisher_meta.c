// SPDX-License-Identifier: MIT
#include "actors/publisher/publisher.h"
#include "config/config.h"
#include "proto/payloads.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char image[] = "{\"media\":\"https://shop.example/a.jpg\",\"caption\":\"Figs\"}";
static const char made[] = "{\"id\":\"17889455560051444\"}";

struct bench {
    struct config *config;
    struct fake *fake;
};

static void set(char **option, const char *value)
{
    free(*option);
    *option = slice_dup(slice_of(value));
}

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->config = config_default();
    set(&bench->config->instagram_user, "17841400");
    set(&bench->config->instagram_token, "instagram/token");
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

static void give(struct bench *bench, const char *skill, const char *input, const char *state)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_task(&payload, &(struct payload_task){.skill = slice_of(skill),
                                                      .mode = SLICE("live"),
                                                      .input = slice_of(input),
                                                      .attempts_max = 3,
                                                      .on_unknown = SLICE("ask")});
    fake_deliver_job(bench->fake, &(struct msg_job){.life = 1,
                                                    .id = 42,
                                                    .fence = 3,
                                                    .queue = SLICE("publish"),
                                                    .gate = SLICE("instagram/default"),
                                                    .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                    .payload = buffer_slice(&payload),
                                                    .state = slice_of(state)});
    buffer_free(&payload);
}

static void permit(struct bench *bench, enum error error)
{
    struct msg_permit_ask ask;

    assert_true(fake_take_permit_ask(bench->fake, &ask));
    assert_true(slice_is(ask.gate, "instagram/default"));
    fake_deliver_permit(bench->fake, &(struct msg_permit){.ticket = ask.ticket, .error = error});
}

static void answer(struct bench *bench, const char *body)
{
    fake_answer(bench->fake, fake_request_next(bench->fake)->ticket,
                &(struct answer){.error = ERROR_OK, .status = 200, .body = slice_of(body)});
}

/* The note that comes alone, taken by the store. */
static void assert_note(struct bench *bench, const char *holds)
{
    struct op ops[4];
    uint64_t ticket;

    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_non_null(memmem(ops[0].note.state.data, ops[0].note.state.size, holds, strlen(holds)));
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
}

/* What was made over there is on disk before anything else is asked, and even if nothing else may be asked now. */
static void a_container_is_noted_before_a_permit_is_asked_for(void **state)
{
    struct bench *bench = *state;
    struct msg_release release;
    struct msg_permit_ask ask;

    give(bench, "instagram", image, "");
    permit(bench, ERROR_OK);
    answer(bench, made);
    assert_false(fake_take_permit_ask(bench->fake, &ask));
    assert_note(bench, "17889455560051444");
    permit(bench, ERROR_LIMITED);
    assert_true(fake_take_release(bench->fake, &release));
    assert_null(fake_request_next(bench->fake));
}

static void what_is_not_ready_is_parked_with_its_state(void **state)
{
    struct bench *bench = *state;
    struct msg_usage usage;
    struct op ops[4];
    uint64_t ticket;

    give(bench, "instagram", image, "");
    permit(bench, ERROR_OK);
    answer(bench, made);
    assert_note(bench, "\"p\":\"wait\"");
    permit(bench, ERROR_OK);
    answer(bench, "{\"status_code\":\"IN_PROGRESS\"}");
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_NOTE);
    assert_non_null(memmem(ops[0].note.state.data, ops[0].note.state.size, "17889455560051444", 17));
    assert_int_equal(ops[1].id, OP_PARK);
    assert_int_equal(ops[1].park.error, ERROR_PENDING);
    assert_true(fake_take_usage(bench->fake, &usage) && usage.outcome == ERROR_OK);
    assert_true(fake_take_usage(bench->fake, &usage) && usage.outcome == ERROR_PENDING);
}

/* Nothing but the intent stands between the permit and the effect. */
static void publishing_is_noted_behind_its_permit(void **state)
{
    struct bench *bench = *state;
    struct msg_permit_ask ask;

    give(bench, "instagram", image, "{\"at\":1795377600000,\"c\":\"17889455560051444\",\"p\":\"quota\"}");
    assert_note(bench, "\"p\":\"wait\"");
    permit(bench, ERROR_OK);
    answer(bench, "{\"status_code\":\"FINISHED\"}");
    assert_note(bench, "\"p\":\"quota\"");
    permit(bench, ERROR_OK);
    answer(bench, "{\"data\":[{\"quota_usage\":0,\"config\":{\"quota_total\":50}}]}");
    permit(bench, ERROR_OK);
    assert_null(fake_request_next(bench->fake));
    assert_note(bench, "\"p\":\"publish\"");
    assert_false(fake_take_permit_ask(bench->fake, &ask));
    assert_non_null(memmem(fake_request_next(bench->fake)->call.url.data, fake_request_next(bench->fake)->call.url.size,
                           "/media_publish", 14));
    answer(bench, "{\"id\":\"17920238422030506\"}");
    assert_note(bench, "\"m\":\"17920238422030506\"");
    permit(bench, ERROR_OK);
    answer(bench, "{\"permalink\":\"https://www.instagram.com/p/x/\"}");
    assert_int_equal(fake_metric(bench->fake, METRIC_POSTS_PUBLISHED, 0), 1);
}

/* A post that may be out stays one that may be out, even if the call that would tell cannot be made. */
static void a_post_in_question_stays_one_when_its_probe_is_not_sent(void **state)
{
    static const char open[] = "{\"at\":1795377600000,\"c\":\"17889455560051444\",\"p\":\"publish\"}";
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    for (int i = 0; i < 2; i++) {
        give(bench, "instagram", image, open);
        assert_note(bench, "\"p\":\"settle\"");
        bench->fake->request_error = i == 0 ? ERROR_FULL : ERROR_OK;
        permit(bench, i == 0 ? ERROR_OK : ERROR_INVALID);
        assert_in_range(fake_take_ops(bench->fake, &ticket, ops, 4), 2, 3);
        assert_int_equal(ops[0].id, OP_NOTE);
        assert_non_null(memmem(ops[0].note.state.data, ops[0].note.state.size, "\"p\":\"settle\"", 12));
        assert_int_equal(ops[1].id, i == 0 ? OP_PARK : OP_BURY);
        fake_committed(bench->fake, ticket, ERROR_OK, 0);
    }
}

static void without_an_account_a_post_waits_for_its_owner(void **state)
{
    static const char *const inputs[] = {"{\"text\":\"t\"}", "{\"platform\":\"facebook\",\"post\":\"1\"}"};
    static const char *const skills[] = {"facebook", "insights"};
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    for (size_t i = 0; i < 2; i++) {
        give(bench, skills[i], inputs[i], "");
        assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
        assert_int_equal(ops[0].id, OP_PARK);
        assert_int_equal(ops[0].park.error, ERROR_NO_SECRET);
        fake_committed(bench->fake, ticket, ERROR_OK, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_container_is_noted_before_a_permit_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_ready_is_parked_with_its_state, setup, teardown),
        cmocka_unit_test_setup_teardown(publishing_is_noted_behind_its_permit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_post_in_question_stays_one_when_its_probe_is_not_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(without_an_account_a_post_waits_for_its_owner, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
