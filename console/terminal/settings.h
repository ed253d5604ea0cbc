/* settings - the console's own options (--socket and so on), which may stand anywhere among the words. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/words.h"

struct settings {
    char socket[256];   /* path of the control socket */
    char config[256];   /* the purser.yaml that was named, or empty */
    char endpoint[256]; /* push as a producer to this one; empty: over the control socket */
    int64_t timeout_ms;
    bool json, help, version;
};

/* `environment` is the value of PURSER_SOCKET or NULL. */
void settings_init(struct settings *settings, const char *environment);
/* Takes the options out of `words`, which keeps the rest. False with a sentence in `problem`. */
bool settings_take(struct settings *settings, struct words *words, char *problem, size_t size);
/* Lines for the help. */
extern const char settings_help[];
