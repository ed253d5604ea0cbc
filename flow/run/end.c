// SPDX-License-Identifier: MIT
#include "flow/run/machine_walk.h"
#include "proto/check.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FLOW_PRIORITY = 2 };

/* ---- jobs ---- */

uint64_t machine_id(struct machine *machine)
{
    CHECK(machine->ids_left > 0);
    machine->ids_left--;
    return (*machine->ids)++;
}

/* Id 0: the store gives the next one. */
static void put_flow(struct machine *machine, uint64_t id, int64_t due_ms, uint64_t run, struct slice step,
                     const struct buffer *payload)
{
    char key[24];

    snprintf(key, sizeof(key), "%" PRIu64, run);
    op_put_push(machine->ops, &(struct op_push){.id = id,
                                                .queue = SLICE("flow"),
                                                .due_ms = due_ms,
                                                .priority = FLOW_PRIORITY,
                                                .key = due_ms == 0 ? slice_of(key) : (struct slice){NULL, 0},
                                                .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                .payload = buffer_slice(payload),
                                                .run = run,
                                                .step = step});
    machine->op_count++;
}

uint64_t machine_put_event(struct machine *machine, const struct machine_step *step, int64_t due_ms,
                           const struct buffer *payload)
{
    uint64_t id = machine_id(machine);

    put_flow(machine, id, due_ms, machine->run->id, slice_of(step->instance), payload);
    return id;
}

uint64_t machine_put_notice(struct machine *machine, const struct machine_step *step, const char *skill,
                            const char *gate, const json_t *input)
{
    struct buffer payload = {NULL, 0, 0}, text = {NULL, 0, 0};
    uint64_t id = machine->ids_left > 0 ? machine_id(machine) : 0; /* 0: as put_flow() says; nobody withdraws it then */

    json_write(&text, input);
    payload_put_task(&payload, &(struct payload_task){.run = machine->run->id,
                                                      .step = slice_of(step->instance),
                                                      .skill = slice_of(skill),
                                                      .mode = SLICE("live"),
                                                      .input = buffer_slice(&text),
                                                      .attempts_max = 8,
                                                      .first_ms = 2000,
                                                      .max_ms = 600000,
                                                      .on_unknown = SLICE("drop")});
    op_put_push(machine->ops, &(struct op_push){.id = id,
                                                .queue = SLICE("publish"),
                                                .priority = FLOW_PRIORITY,
                                                .gate = slice_of(gate),
                                                .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                .payload = buffer_slice(&payload),
                                                .run = machine->run->id,
                                                .step = slice_of(step->instance)});
    machine->op_count++;
    buffer_free(&payload);
    buffer_free(&text);
    return id;
}

void machine_put_cancel(struct machine *machine, uint64_t job)
{
    if (job == 0)
        return;
    op_put_cancel(machine->ops, &(struct op_cancel){.job = job});
    machine->op_count++;
}

/* ---- a run is ended from outside, or by `end` ---- */

static void withdraw_step(struct machine *machine, const char *instance, json_t *entry)
{
    const size_t size = strcspn(instance, "#");
    struct machine_step step = {.definition = workflow_find_step(machine->workflow, (struct slice){instance, size}),
                                .entry = entry};
    uint64_t job = (uint64_t)json_integer_value(json_object_get(entry, "job"));

    snprintf(step.instance, sizeof(step.instance), "%s", instance);
    machine_put_cancel(machine, (uint64_t)json_integer_value(json_object_get(entry, "alarm")));
    if (step.definition != NULL && step.definition->skill != NULL && step.definition->skill->id == SKILL_APPROVE)
        approve_cancel(machine, &step);
    else if (step.definition != NULL && step.definition->skill != NULL && step.definition->skill->id == SKILL_CALL) {
        struct buffer payload = {NULL, 0, 0};
        payload_put_cancel(&payload, &(struct payload_cancel){.run = job, .who = SLICE("the run that called it")});
        put_flow(machine, 0, 0, job, (struct slice){NULL, 0}, &payload);
        buffer_free(&payload);
    } else
        machine_put_cancel(machine, job);
}

void machine_withdraw(struct machine *machine, const char *running_becomes)
{
    const char *instance;
    json_t *entry;

    json_object_foreach(json_object_get(machine->run->record, "steps"), instance, entry)
    {
        bool waits = run_step_is(entry, "waiting");
        if (waits && !machine->is_wanting)
            withdraw_step(machine, instance, entry);
        if (waits || run_step_is(entry, "running"))
            run_step_set(entry, waits ? "cancelled" : running_becomes, machine->now_ms);
    }
}

void machine_cancel(struct machine *machine, struct slice who)
{
    json_t *record = machine->run->record;

    if (machine->run->state != RUN_OPEN)
        return;
    machine_withdraw(machine, "cancelled");
    machine->run->state = RUN_CANCELLED;
    json_object_set_new(record, "ended_ms", json_integer(machine->now_ms));
    json_object_set_new(record, "cancelled_by", json_stringn(who.size ? who.data : "", who.size));
    if (machine->is_wanting)
        machine_forget_written(machine);
}

/* ---- the result ---- */

void machine_take_result(struct machine *machine, struct machine_scope *root)
{
    const struct workflow_block *steps = &machine->workflow->steps;
    struct text_problem problem;
    char text[800];
    json_t *result = NULL;

    if (machine->workflow->result != NULL) {
        if (workflow_render_result(machine->engine, machine->workflow, machine_vars(machine, root), &result, &problem))
            json_object_set_new(machine->run->record, "result", result);
        else {
            text_problem_print(&problem, text, sizeof(text));
            run_fail(machine->run, "", ERROR_EXPRESSION, text, machine->now_ms);
        }
        return;
    }
    const json_t *last = run_step(machine->run, steps->steps[steps->step_count - 1].id, false);
    json_t *value = json_object_get(last, "result");
    if (value != NULL)
        json_object_set(machine->run->record, "result", value);
}

