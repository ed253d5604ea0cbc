// SPDX-License-Identifier: MIT
/* Who gets which job. The ready index holds everything that may run, so what is left is to walk each open gate of a
 * queue from its most urgent entry on, pass over what is leased and stop at what is not due. Nothing is written. */
#include "store/engine.h"
#include <stdlib.h>
#include <string.h>

enum { PRIORITIES = 8 };

/* One gate of one queue on the way through its entries. */
struct walk {
    uint16_t gate;
    unsigned priority;
    bool entered; /* `at` is set for this priority */
    bool done;
    struct key at[LANES]; /* entries below were passed */
};

struct delivery {
    struct store *store;
    const struct store_receiver *receiver;
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    int64_t now_ms, next_due_ms;
    bool again; /* somebody's inbox was full */
};

static enum error seek(struct delivery *delivery, const struct key *at, struct kv_pair *pair)
{
    return delivery->store->ops->seek(delivery->cursor, key_slice(at), pair);
}

static bool has_credit(const struct subscription *subscription)
{
    return subscription->in_hand < subscription->window && !subscription->full;
}

/* The next subscriber of the queue in turn that has credit, NULL when none has. */
static struct subscription *whose_turn(struct store *store, const struct name *queue)
{
    struct leases *leases = &store->leases;

    for (size_t i = 0; i < leases->subscription_count; i++) {
        size_t at = (leases->turn + i) % leases->subscription_count;
        struct subscription *subscription = leases->subscriptions[at];
        if (subscription->queue == queue && has_credit(subscription)) {
            leases->turn = at + 1;
            return subscription;
        }
    }
    return NULL;
}

static bool gate_is_open(struct delivery *delivery, uint16_t number)
{
    struct name *gate = names_at(&delivery->store->gates, number);

    if (number == 0)
        return true;
    if (gate == NULL)
        return false;
    if (!gate->known && !gate->wanted)
        gate->wanted = delivery->receiver->gate_wanted(delivery->receiver->context, gate->text) == ERROR_OK;
    if (!gate->known && !gate->wanted)
        delivery->again = true;
    return gate->open;
}

/* The open gates that have entries in this queue, by one seek a gate; the one behind the last served comes first. */
static struct walk *find_gates(struct delivery *delivery, const struct name *queue, size_t *count)
{
    struct walk *walks = NULL;
    struct key at, prefix;
    struct kv_pair pair;
    size_t first = 0;

    *count = 0;
    key_ready_queue(&prefix, queue->number);
    at = prefix;
    while (seek(delivery, &at, &pair) == ERROR_OK && key_has_prefix(pair.key, &prefix)) {
        struct ready ready;
        if (!key_parse_ready(pair.key, &ready))
            break;
        if (gate_is_open(delivery, ready.gate)) {
            walks = xrealloc(walks, (*count + 1) * sizeof(*walks));
            walks[*count].gate = ready.gate;
            walks[*count].priority = 0;
            walks[*count].entered = walks[*count].done = false;
            first += ready.gate <= queue->gate_last;
            ++*count;
        }
        key_ready_gate(&at, queue->number, ready.gate);
        if (!key_after(&at))
            break;
    }
    if (first > 0 && first < *count) {
        struct walk *turned = xcalloc(*count, sizeof(*turned));
        memcpy(turned, walks + first, (*count - first) * sizeof(*turned));
        memcpy(turned + (*count - first), walks, first * sizeof(*turned));
        free(walks);
        walks = turned;
    }
    return walks;
}

