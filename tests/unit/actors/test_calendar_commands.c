// SPDX-License-Identifier: MIT
#include "actors/scheduler/scheduler.h"
#include "config/config.h"
#include "flow/calendar.h"
#include "proto/commands.h"
#include "store/kv_memory.h"
#include "store/store.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The scheduler with a real store behind it, which lies in memory. */
struct bench {
    struct config *config;
    struct fake *fake;
    struct kv_memory_disk *disk;
    struct store *store;
    uint64_t ticket;
    size_t commits;                             /* since the bench began */
    json_t *answer;                             /* of the last command */
    void (*before_commit)(struct bench *bench); /* once */
};

static int64_t ms_at(const char *text)
{
    int64_t ms;

    assert_true(civil_read_instant(slice_of(text), &ms));
    return ms;
}

static struct channel channel_of(const char *name, int64_t capacity, const char *const *slots, size_t count)
{
    struct channel channel = {.name = slice_dup(slice_of(name)), .capacity = capacity, .slot_count = count};

    channel.slots = xcalloc(count, sizeof(channel.slots[0]));
    for (size_t i = 0; i < count; i++)
        channel.slots[i] = slice_dup(slice_of(slots[i]));
    return channel;
}

static int set_up(void **state)
{
    static const char *const posts[] = {"0 9 * * *", "0 14 * * *", "0 19 * * *"}, *const stories[] = {"0 */3 * * *"};
    struct bench *bench = xcalloc(1, sizeof(*bench));
    struct store_options options = {.box = 1};
    char problem[STORE_PROBLEM_BYTES];
    enum error error;

    bench->config = config_default();
    free(bench->config->shop_zone);
    bench->config->shop_zone = slice_dup(SLICE("Europe/Berlin"));
    bench->config->channels = xcalloc(2, sizeof(struct channel));
    bench->config->channels[0] = channel_of("instagram", 1, posts, 3);
    bench->config->channels[1] = channel_of("stories", 2, stories, 1);
    bench->config->channel_count = 2;
    bench->config->holidays = xcalloc(1, sizeof(char *));
    bench->config->holidays[bench->config->holiday_count++] = slice_dup(SLICE("2026-11-24"));
    bench->disk = kv_memory_disk_new(0);
    bench->store = store_open(&kv_memory_ops, bench->disk, &options, 0, &error, problem);
    assert_non_null(bench->store);
    bench->fake = fake_new(&scheduler_spec, bench->config);
    bench->fake->wall_trusted = true;
    bench->fake->wall_ms = ms_at("2026-11-22T11:00Z"); /* noon in Berlin, a Sunday */
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    json_decref(bench->answer);
    fake_destroy(&bench->fake);
    store_close(&bench->store);
    kv_memory_disk_destroy(&bench->disk);
    config_free(&bench->config);
    free(bench);
    return 0;
}

static bool play_commit(struct bench *bench)
{
    struct msg_commit msg;
    struct store_commit commit;
    void (*before)(struct bench *) = bench->before_commit;

    if (!fake_take_commit(bench->fake, &msg))
        return false;
    bench->before_commit = NULL;
    if (before != NULL)
        before(bench);
    commit = (struct store_commit){.ops = msg.ops};
    store_commit_group(bench->store, &commit, 1, bench->fake->wall_ms);
    bench->commits++;
    fake_deliver_committed(bench->fake, &(struct msg_committed){.ticket = msg.ticket,
                                                                .error = commit.error,
                                                                .failed_op = commit.failed_op,
                                                                .first_id = commit.first_id,
                                                                .skipped = commit.skipped});
    return true;
}

static bool play_read(struct bench *bench)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct msg_read msg;
    enum error error;

    if (!fake_take_read(bench->fake, &msg))
        return false;
    error = store_read_page(bench->store, &msg, bench->fake->wall_ms, &page);
    fake_deliver_page(bench->fake, &(struct msg_page){.ticket = msg.ticket,
                                                      .error = error,
                                                      .count = page.count,
                                                      .rows = buffer_slice(&page.rows),
                                                      .next = buffer_slice(&page.next)});
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return true;
}

