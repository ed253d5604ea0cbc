// SPDX-License-Identifier: MIT
#include "console/terminal/help.h"
#include "console/terminal/settings.h"

static void usage(struct buffer *into, enum command_id command)
{
    buffer_text(into, command_info[command].words);
    for (const struct argument_info *a = command_info[command].arguments; a->name != NULL; a++) {
        if (a->need == ARGUMENT_REQUIRED)
            buffer_printf(into, a->kind == ARGUMENT_files ? " <%s>..." : " <%s>", a->name);
        else if (a->need == ARGUMENT_FLAG)
            buffer_printf(into, " [--%s]", a->name);
        else
            buffer_printf(into, " [--%s %s]", a->name, a->kind == ARGUMENT_number ? "N" : "TEXT");
    }
}

void help_all(struct buffer *into)
{
    buffer_text(into, "purser - the console of purserd\n\n"
                      "  purser COMMAND [ARGUMENTS] [OPTIONS]   one command\n"
                      "  purser                                 a prompt for commands; exit or Ctrl-D leaves it\n"
                      "  purser help COMMAND                    one command's arguments\n\nCommands:\n");
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        buffer_printf(into, "  %-17s %s\n", command_info[i].words, command_info[i].doc);
    buffer_printf(into, "\nOptions:\n%s", settings_help);
    buffer_text(into, "\nExit codes: 0 done, 1 refused, 2 not understood, 3 no daemon there, 4 no answer in time.\n");
}

void help_command(struct buffer *into, enum command_id command)
{
    buffer_text(into, "purser ");
    usage(into, command);
    buffer_printf(into, "\n\n%s\n", command_info[command].doc);
    if (command_info[command].arguments->name != NULL)
        buffer_text(into, "\n");
    for (const struct argument_info *a = command_info[command].arguments; a->name != NULL; a++)
        buffer_printf(into, "  %s%-10s %s\n", a->need == ARGUMENT_REQUIRED ? "  " : "--", a->name, a->doc);
}
