// SPDX-License-Identifier: MIT
/* The supervisor: starts the others in roster order, judges their progress, restarts those that return an error within
 * a budget, stops all in order, and owns the control socket. It is an actor itself, on the main thread. */
#include "proto/client.h"
#include "proto/text/json.h"
#include "runtime/clock.h"
#include "runtime/engine_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TIMER_BEAT = 1,
    TIMER_STOP_DEADLINE,
    TIMER_STOP_NOW,
    TIMER_RESTART, /* + actor index */
    COMMANDS_MAX = 64,
    COMMAND_MS = 10000,
    RESTARTS_MAX = 3,
    RESTART_WINDOW_MS = 60000,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 30000,
    HANG_WARN_MS = 5000,
    HANG_ABORT_MS = 30000,
    HANG_STORE_MS = 180000, /* a cheap card may stall for long while it syncs: bad luck, not a bug */
    CONTROL_MESSAGE_BYTES_MAX = 2 << 20,
};

struct asked { /* a console command on its way */
    uint64_t ticket, peer, sequence;
    int64_t until_ms;
};

struct watched {
    int64_t deaths_ms[RESTARTS_MAX]; /* the last ones, newest first */
    uint64_t death_count;
    bool warned;
};

struct supervisor {
    unsigned magic;
#define SUPERVISOR_MAGIC 0x53555056u
    struct actor *actor;
    struct engine *engine;
    struct watched watched[ACTOR_COUNT];
    struct asked asked[COMMANDS_MAX];
    size_t asked_count;
    unsigned next_start; /* the actor that starts when the one before is ready */
    unsigned beats;
    bool stopping, all_started;
    int stop_index; /* the actor that was told to stop */
    int64_t stop_deadline_ms;
    int exit_code;
    bool done;
};

static struct supervisor *supervisor_cast(void *self)
{
    struct supervisor *supervisor;

    CAST_OBJ(supervisor, self, SUPERVISOR_MAGIC);
    return supervisor;
}

static void end(struct supervisor *supervisor, int exit_code)
{
    if (supervisor->exit_code == ENGINE_STOPPED)
        supervisor->exit_code = exit_code;
    supervisor->done = true;
}

/* Actors everybody stands on are not restarted alone: those who asked them would wait for ever. The engine is
 * started anew instead, on a store that loses nothing. */
static bool is_essential(unsigned index)
{
    return index == ACTOR_STORE || index == ACTOR_LIMITER;
}

/* "s": still starting, "b": a beat, "q": stopping, whoever asked for it. */
static void tell_guardian(const struct supervisor *supervisor, const char *what)
{
    int fd = supervisor->engine->options->guardian_fd;

    if (fd < 0)
        return;
    ssize_t ignored = write(fd, what, 1);
    (void)ignored; /* a guardian that is gone ends us by the parent-death signal */
}

static void note_all_started(struct supervisor *supervisor)
{
    if (supervisor->all_started)
        return;
    supervisor->all_started = true;
    tell_guardian(supervisor, supervisor->all_started ? "b" : "s");
    ACTOR_LOG(supervisor->actor, LOG_INFO, "all-started",
              L_I64("took_ms", actor_now(supervisor->actor) - supervisor->engine->started_ms));
}

static void start_next(struct supervisor *supervisor)
{
    if (supervisor->stopping)
        return;
    if (supervisor->next_start == ACTOR_COUNT) {
        note_all_started(supervisor);
        return;
    }
    unsigned index = supervisor->next_start++;
    if (!engine_start_thread(supervisor->engine, (enum actor_index)index)) {
        ACTOR_LOG(supervisor->actor, LOG_ERROR, "no-thread", L_STR("which", roster[index].thread));
        end(supervisor, ENGINE_START_FAILED);
    }
}

/* Stops the next running actor in reverse start order; the store is the last that works. */
static void stop_next(struct supervisor *supervisor)
{
    while (supervisor->stop_index > ACTOR_SUPERVISOR) {
        struct thread_actor *actor = &supervisor->engine->actors[supervisor->stop_index];
        if (atomic_load(&actor->state) != ACTOR_NEW && atomic_load(&actor->state) != ACTOR_ENDED) {
            enum error error = send_stop(supervisor->actor, (enum actor_index)supervisor->stop_index,
                                         &(struct msg_stop){.deadline_ms = supervisor->stop_deadline_ms});
            CHECK(error == ERROR_OK);
            return;
        }
        supervisor->stop_index--;
    }
    end(supervisor, ENGINE_STOPPED);
}

