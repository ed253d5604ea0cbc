// SPDX-License-Identifier: MIT
#include "console/terminal/repeat.h"
#include "console/terminal/rehearsing.h"
#include "console/terminal/workflow_commands.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { PATH_ROOM = 200 };

struct bench {
    char folder[PATH_ROOM];
    struct settings settings;
    char *said; /* by the last command, with the folder's path written as DIR */
    char *problems;
};

static void bench_write(const struct bench *bench, const char *name, const char *text)
{
    char path[PATH_ROOM * 2];

    snprintf(path, sizeof(path), "%s/%s", bench->folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    char path[PATH_ROOM * 2];

    snprintf(bench->folder, sizeof(bench->folder), "/tmp/purser-test-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(path, sizeof(path), "%s/workflows", bench->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    settings_init(&bench->settings, "/nowhere/control.sock");
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char command[PATH_ROOM * 2];

    snprintf(command, sizeof(command), "rm -r %s", bench->folder);
    assert_int_equal(system(command), 0);
    free(bench->said);
    free(bench->problems);
    free(bench);
    return 0;
}

/* Paths that begin with the bench's folder begin with DIR. */
static char *without_folder(const struct bench *bench, char *text)
{
    struct buffer into = {NULL, 0, 0};
    size_t size = strlen(bench->folder);

    for (const char *at = text; *at != '\0';) {
        bool is_folder = strncmp(at, bench->folder, size) == 0;
        buffer_append(&into, is_folder ? "DIR" : at, is_folder ? 3 : 1);
        at += is_folder ? size : 1;
    }
    buffer_append(&into, "", 1);
    free(text);
    return into.data;
}

/* Runs a command; `one` and `two` are files in the bench's folder, `two` may be NULL. */
static int run(struct bench *bench, offline_command *command, const char *one, const char *two)
{
    json_t *files = json_array(), *arguments = json_pack("{s:o}", "files", files);
    const char *const names[] = {one, two};
    char *said = NULL, *problems = NULL;
    size_t said_size, problems_size;
    FILE *out = open_memstream(&said, &said_size), *err = open_memstream(&problems, &problems_size);

    for (size_t i = 0; i < 2 && names[i] != NULL; i++)
        json_array_append_new(files, json_sprintf("%s/%s", bench->folder, names[i]));
    int exit_code = command(&bench->settings, arguments, out, err);
    fclose(out);
    fclose(err);
    json_decref(arguments);
    free(bench->said);
    free(bench->problems);
    bench->said = without_folder(bench, said);
    bench->problems = without_folder(bench, problems);
    return exit_code;
}

#define HEAD "workflow: w\nmode: live\non:\n  - manual: true\nsteps:\n"
#define MAIL "  - id: mail\n    email: {to: a@b.example, subject: Hi, text: \"{{ trigger.body.text }}\"}\n"

/* ---- check ---- */

static void test_check(void **state)
{
    struct bench *bench = *state;

    bench_write(bench, "good.yaml", HEAD MAIL);
    bench_write(bench, "bad.yaml", HEAD "  - id: mail\n    emial: {to: a}\n");
    assert_int_equal(run(bench, workflow_check, "good.yaml", NULL), SESSION_OK);
    assert_string_equal(bench->said, "DIR/good.yaml: ok\n");
    assert_int_equal(run(bench, workflow_check, "good.yaml", "bad.yaml"), SESSION_REFUSED);
    assert_non_null(strstr(bench->said, "DIR/good.yaml: ok\nDIR/bad.yaml:7:5: "));
    assert_non_null(strstr(bench->said, "email"));
    assert_int_equal(run(bench, workflow_check, "nothing.yaml", NULL), SESSION_REFUSED);
    bench_write(bench, "again.yaml", HEAD MAIL);
    assert_int_equal(run(bench, workflow_check, "good.yaml", "again.yaml"), SESSION_REFUSED);
    assert_string_equal(bench->said,
                        "DIR/good.yaml: ok\nDIR/again.yaml:1:1: the workflow \"w\" is in DIR/good.yaml already\n");
}

static void test_check_prompts(void **state)
{
    struct bench *bench = *state;
    char path[PATH_ROOM * 2];

    bench_write(bench, "workflows/w.yaml", HEAD "  - id: a\n    generate: {prompt: order-thank}\n");
    assert_int_equal(run(bench, workflow_check, "workflows/w.yaml", NULL), SESSION_OK);
    snprintf(path, sizeof(path), "%s/prompts", bench->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    bench_write(bench, "prompts/one.yaml", "name: order-thanks\nversion: 1\ntext: x\n");
    assert_int_equal(run(bench, workflow_check, "workflows/w.yaml", NULL), SESSION_REFUSED);
    assert_string_equal(bench->said, "DIR/workflows/w.yaml:6:1: there is no prompt \"order-thank\"; did you mean "
                                     "\"order-thanks\"?\n");
    bench_write(bench, "purser.yaml", "prompts_dir: prompts\n");
    bench_write(bench, "w.yaml", HEAD "  - id: a\n    generate: {prompt: nobody}\n");
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_OK);
    assert_string_equal(bench->said, "DIR/w.yaml: ok\n  not looked up without --config: prompt nobody\n");
    snprintf(bench->settings.config, sizeof(bench->settings.config), "%s/purser.yaml", bench->folder);
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_REFUSED);
    assert_string_equal(bench->said, "DIR/w.yaml:6:1: there is no prompt \"nobody\"; add its file to the others\n");
    bench_write(bench, "workflows/w.yaml",
                "workflow: w\nmode: off\non:\n  - manual: true\nsteps:\n  - id: a\n    generate: {prompt: soon}\n");
    assert_int_equal(run(bench, workflow_check, "workflows/w.yaml", NULL), SESSION_OK);
}

/* What only a purser.yaml knows is said to be unchecked without one. */
static void test_check_names(void **state)
{
    struct bench *bench = *state;
    static const char text[] = "workflow: w\nmode: live\non:\n  - queue: import\nsteps:\n"
                               "  - id: a\n    http: {url: \"https://crm.example/\", secret: crm/key}\n";

    bench_write(bench, "w.yaml", text);
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_OK);
    assert_string_equal(bench->said,
                        "DIR/w.yaml: ok\n  not looked up without --config: queue import, secret crm/key\n");
    snprintf(bench->settings.config, sizeof(bench->settings.config), "%s/purser.yaml", bench->folder);
    bench_write(bench, "purser.yaml", "queues:\n  imports: {}\n");
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_REFUSED);
    assert_string_equal(bench->said, "DIR/w.yaml:4:1: there is no queue \"import\"; did you mean \"imports\"?\n");
    bench_write(bench, "purser.yaml", "queues:\n  import: {}\nhttp_hosts:\n  a.example: {secret: other}\n");
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_REFUSED);
    assert_string_equal(bench->said,
                        "DIR/w.yaml:6:1: there is no secret under http_hosts \"crm/key\"; known: other\n");
    bench_write(bench, "purser.yaml", "queues:\n  import: {}\nhttp_hosts:\n  crm.example: {secret: crm/key}\n");
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_OK);
    assert_string_equal(bench->said, "DIR/w.yaml: ok\n");
}

