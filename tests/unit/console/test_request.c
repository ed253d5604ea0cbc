// SPDX-License-Identifier: MIT
#include "console/terminal/help.h"
#include "console/terminal/request.h"
#include "console/terminal/settings.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What the line is read as: "words {arguments}", or "! problem". */
static void read_line(const char *line, char *got, size_t size)
{
    struct words words;
    struct request request;
    struct buffer json = {NULL, 0, 0};
    char problem[400];

    if (!words_split(slice_of(line), &words, problem, sizeof(problem)) ||
        !request_read(&words, &request, problem, sizeof(problem))) {
        snprintf(got, size, "! %s", problem);
    } else {
        json_write(&json, request.arguments);
        snprintf(got, size, "%s %.*s", command_info[request.command].words, (int)json.size, json.data);
        assert_true(command_check(request.command, buffer_slice(&json), problem, sizeof(problem)));
        request_free(&request);
    }
    buffer_free(&json);
    words_free(&words);
}

static void test_requests(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"status", "status {}"},
        {"  jobs --queue flow --limit=5 ", "jobs {\"limit\":5,\"queue\":\"flow\"}"},
        {"job show 12", "job show {\"id\":12}"},
        {"job revive 9 --resend", "job revive {\"id\":9,\"resend\":true}"},
        {"push flow '{\"a\": \"b c\"}' --key \"k 1\"",
         "push {\"key\":\"k 1\",\"payload\":\"{\\\"a\\\": \\\"b c\\\"}\",\"queue\":\"flow\"}"},
        {"push flow -- --id", "push {\"payload\":\"--id\",\"queue\":\"flow\"}"},
        {"push a\\ b {}", "push {\"payload\":\"{}\",\"queue\":\"a b\"}"},
        {"store check", "store check {}"},
        {"workflow check a.yaml", "workflow check {\"files\":[\"a.yaml\"]}"},
        {"workflow test a.yaml --only x b.yaml", "workflow test {\"files\":[\"a.yaml\",\"b.yaml\"],\"only\":\"x\"}"},
        {"workflow check a --files=b -- --c", "workflow check {\"files\":[\"a\",\"b\",\"--c\"]}"},
        {"schedule next @daily --zone UTC --count 3",
         "schedule next {\"count\":3,\"cron\":\"@daily\",\"zone\":\"UTC\"}"},
        {"expr '-1 + x'", "expr {\"expression\":\"-1 + x\"}"},
        {"", "! there is no command \"\"; see: purser help"},
        {"job", "! job what? There is: job show, job revive, job cancel"},
        {"stats", "! there is no command \"stats\"; did you mean \"status\"?"},
        {"job shwo 12", "! there is no command \"job shwo\"; did you mean \"job show\"?"},
        {"frobnicate", "! there is no command \"frobnicate\"; see: purser help"},
        {"job show", "! job show needs id: The job"},
        {"workflow check", "! workflow check needs files: Workflow files"},
        {"job show x", "! id takes a number, not \"x\""},
        {"job show -1", "! id takes a number, not \"-1\""},
        {"job show 1 2", "! job show does not take \"2\"; see: purser help job show"},
        {"jobs --quue flow", "! jobs has no option --quue; did you mean --queue?"},
        {"jobs --queue", "! --queue needs a value: Only this queue"},
        {"jobs --queue a --queue b", "! queue is given twice"},
        {"job revive 1 --resend=yes", "! --resend takes no value"},
        {"jobs 'open", "! a quote is not closed"},
        {"push flow @/nonexistent/file", "! /nonexistent/file: No such file or directory"},
    };
    char got[600];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        read_line(cases[i].line, got, sizeof(got));
        assert_string_equal(got, cases[i].want);
    }
}

static void test_data_from_file(void **state)
{
    char path[] = "/tmp/purser-test-XXXXXX", line[64], got[200];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[1]\n", 4), 4);
    snprintf(line, sizeof(line), "push flow @%s", path);
    read_line(line, got, sizeof(got));
    assert_string_equal(got, "push {\"payload\":\"[1]\\n\",\"queue\":\"flow\"}");
    assert_int_equal(pwrite(fd, "\xff", 1, 0), 1);
    read_line(line, got, sizeof(got));
    assert_string_equal(got, "! payload is not UTF-8 text");
    close(fd);
    unlink(path);
}

static void test_too_many_words(void **state)
{
    char line[300] = "", got[100];

    (void)state;
    for (size_t i = 0; i <= WORDS_MAX; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "a ");
    read_line(line, got, sizeof(got));
    assert_string_equal(got, "! more than 64 words");
}

static bool take(const char *line, struct settings *settings, struct words *words, char *problem, size_t size)
{
    return words_split(slice_of(line), words, problem, size) && settings_take(settings, words, problem, size);
}

static void test_settings(void **state)
{
    struct settings settings;
    struct words words;
    char problem[700];

    (void)state;
    settings_init(&settings, NULL);
    assert_string_equal(settings.socket, "data/control.sock");
    assert_int_equal(settings.timeout_ms, 10000);
    settings_init(&settings, "/run/purser.sock");
    assert_string_equal(settings.socket, "/run/purser.sock");
    assert_true(
        take("jobs --json --timeout 0.5 --socket=/x --limit 3 -- --json", &settings, &words, problem, sizeof(problem)));
    assert_true(settings.json);
    assert_int_equal(settings.timeout_ms, 500);
    assert_string_equal(settings.socket, "/x");
    assert_int_equal(words.count, 5);
    assert_string_equal(words.at[4], "--json");
    words_free(&words);
    assert_false(take("jobs --timeout soon", &settings, &words, problem, sizeof(problem)));
    assert_non_null(strstr(problem, "--timeout takes seconds"));
    words_free(&words);
    assert_false(take("jobs --socket", &settings, &words, problem, sizeof(problem)));
    assert_string_equal(problem, "--socket needs a value");
    words_free(&words);
    assert_false(take("jobs --config /nonexistent.yaml", &settings, &words, problem, sizeof(problem)));
    words_free(&words);
}

static void test_socket_of_config(void **state)
{
    static const struct {
        const char *yaml, *want;
    } cases[] = {{"data_dir: ../data/demo\n", "/tmp/../data/demo/control.sock"},
                 {"data_dir: /var/lib/purser\n", "/var/lib/purser/control.sock"},
                 {"shop_name: x\n", "/tmp/data/control.sock"},
                 {"data_dir: a\ncontrol_socket: /run/p.sock\n", "/run/p.sock"}};
    struct settings settings;
    struct words words;
    char problem[700], path[] = "/tmp/purser-test-XXXXXX", line[64];
    int fd = mkstemp(path);

    (void)state;
    snprintf(line, sizeof(line), "--config %s", path);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, cases[i].yaml, strlen(cases[i].yaml), 0), (ssize_t)strlen(cases[i].yaml));
        settings_init(&settings, NULL);
        assert_true(take(line, &settings, &words, problem, sizeof(problem)));
        assert_string_equal(settings.socket, cases[i].want);
        words_free(&words);
    }
    close(fd);
    unlink(path);
}

static void test_help(void **state)
{
    struct buffer text = {NULL, 0, 0};

    (void)state;
    help_all(&text);
    buffer_append(&text, "", 1);
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        assert_non_null(strstr(text.data, command_info[i].words));
    buffer_clear(&text);
    help_command(&text, COMMAND_JOB_REVIVE);
    buffer_append(&text, "", 1);
    assert_non_null(strstr(text.data, "purser job revive <id> [--resend]"));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_data_from_file),   cmocka_unit_test(test_too_many_words),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_socket_of_config), cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
