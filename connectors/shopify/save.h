/* save - what the workflow skill `save` does with a Shopify order: rows for the outbox. The daemon and the console's
 * rehearsals call the same function, so a rehearsal finds what the daemon would. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/shopify/shopify.h"

/* Appends one APPEND operation a row to `ops` and tells how many. On an error nothing was appended and `problem` says
 * why; TOO_LARGE (which is about no field) for more than `rows_max` rows. */
enum error shopify_save(struct slice shop, const json_t *order, size_t rows_max, struct buffer *ops, size_t *rows,
                        struct shopify_problem *problem);
