// SPDX-License-Identifier: MIT
#include "tests/support/schedules_world.h"

static const int64_t minute = 60000, hour = 3600000, day = 86400000;

/* ---- what a schedule is ---- */

static void test_jitter_moves_the_due_time_alone(void **state)
{
    struct bench *bench = bench_new();
    struct workflow_trigger *trigger = add(bench, "tick", "0 * * * *", MISSED_SKIP);
    int64_t planned = bench->fake->wall_ms + hour;
    char key[100];

    (void)state;
    trigger->schedule.jitter_ms = 20 * minute;
    begin(bench);
    play(bench);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 1);
    assert_in_range(bench->due_ms, planned + 1, planned + 20 * minute - 1);
    assert_int_equal(bench->due_ms - planned, schedule_delay(&trigger->schedule, SLICE("tick/0"), planned));
    snprintf(key, sizeof(key), "tick/0/%lld", (long long)planned);
    assert_non_null(json_object_get(bench->fired, key));
    bench_free(bench);
}

static void test_excepted_days_do_not_fire(void **state)
{
    struct bench *bench = bench_new();
    struct workflow_trigger *trigger = add(bench, "tick", "0 12 * * *", MISSED_SKIP);
    char problem[CRON_PROBLEM_BYTES];

    (void)state;
    trigger->schedule.except = calloc(1, sizeof(struct schedule_days));
    trigger->schedule.except_count = 1;
    assert_true(schedule_days_read(SLICE("2023-11-16..2023-11-17"), trigger->schedule.except, problem));
    begin(bench);
    play(bench);
    pass(bench, 5 * day); /* 15th to 19th */
    assert_int_equal(bench->pushes, 3);
    bench_free(bench);
}

static void test_edited_schedule_begins_anew(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "tick", "0 * * * *", MISSED_ALL);
    begin(bench);
    play(bench);
    pass(bench, 2 * hour);
    assert_int_equal(bench->pushes, 2);
    remove_last(bench);
    bench->fake->wall_ms += 10 * hour + 30 * minute;
    add(bench, "tick", "15 * * * *", MISSED_ALL);
    begin(bench);
    play(bench);
    assert_int_equal(bench->pushes, 2);
    assert_int_equal(json_object_size(bench->marks), 1);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 3);
    free(bench->config.shop_zone); /* another zone is another schedule too */
    bench->config.shop_zone = slice_dup(SLICE("Europe/Berlin"));
    bench->fake->wall_ms += 10 * hour;
    begin(bench);
    play(bench);
    assert_int_equal(bench->pushes, 3);
    assert_int_equal(json_object_size(bench->marks), 1);
    bench_free(bench);
}

static void test_marks_of_earlier_releases_hold(void **state)
{
    struct bench *bench = bench_new();
    char mark[30];

    (void)state;
    snprintf(mark, sizeof(mark), "%lld", (long long)(bench->fake->wall_ms - 3 * hour));
    json_object_set_new(bench->marks, "tick/0", json_string(mark));
    json_object_set_new(bench->marks, "gone/0", json_string(mark));
    json_object_set_new(bench->marks, "gone/0#01234567", json_string(mark));
    json_object_set_new(bench->marks, "rubbish", json_string("x"));
    add(bench, "tick", "0 * * * *", MISSED_ALL);
    begin(bench);
    play(bench);
    assert_int_equal(bench->pushes, 3);
    assert_int_equal(json_object_size(bench->marks), 1);
    assert_int_equal(mark_of(bench, "tick/0#"), bench->fake->wall_ms);
    bench_free(bench);
}

static void test_corrupt_mark_spoils_no_other(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "a", "0 * * * *", MISSED_ONCE);
    add(bench, "b", "0 * * * *", MISSED_ONCE);
    begin(bench);
    play(bench);
    bench->fake->wall_ms += 90 * minute;
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(bench->marks, next, key, value) if (key[0] == 'a')
        json_object_set_new(bench->marks, key, json_string("12x"));
    bench->corrupt_scan = true;
    begin(bench);
    play(bench);
    assert_int_equal(bench->pushes, 1); /* b was missed; a begins anew */
    pass(bench, hour);
    assert_int_equal(bench->pushes, 3);
    bench_free(bench);
}

