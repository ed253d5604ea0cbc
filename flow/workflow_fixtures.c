// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include "proto/errors.h"
#include <stdlib.h>
#include <string.h>

enum { FIXTURE_NAME_MAX = 200 };

static bool wants_map(struct workflow_reader *reader, const struct yaml_node *node, const char *what)
{
    return node->kind == YAML_MAP || wrong_at(reader, node, "%s wants a map (key: value)", what);
}

/* "mail", or inside a for_each "mail#3" and "mail#3.0". */
static const struct workflow_step *find_instance(const struct workflow_reader *reader, const char *instance)
{
    return workflow_find_step(reader->workflow, (struct slice){instance, strcspn(instance, "#")});
}

static bool wrong_instance(struct workflow_reader *reader, const struct yaml_node *node, const char *instance,
                           bool is_key)
{
    const char *ids[WORKFLOW_STEPS_MAX + 1] = {NULL};
    const char *near;

    for (size_t i = 0; i < reader->workflow->all_count; i++)
        ids[i] = reader->workflow->all[i]->id;
    near = text_nearest(instance, ids);
    if (is_key)
        return wrong_key(reader, node, "there is no step \"%.64s\"%s%s%s", instance, near ? "; did you mean \"" : "",
                         near ? near : "", near ? "\"?" : "");
    return wrong_at(reader, node, "there is no step \"%.64s\"%s%s%s", instance, near ? "; did you mean \"" : "",
                    near ? near : "", near ? "\"?" : "");
}

static bool check_answer(struct workflow_reader *reader, const struct yaml_node *node)
{
    static const char *const keys[] = {"result", "error", "text", "decision", "by", NULL};
    static const char *const decisions[] = {"approved", "edited", "rejected", "expired", NULL};
    const struct yaml_node *error, *decision, *result;
    enum error found;
    int choice;

    if (node->kind == YAML_SCALAR && strcmp(node->text, "unreachable") == 0)
        return true;
    if (node->kind != YAML_MAP)
        return wrong_at(reader, node,
                        "an answer is {result: ...}, {error: NAME, text: ...}, {decision: ...} or unreachable");
    if (!read_keys(reader, node, keys))
        return false;
    error = yaml_get(node, "error");
    decision = yaml_get(node, "decision");
    result = yaml_get(node, "result");
    if ((error != NULL) + (decision != NULL) + (result != NULL) != 1)
        return wrong_at(reader, node, "an answer has exactly one of result, error and decision");
    if (decision != NULL && !read_choice(reader, decision, "decision", decisions, &choice))
        return false;
    if (error == NULL)
        return true;
    if (read_scalar(reader, error, "error") == NULL)
        return false;
    return (error_from_name(slice_of(error->text), &found) && found != ERROR_OK) ||
           wrong_at(reader, error,
                    "there is no error \"%.64s\"; write one of docs/reference/errors.md, such as refused or offline",
                    error->text);
}

static bool check_answers(struct workflow_reader *reader, const struct yaml_node *map)
{
    if (!wants_map(reader, map, "answers"))
        return false;
    for (const struct yaml_node *node = map->child; node != NULL; node = node->next) {
        if (find_instance(reader, node->key) == NULL)
            return wrong_instance(reader, node, node->key, true);
        if (node->kind == YAML_LIST && node->count == 0)
            return wrong_at(reader, node, "the list of answers is empty; leave it out");
        if (node->kind != YAML_LIST && !check_answer(reader, node))
            return false;
        for (const struct yaml_node *item = node->child; node->kind == YAML_LIST && item != NULL; item = item->next)
            if (!check_answer(reader, item))
                return false;
    }
    return true;
}

static bool check_effect(struct workflow_reader *reader, const struct yaml_node *node)
{
    const char *known[SKILL_FIELDS_MAX + 4] = {"skill", "step", "mode", NULL};
    const struct yaml_node *name = yaml_get(node, "skill"), *id = yaml_get(node, "step");
    const struct workflow_step *step;
    const struct skill *skill = NULL;

    if (!wants_map(reader, node, "an effect"))
        return false;
    if (name == NULL && id == NULL)
        return wrong_at(reader, node, "an effect lacks skill or step; add one, such as skill: email");
    if (id != NULL) {
        if (read_scalar(reader, id, "step") == NULL)
            return false;
        step = find_instance(reader, id->text);
        if (step == NULL)
            return wrong_instance(reader, id, id->text, false);
        skill = step->skill;
    }
    if (name != NULL) {
        if (read_scalar(reader, name, "skill") == NULL)
            return false;
        skill = skill_find(name->text);
        if (skill == NULL)
            return wrong_at(reader, name, "there is no skill \"%.64s\"", name->text);
    }
    for (size_t i = 0; skill != NULL && i < skill->field_count; i++)
        known[3 + i] = skill->fields[i].name;
    return read_keys(reader, node, known);
}

static bool check_steps(struct workflow_reader *reader, const struct yaml_node *map)
{
    static const char *const states[] = {"done",    "else",    "skipped", "shadow",    "failed", "cancelled",
                                         "waiting", "running", "copied",  "not begun", NULL};
    int state;

    if (!wants_map(reader, map, "steps"))
        return false;
    for (const struct yaml_node *node = map->child; node != NULL; node = node->next) {
        if (find_instance(reader, node->key) == NULL)
            return wrong_instance(reader, node, node->key, true);
        if (!read_choice(reader, node, "the step's state", states, &state))
            return false;
    }
    return true;
}

