// SPDX-License-Identifier: MIT
#include "config/workflows.h"
#include "flow/workflow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define W(name, trigger, step) "workflow: " name "\nmode: live\non:\n  - " trigger "\nsteps:\n  - {id: a, " step "}\n"

static char folder[] = "/tmp/purser-workflows-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct config *load(const char *one, const char *two, const char *modes, struct text_problem *problem)
{
    char path[256];

    write_file("workflows/1.yaml", one);
    write_file("workflows/2.yaml", two);
    write_file("purser.yaml", modes);
    snprintf(path, sizeof(path), "%s/purser.yaml", folder);
    return config_load(path, problem);
}

#define REST                                                                                                           \
    "queues: {orders: {}}\nchannels:\n  instagram: {slots: [\"0 9 * * *\"]}\n"                                         \
    "http_hosts:\n  api.example.com: {secret: api/key}\n"

static const struct {
    const char *one, *two, *modes, *says; /* NULL: good */
} cases[] = {
    {W("one", "slot: instagram", "log: x"), W("two", "manual: true", "log: x"), "", NULL},
    {W("one", "slot: instagrem", "log: x"), W("two", "manual: true", "log: x"), "",
     "1.yaml:4:11: there is no channel \"instagrem\"; did you mean \"instagram\"?"},
    {W("one", "queue: ordres", "log: x"), W("two", "manual: true", "log: x"), "",
     "1.yaml:4:12: there is no queue \"ordres\"; did you mean \"orders\"?"},
    {W("one", "after: two", "log: x"), W("two", "manual: true", "log: x"), "", NULL},
    {W("one", "after: tow2", "log: x"), W("two", "manual: true", "log: x"), "",
     "1.yaml:4:12: there is no workflow \"tow2\"; did you mean \"two\"?"},
    {W("one", "manual: true", "call: two"), W("two", "manual: true", "log: x"), "", NULL},
    {W("one", "manual: true", "call: nobody"), W("two", "manual: true", "log: x"), "",
     "1.yaml:6:19: there is no workflow \"nobody\"; known: one, two"},
    {W("one", "manual: true", "do: [{id: b, for_each: \"{{ trigger.body }}\", do: [{id: c, call: nobody}]}]"),
     W("two", "manual: true", "log: x"), "", "there is no workflow \"nobody\""},
    {W("one", "manual: true", "call: two"), W("two", "manual: true", "call: one"), "",
     "1.yaml:6:1: these workflows begin each other for ever: one -> two -> one; take out one call or after"},
    {W("one", "after: two", "log: x"), W("two", "after: one", "log: x"), "", "one -> two -> one"},
    {W("one", "after: one", "log: x"), W("two", "manual: true", "log: x"), "",
     "1.yaml:4:1: these workflows begin each "
     "other for ever: one -> one"},
    {W("same", "manual: true", "log: x"), W("same", "manual: true", "log: x"), "", "the workflow \"same\" is in "},
    {W("one", "queue: none", "log: x"), W("two", "manual: true", "log: x"), "modes: {one: off}\n", NULL},
    {W("one", "manual: true", "log: x"), W("two", "manual: true", "log: x"), "modes:\n  won: off\n",
     "purser.yaml:8:3: modes: there is no workflow \"won\"; did you mean \"one\"?"},
    {W("one", "manual: true", "http: {url: \"https://api.example.com/x\", secret: api/key}"),
     W("two", "manual: true", "log: x"), "", NULL},
    {W("one", "manual: true", "http: {url: \"https://{{ shop.name }}/x\", secret: api/kay}"),
     W("two", "manual: true", "log: x"), "",
     "there is no secret under http_hosts \"api/kay\"; did you mean \"api/key\"?"},
    {W("one", "manual: true", "http: https://other.example.com"), W("two", "manual: true", "log: x"), "",
     "other.example.com"},
};

static void names_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text_problem problem = {.text = ""};
        char modes[600], line[800];
        snprintf(modes, sizeof(modes), "prompts_dir: none\n" REST "%s", cases[i].modes);
        struct config *config = load(cases[i].one, cases[i].two, modes, &problem);
        text_problem_print(&problem, line, sizeof(line));
        if ((config != NULL) != (cases[i].says == NULL))
            fail_msg("case %zu: %s", i, line);
        if (config == NULL && strstr(line, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, line);
        config_free(&config);
    }
}

/* What a daemon that runs does: a set with a mistake is not taken, and the old one is untouched. */
static void a_set_is_read_anew_whole_or_not(void **state)
{
    struct text_problem problem;
    struct config *config = load(W("one", "manual: true", "log: x"), W("two", "manual: true", "log: x"),
                                 "modes: {one: shadow}\n", &problem);
    struct workflow **fresh;
    size_t count;

    (void)state;
    assert_non_null(config);
    write_file("workflows/2.yaml", W("two", "queue: no", "log: x"));
    assert_false(workflows_load(config, &fresh, &count, &problem));
    assert_null(fresh);
    assert_int_equal(count, 0);
    write_file("workflows/2.yaml", W("second", "manual: true", "log: x"));
    assert_true(workflows_load(config, &fresh, &count, &problem));
    assert_int_equal(count, 2);
    assert_int_equal(fresh[0]->mode, WORKFLOW_SHADOW);
    assert_string_equal(fresh[1]->name, "second");
    assert_string_equal(config->workflows[1]->name, "two");
    config_free(&config);
    workflows_destroy(&fresh, &count);
    assert_null(fresh);
}

static void doubts_are_collected(void **state)
{
    struct text_problem problem;
    struct config *config =
        load(W("one", "manual: true", "log: x, when: \"{{ false }}\""),
             W("two", "manual: true", "log: x, when: \"{{ false }}\""), "shop_name: x\n", &problem);
    struct buffer text = {NULL, 0, 0};

    (void)state;
    assert_non_null(config);
    workflows_warn(config->workflows, config->workflow_count, &text);
    buffer_append(&text, "", 1);
    assert_non_null(strstr(text.data, "1.yaml:6: the step \"a\" is never done"));
    assert_non_null(strstr(text.data, "2.yaml:6: the step \"a\" is never done"));
    buffer_free(&text);
    config_free(&config);
}

static int set_up(void **state)
{
    char path[256];

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/workflows", folder);
    return mkdir(path, 0700);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"workflows/1.yaml", "workflows/2.yaml", "workflows", "purser.yaml"};
    char path[256];

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
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(a_set_is_read_anew_whole_or_not),
        cmocka_unit_test(doubts_are_collected),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
