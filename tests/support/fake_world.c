// SPDX-License-Identifier: MIT
#include "tests/support/fake_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake *fake_of(struct actor *actor)
{
    CHECK(actor != NULL && actor->magic == ACTOR_MAGIC);
    return (struct fake *)actor;
}

static const struct fake *fake_of_const(const struct actor *actor)
{
    CHECK(actor != NULL && actor->magic == ACTOR_MAGIC);
    return (const struct fake *)actor;
}

/* A new zeroed element behind `count` others. */
static void *grow(void **array, size_t *count, size_t size)
{
    *array = xrealloc(*array, (*count + 1) * size);
    void *element = (char *)*array + *count * size;

    memset(element, 0, size);
    ++*count;
    return element;
}

#define GROW(array, count) grow((void **)&(array), &(count), sizeof(*(array)))

static struct slice copy(struct slice bytes)
{
    return (struct slice){slice_dup(bytes), bytes.size};
}

/* --- what the actor calls --- */

static int64_t world_now(const struct actor *actor)
{
    return fake_of_const(actor)->now_ms;
}

static int64_t world_wall(const struct actor *actor)
{
    return fake_of_const(actor)->wall_ms;
}

static bool world_wall_trusted(const struct actor *actor)
{
    return fake_of_const(actor)->wall_trusted;
}

static void *world_reload(struct actor *actor, char *problem, size_t room)
{
    struct fake *fake = fake_of(actor);
    void *reloaded = fake->reloaded;

    fake->reloaded = NULL;
    if (reloaded == NULL)
        snprintf(problem, room, "%s", fake->reload_problem != NULL ? fake->reload_problem : "nothing to read");
    return reloaded;
}

static uint64_t world_random(struct actor *actor)
{
    uint64_t mixed = fake_of(actor)->random += 0x9e3779b97f4a7c15u;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static void world_timer(struct actor *actor, uint64_t timer, int64_t at_ms)
{
    struct fake *fake = fake_of(actor);
    size_t i = 0;

    while (i < fake->timer_count && fake->timers[i].timer != timer)
        i++;
    for (size_t free_slot = 0; i == fake->timer_count && free_slot < i; free_slot++)
        if (fake->timers[free_slot].at_ms < 0)
            i = free_slot;
    if (i == fake->timer_count) {
        CHECK(fake->timer_count < FAKE_TIMERS_MAX);
        fake->timer_count++;
    }
    fake->timers[i] = (struct fake_timer){timer, at_ms};
}

static enum error world_send(struct actor *actor, enum actor_index dest, enum msg_id id, struct slice frame)
{
    struct fake *fake = fake_of(actor);
    struct fake_sent *sent;

    CHECK(id < MSG_COUNT);
    if (fake->send_error[id] != ERROR_OK)
        return fake->send_error[id];
    sent = GROW(fake->sent, fake->sent_count);
    *sent = (struct fake_sent){dest, id, copy(frame), false};
    return ERROR_OK;
}

static enum error world_request(struct actor *actor, uint64_t ticket, const struct call *call)
{
    struct fake *fake = fake_of(actor);
    struct fake_request *request;

    if (fake->request_error != ERROR_OK)
        return fake->request_error;
    request = xcalloc(1, sizeof(*request));
    *(struct fake_request **)GROW(fake->requests, fake->request_count) = request;
    request->ticket = ticket;
    request->job = actor->job;
    request->run = actor->run;
    call_pack(&request->packed, call);
    CHECK(call_unpack(buffer_slice(&request->packed), &request->call));
    return ERROR_OK;
}

static enum error world_serve(struct actor *actor, const struct http_server_options *options)
{
    struct fake *fake = fake_of(actor);

    fake->serve = *options;
    fake->serving = fake->serve_error == ERROR_OK;
    return fake->serve_error;
}

static void world_respond(struct actor *actor, uint64_t exchange, const struct http_reply *reply)
{
    struct fake *fake = fake_of(actor);
    struct fake_reply *kept = xcalloc(1, sizeof(*kept));
    size_t at = 0;

    CHECK(exchange > 0 && exchange <= fake->exchange_last && reply->header_count <= HTTP_REPLY_HEADERS_MAX);
    CHECK(reply->status >= 100 && reply->status <= 599);
    *(struct fake_reply **)GROW(fake->replies, fake->reply_count) = kept;
    kept->exchange = exchange;
    kept->reply = *reply;
    for (size_t i = 0; i < reply->header_count; i++) {
        buffer_append(&kept->bytes, reply->headers[i].name.data, reply->headers[i].name.size);
        buffer_append(&kept->bytes, reply->headers[i].value.data, reply->headers[i].value.size);
    }
    buffer_append(&kept->bytes, reply->body.data, reply->body.size);
    for (size_t i = 0; i < reply->header_count; i++) {
        kept->reply.headers[i].name.data = kept->bytes.data + at;
        at += reply->headers[i].name.size;
        kept->reply.headers[i].value.data = kept->bytes.data + at;
        at += reply->headers[i].value.size;
    }
    kept->reply.body.data = reply->body.size ? kept->bytes.data + at : NULL;
}

static void world_serve_quiesce(struct actor *actor)
{
    fake_of(actor)->quiesced = true;
}

static enum error world_peer_listen(struct actor *actor, const struct peer_options *options)
{
    struct fake *fake = fake_of(actor);

    fake->listen = *options;
    free(fake->endpoint);
    fake->listen.endpoint = fake->endpoint = slice_dup(slice_of(options->endpoint));
    fake->listening = fake->listen_error == ERROR_OK;
    return fake->listen_error;
}

static void world_peer_send(struct actor *actor, uint64_t peer, struct slice message)
{
    struct fake *fake = fake_of(actor);
    struct fake_peer_message *kept = GROW(fake->peer_messages, fake->peer_message_count);

    kept->peer = peer;
    buffer_append(&kept->bytes, message.data, message.size);
}

static enum error world_sink_open(struct actor *actor, const char *path)
{
    struct fake *fake = fake_of(actor);

    if (fake->sink_error != ERROR_OK)
        return fake->sink_error;
    free(fake->sink_path);
    fake->sink_path = slice_dup(slice_of(path));
    return ERROR_OK;
}

static void world_sink_write(struct actor *actor, uint64_t ticket, const struct sink_row *rows, size_t count)
{
    struct fake *fake = fake_of(actor);

    CHECK(fake->sink_path != NULL && fake_batch_next(fake) == NULL);
    struct fake_batch *batch = GROW(fake->batches, fake->batch_count);
    batch->ticket = ticket;
    batch->count = count;
    batch->sequences = xcalloc(count + 1, sizeof(*batch->sequences));
    batch->rows = xcalloc(count + 1, sizeof(*batch->rows));
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || rows[i].sequence > rows[i - 1].sequence);
        batch->sequences[i] = rows[i].sequence;
        batch->rows[i] = copy(rows[i].row);
    }
}

