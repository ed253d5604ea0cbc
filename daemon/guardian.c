// SPDX-License-Identifier: MIT
#include "daemon/guardian.h"
#include "runtime/clock.h"
#include "runtime/engine.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BEAT_MS_MAX = 60000, /* the engine judges its own actors after 30 s; this is for when it cannot */
    ABORT_MS = 3000,     /* from SIGABRT to SIGKILL */
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 30000,
    DEATHS_MAX = 5, /* in the window: safe mode */
    DEATH_WINDOW_MS = 600000,
    ARGUMENTS_MAX = 64,
};

struct guardian {
    int argc;
    char **argv;
    int signal_fd;
    pid_t engine;
    int beat_fd;
    bool beaten, stopping, safe;
    enum engine_exit last;
    int64_t deaths[DEATHS_MAX];
    unsigned death_count;
};

/* One datagram to systemd, when there is one. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (path == NULL || strlen(path) >= sizeof(address.sun_path) ||
        (fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    close(fd);
}

static void exec_engine(struct guardian *guardian, int beat_fd, pid_t parent)
{
    char fd[12], last[12];
    char *argv[ARGUMENTS_MAX + 5];
    sigset_t stops;
    int n = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* Ctrl-C reaches the guardian alone, which passes it on once */
    if (getppid() != parent)
        _exit(ENGINE_START_FAILED); /* the guardian died before the signal was set */
    snprintf(fd, sizeof(fd), "%d", beat_fd);
    snprintf(last, sizeof(last), "%d", (int)guardian->last);
    for (; n < guardian->argc && n < ARGUMENTS_MAX; n++)
        argv[n] = guardian->argv[n];
    argv[n++] = "--engine";
    argv[n++] = fd;
    argv[n++] = last;
    argv[n++] = guardian->safe ? "1" : "0";
    argv[n] = NULL;
    /* A stop that comes before the engine listens waits for it. */
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_SETMASK, &stops, NULL);
    execv("/proc/self/exe", argv);
    _exit(ENGINE_START_FAILED);
}

static bool start_engine(struct guardian *guardian)
{
    int pair[2];
    pid_t self = getpid();

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return false;
    guardian->engine = fork();
    if (guardian->engine == 0) {
        close(pair[0]);
        exec_engine(guardian, pair[1], self);
    }
    close(pair[1]);
    guardian->beat_fd = pair[0];
    return guardian->engine > 0;
}

static void take_beats(struct guardian *guardian)
{
    char beats[64];
    ssize_t size = recv(guardian->beat_fd, beats, sizeof(beats), MSG_DONTWAIT);

    /* "s" is the beat of an engine that is still starting; "q" says that it stops, for good, whoever asked for it. */
    if (size > 0 && memchr(beats, 'q', (size_t)size) != NULL)
        guardian->stopping = true;
    if (size <= 0 || memchr(beats, 'b', (size_t)size) == NULL)
        return;
    notify(guardian->beaten ? "WATCHDOG=1" : guardian->safe ? "READY=1\nSTATUS=safe mode" : "READY=1\nSTATUS=running");
    guardian->beaten = true;
}

static void forward_signals(struct guardian *guardian)
{
    struct signalfd_siginfo info;

    while (read(guardian->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        notify("STOPPING=1");
        kill(guardian->engine, guardian->stopping ? SIGKILL : SIGTERM);
        guardian->stopping = true;
    }
}

static enum engine_exit exit_kind(int status, bool hung)
{
    if (hung)
        return EXIT_HANG;
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == ENGINE_STOPPED ? EXIT_CLEAN : EXIT_FAILED;
    switch (WTERMSIG(status)) {
    case SIGSEGV:
    case SIGBUS:
    case SIGABRT:
    case SIGILL:
    case SIGFPE:
        return EXIT_CRASH;
    default:
        return EXIT_KILLED; /* of another's making: charges nobody */
    }
}

/* Waits for the engine to end; aborts it when its beats stop. Returns its wait status. */
static int watch_engine(struct guardian *guardian, bool *hung)
{
    int64_t beat_ms = clock_monotonic_ms(), abort_ms = 0;
    int status;

    *hung = false;
    for (;;) {
        struct pollfd fds[2] = {{guardian->signal_fd, POLLIN, 0}, {guardian->beat_fd, POLLIN, 0}};
        poll(fds, 2, 1000);
        forward_signals(guardian);
        if (fds[1].revents & POLLIN) {
            take_beats(guardian);
            beat_ms = clock_monotonic_ms();
        }
        if (waitpid(guardian->engine, &status, WNOHANG) == guardian->engine)
            return status;
        if (fds[1].revents & POLLHUP)
            usleep(10000); /* it has closed its end and is about to be reaped */
        int64_t now = clock_monotonic_ms();
        if (!*hung && now - beat_ms > BEAT_MS_MAX) {
            *hung = true;
            abort_ms = now;
            kill(guardian->engine, SIGABRT);
        } else if (*hung && now - abort_ms > ABORT_MS) {
            kill(guardian->engine, SIGKILL);
        }
    }
}

/* Pause before the next engine, by the deaths within the window; too many of them switch to safe mode. */
static int64_t note_death(struct guardian *guardian)
{
    int64_t now = clock_monotonic_ms();
    unsigned recent = 1;
    int64_t pause = BACKOFF_FIRST_MS;

    for (unsigned i = 0; i < DEATHS_MAX && i < guardian->death_count; i++)
        recent += now - guardian->deaths[i] < DEATH_WINDOW_MS;
    guardian->deaths[guardian->death_count++ % DEATHS_MAX] = now;
    if (recent > DEATHS_MAX && !guardian->safe) {
        guardian->safe = true;
        fprintf(stderr, "purserd: %u deaths in ten minutes: safe mode (intake and spool only)\n", recent);
    }
    for (unsigned i = 1; i < recent && pause < BACKOFF_MAX_MS; i++)
        pause *= 2;
    return pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS;
}

static void pause_ms(struct guardian *guardian, int64_t ms)
{
    struct pollfd fd = {guardian->signal_fd, POLLIN, 0};
    struct signalfd_siginfo info;
    int64_t until = clock_monotonic_ms() + ms;

    while (!guardian->stopping && clock_monotonic_ms() < until) {
        poll(&fd, 1, (int)(until - clock_monotonic_ms()));
        while (read(guardian->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
            guardian->stopping = guardian->stopping || info.ssi_signo != SIGCHLD;
    }
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int guardian_run(int argc, char **argv)
{
    struct guardian guardian = {.argc = argc, .argv = argv, .signal_fd = open_signals(), .last = EXIT_FIRST};

    while (!guardian.stopping) {
        bool hung;
        if (!start_engine(&guardian)) {
            fprintf(stderr, "purserd: cannot start the engine: %s\n", strerror(errno));
            return ENGINE_START_FAILED;
        }
        int status = watch_engine(&guardian, &hung);
        close(guardian.beat_fd);
        guardian.last = exit_kind(status, hung);
        if (guardian.last == EXIT_CLEAN)
            return ENGINE_STOPPED;
        if (WIFEXITED(status) && WEXITSTATUS(status) == ENGINE_START_FAILED && !guardian.beaten)
            return ENGINE_START_FAILED; /* the same configuration would fail again: say so and give up */
        if (guardian.stopping)
            return WIFEXITED(status) ? WEXITSTATUS(status) : ENGINE_STOP_TIMEOUT;
        fprintf(stderr, "purserd: the engine ended (%s %d); starting it again\n", WIFEXITED(status) ? "exit" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        pause_ms(&guardian, note_death(&guardian));
    }
    return ENGINE_STOPPED;
}
