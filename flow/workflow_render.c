// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include "flow/civil.h"
#include "proto/check.h"
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

static bool wrong(const struct renderer *renderer, const char *why)
{
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
           wrong(renderer, problem.text);
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
        wrong(renderer, problem.text);
    if (good && field->kind == FIELD_line)
        flatten(&text);
    *value = NULL;
    if (good && (int64_t)text.size > field->high)
        good = wrong(renderer, "the rendered text is too long; use shorten()");
    else if (good && text.size == 0 && !field->is_required)
        ; /* left out */
    else if (good && (int64_t)text.size < field->low)
        good = wrong(renderer, "the rendered text is empty or too short; give it a value with default()");
    else if (good)
        *value = json_stringn(text.size > 0 ? text.data : "", text.size);
    buffer_free(&text);
    return good;
}

/* The rendered value of a number, or why it is none. */
static const char *number_misfit(const json_t *value, const struct skill_field *field)
{
    if (field->kind == FIELD_integer && !json_is_integer(value))
        return "the value is no integer; use minor(amount, currency) for money, round() otherwise";
    if (!json_is_number(value))
        return "the value is no number; use tonumber(text)";
    if (field->kind == FIELD_integer &&
        (json_integer_value(value) < field->low || json_integer_value(value) > field->high))
        return "the number is out of its bounds; see docs/workflows.md";
    if (field->kind == FIELD_number &&
        (json_number_value(value) < (double)field->low || json_number_value(value) > (double)field->high))
        return "the number is out of its bounds; see docs/workflows.md";
    return NULL;
}

static const char *turn_into_time(json_t **value)
{
    int64_t ms;

    if (json_is_integer(*value))
        return NULL;
    if (!json_is_string(*value) || !civil_read_instant(text_of(*value), &ms))
        return "the value is no time; give milliseconds or text like \"2026-11-22T09:30:00+01:00\"";
    json_decref(*value);
    *value = json_integer(ms);
    return NULL;
}

static bool render_value(const struct renderer *renderer, const json_t *template, const struct skill_field *field,
                         json_t **value)
{
    const char *misfit = NULL;

    if (!render_tree(renderer, template, value))
        return false;
    if (json_is_null(*value)) {
        json_decref(*value);
        *value = NULL;
        return !field->is_required || wrong(renderer, "there is no value; give it one with default(x, y)");
    }
    if (field->kind == FIELD_time)
        misfit = turn_into_time(value);
    else if (field->kind == FIELD_integer || field->kind == FIELD_number)
        misfit = number_misfit(*value, field);
    if (misfit == NULL)
        return true;
    json_decref(*value);
    *value = NULL;
    return wrong(renderer, misfit);
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
    } else if (field->kind == FIELD_name || field->kind == FIELD_choice || field->kind == FIELD_literal) {
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
    struct renderer renderer = {engine, workflow, step, step->skill->name, vars, problem};

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

bool workflow_render_unique(struct expression_engine *engine, const struct workflow *workflow, const json_t *vars,
                            struct buffer *key, struct text_problem *problem)
{
    struct renderer renderer = {engine, workflow, NULL, "unique", vars, problem};
    struct expression_problem why;
    size_t start = key->size;

    CHECK(workflow->unique != NULL);
    if (!expression_render(engine, slice_of(workflow->unique), vars, key, &why))
        return wrong(&renderer, why.text);
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
           wrong(&renderer, why.text);
}
