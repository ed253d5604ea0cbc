/* connector - the one interface to every service: pure steps over a job, no I/O, no clock, no memory between calls.
 *
 * begin() looks at a job (and the state saved for it, if any) and says what to do first; answer() looks at what came
 * back. STEP_REQUEST carries a call to perform; with `needs_note` the caller first makes `state` durable, because the
 * call is not idempotent. After a crash, or when the answer was lost, begin() is asked again with the saved state: it
 * then says STEP_PROBE (a harmless call that finds out), or STEP_UNKNOWN where the service cannot be asked. It never
 * repeats by itself. `on unknown: resend` means that the caller forgets the state and begins anew.
 *
 * RETRY and REFUSED may name a state too: it becomes the job's in the same commit, and begin() finds it when the job is
 * tried again or revived. Without one, a note of this lease is forgotten, since what it stood for certainly did not
 * happen. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/call.h"
#include "proto/text/json.h"

enum step_kind {
    STEP_REQUEST, /* perform `call`, then answer() */
    STEP_PROBE,   /* the same, and the call changes nothing over there */
    STEP_DONE,    /* `result` */
    STEP_REFUSED, /* `error` is permanent, or waits for a person (its class says which) */
    STEP_RETRY,   /* `error`; not before retry_after_ms, or by the caller's own back-off */
    STEP_UNKNOWN, /* `error` is LOST; nothing can be found out from here */
};

/* What a job brings. Everything is borrowed for the call. */
struct connector_job {
    struct slice id;      /* stable for the job's life: letters, digits, '.', '_', '-'; at most 64 bytes */
    int64_t created_ms;   /* UTC; what is dated is dated by this, so that a repeat is the same bytes */
    const json_t *inputs; /* object: the step's rendered inputs */
    struct slice state;   /* the note saved for this job; empty when there is none */
    unsigned mark;        /* answer(): that of the step whose call was answered */
};

enum day_reset { DAY_RESET_PACIFIC, DAY_RESET_UTC };

/* What the configuration says about one service and account. An empty slice means "not set". */
struct connector_settings {
    struct slice url;             /* "https://host", "smtp://host:587"; no path */
    struct slice secret;          /* secret reference */
    struct slice user;            /* e-mail: login name; empty sends without AUTH. Meta: id of the account or page;
                                     shopify: client id, empty with a permanent token */
    struct slice client_secret;   /* shopify: secret reference of what a token is fetched with */
    struct slice shop;            /* shopify: "my-shop.myshopify.com" */
    struct slice version;         /* Meta: version of the Graph API, "v26.0"; shopify: "2026-07" */
    struct slice model;           /* gemini: used when the job names none */
    struct slice from, from_name; /* e-mail: address and display name of the sender */
    struct slice domain, box;     /* e-mail: right side of Message-ID and EHLO name; name of this box */
    struct slice ca_file;         /* handed on to the call */
    uint32_t timeout_ms;          /* whole call; 0 takes the connector's own */
    uint32_t tokens_out_max;      /* gemini: used when the job says nothing; 0 takes 1024 */
    enum day_reset day_reset;     /* gemini: when a daily quota starts again */
    bool plain_allowed;           /* e-mail: do not insist on STARTTLS (tests on loopback) */
};

/* The memory a step's slices point into. Zero-initialised, reused from step to step, freed by scratch_free(). */
struct scratch {
    struct buffer url, body, state, detail, text;
};
void scratch_free(struct scratch *scratch);

struct step {
    enum step_kind kind;
    struct call call;       /* REQUEST, PROBE; borrows the scratch, the job and the settings */
    bool needs_note;        /* REQUEST, PROBE: make `state` durable before performing the call */
    struct slice state;     /* what is noted, or kept for later; in the scratch */
    unsigned mark;          /* REQUEST, PROBE: which of its calls this is, for answer(); not kept over a crash */
    json_t *result;         /* DONE: owned, step_fini() */
    enum error error;       /* REFUSED, RETRY, UNKNOWN */
    int64_t retry_after_ms; /* RETRY: what the service asked for; -1 when it said nothing */
    struct slice detail;    /* for people, valid UTF-8, at most 400 bytes; in the scratch */
    /* REQUEST, PROBE: how the limits file knows the call, where it says more than one limit for a gate. */
    char limit_key[64];      /* whom it is for: a chat, a shop */
    const char *limit_class; /* what kind it is; NULL: none */
    int64_t limit_cost;      /* what it weighs (tokens, points); 0: 1 */
};
/* Drops the result, if any. */
void step_fini(struct step *step);

/* What the limiter should learn from an answer. */
struct usage {
    bool limited;                  /* the service said: too much */
    bool overloaded;               /* the service is in trouble of its own (5xx): the breaker's business */
    bool day_quota;                /* a daily quota is spent */
    int64_t retry_after_ms;        /* how long to leave it alone; -1 when it said nothing */
    int64_t tokens_in, tokens_out; /* billed tokens; thinking counts as output */
    int percent_used;              /* of the allowance, as the service tells; 0 when it said nothing */
    int64_t used;                  /* what the call weighed in the end (tokens, points); 0: as was asked for */
    /* The service's own bucket: tokens used, size (0: not told), refill in thousandths of a token a second. */
    int64_t bucket_used, bucket_size, bucket_milli_per_s;
};

struct connector {
    const char *name;
    /* Fills *step. `scratch` is cleared first. Never fails otherwise than through the step. */
    void (*begin)(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                  struct scratch *scratch, struct step *step);
    /* `answer` belongs to the call of the latest step of this job. */
    void (*answer)(const struct connector_job *job, const struct connector_settings *settings,
                   const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step);
    void (*usage)(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                  struct usage *usage);
};

extern const struct connector connector_gemini, connector_email, connector_http, connector_shopify;

/* For connectors. Starts a step: clears the scratch and the step. */
void step_start(struct scratch *scratch, struct step *step);
/* Ends a step with `error`; its class decides between REFUSED, RETRY and UNKNOWN. Control bytes and broken UTF-8 of
 * the text become '?', so that what a service said can be part of it. */
void step_fail(struct scratch *scratch, struct step *step, enum error error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "44.200615458s", "44.2" or "120" as milliseconds, rounded up and at most 7 days; false when it is none of them. */
bool connector_seconds(struct slice text, int64_t *ms);
/* The Retry-After header (seconds form) in milliseconds, or -1. */
int64_t connector_retry_after(const struct answer *answer);
/* The same, and also as a date ("Sun, 06 Nov 1994 08:49:37 GMT") seen from now_ms, at most 7 days. */
int64_t connector_retry_after_at(const struct answer *answer, int64_t now_ms);
/* True for a job id as the contract above says. */
bool connector_job_id_fits(struct slice id);

/* Civil dates of the proleptic Gregorian calendar; days count from 1970-01-01. */
struct civil_date {
    int year;
    unsigned month, day; /* 1-based */
};
int64_t civil_to_days(struct civil_date date);
struct civil_date civil_from_days(int64_t days);
