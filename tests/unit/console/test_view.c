// SPDX-License-Identifier: MIT
#include "console/terminal/view.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void expect_view(enum command_id command, const char *json, const char *want)
{
    struct json_problem problem;
    struct buffer text = {NULL, 0, 0};
    json_t *value = json_read(slice_of(json), &problem);

    assert_non_null(value);
    view_show(&text, command, value);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, want);
    buffer_free(&text);
    json_decref(value);
}

#define SLOT(day, hour, entries, is_gap, is_conflict)                                                                  \
    "{\"at\":\"" day "T" hour ":00+01:00\",\"at_ms\":1,\"capacity\":1,\"entries\":[" entries "],\"gap\":" is_gap       \
    ",\"conflict\":" is_conflict "}"
#define ENTRY(id, title, state, text)                                                                                  \
    "{\"id\":" id ",\"title\":\"" title "\",\"state\":\"" state "\",\"text\":\"" text "\"}"
#define DAY(date, weekday, is_holiday, slots, strays)                                                                  \
    "{\"date\":\"" date "\",\"weekday\":\"" weekday "\",\"holiday\":" is_holiday ",\"slots\":[" slots                  \
    "],\"strays\":[" strays "]}"
#define MONDAY                                                                                                         \
    DAY("2026-11-23", "Monday", "false",                                                                               \
        SLOT("2026-11-23", "09:00", ENTRY("1", "Tea", "used", "x"), "false", "false") "," SLOT(                        \
            "2026-11-23", "14:00", "", "false",                                                                        \
            "false") "," SLOT("2026-11-23", "19:00",                                                                   \
                              ENTRY("2", "", "planned", "First\\nflush \\u001b[2J") "," ENTRY("3", "Two", "planned",   \
                                                                                              "y"),                    \
                              "false", "true"),                                                                        \
        "{\"id\":7,\"title\":\"Odd\",\"state\":\"planned\",\"text\":\"\",\"at\":\"2026-11-23T21:30:00+01:00\"}")
#define TUESDAY                                                                                                        \
    DAY("2026-11-24", "Tuesday", "false",                                                                              \
        SLOT("2026-11-24", "09:00", "", "true", "false") "," SLOT("2026-11-24", "14:00", "", "true", "false"), "")
#define HOLIDAY DAY("2026-11-25", "Wednesday", "true", SLOT("2026-11-25", "09:00", "", "false", "false"), "")
#define NO_SLOT DAY("2026-11-29", "Sunday", "false", "", "")
#define CALENDAR(view)                                                                                                 \
    "{\"now_ms\":1,\"view\":\"" view "\",\"channels\":[{\"channel\":\"instagram\",\"zone\":\"Europe/Berlin\","         \
    "\"capacity\":1,\"from\":\"2026-11-23T00:00:00+01:00\",\"to\":\"2026-11-30T00:00:00+01:00\",\"days\":[" MONDAY     \
    "," TUESDAY "," HOLIDAY "," NO_SLOT "],\"warnings\":[\"one too many\",\"no slot\"]}]}"

static void a_week(void **state)
{
    (void)state;
    expect_view(COMMAND_CALENDAR, CALENDAR("week"),
                "instagram (Europe/Berlin), week from 2026-11-23\n"
                "\n"
                "Mon 2026-11-23  09:00  #1 Tea (used)\n"
                "                14:00  nothing\n"
                "                19:00  #2 First flush \xef\xbf\xbd[2J  ! conflict\n"
                "                       #3 Two  ! conflict\n"
                "                21:30  #7 Odd  ! no slot\n"
                "Tue 2026-11-24  09:00, 14:00  free\n"
                "Wed 2026-11-25  09:00  holiday\n"
                "Sun 2026-11-29  no slot\n"
                "\n"
                "warnings\n"
                "  one too many\n"
                "  no slot\n");
}

static void a_month(void **state)
{
    (void)state;
    expect_view(COMMAND_CALENDAR, CALENDAR("month"),
                "instagram (Europe/Berlin), month from 2026-11-23\n"
                "\n"
                "Mon        Tue        Wed        Thu        Fri        Sat        Sun\n"
                "23 2/3!    24 0/2     25 holiday 29 0/0\n"
                "\n"
                "2026-11-23      09:00  #1 Tea (used)\n"
                "2026-11-23      19:00  #2 First flush \xef\xbf\xbd[2J  ! conflict\n"
                "                       #3 Two  ! conflict\n"
                "2026-11-23      21:30  #7 Odd  ! no slot\n"
                "2 slots are free, the first 2026-11-24T09:00:00+01:00\n"
                "\n"
                "warnings\n"
                "  one too many\n"
                "  no slot\n");
}

static void odd_calendars(void **state)
{
    (void)state;
    expect_view(COMMAND_CALENDAR, "{\"channels\":[],\"view\":\"week\"}",
                "no channels; docs/calendar.md says how the configuration names them\n");
    expect_view(COMMAND_CALENDAR, "{\"channels\":[{\"days\":[{\"slots\":[{}]}]}]}",
                " (), week from ?\n\n?   ?  nothing\n");
    expect_view(COMMAND_CALENDAR, "{\"message\":\"later\"}", "later\n");
}

