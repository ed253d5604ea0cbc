/* start - one life of the engine process: folders, limits, panic record, wiring, run. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"
#include "daemon/guardian.h"

struct engine_start {
    int guardian_fd; /* beats go here; -1 without a guardian */
    enum engine_exit last_exit;
    bool safe_mode; /* take work in, hand none out */
};

/* Runs until stopped; returns the exit code, or ends the process when threads cannot be waited for. */
int start_engine(struct config *config, const struct engine_start *start);
