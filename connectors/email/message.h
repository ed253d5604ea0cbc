/* message - builds one RFC 5322 message: ASCII, CRLF, no line over 78 bytes but unfoldable ones.
 * The same input gives the same bytes. Dot-stuffing and the final dot belong to the SMTP client. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { ADDRESS_MAX = 254, SUBJECT_MAX = 1000, NAME_MAX_BYTES = 200, MAIL_PART_MAX = 1 << 20 };

struct message {
    struct slice from, from_name, to,
        reply_to;            /* addresses are checked by the caller; name and reply_to may be empty */
    struct slice subject;    /* UTF-8 without control characters */
    struct slice message_id; /* without the angle brackets */
    int64_t date_ms;         /* UTC */
    struct slice text, html; /* UTF-8; html may be empty */
};

void message_build(struct buffer *into, const struct message *message);

/* What keeps an address from being used, in words; NULL when it is fine: one ASCII dot-atom local part of at most 64
 * bytes, '@', and a host name. */
const char *message_address_problem(struct slice address);
/* What keeps a text from standing in a header: control characters (line ends among them) or broken UTF-8. */
const char *message_header_problem(struct slice text, size_t size_max);
