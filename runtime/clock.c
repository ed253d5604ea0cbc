// SPDX-License-Identifier: MIT
#include "runtime/clock.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_awake_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

bool clock_wall_trusted(int64_t floor_ms, bool has_waited)
{
    struct timex state = {.modes = 0};

    if (adjtimex(&state) != TIME_ERROR && !(state.status & STA_UNSYNC))
        return true;
    return floor_ms > 0 ? clock_wall_ms() >= floor_ms : has_waited;
}

int64_t clock_floor_read(const char *path)
{
    FILE *file = fopen(path, "re");
    int64_t floor = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%" SCNd64, &floor) != 1 || floor < 0)
        floor = 0;
    fclose(file);
    return floor;
}

/* Written aside and renamed: a power cut leaves the old time or the new one, never none. */
void clock_floor_write(const char *path, int64_t wall_ms)
{
    char aside[PATH_MAX];
    FILE *file;

    if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside) || (file = fopen(aside, "we")) == NULL)
        return;
    bool written = fprintf(file, "%" PRId64 "\n", wall_ms) > 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    fclose(file);
    if (!written || rename(aside, path) != 0)
        unlink(aside);
}
