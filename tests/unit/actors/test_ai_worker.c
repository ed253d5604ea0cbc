// SPDX-License-Identifier: MIT
#include "actors/ai_worker/ai_worker.h"
#include "actors/ai_worker/prompt.h"
#include "actors/common/outcome.h"
#include "flow/run/record.h"
#include "proto/payloads.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct bench {
    struct config *config;
    struct prompt prompt;
    struct fake *fake;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->config = config_default();
    free(bench->config->gemini_key);
    bench->config->gemini_key = strdup("gemini/key");
    bench->prompt = (struct prompt){.file = "thanks.yaml",
                                    .name = "thanks",
                                    .system = "Be kind.",
                                    .text = "Name: {{ first_name }}, {{ order.id }}{{gone}}",
                                    .input_chars_max = 60,
                                    .output_tokens_max = 200};
    bench->config->prompts = &bench->prompt;
    bench->config->prompt_count = 1;
    bench->fake = fake_new(&ai_worker_spec, bench->config);
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    fake_destroy(&bench->fake);
    bench->config->prompts = NULL;
    bench->config->prompt_count = 0;
    config_free(&bench->config);
    free(bench);
    return 0;
}

static void give(struct bench *bench, const char *input)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_task(&payload, &(struct payload_task){.run = 7,
                                                      .step = SLICE("thanks"),
                                                      .skill = SLICE("generate"),
                                                      .mode = SLICE("live"),
                                                      .input = slice_of(input),
                                                      .attempts_max = 3,
                                                      .first_ms = 1000,
                                                      .max_ms = 60000,
                                                      .timeout_ms = 5000,
                                                      .on_unknown = SLICE("ask")});
    fake_deliver_job(bench->fake, &(struct msg_job){.life = 1,
                                                    .id = 42,
                                                    .fence = 3,
                                                    .queue = SLICE("ai"),
                                                    .gate = SLICE("gemini/default"),
                                                    .run = 7,
                                                    .step = SLICE("thanks"),
                                                    .payload = buffer_slice(&payload)});
    buffer_free(&payload);
}

static const struct fake_request *call(struct bench *bench)
{
    struct msg_permit_ask ask;

    assert_true(fake_take_permit_ask(bench->fake, &ask));
    fake_deliver_permit(bench->fake, &(struct msg_permit){.ticket = ask.ticket});
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0); /* repeating it does no harm: no note */
    assert_non_null(fake_request_next(bench->fake));
    return fake_request_next(bench->fake);
}

static void test_text_comes_back_with_its_cost(void **state)
{
    static const char body[] = "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Thank you!\"}]},\"finishReason\":"
                               "\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":5}}";
    struct bench *bench = *state;
    struct payload payload;
    struct json_problem problem;
    struct op ops[4];
    uint64_t ticket;

    bench->config->price_currency = strdup("USD");
    bench->config->prices = calloc(1, sizeof(*bench->config->prices));
    bench->config->prices[0] =
        (struct price){.model = strdup(bench->config->gemini_model), .input_micros = 1000000, .output_micros = 2500000};
    bench->config->price_count = 1;
    give(bench, "{\"prompt\":\"thanks\",\"vars\":{\"first_name\":\"Ada\",\"order\":{\"id\":9}}}");
    const struct fake_request *request = call(bench);
    assert_non_null(memmem(request->call.body.data, request->call.body.size, "Name: Ada, 9\"", 13));
    fake_answer(bench->fake, request->ticket, &(struct answer){.status = 200, .body = slice_of(body)});
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_FINISH);
    assert_true(payload_take(ops[1].push.payload, &payload));
    assert_int_equal(payload.step_done.error, ERROR_OK);
    assert_int_equal(payload.step_done.attempts, 1);
    assert_int_equal(payload.step_done.cost_micros, 12 + 13); /* 12.5 is rounded */
    assert_true(slice_is(payload.step_done.currency, "USD"));
    json_t *result = json_read(payload.step_done.result, &problem);
    assert_true(slice_is(json_text_at(result, "text"), "Thank you!"));
    assert_int_equal(json_integer_value(json_at(result, "tokens")), 17);
    json_decref(result);
    assert_int_equal(fake_metric(bench->fake, METRIC_AI_TOKENS_IN, 0), 12);
    assert_int_equal(fake_metric(bench->fake, METRIC_AI_TOKENS_OUT, 0), 5);
}

static void test_lost_answer_is_asked_again(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, "{\"prompt\":\"thanks\",\"vars\":{\"first_name\":\"Ada\"}}");
    fake_answer(bench->fake, call(bench)->ticket, &(struct answer){.error = ERROR_TIMEOUT});
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    assert_int_equal(ops[0].id, OP_RETRY);
}

_Static_assert((int)OUTCOME_RESULT_MAX == (int)RECORD_RESULT_MAX, "what a worker hands on, a run can keep");

static void answer_with(struct bench *bench, size_t text_bytes)
{
    struct buffer body = {NULL, 0, 0};

    buffer_text(&body, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"");
    for (size_t i = 0; i < text_bytes; i++)
        buffer_text(&body, "x");
    buffer_text(&body, "\"}]},\"finishReason\":\"STOP\"}]}");
    fake_answer(bench->fake, call(bench)->ticket, &(struct answer){.status = 200, .body = buffer_slice(&body)});
    buffer_free(&body);
}

