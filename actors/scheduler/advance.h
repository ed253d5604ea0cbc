/* advance - takes a run from one event to the next wait, as the operations of one commit. Pure: what it needs of the
 * world (moment, ids) is given. The steps run one after the other; local ones are done in the same commit, the first
 * one for a worker becomes a job (and an alarm when it may give up waiting). */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/record.h"
#include "proto/ops.h"
#include "proto/payloads.h"

enum { ADVANCE_OPS_MAX = 800, ADVANCE_IDS_MAX = 3 };

struct advance {
    const struct config *config;
    struct expression_engine *engine;
    const struct workflow *workflow;
    struct run *run;
    struct buffer *ops;    /* what is appended to */
    size_t op_count;       /* how many it holds */
    uint64_t *ids;         /* the next unused id; ADVANCE_IDS_MAX of them are there */
    int64_t now_ms;        /* UTC */
    enum error else_error; /* OK, or why the step that ended took its else */
};

/* Goes on with the step at record.at until a step waits or the run has ended (run->state). */
void advance_run(struct advance *advance);
/* The waiting step has ended, well or not; then goes on. False when no step waits for that job: an old event. */
bool advance_step_done(struct advance *advance, const struct payload_step_done *done, bool cancel_alarm);
/* The waiting step took too long: withdraws its job and takes `else`; then goes on. False when nothing waits for it. */
bool advance_alarm(struct advance *advance, const struct payload_alarm *alarm);
/* Appends the RUN operation: last, when the record is as it will be. A record past its bound is cut to a failed one;
 * the operations of its steps stand. */
void advance_put_run(struct advance *advance);