static void test_check_rings(void **state)
{
    struct bench *bench = *state;

    bench_write(bench, "a.yaml",
                "workflow: a\nmode: live\non:\n  - manual: true\nsteps:\n  - id: s\n    call: {workflow: b}\n");
    bench_write(bench, "b.yaml",
                "workflow: b\nmode: live\non:\n  - manual: true\nsteps:\n  - id: s\n    call: {workflow: a}\n");
    assert_int_equal(run(bench, workflow_check, "a.yaml", NULL), SESSION_OK);
    assert_int_equal(run(bench, workflow_check, "a.yaml", "b.yaml"), SESSION_REFUSED);
}

static void test_check_schedules(void **state)
{
    struct bench *bench = *state;
    struct json_problem problem;

    bench_write(bench, "w.yaml",
                "workflow: w\nmode: off\non:\n  - schedule: {cron: \"0 9 * * *\", zone: Asia/Tokyo}\n"
                "  - schedule: {cron: \"0 9 * * *\"}\n"
                "steps:\n  - id: a\n    log: {text: x}\n");
    bench_write(bench, "purser.yaml", "shop_zone: Asia/Kolkata\n");
    bench->settings.json = true;
    snprintf(bench->settings.config, sizeof(bench->settings.config), "%s/purser.yaml", bench->folder);
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_OK);
    json_t *report = json_read(slice_of(bench->said), &problem);
    assert_non_null(report);
    assert_int_equal(json_array_size(json_at(report, "files.0.schedules.0.times")), 10);
    assert_non_null(strstr(json_string_value(json_at(report, "files.0.schedules.0.times.9")), "T09:00:00+09:00"));
    assert_non_null(strstr(json_string_value(json_at(report, "files.0.schedules.1.times.0")), "T09:00:00+05:30"));
    assert_true(json_is_true(json_at(report, "files.0.ok")));
    json_decref(report);
    bench_write(bench, "purser.yaml", "shop_zone: [\n");
    assert_int_equal(run(bench, workflow_check, "w.yaml", NULL), SESSION_REFUSED);
    assert_non_null(strstr(bench->problems, "DIR/purser.yaml:"));
}

