// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include <stdlib.h>
#include <string.h>

enum { KNOWN_MAX = SKILLS_COUNT + 32 };

/* Which keys go with which kind of step; the first word of each row is the key that makes the kind. */
static const struct {
    enum node_kind kind;
    const char *keys[6];
} composites[] = {
    {NODE_DO, {"do", NULL}},
    {NODE_PARALLEL, {"parallel", NULL}},
    {NODE_SWITCH, {"switch", "cases", "default", NULL}},
    {NODE_EACH, {"for_each", "as", "at_most", "at_once", "do", NULL}},
};

enum { COMPOSITES = sizeof composites / sizeof *composites };

static const char *const common_keys[] = {"id", "when", "else", NULL};
static const char *const skill_keys[] = {"with", "unreachable_after", "retry", "timeout", "on_unknown", NULL};

static bool is_in(const char *word, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static void add_keys(const char *known[KNOWN_MAX], size_t *count, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (!is_in(*keys, known))
            known[(*count)++] = *keys;
}

static bool check_known(struct workflow_reader *reader, const struct yaml_node *node)
{
    const char *known[KNOWN_MAX] = {NULL};
    size_t count = 0;

    add_keys(known, &count, common_keys);
    for (size_t i = 0; i < COMPOSITES; i++)
        add_keys(known, &count, composites[i].keys);
    for (size_t i = 0; i < SKILLS_COUNT; i++)
        known[count++] = skills[i].name;
    add_keys(known, &count, skill_keys);
    return read_keys(reader, node, known);
}

/* The key that says what the step does, or NULL when that key does not. */
static bool makes_step(const struct yaml_node *node, const struct yaml_node *entry, enum node_kind *kind)
{
    if (skill_find(entry->key) != NULL) {
        *kind = NODE_SKILL;
        return true;
    }
    for (size_t i = 0; i < COMPOSITES; i++)
        if (strcmp(composites[i].keys[0], entry->key) == 0) {
            *kind = composites[i].kind;
            return *kind != NODE_DO || yaml_get(node, "for_each") == NULL;
        }
    return false;
}

static bool find_kind(struct workflow_reader *reader, const struct yaml_node *node, const struct yaml_node **found,
                      struct workflow_step *step)
{
    enum node_kind kind;

    *found = NULL;
    if (!check_known(reader, node))
        return false;
    for (const struct yaml_node *entry = node->child; entry != NULL; entry = entry->next) {
        if (!makes_step(node, entry, &kind))
            continue;
        if (*found != NULL)
            return wrong_key(reader, entry, "a step does one thing, and this one has %s and %s; make it two steps",
                             (*found)->key, entry->key);
        step->kind = kind;
        *found = entry;
    }
    if (*found == NULL)
        return wrong_at(reader, node,
                        "the step does nothing; add one of: save, count, generate, email, log and the other skills, or "
                        "do, parallel, switch, for_each");
    step->skill = skill_find((*found)->key);
    return true;
}

static bool fits(const char *key, enum node_kind kind)
{
    if (kind == NODE_SKILL && (is_in(key, skill_keys) || skill_find(key) != NULL))
        return true;
    for (size_t i = 0; i < COMPOSITES; i++)
        if (composites[i].kind == kind && is_in(key, composites[i].keys))
            return true;
    return is_in(key, common_keys);
}

/* Keys that are known, but not on this kind of step. */
static bool check_fitting(struct workflow_reader *reader, const struct yaml_node *node, const char *maker,
                          const struct workflow_step *step)
{
    for (const struct yaml_node *entry = node->child; entry != NULL; entry = entry->next) {
        if (fits(entry->key, step->kind))
            continue;
        if (is_in(entry->key, skill_keys))
            return wrong_key(reader, entry, "%s belongs to a step with a skill; put it on the steps inside %s",
                             entry->key, maker);
        for (size_t i = 0; i < COMPOSITES; i++)
            if (is_in(entry->key, composites[i].keys))
                return wrong_key(reader, entry, "%s goes together with %s only; leave it out", entry->key,
                                 composites[i].keys[0]);
    }
    return true;
}

static bool read_id(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *id = yaml_get(node, "id");
    const struct workflow *workflow = reader->workflow;

    if (id == NULL)
        return wrong_at(reader, node, "the step lacks an id; add id: NAME, by which later steps call it steps.NAME");
    if (!read_word(reader, id, "the id", &step->id))
        return false;
    for (size_t i = 0; i < workflow->all_count; i++)
        if (strcmp(workflow->all[i]->id, step->id) == 0)
            return wrong_at(reader, id, "the id \"%s\" is taken by the step in line %u; write another one", step->id,
                            workflow->all[i]->line);
    if (workflow->all_count == WORKFLOW_STEPS_MAX)
        return wrong_at(reader, node, "a workflow has at most %d steps in all; move some to another one and call it",
                        WORKFLOW_STEPS_MAX);
    scope_add(reader, step);
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
    if ((first != NULL && !read_duration(reader, first, "first", 1, DURATION_MS_MAX, &step->retry_first_ms)) ||
        (most != NULL && !read_duration(reader, most, "max", 1, DURATION_MS_MAX, &step->retry_max_ms)))
        return false;
    return step->retry_first_ms <= step->retry_max_ms ||
           wrong_at(reader, node, "the first pause is longer than the longest one; write first below max");
}

/* Keys about the work of a service, on a skill that has none. */
static bool check_outside(struct workflow_reader *reader, const struct yaml_node *node,
                          const struct workflow_step *step)
{
    static const char *const keys[] = {"unreachable_after", "retry", "timeout"};
    const struct skill *skill = step->skill;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct yaml_node *entry = yaml_get(node, keys[i]);
        if (entry != NULL && skill->place == PLACE_LOCAL)
            return wrong_at(reader, entry, "%s is done at once and needs no %s; leave it out", skill->name, keys[i]);
        if (entry != NULL && skill->place == PLACE_WAIT)
            return wrong_at(reader, entry, "%s asks no service and needs no %s; leave it out", skill->name, keys[i]);
    }
    if (yaml_get(node, "unreachable_after") != NULL && yaml_get(node, "else") == NULL)
        return wrong_at(reader, yaml_get(node, "unreachable_after"),
                        "unreachable_after lacks its else; add else: {text: ...}, the result then, or else: with a "
                        "list of steps");
    if (yaml_get(node, "on_unknown") != NULL && !skill->has_effect)
        return wrong_at(reader, yaml_get(node, "on_unknown"),
                        "%s has no effect outside that could double; leave on_unknown out", skill->name);
    if (yaml_get(node, "else") != NULL && skill->place == PLACE_LOCAL)
        return wrong_at(reader, yaml_get(node, "else"), "%s is done at once and needs no else; leave it out",
                        skill->name);
    return true;
}

