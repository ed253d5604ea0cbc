/* guardian - the parent process: no threads, no store, no parsing. It starts the engine, listens to its beats and
 * starts it again when it dies or hangs. Under systemd it speaks sd_notify. */
// SPDX-License-Identifier: MIT
#pragma once
#include <stdbool.h>

/* How the engine before this one ended; told to the new one, which charges jobs by it (store/hand.h). */
enum engine_exit { EXIT_FIRST, EXIT_CLEAN, EXIT_CRASH, EXIT_HANG, EXIT_KILLED, EXIT_FAILED };

/* Runs engines (argv with --engine FD EXIT SAFE appended) until one stops in order or cannot start. Returns the exit
 * code. */
int guardian_run(int argc, char **argv);
