// SPDX-License-Identifier: MIT
/* Power cut, replayed. `work` runs the workload under the preloaded shim, which writes down every write and sync of
 * data.mdb. `replay` builds the states that a cut at each point may leave (un-synced writes dropped, reordered, torn at
 * 512 bytes) and lets the store verify each: at least what was acknowledged, nothing by halves.
 *   powercut work FOLDER COMMITS          powercut replay LOG FOLDER STATES SEED [lying]
 * With `lying` no sync counts: a check of the check, which must find failures. */
#include "proto/check.h"
#include "tests/crash/powercut_work.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECTOR = 512, IMAGE_MAX = 20 << 20, IN_FLIGHT_MAX = 4096 };

struct event {
    char type;
    int64_t offset, size;
    const char *data;
};

struct replay {
    char *log;
    struct event *events;
    size_t count;
    char *durable, *image; /* IMAGE_MAX each */
    size_t durable_size, image_size;
    struct event flight[IN_FLIGHT_MAX]; /* written and not synced */
    size_t flight_count;
    int64_t acknowledged, attempted;
    uint64_t random;
    const char *folder;
    uint64_t states, failures;
    bool named; /* the file has its name: before, a cut leaves none */
    bool lying; /* the disk says that it has synced and has not: must be found out */
};

