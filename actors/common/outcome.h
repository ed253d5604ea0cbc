/* outcome - what becomes of a job when its step ends, as the operations of one commit. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"
#include "proto/ops.h"
#include "proto/payloads.h"

enum outcome_kind { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_RETRY, OUTCOME_PARK, OUTCOME_DOUBT };

/* What there is to know about a job when its step ended. Everything is borrowed. */
struct outcome_job {
    uint64_t id, fence, run, attempt;
    struct slice step;
    bool has_note;                   /* the store holds a state for it */
    bool is_note_new;                /* made in this lease, so what its call came to is told by the step */
    struct slice kept;               /* the state that the step leaves for the next try; empty: none */
    const struct payload_task *task; /* NULL: its payload is no task */
    int64_t now_ms;                  /* UTC */
    uint64_t random;
    unsigned offline_in_a_row; /* of the service, for growing pauses */
    int64_t cost_micros;       /* of the calls made in this lease */
    struct slice currency;     /* of the cost; empty when there was none */
};

struct outcome {
    enum outcome_kind kind;
    enum error error;
    int64_t due_ms;  /* RETRY, PARK */
    bool is_unknown; /* RETRY: begins anew although the effect may have happened; FAILED: keeps the note for that */
};

/* RESULT_MAX is what a run's record takes of one result. */
enum { OUTCOME_DETAIL_MAX = 400, OUTCOME_RESULT_MAX = 64 * 1024 };

/* Decides by the step's kind, the error's class, the attempts and `on_unknown`. */
struct outcome outcome_of(const struct outcome_job *job, const struct step *step);
/* Packs it: the job's own operation; before it the state that the step keeps for its next try, or an erased note where
 * the effect certainly did not happen (a dead job may then be revived) or is to be tried anew; and the STEP_DONE for
 * the run where the step has ended. `result` is JSON text and counts for DONE. */
void outcome_put(struct buffer *ops, const struct outcome_job *job, const struct outcome *outcome, struct slice result,
                 struct slice detail);
/* The pause after the attempt of that number (from 0): doubles from first_ms to max_ms, the upper half of it by chance.
 */
int64_t outcome_pause(int64_t first_ms, int64_t max_ms, uint64_t attempt, uint64_t random);
