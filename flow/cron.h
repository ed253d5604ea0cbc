/* cron - five-field schedules and their next instant in a zone.
 *
 * Fields: minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN-DEC, day of week 0-7 or SUN-SAT (0 and 7 are
 * Sunday), each a list of values, ranges and steps over a range or `*`; also @hourly @daily @midnight @weekly @monthly
 * @yearly @annually. `?` is another way to write `*` for the two day fields. Day of month also takes L (the last day),
 * L-3 (the third before it), LW (the last Monday to Friday) and 15W (the Monday to Friday nearest to the 15th, in the
 * same month; a month without that day has none); day of week 5#2 (the second Friday) and 5L or FRIL (the last one).
 *
 * - When both day fields are restricted, either one suffices. Only a literal `*` or `?` is no restriction: a step over
 *   `*` restricts.
 * - Fixed times (no `*` and no step in minute and hour) are wall-clock times: one that a clock change skips runs once,
 *   at the first instant after the gap; one that the clock shows twice runs at the first showing.
 * - All other entries follow elapsed time: a skipped hour is skipped, a repeated hour runs again. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/zone.h"

enum { CRON_TEXT_MAX = 256, CRON_PROBLEM_BYTES = 240 };

struct cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays; /* a bit per value; weekdays 0..6 */
    uint32_t last_days;                     /* bit n: L-n */
    uint32_t near_days;                     /* bit n: nW */
    uint8_t nth_weekdays[6];                /* a bit per weekday for its nth of the month; [0]: the last */
    bool last_workday;                      /* LW */
    bool any_day, any_weekday;
    bool is_elapsed; /* follows elapsed time, see above */
};

/* False with a sentence in `problem`: what is wrong and what would be right. One that can never fire
 * is wrong. */
bool cron_parse(struct slice text, struct cron *cron, char problem[CRON_PROBLEM_BYTES]);
/* Does it fire on this local day (civil_days)? */
bool cron_fires_on(const struct cron *cron, int64_t days);
/* The first instant (UTC ms) after `after_ms` at which it fires. INT64_MAX when the zone has none within 41 years,
 * which only broken zone data can bring about. */
int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_ms);
