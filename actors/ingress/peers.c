// SPDX-License-Identifier: MIT
#include "actors/ingress/state.h"
#include <stdio.h>
#include <string.h>

enum { RETRY_ASKS_MS = 100, RETRY_STORE_MS = 1000, CLIENT_NAME_MAX = 64 };

/* --- who is there --- */

static struct peer *peer_find(struct ingress *ingress, uint64_t peer)
{
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (ingress->peers[i].peer == peer)
            return &ingress->peers[i];
    return NULL;
}

/* A free entry, else the one silent for longest among those that wait for nothing; NULL when all wait. */
static struct peer *peer_room(struct ingress *ingress)
{
    struct peer *oldest = NULL;

    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &ingress->peers[i];
        if (peer->peer == 0)
            return peer;
        if (peer->asks == 0 && (oldest == NULL || peer->seen_ms < oldest->seen_ms))
            oldest = peer;
    }
    return oldest;
}

/* --- answers --- */

#define ANSWER(ingress, to, name, ...)                                                                                 \
    do {                                                                                                               \
        struct buffer packed = {NULL, 0, 0};                                                                           \
        client_put_##name(&packed, &(struct client_##name){__VA_ARGS__});                                              \
        actor_peer_send((ingress)->actor, (to), buffer_slice(&packed));                                                \
        buffer_free(&packed);                                                                                          \
    } while (0)

static void answer_refused(struct ingress *ingress, uint64_t peer, uint64_t sequence, enum error error,
                           const char *message)
{
    actor_count(ingress->actor, METRIC_PUSHES_REFUSED, error, 1);
    ANSWER(ingress, peer, refused, .sequence = sequence, .error = slice_of(error_name(error)),
           .message = slice_of(message));
}

static void answer_full(struct ingress *ingress, uint64_t peer, uint64_t sequence, enum error error, uint64_t retry_ms)
{
    actor_count(ingress->actor, METRIC_PUSHES_REFUSED, error, 1);
    ANSWER(ingress, peer, full, .sequence = sequence, .retry_ms = retry_ms);
}

/* What may work later is "full" to a producer, what never can is "refused". */
static void answer_error(struct ingress *ingress, uint64_t peer, uint64_t sequence, enum error error,
                         const char *message)
{
    if (error_class(error) == RETRY_PERMANENT)
        answer_refused(ingress, peer, sequence, error, message);
    else
        answer_full(ingress, peer, sequence, error, RETRY_STORE_MS);
}

/* --- asks --- */

static void on_hello(struct ingress *ingress, uint64_t from, const struct client_hello *hello)
{
    struct peer *peer = peer_find(ingress, from);
    const struct config *config = ingress->config;

    if (hello->version < 1) {
        answer_refused(ingress, from, hello->sequence, ERROR_UNSUPPORTED, "version 1 is the lowest there is");
        return;
    }
    if (hello->client.size > CLIENT_NAME_MAX) {
        answer_refused(ingress, from, hello->sequence, ERROR_TOO_LARGE, "client has more than 64 bytes");
        return;
    }
    if (peer == NULL && (peer = peer_room(ingress)) == NULL) {
        answer_full(ingress, from, hello->sequence, ERROR_FULL, RETRY_STORE_MS);
        return;
    }
    if (peer->peer != from)
        *peer = (struct peer){.peer = from};
    peer->seen_ms = actor_now(ingress->actor);
    ACTOR_LOG(ingress->actor, LOG_INFO, "producer", L_TEXT("client", hello->client), L_U64("version", hello->version));
    ANSWER(ingress, from, welcome, .sequence = hello->sequence,
           .version = hello->version < CLIENT_VERSION ? hello->version : CLIENT_VERSION,
           .server = SLICE("purserd " PURSER_VERSION),
           .message_bytes_max = (uint64_t)config->producer_message_bytes_max, .batch_max = CLIENT_BATCH_MAX);
}

static void take(struct ingress *ingress, struct peer *peer, uint64_t sequence, const struct intake *intake, bool many)
{
    struct intake_refusal refusal;
    struct pending *pending;
    enum error error;

    if (peer->asks >= PEER_ASKS_MAX) {
        answer_full(ingress, peer->peer, sequence, ERROR_FULL, RETRY_ASKS_MS);
        return;
    }
    if (!intake_check(ingress, intake, &refusal)) {
        answer_error(ingress, peer->peer, sequence, refusal.error, refusal.message);
        return;
    }
    pending = pending_new(ingress, PENDING_PEER);
    if (pending == NULL) {
        answer_full(ingress, peer->peer, sequence, ERROR_FULL, RETRY_ASKS_MS);
        return;
    }
    pending->reply_to = peer->peer;
    pending->sequence = sequence;
    pending->many = many;
    error = intake_commit(ingress, pending, intake);
    if (error != ERROR_OK) {
        pending_free(ingress, pending);
        answer_full(ingress, peer->peer, sequence, error, RETRY_ASKS_MS);
        return;
    }
    peer->asks++;
}

