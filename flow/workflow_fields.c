// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include <stdlib.h>
#include <string.h>

static bool is_expression(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && strstr(node->text, "{{") != NULL;
}

static bool read_fixed(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                       json_t **value)
{
    char *name = NULL;

    if (is_expression(node))
        return wrong_at(reader, node, "%s is fixed when the file is read; write it without {{ }}", field->name);
    if (field->kind == FIELD_choice) {
        if (read_scalar(reader, node, field->name) == NULL)
            return false;
        if (!skill_has_choice(field->choices, node->text))
            return wrong_at(reader, node, "%s \"%.64s\" is unknown; write one of: %s", field->name, node->text,
                            field->choices);
        *value = json_string(node->text);
        return true;
    }
    if (!read_name(reader, node, field->name, field->kind == FIELD_path, &name))
        return false;
    *value = json_string(name);
    free(name);
    return true;
}

static bool read_real(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                      json_t **value)
{
    if (!read_tree(reader, node, false, value))
        return false;
    if (json_is_number(*value) && json_number_value(*value) >= (double)field->low &&
        json_number_value(*value) <= (double)field->high)
        return true;
    json_decref(*value);
    return wrong_at(reader, node, "%s is no such number; write one from %lld to %lld", field->name,
                    (long long)field->low, (long long)field->high);
}

static bool read_time(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                      json_t **value)
{
    int64_t ms;

    if (read_scalar(reader, node, field->name) == NULL)
        return false;
    if (!civil_read_instant((struct slice){node->text, node->size}, &ms))
        return wrong_at(reader, node,
                        "%s \"%.40s\" is no time; write one like \"2026-11-22T09:30:00+01:00\" or an expression",
                        field->name, node->text);
    *value = json_integer(ms);
    return true;
}

/* What is written as it is has its kind and bounds now; an expression has them when it is rendered. */
static bool read_measured(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                          json_t **value)
{
    int64_t number = 0;
    bool flag = false;

    switch (field->kind) {
    case FIELD_number:
        return read_real(reader, node, field, value);
    case FIELD_time:
        return read_time(reader, node, field, value);
    case FIELD_flag:
        if (!read_flag(reader, node, field->name, &flag))
            return false;
        *value = json_boolean(flag);
        return true;
    default:
        if (field->kind == FIELD_duration ? !read_duration(reader, node, field->name, field->low, field->high, &number)
                                          : !read_integer(reader, node, field->name, field->low, field->high, &number))
            return false;
        *value = json_integer(number);
        return true;
    }
}

static bool read_rendered(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                          json_t **value)
{
    char *text = NULL;

    if (!read_template(reader, node, field->name, false, &text))
        return false;
    if ((field->kind == FIELD_line || field->kind == FIELD_text) && !is_expression(node) &&
        ((int64_t)node->size < field->low || (int64_t)node->size > field->high)) {
        free(text);
        return wrong_at(reader, node, "%s has %zu bytes; write %lld to %lld", field->name, node->size,
                        (long long)field->low, (long long)field->high);
    }
    *value = json_stringn(text, node->size);
    free(text);
    return *value != NULL || wrong_at(reader, node, "the text is no valid UTF-8; save the file as UTF-8");
}

static bool read_map(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                     json_t **value)
{
    bool is_rendered = field->kind == FIELD_map;

    if (node->kind != YAML_MAP)
        return wrong_at(reader, node, "%s wants a map; write %s", field->name,
                        is_rendered ? "{name: \"{{ value }}\"}" : "{name: value}");
    return read_tree(reader, node, is_rendered, value);
}

static bool read_field(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                       json_t *fields)
{
    json_t *value = NULL;
    bool good;

    switch (field->kind) {
    case FIELD_name:
    case FIELD_path:
    case FIELD_choice:
        good = read_fixed(reader, node, field, &value);
        break;
    case FIELD_map:
    case FIELD_literal:
        good = read_map(reader, node, field, &value);
        break;
    case FIELD_value:
        good = read_tree(reader, node, true, &value);
        break;
    case FIELD_line:
    case FIELD_text:
        good = read_rendered(reader, node, field, &value);
        break;
    default:
        good = is_expression(node) ? read_rendered(reader, node, field, &value)
                                   : read_measured(reader, node, field, &value);
    }
    if (good)
        json_object_set_new(fields, field->name, value);
    return good;
}

static bool read_fields(struct workflow_reader *reader, const struct yaml_node *map, struct workflow_step *step)
{
    const char *known[SKILL_FIELDS_MAX + 1] = {NULL};

    for (size_t i = 0; i < step->skill->field_count; i++)
        known[i] = step->skill->fields[i].name;
    if (!read_keys(reader, map, known))
        return false;
    for (const struct yaml_node *node = map->child; node != NULL; node = node->next) {
        if (json_object_get(step->fields, node->key) != NULL)
            return wrong_at(reader, node, "%s stands twice: behind %s and under with; leave one out", node->key,
                            step->skill->name);
        if (!read_field(reader, node, skill_field_find(step->skill, node->key), step->fields))
            return false;
    }
    return true;
}

/* "- end:" and the like: nothing is said, and nothing need be. */
static bool is_nothing(const struct yaml_node *node, const struct skill *skill)
{
    return node->kind == YAML_SCALAR && node->size == 0 && !node->quoted && !skill->fields[0].is_required;
}

bool read_skill(struct workflow_reader *reader, const struct yaml_node *step_node, const struct yaml_node *node,
                struct workflow_step *step)
{
    const struct yaml_node *with = yaml_get(step_node, "with");

    step->fields = json_object();
    if (node->kind == YAML_MAP) {
        if (with != NULL)
            return wrong_at(reader, with, "with goes together with \"%s: %s\" only; put its keys under %s",
                            step->skill->name, step->skill->fields[0].name, step->skill->name);
        if (!read_fields(reader, node, step))
            return false;
    } else if ((!is_nothing(node, step->skill) && !read_field(reader, node, &step->skill->fields[0], step->fields)) ||
               (with != NULL && !read_fields(reader, with, step))) {
        return false;
    }
    for (size_t i = 0; i < step->skill->field_count; i++) {
        const struct skill_field *field = &step->skill->fields[i];
        if (field->is_required && json_object_get(step->fields, field->name) == NULL)
            return wrong_at(reader, node, "%s lacks %s; add it: %s", step->skill->name, field->name, field->doc);
    }
    return true;
}