/* The files of time zones change below a running program; a file that is away for a moment comes back so, too. */
static void test_zones_are_read_again_each_day(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "tick", "0 * * * *", MISSED_SKIP)->schedule.zone = slice_dup(SLICE("Europe/Berlin"));
    begin(bench);
    play(bench);
    pass(bench, hour);
    struct scheduler *scheduler = fake_self(bench->fake);
    zone_close(&scheduler->timetable->agenda.zones[0].zone);
    agenda_look_again(&scheduler->timetable->agenda);
    pass(bench, 22 * hour);
    assert_int_equal(bench->pushes, 1);
    pass(bench, 3 * hour);
    assert_int_equal(bench->pushes, 4);
    bench_free(bench);
}

/* ---- slots ---- */

static void test_slots_fire_once_and_not_on_holidays(void **state)
{
    char both[] = "0 9,18 * * *", friday[] = "0 18 * * FRI", repentance[] = "11-16", name[] = "insta",
         zone[] = "Europe/Berlin";
    char *slots[] = {both, friday}, *holidays[] = {repentance};
    struct bench *bench = bench_new();

    (void)state;
    bench->channel = (struct channel){.name = name, .zone = zone, .slots = slots, .slot_count = 2};
    bench->config.channels = &bench->channel;
    bench->config.channel_count = 1;
    bench->config.holidays = holidays;
    bench->config.holiday_count = 1;
    add(bench, "post", NULL, MISSED_SKIP);
    begin(bench);
    play(bench);
    assert_int_equal(json_object_size(bench->marks), 2);
    pass(bench, 3 * day); /* Wednesday the 15th, not the 16th, Friday the 17th with one moment that is two slots */
    assert_int_equal(bench->pushes, 4);
    assert_once_each(bench);
    assert_non_null(json_object_get(bench->fired, "post/0/1700035200000")); /* 09:00 in Berlin */
    assert_in_range(mark_of(bench, "post/0/1#"), bench->fake->wall_ms - day, bench->fake->wall_ms);
    assert_in_range(mark_of(bench, "post/0/2#"), bench->fake->wall_ms - day, bench->fake->wall_ms);
    bench_free(bench);
}

/* ---- reload ---- */

static void test_reload_adds_and_removes(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "a", "0 * * * *", MISSED_ALL);
    begin(bench);
    play(bench);
    pass(bench, hour);
    add(bench, "b", "30 * * * *", MISSED_ALL);
    reload(bench);
    play(bench);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 3);
    bench->workflows[0]->mode = WORKFLOW_OFF;
    reload(bench);
    pass(bench, 3 * hour);
    assert_int_equal(bench->pushes, 6);
    bench->workflows[0]->mode = WORKFLOW_LIVE; /* switched on again: nothing was missed meanwhile */
    reload(bench);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 8);
    remove_last(bench);
    reload(bench);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 9);
    remove_last(bench);
    reload(bench);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 9);
    assert_once_each(bench);
    bench_free(bench);
}

static void test_reload_while_the_store_works(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "a", "0 * * * *", MISSED_ALL);
    begin(bench);
    add(bench, "b", "0 * * * *", MISSED_ALL);
    reload(bench); /* while marks are read */
    reload(bench);
    play(bench);
    assert_int_equal(json_object_size(bench->marks), 2);
    fake_advance(bench->fake, hour);
    assert_int_equal(fake_sent_count(bench->fake, MSG_COMMIT), 1);
    remove_last(bench);
    reload(bench); /* while occurrences are written, one of what is gone now */
    play(bench);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 3);
    fake_advance(bench->fake, hour);
    remove_last(bench);
    reload(bench);
    play(bench);
    add(bench, "a", "0 * * * *", MISSED_ALL);
    reload(bench);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 5);
    assert_once_each(bench);
    bench_free(bench);
}

