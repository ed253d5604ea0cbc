/* platform - what the places where texts are published take, and how they count. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

struct platform {
    const char *name;
    size_t characters;         /* at most */
    size_t hashtags, mentions; /* at most; 0: any number */
    bool counts_units;         /* counts UTF-16 code units; else code points */
    bool is_line;              /* takes one line only */
};

/* NULL when there is none of that name. */
const struct platform *platform_find(struct slice name);
/* All names, divided by ", ". */
void platform_names(struct buffer *into);
