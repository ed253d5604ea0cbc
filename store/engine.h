/* engine - the inside of the store, shared by its files and nobody else. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/check.h"
#include "store/stage.h"
#include "store/store.h"
#include "store/stored.h"

enum { NAMES_MAX = 65535, ID_BLOCK = 4096, ID_COUNTER_BITS = 40, BOX_MAX = 8191 };
enum { CONTENT_TYPE_BYTES_MAX = 128, DETAIL_BYTES_MAX = 256, CLAIM_VALUE_BYTES_MAX = 64, CRASHES_MAX = 2 };

/* --- names.c: queues and gates have numbers on disk. A name gets its number in memory at first use and its record
 * with the commit that first needs it; numbers are never given twice. --- */
struct name {
    struct slice text; /* owned */
    uint16_t number;
    bool saved; /* its record is on disk */
    /* of a queue */
    int64_t stored[JOB_STATE_COUNT]; /* jobs by stored state */
    int64_t never[JOB_STATE_COUNT];  /* of these: not due by themselves */
    int64_t later[JOB_STATE_COUNT];  /* scratch of a read: how many of them are not due yet */
    uint64_t leased;
    uint16_t gate_last; /* delivery goes on behind this gate */
    /* of a gate */
    bool known, open, wanted;
};

struct names {
    struct name **by_number; /* [1..count] */
    size_t count;
    uint16_t *slots; /* open addressing, 0 is empty */
    size_t slot_count;
};

struct name *names_find(const struct names *names, struct slice text);
/* Finds or adds; NULL when all numbers are given. */
struct name *names_need(struct names *names, struct slice text);
struct name *names_at(const struct names *names, uint64_t number); /* NULL when there is none */
/* A name read from disk; false when it contradicts another. */
bool names_load(struct names *names, struct slice text, uint64_t number);
void names_fini(struct names *names);

/* --- leases.c --- */
struct lease {
    struct lease *next; /* of its hash chain */
    uint64_t job, fence;
    struct subscription *subscription;
    struct name *queue;
    bool ending;                     /* by a commit that is not on disk yet */
    uint64_t attempt, stored_state;  /* of the head it was taken with, to be recognised after an unknown commit */
    int64_t due_ms;
};

struct subscription {
    enum actor_index actor;
    struct name *queue;
    uint64_t window, in_hand;
    bool full; /* its inbox was full in this delivery */
};

struct leases {
    struct lease **chains;
    size_t chain_count, count;
    struct subscription **subscriptions;
    size_t subscription_count;
    size_t turn; /* who is asked first next time */
};

struct lease *lease_find(const struct leases *leases, uint64_t job);
struct lease *lease_add(struct leases *leases, struct subscription *subscription, uint64_t job, uint64_t fence);
void lease_drop(struct leases *leases, struct lease *lease);
void leases_fini(struct leases *leases);

/* --- counts.c: depths, known once every record was looked at after the start. What changes behind the scan is counted,
 * what changes before it will be seen by it. --- */
struct due_slot {
    uint64_t key; /* queue, grain, parked or waiting, time in grains */
    int64_t count;
};

struct counts {
    bool done;
    struct key position; /* the scan has passed every key below */
    struct due_slot *dues;
    size_t due_capacity, due_used;
    int64_t now_ms; /* of the last call that told the time */
};

/* Adds a job's head to the depths (or takes it away), if the scan has passed it. */
void count_job(struct store *store, uint64_t id, const struct stored_job *head, int delta);
bool count_passed(const struct store *store, const struct key *key);
void count_begin(struct store *store);
/* One slice of the scan. */
enum error count_step(struct store *store);
/* Fills name.later of all queues. */
void count_later(struct store *store, int64_t now_ms);
void counts_fini(struct counts *counts);
/* For undo: without looking at the scan. */
void count_apply(struct store *store, struct name *queue, uint64_t state, int64_t due_ms, int delta);

/* --- undo.c: memory follows the transaction. What a commit changes in memory is changed at once and logged here, and
 * taken back when the commit is refused or the transaction fails. --- */
struct undo {
    bool day_over;       /* no claim of the day is left, or */
    uint32_t day;
    struct lease *lease; /* ended, or */
    struct name *name;   /* its record was written, or */
    struct name *queue;  /* its jobs were counted */
    uint64_t state;
    int64_t due_ms;
    int delta;
};

struct undo_log {
    struct undo *entries;
    size_t count, capacity;
};

void undo_add(struct undo_log *log, struct undo entry);
void undo_back_to(struct store *store, size_t mark);
/* The transaction is on disk: leases that were ending are dropped, names are saved. */
void undo_forget(struct store *store);

/* Small figures that follow the transaction by being copied. */
struct totals {
    uint64_t ceiling;    /* ids below it may be given without writing meta */
    uint64_t outbox_last;
    uint64_t trim_to;    /* outbox rows up to here are gone for readers */
    int64_t claims, outbox;
    struct store_stats stats;
};

/* A job whose record failed its checksum, or an index entry without its job. */
struct bad {
    uint64_t id;
    bool has_ready;
    struct ready ready;
    bool has_order;
    struct order_ref order;
};

enum refusing { REFUSING_NOTHING, REFUSING_NEW, REFUSING_ALL_PUSHES };

