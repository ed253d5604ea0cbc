// SPDX-License-Identifier: MIT
#include "store/engine.h"

static enum error push_check(const struct commit *commit, const struct op_push *op)
{
    const struct store *store = commit->store;
    const struct name *queue = names_find(&store->queues, op->queue);
    int64_t depth = 0;

    if (op->queue.size == 0 || op->priority > 7 || op->due_ms < 0)
        return ERROR_INVALID;
    if (op->queue.size > NAME_BYTES_MAX || op->gate.size > NAME_BYTES_MAX || op->step.size > STEP_BYTES_MAX ||
        op->key.size > KEY_BYTES_MAX || op->content_type.size > CONTENT_TYPE_BYTES_MAX ||
        op->payload.size > store->options.payload_bytes_max)
        return ERROR_TOO_LARGE;
    if (op->id != 0 && !id_was_given(commit, op->id))
        return ERROR_INVALID;
    if (store->refusing == REFUSING_ALL_PUSHES || (store->refusing == REFUSING_NEW && !commit->finishes))
        return store->refusing_error;
    for (unsigned state = 0; queue != NULL && state < JOB_STATE_COUNT; state++)
        depth += queue->stored[state];
    if (store->options.queue_depth_max != 0 && depth >= 0 && (uint64_t)depth >= store->options.queue_depth_max)
        return ERROR_FULL;
    return ERROR_OK;
}

/* The number of a name, 0 for the empty one; its record goes with the first commit that needs it. */
static enum error number_of(struct commit *commit, struct names *names, char kind, struct slice text, uint64_t *number)
{
    struct name *name;
    struct key key;

    *number = 0;
    if (text.size == 0)
        return ERROR_OK;
    name = names_need(names, text);
    if (name == NULL)
        return ERROR_FULL;
    if (!name->saved) {
        struct buffer *scratch = &commit->store->scratch;
        key_name(&key, kind, text);
        buffer_clear(scratch);
        stored_put_name(scratch, &(struct stored_name){name->number});
        stage_put(commit->stage, &key, buffer_slice(scratch));
        undo_add(&commit->store->undo, (struct undo){.name = name});
    }
    *number = name->number;
    return ERROR_OK;
}

static enum error push_id(struct commit *commit, const struct op_push *op, uint64_t *id)
{
    struct slice value;
    struct key key;
    enum error error;

    if (op->id == 0) {
        *id = commit->id_next++;
        if (commit->result->first_id == 0)
            commit->result->first_id = *id;
        return ERROR_OK;
    }
    *id = op->id;
    key_job(&key, *id, JOB_HEAD);
    error = stage_get(commit->stage, &key, &value);
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    return error == ERROR_OK ? ERROR_DUPLICATE : error;
}

enum error op_apply_push(struct commit *commit, const struct op_push *op)
{
    struct store *store = commit->store;
    struct job job = {.head = {.priority = op->priority, .state = job_next(JOB_NONE, JOB_ON_PUSH)}};
    struct key key;
    enum error error = push_check(commit, op);

    if (error == ERROR_OK)
        error = push_id(commit, op, &job.id);
    if (error == ERROR_OK)
        error = number_of(commit, &store->queues, 'q', op->queue, &job.head.queue);
    if (error == ERROR_OK)
        error = number_of(commit, &store->gates, 'g', op->gate, &job.head.gate);
    if (error != ERROR_OK)
        return error;
    job.head.due_ms = op->due_ms;
    job.head.created_ms = commit->now_ms > 0 ? commit->now_ms : 0;
    job.head.run = op->run;
    job.head.payload_bytes = op->payload.size;
    job.head.error = slice_of(error_name(ERROR_OK));
    job.head.key = op->key;
    job.head.step = op->step;
    job.head.content_type = op->content_type;
    key_job(&key, job.id, JOB_BODY);
    stage_put(commit->stage, &key, op->payload);
    store->totals.stats.pushed++;
    return job_create(commit, &job);
}

/* The job under a living lease, when the table of its life allows the event. */
static enum error leased_job(struct commit *commit, uint64_t id, uint64_t fence, enum job_event event, struct job *job,
                             struct lease **lease)
{
    enum error error;

    *lease = lease_find(&commit->store->leases, id);
    if (*lease == NULL || (*lease)->ending || (*lease)->fence != fence)
        return ERROR_FENCED;
    error = job_load(commit, id, job);
    if (error == ERROR_NOT_FOUND)
        return ERROR_FENCED;
    if (error == ERROR_OK && job_next(JOB_LEASED, event) == JOB_STATE_COUNT)
        return ERROR_INVALID;
    return error;
}

static void end_lease(struct commit *commit, struct lease *lease)
{
    lease->ending = true;
    undo_add(&commit->store->undo, (struct undo){.lease = lease});
}

enum error op_apply_finish(struct commit *commit, const struct op_finish *op)
{
    struct job job;
    struct lease *lease;
    enum error error = leased_job(commit, op->job, op->fence, JOB_ON_FINISH, &job, &lease);

    if (error != ERROR_OK)
        return error;
    end_lease(commit, lease);
    commit->store->totals.stats.finished++;
    return job_remove(commit, &job);
}

