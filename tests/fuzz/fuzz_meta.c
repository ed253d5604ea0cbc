// LINK: connectors proto
// SPDX-License-Identifier: MIT
/* What Meta says, at every place where a post can stand, and what is left of a saved state. The first byte chooses the
 * service, the place and the status. Whatever is said: an address stays below the service's, and behind the call that
 * publishes comes a look or an end, never another publishing. */
#include "connectors/facebook/facebook.h"
#include "connectors/instagram/instagram.h"
#include "connectors/meta.h"
#include "proto/check.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATE_MAX = 4096 };

static const struct connector_settings settings = {.url = {"https://graph.example", 21},
                                                   .version = {"v26.0", 5},
                                                   .user = {"17841400", 8},
                                                   .secret = {"meta/token", 10}};
static const char *const instagram_states[] = {
    "",
    "{\"p\":\"make\"}",
    "{\"at\":1,\"k\":[\"11\"],\"p\":\"make\"}",
    "{\"at\":1,\"c\":\"17\",\"p\":\"wait\"}",
    "{\"at\":1,\"c\":\"17\",\"p\":\"quota\"}",
    "{\"at\":1,\"c\":\"17\",\"p\":\"publish\"}",
    "{\"at\":1,\"c\":\"17\",\"e\":\"no\",\"p\":\"settle\"}",
    "{\"at\":1,\"c\":\"17\",\"m\":\"18\",\"p\":\"link\"}",
};
static const char *const facebook_states[] = {
    "",
    "{\"f\":\"7\",\"p\":\"make\"}",
    "{\"at\":1,\"i\":\"1_2\",\"p\":\"look\"}",
    "{\"at\":1,\"i\":\"1_2\",\"p\":\"publish\"}",
    "{\"at\":1,\"e\":\"no\",\"i\":\"1_2\",\"p\":\"check\"}",
};

static void check_step(const struct step *step)
{
    struct slice url = step->call.url;

    CHECK(step->state.size <= STATE_MAX);
    CHECK(!step->needs_note || step->state.size > 0);
    CHECK((step->result != NULL) == (step->kind == STEP_DONE));
    if (step->kind != STEP_REQUEST && step->kind != STEP_PROBE)
        return;
    CHECK(url.size > 28 && memcmp(url.data, "https://graph.example/v26.0/", 28) == 0);
    for (size_t i = 28; i < url.size; i++)
        CHECK(url.data[i] > ' ' && url.data[i] < 0x7f);
    CHECK(memmem(url.data, url.size, "..", 2) == NULL);
}

static void lead(const struct connector *connector, json_t *inputs, struct slice state, const struct answer *answer)
{
    struct connector_job job = {.id = SLICE("job-1"), .inputs = inputs, .state = state};
    struct scratch scratch = {0};
    struct step step = {0};
    struct usage usage;

    connector->answer(&job, &settings, answer, 1000, &scratch, &step);
    check_step(&step);
    CHECK(memmem(state.size > 0 ? state.data : "", state.size, "\"publish\"", 9) == NULL || step.kind != STEP_REQUEST);
    step_fini(&step);
    connector->usage(&settings, answer, 1000, &usage);
    /* The same bytes as a state that was saved. */
    job.state = answer->body;
    connector->begin(&job, &settings, 1000, &scratch, &step);
    CHECK(step.state.size <= STATE_MAX + answer->body.size);
    step_fini(&step);
    scratch_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 500};
    static const char *const inputs[] = {
        "{\"media\":\"https://a.example/1.jpg https://a.example/2.jpg\",\"kind\":\"carousel\"}",
        "{\"text\":\"t\",\"media\":\"https://a.example/1.jpg\"}", "{\"platform\":\"facebook\",\"post\":\"1_2\"}"};
    static const struct connector *const connectors[] = {&connector_instagram, &connector_facebook,
                                                         &connector_insights};
    struct json_problem problem;
    size_t which, place;
    char *copy;

    if (size < 1)
        return 0;
    which = data[0] % 3;
    place = data[0] / 9;
    copy = xcalloc(size, 1);
    memcpy(copy, data + 1, size - 1);
    struct answer answer = {.error = ERROR_OK, .status = statuses[data[0] / 3 % 3], .body = {copy, size - 1}};
    answer.headers[answer.header_count++] = (struct call_header){SLICE("x-app-usage"), answer.body};
    answer.headers[answer.header_count++] = (struct call_header){SLICE("x-business-use-case-usage"), answer.body};
    json_t *input = json_read(slice_of(inputs[which]), &problem);
    const char *state = which == 0 ? instagram_states[place % 8] : which == 1 ? facebook_states[place % 5] : "";
    lead(connectors[which], input, slice_of(state), &answer);
    json_decref(input);
    free(copy);
    return 0;
}