static bool check_expect(struct workflow_reader *reader, const struct yaml_node *node)
{
    static const char *const keys[] = {"state", "error", "effects", "steps", "books", "store", "result", NULL};
    static const char *const states[] = {"open", "done", "failed", "cancelled", NULL};
    const struct yaml_node *state, *error, *effects, *steps, *books, *store;
    int choice;

    if (!read_keys(reader, node, keys))
        return false;
    state = yaml_get(node, "state");
    error = yaml_get(node, "error");
    effects = yaml_get(node, "effects");
    steps = yaml_get(node, "steps");
    books = yaml_get(node, "books");
    store = yaml_get(node, "store");
    if ((state != NULL && !read_choice(reader, state, "state", states, &choice)) ||
        (error != NULL && read_scalar(reader, error, "error") == NULL))
        return false;
    if (effects != NULL && effects->kind != YAML_LIST)
        return wrong_at(reader, effects, "effects wants a list; write [] for none, or [{skill: email, to: ...}]");
    for (const struct yaml_node *item = effects != NULL ? effects->child : NULL; item != NULL; item = item->next)
        if (!check_effect(reader, item))
            return false;
    return (steps == NULL || check_steps(reader, steps)) && (books == NULL || wants_map(reader, books, "books")) &&
           (store == NULL || wants_map(reader, store, "store"));
}

/* A part of a fixture as it stands: nothing in it is an expression. */
static bool read_part(struct workflow_reader *reader, const struct yaml_node *map, const char *key, json_t **into)
{
    const struct yaml_node *node = yaml_get(map, key);

    return node == NULL || (wants_map(reader, node, key) && read_tree(reader, node, false, into));
}

static bool read_fixture_name(struct workflow_reader *reader, const struct yaml_node *node,
                              struct workflow_fixture *fixture)
{
    const struct yaml_node *name = yaml_get(node, "name");

    if (name == NULL)
        return wrong_at(reader, node, "the rehearsal lacks a name; add name: WHAT IT SHOWS");
    if (read_scalar(reader, name, "the name") == NULL)
        return false;
    if (name->size == 0 || name->size > FIXTURE_NAME_MAX || strpbrk(name->text, "\r\n") != NULL)
        return wrong_at(reader, name, "the name wants one line of 1 to %d bytes", FIXTURE_NAME_MAX);
    for (size_t i = 0; i + 1 < reader->workflow->fixture_count; i++)
        if (strcmp(reader->workflow->fixtures[i].name, name->text) == 0)
            return wrong_at(reader, name, "the name is taken by the rehearsal in line %u; write another one",
                            reader->workflow->fixtures[i].line);
    fixture->name = slice_dup((struct slice){name->text, name->size});
    return true;
}

static bool read_fixture(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_fixture *fixture)
{
    static const char *const keys[] = {"name", "trigger", "body_file", "now", "store", "answers", "expect", NULL};
    const struct yaml_node *file, *now, *expect, *answers;

    fixture->line = node->line;
    if (!read_keys(reader, node, keys) || !read_fixture_name(reader, node, fixture))
        return false;
    file = yaml_get(node, "body_file");
    now = yaml_get(node, "now");
    expect = yaml_get(node, "expect");
    answers = yaml_get(node, "answers");
    if (file != NULL) {
        if (read_scalar(reader, file, "body_file") == NULL)
            return false;
        if (file->size == 0 || file->text[0] == '/')
            return wrong_at(reader, file,
                            "body_file is a path from the workflow's folder on; write one such as "
                            "bodies/order.json");
        fixture->body_file = slice_dup((struct slice){file->text, file->size});
    }
    if (now != NULL && (read_scalar(reader, now, "now") == NULL ||
                        !civil_read_instant((struct slice){now->text, now->size}, &fixture->now_ms)))
        return wrong_at(reader, now, "now is no time; write one like \"2026-11-22T09:30:00+01:00\"");
    if (expect == NULL)
        return wrong_at(reader, node, "the rehearsal lacks expect; add expect: {state: done}");
    return check_expect(reader, expect) && (answers == NULL || check_answers(reader, answers)) &&
           read_part(reader, node, "trigger", &fixture->trigger) && read_part(reader, node, "store", &fixture->store) &&
           read_part(reader, node, "answers", &fixture->answers) && read_part(reader, node, "expect", &fixture->expect);
}

bool read_fixtures(struct workflow_reader *reader, const struct yaml_node *list)
{
    struct workflow *workflow = reader->workflow;

    if (list->kind != YAML_LIST || list->count == 0 || list->count > WORKFLOW_FIXTURES_MAX)
        return wrong_at(reader, list, "tests wants a list of 1 to %d rehearsals; write them as \"- name: WHAT\"",
                        WORKFLOW_FIXTURES_MAX);
    workflow->fixtures = xcalloc(list->count, sizeof *workflow->fixtures);
    for (const struct yaml_node *node = list->child; node != NULL; node = node->next)
        if (!read_fixture(reader, node, &workflow->fixtures[workflow->fixture_count++]))
            return false;
    return true;
}
