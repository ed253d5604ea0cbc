/* zone - time zones read from TZif files (RFC 8536, versions 1 to 3 with the POSIX rule behind them), never from TZ or
 * tzset(). A zone is immutable after it is opened and may be shared for reading. Instants are UTC seconds; "local" is
 * the wall clock written as if it were UTC. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/civil.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"

enum { ZONE_NAME_MAX = 64, ZONE_FILE_MAX = 128 * 1024 };

struct zone;

struct zone_offset {
    int32_t seconds; /* local = utc + seconds */
    bool is_summer;
    char name[16]; /* abbreviation such as "CET" */
};

enum zone_fit { ZONE_ONCE, ZONE_GAP, ZONE_OVERLAP };

/* What a wall clock reading means: ZONE_ONCE `first` == `second`; ZONE_OVERLAP both instants; ZONE_GAP the clock never
 * shows it, and both are the first instant after the gap. */
struct zone_instants {
    enum zone_fit fit;
    int64_t first, second;
};

/* Opens a zone such as "Europe/Berlin" or "UTC" (which needs no file). NULL when the name is malformed or there is no
 * readable, well-formed file of that name. The caller closes it. */
struct zone *zone_open(const char *name);
/* The same from the bytes of a TZif file. */
struct zone *zone_parse(const char *name, struct slice bytes);
void zone_close(struct zone **zone);

const char *zone_name(const struct zone *zone);
struct zone_offset zone_offset_at(const struct zone *zone, int64_t utc);
struct civil zone_local(const struct zone *zone, int64_t utc);
/* The first instant after `utc` at which the zone's data changes, or INT64_MAX. */
int64_t zone_next_change(const struct zone *zone, int64_t utc);
struct zone_instants zone_from_local(const struct zone *zone, int64_t local);
/* "2026-03-29T03:30:00+02:00": whole seconds of UTC milliseconds with the offset (its seconds too when it has some). */
void zone_print_instant(struct buffer *into, const struct zone *zone, int64_t ms);