/* ---- test ---- */

static void test_test(void **state)
{
    struct bench *bench = *state;

    bench_write(bench, "body.json", "{\"text\": \"from a file\"}");
    bench_write(bench, "w.yaml",
                HEAD MAIL "tests:\n"
                          "  - name: good\n    body_file: body.json\n"
                          "    expect: {effects: [{step: mail, text: from a file}]}\n"
                          "  - name: bad\n    trigger: {body: {text: one}}\n"
                          "    expect: {effects: [{step: mail, text: two}]}\n");
    assert_int_equal(run(bench, workflow_test, "w.yaml", NULL), SESSION_REFUSED);
    assert_string_equal(bench->said, "ok w: good\n"
                                     "FAILED w: bad\n"
                                     "  DIR/w.yaml:12: bad: effect 1 (mail): text: expected \"two\", but it was "
                                     "\"one\"\n"
                                     "1 passed, 1 failed\n");
    bench->settings.json = true;
    assert_int_equal(run(bench, workflow_test, "w.yaml", NULL), SESSION_REFUSED);
    assert_string_equal(bench->said,
                        "{\"failed\":1,\"files\":[{\"file\":\"DIR/w.yaml\",\"rehearsals\":[{\"line\":9,\"mismatches\":"
                        "[],\"name\":\"good\",\"ok\":true},{\"line\":12,\"mismatches\":[\"DIR/w.yaml:12: bad: effect 1 "
                        "(mail): text: expected \\\"two\\\", but it was \\\"one\\\"\"],\"name\":\"bad\",\"ok\":false}]"
                        "}],\"passed\":1}\n");
}

static void test_test_only(void **state)
{
    struct bench *bench = *state;
    char *path = NULL, *said = NULL;
    size_t size;
    FILE *out = open_memstream(&said, &size);

    bench_write(bench, "w.yaml",
                HEAD MAIL "tests:\n"
                          "  - name: good\n    trigger: {body: {text: a}}\n    expect: {state: done}\n"
                          "  - name: bad\n    expect: {state: failed}\n");
    path = slice_dup(slice_of(bench->folder));
    json_t *arguments = json_pack("{s:[o], s:s}", "files", json_sprintf("%s/w.yaml", path), "only", "oo");
    assert_int_equal(workflow_test(&bench->settings, arguments, out, out), SESSION_OK);
    fclose(out);
    assert_string_equal(said, "ok w: good\n1 passed, 0 failed\n");
    json_decref(arguments);
    free(said);
    free(path);
}

static void test_test_nothing(void **state)
{
    struct bench *bench = *state;

    bench_write(bench, "none.yaml", HEAD MAIL);
    assert_int_equal(run(bench, workflow_test, "none.yaml", NULL), SESSION_REFUSED);
    assert_string_equal(
        bench->said,
        "warning: DIR/none.yaml: no rehearsals; see \"tests:\" in docs/rehearsal.md\n0 passed, 0 failed\n");
    assert_string_equal(bench->problems, "purser: no rehearsal was run\n");
    assert_int_equal(run(bench, workflow_test, "nothing.yaml", NULL), SESSION_REFUSED);
    assert_non_null(strstr(bench->said, "0 passed, 1 failed"));
}

static void test_test_body_files(void **state)
{
    struct bench *bench = *state;
    static const char *const wrong[][2] = {
        {"missing.json", "body_file missing.json: No such file or directory"},
        {"broken.json", "body_file broken.json: line 1, column"},
    };

    bench_write(bench, "broken.json", "{\"a\": }");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[1000];
        snprintf(text, sizeof(text), HEAD MAIL "tests:\n  - name: x\n    body_file: %s\n    expect: {state: done}\n",
                 wrong[i][0]);
        bench_write(bench, "w.yaml", text);
        assert_int_equal(run(bench, workflow_test, "w.yaml", NULL), SESSION_REFUSED);
        assert_non_null(strstr(bench->said, wrong[i][1]));
        assert_non_null(strstr(bench->said, "DIR/w.yaml:9"));
    }
}

