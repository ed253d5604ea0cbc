/* model - what the parts of the cloud share. Private to tests/cloud. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"
#include "tests/cloud/cloud.h"

enum { CLOUD_MINUTE_MAX = 100000, CLOUD_PLANS_MAX = 16 };

struct cloud_fault_state {
    int64_t until_ms;
    unsigned permille;
};

/* Message-IDs by hash: open addressing, never shrinks. Count 0 marks a free slot. */
struct mail_slot {
    uint64_t hash, count;
};

/* Orders still to be placed. */
struct order_plan {
    int64_t next_ms;
    uint32_t left, gap_ms;
};

struct delivery {
    uint64_t ticket;
    int64_t due_ms;
    unsigned attempt; /* requests sent so far */
    bool under_way, repeated;
    const struct cloud_hook *hook;
    char webhook_id[37], event_id[37], triggered_at[32], hmac[48], order_name[24];
    struct buffer body;
};

enum { TELEGRAM_PER_SECOND = 30 };

struct telegram_model {
    json_t *messages; /* "CHAT/ID": the message as it stands */
    json_t *updates;  /* not confirmed yet, oldest first */
    json_t *toasts;   /* answers to presses */
    json_t *chats;    /* CHAT: time of the latest message */
    int64_t next_message, next_update;
    int64_t sent[TELEGRAM_PER_SECOND]; /* times of the latest messages, a ring */
    uint64_t sent_count;
};

struct meta_model {
    json_t *containers, *media; /* Instagram, by id */
    json_t *posts, *photos;     /* Facebook, by id */
    json_t *seen;               /* what was published, by its content */
    json_t *published, *calls;  /* times within a day and an hour */
    uint64_t calls_in_hour, limit;
    int64_t next_id;
    char id[96], usage[96];
};

struct admin_model {
    json_t *orders;        /* as they stand, oldest first; with updated_ms and tag_list */
    json_t *subscriptions; /* {id, topic, uri, by_api} */
    uint64_t next_subscription;
    double points; /* left in the bucket at points_ms */
    int64_t points_ms, token_until_ms, token_ms;
    char token[40];
};

struct cloud {
    uint64_t random;
    struct cloud_options options;
    struct cloud_counts counts;
    struct cloud_fault_state faults[CLOUD_SERVICE_COUNT][CLOUD_FAULT_COUNT];
    struct buffer body, text, log;
    int64_t *minute; /* times of the latest worked requests, a ring of gemini_per_minute */
    uint64_t worked;
    int64_t day;
    uint32_t worked_today;
    struct mail_slot *mails;
    size_t mail_room, mail_used;
    struct delivery **deliveries; /* in no order; freed ones are replaced by the last */
    size_t delivery_count, delivery_room;
    struct order_plan plans[CLOUD_PLANS_MAX];
    uint64_t next_ticket, next_order;
    struct cloud_deeds *deeds; /* of http.c; NULL at first */
    struct telegram_model telegram;
    struct meta_model meta;
    struct admin_model admin;
};

uint64_t cloud_random(struct cloud *cloud);
/* 0 to bound - 1. */
uint64_t cloud_random_below(struct cloud *cloud, uint64_t bound);
/* Rolls the dice for one fault. */
bool cloud_meets(struct cloud *cloud, enum cloud_service service, enum cloud_fault fault, int64_t now_ms);
/* Adds a line to the effect log; the caller gives the members behind the common ones, each starting with a comma. */
void cloud_log(struct cloud *cloud, int64_t now_ms, const char *service, const char *what, struct slice members);
/* A JSON string, quotes included. Bytes that are no UTF-8 become '?'. */
void cloud_json_text(struct buffer *into, struct slice text);

void cloud_gemini_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply);
void cloud_smtp_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply);
void cloud_telegram_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply);
void cloud_telegram_fini(struct cloud *cloud);
bool cloud_meta_owns(const struct call *call);
void cloud_meta_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply);
void cloud_meta_fini(struct cloud *cloud);
bool cloud_admin_owns(const struct call *call);
void cloud_admin_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply);
void cloud_admin_fini(struct cloud *cloud);
/* An order in its newest state. */
void cloud_admin_order(struct cloud *cloud, int64_t now_ms, const json_t *order);
/* Borrowed. */
json_t *cloud_subscription_add(struct cloud *cloud, struct slice topic, struct slice uri, bool by_api);
bool cloud_subscription_is(struct cloud *cloud, int64_t now_ms, const struct cloud_hook *hook);
/* A delivery was given up. */
void cloud_subscription_failed(struct cloud *cloud, int64_t now_ms, const struct cloud_hook *hook);
void cloud_shopify_fini(struct cloud *cloud);
bool cloud_http_owns(const struct call *call);
void cloud_http_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply);
void cloud_http_fini(struct cloud *cloud);