static void on_push(struct ingress *ingress, struct peer *peer, const struct client_push *push)
{
    struct intake_job job = {push->id, push->key, push->payload};
    struct intake intake = {push->queue, push->content_type, push->due_ms, push->priority, &job, 1};

    take(ingress, peer, push->sequence, &intake, false);
}

/* Array of [id, key, payload]; false with a sentence. */
static bool take_jobs(struct slice list, struct intake_job *jobs, size_t *count, char *problem, size_t size)
{
    struct wire wire = wire_over(list);

    *count = wire_take_array(&wire);
    if (*count < 1 || *count > CLIENT_BATCH_MAX) {
        snprintf(problem, size, "jobs has %zu elements; 1 to %d are allowed", *count, CLIENT_BATCH_MAX);
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        if (wire_take_array(&wire) != 3)
            wire.bad = true;
        jobs[i].id = wire_take_text(&wire);
        jobs[i].key = wire_take_text(&wire);
        jobs[i].payload = wire_take_blob(&wire);
        if (wire.bad) {
            snprintf(problem, size, "job %zu is not [id text, key text, payload bytes]", i + 1);
            return false;
        }
    }
    return true;
}

static void on_push_many(struct ingress *ingress, struct peer *peer, const struct client_push_many *push)
{
    struct intake_job jobs[CLIENT_BATCH_MAX];
    struct intake intake = {.queue = push->queue, .content_type = push->content_type, .priority = 4, .jobs = jobs};
    char problem[120];

    if (take_jobs(push->jobs, jobs, &intake.count, problem, sizeof(problem)))
        take(ingress, peer, push->sequence, &intake, true);
    else
        answer_refused(ingress, peer->peer, push->sequence, ERROR_MALFORMED, problem);
}

static void on_known_peer(struct ingress *ingress, struct peer *peer, const struct client_message *message,
                          uint64_t sequence)
{
    peer->seen_ms = actor_now(ingress->actor);
    switch (message->id) {
    case CLIENT_PUSH:
        on_push(ingress, peer, &message->push);
        break;
    case CLIENT_PUSH_MANY:
        on_push_many(ingress, peer, &message->push_many);
        break;
    case CLIENT_PING:
        ANSWER(ingress, peer->peer, pong, .sequence = sequence);
        break;
    case CLIENT_COMMAND:
        answer_refused(ingress, peer->peer, sequence, ERROR_UNSUPPORTED,
                       "commands are taken on the control socket only");
        break;
    default:
        actor_count(ingress->actor, METRIC_PEER_MALFORMED, 0, 1);
        answer_refused(ingress, peer->peer, sequence, ERROR_MALFORMED,
                       "that is an answer of ours; hello, push, push_many and ping are taken");
        break;
    }
}

void peers_on_message(struct ingress *ingress, uint64_t from, struct slice message)
{
    struct client_message taken;
    struct peer *peer;
    uint64_t sequence;
    char problem[200];

    if (!client_take(message, &taken, &sequence, problem, sizeof(problem))) {
        actor_count(ingress->actor, METRIC_PEER_MALFORMED, 0, 1);
        answer_refused(ingress, from, sequence, ERROR_MALFORMED, problem);
        return;
    }
    if (taken.id == CLIENT_HELLO) {
        on_hello(ingress, from, &taken.hello);
        return;
    }
    peer = peer_find(ingress, from);
    if (peer != NULL)
        on_known_peer(ingress, peer, &taken, sequence);
    else
        answer_refused(ingress, from, sequence, ERROR_UNSUPPORTED,
                       "no version was agreed on: say hello first, then send this again");
}

/* --- outcomes --- */

static void answer_ok(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg)
{
    uint64_t count = intake_accepted(ingress, pending, msg);

    if (count == 0 && !pending->many) {
        ANSWER(ingress, pending->reply_to, duplicate, .sequence = pending->sequence);
        return;
    }
    ANSWER(ingress, pending->reply_to, accepted, .sequence = pending->sequence, .job = msg->first_id, .count = count,
           .duplicates = pending->jobs - count);
}

void peers_on_committed(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg)
{
    struct peer *peer = peer_find(ingress, pending->reply_to);

    if (peer != NULL && peer->asks > 0)
        peer->asks--;
    if (msg->error == ERROR_OK) {
        answer_ok(ingress, pending, msg);
    } else if (msg->error == ERROR_IO) {
        /* Whether it is on disk is unknown, and every answer would claim to know. Silence is what the protocol has for
         * that: the producer repeats it under the same id. */
        actor_count(ingress->actor, METRIC_PUSHES_REFUSED, msg->error, 1);
        ACTOR_LOG(ingress->actor, LOG_ERROR, "push-unknown", L_ERROR(msg->error));
    } else {
        answer_error(ingress, pending->reply_to, pending->sequence, msg->error, error_doc(msg->error));
    }
}
