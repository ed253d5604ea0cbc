/* record - what is kept of a run: JSON, so that a later version can still read it. Bounded: the trigger once; inputs
 * and results capped. {v, workflow, hash, mode, trigger, started_ms, ended_ms, depth, parent: {run, step}, replay: {of,
 * from, calls, items}, error: {step, error, text}, failing, result, last_n, steps: {INSTANCE: STEP}}.
 *
 * There is no program counter: a run stands where its steps say, so that branches and items need none either. An
 * instance is the step's id, and inside a for_each "#" and the item's index, one per level: "mail", "upload#3",
 * "pixel#3.0". STEP: {state, n (order of begin), job, alarm, started_ms, ended_ms, input, result, error, text,
 * attempts, cost_micros, currency, count and digest (of a for_each's items), block (case of a switch), in_doubt
 * (cancelled, and perhaps done)}; its state is one of
 *   waiting   for a job, an alarm, a person or another run
 *   running   it has steps inside that have not all ended
 *   done, else (its else took over), skipped (when), shadow (withheld), failed, copied (done by the run it repeats),
 *   cancelled. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/workflow.h"
#include "proto/errors.h"
#include "proto/jobs.h"

enum {
    RECORD_BYTES_MAX = 960 * 1024,
    RECORD_RESULT_MAX = 64 * 1024,
    RECORD_INPUT_MAX = 16 * 1024, /* a larger input is kept as {bytes} */
    RECORD_TEXT_MAX = 400,
    RECORD_STEPS_MAX = 4000,   /* instances; more fail the run */
    RECORD_INSTANCE_MAX = 100, /* bytes of an instance's name */
};

struct run {
    uint64_t id, version;
    enum run_state state;
    json_t *record; /* owned */
};

/* What expressions see of the shop. Borrowed. */
struct run_shop {
    const char *name, *zone, *currency;
};

/* A new run; takes the trigger over. `mode`: the workflow's, or shadow. */
void run_begin(struct run *run, uint64_t id, const struct workflow *workflow, enum workflow_mode mode, json_t *trigger,
               int64_t now_ms);
/* From a stored record; false when the bytes are none. */
bool run_read(struct run *run, struct slice record);
void run_fini(struct run *run);
bool run_is_live(const struct run *run);

/* The entry of an instance, or NULL; with `make` it is made. Borrowed. */
json_t *run_step(const struct run *run, const char *instance, bool make);
void run_step_set(json_t *step, const char *state, int64_t now_ms);
bool run_step_is(const json_t *step, const char *state);
/* Ends a run that failed, saying where (or "") and why. `text` is cut. */
void run_fail(struct run *run, const char *step, enum error error, const char *text, int64_t now_ms);

/* Reduces an ended run's trigger to {kind, hook, topic, shop, sender_id, queue, index, received_ms, planned_ms, bytes},
 * those of them that there are, and drops inputs: it can be looked at, but not be repeated any more. A reduced one
 * stays as it is; false then. */
bool run_reduce(struct run *run);
bool run_is_reduced(const struct run *run);

/* What expressions see: trigger, shop {name, zone, currency}, now (UTC ms), run {id, workflow, mode, started_ms} and
 * steps.ID {state, result, error}, `failure` {step, error, text} when the run is failing. The caller owns it. */
json_t *run_vars(const struct run *run, const struct run_shop *shop, int64_t now_ms);
/* Of one step: {state, result, error, text}, as far as there is any. */
json_t *run_step_view(json_t *step);
/* The same before there is a run: trigger, shop and now. */
json_t *run_trigger_vars(json_t *trigger, const struct run_shop *shop, int64_t now_ms);

/* For people, without personal data: inputs and results as sizes, but for figures and names that are never personal.
 * Steps in the order they began, with duration_ms, attempts and cost. */
json_t *run_show(const struct run *run, struct slice workflow);
/* The same run with everything that is kept of it: for its owner, who asked for it. */
json_t *run_show_whole(const struct run *run, struct slice workflow);
/* Step by step what differs between two runs: {steps: [{step, differs: [state, result, ...], one, two}]}; values as
 * sizes and digests unless `whole`. */
json_t *run_compare(const struct run *one, const struct run *two, bool whole);
