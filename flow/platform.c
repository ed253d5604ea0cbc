// SPDX-License-Identifier: MIT
#include "flow/platform.h"

static const struct platform platforms[] = {
    {"instagram", 2200, 30, 20, true, false},      {"facebook", 63206, 0, 0, true, false},
    {"story", 2200, 10, 10, true, false},          {"telegram", 4096, 0, 0, true, false},
    {"telegram_caption", 1024, 0, 0, true, false}, {"mail", 65536, 0, 0, false, false},
    {"mail_subject", 78, 0, 0, false, true},
};

const struct platform *platform_find(struct slice name)
{
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++)
        if (slice_is(name, platforms[i].name))
            return &platforms[i];
    return NULL;
}

void platform_names(struct buffer *into)
{
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++)
        buffer_printf(into, "%s%s", i > 0 ? ", " : "", platforms[i].name);
}
