// SPDX-License-Identifier: MIT
#include "flow/workflow_read.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool wrong_at(struct workflow_reader *reader, const struct yaml_node *node, const char *format, ...)
{
    char text[sizeof reader->problem->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_problem_set(reader->problem, reader->file, node->line, node->column, "%s", text);
    return false;
}

bool wrong_key(struct workflow_reader *reader, const struct yaml_node *node, const char *format, ...)
{
    char text[sizeof reader->problem->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_problem_set(reader->problem, reader->file, node->key_line, node->key_column, "%s", text);
    return false;
}

static void list_names(const char *const names[], struct buffer *into)
{
    for (size_t i = 0; names[i] != NULL; i++)
        buffer_printf(into, "%s%s", i ? ", " : "", names[i]);
    buffer_append(into, "", 1);
}

bool read_keys(struct workflow_reader *reader, const struct yaml_node *map, const char *const known[])
{
    struct buffer names = {0};
    size_t size;

    if (yaml_only(reader->file, map, known, reader->problem))
        return true;
    size = strlen(reader->problem->text);
    if (map->kind == YAML_MAP && strstr(reader->problem->text, "did you mean") == NULL) {
        list_names(known, &names);
        snprintf(reader->problem->text + size, sizeof reader->problem->text - size, "; possible here: %s", names.data);
        buffer_free(&names);
    }
    return false;
}

const char *read_scalar(struct workflow_reader *reader, const struct yaml_node *node, const char *what)
{
    if (node->kind == YAML_SCALAR)
        return node->text;
    wrong_at(reader, node, "%s is a %s; write one text", what, node->kind == YAML_LIST ? "list" : "map");
    return NULL;
}

bool read_name(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool is_path,
               char **name)
{
    const char *text = read_scalar(reader, node, what);
    size_t size;

    if (text == NULL)
        return false;
    size =
        strspn(text, is_path ? "abcdefghijklmnopqrstuvwxyz0123456789-_./" : "abcdefghijklmnopqrstuvwxyz0123456789-_");
    if (size == 0 || size != node->size || size > WORKFLOW_NAME_MAX)
        return wrong_at(reader, node, "%s \"%.64s\" is no name; write 1 to %d of a-z, 0-9, - and _%s", what, text,
                        WORKFLOW_NAME_MAX, is_path ? " or . and /" : "");
    *name = slice_dup((struct slice){text, size});
    return true;
}

bool read_choice(struct workflow_reader *reader, const struct yaml_node *node, const char *what,
                 const char *const choices[], int *index)
{
    const char *text = read_scalar(reader, node, what);
    struct buffer names = {0};

    if (text == NULL)
        return false;
    for (int i = 0; choices[i] != NULL; i++)
        if (strcmp(choices[i], text) == 0) {
            *index = i;
            return true;
        }
    list_names(choices, &names);
    wrong_at(reader, node, "%s \"%.64s\" is unknown; write one of: %s", what, text, names.data);
    buffer_free(&names);
    return false;
}

bool read_integer(struct workflow_reader *reader, const struct yaml_node *node, const char *what, int64_t low,
                  int64_t high, int64_t *value)
{
    const char *text = read_scalar(reader, node, what);
    char *end = NULL;
    long long number;

    if (text == NULL)
        return false;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || strspn(text, "-0123456789") != node->size || number < low ||
        number > high)
        return wrong_at(reader, node, "%s \"%.32s\" is no such number; write a whole number from %lld to %lld", what,
                        text, (long long)low, (long long)high);
    *value = number;
    return true;
}

bool read_word(struct workflow_reader *reader, const struct yaml_node *node, const char *what, char **word)
{
    const char *text = read_scalar(reader, node, what);

    if (text == NULL)
        return false;
    if (node->size == 0 || node->size > WORKFLOW_NAME_MAX || text[0] < 'a' || text[0] > 'z' ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") != node->size)
        return wrong_at(reader, node,
                        "%s \"%.64s\" is no name; write a-z, 0-9 and _, a letter first (no dash: "
                        "steps.a-b would be a subtraction)",
                        what, text);
    *word = slice_dup((struct slice){text, node->size});
    return true;
}

static const struct {
    const char *name;
    int64_t ms;
} duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

bool duration_parse(struct slice text, int64_t *ms)
{
    size_t digits = 0;

    *ms = 0;
    while (digits < text.size && digits < 10 && text.data[digits] >= '0' && text.data[digits] <= '9')
        *ms = *ms * 10 + (text.data[digits++] - '0');
    for (size_t i = 0; digits > 0 && i < sizeof duration_units / sizeof *duration_units; i++)
        if (slice_is((struct slice){text.data + digits, text.size - digits}, duration_units[i].name)) {
            *ms *= duration_units[i].ms;
            return true;
        }
    return false;
}

void duration_print(struct buffer *into, int64_t ms)
{
    size_t i = 0;

    while (ms % duration_units[i].ms != 0 || ms < duration_units[i].ms)
        i++;
    buffer_printf(into, "%lld%s", (long long)(ms / duration_units[i].ms), duration_units[i].name);
}

bool read_duration(struct workflow_reader *reader, const struct yaml_node *node, const char *what, int64_t low,
                   int64_t high, int64_t *ms)
{
    const char *text = read_scalar(reader, node, what);
    struct buffer bounds = {0};

    if (text == NULL)
        return false;
    if (duration_parse((struct slice){text, node->size}, ms) && *ms >= low && *ms <= high)
        return true;
    duration_print(&bounds, low);
    buffer_text(&bounds, " to ");
    duration_print(&bounds, high);
    wrong_at(reader, node,
             "%s \"%.32s\" is no duration; write a number and ms, s, m, h or d, such as 90s or 2h, from %.*s", what,
             text, (int)bounds.size, bounds.data);
    buffer_free(&bounds);
    return false;
}

bool read_flag(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool *flag)
{
    const char *text = read_scalar(reader, node, what);

    if (text == NULL)
        return false;
    *flag = strcmp(text, "true") == 0;
    return (!node->quoted && (*flag || strcmp(text, "false") == 0)) ||
           wrong_at(reader, node, "%s \"%.32s\" is neither true nor false; write one of them without quotes", what,
                    text);
}

/* A block's text begins on the line below its node; a quoted one behind its quote. */
static bool wrong_template(struct workflow_reader *reader, const struct yaml_node *node,
                           const struct expression_problem *problem)
{
    bool is_block = node->quoted && strchr(node->text, '\n') != NULL;

    text_problem_set(reader->problem, reader->file, is_block ? node->line + problem->line : node->line,
                     is_block ? problem->column : node->column + node->quoted + problem->column - 1, "%s",
                     problem->text);
    return false;
}

static bool check_template(struct workflow_reader *reader, const struct yaml_node *node, bool is_trigger_only)
{
    struct expression_problem problem;

    return scope_check(reader, (struct slice){node->text, node->size}, is_trigger_only, &problem) ||
           wrong_template(reader, node, &problem);
}

bool read_template(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool is_trigger_only,
                   char **text)
{
    if (read_scalar(reader, node, what) == NULL || !check_template(reader, node, is_trigger_only))
        return false;
    *text = slice_dup((struct slice){node->text, node->size});
    return true;
}

bool read_expression(struct workflow_reader *reader, const struct yaml_node *node, const char *what, char **text)
{
    return read_scalar(reader, node, what) != NULL &&
           (template_is_single((struct slice){node->text, node->size}) ||
            wrong_at(reader, node, "%s must be one expression; write \"{{ ... }}\" and nothing around it", what)) &&
           read_template(reader, node, what, false, text);
}

/* What is written without quotes may be a number, a flag or nothing; a 64-bit number stays exact. */
static json_t *plain_value(const struct yaml_node *node)
{
    char *end = NULL;

    if (node->quoted)
        return json_stringn(node->text, node->size);
    if (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)
        return json_boolean(node->text[0] == 't');
    if (strcmp(node->text, "null") == 0 || node->size == 0)
        return json_null();
    if (node->size <= 20 && strspn(node->text, "-0123456789") == node->size) {
        long long number;
        errno = 0;
        number = strtoll(node->text, &end, 10);
        if (*end == '\0' && errno == 0)
            return json_integer(number);
    }
    if (node->size <= 32 && strspn(node->text, "-.0123456789") == node->size && node->text[0] != '.') {
        double real = strtod(node->text, &end);
        if (*end == '\0')
            return json_real(real);
    }
    return json_stringn(node->text, node->size);
}

/* The depth is bounded by yaml_read(). */
bool read_tree(struct workflow_reader *reader, const struct yaml_node *node, bool is_template, json_t **value)
{
    json_t *made, *item;

    if (node->kind == YAML_SCALAR) {
        if (is_template && !check_template(reader, node, false))
            return false;
        *value = plain_value(node);
        return *value != NULL || wrong_at(reader, node, "the text is no valid UTF-8; save the file as UTF-8");
    }
    made = node->kind == YAML_LIST ? json_array() : json_object();
    for (const struct yaml_node *entry = node->child; entry != NULL; entry = entry->next) {
        if (!read_tree(reader, entry, is_template, &item)) {
            json_decref(made);
            return false;
        }
        if (node->kind == YAML_LIST)
            json_array_append_new(made, item);
        else
            json_object_set_new(made, entry->key, item);
    }
    *value = made;
    return true;
}
