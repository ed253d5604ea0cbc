// SPDX-License-Identifier: MIT
#include "connectors/shopify/save.h"
#include "proto/ops.h"
#include <stdio.h>

enum error shopify_save(struct slice shop, const json_t *order, size_t rows_max, struct buffer *ops, size_t *rows,
                        struct shopify_problem *problem)
{
    struct shopify_facts facts;
    enum error error = shopify_order_facts(shop, order, &facts, problem);

    if (error != ERROR_OK)
        return error;
    *rows = facts.row_count;
    if (facts.row_count > rows_max) {
        problem->field[0] = '\0';
        snprintf(problem->text, sizeof(problem->text), "%zu rows are too many for one commit", facts.row_count);
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