static void world_hand(struct actor *actor, uint64_t job, uint64_t run)
{
    actor->job = job;
    actor->run = run;
}

static void world_log(struct actor *actor, enum log_level level, const char *event, const struct log_field *fields,
                      size_t count)
{
    struct fake *fake = fake_of(actor);

    buffer_printf(&fake->log, "%d %s", (int)level, event);
    for (size_t i = 0; i < count; i++) {
        const struct log_field *field = &fields[i];
        buffer_printf(&fake->log, " %s=", field->key);
        if (field->kind == LOG_KIND_TEXT)
            buffer_append(&fake->log, field->text.data, field->text.size);
        else if (field->kind == LOG_KIND_ERROR)
            buffer_text(&fake->log, error_name((enum error)field->u64));
        else if (field->kind == LOG_KIND_I64)
            buffer_printf(&fake->log, "%lld", (long long)field->i64);
        else if (field->kind == LOG_KIND_U64)
            buffer_printf(&fake->log, "%llu", (unsigned long long)field->u64);
        else
            buffer_text(&fake->log, "[hidden]");
    }
    buffer_text(&fake->log, "\n");
}

static void world_metrics_text(struct actor *actor, struct buffer *into)
{
    const char *name = roster[actor->spec->index].thread;

    metrics_text(into, &actor->metrics, &name, 1);
}

static void world_progress_json(struct actor *actor, struct buffer *into)
{
    buffer_text(into, fake_of(actor)->progress);
}

