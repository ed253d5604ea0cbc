// SPDX-License-Identifier: MIT
#include "flow/run/machine.h"
#include "flow/run/machine_priv.h"
#include "flow/run/machine_walk.h"
#include "proto/check.h"
#include <stdio.h>
#include <string.h>

/* Room that the end of a commit needs: the run, who waits for it, and what follows it. */
enum { OPS_RESERVE = 80, IDS_RESERVE = 8 };

/* ---- what expressions see ---- */

static void scope_fini(struct machine_scope *scope)
{
    json_decref(scope->vars);
    scope->vars = NULL;
}

/* Inside a for_each, steps.ID is this item's. */
static void show_items_steps(const struct machine *machine, const struct machine_scope *scope, json_t *steps)
{
    for (size_t i = 0; i < machine->workflow->all_count; i++) {
        const struct workflow_step *definition = machine->workflow->all[i];
        char instance[RECORD_INSTANCE_MAX + 1];
        snprintf(instance, sizeof(instance), "%s%s", definition->id, scope->suffix);
        json_t *entry = run_step(machine->run, instance, false);
        if (entry != NULL)
            json_object_set_new(steps, definition->id, run_step_view(entry));
    }
}

const json_t *machine_vars(struct machine *machine, struct machine_scope *scope)
{
    if (scope->vars != NULL)
        return scope->vars;
    if (scope->outer == NULL) {
        scope->vars = run_vars(machine->run, machine->shop, machine->now_ms);
        return scope->vars;
    }
    const json_t *outer = machine_vars(machine, scope->outer);
    json_t *steps = json_copy(json_object_get(outer, "steps"));
    scope->vars = json_copy((json_t *)outer);
    show_items_steps(machine, scope, steps);
    json_object_set_new(scope->vars, "steps", steps);
    json_object_set(scope->vars, scope->each->item, scope->item);
    json_object_set_new(scope->vars, "index", json_integer((json_int_t)scope->index));
    return scope->vars;
}

/* The entry of a step has changed: expressions of later steps see it. */
static void tell(const struct machine_step *step)
{
    if (step->scope->vars != NULL)
        json_object_set_new(json_object_get(step->scope->vars, "steps"), step->definition->id,
                            run_step_view(step->entry));
}

/* ---- how a step ends ---- */

void machine_end(struct machine *machine, struct machine_step *step, const char *state, json_t *result)
{
    json_object_set_new(step->entry, "result", result != NULL ? result : json_null());
    json_object_del(step->entry, "items");
    run_step_set(step->entry, state, machine->now_ms);
    tell(step);
}

static json_t *cut_text(struct slice text)
{
    struct slice cut = {text.data, text.size > RECORD_TEXT_MAX ? RECORD_TEXT_MAX : text.size};

    while (cut.size > 0 && !slice_is_utf8(cut))
        cut.size--;
    return json_stringn(cut.size ? cut.data : "", cut.size);
}

static void set_failed(struct machine *machine, struct machine_step *step)
{
    run_step_set(step->entry, "failed", machine->now_ms);
    tell(step);
}

/* A mistake in the definition, or what its data made of it: no `else` hides it. */
void machine_fail_expression(struct machine *machine, struct machine_step *step, const struct text_problem *problem)
{
    char text[800];

    text_problem_print(problem, text, sizeof(text));
    json_object_set_new(step->entry, "error", json_string(error_name(ERROR_EXPRESSION)));
    json_object_set_new(step->entry, "text", cut_text(slice_of(text)));
    set_failed(machine, step);
}

static void take_else(struct machine *machine, struct machine_step *step)
{
    struct text_problem problem;
    json_t *result = NULL;

    if (step->definition->otherwise_steps != NULL) {
        json_object_set_new(step->entry, "in_else", json_true());
        run_step_set(step->entry, "running", machine->now_ms);
        tell(step);
    } else if (workflow_render_otherwise(machine->engine, machine->workflow, step->definition,
                                         machine_vars(machine, step->scope), &result, &problem))
        machine_end(machine, step, "else", result);
    else
        machine_fail_expression(machine, step, &problem);
}

void machine_fail(struct machine *machine, struct machine_step *step, enum error error, struct slice detail)
{
    json_object_set_new(step->entry, "error", json_string(error_name(error)));
    if (detail.size > 0)
        json_object_set_new(step->entry, "text", cut_text(detail));
    tell(step);
    if (step->definition->otherwise == NULL && step->definition->otherwise_steps == NULL) {
        set_failed(machine, step);
        return;
    }
    machine->else_error = error;
    take_else(machine, step);
}

/* ---- blocks ---- */

