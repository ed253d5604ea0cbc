// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "connectors/shopify/save.h"
#include "proto/check.h"
#include <stdio.h>

/* The rows of a Shopify order, the one target there is. */
static enum error save(const struct machine_save *save, struct buffer *ops, size_t *rows, char *problem, size_t room)
{
    struct shopify_problem why;

    CHECK(slice_is(save->target, "orders"));
    enum error error = shopify_save(save->shop, save->from, save->rows_max, ops, rows, &why);
    if (error != ERROR_OK)
        snprintf(problem, room, "save: %s%s%s", why.field, why.field[0] != '\0' ? ": " : "", why.text);
    return error;
}

const struct machine_hooks scheduler_hooks = {.save = save};
