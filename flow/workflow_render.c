// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include "proto/check.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { UNIQUE_BYTES_MAX = 512 };

/* Where a rendering is: for problems. */
struct renderer {
    struct expression_engine *engine;
    const struct workflow *workflow;
    const struct workflow_step *step; /* NULL: the workflow itself */
    const char *what;                 /* field or key */
    const json_t *vars;
    struct text_problem *problem;
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct renderer *renderer, const char *format, ...)
{
    char why[sizeof renderer->problem->text];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    text_problem_set(renderer->problem, renderer->workflow->file, renderer->step ? renderer->step->line : 1, 1,
                     "%s%s%s: %s", renderer->step ? renderer->step->id : "", renderer->step ? "." : "", renderer->what,
                     why);
    return false;
}

static struct slice text_of(const json_t *value)
{
    return (struct slice){json_string_value(value), json_string_length(value)};
}

static bool value_of(const struct renderer *renderer, const json_t *text, json_t **value)
{
    struct expression_problem problem;

    return expression_value(renderer->engine, text_of(text), renderer->vars, value, &problem) ||
           wrong(renderer, "%s", problem.text);
}

/* The depth is that of the YAML file. */
static bool render_tree(const struct renderer *renderer, const json_t *tree, json_t **value)
{
    json_t *made, *item, *iterated = (json_t *)tree;

    if (json_is_string(tree))
        return value_of(renderer, tree, value);
    if (json_is_array(tree)) {
        made = json_array();
        for (size_t i = 0; i < json_array_size(tree); i++) {
            if (!render_tree(renderer, json_array_get(tree, i), &item)) {
                json_decref(made);
                return false;
            }
            json_array_append_new(made, item);
        }
    } else if (json_is_object(tree)) {
        made = json_object();
        for (void *at = json_object_iter(iterated); at != NULL; at = json_object_iter_next(iterated, at)) {
            if (!render_tree(renderer, json_object_iter_value(at), &item)) {
                json_decref(made);
                return false;
            }
            json_object_set_new(made, json_object_iter_key(at), item);
        }
    } else {
        made = json_deep_copy(tree);
    }
    *value = made;
    return true;
}

/* Line ends in a header would begin another header, so a line has none, whatever its values hold. */
static void flatten(struct buffer *text)
{
    for (size_t i = 0; i < text->size; i++)
        if ((unsigned char)text->data[i] < 0x20 || text->data[i] == 0x7f)
            text->data[i] = ' ';
    while (text->size > 0 && text->data[text->size - 1] == ' ')
        text->size--;
}

static bool render_text(const struct renderer *renderer, const json_t *template, const struct skill_field *field,
                        json_t **value)
{
    struct expression_problem problem;
    struct buffer text = {0};
    bool good = expression_render(renderer->engine, text_of(template), renderer->vars, &text, &problem);

    if (!good)
        wrong(renderer, "%s", problem.text);
    if (good && field->kind == FIELD_line)
        flatten(&text);
    *value = NULL;
    if (good && (int64_t)text.size > field->high)
        good = wrong(renderer, "the rendered text has %zu bytes, more than %lld; use shorten()", text.size,
                     (long long)field->high);
    else if (good && text.size == 0 && !field->is_required)
        ; /* left out */
    else if (good && (int64_t)text.size < field->low)
        good = wrong(renderer, "the rendered text is empty or too short; give it a value with default()");
    else if (good)
        *value = json_stringn(text.size > 0 ? text.data : "", text.size);
    buffer_free(&text);
    return good;
}

static bool in_bounds(const struct renderer *renderer, double value, const struct skill_field *field)
{
    return (value >= (double)field->low && value <= (double)field->high) ||
           wrong(renderer, "the number is out of its bounds; it may be from %lld to %lld", (long long)field->low,
                 (long long)field->high);
}