/* ---- who waits for the end, and what follows it ---- */

static void tell_caller(struct machine *machine)
{
    json_t *record = machine->run->record, *result = json_object_get(record, "result");
    json_int_t parent = json_integer_value(json_at(record, "parent.run"));
    struct slice detail = json_text_at(record, "error.text");
    struct buffer payload = {NULL, 0, 0}, text = {NULL, 0, 0};

    if (parent == 0)
        return;
    if (machine->run->state == RUN_DONE && result != NULL)
        json_write(&text, result);
    else
        buffer_text(&text, "null");
    payload_put_step_done(&payload,
                          &(struct payload_step_done){.run = (uint64_t)parent,
                                                      .step = json_text_at(record, "parent.step"),
                                                      .job = machine->run->id,
                                                      .error = machine->run->state == RUN_DONE        ? ERROR_OK
                                                               : machine->run->state == RUN_CANCELLED ? ERROR_CANCELLED
                                                                                                      : ERROR_FAILED,
                                                      .result = buffer_slice(&text),
                                                      .detail = detail});
    put_flow(machine, 0, 0, (uint64_t)parent, json_text_at(record, "parent.step"), &payload);
    buffer_free(&payload);
    buffer_free(&text);
}

static bool follows(const struct machine *machine, const struct workflow *other)
{
    for (size_t i = 0; other->mode != WORKFLOW_OFF && i < other->trigger_count; i++) {
        const struct workflow_trigger *trigger = &other->triggers[i];
        if (trigger->kind == TRIGGER_AFTER && strcmp(trigger->name, machine->workflow->name) == 0 &&
            (trigger->after == AFTER_ANY || (trigger->after == AFTER_DONE) == (machine->run->state == RUN_DONE)))
            return machine->run->state != RUN_CANCELLED || trigger->after == AFTER_ANY;
    }
    return false;
}

static void start_follower(struct machine *machine, const struct workflow *other, uint64_t depth)
{
    json_t *record = machine->run->record, *result = json_object_get(record, "result");
    json_t *error = json_object_get(record, "error");
    json_t *trigger = json_pack("{s:s, s:s, s:I, s:s, s:O?, s:O?}", "kind", "after", "workflow",
                                machine->workflow->name, "run", (json_int_t)machine->run->id, "state",
                                run_state_name(machine->run->state), "result", result, "error", error);
    struct buffer payload = {NULL, 0, 0}, text = {NULL, 0, 0};

    json_write(&text, trigger);
    payload_put_start(&payload, &(struct payload_start){.workflow = slice_of(other->name),
                                                        .trigger = buffer_slice(&text),
                                                        .depth = depth,
                                                        .mode = run_is_live(machine->run) ? (struct slice){NULL, 0}
                                                                                          : SLICE("shadow")});
    op_put_push(machine->ops, &(struct op_push){.queue = SLICE("flow"),
                                                .priority = FLOW_PRIORITY,
                                                .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                                .payload = buffer_slice(&payload)});
    machine->op_count++;
    buffer_free(&payload);
    buffer_free(&text);
    json_decref(trigger);
}

static void start_followers(struct machine *machine)
{
    uint64_t depth = (uint64_t)json_integer_value(json_object_get(machine->run->record, "depth")) + 1;

    for (size_t i = 0; depth <= MACHINE_DEPTH_MAX && i < machine->other_count; i++)
        if (follows(machine, machine->others[i]))
            start_follower(machine, machine->others[i], depth);
}

static void put_go_on(struct machine *machine)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_go_on(&payload, &(struct payload_go_on){.run = machine->run->id});
    put_flow(machine, 0, 0, machine->run->id, (struct slice){NULL, 0}, &payload);
    buffer_free(&payload);
    machine->is_told_full = true;
}

/* ---- the record ---- */

static bool fits(const struct buffer *record)
{
    return record->size <= RECORD_BYTES_MAX && json_is_readable(buffer_slice(record));
}

/* Inputs are the first that a record past its bounds can do without. One that could not be read again would leave its
 * run open for ever. */
static void write_record(struct machine *machine, struct buffer *record)
{
    struct run *run = machine->run;
    const char *instance;
    json_t *step;

    json_write(record, run->record);
    if (fits(record))
        return;
    json_object_foreach(json_object_get(run->record, "steps"), instance, step) json_object_del(step, "input");
    buffer_clear(record);
    json_write(record, run->record);
    if (fits(record))
        return;
    if (run->state == RUN_OPEN)
        machine_withdraw(machine, "cancelled");
    run_reduce(run);
    json_object_set_new(run->record, "steps", json_object());
    json_object_del(run->record, "result");
    run_fail(run, "", ERROR_TOO_LARGE, "the run's trigger and results together are too large to keep", machine->now_ms);
    buffer_clear(record);
    json_write(record, run->record);
}

void machine_put_run(struct machine *machine)
{
    struct run *run = machine->run;
    struct buffer record = {NULL, 0, 0};

    if (run->state == RUN_OPEN && machine->is_full && !machine->is_told_full)
        put_go_on(machine);
    write_record(machine, &record);
    if (run->state != RUN_OPEN) {
        tell_caller(machine);
        start_followers(machine);
    }
    op_put_run(machine->ops, &(struct op_run){.run = run->id,
                                              .version = run->version,
                                              .workflow = slice_of(machine->workflow->name),
                                              .state = run->state,
                                              .record = buffer_slice(&record)});
    machine->op_count++;
    machine_forget_written(machine);
    buffer_free(&record);
}
