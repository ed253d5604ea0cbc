// SPDX-License-Identifier: MIT
#include "proto/client/purser.h"
#include "proto/check.h"
#include "proto/client.h"
#include "proto/client/link.h"
#include "proto/text/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 10000,
    ANSWER_BYTES_MAX = 16 << 20,
    NAME_BYTES_MAX = 64,
    PAUSE_FIRST_MS = 20,
    PAUSE_MAX_MS = 2000,
};

struct purser {
    unsigned magic;
#define PURSER_MAGIC 0x50555253u
    struct link link;
    char *endpoint, *name;
    int64_t timeout_ms, connect_ms;
    size_t answer_bytes_max;
    uint64_t sequence;
    int64_t until_ms; /* deadline of the call under way */
    char server[128];
    uint64_t message_bytes_max, batch_max;
    struct buffer ask, received;
};

const char *purser_outcome_name(enum purser_outcome outcome)
{
    static const char *const names[] = {"accepted", "duplicate", "full", "refused", "unreachable", "no-answer"};

    CHECK((size_t)outcome < sizeof(names) / sizeof(names[0]));
    return names[outcome];
}

static enum purser_outcome say(struct purser_answer *answer, enum purser_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum purser_outcome say(struct purser_answer *answer, enum purser_outcome outcome, const char *format, ...)
{
    va_list list;

    answer->outcome = outcome;
    va_start(list, format);
    vsnprintf(answer->message, sizeof(answer->message), format, list);
    va_end(list);
    return outcome;
}

static enum purser_outcome refuse(struct purser_answer *answer, enum error error, const char *message)
{
    snprintf(answer->error, sizeof(answer->error), "%s", error_name(error));
    return say(answer, PURSER_REFUSED, "%s", message);
}

static void copy_text(char *into, size_t size, struct slice text)
{
    size_t length = text.size < size - 1 ? text.size : size - 1;

    if (length > 0)
        memcpy(into, text.data, length);
    into[length] = '\0';
}

struct purser *purser_open(const char *endpoint, const struct purser_options *options, struct purser_answer *problem)
{
    static const struct purser_options usual;
    struct purser *purser = xcalloc(1, sizeof(*purser));

    if (options == NULL)
        options = &usual;
    *problem = (struct purser_answer){.outcome = PURSER_ACCEPTED};
    purser->magic = PURSER_MAGIC;
    purser->endpoint = slice_dup(slice_of(endpoint));
    purser->name = slice_dup(slice_of(options->name ? options->name : "libpurser"));
    if (strlen(purser->name) > NAME_BYTES_MAX)
        purser->name[NAME_BYTES_MAX] = '\0';
    purser->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    purser->connect_ms = options->connect_ms > 0 ? options->connect_ms : purser->timeout_ms;
    purser->answer_bytes_max = options->answer_bytes_max > 0 ? options->answer_bytes_max : ANSWER_BYTES_MAX;
    link_init(&purser->link);
    if (link_open(&purser->link, endpoint, purser->answer_bytes_max)) {
        link_close(&purser->link);
        return purser;
    }
    say(problem, PURSER_UNREACHABLE,
        "\"%.200s\" is no endpoint; one looks like tcp://127.0.0.1:8421 or ipc:///path/control.sock", endpoint);
    purser_close(&purser);
    return NULL;
}

struct purser *purser_connect(const char *endpoint, const struct purser_options *options, struct purser_answer *problem)
{
    struct purser *purser = purser_open(endpoint, options, problem);

    if (purser != NULL && purser_hello(purser, problem) != PURSER_ACCEPTED)
        purser_close(&purser);
    return purser;
}

void purser_close(struct purser **purser)
{
    struct purser *gone = *purser;

    if (gone == NULL)
        return;
    *purser = NULL;
    link_fini(&gone->link);
    free(gone->endpoint);
    free(gone->name);
    buffer_free(&gone->ask);
    buffer_free(&gone->received);
    free(gone);
}

const char *purser_server(const struct purser *purser)
{
    return purser->server;
}

uint64_t purser_message_bytes_max(const struct purser *purser)
{
    return purser->message_bytes_max;
}

uint64_t purser_batch_max(const struct purser *purser)
{
    return purser->batch_max;
}

static struct purser *begin(struct purser *purser, struct purser_answer *answer)
{
    struct purser *checked;

    CAST_OBJ(checked, purser, PURSER_MAGIC);
    *answer = (struct purser_answer){.outcome = PURSER_NO_ANSWER};
    purser->until_ms = link_now_ms() + purser->timeout_ms;
    return checked;
}

/* Waits for the answer to `sequence`. Answers to earlier asks that came too late are passed over; a refusal of
 * sequence 0 (the daemon could not read the message) can only mean the one under way. */
static enum link_event await(struct purser *purser, uint64_t sequence, int64_t until_ms, struct client_message *message)
{
    for (;;) {
        char problem[200];
        uint64_t seen = 0;
        enum link_event event = link_receive(&purser->link, &purser->received, until_ms);
        if (event != LINK_MESSAGE)
            return event;
        if (!client_take(buffer_slice(&purser->received), message, &seen, problem, sizeof(problem)) ||
            client_info[message->id].way != CLIENT_WAY_ANSWER)
            return LINK_LOST;
        if (seen == sequence || (seen == 0 && message->id == CLIENT_REFUSED))
            return LINK_MESSAGE;
    }
}

static enum purser_outcome take_refusal(const struct client_refused *refused, struct purser_answer *answer)
{
    copy_text(answer->error, sizeof(answer->error), refused->error);
    copy_text(answer->message, sizeof(answer->message), refused->message);
    return answer->outcome = PURSER_REFUSED;
}

/* One hello on a fresh socket. */
static enum purser_outcome hello_once(struct purser *purser, int64_t until_ms, struct purser_answer *answer)
{
    struct buffer hello = {NULL, 0, 0};
    struct client_message message;
    uint64_t sequence = ++purser->sequence;
    enum link_event event = LINK_LOST;

    client_put_hello(&hello, &(struct client_hello){
                                 .sequence = sequence, .version = CLIENT_VERSION, .client = slice_of(purser->name)});
    if (link_open(&purser->link, purser->endpoint, purser->answer_bytes_max) &&
        link_send(&purser->link, buffer_slice(&hello)))
        event = await(purser, sequence, until_ms, &message);
    buffer_free(&hello);
    if (event == LINK_MESSAGE && message.id == CLIENT_WELCOME) {
        copy_text(purser->server, sizeof(purser->server), message.welcome.server);
        purser->message_bytes_max = message.welcome.message_bytes_max;
        purser->batch_max = message.welcome.batch_max;
        answer->message[0] = '\0';
        return answer->outcome = PURSER_ACCEPTED;
    }
    link_close(&purser->link);
    if (event == LINK_MESSAGE && message.id == CLIENT_REFUSED)
        return take_refusal(&message.refused, answer);
    if (event == LINK_LATE)
        return say(answer, PURSER_UNREACHABLE, "no purserd answers at %s", purser->endpoint);
    return say(answer, PURSER_UNREACHABLE, "cannot reach purserd at %s; is it running?", purser->endpoint);
}

/* Makes sure of a connection that has been welcomed, trying until the deadline of the call. */
static enum purser_outcome connect_link(struct purser *purser, struct purser_answer *answer)
{
    int64_t until_ms = link_now_ms() + purser->connect_ms;
    enum purser_outcome outcome;

    if (until_ms > purser->until_ms)
        until_ms = purser->until_ms;
    if (link_is_open(&purser->link))
        return PURSER_ACCEPTED;
    for (int64_t pause = PAUSE_FIRST_MS;; pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
        outcome = hello_once(purser, until_ms, answer);
        if (outcome != PURSER_UNREACHABLE || link_now_ms() + pause >= until_ms)
            return outcome;
        link_pause(pause, until_ms);
    }
}

/* Sends what stands in purser->ask and waits. A connection that broke before this ask is found out by the send or by
 * its monitor; `repeatable` asks are then, and after a lost answer, made again on a new connection until the deadline.
 */
static enum purser_outcome ask(struct purser *purser, uint64_t sequence, bool repeatable,
                               struct client_message *message, struct purser_answer *answer)
{
    bool sent = false;

    for (;;) {
        enum purser_outcome outcome = connect_link(purser, answer);
        if (outcome == PURSER_UNREACHABLE && sent)
            return say(answer, PURSER_NO_ANSWER, "the connection to %s was lost before the answer came",
                       purser->endpoint);
        if (outcome != PURSER_ACCEPTED)
            return outcome;
        if (purser->ask.size > purser->message_bytes_max)
            return refuse(answer, ERROR_TOO_LARGE, "the message is larger than the daemon takes");
        if (!link_send(&purser->link, buffer_slice(&purser->ask))) {
            link_close(&purser->link);
            continue;
        }
        sent = true;
        enum link_event event = await(purser, sequence, purser->until_ms, message);
        if (event == LINK_MESSAGE)
            return PURSER_ACCEPTED;
        link_close(&purser->link);
        if (event == LINK_LATE)
            return say(answer, PURSER_NO_ANSWER, "no answer from %s within %lld ms", purser->endpoint,
                       (long long)purser->timeout_ms);
        if (!repeatable)
            return say(answer, PURSER_NO_ANSWER, "the connection to %s was lost before the answer came",
                       purser->endpoint);
        link_pause(PAUSE_FIRST_MS, purser->until_ms);
    }
}

/* A connection may have died while nobody looked; finding out now costs nothing, finding out after the send would make
 * an outcome unknown that need not be. */
static void drop_dead_link(struct purser *purser)
{
    enum link_event event = LINK_MESSAGE;

    while (link_is_open(&purser->link) && event == LINK_MESSAGE) {
        event = link_receive(&purser->link, &purser->received, 0);
        if (event == LINK_LOST)
            link_close(&purser->link);
    }
}

static enum purser_outcome unexpected(struct purser *purser, struct purser_answer *answer)
{
    link_close(&purser->link);
    return say(answer, PURSER_NO_ANSWER, "%s sent an answer that does not fit the question", purser->endpoint);
}

enum purser_outcome purser_hello(struct purser *purser, struct purser_answer *answer)
{
    begin(purser, answer);
    link_close(&purser->link);
    return connect_link(purser, answer);
}

enum purser_outcome purser_ping(struct purser *purser, struct purser_answer *answer)
{
    struct client_message message;
    uint64_t sequence = ++begin(purser, answer)->sequence;

    drop_dead_link(purser);
    buffer_clear(&purser->ask);
    client_put_ping(&purser->ask, &(struct client_ping){sequence});
    enum purser_outcome outcome = ask(purser, sequence, true, &message, answer);
    if (outcome != PURSER_ACCEPTED)
        return outcome;
    if (message.id == CLIENT_REFUSED)
        return take_refusal(&message.refused, answer);
    if (message.id != CLIENT_PONG)
        return unexpected(purser, answer);
    return answer->outcome = PURSER_ACCEPTED;
}

static enum purser_outcome take_push_answer(struct purser *purser, const struct client_message *message,
                                            struct purser_answer *answer)
{
    switch (message->id) {
    case CLIENT_ACCEPTED:
        answer->job = message->accepted.job;
        answer->count = message->accepted.count;
        answer->duplicates = message->accepted.duplicates;
        return answer->outcome = PURSER_ACCEPTED;
    case CLIENT_DUPLICATE:
        return say(answer, PURSER_DUPLICATE, "that id was accepted before");
    case CLIENT_FULL:
        answer->retry_ms = message->full.retry_ms;
        return say(answer, PURSER_FULL, "the daemon is full; ask again in %llu ms",
                   (unsigned long long)answer->retry_ms);
    case CLIENT_REFUSED:
        return take_refusal(&message->refused, answer);
    default:
        return unexpected(purser, answer);
    }
}

enum purser_outcome purser_push(struct purser *purser, const struct purser_push *push, struct purser_answer *answer)
{
    struct client_message message;
    uint64_t sequence = ++begin(purser, answer)->sequence;

    drop_dead_link(purser);
    buffer_clear(&purser->ask);
    client_put_push(&purser->ask, &(struct client_push){.sequence = sequence,
                                                        .queue = push->queue,
                                                        .id = push->job.id,
                                                        .key = push->job.key,
                                                        .due_ms = push->due_ms,
                                                        .priority = push->priority,
                                                        .content_type = push->content_type,
                                                        .payload = push->job.payload});
    enum purser_outcome outcome = ask(purser, sequence, push->job.id.size > 0, &message, answer);
    return outcome == PURSER_ACCEPTED ? take_push_answer(purser, &message, answer) : outcome;
}

enum purser_outcome purser_push_many(struct purser *purser, struct slice queue, struct slice content_type,
                                     const struct purser_job *jobs, size_t count, struct purser_answer *answer)
{
    struct buffer list = {NULL, 0, 0};
    struct client_message message;
    uint64_t sequence = ++begin(purser, answer)->sequence;
    bool repeatable = true;

    if (count == 0 || count > CLIENT_BATCH_MAX)
        return refuse(answer, ERROR_INVALID, "a batch is 1 to 256 jobs");
    wire_put_array(&list, count);
    for (size_t i = 0; i < count; i++) {
        wire_put_array(&list, 3);
        wire_put_text(&list, jobs[i].id);
        wire_put_text(&list, jobs[i].key);
        wire_put_blob(&list, jobs[i].payload);
        repeatable = repeatable && jobs[i].id.size > 0;
    }
    drop_dead_link(purser);
    buffer_clear(&purser->ask);
    client_put_push_many(&purser->ask, &(struct client_push_many){.sequence = sequence,
                                                                  .queue = queue,
                                                                  .content_type = content_type,
                                                                  .jobs = buffer_slice(&list)});
    buffer_free(&list);
    enum purser_outcome outcome = ask(purser, sequence, repeatable, &message, answer);
    return outcome == PURSER_ACCEPTED ? take_push_answer(purser, &message, answer) : outcome;
}

/* The daemon's own words stand in the body's "message"; without them the error's meaning is told. */
static void explain(struct slice body, struct purser_answer *answer)
{
    struct json_problem why;
    json_t *value = body.size > 0 ? json_read(body, &why) : NULL;
    struct slice message = json_text_at(value, "message");
    enum error error;

    if (message.size == 0 && error_from_name(slice_of(answer->error), &error))
        message = slice_of(error_doc(error));
    copy_text(answer->message, sizeof(answer->message), message);
    json_decref(value);
}

enum purser_outcome purser_command(struct purser *purser, const char *words, struct slice arguments,
                                   struct buffer *body, struct purser_answer *answer)
{
    struct client_message message;
    uint64_t sequence = ++begin(purser, answer)->sequence;

    drop_dead_link(purser);
    buffer_clear(&purser->ask);
    client_put_command(
        &purser->ask, &(struct client_command){.sequence = sequence, .words = slice_of(words), .arguments = arguments});
    enum purser_outcome outcome = ask(purser, sequence, false, &message, answer);
    if (outcome != PURSER_ACCEPTED)
        return outcome;
    if (message.id == CLIENT_REFUSED)
        return take_refusal(&message.refused, answer);
    if (message.id != CLIENT_RESULT)
        return unexpected(purser, answer);
    buffer_append(body, message.result.body.data, message.result.body.size);
    if (slice_is(message.result.error, "ok"))
        return answer->outcome = PURSER_ACCEPTED;
    copy_text(answer->error, sizeof(answer->error), message.result.error);
    explain(message.result.body, answer);
    return answer->outcome = PURSER_REFUSED;
}
