// SPDX-License-Identifier: MIT
#include "console/terminal/rehearsing.h"
#include "console/terminal/width.h"
#include "console/terminal/workflow_commands.h"
#include <string.h>

struct tests {
    const struct settings *settings;
    struct expression_engine *engine;
    FILE *out;
    const char *only; /* part of a name, or NULL */
    size_t passed, failed;
    json_t *files; /* [{file, rehearsals: [{name, line, ok, mismatches}], problem}] */
};

static json_t *lines_of(struct slice text)
{
    json_t *lines = json_array();

    for (size_t from = 0; from < text.size;) {
        const char *end = memchr(text.data + from, '\n', text.size - from);
        size_t size = end != NULL ? (size_t)(end - text.data) - from : text.size - from;
        json_array_append_new(lines, json_stringn(text.data + from, size));
        from += size + 1;
    }
    return lines;
}

static void print_lines(FILE *out, const json_t *lines)
{
    struct buffer text = {NULL, 0, 0};
    json_t *line;
    size_t index;

    json_array_foreach(lines, index, line)
    {
        buffer_text(&text, "  ");
        width_clean(&text, (struct slice){json_string_value(line), json_string_length(line)}, false, 0);
        buffer_text(&text, "\n");
    }
    if (text.size > 0)
        fwrite(text.data, 1, text.size, out);
    buffer_free(&text);
}

static void test_one(struct tests *tests, const struct workflow *workflow, const struct workflow_fixture *fixture,
                     json_t *list)
{
    struct buffer text = {NULL, 0, 0};
    bool good = rehearsing_run(workflow, fixture, tests->engine, &text);
    json_t *lines = lines_of(buffer_slice(&text));

    if (good)
        tests->passed++;
    else
        tests->failed++;
    if (!tests->settings->json) {
        fprintf(tests->out, "%s %s: %s\n", good ? "ok" : "FAILED", workflow->name, fixture->name);
        print_lines(tests->out, lines);
    }
    json_array_append_new(list, json_pack("{s:s, s:I, s:b, s:o}", "name", fixture->name, "line",
                                          (json_int_t)fixture->line, "ok", good, "mismatches", lines));
    buffer_free(&text);
}

static void test_file(struct tests *tests, const char *file)
{
    struct text_problem problem;
    struct workflow *workflow = workflow_read_file(file, &problem);
    json_t *list = json_array(), *entry = json_pack("{s:s, s:o}", "file", file, "rehearsals", list);
    char text[800];

    json_array_append_new(tests->files, entry);
    if (workflow == NULL) {
        text_problem_print(&problem, text, sizeof(text));
        json_object_set_new(entry, "problem", json_string(text));
        tests->failed++;
        if (!tests->settings->json)
            fprintf(tests->out, "FAILED %s\n", text);
        return;
    }
    for (size_t i = 0; i < workflow->fixture_count; i++)
        if (tests->only == NULL || strstr(workflow->fixtures[i].name, tests->only) != NULL)
            test_one(tests, workflow, &workflow->fixtures[i], list);
    if (workflow->fixture_count == 0 && !tests->settings->json)
        fprintf(tests->out, "warning: %s: no rehearsals; see \"tests:\" in docs/rehearsal.md\n", file);
    workflow_destroy(&workflow);
}

int workflow_test(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    struct tests tests = {.settings = settings,
                          .out = out,
                          .only = json_string_value(json_object_get(arguments, "only")),
                          .engine = expression_engine_new(NULL),
                          .files = json_array()};
    json_t *file;
    size_t index;

    json_array_foreach(json_object_get(arguments, "files"), index, file) test_file(&tests, json_string_value(file));
    json_t *all = json_pack("{s:o, s:I, s:I}", "files", tests.files, "passed", (json_int_t)tests.passed, "failed",
                            (json_int_t)tests.failed);
    if (settings->json)
        offline_print_json(out, json_incref(all));
    else
        fprintf(out, "%zu passed, %zu failed\n", tests.passed, tests.failed);
    json_decref(all);
    if (tests.passed + tests.failed == 0)
        offline_refuse(problems, "no rehearsal was run");
    expression_engine_destroy(&tests.engine);
    return tests.failed == 0 && tests.passed > 0 ? SESSION_OK : SESSION_REFUSED;
}
