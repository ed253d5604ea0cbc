// SPDX-License-Identifier: MIT
/* Everything beyond the process: the cloud's answers, webhooks on their way in, a producer, and the weather. */
#include "tests/sim/sim.h"
#include "proto/client.h"
#include "proto/text/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DAY_MS = 86400000,
    HOUR_MS = 3600000,
    PUSH_ANSWER_MS = 5000,
    PRODUCER = 7,
    ORDERS_PER_DAY = 12,
    PUSHES_PER_DAY = 6,
    PRESSES_PER_DAY = 12,
};

/* The actor that waits for this event, or NULL when its life or the process has ended. */
static struct sim_actor *receiver(struct sim *sim, const struct sim_event *event)
{
    struct sim_actor *actor = &sim->actors[event->actor];

    if (!sim->process_up || event->boot != sim->boot || !actor->alive || actor->base.life != event->life)
        return NULL;
    return actor;
}

static void end_turn(struct sim_actor *actor)
{
    if (!actor->base.failed && actor->base.spec->turn_end != NULL)
        actor->base.spec->turn_end(actor->base.self);
}

/* --- outgoing calls --- */

static enum error lost_error(const struct sim_event *event)
{
    return event->idempotent ? ERROR_TIMEOUT : ERROR_LOST;
}

static bool is_idle_poll(const struct call *call)
{
    return memmem(call->url.data, call->url.size, "/getUpdates", 11) != NULL;
}

/* The call reaches the service: the deed is done now, whoever lives to hear of it. */
static void run_call(struct sim *sim, struct sim_event *event)
{
    struct call call;
    struct cloud_reply reply;
    struct sim_event answer = *event;

    CHECK(call_unpack(buffer_slice(&event->bytes), &call));
    if (!is_idle_poll(&call)) /* there is always one under way, and mostly nothing comes of it */
        sim_light_fuse(sim);
    cloud_answer(sim->cloud, sim->now_ms, &call, &reply);
    answer.kind = SIM_ANSWER;
    answer.bytes = (struct buffer){NULL, 0, 0};
    answer.at_ms = sim->now_ms + 1 + reply.latency_ms;
    if (reply.absent)
        reply.answer = (struct answer){.error = ERROR_OFFLINE};
    if (reply.lost || reply.latency_ms > event->timeout_ms) {
        reply.answer = (struct answer){.error = lost_error(event), .status = call.kind == CALL_SMTP ? 354 : 0};
        answer.at_ms = sim->now_ms + event->timeout_ms;
    }
    answer_pack(&answer.bytes, &reply.answer);
    sim_event_add(sim, &answer);
}

static void run_answer(struct sim *sim, struct sim_event *event)
{
    struct sim_actor *actor = receiver(sim, event);
    struct answer answer;

    if (actor == NULL)
        return;
    CHECK(answer_unpack(buffer_slice(&event->bytes), &answer));
    actor_hand(&actor->base, event->job, event->run);
    actor->base.spec->on_answer(actor->base.self, event->ticket, &answer);
    actor_hand(&actor->base, 0, 0);
    end_turn(actor);
}

/* --- webhooks --- */

static void tell_sender(struct sim *sim, uint64_t delivery, enum error error, int status)
{
    struct answer answer = {.error = error, .status = status};

    sim->hooks_acknowledged += error == ERROR_OK && status >= 200 && status < 300;
    cloud_delivery_told(sim->cloud, sim->now_ms, delivery, &answer);
}

static bool exchange_take(struct sim *sim, uint64_t exchange, uint64_t *delivery)
{
    for (size_t i = 0; i < sim->exchange_count; i++)
        if (sim->exchanges[i].exchange == exchange) {
            *delivery = sim->exchanges[i].delivery;
            sim->exchanges[i] = sim->exchanges[--sim->exchange_count];
            return true;
        }
    return false;
}

void sim_hook_answered(struct sim *sim, uint64_t exchange, int status)
{
    uint64_t delivery;

    sim_trace(sim, &status, sizeof(status));
    if (exchange_take(sim, exchange, &delivery))
        tell_sender(sim, delivery, ERROR_OK, status);
}

void sim_drop_connections(struct sim *sim)
{
    while (sim->exchange_count > 0)
        tell_sender(sim, sim->exchanges[--sim->exchange_count].delivery, ERROR_LOST, 0);
    sim->producer_greeted = false;
    for (size_t i = 0; i < sim->push_count; i++)
        sim->pushes[i].sent_ms = 0;
}

static struct slice path_of(struct slice url)
{
    const char *scheme = memchr(url.data, ':', url.size);
    size_t skip = scheme ? (size_t)(scheme - url.data) + 3 : 0;
    const char *slash = memchr(url.data + skip, '/', url.size - skip);

    CHECK(slash != NULL);
    return (struct slice){slash, url.size - (size_t)(slash - url.data)};
}

