// SPDX-License-Identifier: MIT
#include "flow/calendar.h"
#include "proto/ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *const posts[] = {"0 9 * * *", "0 14 * * *", "0 19 * * *"};
static char *const holidays[] = {"2026-12-25", "12-31..01-01"};

static int64_t ms_at(const char *text)
{
    int64_t ms;

    assert_true(civil_read_instant(slice_of(text), &ms));
    return ms;
}

static struct calendar_channel opened(void)
{
    struct calendar_channel channel;

    assert_true(calendar_channel_open(&channel, "instagram", "Europe/Berlin", posts, 3));
    assert_true(calendar_channel_holidays(&channel, holidays, 2));
    return channel;
}

static void slots_follow_the_wall_clock(void **state)
{
    struct calendar_channel channel = opened();

    (void)state;
    assert_int_equal(calendar_next_slot(&channel, ms_at("2026-11-22T08:00Z")), ms_at("2026-11-22T13:00Z"));
    assert_true(calendar_is_slot(&channel, ms_at("2026-11-22T08:00Z")));
    assert_false(calendar_is_slot(&channel, ms_at("2026-11-22T08:00:01Z")));
    assert_true(calendar_is_slot(&channel, ms_at("2026-07-22T07:00Z"))); /* summer */
    assert_false(calendar_is_slot(&channel, ms_at("2026-07-22T08:00Z")));
    assert_int_equal(calendar_slot_before(&channel, ms_at("2026-11-22T08:00Z")), ms_at("2026-11-21T18:00Z"));
    assert_true(calendar_is_holiday(&channel, ms_at("2026-12-25T08:00Z")));
    assert_true(calendar_is_holiday(&channel, ms_at("2026-12-24T23:30Z"))); /* local midnight has passed */
    assert_false(calendar_is_holiday(&channel, ms_at("2026-12-25T23:30Z")));
    assert_true(calendar_is_holiday(&channel, ms_at("2031-01-01T08:00Z")));
    calendar_channel_close(&channel);
}

static void the_same_time_of_two_crons_is_one_slot(void **state)
{
    char *const crons[] = {"0 9 * * *", "0 */3 * * *"};
    struct calendar_channel channel;
    int64_t at = ms_at("2026-11-22T00:00Z");

    (void)state;
    assert_true(calendar_channel_open(&channel, "c", "UTC", crons, 2));
    for (int i = 1; i <= 8; i++) {
        at = calendar_next_slot(&channel, at);
        assert_int_equal(at, ms_at("2026-11-22T00:00Z") + i * 3 * 3600 * 1000);
    }
    calendar_channel_close(&channel);
    assert_false(calendar_channel_open(&channel, "c", "Nowhere/Land", crons, 2));
    char *const wrong[] = {"0 25 * * *"};
    assert_false(calendar_channel_open(&channel, "c", "UTC", wrong, 1));
}

static void a_rare_slot_before_is_found_or_not(void **state)
{
    char *const monthly[] = {"0 9 1 * *"}, *const yearly[] = {"0 9 1 1 *"};
    struct calendar_channel channel;

    (void)state;
    assert_true(calendar_channel_open(&channel, "c", "UTC", monthly, 1));
    assert_int_equal(calendar_slot_before(&channel, ms_at("2026-11-30T00:00Z")), ms_at("2026-11-01T09:00Z"));
    calendar_channel_close(&channel);
    assert_true(calendar_channel_open(&channel, "c", "UTC", yearly, 1));
    assert_true(calendar_slot_before(&channel, ms_at("2026-11-30T00:00Z")) == INT64_MIN);
    calendar_channel_close(&channel);
}

static void the_next_free_slot_passes_over_full_ones_and_holidays(void **state)
{
    struct calendar_channel channel = opened();
    const int64_t taken[] = {ms_at("2026-12-24T08:00Z"), ms_at("2026-12-24T13:00Z"), ms_at("2026-12-24T14:00Z"),
                             ms_at("2026-12-24T18:00Z")};

    (void)state;
    assert_int_equal(calendar_next_free(&channel, ms_at("2026-12-24T00:00Z"), taken, 4), ms_at("2026-12-26T08:00Z"));
    channel.capacity = 2;
    assert_int_equal(calendar_next_free(&channel, ms_at("2026-12-24T08:00Z"), taken, 4), ms_at("2026-12-24T13:00Z"));
    calendar_channel_close(&channel);
    char *const never_free[] = {"0 9 25 12 *"}, *const christmas[] = {"12-25"};
    assert_true(calendar_channel_open(&channel, "c", "UTC", never_free, 1));
    assert_true(calendar_channel_holidays(&channel, christmas, 1));
    assert_true(calendar_next_free(&channel, ms_at("2026-12-24T08:00Z"), NULL, 0) == INT64_MAX);
    calendar_channel_close(&channel);
}

