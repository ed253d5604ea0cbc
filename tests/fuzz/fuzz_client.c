// LINK: proto
// SPDX-License-Identifier: MIT
#include "proto/check.h"
#include "proto/client.h"

static void put(struct buffer *into, const struct client_message *message)
{
    switch (message->id) {
#define CLIENT(ID, name, way, doc, fields)                                                                             \
    case CLIENT_##ID:                                                                                                  \
        client_put_##name(into, &message->name);                                                                       \
        break;
#include "proto/client.def"
#undef CLIENT
    case CLIENT_COUNT:
        CHECK(message->id != CLIENT_COUNT);
    }
}

/* Walks the list of a push_many as the daemon does: it must end, whatever the bytes are. */
static void walk(struct slice list)
{
    struct wire wire = wire_over(list);
    size_t count = wire_take_array(&wire);

    for (size_t i = 0; i < count && !wire.bad; i++)
        wire_skip(&wire);
    CHECK(wire_done(&wire));
}

/* What is read can be said again and reads as the same; what is refused has a sentence for the sender. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_message message, again;
    struct buffer once = {NULL, 0, 0}, twice = {NULL, 0, 0};
    uint64_t sequence;
    char problem[200] = "";

    if (!client_take((struct slice){(const char *)data, size}, &message, &sequence, problem, sizeof(problem))) {
        CHECK(problem[0] != '\0');
        return 0;
    }
    if (message.id == CLIENT_PUSH_MANY)
        walk(message.push_many.jobs);
    put(&once, &message);
    CHECK(client_take(buffer_slice(&once), &again, &sequence, problem, sizeof(problem)));
    put(&twice, &again);
    CHECK(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    buffer_free(&once);
    buffer_free(&twice);
    return 0;
}
