/* http_transfer - one call on its way through libcurl: its options, callbacks and outcome. Private to http_client. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/io/http_client.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

struct transfer {
    unsigned magic;
    struct transfer *next;
    uint64_t ticket;
    struct buffer packed;
    struct call call; /* borrows `packed`, or the body `secret_body` */
    struct buffer secret_body;
    struct buffer secret; /* what an answer may not bring back */
    bool allow_loopback, plain;
    CURL *easy;
    struct curl_slist *headers, *recipients;
    size_t body_sent;
    struct buffer body, header_text; /* header_text: name and value one after the other, as header_sizes says */
    size_t header_sizes[CALL_HEADERS_MAX][2], header_count, header_bytes;
    bool too_large, address_refused, socket_opened;
    enum error error; /* OK, or why it never began */
    const char *why;
    CURLcode code;
    long status, request_bytes;
    char curl_text[CURL_ERROR_SIZE];
    /* SMTP only: libcurl blocks while it waits for the answer to the final dot, so it has a thread. */
    bool threaded, cancelled;
    pthread_t thread;
    atomic_bool abort, performed;
    int wake; /* borrowed eventfd of the client */
    pthread_mutex_t socket_lock;
    int socket;
};

/* A copy of the call. */
struct transfer *transfer_new(const struct call *call, uint64_t ticket, const struct http_client_options *options);
void transfer_free(struct transfer *transfer);
/* Resolves the secret and makes `easy` ready; false with `error` and `why` set when the call may not begin. */
bool transfer_prepare(struct transfer *transfer, const struct http_client_options *options);
/* Keeps what libcurl knows about the end; `easy` is not needed afterwards. */
void transfer_ended(struct transfer *transfer, CURLcode code);
/* Takes the token out of the answer's body, as call.keep_path says. */
void transfer_keep(struct transfer *transfer, const struct http_client_options *options);
/* Makes the call's secret unreadable where an error answer repeats it. */
void transfer_hide(struct transfer *transfer);
/* The answer borrows the transfer. */
void transfer_answer(const struct transfer *transfer, struct answer *answer);
/* Performs it on the calling thread, which blocks; makes a perform on another thread end soon. */
void transfer_perform(struct transfer *transfer);
void transfer_abort(struct transfer *transfer);
/* From now on nothing is read from its connection any more. */
void transfer_hang_up(struct transfer *transfer);
bool transfer_refuse(struct transfer *transfer, enum error error, const char *why);

#define TRANSFER_SET(transfer, option, value) CHECK(curl_easy_setopt((transfer)->easy, option, value) == CURLE_OK)

/* http_token.c: `secret` is NUL-terminated, and put where the body has its place. */
bool transfer_put_body_token(struct transfer *transfer, const char *secret);
bool transfer_is_plain_token(const char *secret);
/* http_smtp.c: `secret` is NUL-terminated. */
bool smtp_prepare(struct transfer *transfer, const char *secret);
enum error smtp_outcome(const struct transfer *transfer, bool handed_over);
