/* machine - takes a run from one event to its next waits, as the operations of one commit. Pure: what it needs of the
 * world (moment, ids, what the store holds) is given to it.
 *
 * It has no position: after each event it walks the workflow from the top, passes over what has ended and begins what
 * may begin. Local steps are done in the same commit; a step for a worker becomes a job (and an alarm when it may give
 * up waiting); a wait becomes a job that is due later.
 *
 * When a step needs something that the store holds (a kept value, a throttle's past, a book), the machine asks for a
 * *fact*: it stops with `wanted` set, and the caller reads the fact, adds it to `facts` and lets the machine do the
 * same event again on the run as it was. A fact that is then written is guarded by an EXPECT, so nothing changes in
 * between.
 *
 * A commit is bounded: when it is full, a GO_ON event for the run is pushed with it, and the walk goes on there. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/record.h"
#include "proto/ops.h"
#include "proto/payloads.h"

enum {
    MACHINE_OPS_MAX = 800,
    MACHINE_WAITS_MAX = 200, /* steps of a run that wait at once; others begin when these end */
    MACHINE_IDS_MAX = 64,    /* ids that must be there when an event begins */
    MACHINE_STEPS_MAX = 300, /* steps begun in one commit */
    MACHINE_FACTS_MAX = 64,  /* of one event */
    MACHINE_INPUT_BYTES_MAX =
        512 * 1024,        /* of steps begun in one commit, but for the last: they are work, and go out */
    MACHINE_DEPTH_MAX = 8, /* of calls and follow-ups */
};

enum fact_kind {
    FACT_VALUE,  /* a key of a space: {version, value} with the value as text; version 0 and no value when absent */
    FACT_LIST,   /* the keys of a space from a prefix on: [{key, version, value}], at most 1000 */
    FACT_BOOKS,  /* every book: [{book, currency, hour_ms, amount, entries}] of the hours asked for */
    FACT_QUEUES, /* [{queue, ready, waiting, leased, parked, doubt, dead, oldest_ms}] */
    FACT_RUNS,   /* [{run, workflow, state, changed_ms}], newest first, at most 1000 */
};

struct fact_wanted {
    enum fact_kind kind;
    char space[33];
    char key[420];          /* VALUE: key; LIST: prefix */
    int64_t from_ms, to_ms; /* BOOKS, RUNS */
    char name[500];         /* under which it is to be added to machine->facts */
};

struct machine_arrival;

/* What a step `save` saves, and how many rows there is room for. */
struct machine_save {
    struct slice target, shop;
    const json_t *from;
    size_t rows_max;
};

/* What stands in libraries that flow does not know. */
struct machine_hooks {
    /* Appends the rows with op_put_append() and tells how many. On an error nothing was appended. */
    enum error (*save)(const struct machine_save *save, struct buffer *ops, size_t *rows, char *problem, size_t room);
};

struct machine {
    /* given */
    const struct workflow *workflow;
    struct run *run;
    const struct run_shop *shop;
    struct expression_engine *engine;
    const struct machine_hooks *hooks;
    struct workflow *const *others; /* for `after`: every workflow there is */
    size_t other_count;
    json_t *facts;     /* object, borrowed: what was read so far */
    uint64_t *ids;     /* the next unused id; at least MACHINE_IDS_MAX of them are there */
    int64_t now_ms;    /* UTC */
    uint64_t ids_left; /* how many the machine may still take: begins as MACHINE_IDS_MAX */
    /* appended to */
    struct buffer *ops;
    size_t op_count;
    /* the machine's own, while it works */
    const struct machine_arrival *arrival;
    bool is_arrival_taken;
    json_t *written; /* values written by this event, by fact name */
    bool is_starved; /* this event may not ask for more facts: the step is to be begun by the next one */
    size_t waiting;  /* steps that wait */
    /* told */
    bool is_wanting; /* `wanted` is to be read; nothing else counts */
    struct fact_wanted wanted;
    enum error else_error; /* OK, or why a step that ended took its else */
    size_t steps_begun, input_bytes;
    bool is_full;
    bool is_told_full; /* the GO_ON stands in ops */
};

/* --- events; each is followed by machine_put_run() unless it says false or is_wanting --- */

/* Begins a run, or goes on with one (GO_ON). */
void machine_go_on(struct machine *machine);
/* A job or called run that a step waits for has ended, well or not. False when no step waits for it: an old event. */
bool machine_step_done(struct machine *machine, const struct payload_step_done *done, bool cancel_alarm);
/* The waiting step took too long: withdraws its job and takes `else`. False when nothing waits for it. */
bool machine_alarm(struct machine *machine, const struct payload_alarm *alarm);
/* A delay is over, or an approval is to be looked after. */
bool machine_wake(struct machine *machine, const struct payload_wake *wake);
/* A person has answered an approval. False when there is nothing to answer any more. */
bool machine_decide(struct machine *machine, const struct payload_decision *decision);
/* Ends the run: withdraws all it waits for. `who` is kept. */
void machine_cancel(struct machine *machine, struct slice who);
struct machine_repeat {
    struct slice from; /* step; empty: the first that failed */
    bool redo;
};
/* Gives `run`, which run_begin() has begun with a copy of the old trigger, what it need not do again, because `old` did
 * it: steps before `from` keep their results, and so does every step with an effect
 * that was done, but for `from` itself with `redo`. False with a problem when
 * `from` is no step of the workflow, or nothing failed. */
bool machine_copy(struct run *run, const struct run *old, const struct workflow *workflow,
                  const struct machine_repeat *repeat, char *problem, size_t room);
/* Appends what follows of the run's state: its RUN operation, and at its end the events for who waits for it. Last.
 * A record too large to keep ends the run, for which facts may be wanted too: is_wanting. */
void machine_put_run(struct machine *machine);