struct store {
    unsigned magic;
#define STORE_MAGIC 0x53544f52u
    const struct kv_ops *ops;
    void *argument;
    struct kv *kv; /* NULL after an I/O error until it could be opened again */
    struct store_options options;
    struct stage *stage;
    struct op *taken; /* [OPS_PER_COMMIT_MAX] */
    struct buffer scratch;
    struct names queues, gates;
    struct leases leases;
    struct counts counts;
    struct undo_log undo;
    struct totals totals;
    uint64_t epoch, fence_last, id_next;
    uint32_t *claim_days; /* that have claims (or had), ascending */
    size_t claim_day_count, claim_day_capacity;
    struct bad *bad;
    size_t bad_count, bad_capacity;
    size_t bad_done; /* the first of them are dealt with in the open transaction */
    struct kv_usage usage;
    enum refusing refusing;
    enum error refusing_error;
    uint64_t room;        /* bytes that commits which only grow may still bring into this transaction */
    unsigned batch_shift; /* after a FULL, what is deleted in batches goes in batches of half the size, and so on */
    bool clock_trusted, quiesced;
    bool stirred; /* something changed since the last delivery */
    int64_t next_due_ms;
    uint64_t changes; /* transactions that were committed */
};

/* --- one commit being worked out --- */
struct commit {
    struct store *store;
    struct stage *stage;
    int64_t now_ms;
    const struct op *ops;
    size_t count, at;
    uint64_t given_end; /* numbers below were given before this commit */
    uint64_t id_next;   /* of the block that was set aside for this commit */
    bool finishes;    /* holds a FINISH: it carries work on and may use the reserve */
    bool grows, frees; /* holds an operation that writes something new; one that ends a job or deletes */
    struct store_commit *result;
};

/* One function per row of ops.def. Nothing is written but to the stage; memory changes go through undo. */
#define OP(ID, name, doc, fields) enum error op_apply_##name(struct commit *commit, const struct op_##name *op);
#include "proto/ops.def"
#undef OP

/* A commit of our own (charges, quarantine): work() fills the stage. */
enum error commit_own(struct store *store, int64_t now_ms, enum error (*work)(struct commit *, void *), void *context);

/* --- ids.c --- */
/* That many consecutive numbers, never given again, and the meta record in the stage when the ceiling must rise. */
enum error numbers_take(struct store *store, struct stage *stage, uint64_t count, uint64_t *first);
uint64_t id_of(const struct store *store, uint64_t number);
/* Was the id given before this commit? Its own ids nobody can know yet. */
bool id_was_given(const struct commit *commit, uint64_t id);
void meta_put(struct store *store, struct stage *stage, uint64_t ceiling);

/* --- job.c: a job's records and index entries, always moved together --- */
struct job {
    uint64_t id;
    struct stored_job head; /* slices borrow the stage or the transaction */
};

enum error job_load(struct commit *commit, uint64_t id, struct job *job);
/* The state as of now: what is due is ready, what is leased is leased. */
enum job_state job_state_now(const struct store *store, const struct job *job, int64_t now_ms);
/* Writes a new job with its index entries; head.order is set here. */
enum error job_create(struct commit *commit, struct job *job);
/* Puts the job into another stored state; attempt, error and so on are set in job->head by the caller before. */
enum error job_move(struct commit *commit, struct job *job, enum job_state state, int64_t due_ms);
void job_write_head(struct commit *commit, const struct job *job);
/* Removes the job with everything that points to it. */
enum error job_remove(struct commit *commit, struct job *job);
/* Takes the next job of the order key into the ready index, after `ref` has left. */
enum error order_leave(struct commit *commit, uint16_t queue, const struct order_ref *ref);
void job_ready_of(const struct job *job, struct ready *ready);
bool job_is_runnable(const struct stored_job *head);
bool job_holds_order(const struct stored_job *head);
struct order_ref job_order_ref(const struct stored_job *head);
bool order_ref_take(struct slice value, struct order_ref *ref);
/* What a list says of a keyed job: queue and place in the order. */
bool listed_take(struct slice value, uint16_t *queue, struct order_ref *ref);

/* Writes the index entries that follow from the head. */
enum error job_list(struct commit *commit, const struct job *job);

/* --- op_records.c --- */
/* No row is left of those that were trimmed. */
void trim_done(struct commit *commit);

/* --- claims.c --- */
void claim_day_add(struct store *store, uint32_t day);
void claim_day_drop(struct store *store, uint32_t day);
enum error claim_days_load(struct store *store);

/* --- upkeep.c --- */
void bad_add(struct store *store, const struct bad *bad);
/* Stages and flushes what is to be tidied up within the open transaction; true when there was something. */
enum error upkeep_run(struct store *store, struct kv_txn *txn, int64_t now_ms, bool *worked);
bool upkeep_wanted(const struct store *store, int64_t now_ms);
/* The transaction is on disk. */
void upkeep_forget(struct store *store);
/* How many of `most` records one batch deletes now. */
size_t batch_size(const struct store *store, size_t most);

/* --- open.c --- */
/* Closes and opens the environment after an unknown outcome, and looks at what memory held against it. */
void store_reopen(struct store *store);
