// SPDX-License-Identifier: MIT
#include "flow/sandbox.h"
#include "flow/workflow_read.h"
#include <string.h>

enum { SCOPE_NAMES_MAX = 8 + WORKFLOW_DEPTH_MAX };

static const char *const step_names[] = {"trigger", "steps", "shop", "run", "now", NULL};
static const char *const trigger_names[] = {"trigger", "shop", "now", NULL};

void scope_add(struct workflow_reader *reader, const struct workflow_step *step)
{
    struct workflow *workflow = reader->workflow;

    reader->hidden_by[workflow->all_count] = step;
    workflow->all[workflow->all_count++] = step;
}

void scope_hide(struct workflow_reader *reader, size_t from, const struct workflow_step *by)
{
    for (size_t i = from; i < reader->workflow->all_count; i++)
        if (reader->hidden_by[i] == NULL)
            reader->hidden_by[i] = by;
}

void scope_show(struct workflow_reader *reader, const struct workflow_step *by)
{
    for (size_t i = 0; i < reader->workflow->all_count; i++)
        if (reader->hidden_by[i] == by && (by->kind != NODE_EACH || reader->workflow->all[i] == by))
            reader->hidden_by[i] = NULL;
}

static void explain_hidden(struct slice text, size_t offset, const struct workflow_step *step,
                           const struct workflow_step *by, struct expression_problem *problem)
{
    const char *id = step->id;

    if (by == step)
        expression_problem_set(problem, text, offset,
                               "the step \"%s\" is not over yet here and has no result; use an earlier one", id);
    else if (by->kind == NODE_EACH)
        expression_problem_set(
            problem, text, offset,
            "the step \"%s\" is inside the for_each \"%s\", once for each item; use steps.%s.result, "
            "the list of the last results",
            id, by->id, by->id);
    else if (by->kind == NODE_SWITCH)
        expression_problem_set(problem, text, offset,
                               "the step \"%s\" is in another case of the switch \"%s\", and only one case is done; "
                               "put what both need before the switch",
                               id, by->id);
    else
        expression_problem_set(problem, text, offset,
                               "the step \"%s\" is in another branch of the parallel \"%s\", which may not have come "
                               "to it; put this step behind the parallel",
                               id, by->id);
}

/* steps.ID of a step that is there and cannot be seen from here: why is worth more than that there is none. */
static bool find_hidden(const struct workflow_reader *reader, struct slice text, const struct template_part *part,
                        struct expression_problem *problem)
{
    struct token before = {TOKEN_END, {"", 0}, 0, NULL}, word = before, dot = before;
    size_t at = 0;

    for (;;) {
        struct token id = token_next(part->text, &at);
        if (id.kind == TOKEN_END || id.kind == TOKEN_BAD)
            return false;
        for (size_t i = 0; i < reader->workflow->all_count; i++) {
            const struct workflow_step *step = reader->workflow->all[i];
            if (reader->hidden_by[i] == NULL || id.kind != TOKEN_NAME || !slice_is(dot.text, ".") ||
                !slice_is(word.text, "steps") || slice_is(before.text, ".") || !slice_is(id.text, step->id))
                continue;
            explain_hidden(text, part->offset + id.offset, step, reader->hidden_by[i], problem);
            return true;
        }
        before = word;
        word = dot;
        dot = id;
    }
}

static bool finds_hidden(const struct workflow_reader *reader, struct slice text, struct expression_problem *problem)
{
    struct expression_problem ignored;
    struct template_part part;
    size_t at = 0;
    bool bad;

    while (template_next(text, &at, &part, &bad, &ignored))
        if (part.is_expression && find_hidden(reader, text, &part, problem))
            return true;
    return false;
}

bool scope_check(struct workflow_reader *reader, struct slice text, bool is_trigger_only,
                 struct expression_problem *problem)
{
    const char *names[SCOPE_NAMES_MAX] = {NULL}, *ids[WORKFLOW_STEPS_MAX + 1] = {NULL};
    const struct expression_scope scope = {is_trigger_only ? trigger_names : names, ids};
    size_t count = 0, id_count = 0;

    for (; step_names[count] != NULL; count++)
        names[count] = step_names[count];
    for (size_t i = 0; i < reader->item_count; i++)
        names[count++] = reader->items[i];
    if (reader->item_count > 0)
        names[count++] = "index";
    if (reader->is_on_failure)
        names[count++] = "failure";
    for (size_t i = 0; i < reader->workflow->all_count && !is_trigger_only; i++)
        if (reader->hidden_by[i] == NULL)
            ids[id_count++] = reader->workflow->all[i]->id;
    if (expression_check(text, &scope, problem))
        return true;
    if (!is_trigger_only && strstr(problem->text, "earlier step") != NULL)
        finds_hidden(reader, text, problem);
    return false;
}

static bool is_in(const char *name, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

/* A word of the expression language is no name, which the language knows best. */
static bool is_name(const char *name)
{
    const struct expression_scope any = {NULL, NULL};
    struct expression_problem problem;
    struct buffer text = {0};
    bool good;

    buffer_printf(&text, "{{ trigger.%s }}", name);
    good = expression_check(buffer_slice(&text), &any, &problem);
    buffer_free(&text);
    return good;
}

bool scope_check_item(struct workflow_reader *reader, const struct yaml_node *node, const char *name)
{
    static const char *const taken[] = {"index", "failure", NULL};

    if (is_in(name, step_names) || is_in(name, taken))
        return wrong_at(reader, node, "as \"%s\" would hide what %s stands for; write another name", name, name);
    if (is_in(name, functions_names()) || !is_name(name))
        return wrong_at(reader, node, "as \"%s\" is a word of the expressions; write another name", name);
    for (size_t i = 0; i < reader->item_count; i++)
        if (strcmp(reader->items[i], name) == 0)
            return wrong_at(reader, node, "as \"%s\" would hide the item of the for_each around it; write another name",
                            name);
    return true;
}
