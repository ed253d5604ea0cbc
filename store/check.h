/* check - reads every record of the store and looks at its checksum, its form, and at what should point to it and does
 * not. In slices, while the store goes on working: each slice is one read transaction, and what belongs together is
 * looked at within it. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/store.h"

enum { CHECK_FINDINGS_MAX = 20 };

struct store_check_report {
    uint64_t records, jobs, claims, outbox;
    uint64_t corrupt;     /* records that fail their checksum or cannot be read */
    uint64_t missing;     /* index entries, bodies or notes that should be there */
    uint64_t stray;       /* index entries or parts that point to nothing, or to something that stands elsewhere */
    uint64_t miscounted;  /* depths in memory that differ from what was read; compared only when nothing changed */
    uint64_t quarantined; /* records that were moved aside earlier; no fault of today */
    bool counts_compared;
    enum error error; /* the disk's, that ended the check */
    size_t finding_count;
    char findings[CHECK_FINDINGS_MAX][96]; /* the first of them, for people */
};

struct store_check;

struct store_check *store_check_begin(struct store *store);
void store_check_end(struct store_check **check);
/* Looks at some more records; true when all were looked at, or the disk fails. */
bool store_check_step(struct store_check *check);
const struct store_check_report *store_check_report(const struct store_check *check);
bool store_check_is_clean(const struct store_check_report *report);
/* The report as a JSON object. */
void store_check_json(struct buffer *into, const struct store_check_report *report);