/* Enters the next priority that has entries; false when there is none. */
static bool enter_priority(struct delivery *delivery, uint16_t queue, struct walk *walk)
{
    struct ready ready = {.queue = queue, .gate = walk->gate, .priority = walk->priority};
    struct kv_pair pair;
    struct key gate, from;

    if (walk->priority >= PRIORITIES)
        return false;
    key_ready_gate(&gate, queue, walk->gate);
    key_ready_lane(&from, &ready);
    if (seek(delivery, &from, &pair) != ERROR_OK || !key_has_prefix(pair.key, &gate) ||
        !key_parse_ready(pair.key, &ready))
        return false;
    walk->priority = ready.priority;
    for (ready.lane = 0; ready.lane < LANES; ready.lane++)
        key_ready_lane(&walk->at[ready.lane], &ready);
    walk->entered = true;
    return true;
}

/* The lane's next entry that nobody has leased and that is due. */
static bool peek_lane(struct delivery *delivery, uint16_t queue, struct walk *walk, unsigned lane,
                      struct kv_pair *pair, struct ready *ready)
{
    struct ready prefix_of = {.queue = queue, .gate = walk->gate, .priority = walk->priority, .lane = lane};
    struct key prefix;
    enum error error;

    key_ready_lane(&prefix, &prefix_of);
    error = seek(delivery, &walk->at[lane], pair);
    while (error == ERROR_OK && key_has_prefix(pair->key, &prefix) && key_parse_ready(pair->key, ready)) {
        if (lane == LANE_TIMED && ready->time > (uint64_t)delivery->now_ms) {
            if (ready->time < (uint64_t)delivery->next_due_ms)
                delivery->next_due_ms = (int64_t)ready->time;
            return false;
        }
        if (lease_find(&delivery->store->leases, ready->id) == NULL)
            return true;
        error = delivery->store->ops->next(delivery->cursor, pair);
    }
    return false;
}

static void pass(struct walk *walk, const struct ready *ready)
{
    struct key *at = &walk->at[ready->lane];

    key_ready(at, ready);
    at->bytes[at->size++] = 0;
}

/* The gate's most urgent job: by priority, then by the time it was pushed or due, whichever lane it stands in. */
static bool next_job(struct delivery *delivery, uint16_t queue, struct walk *walk, struct ready *ready,
                     struct slice *sealed)
{
    while (walk->entered || enter_priority(delivery, queue, walk)) {
        struct ready found[LANES];
        struct kv_pair pairs[LANES];
        bool is_there[LANES];
        for (unsigned lane = 0; lane < LANES; lane++)
            is_there[lane] = peek_lane(delivery, queue, walk, lane, &pairs[lane], &found[lane]);
        if (is_there[LANE_NOW] || is_there[LANE_TIMED]) {
            unsigned lane = !is_there[LANE_NOW] ||
                            (is_there[LANE_TIMED] && found[LANE_TIMED].time < found[LANE_NOW].time);
            *ready = found[lane];
            *sealed = pairs[lane].value;
            pass(walk, ready);
            return true;
        }
        walk->entered = false;
        walk->priority++;
    }
    walk->done = true;
    return false;
}

/* Reads the job an entry stands for; false when something does not fit, which is put right by the next commit. */
static bool load(struct delivery *delivery, const struct ready *ready, struct slice sealed, struct stored_job *head,
                 struct msg_job *msg)
{
    struct bad bad = {.id = ready->id, .has_ready = true, .ready = *ready};
    struct slice value;
    struct key key, entry, expected;
    struct ready from_head;
    enum error error;

    key_ready(&entry, ready);
    bool sound = record_open(key_slice(&entry), sealed, &value);
    bad.has_order = sound && order_ref_take(value, &bad.order);
    key_job(&key, ready->id, JOB_HEAD);
    error = record_get(delivery->txn, &key, &value);
    sound = sound && error == ERROR_OK && stored_take_job(value, head) && job_is_runnable(head);
    if (sound) {
        job_ready_of(&(struct job){ready->id, *head}, &from_head);
        key_ready(&expected, &from_head);
        sound = slice_equal(key_slice(&expected), key_slice(&entry));
    }
    key_job(&key, ready->id, JOB_BODY);
    sound = sound && record_get(delivery->txn, &key, &msg->payload) == ERROR_OK;
    key_job(&key, ready->id, JOB_NOTED);
    if (sound && head->note_bytes > 0)
        sound = record_get(delivery->txn, &key, &msg->state) == ERROR_OK;
    if (!sound) {
        delivery->store->totals.stats.corrupt++;
        bad_add(delivery->store, &bad);
    }
    return sound;
}

