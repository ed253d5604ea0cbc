// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include "connectors/gemini/quota.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LITERAL(text)                                                                                                  \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const struct connector_settings settings = {
    .url = LITERAL("https://127.0.0.1:1"),
    .secret = LITERAL("gemini/key"),
    .model = LITERAL("gemini-3.8-flash"),
};

struct bench {
    struct scratch scratch;
    struct step step;
    json_t *inputs;
    struct connector_job job;
};

static json_t *json_of(const char *text)
{
    struct json_problem problem;
    json_t *value = json_read(slice_of(text), &problem);

    assert_non_null(value);
    return value;
}

static int bench_open(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->inputs = json_of("{\"prompt\":\"Order #1001\",\"system\":\"You classify.\",\"max_tokens\":64,"
                            "\"temperature\":0.5,\"schema\":{\"type\":\"object\",\"properties\":{\"gift\":"
                            "{\"type\":\"boolean\"},\"lang\":{\"type\":\"string\",\"enum\":[\"de\",\"en\"]}},"
                            "\"required\":[\"gift\"]}}");
    bench->job = (struct connector_job){.id = SLICE("job-1"), .inputs = bench->inputs};
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;

    step_fini(&bench->step);
    scratch_free(&bench->scratch);
    json_decref(bench->inputs);
    free(bench);
    return 0;
}

static void test_request(void **state)
{
    struct bench *bench = *state;

    connector_gemini.begin(&bench->job, &settings, 0, &bench->scratch, &bench->step);
    assert_int_equal(bench->step.kind, STEP_REQUEST);
    assert_false(bench->step.needs_note);
    const struct call *call = &bench->step.call;
    assert_true(slice_is(call->url, "https://127.0.0.1:1/v1beta/models/gemini-3.8-flash:generateContent"));
    assert_true(slice_is(call->auth_name, "x-goog-api-key"));
    assert_true(call->idempotent);
    assert_true(slice_is(
        call->body,
        "{\"contents\":[{\"parts\":[{\"text\":\"Order #1001\"}],\"role\":\"user\"}],\"generationConfig\":{"
        "\"candidateCount\":1,\"maxOutputTokens\":64,\"responseMimeType\":\"application/json\",\"responseSchema\":{"
        "\"properties\":{\"gift\":{\"type\":\"BOOLEAN\"},\"lang\":{\"enum\":[\"de\",\"en\"],\"type\":\"STRING\"}},"
        "\"required\":[\"gift\"],\"type\":\"OBJECT\"},\"temperature\":0.5,\"thinkingConfig\":{\"thinkingBudget\":0}},"
        "\"systemInstruction\":{\"parts\":[{\"text\":\"You classify.\"}],\"role\":\"user\"}}"));
}

static void assert_input_refused(struct bench *bench, const char *name, json_t *value, const char *word)
{
    json_t *inputs = json_deep_copy(bench->inputs);
    struct connector_job job = {.id = SLICE("job-1"), .inputs = inputs};

    json_object_set_new(inputs, name, value);
    connector_gemini.begin(&job, &settings, 0, &bench->scratch, &bench->step);
    assert_int_equal(bench->step.kind, STEP_REFUSED);
    assert_non_null(memmem(bench->step.detail.data, bench->step.detail.size, word, strlen(word)));
    json_decref(inputs);
}

static void test_bad_inputs(void **state)
{
    struct bench *bench = *state;

    assert_input_refused(bench, "prompt", json_null(), "prompt");
    assert_input_refused(bench, "max_tokens", json_integer(0), "max_tokens");
    assert_input_refused(bench, "model", json_string("../x?key="), "model");
    assert_input_refused(bench, "schema", json_of("{\"type\":\"object\",\"propertys\":{}}"), "propertys");
    assert_input_refused(bench, "schema", json_of("{\"type\":\"text\"}"), "type");
    assert_input_refused(bench, "schema", json_of("{}"), "type");
}

static void answer_with(struct bench *bench, int status, const char *body)
{
    struct answer answer = {.error = ERROR_OK, .status = status, .body = slice_of(body)};

    step_fini(&bench->step);
    connector_gemini.answer(&bench->job, &settings, &answer, 1795377600000, &bench->scratch, &bench->step);
}

#define USAGE "\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":20}"

static void test_object_and_text(void **state)
{
    struct bench *bench = *state;

    answer_with(
        bench, 200,
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"secret\",\"thought\":true},{\"text\":\"{\\\"gift\"},"
        "{\"text\":\"\\\":true}\"}]},\"finishReason\":\"STOP\"}],\"modelVersion\":\"gemini-2.5-flash\"," USAGE "}");
    assert_int_equal(bench->step.kind, STEP_DONE);
    assert_true(json_is_true(json_at(bench->step.result, "object.gift")));
    assert_true(slice_is(json_text_at(bench->step.result, "model"), "gemini-2.5-flash"));
    assert_int_equal(json_integer_value(json_at(bench->step.result, "tokens_thought")), 20);
    json_object_del(bench->inputs, "schema");
    answer_with(bench, 200,
                "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"low\"}]},\"finishReason\":\"STOP\"}]}");
    assert_true(slice_is(json_text_at(bench->step.result, "text"), "low"));
    assert_true(slice_is(json_text_at(bench->step.result, "model"), "gemini-3.8-flash"));
}

