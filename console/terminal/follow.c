// SPDX-License-Identifier: MIT
#include "console/terminal/follow.h"
#include "console/terminal/view.h"
#include <time.h>

enum { PAUSE_MS = 500 };

static void print(const struct settings *settings, const json_t *run, FILE *out)
{
    struct buffer text = {NULL, 0, 0};

    if (settings->json)
        json_write(&text, run);
    else
        view_show(&text, COMMAND_RUN_SHOW, run);
    buffer_text(&text, "\n");
    fwrite(text.data, 1, text.size, out);
    fflush(out);
    buffer_free(&text);
}

int follow_run(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems)
{
    json_t *asked = json_copy((json_t *)arguments), *shown = NULL, *run = NULL;
    int exit_code = SESSION_OK;

    json_object_del(asked, "follow");
    for (;;) {
        exit_code = session_ask(settings, COMMAND_RUN_SHOW, asked, &run, problems);
        if (exit_code != SESSION_OK)
            break;
        if (shown == NULL || !json_equal(shown, run))
            print(settings, run, out);
        json_decref(shown);
        shown = run;
        struct slice state = json_text_at(run, "state");
        if (!slice_is(state, "open")) {
            exit_code = slice_is(state, "done") ? SESSION_OK : SESSION_REFUSED;
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
    json_decref(shown);
    json_decref(asked);
    return exit_code;
}
