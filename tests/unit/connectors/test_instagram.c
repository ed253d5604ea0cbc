// SPDX-License-Identifier: MIT
#include "connectors/instagram/instagram.h"
#include "tests/unit/connectors/meta_bench.h"

#define ERROR_BODY(code, subcode) "{\"error\":{\"message\":\"m\",\"code\":" #code ",\"error_subcode\":" #subcode "}}"
#define FINISHED "{\"status_code\":\"FINISHED\",\"id\":\"17889455560051444\"}"
#define PUBLISHED "{\"status_code\":\"PUBLISHED\",\"id\":\"17889455560051444\"}"
#define LOOK "17889455560051444?fields=status_code,status"

static const char image[] = "{\"media\":\"https://shop.example/a.jpg\",\"caption\":\"Figs #fresh\",\"alt\":\"Figs\"}";
static const char made[] = "{\"id\":\"17889455560051444\"}";
static const char quota[] = "{\"data\":[{\"quota_usage\":2,\"config\":{\"quota_total\":50,\"quota_duration\":86400}}]}";

static int bench_open(void **state)
{
    return bench_new(state, &connector_instagram);
}

static void lead_to_publish(struct bench *bench)
{
    begin(bench, image);
    answer(bench, 200, made);
    answer(bench, 200, FINISHED);
    answer(bench, 200, quota);
    assert_call(bench, STEP_REQUEST, "17841400/media_publish", "{\"creation_id\":\"17889455560051444\"}");
}

static void an_image_goes_through_its_container(void **state)
{
    struct bench *bench = *state;

    begin(bench, image);
    assert_call(bench, STEP_REQUEST, "17841400/media",
                "{\"alt_text\":\"Figs\",\"caption\":\"Figs #fresh\",\"image_url\":\"https://shop.example/a.jpg\"}");
    assert_false(bench->step.needs_note);
    assert_true(bench->step.call.idempotent);
    answer(bench, 200, made);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    assert_true(bench->step.needs_note);
    answer(bench, 200, FINISHED);
    assert_call(bench, STEP_PROBE, "17841400/content_publishing_limit?fields=quota_usage,config", NULL);
    answer(bench, 200, quota);
    assert_call(bench, STEP_REQUEST, "17841400/media_publish", "{\"creation_id\":\"17889455560051444\"}");
    assert_true(bench->step.needs_note);
    assert_false(bench->step.call.idempotent);
    answer(bench, 200, "{\"id\":\"17920238422030506\"}");
    assert_call(bench, STEP_PROBE, "17920238422030506?fields=permalink", NULL);
    assert_true(bench->step.needs_note);
    answer(bench, 200, "{\"permalink\":\"https://www.instagram.com/p/x/\",\"id\":\"17920238422030506\"}");
    assert_int_equal(bench->step.kind, STEP_DONE);
    assert_true(slice_is(json_text_at(bench->step.result, "id"), "17920238422030506"));
    assert_true(slice_is(json_text_at(bench->step.result, "permalink"), "https://www.instagram.com/p/x/"));
    assert_true(slice_is(json_text_at(bench->step.result, "container"), "17889455560051444"));
}

