// SPDX-License-Identifier: MIT
#include "actors/common/decision_event.h"
#include <stdio.h>

enum { FLOW_PRIORITY = 2 };

void decision_event_put(struct buffer *ops, const struct payload_decision *decision)
{
    struct buffer payload = {NULL, 0, 0};
    char key[24];

    snprintf(key, sizeof(key), "%llu", (unsigned long long)decision->run);
    payload_put_decision(&payload, decision);
    op_put_push(ops, &(struct op_push){.queue = SLICE("flow"),
                                       .priority = FLOW_PRIORITY,
                                       .key = slice_of(key),
                                       .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                       .payload = buffer_slice(&payload),
                                       .run = decision->run,
                                       .step = decision->step});
    buffer_free(&payload);
}
