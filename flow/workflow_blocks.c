// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include <stdlib.h>
#include <string.h>

/* One block of a step: what it holds is one level deeper. */
static bool read_inside(struct workflow_reader *reader, const struct yaml_node *list, const char *what,
                        struct workflow_step *step, const char *name)
{
    struct workflow_block *block = &step->blocks[step->block_count++];

    block->name = name == NULL ? NULL : slice_dup(slice_of(name));
    return read_block(reader, list, what, step, block);
}

static bool read_do(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    step->blocks = xcalloc(1, sizeof *step->blocks);
    return read_inside(reader, yaml_get(node, "do"), "do", step, NULL);
}

/* None of the blocks sees the steps of another. */
static bool read_branches(struct workflow_reader *reader, const struct yaml_node *map, struct workflow_step *step)
{
    for (const struct yaml_node *node = map->child; node != NULL; node = node->next) {
        size_t from = reader->workflow->all_count;
        if (!read_inside(reader, node, node->key, step, node->key))
            return false;
        scope_hide(reader, from, step);
    }
    return true;
}

static bool read_parallel(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *map = yaml_get(node, "parallel");

    if (map->kind != YAML_MAP || map->count < 2 || map->count > WORKFLOW_BLOCKS_MAX)
        return wrong_at(reader, map, "parallel wants a map of 2 to %d branches; write them as \"NAME: [steps]\"",
                        WORKFLOW_BLOCKS_MAX);
    for (const struct yaml_node *branch = map->child; branch != NULL; branch = branch->next)
        if (strlen(branch->key) > WORKFLOW_NAME_MAX ||
            branch->key[strspn(branch->key, "abcdefghijklmnopqrstuvwxyz0123456789-_")] != '\0')
            return wrong_key(reader, branch, "the branch \"%.64s\" is no name; write 1 to %d of a-z, 0-9, - and _",
                             branch->key, WORKFLOW_NAME_MAX);
    step->blocks = xcalloc(map->count, sizeof *step->blocks);
    return read_branches(reader, map, step);
}

static bool read_switch(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *cases = yaml_get(node, "cases"), *standard = yaml_get(node, "default");

    if (!read_expression(reader, yaml_get(node, "switch"), "switch", &step->of))
        return false;
    if (cases == NULL)
        return wrong_at(reader, node,
                        "the switch lacks cases; add cases: {VALUE: [steps]}, and default: [steps] for "
                        "all other values");
    if (cases->kind != YAML_MAP || cases->count == 0 || cases->count >= WORKFLOW_BLOCKS_MAX)
        return wrong_at(reader, cases, "cases wants a map of 1 to %d cases; write them as \"VALUE: [steps]\"",
                        WORKFLOW_BLOCKS_MAX - 1);
    step->blocks = xcalloc(cases->count + 1, sizeof *step->blocks);
    return read_branches(reader, cases, step) &&
           (standard == NULL || read_inside(reader, standard, "default", step, NULL));
}

static bool read_bounds(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *most = yaml_get(node, "at_most"), *once = yaml_get(node, "at_once");
    int64_t at_most = 100, at_once = 1;

    if ((most != NULL && !read_integer(reader, most, "at_most", 1, WORKFLOW_ITEMS_MAX, &at_most)) ||
        (once != NULL && !read_integer(reader, once, "at_once", 1, WORKFLOW_AT_ONCE_MAX, &at_once)))
        return false;
    step->at_most = (unsigned)at_most;
    step->at_once = (unsigned)at_once;
    return true;
}

static bool read_each(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    const struct yaml_node *list = yaml_get(node, "for_each"), *as = yaml_get(node, "as");
    size_t from = reader->workflow->all_count;
    bool good;

    if (!read_expression(reader, list, "for_each", &step->of) || !read_bounds(reader, node, step))
        return false;
    if (as == NULL)
        step->item = slice_dup(SLICE("item"));
    else if (!read_word(reader, as, "as", &step->item))
        return false;
    if (!scope_check_item(reader, as != NULL ? as : list, step->item))
        return false;
    if (yaml_get(node, "do") == NULL)
        return wrong_at(reader, node, "the for_each lacks do; add do: [steps], which are done for each %s", step->item);
    reader->items[reader->item_count++] = step->item;
    good = read_do(reader, node, step);
    reader->item_count--;
    scope_hide(reader, from, step);
    return good;
}

bool read_insides(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step)
{
    switch (step->kind) {
    case NODE_PARALLEL:
        return read_parallel(reader, node, step);
    case NODE_SWITCH:
        return read_switch(reader, node, step);
    case NODE_EACH:
        return read_each(reader, node, step);
    default:
        return read_do(reader, node, step);
    }
}
