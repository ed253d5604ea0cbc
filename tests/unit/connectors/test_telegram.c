// SPDX-License-Identifier: MIT
#include "connectors/telegram/bot_api.h"
#include "connectors/telegram/telegram.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char sent_answer[] = "{\"ok\":true,\"result\":{\"message_id\":4711,\"from\":{\"id\":123456789,\"is_bot\":"
                                  "true,\"first_name\":\"Shop\",\"username\":\"shop_bot\"},\"chat\":{\"id\":"
                                  "-1001234567890,\"title\":\"Shop\",\"type\":\"supergroup\"},\"date\":1763805600,"
                                  "\"text\":\"Order #1001 199.65 USD\"}}";
static const char unchanged[] = "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: message is not "
                                "modified: "
                                "specified new message content and reply markup are exactly the same as a current "
                                "content and reply markup of the message\"}";

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

    bench->settings = (struct connector_settings){.url = SLICE("https://api.telegram.org"),
                                                  .secret = SLICE("telegram/token")};
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

static struct connector_job job_of(const struct bench *bench)
{
    return (struct connector_job){
        .id = SLICE("job-1"), .inputs = bench->inputs, .state = buffer_slice(&bench->state)};
}

/* What the worker does with a note. */
static void take_note(struct bench *bench)
{
    if (!bench->step.needs_note)
        return;
    buffer_clear(&bench->state);
    buffer_append(&bench->state, bench->step.state.data, bench->step.state.size);
}

static void begin(struct bench *bench, json_t *inputs)
{
    json_decref(bench->inputs);
    bench->inputs = inputs;
    struct connector_job job = job_of(bench);
    step_fini(&bench->step);
    connector_telegram.begin(&job, &bench->settings, 0, &bench->scratch, &bench->step);
    take_note(bench);
}

static void answer(struct bench *bench, int status, const char *body)
{
    struct connector_job job = job_of(bench);
    struct answer given = {.error = ERROR_OK, .status = status, .body = slice_of(body)};

    step_fini(&bench->step);
    connector_telegram.answer(&job, &bench->settings, &given, 0, &bench->scratch, &bench->step);
    take_note(bench);
}

static void lose(struct bench *bench, enum error error)
{
    struct connector_job job = job_of(bench);
    struct answer given = {.error = error, .detail = SLICE("gone")};

    step_fini(&bench->step);
    connector_telegram.answer(&job, &bench->settings, &given, 0, &bench->scratch, &bench->step);
    take_note(bench);
}

static json_t *body_of(const struct bench *bench)
{
    struct json_problem problem;
    json_t *body = json_read(bench->step.call.body, &problem);

    assert_non_null(body);
    return body;
}

static void assert_calls(const struct bench *bench, const char *method)
{
    char url[200];

    assert_int_equal(bench->step.kind, STEP_REQUEST);
    snprintf(url, sizeof(url), "https://api.telegram.org/bot" CALL_URL_TOKEN "/%s", method);
    assert_true(slice_is(bench->step.call.url, url));
    assert_int_equal(bench->step.call.auth, AUTH_URL_TOKEN);
    assert_true(slice_is(bench->step.call.secret, "telegram/token"));
}

static json_t *message(const char *chat)
{
    return json_pack("{s:s, s:s, s:s}", "kind", "send", "chat", chat, "text", "Sold out: figs");
}

static void a_message_is_sent_once(void **state)
{
    struct bench *bench = *state;

    begin(bench, message("-1001234567890"));
    assert_calls(bench, "sendMessage");
    assert_true(bench->step.needs_note);
    assert_false(bench->step.call.idempotent);
    json_t *body = body_of(bench);
    assert_int_equal(json_integer_value(json_object_get(body, "chat_id")), -1001234567890);
    json_decref(body);
    answer(bench, 200, sent_answer);
    assert_int_equal(bench->step.kind, STEP_DONE);
    assert_int_equal(json_integer_value(json_object_get(bench->step.result, "message_id")), 4711);
}

static void a_lost_message_is_unknown_and_not_repeated(void **state)
{
    struct bench *bench = *state;

    begin(bench, message("42"));
    lose(bench, ERROR_LOST);
    assert_int_equal(bench->step.kind, STEP_UNKNOWN);
    begin(bench, message("42"));
    assert_int_equal(bench->step.kind, STEP_UNKNOWN);
}

static void answers_without_sense_leave_a_message_unknown(void **state)
{
    struct bench *bench = *state;

    begin(bench, message("42"));
    answer(bench, 200, "<html>");
    assert_int_equal(bench->step.kind, STEP_UNKNOWN);
    buffer_clear(&bench->state);
    begin(bench, message("42"));
    answer(bench, 502, "Bad Gateway");
    assert_int_equal(bench->step.kind, STEP_UNKNOWN);
}

