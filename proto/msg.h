/* msg - messages between actors, generated from roster.def and messages.def.
 * Text and blob fields of a received message borrow its frame: valid until the handler returns. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/codec.h"

enum actor_index {
#define ACTOR(ID, name, thread, messages_max, bytes_max, doc) ACTOR_##ID,
#include "proto/roster.def"
#undef ACTOR
    ACTOR_COUNT
};

struct roster_row {
    const char *name, *thread, *doc;
    size_t inbox_messages_max, inbox_bytes_max;
};
extern const struct roster_row roster[ACTOR_COUNT];

enum msg_id {
#define MESSAGE(ID, name, from, dest, flow, doc, fields) MSG_##ID,
#include "proto/messages.def"
#undef MESSAGE
    MSG_COUNT
};

enum msg_flow { FLOW_CAST, FLOW_ASK, FLOW_REPLY };

#define FIELD(type, name, doc) FIELD_TYPE_##type name;
#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    struct msg_##name {                                                                                                \
        fields                                                                                                         \
    };
#include "proto/messages.def"
#undef MESSAGE
#undef FIELD

/* One typed slot per message: a handler of the wrong type does not compile. */
union msg_handler {
    void (*any)(void);
#define MESSAGE(ID, name, from, dest, flow, doc, fields) void (*name)(void *self, const struct msg_##name *msg);
#include "proto/messages.def"
#undef MESSAGE
};

struct msg_info {
    const char *name, *doc;
    unsigned from, to; /* bit sets of 1u << enum actor_index */
    enum msg_flow flow;
    const struct field_info *fields;
    size_t field_count;
};
extern const struct msg_info msg_info[MSG_COUNT];

#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    void msg_pack_##name(struct buffer *into, const struct msg_##name *msg);
#include "proto/messages.def"
#undef MESSAGE

/* Decodes one frame and calls its handler. False when it is malformed, too long or nobody handles it. */
bool msg_dispatch(const union msg_handler *handlers, void *self, struct slice frame);
/* The frame's message id, MSG_COUNT when malformed; and the first field as number (the ticket of a REPLY). */
enum msg_id msg_peek(struct slice frame, uint64_t *first);
