// SPDX-License-Identifier: MIT
#include "store/kv_lmdb.h"
#include "proto/check.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { BOUND_BYTES_MIN = 1 << 20, SHORT_OF_DISK_BYTES = 1 << 20, FREE_PAGES_TREE = 0 };

struct lmdb_kv {
    struct kv kv;
    MDB_env *env;
    MDB_dbi dbi;
    int lock_fd;
    uint64_t page_bytes, bound_bytes;
    char directory[PATH_MAX];
};

struct lmdb_txn {
    struct kv_txn txn;
    MDB_txn *mdb;
};

struct lmdb_cursor {
    struct kv_cursor cursor;
    MDB_cursor *mdb;
};

static enum error error_of(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return ERROR_OK;
    case MDB_NOTFOUND:
        return ERROR_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return ERROR_FULL;
    case ENOSPC:
    case EDQUOT:
        return ERROR_DISK_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return ERROR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return ERROR_UNSUPPORTED;
    default:
        return ERROR_IO;
    }
}

static MDB_val val_of(struct slice bytes)
{
    return (MDB_val){bytes.size, (void *)(uintptr_t)bytes.data};
}

static struct slice slice_of_val(MDB_val value)
{
    return (struct slice){value.mv_size ? value.mv_data : NULL, value.mv_size};
}

static uint64_t disk_free(const struct lmdb_kv *lmdb)
{
    struct statvfs info;

    if (statvfs(lmdb->directory, &info) != 0)
        return UINT64_MAX; /* no reason to refuse work: a real lack of room comes back from the commit */
    return (uint64_t)info.f_bavail * info.f_frsize;
}

static enum error take_lock(struct lmdb_kv *lmdb, char *problem, size_t size)
{
    char path[PATH_MAX + 8];

    if (mkdir(lmdb->directory, 0700) != 0 && errno != EEXIST) {
        snprintf(problem, size, "%s: %s", lmdb->directory, strerror(errno));
        return ERROR_IO;
    }
    snprintf(path, sizeof(path), "%s/lock", lmdb->directory);
    lmdb->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lmdb->lock_fd < 0) {
        snprintf(problem, size, "%s: %s", path, strerror(errno));
        return ERROR_IO;
    }
    if (flock(lmdb->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(problem, size, "%s is in use by another process", lmdb->directory);
        return errno == EWOULDBLOCK ? ERROR_HELD : ERROR_IO;
    }
    return ERROR_OK;
}

static int open_tree(struct lmdb_kv *lmdb)
{
    MDB_txn *txn;
    MDB_stat stat;
    int code = mdb_txn_begin(lmdb->env, NULL, 0, &txn);

    if (code != MDB_SUCCESS)
        return code;
    code = mdb_dbi_open(txn, NULL, 0, &lmdb->dbi);
    if (code == MDB_SUCCESS)
        code = mdb_stat(txn, lmdb->dbi, &stat);
    if (code != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return code;
    }
    lmdb->page_bytes = stat.ms_psize;
    return mdb_txn_commit(txn);
}

static enum error open_env(struct lmdb_kv *lmdb, char *problem, size_t size)
{
    MDB_envinfo info;
    int code = mdb_env_create(&lmdb->env);

    if (code == MDB_SUCCESS)
        code = mdb_env_set_mapsize(lmdb->env, lmdb->bound_bytes);
    if (code == MDB_SUCCESS)
        code = mdb_env_open(lmdb->env, lmdb->directory, 0, 0600);
    if (code == MDB_SUCCESS)
        code = mdb_reader_check(lmdb->env, NULL);
    if (code == MDB_SUCCESS)
        code = open_tree(lmdb);
    if (code == MDB_SUCCESS)
        code = mdb_env_info(lmdb->env, &info);
    if (code != MDB_SUCCESS) {
        snprintf(problem, size, "%s: %s", lmdb->directory, mdb_strerror(code));
        return error_of(code);
    }
    lmdb->bound_bytes = info.me_mapsize;
    return ERROR_OK;
}

static bool sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return synced;
}

/* An empty environment in a folder of its own. */
static int make_empty(const char *folder)
{
    MDB_env *env;
    int code = mdb_env_create(&env);

    if (code != MDB_SUCCESS)
        return code;
    code = mdb_env_open(env, folder, 0, 0600);
    mdb_env_close(env);
    return code;
}

/* A new file is made aside, synced and only then given its name: a power cut leaves either no store or an empty one,
 * never half of its first pages. What an earlier attempt left is made anew. */
