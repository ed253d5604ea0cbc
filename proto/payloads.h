/* payloads - what stands in the jobs of our own queues, generated from payloads.def. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/codec.h"

enum { PAYLOAD_VERSION = 1 };
#define PAYLOAD_CONTENT_TYPE "application/vnd.purser"

enum payload_id {
#define PAYLOAD(ID, name, doc, fields) PAYLOAD_##ID,
#include "proto/payloads.def"
#undef PAYLOAD
    PAYLOAD_COUNT
};

#define FIELD(type, name, doc) FIELD_TYPE_##type name;
#define PAYLOAD(ID, name, doc, fields)                                                                                 \
    struct payload_##name {                                                                                            \
        fields                                                                                                         \
    };
#include "proto/payloads.def"
#undef PAYLOAD
#undef FIELD

/* One taken payload; text and blob fields borrow the job's bytes. */
struct payload {
    enum payload_id id;
    union {
#define PAYLOAD(ID, name, doc, fields) struct payload_##name name;
#include "proto/payloads.def"
#undef PAYLOAD
    };
};

#define PAYLOAD(ID, name, doc, fields)                                                                                 \
    void payload_put_##name(struct buffer *into, const struct payload_##name *payload);
#include "proto/payloads.def"
#undef PAYLOAD

/* False when the bytes are no payload of this version. */
bool payload_take(struct slice bytes, struct payload *payload);
