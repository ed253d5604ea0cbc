/* hook_check - judges one webhook, pure: content type, headers, signature over the raw bytes, topic, shop and JSON, in
 * this order, so that a stranger learns nothing and no parser sees unsigned bytes. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"
#include "proto/errors.h"
#include "proto/http.h"

enum { HOOK_ID_BYTES_MAX = 128 };

/* Both are valid; `old` is empty outside a rotation. */
struct hook_keys {
    struct slice current, old;
};

/* Slices borrow the request or the hook. */
struct hook_delivery {
    struct slice topic, shop;
    struct slice sender_id; /* empty when the sender has none */
    struct slice content_type;
};

struct hook_refusal {
    int status;
    enum error error;
    char message[320]; /* for the sender; no secret, no value of the body */
};

/* The endpoint of a path "/hooks/NAME", or NULL. */
const struct hook *hook_route(const struct config *config, struct slice path);

/* False with a refusal when the delivery is not to be taken. Needs a current key. */
bool hook_check(const struct hook *hook, const struct hook_keys *keys, const struct http_request *request,
                struct hook_delivery *delivery, struct hook_refusal *refusal);

/* The header that carries the sender's id. */
const char *hook_id_header(const struct hook *hook);

/* What is signed fits one of the keys; constant in time for a signature of the right size. */
bool hook_signature_fits(const struct hook *hook, const struct hook_keys *keys, struct slice signature,
                         struct slice body);

/* Refuses with a sentence; always returns false. */
bool hook_refuse(struct hook_refusal *refusal, int status, enum error error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
