/* call - one request to the outside world and its answer, as plain data.
 * A connector builds calls and reads answers; runtime/io performs them (libcurl); the simulator and purser-cloud
 * answer them from pure models. No secret is ever in a call: only a reference that runtime/io resolves last. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum call_kind { CALL_HTTP, CALL_SMTP };

/* How runtime/io proves who we are. `secret` names a secret reference ("gemini/key"). */
enum auth_scheme {
    AUTH_NONE,
    AUTH_BEARER,     /* Authorization: Bearer SECRET */
    AUTH_HEADER,     /* auth_name: SECRET */
    AUTH_SMTP_LOGIN, /* AUTH PLAIN or LOGIN as auth_name with SECRET */
    AUTH_URL_TOKEN,  /* SECRET stands in the path, where the url has CALL_URL_TOKEN */
    AUTH_BODY_TOKEN, /* SECRET stands in a text of the JSON body, where the body has CALL_URL_TOKEN */
};

#define CALL_URL_TOKEN "{secret}"
#define CALL_KEPT "(kept)"

enum { CALL_HEADERS_MAX = 16, CALL_HEADER_MAX = 4096, ANSWER_BODY_MAX = 4 << 20 };

struct call_header {
    struct slice name, value;
};

/* All slices are borrowed by whoever performs the call until it is copied: actor_request() copies. */
struct call {
    enum call_kind kind;
    struct slice url;    /* https://host/path, http://127.0.0.1..., smtp://host:587/ehlo-name, smtps://... */
    struct slice method; /* "GET", "POST"; empty for SMTP */
    struct call_header headers[CALL_HEADERS_MAX];
    size_t header_count;
    struct slice body; /* HTTP: the body; SMTP: the complete RFC 5322 message with CRLF line ends */
    enum auth_scheme auth;
    struct slice auth_name;          /* AUTH_HEADER: header name; AUTH_SMTP_LOGIN: user name */
    struct slice secret;             /* secret reference; empty with AUTH_NONE */
    struct slice mail_from, mail_to; /* SMTP envelope, one recipient */
    bool starttls_required;          /* SMTP: refuse to go on in clear */
    bool idempotent;                 /* may be repeated without harm: a lost answer is TIMEOUT, not LOST */
    uint32_t timeout_ms;             /* whole call, connect included; at least 1 */
    struct slice ca_file;            /* extra CA for this host only (tests); empty = system */
    /* A token in an answer of status 200 is kept by runtime/io under the reference keep_secret, and stands as CALL_KEPT
     * in the body that is handed on (as null when it could not be kept). Paths as for json_at(); empty: none. */
    struct slice keep_path, keep_secret;
    struct slice keep_expiry; /* path of the seconds it lives; empty or absent: for ever */
};

/* `error` says how far it got:
 *   OK        a full answer is here: look at status
 *   OFFLINE   certainly nothing was handed over (resolve, connect, TLS or the body's last byte failed)
 *   LOST      handed over, answer lost (TIMEOUT instead when call.idempotent)
 *   TOO_LARGE the answer is past ANSWER_BODY_MAX;  NO_SECRET  the reference has no value;
 *   AUTH      SMTP AUTH was refused;  UNSUPPORTED  the call itself is not allowed (scheme, host, TLS) */
struct answer {
    enum error error;
    int status;                                   /* HTTP status, or the last SMTP reply code; 0 when none came */
    struct call_header headers[CALL_HEADERS_MAX]; /* only the ones connectors learn from, lower-case names:
                                                     retry-after, content-type, x-*limit*, x-*usage* */
    size_t header_count;
    struct slice body;
    struct slice detail; /* for people: what failed, without secrets or bodies */
};

/* The value of an answer's header (lower-case name), or an empty slice. */
struct slice answer_header(const struct answer *answer, const char *name);

/* Both pack into msgpack and back, so that calls can cross pipes and threads. Unpacked slices borrow `bytes`. */
void call_pack(struct buffer *into, const struct call *call);
bool call_unpack(struct slice bytes, struct call *call);
void answer_pack(struct buffer *into, const struct answer *answer);
bool answer_unpack(struct slice bytes, struct answer *answer);
