// SPDX-License-Identifier: MIT
/* Tokens on their way: into a request's body, and out of an answer's. */
#include "proto/text/json.h"
#include "runtime/io/crypto.h"
#include "runtime/io/http_transfer.h"
#include <stdlib.h>
#include <string.h>

enum { HIDDEN_MIN = 6, STATUS_OK_FIRST = 200, STATUS_OK_LAST = 299 };

/* Only what can stand in a path or in a JSON text as it is: nothing in a token may change what is around it. */
bool transfer_is_plain_token(const char *secret)
{
    return secret[0] != '\0' &&
           strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-") == strlen(secret);
}

bool transfer_put_body_token(struct transfer *transfer, const char *secret)
{
    static const char place[] = CALL_URL_TOKEN;
    struct slice body = transfer->call.body;
    const char *at = body.size > 0 ? memmem(body.data, body.size, place, sizeof(place) - 1) : NULL;

    if (at == NULL || !transfer_is_plain_token(secret))
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the secret cannot stand in this body");
    size_t before = (size_t)(at - body.data), after = before + sizeof(place) - 1;
    if (memmem(body.data + after, body.size - after, place, sizeof(place) - 1) != NULL)
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the body has two places for the secret");
    buffer_append(&transfer->secret_body, body.data, before);
    buffer_append(&transfer->secret_body, secret, strlen(secret));
    buffer_append(&transfer->secret_body, body.data + after, body.size - after);
    transfer->call.body = buffer_slice(&transfer->secret_body);
    return true;
}

/* The object that holds what `path` names, and its last key. */
static json_t *holder_of(json_t *value, struct slice path, char key[64])
{
    const char *dot = path.size > 0 ? memrchr(path.data, '.', path.size) : NULL;
    size_t first = dot != NULL ? (size_t)(dot - path.data) + 1 : 0, size = path.size - first;
    char parent[128];

    if (size == 0 || size >= 64 || first > sizeof(parent))
        return NULL;
    memcpy(key, path.data + first, size);
    key[size] = '\0';
    if (first == 0)
        return value;
    memcpy(parent, path.data, first - 1);
    parent[first - 1] = '\0';
    return json_at(value, parent);
}

static int64_t life_of(const json_t *body, struct slice path)
{
    char *text = path.size > 0 ? slice_dup(path) : NULL;
    const json_t *seconds = text != NULL ? json_at(body, text) : NULL;
    json_int_t value = json_is_integer(seconds) ? json_integer_value(seconds) : -1;

    free(text);
    return value < 0 ? -1 : value > INT32_MAX ? INT64_C(1000) * INT32_MAX : value * 1000;
}

static void keep(struct transfer *transfer, const struct http_client_options *options, json_t *body)
{
    const struct call *call = &transfer->call;
    char key[64];
    json_t *holder = holder_of(body, call->keep_path, key), *token = json_object_get(holder, key);
    struct slice value = {json_string_value(token), json_string_length(token)};
    bool is_kept =
        value.size > 0 && options->keep != NULL &&
        options->keep(options->secret_context, call->keep_secret, call->url, value, life_of(body, call->keep_expiry));

    if (token == NULL)
        return;
    json_object_set_new(holder, key, is_kept ? json_string(CALL_KEPT) : json_null());
    crypto_wipe(transfer->body.data, transfer->body.size);
    buffer_clear(&transfer->body);
    json_write(&transfer->body, body);
}

void transfer_keep(struct transfer *transfer, const struct http_client_options *options)
{
    struct json_problem problem;
    json_t *body;

    if (transfer->call.keep_path.size == 0 || transfer->error != ERROR_OK || transfer->body.size == 0)
        return;
    body = json_read(buffer_slice(&transfer->body), &problem);
    if (body == NULL || transfer->code != CURLE_OK || transfer->status != 200) {
        /* A piece of an answer may hold a piece of a token. */
        if (body == NULL) {
            crypto_wipe(transfer->body.data, transfer->body.size);
            buffer_clear(&transfer->body);
        }
    } else {
        keep(transfer, options, body);
    }
    json_decref(body);
}

/* Services quote what they refuse ("Malformed access token ..."), and what they say ends up in logs and run records. */
void transfer_hide(struct transfer *transfer)
{
    struct slice secret = buffer_slice(&transfer->secret);
    char *at = transfer->body.data;
    size_t left = transfer->body.size;

    if (secret.size < HIDDEN_MIN || (transfer->status >= STATUS_OK_FIRST && transfer->status <= STATUS_OK_LAST))
        return;
    while (left >= secret.size && (at = memmem(at, left, secret.data, secret.size)) != NULL) {
        memset(at, '*', secret.size);
        at += secret.size;
        left = transfer->body.size - (size_t)(at - transfer->body.data);
    }
}