static enum error make_file(const struct lmdb_kv *lmdb, const char *path, char *problem, size_t size)
{
    char folder[PATH_MAX + 16], made[PATH_MAX + 32], lock[PATH_MAX + 32];
    struct stat info;
    int code;

    if (stat(path, &info) == 0)
        return ERROR_OK;
    snprintf(folder, sizeof(folder), "%s/new", lmdb->directory);
    snprintf(made, sizeof(made), "%s/data.mdb", folder);
    snprintf(lock, sizeof(lock), "%s/lock.mdb", folder);
    unlink(made);
    code = mkdir(folder, 0700) != 0 && errno != EEXIST ? errno : make_empty(folder);
    if (code == MDB_SUCCESS &&
        (!sync_path(made, O_RDWR) || rename(made, path) != 0 || !sync_path(lmdb->directory, O_RDONLY | O_DIRECTORY)))
        code = errno;
    unlink(lock);
    rmdir(folder);
    if (code == MDB_SUCCESS)
        return ERROR_OK;
    snprintf(problem, size, "%s: cannot make the store: %s", lmdb->directory, mdb_strerror(code));
    return error_of(code);
}

static void lmdb_close(struct kv **kv)
{
    struct lmdb_kv *lmdb = (struct lmdb_kv *)*kv;

    if (lmdb == NULL)
        return;
    if (lmdb->env != NULL)
        mdb_env_close(lmdb->env);
    if (lmdb->lock_fd >= 0)
        close(lmdb->lock_fd);
    free(lmdb);
    *kv = NULL;
}

static enum error lmdb_open(void *argument, struct kv **kv, char *problem, size_t problem_size)
{
    const struct kv_lmdb_options *options = argument;
    struct lmdb_kv *lmdb = xcalloc(1, sizeof(*lmdb));
    char path[PATH_MAX + 16];
    enum error error;

    CHECK(strlen(options->directory) < PATH_MAX);
    lmdb->kv.ops = &kv_lmdb_ops;
    lmdb->lock_fd = -1;
    lmdb->bound_bytes = options->bound_bytes < BOUND_BYTES_MIN ? BOUND_BYTES_MIN : options->bound_bytes;
    memcpy(lmdb->directory, options->directory, strlen(options->directory) + 1);
    *kv = &lmdb->kv;
    error = take_lock(lmdb, problem, problem_size);
    if (error == ERROR_OK) {
        snprintf(path, sizeof(path), "%s/data.mdb", lmdb->directory);
        error = make_file(lmdb, path, problem, problem_size);
    }
    if (error == ERROR_OK)
        error = kv_lmdb_preflight(path, problem, problem_size);
    if (error == ERROR_OK)
        error = open_env(lmdb, problem, problem_size);
    if (error != ERROR_OK)
        lmdb_close(kv);
    return error;
}

static enum error lmdb_begin(struct kv *kv, bool write, struct kv_txn **txn)
{
    struct lmdb_txn *begun = xcalloc(1, sizeof(*begun));
    int code = mdb_txn_begin(((struct lmdb_kv *)kv)->env, NULL, write ? 0 : MDB_RDONLY, &begun->mdb);

    if (code != MDB_SUCCESS) {
        free(begun);
        return error_of(code);
    }
    begun->txn = (struct kv_txn){kv, write};
    *txn = &begun->txn;
    return ERROR_OK;
}

/* A short write on a full file system comes back as EIO although nothing is broken: the environment still gives out
 * write transactions then, which it refuses for good once a meta page could not be written. */
static enum error commit_error(struct lmdb_kv *lmdb, int code)
{
    MDB_txn *probe;

    if (code != EIO || disk_free(lmdb) > SHORT_OF_DISK_BYTES)
        return error_of(code);
    if (mdb_txn_begin(lmdb->env, NULL, 0, &probe) != MDB_SUCCESS)
        return ERROR_IO;
    mdb_txn_abort(probe);
    return ERROR_DISK_FULL;
}

static enum error lmdb_commit(struct kv_txn **txn)
{
    struct lmdb_txn *lmdb = (struct lmdb_txn *)*txn;
    struct lmdb_kv *kv = (struct lmdb_kv *)lmdb->txn.kv;
    int code = mdb_txn_commit(lmdb->mdb);

    free(lmdb);
    *txn = NULL;
    return commit_error(kv, code);
}

static void lmdb_abort(struct kv_txn **txn)
{
    struct lmdb_txn *lmdb = (struct lmdb_txn *)*txn;

    mdb_txn_abort(lmdb->mdb);
    free(lmdb);
    *txn = NULL;
}

