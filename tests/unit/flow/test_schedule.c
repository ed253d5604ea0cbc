// SPDX-License-Identifier: MIT
#include "flow/schedule.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct schedule made(const char *text, const char *const *except)
{
    char problem[CRON_PROBLEM_BYTES];
    struct schedule schedule = {0};

    if (!cron_parse(slice_of(text), &schedule.cron, problem))
        fail_msg("%s: %s", text, problem);
    schedule.except = xcalloc(8, sizeof *schedule.except);
    for (; except != NULL && except[schedule.except_count] != NULL; schedule.except_count++)
        if (!schedule_days_read(slice_of(except[schedule.except_count]), &schedule.except[schedule.except_count],
                                problem))
            fail_msg("%s", problem);
    return schedule;
}

static int64_t ms_at(const char *text)
{
    int64_t ms;

    assert_true(civil_read_instant(slice_of(text), &ms));
    return ms;
}

static void assert_next(const struct schedule *schedule, const char *name, const char *after, const char *next)
{
    struct zone *zone = zone_open(name);

    assert_int_equal(schedule_next(schedule, zone, ms_at(after)), ms_at(next));
    zone_close(&zone);
}

static void excepted_days_are_left_out(void **state)
{
    static const char *const except[] = {"2026-12-31", "12-24..12-26", "02-29", "2027-01-10..2027-02-01", NULL};
    static const char *const winter[] = {"12-24..01-06", NULL};
    static const char *const leap[] = {"02-29", NULL};
    struct schedule schedule = made("0 9 * * *", except);
    struct zone *utc = zone_open("UTC");

    (void)state;
    assert_next(&schedule, "Europe/Berlin", "2026-12-23T08:00Z", "2026-12-27T08:00Z");
    assert_next(&schedule, "Europe/Berlin", "2030-12-23T08:00Z", "2030-12-27T08:00Z");
    assert_next(&schedule, "Europe/Berlin", "2026-12-30T08:00Z", "2027-01-01T08:00Z");
    assert_next(&schedule, "Europe/Berlin", "2027-01-09T08:00Z", "2027-02-02T08:00Z");
    assert_next(&schedule, "Europe/Berlin", "2028-02-28T08:00Z", "2028-03-01T08:00Z");
    schedule_fini(&schedule);
    schedule = made("*/30 23 * * *", winter);
    assert_next(&schedule, "America/New_York", "2026-12-24T04:30Z", "2027-01-08T04:00Z");
    schedule_fini(&schedule);
    schedule = made("0 0 29 2 *", leap);
    assert_true(schedule_next(&schedule, utc, ms_at("2026-01-01T00:00Z")) == INT64_MAX);
    schedule_fini(&schedule);
    zone_close(&utc);
}

static void days_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "is no day"},
        {"2026-02-29", "is no day"},
        {"13-01", "is no day"},
        {"12-32", "is no day"},
        {"0000-01-01", "is no day"},
        {"2026-1-1", "is no day"},
        {"12-24..", "is no day"},
        {"..12-24", "is no day"},
        {"12-24...12-26", "is no day"},
        {"2026-12-24..12-26", "on both or on neither"},
        {"2026-12-26..2026-12-24", "earlier day first"},
        {"Christmas and all the days that come after it", "12-24..12-26"},
    };
    char problem[CRON_PROBLEM_BYTES];
    struct schedule_days days;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(schedule_days_read(slice_of(cases[i].text), &days, problem));
        assert_non_null(strstr(problem, cases[i].says));
    }
}

static void jitter_is_bounded_steady_and_spread(void **state)
{
    struct schedule schedule = made("0 9 * * *", NULL);
    int tenths[10] = {0};

    (void)state;
    assert_int_equal(schedule_delay(&schedule, SLICE("a/0"), 1000), 0);
    schedule.jitter_ms = 60000;
    for (int i = 0; i < 10000; i++) {
        char name[16];
        int64_t delay;
        snprintf(name, sizeof name, "w%d/0", i);
        delay = schedule_delay(&schedule, slice_of(name), 1700000000000);
        assert_true(delay >= 0 && delay < 60000);
        assert_int_equal(delay, schedule_delay(&schedule, slice_of(name), 1700000000000));
        tenths[delay / 6000]++;
    }
    for (int i = 0; i < 10; i++)
        assert_true(tenths[i] > 850 && tenths[i] < 1150);
    assert_true(schedule_delay(&schedule, SLICE("a"), 0) != schedule_delay(&schedule, SLICE("a"), 60000));
    schedule_fini(&schedule);
}

