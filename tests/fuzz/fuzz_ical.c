// LINK: flow
// SPDX-License-Identifier: MIT
#include "flow/ical.h"
#include "proto/check.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is printed and read once more: the same events must come back. */
static void read_again(const struct ical_events *events, const struct zone *zone)
{
    struct buffer printed = {NULL, 0, 0};
    char problem[ICAL_PROBLEM_BYTES];
    struct ical_events again;

    ical_put_begin(&printed, "fuzz");
    for (size_t i = 0; i < events->count; i++)
        ical_put_event(&printed, &events->list[i], "channel", 1);
    ical_put_end(&printed);
    CHECK(ical_read(buffer_slice(&printed), zone, &again, problem));
    CHECK(again.count == events->count);
    for (size_t i = 0; i < again.count; i++) {
        CHECK(strcmp(again.list[i].uid, events->list[i].uid) == 0);
        CHECK(strcmp(again.list[i].title, events->list[i].title) == 0);
        CHECK(strcmp(again.list[i].text, events->list[i].text) == 0);
        CHECK(strcmp(again.list[i].media, events->list[i].media) == 0);
        CHECK(again.list[i].at_ms == events->list[i].at_ms);
    }
    ical_events_fini(&again);
    buffer_free(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone *zone = zone_open("UTC");
    char problem[ICAL_PROBLEM_BYTES];
    struct ical_events events;

    if (ical_read((struct slice){(const char *)data, size}, zone, &events, problem)) {
        read_again(&events, zone);
        ical_events_fini(&events);
    } else
        CHECK(problem[0] != '\0');
    zone_close(&zone);
    return 0;
}
