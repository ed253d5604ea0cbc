// SPDX-License-Identifier: MIT
#include "connectors/facebook/facebook.h"
#include "tests/unit/connectors/meta_bench.h"

#define ERROR_BODY(code) "{\"error\":{\"message\":\"m\",\"code\":" #code "}}"
#define LOOK "17841400_9?fields=is_published,permalink_url"
#define HIDDEN "{\"is_published\":false,\"id\":\"17841400_9\"}"
#define SHOWN "{\"is_published\":true,\"permalink_url\":\"https://www.facebook.com/9\",\"id\":\"17841400_9\"}"

static const char text[] = "{\"text\":\"Figs are in\",\"link\":\"https://shop.example/figs\"}";
static const char made[] = "{\"id\":\"17841400_9\"}";

static int bench_open(void **state)
{
    return bench_new(state, &connector_facebook);
}

static void lead_to_publish(struct bench *bench)
{
    begin(bench, text);
    answer(bench, 200, made);
    answer(bench, 200, HIDDEN);
    assert_call(bench, STEP_REQUEST, "17841400_9", "{\"is_published\":true}");
}

static void assert_done(const struct bench *bench)
{
    assert_int_equal(bench->step.kind, STEP_DONE);
    assert_true(slice_is(json_text_at(bench->step.result, "id"), "17841400_9"));
    assert_true(slice_is(json_text_at(bench->step.result, "permalink"), "https://www.facebook.com/9"));
}

static void a_text_is_made_unseen_and_then_published(void **state)
{
    struct bench *bench = *state;

    begin(bench, text);
    assert_call(bench, STEP_REQUEST, "17841400/feed",
                "{\"link\":\"https://shop.example/figs\",\"message\":\"Figs are in\",\"published\":false}");
    assert_false(bench->step.needs_note);
    answer(bench, 200, made);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    assert_true(bench->step.needs_note);
    answer(bench, 200, HIDDEN);
    assert_call(bench, STEP_REQUEST, "17841400_9", "{\"is_published\":true}");
    assert_true(bench->step.call.idempotent);
    answer(bench, 200, "{\"success\":true}");
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, SHOWN);
    assert_done(bench);
}

static void a_photo_is_attached_to_an_unseen_post(void **state)
{
    struct bench *bench = *state;

    begin(bench, "{\"text\":\"Look\",\"media\":\"https://shop.example/a.png\"}");
    assert_call(bench, STEP_REQUEST, "17841400/photos", "{\"published\":false,\"url\":\"https://shop.example/a.png\"}");
    answer(bench, 200, "{\"id\":\"77\"}");
    assert_call(bench, STEP_REQUEST, "17841400/feed",
                "{\"attached_media\":[{\"media_fbid\":\"77\"}],\"message\":\"Look\",\"published\":false}");
    assert_true(bench->step.needs_note);
    lose(bench, ERROR_TIMEOUT);
    assert_error(bench, STEP_RETRY, ERROR_TIMEOUT, -1);
    begin(bench, NULL);
    assert_call(bench, STEP_REQUEST, "17841400/feed",
                "{\"attached_media\":[{\"media_fbid\":\"77\"}],\"message\":\"Look\",\"published\":false}");
    answer(bench, 200, made);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
}

static void a_lost_answer_is_looked_into(void **state)
{
    struct bench *bench = *state;

    lead_to_publish(bench);
    lose(bench, ERROR_TIMEOUT);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, SHOWN);
    assert_done(bench);
    lead_to_publish(bench);
    begin(bench, NULL);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, HIDDEN);
    assert_error(bench, STEP_RETRY, ERROR_FAILED, -1);
    begin(bench, NULL);
    answer(bench, 200, HIDDEN);
    assert_call(bench, STEP_REQUEST, "17841400_9", "{\"is_published\":true}");
}

static void errors_mean_what_meta_says(void **state)
{
    struct bench *bench = *state;

    begin(bench, text);
    answer(bench, 400, ERROR_BODY(190));
    assert_error(bench, STEP_REFUSED, ERROR_AUTH, -1);
    begin(bench, text);
    answer(bench, 400, ERROR_BODY(506)); /* it may be there already: nobody but a person can tell */
    assert_error(bench, STEP_UNKNOWN, ERROR_LOST, -1);
    begin(bench, text);
    answer(bench, 400, ERROR_BODY(32));
    assert_error(bench, STEP_RETRY, ERROR_LIMITED, 300000);
    lead_to_publish(bench);
    answer(bench, 400, ERROR_BODY(368));
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, HIDDEN);
    assert_error(bench, STEP_REFUSED, ERROR_REFUSED, -1);
    lead_to_publish(bench);
    answer(bench, 400, ERROR_BODY(4));
    assert_error(bench, STEP_RETRY, ERROR_LIMITED, 300000);
    lead_to_publish(bench);
    answer(bench, 500, ERROR_BODY(1));
    answer(bench, 500, ERROR_BODY(1));
    assert_error(bench, STEP_RETRY, ERROR_PENDING, 30000);
    begin(bench, NULL);
    answer(bench, 400, "{\"error\":{\"code\":100,\"error_subcode\":33}}");
    assert_error(bench, STEP_UNKNOWN, ERROR_LOST, -1);
    begin(bench, text);
    answer(bench, 200, made);
    answer(bench, 400, "{\"error\":{\"code\":100,\"error_subcode\":33}}");
    assert_error(bench, STEP_REFUSED, ERROR_REFUSED, -1);
}

static void what_a_page_would_not_take_is_refused_before(void **state)
{
    static const char *const wrong[] = {
        "{\"text\":\"\"}",
        "{\"text\":\"a\",\"media\":\"https://a.example/v.mp4\"}",
        "{\"text\":\"a\",\"media\":\"http://a.example/v.jpg\"}",
        "{\"text\":\"a\",\"media\":\"https://a.example/v.jpg\",\"link\":\"https://a.example/\"}",
        "{\"text\":\"a\",\"link\":\"a.example\"}",
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        begin(bench, wrong[i]);
        assert_error(bench, STEP_REFUSED, ERROR_INVALID, -1);
    }
    bench->settings.secret = SLICE("");
    begin(bench, text);
    assert_error(bench, STEP_REFUSED, ERROR_NO_SECRET, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_is_made_unseen_and_then_published, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_photo_is_attached_to_an_unseen_post, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_lost_answer_is_looked_into, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(errors_mean_what_meta_says, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(what_a_page_would_not_take_is_refused_before, bench_open, bench_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
