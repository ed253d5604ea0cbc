// SPDX-License-Identifier: MIT
#include "actors/watchdog/watchdog.h"
#include "actors/watchdog/host.h"
#include "actors/watchdog/report.h"
#include "config/config.h"
#include "store/client.h"
#include <stdio.h>

enum {
    WATCHDOG_MAGIC = 0x57415443,
    VISITS_MAX = 16,
    PATIENCE_MS = 2000, /* for the store's answer, within a scrape's own time limit */
    READ_ROWS = 1000,
    BODY_BYTES_MAX = 4096,
    HEADER_BYTES_MAX = 16384,
    CONNECTIONS_MAX = 32,
    READ_MS = 5000,
    ANSWER_MS = 5000,
};

enum visit_kind { VISIT_FREE, VISIT_METRICS_PAGE, VISIT_READY_PAGE, VISIT_STATUS_COMMAND, VISIT_METRICS_COMMAND };

/* Somebody who waits for what the store has to say. The entry's index is its timer. */
struct visit {
    enum visit_kind kind;
    uint64_t reply_to;                                   /* exchange, or ticket of the COMMAND */
    uint64_t queues_ticket, store_ticket, commit_ticket; /* 0: nothing is awaited */
    bool has_queues, has_store, has_commit;
    enum error commit_error;
    struct buffer queues; /* packed queue_entry */
    uint64_t queue_count;
    struct record_store_entry store;
};

struct watchdog {
    unsigned magic;
    struct actor *actor;
    int64_t began_ms;
    bool quiescing;
    struct visit visits[VISITS_MAX];
};

static struct watchdog *watchdog_of(void *self)
{
    struct watchdog *watchdog;

    CAST_OBJ(watchdog, self, WATCHDOG_MAGIC);
    return watchdog;
}

/* --- answers --- */

static void respond(struct watchdog *watchdog, uint64_t exchange, int status, const char *type, struct slice body)
{
    struct http_reply reply = {
        .status = status,
        .headers = {{SLICE("Content-Type"), slice_of(type)}, {SLICE("Cache-Control"), SLICE("no-store")}},
        .header_count = 2,
        .body = body,
    };

    if (status == 405)
        reply.headers[reply.header_count++] = (struct http_header){SLICE("Allow"), SLICE("GET")};
    if (status == 503)
        reply.headers[reply.header_count++] = (struct http_header){SLICE("Retry-After"), SLICE("1")};
    actor_respond(watchdog->actor, exchange, &reply);
}

static void respond_text(struct watchdog *watchdog, uint64_t exchange, int status, const char *text)
{
    respond(watchdog, exchange, status, "text/plain; charset=utf-8", slice_of(text));
}

static void command_done(struct watchdog *watchdog, uint64_t ticket, enum error error, struct slice body)
{
    enum error sent = send_command_done(watchdog->actor, ACTOR_SUPERVISOR,
                                        &(struct msg_command_done){.ticket = ticket, .error = error, .body = body});

    CHECK(sent == ERROR_OK);
}

static struct report report_of(const struct watchdog *watchdog, const struct visit *visit)
{
    const struct watchdog_resource *resource = actor_resource(watchdog->actor);

    return (struct report){
        .has_queues = visit->has_queues,
        .has_store = visit->has_store,
        .queues = buffer_slice(&visit->queues),
        .queue_count = visit->queue_count,
        .store = visit->store,
        .safe_mode = resource != NULL && resource->safe_mode,
        .last_panic = resource != NULL ? resource->last_panic : NULL,
        .up_ms = actor_now(watchdog->actor) - watchdog->began_ms,
    };
}

static void put_metrics(struct watchdog *watchdog, const struct visit *visit, struct buffer *into)
{
    struct report report = report_of(watchdog, visit);
    int64_t resident_bytes;

    if (host_resident_bytes(&resident_bytes))
        actor_gauge(watchdog->actor, METRIC_RESIDENT, 0, resident_bytes);
    actor_metrics_text(watchdog->actor, into);
    report_metrics(into, &report);
}

static void answer_metrics_page(struct watchdog *watchdog, const struct visit *visit)
{
    struct buffer text = {NULL, 0, 0};

    put_metrics(watchdog, visit, &text);
    respond(watchdog, visit->reply_to, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&text));
    buffer_free(&text);
}

static void answer_metrics_command(struct watchdog *watchdog, const struct visit *visit)
{
    struct buffer text = {NULL, 0, 0}, body = {NULL, 0, 0};

    put_metrics(watchdog, visit, &text);
    json_t *object = json_pack("{s:s#}", "metrics", text.data, text.size);
    json_write(&body, object);
    command_done(watchdog, visit->reply_to, ERROR_OK, buffer_slice(&body));
    json_decref(object);
    buffer_free(&text);
    buffer_free(&body);
}

