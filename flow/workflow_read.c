// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include "proto/check.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKFLOW_MAGIC = 0x776f726b };

static uint64_t fnv1a(struct slice bytes, uint64_t start)
{
    uint64_t hash = start;

    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static const struct yaml_node *need(struct workflow_reader *reader, const struct yaml_node *root, const char *key,
                                    const char *example)
{
    const struct yaml_node *node = yaml_get(root, key);

    if (node == NULL)
        wrong_at(reader, root, "the workflow lacks %s; add %s", key, example);
    return node;
}

static bool read_head(struct workflow_reader *reader, const struct yaml_node *root)
{
    static const char *const modes[] = {"off", "shadow", "live", NULL};
    const struct yaml_node *name = need(reader, root, "workflow", "workflow: NAME");
    const struct yaml_node *description = yaml_get(root, "description"), *mode, *unique;
    int chosen = WORKFLOW_OFF;

    if (name == NULL || !read_name(reader, name, "the workflow's name", false, &reader->workflow->name))
        return false;
    if (description != NULL) {
        if (read_scalar(reader, description, "description") == NULL)
            return false;
        reader->workflow->description = slice_dup(slice_of(description->text));
    }
    mode = need(reader, root, "mode", "mode: off, mode: shadow or mode: live");
    if (mode == NULL || !read_choice(reader, mode, "mode", modes, &chosen))
        return false;
    reader->workflow->mode = (enum workflow_mode)chosen;
    unique = yaml_get(root, "unique");
    return unique == NULL || read_template(reader, unique, "unique", true, &reader->workflow->unique);
}

/* Steps of a file are read in an order of their own (`else` may stand above `do`): here it is that of the text. */
static void sort_all(struct workflow *workflow)
{
    for (size_t i = 1; i < workflow->all_count; i++) {
        const struct workflow_step *step = workflow->all[i];
        size_t at = i;
        for (; at > 0 && workflow->all[at - 1]->line > step->line; at--)
            workflow->all[at] = workflow->all[at - 1];
        workflow->all[at] = step;
    }
}

/* What follows of the steps, and may name any of them. */
static bool read_rest(struct workflow_reader *reader, const struct yaml_node *root)
{
    const struct yaml_node *failure = yaml_get(root, "on_failure"), *result = yaml_get(root, "result");
    const struct yaml_node *tests = yaml_get(root, "tests");

    if (result != NULL && !read_tree(reader, result, true, &reader->workflow->result))
        return false;
    reader->is_on_failure = true;
    if (failure != NULL && !read_block(reader, failure, "on_failure", NULL, &reader->workflow->on_failure))
        return false;
    return tests == NULL || read_fixtures(reader, tests);
}

static bool read_workflow(struct workflow_reader *reader, const struct yaml_node *root)
{
    static const char *const keys[] = {"workflow", "description", "mode",   "on",    "unique",
                                       "steps",    "on_failure",  "result", "tests", NULL};
    const struct yaml_node *triggers, *steps;

    if (!read_keys(reader, root, keys) || !read_head(reader, root))
        return false;
    triggers = need(reader, root, "on", "on: with a list of triggers such as \"- webhook: NAME\"");
    if (triggers == NULL || !read_triggers(reader, triggers))
        return false;
    steps = need(reader, root, "steps", "steps: with a list of steps");
    if (steps == NULL || !read_block(reader, steps, "steps", NULL, &reader->workflow->steps) ||
        !read_rest(reader, root))
        return false;
    sort_all(reader->workflow);
    return true;
}

struct workflow *workflow_parse(const char *file, struct slice text, struct text_problem *problem)
{
    struct workflow_reader reader = {.file = file, .problem = problem};
    struct workflow *workflow;
    struct yaml_node *root;

    if (text.size > WORKFLOW_BYTES_MAX) {
        text_problem_set(problem, file, 0, 0, "the file is larger than %d KiB; split it into several workflows",
                         WORKFLOW_BYTES_MAX / 1024);
        return NULL;
    }
    root = yaml_read(file, text, problem);
    if (root == NULL)
        return NULL;
    workflow = reader.workflow = xcalloc(1, sizeof *workflow);
    workflow->magic = WORKFLOW_MAGIC;
    workflow->all = xcalloc(WORKFLOW_STEPS_MAX, sizeof *workflow->all);
    workflow->file = slice_dup(slice_of(file));
    workflow->text = slice_dup(text);
    workflow->text_size = text.size;
    snprintf(workflow->hash, sizeof workflow->hash, "%016" PRIx64 "%016" PRIx64,
             fnv1a(text, UINT64_C(0xcbf29ce484222325)), fnv1a(text, UINT64_C(0x84222325cbf29ce4)));
    if (!read_workflow(&reader, root))
        workflow_destroy(&workflow);
    yaml_node_free(root);
    return workflow;
}

struct workflow *workflow_read_file(const char *path, struct text_problem *problem)
{
    struct workflow *workflow = NULL;
    FILE *file = fopen(path, "rbe");
    char *bytes;
    size_t size;

    if (file == NULL) {
        text_problem_set(problem, path, 0, 0, "the file cannot be read; check its name and its rights");
        return NULL;
    }
    bytes = xcalloc(1, WORKFLOW_BYTES_MAX + 1);
    size = fread(bytes, 1, WORKFLOW_BYTES_MAX + 1, file);
    if (ferror(file))
        text_problem_set(problem, path, 0, 0, "the file cannot be read; check that it is a file and the disk is well");
    else
        workflow = workflow_parse(path, (struct slice){bytes, size}, problem);
    free(bytes);
    fclose(file);
    return workflow;
}
