// SPDX-License-Identifier: MIT
#include "flow/run/machine_walk.h"
#include "flow/sha256.h"
#include "proto/check.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TASK_PRIORITY = 4, START_PRIORITY = 2 };

static size_t bytes_of(const json_t *value)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, value);
    size_t size = text.size;
    buffer_free(&text);
    return size;
}

static void keep_input(struct machine *machine, const struct machine_step *step, json_t *inputs)
{
    size_t size = bytes_of(inputs);

    machine->input_bytes += size;
    if (size <= RECORD_INPUT_MAX)
        json_object_set(step->entry, "input", inputs);
    else
        json_object_set_new(step->entry, "input", json_pack("{s:I}", "bytes", (json_int_t)size));
}

/* ---- steps for workers ---- */

static const char *unknown_name(enum on_unknown on_unknown)
{
    return on_unknown == UNKNOWN_RESEND ? "resend" : on_unknown == UNKNOWN_DROP ? "drop" : "ask";
}

static uint64_t put_task(struct machine *machine, const struct machine_step *step, const json_t *inputs)
{
    const struct workflow_step *definition = step->definition;
    struct buffer payload = {NULL, 0, 0}, input = {NULL, 0, 0};
    char gate[NAME_BYTES_MAX + 1];
    uint64_t id = machine_id(machine);

    json_write(&input, inputs);
    payload_put_task(&payload, &(struct payload_task){.run = machine->run->id,
                                                      .step = slice_of(step->instance),
                                                      .skill = slice_of(definition->skill->name),
                                                      .mode = SLICE("live"),
                                                      .input = buffer_slice(&input),
                                                      .attempts_max = definition->attempts_max,
                                                      .first_ms = definition->retry_first_ms,
                                                      .max_ms = definition->retry_max_ms,
                                                      .timeout_ms = definition->timeout_ms,
                                                      .on_unknown = slice_of(unknown_name(definition->on_unknown))});
    snprintf(gate, sizeof(gate), "%s/default", definition->skill->gate);
    op_put_push(machine->ops, &(struct op_push){.id = id,
                                                .queue = slice_of(skill_queue(definition->skill)),
                                                .priority = TASK_PRIORITY,
                                                .gate = slice_of(gate),
                                                .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                .payload = buffer_slice(&payload),
                                                .run = machine->run->id,
                                                .step = slice_of(step->instance)});
    machine->op_count++;
    buffer_free(&payload);
    buffer_free(&input);
    return id;
}

static uint64_t put_alarm(struct machine *machine, const struct machine_step *step, uint64_t job)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_alarm(&payload,
                      &(struct payload_alarm){.run = machine->run->id, .step = slice_of(step->instance), .job = job});
    uint64_t id = machine_put_event(machine, step, machine->now_ms + step->definition->unreachable_after_ms, &payload);
    buffer_free(&payload);
    return id;
}

static void wait_for_job(struct machine *machine, struct machine_step *step, uint64_t job)
{
    bool has_else = step->definition->otherwise != NULL || step->definition->otherwise_steps != NULL;

    run_step_set(step->entry, "waiting", machine->now_ms);
    json_object_set_new(step->entry, "job", json_integer((json_int_t)job));
    if (has_else && step->definition->unreachable_after_ms > 0)
        json_object_set_new(step->entry, "alarm", json_integer((json_int_t)put_alarm(machine, step, job)));
}

/* Shadow: what would have gone out is kept to be looked at; the run goes on with `else`, the only result there is. */
static void withhold(struct machine *machine, struct machine_step *step, const json_t *inputs)
{
    struct text_problem problem;
    json_t *result = NULL;

    if (step->definition->skill->id == SKILL_APPROVE)
        result = json_pack("{s:b, s:s, s:O, s:[], s:i}", "approved", 1, "decision", "shadow", "content",
                           json_object_get(inputs, "content"), "by", "edits", 0);
    else if (step->definition->otherwise == NULL)
        result = json_object();
    else if (!workflow_render_otherwise(machine->engine, machine->workflow, step->definition,
                                        machine_vars(machine, step->scope), &result, &problem)) {
        machine_fail_expression(machine, step, &problem);
        return;
    }
    machine_end(machine, step, "shadow", result);
}

