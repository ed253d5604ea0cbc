// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include <stdlib.h>
#include <string.h>

static const char *const common_keys[] = {"id",   "when",       "with", "unreachable_after", "retry", "timeout",
                                          "else", "on_unknown", NULL};

static bool is_expression(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && strstr(node->text, "{{") != NULL;
}

static bool read_fixed(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                       json_t **value)
{
    char *name = NULL;

    if (node->kind == YAML_SCALAR && is_expression(node))
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
    if (!read_name(reader, node, field->name, false, &name))
        return false;
    *value = json_string(name);
    free(name);
    return true;
}

static bool read_number(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                        json_t **value)
{
    int64_t integer = 0;

    if (field->kind == FIELD_integer) {
        if (!read_integer(reader, node, field->name, field->low, field->high, &integer))
            return false;
        *value = json_integer(integer);
        return true;
    }
    if (!read_tree(reader, node, false, value))
        return false;
    if (json_is_number(*value) && json_number_value(*value) >= (double)field->low &&
        json_number_value(*value) <= (double)field->high)
        return true;
    json_decref(*value);
    return wrong_at(reader, node, "%s is no such number; write one from %lld to %lld", field->name,
                    (long long)field->low, (long long)field->high);
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

bool read_field(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                json_t *fields)
{
    json_t *value = NULL;
    bool good;

    switch (field->kind) {
    case FIELD_name:
    case FIELD_choice:
        good = read_fixed(reader, node, field, &value);
        break;
    case FIELD_integer:
    case FIELD_number:
        good =
            is_expression(node) ? read_rendered(reader, node, field, &value) : read_number(reader, node, field, &value);
        break;
    case FIELD_map:
        if (node->kind != YAML_MAP)
            return wrong_at(reader, node, "%s wants a map; write {name: \"{{ value }}\"}", field->name);
        good = read_tree(reader, node, true, &value);
        break;
    case FIELD_value:
        good = read_tree(reader, node, true, &value);
        break;
    case FIELD_literal:
        if (node->kind != YAML_MAP)
            return wrong_at(reader, node, "%s wants a map; write {type: object, properties: {...}}", field->name);
        good = read_tree(reader, node, false, &value);
        break;
    default:
        good = read_rendered(reader, node, field, &value);
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

/* The first field may stand behind the skill's name, with the others under `with`; or all are one map. */
static bool read_skill(struct workflow_reader *reader, const struct yaml_node *step_node, const struct yaml_node *node,
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
    } else if (!read_field(reader, node, &step->skill->fields[0], step->fields) ||
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

static bool find_skill(struct workflow_reader *reader, const struct yaml_node *node, const struct yaml_node **found,
                       struct workflow_step *step)
{
    const char *known[SKILLS_COUNT + 16] = {NULL};
    size_t count = 0;

    for (; common_keys[count] != NULL; count++)
        known[count] = common_keys[count];
    for (size_t i = 0; i < SKILLS_COUNT; i++)
        known[count++] = skills[i].name;
    if (!read_keys(reader, node, known))
        return false;
    *found = NULL;
    for (const struct yaml_node *entry = node->child; entry != NULL; entry = entry->next) {
        const struct skill *skill = skill_find(entry->key);
        if (skill != NULL && *found != NULL)
            return wrong_at(reader, entry, "a step does one thing, and this one has %s and %s; make it two steps",
                            step->skill->name, skill->name);
        if (skill != NULL) {
            step->skill = skill;
            *found = entry;
        }
    }
    return *found != NULL ||
           wrong_at(reader, node, "the step does nothing; add one of: save, count, generate, email, log");
}

static bool read_id(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *id = yaml_get(node, "id");
    const char *text;

    if (id == NULL)
        return wrong_at(reader, node, "the step lacks an id; add id: NAME, by which later steps call it steps.NAME");
    text = read_scalar(reader, id, "the id");
    if (text == NULL)
        return false;
    if (id->size == 0 || id->size > WORKFLOW_NAME_MAX || text[0] < 'a' || text[0] > 'z' ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") != id->size)
        return wrong_at(reader, id,
                        "the id \"%.64s\" is no name; write a-z, 0-9 and _, a letter first (no dash: "
                        "steps.a-b would be a subtraction)",
                        text);
    for (size_t i = 0; reader->step_ids[i] != NULL; i++)
        if (strcmp(reader->step_ids[i], text) == 0)
            return wrong_at(reader, id, "the id \"%s\" is taken by a step above; write another one", text);
    step->id = slice_dup(slice_of(text));
    return true;
}

static bool read_retry(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    static const char *const keys[] = {"attempts", "first", "max", NULL};
    const struct yaml_node *attempts, *first, *most;
    int64_t count = 0;

    if (!read_keys(reader, node, keys))
        return false;
    attempts = yaml_get(node, "attempts");
    first = yaml_get(node, "first");
    most = yaml_get(node, "max");
    if (attempts != NULL) {
        if (!read_integer(reader, attempts, "attempts", 1, 100, &count))
            return false;
        step->attempts_max = (unsigned)count;
    }
    if ((first != NULL && !read_duration(reader, first, "first", &step->retry_first_ms)) ||
        (most != NULL && !read_duration(reader, most, "max", &step->retry_max_ms)))
        return false;
    return step->retry_first_ms <= step->retry_max_ms ||
           wrong_at(reader, node, "the first pause is longer than the longest one; write first below max");
}

static bool read_outside(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    static const char *const choices[] = {"ask", "resend", "drop", NULL};
    const struct yaml_node *unreachable = yaml_get(node, "unreachable_after"), *retry = yaml_get(node, "retry");
    const struct yaml_node *timeout = yaml_get(node, "timeout"), *unknown = yaml_get(node, "on_unknown");
    const struct yaml_node *outside = unreachable ? unreachable : retry ? retry : timeout;
    int choice = UNKNOWN_ASK;

    if (step->skill->place == PLACE_LOCAL && outside != NULL)
        return wrong_at(reader, outside, "%s is done at once and needs no %s; leave it out", step->skill->name,
                        outside->key);
    if (unknown != NULL && !step->skill->has_effect)
        return wrong_at(reader, unknown, "%s has no effect outside that could double; leave on_unknown out",
                        step->skill->name);
    if (unknown != NULL && !read_choice(reader, unknown, "on_unknown", choices, &choice))
        return false;
    step->on_unknown = (enum on_unknown)choice;
    if (unreachable != NULL && yaml_get(node, "else") == NULL)
        return wrong_at(reader, unreachable,
                        "unreachable_after lacks its else; add else: {text: ...}, the result then");
    return (unreachable == NULL ||
            read_duration(reader, unreachable, "unreachable_after", &step->unreachable_after_ms)) &&
           (timeout == NULL || read_duration(reader, timeout, "timeout", &step->timeout_ms)) &&
           (retry == NULL || read_retry(reader, retry, step));
}

static bool read_step(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *skill_node, *when, *otherwise;

    *step = (struct workflow_step){
        .attempts_max = 5, .retry_first_ms = 2000, .retry_max_ms = 600000, .timeout_ms = 60000, .line = node->line};
    if (!find_skill(reader, node, &skill_node, step) || !read_id(reader, node, step))
        return false;
    when = yaml_get(node, "when");
    if (when != NULL && !read_template(reader, when, "when", false, &step->when))
        return false;
    if (when != NULL && !template_is_single((struct slice){when->text, when->size}))
        return wrong_at(reader, when, "when must be one expression; write \"{{ ... }}\" and nothing around it");
    if (!read_skill(reader, node, skill_node, step) || !read_outside(reader, node, step))
        return false;
    otherwise = yaml_get(node, "else");
    if (otherwise != NULL && step->skill->place == PLACE_LOCAL)
        return wrong_at(reader, otherwise, "%s is done at once and needs no else; leave it out", step->skill->name);
    if (otherwise != NULL && otherwise->kind != YAML_MAP)
        return wrong_at(reader, otherwise, "else wants a map, the step's result; write else: {text: \"...\"}");
    return otherwise == NULL || read_tree(reader, otherwise, true, &step->otherwise);
}

bool read_steps(struct workflow_reader *reader, const struct yaml_node *list)
{
    struct workflow *workflow = reader->workflow;

    if (list->kind != YAML_LIST || list->count == 0 || list->count > WORKFLOW_STEPS_MAX)
        return wrong_at(reader, list, "steps wants a list of 1 to %d steps; write them as \"- id: NAME\"",
                        WORKFLOW_STEPS_MAX);
    workflow->steps = xcalloc(list->count, sizeof *workflow->steps);
    for (const struct yaml_node *node = list->child; node != NULL; node = node->next) {
        struct workflow_step *step = &workflow->steps[workflow->step_count++];
        if (!read_step(reader, node, step))
            return false;
        reader->step_ids[workflow->step_count - 1] = step->id;
    }
    return true;
}