static void stop_all(struct supervisor *supervisor, const char *why)
{
    struct actor *actor = supervisor->actor;
    int64_t stop_ms = supervisor->engine->options->stop_ms;
    int64_t now = actor_now(actor);

    if (supervisor->stopping)
        return;
    supervisor->stopping = true;
    tell_guardian(supervisor, "q");
    supervisor->stop_deadline_ms = now + stop_ms;
    ACTOR_LOG(actor, LOG_INFO, "stopping", L_STR("why", why), L_I64("within_ms", stop_ms));
    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        if (i != ACTOR_SUPERVISOR && atomic_load(&supervisor->engine->actors[i].state) == ACTOR_RUNNING) {
            enum error error =
                send_quiesce(actor, (enum actor_index)i, &(struct msg_quiesce){.deadline_ms = now + stop_ms / 2});
            (void)error; /* an inbox that is full learns it by STOP */
        }
    supervisor->stop_index = ACTOR_COUNT - 1;
    actor_timer(actor, TIMER_STOP_NOW, now + stop_ms / 2);
    actor_timer(actor, TIMER_STOP_DEADLINE, now + stop_ms);
}

static void on_ready(void *self, const struct msg_ready *msg)
{
    struct supervisor *supervisor = supervisor_cast(self);

    if (msg->restarts == 0)
        start_next(supervisor);
}

/* How many deaths lie within the window, this one included. */
static unsigned note_death(struct watched *watched, int64_t now)
{
    unsigned recent = 0;

    memmove(&watched->deaths_ms[1], &watched->deaths_ms[0], sizeof(watched->deaths_ms) - sizeof(watched->deaths_ms[0]));
    watched->deaths_ms[0] = now;
    watched->death_count++;
    for (unsigned i = 0; i < RESTARTS_MAX && i < watched->death_count; i++)
        recent += now - watched->deaths_ms[i] < RESTART_WINDOW_MS;
    return recent;
}

static void on_failed(void *self, const struct msg_failed *msg)
{
    struct supervisor *supervisor = supervisor_cast(self);
    struct actor *actor = supervisor->actor;
    unsigned index = actor_sender(actor);

    if (supervisor->stopping)
        return;
    unsigned recent = note_death(&supervisor->watched[index], actor_now(actor));
    ACTOR_LOG(actor, LOG_ERROR, "actor-failed", L_STR("which", roster[index].thread), L_ERROR(msg->error),
              L_TEXT("reason", msg->reason), L_U64("recent", recent));
    if (!supervisor->all_started) {
        end(supervisor, ENGINE_START_FAILED);
    } else if (is_essential(index) || recent >= RESTARTS_MAX) {
        end(supervisor, ENGINE_ACTOR_FAILED);
    } else {
        int64_t pause = (int64_t)BACKOFF_FIRST_MS << (2 * (recent - 1));
        pause = pause > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pause;
        pause = pause / 2 + (int64_t)(actor_random(actor) % (uint64_t)pause);
        /* A second failure cannot come before the restart, so one timer an actor is enough. */
        actor_timer(actor, TIMER_RESTART + index, actor_now(actor) + pause);
    }
}

static void on_stopped(void *self, const struct msg_stopped *msg)
{
    struct supervisor *supervisor = supervisor_cast(self);

    (void)msg;
    if (supervisor->stopping)
        stop_next(supervisor);
}

/* --- console --- */

static void answer(struct supervisor *supervisor, uint64_t peer, uint64_t sequence, enum error error, struct slice body)
{
    struct buffer frame = {NULL, 0, 0};

    client_put_result(
        &frame, &(struct client_result){.sequence = sequence, .error = slice_of(error_name(error)), .body = body});
    actor_peer_send(supervisor->actor, peer, buffer_slice(&frame));
    buffer_free(&frame);
}

static void answer_problem(struct supervisor *supervisor, uint64_t peer, uint64_t sequence, enum error error,
                           const char *message)
{
    json_t *object = json_pack("{s:s}", "message", message);
    struct buffer body = {NULL, 0, 0};

    CHECK(object != NULL); /* our own words, and those of command_check(), are whole UTF-8 */
    json_write(&body, object);
    answer(supervisor, peer, sequence, error, buffer_slice(&body));
    json_decref(object);
    buffer_free(&body);
}