static uint64_t chance(struct replay *replay)
{
    uint64_t z = (replay->random += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void load_log(struct replay *replay, const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    CHECK(fd >= 0 && fstat(fd, &about) == 0);
    replay->log = xcalloc(1, (size_t)about.st_size);
    for (off_t done = 0; done < about.st_size;) {
        ssize_t got = read(fd, replay->log + done, (size_t)(about.st_size - done));
        CHECK(got > 0);
        done += got;
    }
    close(fd);
    for (size_t at = 0; at + 17 <= (size_t)about.st_size;) {
        struct event event = {.type = replay->log[at]};
        memcpy(&event.offset, replay->log + at + 1, 8);
        memcpy(&event.size, replay->log + at + 9, 8);
        event.data = replay->log + at + 17;
        at += 17 + (size_t)event.size;
        replay->events = xrealloc(replay->events, (replay->count + 1) * sizeof(event));
        replay->events[replay->count++] = event;
    }
}

static void apply(char *image, size_t *image_size, const struct event *event, int64_t from, int64_t size)
{
    size_t end = (size_t)(event->offset + from + size);

    CHECK(end <= IMAGE_MAX);
    memcpy(image + event->offset + from, event->data + from, (size_t)size);
    if (end > *image_size)
        *image_size = end;
}

/* A subset of the sectors of one write. */
static void apply_torn(struct replay *replay, const struct event *event)
{
    for (int64_t at = 0; at < event->size;) {
        int64_t size = SECTOR - (event->offset + at) % SECTOR;
        if (size > event->size - at)
            size = event->size - at;
        if (chance(replay) & 1)
            apply(replay->image, &replay->image_size, event, at, size);
        at += size;
    }
}

enum mode { NOTHING, EVERYTHING, SUBSET, TORN, MODES };

static void build_image(struct replay *replay, enum mode mode)
{
    memcpy(replay->image, replay->durable, replay->durable_size);
    replay->image_size = replay->durable_size;
    for (size_t i = 0; i < replay->flight_count; i++) {
        /* Order does not matter for distinct pages; rewritten ones are shuffled by picking from a random place. */
        const struct event *event = &replay->flight[mode == EVERYTHING ? i : chance(replay) % replay->flight_count];
        if (mode == EVERYTHING || (mode == SUBSET && chance(replay) & 1))
            apply(replay->image, &replay->image_size, event, 0, event->size);
        else if (mode == TORN)
            apply_torn(replay, event);
    }
}

/* In a child: a store that dies of a state is a finding, not the end of the test. */
static void check_image(struct replay *replay, enum mode mode, size_t at)
{
    char path[512], problem[256] = "";

    snprintf(path, sizeof(path), "%s/data.mdb", replay->folder);
    unlink(path);
    if (replay->named) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && write(fd, replay->image, replay->image_size) == (ssize_t)replay->image_size);
        close(fd);
    }
    pid_t child = fork();
    if (child == 0) {
        struct store *store = powercut_open(replay->folder, problem);
        int64_t count = store ? powercut_verify(store, problem, sizeof(problem)) : -1;
        bool ok = count >= replay->acknowledged && count <= replay->attempted;
        if (!ok && !replay->lying)
            fprintf(stderr, "event %zu mode %d: acknowledged %lld, found %lld %s\n", at, (int)mode,
                    (long long)replay->acknowledged, (long long)count, problem);
        _exit(ok ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    replay->states++;
    replay->failures += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void step(struct replay *replay, const struct event *event)
{
    switch (event->type) {
    case 'A':
        replay->acknowledged = event->offset;
        break;
    case 'R':
        /* The name may or may not be on disk before the folder is synced; either is a state of its own. */
        replay->named = true;
        break;
    case 'W':
    case 'D':
        CHECK(replay->flight_count < IN_FLIGHT_MAX);
        replay->flight[replay->flight_count++] = *event;
        break;
    case 'S':
        if (replay->lying)
            break;
        for (size_t i = 0; i < replay->flight_count; i++)
            apply(replay->durable, &replay->durable_size, &replay->flight[i], 0, replay->flight[i].size);
        replay->flight_count = 0;
        break;
    default:
        CHECK(false && "the workload truncates the file");
    }
}

/* An O_DSYNC write is durable once it has returned, that is, once the next event is seen. */
static void settle_dsync(struct replay *replay, const struct event *event)
{
    if (event->type != 'D' || replay->lying)
        return;
    CHECK(replay->flight_count > 0);
    replay->flight_count--;
    apply(replay->durable, &replay->durable_size, event, 0, event->size);
}

static int run_replay(char **argv, bool lying)
{
    static struct replay replay;
    const char *log = argv[2], *folder = argv[3];
    uint64_t states = strtoull(argv[4], NULL, 10);

    replay.folder = folder;
    replay.lying = lying;
    replay.random = strtoull(argv[5], NULL, 10);
    replay.durable = xcalloc(1, IMAGE_MAX);
    replay.image = xcalloc(1, IMAGE_MAX);
    mkdir(folder, 0700);
    load_log(&replay, log);
    for (size_t i = 0; i < replay.count; i++)
        replay.attempted += replay.events[i].type == 'A';
    replay.attempted++;
    uint64_t per_event = states / (replay.count ? replay.count : 1) + 1;
    for (size_t i = 0; i < replay.count; i++) {
        step(&replay, &replay.events[i]);
        for (uint64_t n = 0; n < per_event; n++) {
            enum mode mode = n < 2 ? (enum mode)n : (enum mode)(SUBSET + chance(&replay) % 2);
            if (n > 0 && replay.flight_count == 0)
                break; /* only one state is possible */
            build_image(&replay, mode);
            check_image(&replay, mode, i);
        }
        settle_dsync(&replay, &replay.events[i]);
    }
    printf("%llu crash states, %llu failures, %lld commits acknowledged\n", (unsigned long long)replay.states,
           (unsigned long long)replay.failures, (long long)replay.acknowledged);
    return replay.failures == 0 && replay.states > 0 ? 0 : 1;
}

static int run_work(const char *folder, uint64_t commits)
{
    char problem[256] = "", line[32];
    struct store *store = powercut_open(folder, problem);

    if (store == NULL) {
        fprintf(stderr, "powercut: %s\n", problem);
        return 1;
    }
    for (uint64_t n = 1; n <= commits; n++) {
        if (!powercut_commit(store, n))
            return 1;
        int size = snprintf(line, sizeof(line), "ACK %llu\n", (unsigned long long)n);
        if (write(STDOUT_FILENO, line, (size_t)size) != size)
            return 1;
    }
    store_close(&store);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "work") == 0)
        return run_work(argv[2], strtoull(argv[3], NULL, 10));
    if (argc == 6 && strcmp(argv[1], "replay") == 0)
        return run_replay(argv, false);
    if (argc == 7 && strcmp(argv[1], "replay") == 0 && strcmp(argv[6], "lying") == 0)
        return run_replay(argv, true);
    fprintf(stderr, "usage: powercut work FOLDER COMMITS | powercut replay LOG FOLDER STATES SEED [lying]\n");
    return 2;
}