static void errors_have_their_classes(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum error error;
        int64_t retry_after_ms;
    } cases[] = {
        {429, "{\"ok\":false,\"parameters\":{\"retry_after\":37}}", ERROR_LIMITED, 37000},
        {429, "{\"ok\":false,\"parameters\":{\"retry_after\":0}}", ERROR_LIMITED, 1000},
        {400, "{\"ok\":false,\"description\":\"Bad Request: chat not found\"}", ERROR_REFUSED, -1},
        {401, "{\"ok\":false,\"description\":\"Unauthorized\"}", ERROR_AUTH, -1},
        {404, "{\"ok\":false,\"description\":\"Not Found\"}", ERROR_AUTH, -1},
        {403, "{\"ok\":false,\"description\":\"Forbidden: bot was blocked by the user\"}", ERROR_REFUSED, -1},
        {500, "{\"ok\":false,\"description\":\"Internal Server Error\"}", ERROR_FAILED, -1},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answer given = {.error = ERROR_OK, .status = cases[i].status, .body = slice_of(cases[i].body)};
        struct usage usage;
        buffer_clear(&bench->state);
        begin(bench, message("42"));
        answer(bench, cases[i].status, cases[i].body);
        assert_int_equal(bench->step.error, cases[i].error);
        assert_int_equal(bench->step.retry_after_ms, cases[i].retry_after_ms);
        connector_telegram.usage(&bench->settings, &given, 0, &usage);
        assert_int_equal(usage.limited, cases[i].error == ERROR_LIMITED);
        assert_int_equal(usage.overloaded, cases[i].status == 500);
    }
}

static void a_moved_chat_is_named(void **state)
{
    struct bench *bench = *state;

    begin(bench, message("-5"));
    answer(bench, 400,
           "{\"ok\":false,\"description\":\"Bad Request: group chat was upgraded to a supergroup chat\","
           "\"parameters\":{\"migrate_to_chat_id\":-1009}}");
    assert_int_equal(bench->step.kind, STEP_REFUSED);
    assert_non_null(memmem(bench->step.detail.data, bench->step.detail.size, "-1009", 5));
}

static void pictures_have_captions(void **state)
{
    struct bench *bench = *state;
    char text[2001];

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    begin(bench, json_pack("{s:s, s:s, s:s, s:s, s:b}", "kind", "send", "chat", "@shop", "text", text, "photo",
                           "https://shop.example/fig.jpg", "silent", 1));
    assert_calls(bench, "sendPhoto");
    json_t *body = body_of(bench);
    assert_int_equal(json_text_at(body, "caption").size, BOT_API_CAPTION_UNITS_MAX);
    assert_true(slice_is(json_text_at(body, "chat_id"), "@shop"));
    assert_true(json_is_true(json_object_get(body, "disable_notification")));
    json_decref(body);
}

static json_t *question(const char *photo)
{
    return json_pack("{s:s, s:[s, s, s], s:s, s:s, s:i, s:s, s:s}", "kind", "ask", "chats", "-7", "42", "43",
                     "approval", "000000000000004d", "hash", "0123456789abcdef", "n", 1, "text", "Approve? figs",
                     "photo", photo);
}

static void a_question_goes_to_every_chat(void **state)
{
    struct bench *bench = *state;
    struct slice verb, key, hash;

    begin(bench, question(""));
    assert_calls(bench, "sendMessage");
    assert_true(bench->step.call.idempotent);
    json_t *body = body_of(bench);
    struct slice data = json_text_at(body, "reply_markup.inline_keyboard.0.0.callback_data");
    assert_true(data.size <= 64);
    assert_true(bot_api_button_read(data, &verb, &key, &hash));
    assert_true(slice_is(verb, "approve") && slice_is(key, "000000000000004d") && slice_is(hash, "0123456789abcdef"));
    json_decref(body);
    answer(bench, 200, sent_answer);
    assert_calls(bench, "sendMessage");
    /* One who blocked the bot does not keep the last one from being asked. */
    answer(bench, 403, "{\"ok\":false,\"description\":\"Forbidden: bot was blocked by the user\"}");
    assert_calls(bench, "sendMessage");
    answer(bench, 200, sent_answer);
    assert_int_equal(bench->step.kind, STEP_DONE);
    assert_int_equal(json_array_size(json_object_get(bench->step.result, "messages")), 2);
    assert_int_equal(json_integer_value(json_object_get(bench->step.result, "missed")), 1);
}

static void a_question_that_reached_nobody_is_asked_again(void **state)
{
    struct bench *bench = *state;

    begin(bench, question(""));
    lose(bench, ERROR_LOST);
    assert_int_equal(bench->step.kind, STEP_RETRY);
    assert_int_equal(bench->step.error, ERROR_TIMEOUT);
    buffer_clear(&bench->state);
    begin(bench, question(""));
    lose(bench, ERROR_OFFLINE);
    assert_int_equal(bench->step.error, ERROR_OFFLINE);
    buffer_clear(&bench->state);
    begin(bench, question(""));
    for (int i = 0; i < 3; i++)
        answer(bench, 400, "{\"ok\":false,\"description\":\"Bad Request: chat not found\"}");
    assert_int_equal(bench->step.kind, STEP_REFUSED);
}

