// SPDX-License-Identifier: MIT
/* The supervisor under stress: two failures at once, and messages to actors that have ended. */
#include "runtime/engine.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { TIMER_FAIL = 1, TIMER_TERM, TIMER_REPLY };

struct idle {
    struct actor *actor;
    uint64_t ticket;
};

static struct {
    int64_t fail_ms[ACTOR_COUNT]; /* after the start of the first actor; in its first life */
    int64_t term_ms, reply_ms, limiter_stop_ms;
    bool ask, say_quiet;
    int64_t began;
    _Atomic unsigned starts[ACTOR_COUNT];
} story;

#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    static void ignore_##name(void *self, const struct msg_##name *msg)                                                \
    {                                                                                                                  \
        (void)self;                                                                                                    \
        (void)msg;                                                                                                     \
    }
#include "proto/messages.def"
#undef MESSAGE

static union msg_handler tables[ACTOR_COUNT][MSG_COUNT];
static struct actor_spec specs[ACTOR_COUNT];

static enum error idle_start(void *self, struct actor *actor)
{
    struct idle *idle = self;
    const enum actor_index index = actor->spec->index;

    idle->actor = actor;
    atomic_fetch_add(&story.starts[index], 1);
    if (index == ACTOR_STORE)
        story.began = actor_now(actor);
    if (story.fail_ms[index] > 0 && actor->life == 1)
        actor_timer(actor, TIMER_FAIL, story.began + story.fail_ms[index]);
    if (index == ACTOR_STORE)
        actor_timer(actor, TIMER_TERM, story.began + story.term_ms);
    if (index == ACTOR_WATCHDOG && story.ask)
        return send_commit(actor, ACTOR_STORE, &(struct msg_commit){.ticket = actor_ticket(actor)});
    return ERROR_OK;
}

static void idle_timer(void *self, uint64_t timer)
{
    struct idle *idle = self;

    if (timer == TIMER_FAIL)
        actor_fail(idle->actor, ERROR_IO, "on request");
    else if (timer == TIMER_TERM)
        kill(getpid(), SIGTERM);
    else
        CHECK(send_committed(idle->actor, ACTOR_WATCHDOG, &(struct msg_committed){.ticket = idle->ticket}) == ERROR_OK);
}

static void idle_stop(void *self)
{
    if (((struct idle *)self)->actor->spec->index == ACTOR_LIMITER)
        usleep((useconds_t)story.limiter_stop_ms * 1000);
}

/* The answer of a store whose disk takes its time. */
static void late_commit(void *self, const struct msg_commit *msg)
{
    struct idle *idle = self;

    idle->ticket = msg->ticket;
    actor_timer(idle->actor, TIMER_REPLY, story.began + story.reply_ms);
}

static void quiet(void *self, const struct msg_quiesce *msg)
{
    struct idle *idle = self;

    (void)msg;
    if (story.say_quiet)
        CHECK(send_quiet(idle->actor, ACTOR_SUPERVISOR, &(struct msg_quiet){0}) == ERROR_OK);
}

static void fill_specs(void)
{
    for (unsigned i = 1; i < ACTOR_COUNT; i++) {
#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    if (msg_info[MSG_##ID].to & 1u << i && MSG_##ID != MSG_RESTART && MSG_##ID != MSG_STOP)                            \
        tables[i][MSG_##ID].name = ignore_##name;
#include "proto/messages.def"
#undef MESSAGE
        specs[i] = (struct actor_spec){.index = (enum actor_index)i,
                                       .state_size = sizeof(struct idle),
                                       .start = idle_start,
                                       .stop = idle_stop,
                                       .handlers = tables[i],
                                       .on_timer = idle_timer};
    }
    tables[ACTOR_STORE][MSG_COMMIT].commit = late_commit;
    tables[ACTOR_STORE][MSG_QUIESCE].quiesce = quiet;
}

static int run_engine(const char *name, bool (*judge)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        char socket[64];
        struct engine_options options = {.stop_ms = 2000, .guardian_fd = -1, .control_socket = socket};
        sigset_t set;

        snprintf(socket, sizeof(socket), "/tmp/purser-review-%s-%d.sock", name, (int)getpid());
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGABRT, SIG_DFL);
        log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_ERROR);
        fill_specs();
        for (unsigned i = 1; i < ACTOR_COUNT; i++)
            options.specs[i] = &specs[i];
        int code = engine_run(&options);
        unlink(socket);
        _exit(judge == NULL || judge() ? code : 99);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool both_came_back(void)
{
    return atomic_load(&story.starts[ACTOR_WATCHDOG]) == 2 && atomic_load(&story.starts[ACTOR_PERSISTER]) == 2;
}

static void two_that_fail_at_once_both_come_back(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.fail_ms[ACTOR_PERSISTER] = 300; /* its pause is 50 ms at least */
    story.fail_ms[ACTOR_WATCHDOG] = 310;
    story.term_ms = 2500;
    story.say_quiet = true;
    assert_int_equal(run_engine("two", both_came_back), ENGINE_STOPPED);
}

static void an_answer_to_an_actor_that_has_ended(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.ask = story.say_quiet = true;
    story.term_ms = 300;
    story.reply_ms = 700;
    story.limiter_stop_ms = 1000;
    assert_int_equal(run_engine("late", NULL), ENGINE_STOPPED);
}

static void a_restart_that_is_due_while_stopping(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.fail_ms[ACTOR_PERSISTER] = 300;
    story.term_ms = 301;
    story.limiter_stop_ms = 600;
    story.say_quiet = true;
    assert_int_equal(run_engine("restart", NULL), ENGINE_STOPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_that_fail_at_once_both_come_back),
                                       cmocka_unit_test(an_answer_to_an_actor_that_has_ended),
                                       cmocka_unit_test(a_restart_that_is_due_while_stopping)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
