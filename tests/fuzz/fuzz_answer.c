// LINK: connectors proto
// SPDX-License-Identifier: MIT
/* Random answers and bodies into every connector: nothing may crash, and every step must keep its contract. */
#include "connectors/shopify/shopify.h"
#include "connectors/connector.h"
#include "proto/check.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The errors that a performed call can end with (proto/call.h). */
static const enum error ends[] = {ERROR_OK,   ERROR_OFFLINE,   ERROR_LOST,      ERROR_TIMEOUT,
                                  ERROR_AUTH, ERROR_TOO_LARGE, ERROR_NO_SECRET, ERROR_UNSUPPORTED};

static void step_check(const struct step *step)
{
    CHECK(slice_is_utf8(step->detail) && step->detail.size <= 400);
    CHECK((step->kind == STEP_DONE) == (step->result != NULL));
    if (step->kind == STEP_REFUSED)
        CHECK(error_class(step->error) == RETRY_PERMANENT || error_class(step->error) == RETRY_HUMAN);
    if (step->kind == STEP_RETRY)
        CHECK(error_class(step->error) == RETRY_TRANSIENT || error_class(step->error) == RETRY_WAIT);
    if (step->kind == STEP_UNKNOWN)
        CHECK(step->error == ERROR_LOST);
    CHECK(step->retry_after_ms >= -1);
}

static void try_connector(const struct connector *connector, const struct connector_job *job,
                          const struct connector_settings *settings, const struct answer *answer)
{
    struct scratch scratch = {0};
    struct step step;
    struct usage usage;

    connector->begin(job, settings, 0, &scratch, &step);
    step_check(&step);
    step_fini(&step);
    connector->answer(job, settings, answer, 1795377600000, &scratch, &step);
    step_check(&step);
    step_fini(&step);
    connector->usage(settings, answer, 1795377600000, &usage);
    CHECK(usage.retry_after_ms >= -1 && usage.tokens_in >= 0 && usage.tokens_out >= 0);
    scratch_free(&scratch);
}

static void try_order(const json_t *order)
{
    struct shopify_facts facts;
    struct shopify_problem problem;
    struct buffer packed = {0};
    struct row again;
    enum shopify_topic topic;

    if (shopify_order_facts(SLICE("demo"), order, &facts, &problem) != ERROR_OK)
        CHECK(problem.field[0] != '\0' && problem.text[0] != '\0' && facts.row_count == 0);
    for (size_t i = 0; i < facts.row_count; i++) {
        buffer_clear(&packed);
        row_pack(&packed, &facts.rows[i]);
        CHECK(row_unpack(buffer_slice(&packed), &again));
    }
    shopify_topic_find(json_text_at(order, "name"), &topic, &problem);
    buffer_free(&packed);
    shopify_facts_free(&facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    struct slice rest = {(const char *)data + 4, size - 4};
    struct json_problem problem;
    json_t *inputs = json_read(rest, &problem);
    struct connector_settings settings = {.url = SLICE("https://127.0.0.1"),
                                          .secret = SLICE("a/b"),
                                          .model = SLICE("m"),
                                          .from = SLICE("a@example.com"),
                                          .from_name = data[3] & 1 ? rest : (struct slice){NULL, 0},
                                          .domain = SLICE("example.com"),
                                          .box = SLICE("pi")};
    struct answer answer = {.error = ends[data[0] % (sizeof(ends) / sizeof(ends[0]))],
                            .status = data[1] + 2 * data[2],
                            .body = rest,
                            .detail = data[3] & 2 ? rest : (struct slice){NULL, 0},
                            .headers = {{SLICE("retry-after"), {rest.data, rest.size < 20 ? rest.size : 20}}},
                            .header_count = 1};
    struct connector_job job = {.id = SLICE("job-1"), .inputs = inputs};

    try_connector(&connector_gemini, &job, &settings, &answer);
    try_connector(&connector_email, &job, &settings, &answer);
    try_order(inputs);
    json_decref(inputs);
    return 0;
}
