// SPDX-License-Identifier: MIT
/* The engine with actors that do nothing but fail on request: order of start and stop, restart, giving up. */
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

enum plan { PLAN_NONE, PLAN_FAIL_ONCE, PLAN_FAIL_ALWAYS, PLAN_FAIL_START, PLAN_STOP };

struct idle {
    struct actor *actor;
    struct slice unused;
};

static struct {
    enum plan plans[ACTOR_COUNT];
    _Atomic unsigned count;
    int events[64]; /* index for a start, -index for a stop */
} story;

static void note(int event)
{
    story.events[atomic_fetch_add(&story.count, 1) % 64] = event;
}

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
    enum plan plan = story.plans[actor->spec->index];

    idle->actor = actor;
    note((int)actor->spec->index);
    if (plan == PLAN_FAIL_START)
        return ERROR_INVALID;
    if (plan == PLAN_FAIL_ALWAYS || plan == PLAN_STOP || (plan == PLAN_FAIL_ONCE && actor->life == 1))
        actor_timer(actor, 1, actor_now(actor) + 50);
    else if (plan == PLAN_FAIL_ONCE)
        actor_timer(actor, 2, actor_now(actor) + 50);
    return ERROR_OK;
}

static void idle_timer(void *self, uint64_t timer)
{
    struct idle *idle = self;

    if (timer == 2 || story.plans[idle->actor->spec->index] == PLAN_STOP)
        kill(getpid(), SIGTERM);
    else
        actor_fail(idle->actor, ERROR_IO, "on request");
}

static void idle_stop(void *self)
{
    struct idle *idle = self;

    note(-(int)idle->actor->spec->index);
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
}

/* In a child, since an engine that gives up leaves its threads behind. */
static int run_engine(const char *name, bool (*judge)(void))
{
    char socket[64];
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct engine_options options = {.stop_ms = 2000, .guardian_fd = -1, .control_socket = socket};
        sigset_t set;

        snprintf(socket, sizeof(socket), "/tmp/purser-%s-%d.sock", name, (int)getpid());
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        log_setup(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_ERROR);
        fill_specs();
        for (unsigned i = 1; i < ACTOR_COUNT; i++)
            options.specs[i] = &specs[i];
        int code = engine_run(&options);
        unlink(socket);
        _exit(judge == NULL || judge() ? code : 99);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* All start in roster order and stop in reverse. */
static bool judge_order(void)
{
    unsigned at = 0;

    for (int i = 1; i < ACTOR_COUNT; i++)
        if (story.events[at++] != i)
            return false;
    for (int i = ACTOR_COUNT - 1; i > 0; i--)
        if (story.events[at++] != -i)
            return false;
    return at == story.count;
}

static void test_order(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.plans[ACTOR_INGRESS] = PLAN_STOP;
    assert_int_equal(run_engine("order", judge_order), ENGINE_STOPPED);
}

static bool judge_restart(void)
{
    unsigned starts = 0;

    for (unsigned i = 0; i < story.count; i++)
        starts += story.events[i] == ACTOR_WATCHDOG;
    return starts == 2;
}

static void test_restart(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.plans[ACTOR_WATCHDOG] = PLAN_FAIL_ONCE;
    assert_int_equal(run_engine("restart", judge_restart), ENGINE_STOPPED);
}

static void test_budget_is_spent(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.plans[ACTOR_WATCHDOG] = PLAN_FAIL_ALWAYS;
    assert_int_equal(run_engine("budget", NULL), ENGINE_ACTOR_FAILED);
}

static void test_essential_actor(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.plans[ACTOR_STORE] = PLAN_FAIL_ONCE;
    assert_int_equal(run_engine("essential", NULL), ENGINE_ACTOR_FAILED);
}

static void test_start_fails(void **state)
{
    (void)state;
    memset(&story, 0, sizeof(story));
    story.plans[ACTOR_PERSISTER] = PLAN_FAIL_START;
    assert_int_equal(run_engine("start", NULL), ENGINE_START_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_restart),
                                       cmocka_unit_test(test_budget_is_spent), cmocka_unit_test(test_essential_actor),
                                       cmocka_unit_test(test_start_fails)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
