/* cloud - the outside world as a pure model: Gemini, a mail server and Telegram that answer calls, a Shopify that sends
 * webhooks. No clock, no I/O, no randomness but the seed's: the same calls at the same times give the same world. Every
 * effect is counted and logged, so that a test can compare what happened with what should have. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/call.h"

enum cloud_service {
    CLOUD_GEMINI,
    CLOUD_SMTP,
    CLOUD_SHOPIFY, /* the sender of webhooks */
    CLOUD_TELEGRAM,
    CLOUD_HTTP,
    CLOUD_META,
    CLOUD_ADMIN, /* Shopify's Admin API */
    CLOUD_SERVICE_COUNT
};

enum cloud_fault {
#define FAULT(ID, name, services, doc) CLOUD_##ID,
#include "tests/cloud/faults.def"
#undef FAULT
    CLOUD_FAULT_COUNT
};

struct cloud_counts {
#define COUNT(name, doc) uint64_t name;
#include "tests/cloud/counts.def"
#undef COUNT
};

enum { CLOUD_HOOKS_MAX = 4, CLOUD_TEMPLATES_MAX = 16 };

/* Where a topic's webhooks go, and the secret they are signed with. */
struct cloud_hook {
    struct slice topic; /* "orders/create", "orders/updated", ... */
    struct slice url, secret;
};

/* All slices are copied by cloud_new(). Zeros take the defaults written behind. */
struct cloud_options {
    uint32_t gemini_per_minute; /* 10 */
    uint32_t gemini_per_day;    /* 1000; counted from midnight UTC */
    struct slice gemini_model;  /* any; another one is answered 404 */
    uint32_t meta_per_hour;     /* 180 calls in any hour */
    uint32_t instagram_per_day; /* 50 posts in any 24 hours */
    struct slice telegram_token; /* any; another one is answered 401 */
    struct slice shop;           /* "demo.myshopify.com" */
    struct cloud_hook hooks[CLOUD_HOOKS_MAX];
    size_t hook_count;
    struct slice templates[CLOUD_TEMPLATES_MAX]; /* order bodies that new orders are cut from; one tiny built-in body */
    size_t template_count;
    unsigned guest_permille; /* orders without a customer */
    unsigned log_bytes_max;  /* 64 MiB */
    bool log_mail;           /* keep whole messages in the effect log */
};

struct cloud;
struct cloud *cloud_new(uint64_t seed, const struct cloud_options *options);
void cloud_destroy(struct cloud **cloud);

/* How a call ends. The answer's slices belong to the cloud until its next call. For an HTTP server in front:
 * `lost` means do not answer, `absent` means there is nobody to connect to. */
struct cloud_reply {
    struct answer answer;
    uint32_t latency_ms;
    bool lost, absent;
};
void cloud_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply);

/* From now until until_ms, each call to the service (delivery, for SHOPIFY) meets the fault with that probability in
 * permille. The latest fault of a kind replaces the former; probability 0 ends it. False when the pair makes no
 * sense. */
bool cloud_fault_set(struct cloud *cloud, enum cloud_service service, enum cloud_fault fault, int64_t until_ms,
                     unsigned permille);
bool cloud_fault_find(struct slice name, enum cloud_fault *fault);
bool cloud_service_find(struct slice name, enum cloud_service *service);
/* True when such a fault with probability 1000 is on, for a front that closes its door. */
bool cloud_fault_total(const struct cloud *cloud, enum cloud_service service, enum cloud_fault fault, int64_t now_ms);

const struct cloud_counts *cloud_counts(const struct cloud *cloud);
/* The counts as one JSON object. */
void cloud_counts_print(const struct cloud *cloud, struct buffer *into);
/* Everything that happened, one JSON object a line, each with "ms", "service" and "what". */
struct slice cloud_effects(const struct cloud *cloud);
/* How many messages with that Message-ID (without angle brackets) were taken. */
uint64_t cloud_mail_count(const struct cloud *cloud, struct slice message_id);

/* ---- Telegram, the users ---- */

/* Somebody presses the button with this title, or sends this callback data, below a message of the bot. False when
 * there is no such message, or it has no such button. */
bool cloud_telegram_press(struct cloud *cloud, int64_t now_ms, int64_t user, int64_t chat, int64_t message_id,
                          struct slice button);
/* Somebody writes to the bot; `reply_to` is a message of the bot in this chat, or 0. */
void cloud_telegram_say(struct cloud *cloud, int64_t now_ms, int64_t user, int64_t chat, struct slice text,
                        int64_t reply_to);
/* Every message of the bot as it stands now: {"messages":[{chat_id, message_id, text, caption, photo, reply_markup,
 * edits}], "toasts":[{callback_query_id, text}]}. */
void cloud_telegram_print(const struct cloud *cloud, struct buffer *into);

/* ---- Shopify, the Admin API ---- */

/* The token that was given is worth nothing any more; the next ones live that long (0: a day). */
void cloud_admin_revoke(struct cloud *cloud, int64_t lives_ms);
/* The subscriptions of a topic go: nothing is delivered for it until one is made again. False when there was none. */
bool cloud_subscription_delete(struct cloud *cloud, int64_t now_ms, struct slice topic);
/* {"orders": [bodies as they stand now, with tag_list], "subscriptions": [...]}. */
void cloud_admin_print(struct cloud *cloud, int64_t now_ms, struct buffer *into);

/* ---- Shopify, the sender ---- */

enum { CLOUD_HOOK_TIMEOUT_MS = 5000, CLOUD_HOOK_RETRIES = 8 };

/* Plans orders: the first at now_ms, each next one gap_ms later. Each is delivered to the hook of orders/create, then
 * to orders/paid and orders/updated as far as those hooks exist. False when 16 plans are under way already. */
bool cloud_orders_place(struct cloud *cloud, int64_t now_ms, uint32_t count, uint32_t gap_ms);
/* When the next delivery is due, or INT64_MAX. Deliveries that are under way are not due. */
int64_t cloud_delivery_next_ms(const struct cloud *cloud);
/* Takes the next due delivery as a complete call; its slices live until the delivery is told. False when none is. */
bool cloud_delivery_take(struct cloud *cloud, int64_t now_ms, uint64_t *ticket, struct call *call);
/* How it ended. 2xx is success; anything else is tried again, eight times within four hours. */
void cloud_delivery_told(struct cloud *cloud, int64_t now_ms, uint64_t ticket, const struct answer *answer);
/* Deliveries that are neither done nor given up, and orders that are not placed yet. */
size_t cloud_delivery_pending(const struct cloud *cloud);
/* The wait before retry 1 to 8; doubles from 56 s, four hours in all. */
int64_t cloud_retry_delay_ms(unsigned retry);
