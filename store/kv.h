/* kv - a small transactional ordered key-value store: what the store's engine needs of a disk, and nothing more.
 * Two backends: LMDB (kv_lmdb.h) and memory (kv_memory.h). One keyspace, keys of 1 to KV_KEY_MAX bytes in memcmp order.
 * One thread, at most one transaction open at a time. A slice that a backend hands out is valid until the transaction
 * ends or its next write, whichever comes first; a cursor must be positioned anew after a write. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum { KV_KEY_MAX = 511 };

struct kv_ops;

/* Backends embed these as first members. */
struct kv {
    const struct kv_ops *ops;
};

struct kv_txn {
    struct kv *kv;
    bool write;
};

struct kv_cursor {
    struct kv_txn *txn;
};

struct kv_pair {
    struct slice key, value;
};

struct kv_usage {
    uint64_t used_bytes;  /* pages that hold data or the list of free pages */
    uint64_t bound_bytes; /* what the keyspace may grow to */
    uint64_t free_bytes;  /* what the file system has left for us */
};

/* Errors of all functions: FULL the bound is reached (or the transaction too large); DISK_FULL the file system is;
 * CORRUPT the structure is damaged; IO anything else. After FULL or DISK_FULL the transaction can only be aborted and
 * the environment stays good. After any other error of commit its outcome is *unknown* and the environment must be
 * closed and opened again. Nothing is promised to be on disk before commit has returned OK. */
struct kv_ops {
    const char *name;
    /* `argument` is the backend's own options. `problem` receives a line for people on an error. */
    enum error (*open)(void *argument, struct kv **kv, char *problem, size_t problem_size);
    void (*close)(struct kv **kv);
    enum error (*begin)(struct kv *kv, bool write, struct kv_txn **txn);
    /* Ends the transaction whatever it returns. */
    enum error (*commit)(struct kv_txn **txn);
    void (*abort)(struct kv_txn **txn);
    enum error (*get)(struct kv_txn *txn, struct slice key, struct slice *value); /* NOT_FOUND */
    enum error (*put)(struct kv_txn *txn, struct slice key, struct slice value);
    enum error (*del)(struct kv_txn *txn, struct slice key); /* NOT_FOUND when absent */
    enum error (*cursor_open)(struct kv_txn *txn, struct kv_cursor **cursor);
    void (*cursor_close)(struct kv_cursor **cursor); /* before its transaction ends */
    enum error (*seek)(struct kv_cursor *cursor, struct slice at, struct kv_pair *pair);        /* first key >= at */
    enum error (*seek_before)(struct kv_cursor *cursor, struct slice at, struct kv_pair *pair); /* last key < at */
    enum error (*next)(struct kv_cursor *cursor, struct kv_pair *pair);
    enum error (*prev)(struct kv_cursor *cursor, struct kv_pair *pair);
    enum error (*usage)(struct kv_txn *txn, struct kv_usage *usage);
};
