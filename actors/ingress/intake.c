// SPDX-License-Identifier: MIT
#include "actors/ingress/state.h"
#include "proto/text/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MS = 1000, READ_ROWS = 1000, PRIORITY_MAX = 7 };

static bool refuse(struct intake_refusal *refusal, enum error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct intake_refusal *refusal, enum error error, const char *format, ...)
{
    va_list arguments;

    refusal->error = error;
    va_start(arguments, format);
    vsnprintf(refusal->message, sizeof(refusal->message), format, arguments);
    va_end(arguments);
    return false;
}

/* --- is it allowed --- */

/* Our own queues hold payloads of our own form: a job put there from outside could never be worked. */
static bool is_own(struct slice queue)
{
    return slice_is(queue, "flow") || slice_is(queue, "ai") || slice_is(queue, "publish");
}

static bool check_queue(const struct config *config, struct slice queue, struct intake_refusal *refusal)
{
    char known[200] = "none is declared; add it under queues in purser.yaml";
    size_t at = 0;

    if (config_queue(config, queue) != NULL && !is_own(queue))
        return true;
    for (size_t i = 0; i < config->queue_count && at < sizeof(known); i++)
        if (!is_own(slice_of(config->queues[i].name)))
            at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", at ? ", " : "", config->queues[i].name);
    return refuse(refusal, ERROR_INVALID, "\"%.*s\" is no queue to push to; known: %s",
                  (int)(queue.size < NAME_BYTES_MAX ? queue.size : NAME_BYTES_MAX), queue.size ? queue.data : "",
                  known);
}

static bool check_payload(struct slice type, struct slice payload, const char *which, struct intake_refusal *refusal)
{
    struct json_problem problem;
    json_t *value;

    if (slice_is(type, "application/msgpack"))
        return wire_is_value(payload) ||
               refuse(refusal, ERROR_MALFORMED, "%sthe payload is not exactly one msgpack value", which);
    value = json_read(payload, &problem);
    if (value == NULL)
        return refuse(refusal, ERROR_MALFORMED, "%spayload: line %u, column %u: %s", which, problem.line,
                      problem.column, problem.text);
    json_decref(value);
    return true;
}

static bool check_job(const struct ingress *ingress, const struct intake *intake, size_t index,
                      struct intake_refusal *refusal)
{
    const struct intake_job *job = &intake->jobs[index];
    char which[32] = "";

    if (intake->count > 1)
        snprintf(which, sizeof(which), "job %zu: ", index + 1);
    if (job->id.size > JOB_ID_BYTES_MAX)
        return refuse(refusal, ERROR_TOO_LARGE, "%sid has %zu bytes, at most %d are allowed", which, job->id.size,
                      JOB_ID_BYTES_MAX);
    if (job->key.size > KEY_BYTES_MAX)
        return refuse(refusal, ERROR_TOO_LARGE, "%skey has %zu bytes, at most %d are allowed", which, job->key.size,
                      KEY_BYTES_MAX);
    if (job->key.size > 0 && !config_queue(ingress->config, intake->queue)->ordered)
        return refuse(refusal, ERROR_INVALID,
                      "%sthis queue keeps no order; leave key empty, or set ordered: true for it in purser.yaml",
                      which);
    if (job->payload.size > (size_t)ingress->config->payload_bytes_max)
        return refuse(refusal, ERROR_TOO_LARGE, "%sthe payload has %zu bytes, at most %lld are allowed", which,
                      job->payload.size, (long long)ingress->config->payload_bytes_max);
    return check_payload(intake->content_type, job->payload, which, refusal);
}

static bool has_room(struct ingress *ingress, const struct intake *intake, struct intake_refusal *refusal)
{
    const struct queue_rule *rule = config_queue(ingress->config, intake->queue);
    size_t index = (size_t)(rule - ingress->config->queues);

    if (rule->depth_max <= 0 || index >= QUEUES_MAX ||
        ingress->depths[index] + (int64_t)intake->count <= rule->depth_max)
        return true;
    intake_read_depths(ingress);
    return refuse(refusal, ERROR_FULL, "the queue holds as many jobs as its depth_max allows");
}

