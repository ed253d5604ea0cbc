// SPDX-License-Identifier: MIT
#include "actors/common/step_event.h"
#include <stdio.h>

enum { FLOW_PRIORITY = 2 };

void step_event_put(struct buffer *ops, const struct payload_step_done *done)
{
    struct buffer payload = {NULL, 0, 0};
    char key[24];

    snprintf(key, sizeof(key), "%llu", (unsigned long long)done->run);
    payload_put_step_done(&payload, done);
    op_put_push(ops, &(struct op_push){.queue = SLICE("flow"),
                                       .priority = FLOW_PRIORITY,
                                       .key = slice_of(key),
                                       .content_type = SLICE(PAYLOAD_CONTENT_TYPE),
                                       .payload = buffer_slice(&payload),
                                       .run = done->run,
                                       .step = done->step});
    buffer_free(&payload);
}
