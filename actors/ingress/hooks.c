// SPDX-License-Identifier: MIT
#include "actors/ingress/state.h"
#include "proto/payloads.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SECRET_AGAIN_MS = 5000, RETRY_AFTER_S = 5 };

/* --- keys --- */

static size_t read_key(struct ingress *ingress, const struct hook *hook, const char *name, char *into)
{
    size_t size = 0;
    enum secret_state state = secrets_read(ingress->config, slice_of(name), into, SECRET_BYTES_MAX, &size);

    if (state == SECRET_OK)
        return size;
    ACTOR_LOG(ingress->actor, LOG_ERROR, "hook-secret", L_STR("hook", hook->name), L_STR("secret", name),
              L_STR("problem", secret_state_doc(state)));
    return 0;
}

static void read_keys(struct ingress *ingress, size_t index)
{
    const struct hook *hook = &ingress->config->hooks[index];
    struct hook_secret *secret = &ingress->secrets[index];

    secrets_wipe(secret, sizeof(*secret));
    secret->read_ms = actor_now(ingress->actor);
    secret->current_size = read_key(ingress, hook, hook->secret, secret->current);
    if (hook->old_secret != NULL)
        secret->old_size = read_key(ingress, hook, hook->old_secret, secret->old);
}

void hooks_open(struct ingress *ingress)
{
    ingress->secrets = xcalloc(ingress->config->hook_count + 1, sizeof(*ingress->secrets));
    for (size_t i = 0; i < ingress->config->hook_count; i++)
        read_keys(ingress, i);
}

void hooks_close(struct ingress *ingress)
{
    if (ingress->secrets != NULL)
        secrets_wipe(ingress->secrets, (ingress->config->hook_count + 1) * sizeof(*ingress->secrets));
    free(ingress->secrets);
    ingress->secrets = NULL;
}

/* --- replies --- */

static void respond(struct ingress *ingress, uint64_t exchange, struct http_reply *reply, int64_t retry_s)
{
    char seconds[24];

    if (retry_s > 0) {
        snprintf(seconds, sizeof(seconds), "%lld", (long long)retry_s);
        reply->headers[reply->header_count++] = (struct http_header){SLICE("Retry-After"), slice_of(seconds)};
    }
    if (reply->status == 405)
        reply->headers[reply->header_count++] = (struct http_header){SLICE("Allow"), SLICE("POST")};
    if (reply->body.size > 0)
        reply->headers[reply->header_count++] =
            (struct http_header){SLICE("Content-Type"), SLICE("text/plain; charset=utf-8")};
    actor_count(ingress->actor, METRIC_HTTP_REQUESTS, (uint64_t)reply->status / 100, 1);
    actor_respond(ingress->actor, exchange, reply);
}

static void refuse(struct ingress *ingress, uint64_t exchange, const struct hook_refusal *refusal, int64_t retry_s)
{
    char text[sizeof(refusal->message) + 1];
    int size = snprintf(text, sizeof(text), "%s\n", refusal->message);
    struct http_reply reply = {.status = refusal->status, .body = {text, (size_t)size}};

    actor_count(ingress->actor, METRIC_HOOKS_REFUSED, refusal->error, 1);
    respond(ingress, exchange, &reply, retry_s);
}

static void refuse_for_now(struct ingress *ingress, uint64_t exchange, enum error error, const char *why)
{
    struct hook_refusal refusal;

    hook_refuse(&refusal, 503, error, "%s; send it again", why);
    refuse(ingress, exchange, &refusal, RETRY_AFTER_S);
}

/* --- throttling --- */

static bool is_loopback(struct slice peer)
{
    return (peer.size >= 4 && memcmp(peer.data, "127.", 4) == 0) || slice_is(peer, "::1");
}

/* Each proxy may write a line of its own below those that came. */
static struct slice last_forwarded(const struct http_request *request)
{
    static const char name[] = "X-Forwarded-For";
    struct slice found = {NULL, 0};

    for (size_t i = 0; i < request->header_count; i++)
        if (request->headers[i].name.size == sizeof(name) - 1 &&
            strncasecmp(request->headers[i].name.data, name, sizeof(name) - 1) == 0)
            found = request->headers[i].value;
    return found;
}

/* Behind a proxy on this box all requests come from loopback: then the address it appended last counts. A local sender
 * without a proxy is not throttled (an empty address): it could as well fill the disk. */
static struct slice sender_of(const struct http_request *request)
{
    struct slice last;
    size_t at;

    if (!is_loopback(request->peer))
        return request->peer;
    last = last_forwarded(request);
    while (last.size > 0 && last.data[last.size - 1] == ' ')
        last.size--;
    for (at = last.size; at > 0 && last.data[at - 1] != ','; at--)
        ;
    while (at < last.size && last.data[at] == ' ')
        at++;
    return at == last.size ? (struct slice){NULL, 0} : (struct slice){last.data + at, last.size - at};
}

/* --- the commit --- */

