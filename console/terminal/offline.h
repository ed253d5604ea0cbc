/* offline - the commands that the console does itself (actor CONSOLE in commands.def): no daemon, no configuration,
 * from any folder. A new one is a function of this type in its own file and a row in offline.c. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/session.h"

/* Prints its result to `out` (JSON when settings->json) and problems to `problems`; returns the exit code: SESSION_OK,
 * or SESSION_REFUSED when what was given is wrong. `arguments` have the shape that commands.def declares. */
typedef int offline_command(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems);

/* NULL for a command that the daemon does. */
offline_command *offline_find(enum command_id command);

/* For the commands: a line "purser: ..." made safe for a terminal; returns SESSION_REFUSED. */
int offline_refuse(FILE *problems, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line "warning: ...", and nothing for an empty text. */
void offline_warn(FILE *problems, const char *text);
/* One line of canonical JSON; takes the value over. */
void offline_print_json(FILE *out, json_t *value);