static struct machine_step step_at(const struct machine *machine, const struct workflow_step *definition,
                                   struct machine_scope *scope)
{
    struct machine_step step = {.definition = definition, .scope = scope};

    CHECK((size_t)snprintf(step.instance, sizeof(step.instance), "%s%s", definition->id, scope->suffix) <
          sizeof(step.instance));
    step.entry = run_step(machine->run, step.instance, false);
    return step;
}

static bool must_stop(const struct machine *machine)
{
    return machine->is_wanting || machine->is_full || machine->run->state != RUN_OPEN;
}

static enum walked walk_block(struct machine *machine, const struct workflow_block *block, struct machine_scope *scope)
{
    for (size_t i = 0; i < block->step_count; i++) {
        enum walked walked = walk_step(machine, &block->steps[i], scope);
        if (walked != WALK_ENDED)
            return walked;
    }
    return WALK_ENDED;
}

/* The result of a block is its last step's. */
static json_t *block_result(const struct machine *machine, const struct workflow_block *block,
                            struct machine_scope *scope)
{
    if (block->step_count == 0)
        return json_null();
    struct machine_step last = step_at(machine, &block->steps[block->step_count - 1], scope);
    json_t *result = json_object_get(last.entry, "result");
    return result != NULL ? json_incref(result) : json_null();
}

/* The failed step of a block: the one that its walk stopped at. */
static json_t *failed_entry(const struct machine *machine, const struct workflow_block *block,
                            struct machine_scope *scope, char *instance)
{
    for (size_t i = 0; i < block->step_count; i++) {
        struct machine_step step = step_at(machine, &block->steps[i], scope);
        if (step.entry != NULL && run_step_is(step.entry, "failed")) {
            struct slice origin = json_text_at(step.entry, "failed");
            snprintf(instance, RECORD_INSTANCE_MAX + 1, "%.*s",
                     (int)(origin.size ? origin.size : strlen(step.instance)),
                     origin.size ? origin.data : step.instance);
            return step.entry;
        }
    }
    return NULL;
}

static struct machine_scope scope_of_item(struct machine_scope *outer, const struct machine_step *each, size_t index)
{
    struct machine_scope scope = {.outer = outer,
                                  .each = each->definition,
                                  .item = json_array_get(json_object_get(each->entry, "items"), index),
                                  .index = index};

    CHECK((size_t)snprintf(scope.suffix, sizeof(scope.suffix), "%s%s%zu", outer->suffix, outer->suffix[0] ? "." : "#",
                           index) < sizeof(scope.suffix));
    return scope;
}

static enum walked combine(bool waits, bool failed)
{
    return waits ? WALK_WAITS : failed ? WALK_FAILED : WALK_ENDED;
}

static enum walked walk_parallel(struct machine *machine, const struct machine_step *step)
{
    bool waits = false, failed = false;

    for (size_t i = 0; i < step->definition->block_count; i++) {
        enum walked walked = walk_block(machine, &step->definition->blocks[i], step->scope);
        waits = waits || walked == WALK_WAITS;
        failed = failed || walked == WALK_FAILED;
    }
    return combine(waits, failed);
}

static enum walked walk_items(struct machine *machine, const struct machine_step *step)
{
    size_t count = json_array_size(json_object_get(step->entry, "items")), open = 0;
    bool failed = false;

    for (size_t i = 0; i < count && open < step->definition->at_once; i++) {
        struct machine_scope scope = scope_of_item(step->scope, step, i);
        enum walked walked = walk_block(machine, step->definition->blocks, &scope);
        scope_fini(&scope);
        open += walked == WALK_WAITS;
        failed = failed || walked == WALK_FAILED;
    }
    return combine(open > 0, failed);
}

/* The block that a switch chose when it began, or NULL when none fitted. */
static const struct workflow_block *chosen_block(const struct machine_step *step)
{
    const json_t *index = json_object_get(step->entry, "block");
    json_int_t block = json_is_integer(index) ? json_integer_value(index) : -1;

    return block >= 0 && (size_t)block < step->definition->block_count ? &step->definition->blocks[block] : NULL;
}

static enum walked walk_blocks(struct machine *machine, const struct machine_step *step)
{
    const struct workflow_block *chosen;

    switch (step->definition->kind) {
    case NODE_PARALLEL:
        return walk_parallel(machine, step);
    case NODE_EACH:
        return walk_items(machine, step);
    case NODE_SWITCH:
        chosen = chosen_block(step);
        return chosen != NULL ? walk_block(machine, chosen, step->scope) : WALK_ENDED;
    case NODE_DO:
        return walk_block(machine, step->definition->blocks, step->scope);
    case NODE_SKILL:
        break;
    }
    CHECK(false);
    return WALK_FAILED;
}

