/* workflow_commands - what the console does with workflow files by itself (docs/rehearsal.md). Each prints its report
 * to `out`, as JSON with settings->json. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/offline.h"

/* OK when every file may be loaded; warnings do not count. */
offline_command workflow_check;
/* OK when a rehearsal ran and none failed. */
offline_command workflow_test;
/* OK when both files can be read, whether they differ or not. */
offline_command workflow_diff;
/* OK when every run that could be repeated was, whether the effects differ or not. Asks the daemon. */
offline_command workflow_shadow;