static enum error lmdb_get(struct kv_txn *txn, struct slice key, struct slice *value)
{
    MDB_val mdb_key = val_of(key), mdb_value = {0, NULL};
    int code = mdb_get(((struct lmdb_txn *)txn)->mdb, ((struct lmdb_kv *)txn->kv)->dbi, &mdb_key, &mdb_value);

    *value = slice_of_val(mdb_value);
    return error_of(code);
}

static enum error lmdb_put(struct kv_txn *txn, struct slice key, struct slice value)
{
    MDB_val mdb_key = val_of(key), mdb_value = val_of(value);

    CHECK(txn->write && key.size > 0 && key.size <= KV_KEY_MAX);
    return error_of(mdb_put(((struct lmdb_txn *)txn)->mdb, ((struct lmdb_kv *)txn->kv)->dbi, &mdb_key, &mdb_value, 0));
}

static enum error lmdb_del(struct kv_txn *txn, struct slice key)
{
    MDB_val mdb_key = val_of(key);

    CHECK(txn->write);
    return error_of(mdb_del(((struct lmdb_txn *)txn)->mdb, ((struct lmdb_kv *)txn->kv)->dbi, &mdb_key, NULL));
}

static enum error lmdb_cursor_open(struct kv_txn *txn, struct kv_cursor **cursor)
{
    struct lmdb_cursor *opened = xcalloc(1, sizeof(*opened));
    int code = mdb_cursor_open(((struct lmdb_txn *)txn)->mdb, ((struct lmdb_kv *)txn->kv)->dbi, &opened->mdb);

    if (code != MDB_SUCCESS) {
        free(opened);
        return error_of(code);
    }
    opened->cursor.txn = txn;
    *cursor = &opened->cursor;
    return ERROR_OK;
}

static void lmdb_cursor_close(struct kv_cursor **cursor)
{
    mdb_cursor_close(((struct lmdb_cursor *)*cursor)->mdb);
    free(*cursor);
    *cursor = NULL;
}

static enum error move(struct kv_cursor *cursor, MDB_cursor_op op, struct slice at, struct kv_pair *pair)
{
    MDB_val key = val_of(at), value = {0, NULL};
    int code = mdb_cursor_get(((struct lmdb_cursor *)cursor)->mdb, &key, &value, op);

    if (code == MDB_SUCCESS)
        *pair = (struct kv_pair){slice_of_val(key), slice_of_val(value)};
    return error_of(code);
}

static enum error lmdb_seek(struct kv_cursor *cursor, struct slice at, struct kv_pair *pair)
{
    return move(cursor, MDB_SET_RANGE, at, pair);
}

static enum error lmdb_next(struct kv_cursor *cursor, struct kv_pair *pair)
{
    return move(cursor, MDB_NEXT, (struct slice){NULL, 0}, pair);
}

static enum error lmdb_prev(struct kv_cursor *cursor, struct kv_pair *pair)
{
    return move(cursor, MDB_PREV, (struct slice){NULL, 0}, pair);
}

static enum error lmdb_seek_before(struct kv_cursor *cursor, struct slice at, struct kv_pair *pair)
{
    enum error error = move(cursor, MDB_SET_RANGE, at, pair);

    if (error == ERROR_OK)
        return lmdb_prev(cursor, pair);
    return error == ERROR_NOT_FOUND ? move(cursor, MDB_LAST, (struct slice){NULL, 0}, pair) : error;
}

static enum error lmdb_usage(struct kv_txn *txn, struct kv_usage *usage)
{
    const struct lmdb_kv *lmdb = (const struct lmdb_kv *)txn->kv;
    MDB_txn *mdb = ((struct lmdb_txn *)txn)->mdb;
    const MDB_dbi trees[2] = {FREE_PAGES_TREE, lmdb->dbi};
    uint64_t pages = 2; /* the metas */

    for (unsigned i = 0; i < 2; i++) {
        MDB_stat stat;
        int code = mdb_stat(mdb, trees[i], &stat);
        if (code != MDB_SUCCESS)
            return error_of(code);
        pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    }
    *usage = (struct kv_usage){pages * lmdb->page_bytes, lmdb->bound_bytes, disk_free(lmdb)};
    return ERROR_OK;
}

const struct kv_ops kv_lmdb_ops = {
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .cursor_open = lmdb_cursor_open,
    .cursor_close = lmdb_cursor_close,
    .seek = lmdb_seek,
    .seek_before = lmdb_seek_before,
    .next = lmdb_next,
    .prev = lmdb_prev,
    .usage = lmdb_usage,
};