static void route_command(struct supervisor *supervisor, uint64_t peer, const struct client_command *ask)
{
    enum command_id command = command_find(ask->words);
    char problem[256];

    if (command != COMMAND_COUNT && command_info[command].actor >= ACTOR_COUNT) {
        answer_problem(supervisor, peer, ask->sequence, ERROR_UNSUPPORTED, "the console does this by itself");
        return;
    }
    if (command == COMMAND_COUNT) {
        answer_problem(supervisor, peer, ask->sequence, ERROR_UNSUPPORTED, "no such command; see: purser help");
        return;
    }
    if (!command_check(command, ask->arguments, problem, sizeof(problem))) {
        answer_problem(supervisor, peer, ask->sequence, ERROR_INVALID, problem);
        return;
    }
    if (command == COMMAND_STOP) {
        answer(supervisor, peer, ask->sequence, ERROR_OK, slice_of("{\"message\":\"stopping\"}"));
        stop_all(supervisor, "console");
        return;
    }
    struct msg_command msg = {
        .ticket = actor_ticket(supervisor->actor), .command = command, .arguments = ask->arguments};
    if (supervisor->asked_count == COMMANDS_MAX ||
        send_command(supervisor->actor, command_info[command].actor, &msg) != ERROR_OK) {
        answer_problem(supervisor, peer, ask->sequence, ERROR_FULL, "too many commands at once; try again");
        return;
    }
    supervisor->asked[supervisor->asked_count++] =
        (struct asked){msg.ticket, peer, ask->sequence, actor_now(supervisor->actor) + COMMAND_MS};
}

static void refuse(struct supervisor *supervisor, uint64_t peer, uint64_t sequence, enum error error,
                   const char *message)
{
    struct buffer frame = {NULL, 0, 0};

    client_put_refused(&frame, &(struct client_refused){.sequence = sequence,
                                                        .error = slice_of(error_name(error)),
                                                        .message = slice_of(message)});
    actor_peer_send(supervisor->actor, peer, buffer_slice(&frame));
    buffer_free(&frame);
}

static void welcome(struct supervisor *supervisor, uint64_t peer, const struct client_hello *hello)
{
    struct buffer frame = {NULL, 0, 0};

    if (hello->version == 0) {
        refuse(supervisor, peer, hello->sequence, ERROR_UNSUPPORTED, "version 0 does not exist; 1 is the oldest");
        return;
    }
    client_put_welcome(
        &frame, &(struct client_welcome){.sequence = hello->sequence,
                                         .version = hello->version < CLIENT_VERSION ? hello->version : CLIENT_VERSION,
                                         .server = slice_of("purserd " PURSER_VERSION),
                                         .message_bytes_max = CONTROL_MESSAGE_BYTES_MAX,
                                         .batch_max = 0});
    actor_peer_send(supervisor->actor, peer, buffer_slice(&frame));
    buffer_free(&frame);
}

static void on_peer(void *self, uint64_t peer, struct slice bytes)
{
    struct supervisor *supervisor = supervisor_cast(self);
    struct client_message message;
    char problem[256];
    uint64_t sequence;

    if (!client_take(bytes, &message, &sequence, problem, sizeof(problem))) {
        actor_count(supervisor->actor, METRIC_PEER_MALFORMED, 0, 1);
        refuse(supervisor, peer, sequence, ERROR_MALFORMED, problem);
    } else if (message.id == CLIENT_HELLO) {
        welcome(supervisor, peer, &message.hello);
    } else if (message.id == CLIENT_COMMAND) {
        route_command(supervisor, peer, &message.command);
    } else {
        refuse(supervisor, peer, sequence, ERROR_UNSUPPORTED, "the control socket takes hello and command only");
    }
}

static void on_command_done(void *self, const struct msg_command_done *msg)
{
    struct supervisor *supervisor = supervisor_cast(self);

    for (size_t i = 0; i < supervisor->asked_count; i++)
        if (supervisor->asked[i].ticket == msg->ticket) {
            struct asked asked = supervisor->asked[i];
            supervisor->asked[i] = supervisor->asked[--supervisor->asked_count];
            answer(supervisor, asked.peer, asked.sequence, msg->error, msg->body);
            return;
        }
}

static void drop_late_commands(struct supervisor *supervisor)
{
    for (size_t i = supervisor->asked_count; i-- > 0;)
        if (supervisor->asked[i].until_ms <= actor_now(supervisor->actor)) {
            struct asked asked = supervisor->asked[i];
            supervisor->asked[i] = supervisor->asked[--supervisor->asked_count];
            answer_problem(supervisor, asked.peer, asked.sequence, ERROR_TIMEOUT, "the actor did not answer in time");
        }
}

/* --- progress --- */

/* A turn that lasts is warned about, then ends the process: a thread cannot be killed, and the store loses nothing. */
static void judge_progress(struct supervisor *supervisor)
{
    int64_t now = clock_awake_ms(); /* a suspended machine is no hang */

    for (unsigned i = 0; i < ACTOR_COUNT; i++) {
        struct watched *watched = &supervisor->watched[i];
        int64_t since = atomic_load(&supervisor->engine->actors[i].turn_since_ms);
        int64_t busy = since > 0 && i != ACTOR_SUPERVISOR ? now - since : 0;

        if (busy < HANG_WARN_MS) {
            watched->warned = false;
        } else if (!watched->warned) {
            watched->warned = true;
            ACTOR_LOG(supervisor->actor, LOG_WARN, "actor-slow", L_STR("which", roster[i].thread),
                      L_I64("busy_ms", busy));
        }
        if (busy >= (i == ACTOR_STORE ? HANG_STORE_MS : HANG_ABORT_MS)) {
            ACTOR_LOG(supervisor->actor, LOG_ERROR, "actor-hangs", L_STR("which", roster[i].thread));
            CHECK(false && "an actor makes no progress");
        }
    }
}