/* Puts a leased job aside and ends its lease. */
static enum error put_aside(struct commit *commit, struct job *job, struct lease *lease, enum job_event event,
                            int64_t due_ms)
{
    end_lease(commit, lease);
    return job_move(commit, job, job_next(JOB_LEASED, event), due_ms);
}

enum error op_apply_retry(struct commit *commit, const struct op_retry *op)
{
    struct job job;
    struct lease *lease;
    enum error error = leased_job(commit, op->job, op->fence, JOB_ON_RETRY, &job, &lease);

    if (error == ERROR_OK && op->due_ms < 0)
        error = ERROR_INVALID;
    if (error != ERROR_OK)
        return error;
    job.head.attempt++;
    job.head.error = slice_of(error_name(op->error));
    commit->store->totals.stats.retried[op->error]++;
    return put_aside(commit, &job, lease, JOB_ON_RETRY, op->due_ms);
}

enum error op_apply_park(struct commit *commit, const struct op_park *op)
{
    struct job job;
    struct lease *lease;
    enum error error = leased_job(commit, op->job, op->fence, JOB_ON_PARK, &job, &lease);

    if (error == ERROR_OK && op->due_ms < 0)
        error = ERROR_INVALID;
    if (error != ERROR_OK)
        return error;
    job.head.error = slice_of(error_name(op->error));
    commit->store->totals.stats.parked[op->error]++;
    return put_aside(commit, &job, lease, JOB_ON_PARK, op->due_ms);
}

enum error op_apply_bury(struct commit *commit, const struct op_bury *op)
{
    struct job job;
    struct lease *lease;
    enum error error = leased_job(commit, op->job, op->fence, JOB_ON_BURY, &job, &lease);

    if (error == ERROR_OK && op->detail.size > DETAIL_BYTES_MAX)
        error = ERROR_TOO_LARGE;
    if (error != ERROR_OK)
        return error;
    job.head.error = slice_of(error_name(op->error));
    job.head.detail = op->detail;
    commit->store->totals.stats.buried[op->error]++;
    return put_aside(commit, &job, lease, JOB_ON_BURY, job.head.due_ms);
}

enum error op_apply_doubt(struct commit *commit, const struct op_doubt *op)
{
    struct job job;
    struct lease *lease;
    enum error error = leased_job(commit, op->job, op->fence, JOB_ON_DOUBT, &job, &lease);

    if (error == ERROR_OK && op->detail.size > DETAIL_BYTES_MAX)
        error = ERROR_TOO_LARGE;
    if (error != ERROR_OK)
        return error;
    job.head.error = slice_of(error_name(ERROR_LOST));
    job.head.detail = op->detail;
    commit->store->totals.stats.doubted++;
    return put_aside(commit, &job, lease, JOB_ON_DOUBT, job.head.due_ms);
}

static void note_write(struct commit *commit, struct job *job, struct slice state)
{
    struct key key;

    key_job(&key, job->id, JOB_NOTED);
    if (state.size > 0)
        stage_put(commit->stage, &key, state);
    else
        stage_del(commit->stage, &key);
    job->head.note_bytes = state.size;
}

enum error op_apply_note(struct commit *commit, const struct op_note *op)
{
    struct job job;
    struct lease *lease;
    enum error error = leased_job(commit, op->job, op->fence, JOB_ON_NOTE, &job, &lease);

    if (error == ERROR_OK && op->state.size > STORE_NOTE_BYTES_MAX)
        error = ERROR_TOO_LARGE;
    if (error != ERROR_OK)
        return error;
    note_write(commit, &job, op->state);
    job_write_head(commit, &job);
    return ERROR_OK;
}

enum error op_apply_cancel(struct commit *commit, const struct op_cancel *op)
{
    struct job job;
    enum error error = job_load(commit, op->job, &job);

    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    if (error != ERROR_OK)
        return error;
    enum job_state state = job_state_now(commit->store, &job, commit->now_ms);
    if (state == JOB_LEASED)
        return ERROR_HELD;
    if (job_next(state, JOB_ON_CANCEL) == JOB_STATE_COUNT)
        return ERROR_INVALID;
    return job_remove(commit, &job);
}

enum error op_apply_revive(struct commit *commit, const struct op_revive *op)
{
    struct job job;
    enum error error = job_load(commit, op->job, &job);

    if (error != ERROR_OK)
        return error;
    enum job_state state = job_state_now(commit->store, &job, commit->now_ms);
    if (state == JOB_LEASED)
        return ERROR_HELD;
    enum job_state next = job_next(state, JOB_ON_REVIVE);
    if (next == JOB_STATE_COUNT || op->due_ms < 0)
        return ERROR_INVALID;
    if (op->forget_state && job.head.note_bytes > 0)
        note_write(commit, &job, (struct slice){NULL, 0});
    job.head.attempt = job.head.crashes = 0;
    job.head.error = slice_of(error_name(ERROR_OK));
    job.head.detail = (struct slice){NULL, 0};
    return job_move(commit, &job, next, op->due_ms);
}
