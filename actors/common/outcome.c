// SPDX-License-Identifier: MIT
#include "actors/common/outcome.h"
#include "actors/common/step_event.h"

enum { PAUSE_MS_FIRST = 5000, PAUSE_MS_MAX = 300000, DOUBLINGS_MAX = 30 };

int64_t outcome_pause(int64_t first_ms, int64_t max_ms, uint64_t attempt, uint64_t random)
{
    int64_t pause = first_ms > 0 ? first_ms : PAUSE_MS_FIRST, most = max_ms > 0 ? max_ms : PAUSE_MS_MAX;

    for (uint64_t i = 0; i < attempt && i < DOUBLINGS_MAX && pause < most; i++)
        pause *= 2;
    pause = pause < most ? pause : most;
    return pause / 2 + (int64_t)(random % (uint64_t)(pause / 2 + 1));
}

static struct outcome again(const struct outcome_job *job, enum error error, int64_t retry_after_ms)
{
    const struct payload_task *task = job->task;
    int64_t pause = outcome_pause(task->first_ms, task->max_ms, job->attempt, job->random);

    if (job->attempt + 1 >= task->attempts_max)
        return (struct outcome){OUTCOME_FAILED, ERROR_EXHAUSTED, 0, false};
    return (struct outcome){OUTCOME_RETRY, error, job->now_ms + (retry_after_ms > pause ? retry_after_ms : pause),
                            false};
}

static struct outcome later(const struct outcome_job *job, enum error error, int64_t retry_after_ms)
{
    int64_t pause = outcome_pause(PAUSE_MS_FIRST, PAUSE_MS_MAX, job->offline_in_a_row, job->random);

    return (struct outcome){OUTCOME_PARK, error, job->now_ms + (retry_after_ms > pause ? retry_after_ms : pause),
                            false};
}

static struct outcome unknown(const struct outcome_job *job)
{
    if (slice_is(job->task->on_unknown, "resend")) {
        struct outcome outcome = again(job, ERROR_LOST, 0);
        outcome.is_unknown = true;
        return outcome;
    }
    if (slice_is(job->task->on_unknown, "drop"))
        return (struct outcome){OUTCOME_FAILED, ERROR_LOST, 0, false};
    return (struct outcome){OUTCOME_DOUBT, ERROR_LOST, 0, false};
}

struct outcome outcome_of(const struct outcome_job *job, const struct step *step)
{
    if (step->kind == STEP_DONE)
        return (struct outcome){OUTCOME_DONE, ERROR_OK, 0, false};
    if (job->task == NULL)
        return (struct outcome){OUTCOME_FAILED, step->error, 0, false};
    if (step->kind == STEP_UNKNOWN)
        return unknown(job);
    switch (error_class(step->error)) {
    case RETRY_TRANSIENT:
        return again(job, step->error, step->retry_after_ms);
    case RETRY_WAIT:
        return later(job, step->error, step->retry_after_ms);
    case RETRY_UNKNOWN:
        return unknown(job);
    case RETRY_HUMAN:
        return (struct outcome){OUTCOME_PARK, step->error, INT64_MAX, false};
    case RETRY_NONE:
    case RETRY_PERMANENT:
        break;
    }
    return (struct outcome){OUTCOME_FAILED, step->error, 0, false};
}

static void put_step_done(struct buffer *ops, const struct outcome_job *job, enum error error, struct slice result,
                          struct slice detail)
{
    if (job->run != 0)
        step_event_put(ops, &(struct payload_step_done){.run = job->run,
                                                        .step = job->step,
                                                        .job = job->id,
                                                        .error = error,
                                                        .result = error == ERROR_OK ? result : SLICE("null"),
                                                        .detail = detail,
                                                        .attempts = job->attempt + 1,
                                                        .cost_micros = job->cost_micros,
                                                        .currency = job->currency});
}

static bool keeps_state(const struct outcome_job *job, const struct outcome *outcome)
{
    return job->kept.size > 0 && !outcome->is_unknown && outcome->kind != OUTCOME_DONE &&
           outcome->kind != OUTCOME_DOUBT && outcome->error != ERROR_LOST;
}

/* A note from before this lease stands for a call that nobody has settled yet: it goes only to begin anew. */
static bool erases_note(const struct outcome_job *job, const struct outcome *outcome)
{
    if (!job->has_note)
        return false;
    if (outcome->kind == OUTCOME_RETRY || outcome->kind == OUTCOME_PARK)
        return outcome->is_unknown || job->is_note_new;
    return outcome->kind == OUTCOME_FAILED && outcome->error != ERROR_LOST && !outcome->is_unknown && job->is_note_new;
}

void outcome_put(struct buffer *ops, const struct outcome_job *job, const struct outcome *outcome, struct slice result,
                 struct slice detail)
{
    detail.size = detail.size > OUTCOME_DETAIL_MAX ? OUTCOME_DETAIL_MAX : detail.size;
    while (detail.size > 0 && !slice_is_utf8(detail))
        detail.size--;
    if (keeps_state(job, outcome))
        op_put_note(ops, &(struct op_note){.job = job->id, .fence = job->fence, .state = job->kept});
    else if (erases_note(job, outcome))
        op_put_note(ops, &(struct op_note){.job = job->id, .fence = job->fence});
    switch (outcome->kind) {
    case OUTCOME_DONE:
        op_put_finish(ops, &(struct op_finish){.job = job->id, .fence = job->fence});
        put_step_done(ops, job, ERROR_OK, result, (struct slice){NULL, 0});
        break;
    case OUTCOME_FAILED:
        /* A dropped unknown was settled by the owner's rule: nothing is left to look at. */
        if (outcome->error == ERROR_LOST)
            op_put_finish(ops, &(struct op_finish){.job = job->id, .fence = job->fence});
        else
            op_put_bury(
                ops, &(struct op_bury){.job = job->id, .fence = job->fence, .error = outcome->error, .detail = detail});
        put_step_done(ops, job, outcome->error, SLICE("null"), detail);
        break;
    case OUTCOME_RETRY:
        op_put_retry(ops, &(struct op_retry){
                              .job = job->id, .fence = job->fence, .due_ms = outcome->due_ms, .error = outcome->error});
        break;
    case OUTCOME_PARK:
        op_put_park(ops, &(struct op_park){
                             .job = job->id, .fence = job->fence, .due_ms = outcome->due_ms, .error = outcome->error});
        break;
    case OUTCOME_DOUBT:
        op_put_doubt(ops, &(struct op_doubt){.job = job->id, .fence = job->fence, .detail = detail});
        break;
    }
}
