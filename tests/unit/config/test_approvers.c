// SPDX-License-Identifier: MIT
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/purser-approvers-XXXXXX";

static struct config *load(const char *text, struct text_problem *problem)
{
    char path[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s/purser.yaml", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return config_load(path, problem);
}

static const struct {
    const char *text;
    unsigned line;
    const char *problem;
} refused[] = {
    {"approvers: [ann]\n", 1, "approvers must be a map of name: {telegram: USER_ID}"},
    {"approvers:\n  Ann: {telegram: \"42\"}\n", 2,
     "a name here is made of a-z, 0-9, _ and -, at most 64 characters"},
    {"approvers:\n  ann: {telegram: \"@ann\"}\n", 2,
     "telegram is the person's user id there, a number like 123456789; @names can change hands"},
    {"approvers:\n  ann: {telegram: \"-7\"}\n", 2,
     "telegram is the person's user id there, a number like 123456789; @names can change hands"},
    {"approvers:\n  ann: {telegram: \"42\"}\n  bob: {telegram: \"42\"}\n", 3,
     "this user id belongs to another approver already"},
    {"approvers:\n  ann: {gets_asked: true}\n", 2, "\"ann\" cannot be asked without telegram, a user id"},
    {"approvers:\n  ann: {telegramm: \"42\"}\n", 2, "unknown key \"telegramm\"; did you mean \"telegram\"?"},
};

static void wrong_lines_are_named(void **state)
{
    struct text_problem problem;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_null(load(refused[i].text, &problem));
        assert_int_equal(problem.line, refused[i].line);
        assert_string_equal(problem.text, refused[i].problem);
    }
}

static void approvers_are_read(void **state)
{
    struct text_problem problem;
    struct config *config = load("approvers:\n  ann: {telegram: \"4201\", gets_asked: true}\n  bob: {}\n", &problem);

    (void)state;
    if (config == NULL)
        print_error("%u: %s\n", problem.line, problem.text);
    assert_non_null(config);
    assert_int_equal(config->approver_count, 2);
    assert_string_equal(config->approvers[0].name, "ann");
    assert_string_equal(config->approvers[0].telegram, "4201");
    assert_true(config->approvers[0].gets_asked);
    assert_null(config->approvers[1].telegram);
    config_free(&config);
}

static int set_up(void **state)
{
    char path[200];

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/workflows", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/prompts", folder);
    return mkdir(path, 0700);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"purser.yaml", "workflows", "prompts"};
    char path[200];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(approvers_are_read),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