static bool check_number(const struct renderer *renderer, const json_t *value, const struct skill_field *field)
{
    if (field->kind == FIELD_number && json_is_number(value))
        return in_bounds(renderer, json_number_value(value), field);
    if (field->kind == FIELD_number)
        return wrong(renderer, "the value is no number; use tonumber(text)");
    if (!json_is_integer(value))
        return wrong(renderer, "the value is no integer; use minor(amount, currency) for money, round() otherwise");
    if (json_integer_value(value) < field->low || json_integer_value(value) > field->high)
        return in_bounds(renderer, json_number_value(value), field);
    return true;
}

static bool turn_into_time(const struct renderer *renderer, json_t **value)
{
    int64_t ms;

    if (json_is_integer(*value))
        return true;
    if (!json_is_string(*value) || !civil_read_instant(text_of(*value), &ms))
        return wrong(renderer, "the value is no time; give milliseconds or text like \"2026-11-22T09:30:00+01:00\"");
    json_decref(*value);
    *value = json_integer(ms);
    return true;
}

static bool turn_into_duration(const struct renderer *renderer, const struct skill_field *field, json_t **value)
{
    struct buffer bounds = {0};
    int64_t ms = json_integer_value(*value);

    if (!json_is_integer(*value) && !(json_is_string(*value) && duration_parse(text_of(*value), &ms)))
        return wrong(renderer, "the value is no duration; give milliseconds or text like \"90s\"");
    if (ms < field->low || ms > field->high) {
        duration_print(&bounds, field->low);
        buffer_text(&bounds, " to ");
        duration_print(&bounds, field->high);
        wrong(renderer, "the duration is out of its bounds; it may be from %.*s", (int)bounds.size, bounds.data);
        buffer_free(&bounds);
        return false;
    }
    json_decref(*value);
    *value = json_integer(ms);
    return true;
}

static bool turn_into_flag(const struct renderer *renderer, json_t **value)
{
    struct slice text = text_of(*value);
    bool flag = json_is_true(*value) || slice_is(text, "true");

    if (!json_is_boolean(*value) && !flag && !slice_is(text, "false"))
        return wrong(renderer, "the value is neither true nor false; write a comparison such as x == 1");
    json_decref(*value);
    *value = json_boolean(flag);
    return true;
}

static bool fit(const struct renderer *renderer, const struct skill_field *field, json_t **value)
{
    switch (field->kind) {
    case FIELD_time:
        return turn_into_time(renderer, value);
    case FIELD_duration:
        return turn_into_duration(renderer, field, value);
    case FIELD_flag:
        return turn_into_flag(renderer, value);
    case FIELD_integer:
    case FIELD_number:
        return check_number(renderer, *value, field);
    default:
        return true;
    }
}

static bool render_value(const struct renderer *renderer, const json_t *template, const struct skill_field *field,
                         json_t **value)
{
    if (!render_tree(renderer, template, value))
        return false;
    if (json_is_null(*value)) {
        json_decref(*value);
        *value = NULL;
        return !field->is_required || wrong(renderer, "there is no value; give it one with default(x, y)");
    }
    if (fit(renderer, field, value))
        return true;
    json_decref(*value);
    *value = NULL;
    return false;
}

static bool render_field(struct renderer *renderer, const struct skill_field *field, json_t *inputs)
{
    const json_t *template = json_object_get(renderer->step->fields, field->name);
    json_t *value = NULL;

    if (template == NULL)
        return true;
    renderer->what = field->name;
    if (field->kind == FIELD_line || field->kind == FIELD_text) {
        if (!render_text(renderer, template, field, &value))
            return false;
    } else if (field->kind == FIELD_name || field->kind == FIELD_path || field->kind == FIELD_choice ||
               field->kind == FIELD_literal) {
        value = json_deep_copy(template);
    } else if (!render_value(renderer, template, field, &value)) {
        return false;
    }
    if (value != NULL)
        json_object_set_new(inputs, field->name, value);
    return true;
}

