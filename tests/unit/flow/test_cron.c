// SPDX-License-Identifier: MIT
#include "flow/cron.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t ms_at(const char *text)
{
    int64_t ms;

    assert_true(civil_read_instant(slice_of(text), &ms));
    return ms;
}

static struct cron parsed(const char *text)
{
    char problem[CRON_PROBLEM_BYTES];
    struct cron cron;

    if (!cron_parse(slice_of(text), &cron, problem))
        fail_msg("%s: %s", text, problem);
    return cron;
}

static const struct {
    const char *cron, *zone, *after, *next;
} instants[] = {
    {"30 2 * * *", "America/New_York", "2026-03-08T06:59:59Z", "2026-03-08T07:00Z"},
    {"30 2 * * *", "America/New_York", "2026-03-08T07:00Z", "2026-03-09T06:30Z"},
    {"15,30 2 * * *", "America/New_York", "2026-03-08T07:00Z", "2026-03-09T06:15Z"},
    {"30 1 * * *", "America/New_York", "2026-11-01T00:00Z", "2026-11-01T05:30Z"},
    {"30 1 * * *", "America/New_York", "2026-11-01T05:30Z", "2026-11-02T06:30Z"},
    {"30 2 * * *", "Europe/Rome", "2026-03-29T00:00Z", "2026-03-29T01:00Z"},
    {"30 2 * * *", "Europe/Rome", "2026-10-25T00:00Z", "2026-10-25T00:30Z"},
    {"30 2 * * *", "Europe/Rome", "2026-10-25T00:30Z", "2026-10-26T01:30Z"},
    {"30 1 * * *", "Europe/Dublin", "2026-03-29T00:00Z", "2026-03-29T01:00Z"},
    {"10 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:00Z", "2026-10-03T15:30Z"},
    {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45Z", "2026-04-05T15:15Z"},
    {"0 0 * * *", "America/Santiago", "2026-09-05T12:00Z", "2026-09-06T04:00Z"},
    {"0 0 * * 0", "America/Santiago", "2026-09-05T12:00Z", "2026-09-06T04:00Z"},
    {"0 0 6 9 *", "America/Santiago", "2026-09-05T12:00Z", "2026-09-06T04:00Z"},
    {"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00Z", "2026-04-23T22:00Z"},
    {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00Z", "2018-11-04T03:00Z"},
    {"0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00Z", "2011-12-30T10:00Z"},
    {"0 9 * * *", "Asia/Kathmandu", "2026-01-01T04:00Z", "2026-01-02T03:15Z"},
    {"0 0 29 2 *", "UTC", "2026-01-01T00:00Z", "2028-02-29T00:00Z"},
    {"0 0 29 2 *", "UTC", "2096-03-01T00:00Z", "2104-02-29T00:00Z"},
    {"0 0 31 * *", "UTC", "2026-01-31T00:00Z", "2026-03-31T00:00Z"},
    {"0 0 13 * 5", "UTC", "2026-02-07T00:00Z", "2026-02-13T00:00Z"},
    {"0 0 13 * 5", "UTC", "2026-02-13T00:00Z", "2026-02-20T00:00Z"},
    {"0 0 13 * 5", "UTC", "2026-04-10T00:00Z", "2026-04-13T00:00Z"},
    {"0 0 */2 * 1", "UTC", "2026-11-22T12:00Z", "2026-11-23T00:00Z"},
    {"0 0 */2 * 1", "UTC", "2026-11-29T12:00Z", "2026-11-30T00:00Z"}, /* a Monday, not an odd day */
    {"0 0 ? * 1", "UTC", "2026-11-23T00:00Z", "2026-11-30T00:00Z"},
    {"0 0 * * 7", "UTC", "2026-11-22T00:00Z", "2026-11-29T00:00Z"},
    {"0 0 * * fri-SUN", "UTC", "2026-11-23T00:00Z", "2026-11-27T00:00Z"},
    {"0 0 * * MON-FRI/2", "UTC", "2026-11-23T00:00Z", "2026-11-25T00:00Z"},
    {"@weekly", "UTC", "2026-12-28T00:00Z", "2027-01-03T00:00Z"},
    {"@yearly", "Europe/Berlin", "2026-12-31T22:59Z", "2026-12-31T23:00Z"},
    {"59 23 31 DEC *", "UTC", "2026-12-31T23:58:59.999Z", "2026-12-31T23:59Z"},
    {"@monthly", "UTC", "2037-12-31T23:59Z", "2038-01-01T00:00Z"},
    {"* * * * *", "UTC", "2026-01-01T00:00:00.500Z", "2026-01-01T00:01Z"},
    {"0 0 L * *", "UTC", "2026-01-31T00:00Z", "2026-02-28T00:00Z"},
    {"0 0 L * *", "UTC", "2028-01-31T00:00Z", "2028-02-29T00:00Z"},
    {"0 0 l * *", "UTC", "2026-03-31T00:00Z", "2026-04-30T00:00Z"},
    {"0 0 L-2 * *", "UTC", "2026-02-01T00:00Z", "2026-02-26T00:00Z"},
    {"0 0 L-30 * *", "UTC", "2026-02-01T00:00Z", "2026-03-01T00:00Z"},
    {"0 0 LW 5 *", "UTC", "2026-01-01T00:00Z", "2026-05-29T00:00Z"}, /* the 31st is a Sunday */
    {"0 0 LW 2 *", "UTC", "2026-01-01T00:00Z", "2026-02-27T00:00Z"},
    {"0 0 LW 8 *", "UTC", "2026-01-01T00:00Z", "2026-08-31T00:00Z"},
    {"0 0 15W 8 *", "UTC", "2026-01-01T00:00Z", "2026-08-14T00:00Z"},
    {"0 0 15W 11 *", "UTC", "2026-01-01T00:00Z", "2026-11-16T00:00Z"},
    {"0 0 1W 8 *", "UTC", "2026-01-01T00:00Z", "2026-08-03T00:00Z"},  /* never back into July */
    {"0 0 31W 5 *", "UTC", "2026-01-01T00:00Z", "2026-05-29T00:00Z"}, /* nor on into June */
    {"0 0 31w * *", "UTC", "2026-03-31T00:00Z", "2026-05-29T00:00Z"}, /* April has no 31st */
    {"0 0 1,15W,L * *", "UTC", "2026-11-02T00:00Z", "2026-11-16T00:00Z"},
    {"0 0 1,15W,L * *", "UTC", "2026-11-16T00:00Z", "2026-11-30T00:00Z"},
    {"0 0 * * 5#5", "UTC", "2026-01-01T00:00Z", "2026-01-30T00:00Z"},
    {"0 0 * * FRI#5", "UTC", "2026-01-30T00:00Z", "2026-05-29T00:00Z"},
    {"0 0 * * 5L", "UTC", "2026-02-01T00:00Z", "2026-02-27T00:00Z"},
    {"0 0 * * friL", "UTC", "2026-04-24T00:00Z", "2026-05-29T00:00Z"},
    {"0 0 * * 7#1", "UTC", "2026-11-02T00:00Z", "2026-12-06T00:00Z"},
    {"0 0 * * 0#1", "UTC", "2026-10-31T00:00Z", "2026-11-01T00:00Z"},
    {"0 0 * * 1#2,5L", "UTC", "2026-11-01T00:00Z", "2026-11-09T00:00Z"},
    {"0 0 * * 1#2,5L", "UTC", "2026-11-09T00:00Z", "2026-11-27T00:00Z"},
    {"0 0 L * 1#1", "UTC", "2026-10-31T12:00Z", "2026-11-02T00:00Z"},
    {"0 0 * 2 1#5", "UTC", "2088-01-01T00:00Z", "2112-02-29T00:00Z"}, /* past the century without a leap day */
    {"0 0 29 2 1", "UTC", "2026-02-23T00:00Z", "2027-02-01T00:00Z"},
    {"0 0 31 4 1", "UTC", "2026-04-01T00:00Z", "2026-04-06T00:00Z"},
    {"0 0 1-31 * 1", "UTC", "2026-11-23T00:00Z", "2026-11-24T00:00Z"},
    {"0 0 * * 5-7", "UTC", "2026-11-20T00:00Z", "2026-11-21T00:00Z"},
    {"30 23 * * *", "America/Santiago", "2026-04-04T12:00Z", "2026-04-05T02:30Z"},
    {"30 23 * * *", "America/Santiago", "2026-04-05T02:30Z", "2026-04-06T03:30Z"},
    {"30 23 29 10 *", "Africa/Cairo", "2026-10-29T12:00Z", "2026-10-29T20:30Z"},
    {"30 2 15 2 *", "Africa/Casablanca", "2026-02-14T12:00Z", "2026-02-15T01:30Z"},
    {"30 2 22 3 *", "Africa/Casablanca", "2026-03-21T12:00Z", "2026-03-22T02:00Z"},
    {"0 0 30 DEC *", "Pacific/Apia", "2011-12-01T00:00Z", "2011-12-30T10:00Z"},
    {"0 * 30 12 *", "Pacific/Apia", "2011-12-01T00:00Z", "2012-12-29T10:00Z"}, /* elapsed: that day has no hours */
    {" @Daily ", "UTC", "2026-12-31T00:00Z", "2027-01-01T00:00Z"},
    {"0 0 1 1 *", "UTC", "9998-06-01T00:00Z", "9999-01-01T00:00Z"},
    {"*/15 1-3 * * *", "America/New_York", "2026-03-08T06:45Z", "2026-03-08T07:00Z"},
};

static void next_instants_are_right(void **state)
{

    (void)state;
    for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
        struct cron cron = parsed(instants[i].cron);
        struct zone *zone = zone_open(instants[i].zone);
        int64_t next = cron_next(&cron, zone, ms_at(instants[i].after));
        struct buffer text = {0};
        civil_print_instant(&text, next);
        if (next != ms_at(instants[i].next))
            fail_msg("%s in %s after %s: %.*s", instants[i].cron, instants[i].zone, instants[i].after, (int)text.size,
                     text.data);
        buffer_free(&text);
        zone_close(&zone);
    }
}

static int runs_between(const char *text, const char *name, const char *from, const char *to)
{
    struct cron cron = parsed(text);
    struct zone *zone = zone_open(name);
    int count = 0;

    for (int64_t at = cron_next(&cron, zone, ms_at(from) - 1); at < ms_at(to); at = cron_next(&cron, zone, at))
        count++;
    zone_close(&zone);
    return count;
}

static void hours_follow_elapsed_time(void **state)
{
    (void)state;
    assert_int_equal(runs_between("0 * * * *", "America/New_York", "2026-11-01T04:00Z", "2026-11-02T05:00Z"), 25);
    assert_int_equal(runs_between("@hourly", "America/New_York", "2026-03-08T05:00Z", "2026-03-09T04:00Z"), 23);
    assert_int_equal(runs_between("*/15 1-3 * * *", "America/New_York", "2026-03-08T05:00Z", "2026-03-09T04:00Z"), 8);
    assert_int_equal(runs_between("*/15 1-3 * * *", "America/New_York", "2026-11-01T04:00Z", "2026-11-02T05:00Z"), 16);
    assert_int_equal(runs_between("0 0 * * *", "America/Santiago", "2026-01-01T03:00Z", "2027-01-01T03:00Z"), 365);
    assert_int_equal(runs_between("30 2 * * *", "Europe/Berlin", "2025-12-31T23:00Z", "2026-12-31T23:00Z"), 365);
}

/* Every minute of some weeks around clock changes, against the plain reading of the rule. */
static void nothing_lies_between(void **state)
{
    static const char *const entries[] = {"*/7 * * * *", "5 */3 * * *", "0,30 0-2 * * *", "* 1 * * SUN",
                                          "17 2 8-14 * 0"};
    static const char *const zones[] = {"America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"};

    (void)state;
    for (size_t e = 0; e < 5; e++)
        for (size_t z = 0; z < 4; z++) {
            struct cron cron = parsed(entries[e]);
            struct zone *zone = zone_open(zones[z]);
            int64_t from = ms_at("2026-02-10T00:00Z"), to = ms_at("2026-04-12T00:00Z");
            for (int64_t at = from, next = cron_next(&cron, zone, from - 1); at < to && cron.is_elapsed; at += 60000) {
                struct civil local = zone_local(zone, at / 1000);
                int weekday = civil_weekday(civil_days(local.year, local.month, local.day));
                bool matches = (cron.minutes >> local.minute & 1) && (cron.hours >> local.hour & 1) &&
                               (cron.weekdays >> weekday & 1);
                assert_true(matches == (at == next));
                if (at == next)
                    next = cron_next(&cron, zone, at);
            }
            for (int64_t at = cron_next(&cron, zone, from); at < to;) {
                int64_t next = cron_next(&cron, zone, at);
                assert_true(next > at && cron_next(&cron, zone, next - 1) == next);
                at = next;
            }
            zone_close(&zone);
        }
}

/* The bits of the entry at a reading of the wall clock. */
static bool is_read(const struct cron *cron, int64_t local)
{
    int64_t day = civil_floor(local, CIVIL_DAY_S), of_day = local - day * CIVIL_DAY_S;

    return of_day % 60 == 0 && (cron->minutes >> (of_day / 60 % 60) & 1) && (cron->hours >> (of_day / 3600) & 1) &&
           cron_fires_on(cron, day);
}

/* Every minute is looked at with nothing but the zone's offset: a reading fires when it is shown, a fixed one only the
 * first time, and a fixed one that is never shown at the minute that follows. */
static void assert_years(const struct cron *cron, const struct zone *zone, int64_t from, int64_t to)
{
    int64_t next = cron_next(cron, zone, from * 1000 - 1), farthest = from + zone_offset_at(zone, from).seconds - 60;

    for (int64_t at = from; at < to; at += 60) {
        int64_t local = at + zone_offset_at(zone, at).seconds;
        bool fires = is_read(cron, local) && (cron->is_elapsed || local > farthest);
        for (int64_t hidden = farthest + 60; hidden < local && !cron->is_elapsed; hidden += 60)
            fires = fires || is_read(cron, hidden);
        farthest = local > farthest ? local : farthest;
        if (fires != (next == at * 1000))
            fail_msg("%s at %lld", zone_name(zone), (long long)at);
        if (fires) {
            next = cron_next(cron, zone, at * 1000);
            assert_true(next > at * 1000);
        }
    }
}

static void years_are_right_by_the_minute(void **state)
{
    static const char *const zones[] = {"UTC",
                                        "America/New_York",
                                        "America/Sao_Paulo",
                                        "America/Santiago",
                                        "America/Caracas",
                                        "America/St_Johns",
                                        "America/Havana",
                                        "America/Asuncion",
                                        "America/Godthab",
                                        "America/Mexico_City",
                                        "America/Phoenix",
                                        "America/Los_Angeles",
                                        "America/Anchorage",
                                        "America/Halifax",
                                        "Europe/Berlin",
                                        "Europe/London",
                                        "Europe/Dublin",
                                        "Europe/Lisbon",
                                        "Europe/Istanbul",
                                        "Europe/Moscow",
                                        "Europe/Volgograd",
                                        "Africa/Cairo",
                                        "Africa/Casablanca",
                                        "Africa/El_Aaiun",
                                        "Africa/Juba",
                                        "Asia/Kathmandu",
                                        "Asia/Kolkata",
                                        "Asia/Tehran",
                                        "Asia/Gaza",
                                        "Asia/Beirut",
                                        "Asia/Amman",
                                        "Asia/Pyongyang",
                                        "Asia/Tokyo",
                                        "Australia/Lord_Howe",
                                        "Australia/Adelaide",
                                        "Australia/Sydney",
                                        "Pacific/Apia",
                                        "Pacific/Chatham",
                                        "Pacific/Fiji",
                                        "Antarctica/Troll"};
    static const char *const entries[] = {"30 2 * * *",        "0 0 * * *",       "*/15 * * * *", "0 */3 L * *",
                                          "0,15,45 0-3 * * *", "59 23 LW * 0",    "* 1 * * SUN",  "5 2 15W,L-1 * 5#2",
                                          "30 1,2 */2 * 6L",   "0 0-23 * 3-11 *", "0 0 1 1 *"};
    size_t count = sizeof entries / sizeof *entries;

    (void)state;
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        struct zone *zone = zone_open(zones[z]);
        assert_non_null(zone);
        for (size_t i = 0; i < 2; i++) {
            struct cron cron = parsed(entries[(2 * z + i) % count]);
            int64_t year = 2018 + (int64_t)(z + i) % 10;
            assert_years(&cron, zone, civil_days(year, 1, 1) * CIVIL_DAY_S, civil_days(year + 3, 1, 1) * CIVIL_DAY_S);
        }
        zone_close(&zone);
    }
}