/* Remembers which orders want a mail, as the workflow decides it. */
static void note_order(struct sim *sim, struct slice body)
{
    struct json_problem problem;
    json_t *order = json_read(body, &problem);
    char id[33];

    if (order != NULL && json_id_at(order, "id", id) &&
        (json_text_at(order, "email").size > 0 || json_text_at(order, "contact_email").size > 0)) {
        uint64_t number = strtoull(id, NULL, 10);
        size_t at = 0;
        while (at < sim->mail_order_count && sim->mail_orders[at] != number)
            at++;
        if (at == sim->mail_order_count) {
            sim->mail_orders = xrealloc(sim->mail_orders, (at + 1) * sizeof(*sim->mail_orders));
            sim->mail_orders[sim->mail_order_count++] = number;
        }
    }
    json_decref(order);
}

static void post(struct sim *sim, struct sim_actor *ingress, uint64_t delivery, const struct call *call)
{
    struct http_request request = {
        .method = call->method, .path = path_of(call->url), .body = call->body, .peer = SLICE("127.0.0.1")};

    sim_light_fuse(sim);
    CHECK(sim->exchange_count < SIM_PENDING_MAX && call->header_count <= HTTP_HEADERS_MAX);
    for (size_t i = 0; i < call->header_count; i++)
        request.headers[request.header_count++] = (struct http_header){call->headers[i].name, call->headers[i].value};
    sim->exchanges[sim->exchange_count++] = (struct sim_exchange){++sim->exchange_last, delivery};
    sim_event_add(sim, &(struct sim_event){.at_ms = sim->now_ms + CLOUD_HOOK_TIMEOUT_MS,
                                           .kind = SIM_HOOK_LATE,
                                           .ticket = sim->exchange_last});
    ingress->base.spec->on_http(ingress->base.self, sim->exchange_last, &request);
    end_turn(ingress);
}

void sim_deliver_hooks(struct sim *sim)
{
    struct sim_actor *ingress = &sim->actors[ACTOR_INGRESS];
    uint64_t delivery;
    struct call call;

    while (cloud_delivery_take(sim->cloud, sim->now_ms, &delivery, &call)) {
        sim_trace(sim, call.body.data, call.body.size);
        note_order(sim, call.body);
        if (!sim->process_up || !ingress->alive || !ingress->serving || ingress->base.failed)
            tell_sender(sim, delivery, ERROR_OFFLINE, 0);
        else
            post(sim, ingress, delivery, &call);
    }
}

/* --- the producer: repeats each push with the same id until it hears that it is safe --- */

static void say(struct sim *sim, const struct buffer *message)
{
    struct sim_actor *ingress = &sim->actors[ACTOR_INGRESS];

    if (!sim->process_up || !ingress->alive || ingress->base.failed)
        return;
    sim_light_fuse(sim);
    ingress->base.spec->on_peer(ingress->base.self, PRODUCER, buffer_slice(message));
    end_turn(ingress);
}

static void push_one(struct sim *sim, struct sim_push *push)
{
    struct buffer message = {NULL, 0, 0};
    char id[32], key[8], payload[64];

    if (!sim->producer_greeted) {
        client_put_hello(&message, &(struct client_hello){.sequence = 0, .version = 1, .client = SLICE("sim")});
        sim->producer_greeted = true;
        say(sim, &message);
        buffer_clear(&message);
    }
    snprintf(id, sizeof(id), "push-%llu", (unsigned long long)push->sequence);
    snprintf(key, sizeof(key), "k%llu", (unsigned long long)(push->sequence % 3));
    snprintf(payload, sizeof(payload), "{\"n\":%llu}", (unsigned long long)push->sequence);
    client_put_push(&message, &(struct client_push){.sequence = push->sequence,
                                                    .queue = SLICE("stock-updates"),
                                                    .id = slice_of(id),
                                                    .key = slice_of(key),
                                                    .priority = 4,
                                                    .content_type = SLICE("application/json"),
                                                    .payload = slice_of(payload)});
    push->sent_ms = sim->now_ms;
    say(sim, &message);
    buffer_free(&message);
}

void sim_producer_message(struct sim *sim, struct slice bytes)
{
    struct client_message message;
    char problem[200];
    uint64_t sequence;

    sim_trace(sim, bytes.data, bytes.size);
    if (!client_take(bytes, &message, &sequence, problem, sizeof(problem))) {
        sim_breach(sim, "an answer to a producer cannot be read: %s", problem);
        return;
    }
    if (sequence == 0 || sequence > sim->push_count)
        return;
    struct sim_push *push = &sim->pushes[sequence - 1];
    push->sent_ms = 0;
    if (message.id == CLIENT_ACCEPTED || message.id == CLIENT_DUPLICATE)
        push->acknowledged = true;
    else if (message.id == CLIENT_REFUSED && !slice_is(message.refused.error, "unsupported"))
        sim_breach(sim, "a good push was refused: %.*s", (int)message.refused.message.size,
                   message.refused.message.data);
    else if (message.id == CLIENT_REFUSED)
        sim->producer_greeted = false;
}