/* Does a command to its answer, which is kept in bench->answer. */
static enum error command(struct bench *bench, enum command_id id, json_t *arguments)
{
    struct buffer text = {NULL, 0, 0};
    struct msg_command_done done;
    struct json_problem problem;
    char wrong[200];

    json_write(&text, arguments);
    json_decref(arguments);
    assert_true(command_check(id, buffer_slice(&text), wrong, sizeof(wrong)));
    fake_deliver_command(bench->fake, &(struct msg_command){++bench->ticket, id, buffer_slice(&text)});
    buffer_free(&text);
    while (!fake_take_command_done(bench->fake, &done))
        assert_true(play_commit(bench) || play_read(bench));
    json_decref(bench->answer);
    bench->answer = json_read(done.body, &problem);
    assert_non_null(bench->answer);
    return done.error;
}

static struct slice told(const struct bench *bench, const char *path)
{
    return json_text_at(bench->answer, path);
}

static int64_t number(const struct bench *bench, const char *path)
{
    return json_integer_value(json_at(bench->answer, path));
}

static void assert_told(const struct bench *bench, const char *path, const char *expected)
{
    struct slice text = told(bench, path);

    if (!slice_is(text, expected))
        fail_msg("%s is \"%.*s\" instead of \"%s\"", path, (int)text.size, text.size > 0 ? text.data : "", expected);
}

static enum error add(struct bench *bench, const char *text, const char *at)
{
    json_t *arguments = json_pack("{s:s, s:s, s:s}", "channel", "instagram", "text", text, "title", "Tea");

    if (at != NULL)
        json_object_set_new(arguments, "at", json_string(at));
    return command(bench, COMMAND_CALENDAR_ADD, arguments);
}

static enum error move(struct bench *bench, int64_t id, const char *at)
{
    json_t *arguments = json_pack("{s:I}", "id", (json_int_t)id);

    if (at != NULL)
        json_object_set_new(arguments, "at", json_string(at));
    return command(bench, COMMAND_CALENDAR_MOVE, arguments);
}

static void refused(const struct bench *bench, enum error error, const char *message)
{
    assert_int_equal(error, ERROR_INVALID);
    assert_told(bench, "message", message);
}

static void entries_are_added_to_slots(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(add(bench, "One", "2026-11-22T14:00"), ERROR_OK);
    assert_int_equal(number(bench, "id"), 1);
    assert_told(bench, "slot", "2026-11-22T14:00:00+01:00");
    assert_told(bench, "state", "planned");
    assert_int_equal(add(bench, "Two", "2026-11-22T18:00Z"), ERROR_OK);
    assert_told(bench, "slot", "2026-11-22T19:00:00+01:00");
    assert_int_equal(add(bench, "Three", "next"), ERROR_OK);
    assert_told(bench, "slot", "2026-11-23T09:00:00+01:00");
    assert_int_equal(add(bench, "Four", NULL), ERROR_OK);
    assert_told(bench, "state", "draft");
    assert_true(json_is_null(json_object_get(bench->answer, "slot")));
    refused(bench, add(bench, "Five", "2026-11-22T15:00"),
            "2026-11-22T15:00:00+01:00 is no slot of instagram; the nearest are 2026-11-22T14:00:00+01:00 and "
            "2026-11-22T19:00:00+01:00");
    refused(bench, add(bench, "Five", "2026-11-22T14:00"),
            "2026-11-22T14:00:00+01:00 is full; the next free slot is 2026-11-23T14:00:00+01:00");
    refused(bench, add(bench, "Five", "2026-11-22T09:00"),
            "2026-11-22T09:00:00+01:00 is over; the next free slot is 2026-11-23T14:00:00+01:00");
    refused(bench, add(bench, "Five", "2026-11-24T09:00"),
            "2026-11-24T09:00:00+01:00 is on a holiday, when nothing is posted; the next free slot is "
            "2026-11-25T09:00:00+01:00");
    refused(bench, add(bench, "Five", "soon"),
            "at is a time like 2026-11-22T09:00 or 2026-11-22T09:00+01:00, or \"next\"");
    assert_int_equal(command(bench, COMMAND_CALENDAR_ADD, json_pack("{s:s, s:s}", "channel", "tiktok", "text", "x")),
                     ERROR_NOT_FOUND);
    assert_told(bench, "message", "there is no channel \"tiktok\" in the configuration; known: instagram, stories");
    assert_int_equal(command(bench, COMMAND_CALENDAR_ADD,
                             json_pack("{s:s, s:s, s:s}", "channel", "stories", "text", "x", "media", "http://a/b")),
                     ERROR_INVALID);
}

