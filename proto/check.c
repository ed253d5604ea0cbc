// SPDX-License-Identifier: MIT
#include "proto/check.h"
#include <stdio.h>
#include <stdlib.h>

static check_hook *panic_hook; /* written once, before any thread */

void check_set_hook(check_hook *hook)
{
    panic_hook = hook;
}

_Noreturn void check_failed(const char *file, int line, const char *function, const char *condition)
{
    fprintf(stderr, "panic: %s:%d: %s: %s\n", file, line, function, condition);
    if (panic_hook != NULL)
        panic_hook(file, line, function, condition);
    abort();
}
