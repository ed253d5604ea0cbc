// SPDX-License-Identifier: MIT
#include "actors/ingress/ingress.h"
#include "actors/ingress/state.h"
#include "proto/text/json.h"
#include <stdio.h>
#include <string.h>

static struct ingress *ingress_of(void *self)
{
    struct ingress *ingress;

    CAST_OBJ(ingress, self, INGRESS_MAGIC);
    return ingress;
}

/* --- life --- */

static enum error listen_http(struct ingress *ingress)
{
    const struct config *config = ingress->config;
    /* A body past payload_bytes_max could never become a job: it is not read to its end. */
    int64_t body_bytes_max = config->http_body_bytes_max < config->payload_bytes_max ? config->http_body_bytes_max
                                                                                     : config->payload_bytes_max;
    struct http_server_options options = {
        .address = config->http_address,
        .port = (uint16_t)config->http_port,
        .body_bytes_max = (size_t)body_bytes_max,
        .header_bytes_max = (size_t)config->http_header_bytes_max,
        .connections_max = (unsigned)config->http_connections_max,
        .connections_per_ip_max = (unsigned)config->http_connections_per_ip_max,
        .read_ms = (uint32_t)config->http_read_ms,
        .answer_ms = (uint32_t)config->http_answer_ms,
    };

    return actor_serve(ingress->actor, &options);
}

static enum error listen_peers(struct ingress *ingress)
{
    const struct config *config = ingress->config;
    bool is_v6 = strchr(config->producer_address, ':') != NULL;
    char endpoint[96];

    snprintf(endpoint, sizeof(endpoint), is_v6 ? "tcp://[%s]:%lld" : "tcp://%s:%lld", config->producer_address,
             (long long)config->producer_port);
    return actor_peer_listen(ingress->actor,
                             &(struct peer_options){.endpoint = endpoint,
                                                    .message_bytes_max = (size_t)config->producer_message_bytes_max});
}

static enum error start(void *self, struct actor *actor)
{
    struct ingress *ingress = self;
    enum error error;

    ingress->magic = INGRESS_MAGIC;
    ingress->actor = actor;
    ingress->config = actor_config(actor);
    hooks_open(ingress);
    error = listen_http(ingress);
    if (error == ERROR_OK)
        error = listen_peers(ingress);
    if (error == ERROR_OK) {
        intake_read_depths(ingress);
        telegram_start(ingress);
    }
    return error;
}

static void stop(void *self)
{
    hooks_close(self);
    telegram_stop(self);
}

static void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    struct ingress *ingress = ingress_of(self);

    (void)msg;
    ingress->quiescing = true;
    actor_serve_quiesce(ingress->actor);
}

/* --- console --- */

static void command_done(struct ingress *ingress, uint64_t ticket, enum error error, json_t *body)
{
    struct buffer text = {NULL, 0, 0};
    enum error sent;

    json_write(&text, body);
    sent = send_command_done(
        ingress->actor, ACTOR_SUPERVISOR,
        &(struct msg_command_done){.ticket = ticket, .error = error, .body = buffer_slice(&text)});
    CHECK(sent == ERROR_OK);
    json_decref(body);
    buffer_free(&text);
}

static void command_refused(struct ingress *ingress, uint64_t ticket, enum error error, const char *message)
{
    command_done(ingress, ticket, error, json_pack("{s:s}", "message", message));
}

static void push_command(struct ingress *ingress, uint64_t ticket, const struct intake *intake)
{
    struct intake_refusal refusal;
    struct pending *pending;
    enum error error;

    if (!intake_check(ingress, intake, &refusal)) {
        command_refused(ingress, ticket, refusal.error, refusal.message);
        return;
    }
    pending = pending_new(ingress, PENDING_COMMAND);
    if (pending == NULL) {
        command_refused(ingress, ticket, ERROR_FULL, "too much is under way; try again");
        return;
    }
    pending->reply_to = ticket;
    error = intake_commit(ingress, pending, intake);
    if (error == ERROR_OK)
        return;
    pending_free(ingress, pending);
    command_refused(ingress, ticket, error, "the store is busy; try again");
}

static void on_command(void *self, const struct msg_command *msg)
{
    struct ingress *ingress = ingress_of(self);
    struct json_problem problem;
    json_t *arguments;

    if (msg->command != COMMAND_PUSH) {
        command_refused(ingress, msg->ticket, ERROR_UNSUPPORTED, "ingress knows the command push only");
        return;
    }
    arguments = json_read(msg->arguments, &problem);
    if (!json_is_object(arguments)) {
        command_refused(ingress, msg->ticket, ERROR_MALFORMED, "arguments must be a JSON object");
    } else {
        struct intake_job job = {json_text_at(arguments, "id"), json_text_at(arguments, "key"),
                                 json_text_at(arguments, "payload")};
        struct intake intake = {json_text_at(arguments, "queue"), SLICE("application/json"), 0, 4, &job, 1};
        push_command(ingress, msg->ticket, &intake);
    }
    json_decref(arguments);
}

static void command_on_committed(struct ingress *ingress, const struct pending *pending,
                                 const struct msg_committed *msg)
{
    if (msg->error != ERROR_OK)
        command_refused(ingress, pending->reply_to, msg->error, error_doc(msg->error));
    else if (intake_accepted(ingress, pending, msg) == 0)
        command_done(ingress, pending->reply_to, ERROR_OK, json_pack("{s:b}", "duplicate", 1));
    else
        command_done(ingress, pending->reply_to, ERROR_OK, json_pack("{s:I}", "job", (json_int_t)msg->first_id));
}

/* --- inputs --- */

static void on_committed(void *self, const struct msg_committed *msg)
{
    struct ingress *ingress = ingress_of(self);
    struct pending *pending;

    if (telegram_on_committed(ingress, msg))
        return;
    pending = pending_find(ingress, msg->ticket);
    if (pending->kind == PENDING_HOOK)
        hooks_on_committed(ingress, pending, msg);
    else if (pending->kind == PENDING_PEER)
        peers_on_committed(ingress, pending, msg);
    else
        command_on_committed(ingress, pending, msg);
    pending_free(ingress, pending);
}

static void on_page(void *self, const struct msg_page *msg)
{
    if (!telegram_on_page(ingress_of(self), msg))
        intake_on_page(ingress_of(self), msg);
}

static void on_timer(void *self, uint64_t timer)
{
    CHECK(timer == TIMER_DEPTH || timer == TIMER_TELEGRAM);
    if (timer == TIMER_TELEGRAM)
        telegram_on_timer(ingress_of(self));
    else
        intake_read_depths(ingress_of(self));
}

static void on_answer(void *self, uint64_t ticket, const struct answer *answer)
{
    telegram_on_answer(ingress_of(self), ticket, answer);
}

static void on_http(void *self, uint64_t exchange, const struct http_request *request)
{
    hooks_on_http(ingress_of(self), exchange, request);
}

static void on_peer(void *self, uint64_t peer, struct slice message)
{
    peers_on_message(ingress_of(self), peer, message);
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE] = {.quiesce = on_quiesce},
    [MSG_COMMAND] = {.command = on_command},
    [MSG_COMMITTED] = {.committed = on_committed},
    [MSG_PAGE] = {.page = on_page},
};

const struct actor_spec ingress_spec = {
    .index = ACTOR_INGRESS,
    .state_size = sizeof(struct ingress),
    .start = start,
    .stop = stop,
    .handlers = handlers,
    .on_timer = on_timer,
    .on_answer = on_answer,
    .on_http = on_http,
    .on_peer = on_peer,
};