/* ---- the end of a step with steps inside ---- */

static json_t *items_result(struct machine *machine, const struct machine_step *step)
{
    size_t count = json_array_size(json_object_get(step->entry, "items"));
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        struct machine_scope scope = scope_of_item(step->scope, step, i);
        json_array_append_new(list, block_result(machine, step->definition->blocks, &scope));
    }
    return list;
}

static json_t *inner_result(struct machine *machine, const struct machine_step *step)
{
    const struct workflow_step *definition = step->definition;
    const struct workflow_block *chosen;
    json_t *result;

    switch (definition->kind) {
    case NODE_PARALLEL:
        result = json_object();
        for (size_t i = 0; i < definition->block_count; i++)
            json_object_set_new(result, definition->blocks[i].name,
                                block_result(machine, &definition->blocks[i], step->scope));
        return result;
    case NODE_EACH:
        return items_result(machine, step);
    case NODE_SWITCH:
        chosen = chosen_block(step);
        return json_pack("{s:s?, s:o}", "case", chosen != NULL ? chosen->name : NULL, "result",
                         chosen != NULL ? block_result(machine, chosen, step->scope) : json_null());
    default:
        return block_result(machine, definition->blocks, step->scope);
    }
}

/* The first failed step in the order of the text is the one that is told. */
static json_t *find_failure(struct machine *machine, const struct machine_step *step, char *instance)
{
    const struct workflow_step *definition = step->definition;
    json_t *failed = NULL;

    if (definition->kind == NODE_EACH) {
        size_t count = json_array_size(json_object_get(step->entry, "items"));
        for (size_t i = 0; i < count && failed == NULL; i++) {
            struct machine_scope scope = scope_of_item(step->scope, step, i);
            failed = failed_entry(machine, definition->blocks, &scope, instance);
        }
        return failed;
    }
    for (size_t i = 0; i < definition->block_count && failed == NULL; i++)
        failed = failed_entry(machine, &definition->blocks[i], step->scope, instance);
    return failed;
}

static enum walked walked_of(const struct machine *machine, const struct machine_step *step)
{
    if (must_stop(machine) || run_step_is(step->entry, "waiting") || run_step_is(step->entry, "running"))
        return WALK_WAITS;
    return run_step_is(step->entry, "failed") ? WALK_FAILED : WALK_ENDED;
}

/* Its error is that of the step that failed. */
static void fail_by(struct machine *machine, struct machine_step *step, json_t *failed, const char *instance,
                    bool may_take_else)
{
    static const char *const told[] = {"error", "text"};

    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (json_object_get(failed, told[i]) != NULL)
            json_object_set(step->entry, told[i], json_object_get(failed, told[i]));
    json_object_set_new(step->entry, "failed", json_string(instance));
    tell(step);
    bool is_mistake = slice_is(json_text_at(failed, "error"), error_name(ERROR_EXPRESSION));
    bool has_else = step->definition->otherwise != NULL || step->definition->otherwise_steps != NULL;
    if (may_take_else && has_else && !is_mistake) {
        if (machine->else_error == ERROR_OK)
            machine->else_error = ERROR_FAILED;
        take_else(machine, step);
    } else
        set_failed(machine, step);
}

static enum walked walk_else(struct machine *machine, struct machine_step *step)
{
    const struct workflow_block *block = step->definition->otherwise_steps;
    enum walked walked = walk_block(machine, block, step->scope);
    char instance[RECORD_INSTANCE_MAX + 1] = "";

    if (walked == WALK_WAITS)
        return WALK_WAITS;
    if (walked == WALK_ENDED)
        machine_end(machine, step, "else", block_result(machine, block, step->scope));
    else
        fail_by(machine, step, failed_entry(machine, block, step->scope, instance), instance, false);
    return walked_of(machine, step);
}

enum walked walk_inside(struct machine *machine, struct machine_step *step)
{
    char instance[RECORD_INSTANCE_MAX + 1] = "";

    if (json_is_true(json_object_get(step->entry, "in_else")))
        return walk_else(machine, step);
    enum walked walked = walk_blocks(machine, step);
    if (walked == WALK_WAITS || must_stop(machine))
        return WALK_WAITS;
    if (walked == WALK_ENDED) {
        machine_end(machine, step, "done", inner_result(machine, step));
        return WALK_ENDED;
    }
    json_t *failed = find_failure(machine, step, instance);
    fail_by(machine, step, failed, instance, true);
    if (run_step_is(step->entry, "running"))
        return walk_else(machine, step);
    return walked_of(machine, step);
}

/* ---- one step ---- */

