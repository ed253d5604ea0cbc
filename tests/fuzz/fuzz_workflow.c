// LINK: flow proto
// SPDX-License-Identifier: MIT
#include "flow/workflow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