#define TEXT(text) "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" text "\"}]},\"finishReason\":\"STOP\"}]}"
#define API_ERROR(status, more) "{\"error\":{\"code\":1,\"message\":\"m\",\"status\":\"" status "\"" more "}}"
#define DELAY(text) "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"" text "\"}"
#define PER_DAY                                                                                                        \
    "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"quotaId\":"                         \
    "\"GenerateRequestsPerDayPerProjectPerModel-FreeTier\"}]}"
#define BAD_KEY "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\"}"

static const struct verdict {
    int status;
    const char *body;
    enum step_kind kind;
    enum error error;
    int64_t retry_after_ms;
} verdicts[] = {
    {200, "{\"candidates\":[{\"content\":{\"role\":\"model\"},\"finishReason\":\"MAX_TOKENS\"}]," USAGE "}",
     STEP_REFUSED, ERROR_BLOCKED, -1},
    {200, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}", STEP_REFUSED, ERROR_BLOCKED, -1},
    {200, "{\"candidates\":[{\"finishReason\":\"SAFETY\"}]}", STEP_REFUSED, ERROR_BLOCKED, -1},
    {200, "{\"candidates\":[]}", STEP_RETRY, ERROR_GARBLED, -1},
    {200, "{}", STEP_RETRY, ERROR_GARBLED, -1},
    {200, "<html>", STEP_RETRY, ERROR_GARBLED, -1},
    {200, "", STEP_RETRY, ERROR_GARBLED, -1},
    {200, "{\"candidates\":[{\"content\":{\"par", STEP_RETRY, ERROR_GARBLED, -1},
    {200, TEXT("{}"), STEP_RETRY, ERROR_GARBLED, -1},
    {200, TEXT("{\\\"gift\\\":\\\"yes\\\"}"), STEP_RETRY, ERROR_GARBLED, -1},
    {200, TEXT("{\\\"gift\\\":true,\\\"lang\\\":\\\"fr\\\"}"), STEP_RETRY, ERROR_GARBLED, -1},
    {200, API_ERROR("INTERNAL", ""), STEP_RETRY, ERROR_GARBLED, -1},
    {302, "", STEP_RETRY, ERROR_GARBLED, -1},
    {400, API_ERROR("INVALID_ARGUMENT", ""), STEP_REFUSED, ERROR_REFUSED, -1},
    {400, API_ERROR("INVALID_ARGUMENT", ",\"details\":[" BAD_KEY "]"), STEP_REFUSED, ERROR_AUTH, -1},
    {400, API_ERROR("FAILED_PRECONDITION", ""), STEP_REFUSED, ERROR_AUTH, -1},
    {403, API_ERROR("PERMISSION_DENIED", ""), STEP_REFUSED, ERROR_AUTH, -1},
    {404, API_ERROR("NOT_FOUND", ""), STEP_REFUSED, ERROR_AUTH, -1},
    {429, API_ERROR("RESOURCE_EXHAUSTED", ",\"details\":[" DELAY("44.200615458s") "]"), STEP_RETRY, ERROR_LIMITED,
     44201},
    {429, "[" API_ERROR("RESOURCE_EXHAUSTED", ",\"details\":[" DELAY("31167s") "]") "]", STEP_RETRY, ERROR_LIMITED,
     31167000},
    {429, API_ERROR("RESOURCE_EXHAUSTED", ",\"details\":[" DELAY("-1s") "]"), STEP_RETRY, ERROR_LIMITED, -1},
    {429, API_ERROR("RESOURCE_EXHAUSTED", ",\"details\":[" PER_DAY "," DELAY("0.9979s") "]"), STEP_RETRY, ERROR_LIMITED,
     12 * 3600000},
    {429, "<html>", STEP_RETRY, ERROR_LIMITED, -1},
    {500, API_ERROR("INTERNAL", ""), STEP_RETRY, ERROR_FAILED, -1},
    {503, API_ERROR("UNAVAILABLE", ""), STEP_RETRY, ERROR_LIMITED, -1},
    {504, API_ERROR("DEADLINE_EXCEEDED", ""), STEP_RETRY, ERROR_TIMEOUT, -1},
};

static void test_verdicts(void **state)
{
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        answer_with(bench, verdicts[i].status, verdicts[i].body);
        assert_int_equal(bench->step.kind, verdicts[i].kind);
        assert_int_equal(bench->step.error, verdicts[i].error);
        assert_int_equal(bench->step.retry_after_ms, verdicts[i].retry_after_ms);
        assert_true(bench->step.detail.size > 0);
    }
}

