/* http_client - the one home of libcurl: performs calls (HTTP and SMTP) without blocking, on one epoll descriptor.
 * One client belongs to one thread. Secrets are resolved here, last, and wiped after use.
 * Each SMTP call has a helper thread, because libcurl blocks while it waits for the answer to the final dot; the
 * callbacks still come on the client's thread. Its answer's body is the text of the last SMTP reply. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/call.h"

struct http_client;

/* Copies the value of a secret reference into `into` (at most `room` bytes) if `url`'s host may see it.
 * Returns its size, or -1 (missing) or -2 (host not allowed). Called on the client's thread. */
typedef long http_secret_lookup(void *context, struct slice reference, struct slice url, char *into, size_t room);

/* Keeps a token that came in an answer of `url` (call.keep_path) under a reference; `lives_ms` -1: nobody said how
 * long. False: no such token may come from there. Called on the client's thread, before done(). */
typedef bool http_secret_keep(void *context, struct slice reference, struct slice url, struct slice value,
                              int64_t lives_ms);

struct http_client_options {
    http_secret_lookup *secret;
    http_secret_keep *keep; /* with the context of `secret`; NULL: tokens are dropped */
    void *secret_context;
    unsigned in_flight_max;    /* calls at once; one more is refused */
    bool allow_plain_loopback; /* http:// and private addresses, for 127.0.0.0/8 and ::1 only (demo, tests) */
    void (*done)(void *context, uint64_t ticket, const struct answer *answer); /* answer is borrowed for the call */
    void *done_context;
};

struct http_client *http_client_new(const struct http_client_options *options);
/* Unfinished calls end without an answer being told. */
void http_client_destroy(struct http_client **client);

/* Copies the call and begins it. FULL past in_flight_max; any other failure is told through done(). */
enum error http_client_start(struct http_client *client, uint64_t ticket, const struct call *call);
/* Stops a call; done() is not called for it. An SMTP call counts as under way until its thread has ended (soon). */
void http_client_cancel(struct http_client *client, uint64_t ticket);

/* Readable when turn() has work; and the longest the caller may sleep before calling turn() (-1: for ever). */
int http_client_fd(const struct http_client *client);
long http_client_timeout_ms(const struct http_client *client);
/* Drives transfers and calls done() for finished ones. Never blocks. */
void http_client_turn(struct http_client *client);
