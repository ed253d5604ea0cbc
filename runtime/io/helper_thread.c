// SPDX-License-Identifier: MIT
#include "runtime/io/helper_thread.h"
#include "proto/check.h"
#include <signal.h>

void helper_thread_start(pthread_t *thread, void *(*work)(void *argument), void *argument)
{
    sigset_t all, before;

    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    CHECK(pthread_create(thread, NULL, work, argument) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}
