/* client - the messages of outside programs, generated from client.def. Text and blob fields borrow the message. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/codec.h"

enum { CLIENT_VERSION = 1, CLIENT_BATCH_MAX = 256 };

enum client_id {
#define CLIENT(ID, name, way, doc, fields) CLIENT_##ID,
#include "proto/client.def"
#undef CLIENT
    CLIENT_COUNT
};

enum client_way { CLIENT_WAY_ASK, CLIENT_WAY_ANSWER };

#define FIELD(type, name, doc) FIELD_TYPE_##type name;
#define CLIENT(ID, name, way, doc, fields)                                                                             \
    struct client_##name {                                                                                             \
        fields                                                                                                         \
    };
#include "proto/client.def"
#undef CLIENT
#undef FIELD

struct client_message {
    enum client_id id;
    union {
#define CLIENT(ID, name, way, doc, fields) struct client_##name name;
#include "proto/client.def"
#undef CLIENT
    };
};

#define CLIENT(ID, name, way, doc, fields) void client_put_##name(struct buffer *into, const struct client_##name *msg);
#include "proto/client.def"
#undef CLIENT

/* Reads one whole message. False when malformed, with a sentence for the sender in `problem`, and in *sequence the
 * sender's number when it could be read, else 0. */
bool client_take(struct slice bytes, struct client_message *message, uint64_t *sequence, char *problem, size_t size);

struct client_info {
    const char *name, *doc;
    enum client_way way;
    const struct field_info *fields;
    size_t field_count;
};
extern const struct client_info client_info[CLIENT_COUNT];
