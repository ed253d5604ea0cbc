// SPDX-License-Identifier: MIT
#include "connectors/meta.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct answer answer_of(int status, const char *body)
{
    return (struct answer){.error = ERROR_OK, .status = status, .body = slice_of(body)};
}

static void errors_are_told_apart_by_their_numbers(void **state)
{
    static const struct {
        int code, subcode;
        enum error error;
    } cases[] = {
        {-2, 2207003, ERROR_FAILED},
        {-2, 2207020, ERROR_FAILED},
        {-1, 2207001, ERROR_FAILED},
        {-1, 2207032, ERROR_FAILED},
        {-1, 2207053, ERROR_FAILED},
        {1, 2207057, ERROR_REFUSED},
        {1, 0, ERROR_FAILED},
        {2, 0, ERROR_FAILED},
        {4, 2207051, ERROR_REFUSED},
        {4, 0, ERROR_LIMITED},
        {9, 2207042, ERROR_LIMITED},
        {10, 0, ERROR_AUTH},
        {17, 0, ERROR_LIMITED},
        {24, 2207006, ERROR_NOT_FOUND},
        {24, 2207008, ERROR_NOT_FOUND},
        {25, 2207050, ERROR_AUTH},
        {32, 0, ERROR_LIMITED},
        {100, 2207023, ERROR_REFUSED},
        {100, 2207028, ERROR_REFUSED},
        {100, 33, ERROR_NOT_FOUND},
        {100, 0, ERROR_REFUSED},
        {190, 463, ERROR_AUTH},
        {190, 460, ERROR_AUTH},
        {200, 0, ERROR_AUTH},
        {299, 0, ERROR_AUTH},
        {352, 2207026, ERROR_REFUSED},
        {368, 0, ERROR_REFUSED},
        {506, 0, ERROR_LOST},
        {613, 0, ERROR_LIMITED},
        {9004, 2207052, ERROR_REFUSED},
        {9007, 2207027, ERROR_PENDING},
        {36000, 2207004, ERROR_REFUSED},
        {36001, 2207005, ERROR_REFUSED},
        {36003, 2207009, ERROR_REFUSED},
        {36004, 2207010, ERROR_REFUSED},
        {80001, 0, ERROR_LIMITED},
        {80002, 0, ERROR_LIMITED},
        {300, 0, ERROR_OK},
        {0, 0, ERROR_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(meta_error_of(cases[i].code, cases[i].subcode), cases[i].error);
}

static enum error read_error(int status, const char *body, bool is_unknown)
{
    struct answer answer = answer_of(status, body);
    struct meta_answer read;

    meta_read(&answer, &read);
    assert_int_equal(read.is_unknown, is_unknown);
    json_decref(read.body);
    return read.error;
}

static void answers_without_a_known_number_go_by_their_status(void **state)
{
    (void)state;
    assert_int_equal(read_error(200, "{\"id\":\"1\"}", false), ERROR_OK);
    assert_int_equal(read_error(200, "<html>Sign in</html>", true), ERROR_GARBLED);
    assert_int_equal(read_error(200, "{\"id\":", true), ERROR_GARBLED);
    assert_int_equal(read_error(200, "[]", true), ERROR_GARBLED);
    assert_int_equal(read_error(502, "<html>Bad Gateway</html>", true), ERROR_FAILED);
    assert_int_equal(read_error(400, "{\"error\":{\"code\":7777,\"message\":\"new\"}}", false), ERROR_REFUSED);
    assert_int_equal(read_error(400, "{\"error\":{\"code\":7777,\"is_transient\":true}}", true), ERROR_FAILED);
    assert_int_equal(read_error(400, "{\"error\":\"words\"}", false), ERROR_REFUSED);
    assert_int_equal(read_error(401, "{}", false), ERROR_AUTH);
    assert_int_equal(read_error(429, "", false), ERROR_LIMITED);
    assert_int_equal(read_error(400, "{\"error\":{\"code\":9223372036854775807}}", false), ERROR_REFUSED);
}

static void what_is_used_up_is_read_from_headers(void **state)
{
    struct answer answer = answer_of(200, "{}");
    struct usage usage;

    (void)state;
    meta_usage(&answer, &usage);
    assert_int_equal(usage.percent_used, 0);
    assert_int_equal(usage.retry_after_ms, -1);
    assert_false(usage.limited);
    answer.headers[0] =
        (struct call_header){SLICE("x-app-usage"), SLICE("{\"call_count\":28,\"total_time\":25,\"total_cputime\":25}")};
    answer.headers[1] = (struct call_header){
        SLICE("x-business-use-case-usage"),
        SLICE("{\"17841400000000000\":[{\"type\":\"instagram\",\"call_count\":10,\"total_cputime\":5,\"total_time\":85,"
              "\"estimated_time_to_regain_access\":0}]}")};
    answer.header_count = 2;
    meta_usage(&answer, &usage);
    assert_int_equal(usage.percent_used, 85);
    assert_false(usage.limited);
    answer.headers[1].value = SLICE("{\"1\":[{\"call_count\":101,\"estimated_time_to_regain_access\":7}]}");
    meta_usage(&answer, &usage);
    assert_int_equal(usage.percent_used, 101);
    assert_true(usage.limited);
    assert_int_equal(usage.retry_after_ms, 7 * 60000);
    answer.headers[0].value = SLICE("{\"call_count\":\"many\",\"total_time\":-5}");
    answer.headers[1].value = SLICE("[nonsense");
    meta_usage(&answer, &usage);
    assert_int_equal(usage.percent_used, 0);
}

static void limits_hold_the_gate_and_the_quota_of_posts_does_not(void **state)
{
    struct answer answer = answer_of(400, "{\"error\":{\"code\":4,\"message\":\"(#4) Application request limit\"}}");
    struct usage usage;

    (void)state;
    meta_usage(&answer, &usage);
    assert_true(usage.limited);
    answer = answer_of(400, "{\"error\":{\"code\":9,\"error_subcode\":2207042}}");
    meta_usage(&answer, &usage);
    assert_false(usage.limited);
    answer = answer_of(500, "{\"error\":{\"code\":1}}");
    meta_usage(&answer, &usage);
    assert_true(usage.overloaded);
    answer = (struct answer){.error = ERROR_LOST};
    meta_usage(&answer, &usage);
    assert_false(usage.limited || usage.overloaded);
}

static void media_is_looked_at_before_meta_fetches_it(void **state)
{
    static const struct {
        const char *url;
        enum meta_media media;
        bool fits;
    } cases[] = {
        {"https://shop.example/a.jpg", META_MEDIA_JPEG, true},
        {"https://shop.example/a.JPEG?X-Amz-Date=1.png", META_MEDIA_JPEG, true},
        {"https://shop.example/a.png", META_MEDIA_PICTURE, true},
        {"https://shop.example/a.mp4", META_MEDIA_VIDEO, true},
        {"https://shop.example/a", META_MEDIA_UNKNOWN, true},
        {"http://shop.example/a.jpg", META_MEDIA_JPEG, false},
        {"https://shop.example/t\xc3\xa9.jpg", META_MEDIA_JPEG, false},
        {"https://shop.example/a b.jpg", META_MEDIA_JPEG, false},
        {"https://me:pw@shop.example/a.jpg", META_MEDIA_JPEG, false},
        {"https://localhost/a.jpg", META_MEDIA_JPEG, false},
        {"https://shop.example", META_MEDIA_UNKNOWN, false},
        {"https://shop.example/a.jpg#x", META_MEDIA_UNKNOWN, false},
        {"https:///a.jpg", META_MEDIA_JPEG, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(meta_media_of(slice_of(cases[i].url)), cases[i].media);
        assert_int_equal(meta_media_problem(slice_of(cases[i].url)) == NULL, cases[i].fits);
    }
}

/* ---- insights ---- */

struct bench {
    struct scratch scratch;
    struct step step;
    struct connector_settings settings;
    struct buffer state;
    json_t *inputs;
};

static int bench_open(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->settings = (struct connector_settings){
        .url = SLICE("https://graph.example"), .version = SLICE("v26.0"), .secret = SLICE("meta/token")};
    *state = bench;
    return 0;
}

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

static struct connector_job job_of(struct bench *bench)
{
    if (bench->step.needs_note) {
        buffer_clear(&bench->state);
        buffer_append(&bench->state, bench->step.state.data, bench->step.state.size);
    }
    return (struct connector_job){.id = SLICE("job-1"), .inputs = bench->inputs, .state = buffer_slice(&bench->state)};
}

static void begin(struct bench *bench, const char *platform)
{
    struct connector_job job;

    step_fini(&bench->step);
    json_decref(bench->inputs);
    job = job_of(bench);
    job.inputs = bench->inputs = json_pack("{s:s, s:s}", "platform", platform, "post", "17920238422030506");
    connector_insights.begin(&job, &bench->settings, 0, &bench->scratch, &bench->step);
}

static void answer(struct bench *bench, int status, const char *body)
{
    struct answer given = answer_of(status, body);
    struct connector_job job = job_of(bench);

    step_fini(&bench->step);
    connector_insights.answer(&job, &bench->settings, &given, 0, &bench->scratch, &bench->step);
}

static json_int_t figure(const struct bench *bench, const char *name)
{
    assert_int_equal(bench->step.kind, STEP_DONE);
    return json_integer_value(json_object_get(bench->step.result, name));
}

static const char unsupported[] = "{\"error\":{\"message\":\"(#100) metric must be one of\",\"code\":100}}";

static void insights_of_instagram(void **state)
{
    struct bench *bench = *state;

    begin(bench, "instagram");
    assert_int_equal(bench->step.kind, STEP_PROBE);
    assert_true(slice_is(bench->step.call.url,
                         "https://graph.example/v26.0/17920238422030506/insights?metric=views,reach,likes,comments,"
                         "saved,shares,total_interactions"));
    answer(bench, 200,
           "{\"data\":[{\"name\":\"views\",\"period\":\"lifetime\",\"values\":[{\"value\":1523}],\"title\":\"Views\"},"
           "{\"name\":\"reach\",\"values\":[{\"value\":1876}]},{\"name\":\"likes\",\"total_value\":{\"value\":12}},"
           "{\"name\":\"comments\",\"values\":[{\"value\":3}]},{\"name\":\"saved\",\"values\":[{\"value\":2}]}]}");
    assert_int_equal(figure(bench, "views"), 1523);
    assert_int_equal(figure(bench, "reach"), 1876);
    assert_int_equal(figure(bench, "engagement"), 17);
}

static void a_metric_that_is_gone_does_not_take_the_others_with_it(void **state)
{
    struct bench *bench = *state;

    begin(bench, "instagram");
    answer(bench, 400, unsupported);
    assert_int_equal(bench->step.kind, STEP_PROBE);
    answer(bench, 400, unsupported);
    assert_true(slice_is(bench->step.call.url, "https://graph.example/v26.0/17920238422030506?fields=like_count,"
                                               "comments_count"));
    answer(bench, 200, "{\"like_count\":5,\"comments_count\":1,\"id\":\"17920238422030506\"}");
    assert_int_equal(figure(bench, "engagement"), 6);
    buffer_clear(&bench->state);
    begin(bench, "instagram");
    for (int i = 0; i < 3; i++)
        answer(bench, 400, unsupported);
    assert_int_equal(bench->step.kind, STEP_REFUSED);
}

static void insights_of_facebook(void **state)
{
    struct bench *bench = *state;

    begin(bench, "facebook");
    answer(bench, 200,
           "{\"shares\":{\"count\":2},\"comments\":{\"data\":[],\"summary\":{\"total_count\":3}},"
           "\"reactions\":{\"data\":[],\"summary\":{\"total_count\":10}},\"id\":\"1_2\"}");
    assert_int_equal(bench->step.kind, STEP_PROBE);
    answer(bench, 400, unsupported);
    assert_int_equal(figure(bench, "engagement"), 15);
    assert_int_equal(figure(bench, "views"), 0);
    assert_null(json_object_get(bench->step.result, "views"));
    answer(bench, 400, "{\"error\":{\"code\":190,\"error_subcode\":463}}");
    assert_int_equal(bench->step.error, ERROR_AUTH);
}

static void a_figure_that_no_sum_could_hold_is_none(void **state)
{
    struct bench *bench = *state;

    begin(bench, "instagram");
    answer(bench, 200, "{\"like_count\":9223372036854775807,\"comments_count\":5}");
    assert_null(json_object_get(bench->step.result, "likes"));
    assert_int_equal(figure(bench, "engagement"), 5);
}

static void only_ids_become_part_of_an_address(void **state)
{
    struct bench *bench = *state;
    struct connector_job job;

    bench->inputs = json_pack("{s:s, s:s}", "platform", "instagram", "post", "1/../me?x=");
    job = job_of(bench);
    connector_insights.begin(&job, &bench->settings, 0, &bench->scratch, &bench->step);
    assert_int_equal(bench->step.error, ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_told_apart_by_their_numbers),
        cmocka_unit_test(answers_without_a_known_number_go_by_their_status),
        cmocka_unit_test(what_is_used_up_is_read_from_headers),
        cmocka_unit_test(limits_hold_the_gate_and_the_quota_of_posts_does_not),
        cmocka_unit_test(media_is_looked_at_before_meta_fetches_it),
        cmocka_unit_test_setup_teardown(insights_of_instagram, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_metric_that_is_gone_does_not_take_the_others_with_it, bench_open,
                                        bench_close),
        cmocka_unit_test_setup_teardown(insights_of_facebook, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_figure_that_no_sum_could_hold_is_none, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(only_ids_become_part_of_an_address, bench_open, bench_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