#define SCHEDULE(next)                                                                                                 \
    "{\"more\":0,\"schedules\":[{\"cron\":\"0 9 * * *\",\"fires_a_day\":1,\"held\":null,\"last\":null,"                \
    "\"missed\":\"once\",\"mode\":\"live\",\"next\":[" next                                                            \
    "],\"overlap\":\"allow\",\"trigger\":0,\"workflow\":\"daily\",\"zone\":\"Europe/Berlin\"}]}"

static void schedules(void **state)
{
    (void)state;
    expect_view(COMMAND_SCHEDULES, SCHEDULE("\"2026-11-23T09:00:00+01:00\""),
                "workflow  cron       zone           mode  next                       last  missed  overlap\n"
                "daily     0 9 * * *  Europe/Berlin  live  2026-11-23T09:00:00+01:00  -     once    allow\n");
    expect_view(COMMAND_SCHEDULES, SCHEDULE("\"2026-11-23T09:00:00+01:00\",\"2026-11-24T09:00:00+01:00\""),
                "workflow  cron       zone           mode  next                       last  missed  overlap\n"
                "daily     0 9 * * *  Europe/Berlin  live  2026-11-23T09:00:00+01:00  -     once    allow\n"
                "\n"
                "daily: 0 9 * * *\n"
                "  2026-11-23T09:00:00+01:00\n"
                "  2026-11-24T09:00:00+01:00\n");
    expect_view(COMMAND_SCHEDULES, "{\"more\":3,\"schedules\":[]}",
                "none\n\n3 more; name a workflow with --workflow\n");
}

static void workflows(void **state)
{
    (void)state;
    expect_view(COMMAND_WORKFLOWS,
                "{\"workflows\":[{\"description\":null,\"file\":\"/x.yaml\",\"mode\":\"live\",\"open_runs\":2,"
                "\"triggers\":[\"manual\",\"queue imports\"],\"version\":\"852e2f203763\",\"workflow\":\"counting\"}]}",
                "workflow  mode  open_runs  version       triggers               description\n"
                "counting  live          2  852e2f203763  manual, queue imports  -\n");
}

#define RUN(more, inner)                                                                                               \
    "{\"run\":7,\"workflow\":\"w\",\"state\":\"done\",\"mode\":\"live\",\"hash\":\"0123456789abcdef\","                \
    "\"started_ms\":1700000000000,\"trigger_bytes\":9,\"steps\":[{\"step\":\"a\",\"state\":\"done\",\"duration_ms\":"  \
    "1500," inner "}]" more "}"

static void one_run(void **state)
{
    (void)state;
    expect_view(COMMAND_RUN_SHOW, RUN("", "\"input_bytes\":3,\"result\":{\"bytes\":12,\"variant\":\"long\"}"),
                "run       7\n"
                "workflow  w\n"
                "mode      live\n"
                "state     done\n"
                "started   2023-11-14T22:13:20+0000\n"
                "trigger   9 B\n"
                "version   0123456789ab\n"
                "\n"
                "steps\n"
                "  step  state  duration  input  result\n"
                "  a     done      1.5 s    3 B  bytes 12, variant long\n");
}

/* A table would cut values. */
static void one_run_whole(void **state)
{
    (void)state;
    expect_view(COMMAND_RUN_SHOW, RUN(",\"trigger\":{\"kind\":\"manual\"},\"result\":5", "\"input\":{\"text\":\"t\"}"),
                "run       7\n"
                "workflow  w\n"
                "mode      live\n"
                "state     done\n"
                "started   2023-11-14T22:13:20+0000\n"
                "trigger   9 B\n"
                "version   0123456789ab\n"
                "\n"
                "steps\n"
                "  step  state  duration\n"
                "  a     done      1.5 s\n"
                "\n"
                "trigger\n"
                "  {\n"
                "    \"kind\": \"manual\"\n"
                "  }\n"
                "\n"
                "a\n"
                "  input\n"
                "    {\n"
                "      \"text\": \"t\"\n"
                "    }\n"
                "\n"
                "result\n"
                "  5\n");
}

static void two_runs(void **state)
{
    (void)state;
    expect_view(
        COMMAND_RUN_DIFF,
        "{\"one\":{\"run\":7,\"state\":\"done\"},\"two\":{\"run\":8,\"state\":\"failed\"},\"same_definition\":true,"
        "\"steps\":[{\"step\":\"a\",\"differs\":[],\"one\":{},\"two\":{}},{\"step\":\"b\",\"differs\":[\"state\","
        "\"result\"],\"one\":{\"state\":\"done\",\"result\":{\"bytes\":4}},\"two\":{\"state\":null,\"result\":"
        "null}}]}",
        "one  run 7, done\n"
        "two  run 8, failed\n"
        "both had the same definition\n"
        "\n"
        "step  differs  one      two\n"
        "a     no       -        -\n"
        "b     state    done     -\n"
        "b     result   bytes 4  -\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_week),        cmocka_unit_test(a_month),   cmocka_unit_test(odd_calendars),
        cmocka_unit_test(schedules),     cmocka_unit_test(workflows), cmocka_unit_test(one_run),
        cmocka_unit_test(one_run_whole), cmocka_unit_test(two_runs),
    };

    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
