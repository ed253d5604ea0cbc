// SPDX-License-Identifier: MIT
#include "proto/call.h"
#include "proto/check.h"
#include "proto/wire.h"

/* Texts travel as blobs: what a service answers need not be UTF-8, and a call that was packed must unpack. */

enum { CALL_FIELDS = 17, ANSWER_FIELDS = 5, STATUS_MAX = 999 };

static void pack_headers(struct buffer *into, const struct call_header *headers, size_t count)
{
    CHECK(count <= CALL_HEADERS_MAX);
    wire_put_array(into, 2 * count);
    for (size_t i = 0; i < count; i++) {
        CHECK(headers[i].name.size + headers[i].value.size <= CALL_HEADER_MAX);
        wire_put_blob(into, headers[i].name);
        wire_put_blob(into, headers[i].value);
    }
}

static bool unpack_headers(struct wire *wire, struct call_header *headers, size_t *header_count)
{
    size_t count = wire_take_array(wire);

    if (count % 2 != 0 || count / 2 > CALL_HEADERS_MAX)
        return false;
    for (size_t i = 0; i < count / 2; i++) {
        headers[i].name = wire_take_blob(wire);
        headers[i].value = wire_take_blob(wire);
        if (headers[i].name.size == 0 || headers[i].name.size + headers[i].value.size > CALL_HEADER_MAX)
            return false;
    }
    *header_count = count / 2;
    return true;
}

/* A number below `limit`; anything else spoils the reader. */
static unsigned take_below(struct wire *wire, uint64_t limit)
{
    uint64_t value = wire_take_u64(wire);

    if (value >= limit) {
        wire->bad = true;
        return 0;
    }
    return (unsigned)value;
}

struct slice answer_header(const struct answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++)
        if (slice_is(answer->headers[i].name, name))
            return answer->headers[i].value;
    return (struct slice){NULL, 0};
}

void call_pack(struct buffer *into, const struct call *call)
{
    CHECK(call->timeout_ms > 0);
    wire_put_array(into, CALL_FIELDS);
    wire_put_u64(into, call->kind);
    wire_put_blob(into, call->url);
    wire_put_blob(into, call->method);
    pack_headers(into, call->headers, call->header_count);
    wire_put_blob(into, call->body);
    wire_put_u64(into, call->auth);
    wire_put_blob(into, call->auth_name);
    wire_put_blob(into, call->secret);
    wire_put_blob(into, call->mail_from);
    wire_put_blob(into, call->mail_to);
    wire_put_flag(into, call->starttls_required);
    wire_put_flag(into, call->idempotent);
    wire_put_u64(into, call->timeout_ms);
    wire_put_blob(into, call->ca_file);
    wire_put_blob(into, call->keep_path);
    wire_put_blob(into, call->keep_secret);
    wire_put_blob(into, call->keep_expiry);
}

bool call_unpack(struct slice bytes, struct call *call)
{
    struct wire wire = wire_over(bytes);

    *call = (struct call){0};
    if (wire_take_array(&wire) != CALL_FIELDS)
        return false;
    call->kind = (enum call_kind)take_below(&wire, CALL_SMTP + 1);
    call->url = wire_take_blob(&wire);
    call->method = wire_take_blob(&wire);
    if (!unpack_headers(&wire, call->headers, &call->header_count))
        return false;
    call->body = wire_take_blob(&wire);
    call->auth = (enum auth_scheme)take_below(&wire, AUTH_BODY_TOKEN + 1);
    call->auth_name = wire_take_blob(&wire);
    call->secret = wire_take_blob(&wire);
    call->mail_from = wire_take_blob(&wire);
    call->mail_to = wire_take_blob(&wire);
    call->starttls_required = wire_take_flag(&wire);
    call->idempotent = wire_take_flag(&wire);
    call->timeout_ms = take_below(&wire, (uint64_t)UINT32_MAX + 1);
    call->ca_file = wire_take_blob(&wire);
    call->keep_path = wire_take_blob(&wire);
    call->keep_secret = wire_take_blob(&wire);
    call->keep_expiry = wire_take_blob(&wire);
    return wire_done(&wire) && call->timeout_ms > 0;
}

void answer_pack(struct buffer *into, const struct answer *answer)
{
    CHECK(answer->error < ERROR_COUNT);
    CHECK(answer->status >= 0 && answer->status <= STATUS_MAX);
    CHECK(answer->body.size <= ANSWER_BODY_MAX);
    wire_put_array(into, ANSWER_FIELDS);
    wire_put_u64(into, answer->error);
    wire_put_u64(into, (uint64_t)answer->status);
    pack_headers(into, answer->headers, answer->header_count);
    wire_put_blob(into, answer->body);
    wire_put_blob(into, answer->detail);
}

bool answer_unpack(struct slice bytes, struct answer *answer)
{
    struct wire wire = wire_over(bytes);

    *answer = (struct answer){0};
    if (wire_take_array(&wire) != ANSWER_FIELDS)
        return false;
    answer->error = (enum error)take_below(&wire, ERROR_COUNT);
    answer->status = (int)take_below(&wire, STATUS_MAX + 1);
    if (!unpack_headers(&wire, answer->headers, &answer->header_count))
        return false;
    answer->body = wire_take_blob(&wire);
    answer->detail = wire_take_blob(&wire);
    return wire_done(&wire) && answer->body.size <= ANSWER_BODY_MAX;
}