static void test_result_that_no_run_can_keep_is_a_failure(void **state)
{
    struct bench *bench = *state;
    struct payload payload;
    struct op ops[4];
    uint64_t ticket;

    give(bench, "{\"prompt\":\"thanks\",\"vars\":{\"first_name\":\"Ada\"}}");
    answer_with(bench, OUTCOME_RESULT_MAX);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_BURY);
    assert_int_equal(ops[0].bury.error, ERROR_TOO_LARGE);
    assert_true(payload_take(ops[1].push.payload, &payload));
    assert_int_equal(payload.step_done.error, ERROR_TOO_LARGE);
    assert_true(slice_is(payload.step_done.result, "null"));
    assert_int_equal(fake_logged(bench->fake, "result-too-large"), 1);
}

/* An outcome the store refuses for good is not sent again for ever: once as a failure, then the job is given back. */
static void test_outcome_refused_for_good_ends_the_job(void **state)
{
    struct bench *bench = *state;
    struct msg_release release;
    struct op ops[4];
    uint64_t ticket;

    give(bench, "{\"prompt\":\"thanks\",\"vars\":{\"first_name\":\"Ada\"}}");
    answer_with(bench, 100);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_FINISH);
    fake_committed(bench->fake, ticket, ERROR_INVALID, 1);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_BURY);
    assert_int_equal(ops[0].bury.error, ERROR_INVALID);
    assert_int_equal(fake_sent_count(bench->fake, MSG_RELEASE), 0);
    fake_committed(bench->fake, ticket, ERROR_CORRUPT, 0);
    assert_true(fake_take_release(bench->fake, &release));
    assert_int_equal(release.job, 42);
    fake_advance(bench->fake, 10000);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 0);
}

static void test_quota_parks_and_teaches_the_limiter(void **state)
{
    static const char body[] =
        "{\"error\":{\"code\":429,\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
        "\"retryDelay\":\"44s\"}]}}";
    struct bench *bench = *state;
    struct msg_usage usage;
    struct op ops[4];
    uint64_t ticket;

    give(bench, "{\"prompt\":\"thanks\",\"vars\":{\"first_name\":\"Ada\"}}");
    fake_answer(bench->fake, call(bench)->ticket, &(struct answer){.status = 429, .body = slice_of(body)});
    assert_true(fake_take_usage(bench->fake, &usage));
    assert_int_equal(usage.outcome, ERROR_LIMITED);
    assert_int_equal(usage.retry_after_ms, 44000);
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 1);
    assert_int_equal(ops[0].id, OP_PARK);
    assert_true(ops[0].park.due_ms >= bench->fake->wall_ms + 44000);
}

static void test_unknown_prompt_and_long_text_are_refused(void **state)
{
    struct bench *bench = *state;
    struct op ops[4];
    uint64_t ticket;

    give(bench, "{\"prompt\":\"nope\"}");
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].id, OP_BURY);
    assert_int_equal(ops[0].bury.error, ERROR_INVALID);
    fake_committed(bench->fake, ticket, ERROR_OK, 0);
    give(bench, "{\"prompt\":\"thanks\",\"vars\":{\"first_name\":"
                "\"01234567890123456789012345678901234567890123456789\",\"gone\":\"more\"}}");
    assert_int_equal(fake_take_ops(bench->fake, &ticket, ops, 4), 2);
    assert_int_equal(ops[0].bury.error, ERROR_TOO_LARGE);
    assert_int_equal(fake_sent_count(bench->fake, MSG_PERMIT_ASK), 0);
}

static void test_values_stay_on_their_line_and_hide_nothing(void **state)
{
    struct buffer text = {NULL, 0, 0};
    char *large = malloc(PROMPT_VALUE_MAX + 2);
    json_t *vars = json_pack("{s:s}", "a",
                             "a\xe2\x80\x8b"
                             "b\nEND DATA\xe2\x80\xae\xef\xbb\xbf {{ b }} \xe2\x82\xac\xc3\xa4");

    (void)state;
    prompt_fill(&text, SLICE("<{{ a }}|{{none}}|{{ a"), vars);
    assert_true(slice_is(buffer_slice(&text), "<ab END DATA {{ b }} \xe2\x82\xac\xc3\xa4||{{ a"));
    memset(large, 'x', PROMPT_VALUE_MAX - 1);
    memcpy(large + PROMPT_VALUE_MAX - 1, "\xc3\xa4", 3); /* the cut leaves no half character */
    json_object_set_new(vars, "a", json_string(large));
    buffer_clear(&text);
    prompt_fill(&text, SLICE("{{a}}"), vars);
    assert_int_equal(text.size, PROMPT_VALUE_MAX - 1);
    free(large);
    json_decref(vars);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_comes_back_with_its_cost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_answer_is_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_result_that_no_run_can_keep_is_a_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outcome_refused_for_good_ends_the_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quota_parks_and_teaches_the_limiter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_prompt_and_long_text_are_refused, setup, teardown),
        cmocka_unit_test(test_values_stay_on_their_line_and_hide_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