static void answer_status_command(struct watchdog *watchdog, const struct visit *visit)
{
    struct report report = report_of(watchdog, visit);
    struct buffer actors = {NULL, 0, 0}, body = {NULL, 0, 0};

    actor_progress_json(watchdog->actor, &actors);
    report.actors = buffer_slice(&actors);
    report_status(&body, &report);
    command_done(watchdog, visit->reply_to, ERROR_OK, buffer_slice(&body));
    buffer_free(&actors);
    buffer_free(&body);
}

/* Ready means: a commit of ours was synced just now, and the store takes new work. */
static void answer_ready_page(struct watchdog *watchdog, const struct visit *visit)
{
    char why[160] = "";

    if (visit->has_commit && visit->commit_error != ERROR_OK)
        snprintf(why, sizeof(why), "not ready: a commit was answered %s: %s\n", error_name(visit->commit_error),
                 error_doc(visit->commit_error));
    else if (!visit->has_commit || !visit->has_store)
        snprintf(why, sizeof(why), "not ready: the store has not answered within %d ms\n", PATIENCE_MS);
    else if (visit->store.refusing)
        snprintf(why, sizeof(why), "not ready: the store is full and refuses new work\n");
    actor_gauge(watchdog->actor, METRIC_READY, 0, why[0] == '\0');
    respond_text(watchdog, visit->reply_to, why[0] == '\0' ? 200 : 503, why[0] == '\0' ? "ok\n" : why);
}

static void leave(struct watchdog *watchdog, struct visit *visit)
{
    actor_timer(watchdog->actor, (uint64_t)(visit - watchdog->visits), -1);
    buffer_free(&visit->queues);
    *visit = (struct visit){.kind = VISIT_FREE};
}

static void answer(struct watchdog *watchdog, struct visit *visit)
{
    switch (visit->kind) {
    case VISIT_METRICS_PAGE:
        answer_metrics_page(watchdog, visit);
        break;
    case VISIT_READY_PAGE:
        answer_ready_page(watchdog, visit);
        break;
    case VISIT_STATUS_COMMAND:
        answer_status_command(watchdog, visit);
        break;
    case VISIT_METRICS_COMMAND:
        answer_metrics_command(watchdog, visit);
        break;
    case VISIT_FREE:
        break;
    }
    leave(watchdog, visit);
}

static void answer_when_complete(struct watchdog *watchdog, struct visit *visit)
{
    if (visit->queues_ticket == 0 && visit->store_ticket == 0 && visit->commit_ticket == 0)
        answer(watchdog, visit);
}

/* --- questions to the store --- */

static uint64_t ask_read(struct watchdog *watchdog, enum read_kind what)
{
    struct msg_read read = {.ticket = actor_ticket(watchdog->actor), .what = what, .limit = READ_ROWS};

    return store_read(watchdog->actor, &read) == ERROR_OK ? read.ticket : 0;
}

static void ask_commit(struct watchdog *watchdog, struct visit *visit)
{
    struct buffer ops = {NULL, 0, 0};
    char now[24];
    int size = snprintf(now, sizeof(now), "%lld", (long long)actor_wall(watchdog->actor));
    uint64_t ticket = actor_ticket(watchdog->actor);

    op_put_put(&ops, &(struct op_put){SLICE("watchdog"), SLICE("ready"), {now, (size_t)size}});
    visit->commit_error = store_commit(watchdog->actor, ticket, &ops);
    if (visit->commit_error == ERROR_OK)
        visit->commit_ticket = ticket;
    else
        visit->has_commit = true;
    buffer_free(&ops);
}

/* False when too many wait already. */
static bool enter(struct watchdog *watchdog, enum visit_kind kind, uint64_t reply_to)
{
    size_t i = 0;

    while (i < VISITS_MAX && watchdog->visits[i].kind != VISIT_FREE)
        i++;
    if (i == VISITS_MAX)
        return false;
    struct visit *visit = &watchdog->visits[i];
    *visit = (struct visit){.kind = kind, .reply_to = reply_to};
    actor_timer(watchdog->actor, i, actor_now(watchdog->actor) + PATIENCE_MS);
    visit->store_ticket = ask_read(watchdog, READ_STORE);
    if (kind == VISIT_READY_PAGE)
        ask_commit(watchdog, visit);
    else
        visit->queues_ticket = ask_read(watchdog, READ_QUEUES);
    answer_when_complete(watchdog, visit);
    return true;
}

/* An answer that comes after the visitor's patience finds nobody and is dropped. */
static struct visit *waiting_for(struct watchdog *watchdog, uint64_t ticket)
{
    for (size_t i = 0; i < VISITS_MAX; i++) {
        struct visit *visit = &watchdog->visits[i];
        if (visit->queues_ticket == ticket || visit->store_ticket == ticket || visit->commit_ticket == ticket)
            return visit;
    }
    return NULL;
}