static void hand_out(struct delivery *delivery, struct subscription *subscription, const struct ready *ready,
                     struct slice sealed)
{
    struct store *store = delivery->store;
    struct name *gate = names_at(&store->gates, ready->gate);
    struct stored_job head;
    struct msg_job msg = {.id = ready->id, .queue = subscription->queue->text};

    if (!load(delivery, ready, sealed, &head, &msg))
        return;
    msg.fence = store->epoch << 32 | (store->fence_last + 1);
    msg.gate = gate ? gate->text : (struct slice){NULL, 0};
    msg.key = head.key;
    msg.attempt = head.attempt;
    msg.run = head.run;
    msg.step = head.step;
    msg.created_ms = head.created_ms;
    msg.content_type = head.content_type;
    if (delivery->receiver->job(delivery->receiver->context, subscription->actor, &msg) != ERROR_OK) {
        subscription->full = delivery->again = true;
        return;
    }
    store->fence_last++;
    struct lease *lease = lease_add(&store->leases, subscription, ready->id, msg.fence);
    lease->attempt = head.attempt;
    lease->stored_state = head.state;
    lease->due_ms = head.due_ms;
    subscription->queue->gate_last = ready->gate;
    store->totals.stats.leased++;
}

/* One job of each gate in turn, until there is no credit or nothing due. */
static void deliver_queue(struct delivery *delivery, struct name *queue)
{
    size_t count, done = 0;
    struct walk *walks = find_gates(delivery, queue, &count);

    while (done < count) {
        done = 0;
        for (size_t i = 0; i < count; i++) {
            struct subscription *subscription = whose_turn(delivery->store, queue);
            struct ready ready;
            struct slice sealed;
            if (subscription == NULL) {
                free(walks);
                return;
            }
            if (!walks[i].done && next_job(delivery, queue->number, &walks[i], &ready, &sealed))
                hand_out(delivery, subscription, &ready, sealed);
            done += walks[i].done;
        }
    }
    free(walks);
}

static bool is_first_of_queue(const struct leases *leases, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (leases->subscriptions[i]->queue == leases->subscriptions[at]->queue)
            return false;
    return true;
}

void store_deliver(struct store *store, int64_t now_ms, const struct store_receiver *receiver)
{
    struct delivery delivery = {.store = store, .receiver = receiver, .now_ms = now_ms > 0 ? now_ms : 0,
                                .next_due_ms = INT64_MAX};
    struct leases *leases = &store->leases;

    if (store->quiesced || store->kv == NULL || (!store->stirred && now_ms < store->next_due_ms))
        return;
    if (store->ops->begin(store->kv, false, &delivery.txn) != ERROR_OK)
        return;
    if (store->ops->cursor_open(delivery.txn, &delivery.cursor) == ERROR_OK) {
        for (size_t i = 0; i < leases->subscription_count; i++)
            leases->subscriptions[i]->full = false;
        for (size_t i = 0; i < leases->subscription_count; i++)
            if (is_first_of_queue(leases, i) && whose_turn(store, leases->subscriptions[i]->queue) != NULL)
                deliver_queue(&delivery, leases->subscriptions[i]->queue);
        store->ops->cursor_close(&delivery.cursor);
    }
    store->ops->abort(&delivery.txn);
    store->stirred = delivery.again;
    store->next_due_ms = delivery.next_due_ms;
}

int64_t store_next_due(const struct store *store)
{
    if (store->quiesced)
        return INT64_MAX;
    return store->stirred ? 0 : store->next_due_ms;
}