bool intake_check(struct ingress *ingress, const struct intake *intake, struct intake_refusal *refusal)
{
    if (ingress->quiescing)
        return refuse(refusal, ERROR_SHUTDOWN, "the program is stopping");
    if (!check_queue(ingress->config, intake->queue, refusal))
        return false;
    if (!slice_is(intake->content_type, "application/json") && !slice_is(intake->content_type, "application/msgpack"))
        return refuse(refusal, ERROR_UNSUPPORTED, "content_type must be application/json or application/msgpack");
    if (intake->priority > PRIORITY_MAX)
        return refuse(refusal, ERROR_INVALID, "priority goes from 0 (first) to %d", PRIORITY_MAX);
    if (intake->due_ms < 0)
        return refuse(refusal, ERROR_INVALID, "due_ms is a UTC time in milliseconds, or 0 for now");
    for (size_t i = 0; i < intake->count; i++)
        if (!check_job(ingress, intake, i, refusal))
            return false;
    return has_room(ingress, intake, refusal);
}

/* --- the commit --- */

static bool stands_before(const struct intake *intake, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (slice_equal(intake->jobs[i].id, intake->jobs[index].id))
            return true;
    return false;
}

static void put_job(struct ingress *ingress, const struct intake *intake, const struct intake_job *job,
                    struct buffer *ops)
{
    struct op_push push = {.queue = intake->queue,
                           .due_ms = intake->due_ms,
                           .priority = intake->priority,
                           .key = job->key,
                           .content_type = intake->content_type,
                           .payload = job->payload};

    if (job->id.size > 0) {
        char key[KEY_BYTES_MAX];
        int size = snprintf(key, sizeof(key), "push/%.*s/%.*s", (int)intake->queue.size, intake->queue.data,
                            (int)job->id.size, job->id.data);

        CHECK(size > 0 && (size_t)size < sizeof(key));
        op_put_claim(ops, &(struct op_claim){.key = {key, (size_t)size},
                                             .until_ms = actor_wall(ingress->actor) + ingress->config->dedup_keep_ms,
                                             .skip = 1});
    }
    op_put_push(ops, &push);
}

enum error intake_commit(struct ingress *ingress, struct pending *pending, const struct intake *intake)
{
    struct buffer ops = {NULL, 0, 0};
    enum error error;

    pending->queue = (size_t)(config_queue(ingress->config, intake->queue) - ingress->config->queues);
    pending->jobs = intake->count;
    for (size_t i = 0; i < intake->count; i++) {
        if (intake->jobs[i].id.size > 0 && stands_before(intake, i))
            pending->known++;
        else
            put_job(ingress, intake, &intake->jobs[i], &ops);
    }
    error = store_commit(ingress->actor, pending->ticket, &ops);
    buffer_free(&ops);
    return error;
}

uint64_t intake_accepted(struct ingress *ingress, const struct pending *pending, const struct msg_committed *msg)
{
    uint64_t known = pending->known + msg->skipped, count;

    CHECK(msg->error == ERROR_OK && known <= pending->jobs);
    count = pending->jobs - known;
    actor_count(ingress->actor, METRIC_PUSHES_ACCEPTED, 0, count);
    if (pending->queue < QUEUES_MAX)
        ingress->depths[pending->queue] += (int64_t)count;
    if (count > 0 && !ingress->depth_timer) {
        ingress->depth_timer = true;
        actor_timer(ingress->actor, TIMER_DEPTH, actor_now(ingress->actor) + DEPTH_MS);
    }
    return count;
}

/* --- depths --- */

void intake_read_depths(struct ingress *ingress)
{
    struct msg_read read = {.what = READ_QUEUES, .limit = READ_ROWS};

    ingress->depth_timer = false;
    if (ingress->depth_ticket != 0 || ingress->config->queue_count == 0)
        return;
    read.ticket = actor_ticket(ingress->actor);
    if (store_read(ingress->actor, &read) == ERROR_OK)
        ingress->depth_ticket = read.ticket;
}

static void set_depth(struct ingress *ingress, const struct record_queue_entry *entry)
{
    const struct queue_rule *rule = config_queue(ingress->config, entry->queue);
    size_t index = rule == NULL ? QUEUES_MAX : (size_t)(rule - ingress->config->queues);

    if (index < QUEUES_MAX)
        ingress->depths[index] = (int64_t)(entry->waiting + entry->ready + entry->leased + entry->parked);
}

void intake_on_page(struct ingress *ingress, const struct msg_page *page)
{
    struct wire wire = wire_over(page->rows);
    struct record_queue_entry entry;

    CHECK(page->ticket == ingress->depth_ticket);
    ingress->depth_ticket = 0;
    if (page->error != ERROR_OK)
        return;
    memset(ingress->depths, 0, sizeof(ingress->depths));
    for (uint64_t i = 0; i < page->count; i++) {
        bool fits = record_take_queue_entry(&wire, &entry);

        CHECK(fits);
        set_depth(ingress, &entry);
    }
}