static void run_push(struct sim *sim, const struct sim_event *event)
{
    bool open = false;

    if (event->ticket > 0) { /* a new one; ticket 0 only looks after the old */
        sim->pushes = xrealloc(sim->pushes, (sim->push_count + 1) * sizeof(*sim->pushes));
        sim->pushes[sim->push_count] = (struct sim_push){.sequence = sim->push_count + 1};
        sim->push_count++;
    }
    for (size_t i = 0; i < sim->push_count; i++) {
        struct sim_push *push = &sim->pushes[i];
        if (!push->acknowledged && (push->sent_ms == 0 || sim->now_ms - push->sent_ms > PUSH_ANSWER_MS))
            push_one(sim, push);
        open = open || !push->acknowledged;
    }
    if (open)
        sim_event_add(sim, &(struct sim_event){.at_ms = sim->now_ms + PUSH_ANSWER_MS, .kind = SIM_PUSH});
}

/* --- people --- */

/* One press, or the same one several times. With strict people only strangers say yes, so nothing may be approved. */
static void run_press(struct sim *sim)
{
    static const char *const buttons[] = {"Reject", "Later", "Approve", "Approve", "Approve"};
    bool is_stranger = sim_below(sim, 4) == 0;
    const char *button = is_stranger ? "Approve" : buttons[sim_below(sim, sim->strict_people ? 2 : 5)];
    uint64_t messages = cloud_counts(sim->cloud)->telegram_messages, back = sim_below(sim, 3);

    if (messages <= back)
        return;
    for (uint64_t presses = 1 + sim_below(sim, 4); presses > 0; presses--)
        cloud_telegram_press(sim->cloud, sim->now_ms, is_stranger ? SIM_STRANGER : SIM_APPROVER, SIM_CHAT,
                             (int64_t)(messages - back), slice_of(button));
}

/* --- weather --- */

static void run_faults(struct sim *sim)
{
    int64_t until = sim->now_ms + 60000 + (int64_t)sim_below(sim, 4 * HOUR_MS);
    enum cloud_service service = (enum cloud_service)sim_below(sim, CLOUD_SERVICE_COUNT);
    enum cloud_fault fault = (enum cloud_fault)sim_below(sim, CLOUD_FAULT_COUNT);
    unsigned permille = sim_below(sim, 3) == 0 ? 1000 : (unsigned)(100 + sim_below(sim, 500));

    if (fault == CLOUD_LOST_HOOK) /* nothing in here asks Shopify for what it never sent; shopify_api.py does */
        return;
    cloud_fault_set(sim->cloud, service, fault, until, permille); /* pairs without sense change nothing */
}

static void run_disk_fault(struct sim *sim)
{
    static const enum kv_memory_fault faults[] = {KV_FAULT_DISK_FULL, KV_FAULT_LOST, KV_FAULT_ANSWER_LOST};

    kv_memory_disk_fail(sim->disk, 1 + sim_below(sim, 20), faults[sim_below(sim, 3)]);
}

static void scatter(struct sim *sim, unsigned days, unsigned per_day, enum sim_event_kind kind, uint64_t ticket)
{
    for (unsigned i = 0; i < days * per_day; i++)
        sim_event_add(sim, &(struct sim_event){.at_ms = sim->now_ms + (int64_t)sim_below(sim, (uint64_t)days * DAY_MS),
                                               .kind = kind,
                                               .ticket = ticket});
}

void sim_weather(struct sim *sim, unsigned days)
{
    cloud_orders_place(sim->cloud, sim->now_ms + 60000, days * ORDERS_PER_DAY, DAY_MS / ORDERS_PER_DAY);
    scatter(sim, days, PUSHES_PER_DAY, SIM_PUSH, 1);
    scatter(sim, days, 4, SIM_FAULTS, 0);
    scatter(sim, days, 3, SIM_CRASH, 0);
    scatter(sim, days, 1, SIM_DISK_FAULT, 0);
    scatter(sim, days, PRESSES_PER_DAY, SIM_PRESS, 0);
    scatter(sim, days, 1, SIM_CLOCK_STEP, 0);
}

void sim_event_run(struct sim *sim, struct sim_event *event)
{
    struct sim_actor *actor;
    uint64_t delivery;

    sim_trace(sim, &event->kind, sizeof(event->kind));
    switch (event->kind) {
    case SIM_CALL:
        run_call(sim, event);
        break;
    case SIM_ANSWER:
        run_answer(sim, event);
        break;
    case SIM_HOOK_LATE:
        if (exchange_take(sim, event->ticket, &delivery))
            tell_sender(sim, delivery, ERROR_LOST, 0);
        break;
    case SIM_SINK:
        actor = receiver(sim, event);
        if (actor != NULL) {
            actor->base.spec->on_sink(actor->base.self, event->ticket, event->error, event->cursor);
            end_turn(actor);
        }
        break;
    case SIM_CRASH:
        sim->armed = true;
        break;
    case SIM_BOOT:
        sim_boot(sim);
        break;
    case SIM_CLOCK_STEP:
        sim->wall_offset_ms = (int64_t)sim_below(sim, 4 * HOUR_MS) - 2 * HOUR_MS;
        break;
    case SIM_FAULTS:
        run_faults(sim);
        break;
    case SIM_DISK_FAULT:
        run_disk_fault(sim);
        break;
    case SIM_PUSH:
        run_push(sim, event);
        break;
    case SIM_PRESS:
        run_press(sim);
        break;
    }
}
