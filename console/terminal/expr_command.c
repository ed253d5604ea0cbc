// SPDX-License-Identifier: MIT
#include "console/terminal/expr_command.h"
#include "console/terminal/request.h"
#include "console/terminal/width.h"
#include "flow/expression.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BRACES_BEFORE "{{ "
#define BRACES_AFTER " }}"

/* The names an expression may use: an object, empty when no file is given. */
static json_t *read_names(const char *path, FILE *problems)
{
    struct buffer text = {NULL, 0, 0};
    struct json_problem why;
    char problem[400];
    json_t *names;

    if (path == NULL)
        return json_object();
    path += path[0] == '@';
    if (!request_read_file(path, &text, problem, sizeof problem)) {
        offline_refuse(problems, "with: %s", problem);
        buffer_free(&text);
        return NULL;
    }
    names = json_read(buffer_slice(&text), &why);
    if (names == NULL)
        offline_refuse(problems, "%s:%u:%u: %s", path, why.line, why.column, why.text);
    else if (!json_is_object(names))
        offline_refuse(problems, "%s:1:1: this is no JSON object; write {\"NAME\": VALUE, ...}", path);
    if (names != NULL && !json_is_object(names)) {
        json_decref(names);
        names = NULL;
    }
    buffer_free(&text);
    return names;
}

/* A text without braces is one bare expression. */
static bool is_template(struct slice text)
{
    struct expression_problem problem;
    struct template_part part;
    size_t at = 0;
    bool bad = false;

    while (template_next(text, &at, &part, &bad, &problem))
        if (part.is_expression)
            return true;
    return bad;
}

static bool check_names(struct slice text, const json_t *names, struct expression_problem *problem)
{
    const char **known = xcalloc(json_object_size(names) + 1, sizeof *known);
    struct expression_scope scope = {.names = known};
    size_t count = 0;
    const char *key;
    json_t *value;
    bool good;

    json_object_foreach((json_t *)names, key, value) known[count++] = key;
    good = expression_check(text, &scope, problem);
    free(known);
    return good;
}

static void print_value(const struct settings *settings, json_t *value, FILE *out)
{
    struct slice text = {json_string_value(value), json_string_length(value)};
    struct buffer clean = {NULL, 0, 0};

    if (settings->json || !json_is_string(value)) {
        offline_print_json(out, json_incref(value));
        return;
    }
    if (isatty(fileno(out)))
        width_clean(&clean, text, true, 0);
    else
        buffer_append(&clean, text.data, text.size);
    buffer_text(&clean, "\n");
    fwrite(clean.data, 1, clean.size, out);
    buffer_free(&clean);
}

/* A workflow always has the time; a file may say another one. */
static void add_now(json_t *names)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (json_object_get(names, "now") == NULL)
        json_object_set_new(names, "now", json_integer((json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000));
}

/* A bare expression may hold "{{" too, as a list of tables: sum({{n = 1}}, "n"). What is no good template and a good
 * expression is one. */
static bool check_given(struct slice given, const json_t *names, struct buffer *text, bool *is_bare,
                        struct expression_problem *problem)
{
    struct expression_problem ignored;
    bool good;

    *is_bare = !is_template(given);
    if (!*is_bare)
        buffer_append(text, given.data, given.size);
    else
        buffer_printf(text, BRACES_BEFORE "%.*s" BRACES_AFTER, (int)given.size, given.size > 0 ? given.data : "");
    good = check_names(buffer_slice(text), names, problem);
    if (good || *is_bare)
        return good;
    buffer_clear(text);
    buffer_printf(text, BRACES_BEFORE "%.*s" BRACES_AFTER, (int)given.size, given.data);
    *is_bare = check_names(buffer_slice(text), names, &ignored);
    return *is_bare;
}

int expr_command(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    struct slice given = json_text_at(arguments, "expression");
    json_t *names = read_names(json_string_value(json_object_get(arguments, "with")), problems);
    struct expression_engine *engine;
    struct expression_problem problem = {0};
    struct buffer text = {NULL, 0, 0};
    json_t *value = NULL;
    bool is_bare, good;

    if (names == NULL)
        return SESSION_REFUSED;
    add_now(names);
    engine = expression_engine_new(NULL);
    good = check_given(given, names, &text, &is_bare, &problem) &&
           expression_value(engine, buffer_slice(&text), names, &value, &problem);
    if (good)
        print_value(settings, value, out);
    else
        offline_refuse(problems, "%u:%u: %s", problem.line,
                       problem.column - (is_bare && problem.line == 1 && problem.column > strlen(BRACES_BEFORE)
                                             ? (unsigned)strlen(BRACES_BEFORE)
                                             : 0),
                       problem.text);
    json_decref(value);
    expression_engine_destroy(&engine);
    buffer_free(&text);
    json_decref(names);
    return good ? SESSION_OK : SESSION_REFUSED;
}