static void test_store_that_is_busy_or_stopping(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "a", "0 * * * *", MISSED_ALL);
    bench->fake->send_error[MSG_READ] = ERROR_FULL;
    begin(bench);
    fake_advance(bench->fake, 5000);
    bench->fake->send_error[MSG_READ] = ERROR_OK;
    bench->fake->send_error[MSG_COMMIT] = ERROR_FULL;
    pass(bench, minute);
    bench->fake->send_error[MSG_COMMIT] = ERROR_OK;
    pass(bench, minute);
    assert_int_equal(json_object_size(bench->marks), 1);
    pass(bench, hour);
    assert_int_equal(bench->pushes, 1);
    fake_deliver_quiesce(bench->fake, &(struct msg_quiesce){1});
    pass(bench, 2 * hour);
    assert_int_equal(bench->pushes, 1);
    bench_free(bench);
}

/* ---- the command ---- */

static json_t *asked(struct bench *bench, const char *arguments)
{
    struct json_problem problem;
    struct msg_command_done done;

    fake_deliver_command(bench->fake, &(struct msg_command){7, COMMAND_SCHEDULES, slice_of(arguments)});
    assert_true(fake_take_command_done(bench->fake, &done));
    return json_read(done.body, &problem);
}

static const char *at(json_t *body, size_t row, const char *name)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(body, "schedules"), row), name));
}

static void test_command_tells_next_times_and_why_held(void **state)
{
    struct bench *bench = bench_new();

    (void)state;
    add(bench, "late", "0 9 * * *", MISSED_ASK)->schedule.zone = slice_dup(SLICE("Europe/Berlin"));
    add(bench, "soon", "5 * * * *", MISSED_SKIP);
    add(bench, "lost", "5 * * * *", MISSED_SKIP)->schedule.zone = slice_dup(SLICE("Nowhere/Else"));
    add(bench, "off", "5 * * * *", MISSED_SKIP);
    bench->workflows[3]->mode = WORKFLOW_OFF;
    begin(bench);
    json_t *body = asked(bench, "{}");
    assert_string_equal(at(body, 0, "held"), "what fired before is still being read");
    json_decref(body);
    play(bench);
    pass(bench, 10 * minute);
    body = asked(bench, "{\"count\":2}");
    assert_int_equal(json_array_size(json_object_get(body, "schedules")), 4);
    assert_string_equal(at(body, 0, "workflow"), "soon");
    assert_string_equal(at(body, 0, "last"), "2023-11-14T23:05:00+00:00");
    assert_null(at(body, 0, "held"));
    assert_string_equal(at(body, 1, "workflow"), "late");
    assert_string_equal(at(body, 1, "missed"), "ask");
    json_t *next = json_object_get(json_array_get(json_object_get(body, "schedules"), 1), "next");
    assert_int_equal(json_array_size(next), 2);
    assert_string_equal(json_string_value(json_array_get(next, 0)), "2023-11-15T09:00:00+01:00");
    assert_string_equal(at(body, 2, "held"), "the time zone cannot be read");
    assert_string_equal(at(body, 3, "held"), "the workflow is off");
    json_decref(body);
    bench->fake->wall_trusted = false;
    body = asked(bench, "{\"workflow\":\"late\"}");
    assert_int_equal(json_array_size(json_object_get(body, "schedules")), 1);
    assert_string_equal(at(body, 0, "held"), "the clock is not trusted yet");
    json_decref(body);
    json_decref(asked(bench, "{\"count\":51}"));
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jitter_moves_the_due_time_alone),
        cmocka_unit_test(test_excepted_days_do_not_fire),
        cmocka_unit_test(test_edited_schedule_begins_anew),
        cmocka_unit_test(test_marks_of_earlier_releases_hold),
        cmocka_unit_test(test_corrupt_mark_spoils_no_other),
        cmocka_unit_test(test_zones_are_read_again_each_day),
        cmocka_unit_test(test_slots_fire_once_and_not_on_holidays),
        cmocka_unit_test(test_reload_adds_and_removes),
        cmocka_unit_test(test_reload_while_the_store_works),
        cmocka_unit_test(test_store_that_is_busy_or_stopping),
        cmocka_unit_test(test_command_tells_next_times_and_why_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