static void each_kind_asks_for_its_own_container(void **state)
{
    static const struct {
        const char *inputs, *body;
    } cases[] = {
        {"{\"kind\":\"reel\",\"media\":\"https://a.example/v.mp4\",\"caption\":\"c\"}",
         "{\"caption\":\"c\",\"media_type\":\"REELS\",\"video_url\":\"https://a.example/v.mp4\"}"},
        {"{\"kind\":\"story\",\"media\":\"https://a.example/s.jpg\",\"caption\":\"c\"}",
         "{\"image_url\":\"https://a.example/s.jpg\",\"media_type\":\"STORIES\"}"},
        {"{\"kind\":\"story\",\"media\":\"https://a.example/s.mov\"}",
         "{\"media_type\":\"STORIES\",\"video_url\":\"https://a.example/s.mov\"}"},
        {"{\"kind\":\"carousel\",\"media\":\"https://a.example/1.jpg https://a.example/2.mp4\",\"caption\":\"c\"}",
         "{\"image_url\":\"https://a.example/1.jpg\",\"is_carousel_item\":true}"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(bench, cases[i].inputs);
        assert_call(bench, STEP_REQUEST, "17841400/media", cases[i].body);
    }
    answer(bench, 200, "{\"id\":\"11\"}");
    assert_call(bench, STEP_REQUEST, "17841400/media",
                "{\"is_carousel_item\":true,\"media_type\":\"VIDEO\",\"video_url\":\"https://a.example/2.mp4\"}");
    assert_true(bench->step.needs_note);
    answer(bench, 200, "{\"id\":\"12\"}");
    assert_call(bench, STEP_REQUEST, "17841400/media",
                "{\"caption\":\"c\",\"children\":\"11,12\",\"media_type\":\"CAROUSEL\"}");
    answer(bench, 400, ERROR_BODY(9007, 2207027));
    assert_error(bench, STEP_RETRY, ERROR_PENDING, 15000);
    begin(bench, NULL);
    assert_call(bench, STEP_REQUEST, "17841400/media",
                "{\"caption\":\"c\",\"children\":\"11,12\",\"media_type\":\"CAROUSEL\"}");
    answer(bench, 200, made);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
}

static void what_instagram_would_not_take_is_refused_before(void **state)
{
    static const char *const wrong[] = {
        "{\"media\":\"http://a.example/a.jpg\"}",
        "{\"media\":\"https://a.example/a.png\"}",
        "{\"media\":\"https://a.example/a.mp4\"}",
        "{\"media\":\"\"}",
        "{\"media\":\"https://a.example/a.jpg https://a.example/b.jpg\"}",
        "{\"kind\":\"reel\",\"media\":\"https://a.example/a.jpg\"}",
        "{\"kind\":\"carousel\",\"media\":\"https://a.example/a.jpg\"}",
        "{\"kind\":\"poem\",\"media\":\"https://a.example/a.jpg\"}",
        "{\"media\":\"https://a.example/a.jpg\",\"caption\":\"#a #a #a #a #a #a #a #a #a #a #a #a #a #a #a #a #a #a #a "
        "#a "
        "#a #a #a #a #a #a #a #a #a #a #a\"}",
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        begin(bench, wrong[i]);
        assert_error(bench, STEP_REFUSED, ERROR_INVALID, -1);
    }
    bench->settings.user = SLICE("");
    begin(bench, image);
    assert_error(bench, STEP_REFUSED, ERROR_NO_SECRET, -1);
}

static void slow_media_is_waited_for_without_a_charge_and_not_for_ever(void **state)
{
    struct bench *bench = *state;

    begin(bench, image);
    answer(bench, 200, made);
    answer(bench, 200, "{\"status_code\":\"IN_PROGRESS\"}");
    assert_error(bench, STEP_RETRY, ERROR_PENDING, 15000);
    bench->now_ms += 120000;
    begin(bench, NULL);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    assert_false(bench->step.needs_note);
    answer(bench, 200, "{\"status_code\":\"IN_PROGRESS\"}");
    assert_error(bench, STEP_RETRY, ERROR_PENDING, 60000);
    bench->now_ms += 1800000;
    begin(bench, NULL);
    answer(bench, 200, "{\"status_code\":\"IN_PROGRESS\"}");
    assert_error(bench, STEP_RETRY, ERROR_TIMEOUT, -1);
    begin(bench, NULL);
    assert_int_equal(bench->step.kind, STEP_REQUEST);
}

static void a_container_that_is_gone_or_failed_is_made_anew(void **state)
{
    struct bench *bench = *state;

    begin(bench, image);
    answer(bench, 200, made);
    answer(bench, 200, "{\"status_code\":\"ERROR\",\"status\":\"Error: Media upload has failed with code 2207053\"}");
    assert_error(bench, STEP_RETRY, ERROR_FAILED, -1);
    begin(bench, NULL);
    assert_int_equal(bench->step.kind, STEP_REQUEST);
    answer(bench, 200, made);
    answer(bench, 200, "{\"status_code\":\"ERROR\",\"status\":\"Error: 2207026 unsupported\"}");
    assert_error(bench, STEP_REFUSED, ERROR_REFUSED, -1);
    begin(bench, image);
    answer(bench, 200, made);
    bench->now_ms += 25 * 3600000;
    begin(bench, NULL);
    answer(bench, 200, "{\"status_code\":\"EXPIRED\"}");
    assert_int_equal(bench->step.kind, STEP_REQUEST);
    assert_true(slice_is(bench->step.call.url, "https://graph.example/v26.0/17841400/media"));
}

static void a_used_up_quota_waits_and_keeps_the_container(void **state)
{
    struct bench *bench = *state;

    begin(bench, image);
    answer(bench, 200, made);
    answer(bench, 200, FINISHED);
    answer(bench, 200, "{\"data\":[{\"quota_usage\":50,\"config\":{\"quota_total\":50}}]}");
    assert_error(bench, STEP_RETRY, ERROR_PENDING, 900000);
    begin(bench, NULL);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, FINISHED);
    answer(bench, 400, ERROR_BODY(100, 0)); /* not told: then publishing will tell */
    assert_call(bench, STEP_REQUEST, "17841400/media_publish", "{\"creation_id\":\"17889455560051444\"}");
    answer(bench, 400, ERROR_BODY(9, 2207042));
    assert_error(bench, STEP_RETRY, ERROR_PENDING, 900000);
}

static void a_lost_answer_is_looked_into_and_never_repeated_blindly(void **state)
{
    struct bench *bench = *state;

    lead_to_publish(bench);
    lose(bench, ERROR_LOST);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, PUBLISHED);
    assert_int_equal(bench->step.kind, STEP_DONE);
    assert_true(json_is_null(json_object_get(bench->step.result, "id")));
    lead_to_publish(bench);
    begin(bench, NULL); /* a crash while the call was out */
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, FINISHED);
    assert_error(bench, STEP_RETRY, ERROR_FAILED, -1);
    begin(bench, NULL);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, FINISHED);
    answer(bench, 200, quota);
    assert_int_equal(bench->step.kind, STEP_REQUEST);
}

