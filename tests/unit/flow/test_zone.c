// SPDX-License-Identifier: MIT
#include "flow/zone.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t local_at(int year, int month, int day, int hour, int minute)
{
    struct civil civil = {year, month, day, hour, minute, 0};

    return civil_seconds(&civil);
}

static int64_t utc_at(const char *text)
{
    int64_t ms;

    assert_true(civil_read_instant(slice_of(text), &ms));
    return ms / 1000;
}

static void offsets_agree_with_zoneinfo(void **state)
{
    char line[200], name[64], abbreviation[32];
    FILE *file = fopen(TEST_DATA "/flow/offsets.txt", "r");
    struct zone *zone = NULL;
    int64_t utc;
    int offset, summer, count = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        struct zone_offset found;
        if (line[0] == '#')
            continue;
        assert_int_equal(sscanf(line, "%63s %" SCNd64 " %d %31s %d", name, &utc, &offset, abbreviation, &summer), 5);
        if (zone == NULL || strcmp(zone_name(zone), name) != 0) {
            zone_close(&zone);
            zone = zone_open(name);
            assert_non_null(zone);
        }
        found = zone_offset_at(zone, utc);
        assert_int_equal(found.seconds, offset);
        assert_string_equal(found.name, abbreviation);
        count++;
    }
    assert_true(count > 400);
    zone_close(&zone);
    fclose(file);
}

static void check_fit(const char *name, int64_t local, enum zone_fit fit, const char *first, const char *second)
{
    struct zone *zone = zone_open(name);
    struct zone_instants found;

    assert_non_null(zone);
    found = zone_from_local(zone, local);
    assert_int_equal(found.fit, fit);
    assert_int_equal(found.first, utc_at(first));
    assert_int_equal(found.second, utc_at(second));
    zone_close(&zone);
}

static void local_times_find_their_instants(void **state)
{
    (void)state;
    check_fit("Europe/Berlin", local_at(2026, 7, 1, 12, 0), ZONE_ONCE, "2026-07-01T10:00Z", "2026-07-01T10:00Z");
    check_fit("America/New_York", local_at(2026, 3, 8, 2, 30), ZONE_GAP, "2026-03-08T07:00Z", "2026-03-08T07:00Z");
    check_fit("America/New_York", local_at(2026, 11, 1, 1, 30), ZONE_OVERLAP, "2026-11-01T05:30Z", "2026-11-01T06:30Z");
    check_fit("Europe/Rome", local_at(2026, 3, 29, 2, 0), ZONE_GAP, "2026-03-29T01:00Z", "2026-03-29T01:00Z");
    check_fit("Australia/Lord_Howe", local_at(2026, 10, 4, 2, 10), ZONE_GAP, "2026-10-03T15:30Z", "2026-10-03T15:30Z");
    check_fit("Australia/Lord_Howe", local_at(2026, 4, 5, 1, 45), ZONE_OVERLAP, "2026-04-04T14:45Z",
              "2026-04-04T15:15Z");
    check_fit("America/Santiago", local_at(2026, 9, 6, 0, 0), ZONE_GAP, "2026-09-06T04:00Z", "2026-09-06T04:00Z");
    check_fit("Pacific/Apia", local_at(2011, 12, 30, 12, 0), ZONE_GAP, "2011-12-30T10:00Z", "2011-12-30T10:00Z");
    check_fit("UTC", local_at(2026, 1, 1, 0, 0), ZONE_ONCE, "2026-01-01T00:00Z", "2026-01-01T00:00Z");
    /* Past the listed changes the rule of the file holds. */
    check_fit("Europe/Berlin", local_at(2399, 7, 1, 12, 0), ZONE_ONCE, "2399-07-01T10:00Z", "2399-07-01T10:00Z");
}

static void every_minute_returns(void **state)
{
    static const char *const names[] = {"Europe/Dublin", "Africa/Casablanca", "Asia/Kathmandu", "Africa/Cairo"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct zone *zone = zone_open(names[i]);
        for (int64_t utc = utc_at("2026-01-01T00:00Z"); utc < utc_at("2027-01-01T00:00Z"); utc += 600) {
            struct zone_instants back = zone_from_local(zone, utc + zone_offset_at(zone, utc).seconds);
            assert_true(back.fit != ZONE_GAP && (back.first == utc || back.second == utc));
        }
        zone_close(&zone);
    }
}

static void bad_names_and_files_are_refused(void **state)
{
    static const char *const names[] = {
        "",         "/etc/passwd", "../passwd", "Europe/../../passwd", "Mars/Olympus", "Europe",
        "zone.tab", "tzdata.zi",   ".hidden",   "Europe/Berlin\n"};
    char cut[64] = "TZif2";

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_null(zone_open(names[i]));
    for (size_t size = 0; size <= sizeof cut; size++)
        assert_null(zone_parse("cut", (struct slice){cut, size}));
}

static void instants_are_read(void **state)
{
    static const char *const wrong[] = {"",
                                        "2026-11-22",
                                        "2026-11-22T09:30:00",
                                        "2026-02-29T00:00Z",
                                        "2026-13-01T00:00Z",
                                        "2026-11-22T24:00Z",
                                        "2026-11-22T09:30:00.Z",
                                        "2026-11-22T09:30:00Zx",
                                        "20261122T0930Z",
                                        "2026-11-22T09:30:00+24:00",
                                        "0000-01-01T00:00Z"};
    struct buffer text = {0};
    int64_t ms;

    (void)state;
    assert_true(civil_read_instant(SLICE("2025-04-02T11:31:05-05:00"), &ms));
    assert_int_equal(ms, INT64_C(1743611465000));
    assert_true(civil_read_instant(SLICE("1969-12-31 23:59:59.9995Z"), &ms));
    assert_int_equal(ms, -1);
    assert_true(civil_read_instant(SLICE("2026-11-22T09:30+0530"), &ms));
    civil_print_instant(&text, ms);
    assert_true(slice_is(buffer_slice(&text), "2026-11-22T04:00:00.000Z"));
    buffer_clear(&text);
    civil_print_instant(&text, INT64_MAX);
    assert_true(slice_is(buffer_slice(&text), "9999-12-31T23:59:59.999Z"));
    buffer_free(&text);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(civil_read_instant(slice_of(wrong[i]), &ms));
}

static void days_and_dates_agree(void **state)
{
    int64_t day = civil_days(-400, 1, 1);
    struct civil last = civil_of_seconds((day - 1) * CIVIL_DAY_S);

    (void)state;
    assert_int_equal(civil_days(1970, 1, 1), 0);
    assert_int_equal(civil_weekday(0), 4);
    for (; day < civil_days(2800, 1, 1); day++) {
        struct civil civil = civil_of_seconds(day * CIVIL_DAY_S);
        assert_int_equal(civil_days(civil.year, civil.month, civil.day), day);
        assert_true(civil.day == last.day + 1 ||
                    (civil.day == 1 && last.day == civil_month_days(last.year, last.month)));
        last = civil;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_agree_with_zoneinfo), cmocka_unit_test(local_times_find_their_instants),
        cmocka_unit_test(every_minute_returns),        cmocka_unit_test(bad_names_and_files_are_refused),
        cmocka_unit_test(instants_are_read),           cmocka_unit_test(days_and_dates_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
