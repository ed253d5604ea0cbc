/* check - broken invariants of our own code. Always on. What the world does wrong is an enum error instead. */
// SPDX-License-Identifier: MIT
#pragma once
#include <stdbool.h>

/* Ends the process with a panic record when `cond` is false. */
#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            check_failed(__FILE__, __LINE__, __func__, #cond);                                                         \
    } while (0)

/* Every struct that travels as void * starts with `unsigned magic`; this is the first line of what receives it. */
#define CAST_OBJ(to, from, MAGIC)                                                                                      \
    do {                                                                                                               \
        (to) = (from);                                                                                                 \
        CHECK((to) != NULL);                                                                                           \
        CHECK((to)->magic == (MAGIC));                                                                                 \
    } while (0)

_Noreturn void check_failed(const char *file, int line, const char *function, const char *condition);

/* Set once by the program before threads start: writes the panic record. The process aborts after it returns. */
typedef void check_hook(const char *file, int line, const char *function, const char *condition);
void check_set_hook(check_hook *hook);
