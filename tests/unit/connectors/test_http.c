// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include "connectors/http/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct bench {
    struct scratch scratch;
    struct step step;
    json_t *inputs;
    struct connector_job job;
    struct connector_settings settings;
};

static void bench_open(struct bench *bench, const char *inputs)
{
    struct json_problem problem;

    *bench = (struct bench){.settings = {.url = SLICE("https://api.example.com")}};
    bench->inputs = json_read(slice_of(inputs), &problem);
    if (bench->inputs == NULL)
        fail_msg("%s: %s", inputs, problem.text);
    bench->job = (struct connector_job){.id = SLICE("job-17"), .created_ms = 1795377600000, .inputs = bench->inputs};
}

static void bench_close(struct bench *bench)
{
    step_fini(&bench->step);
    scratch_free(&bench->scratch);
    json_decref(bench->inputs);
}

static void begin(struct bench *bench)
{
    step_fini(&bench->step);
    connector_http.begin(&bench->job, &bench->settings, 0, &bench->scratch, &bench->step);
}

static void answer(struct bench *bench, const struct answer *what)
{
    step_fini(&bench->step);
    connector_http.answer(&bench->job, &bench->settings, what, 0, &bench->scratch, &bench->step);
}

static struct slice header(const struct bench *bench, const char *name)
{
    for (size_t i = 0; i < bench->step.call.header_count; i++)
        if (slice_is(bench->step.call.headers[i].name, name))
            return bench->step.call.headers[i].value;
    return (struct slice){NULL, 0};
}

#define URL "\"url\":\"https://api.example.com/v1/things?x=1\""

static void test_get(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, "{" URL ",\"headers\":{\"Accept\":\"application/json\"}}");
    begin(&bench);
    assert_int_equal(bench.step.kind, STEP_REQUEST);
    assert_false(bench.step.needs_note);
    assert_true(bench.step.call.idempotent);
    assert_true(slice_is(bench.step.call.method, "GET"));
    assert_int_equal(bench.step.call.auth, AUTH_NONE);
    assert_true(slice_is(header(&bench, "Accept"), "application/json"));
    assert_int_equal(header(&bench, "Idempotency-Key").size, 0);
    assert_int_equal(bench.step.call.body.size, 0);
    /* A lost answer is only a slow one. */
    answer(&bench, &(struct answer){.error = ERROR_LOST});
    assert_int_equal(bench.step.kind, STEP_RETRY);
    assert_int_equal(bench.step.error, ERROR_TIMEOUT);
    bench_close(&bench);
}

static void test_post_is_noted_and_never_repeated(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, "{" URL ",\"method\":\"POST\",\"body\":{\"b\":1,\"a\":[2]}}");
    bench.settings.secret = SLICE("example/token");
    begin(&bench);
    assert_int_equal(bench.step.kind, STEP_REQUEST);
    assert_true(bench.step.needs_note);
    assert_false(bench.step.call.idempotent);
    assert_true(slice_is(bench.step.state, "sent-intent"));
    assert_true(slice_is(bench.step.call.body, "{\"a\":[2],\"b\":1}"));
    assert_true(slice_is(header(&bench, "Content-Type"), "application/json"));
    assert_true(slice_is(header(&bench, "Idempotency-Key"), "purser-job-17-1795377600000"));
    assert_int_equal(bench.step.call.auth, AUTH_BEARER);
    assert_true(slice_is(bench.step.call.secret, "example/token"));
    answer(&bench, &(struct answer){.error = ERROR_TIMEOUT, .detail = SLICE("no answer")});
    assert_int_equal(bench.step.kind, STEP_UNKNOWN);
    /* After a crash the note is all there is to go by. */
    bench.job.state = SLICE("sent-intent");
    begin(&bench);
    assert_int_equal(bench.step.kind, STEP_UNKNOWN);
    assert_int_equal(bench.step.error, ERROR_LOST);
    /* To resend is to begin anew, with the same key. */
    bench.job.state = SLICE("");
    begin(&bench);
    assert_true(slice_is(header(&bench, "Idempotency-Key"), "purser-job-17-1795377600000"));
    bench_close(&bench);
}

static void test_methods(void **state)
{
    static const struct {
        const char *method;
        bool is_noted, has_key;
    } cases[] = {{"PUT", false, false}, {"DELETE", false, false}, {"PATCH", true, true}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench;
        char inputs[200];
        snprintf(inputs, sizeof(inputs), "{" URL ",\"method\":\"%s\",\"body\":\"words\"}", cases[i].method);
        bench_open(&bench, inputs);
        begin(&bench);
        assert_int_equal(bench.step.kind, STEP_REQUEST);
        assert_int_equal(bench.step.needs_note, cases[i].is_noted);
        assert_int_equal(bench.step.call.idempotent, !cases[i].is_noted);
        assert_int_equal(header(&bench, "Idempotency-Key").size > 0, cases[i].has_key);
        assert_true(slice_is(header(&bench, "Content-Type"), "text/plain; charset=utf-8"));
        assert_true(slice_is(bench.step.call.body, "words"));
        bench_close(&bench);
    }
}

