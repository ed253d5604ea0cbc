// SPDX-License-Identifier: MIT
#include "flow/workflow.h"
#include <stdlib.h>
#include <string.h>

static void warn_triggers(const struct workflow *workflow, struct buffer *into)
{
    char doubt[SCHEDULE_TEXT_MAX];

    for (size_t i = 0; i < workflow->trigger_count; i++) {
        const struct workflow_trigger *trigger = &workflow->triggers[i];
        if (trigger->kind != TRIGGER_SCHEDULE)
            continue;
        schedule_doubt(&trigger->schedule, trigger->cron_text, doubt);
        if (doubt[0] != '\0')
            buffer_printf(into, "%s:%u: %s\n", workflow->file, trigger->line, doubt);
    }
}

/* Blanks aside. */
static bool is_never(const char *when)
{
    char left[16] = "";
    size_t size = 0;

    for (; *when != '\0' && size + 1 < sizeof left; when++)
        if (strchr(" \t\n", *when) == NULL)
            left[size++] = *when;
    return strcmp(left, "{{false}}") == 0 || strcmp(left, "{{nil}}") == 0;
}

static void warn_step(const struct workflow *workflow, const struct workflow_step *step, struct buffer *into)
{
    if (step->when != NULL && is_never(step->when))
        buffer_printf(into, "%s:%u: the step \"%s\" is never done: its when is always false\n", workflow->file,
                      step->line, step->id);
}

/* Behind an `end` that is always done nothing else of its block is. The depth is bounded by WORKFLOW_DEPTH_MAX. */
static void warn_block(const struct workflow *workflow, const struct workflow_block *block, struct buffer *into)
{
    for (size_t i = 0; i < block->step_count; i++) {
        const struct workflow_step *step = &block->steps[i];
        bool is_end = step->skill != NULL && step->skill->id == SKILL_END && step->when == NULL;
        warn_step(workflow, step, into);
        for (size_t b = 0; b < step->block_count; b++)
            warn_block(workflow, &step->blocks[b], into);
        if (step->otherwise_steps != NULL)
            warn_block(workflow, step->otherwise_steps, into);
        if (is_end && i + 1 < block->step_count) {
            buffer_printf(into, "%s:%u: the step \"%s\" is never reached: \"%s\" above it always ends the run\n",
                          workflow->file, block->steps[i + 1].line, block->steps[i + 1].id, step->id);
            return;
        }
    }
}

void workflow_warn(const struct workflow *workflow, struct buffer *into)
{
    if (workflow->mode == WORKFLOW_OFF)
        buffer_printf(into, "%s:1: the workflow \"%s\" is off: nothing begins a run\n", workflow->file, workflow->name);
    warn_triggers(workflow, into);
    warn_block(workflow, &workflow->steps, into);
    warn_block(workflow, &workflow->on_failure, into);
}

/* ---- rings ---- */

enum { WHITE, OPEN, CLOSED };

struct rings {
    struct workflow *const *workflows;
    size_t count;
    unsigned char *colors;
    size_t *path; /* the workflows from the first one on */
    size_t path_count;
    struct text_problem *problem;
};

/* Whether a run of `from` begins one of `to`, and where that is said. */
static bool leads_to(const struct workflow *from, const struct workflow *to, const char **file, unsigned *line)
{
    for (size_t i = 0; i < from->all_count; i++) {
        const struct workflow_step *step = from->all[i];
        if (step->skill == NULL || step->skill->id != SKILL_CALL ||
            !slice_is(json_text_at(step->fields, "workflow"), to->name))
            continue;
        *file = from->file;
        *line = step->line;
        return true;
    }
    int index = workflow_find_trigger(to, TRIGGER_AFTER, from->name);
    if (index < 0)
        return false;
    *file = to->file;
    *line = to->triggers[index].line;
    return true;
}

static bool say_ring(struct rings *rings, size_t first)
{
    const struct workflow *from = rings->workflows[rings->path[first]];
    const struct workflow *next = rings->workflows[rings->path[first + 1 < rings->path_count ? first + 1 : first]];
    struct buffer ring = {0};
    const char *file = from->file;
    unsigned line = 1;

    for (size_t i = first; i < rings->path_count; i++)
        buffer_printf(&ring, "%s -> ", rings->workflows[rings->path[i]]->name);
    buffer_text(&ring, from->name);
    leads_to(from, next, &file, &line);
    text_problem_set(rings->problem, file, line, 1,
                     "these workflows begin each other for ever: %.*s; take out one call or after", (int)ring.size,
                     ring.data);
    buffer_free(&ring);
    return false;
}

/* The depth is bounded by the count of workflows, of which a folder holds at most some hundreds. */
static bool walk(struct rings *rings, size_t at)
{
    const char *file;
    unsigned line;

    rings->colors[at] = OPEN;
    rings->path[rings->path_count++] = at;
    for (size_t to = 0; to < rings->count; to++) {
        size_t first = 0;
        if (rings->colors[to] == CLOSED || !leads_to(rings->workflows[at], rings->workflows[to], &file, &line))
            continue;
        if (rings->colors[to] == WHITE) {
            if (!walk(rings, to))
                return false;
            continue;
        }
        while (rings->path[first] != to)
            first++;
        return say_ring(rings, first);
    }
    rings->colors[at] = CLOSED;
    rings->path_count--;
    return true;
}

bool workflows_check_rings(struct workflow *const *workflows, size_t count, struct text_problem *problem)
{
    struct rings rings = {workflows, count, xcalloc(count + 1, 1), xcalloc(count + 1, sizeof *rings.path), 0, problem};
    bool good = true;

    for (size_t i = 0; good && i < count; i++)
        good = rings.colors[i] != WHITE || walk(&rings, i);
    free(rings.colors);
    free(rings.path);
    return good;
}