static void times_are_read_and_printed_in_the_zone(void **state)
{
    struct calendar_channel channel = opened();
    struct buffer text = {NULL, 0, 0};
    int64_t at;

    (void)state;
    assert_true(calendar_read_at(&channel, SLICE("2026-11-22T09:00"), &at));
    assert_int_equal(at, ms_at("2026-11-22T08:00Z"));
    assert_true(calendar_read_at(&channel, SLICE("2026-07-22 09:00:00"), &at));
    assert_int_equal(at, ms_at("2026-07-22T07:00Z"));
    assert_true(calendar_read_at(&channel, SLICE("2026-11-22T09:00-05:00"), &at));
    assert_int_equal(at, ms_at("2026-11-22T14:00Z"));
    assert_false(calendar_read_at(&channel, SLICE("2026-03-29T02:30"), &at)); /* the clock skips it */
    assert_true(calendar_read_at(&channel, SLICE("2026-10-25T02:30"), &at));
    assert_int_equal(at, ms_at("2026-10-25T00:30Z"));
    assert_false(calendar_read_at(&channel, SLICE("soon"), &at));
    assert_false(calendar_read_at(&channel, SLICE(""), &at));
    assert_false(calendar_read_at(&channel, SLICE("1960-01-01T09:00"), &at));
    calendar_print_at(&text, &channel, ms_at("2026-11-22T08:00Z"));
    assert_true(slice_is(buffer_slice(&text), "2026-11-22T09:00:00+01:00"));
    buffer_free(&text);
    calendar_channel_close(&channel);
    assert_true(calendar_channel_open(&channel, "c", "America/St_Johns", posts, 3));
    calendar_print_at(&text, &channel, ms_at("2026-11-22T00:00Z"));
    assert_true(slice_is(buffer_slice(&text), "2026-11-21T20:30:00-03:30"));
    buffer_free(&text);
    calendar_channel_close(&channel);
}

static void weeks_begin_on_monday(void **state)
{
    const int64_t sunday = civil_days(2026, 11, 22);
    struct calendar_span week = calendar_week_of(sunday), month = calendar_month_of(civil_days(2028, 2, 10));

    (void)state;
    assert_int_equal(week.first_day, civil_days(2026, 11, 16));
    assert_int_equal(week.last_day, sunday);
    assert_int_equal(calendar_week_of(sunday + 1).first_day, sunday + 1);
    assert_int_equal(month.first_day, civil_days(2028, 2, 1));
    assert_int_equal(month.last_day, civil_days(2028, 2, 29));
}

/* ---- entries ---- */

static struct calendar_entry entry_of(uint64_t id, int64_t slot_ms, const char *text)
{
    return (struct calendar_entry){.id = id,
                                   .channel = slice_dup(SLICE("instagram")),
                                   .title = slice_dup(SLICE("Tea")),
                                   .text = slice_dup(slice_of(text)),
                                   .media = slice_dup(SLICE("https://shop.example/tea.jpg")),
                                   .uid = slice_dup(SLICE("1@here")),
                                   .slot_ms = slot_ms,
                                   .state = slot_ms > 0 ? CALENDAR_PLANNED : CALENDAR_DRAFT,
                                   .created_ms = 1000,
                                   .changed_ms = 2000};
}

