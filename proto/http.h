/* http - an incoming request and its reply, as plain data between runtime/io and the actor that serves it. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { HTTP_HEADERS_MAX = 64, HTTP_REPLY_HEADERS_MAX = 8 };

struct http_header {
    struct slice name; /* as sent; compare without case */
    struct slice value;
};

/* Everything is borrowed until the handler returns. The body is complete and within the listener's bound. */
struct http_request {
    struct slice method, path, query; /* path is undecoded, without the query */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    struct slice body;
    struct slice peer; /* the sender's address, for logs and throttling */
};

struct http_reply {
    int status;
    struct http_header headers[HTTP_REPLY_HEADERS_MAX]; /* content-type, retry-after, ... */
    size_t header_count;
    struct slice body;
};

/* The first header of that name without case, or NULL. */
const struct http_header *http_header_find(const struct http_request *request, const char *name);
