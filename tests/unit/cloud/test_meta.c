// SPDX-License-Identifier: MIT
#include "proto/text/json.h"
#include "tests/cloud/cloud.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t T0 = 1795377600000, HOUR_MS = 3600000;
static const char image[] = "{\"image_url\":\"https://shop.example/a.jpg\",\"caption\":\"Figs\"}";

struct bench {
    struct cloud *cloud;
    struct cloud_reply reply;
    json_t *body;
    int64_t now_ms;
};

static int bench_open(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->cloud = cloud_new(3, &(struct cloud_options){.meta_per_hour = 20, .instagram_per_day = 2});
    bench->now_ms = T0;
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;

    cloud_destroy(&bench->cloud);
    json_decref(bench->body);
    free(bench);
    return 0;
}

/* A GET without a body. Returns the HTTP status. */
static int ask(struct bench *bench, const char *path, const char *body)
{
    struct json_problem problem;
    char url[300];
    struct call call = {.kind = CALL_HTTP,
                        .method = body != NULL ? SLICE("POST") : SLICE("GET"),
                        .body = slice_of(body != NULL ? body : ""),
                        .auth = AUTH_BEARER,
                        .timeout_ms = 60000};

    snprintf(url, sizeof(url), "https://graph.example/v26.0/%s", path);
    call.url = slice_of(url);
    cloud_answer(bench->cloud, bench->now_ms, &call, &bench->reply);
    json_decref(bench->body);
    bench->body = json_read(bench->reply.answer.body, &problem);
    return bench->reply.answer.status;
}

static json_int_t number_at(const struct bench *bench, const char *path)
{
    return json_integer_value(json_at(bench->body, path));
}

static void make(struct bench *bench, const char *body, char id[64])
{
    struct slice made;

    assert_int_equal(ask(bench, "17841400/media", body), 200);
    made = json_text_at(bench->body, "id");
    snprintf(id, 64, "%.*s", (int)made.size, made.data);
}

static int publish(struct bench *bench, const char *container)
{
    char body[120];

    snprintf(body, sizeof(body), "{\"creation_id\":\"%s\"}", container);
    return ask(bench, "17841400/media_publish", body);
}

static void a_container_lives_through_its_states(void **state)
{
    struct bench *bench = *state;
    char id[64];

    make(bench, "{\"media_type\":\"REELS\",\"video_url\":\"https://shop.example/a.mp4\"}", id);
    assert_int_equal(ask(bench, id, NULL), 200);
    assert_true(slice_is(json_text_at(bench->body, "status_code"), "IN_PROGRESS"));
    assert_int_equal(publish(bench, id), 400);
    assert_int_equal(number_at(bench, "error.error_subcode"), 2207027);
    bench->now_ms += 60000;
    ask(bench, id, NULL);
    assert_true(slice_is(json_text_at(bench->body, "status_code"), "FINISHED"));
    assert_int_equal(publish(bench, id), 200);
    ask(bench, id, NULL);
    assert_true(slice_is(json_text_at(bench->body, "status_code"), "PUBLISHED"));
    make(bench, image, id);
    bench->now_ms += 24 * HOUR_MS;
    ask(bench, id, NULL);
    assert_true(slice_is(json_text_at(bench->body, "status_code"), "EXPIRED"));
    assert_int_equal(publish(bench, id), 400);
    assert_int_equal(number_at(bench, "error.error_subcode"), 2207008);
}

static void what_is_published_twice_is_counted(void **state)
{
    struct bench *bench = *state;
    char one[64], two[64];

    make(bench, image, one);
    assert_int_equal(publish(bench, one), 200);
    assert_int_equal(publish(bench, one), 200);
    assert_int_equal(cloud_counts(bench->cloud)->instagram_doubled, 1);
    bench->now_ms += 25 * HOUR_MS;
    make(bench, image, two);
    assert_int_equal(publish(bench, two), 200);
    assert_int_equal(cloud_counts(bench->cloud)->instagram_doubled, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ask(bench, "104/feed", "{\"message\":\"Figs\"}"), 200);
    assert_int_equal(cloud_counts(bench->cloud)->facebook_doubled, 1);
}

static void the_days_quota_is_told_and_kept(void **state)
{
    struct bench *bench = *state;
    char id[64], body[120];

    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof(body), "{\"image_url\":\"https://shop.example/%d.jpg\"}", i);
        make(bench, body, id);
        assert_int_equal(publish(bench, id), i < 2 ? 200 : 400);
    }
    assert_int_equal(number_at(bench, "error.code"), 9);
    assert_int_equal(cloud_counts(bench->cloud)->meta_violations, 1);
    assert_int_equal(ask(bench, "17841400/content_publishing_limit?fields=quota_usage,config", NULL), 200);
    assert_int_equal(number_at(bench, "data.0.quota_usage"), 2);
    assert_int_equal(number_at(bench, "data.0.config.quota_total"), 2);
}

static void calls_are_counted_in_any_hour(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 20; i++) {
        bool tells = i >= 9;
        ask(bench, "17841400/content_publishing_limit", NULL);
        assert_int_equal(bench->reply.answer.status, 200);
        assert_int_equal(answer_header(&bench->reply.answer, "x-app-usage").size > 0, tells);
    }
    assert_int_equal(ask(bench, "17841400/content_publishing_limit", NULL), 400);
    assert_int_equal(number_at(bench, "error.code"), 4);
    assert_true(answer_header(&bench->reply.answer, "x-business-use-case-usage").size > 0);
    assert_int_equal(cloud_counts(bench->cloud)->meta_violations, 1);
    bench->now_ms += HOUR_MS;
    assert_int_equal(ask(bench, "17841400/content_publishing_limit", NULL), 200);
    cloud_fault_set(bench->cloud, CLOUD_META, CLOUD_LOWERED, bench->now_ms + HOUR_MS, 1000);
    for (int i = 0; i < 10; i++)
        ask(bench, "17841400/content_publishing_limit", NULL);
    assert_int_equal(bench->reply.answer.status, 400);
}

static void media_is_judged_and_metrics_go(void **state)
{
    struct bench *bench = *state;
    char path[100];

    assert_int_equal(ask(bench, "17841400/media", "{\"image_url\":\"https://shop.example/a.png\"}"), 400);
    assert_int_equal(number_at(bench, "error.code"), 36001);
    assert_int_equal(ask(bench, "17841400/media", "{\"image_url\":\"http://shop.example/a.jpg\"}"), 400);
    assert_int_equal(number_at(bench, "error.code"), 9004);
    assert_int_equal(ask(bench, "17841400/media", "{\"media_type\":\"CAROUSEL\",\"children\":\"\"}"), 400);
    assert_int_equal(number_at(bench, "error.code"), 100);
    ask(bench, "104/feed", "{\"message\":\"Figs\",\"published\":false}");
    snprintf(path, sizeof(path), "%s/insights?metric=post_media_view,post_clicks",
             json_string_value(json_object_get(bench->body, "id")));
    assert_int_equal(ask(bench, path, NULL), 200);
    cloud_fault_set(bench->cloud, CLOUD_META, CLOUD_METRIC_GONE, bench->now_ms + HOUR_MS, 1000);
    assert_int_equal(ask(bench, path, NULL), 400);
    assert_int_equal(number_at(bench, "error.code"), 100);
    assert_int_equal(cloud_counts(bench->cloud)->facebook_published, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_container_lives_through_its_states, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(what_is_published_twice_is_counted, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(the_days_quota_is_told_and_kept, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(calls_are_counted_in_any_hour, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(media_is_judged_and_metrics_go, bench_open, bench_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