static void put_text(struct buffer *into, const char *first, const char *name, const char *kind, struct slice rest)
{
    buffer_clear(into);
    buffer_printf(into, "%s/%s/%s/", first, name, kind);
    if (into->size + rest.size <= KEY_BYTES_MAX) {
        buffer_append(into, rest.data, rest.size);
        return;
    }
    char hex[SHA256_HEX];
    crypto_sha256_hex(rest, hex);
    buffer_printf(into, "#%s", hex);
}

/* Each claim's value tells what the other one should have been, so that a held claim shows whether this is the same
 * delivery again or a mix of two. The body comes first: when the id's claim is the held one, this body is not kept. */
static void put_claims(struct ingress *ingress, struct pending *pending, const struct hook_delivery *delivery,
                       struct slice body, struct buffer *ops)
{
    struct op_claim claim = {.until_ms = actor_wall(ingress->actor) + ingress->config->dedup_keep_ms};
    struct buffer key = {NULL, 0, 0}, rest = {NULL, 0, 0};
    char hex[SHA256_HEX];

    crypto_sha256(body, pending->body_hash);
    crypto_sha256(delivery->sender_id, pending->id_hash);
    crypto_sha256_hex(body, hex);
    buffer_printf(&rest, "%.*s/%s", (int)delivery->topic.size, delivery->topic.size ? delivery->topic.data : "", hex);
    put_text(&key, "hook", pending->hook->name, "body", buffer_slice(&rest));
    claim.key = buffer_slice(&key);
    claim.value = (struct slice){(const char *)pending->id_hash, SHA256_BYTES};
    op_put_claim(ops, &claim);
    if (delivery->sender_id.size > 0) {
        buffer_clear(&rest);
        buffer_printf(&rest, "%.*s/%.*s", (int)delivery->shop.size, delivery->shop.data, (int)delivery->sender_id.size,
                      delivery->sender_id.data);
        put_text(&key, "hook", pending->hook->name, "id", buffer_slice(&rest));
        claim.key = buffer_slice(&key);
        claim.value = (struct slice){(const char *)pending->body_hash, SHA256_BYTES};
        op_put_claim(ops, &claim);
    }
    buffer_free(&key);
    buffer_free(&rest);
}

static enum error commit(struct ingress *ingress, struct pending *pending, const struct hook_delivery *delivery,
                         struct slice body)
{
    struct payload_hook payload = {
        .hook = slice_of(pending->hook->name),
        .topic = delivery->topic,
        .shop = delivery->shop,
        .sender_id = delivery->sender_id,
        .received_ms = actor_wall(ingress->actor),
        .content_type = delivery->content_type,
        .body = body,
    };
    struct op_push push = {.queue = SLICE("flow"), .priority = 4, .content_type = SLICE(PAYLOAD_CONTENT_TYPE)};
    struct buffer packed = {NULL, 0, 0}, ops = {NULL, 0, 0};
    enum error error = ERROR_TOO_LARGE;

    payload_put_hook(&packed, &payload);
    push.payload = buffer_slice(&packed);
    if (packed.size <= (size_t)ingress->config->payload_bytes_max) {
        put_claims(ingress, pending, delivery, body, &ops);
        op_put_push(&ops, &push);
        error = store_commit(ingress->actor, pending->ticket, &ops);
    }
    buffer_free(&packed);
    buffer_free(&ops);
    return error;
}

static void refuse_too_large(struct ingress *ingress, uint64_t exchange)
{
    struct hook_refusal refusal;

    hook_refuse(&refusal, 413, ERROR_TOO_LARGE, "the body is larger than payload_bytes_max, %lld bytes",
                (long long)ingress->config->payload_bytes_max);
    refuse(ingress, exchange, &refusal, 0);
}

static void accept(struct ingress *ingress, uint64_t exchange, const struct hook *hook,
                   const struct hook_delivery *delivery, struct slice body)
{
    struct pending *pending = pending_new(ingress, PENDING_HOOK);
    enum error error;

    if (pending == NULL) {
        refuse_for_now(ingress, exchange, ERROR_FULL, "too much is under way");
        return;
    }
    pending->reply_to = exchange;
    pending->hook = hook;
    error = commit(ingress, pending, delivery, body);
    if (error == ERROR_OK)
        return;
    pending_free(ingress, pending);
    if (error == ERROR_TOO_LARGE)
        refuse_too_large(ingress, exchange);
    else
        refuse_for_now(ingress, exchange, error, "the store is busy");
}

/* --- a request --- */

/* Keys are read anew when none fits, so that a rotation needs no restart; not often, so that noise reads no files. */
static bool check(struct ingress *ingress, size_t index, const struct http_request *request,
                  struct hook_delivery *delivery, struct hook_refusal *refusal)
{
    const struct hook *hook = &ingress->config->hooks[index];
    struct hook_secret *secret = &ingress->secrets[index];

