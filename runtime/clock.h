/* clock - the real clocks: monotonic (counts through suspend) and wall, and whether the wall can be trusted.
 * A Pi 4 has no clock chip: after a power cut the wall is wrong until it is synchronised. */
// SPDX-License-Identifier: MIT
#pragma once
#include <stdbool.h>
#include <stdint.h>

int64_t clock_monotonic_ms(void);
/* The same without the time the machine was suspended: for judging progress. */
int64_t clock_awake_ms(void);
int64_t clock_wall_ms(void);
/* The kernel says it is synchronised, or it shows a later time than `floor_ms`, the last time known to have passed.
 * When none is known (0), a clock that nobody sets (a container's, say) is believed once it has been waited for. */
bool clock_wall_trusted(int64_t floor_ms, bool has_waited);
/* The last time known to have passed, kept in a small file; 0 when there is none. A failed write is no error: the next
 * one comes within the minute. */
int64_t clock_floor_read(const char *path);
void clock_floor_write(const char *path, int64_t wall_ms);
