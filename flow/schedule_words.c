// SPDX-License-Identifier: MIT
#include "flow/schedule.h"
#include "proto/check.h"

/* A schedule in plain words: when in the day, on which days, in which months, where, and with which exceptions. */
enum { TIMES_LISTED_MAX = 8 };

static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"",     "January", "February",  "March",   "April",    "May",     "June",
                                     "July", "August",  "September", "October", "November", "December"};
static const char *const nth_words[] = {"last", "first", "second", "third", "fourth", "fifth"};

typedef void print_one(struct buffer *into, int value);

static int bits_count(uint64_t bits)
{
    return __builtin_popcountll(bits);
}

static int lowest(uint64_t bits)
{
    return __builtin_ctzll(bits);
}

static int highest(uint64_t bits)
{
    return 63 - __builtin_clzll(bits);
}

static void print_number(struct buffer *into, int value)
{
    buffer_printf(into, "%d", value);
}

static void print_month(struct buffer *into, int value)
{
    buffer_text(into, months[value]);
}

static void print_weekday(struct buffer *into, int value)
{
    buffer_text(into, weekdays[value % 7]);
}

static void print_time(struct buffer *into, int value)
{
    buffer_printf(into, "%02d:%02d", value / 60, value % 60);
}

/* "a, b and c"; `left` counts down to the last one. */
static void divide(struct buffer *into, int index, int count)
{
    if (index > 0)
        buffer_text(into, index == count - 1 ? " and " : ", ");
}

static void print_list(struct buffer *into, uint64_t bits, print_one *print)
{
    int count = bits_count(bits);

    for (int i = 0; i < count; i++, bits &= bits - 1) {
        divide(into, i, count);
        print(into, lowest(bits));
    }
}

static bool is_run(uint64_t bits)
{
    return bits_count(bits) >= 3 && highest(bits) - lowest(bits) + 1 == bits_count(bits);
}

/* "from Monday to Friday" or "on Monday and Friday", with the word for lists. */
static void print_set(struct buffer *into, uint64_t bits, const char *word, print_one *print)
{
    if (!is_run(bits)) {
        buffer_text(into, word);
        print_list(into, bits, print);
        return;
    }
    buffer_text(into, "from ");
    print(into, lowest(bits));
    buffer_text(into, " to ");
    print(into, highest(bits));
}

/* The step of a set that begins at 0 and fills its cycle evenly; 0 for any other. */
static int even_step(uint64_t bits, int cycle)
{
    int step = bits_count(bits) > 1 ? lowest(bits & (bits - 1)) : 0;

    if (!(bits & 1) || step == 0 || cycle % step != 0 || bits_count(bits) != cycle / step)
        return 0;
    for (int value = 0; value < cycle; value += step)
        if (!(bits >> value & 1))
            return 0;
    return step;
}

static void print_times(struct buffer *into, const struct cron *cron)
{
    int count = bits_count(cron->minutes) * bits_count(cron->hours), index = 0;

    buffer_text(into, "at ");
    for (int of_day = 0; of_day < 24 * 60; of_day++)
        if (cron->hours >> (of_day / 60) & 1 && cron->minutes >> (of_day % 60) & 1) {
            divide(into, index++, count);
            print_time(into, of_day);
        }
}

static void explain_time(struct buffer *into, const struct cron *cron)
{
    int step = even_step(cron->minutes, 60);
    bool every_hour = bits_count(cron->hours) == 24;

    if (bits_count(cron->minutes) * bits_count(cron->hours) <= TIMES_LISTED_MAX) {
        print_times(into, cron);
        return;
    }
    if (cron->minutes == 1 && every_hour) {
        buffer_text(into, "every hour on the hour");
        return;
    }
    if (step == 1)
        buffer_text(into, "every minute");
    else if (step > 1)
        buffer_printf(into, "every %d minutes", step);
    else
        print_set(into, cron->minutes, bits_count(cron->minutes) == 1 ? "at minute " : "at minutes ", print_number);
    if (every_hour)
        buffer_text(into, step == 0 ? " of every hour" : "");
    else if (is_run(cron->hours))
        buffer_printf(into, " from %02d:00 to %02d:59", lowest(cron->hours), highest(cron->hours));
    else {
        buffer_text(into, bits_count(cron->hours) == 1 ? " in the hour " : " in the hours ");
        print_list(into, cron->hours, print_number);
    }
}

