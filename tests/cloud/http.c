/* http - any interface: tells what it was asked, and counts what it did. Paths below /echo/; /echo/status/404 answers
 * with that status, /echo/redirect leads elsewhere, /echo/text is plain text, /echo/big is larger than anybody keeps.
 */
// SPDX-License-Identifier: MIT
#include "tests/cloud/model.h"
#include "proto/text/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BIG_BYTES = 100 * 1024 };

/* A deed by method, path and Idempotency-Key. */
struct deed {
    uint64_t hash, count;
};

struct cloud_deeds {
    struct deed *slots;
    size_t room, used;
};

static struct slice path_of(struct slice url)
{
    const char *at = url.size > 8 ? memchr(url.data + 8, '/', url.size - 8) : NULL;

    return at != NULL ? (struct slice){at, url.size - (size_t)(at - url.data)} : SLICE("/");
}

bool cloud_http_owns(const struct call *call)
{
    struct slice path = path_of(call->url);

    return call->kind == CALL_HTTP && path.size >= 6 && memcmp(path.data, "/echo/", 6) == 0;
}

static struct slice header_of(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (call->headers[i].name.size == strlen(name) &&
            strncasecmp(call->headers[i].name.data, name, strlen(name)) == 0)
            return call->headers[i].value;
    return (struct slice){NULL, 0};
}

static uint64_t hash_more(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 1099511628211u;
    return (hash ^ 0xff) * 1099511628211u;
}

static struct deed *deed_of(const struct cloud_deeds *deeds, uint64_t hash)
{
    size_t at = hash % deeds->room;

    while (deeds->slots[at].count > 0 && deeds->slots[at].hash != hash)
        at = (at + 1) % deeds->room;
    return &deeds->slots[at];
}

static void deeds_grow(struct cloud_deeds *deeds)
{
    struct cloud_deeds old = *deeds;

    if (old.used * 2 < old.room)
        return;
    deeds->room = old.room ? old.room * 2 : 256;
    deeds->slots = xcalloc(deeds->room, sizeof(deeds->slots[0]));
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].count > 0)
            *deed_of(deeds, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

void cloud_http_fini(struct cloud *cloud)
{
    if (cloud->deeds != NULL)
        free(cloud->deeds->slots);
    free(cloud->deeds);
}

/* Does it, and tells how often this was done now. */
static uint64_t deed_do(struct cloud *cloud, int64_t now_ms, const struct call *call)
{
    struct slice key = header_of(call, "idempotency-key"), path = path_of(call->url);
    uint64_t hash = hash_more(hash_more(hash_more(14695981039346656037u, call->method), path), key);

    if (cloud->deeds == NULL)
        cloud->deeds = xcalloc(1, sizeof(*cloud->deeds));
    deeds_grow(cloud->deeds);
    struct deed *deed = deed_of(cloud->deeds, hash);
    cloud->deeds->used += deed->count == 0;
    deed->hash = hash;
    deed->count++;
    cloud->counts.http_done++;
    cloud->counts.http_repeated += deed->count > 1 && key.size > 0;
    buffer_clear(&cloud->text);
    buffer_text(&cloud->text, ",\"method\":");
    cloud_json_text(&cloud->text, call->method);
    buffer_text(&cloud->text, ",\"path\":");
    cloud_json_text(&cloud->text, path);
    buffer_text(&cloud->text, ",\"key\":");
    cloud_json_text(&cloud->text, key);
    buffer_printf(&cloud->text, ",\"count\":%llu,\"bytes\":%zu", (unsigned long long)deed->count, call->body.size);
    cloud_log(cloud, now_ms, "http", "done", buffer_slice(&cloud->text));
    return deed->count;
}

static void reply_with(struct cloud *cloud, int status, const char *type, struct cloud_reply *reply)
{
    reply->answer = (struct answer){.error = ERROR_OK, .status = status, .body = buffer_slice(&cloud->body)};
    reply->answer.headers[0] = (struct call_header){SLICE("content-type"), slice_of(type)};
    reply->answer.header_count = 1;
}

/* Refused before anything was done. */
static bool refuses(struct cloud *cloud, int64_t now_ms, struct cloud_reply *reply)
{
    static const struct {
        enum cloud_fault fault;
        int status;
        const char *retry_after;
    } faults[] = {{CLOUD_LIMITED, 429, NULL},
                  {CLOUD_RETRY_AFTER, 429, "2"},
                  {CLOUD_INTERNAL, 500, NULL},
                  {CLOUD_OVERLOADED, 503, "2"}};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (!cloud_meets(cloud, CLOUD_HTTP, faults[i].fault, now_ms))
            continue;
        buffer_text(&cloud->body, "{\"error\":\"not now\"}");
        reply_with(cloud, faults[i].status, "application/json", reply);
        if (faults[i].retry_after != NULL)
            reply->answer.headers[reply->answer.header_count++] =
                (struct call_header){SLICE("retry-after"), slice_of(faults[i].retry_after)};
        return true;
    }
    return false;
}

static void echo(struct cloud *cloud, const struct call *call, uint64_t count)
{
    struct json_problem problem;
    json_t *body = call->body.size > 0 ? json_read(call->body, &problem) : NULL;

    if (body == NULL)
        body = json_stringn(call->body.size > 0 ? call->body.data : "", call->body.size);
    json_t *told = json_pack("{s:o, s:I, s:b, s:o?}", "method", json_stringn(call->method.data, call->method.size),
                             "count", (json_int_t)count, "authorized",
                             call->auth == AUTH_BEARER || header_of(call, "authorization").size > 0, "body", body);
    struct slice path = path_of(call->url), type = header_of(call, "content-type");
    json_object_set_new(told, "path", json_stringn(path.data, path.size));
    json_object_set_new(told, "content_type", json_stringn(type.size ? type.data : "", type.size));
    json_write(&cloud->body, told);
    json_decref(told);
}

void cloud_http_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    struct slice path = path_of(call->url);
    int status = 200;

    cloud->counts.http_requests++;
    if (refuses(cloud, now_ms, reply))
        return;
    if (path.size == 16 && memcmp(path.data, "/echo/status/", 13) == 0)
        for (size_t i = 13, value = 0; i < 16 && path.data[i] >= '0' && path.data[i] <= '9'; i++) {
            value = value * 10 + (size_t)(path.data[i] - '0');
            status = i == 15 && value >= 200 && value <= 599 ? (int)value : status;
        }
    if (slice_is(path, "/echo/redirect"))
        status = 302;
    uint64_t count = status < 300 ? deed_do(cloud, now_ms, call) : 0;
    if (slice_is(path, "/echo/big"))
        for (size_t i = 0; i < BIG_BYTES / 16; i++)
            buffer_text(&cloud->body, "0123456789abcde\n");
    else if (slice_is(path, "/echo/text"))
        buffer_text(&cloud->body, "plain words");
    else
        echo(cloud, call, count);
    reply_with(cloud, status,
               slice_is(path, "/echo/text") || slice_is(path, "/echo/big") ? "text/plain" : "application/json", reply);
}
