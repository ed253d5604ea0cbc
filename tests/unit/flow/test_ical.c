// SPDX-License-Identifier: MIT
#include "flow/ical.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EVENT(lines) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n" lines "END:VEVENT\r\nEND:VCALENDAR\r\n"

static int64_t ms_at(const char *text)
{
    int64_t ms;

    assert_true(civil_read_instant(slice_of(text), &ms));
    return ms;
}

static struct ical_events read_good(const char *text)
{
    struct zone *zone = zone_open("Europe/Berlin");
    char problem[ICAL_PROBLEM_BYTES];
    struct ical_events events;

    if (!ical_read(slice_of(text), zone, &events, problem))
        fail_msg("%s", problem);
    zone_close(&zone);
    return events;
}

static void read_wrong(const char *text, const char *expected)
{
    struct zone *zone = zone_open("Europe/Berlin");
    char problem[ICAL_PROBLEM_BYTES];
    struct ical_events events;

    assert_false(ical_read(slice_of(text), zone, &events, problem));
    assert_int_equal(events.count, 0);
    if (strstr(problem, expected) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", problem, expected);
    zone_close(&zone);
}

static void what_is_printed_is_read_again(void **state)
{
    char text[1200] = "Tea, scones; and C:\\jam\nsecond line\n";
    struct ical_event event = {.uid = (char *)"17@purser",
                               .title = (char *)"Autumn, \"strong\"",
                               .text = text,
                               .media = (char *)"https://shop.example/a.jpg?x=1,2;3",
                               .at_ms = ms_at("2026-11-22T08:00Z")};
    struct buffer printed = {NULL, 0, 0};
    size_t line = 0;

    (void)state;
    for (int i = 0; i < 200; i++)
        memcpy(text + strlen(text), i % 3 == 0 ? "\xf0\x9f\x8d\xb5" : "\xc3\xa4", i % 3 == 0 ? 5 : 3);
    ical_put_begin(&printed, "Harbour Tea");
    ical_put_event(&printed, &event, "instagram", ms_at("2026-11-01T00:00Z"));
    ical_put_end(&printed);
    buffer_append(&printed, "", 1);
    for (const char *at = printed.data; *at != '\0'; at++) {
        line = *at == '\n' ? 0 : line + 1;
        assert_true(line <= 76); /* 75 and the CR */
        assert_true(*at != '\n' || at[-1] == '\r');
    }
    assert_non_null(strstr(printed.data, "\r\nDTSTART:20261122T080000Z\r\n"));
    struct ical_events events = read_good(printed.data);
    assert_int_equal(events.count, 1);
    assert_string_equal(events.list[0].uid, event.uid);
    assert_string_equal(events.list[0].title, event.title);
    assert_string_equal(events.list[0].text, text);
    assert_string_equal(events.list[0].media, event.media);
    assert_string_equal(events.list[0].category, "instagram");
    assert_int_equal(events.list[0].at_ms, event.at_ms);
    ical_events_fini(&events);
    buffer_free(&printed);
}

static void times_have_several_shapes(void **state)
{
    static const struct {
        const char *text, *at;
        bool is_date;
    } cases[] = {
        {EVENT("UID:1\r\nDTSTART:20261122T080000Z\r\n"), "2026-11-22T08:00Z", false},
        {EVENT("UID:1\r\nDTSTART:20261122T080060Z\r\n"), "2026-11-22T08:00:59Z", false},
        {EVENT("UID:1\r\nDTSTART:20261122T090000\r\n"), "2026-11-22T08:00Z", false},
        {EVENT("UID:1\r\nDTSTART;TZID=America/New_York:20261122T090000\r\n"), "2026-11-22T14:00Z", false},
        {EVENT("UID:1\r\nDTSTART;X-A=\"b;c:d\";tzid=\"America/New_York\":20261122T090000\r\n"), "2026-11-22T14:00Z",
         false},
        {EVENT("UID:1\r\nDTSTART;TZID=/example.org/2005_1/America/New_York:20260722T090000\r\n"), "2026-07-22T13:00Z",
         false},
        {EVENT("UID:1\r\nDTSTART;VALUE=DATE:20261122\r\n"), "2026-11-21T23:00Z", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ical_events events = read_good(cases[i].text);
        assert_int_equal(events.count, 1);
        assert_int_equal(events.list[0].at_ms, ms_at(cases[i].at));
        assert_int_equal(events.list[0].is_date, cases[i].is_date);
        ical_events_fini(&events);
    }
}

static void only_events_are_read(void **state)
{
    struct ical_events events =
        read_good("\xef\xbb\xbf"
                  "BEGIN:VCALENDAR\nX-WR-CALNAME:Plan\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\n"
                  "DTSTART:19701025T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\nEND:VTIMEZONE\n"
                  "BEGIN:VTODO\nUID:todo\nSUMMARY:No\nEND:VTODO\n"
                  "\n"
                  "begin:vevent\nuid:1\nsummary;LANGUAGE=en:Fol\n ded \\\\n\\, yes\nX-OTHER;A=b:c\n"
                  "URL:https://shop.example/page\nATTACH;FMTTYPE=image/jpeg:https://shop.example/a.jpg\n"
                  "BEGIN:VALARM\nDESCRIPTION:Not this\nEND:VALARM\nend:vevent\n"
                  "BEGIN:VEVENT\nUID:2\nSTATUS:CANCELLED\nDTSTART:20261122\nEND:VEVENT\n"
                  "BEGIN:VEVENT\nUID:3\nATTACH;ENCODING=BASE64;VALUE=BINARY:AAAA\nURL:https://shop.example/b\n"
                  "END:VEVENT\nEND:VCALENDAR\n");

    (void)state;
    assert_int_equal(events.count, 2);
    assert_string_equal(events.list[0].title, "Folded \\n, yes");
    assert_string_equal(events.list[0].text, "");
    assert_string_equal(events.list[0].media, "https://shop.example/a.jpg");
    assert_int_equal(events.list[0].at_ms, 0);
    assert_int_equal(events.list[0].line, 15);
    assert_string_equal(events.list[1].uid, "3");
    assert_string_equal(events.list[1].media, "https://shop.example/b");
    ical_events_fini(&events);
    events = read_good("BEGIN:VCALENDAR\r\nEND:VCALENDAR");
    assert_int_equal(events.count, 0);
    ical_events_fini(&events);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    read_wrong("", "line 1: the file ends before its END:VCALENDAR");
    read_wrong("hello", "line 1: is no iCalendar");
    read_wrong("{\"a\": 1}", "line 1: is no iCalendar");
    read_wrong("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n", "the file ends before");
    read_wrong("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VCALENDAR\r\n", "line 4: this END");
    read_wrong("BEGIN:VEVENT\r\nEND:VEVENT\r\n", "line 1: is no iCalendar");
    read_wrong("END:VCALENDAR\r\n", "this END");
    read_wrong(EVENT("UID:1\r\nRRULE:FREQ=DAILY\r\nSUMMARY:Tea time\r\n"),
               "line 3: the event \"Tea time\" is a repeated one");
    read_wrong(EVENT("UID:1\r\nRECURRENCE-ID:20261122\r\n"), "the event \"1\" is a repeated one");
    read_wrong(EVENT("SUMMARY:Tea\r\n"), "the event \"Tea\" has no UID");
    read_wrong(EVENT("DTSTART:20261122T080000Z\r\n"), "the event \"without a name\" has no UID");
    read_wrong(EVENT("UID:1\r\nDTSTART:20261322T080000Z\r\n"), "line 5: DTSTART must be");
    read_wrong(EVENT("UID:1\r\nDTSTART:20261122T240000Z\r\n"), "line 5: DTSTART must be");
    read_wrong(EVENT("UID:1\r\nDTSTART:\r\n"), "line 5: DTSTART must be");
    read_wrong(EVENT("UID:1\r\nDTSTART;TZID=Mars/Base:20261122T080000\r\n"),
               "the time zone \"Mars/Base\" is not known");
    read_wrong(EVENT("UID:1\r\nSUMMARY:\xff\r\n"), "line 5: is not UTF-8");
    read_wrong(EVENT("UID:1\r\nno colon here\r\n"), "line 5: is no iCalendar: a line is NAME:VALUE");
}

static void bounds_hold(void **state)
{
    struct buffer text = {NULL, 0, 0};
    char *filler = xcalloc(1, ICAL_LINE_MAX + 1);

    (void)state;
    for (int i = 0; i < 10; i++)
        buffer_text(&text, "BEGIN:VCALENDAR\n");
    buffer_append(&text, "", 1);
    read_wrong(text.data, "deep");
    buffer_clear(&text);
    buffer_text(&text, "BEGIN:VCALENDAR\n");
    for (int i = 0; i <= ICAL_EVENTS_MAX; i++)
        buffer_printf(&text, "BEGIN:VEVENT\nUID:%d\nEND:VEVENT\n", i);
    buffer_append(&text, "END:VCALENDAR\n", sizeof("END:VCALENDAR\n"));
    read_wrong(text.data, "at most 5000 events");
    memset(filler, 'x', ICAL_LINE_MAX);
    buffer_clear(&text);
    buffer_printf(&text, "BEGIN:VCALENDAR\nX-A:%s\nEND:VCALENDAR\n", filler);
    buffer_append(&text, "", 1);
    read_wrong(text.data, "line 2: is longer than");
    buffer_clear(&text);
    buffer_text(&text, "BEGIN:VCALENDAR\nX-A:");
    for (int i = 0; i < 33; i++)
        buffer_printf(&text, "%s\n ", filler);
    buffer_append(&text, "", 1);
    read_wrong(text.data, "the file has more than");
    buffer_free(&text);
    free(filler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read_again),
        cmocka_unit_test(times_have_several_shapes),
        cmocka_unit_test(only_events_are_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(bounds_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
