// SPDX-License-Identifier: MIT
#include "proto/client.h"
#include <stdio.h>

#define FIELD(type, field, text) {#type, #field, text},
#define CLIENT(ID, name, way, doc, fields) static const struct field_info fields_##name[] = {fields};
#include "proto/client.def"
#undef CLIENT
#undef FIELD

const struct client_info client_info[CLIENT_COUNT] = {
#define CLIENT(ID, message, direction, text, list)                                                                     \
    [CLIENT_##ID] = {#message, text, CLIENT_WAY_##direction, fields_##message,                                         \
                     sizeof(fields_##message) / sizeof(fields_##message[0])},
#include "proto/client.def"
#undef CLIENT
};

#define FIELD(type, name, doc) field_put_##type(into, msg->name);
#define CLIENT(ID, name, way, doc, fields)                                                                             \
    void client_put_##name(struct buffer *into, const struct client_##name *msg)                                       \
    {                                                                                                                  \
        wire_put_array(into, 1 + client_info[CLIENT_##ID].field_count);                                                \
        wire_put_text(into, slice_of(#name));                                                                          \
        fields                                                                                                         \
    }
#include "proto/client.def"
#undef CLIENT
#undef FIELD

#define FIELD(type, name, doc) field_take_##type(wire, &msg->name);
#define CLIENT(ID, name, way, doc, fields)                                                                             \
    static void take_##name(struct wire *wire, struct client_##name *msg)                                              \
    {                                                                                                                  \
        fields                                                                                                         \
    }
#include "proto/client.def"
#undef CLIENT
#undef FIELD

static void take(struct wire *wire, struct client_message *message)
{
    switch (message->id) {
#define CLIENT(ID, name, way, doc, fields)                                                                             \
    case CLIENT_##ID:                                                                                                  \
        take_##name(wire, &message->name);                                                                             \
        break;
#include "proto/client.def"
#undef CLIENT
    case CLIENT_COUNT:
        break;
    }
}

static enum client_id find(struct slice name)
{
    unsigned id = 0;

    while (id < CLIENT_COUNT && !slice_is(name, client_info[id].name))
        id++;
    return (enum client_id)id;
}

bool client_take(struct slice bytes, struct client_message *message, uint64_t *sequence, char *problem, size_t size)
{
    struct wire wire = wire_over(bytes);
    size_t count = wire_take_array(&wire);
    struct slice name = wire_take_text(&wire);
    struct wire peek = wire;

    *sequence = wire_take_u64(&peek);
    if (peek.bad)
        *sequence = 0;
    if (wire.bad || count == 0) {
        snprintf(problem, size, "a message is one msgpack array whose first element is the message's name");
        return false;
    }
    message->id = find(name);
    if (message->id == CLIENT_COUNT) {
        char word[41];
        snprintf(word, sizeof(word), "%.*s", (int)(name.size < 40 ? name.size : 40), name.data);
        text_end_whole(word);
        snprintf(problem, size, "\"%s\" is no message; hello, push, push_many, ping and command are", word);
        return false;
    }
    if (count != 1 + client_info[message->id].field_count) {
        snprintf(problem, size, "%s has %zu elements, not %zu", client_info[message->id].name,
                 1 + client_info[message->id].field_count, count);
        return false;
    }
    take(&wire, message);
    if (!wire_done(&wire)) {
        snprintf(problem, size, "%s: a field has the wrong type, or bytes follow the message; see docs/protocol.md",
                 client_info[message->id].name);
        return false;
    }
    return true;
}
