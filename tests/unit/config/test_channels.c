// SPDX-License-Identifier: MIT
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct config *load(const char *text, struct text_problem *problem)
{
    char path[] = "/tmp/purser-channels-XXXXXX";
    int fd = mkstemp(path);
    FILE *file;

    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    fprintf(file, "workflows_dir: /nonexistent\nprompts_dir: /nonexistent\n%s", text);
    fclose(file);
    struct config *config = config_load(path, problem);
    unlink(path);
    return config;
}

static void channels_are_read(void **state)
{
    struct text_problem problem;
    struct config *config = load("channels:\n"
                                 "  instagram: {slots: [\"0 9 * * *\", \"0 14 * * *\"], zone: Europe/Berlin}\n"
                                 "  stories: {slots: [\"0 */3 * * *\"], capacity: 4}\n"
                                 "holidays: [\"2026-12-25\", \"12-24..12-26\"]\n",
                                 &problem);

    (void)state;
    if (config == NULL)
        fail_msg("%u:%u: %s", problem.line, problem.column, problem.text);
    assert_int_equal(config->channel_count, 2);
    assert_string_equal(config->channels[0].name, "instagram");
    assert_string_equal(config->channels[0].zone, "Europe/Berlin");
    assert_int_equal(config->channels[0].slot_count, 2);
    assert_string_equal(config->channels[0].slots[1], "0 14 * * *");
    assert_int_equal(config->channels[0].capacity, 1);
    assert_null(config->channels[1].zone);
    assert_int_equal(config->channels[1].capacity, 4);
    assert_int_equal(config->holiday_count, 2);
    assert_string_equal(config->holidays[1], "12-24..12-26");
    config_free(&config);
    config = load("channels: {}\nholidays: []\n", &problem);
    assert_non_null(config);
    assert_int_equal(config->channel_count + config->holiday_count, 0);
    config_free(&config);
}

static const struct {
    const char *text;
    unsigned line, column; /* behind the two lines that load() begins with */
    const char *problem;
} refused[] = {
    {"channels: [a]\n", 1, 11, "channels must be a map of at most 32 entries, name: {slots: [...]}"},
    {"channels:\n  A: {slots: [\"0 9 * * *\"]}\n", 2, 3,
     "a name here is made of a-z, 0-9, _ and -, at most 64 characters"},
    {"channels:\n  a: 1\n", 2, 6, "a channel is a map, like {slots: [\"0 9 * * *\"], capacity: 1}"},
    {"channels:\n  a: {}\n", 2, 3, "\"a\" needs the key \"slots\""},
    {"channels:\n  a: {slot: []}\n", 2, 7, "unknown key \"slot\"; did you mean \"slots\"?"},
    {"channels:\n  a: {slots: []}\n", 2, 14, "slots must be a list of 1 to 16 cron expressions, like [\"0 9 * * *\"]"},
    {"channels:\n  a: {slots: [[]]}\n", 2, 15, "a slot is a cron expression in quotes, like \"0 9 * * *\""},
    {"channels:\n  a: {slots: [\"* * * * *\"]}\n", 2, 14, "these are 1440 slots a day; a channel has at most 96"},
    {"channels:\n  a: {slots: [\"0 9 * * *\"], capacity: 21}\n", 2, 39,
     "capacity must be a whole number, without quotes, from 1 to 20"},
    {"channels:\n  a: {slots: [\"0 9 * * *\"], zone: Berlin}\n", 2, 35,
     "there is no time zone \"Berlin\"; write it like Europe/Berlin"},
    {"holidays: 2026-12-25\n", 1, 11, "holidays must be a list of at most 64 days, like [\"2026-12-25\"]"},
    {"holidays: [[]]\n", 1, 12, "a holiday is a day or days, like \"2026-12-25\" or \"12-24..12-26\""},
};

static void mistakes_are_told_with_their_place(void **state)
{
    struct text_problem problem;
    char place[600], expected[600];

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_null(load(refused[i].text, &problem));
        snprintf(place, sizeof(place), "%u:%u: %s", problem.line, problem.column, problem.text);
        snprintf(expected, sizeof(expected), "%u:%u: %s", refused[i].line + 2, refused[i].column, refused[i].problem);
        assert_string_equal(place, expected);
    }
    assert_null(load("channels:\n  a: {slots: [\"0 25 * * *\"]}\n", &problem));
    assert_int_equal(problem.line, 4);
    assert_int_equal(problem.column, 15);
    assert_null(load("holidays: [\"2026-02-30\"]\n", &problem));
    assert_int_equal(problem.column, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_are_read),
        cmocka_unit_test(mistakes_are_told_with_their_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
