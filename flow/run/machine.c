// SPDX-License-Identifier: MIT
#include "actors/scheduler/advance.h"
#include "actors/scheduler/local.h"
#include <stdio.h>
#include <string.h>

enum { TASK_PRIORITY = 4, ALARM_PRIORITY = 2 };

static void fail_by(struct advance *advance, json_t *step, const struct text_problem *problem)
{
    char text[800];

    text_problem_print(problem, text, sizeof(text));
    if (step != NULL) {
        run_step_set(step, "failed", advance->now_ms);
        json_object_set_new(step, "error", json_string(error_name(ERROR_EXPRESSION)));
    }
    run_fail(advance->run, ERROR_EXPRESSION, text, advance->now_ms);
}

static void step_ended(struct advance *advance, json_t *step, const char *state, json_t *result)
{
    run_step_set(step, state, advance->now_ms);
    json_object_set_new(step, "result", result);
    json_object_set_new(advance->run->record, "at",
                        json_integer(json_integer_value(json_object_get(advance->run->record, "at")) + 1));
}

/* ---- worker steps ---- */

static const char *unknown_name(enum on_unknown on_unknown)
{
    return on_unknown == UNKNOWN_RESEND ? "resend" : on_unknown == UNKNOWN_DROP ? "drop" : "ask";
}

static uint64_t put_job(struct advance *advance, struct op_push *push, const struct buffer *payload)
{
    push->id = (*advance->ids)++;
    push->content_type = SLICE(PAYLOAD_CONTENT_TYPE);
    push->payload = buffer_slice(payload);
    push->run = advance->run->id;
    op_put_push(advance->ops, push);
    advance->op_count++;
    return push->id;
}

static uint64_t put_task(struct advance *advance, const struct workflow_step *definition, const json_t *inputs)
{
    struct buffer payload = {NULL, 0, 0}, input = {NULL, 0, 0};
    char gate[NAME_BYTES_MAX + 1];

    json_write(&input, inputs);
    payload_put_task(&payload, &(struct payload_task){.run = advance->run->id,
                                                      .step = slice_of(definition->id),
                                                      .skill = slice_of(definition->skill->name),
                                                      .mode = SLICE("live"),
                                                      .input = buffer_slice(&input),
                                                      .attempts_max = definition->attempts_max,
                                                      .first_ms = definition->retry_first_ms,
                                                      .max_ms = definition->retry_max_ms,
                                                      .timeout_ms = definition->timeout_ms,
                                                      .on_unknown = slice_of(unknown_name(definition->on_unknown))});
    snprintf(gate, sizeof(gate), "%s/default", definition->skill->gate);
    uint64_t id = put_job(advance,
                          &(struct op_push){.queue = slice_of(skill_queue(definition->skill)),
                                            .priority = TASK_PRIORITY,
                                            .gate = slice_of(gate),
                                            .step = slice_of(definition->id)},
                          &payload);
    buffer_free(&payload);
    buffer_free(&input);
    return id;
}

/* Not under the run's own key: an alarm lies in wait for long, and nothing of the run may wait behind it. */
static uint64_t put_alarm(struct advance *advance, const struct workflow_step *definition, uint64_t job)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_alarm(&payload,
                      &(struct payload_alarm){.run = advance->run->id, .step = slice_of(definition->id), .job = job});
    uint64_t id = put_job(advance,
                          &(struct op_push){.queue = SLICE("flow"),
                                            .priority = ALARM_PRIORITY,
                                            .due_ms = advance->now_ms + definition->unreachable_after_ms,
                                            .step = slice_of(definition->id)},
                          &payload);
    buffer_free(&payload);
    return id;
}

/* Shadow: what would have gone out is kept to be looked at; the run goes on with `else`, the only result there is. */
static bool shadow_step(struct advance *advance, const struct workflow_step *definition, const json_t *vars,
                        json_t *step, const json_t *inputs, struct text_problem *problem)
{
    json_t *result = NULL;
    struct buffer text = {NULL, 0, 0};

    if (definition->otherwise == NULL)
        result = json_object();
    else if (!workflow_render_otherwise(advance->engine, advance->workflow, definition, vars, &result, problem))
        return false;
    json_write(&text, inputs);
    if (text.size <= RECORD_RESULT_MAX)
        json_object_set_new(step, "input", json_deep_copy(inputs));
    buffer_free(&text);
    step_ended(advance, step, "shadow", result);
    return true;
}

static void wait_for_worker(struct advance *advance, const struct workflow_step *definition, json_t *step,
                            const json_t *inputs)
{
    uint64_t job = put_task(advance, definition, inputs);

    run_step_set(step, "waiting", advance->now_ms);
    json_object_set_new(step, "job", json_integer((json_int_t)job));
    if (definition->otherwise != NULL && definition->unreachable_after_ms > 0)
        json_object_set_new(step, "alarm", json_integer((json_int_t)put_alarm(advance, definition, job)));
}

/* ---- one step ---- */

static bool is_live(const struct advance *advance)
{
    return slice_is(json_text_at(advance->run->record, "mode"), "live");
}

static void local_step(struct advance *advance, const struct workflow_step *definition, const json_t *inputs,
                       json_t *step)
{
    char problem[600];
    json_t *result = NULL;
    enum error error = local_do(advance, definition->skill->id, inputs, &result, problem, sizeof(problem));

    if (error == ERROR_OK) {
        step_ended(advance, step, "done", result);
        return;
    }
    run_step_set(step, "failed", advance->now_ms);
    json_object_set_new(step, "error", json_string(error_name(error)));
    run_fail(advance->run, error, problem, advance->now_ms);
}