static const struct world fake_calls = {
    .now = world_now,
    .wall = world_wall,
    .wall_trusted = world_wall_trusted,
    .random = world_random,
    .reload = world_reload,
    .timer = world_timer,
    .send = world_send,
    .request = world_request,
    .serve = world_serve,
    .respond = world_respond,
    .serve_quiesce = world_serve_quiesce,
    .peer_listen = world_peer_listen,
    .peer_send = world_peer_send,
    .sink_open = world_sink_open,
    .sink_write = world_sink_write,
    .hand = world_hand,
    .log = world_log,
    .metrics_text = world_metrics_text,
    .progress_json = world_progress_json,
};

/* --- life --- */

struct fake *fake_new(const struct actor_spec *spec, const struct config *config)
{
    struct fake *fake = xcalloc(1, sizeof(*fake));

    actor_spec_check(spec);
    fake->actor = (struct actor){.magic = ACTOR_MAGIC, .world = &fake_calls, .spec = spec, .config = config};
    fake->actor.metrics = xcalloc(1, sizeof(*fake->actor.metrics));
    fake->now_ms = 1000000;
    fake->wall_ms = 1700000000000;
    fake->wall_trusted = true;
    fake->progress = "[]";
    return fake;
}

static void end_life(struct fake *fake)
{
    if (fake->actor.self == NULL)
        return;
    if (fake->actor.spec->stop != NULL)
        fake->actor.spec->stop(fake->actor.self);
    free(fake->actor.self);
    fake->actor.self = NULL;
}

enum error fake_start(struct fake *fake)
{
    end_life(fake);
    fake->actor.self = xcalloc(1, fake->actor.spec->state_size);
    fake->actor.life++;
    fake->actor.ticket_last = 0;
    fake->actor.failed = false;
    fake->actor.failure = ERROR_OK;
    fake->timer_count = 0;
    fake->quiesced = fake->serving = fake->listening = false;
    for (size_t i = 0; i < fake->batch_count; i++)
        fake->batches[i].answered = true;
    for (size_t i = 0; i < fake->request_count; i++)
        fake->requests[i]->answered = true;
    return fake->actor.spec->start(fake->actor.self, &fake->actor);
}

void *fake_self(const struct fake *fake)
{
    return fake->actor.self;
}

static void free_records(struct fake *fake)
{
    for (size_t i = 0; i < fake->sent_count; i++)
        free((void *)(uintptr_t)fake->sent[i].frame.data);
    for (size_t i = 0; i < fake->request_count; i++) {
        buffer_free(&fake->requests[i]->packed);
        free(fake->requests[i]);
    }
    for (size_t i = 0; i < fake->reply_count; i++) {
        buffer_free(&fake->replies[i]->bytes);
        free(fake->replies[i]);
    }
    for (size_t i = 0; i < fake->peer_message_count; i++)
        buffer_free(&fake->peer_messages[i].bytes);
    for (size_t i = 0; i < fake->batch_count; i++) {
        for (size_t row = 0; row < fake->batches[i].count; row++)
            free((void *)(uintptr_t)fake->batches[i].rows[row].data);
        free(fake->batches[i].rows);
        free(fake->batches[i].sequences);
    }
}

void fake_destroy(struct fake **fake)
{
    struct fake *gone = *fake;

    if (gone == NULL)
        return;
    end_life(gone);
    free_records(gone);
    free(gone->sent);
    free(gone->requests);
    free(gone->replies);
    free(gone->peer_messages);
    free(gone->batches);
    free(gone->sink_path);
    free(gone->endpoint);
    free(gone->actor.metrics);
    buffer_free(&gone->log);
    free(gone);
    *fake = NULL;
}

static bool is_alive(const struct fake *fake)
{
    CHECK(fake->actor.self != NULL);
    return !fake->actor.failed;
}

static void turn_end(struct fake *fake)
{
    actor_hand(&fake->actor, 0, 0);
    if (fake->actor.spec->turn_end != NULL && !fake->actor.failed)
        fake->actor.spec->turn_end(fake->actor.self);
}

/* --- messages --- */

/* The first actor that may send it: who asks a limiter first is the publisher. */
static enum actor_index sender_of(struct slice frame)
{
    uint64_t ticket;
    enum msg_id id = msg_peek(frame, &ticket);
    unsigned sender = 0;

    CHECK(id < MSG_COUNT);
    while (!(msg_info[id].from & 1u << sender))
        sender++;
    return (enum actor_index)sender;
}

static void deliver(struct fake *fake, struct buffer *frame)
{
    if (is_alive(fake)) {
        actor_deliver(&fake->actor, sender_of(buffer_slice(frame)), buffer_slice(frame));
        turn_end(fake);
    }
    buffer_free(frame);
}