static void test_what_is_refused_before_anything_is_sent(void **state)
{
    static const struct {
        const char *inputs, *says;
    } cases[] = {
        {"{}", "url must begin"},
        {"{\"url\":\"http://api.example.com/\"}", "not listed"},
        {"{\"url\":\"https://api.example.com.evil.com/\"}", "not listed"},
        {"{\"url\":\"https://api.example.com@evil.com/\"}", "user"},
        {"{\"url\":\"https://evil.com\\\\@api.example.com/\"}", "%XX"},
        {"{\"url\":\"https://api.example.com/a b\"}", "%XX"},
        {"{\"url\":\"https://api.example.com/a\\r\\nX: y\"}", "%XX"},
        {"{\"url\":\"https://api.example.com/\\u00e4\"}", "%XX"},
        {"{\"url\":\"https://api.example.com/#x\"}", "%XX"},
        {"{\"url\":\"https://api.example.com:x/\"}", "port"},
        {"{\"url\":\"https:///x\"}", "no host"},
        {"{\"url\":\"file:///etc/passwd\"}", "https://"},
        {"{\"url\":\"https://api.example.com:8443/\"}", "not listed"},
        {"{" URL ",\"method\":\"TRACE\"}", "method"},
        {"{" URL ",\"method\":\"GET\\r\\nX: y\"}", "method"},
        {"{" URL ",\"body\":1}", "GET"},
        {"{" URL ",\"accept\":[]}", "accept"},
        {"{" URL ",\"accept\":\"200\"}", "accept"},
        {"{" URL ",\"headers\":[]}", "headers"},
        {"{" URL ",\"headers\":{\"X-A\":\"a\\r\\nX-B: b\"}}", "line end"},
        {"{" URL ",\"headers\":{\"X-A\":\"a\\nb\"}}", "line end"},
        {"{" URL ",\"headers\":{\"X-A\":\"\\u00e4\"}}", "plain ASCII"},
        {"{" URL ",\"headers\":{\"X-A\\r\\nX-B\":\"b\"}}", "token"},
        {"{" URL ",\"headers\":{\"X A\":\"b\"}}", "token"},
        {"{" URL ",\"headers\":{\"X-A\":5}}", "no text"},
        {"{" URL ",\"headers\":{\"hOST\":\"evil\"}}", "not for a workflow"},
        {"{" URL ",\"headers\":{\"Content-Length\":\"0\"}}", "not for a workflow"},
        {"{" URL ",\"headers\":{\"Transfer-Encoding\":\"chunked\"}}", "not for a workflow"},
        {"{" URL ",\"headers\":{\"authorization\":\"Bearer x\"}}", "`secret`"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench;
        bench_open(&bench, cases[i].inputs);
        begin(&bench);
        char detail[500];
        snprintf(detail, sizeof(detail), "%.*s", (int)bench.step.detail.size, bench.step.detail.data);
        if (bench.step.kind != STEP_REFUSED || strstr(detail, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].inputs, detail);
        bench_close(&bench);
    }
}

static void test_plain_only_where_it_is_allowed(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, "{\"url\":\"http://127.0.0.1:80/x\"}");
    bench.settings.url = SLICE("http://127.0.0.1:80");
    begin(&bench);
    assert_int_equal(bench.step.kind, STEP_REFUSED);
    bench.settings.plain_allowed = true;
    begin(&bench);
    assert_int_equal(bench.step.kind, STEP_REQUEST);
    bench_close(&bench);
}

struct said {
    const char *method;
    int status;
    enum step_kind kind;
    enum error error;
};