/* `save` in a rehearsal is the daemon's: it refuses the same orders in the same words. */
static void test_test_save(void **state)
{
    struct bench *bench = *state;

    bench_write(bench, "w.yaml",
                HEAD "  - id: rows\n    save: {target: orders, from: \"{{ trigger.body }}\", shop: s}\n"
                     "tests:\n"
                     "  - name: none\n    trigger: {body: {}}\n    expect: {error: \"save: updated_at\"}\n"
                     "  - name: one\n    trigger: {body: {id: 1, updated_at: \"2026-01-05T09:00:00Z\"}}\n"
                     "    expect: {result: {rows: 1}}\n");
    assert_int_equal(run(bench, workflow_test, "w.yaml", NULL), SESSION_OK);
}

/* ---- diff ---- */

static const char old_text[] =
    "workflow: w\nmode: shadow\non:\n  - webhook: orders\n    topic: [a/b, c/d]\n"
    "  - schedule: {cron: \"0 9 * * *\", except: [12-24..12-26]}\n"
    "steps:\n"
    "  - id: one\n    log: {text: x}\n"
    "  - id: two\n    log: {text: y}\n"
    "  - id: both\n    parallel:\n"
    "      a:\n        - id: mail\n          email: {to: a@b.example, subject: s, text: t}\n          timeout: 30s\n"
    "      b:\n        - id: note\n          log: {text: z}\n";
static const char new_text[] =
    "workflow: w\nmode: live\non:\n  - webhook: orders\n    topic: [a/b]\n"
    "  - schedule: {cron: \"0 9 * * *\", except: [12-24..12-26]}\n"
    "steps:\n"
    "  - id: two\n    log: {text: y}\n    when: \"{{ trigger.kind == 'webhook' }}\"\n"
    "  - id: both\n    parallel:\n"
    "      a:\n        - id: mail\n          email: {to: a@b.example, subject: s, text: other}\n"
    "          timeout: 90s\n          else: {message_id: none}\n"
    "      b:\n        - id: added\n          log: {text: z}\n"
    "  - id: one\n    log: {text: x}\n"
    "tests:\n  - name: x\n    expect: {state: done}\n";

static void test_diff(void **state)
{
    struct bench *bench = *state;

    bench_write(bench, "old.yaml", old_text);
    bench_write(bench, "new.yaml", new_text);
    assert_int_equal(run(bench, workflow_diff, "old.yaml", "new.yaml"), SESSION_OK);
    assert_string_equal(bench->said, "mode: \"shadow\" -> \"live\"\n"
                                     "- trigger webhook orders, topic a/b c/d\n"
                                     "+ trigger webhook orders, topic a/b\n"
                                     "- step note\n"
                                     "+ step added\n"
                                     "moved: step one\n"
                                     "changed: step two\n"
                                     "  when: nothing -> \"{{ trigger.kind == 'webhook' }}\"\n"
                                     "changed: step mail\n"
                                     "  text: \"t\" -> \"other\"\n"
                                     "  timeout: \"30s\" -> \"90s\"\n"
                                     "  else: nothing -> {\"message_id\":\"none\"}\n"
                                     "rehearsals: 0 -> 1\n");
    assert_int_equal(run(bench, workflow_diff, "new.yaml", "new.yaml"), SESSION_OK);
    assert_string_equal(bench->said, "no difference\n");
    assert_int_equal(run(bench, workflow_diff, "new.yaml", NULL), SESSION_REFUSED);
    assert_int_equal(run(bench, workflow_diff, "new.yaml", "nothing.yaml"), SESSION_REFUSED);
    assert_string_equal(bench->said, "");
}

/* ---- repeat ---- */

static const char repeated_text[] = "workflow: w\nmode: live\non:\n  - webhook: orders\n    topic: [a/b]\nsteps:\n"
                                    "  - id: last\n    get: {key: k}\n"
                                    "  - id: thanks\n    generate: {prompt: p}\n"
                                    "  - id: mail\n    email: {to: \"{{ trigger.body.to }}\", subject: Hello, text: "
                                    "\"{{ steps.thanks.result.text }} {{ "
                                    "steps.last.result }}\"}\n"
                                    "  - id: note\n    telegram: {text: t}\n    when: \"{{ trigger.body.note }}\"\n";

