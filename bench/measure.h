/* measure - what every bench program needs: a clock, percentiles, and the device's write counter. Header only. */
// SPDX-License-Identifier: MIT
#pragma once
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double measure_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline int measure_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The p-th percentile of `count` times; sorts them. */
static inline double measure_percentile(double *times, size_t count, double p)
{
    if (count == 0)
        return 0;
    qsort(times, count, sizeof(*times), measure_compare);
    return times[(size_t)((double)(count - 1) * p / 100)];
}

/* Bytes written to all whole disks since boot (/proc/diskstats): real device bytes with the journal, but everybody's.
 */
static inline double measure_disk_bytes(void)
{
    char line[512], name[64];
    unsigned long long sectors;
    double sum = 0;
    FILE *file = fopen("/proc/diskstats", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "%*u %*u %63s %*u %*u %*u %*u %*u %*u %llu", name, &sectors) == 2 &&
            (strncmp(name, "vd", 2) == 0 || strncmp(name, "sd", 2) == 0 || strncmp(name, "mmcblk", 6) == 0 ||
             strncmp(name, "nvme", 4) == 0) &&
            (name[0] == 'm' || name[0] == 'n' ? strchr(name, 'p') == NULL : strlen(name) == 3))
            sum += 512.0 * (double)sectors;
    if (file != NULL)
        fclose(file);
    return sum;
}

static inline void measure_print(const char *name, double value, const char *unit)
{
    printf("%s %.6g %s\n", name, value, unit);
    fflush(stdout);
}
