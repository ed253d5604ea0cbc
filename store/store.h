/* store - what survives: queues, leases, claims, spaces, books, outbox and runs over one ordered key-value interface.
 * Pure: no thread, no socket, no clock of its own; the caller says what time it is. One thread calls all of it.
 * docs/store.md tells the layout, the life of a commit and what happens when the disk fails. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/jobs.h"
#include "proto/msg.h"
#include "proto/ops.h"
#include "proto/records.h"
#include "store/kv.h"

struct store;

enum { STORE_PAGE_BYTES_MAX = 256 << 10, STORE_PAGE_ROWS_MAX = 1000 };
enum { STORE_NOTE_BYTES_MAX = 64 << 10, STORE_ENTRY_BYTES_MAX = 1 << 20, STORE_ROW_BYTES_MAX = 256 << 10 };

enum { STORE_PROBLEM_BYTES = 256 };

struct store_options {
    uint64_t box;                /* 0 to 8191: upper bits of ids, so that ids of several boxes never meet */
    unsigned fill_percent;       /* of the bound, from which on new work is refused (FULL); 0 means 80 */
    uint64_t disk_reserve_bytes; /* free space of the file system below which new work is refused (DISK_FULL) */
    size_t payload_bytes_max;    /* of one push; 0 means 1 MiB */
    uint64_t queue_depth_max;    /* jobs of one queue, whatever their state; 0 for no bound */
};

/* Opens the store, making it when it is new. Every start takes a new epoch, so that fencing numbers of earlier starts
 * end; nothing is leased. NULL with *error and a line in `problem` on: what kv open returns; UNSUPPORTED format of a
 * newer program; CORRUPT the meta record. `ops` and `argument` are borrowed until store_close(). */
struct store *store_open(const struct kv_ops *ops, void *argument, const struct store_options *options, int64_t now_ms,
                         enum error *error, char problem[STORE_PROBLEM_BYTES]);
void store_close(struct store **store);

/* How the process before this one ended. */
enum store_exit { STORE_EXIT_CLEAN, STORE_EXIT_CRASH, STORE_EXIT_HANG, STORE_EXIT_OTHER };
/* After a crash or a hang: charges the jobs whose handler was on the stack, in one commit; those charged twice are
 * dead (POISON). Nobody is charged for any other exit. Jobs that are gone are passed over. */
enum error store_charge_crash(struct store *store, enum store_exit how, const uint64_t *jobs, size_t count,
                              int64_t now_ms);

/* One commit of a group: what goes in and what comes out. */
struct store_commit {
    struct slice ops;     /* packed operations, borrowed */
    enum error error;     /* OK, or why nothing of it happened */
    uint64_t failed_op;   /* index of the operation that refused */
    uint64_t first_id;    /* first of the ids given, consecutive; 0 when none */
    uint64_t skipped;     /* claims that were held and skipped their operations */
    uint64_t outbox_last; /* sequence of the last row appended; 0 when none */
    size_t detail_size;   /* HELD: the value of the claim that is held */
    char detail[64];
};
/* All of these commits, in their order, in one disk transaction with one sync; each happens whole or not at all, and
 * sees those before it. Returns after the sync. When the disk fails all of them say so: IO means that the outcome is
 * unknown (ask again with the same claims). */
void store_commit_group(struct store *store, struct store_commit *commits, size_t count, int64_t now_ms);

/* Rows of a read, packed by records.def. */
struct store_page {
    struct buffer rows, next; /* next is empty at the end */
    uint64_t count;
};
/* Answers from one short read transaction; at most request->limit rows and STORE_PAGE_BYTES_MAX (one larger row
 * passes). Clears the page first; its buffers belong to the caller. OK, NOT_FOUND, CORRUPT, INVALID, IO. */
enum error store_read_page(struct store *store, const struct msg_read *request, int64_t now_ms,
                           struct store_page *page);

/* Credit and leases. Nothing of it is on disk. A reset ends the actor's leases and subscriptions; that of the limiter
 * closes all gates, and they are asked for again. */
void store_reset(struct store *store, enum actor_index actor);
/* Window 0 ends the subscription; jobs in hand stay leased. */
void store_subscribe(struct store *store, enum actor_index actor, struct slice queue, uint64_t window);
/* False when there is no such lease (any more). */
bool store_release(struct store *store, uint64_t job, uint64_t fence);
void store_gate(struct store *store, struct slice gate, bool open);
/* Ends all deliveries for good: the program is stopping. */
void store_quiesce(struct store *store);
/* Jobs in anybody's hand. */
size_t store_lease_count(const struct store *store);

struct store_receiver {
    void *context;
    /* OK: the job is leased to the actor. Anything else: it is not, and the actor gets none until the next call of
     * store_deliver(). The message borrows the store's memory: copy before returning. */
    enum error (*job)(void *context, enum actor_index actor, const struct msg_job *job);
    /* Jobs wait at a gate nobody has spoken of. Asked again next time unless OK. */
    enum error (*gate_wanted)(void *context, struct slice gate);
};
/* Hands out what is due within everybody's credit: by priority, then by time, in turn between the gates of a queue and
 * between the subscribers of a queue. Cheap when nothing has changed since the last call. */
void store_deliver(struct store *store, int64_t now_ms, const struct store_receiver *receiver);
/* When store_deliver() has work again by the clock alone (UTC); INT64_MAX when only a change can give it some. */
int64_t store_next_due(const struct store *store);

/* Background work in small steps: counting the depths after a start, forgetting claims that have ended, dropping
 * trimmed outbox rows, moving corrupt jobs aside, opening the environment again after an I/O error. True when there is
 * more to do at once. */
bool store_step(struct store *store, int64_t now_ms);
/* False while the clock is not trusted: then nothing is forgotten for its age. True at first. */
void store_trust_clock(struct store *store, bool trusted);
/* False while the environment is closed after an I/O error. */
bool store_usable(const struct store *store);

/* What happened since the start. */
struct store_stats {
    uint64_t commits, syncs, pushed, leased, finished, doubted, quarantined, corrupt;
    uint64_t refused[ERROR_COUNT], retried[ERROR_COUNT], parked[ERROR_COUNT], buried[ERROR_COUNT];
};
void store_stats(const struct store *store, struct store_stats *stats);
/* Size as of the last transaction, and whether new work is refused. */
void store_size(const struct store *store, uint64_t *used_bytes, uint64_t *bound_bytes, bool *refusing);
bool store_counted(const struct store *store);
