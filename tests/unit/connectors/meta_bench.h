/* meta_bench - a connector of Meta's led by hand, its notes kept as a worker keeps them. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/meta.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct bench {
    const struct connector *connector;
    struct scratch scratch;
    struct step step;
    struct connector_settings settings;
    struct buffer state;
    json_t *inputs;
    int64_t now_ms;
};

static int bench_close(void **state)
{
    struct bench *bench = *state;

    step_fini(&bench->step);
    scratch_free(&bench->scratch);
    buffer_free(&bench->state);
    json_decref(bench->inputs);
    free(bench);
    return 0;
}

static int bench_new(void **state, const struct connector *connector)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->connector = connector;
    bench->now_ms = 1795377600000;
    bench->settings = (struct connector_settings){.url = SLICE("https://graph.example"),
                                                  .version = SLICE("v26.0"),
                                                  .user = SLICE("17841400"),
                                                  .secret = SLICE("meta/token")};
    *state = bench;
    return 0;
}

static struct connector_job bench_job(const struct bench *bench)
{
    return (struct connector_job){.id = SLICE("job-1"), .inputs = bench->inputs, .state = buffer_slice(&bench->state)};
}

/* What the worker does with a note, and with the state that a step leaves for later. */
static void bench_keep(struct bench *bench)
{
    bool is_later = bench->step.kind == STEP_RETRY || bench->step.kind == STEP_REFUSED;

    if (!bench->step.needs_note && !(is_later && bench->step.state.size > 0))
        return;
    buffer_clear(&bench->state);
    buffer_append(&bench->state, bench->step.state.data, bench->step.state.size);
}

/* Begins with these inputs, or goes on with those from before. */
static void begin(struct bench *bench, const char *inputs)
{
    struct json_problem problem;
    struct connector_job job;

    if (inputs != NULL) {
        json_decref(bench->inputs);
        bench->inputs = json_read(slice_of(inputs), &problem);
        assert_non_null(bench->inputs);
        buffer_clear(&bench->state);
    }
    job = bench_job(bench);
    step_fini(&bench->step);
    bench->connector->begin(&job, &bench->settings, bench->now_ms, &bench->scratch, &bench->step);
    bench_keep(bench);
}

static void give(struct bench *bench, const struct answer *answer)
{
    struct connector_job job = bench_job(bench);

    assert_true(bench->step.kind == STEP_REQUEST || bench->step.kind == STEP_PROBE);
    step_fini(&bench->step);
    bench->connector->answer(&job, &bench->settings, answer, bench->now_ms, &bench->scratch, &bench->step);
    bench_keep(bench);
}

static void answer(struct bench *bench, int status, const char *body)
{
    give(bench, &(struct answer){.error = ERROR_OK, .status = status, .body = slice_of(body)});
}

static void lose(struct bench *bench, enum error error)
{
    give(bench, &(struct answer){.error = error, .detail = SLICE("gone")});
}

/* The call that is to be made: "POST path" below the account's address, and its body. */
static void assert_call(const struct bench *bench, enum step_kind kind, const char *path, const char *body)
{
    char url[300];

    assert_int_equal(bench->step.kind, kind);
    assert_true(slice_is(bench->step.call.method, body != NULL ? "POST" : "GET"));
    snprintf(url, sizeof(url), "https://graph.example/v26.0/%s", path);
    assert_int_equal(bench->step.call.url.size, strlen(url));
    assert_memory_equal(bench->step.call.url.data, url, strlen(url));
    assert_int_equal(bench->step.call.auth, AUTH_BEARER);
    assert_true(slice_is(bench->step.call.secret, "meta/token"));
    if (body != NULL)
        assert_true(slice_is(bench->step.call.body, body));
}

static void assert_error(const struct bench *bench, enum step_kind kind, enum error error, int64_t after_ms)
{
    assert_int_equal(bench->step.kind, kind);
    assert_int_equal(bench->step.error, error);
    assert_int_equal(bench->step.retry_after_ms, after_ms);
}
