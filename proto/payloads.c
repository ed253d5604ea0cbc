// SPDX-License-Identifier: MIT
#include "proto/payloads.h"

#define FIELD(type, field, text) +1
static const struct {
    const char *name;
    size_t field_count;
} info[PAYLOAD_COUNT] = {
#define PAYLOAD(ID, payload, doc, fields) [PAYLOAD_##ID] = {#payload, 0 fields},
#include "proto/payloads.def"
#undef PAYLOAD
};
#undef FIELD

#define FIELD(type, name, doc) field_put_##type(into, payload->name);
#define PAYLOAD(ID, name, doc, fields)                                                                                 \
    void payload_put_##name(struct buffer *into, const struct payload_##name *payload)                                 \
    {                                                                                                                  \
        wire_put_array(into, 2 + info[PAYLOAD_##ID].field_count);                                                      \
        wire_put_u64(into, PAYLOAD_VERSION);                                                                           \
        wire_put_text(into, slice_of(#name));                                                                          \
        fields                                                                                                         \
    }
#include "proto/payloads.def"
#undef PAYLOAD
#undef FIELD

/* A field that the writer did not know yet stays 0 or empty. */
#define FIELD(type, name, doc)                                                                                         \
    if (count > 0) {                                                                                                   \
        count--;                                                                                                       \
        field_take_##type(wire, &payload->name);                                                                       \
    }
#define PAYLOAD(ID, name, doc, fields)                                                                                 \
    static void take_##name(struct wire *wire, size_t count, struct payload_##name *payload)                           \
    {                                                                                                                  \
        fields                                                                                                         \
    }
#include "proto/payloads.def"
#undef PAYLOAD
#undef FIELD

static void take(struct wire *wire, size_t count, struct payload *payload)
{
    switch (payload->id) {
#define PAYLOAD(ID, name, doc, fields)                                                                                 \
    case PAYLOAD_##ID:                                                                                                 \
        take_##name(wire, count, &payload->name);                                                                      \
        break;
#include "proto/payloads.def"
#undef PAYLOAD
    case PAYLOAD_COUNT:
        break;
    }
}

bool payload_take(struct slice bytes, struct payload *payload)
{
    struct wire wire = wire_over(bytes);
    size_t count = wire_take_array(&wire);
    uint64_t version = wire_take_u64(&wire);
    struct slice name = wire_take_text(&wire);
    unsigned id = 0;

    while (id < PAYLOAD_COUNT && !slice_is(name, info[id].name))
        id++;
    if (wire.bad || version != PAYLOAD_VERSION || id == PAYLOAD_COUNT || count < 3 || count > 2 + info[id].field_count)
        return false;
    *payload = (struct payload){.id = (enum payload_id)id};
    take(&wire, count - 2, payload);
    return wire_done(&wire);
}