static bool take(struct fake *fake, enum msg_id id, struct wire *fields)
{
    for (size_t i = 0; i < fake->sent_count; i++) {
        if (fake->sent[i].taken || fake->sent[i].id != id)
            continue;
        fake->sent[i].taken = true;
        *fields = wire_over(fake->sent[i].frame);
        wire_take_array(fields);
        CHECK(wire_take_u64(fields) == id);
        return true;
    }
    return false;
}

#define FIELD(type, name, doc) field_take_##type(&wire, &msg->name);
#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    void fake_deliver_##name(struct fake *fake, const struct msg_##name *msg)                                          \
    {                                                                                                                  \
        struct buffer frame = {NULL, 0, 0};                                                                            \
        msg_pack_##name(&frame, msg);                                                                                  \
        deliver(fake, &frame);                                                                                         \
    }                                                                                                                  \
    bool fake_take_##name(struct fake *fake, struct msg_##name *msg)                                                   \
    {                                                                                                                  \
        struct wire wire;                                                                                              \
        if (!take(fake, MSG_##ID, &wire))                                                                              \
            return false;                                                                                              \
        fields CHECK(wire_done(&wire));                                                                                \
        return true;                                                                                                   \
    }
#include "proto/messages.def"
#undef MESSAGE
#undef FIELD

size_t fake_sent_count(const struct fake *fake, enum msg_id id)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->sent_count; i++)
        count += fake->sent[i].id == id && !fake->sent[i].taken;
    return count;
}

void fake_forget(struct fake *fake)
{
    for (size_t i = 0; i < fake->sent_count; i++)
        fake->sent[i].taken = true;
}

/* --- the store --- */

size_t fake_take_ops(struct fake *fake, uint64_t *ticket, struct op *ops, size_t room)
{
    struct msg_commit commit;
    size_t count = 0;

    CHECK(fake_take_commit(fake, &commit));
    struct wire wire = wire_over(commit.ops);
    while (wire.at != wire.end) {
        CHECK(count < room && op_take(&wire, &ops[count]));
        count++;
    }
    CHECK(wire_done(&wire) && count > 0 && count <= OPS_PER_COMMIT_MAX);
    if (ticket != NULL)
        *ticket = commit.ticket;
    return count;
}

void fake_committed(struct fake *fake, uint64_t ticket, enum error error, uint64_t first_id)
{
    fake_deliver_committed(fake, &(struct msg_committed){.ticket = ticket, .error = error, .first_id = first_id});
}

void fake_page(struct fake *fake, uint64_t ticket, enum error error, const struct buffer *rows, uint64_t count)
{
    struct slice bytes = rows == NULL ? (struct slice){NULL, 0} : buffer_slice(rows);

    fake_deliver_page(fake, &(struct msg_page){.ticket = ticket, .error = error, .count = count, .rows = bytes});
}

uint64_t fake_commit_ok(struct fake *fake, uint64_t first_id)
{
    struct msg_commit commit;

    CHECK(fake_take_commit(fake, &commit));
    fake_committed(fake, commit.ticket, ERROR_OK, first_id);
    return commit.ticket;
}

/* --- outgoing calls --- */

const struct fake_request *fake_request_next(const struct fake *fake)
{
    for (size_t i = 0; i < fake->request_count; i++)
        if (!fake->requests[i]->answered)
            return fake->requests[i];
    return NULL;
}

void fake_answer(struct fake *fake, uint64_t ticket, const struct answer *answer)
{
    size_t i = 0;

    while (i < fake->request_count && (fake->requests[i]->ticket != ticket || fake->requests[i]->answered))
        i++;
    CHECK(i < fake->request_count);
    fake->requests[i]->answered = true;
    if (!is_alive(fake))
        return;
    actor_hand(&fake->actor, fake->requests[i]->job, fake->requests[i]->run);
    fake->actor.spec->on_answer(fake->actor.self, ticket, answer);
    turn_end(fake);
}

/* --- incoming HTTP --- */

uint64_t fake_http(struct fake *fake, const struct http_request *request)
{
    uint64_t exchange = ++fake->exchange_last;

    CHECK(fake->serving);
    if (is_alive(fake)) {
        fake->actor.spec->on_http(fake->actor.self, exchange, request);
        turn_end(fake);
    }
    return exchange;
}