/* What the service says in words may quote the prompt, so it is neither kept nor shown. */
static void test_message_of_the_service_is_not_told_on(void **state)
{
    static const int statuses[] = {400, 404, 429, 503};
    static const char body[] = "{\"error\":{\"code\":1,\"message\":\"bad prompt: Dear Ada\",\"status\":"
                               "\"INVALID_ARGUMENT\",\"details\":[{\"@type\":\"type.googleapis.com/"
                               "google.rpc.ErrorInfo\",\"reason\":\"TOO_ODD\"}]}}";
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        answer_with(bench, statuses[i], body);
        assert_null(memmem(bench->step.detail.data, bench->step.detail.size, "Ada", 3));
        assert_non_null(memmem(bench->step.detail.data, bench->step.detail.size, "gemini-3.8-flash", 16));
    }
    answer_with(bench, 400, body);
    assert_true(slice_is(bench->step.detail, "HTTP 400 INVALID_ARGUMENT TOO_ODD, model gemini-3.8-flash"));
    answer_with(bench, 500, "{\"error\":{\"status\":\"Dear Ada\"}}");
    assert_true(slice_is(bench->step.detail, "HTTP 500, model gemini-3.8-flash"));
}

static void test_transport(void **state)
{
    struct bench *bench = *state;
    struct answer lost = {.error = ERROR_LOST},
                  secret = {.error = ERROR_NO_SECRET, .detail = SLICE("gemini\x1b[2J/key")};

    connector_gemini.answer(&bench->job, &settings, &lost, 0, &bench->scratch, &bench->step);
    assert_int_equal(bench->step.kind, STEP_RETRY);
    assert_int_equal(bench->step.error, ERROR_TIMEOUT);
    connector_gemini.answer(&bench->job, &settings, &secret, 0, &bench->scratch, &bench->step);
    assert_int_equal(bench->step.kind, STEP_REFUSED);
    assert_true(slice_is(bench->step.detail, "gemini [2J/key"));
}

static void test_usage(void **state)
{
    struct answer answer = {.error = ERROR_OK, .status = 200, .body = SLICE("{" USAGE "}")};
    struct usage usage;
    (void)state;

    connector_gemini.usage(&settings, &answer, 0, &usage);
    assert_int_equal(usage.tokens_in, 9);
    assert_int_equal(usage.tokens_out, 21);
    answer.status = 429;
    answer.body = SLICE(API_ERROR("RESOURCE_EXHAUSTED", ",\"details\":[" PER_DAY "]"));
    connector_gemini.usage(&settings, &answer, 1795377600000, &usage);
    assert_true(usage.limited && usage.day_quota);
    assert_int_equal(usage.retry_after_ms, 12 * 3600000);
    answer.status = 503;
    answer.body = (struct slice){NULL, 0};
    answer.headers[0] = (struct call_header){SLICE("retry-after"), SLICE("7")};
    answer.header_count = 1;
    connector_gemini.usage(&settings, &answer, 0, &usage);
    assert_true(usage.overloaded && !usage.limited);
    assert_int_equal(usage.retry_after_ms, 7000);
}

static void test_day_resets(void **state)
{
    (void)state;
    /* 2026-11-22 20:00 UTC is 12:00 in the Pacific zone. */
    assert_int_equal(quota_next_day_ms(1795377600000, DAY_RESET_PACIFIC), 1795377600000 + 12 * 3600000LL);
    assert_int_equal(quota_next_day_ms(1795377600000, DAY_RESET_UTC), 1795377600000 + 4 * 3600000LL);
    /* 2026-03-08, the day summer time begins, has 23 hours: from 08:00 UTC to 07:00 UTC. */
    assert_int_equal(quota_next_day_ms(1772956800000, DAY_RESET_PACIFIC), 1772956800000 + 23 * 3600000LL);
    /* 2026-11-01, the day it ends, has 25. */
    assert_int_equal(quota_next_day_ms(1793516400000, DAY_RESET_PACIFIC), 1793516400000 + 25 * 3600000LL);
    assert_int_equal(quota_next_day_ms(1772956799999, DAY_RESET_PACIFIC), 1772956800000);
}

static void test_seconds(void **state)
{
    int64_t ms;
    (void)state;
    assert_true(connector_seconds(SLICE("0s"), &ms) && ms == 0);
    assert_true(connector_seconds(SLICE("0.9979s"), &ms) && ms == 998);
    assert_true(connector_seconds(SLICE("120"), &ms) && ms == 120000);
    assert_true(connector_seconds(SLICE("99999999999999999999s"), &ms) && ms == 7 * 86400000LL);
    assert_false(connector_seconds(SLICE("1e5s"), &ms) || connector_seconds(SLICE(""), &ms) ||
                 connector_seconds(SLICE("Wed, 21 Oct"), &ms));
}

int main(void)
{
#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_request),         BENCH_TEST(test_bad_inputs),
        BENCH_TEST(test_object_and_text), BENCH_TEST(test_verdicts),
        BENCH_TEST(test_transport),       BENCH_TEST(test_message_of_the_service_is_not_told_on),
        cmocka_unit_test(test_usage),     cmocka_unit_test(test_day_resets),
        cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
