// SPDX-License-Identifier: MIT
#include "proto/msg.h"

const struct roster_row roster[ACTOR_COUNT] = {
#define ACTOR(ID, actor_name, thread_name, messages_max, bytes_max, text)                                              \
    [ACTOR_##ID] = {#actor_name, thread_name, text, messages_max, bytes_max},
#include "proto/roster.def"
#undef ACTOR
};

enum actor_bits {
#define ACTOR(ID, name, thread, messages_max, bytes_max, doc) ID = 1u << ACTOR_##ID,
#include "proto/roster.def"
#undef ACTOR
    EACH = ((1u << ACTOR_COUNT) - 1) & ~(unsigned)SUPERVISOR,
    ACTORS = EACH & ~(unsigned)STORE
};

#define FIELD(type, field, text) {#type, #field, text},
#define MESSAGE(ID, name, from, dest, flow, doc, fields) static const struct field_info fields_##name[] = {fields};
#include "proto/messages.def"
#undef MESSAGE
#undef FIELD

const struct msg_info msg_info[MSG_COUNT] = {
#define MESSAGE(ID, message, sender, dest, kind, text, list)                                                           \
    [MSG_##ID] = {#message,                                                                                            \
                  text,                                                                                                \
                  sender,                                                                                              \
                  dest,                                                                                                \
                  FLOW_##kind,                                                                                         \
                  fields_##message,                                                                                    \
                  sizeof(fields_##message) / sizeof(fields_##message[0])},
#include "proto/messages.def"
#undef MESSAGE
};

/* pack: [id, field...] */
#define FIELD(type, name, doc) field_put_##type(into, msg->name);
#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    void msg_pack_##name(struct buffer *into, const struct msg_##name *msg)                                            \
    {                                                                                                                  \
        wire_put_array(into, 1 + msg_info[MSG_##ID].field_count);                                                      \
        wire_put_u64(into, MSG_##ID);                                                                                  \
        fields                                                                                                         \
    }
#include "proto/messages.def"
#undef MESSAGE
#undef FIELD

/* take: every field present, of its type, and nothing behind it */
#define FIELD(type, name, doc) field_take_##type(wire, &msg.name);
#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    static bool call_##name(const union msg_handler *handler, void *self, struct wire *wire)                           \
    {                                                                                                                  \
        struct msg_##name msg;                                                                                         \
        fields if (!wire_done(wire)) return false;                                                                     \
        handler->name(self, &msg);                                                                                     \
        return true;                                                                                                   \
    }
#include "proto/messages.def"
#undef MESSAGE
#undef FIELD

typedef bool call_function(const union msg_handler *, void *, struct wire *);
static call_function *const calls[MSG_COUNT] = {
#define MESSAGE(ID, name, from, dest, flow, doc, fields) call_##name,
#include "proto/messages.def"
#undef MESSAGE
};

bool msg_dispatch(const union msg_handler *handlers, void *self, struct slice frame)
{
    struct wire wire = wire_over(frame);
    size_t count = wire_take_array(&wire);
    uint64_t id = wire_take_u64(&wire);

    if (wire.bad || id >= MSG_COUNT || count != 1 + msg_info[id].field_count || handlers[id].any == NULL)
        return false;
    return calls[id](&handlers[id], self, &wire);
}

enum msg_id msg_peek(struct slice frame, uint64_t *first)
{
    struct wire wire = wire_over(frame);

    wire_take_array(&wire);
    uint64_t id = wire_take_u64(&wire);
    *first = 0;
    if (wire.bad || id >= MSG_COUNT)
        return MSG_COUNT;
    if (msg_info[id].flow != FLOW_CAST)
        *first = wire_take_u64(&wire);
    return wire.bad ? MSG_COUNT : (enum msg_id)id;
}