static bool read_outside(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    static const char *const choices[] = {"ask", "resend", "drop", NULL};
    const struct yaml_node *unreachable = yaml_get(node, "unreachable_after"), *retry = yaml_get(node, "retry");
    const struct yaml_node *timeout = yaml_get(node, "timeout"), *unknown = yaml_get(node, "on_unknown");
    int choice = UNKNOWN_ASK;

    if (!check_outside(reader, node, step) ||
        (unknown != NULL && !read_choice(reader, unknown, "on_unknown", choices, &choice)))
        return false;
    step->on_unknown = (enum on_unknown)choice;
    return (unreachable == NULL ||
            read_duration(reader, unreachable, "unreachable_after", 1, DURATION_MS_MAX, &step->unreachable_after_ms)) &&
           (timeout == NULL || read_duration(reader, timeout, "timeout", 1, DURATION_MS_MAX, &step->timeout_ms)) &&
           (retry == NULL || read_retry(reader, retry, step));
}

static bool read_else(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    if (node->kind == YAML_MAP)
        return read_tree(reader, node, true, &step->otherwise);
    if (node->kind != YAML_LIST)
        return wrong_at(reader, node,
                        "else wants a map, the step's result, or a list of steps; write else: {text: \"...\"}");
    step->otherwise_steps = xcalloc(1, sizeof *step->otherwise_steps);
    return read_block(reader, node, "else", step, step->otherwise_steps);
}

/* Its own `else` sees the step itself: why it failed. */
static bool read_step(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *maker, *when;

    *step = (struct workflow_step){.attempts_max = 5,
                                   .retry_first_ms = 2000,
                                   .retry_max_ms = 600000,
                                   .line = node->line,
                                   .depth = reader->depth,
                                   .inside = reader->inside};
    if (!find_kind(reader, node, &maker, step) || !read_id(reader, node, step) ||
        !check_fitting(reader, node, maker->key, step))
        return false;
    when = yaml_get(node, "when");
    if (when != NULL && !read_expression(reader, when, "when", &step->when))
        return false;
    if (step->kind == NODE_SKILL ? !read_skill(reader, node, maker, step) || !read_outside(reader, node, step)
                                 : !read_insides(reader, node, step))
        return false;
    scope_show(reader, step);
    return yaml_get(node, "else") == NULL || read_else(reader, yaml_get(node, "else"), step);
}

bool read_block(struct workflow_reader *reader, const struct yaml_node *list, const char *what,
                const struct workflow_step *inside, struct workflow_block *block)
{
    const struct workflow_step *around = reader->inside;
    unsigned depth = inside == NULL ? 0 : inside->depth + 1;
    bool good = true;

    if (list->kind != YAML_LIST || list->count == 0 || list->count > WORKFLOW_STEPS_MAX)
        return wrong_at(reader, list, "%s wants a list of 1 to %d steps; write them as \"- id: NAME\"", what,
                        WORKFLOW_STEPS_MAX);
    if (depth >= WORKFLOW_DEPTH_MAX)
        return wrong_at(reader, list,
                        "steps stand inside steps more than %d levels deep; move some to another "
                        "workflow and call it",
                        WORKFLOW_DEPTH_MAX);
    block->steps = xcalloc(list->count, sizeof *block->steps);
    reader->inside = inside;
    reader->depth = depth;
    for (const struct yaml_node *node = list->child; good && node != NULL; node = node->next)
        good = read_step(reader, node, &block->steps[block->step_count++]);
    reader->inside = around;
    reader->depth = around == NULL ? 0 : around->depth + 1;
    return good;
}