static void mistakes_are_doubted(void **state)
{
    static const struct {
        const char *cron, *says;
    } cases[] = {
        {"* */3 * * *", "fires every minute of 8 hours a day, 480 times a day; did you mean 0 */3 * * *?"},
        {"* 3 * * *", "fires every minute of 1 hour a day, 60 times a day; did you mean 0 3 * * *?"},
        {" *  9-17  * *  MON-FRI ", "540 times a day; did you mean 0 9-17  * *  MON-FRI?"},
        {"*/1 3 * * *", "60 times a day"},
        {"*/45 * * * *", "the last pause of an hour is 15 minutes"},
        {"*/7 * * * *", "the last pause of an hour is 4 minutes"},
        {"0 */5 * * *", "the last pause of a day is 4 hours"},
        {"0 0 13 * 5", "days of month 13 and also on the weekdays 5"},
        {"0 0 */2 * *", "begins anew on the 1st"},
        {"0 0 31 * *", "write L"},
        {"0 0 30 1,2,3 *", "write L"},
    };
    static const char *const fine[] = {"* * * * *",  "0 9 * * *",    "*/15 * * * *",  "0 */3 * * *",
                                       "0 0 29 2 *", "0 0 L * *",    "0 0 15,31 * *", "0 0 31 1 *",
                                       "@hourly",    "0 0 31 1,3 *", "0 0 ? * 1",     "*/15 9-17 * * 1-5"};
    char text[SCHEDULE_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schedule schedule = made(cases[i].cron, NULL);
        schedule_doubt(&schedule, slice_of(cases[i].cron), text);
        if (strstr(text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].cron, text);
        schedule_fini(&schedule);
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        struct schedule schedule = made(fine[i], NULL);
        schedule_doubt(&schedule, slice_of(fine[i]), text);
        assert_string_equal(text, "");
        schedule_fini(&schedule);
    }
}

static void fires_a_day_are_counted(void **state)
{
    struct schedule schedule = made("* */3 * * *", NULL);

    (void)state;
    assert_int_equal(schedule_fires_a_day(&schedule), 480);
    schedule_fini(&schedule);
    schedule = made("@daily", NULL);
    assert_int_equal(schedule_fires_a_day(&schedule), 1);
    schedule_fini(&schedule);
}

static void schedules_are_told_in_words(void **state)
{
    static const char *const except[] = {"2026-12-25", "12-24..12-26", NULL};
    static const struct {
        const char *cron, *words;
    } cases[] = {
        {"0 9 * * MON-FRI", "at 09:00 from Monday to Friday"},
        {"0 9,14,19 * * *", "at 09:00, 14:00 and 19:00 every day"},
        {"*/15 * * * *", "every 15 minutes"},
        {"* * * * *", "every minute"},
        {"@hourly", "every hour on the hour"},
        {"*/15 9-17 * * 1,5", "every 15 minutes from 09:00 to 17:59 on Monday and Friday"},
        {"* */3 * * *", "every minute in the hours 0, 3, 6, 9, 12, 15, 18 and 21 every day"},
        {"5 * * * *", "at minute 5 of every hour"},
        {"0 0 L * *", "at 00:00 on the last day of the month"},
        {"0 0 L-2 * *", "at 00:00 2 days before the last day of the month"},
        {"0 0 1,15W,LW 1-3 *",
         "at 00:00 on day 1 of the month and on the last Monday to Friday of the month and on the "
         "Monday to Friday nearest to day 15 of the month from January to March"},
        {"0 0 13 * 5", "at 00:00 on day 13 of the month, and also on Friday"},
        {"0 8 * 6,12 1#1,5L", "at 08:00 on the first Monday of the month and on the last Friday of the month in June "
                              "and December"},
        {"0 8 * * FRI-SUN", "at 08:00 from Friday to Sunday"},
        {"0 8 * * SUN,WED", "at 08:00 on Wednesday and Sunday"},
        {"0 * * 1 *", "every hour on the hour in January"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schedule schedule = made(cases[i].cron, NULL);
        struct buffer text = {0};
        schedule_explain(&schedule, slice_of(cases[i].cron), &text);
        if (!slice_is(buffer_slice(&text), cases[i].words))
            fail_msg("%s: %.*s", cases[i].cron, (int)text.size, text.data);
        buffer_free(&text);
        schedule_fini(&schedule);
    }
    struct schedule schedule = made("0 9 * * *", except);
    struct buffer text = {0};
    schedule.zone = slice_dup(SLICE("Europe/Berlin"));
    schedule.jitter_ms = 300000;
    schedule_explain(&schedule, SLICE("0 9 * * *"), &text);
    assert_true(slice_is(buffer_slice(&text),
                         "at 09:00 every day, Europe/Berlin, not on 2026-12-25, 12-24..12-26, up to "
                         "5 minutes later"));
    buffer_free(&text);
    schedule_fini(&schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(excepted_days_are_left_out),
        cmocka_unit_test(days_that_are_none_are_refused),
        cmocka_unit_test(jitter_is_bounded_steady_and_spread),
        cmocka_unit_test(mistakes_are_doubted),
        cmocka_unit_test(fires_a_day_are_counted),
        cmocka_unit_test(schedules_are_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