static void while_nobody_can_tell_no_attempt_is_charged(void **state)
{
    struct bench *bench = *state;

    lead_to_publish(bench);
    answer(bench, 502, "<html>Bad Gateway</html>");
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    lose(bench, ERROR_TIMEOUT);
    assert_error(bench, STEP_RETRY, ERROR_PENDING, 30000);
    begin(bench, NULL);
    answer(bench, 400, ERROR_BODY(190, 463));
    assert_error(bench, STEP_REFUSED, ERROR_AUTH, -1);
    begin(bench, NULL);
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 400, ERROR_BODY(100, 33));
    assert_error(bench, STEP_UNKNOWN, ERROR_LOST, -1);
    bench->now_ms += 8 * 86400000LL;
    lead_to_publish(bench);
    lose(bench, ERROR_LOST);
    bench->now_ms += 8 * 86400000LL;
    lose(bench, ERROR_TIMEOUT);
    assert_error(bench, STEP_UNKNOWN, ERROR_LOST, -1);
}

/* An answer that never says anything ends the questions too. */
static void a_status_that_nobody_knows_is_not_asked_for_for_ever(void **state)
{
    struct bench *bench = *state;

    lead_to_publish(bench);
    lose(bench, ERROR_LOST);
    answer(bench, 200, "{\"status_code\":\"PONDERING\"}");
    assert_int_equal(bench->step.kind, STEP_RETRY);
    assert_int_equal(bench->step.error, ERROR_PENDING);
    bench->now_ms += 8 * 86400000LL;
    begin(bench, NULL);
    answer(bench, 200, "{\"status_code\":\"PONDERING\"}");
    assert_error(bench, STEP_UNKNOWN, ERROR_LOST, -1);
}

/* "Blocked" was sometimes said of a post that went out. */
static void a_refusal_is_looked_into_too(void **state)
{
    struct bench *bench = *state;

    lead_to_publish(bench);
    answer(bench, 400, ERROR_BODY(4, 2207051));
    assert_call(bench, STEP_PROBE, LOOK, NULL);
    answer(bench, 200, PUBLISHED);
    assert_int_equal(bench->step.kind, STEP_DONE);
    lead_to_publish(bench);
    answer(bench, 400, ERROR_BODY(4, 2207051));
    answer(bench, 200, FINISHED);
    assert_error(bench, STEP_REFUSED, ERROR_REFUSED, -1);
    assert_non_null(memmem(bench->step.detail.data, bench->step.detail.size, "2207051", 7));
    lead_to_publish(bench);
    answer(bench, 400, ERROR_BODY(9007, 2207027));
    assert_int_equal(bench->step.error, ERROR_PENDING);
    lead_to_publish(bench);
    lose(bench, ERROR_OFFLINE);
    assert_error(bench, STEP_RETRY, ERROR_OFFLINE, -1);
}

static void a_post_whose_address_is_not_told_is_done_all_the_same(void **state)
{
    struct bench *bench = *state;

    lead_to_publish(bench);
    answer(bench, 200, "{\"id\":\"17920238422030506\"}");
    begin(bench, NULL); /* a crash behind the note */
    assert_call(bench, STEP_PROBE, "17920238422030506?fields=permalink", NULL);
    lose(bench, ERROR_OFFLINE);
    assert_int_equal(bench->step.kind, STEP_DONE);
    assert_true(slice_is(json_text_at(bench->step.result, "id"), "17920238422030506"));
    assert_true(json_is_null(json_object_get(bench->step.result, "permalink")));
}

static void a_state_that_cannot_be_read_is_unknown(void **state)
{
    static const char *const wrong[] = {"x", "{}", "{\"p\":\"publish\"}", "{\"p\":\"wait\",\"c\":\"1/../2\"}"};
    struct bench *bench = *state;

    begin(bench, image);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        buffer_clear(&bench->state);
        buffer_text(&bench->state, wrong[i]);
        begin(bench, NULL);
        assert_error(bench, STEP_UNKNOWN, ERROR_LOST, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_image_goes_through_its_container, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(each_kind_asks_for_its_own_container, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(what_instagram_would_not_take_is_refused_before, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(slow_media_is_waited_for_without_a_charge_and_not_for_ever, bench_open,
                                        bench_close),
        cmocka_unit_test_setup_teardown(a_container_that_is_gone_or_failed_is_made_anew, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_used_up_quota_waits_and_keeps_the_container, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_lost_answer_is_looked_into_and_never_repeated_blindly, bench_open,
                                        bench_close),
        cmocka_unit_test_setup_teardown(while_nobody_can_tell_no_attempt_is_charged, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_status_that_nobody_knows_is_not_asked_for_for_ever, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_refusal_is_looked_into_too, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_post_whose_address_is_not_told_is_done_all_the_same, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(a_state_that_cannot_be_read_is_unknown, bench_open, bench_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
