/* follow - `purser run show ID --follow`: the run is shown again whenever it has changed, until it has ended. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/session.h"

/* SESSION_OK when the run ends done, SESSION_REFUSED when it has failed or was cancelled. With settings->json a line of
 * JSON for each change. */
int follow_run(const struct settings *settings, const json_t *arguments, FILE *out, FILE *problems);