static void entries_move_and_change(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(add(bench, "One", NULL), ERROR_OK);
    assert_int_equal(add(bench, "Two", "next"), ERROR_OK);
    refused(bench, move(bench, 1, "2026-11-22T14:00"),
            "2026-11-22T14:00:00+01:00 is full; the next free slot is 2026-11-22T19:00:00+01:00");
    assert_int_equal(move(bench, 2, "2026-11-22T14:00"), ERROR_OK); /* where it stands */
    assert_int_equal(move(bench, 1, "next"), ERROR_OK);
    assert_told(bench, "slot", "2026-11-22T19:00:00+01:00");
    assert_int_equal(move(bench, 2, NULL), ERROR_OK);
    assert_told(bench, "state", "draft");
    assert_int_equal(move(bench, 1, "2026-11-22T14:00"), ERROR_OK);
    assert_int_equal(command(bench, COMMAND_CALENDAR_EDIT, json_pack("{s:i, s:s}", "id", 1, "text", "Better")),
                     ERROR_OK);
    assert_int_equal(command(bench, COMMAND_CALENDAR_EDIT, json_pack("{s:i}", "id", 1)), ERROR_INVALID);
    assert_int_equal(command(bench, COMMAND_CALENDAR, json_pack("{s:s}", "channel", "instagram")), ERROR_OK);
    assert_told(bench, "channels.0.days.6.slots.1.entries.0.text", "Better");
    assert_told(bench, "channels.0.days.6.slots.1.entries.0.title", "Tea");
    assert_int_equal(json_array_size(json_at(bench->answer, "channels.0.days.6.slots.2.entries")), 0);
    assert_int_equal(command(bench, COMMAND_CALENDAR_DRAFTS, json_object()), ERROR_OK);
    assert_int_equal(json_array_size(json_at(bench->answer, "drafts")), 1);
    assert_int_equal(number(bench, "drafts.0.id"), 2);
    assert_int_equal(command(bench, COMMAND_CALENDAR_REMOVE, json_pack("{s:i}", "id", 2)), ERROR_OK);
    assert_int_equal(command(bench, COMMAND_CALENDAR_REMOVE, json_pack("{s:i}", "id", 2)), ERROR_NOT_FOUND);
    assert_told(bench, "message", "there is no entry 2");
    assert_int_equal(move(bench, 99, "next"), ERROR_NOT_FOUND);
    assert_int_equal(command(bench, COMMAND_CALENDAR_DRAFTS, json_object()), ERROR_OK);
    assert_int_equal(json_array_size(json_at(bench->answer, "drafts")), 0);
}

static json_t *list_slot(struct bench *bench, int64_t at_ms)
{
    struct store_page page = {{NULL, 0, 0}, {NULL, 0, 0}, 0};
    struct buffer prefix = {NULL, 0, 0};
    struct record_space_entry row;
    json_t *listed = json_array();

    calendar_slot_prefix(&prefix, "instagram", at_ms);
    struct msg_read read = {
        .what = READ_SPACE_SCAN, .space = SLICE(CALENDAR_SPACE), .from = buffer_slice(&prefix), .limit = 1000};
    assert_int_equal(store_read_page(bench->store, &read, 0, &page), ERROR_OK);
    struct wire wire = wire_over(buffer_slice(&page.rows));
    for (uint64_t i = 0; i < page.count; i++) {
        assert_true(record_take_space_entry(&wire, &row));
        json_array_append_new(listed, json_pack("{s:s%, s:I, s:s%}", "key", row.key.data, row.key.size, "version",
                                                (json_int_t)row.version, "value", row.value.data, row.value.size));
    }
    buffer_free(&prefix);
    buffer_free(&page.rows);
    buffer_free(&page.next);
    return listed;
}

/* What a slot's run commits. */
static enum error use(struct bench *bench, json_t *listed, int64_t at_ms)
{
    const struct calendar_slot slot = {"instagram", at_ms, 1};
    struct buffer ops = {NULL, 0, 0};
    struct store_commit commit;

