/* sink - the one home of SQLite (and later libpq): rows of the outbox into a database, on a helper thread.
 * A batch and its cursor are one database transaction, so that after a crash the cursor says exactly what is in. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/rows.h"

struct sink;

struct sink_row {
    uint64_t sequence; /* position in the outbox */
    struct slice row;  /* row_pack() */
};

/* Opens (creating tables that are missing: strict, WAL, one per rows.def plus purser_cursor) on its own thread.
 * done(context, ticket, error, cursor) is called from sink_turn() on the caller's thread. */
struct sink *sink_open_sqlite(const char *path,
                              void (*done)(void *context, uint64_t ticket, enum error error, uint64_t cursor),
                              void *context);
/* Waits for the batch under way, at most one transaction. */
void sink_close(struct sink **sink);
int sink_fd(const struct sink *sink);
void sink_turn(struct sink *sink);
/* Writes rows with sequence > the stored cursor, upserts "stamp not older wins", stores the last sequence as cursor.
 * The rows are copied. An empty batch only reads the cursor. One batch at a time (CHECKed). A row that cannot be
 * unpacked is kept in table purser_rejects with its sequence and passed over; a database error fails the whole batch
 * (IO, DISK_FULL, CORRUPT), and the cursor told is then 0. */
void sink_write(struct sink *sink, uint64_t ticket, const struct sink_row *rows, size_t count);
