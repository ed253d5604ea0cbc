// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include "connectors/email/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LITERAL(text)                                                                                                  \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const struct connector_settings settings = {
    .url = LITERAL("smtp://127.0.0.1:587"),
    .secret = LITERAL("email/password"),
    .user = LITERAL("shop"),
    .from = LITERAL("shop@example.com"),
    .from_name = LITERAL("Demo Shop"),
    .domain = LITERAL("example.com"),
    .box = LITERAL("pi"),
};

struct bench {
    struct scratch scratch;
    struct step step;
    json_t *inputs;
    struct connector_job job;
};

static int bench_open(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));

    bench->inputs =
        json_pack("{s:s, s:s, s:s}", "to", "kim@example.net", "subject", "Order #1001", "text", "Hello\nKim");
    bench->job = (struct connector_job){.id = SLICE("job-17"), .created_ms = 1795377600000, .inputs = bench->inputs};
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

static void begin(struct bench *bench)
{
    connector_email.begin(&bench->job, &settings, 0, &bench->scratch, &bench->step);
}

static void test_plain_message(void **state)
{
    static const char expected[] =
        "From: \"Demo Shop\"\r\n <shop@example.com>\r\nTo: kim@example.net\r\nSubject: Order #1001\r\n"
        "Date: Sun, 22 Nov 2026 20:00:00 +0000\r\nMessage-ID: <job-17.pi@example.com>\r\n"
        "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nHello\r\nKim\r\n";
    struct bench *bench = *state;

    begin(bench);
    assert_int_equal(bench->step.kind, STEP_REQUEST);
    assert_true(bench->step.needs_note);
    assert_true(slice_is(bench->step.state, "sent-intent"));
    assert_true(slice_is(bench->step.call.body, expected));
    assert_true(slice_is(bench->step.call.url, "smtp://127.0.0.1:587/example.com"));
    assert_true(slice_is(bench->step.call.mail_to, "kim@example.net"));
    assert_true(bench->step.call.starttls_required);
    assert_false(bench->step.call.idempotent);
    assert_int_equal(bench->step.call.auth, AUTH_SMTP_LOGIN);
}

/* Every line of every message: CRLF, ASCII, at most 78 bytes. */
static void assert_wire_clean(struct slice message)
{
    size_t column = 0;

    for (size_t i = 0; i < message.size; i++) {
        unsigned char c = (unsigned char)message.data[i];
        assert_true(c < 0x80 && c != 0);
        assert_int_equal(c == '\r', i + 1 < message.size && message.data[i + 1] == '\n');
        column = c == '\n' ? 0 : column + 1;
        assert_true(column <= 79);
    }
    assert_memory_equal(message.data + message.size - 2, "\r\n", 2);
}

static void test_foreign_text_is_encoded(void **state)
{
    struct bench *bench = *state;
    char subject[700] = "";

    for (int i = 0; i < 100; i++)
        strncat(subject, i % 2 ? "\xe2\x82\xac" : "Gr\xc3\xbc", sizeof(subject) - strlen(subject) - 1);
    json_object_set_new(bench->inputs, "subject", json_string(subject));
    json_object_set_new(bench->inputs, "text",
                        json_string("Gr\xc3\xbc\xc3\x9f"
                                    "e = 5 \xe2\x82\xac \r\n.\rlast \t"));
    json_object_set_new(bench->inputs, "html", json_string("<p>--=_purser_part</p>"));
    begin(bench);
    assert_int_equal(bench->step.kind, STEP_REQUEST);
    struct slice body = bench->step.call.body;
    assert_wire_clean(body);
    assert_non_null(memmem(body.data, body.size, "\r\nGr=C3=BC=C3=9Fe =3D 5 =E2=82=AC=20\r\n.\r\nlast =09\r\n", 51));
    assert_non_null(memmem(body.data, body.size, "<p>--=3D_purser_part</p>", 24));
    assert_non_null(memmem(body.data, body.size, "Subject: =?UTF-8?B?", 19));
    const char *plain = memmem(body.data, body.size, "text/plain", 10);
    const char *html = memmem(body.data, body.size, "text/html", 9);
    assert_true(plain != NULL && html != NULL && plain < html);
}

static void test_a_repeat_is_the_same_bytes(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    char *first = slice_dup(bench->step.call.body);
    connector_email.begin(&bench->job, &settings, 999999, &bench->scratch, &bench->step);
    assert_true(slice_is(bench->step.call.body, first));
    free(first);
}

static void assert_field_refused(struct bench *bench, const char *field, const char *value)
{
    json_t *before = json_incref(json_object_get(bench->inputs, field));

    json_object_set_new(bench->inputs, field, json_string(value));
    begin(bench);
    assert_int_equal(bench->step.kind, STEP_REFUSED);
    assert_int_equal(error_class(bench->step.error), RETRY_PERMANENT);
    assert_memory_equal(bench->step.detail.data, field, strlen(field));
    if (before != NULL)
        json_object_set_new(bench->inputs, field, before);
    else
        json_object_del(bench->inputs, field);
}

