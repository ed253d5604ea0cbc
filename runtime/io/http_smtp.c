// SPDX-License-Identifier: MIT
#include "proto/check.h"
#include "runtime/io/http_transfer.h"
#include <stdlib.h>
#include <string.h>

/* What may stand in an envelope: anything else could end the command and begin another. */
static bool is_envelope_address(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c == 0x7f || c == '<' || c == '>')
            return false;
    }
    return text.size > 0 && text.size <= 320;
}

static int on_progress(void *context, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    struct transfer *transfer = context;

    (void)down_all;
    (void)down;
    (void)up_all;
    (void)up;
    return atomic_load(&transfer->abort);
}

/* After a refusal libcurl says QUIT and waits for its answer, past the call's own time-out: it shall not wait. */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *context)
{
    (void)easy;
    if (type == CURLINFO_HEADER_OUT && size >= 4 && memcmp(data, "QUIT", 4) == 0)
        transfer_hang_up(context);
    return 0;
}

static void set_envelope(struct transfer *transfer)
{
    char *from = slice_dup(transfer->call.mail_from), *to = slice_dup(transfer->call.mail_to);

    TRANSFER_SET(transfer, CURLOPT_MAIL_FROM, from);
    transfer->recipients = curl_slist_append(NULL, to); /* not copied by libcurl: lives as long as the transfer */
    CHECK(transfer->recipients != NULL);
    TRANSFER_SET(transfer, CURLOPT_MAIL_RCPT, transfer->recipients);
    free(from);
    free(to);
}

bool smtp_prepare(struct transfer *transfer, const char *secret)
{
    const struct call *call = &transfer->call;

    if (!is_envelope_address(call->mail_from) || !is_envelope_address(call->mail_to) || call->body.size == 0)
        return transfer_refuse(transfer, ERROR_UNSUPPORTED, "the envelope or the message is not allowed");
    set_envelope(transfer);
    TRANSFER_SET(transfer, CURLOPT_UPLOAD, 1L);
    TRANSFER_SET(transfer, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body.size);
    TRANSFER_SET(transfer, CURLOPT_USE_SSL, (long)(call->starttls_required ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    TRANSFER_SET(transfer, CURLOPT_DEBUGFUNCTION, on_debug);
    TRANSFER_SET(transfer, CURLOPT_DEBUGDATA, transfer);
    TRANSFER_SET(transfer, CURLOPT_VERBOSE, 1L);
    TRANSFER_SET(transfer, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)call->timeout_ms / 1000 + 1);
    TRANSFER_SET(transfer, CURLOPT_NOPROGRESS, 0L);
    TRANSFER_SET(transfer, CURLOPT_XFERINFOFUNCTION, on_progress);
    TRANSFER_SET(transfer, CURLOPT_XFERINFODATA, transfer);
    if (call->auth == AUTH_SMTP_LOGIN) {
        char *user = slice_dup(call->auth_name);
        TRANSFER_SET(transfer, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
        TRANSFER_SET(transfer, CURLOPT_USERNAME, user);
        TRANSFER_SET(transfer, CURLOPT_PASSWORD, secret);
        free(user);
    }
    return true;
}

/* The code alone does not say it (55 is a refused recipient or a dead socket): the last reply decides with it. */
enum error smtp_outcome(const struct transfer *transfer, bool handed_over)
{
    bool refused = transfer->status >= 400;

    switch (transfer->code) {
    case CURLE_OK:
        return ERROR_OK;
    case CURLE_LOGIN_DENIED: /* 4xx: a server that is busy, not a wrong credential */
        return refused && transfer->status < 500 ? ERROR_OK : ERROR_AUTH;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_SEND_ERROR:
    case CURLE_REMOTE_ACCESS_DENIED:
        if (refused)
            return ERROR_OK;
        break;
    case CURLE_USE_SSL_FAILED:
        return refused && transfer->status < 500 ? ERROR_OK : ERROR_UNSUPPORTED;
    default:
        break;
    }
    if (!handed_over)
        return ERROR_OFFLINE;
    return transfer->call.idempotent ? ERROR_TIMEOUT : ERROR_LOST;
}