static void an_entry_survives_writing(void **state)
{
    struct calendar_entry entry = entry_of(7, ms_at("2026-11-22T08:00Z"), "Gr\xc3\xbcn \"und\"\nwarm"), again;
    struct buffer json = {NULL, 0, 0};

    (void)state;
    entry.rev = 3;
    calendar_entry_write(&entry, &json);
    assert_true(calendar_entry_read(buffer_slice(&json), &again));
    assert_int_equal(again.id, 7);
    assert_int_equal(again.rev, 3);
    assert_int_equal(again.slot_ms, entry.slot_ms);
    assert_int_equal(again.state, CALENDAR_PLANNED);
    assert_int_equal(again.created_ms, 1000);
    assert_int_equal(again.changed_ms, 2000);
    assert_string_equal(again.text, entry.text);
    assert_string_equal(again.media, entry.media);
    assert_string_equal(again.uid, "1@here");
    calendar_entry_fini(&again);
    assert_false(calendar_entry_read(SLICE("{}"), &again));
    calendar_entry_fini(&again);
    assert_false(calendar_entry_read(SLICE("nonsense"), &again));
    calendar_entry_fini(&again);
    calendar_entry_fini(&entry);
    buffer_free(&json);
}

static void check_media(const char *media, bool good)
{
    char problem[CALENDAR_PROBLEM_BYTES];
    struct calendar_entry entry = entry_of(1, 0, "text");

    free(entry.media);
    entry.media = slice_dup(slice_of(media));
    assert_int_equal(calendar_entry_check(&entry, problem), good);
    assert_int_equal(problem[0] == '\0', good);
    calendar_entry_fini(&entry);
}

static void wrong_entries_are_told(void **state)
{
    char problem[CALENDAR_PROBLEM_BYTES];
    struct calendar_entry entry = entry_of(1, 0, "");

    (void)state;
    check_media("", true);
    check_media("https://shop.example/a.jpg", true);
    check_media("http://shop.example/a.jpg", false);
    check_media("https://", false);
    check_media("https:///a.jpg", false);
    check_media("https://shop.example/a b", false);
    check_media("https://shop.example/\n", false);
    free(entry.text);
    entry.text = xcalloc(1, CALENDAR_TEXT_MAX + 2);
    memset(entry.text, 'x', CALENDAR_TEXT_MAX);
    assert_true(calendar_entry_check(&entry, problem));
    entry.text[CALENDAR_TEXT_MAX] = 'x';
    assert_false(calendar_entry_check(&entry, problem));
    entry.text[1] = '\0';
    entry.text[0] = '\x01';
    assert_false(calendar_entry_check(&entry, problem));
    entry.text[0] = '\n';
    assert_true(calendar_entry_check(&entry, problem));
    entry.text[0] = entry.title[0] = entry.media[0] = '\0';
    assert_false(calendar_entry_check(&entry, problem));
    calendar_entry_fini(&entry);
}

static void expect_op(struct wire *wire, enum op_id id, const char *key)
{
    struct op op;

    assert_true(op_take(wire, &op));
    assert_int_equal(op.id, id);
    assert_true(slice_is(id == OP_EXPECT ? op.expect.key : id == OP_DELETE ? op.delete.key : op.put.key, key));
}

static void a_change_stands_on_the_version_it_read(void **state)
{
    struct calendar_entry entry = entry_of(26, 0x11, "x");
    struct buffer ops = {NULL, 0, 0}, was = {NULL, 0, 0};
    struct wire wire;

    (void)state;
    calendar_place_key(&was, "instagram", 0, 26);
    assert_int_equal(calendar_put_entry(&ops, &entry, &was), 4);
    assert_int_equal(entry.rev, 1);
    assert_int_equal(calendar_put_removal(&ops, &entry), 3);
    wire = wire_over(buffer_slice(&ops));
    expect_op(&wire, OP_EXPECT, "entry/000000000000001a");
    expect_op(&wire, OP_DELETE, "at/instagram/0000000000000000/000000000000001a");
    expect_op(&wire, OP_PUT, "at/instagram/0000000000000011/000000000000001a");
    expect_op(&wire, OP_PUT, "entry/000000000000001a");
    expect_op(&wire, OP_EXPECT, "entry/000000000000001a");
    expect_op(&wire, OP_DELETE, "at/instagram/0000000000000011/000000000000001a");
    expect_op(&wire, OP_DELETE, "entry/000000000000001a");
    assert_true(wire_done(&wire));
    calendar_entry_fini(&entry);
    buffer_free(&ops);
    buffer_free(&was);
}

static void list(json_t *listed, uint64_t id, int64_t slot_ms, enum calendar_state entry_state)
{
    struct calendar_entry entry = entry_of(id, slot_ms, "text");
    struct buffer json = {NULL, 0, 0};

    entry.state = entry_state;
    entry.rev = 5;
    calendar_entry_write(&entry, &json);
    json_array_append_new(listed,
                          json_pack("{s:s, s:i, s:s%}", "key", "k", "version", 1, "value", json.data, json.size));
    calendar_entry_fini(&entry);
    buffer_free(&json);
}

