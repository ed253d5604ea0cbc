/* schedule - when something is to happen again and again: a cron expression in a zone, without some days, spread by a
 * jitter. Pure; the times it gives are UTC milliseconds. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/cron.h"

enum { SCHEDULE_DAYS_MAX = 64, SCHEDULE_TEXT_MAX = 400 };

/* Days without an occurrence, both ends included, as day numbers (civil_days); a yearly one is kept in the leap year
 * 2000 ("12-24..12-26" may also run over new year). */
struct schedule_days {
    int64_t first, last;
    bool is_yearly;
};

struct schedule {
    struct cron cron;
    char *zone; /* name; NULL: the shop's */
    int64_t jitter_ms;
    struct schedule_days *except;
    size_t except_count;
};

void schedule_fini(struct schedule *schedule);
/* "2026-12-25", "12-25", "2026-12-24..2026-12-31" or "12-24..12-26". False with a sentence in `problem`. */
bool schedule_days_read(struct slice text, struct schedule_days *days, char problem[CRON_PROBLEM_BYTES]);
bool schedule_is_excepted(const struct schedule *schedule, int64_t local_day);

/* The first occurrence planned after `after_ms`, jitter not counted; INT64_MAX when there is none within 41 years. */
int64_t schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms);
/* How much later than planned this occurrence happens: 0 <= x < jitter_ms, always the same for the same name and
 * time, so that many schedules of one minute do not all fire at once. */
int64_t schedule_delay(const struct schedule *schedule, struct slice name, int64_t planned_ms);

/* How often it fires on a usual day on which it fires at all. */
unsigned schedule_fires_a_day(const struct schedule *schedule);
/* A sentence when the expression is legal but looks like a mistake ("* 3 * * *": every minute of an hour, 60 times a
 * day; probably 0 3 * * *); "" otherwise. */
void schedule_doubt(const struct schedule *schedule, struct slice cron_text, char text[SCHEDULE_TEXT_MAX]);
/* What the schedule means, in plain words: "at 09:00 from Monday to Friday, Europe/Berlin". */
void schedule_explain(const struct schedule *schedule, struct slice cron_text, struct buffer *into);