static void beat(struct supervisor *supervisor)
{
    const struct engine_options *options = supervisor->engine->options;
    int64_t floor = options->clock_file ? clock_floor_read(options->clock_file) : 0;
    bool has_waited = options->clock_wait_ms > 0 &&
                      actor_now(supervisor->actor) - supervisor->engine->started_ms >= options->clock_wait_ms;
    bool trusted = clock_wall_trusted(floor, has_waited);

    atomic_store(&supervisor->engine->wall_trusted, trusted);
    if (options->clock_file != NULL && trusted && supervisor->beats++ % 60 == 0)
        clock_floor_write(options->clock_file, clock_wall_ms());
    tell_guardian(supervisor, supervisor->all_started ? "b" : "s");
    judge_progress(supervisor);
    drop_late_commands(supervisor);
    actor_timer(supervisor->actor, TIMER_BEAT, actor_now(supervisor->actor) + 1000);
}

static void on_timer(void *self, uint64_t timer)
{
    struct supervisor *supervisor = supervisor_cast(self);

    if (timer == TIMER_BEAT) {
        beat(supervisor);
    } else if (timer == TIMER_STOP_NOW) {
        stop_next(supervisor);
    } else if (timer == TIMER_STOP_DEADLINE) {
        ACTOR_LOG(supervisor->actor, LOG_WARN, "stop-deadline", L_STR("which", roster[supervisor->stop_index].thread));
        end(supervisor, ENGINE_STOP_TIMEOUT);
    } else {
        unsigned index = (unsigned)(timer - TIMER_RESTART);
        CHECK(index < ACTOR_COUNT);
        if (supervisor->stopping)
            return; /* STOP ends it where it is */
        enum error error = send_restart(supervisor->actor, (enum actor_index)index,
                                        &(struct msg_restart){.attempt = supervisor->watched[index].death_count});
        CHECK(error == ERROR_OK);
    }
}

static void read_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;

    while (read(supervisor->engine->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (supervisor->stopping)
            _exit(ENGINE_STOP_TIMEOUT); /* the second one means now; as safe as kill -9 */
        stop_all(supervisor, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    }
}

/* Nothing is gained by waiting longer; the moment is for answers on their way out. */
static void on_quiet(void *self, const struct msg_quiet *msg)
{
    struct supervisor *supervisor = supervisor_cast(self);

    (void)msg;
    if (supervisor->stopping && supervisor->stop_index == ACTOR_COUNT - 1)
        actor_timer(supervisor->actor, TIMER_STOP_NOW, actor_now(supervisor->actor) + 50);
}

static void turn_end(void *self)
{
    read_signals(supervisor_cast(self));
}

static enum error start(void *self, struct actor *actor)
{
    struct supervisor *supervisor = self;
    const char *path;
    char endpoint[128];

    supervisor->magic = SUPERVISOR_MAGIC;
    supervisor->actor = actor;
    supervisor->engine = thread_actor_of(actor)->engine;
    supervisor->next_start = ACTOR_SUPERVISOR + 1;
    path = supervisor->engine->options->control_socket;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
    enum error error = actor_peer_listen(
        actor, &(struct peer_options){.endpoint = endpoint, .message_bytes_max = CONTROL_MESSAGE_BYTES_MAX});
    if (error == ERROR_OK && chmod(path, 0600) != 0)
        error = ERROR_IO;
    if (error != ERROR_OK) {
        ACTOR_LOG(actor, LOG_ERROR, "control-socket", L_STR("path", path));
        return error;
    }
    beat(supervisor);
    start_next(supervisor);
    return ERROR_OK;
}

bool supervisor_done(const void *self, int *exit_code)
{
    const struct supervisor *supervisor = self;

    CHECK(supervisor->magic == SUPERVISOR_MAGIC);
    *exit_code = supervisor->exit_code;
    return supervisor->done;
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_READY] = {.ready = on_ready},       [MSG_FAILED] = {.failed = on_failed},
    [MSG_STOPPED] = {.stopped = on_stopped}, [MSG_COMMAND_DONE] = {.command_done = on_command_done},
    [MSG_QUIET] = {.quiet = on_quiet},
};

const struct actor_spec supervisor_spec = {
    .index = ACTOR_SUPERVISOR,
    .state_size = sizeof(struct supervisor),
    .start = start,
    .handlers = handlers,
    .turn_end = turn_end,
    .on_timer = on_timer,
    .on_peer = on_peer,
};
