// SPDX-License-Identifier: MIT
#include "actors/ingress/state.h"
#include <string.h>

/* An entry is found by its ticket's number. Tickets count up, so entries free up in about the order they are used; a
 * few more are tried because one slow commit must not refuse what lands on its entry. */
enum { TRIES = 8 };

struct pending *pending_new(struct ingress *ingress, enum pending_kind kind)
{
    if (kind == PENDING_PEER && ingress->pending_peers >= PENDING_PEERS_MAX)
        return NULL;
    for (int tried = 0; tried < TRIES; tried++) {
        uint64_t ticket = actor_ticket(ingress->actor);
        struct pending *pending = &ingress->pending[ticket % PENDING_MAX];

        if (pending->kind != PENDING_FREE)
            continue;
        *pending = (struct pending){.kind = kind, .ticket = ticket, .started_ms = actor_now(ingress->actor)};
        ingress->pending_peers += kind == PENDING_PEER;
        return pending;
    }
    return NULL;
}

struct pending *pending_find(struct ingress *ingress, uint64_t ticket)
{
    struct pending *pending = &ingress->pending[ticket % PENDING_MAX];

    CHECK(pending->kind != PENDING_FREE && pending->ticket == ticket);
    return pending;
}

void pending_free(struct ingress *ingress, struct pending *pending)
{
    ingress->pending_peers -= pending->kind == PENDING_PEER;
    pending->kind = PENDING_FREE;
}
