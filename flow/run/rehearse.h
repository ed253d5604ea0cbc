/* rehearse - a run played in memory: the store, the workers, the people and the clock are here, so nothing leaves.
 * Pure: equal inputs give equal results. A step for a worker is answered by what `answers` says of it; waiting costs no
 * time but on the run's own clock. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/machine.h"

enum {
    REHEARSAL_EVENTS_MAX = 20000,
    REHEARSAL_DAYS_MAX = 400, /* on the run's clock */
    REHEARSAL_PROBLEMS_MAX = 64 * 1024,
};

#define REHEARSAL_NOW_MS INT64_C(1767603600000) /* 2026-01-05T09:00:00Z, a Monday */

struct rehearsal_given {
    const struct workflow *workflow;
    const json_t *trigger; /* what expressions see as `trigger` */
    /* By instance of a step ("upload#3") or its id; NULL: none. An answer is {result: ...}, {error: NAME, text: ...},
     * "unreachable", for approve {decision: approved|edited|rejected|expired, text, by}, or a list of these: one each
     * time, the last one from then on. Without one: a model, a call, or a reading from outside is a problem of the
     * rehearsal (but see `invent`), an approval is approved, everything else succeeds. */
    const json_t *answers;
    /* What the store holds, by key: KEY or value/KEY for what get finds, throttle/KEY and so on for the other spaces;
     * figures/books, figures/queues and figures/runs are lists as the skill figures reads them. NULL: nothing. */
    const json_t *store;
    bool invent;    /* where a problem would be: the step's else, or a placeholder as the answer */
    int64_t now_ms; /* 0: REHEARSAL_NOW_MS */
    struct expression_engine *engine;
    const struct run_shop *shop;
    const struct machine_hooks *hooks;
};

struct rehearsal {
    struct run run;   /* as it ended; open when it would wait for ever */
    json_t *effects;  /* what the outside would have seen, in the order of the steps' beginnings:
                         [{step, skill, mode (live, or shadow: withheld), at_ms, input}] */
    json_t *notices;  /* what people would have been told about the run: [{skill, at_ms, input}] */
    json_t *invented; /* steps whose answer was invented: [step] */
    json_t *books;    /* {BOOK: {CURRENCY: amount}}, counts under "" */
    json_t *rows;     /* {TABLE: count} */
    json_t *values;   /* {KEY: value}: what get would find now */
    int64_t ended_ms; /* on the run's clock */
    char waits_for[RECORD_INSTANCE_MAX + 1]; /* of an open run: a step that it waits for */
};

/* False with a problem at the place of the step that could not be rehearsed; `rehearsal` is then empty. Otherwise the
 * caller frees it with rehearsal_fini(). A run that fails is a rehearsal that worked. */
bool rehearse(const struct rehearsal_given *given, struct rehearsal *rehearsal, struct text_problem *problem);
void rehearsal_fini(struct rehearsal *rehearsal);

/* What is not said in a fixture's trigger, as the workflow's first trigger has it: kind, hook, topic, shop and so on.
 * `body` takes the place of trigger.body unless it is NULL. The caller owns the result. */
json_t *rehearsal_trigger(const struct workflow *workflow, const struct workflow_fixture *fixture, const json_t *body,
                          const struct run_shop *shop);
/* Compares with what the fixture expects; a line each, "file:line: ..." for people, is appended for every difference.
 * True when there is none. Errors and texts are compared as docs/rehearsal.md says. */
bool rehearsal_check(const struct workflow *workflow, const struct workflow_fixture *fixture,
                     const struct rehearsal *rehearsal, struct buffer *into);
/* Whether a step of that skill with these inputs is an effect: something the outside sees. */
bool rehearsal_is_effect(const struct skill *skill, const json_t *input);
