/* record - what is kept of a run: JSON, so that a later version can still read it. Bounded: the trigger once, results
 * and withheld inputs capped. Once the run has ended, nothing reads its trigger's body again (there is no replay), so
 * of the trigger only names, times and the size stay; no digest either, since a small body could be guessed from it.
 * Results and what shadow withheld stay for the owner until the record is forgotten (run_keep_ms). {v, workflow, hash,
 * mode, trigger, started_ms, ended_ms, at, error: {error, text}, steps: {ID: {state, job, alarm, started_ms, ended_ms,
 * result, error, text, input}}}; a step's state is waiting, done, else, skipped, shadow or failed. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"
#include "flow/workflow.h"
#include "proto/errors.h"
#include "proto/jobs.h"

enum { RECORD_BYTES_MAX = 960 * 1024, RECORD_RESULT_MAX = 64 * 1024, RECORD_TEXT_MAX = 400 };

struct run {
    uint64_t id, version;
    enum run_state state;
    json_t *record; /* owned */
};

/* A new run; takes the trigger over. */
void run_begin(struct run *run, uint64_t id, const struct workflow *workflow, json_t *trigger, int64_t now_ms);
/* From a stored record; false when the bytes are none. */
bool run_read(struct run *run, struct slice record);
void run_fini(struct run *run);

/* The entry of a step, made when there is none. Borrowed. */
json_t *run_step(struct run *run, const char *id);
void run_step_set(json_t *step, const char *state, int64_t now_ms);
/* Ends a run that failed, saying why. `text` is cut. */
void run_fail(struct run *run, enum error error, const char *text, int64_t now_ms);

/* Reduces an ended run's trigger to {kind, hook, topic, shop, sender_id, queue, index, received_ms, planned_ms, bytes},
 * those of them that there are. A reduced one stays as it is. */
void run_reduce_trigger(struct run *run);

/* What expressions see: trigger, shop {name, zone, currency}, now (UTC ms), run {id, workflow, mode, started_ms} and
 * steps.ID {state, result, error}. The caller owns it. */
json_t *run_vars(const struct run *run, const struct config *config, int64_t now_ms);
/* The same before there is a run: trigger, shop and now. */
json_t *run_trigger_vars(json_t *trigger, const struct config *config, int64_t now_ms);

/* For people, without personal data: results and inputs as sizes, but for figures and names that are never personal. */
json_t *run_show(const struct run *run, struct slice workflow);