const struct http_reply *fake_reply(const struct fake *fake, uint64_t exchange)
{
    const struct http_reply *found = NULL;

    for (size_t i = 0; i < fake->reply_count; i++) {
        if (fake->replies[i]->exchange != exchange)
            continue;
        CHECK(found == NULL);
        found = &fake->replies[i]->reply;
    }
    return found;
}

struct slice fake_reply_header(const struct http_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++)
        if (slice_is(reply->headers[i].name, name))
            return reply->headers[i].value;
    return (struct slice){NULL, 0};
}

/* --- outside clients --- */

void fake_peer(struct fake *fake, uint64_t peer, struct slice message)
{
    CHECK(fake->listening);
    if (!is_alive(fake))
        return;
    fake->actor.spec->on_peer(fake->actor.self, peer, message);
    turn_end(fake);
}

bool fake_take_peer(struct fake *fake, uint64_t peer, struct client_message *message)
{
    char problem[200];
    uint64_t sequence;

    for (size_t i = 0; i < fake->peer_message_count; i++) {
        struct fake_peer_message *kept = &fake->peer_messages[i];
        if (kept->taken || kept->peer != peer)
            continue;
        kept->taken = true;
        CHECK(client_take(buffer_slice(&kept->bytes), message, &sequence, problem, sizeof(problem)));
        return true;
    }
    return false;
}

/* --- sink --- */

const struct fake_batch *fake_batch_next(const struct fake *fake)
{
    for (size_t i = 0; i < fake->batch_count; i++)
        if (!fake->batches[i].answered)
            return &fake->batches[i];
    return NULL;
}

void fake_sink_done(struct fake *fake, uint64_t ticket, enum error error, uint64_t cursor)
{
    size_t i = 0;

    while (i < fake->batch_count && (fake->batches[i].ticket != ticket || fake->batches[i].answered))
        i++;
    CHECK(i < fake->batch_count);
    fake->batches[i].answered = true;
    if (!is_alive(fake))
        return;
    fake->actor.spec->on_sink(fake->actor.self, ticket, error, cursor);
    turn_end(fake);
}

/* --- time --- */

int64_t fake_timer_at(const struct fake *fake, uint64_t timer)
{
    for (size_t i = 0; i < fake->timer_count; i++)
        if (fake->timers[i].timer == timer)
            return fake->timers[i].at_ms;
    return -1;
}

static struct fake_timer *first_due(struct fake *fake, int64_t until_ms)
{
    struct fake_timer *first = NULL;

    for (size_t i = 0; i < fake->timer_count; i++) {
        struct fake_timer *timer = &fake->timers[i];
        if (timer->at_ms >= 0 && timer->at_ms <= until_ms && (first == NULL || timer->at_ms < first->at_ms))
            first = timer;
    }
    return first;
}

void fake_advance(struct fake *fake, int64_t by_ms)
{
    int64_t until_ms = fake->now_ms + by_ms;
    struct fake_timer *due;

    CHECK(by_ms >= 0);
    while (is_alive(fake) && (due = first_due(fake, until_ms)) != NULL) {
        int64_t step_ms = due->at_ms > fake->now_ms ? due->at_ms - fake->now_ms : 0;
        fake->now_ms += step_ms;
        fake->wall_ms += step_ms;
        due->at_ms = -1;
        fake->actor.spec->on_timer(fake->actor.self, due->timer);
        turn_end(fake);
    }
    fake->wall_ms += until_ms - fake->now_ms;
    fake->now_ms = until_ms;
}

/* --- records --- */

int64_t fake_metric(const struct fake *fake, enum metric_id metric, uint64_t label)
{
    CHECK(metric < METRIC_COUNT && label < METRIC_SLOTS);
    return atomic_load(&fake->actor.metrics->slots[metric][label]);
}

size_t fake_logged(const struct fake *fake, const char *event)
{
    struct slice text = buffer_slice(&fake->log), name = slice_of(event);
    size_t count = 0;

    for (size_t at = 0; at < text.size; at++) {
        bool starts = at == 0 || text.data[at - 1] == '\n';
        if (starts && text.size - at > name.size + 2 && memcmp(text.data + at + 2, name.data, name.size) == 0 &&
            (text.data[at + 2 + name.size] == ' ' || text.data[at + 2 + name.size] == '\n'))
            count++;
    }
    return count;
}