    assert_int_equal(calendar_put_used(&ops, listed, &slot, 77, at_ms), 3);
    commit = (struct store_commit){.ops = buffer_slice(&ops)};
    store_commit_group(bench->store, &commit, 1, at_ms);
    buffer_free(&ops);
    json_decref(listed);
    return commit.error;
}

static void a_used_entry_stays_as_it_is(void **state)
{
    struct bench *bench = *state;
    const int64_t at = ms_at("2026-11-22T13:00Z");

    assert_int_equal(add(bench, "One", "next"), ERROR_OK);
    json_t *before = list_slot(bench, at);
    assert_int_equal(move(bench, 1, NULL), ERROR_OK);
    assert_int_equal(move(bench, 1, "2026-11-22T14:00"), ERROR_OK); /* away and back: the old look is void */
    assert_int_equal(use(bench, before, at), ERROR_CONFLICT);
    assert_int_equal(use(bench, list_slot(bench, at), at), ERROR_OK);
    refused(bench, move(bench, 1, NULL), "entry 1 was used by run 77 and stays as it is");
    refused(bench, command(bench, COMMAND_CALENDAR_EDIT, json_pack("{s:i, s:s}", "id", 1, "text", "x")),
            "entry 1 was used by run 77 and stays as it is");
    assert_int_equal(command(bench, COMMAND_CALENDAR, json_object()), ERROR_OK);
    assert_told(bench, "channels.0.days.6.slots.1.entries.0.state", "used");
    assert_int_equal(json_array_size(json_at(bench->answer, "channels")), 2);
}

static void use_it_first(struct bench *bench)
{
    const int64_t at = ms_at("2026-11-22T13:00Z");

    assert_int_equal(use(bench, list_slot(bench, at), at), ERROR_OK);
}

/* Another entry comes in between and takes the id, the count and the slot that this change read as free. */
static void take_the_slot_first(struct bench *bench)
{
    struct buffer ops = {NULL, 0, 0};
    struct calendar_entry entry = {.id = 1,
                                   .channel = slice_dup(SLICE("instagram")),
                                   .title = slice_dup(SLICE("First")),
                                   .text = slice_dup(SLICE("First")),
                                   .media = slice_dup(SLICE("")),
                                   .uid = slice_dup(SLICE("u")),
                                   .slot_ms = ms_at("2026-11-22T13:00Z"),
                                   .state = CALENDAR_PLANNED};
    struct slice meta = SLICE("{\"count\":1,\"next\":2,\"v\":1}");

    op_put_put(&ops, &(struct op_put){SLICE(CALENDAR_SPACE), SLICE(CALENDAR_META), meta});
    calendar_put_entry(&ops, &entry, NULL);
    struct store_commit commit = {.ops = buffer_slice(&ops)};
    store_commit_group(bench->store, &commit, 1, 0);
    assert_int_equal(commit.error, ERROR_OK);
    calendar_entry_fini(&entry);
    buffer_free(&ops);
}

static void a_change_that_came_second_looks_again(void **state)
{
    struct bench *bench = *state;

    bench->before_commit = take_the_slot_first;
    assert_int_equal(add(bench, "Second", "next"), ERROR_OK);
    assert_int_equal(number(bench, "id"), 2);
    assert_told(bench, "slot", "2026-11-22T19:00:00+01:00");
    bench->before_commit = use_it_first;
    refused(bench, move(bench, 1, "2026-11-23T09:00"), "entry 1 was used by run 77 and stays as it is");
}

static void views_are_refused_by_name(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(command(bench, COMMAND_CALENDAR, json_pack("{s:s}", "view", "year")), ERROR_INVALID);
    assert_int_equal(command(bench, COMMAND_CALENDAR, json_pack("{s:s}", "from", "22.11.2026")), ERROR_INVALID);
    assert_int_equal(command(bench, COMMAND_CALENDAR, json_pack("{s:s}", "from", "1066-01-01")), ERROR_INVALID);
    assert_int_equal(command(bench, COMMAND_CALENDAR, json_pack("{s:s}", "channel", "x")), ERROR_NOT_FOUND);
    assert_int_equal(command(bench, COMMAND_CALENDAR,
                             json_pack("{s:s, s:s, s:s}", "channel", "stories", "view", "month", "from", "2026-12-24")),
                     ERROR_OK);
    assert_int_equal(json_array_size(json_at(bench->answer, "channels.0.days")), 31);
    assert_told(bench, "channels.0.from", "2026-12-01T00:00:00+01:00");
}

