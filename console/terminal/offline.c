// SPDX-License-Identifier: MIT
#include "console/terminal/offline.h"
#include "console/terminal/expr_command.h"
#include "console/terminal/schedule_command.h"
#include "console/terminal/width.h"
#include "console/terminal/workflow_commands.h"
#include <stdarg.h>

static const struct {
    enum command_id command;
    offline_command *run;
} commands[] = {
    {COMMAND_SCHEDULE_NEXT, schedule_command_next},
    {COMMAND_SCHEDULE_EXPLAIN, schedule_command_explain},
    {COMMAND_EXPR, expr_command},
    {COMMAND_WORKFLOW_CHECK, workflow_check},
    {COMMAND_WORKFLOW_TEST, workflow_test},
    {COMMAND_WORKFLOW_DIFF, workflow_diff},
    {COMMAND_WORKFLOW_SHADOW, workflow_shadow},
};

offline_command *offline_find(enum command_id command)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (commands[i].command == command)
            return commands[i].run;
    return NULL;
}

static void print_line(FILE *file, const char *before, struct slice text)
{
    struct buffer line = {NULL, 0, 0};

    buffer_text(&line, before);
    width_clean(&line, text, false, 0);
    buffer_text(&line, "\n");
    fwrite(line.data, 1, line.size, file);
    buffer_free(&line);
}

int offline_refuse(FILE *problems, const char *format, ...)
{
    char text[1000];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_end_whole(text);
    print_line(problems, "purser: ", slice_of(text));
    return SESSION_REFUSED;
}

void offline_warn(FILE *problems, const char *text)
{
    if (text[0] != '\0')
        print_line(problems, "warning: ", slice_of(text));
}

void offline_print_json(FILE *out, json_t *value)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, value);
    buffer_text(&text, "\n");
    fwrite(text.data, 1, text.size, out);
    buffer_free(&text);
    json_decref(value);
}
