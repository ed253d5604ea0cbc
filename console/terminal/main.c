// SPDX-License-Identifier: MIT
/* purser - the console of purserd. */
#include "console/terminal/session.h"
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct settings settings;
    struct words words;
    char problem[700];

    settings_init(&settings, getenv("PURSER_SOCKET"));
    if (!words_borrow(argc, argv, &words, problem, sizeof(problem)) ||
        !settings_take(&settings, &words, problem, sizeof(problem))) {
        fprintf(stderr, "purser: %s\n", problem);
        return SESSION_USAGE;
    }
    if (words.count == 0 && !settings.help && !settings.version) {
        if (isatty(STDIN_FILENO))
            return session_shell(&settings, stdin, stdout);
        fprintf(stderr, "purser: no command given; see: purser help\n");
        return SESSION_USAGE;
    }
    return session_run(&settings, &words, stdout, stderr);
}