    for (;;) {
        struct hook_keys keys = {{secret->current, secret->current_size}, {secret->old, secret->old_size}};
        bool good = keys.current.size > 0 && hook_check(hook, &keys, request, delivery, refusal);

        if (good)
            return true;
        if (keys.current.size == 0)
            hook_refuse(refusal, 503, ERROR_NO_SECRET, "this endpoint is not set up: its secret is missing");
        else if (refusal->status != 401)
            return false;
        if (actor_now(ingress->actor) - secret->read_ms < SECRET_AGAIN_MS)
            return false;
        read_keys(ingress, index);
    }
}

static bool route(struct ingress *ingress, const struct http_request *request, size_t *index,
                  struct hook_refusal *refusal)
{
    const struct hook *hook = hook_route(ingress->config, request->path);

    if (hook == NULL)
        return hook_refuse(refusal, 404, ERROR_NOT_FOUND, "there is nothing here");
    if (!slice_is(request->method, "POST"))
        return hook_refuse(refusal, 405, ERROR_UNSUPPORTED, "send webhooks with POST");
    *index = (size_t)(hook - ingress->config->hooks);
    return true;
}

static void take(struct ingress *ingress, uint64_t exchange, const struct http_request *request, struct slice sender)
{
    struct hook_delivery delivery;
    struct hook_refusal refusal;
    size_t index = 0;

    if (route(ingress, request, &index, &refusal) && check(ingress, index, request, &delivery, &refusal)) {
        accept(ingress, exchange, &ingress->config->hooks[index], &delivery, request->body);
        return;
    }
    if (refusal.status == 401) {
        throttle_charge(&ingress->throttle, sender, actor_now(ingress->actor), THROTTLE_REFUSAL_COST);
        ACTOR_LOG(ingress->actor, LOG_WARN, "hook-unsigned", L_TEXT("path", request->path), L_TEXT("peer", sender));
    }
    refuse(ingress, exchange, &refusal, refusal.status == 503 ? RETRY_AFTER_S : 0);
}

void hooks_on_http(struct ingress *ingress, uint64_t exchange, const struct http_request *request)
{
    struct slice sender = sender_of(request);
    int64_t wait_ms = throttle_admit(&ingress->throttle, sender, actor_now(ingress->actor));
    struct hook_refusal refusal;

    if (ingress->quiescing) {
        refuse_for_now(ingress, exchange, ERROR_SHUTDOWN, "the program is stopping");
    } else if (wait_ms > 0) {
        hook_refuse(&refusal, 429, ERROR_LIMITED, "too many requests from this address");
        refuse(ingress, exchange, &refusal, (wait_ms + 999) / 1000);
    } else {
        take(ingress, exchange, request, sender);
    }
}

/* --- the outcome --- */

/* A yes would be a lie here: this body is nowhere. */
static void refuse_used_id(struct ingress *ingress, const struct pending *pending)
{
    struct hook_refusal refusal;

    hook_refuse(&refusal, 409, ERROR_CONFLICT,
                "%s came before with another body; this body was not kept; send it with an id of its own",
                hook_id_header(pending->hook));
    refuse(ingress, pending->reply_to, &refusal, 0);
}

/* HELD: by the body's claim (this body is kept, so the sender hears yes) or by the id's. People hear of a mix of two
 * deliveries in both cases. */
static void known(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg)
{
    struct http_reply reply = {.status = 200};
    bool by_id = msg->failed_op == 1;
    struct slice mine = {(const char *)(by_id ? pending->body_hash : pending->id_hash), SHA256_BYTES};
    bool same = slice_equal(msg->detail, mine);

    actor_count(ingress->actor, same ? METRIC_HOOKS_DUPLICATE : METRIC_HOOKS_CONFLICT, 0, 1);
    if (!same)
        ACTOR_LOG(ingress->actor, LOG_WARN, "hook-conflict", L_STR("hook", pending->hook->name),
                  L_STR("what", by_id ? "a known id came with another body: it was refused"
                                      : "a known body came with another id: it is kept once"));
    if (by_id && !same)
        refuse_used_id(ingress, pending);
    else
        respond(ingress, pending->reply_to, &reply, 0);
}

void hooks_on_committed(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg)
{
    double seconds = (double)(actor_now(ingress->actor) - pending->started_ms) / 1000;
    struct http_reply reply = {.status = 200};

    actor_observe(ingress->actor, METRIC_HOOK_SECONDS, seconds);
    if (msg->error == ERROR_TOO_LARGE) {
        refuse_too_large(ingress, pending->reply_to);
        return;
    }
    if (msg->error != ERROR_OK && msg->error != ERROR_HELD) {
        ACTOR_LOG(ingress->actor, LOG_WARN, "hook-not-kept", L_STR("hook", pending->hook->name), L_ERROR(msg->error));
        refuse_for_now(ingress, pending->reply_to, msg->error, error_doc(msg->error));
        return;
    }
    if (msg->error == ERROR_HELD) {
        known(ingress, pending, msg);
        return;
    }
    actor_count(ingress->actor, METRIC_HOOKS_ACCEPTED, 0, 1);
    respond(ingress, pending->reply_to, &reply, 0);
}
