/* panic - what is kept of a crash: signal or failed check, thread (actor), job in hand, backtrace. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

/* From now on a crash of this process writes its record to `path` (replaced) and to standard error, then dies by the
 * signal. `job_in_hand` is called on the crashing thread, must be async-signal-safe, and may be NULL. */
void panic_install(const char *path, uint64_t (*job_in_hand)(void));