static bool is_budget_spent(struct machine *machine)
{
    if (machine->steps_begun >= MACHINE_STEPS_MAX || machine->input_bytes >= MACHINE_INPUT_BYTES_MAX ||
        machine->op_count + OPS_RESERVE > MACHINE_OPS_MAX || machine->ids_left < IDS_RESERVE)
        machine->is_full = true;
    return machine->is_full;
}

static enum walked begin(struct machine *machine, struct machine_step *step)
{
    if (machine->arrival != NULL && !machine->is_arrival_taken) /* first what has come, lest there be no room for it */
        return WALK_WAITS;
    if (machine->waiting >= MACHINE_WAITS_MAX || is_budget_spent(machine))
        return WALK_WAITS;
    bool is_too_many = json_object_size(json_object_get(machine->run->record, "steps")) >= RECORD_STEPS_MAX;
    machine->steps_begun++;
    step->entry = run_step(machine->run, step->instance, true);
    if (is_too_many) {
        json_object_set_new(step->entry, "error", json_string(error_name(ERROR_TOO_LARGE)));
        json_object_set_new(step->entry, "text", json_string("the run has more steps than a run may have"));
        set_failed(machine, step);
    } else
        machine_begin_step(machine, step);
    if (machine->is_wanting)
        return WALK_WAITS;
    if (machine->is_starved) { /* as if it had not been begun */
        json_object_del(json_object_get(machine->run->record, "steps"), step->instance);
        machine->is_starved = false;
        return WALK_WAITS;
    }
    tell(step);
    machine->waiting += run_step_is(step->entry, "waiting");
    if (run_step_is(step->entry, "running") && !must_stop(machine))
        return walk_inside(machine, step);
    return walked_of(machine, step);
}

enum walked walk_step(struct machine *machine, const struct workflow_step *definition, struct machine_scope *scope)
{
    struct machine_step step = step_at(machine, definition, scope);

    if (must_stop(machine))
        return WALK_WAITS;
    if (step.entry == NULL)
        return begin(machine, &step);
    if (run_step_is(step.entry, "waiting") && machine->arrival != NULL && !machine->is_arrival_taken &&
        strcmp(machine->arrival->instance, step.instance) == 0) {
        machine_take_arrival(machine, &step);
        if (run_step_is(step.entry, "running") && !must_stop(machine))
            return walk_inside(machine, &step);
        return walked_of(machine, &step);
    }
    if (run_step_is(step.entry, "running"))
        return walk_inside(machine, &step);
    return walked_of(machine, &step);
}

/* ---- the run ---- */

static void begin_to_fail(struct machine *machine, struct machine_scope *root)
{
    char instance[RECORD_INSTANCE_MAX + 1] = "";
    json_t *failed = failed_entry(machine, &machine->workflow->steps, root, instance);
    struct slice text = json_text_at(failed, "text"), error = json_text_at(failed, "error");

    json_object_set_new(machine->run->record, "error",
                        json_pack("{s:s, s:s%, s:s%}", "step", instance, "error", error.size ? error.data : "",
                                  error.size, "text", text.size ? text.data : "", text.size));
    json_object_set_new(machine->run->record, "failing", json_true());
    scope_fini(root); /* from here on expressions see the error */
}

static void end_run(struct machine *machine, enum run_state state)
{
    machine->run->state = state;
    json_object_set_new(machine->run->record, "ended_ms", json_integer(machine->now_ms));
}

static void walk_top(struct machine *machine, struct machine_scope *root)
{
    json_t *record = machine->run->record;
    enum walked walked;

    if (!json_is_true(json_object_get(record, "failing"))) {
        walked = walk_block(machine, &machine->workflow->steps, root);
        if (walked == WALK_WAITS || must_stop(machine))
            return;
        if (walked == WALK_ENDED) {
            end_run(machine, RUN_DONE);
            machine_take_result(machine, root);
            return;
        }
        begin_to_fail(machine, root);
    }
    walked = walk_block(machine, &machine->workflow->on_failure, root);
    if (walked != WALK_WAITS && !must_stop(machine))
        end_run(machine, RUN_FAILED);
}

static size_t count_waiting(const struct machine *machine)
{
    const char *instance;
    json_t *step;
    size_t count = 0;

    json_object_foreach(json_object_get(machine->run->record, "steps"), instance, step)
    {
        count += run_step_is(step, "waiting");
    }
    return count;
}

void machine_walk(struct machine *machine)
{
    struct machine_scope root = {.outer = NULL};

    machine->waiting = count_waiting(machine);

    if (machine->run->state == RUN_OPEN)
        walk_top(machine, &root);
    scope_fini(&root);
}
