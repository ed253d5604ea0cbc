// SPDX-License-Identifier: MIT
#include "runtime/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <sys/timex.h>
#include <time.h>

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

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

bool clock_wall_trusted(int64_t floor_ms)
{
    struct timex state = {.modes = 0};

    if (adjtimex(&state) != TIME_ERROR && !(state.status & STA_UNSYNC))
        return true;
    return floor_ms > 0 && clock_wall_ms() >= floor_ms;
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

void clock_floor_write(const char *path, int64_t wall_ms)
{
    FILE *file = fopen(path, "we");

    if (file == NULL)
        return;
    fprintf(file, "%" PRId64 "\n", wall_ms);
    fclose(file);
}