/* ---- steps that wait ---- */

static void wait_until(struct machine *machine, struct machine_step *step, int64_t moment_ms)
{
    struct buffer payload = {NULL, 0, 0};

    run_step_set(step->entry, "waiting", machine->now_ms);
    payload_put_wake(&payload, &(struct payload_wake){.run = machine->run->id, .step = slice_of(step->instance)});
    uint64_t id = machine_put_event(machine, step, moment_ms, &payload);
    buffer_free(&payload);
    json_object_set_new(step->entry, "alarm", json_integer((json_int_t)id));
}

static int64_t whole(const json_t *inputs, const char *name)
{
    return json_integer_value(json_object_get(inputs, name));
}

static void delay(struct machine *machine, struct machine_step *step, const json_t *inputs)
{
    bool is_until = step->definition->skill->id == SKILL_UNTIL;
    int64_t moment_ms = is_until ? whole(inputs, "moment") : machine->now_ms + whole(inputs, "time");

    if (moment_ms <= machine->now_ms)
        machine_end(machine, step, "done", NULL);
    else
        wait_until(machine, step, moment_ms);
}

static void call(struct machine *machine, struct machine_step *step, const json_t *inputs)
{
    json_t *body = json_object_get(inputs, "input"), *record = machine->run->record;
    json_t *trigger =
        json_pack("{s:s, s:O, s:I, s:o}", "kind", "call", "workflow", json_object_get(record, "workflow"), "run",
                  (json_int_t)machine->run->id, "body", body != NULL ? json_incref(body) : json_object());
    struct buffer text = {NULL, 0, 0}, payload = {NULL, 0, 0};
    uint64_t child = machine_id(machine);
    json_t *old = json_object_get(json_at(record, "replay.calls"), step->instance);
    char key[24];

    snprintf(key, sizeof(key), "%" PRIu64, child); /* a CANCEL of the run that it begins comes behind it */
    json_write(&text, trigger);
    payload_put_start(
        &payload, &(struct payload_start){.workflow = json_text_at(inputs, "workflow"),
                                          .trigger = buffer_slice(&text),
                                          .run = child,
                                          .parent_run = machine->run->id,
                                          .parent_step = slice_of(step->instance),
                                          .depth = (uint64_t)json_integer_value(json_object_get(record, "depth")) + 1,
                                          .mode = run_is_live(machine->run) ? (struct slice){NULL, 0} : SLICE("shadow"),
                                          .replay_of = (uint64_t)json_integer_value(old)});
    op_put_push(machine->ops, &(struct op_push){.queue = SLICE("flow"),
                                                .priority = START_PRIORITY,
                                                .key = slice_of(key),
                                                .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                .payload = buffer_slice(&payload)});
    machine->op_count++;
    wait_for_job(machine, step, child);
    buffer_free(&payload);
    buffer_free(&text);
    json_decref(trigger);
}

static void begin_wait(struct machine *machine, struct machine_step *step, const json_t *inputs)
{
    switch (step->definition->skill->id) {
    case SKILL_DELAY:
    case SKILL_UNTIL:
        delay(machine, step, inputs);
        break;
    case SKILL_CALL:
        call(machine, step, inputs);
        break;
    case SKILL_APPROVE:
        if (run_is_live(machine->run))
            approve_begin(machine, step, inputs);
        else
            withhold(machine, step, inputs);
        break;
    default:
        CHECK(false);
    }
}

/* ---- steps that are done at once ---- */

static void begin_local(struct machine *machine, struct machine_step *step, const json_t *inputs)
{
    char problem[600] = "";
    json_t *result = NULL;
    enum error error = local_of(step->definition->skill->id)(machine, step, inputs, &result, problem, sizeof(problem));

    if (machine->is_wanting || machine->is_starved || step->wait_until_ms > 0) {
        json_decref(result);
        if (step->wait_until_ms > 0)
            wait_until(machine, step, step->wait_until_ms);
    } else if (error == ERROR_OK)
        machine_end(machine, step, "done", result);
    else
        machine_fail(machine, step, error, slice_of(problem));
}

