// LINK: flow proto
// SPDX-License-Identifier: MIT
#include "flow/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_times(const struct schedule *schedule, const struct zone *zone, int64_t from_ms)
{
    int64_t at = from_ms;

    for (int i = 0; i < 4; i++) {
        int64_t next = schedule_next(schedule, zone, at);
        if (next == INT64_MAX)
            break;
        /* Nothing lies between, and a time belongs to one side only. */
        if (next <= at || next % 1000 != 0 || schedule_next(schedule, zone, next - 1) != next)
            __builtin_trap();
        if (next - at > 1000 && schedule_next(schedule, zone, at + (next - at) / 2) != next)
            __builtin_trap();
        at = next;
    }
}

/* Two bytes choose the zone and the year; the rest is a schedule, with a line for days left out behind it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"UTC",          "Europe/Berlin",     "America/Santiago", "Australia/Lord_Howe",
                                        "Pacific/Apia", "Africa/Casablanca", "Africa/Monrovia",  "Antarctica/Troll"};
    char problem[CRON_PROBLEM_BYTES], doubt[SCHEDULE_TEXT_MAX];
    struct schedule schedule = {0};
    struct schedule_days days;
    struct buffer words = {0};
    struct slice text, except = {NULL, 0};

    if (size < 2)
        return 0;
    text = (struct slice){(const char *)data + 2, size - 2};
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\n') {
            except = (struct slice){text.data + i + 1, text.size - i - 1};
            text.size = i;
            break;
        }
    if (schedule_days_read(except, &days, problem)) {
        schedule.except = xcalloc(1, sizeof days);
        schedule.except[schedule.except_count++] = days;
    }
    if (cron_parse(text, &schedule.cron, problem)) {
        struct zone *zone = zone_open(names[data[0] % 8]);
        schedule_doubt(&schedule, text, doubt);
        schedule_explain(&schedule, text, &words);
        if (words.size == 0 || schedule_fires_a_day(&schedule) == 0)
            __builtin_trap();
        /* One that can be read fires, unless its days are left out. */
        if (cron_next(&schedule.cron, zone, 0) == INT64_MAX)
            __builtin_trap();
        check_times(&schedule, zone, civil_days(1900 + data[1], 3, 1) * CIVIL_DAY_S * 1000);
        zone_close(&zone);
    } else if (problem[0] == '\0') {
        __builtin_trap();
    }
    buffer_free(&words);
    schedule_fini(&schedule);
    return 0;
}
