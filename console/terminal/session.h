/* session - carries requests to the daemon and prints what it says. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/request.h"
#include "console/terminal/settings.h"
#include "proto/client/purser.h"
#include <stdio.h>

/* Exit codes of purser (docs/operations.md). */
enum {
    SESSION_OK = 0,
    SESSION_REFUSED = 1,
    SESSION_USAGE = 2,
    SESSION_UNREACHABLE = 3,
    SESSION_NO_ANSWER = 4,
};

/* Runs one command: `words` without the console's own options. Prints results to `out`, problems to `problems`. */
int session_run(const struct settings *settings, const struct words *words, FILE *out, FILE *problems);
/* A prompt until exit or the end of input. Returns the exit code of the last command. */
int session_shell(const struct settings *settings, FILE *in, FILE *out);

/* Asks the daemon on the control socket. On SESSION_OK the caller owns *value; otherwise it is NULL, `problems` says
 * why, and the exit code is returned. */
int session_ask(const struct settings *settings, enum command_id command, const json_t *arguments, json_t **value,
                FILE *problems);