static const struct {
    const char *cron, *says;
} mistakes[] = {
    {"", "0 fields"},
    {"* * * *", "4 fields"},
    {"0 0 * * * *", "6 fields"},
    {"60 * * * *", "out of range; write 0-59"},
    {"* 24 * * *", "the hour field"},
    {"* * 0 * *", "1-31"},
    {"* * * 13 *", "month"},
    {"* * * * 8", "0-7"},
    {"-1 * * * *", "lacks a number"},
    {"1- * * * *", "lacks a number"},
    {", * * * *", "lacks a number"},
    {"1,,2 * * * *", "lacks a number"},
    {"+1 * * * *", "lacks a number"},
    {"*/0 * * * *", "step that does not fit"},
    {"*/60 * * * *", "step that does not fit"},
    {"50/20 * * * *", "step over a single value"},
    {"4294967296 * * * *", "too large"},
    {"30-10 * * * *", "runs backwards"},
    {"* * * * 6-0", "do not wrap"},
    {"* * * * FRI-MON", "do not wrap"},
    {"* * * FOO *", "unknown name"},
    {"* * * * SUNDAY", "unknown name"},
    {"? * * * *", "only in the two day fields"},
    {"* * ?,1 * *", "stands alone"},
    {"* * L-31 * *", "L-1 to L-30"},
    {"* * L-x * *", "lacks a number"},
    {"* * LX * *", "does not belong"},
    {"* * 0W * *", "out of range"},
    {"* * 32W * *", "out of range"},
    {"* * 1-5W * *", "behind a single day"},
    {"* * 1W-5 * *", "does not belong"},
    {"* * 5L * *", "belongs to the day of week"},
    {"* * 5#2 * *", "belongs to the day of week"},
    {"* * * * L", "5L is the last Friday"},
    {"* * * * 5W", "belongs to the day of month"},
    {"* * * * 5#6", "#1 to #5"},
    {"* * * * 5#0", "#1 to #5"},
    {"* * * * 5#", "lacks a number"},
    {"* * * * 8#1", "out of range"},
    {"* * * * MON-FRI#2", "behind a single day"},
    {"* * * * MONDAY", "three letters"},
    {"* L * * *", "belongs to the day fields"},
    {"5W * * * *", "belongs to the day of month"},
    {"5L * * * *", "belongs to the day of week"},
    {"H * * * *", "jitter"},
    {"* * * L *", "belongs to the day fields"},
    {"0 0 31W 4 *", "never run"},
    {"0 0 30W,31 2 *", "never run"},
    {"0 0 L-29 2 *", "never run"},
    {"0 0 L-30 APR,JUN *", "never run"},
    {"0 0 31 4 ?", "never run"},
    {"@every 5m", "*/5 * * * *"},
    {"0 0 30 2 *", "never run"},
    {"0 0 31 4,6,9,11 *", "never run"},
    {"@noon", "write @hourly, @daily"},
    {"1 2 3 4 5x", "does not belong"},
};

static void wrong_schedules_say_what_is_right(void **state)
{
    char problem[CRON_PROBLEM_BYTES], *text = calloc(1, 10001);
    struct cron cron;

    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        assert_false(cron_parse(slice_of(mistakes[i].cron), &cron, problem));
        if (strstr(problem, mistakes[i].says) == NULL)
            fail_msg("%s: %s", mistakes[i].cron, problem);
    }
    memset(text, '*', 10000);
    assert_false(cron_parse((struct slice){text, 10000}, &cron, problem));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_instants_are_right),
        cmocka_unit_test(hours_follow_elapsed_time),
        cmocka_unit_test(nothing_lies_between),
        cmocka_unit_test(years_are_right_by_the_minute),
        cmocka_unit_test(wrong_schedules_say_what_is_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