static void test_injection_and_bad_addresses_are_refused(void **state)
{
    static const char *const addresses[] = {"",
                                            "kim",
                                            "@example.net",
                                            "kim@",
                                            "a b@example.net",
                                            "kim@example.net, bob@example.net",
                                            "kim@-x.net",
                                            "kim@x..net",
                                            "kim@x-.net",
                                            ".kim@x.net",
                                            "kim.@x.net",
                                            "k..m@x.net",
                                            "kim@x.net\r\nBcc: all@x.net",
                                            "k\xc3\xafm@x.net",
                                            "kim@\xc3\xafx.net",
                                            "<kim@x.net>",
                                            "\"k\"@x.net",
                                            "kim@x.net\n",
                                            "kim@[127.0.0.1]"};
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        assert_field_refused(bench, "to", addresses[i]);
    assert_field_refused(bench, "subject", "Hi\r\nBcc: all@example.net");
    assert_field_refused(bench, "subject", "Hi\n");
    assert_field_refused(bench, "subject", "");
    assert_field_refused(bench, "text", "");
    assert_field_refused(bench, "reply_to", "x\r@y");
    json_object_set_new(bench->inputs, "html", json_integer(4));
    begin(bench);
    assert_int_equal(bench->step.kind, STEP_REFUSED);
}

static void test_address_lengths(void **state)
{
    char text[300];
    (void)state;

    snprintf(text, sizeof(text), "%064d@example.com", 0);
    assert_null(message_address_problem(slice_of(text)));
    snprintf(text, sizeof(text), "%065d@example.com", 0);
    assert_non_null(message_address_problem(slice_of(text)));
    snprintf(text, sizeof(text), "a@%063d.com", 0);
    assert_null(message_address_problem(slice_of(text)));
    snprintf(text, sizeof(text), "a@%064d.com", 0);
    assert_non_null(message_address_problem(slice_of(text)));
    assert_null(message_address_problem(SLICE("o'hara+tag_1@sub.example.co")));
}

static void test_a_saved_intent_is_unknown(void **state)
{
    struct bench *bench = *state;

    bench->job.state = SLICE("sent-intent");
    begin(bench);
    assert_int_equal(bench->step.kind, STEP_UNKNOWN);
    assert_int_equal(bench->step.error, ERROR_LOST);
}

static void test_replies(void **state)
{
    static const struct {
        enum error told;
        int status;
        const char *text;
        enum step_kind kind;
        enum error error;
    } replies[] = {
        {ERROR_OK, 250, "2.0.0 Ok", STEP_DONE, ERROR_OK},
        {ERROR_OK, 421, "4.7.0 Try again later", STEP_RETRY, ERROR_LIMITED},
        {ERROR_OK, 450, "4.2.1 Peak SMTP relay limit exceeded", STEP_RETRY, ERROR_LIMITED},
        {ERROR_OK, 450, "4.1.1 greylisted", STEP_RETRY, ERROR_FAILED},
        {ERROR_OK, 451, "4.3.0 error", STEP_RETRY, ERROR_FAILED},
        {ERROR_OK, 454, "4.7.0 Too many login attempts", STEP_RETRY, ERROR_LIMITED},
        {ERROR_OK, 550, "5.1.1 no such user", STEP_REFUSED, ERROR_REFUSED},
        {ERROR_OK, 550, "5.4.5 Daily user sending limit exceeded", STEP_RETRY, ERROR_LIMITED},
        {ERROR_OK, 552, "5.3.4 too big", STEP_REFUSED, ERROR_TOO_LARGE},
        {ERROR_OK, 535, "5.7.8 bad credentials", STEP_REFUSED, ERROR_AUTH},
        {ERROR_AUTH, 535, "", STEP_REFUSED, ERROR_AUTH},
        {ERROR_OK, 354, "", STEP_UNKNOWN, ERROR_LOST},
        {ERROR_LOST, 354, "", STEP_UNKNOWN, ERROR_LOST},
        {ERROR_TIMEOUT, 0, "", STEP_UNKNOWN, ERROR_LOST},
        {ERROR_OFFLINE, 0, "no route", STEP_RETRY, ERROR_OFFLINE},
        {ERROR_UNSUPPORTED, 0, "no STARTTLS", STEP_REFUSED, ERROR_UNSUPPORTED},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct answer answer = {
            .error = replies[i].told, .status = replies[i].status, .body = slice_of(replies[i].text)};
        step_fini(&bench->step);
        connector_email.answer(&bench->job, &settings, &answer, 0, &bench->scratch, &bench->step);
        assert_int_equal(bench->step.kind, replies[i].kind);
        assert_int_equal(bench->step.error, replies[i].error);
        if (bench->step.kind == STEP_DONE)
            assert_true(slice_is(json_text_at(bench->step.result, "message_id"), "job-17.pi@example.com"));
    }
}

static void test_usage_learns_limits(void **state)
{
    struct answer answer = {.error = ERROR_OK, .status = 550, .detail = SLICE("5.4.5 Daily limit")};
    struct usage usage;
    (void)state;

    connector_email.usage(&settings, &answer, 0, &usage);
    assert_true(usage.limited && usage.day_quota);
    assert_int_equal(usage.retry_after_ms, 3600000);
    answer.status = 250;
    connector_email.usage(&settings, &answer, 0, &usage);
    assert_false(usage.limited || usage.overloaded);
}

int main(void)
{
#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_plain_message),
        BENCH_TEST(test_foreign_text_is_encoded),
        BENCH_TEST(test_a_repeat_is_the_same_bytes),
        BENCH_TEST(test_injection_and_bad_addresses_are_refused),
        cmocka_unit_test(test_address_lengths),
        BENCH_TEST(test_a_saved_intent_is_unknown),
        BENCH_TEST(test_replies),
        cmocka_unit_test(test_usage_learns_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
