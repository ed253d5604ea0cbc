/* helper_thread - threads for outside libraries that block. Such a thread takes no signals: they are the program's. */
// SPDX-License-Identifier: MIT
#pragma once
#include <pthread.h>

/* Begins `work(argument)`; the caller joins it. Ends the process when the system has no thread to give. */
void helper_thread_start(pthread_t *thread, void *(*work)(void *argument), void *argument);
