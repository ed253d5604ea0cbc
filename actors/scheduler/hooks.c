// SPDX-License-Identifier: MIT
#include "actors/scheduler/state.h"
#include "connectors/shopify/shopify.h"
#include "proto/check.h"
#include <stdio.h>

/* The rows of a Shopify order: the order, its lines and its customer. */
static enum error save(struct slice target, struct slice shop, const json_t *from, size_t rows_max, struct buffer *ops,
                       size_t *rows, char *problem, size_t room)
{
    struct shopify_facts facts;
    struct shopify_problem why;
    enum error error;

    CHECK(slice_is(target, "orders"));
    error = shopify_order_facts(shop, from, &facts, &why);
    if (error != ERROR_OK) {
        snprintf(problem, room, "save: %s: %s", why.field, why.text);
        return error;
    }
    *rows = facts.row_count;
    if (facts.row_count > rows_max) {
        snprintf(problem, room, "save: %zu rows are too many for one commit", facts.row_count);
        error = ERROR_TOO_LARGE;
    }
    for (size_t i = 0; error == ERROR_OK && i < facts.row_count; i++) {
        struct buffer row = {NULL, 0, 0};
        row_pack(&row, &facts.rows[i]);
        op_put_append(ops, &(struct op_append){.row = buffer_slice(&row)});
        buffer_free(&row);
    }
    shopify_facts_free(&facts);
    return error;
}

const struct machine_hooks scheduler_hooks = {.save = save};