static void begin_skill(struct machine *machine, struct machine_step *step, const json_t *vars)
{
    const struct skill *skill = step->definition->skill;
    struct text_problem problem;
    json_t *inputs = NULL;

    if (!workflow_render_inputs(machine->engine, machine->workflow, step->definition, vars, &inputs, &problem)) {
        machine_fail_expression(machine, step, &problem);
        return;
    }
    keep_input(machine, step, inputs);
    if (skill->place == PLACE_LOCAL)
        begin_local(machine, step, inputs);
    else if (skill->place == PLACE_WAIT)
        begin_wait(machine, step, inputs);
    else if (run_is_live(machine->run))
        wait_for_job(machine, step, put_task(machine, step, inputs));
    else
        withhold(machine, step, inputs);
    json_decref(inputs);
}

/* ---- steps with steps inside ---- */

static bool begin_switch(struct machine *machine, struct machine_step *step, const json_t *vars,
                         struct text_problem *problem)
{
    const struct workflow_block *block = NULL;

    if (!workflow_choose_block(machine->engine, machine->workflow, step->definition, vars, &block, problem))
        return false;
    if (block != NULL)
        json_object_set_new(step->entry, "block", json_integer((json_int_t)(block - step->definition->blocks)));
    return true;
}

/* What a repeated run has done of a list is known by the items' places, so the list must be the same. */
static bool is_same_list(struct machine *machine, struct machine_step *step, const json_t *items)
{
    json_t *old = json_object_get(json_at(machine->run->record, "replay.items"), step->instance);
    struct buffer text = {NULL, 0, 0};
    char hex[SHA256_HEX_BYTES];

    json_write(&text, items);
    sha256_hex(buffer_slice(&text), hex);
    buffer_free(&text);
    json_object_set_new(step->entry, "digest", json_string(hex));
    return old == NULL || strcmp(json_string_value(old), hex) == 0;
}

/* The list is kept, since a later look at the same expression could give another one. */
static bool begin_each(struct machine *machine, struct machine_step *step, const json_t *vars,
                       struct text_problem *problem)
{
    json_t *items = NULL;

    if (!workflow_render_items(machine->engine, machine->workflow, step->definition, vars, &items, problem))
        return false;
    if (bytes_of(items) > RECORD_RESULT_MAX) {
        json_decref(items);
        text_problem_set(problem, machine->workflow->file, step->definition->line, 1,
                         "%s: the list has more than %d KiB; keep only what the steps need of each item, say its id",
                         step->definition->id, RECORD_RESULT_MAX / 1024);
        return false;
    }
    bool is_same = is_same_list(machine, step, items);
    json_object_set_new(step->entry, "count", json_integer((json_int_t)json_array_size(items)));
    json_object_set_new(step->entry, "items", items);
    if (!is_same)
        text_problem_set(problem, machine->workflow->file, step->definition->line, 1,
                         "%s: the list is another one than in the run that is repeated, so what was done of it cannot "
                         "be told; begin a new run",
                         step->definition->id);
    return is_same;
}

static void begin_inside(struct machine *machine, struct machine_step *step, const json_t *vars)
{
    struct text_problem problem;
    bool good = true;

    if (step->definition->kind == NODE_SWITCH)
        good = begin_switch(machine, step, vars, &problem);
    else if (step->definition->kind == NODE_EACH)
        good = begin_each(machine, step, vars, &problem);
    if (good)
        run_step_set(step->entry, "running", machine->now_ms);
    else
        machine_fail_expression(machine, step, &problem);
}

void machine_begin_step(struct machine *machine, struct machine_step *step)
{
    const json_t *vars = machine_vars(machine, step->scope);
    struct text_problem problem;
    bool applies = true;

    if (!workflow_step_applies(machine->engine, machine->workflow, step->definition, vars, &applies, &problem))
        machine_fail_expression(machine, step, &problem);
    else if (!applies)
        machine_end(machine, step, "skipped", NULL);
    else if (step->definition->kind == NODE_SKILL)
        begin_skill(machine, step, vars);
    else
        begin_inside(machine, step, vars);
}
