/* state - what ingress's parts share. Internal to actors/ingress. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/ingress/hook_check.h"
#include "actors/ingress/telegram.h"
#include "actors/ingress/throttle.h"
#include "config/secrets.h"
#include "proto/client.h"
#include "runtime/actor.h"
#include "runtime/io/crypto.h"
#include "store/client.h"

enum {
    INGRESS_MAGIC = 0x494e4752,
    PENDING_MAX = 2048,      /* commits under way */
    PENDING_PEERS_MAX = 1536, /* of them for producers, so that these never shut webhooks out */
    PEERS_MAX = 256,
    PEER_ASKS_MAX = 256,
    JOB_ID_BYTES_MAX = 256,
    QUEUES_MAX = 256,
};

enum ingress_timers { TIMER_DEPTH = 1, TIMER_TELEGRAM };

enum pending_kind { PENDING_FREE, PENDING_HOOK, PENDING_PEER, PENDING_COMMAND };

/* Who waits for which commit. */
struct pending {
    enum pending_kind kind;
    uint64_t ticket;
    uint64_t reply_to; /* exchange, peer, or ticket of the COMMAND */
    uint64_t sequence; /* of the peer's ask */
    int64_t started_ms;
    const struct hook *hook; /* of a webhook */
    unsigned char id_hash[SHA256_BYTES], body_hash[SHA256_BYTES];
    size_t queue;        /* of a push: index in config->queues */
    uint64_t jobs, known; /* of a push: asked for in this commit; left out because their id stands in it twice */
    bool many;           /* a push_many */
};

/* A hook's keys as last read from their files. */
struct hook_secret {
    char current[SECRET_BYTES_MAX], old[SECRET_BYTES_MAX];
    size_t current_size, old_size;
    int64_t read_ms;
};

/* A producer that said hello. */
struct peer {
    uint64_t peer; /* 0: free */
    uint64_t asks; /* under way */
    int64_t seen_ms;
};

struct ingress {
    unsigned magic;
    struct actor *actor;
    const struct config *config;
    struct hook_secret *secrets; /* one per config->hooks */
    struct throttle throttle;
    struct pending pending[PENDING_MAX];
    size_t pending_peers;
    struct peer peers[PEERS_MAX];
    int64_t depths[QUEUES_MAX]; /* jobs per config->queues as last read, and what was accepted since */
    uint64_t depth_ticket;      /* of the read under way, 0: none */
    bool depth_timer, quiescing;
    struct telegram telegram;
};

/* --- pending: commits under way --- */
/* A free entry with a new ticket, or NULL when there is none. */
struct pending *pending_new(struct ingress *ingress, enum pending_kind kind);
/* The one waiting for this ticket; CHECKs that there is one. */
struct pending *pending_find(struct ingress *ingress, uint64_t ticket);
void pending_free(struct ingress *ingress, struct pending *pending);

/* --- hooks: webhooks over HTTP --- */
void hooks_open(struct ingress *ingress);
void hooks_close(struct ingress *ingress);
void hooks_on_http(struct ingress *ingress, uint64_t exchange, const struct http_request *request);
void hooks_on_committed(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg);

/* --- intake: what producers and the console push --- */
struct intake_job {
    struct slice id, key, payload;
};

struct intake {
    struct slice queue, content_type;
    int64_t due_ms;
    uint64_t priority;
    const struct intake_job *jobs;
    size_t count;
};

struct intake_refusal {
    enum error error;
    char message[320];
};

/* OK, or FULL (ask again later), or an error for good; with a sentence. */
bool intake_check(struct ingress *ingress, const struct intake *intake, struct intake_refusal *refusal);
/* Sends the commit of a checked intake for this entry. FULL: nothing was sent. */
enum error intake_commit(struct ingress *ingress, struct pending *pending, const struct intake *intake);
/* How many jobs of a commit that was OK are new. Counts them. */
uint64_t intake_accepted(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg);
void intake_on_page(struct ingress *ingress, const struct msg_page *page);
void intake_read_depths(struct ingress *ingress);

/* --- peers: producers --- */
void peers_on_message(struct ingress *ingress, uint64_t peer, struct slice message);
void peers_on_committed(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg);
