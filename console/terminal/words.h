/* words - what was typed, cut into words: on the shell's command line by the shell, in our own prompt by us. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { WORDS_MAX = 64 };

struct words {
    const char *at[WORDS_MAX]; /* NUL-terminated */
    size_t count;
    char *text; /* what they point into; owned, NULL when borrowed from argv */
};

/* Cuts a line at blanks; '...' keeps everything, "..." and a backslash keep the next character. False with a sentence
 * in `problem` for an open quote or too many words. The caller frees with words_free(), also after false. */
bool words_split(struct slice line, struct words *words, char *problem, size_t size);
/* Borrows argv behind the program's name. */
bool words_borrow(int argc, char **argv, struct words *words, char *problem, size_t size);
void words_free(struct words *words);
