// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <stdlib.h>

static size_t chain_of(const struct leases *leases, uint64_t job)
{
    return (size_t)((job * 0x9e3779b97f4a7c15u) >> 32) & (leases->chain_count - 1);
}

struct lease *lease_find(const struct leases *leases, uint64_t job)
{
    struct lease *lease = leases->chain_count ? leases->chains[chain_of(leases, job)] : NULL;

    while (lease != NULL && lease->job != job)
        lease = lease->next;
    return lease;
}

static void grow(struct leases *leases)
{
    struct lease **old = leases->chains;
    size_t old_count = leases->chain_count;

    leases->chain_count = old_count ? 2 * old_count : 64;
    leases->chains = xcalloc(leases->chain_count, sizeof(struct lease *));
    for (size_t i = 0; i < old_count; i++)
        while (old[i] != NULL) {
            struct lease *lease = old[i];
            old[i] = lease->next;
            size_t chain = chain_of(leases, lease->job);
            lease->next = leases->chains[chain];
            leases->chains[chain] = lease;
        }
    free(old);
}

struct lease *lease_add(struct leases *leases, struct subscription *subscription, uint64_t job, uint64_t fence)
{
    struct lease *lease = xcalloc(1, sizeof(*lease));

    CHECK(lease_find(leases, job) == NULL);
    if (leases->count >= leases->chain_count)
        grow(leases);
    size_t chain = chain_of(leases, job);
    *lease = (struct lease){.next = leases->chains[chain],
                            .job = job,
                            .fence = fence,
                            .subscription = subscription,
                            .queue = subscription->queue};
    leases->chains[chain] = lease;
    leases->count++;
    subscription->in_hand++;
    subscription->queue->leased++;
    return lease;
}

void lease_drop(struct leases *leases, struct lease *lease)
{
    struct lease **link = &leases->chains[chain_of(leases, lease->job)];

    while (*link != lease)
        link = &(*link)->next;
    *link = lease->next;
    leases->count--;
    lease->queue->leased--;
    lease->subscription->in_hand--;
    free(lease);
}

static void drop_leases_of(struct leases *leases, enum actor_index actor)
{
    for (size_t i = 0; i < leases->chain_count; i++)
        for (struct lease *lease = leases->chains[i], *next; lease != NULL; lease = next) {
            next = lease->next;
            if (lease->subscription->actor == actor)
                lease_drop(leases, lease);
        }
}

static void remove_subscription(struct leases *leases, size_t at)
{
    struct subscription *gone = leases->subscriptions[at];

    CHECK(gone->in_hand == 0);
    free(gone);
    leases->subscriptions[at] = leases->subscriptions[--leases->subscription_count];
}

/* A limiter that begins anew does not know which gates it had opened. */
static void forget_gates(struct store *store)
{
    for (size_t i = 1; i <= store->gates.count; i++)
        if (store->gates.by_number[i] != NULL)
            store->gates.by_number[i]->known = store->gates.by_number[i]->open = store->gates.by_number[i]->wanted =
                false;
}

void store_reset(struct store *store, enum actor_index actor)
{
    struct leases *leases = &store->leases;

    drop_leases_of(leases, actor);
    for (size_t i = leases->subscription_count; i-- > 0;)
        if (leases->subscriptions[i]->actor == actor)
            remove_subscription(leases, i);
    if (actor == ACTOR_LIMITER)
        forget_gates(store);
    store->stirred = true;
}

void store_subscribe(struct store *store, enum actor_index actor, struct slice queue, uint64_t window)
{
    struct leases *leases = &store->leases;
    struct name *name = queue.size >= 1 && queue.size <= NAME_BYTES_MAX ? names_need(&store->queues, queue) : NULL;
    size_t at = 0;

    if (name == NULL)
        return;
    while (at < leases->subscription_count &&
           (leases->subscriptions[at]->actor != actor || leases->subscriptions[at]->queue != name))
        at++;
    if (at == leases->subscription_count) {
        leases->subscriptions = xrealloc(leases->subscriptions, (at + 1) * sizeof(struct subscription *));
        leases->subscriptions[at] = xcalloc(1, sizeof(struct subscription));
        *leases->subscriptions[at] = (struct subscription){.actor = actor, .queue = name};
        leases->subscription_count++;
    }
    /* A subscription without credit stays while jobs of it are in hand, so that a reset still finds them. */
    leases->subscriptions[at]->window = window;
    store->stirred = true;
}

bool store_release(struct store *store, uint64_t job, uint64_t fence)
{
    struct lease *lease = lease_find(&store->leases, job);

    if (lease == NULL || lease->fence != fence)
        return false;
    lease_drop(&store->leases, lease);
    store->stirred = true;
    return true;
}

void store_gate(struct store *store, struct slice gate, bool open)
{
    struct name *name =
        gate.size >= 1 && gate.size <= NAME_BYTES_MAX ? names_need(&store->gates, gate) : NULL;

    if (name == NULL)
        return;
    name->known = true;
    if (open && !name->open)
        store->stirred = true;
    name->open = open;
}

void store_quiesce(struct store *store)
{
    store->quiesced = true;
}

size_t store_lease_count(const struct store *store)
{
    return store->leases.count;
}

void leases_fini(struct leases *leases)
{
    for (size_t i = 0; i < leases->chain_count; i++)
        while (leases->chains[i] != NULL) {
            struct lease *lease = leases->chains[i];
            leases->chains[i] = lease->next;
            free(lease);
        }
    for (size_t i = 0; i < leases->subscription_count; i++)
        free(leases->subscriptions[i]);
    free(leases->chains);
    free(leases->subscriptions);
    *leases = (struct leases){0};
}
