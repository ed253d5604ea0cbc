// SPDX-License-Identifier: MIT
/* An actor's outside sockets: what comes in from clients of its ROUTER, and closing everything it opened. */
#include "runtime/engine_priv.h"
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* The number of a routing id: known ones are found among the last PEERS_MAX. */
static uint64_t peer_number(struct thread_actor *actor, const void *id, size_t size)
{
    uint64_t oldest = actor->peer_last > PEERS_MAX ? actor->peer_last - PEERS_MAX : 0;

    for (uint64_t number = actor->peer_last; number > oldest; number--) {
        struct peer *peer = &actor->peers[number % PEERS_MAX];
        if (peer->id_size == size && memcmp(peer->id, id, size) == 0)
            return number;
    }
    uint64_t number = ++actor->peer_last;
    struct peer *peer = &actor->peers[number % PEERS_MAX];
    peer->number = number;
    peer->id_size = (unsigned)size;
    memcpy(peer->id, id, size);
    return number;
}

/* One message is [routing id][frame]; more frames make it malformed (the size limit of libzmq is per frame, so extra
 * ones are passed over one at a time and never gathered). False when nothing is there. */
static bool receive_peer(struct thread_actor *actor)
{
    unsigned char id[256];
    zmq_msg_t message;
    int id_size = zmq_recv(actor->router, id, sizeof(id), ZMQ_DONTWAIT);
    bool usable = id_size > 0 && (size_t)id_size <= sizeof(actor->peers[0].id);
    unsigned extra = 0;

    if (id_size < 0)
        return false;
    zmq_msg_init(&message);
    int size = zmq_msg_recv(&message, actor->router, ZMQ_DONTWAIT);
    while (size >= 0 && zmq_msg_more(&message)) {
        extra++;
        size = zmq_msg_recv(&message, actor->router, ZMQ_DONTWAIT);
    }
    if (size >= 0 && usable && extra == 0)
        actor->base.spec->on_peer(actor->base.self, peer_number(actor, id, (size_t)id_size),
                                  (struct slice){zmq_msg_data(&message), zmq_msg_size(&message)});
    else
        actor_count(&actor->base, METRIC_PEER_MALFORMED, 0, 1);
    zmq_msg_close(&message);
    return true;
}

void engine_receive_peers(struct thread_actor *actor)
{
    for (unsigned n = 0; n < TURN_MESSAGES_MAX && !actor->base.failed; n++)
        if (!receive_peer(actor))
            return;
}

void engine_forget_request(struct thread_actor *actor, uint64_t ticket, struct pending_request *request)
{
    for (size_t i = 0; i < actor->request_count; i++)
        if (actor->requests[i].ticket == ticket) {
            *request = actor->requests[i];
            actor->requests[i] = actor->requests[--actor->request_count];
            return;
        }
    CHECK(false && "an answer to a request that was never made");
}

void engine_close_io(struct thread_actor *actor)
{
    if (actor->client != NULL)
        http_client_destroy(&actor->client);
    if (actor->server != NULL)
        http_server_close(&actor->server);
    if (actor->sink != NULL)
        sink_close(&actor->sink);
    if (actor->router != NULL)
        zmq_close(actor->router);
    actor->router = NULL;
    free(actor->peers);
    free(actor->requests);
    actor->peers = NULL;
    actor->requests = NULL;
    actor->request_count = 0;
}
