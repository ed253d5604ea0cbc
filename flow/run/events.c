// SPDX-License-Identifier: MIT
#include "flow/run/machine_walk.h"
#include <stdio.h>
#include <string.h>

/* ---- a step that waits gets what it waited for ---- */

static void take_end(struct machine *machine, struct machine_step *step, const struct payload_step_done *done)
{
    struct json_problem problem;
    enum error error = done->error;
    json_t *result =
        error == ERROR_OK && done->result.size <= RECORD_RESULT_MAX ? json_read(done->result, &problem) : NULL;

    if (error == ERROR_OK && result == NULL)
        error = done->result.size > RECORD_RESULT_MAX ? ERROR_TOO_LARGE : ERROR_GARBLED;
    if (done->attempts > 0)
        json_object_set_new(step->entry, "attempts", json_integer((json_int_t)done->attempts));
    if (done->cost_micros != 0 && done->currency.size > 0) {
        json_object_set_new(step->entry, "cost_micros", json_integer(done->cost_micros));
        json_object_set_new(step->entry, "currency", json_stringn(done->currency.data, done->currency.size));
    }
    if (error == ERROR_OK)
        machine_end(machine, step, "done", result);
    else
        machine_fail(machine, step, error, done->detail);
}

/* A delay is over: the step has ended. A local step that had to wait its turn is begun again. */
static void take_wake(struct machine *machine, struct machine_step *step)
{
    if (step->definition->kind == NODE_SKILL && step->definition->skill->id == SKILL_APPROVE)
        machine->is_arrival_taken = approve_wake(machine, step);
    else if (step->definition->kind == NODE_SKILL && step->definition->skill->place == PLACE_LOCAL)
        machine_begin_step(machine, step);
    else
        machine_end(machine, step, "done", NULL);
}

void machine_take_arrival(struct machine *machine, struct machine_step *step)
{
    const struct machine_arrival *arrival = machine->arrival;
    uint64_t alarm = (uint64_t)json_integer_value(json_object_get(step->entry, "alarm"));

    machine->is_arrival_taken = true;
    switch (arrival->kind) {
    case ARRIVAL_DONE:
        if (alarm != 0 && arrival->cancel_alarm)
            machine_put_cancel(machine, alarm);
        json_object_del(step->entry, "alarm");
        take_end(machine, step, arrival->done);
        break;
    case ARRIVAL_ALARM:
        machine_put_cancel(machine, (uint64_t)json_integer_value(json_object_get(step->entry, "job")));
        json_object_del(step->entry, "alarm");
        machine_fail(machine, step, ERROR_OFFLINE, SLICE("not done in time"));
        break;
    case ARRIVAL_WAKE:
        json_object_del(step->entry, "alarm");
        take_wake(machine, step);
        break;
    case ARRIVAL_DECISION:
        machine->is_arrival_taken = approve_decide(machine, step, arrival->decision);
        break;
    }
}

/* ---- events ---- */

/* The waiting step of that name, or NULL. */
static json_t *waiting(struct machine *machine, struct slice instance, char name[RECORD_INSTANCE_MAX + 1])
{
    if (machine->run->state != RUN_OPEN || instance.size == 0 || instance.size > RECORD_INSTANCE_MAX)
        return NULL;
    snprintf(name, RECORD_INSTANCE_MAX + 1, "%.*s", (int)instance.size, instance.data);
    json_t *step = run_step(machine->run, name, false);
    return run_step_is(step, "waiting") ? step : NULL;
}

static bool holds(const json_t *step, const char *name, uint64_t id)
{
    return (uint64_t)json_integer_value(json_object_get(step, name)) == id;
}

/* What was written is known until the run's own operation is put, unless it never is. */
static bool forget_unless(struct machine *machine, bool is_taken)
{
    if (!is_taken || machine->is_wanting)
        machine_forget_written(machine);
    return is_taken || machine->is_wanting;
}

/* A second walk begins what the first passed by on its way to the step. */
static bool arrive(struct machine *machine, const struct machine_arrival *arrival)
{
    machine->arrival = arrival;
    machine->is_arrival_taken = false;
    machine_walk(machine);
    machine->arrival = NULL;
    if (machine->is_arrival_taken && !machine->is_wanting && !machine->is_full)
        machine_walk(machine);
    return forget_unless(machine, machine->is_arrival_taken);
}

void machine_go_on(struct machine *machine)
{
    machine_walk(machine);
    forget_unless(machine, true);
}

bool machine_step_done(struct machine *machine, const struct payload_step_done *done, bool cancel_alarm)
{
    char name[RECORD_INSTANCE_MAX + 1];
    const json_t *step = waiting(machine, done->step, name);

    return step != NULL && holds(step, "job", done->job) &&
           arrive(machine, &(struct machine_arrival){
                               .kind = ARRIVAL_DONE, .instance = name, .done = done, .cancel_alarm = cancel_alarm});
}

bool machine_alarm(struct machine *machine, const struct payload_alarm *alarm)
{
    char name[RECORD_INSTANCE_MAX + 1];
    const json_t *step = waiting(machine, alarm->step, name);

    return step != NULL && holds(step, "job", alarm->job) &&
           arrive(machine, &(struct machine_arrival){.kind = ARRIVAL_ALARM, .instance = name});
}

bool machine_wake(struct machine *machine, const struct payload_wake *wake)
{
    char name[RECORD_INSTANCE_MAX + 1];
    const json_t *step = waiting(machine, wake->step, name);

    return step != NULL && (wake->job == 0 || holds(step, "approval", wake->job)) &&
           arrive(machine, &(struct machine_arrival){.kind = ARRIVAL_WAKE, .instance = name});
}

bool machine_decide(struct machine *machine, const struct payload_decision *decision)
{
    char name[RECORD_INSTANCE_MAX + 1];
    const json_t *step = waiting(machine, decision->step, name);

    return step != NULL && holds(step, "approval", decision->approval) &&
           arrive(machine, &(struct machine_arrival){.kind = ARRIVAL_DECISION, .instance = name, .decision = decision});
}
