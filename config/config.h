/* config - what can be set: one immutable snapshot made from purser.yaml and the files it names. All or nothing: a file
 * with one wrong line gives a problem with its place and no config. Only names of secrets are in it, never values. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"
#include "proto/text/yaml.h"

#define OPTION_FIELD_text char *
#define OPTION_FIELD_path char *
#define OPTION_FIELD_choice char *
#define OPTION_FIELD_secret char *
#define OPTION_FIELD_flag bool
#define OPTION_FIELD_integer int64_t
#define OPTION_FIELD_duration int64_t
#define OPTION_FIELD_size int64_t

enum hook_scheme { HOOK_SHOPIFY, HOOK_HMAC_SHA256 };
enum hook_encoding { HOOK_HEX, HOOK_BASE64 };

/* An endpoint that takes webhooks: POST /hooks/NAME. */
struct hook {
    char *name;
    enum hook_scheme scheme;
    char *topic;   /* the one topic of this endpoint; NULL when `topics` lists the allowed ones */
    char **topics; /* allowed values of the (unsigned) topic header */
    size_t topic_count;
    char *shop;                  /* shop domain or any name of the sender; the endpoint's name when not set */
    char *secret, *old_secret;   /* secret names; old_secret is NULL outside a rotation */
    char *header;                /* header with the signature */
    enum hook_encoding encoding; /* of the signature */
};

/* A queue that producers may push to. */
struct queue_rule {
    char *name;
    bool ordered;      /* jobs of one key are worked one after the other */
    int64_t attempts;  /* charged attempts before a job is buried */
    int64_t depth_max; /* further pushes are refused */
};

enum { LIMIT_WINDOWS_MAX = 4, LIMIT_SCOPES_MAX = 8 };

/* What is counted together, and how much of it is let out; 0: not bounded this way. */
struct limit_scope {
    char *class_name; /* only calls of this class; NULL: of any */
    bool each_key;    /* every key (chat, shop) by itself, instead of all together */
    bool counts_cost; /* counts what calls cost (tokens, points) instead of the calls */
    struct {
        int64_t count, per_ms; /* at most `count` in any span of per_ms */
    } windows[LIMIT_WINDOWS_MAX];
    size_t window_count;
    int64_t bucket_size, bucket_refill_milli_per_s; /* tokens; thousandths of a token per second */
    int64_t per_day;                                /* in any 24 hours */
    int64_t concurrency;                            /* at a time */
};

/* What a gate lets through. A call must fit every scope it belongs to. */
struct limit {
    char *gate, *api;                            /* "gemini/default", "gemini" */
    int64_t urgent_percent;                      /* of every bound, kept free for urgent jobs */
    struct limit_scope scopes[LIMIT_SCOPES_MAX]; /* the first holds every call, and may bound nothing */
    size_t scope_count;                          /* at least 1 */
};

/* Millionths of the currency's unit per million tokens, from an instant on. */
struct price {
    char *model;
    int64_t from_ms, input_micros, output_micros;
};

struct prompt {
    char *file, *name;
    int64_t version;
    char *model;  /* NULL: gemini_model */
    char *system; /* what the model is told before; no expressions */
    char *text;   /* template; {{ name }} is one of the vars of the step */
    char *answer; /* schema of the answer as JSON text; NULL: free text */
    int64_t input_chars_max, output_tokens_max;
};

/* Somebody who may answer approvals. */
struct approver {
    char *name;             /* for people and for the audit */
    char *telegram;         /* user id on Telegram; NULL: not there */
    bool gets_asked;        /* questions go to this person's own chat too; else only to telegram_chat */
};

/* A channel of the content calendar. */
struct channel {
    char *name;
    char *zone;             /* NULL: the shop's */
    char **slots;           /* cron expressions, checked */
    size_t slot_count;
    int64_t capacity;       /* entries that one slot takes; 1 unless said */
};

/* A host that http steps may call, and the one secret that may be sent there. */
struct http_host {
    char *host;             /* "api.example.com", or "127.0.0.1:8080" */
    char *secret;           /* secret name, or NULL */
    bool plain;             /* http:// is allowed: loopback only */
};

/* What `modes` says of a workflow: an enum workflow_mode, and where it stands in the file. */
struct mode_rule {
    char *workflow;
    int mode;
    unsigned line, column;
};

struct workflow;

struct config {
#define OPTION(type, name, standard, min, max, doc) OPTION_FIELD_##type name;
#include "config/options.def"
#undef OPTION
    char *file, *folder; /* where it came from; NULL for config_default() */
    struct hook *hooks;
    size_t hook_count;
    struct queue_rule *queues;
    size_t queue_count;
    struct limit *limits;
    size_t limit_count;
    char *price_currency; /* NULL without prices */
    struct price *prices;
    size_t price_count;
    struct prompt *prompts; /* in the order of their files */
    size_t prompt_count;
    struct approver *approvers;
    size_t approver_count;
    struct channel *channels;
    size_t channel_count;
    char **holidays; /* days as schedule_days_read() takes them, checked */
    size_t holiday_count;
    struct http_host *http_hosts;
    size_t http_host_count;
    struct mode_rule *modes;
    size_t mode_count;
    struct workflow **workflows; /* in the order of their file names */
    size_t workflow_count;
};

/* Reads a config file and all it names. NULL with a problem. The caller frees the config with config_free(). */
struct config *config_load(const char *path, struct text_problem *problem);
/* What holds when the file says nothing: no hooks, queues, limits, prompts or workflows; relative paths as they are. */
struct config *config_default(void);
void config_free(struct config **config);

/* The entry of that name, or NULL. */
const struct hook *config_hook(const struct config *config, struct slice name);
const struct queue_rule *config_queue(const struct config *config, struct slice name);
const struct limit *config_limit(const struct config *config, struct slice gate);
const struct prompt *config_prompt(const struct config *config, struct slice name);
/* The price that holds for a model at an instant, or NULL when none is known. */
const struct price *config_price(const struct config *config, struct slice model, int64_t now_ms);

/* Every key as Markdown: name, type, default, range, meaning (docs/reference/config.md). */
void config_print_reference(struct buffer *into);
/* A complete purser.yaml at its defaults, each key with its meaning (config/purser.example.yaml). */
void config_print_example(struct buffer *into);