/* ---- iCalendar ---- */

static enum error import(struct bench *bench, const struct buffer *ics)
{
    return command(bench, COMMAND_CALENDAR_IMPORT,
                   json_pack("{s:s, s:s%}", "channel", "instagram", "ics", ics->data, ics->size));
}

static void assert_counts(const struct bench *bench, int64_t added, int64_t updated, int64_t unchanged)
{
    assert_int_equal(number(bench, "added"), added);
    assert_int_equal(number(bench, "updated"), updated);
    assert_int_equal(number(bench, "unchanged"), unchanged);
}

static void event(struct buffer *ics, int uid, const char *start, const char *text)
{
    buffer_printf(ics, "BEGIN:VEVENT\r\nUID:%d\r\n%s%s%sSUMMARY:Event %d\r\nDESCRIPTION:%s\r\nEND:VEVENT\r\n", uid,
                  start[0] != '\0' ? "DTSTART:" : "", start, start[0] != '\0' ? "\r\n" : "", uid, text);
}

static void an_export_brings_no_other_channels_posts(void **state)
{
    struct bench *bench = *state;
    struct buffer ics = {NULL, 0, 0};

    buffer_text(&ics,
                "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nCATEGORIES:stories\r\nSUMMARY:Story\r\nEND:VEVENT\r\n"
                "BEGIN:VEVENT\r\nUID:2\r\nCATEGORIES:instagram\r\nSUMMARY:Post\r\nEND:VEVENT\r\n"
                "BEGIN:VEVENT\r\nUID:3\r\nCATEGORIES:ideas\r\nSUMMARY:Idea\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
    assert_int_equal(import(bench, &ics), ERROR_OK);
    assert_counts(bench, 2, 0, 0);
    assert_int_equal(number(bench, "elsewhere"), 1);
    buffer_free(&ics);
}

static void an_event_is_taken_once(void **state)
{
    struct bench *bench = *state;
    struct buffer ics = {NULL, 0, 0};

    buffer_text(&ics, "BEGIN:VCALENDAR\r\n");
    event(&ics, 1, "20261123T090000", "slot");
    event(&ics, 2, "20261123T100000", "stray");
    event(&ics, 3, "20261101T090000", "past");
    event(&ics, 4, "", "draft");
    event(&ics, 5, "20261123T080000Z", "the first one's slot");
    buffer_text(&ics, "END:VCALENDAR\r\n");
    assert_int_equal(import(bench, &ics), ERROR_OK);
    assert_counts(bench, 4, 0, 0);
    assert_int_equal(number(bench, "past"), 1);
    assert_int_equal(number(bench, "strays"), 1);
    assert_told(bench, "warnings.0",
                "\"Event 2\" at 2026-11-23T10:00:00+01:00 is at no slot, so it is not posted until it is moved to one");
    assert_told(bench, "warnings.1", "\"Event 5\" at 2026-11-23T09:00:00+01:00 is in a slot that is full already");
    assert_int_equal(import(bench, &ics), ERROR_OK);
    assert_counts(bench, 0, 0, 4);
    buffer_clear(&ics);
    buffer_text(&ics, "BEGIN:VCALENDAR\r\n");
    event(&ics, 1, "20261123T140000", "moved");
    event(&ics, 2, "20261123T100000", "other text");
    event(&ics, 2, "20261123T190000", "the same once more");
    buffer_text(&ics, "END:VCALENDAR\r\n");
    assert_int_equal(import(bench, &ics), ERROR_OK);
    assert_counts(bench, 0, 3, 0);
    assert_int_equal(
        command(bench, COMMAND_CALENDAR, json_pack("{s:s, s:s}", "channel", "instagram", "from", "2026-11-23")),
        ERROR_OK);
    assert_told(bench, "channels.0.days.0.slots.0.entries.0.title", "Event 5");
    assert_told(bench, "channels.0.days.0.slots.1.entries.0.text", "moved");
    assert_told(bench, "channels.0.days.0.slots.2.entries.0.text", "the same once more");
    assert_int_equal(json_array_size(json_at(bench->answer, "channels.0.days.0.strays")), 0);
    buffer_free(&ics);
}

static void many_events_are_many_commits(void **state)
{
    struct bench *bench = *state;
    struct buffer ics = {NULL, 0, 0};

    buffer_text(&ics, "BEGIN:VCALENDAR\r\n");
    for (int i = 0; i < 120; i++) {
        char start[24];
        snprintf(start, sizeof(start), "2027%02d%02dT090000", i / 28 + 1, i % 28 + 1);
        event(&ics, i, start, "text");
    }
    buffer_text(&ics, "END:VCALENDAR\r\n");
    bench->before_commit = take_the_slot_first; /* the first batch is made anew, and counted once */
    size_t commits = bench->commits;
    assert_int_equal(import(bench, &ics), ERROR_OK);
    assert_counts(bench, 120, 0, 0);
    assert_in_range(bench->commits - commits, 4, 5);
    assert_int_equal(command(bench, COMMAND_CALENDAR_EXPORT, json_object()), ERROR_OK);
    assert_int_equal(json_object_size(bench->answer), 1);
    struct slice text = told(bench, "ics");
    buffer_clear(&ics);
    buffer_append(&ics, text.data, text.size);
    assert_int_equal(import(bench, &ics), ERROR_OK); /* what was exported is all there */
    assert_counts(bench, 0, 0, 121);
    buffer_free(&ics);
}

static void a_bad_file_changes_nothing(void **state)
{
    struct bench *bench = *state;
    struct buffer ics = {NULL, 0, 0};
    size_t commits;

    buffer_text(&ics, "BEGIN:VCALENDAR\r\n");
    event(&ics, 1, "20261123T090000", "good");
    event(&ics, 2, "20261123T140000\r\nRRULE:FREQ=DAILY", "repeated");
    buffer_text(&ics, "END:VCALENDAR\r\n");
    commits = bench->commits;
    refused(bench, import(bench, &ics),
            "line 8: the event \"Event 2\" is a repeated one (RRULE, RDATE or RECURRENCE-ID); an entry is posted once, "
            "so write its dates as single events");
    buffer_clear(&ics);
    buffer_text(&ics, "BEGIN:VCALENDAR\r\n");
    event(&ics, 1, "20261123T090000\r\nATTACH:https://", "no address");
    buffer_text(&ics, "END:VCALENDAR\r\n");
    refused(bench, import(bench, &ics),
            "line 2: the event \"Event 1\" cannot be taken: media must be an https address of at most 2000 bytes, like "
            "https://shop.example/tea.jpg");
    assert_int_equal(bench->commits, commits);
    buffer_free(&ics);
}

static void old_entries_make_room(void **state)
{
    struct bench *bench = *state;
    struct buffer ops = {NULL, 0, 0};
    struct slice meta = SLICE("{\"count\":9999,\"next\":9999,\"v\":1}");

    assert_int_equal(add(bench, "Old", "next"), ERROR_OK);
    op_put_put(&ops, &(struct op_put){SLICE(CALENDAR_SPACE), SLICE(CALENDAR_META), meta});
    struct store_commit commit = {.ops = buffer_slice(&ops)};
    store_commit_group(bench->store, &commit, 1, 0);
    buffer_free(&ops);
    assert_int_equal(add(bench, "Last", NULL), ERROR_OK);
    assert_int_equal(number(bench, "id"), 9999);
    assert_int_equal(add(bench, "One too many", NULL), ERROR_FULL);
    bench->fake->wall_ms += (int64_t)70 * 86400 * 1000;
    assert_int_equal(add(bench, "Fits again", NULL), ERROR_OK);
    assert_int_equal(number(bench, "id"), 10000);
    assert_int_equal(command(bench, COMMAND_CALENDAR_REMOVE, json_pack("{s:i}", "id", 1)), ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_are_added_to_slots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_move_and_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_used_entry_stays_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_that_came_second_looks_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(views_are_refused_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_is_taken_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_export_brings_no_other_channels_posts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_events_are_many_commits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_file_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_entries_make_room, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