static void a_picture_that_cannot_be_fetched_is_linked(void **state)
{
    struct bench *bench = *state;

    begin(bench, question("https://shop.example/fig.jpg"));
    assert_calls(bench, "sendPhoto");
    answer(bench, 400, "{\"ok\":false,\"description\":\"Bad Request: failed to get HTTP URL content\"}");
    assert_calls(bench, "sendMessage");
    json_t *body = body_of(bench);
    assert_true(slice_is(json_text_at(body, "link_preview_options.url"), "https://shop.example/fig.jpg"));
    assert_int_equal(json_integer_value(json_object_get(body, "chat_id")), -7);
    json_decref(body);
}

static void a_crash_between_two_chats_goes_on_there(void **state)
{
    struct bench *bench = *state;

    begin(bench, question(""));
    answer(bench, 200, sent_answer);
    begin(bench, question(""));
    json_t *body = body_of(bench);
    assert_int_equal(json_integer_value(json_object_get(body, "chat_id")), 42);
    json_decref(body);
}

static void edits_may_be_repeated(void **state)
{
    struct bench *bench = *state;

    begin(bench, json_pack("{s:s, s:[{s:i, s:i, s:b}, {s:i, s:i, s:b}, {s:i, s:i, s:b}], s:s}", "kind", "settle",
                           "messages", "chat", 42, "message_id", 7, "photo", 0, "chat", 43, "message_id", 8, "photo", 1,
                           "chat", 44, "message_id", 9, "photo", 0, "text", "Approved by ann"));
    assert_calls(bench, "editMessageText");
    assert_true(bench->step.call.idempotent);
    answer(bench, 400, unchanged);
    assert_calls(bench, "editMessageCaption");
    answer(bench, 400, "{\"ok\":false,\"description\":\"Bad Request: message to edit not found\"}");
    assert_calls(bench, "editMessageText");
    lose(bench, ERROR_TIMEOUT);
    assert_int_equal(bench->step.kind, STEP_RETRY);
}

static void prompts_are_told_by_their_mark(void **state)
{
    struct bench *bench = *state;
    struct slice key, hash;

    begin(bench, json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", "prompt", "chat", "42", "approval",
                           "000000000000004d", "hash", "0123456789abcdef", "text",
                           "The text now: #edit 1111111111111111:2222222222222222"));
    json_t *body = body_of(bench);
    assert_true(json_is_true(json_at(body, "reply_markup.force_reply")));
    assert_true(bot_api_prompt_read(json_text_at(body, "text"), &key, &hash));
    assert_true(slice_is(key, "000000000000004d"));
    json_decref(body);
    assert_false(bot_api_prompt_read(SLICE("#edit 000000000000004d:0123456789abcdef and more"), &key, &hash));
}

static void without_a_bot_nothing_is_sent(void **state)
{
    struct bench *bench = *state;

    bench->settings.secret = (struct slice){NULL, 0};
    begin(bench, message("42"));
    assert_int_equal(bench->step.error, ERROR_NO_SECRET);
    begin(bench, json_pack("{s:s, s:s}", "kind", "skip", "why", "no chat"));
    assert_int_equal(bench->step.kind, STEP_DONE);
}

static void chats_and_buttons_are_read_strictly(void **state)
{
    static const char *const bad[] = {"", "-", "12a", "@", "1234567890123456789", "--5", " 5"};
    static const char *const bad_data[] = {"", "p:a:", "p:x:000000000000004d:0123456789abcdef",
                                           "p:a:000000000000004D:0123456789abcdef",
                                           "p:a:000000000000004d:0123456789abcdef0"};
    struct slice verb, key, hash;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(bot_api_chat(slice_of(bad[i])));
    for (size_t i = 0; i < sizeof(bad_data) / sizeof(bad_data[0]); i++)
        assert_false(bot_api_button_read(slice_of(bad_data[i]), &verb, &key, &hash));
    /* Two units for a character outside the basic plane, and none is halved. */
    assert_int_equal(bot_api_cut(SLICE("ab\xf0\x9f\x8d\x93"), 3).size, 2);
    assert_int_equal(bot_api_cut(SLICE("ab\xf0\x9f\x8d\x93"), 4).size, 6);
}

int main(void)
{
#define BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH(a_message_is_sent_once),
        BENCH(a_lost_message_is_unknown_and_not_repeated),
        BENCH(answers_without_sense_leave_a_message_unknown),
        BENCH(errors_have_their_classes),
        BENCH(a_moved_chat_is_named),
        BENCH(pictures_have_captions),
        BENCH(a_question_goes_to_every_chat),
        BENCH(a_question_that_reached_nobody_is_asked_again),
        BENCH(a_picture_that_cannot_be_fetched_is_linked),
        BENCH(a_crash_between_two_chats_goes_on_there),
        BENCH(edits_may_be_repeated),
        BENCH(prompts_are_told_by_their_mark),
        BENCH(without_a_bot_nothing_is_sent),
        BENCH(chats_and_buttons_are_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
