/* zone_rule - the POSIX TZ rule at the end of a TZif file: which offset holds after the last listed change. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/zone.h"

struct zone_rule_day {
    enum { RULE_JULIAN, RULE_ZERO_BASED, RULE_WEEKDAY } kind;
    int day, week, month;
    int32_t time; /* seconds of local time, may be negative or past a day */
};

struct zone_rule {
    struct zone_offset standard, summer;
    bool has_summer;
    struct zone_rule_day start, end;
};

/* Parses "CET-1CEST,M3.5.0,M10.5.0/3"; false when it is malformed. */
bool zone_rule_parse(struct slice text, struct zone_rule *rule);
struct zone_offset zone_rule_at(const struct zone_rule *rule, int64_t utc);
/* The first change after `utc`, or INT64_MAX. */
int64_t zone_rule_next(const struct zone_rule *rule, int64_t utc);
