// SPDX-License-Identifier: MIT
#include "proto/call.h"
#include "proto/http.h"
#include "proto/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct call sample_call(void)
{
    return (struct call){
        .kind = CALL_HTTP,
        .url = SLICE("https://127.0.0.1/v1"),
        .method = SLICE("POST"),
        .headers = {{SLICE("content-type"), SLICE("application/json")}, {SLICE("x-raw"), SLICE("\xff\xfe")}},
        .header_count = 2,
        .body = SLICE("{\0}"),
        .auth = AUTH_HEADER,
        .auth_name = SLICE("x-goog-api-key"),
        .secret = SLICE("gemini/key"),
        .idempotent = true,
        .timeout_ms = 30000,
        .ca_file = SLICE("/ca.pem"),
    };
}

static void test_call_round_trip(void **state)
{
    struct call call = sample_call(), back;
    struct buffer packed = {NULL, 0, 0}, again = {NULL, 0, 0};

    (void)state;
    call_pack(&packed, &call);
    assert_true(call_unpack(buffer_slice(&packed), &back));
    assert_int_equal(back.kind, CALL_HTTP);
    assert_true(slice_equal(back.url, call.url));
    assert_int_equal(back.header_count, 2);
    assert_true(slice_equal(back.headers[1].value, call.headers[1].value));
    assert_true(slice_equal(back.body, call.body));
    assert_int_equal(back.auth, AUTH_HEADER);
    assert_true(back.idempotent);
    assert_false(back.starttls_required);
    assert_int_equal(back.timeout_ms, 30000);
    call_pack(&again, &back);
    assert_true(slice_equal(buffer_slice(&packed), buffer_slice(&again)));
    for (size_t cut = 0; cut < packed.size; cut++)
        assert_false(call_unpack((struct slice){packed.data, cut}, &back));
    buffer_append(&packed, "\xc0", 1);
    assert_false(call_unpack(buffer_slice(&packed), &back));
    buffer_free(&packed);
    buffer_free(&again);
}

static void test_call_refuses(void **state)
{
    struct call call = sample_call(), back;
    struct buffer packed = {NULL, 0, 0};

    (void)state;
    call_pack(&packed, &call);
    packed.data[1] = CALL_SMTP + 1; /* the kind stands behind the array header */
    assert_false(call_unpack(buffer_slice(&packed), &back));
    buffer_clear(&packed);
    wire_put_array(&packed, 14);
    wire_put_u64(&packed, CALL_HTTP);
    wire_put_blob(&packed, SLICE("u"));
    wire_put_blob(&packed, SLICE("GET"));
    wire_put_array(&packed, 2 * (CALL_HEADERS_MAX + 1));
    for (int i = 0; i < 2 * (CALL_HEADERS_MAX + 1); i++)
        wire_put_blob(&packed, SLICE("x"));
    assert_false(call_unpack(buffer_slice(&packed), &back));
    buffer_free(&packed);
}

static void test_answer_round_trip(void **state)
{
    struct answer back, answer = {
                            .error = ERROR_OK,
                            .status = 429,
                            .headers = {{SLICE("retry-after"), SLICE("30")}},
                            .header_count = 1,
                            .body = SLICE("\x80not utf-8"),
                            .detail = SLICE("slow down"),
                        };
    struct buffer packed = {NULL, 0, 0};

    (void)state;
    answer_pack(&packed, &answer);
    assert_true(answer_unpack(buffer_slice(&packed), &back));
    assert_int_equal(back.status, 429);
    assert_true(slice_is(answer_header(&back, "retry-after"), "30"));
    assert_int_equal(answer_header(&back, "content-type").size, 0);
    assert_true(slice_equal(back.body, answer.body));
    for (size_t cut = 0; cut < packed.size; cut++)
        assert_false(answer_unpack((struct slice){packed.data, cut}, &back));
    packed.data[1] = 0x7f; /* an error that does not exist */
    assert_false(answer_unpack(buffer_slice(&packed), &back));
    buffer_free(&packed);
}

static void test_http_header_find(void **state)
{
    struct http_request request = {
        .headers = {{SLICE("Content-Type"), SLICE("a")}, {SLICE("X-A"), SLICE("1")}, {SLICE("x-a"), SLICE("2")}},
        .header_count = 3,
    };

    (void)state;
    assert_true(slice_is(http_header_find(&request, "content-type")->value, "a"));
    assert_true(slice_is(http_header_find(&request, "x-A")->value, "1"));
    assert_null(http_header_find(&request, "x-ab"));
    assert_null(http_header_find(&request, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_round_trip),
        cmocka_unit_test(test_call_refuses),
        cmocka_unit_test(test_answer_round_trip),
        cmocka_unit_test(test_http_header_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