static void a_slots_run_takes_what_is_planned_up_to_capacity(void **state)
{
    const struct calendar_slot slot = {"instagram", 5000, 2}, other = {"stories", 5000, 2};
    json_t *listed = json_array(), *entries;
    struct buffer ops = {NULL, 0, 0};
    struct wire wire;
    struct op op;

    (void)state;
    list(listed, 1, 5000, CALENDAR_USED);
    list(listed, 2, 5000, CALENDAR_PLANNED);
    list(listed, 3, 5000, CALENDAR_PLANNED);
    list(listed, 4, 5000, CALENDAR_PLANNED);
    list(listed, 5, 6000, CALENDAR_PLANNED);
    json_array_append_new(listed, json_pack("{s:s}", "value", "broken"));
    entries = calendar_trigger_entries(listed, &slot);
    assert_int_equal(json_array_size(entries), 2);
    assert_int_equal(json_integer_value(json_at(entries, "0.id")), 2);
    assert_int_equal(json_integer_value(json_at(entries, "1.id")), 3);
    assert_true(slice_is(json_text_at(entries, "0.title"), "Tea"));
    assert_true(slice_is(json_text_at(entries, "0.media"), "https://shop.example/tea.jpg"));
    json_decref(entries);
    entries = calendar_trigger_entries(listed, &other);
    assert_int_equal(json_array_size(entries), 0);
    assert_int_equal(calendar_put_used(&ops, listed, &other, 99, 7), 0);
    assert_int_equal(calendar_put_used(&ops, listed, &slot, 99, 7), 6);
    wire = wire_over(buffer_slice(&ops));
    assert_true(op_take(&wire, &op));
    assert_int_equal(op.expect.version, 5);
    assert_true(op_take(&wire, &op));
    struct calendar_entry used;
    assert_true(calendar_entry_read(op.put.value, &used));
    assert_int_equal(used.state, CALENDAR_USED);
    assert_int_equal(used.run, 99);
    assert_int_equal(used.rev, 6);
    assert_int_equal(used.changed_ms, 7);
    calendar_entry_fini(&used);
    buffer_free(&ops);
    json_decref(entries);
    json_decref(listed);
}

/* ---- view ---- */

static void brief(json_t *briefs, uint64_t id, const char *at, const char *text)
{
    struct calendar_entry entry = entry_of(id, ms_at(at), text);
    struct buffer json = {NULL, 0, 0};

    calendar_entry_write(&entry, &json);
    json_array_append_new(briefs, calendar_brief(buffer_slice(&json)));
    calendar_entry_fini(&entry);
    buffer_free(&json);
}

static size_t count_slots(const json_t *view, const char *flag)
{
    size_t day, index, count = 0;
    json_t *shown, *slot;

    json_array_foreach(json_object_get(view, "days"), day, shown)
        json_array_foreach(json_object_get(shown, "slots"), index, slot) count +=
        flag == NULL || json_is_true(json_object_get(slot, flag));
    return count;
}

