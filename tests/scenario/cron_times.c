// SPDX-License-Identifier: MIT
#include "flow/schedule.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For cron_oracle.py: each line "cron TAB zone TAB from TAB count" on standard input (`from` in seconds of UTC) is
 * answered by a line of the next times in seconds, or by "! problem". A negative count asks for all times of that many
 * seconds, and one more. */
enum { LINE_MAX_BYTES = 1024, ZONES_MAX = 64 };

static const struct zone *zone_of(const char *name)
{
    static struct zone *zones[ZONES_MAX];
    size_t i = 0;

    for (; i < ZONES_MAX && zones[i] != NULL; i++)
        if (strcmp(zone_name(zones[i]), name) == 0)
            return zones[i];
    if (i == ZONES_MAX)
        return NULL;
    zones[i] = zone_open(name);
    return zones[i];
}

static void answer(const char *cron, const char *name, int64_t from, long count)
{
    char problem[CRON_PROBLEM_BYTES] = "no such zone";
    const struct zone *zone = zone_of(name);
    struct schedule schedule = {0};
    int64_t at = from * 1000, until = count < 0 ? at - (int64_t)count * 1000 : INT64_MAX;

    if (zone == NULL || !cron_parse(slice_of(cron), &schedule.cron, problem)) {
        printf("! %s\n", problem);
        return;
    }
    for (long left = count; count < 0 ? at <= until : left > 0; left--) {
        at = schedule_next(&schedule, zone, at);
        if (at == INT64_MAX)
            break;
        printf("%" PRId64 " ", at / 1000);
    }
    printf("\n");
}

int main(void)
{
    char line[LINE_MAX_BYTES];

    while (fgets(line, sizeof line, stdin) != NULL) {
        char *fields[4] = {line, NULL, NULL, NULL};
        for (int i = 1; i < 4; i++) {
            char *tab = strchr(fields[i - 1], '\t');
            if (tab == NULL) {
                fprintf(stderr, "a line wants four fields divided by tabs\n");
                return 2;
            }
            *tab = '\0';
            fields[i] = tab + 1;
        }
        answer(fields[0], fields[1], strtoll(fields[2], NULL, 10), strtol(fields[3], NULL, 10));
    }
    return 0;
}
