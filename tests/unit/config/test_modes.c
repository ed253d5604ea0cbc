// SPDX-License-Identifier: MIT
#include "config/config.h"
#include "flow/workflow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Loads a config with one workflow in shadow and the given `modes`. */
static struct config *load(char *folder, const char *modes, struct text_problem *problem)
{
    char path[256];

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/workflows", folder);
    mkdir(path, 0700);
    write_file(
        folder, "workflows/w.yaml",
        "workflow: w\nmode: shadow\non:\n  - queue: q\nsteps:\n  - id: a\n    count: {book: b, amount: \"1\"}\n");
    snprintf(path, sizeof(path), "%s/prompts", folder);
    mkdir(path, 0700);
    write_file(folder, "purser.yaml", modes);
    snprintf(path, sizeof(path), "%s/purser.yaml", folder);
    struct config *config = config_load(path, problem);
    snprintf(path, sizeof(path), "rm -r %s", folder);
    assert_int_equal(system(path), 0);
    return config;
}

static void test_mode_wins(void **state)
{
    char folder[] = "/tmp/purser-modes-XXXXXX";
    struct text_problem problem = {.text = ""};
    struct config *config = load(folder, "queues:\n  q: {ordered: true}\nmodes: {w: live}\n", &problem);

    (void)state;
    assert_non_null(config);
    assert_int_equal(config->workflows[0]->mode, WORKFLOW_LIVE);
    config_free(&config);
}

static void test_bad_modes(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"queues: {q: {}}\nmodes: {ww: live}\n", "did you mean \"w\""},
        {"queues: {q: {}}\nmodes: {w: on}\n", "shadow"},
        {"queues: {q: {}}\nmodes: [w]\n", "modes is a map"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char folder[] = "/tmp/purser-modes-XXXXXX";
        struct text_problem problem = {.text = ""};
        assert_null(load(folder, cases[i].text, &problem));
        if (strstr(problem.text, cases[i].says) == NULL)
            fail_msg("case %zu says: %s", i, problem.text);
        assert_int_equal(problem.line, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mode_wins), cmocka_unit_test(test_bad_modes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