static void on_page(void *self, const struct msg_page *msg)
{
    struct watchdog *watchdog = watchdog_of(self);
    struct visit *visit = waiting_for(watchdog, msg->ticket);
    struct wire wire = wire_over(msg->rows);

    if (visit == NULL)
        return;
    if (visit->queues_ticket == msg->ticket) {
        visit->queues_ticket = 0;
        visit->has_queues = msg->error == ERROR_OK;
        visit->queue_count = msg->count;
        buffer_append(&visit->queues, msg->rows.data, msg->rows.size);
    } else {
        visit->store_ticket = 0;
        visit->has_store = msg->error == ERROR_OK && record_take_store_entry(&wire, &visit->store);
    }
    answer_when_complete(watchdog, visit);
}

static void on_committed(void *self, const struct msg_committed *msg)
{
    struct watchdog *watchdog = watchdog_of(self);
    struct visit *visit = waiting_for(watchdog, msg->ticket);

    if (visit == NULL)
        return;
    visit->commit_ticket = 0;
    visit->has_commit = true;
    visit->commit_error = msg->error;
    answer_when_complete(watchdog, visit);
}

static void on_timer(void *self, uint64_t timer)
{
    struct watchdog *watchdog = watchdog_of(self);

    CHECK(timer < VISITS_MAX);
    if (watchdog->visits[timer].kind != VISIT_FREE)
        answer(watchdog, &watchdog->visits[timer]);
}

/* --- visitors --- */

static void on_http(void *self, uint64_t exchange, const struct http_request *request)
{
    struct watchdog *watchdog = watchdog_of(self);
    bool is_metrics = slice_is(request->path, "/metrics"), is_ready = slice_is(request->path, "/readyz");

    if (!is_metrics && !is_ready && !slice_is(request->path, "/healthz"))
        respond_text(watchdog, exchange, 404, "/metrics, /healthz and /readyz are here\n");
    else if (!slice_is(request->method, "GET"))
        respond_text(watchdog, exchange, 405, "ask with GET\n");
    else if (!is_metrics && !is_ready)
        respond_text(watchdog, exchange, 200, "ok\n");
    else if (is_ready && watchdog->quiescing)
        respond_text(watchdog, exchange, 503, "not ready: the program is stopping\n");
    else if (!enter(watchdog, is_metrics ? VISIT_METRICS_PAGE : VISIT_READY_PAGE, exchange))
        respond_text(watchdog, exchange, 503, "too many ask at once\n");
}

static void on_command(void *self, const struct msg_command *msg)
{
    struct watchdog *watchdog = watchdog_of(self);
    bool is_status = msg->command == COMMAND_STATUS;

    if (!is_status && msg->command != COMMAND_METRICS)
        command_done(watchdog, msg->ticket, ERROR_UNSUPPORTED,
                     SLICE("{\"message\":\"the watchdog knows the commands status and metrics\"}"));
    else if (!enter(watchdog, is_status ? VISIT_STATUS_COMMAND : VISIT_METRICS_COMMAND, msg->ticket))
        command_done(watchdog, msg->ticket, ERROR_FULL, SLICE("{\"message\":\"too many ask at once; try again\"}"));
}

static void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    struct watchdog *watchdog = watchdog_of(self);

    (void)msg;
    watchdog->quiescing = true;
}

/* --- life --- */

/* Metrics outlive an actor's lives and end with the process: the first life writes the moment for those behind it. */
static int64_t process_began(struct actor *actor)
{
    enum { SECOND_MS = 1000 };
    const _Atomic int64_t *began = &actor->metrics->slots[METRIC_BEGAN][0];

    if (atomic_load_explicit(began, memory_order_relaxed) == 0)
        actor_gauge(actor, METRIC_BEGAN, 0, actor_now(actor) / SECOND_MS);
    return atomic_load_explicit(began, memory_order_relaxed) * SECOND_MS;
}

static enum error start(void *self, struct actor *actor)
{
    struct watchdog *watchdog = self;
    const struct config *config = actor_config(actor);
    struct http_server_options options = {
        .address = config->metrics_address,
        .port = (uint16_t)config->metrics_port,
        .body_bytes_max = BODY_BYTES_MAX,
        .header_bytes_max = HEADER_BYTES_MAX,
        .connections_max = CONNECTIONS_MAX,
        .connections_per_ip_max = CONNECTIONS_MAX,
        .read_ms = READ_MS,
        .answer_ms = ANSWER_MS,
    };

    watchdog->magic = WATCHDOG_MAGIC;
    watchdog->actor = actor;
    watchdog->began_ms = process_began(actor);
    return actor_serve(actor, &options);
}

static void stop(void *self)
{
    struct watchdog *watchdog = watchdog_of(self);

    for (size_t i = 0; i < VISITS_MAX; i++)
        buffer_free(&watchdog->visits[i].queues);
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE] = {.quiesce = on_quiesce},
    [MSG_COMMAND] = {.command = on_command},
    [MSG_COMMITTED] = {.committed = on_committed},
    [MSG_PAGE] = {.page = on_page},
};

const struct actor_spec watchdog_spec = {
    .index = ACTOR_WATCHDOG,
    .state_size = sizeof(struct watchdog),
    .start = start,
    .stop = stop,
    .handlers = handlers,
    .on_timer = on_timer,
    .on_http = on_http,
};
