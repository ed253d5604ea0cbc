// SPDX-License-Identifier: MIT
#include "runtime/panic.h"
#include "proto/check.h"
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES_MAX = 48 };

/* Written by panic_install() before threads start, read by the handler. */
static struct {
    char path[512];
    uint64_t (*job_in_hand)(void);
    char check[256]; /* the failed check, written by the thread that aborts */
} panic_state;
static volatile sig_atomic_t panicking;

static void put(int fd, const char *text)
{
    ssize_t ignored = write(fd, text, strlen(text));

    (void)ignored;
}

static void put_number(int fd, uint64_t number)
{
    char text[24];
    size_t at = sizeof(text) - 1;

    text[at] = '\0';
    do
        text[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    put(fd, text + at);
}

static void write_record(int fd, int signal_number)
{
    char thread[17] = "";
    void *frames[FRAMES_MAX];

    prctl(PR_GET_NAME, thread);
    put(fd, "time: ");
    put_number(fd, (uint64_t)time(NULL));
    put(fd, "\nversion: " PURSER_VERSION "\nsignal: ");
    put_number(fd, (uint64_t)signal_number);
    put(fd, "\nactor: ");
    put(fd, thread);
    put(fd, "\njob: ");
    put_number(fd, panic_state.job_in_hand ? panic_state.job_in_hand() : 0);
    put(fd, "\ncheck: ");
    put(fd, panic_state.check[0] ? panic_state.check : "none");
    put(fd, "\nbacktrace:\n");
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), fd);
}

static void on_crash(int signal_number)
{
    if (!panicking) {
        panicking = 1;
        int fd = open(panic_state.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd >= 0) {
            write_record(fd, signal_number);
            fsync(fd);
            close(fd);
        }
        write_record(STDERR_FILENO, signal_number);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void append(const char *text)
{
    size_t used = strlen(panic_state.check), room = sizeof(panic_state.check) - 1 - used;
    size_t size = strlen(text);

    memcpy(panic_state.check + used, text, size < room ? size : room);
}

static void on_check(const char *file, int line, const char *function, const char *condition)
{
    char number[12];
    size_t at = sizeof(number) - 1;

    number[at] = '\0';
    for (; line > 0 && at > 0; line /= 10)
        number[--at] = (char)('0' + line % 10);
    append(file);
    append(":");
    append(number + at);
    append(" ");
    append(function);
    append(": ");
    append(condition);
}

void panic_install(const char *path, uint64_t (*job_in_hand)(void))
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_NODEFER};
    void *warm[1];

    strncpy(panic_state.path, path, sizeof(panic_state.path) - 1);
    panic_state.job_in_hand = job_in_hand;
    backtrace(warm, 1); /* loads libgcc now, not inside a signal handler */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    check_set_hook(on_check);
}