static void explain_month_days(struct buffer *into, const struct cron *cron)
{
    size_t start = into->size;

    if (cron->days != 0) {
        buffer_text(into, bits_count(cron->days) == 1 ? "on day " : "on days ");
        print_list(into, cron->days, print_number);
        buffer_text(into, " of the month");
    }
    for (int before = 0; before <= 30; before++) {
        if (!(cron->last_days >> before & 1))
            continue;
        buffer_text(into, into->size > start ? " and " : "");
        if (before == 0)
            buffer_text(into, "on the last day of the month");
        else
            buffer_printf(into, "%d day%s before the last day of the month", before, before == 1 ? "" : "s");
    }
    if (cron->last_workday)
        buffer_printf(into, "%son the last Monday to Friday of the month", into->size > start ? " and " : "");
    for (int day = 1; day <= 31; day++)
        if (cron->near_days >> day & 1)
            buffer_printf(into, "%son the Monday to Friday nearest to day %d of the month",
                          into->size > start ? " and " : "", day);
}

static void explain_weekdays(struct buffer *into, const struct cron *cron)
{
    size_t start = into->size;

    if (cron->weekdays == 0x7f)
        buffer_text(into, "every day");
    else if (cron->weekdays != 0)
        /* A week ends with Sunday for people, though its number is 0: a run to it ends there. */
        print_set(into, cron->weekdays & 1 ? (cron->weekdays & ~1u) | 1u << 7 : cron->weekdays, "on ", print_weekday);
    for (int i = 1; i <= 6; i++) {
        uint8_t set = cron->nth_weekdays[i % 6];
        if (set == 0)
            continue;
        buffer_printf(into, "%son the %s ", into->size > start ? " and " : "", nth_words[i % 6]);
        print_list(into, set, print_weekday);
        buffer_text(into, " of the month");
    }
}

static void explain_days(struct buffer *into, const struct cron *cron)
{
    if (!cron->any_day || !cron->any_weekday)
        buffer_text(into, " ");
    else if (bits_count(cron->hours) != 24)
        buffer_text(into, " every day");
    if (!cron->any_day)
        explain_month_days(into, cron);
    if (!cron->any_day && !cron->any_weekday)
        buffer_text(into, ", and also ");
    if (!cron->any_weekday)
        explain_weekdays(into, cron);
    if (bits_count(cron->months) != 12) {
        buffer_text(into, is_run(cron->months) ? " " : " in ");
        print_set(into, cron->months, "", print_month);
    }
}

static void print_day(struct buffer *into, int64_t day, bool is_yearly)
{
    struct civil civil = civil_of_seconds(day * CIVIL_DAY_S);

    if (!is_yearly)
        buffer_printf(into, "%04d-", (int)civil.year);
    buffer_printf(into, "%02d-%02d", civil.month, civil.day);
}

static void explain_exceptions(struct buffer *into, const struct schedule *schedule)
{
    for (size_t i = 0; i < schedule->except_count; i++) {
        const struct schedule_days *days = &schedule->except[i];
        buffer_text(into, i == 0 ? ", not on " : ", ");
        print_day(into, days->first, days->is_yearly);
        if (days->last != days->first) {
            buffer_text(into, "..");
            print_day(into, days->last, days->is_yearly);
        }
    }
}

static void explain_jitter(struct buffer *into, int64_t jitter_ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}, {1, "millisecond"}};
    size_t i = 0;

    if (jitter_ms <= 0)
        return;
    while (jitter_ms % units[i].ms != 0)
        i++;
    buffer_printf(into, ", up to %lld %s%s later", (long long)(jitter_ms / units[i].ms), units[i].name,
                  jitter_ms == units[i].ms ? "" : "s");
}

void schedule_explain(const struct schedule *schedule, struct slice cron_text, struct buffer *into)
{
    CHECK(schedule->cron.minutes != 0 && schedule->cron.months != 0);
    (void)cron_text;
    explain_time(into, &schedule->cron);
    explain_days(into, &schedule->cron);
    if (schedule->zone != NULL)
        buffer_printf(into, ", %s", schedule->zone);
    explain_exceptions(into, schedule);
    explain_jitter(into, schedule->jitter_ms);
}