static void a_week_is_shown(void **state)
{
    struct calendar_channel channel = opened();
    json_t *briefs = json_array(), *view;

    (void)state;
    brief(briefs, 1, "2026-11-10T08:00Z", "Same");  /* before the week, and posted or missed: missed */
    brief(briefs, 2, "2026-11-18T08:00Z", "Same");  /* missed */
    brief(briefs, 3, "2026-11-20T08:00Z", "Twice"); /* twins */
    brief(briefs, 4, "2026-11-20T13:00Z", "One");   /* two in a slot of one */
    brief(briefs, 5, "2026-11-20T13:00Z", "Two");
    brief(briefs, 6, "2026-11-21T10:00Z", "Stray");
    brief(briefs, 7, "2026-11-30T08:00Z", "Twice");
    view = calendar_view(&channel, calendar_week_of(civil_days(2026, 11, 18)), briefs, ms_at("2026-11-19T12:30Z"));
    assert_true(slice_is(json_text_at(view, "from"), "2026-11-16T00:00:00+01:00"));
    assert_true(slice_is(json_text_at(view, "to"), "2026-11-23T00:00:00+01:00"));
    assert_int_equal(json_array_size(json_object_get(view, "days")), 7);
    assert_int_equal(count_slots(view, NULL), 21);
    assert_int_equal(count_slots(view, "gap"), 2 + 1 + 6);
    assert_int_equal(count_slots(view, "conflict"), 2);
    assert_true(slice_is(json_text_at(view, "days.0.weekday"), "Monday"));
    assert_true(slice_is(json_text_at(view, "days.2.slots.0.entries.0.state"), "missed"));
    assert_true(slice_is(json_text_at(view, "days.4.date"), "2026-11-20"));
    assert_true(slice_is(json_text_at(view, "days.4.slots.1.entries.1.text"), "Two"));
    assert_true(slice_is(json_text_at(view, "days.4.slots.1.at"), "2026-11-20T14:00:00+01:00"));
    assert_true(slice_is(json_text_at(view, "days.5.strays.0.at"), "2026-11-21T11:00:00+01:00"));
    assert_int_equal(json_array_size(json_object_get(view, "warnings")), 3);
    assert_true(slice_is(json_text_at(view, "warnings.0"), "2026-11-20T09:00:00+01:00: entry 3 has the same text as "
                                                           "entry 7, less than 14 days apart"));
    json_decref(view);
    json_decref(briefs);
    calendar_channel_close(&channel);
}

static void holidays_and_clock_changes_are_shown(void **state)
{
    char *const often[] = {"0 * * * *"};
    struct calendar_channel channel = opened();
    json_t *briefs = json_array(), *view;

    (void)state;
    brief(briefs, 1, "2026-12-25T08:00Z", "On a holiday");
    view = calendar_view(&channel, calendar_month_of(civil_days(2026, 12, 1)), briefs, ms_at("2026-12-01T00:00Z"));
    assert_int_equal(count_slots(view, NULL), 93);
    assert_int_equal(count_slots(view, "gap"), 87);
    assert_true(json_is_true(json_at(view, "days.24.holiday")));
    assert_true(json_is_true(json_at(view, "days.30.holiday")));
    assert_false(json_is_true(json_at(view, "days.25.holiday")));
    assert_int_equal(json_array_size(json_object_get(view, "warnings")), 1);
    json_decref(view);
    json_decref(briefs);
    calendar_channel_close(&channel);
    briefs = json_array();
    assert_true(calendar_channel_open(&channel, "c", "Europe/Berlin", often, 1));
    view = calendar_view(&channel, calendar_month_of(civil_days(2026, 3, 1)), briefs, 0);
    assert_int_equal(count_slots(view, NULL), 31 * 24 - 1);
    json_decref(view);
    view = calendar_view(&channel, calendar_month_of(civil_days(2026, 10, 1)), briefs, 0);
    assert_int_equal(count_slots(view, NULL), 31 * 24 + 1);
    json_decref(view);
    json_decref(briefs);
    calendar_channel_close(&channel);
}

static void a_brief_is_cut_between_characters(void **state)
{
    char text[300] = "";
    json_t *briefs = json_array();

    (void)state;
    for (int i = 0; i < 100; i++)
        memcpy(text + i * 2, "\xc3\xa4", 3);
    brief(briefs, 1, "2026-11-22T08:00Z", text);
    assert_int_equal(json_text_at(briefs, "0.text").size, 160);
    assert_null(calendar_brief(SLICE("[]")));
    json_decref(briefs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_follow_the_wall_clock),
        cmocka_unit_test(the_same_time_of_two_crons_is_one_slot),
        cmocka_unit_test(a_rare_slot_before_is_found_or_not),
        cmocka_unit_test(the_next_free_slot_passes_over_full_ones_and_holidays),
        cmocka_unit_test(times_are_read_and_printed_in_the_zone),
        cmocka_unit_test(weeks_begin_on_monday),
        cmocka_unit_test(an_entry_survives_writing),
        cmocka_unit_test(wrong_entries_are_told),
        cmocka_unit_test(a_change_stands_on_the_version_it_read),
        cmocka_unit_test(a_slots_run_takes_what_is_planned_up_to_capacity),
        cmocka_unit_test(a_week_is_shown),
        cmocka_unit_test(holidays_and_clock_changes_are_shown),
        cmocka_unit_test(a_brief_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
