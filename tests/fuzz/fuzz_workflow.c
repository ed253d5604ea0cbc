// LINK: flow proto
// SPDX-License-Identifier: MIT
#include "flow/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken is well-formed, is warned about without harm, and is made again from its own text. */
static void look_at(struct workflow *workflow)
{
    struct workflow *again, *const alone[] = {workflow};
    struct text_problem problem;
    struct buffer doubts = {0};

    for (size_t i = 0; i < workflow->all_count; i++) {
        const struct workflow_step *step = workflow->all[i];
        if (step->depth >= WORKFLOW_DEPTH_MAX || (step->kind == NODE_SKILL) != (step->skill != NULL) ||
            workflow_find_step(workflow, slice_of(step->id)) != step || (step->inside == NULL) != (step->depth == 0))
            __builtin_trap();
    }
    workflow_warn(workflow, &doubts);
    workflows_check_rings(alone, 1, &problem);
    buffer_free(&doubts);
    again = workflow_parse("again.yaml", workflow_definition_text(workflow), &problem);
    if (again == NULL || again->all_count != workflow->all_count || again->fixture_count != workflow->fixture_count)
        __builtin_trap();
    workflow_destroy(&again);
}

/* The first byte chooses a reader: a workflow file, a schedule, a time zone file or an instant. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data + 1, size - 1};
    char problem_text[CRON_PROBLEM_BYTES];
    struct text_problem problem;
    struct workflow *workflow;
    struct zone *zone;
    struct cron cron;
    int64_t ms = 0;

    if (size < 1)
        return 0;
    if (data[0] % 4 == 0) {
        workflow = workflow_parse("fuzz.yaml", text, &problem);
        if (workflow != NULL)
            look_at(workflow);
        workflow_destroy(&workflow);
    } else if (data[0] % 4 == 1) {
        zone = zone_open("UTC");
        if (cron_parse(text, &cron, problem_text) && cron_next(&cron, zone, 0) <= 0)
            __builtin_trap();
        zone_close(&zone);
    } else if (data[0] % 4 == 2) {
        zone = zone_parse("fuzz", text);
        if (zone != NULL)
            zone_from_local(zone, 1763800000);
        zone_close(&zone);
    } else {
        civil_read_instant(text, &ms);
    }
    return 0;
}