/* True when the run may go on at once. */
static bool do_step(struct advance *advance, const struct workflow_step *definition)
{
    json_t *vars = run_vars(advance->run, advance->config, advance->now_ms), *inputs = NULL;
    json_t *step = run_step(advance->run, definition->id);
    struct text_problem problem;
    bool applies = true, waits = false;

    if (!workflow_step_applies(advance->engine, advance->workflow, definition, vars, &applies, &problem))
        fail_by(advance, step, &problem);
    else if (!applies)
        step_ended(advance, step, "skipped", json_null());
    else if (!workflow_render_inputs(advance->engine, advance->workflow, definition, vars, &inputs, &problem))
        fail_by(advance, step, &problem);
    else if (definition->skill->place == PLACE_LOCAL)
        local_step(advance, definition, inputs, step);
    else if (is_live(advance)) {
        wait_for_worker(advance, definition, step, inputs);
        waits = true;
    } else if (!shadow_step(advance, definition, vars, step, inputs, &problem))
        fail_by(advance, step, &problem);
    json_decref(inputs);
    json_decref(vars);
    return !waits && advance->run->state == RUN_OPEN;
}

void advance_run(struct advance *advance)
{
    json_t *record = advance->run->record;

    while (advance->run->state == RUN_OPEN) {
        size_t at = (size_t)json_integer_value(json_object_get(record, "at"));
        if (at >= advance->workflow->step_count) {
            advance->run->state = RUN_DONE;
            json_object_set_new(record, "ended_ms", json_integer(advance->now_ms));
        } else if (!do_step(advance, &advance->workflow->steps[at]))
            return;
    }
}

/* ---- events ---- */

static json_t *waiting_step(struct advance *advance, struct slice id, uint64_t job, const struct workflow_step **found)
{
    size_t at = (size_t)json_integer_value(json_object_get(advance->run->record, "at"));

    if (advance->run->state != RUN_OPEN || at >= advance->workflow->step_count)
        return NULL;
    *found = &advance->workflow->steps[at];
    json_t *step = run_step(advance->run, (*found)->id);
    if (!slice_is(id, (*found)->id) || !slice_is(json_text_at(step, "state"), "waiting") ||
        (uint64_t)json_integer_value(json_object_get(step, "job")) != job)
        return NULL;
    return step;
}

static void put_cancel(struct advance *advance, uint64_t job)
{
    if (job == 0)
        return;
    op_put_cancel(advance->ops, &(struct op_cancel){.job = job});
    advance->op_count++;
}

static void take_else(struct advance *advance, const struct workflow_step *definition, json_t *step, enum error error,
                      struct slice detail)
{
    struct text_problem problem;
    json_t *result = NULL;
    char text[RECORD_TEXT_MAX + 1];

    json_object_set_new(step, "error", json_string(error_name(error)));
    if (definition->otherwise == NULL) {
        snprintf(text, sizeof(text), "step %s: %s%s%.*s", definition->id, error_name(error), detail.size ? ": " : "",
                 (int)(detail.size > 300 ? 300 : detail.size), detail.size ? detail.data : "");
        run_step_set(step, "failed", advance->now_ms);
        run_fail(advance->run, error, text, advance->now_ms);
        return;
    }
    json_t *vars = run_vars(advance->run, advance->config, advance->now_ms);
    if (workflow_render_otherwise(advance->engine, advance->workflow, definition, vars, &result, &problem)) {
        step_ended(advance, step, "else", result);
        advance->else_error = error;
    } else
        fail_by(advance, step, &problem);
    json_decref(vars);
}

bool advance_step_done(struct advance *advance, const struct payload_step_done *done, bool cancel_alarm)
{
    const struct workflow_step *definition;
    struct json_problem problem;
    json_t *step = waiting_step(advance, done->step, done->job, &definition);
    enum error error = done->error;

    if (step == NULL)
        return false;
    if (cancel_alarm)
        put_cancel(advance, (uint64_t)json_integer_value(json_object_get(step, "alarm")));
    json_object_del(step, "alarm");
    json_t *result =
        error == ERROR_OK && done->result.size <= RECORD_RESULT_MAX ? json_read(done->result, &problem) : NULL;
    if (error == ERROR_OK && result == NULL)
        error = done->result.size > RECORD_RESULT_MAX ? ERROR_TOO_LARGE : ERROR_GARBLED;
    if (error == ERROR_OK)
        step_ended(advance, step, "done", result);
    else
        take_else(advance, definition, step, error, done->detail);
    advance_run(advance);
    return true;
}

bool advance_alarm(struct advance *advance, const struct payload_alarm *alarm)
{
    const struct workflow_step *definition;
    json_t *step = waiting_step(advance, alarm->step, alarm->job, &definition);

    if (step == NULL)
        return false;
    put_cancel(advance, alarm->job);
    json_object_del(step, "alarm");
    take_else(advance, definition, step, ERROR_OFFLINE, SLICE("not done in time"));
    advance_run(advance);
    return true;
}

void advance_put_run(struct advance *advance)
{
    struct run *run = advance->run;
    struct buffer record = {NULL, 0, 0};

    if (run->state != RUN_OPEN)
        run_reduce_trigger(run);
    json_write(&record, run->record);
    if (record.size > RECORD_BYTES_MAX) {
        run_reduce_trigger(run);
        json_object_set_new(run->record, "steps", json_object());
        run_fail(run, ERROR_TOO_LARGE, "the run's trigger and results together are too large to keep", advance->now_ms);
        buffer_clear(&record);
        json_write(&record, run->record);
    }
    op_put_run(advance->ops, &(struct op_run){.run = run->id,
                                              .version = run->version,
                                              .workflow = slice_of(advance->workflow->name),
                                              .state = run->state,
                                              .record = buffer_slice(&record)});
    advance->op_count++;
    buffer_free(&record);
}
