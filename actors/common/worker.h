/* worker - what ai_worker and publisher share: jobs of one queue, each led through permit, note, call and outcome by a
 * connector. The actor embeds a struct worker as its whole state and gives its kind. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/common/outcome.h"
#include "config/config.h"
#include "runtime/actor.h"

/* One skill of a worker. */
struct worker_skill {
    const char *name;
    const struct connector *connector;
    /* Makes the connector's inputs (owned by the caller) and settings from a task's input. NULL: `step` is failed. */
    json_t *(*prepare)(const struct config *config, const json_t *input, struct connector_settings *settings,
                       struct scratch *scratch, struct step *step);
    /* A step ended well; `result` may be changed. May be NULL. */
    void (*done)(struct actor *actor, const json_t *inputs, json_t *result);
    /* What a call used up; returns what it cost in millionths of the unit of config->price_currency. May be NULL. */
    int64_t (*used)(struct actor *actor, const struct connector_settings *settings, const json_t *inputs,
                    const struct usage *usage);
};

struct worker_kind {
    const char *queue;
    int64_t (*window)(const struct config *config);
    const struct worker_skill *skills; /* ends with a NULL name */
};

struct worker_job;

struct worker {
    unsigned magic;
    struct actor *actor;
    const struct worker_kind *kind;
    struct worker_job *jobs;
    size_t job_room;
    bool is_quiescing;
    unsigned offline_in_a_row;
};

enum error worker_start(struct worker *worker, struct actor *actor, const struct worker_kind *kind);
void worker_stop(void *self);
void worker_on_timer(void *self, uint64_t timer);
void worker_on_answer(void *self, uint64_t ticket, const struct answer *answer);
/* The handlers of every worker. */
extern const union msg_handler worker_handlers[MSG_COUNT];