static void test_statuses(void **state)
{
    static const struct said cases[] = {
        {"GET", 200, STEP_DONE, ERROR_OK},         {"GET", 204, STEP_DONE, ERROR_OK},
        {"GET", 301, STEP_REFUSED, ERROR_REFUSED}, {"POST", 302, STEP_REFUSED, ERROR_REFUSED},
        {"GET", 400, STEP_REFUSED, ERROR_REFUSED}, {"GET", 404, STEP_REFUSED, ERROR_REFUSED},
        {"POST", 408, STEP_RETRY, ERROR_FAILED},   {"POST", 429, STEP_RETRY, ERROR_LIMITED},
        {"POST", 500, STEP_RETRY, ERROR_FAILED},   {"POST", 503, STEP_RETRY, ERROR_LIMITED},
        {"GET", 502, STEP_RETRY, ERROR_FAILED},    {"POST", 502, STEP_UNKNOWN, ERROR_LOST},
        {"PATCH", 504, STEP_UNKNOWN, ERROR_LOST},  {"PUT", 504, STEP_RETRY, ERROR_FAILED},
        {"GET", 401, STEP_REFUSED, ERROR_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench;
        struct usage usage;
        char inputs[200];
        snprintf(inputs, sizeof(inputs), "{" URL ",\"method\":\"%s\"}", cases[i].method);
        bench_open(&bench, inputs);
        begin(&bench);
        struct answer said = {.status = cases[i].status, .body = SLICE("said \x1b[2J\xff why")};
        said.headers[said.header_count++] = (struct call_header){SLICE("retry-after"), SLICE("7")};
        answer(&bench, &said);
        if (bench.step.kind != cases[i].kind || bench.step.error != cases[i].error)
            fail_msg("%s %d: %d %s", cases[i].method, cases[i].status, bench.step.kind, error_name(bench.step.error));
        if (cases[i].status == 404)
            assert_true(slice_is(bench.step.detail, "HTTP 404: said  [2J? why"));
        assert_int_equal(bench.step.retry_after_ms, cases[i].status == 429 || cases[i].status == 503 ? 7000 : -1);
        connector_http.usage(&bench.settings, &said, 0, &usage);
        assert_int_equal(usage.limited, cases[i].status == 429);
        assert_int_equal(usage.overloaded, cases[i].status >= 500);
        bench_close(&bench);
    }
}

static void test_accept_and_401(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, "{" URL ",\"accept\":[200,404]}");
    answer(&bench, &(struct answer){.status = 404});
    assert_int_equal(bench.step.kind, STEP_DONE);
    answer(&bench, &(struct answer){.status = 204});
    assert_int_equal(bench.step.kind, STEP_REFUSED);
    bench_close(&bench);
    bench_open(&bench, "{" URL ",\"accept\":{\"from\":200,\"to\":404}}");
    bench.settings.secret = SLICE("a/b");
    answer(&bench, &(struct answer){.status = 302});
    assert_int_equal(bench.step.kind, STEP_DONE);
    answer(&bench, &(struct answer){.status = 500});
    assert_int_equal(bench.step.kind, STEP_RETRY);
    bench_close(&bench);
    bench_open(&bench, "{" URL "}");
    bench.settings.secret = SLICE("a/b");
    answer(&bench, &(struct answer){.status = 401});
    assert_int_equal(bench.step.error, ERROR_AUTH);
    bench_close(&bench);
}

static void answer_body(struct bench *bench, const char *type, struct slice body)
{
    struct answer said = {.status = 200, .body = body};

    said.headers[said.header_count++] = (struct call_header){SLICE("content-type"), slice_of(type)};
    answer(bench, &said);
    assert_int_equal(bench->step.kind, STEP_DONE);
}

static void test_results(void **state)
{
    struct bench bench;
    struct buffer big = {NULL, 0, 0};
    struct buffer written = {NULL, 0, 0};

    (void)state;
    bench_open(&bench, "{" URL "}");
    answer_body(&bench, "application/json; charset=utf-8", SLICE("{\"a\":{\"b\":[1]}}"));
    assert_int_equal(json_integer_value(json_at(bench.step.result, "body.a.b.0")), 1);
    assert_int_equal(json_integer_value(json_at(bench.step.result, "status")), 200);
    assert_true(slice_is(json_text_at(bench.step.result, "headers.content-type"), "application/json; charset=utf-8"));
    answer_body(&bench, "application/problem+json", SLICE("[]"));
    assert_true(json_is_array(json_at(bench.step.result, "body")));
    answer_body(&bench, "application/json", SLICE("no JSON"));
    assert_true(slice_is(json_text_at(bench.step.result, "body"), "no JSON"));
    answer_body(&bench, "text/plain",
                SLICE("a\x01"
                      "b\n\xff"));
    assert_true(slice_is(json_text_at(bench.step.result, "body"), "a b\n?"));
    for (unsigned i = 0; i < 30000; i++)
        buffer_text(&big, i % 3 ? "\xe2\x82\xac" : "\"");
    answer_body(&bench, "text/plain", buffer_slice(&big));
    assert_true(json_is_true(json_at(bench.step.result, "cut")));
    json_write(&written, bench.step.result);
    assert_true(written.size < 64 * 1024);
    buffer_clear(&big);
    buffer_clear(&written);
    for (unsigned i = 0; i < 33000; i++)
        buffer_text(&big, "\"");
    answer_body(&bench, "text/plain", buffer_slice(&big));
    json_write(&written, bench.step.result);
    assert_true(written.size < 64 * 1024);
    buffer_free(&written);
    buffer_free(&big);
    bench_close(&bench);
}

static void test_hosts(void **state)
{
    (void)state;
    assert_true(url_same_host(SLICE("A.example:443"), SLICE("a.EXAMPLE"), false));
    assert_false(url_same_host(SLICE("a.example:443"), SLICE("a.example"), true));
    assert_false(url_same_host(SLICE(""), SLICE(""), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_post_is_noted_and_never_repeated),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_what_is_refused_before_anything_is_sent),
        cmocka_unit_test(test_plain_only_where_it_is_allowed),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_accept_and_401),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