static json_t *repeat(const char *run_text, bool whole)
{
    struct text_problem problem;
    struct json_problem why;
    struct workflow *workflow = workflow_parse("w.yaml", slice_of(repeated_text), &problem);
    struct expression_engine *engine = expression_engine_new(NULL);
    json_t *recorded = json_read(slice_of(run_text), &why);

    assert_non_null(workflow);
    assert_non_null(recorded);
    json_t *report = repeat_run(&(struct repeating){workflow, &rehearsing_shop, engine}, recorded, whole);
    json_decref(recorded);
    expression_engine_destroy(&engine);
    workflow_destroy(&workflow);
    return report;
}

static void expect_report(const char *run_text, bool whole, const char *expected)
{
    struct buffer text = {NULL, 0, 0};
    json_t *report = repeat(run_text, whole);

    json_write(&text, report);
    buffer_append(&text, "", 1);
    assert_string_equal(text.data, expected);
    buffer_free(&text);
    json_decref(report);
}

#define RUN                                                                                                            \
    "{\"run\":7,\"state\":\"done\",\"started_ms\":1767603600000,\"trigger\":{\"kind\":\"webhook\",\"hook\":"           \
    "\"orders\","
#define BODY "\"topic\":\"a/b\",\"body\":{\"to\":\"a@b.example\"}},\"steps\":["
#define LAST "{\"step\":\"last\",\"state\":\"done\",\"input\":{\"key\":\"k\"},\"result\":5},"
#define THANKS                                                                                                         \
    "{\"step\":\"thanks\",\"state\":\"done\",\"job\":1,\"input\":{\"prompt\":\"p\"},\"result\":{\"text\":\"Hi\"}},"
#define MAIL_OF(subject)                                                                                               \
    "{\"step\":\"mail\",\"state\":\"done\",\"job\":2,\"input\":{\"to\":\"a@b.example\",\"subject\":\"" subject         \
    "\",\"text\":\"Hi 5\"},\"result\":{\"message_id\":\"<x>\"}}"

static void test_repeat(void **state)
{
    (void)state;
    expect_report(RUN BODY LAST THANKS MAIL_OF("Hello") "]}", false,
                  "{\"effects\":{\"added\":[],\"changed\":[],\"removed\":[]},\"run\":7,\"same\":true}");
    expect_report(RUN BODY LAST THANKS MAIL_OF("Other") "]}", false,
                  "{\"effects\":{\"added\":[],\"changed\":[{\"fields\":[{\"field\":\"subject\"}],\"step\":\"mail\"}],"
                  "\"removed\":[]},\"run\":7,\"same\":false}");
    expect_report(
        RUN BODY LAST THANKS MAIL_OF("Other") "]}", true,
        "{\"effects\":{\"added\":[],\"changed\":[{\"fields\":[{\"field\":\"subject\",\"new\":\"Hello\",\"old\":"
        "\"Other\"}],\"step\":\"mail\"}],\"removed\":[]},\"run\":7,\"same\":false}");
    expect_report(
        RUN BODY LAST THANKS "{\"step\":\"gone\",\"state\":\"done\",\"job\":3,\"input\":{\"text\":\"x\"},"
                             "\"result\":{}}]}",
        false, "{\"effects\":{\"added\":[\"mail\"],\"changed\":[],\"removed\":[\"gone\"]},\"run\":7,\"same\":false}");
}

static void test_repeat_without_records(void **state)
{
    (void)state;
    expect_report(RUN BODY MAIL_OF("Hello") "]}", false,
                  "{\"effects\":{\"added\":[],\"changed\":[{\"fields\":[{\"field\":\"text\"}],\"step\":\"mail\"}],"
                  "\"removed\":[]},\"invented\":[\"thanks\"],\"run\":7,\"same\":false}");
    expect_report(
        RUN "\"topic\":\"x/y\",\"body\":{}},\"steps\":[" MAIL_OF("Hello") "]}", false,
        "{\"effects\":{\"added\":[],\"changed\":[],\"removed\":[\"mail\"]},\"run\":7,\"same\":false,\"state\":{"
        "\"new\":\"not begun\",\"old\":\"done\"}}");
    expect_report(RUN "\"topic\":\"a/b\",\"bytes\":100},\"steps\":[]}", false,
                  "{\"left_out\":\"its event is not kept any more\",\"run\":7}");
    expect_report("{\"run\":7,\"state\":\"open\",\"steps\":[]}", false, "{\"left_out\":\"still open\",\"run\":7}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_prompts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_rings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_schedules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_test, setup, teardown),
        cmocka_unit_test_setup_teardown(test_test_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_test_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_test_body_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_test_save, setup, teardown),
        cmocka_unit_test_setup_teardown(test_diff, setup, teardown),
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_repeat_without_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