bool workflow_render_inputs(struct expression_engine *engine, const struct workflow *workflow,
                            const struct workflow_step *step, const json_t *vars, json_t **inputs,
                            struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, step, "", vars, problem};

    CHECK(step->kind == NODE_SKILL);
    *inputs = json_object();
    for (size_t i = 0; i < step->skill->field_count; i++)
        if (!render_field(&renderer, &step->skill->fields[i], *inputs)) {
            json_decref(*inputs);
            *inputs = NULL;
            return false;
        }
    return true;
}

bool workflow_render_otherwise(struct expression_engine *engine, const struct workflow *workflow,
                               const struct workflow_step *step, const json_t *vars, json_t **result,
                               struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, step, "else", vars, problem};

    CHECK(step->otherwise != NULL);
    *result = NULL;
    return render_tree(&renderer, step->otherwise, result);
}

bool workflow_render_result(struct expression_engine *engine, const struct workflow *workflow, const json_t *vars,
                            json_t **result, struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, NULL, "result", vars, problem};

    CHECK(workflow->result != NULL);
    *result = NULL;
    return render_tree(&renderer, workflow->result, result);
}

bool workflow_render_unique(struct expression_engine *engine, const struct workflow *workflow, const json_t *vars,
                            struct buffer *key, struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, NULL, "unique", vars, problem};
    struct expression_problem why;
    size_t start = key->size;

    CHECK(workflow->unique != NULL);
    if (!expression_render(engine, slice_of(workflow->unique), vars, key, &why))
        return wrong(&renderer, "%s", why.text);
    if (key->size > start && key->size - start <= UNIQUE_BYTES_MAX)
        return true;
    key->size = start;
    return wrong(&renderer, "the key is empty or longer than 512 bytes; use the ids of what must not run twice");
}

bool workflow_step_applies(struct expression_engine *engine, const struct workflow *workflow,
                           const struct workflow_step *step, const json_t *vars, bool *applies,
                           struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, step, "when", vars, problem};
    struct expression_problem why;

    *applies = true;
    return step->when == NULL || expression_truth(engine, slice_of(step->when), vars, applies, &why) ||
           wrong(&renderer, "%s", why.text);
}

bool workflow_choose_block(struct expression_engine *engine, const struct workflow *workflow,
                           const struct workflow_step *step, const json_t *vars, const struct workflow_block **block,
                           struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, step, "switch", vars, problem};
    struct expression_problem why;
    struct buffer text = {0};

    CHECK(step->kind == NODE_SWITCH);
    *block = NULL;
    if (!expression_render(engine, slice_of(step->of), vars, &text, &why))
        return wrong(&renderer, "%s", why.text);
    for (size_t i = 0; i < step->block_count && *block == NULL; i++)
        if (step->blocks[i].name == NULL || slice_is(buffer_slice(&text), step->blocks[i].name))
            *block = &step->blocks[i];
    buffer_free(&text);
    return true;
}

bool workflow_render_items(struct expression_engine *engine, const struct workflow *workflow,
                           const struct workflow_step *step, const json_t *vars, json_t **items,
                           struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, step, "for_each", vars, problem};
    struct expression_problem why;
    json_t *value;

    CHECK(step->kind == NODE_EACH);
    *items = NULL;
    if (!expression_value(engine, slice_of(step->of), vars, &value, &why))
        return wrong(&renderer, "%s", why.text);
    if (json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0)) {
        json_decref(value);
        value = json_array();
    }
    if (json_is_array(value) && json_array_size(value) <= step->at_most) {
        *items = value;
        return true;
    }
    if (json_is_array(value))
        wrong(&renderer, "the list has %zu items, and at_most is %u; raise at_most (up to %d) or shorten the list",
              json_array_size(value), step->at_most, WORKFLOW_ITEMS_MAX);
    else
        wrong(&renderer, "the value is a %s and no list",
              json_is_object(value)   ? "table with names"
              : json_is_string(value) ? "text"
                                      : "single value");
    json_decref(value);
    return false;
}
