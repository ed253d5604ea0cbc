/* telegram - what people say to the bot: one getUpdates call is open at a time, and what came in becomes jobs in the
 * same commit that keeps how far we have read. Answers of approvers become DECISION events, other messages MESSAGE
 * events. Internal to ingress. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/telegram/bot_api.h"
#include "proto/msg.h"

struct ingress;

enum telegram_phase {
    TELEGRAM_OFF,    /* no token, or stopping */
    TELEGRAM_PAUSE,  /* the timer goes on */
    TELEGRAM_WHO,    /* getMe is out */
    TELEGRAM_OFFSET, /* reads how far we were */
    TELEGRAM_POLL,   /* getUpdates is out */
    TELEGRAM_LOOK,   /* reads the approval that an update is about */
    TELEGRAM_COMMIT,
};

struct telegram {
    enum telegram_phase phase;
    uint64_t ticket;
    int64_t bot;    /* its user id; 0: not known yet */
    int64_t offset; /* the next update; 0: whatever there is */
    int64_t asked_ms;
    unsigned failures;
    json_t *updates; /* what came; owned */
    size_t at;       /* of the update in work */
    struct buffer ops;
    json_t *toasts; /* [{callback_query_id, text}] to be said after the commit; owned */
    struct scratch scratch;
};

void telegram_start(struct ingress *ingress);
void telegram_stop(struct ingress *ingress);
void telegram_on_timer(struct ingress *ingress);
void telegram_on_answer(struct ingress *ingress, uint64_t ticket, const struct answer *answer);
/* False when the ticket is none of ours. */
bool telegram_on_page(struct ingress *ingress, const struct msg_page *page);
bool telegram_on_committed(struct ingress *ingress, const struct msg_committed *msg);

/* --- updates.c: what one update means --- */

/* The key of the approval that the update is about, when somebody who may answer it has sent it. */
bool update_is_answer(const struct ingress *ingress, const json_t *update, struct slice *key);
/* Appends what follows of an update to the commit, and perhaps a toast. `approval`: of an answer, or NULL when it is
 * not kept; NULL for the others. */
void update_take(struct ingress *ingress, const json_t *update, const json_t *approval);
