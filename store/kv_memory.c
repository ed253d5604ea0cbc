// SPDX-License-Identifier: MIT
/* A treap whose nodes are shared between versions: a transaction is a root of its own, commit is one assignment, abort
 * and clone are free, and nothing has to be undone. A node that only one version can reach is changed in place. */
#include "store/kv_memory.h"
#include "proto/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct blob {
    unsigned refs;
    size_t size;
    char data[];
};

struct node {
    unsigned refs;
    uint64_t rank; /* heap order; a hash of the key, so that equal contents have equal shapes */
    struct node *left, *right;
    struct blob *key, *value;
};

struct kv_memory_disk {
    unsigned magic;
#define KV_MEMORY_DISK_MAGIC 0x4b564d44u
    struct node *root;
    uint64_t used_bytes, bound_bytes, free_bytes;
    uint64_t commits, fail_in;
    uint64_t opening; /* number of the environment that is open now */
    enum kv_memory_fault fault;
};

struct memory_kv {
    struct kv kv;
    struct kv_memory_disk *disk;
    uint64_t opening;
    bool dead;
};

struct memory_txn {
    struct kv_txn txn;
    struct node *root;
    uint64_t used_bytes;
};

struct memory_cursor {
    struct kv_cursor cursor;
    struct blob *at; /* key it stands on; owned */
};

static struct blob *blob_new(struct slice bytes)
{
    struct blob *blob = xcalloc(1, sizeof(*blob) + bytes.size);

    blob->refs = 1;
    blob->size = bytes.size;
    if (bytes.size > 0)
        memcpy(blob->data, bytes.data, bytes.size);
    return blob;
}

static struct blob *blob_ref(struct blob *blob)
{
    blob->refs++;
    return blob;
}

static void blob_unref(struct blob *blob)
{
    if (blob != NULL && --blob->refs == 0)
        free(blob);
}

static struct slice blob_slice(const struct blob *blob)
{
    return (struct slice){blob->data, blob->size};
}

static uint64_t rank_of(struct slice key)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * 0x100000001b3u;
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    return hash ^ hash >> 31;
}

static struct node *node_ref(struct node *node)
{
    if (node != NULL)
        node->refs++;
    return node;
}

static void node_unref(struct node *node)
{
    while (node != NULL && --node->refs == 0) {
        struct node *right = node->right;
        node_unref(node->left);
        blob_unref(node->key);
        blob_unref(node->value);
        free(node);
        node = right;
    }
}

/* The node itself when nobody else can reach it, else a copy; takes over the caller's reference. */
static struct node *node_own(struct node *node)
{
    struct node *copy;

    if (node->refs == 1)
        return node;
    copy = xcalloc(1, sizeof(*copy));
    *copy = (struct node){.refs = 1,
                          .rank = node->rank,
                          .left = node_ref(node->left),
                          .right = node_ref(node->right),
                          .key = blob_ref(node->key),
                          .value = blob_ref(node->value)};
    node->refs--;
    return copy;
}

static struct node *node_put(struct node *node, struct slice key, struct slice value)
{
    int order;

    if (node == NULL) {
        node = xcalloc(1, sizeof(*node));
        *node = (struct node){.refs = 1, .rank = rank_of(key), .key = blob_new(key), .value = blob_new(value)};
        return node;
    }
    node = node_own(node);
    order = slice_compare(key, blob_slice(node->key));
    if (order == 0) {
        struct blob *old = node->value;
        node->value = blob_new(value);
        blob_unref(old);
        return node;
    }
    struct node **side = order < 0 ? &node->left : &node->right;
    *side = node_put(*side, key, value);
    if ((*side)->rank <= node->rank)
        return node;
    struct node *up = *side;
    struct node **inner = order < 0 ? &up->right : &up->left;
    *side = *inner;
    *inner = node;
    return up;
}

static struct node *node_merge(struct node *left, struct node *right)
{
    if (left == NULL || right == NULL)
        return left ? left : right;
    if (left->rank > right->rank) {
        left = node_own(left);
        left->right = node_merge(left->right, right);
        return left;
    }
    right = node_own(right);
    right->left = node_merge(left, right->left);
    return right;
}

/* The key must be there. */
static struct node *node_del(struct node *node, struct slice key)
{
    node = node_own(node);
    int order = slice_compare(key, blob_slice(node->key));

    if (order == 0) {
        struct node *rest = node_merge(node->left, node->right);
        node->left = node->right = NULL;
        node_unref(node);
        return rest;
    }
    struct node **side = order < 0 ? &node->left : &node->right;
    *side = node_del(*side, key);
    return node;
}

static struct node *node_find(struct node *node, struct slice key)
{
    while (node != NULL) {
        int order = slice_compare(key, blob_slice(node->key));
        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* The first node above `key` (or equal, when wanted), NULL past the end. */
static struct node *node_above(struct node *node, struct slice key, bool or_equal)
{
    struct node *best = NULL;

    while (node != NULL) {
        int order = slice_compare(blob_slice(node->key), key);
        if (order > 0 || (order == 0 && or_equal)) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

static struct node *node_below(struct node *node, struct slice key)
{
    struct node *best = NULL;

    while (node != NULL) {
        if (slice_compare(blob_slice(node->key), key) < 0) {
            best = node;
            node = node->right;
        } else {
            node = node->left;
        }
    }
    return best;
}

struct kv_memory_disk *kv_memory_disk_new(uint64_t bound_bytes)
{
    struct kv_memory_disk *disk = xcalloc(1, sizeof(*disk));

    disk->magic = KV_MEMORY_DISK_MAGIC;
    disk->bound_bytes = bound_bytes ? bound_bytes : UINT64_MAX;
    disk->free_bytes = UINT64_MAX;
    return disk;
}

struct kv_memory_disk *kv_memory_disk_clone(const struct kv_memory_disk *disk)
{
    struct kv_memory_disk *clone = kv_memory_disk_new(disk->bound_bytes);

    clone->root = node_ref(disk->root);
    clone->used_bytes = disk->used_bytes;
    clone->free_bytes = disk->free_bytes;
    clone->commits = disk->commits;
    return clone;
}

void kv_memory_disk_destroy(struct kv_memory_disk **disk)
{
    if (*disk != NULL) {
        node_unref((*disk)->root);
        free(*disk);
    }
    *disk = NULL;
}

void kv_memory_disk_fail(struct kv_memory_disk *disk, uint64_t nth, enum kv_memory_fault fault)
{
    disk->fail_in = nth;
    disk->fault = fault;
}

void kv_memory_disk_set_free(struct kv_memory_disk *disk, uint64_t free_bytes)
{
    disk->free_bytes = free_bytes;
}

uint64_t kv_memory_disk_commits(const struct kv_memory_disk *disk)
{
    return disk->commits;
}

static bool is_dead(const struct kv *kv)
{
    const struct memory_kv *memory = (const struct memory_kv *)kv;

    return memory->dead || memory->opening != memory->disk->opening;
}

static enum error memory_open(void *argument, struct kv **kv, char *problem, size_t problem_size)
{
    struct kv_memory_disk *disk;
    struct memory_kv *memory = xcalloc(1, sizeof(*memory));

    CAST_OBJ(disk, argument, KV_MEMORY_DISK_MAGIC);
    if (problem_size > 0)
        problem[0] = '\0';
    memory->kv.ops = &kv_memory_ops;
    memory->disk = disk;
    memory->opening = ++disk->opening;
    *kv = &memory->kv;
    return ERROR_OK;
}

static void memory_close(struct kv **kv)
{
    free(*kv);
    *kv = NULL;
}

static enum error memory_begin(struct kv *kv, bool write, struct kv_txn **txn)
{
    struct memory_kv *memory = (struct memory_kv *)kv;
    struct memory_txn *begun;

    if (is_dead(kv))
        return ERROR_IO;
    begun = xcalloc(1, sizeof(*begun));
    begun->txn = (struct kv_txn){kv, write};
    begun->root = node_ref(memory->disk->root);
    begun->used_bytes = memory->disk->used_bytes;
    *txn = &begun->txn;
    return ERROR_OK;
}

static void memory_abort(struct kv_txn **txn)
{
    struct memory_txn *memory = (struct memory_txn *)*txn;

    node_unref(memory->root);
    free(memory);
    *txn = NULL;
}

static enum error fault_now(struct kv_memory_disk *disk, struct memory_kv *kv, bool *apply)
{
    *apply = true;
    if (disk->fail_in == 0 || --disk->fail_in > 0)
        return ERROR_OK;
    *apply = disk->fault == KV_FAULT_ANSWER_LOST;
    if (disk->fault == KV_FAULT_DISK_FULL)
        return ERROR_DISK_FULL;
    kv->dead = true;
    return ERROR_IO;
}

static enum error memory_commit(struct kv_txn **txn)
{
    struct memory_txn *memory = (struct memory_txn *)*txn;
    struct memory_kv *kv = (struct memory_kv *)memory->txn.kv;
    struct kv_memory_disk *disk = kv->disk;
    bool apply = memory->txn.write;
    enum error error = ERROR_OK;

    if (is_dead(&kv->kv)) {
        apply = false;
        error = ERROR_IO;
    } else if (apply) {
        error = fault_now(disk, kv, &apply);
    }
    if (apply) {
        node_unref(disk->root);
        disk->root = node_ref(memory->root);
        disk->used_bytes = memory->used_bytes;
        disk->commits++;
    }
    memory_abort(txn);
    return error;
}

static enum error memory_get(struct kv_txn *txn, struct slice key, struct slice *value)
{
    struct node *node = node_find(((struct memory_txn *)txn)->root, key);

    if (node == NULL)
        return ERROR_NOT_FOUND;
    *value = blob_slice(node->value);
    return ERROR_OK;
}

static enum error memory_put(struct kv_txn *txn, struct slice key, struct slice value)
{
    struct memory_txn *memory = (struct memory_txn *)txn;
    struct node *old = node_find(memory->root, key);
    uint64_t used = memory->used_bytes - (old ? old->value->size : 0) + value.size +
                    (old ? 0 : key.size + KV_MEMORY_ENTRY_BYTES);

    CHECK(txn->write && key.size > 0 && key.size <= KV_KEY_MAX);
    if (used > ((struct memory_kv *)txn->kv)->disk->bound_bytes && used > memory->used_bytes)
        return ERROR_FULL;
    memory->used_bytes = used;
    memory->root = node_put(memory->root, key, value);
    return ERROR_OK;
}

static enum error memory_del(struct kv_txn *txn, struct slice key)
{
    struct memory_txn *memory = (struct memory_txn *)txn;
    struct node *old = node_find(memory->root, key);

    CHECK(txn->write);
    if (old == NULL)
        return ERROR_NOT_FOUND;
    memory->used_bytes -= old->value->size + old->key->size + KV_MEMORY_ENTRY_BYTES;
    memory->root = node_del(memory->root, key);
    return ERROR_OK;
}

static enum error memory_cursor_open(struct kv_txn *txn, struct kv_cursor **cursor)
{
    struct memory_cursor *opened = xcalloc(1, sizeof(*opened));

    opened->cursor.txn = txn;
    *cursor = &opened->cursor;
    return ERROR_OK;
}

static void memory_cursor_close(struct kv_cursor **cursor)
{
    blob_unref(((struct memory_cursor *)*cursor)->at);
    free(*cursor);
    *cursor = NULL;
}

static enum error stand_on(struct kv_cursor *cursor, struct node *node, struct kv_pair *pair)
{
    struct memory_cursor *memory = (struct memory_cursor *)cursor;
    struct blob *old = memory->at;

    if (node == NULL)
        return ERROR_NOT_FOUND;
    memory->at = blob_ref(node->key);
    blob_unref(old);
    *pair = (struct kv_pair){blob_slice(node->key), blob_slice(node->value)};
    return ERROR_OK;
}

static struct node *root_of(struct kv_cursor *cursor)
{
    return ((struct memory_txn *)cursor->txn)->root;
}

static enum error memory_seek(struct kv_cursor *cursor, struct slice at, struct kv_pair *pair)
{
    return stand_on(cursor, node_above(root_of(cursor), at, true), pair);
}

static enum error memory_seek_before(struct kv_cursor *cursor, struct slice at, struct kv_pair *pair)
{
    return stand_on(cursor, node_below(root_of(cursor), at), pair);
}

static enum error memory_next(struct kv_cursor *cursor, struct kv_pair *pair)
{
    const struct blob *at = ((struct memory_cursor *)cursor)->at;

    return at ? stand_on(cursor, node_above(root_of(cursor), blob_slice(at), false), pair) : ERROR_NOT_FOUND;
}

static enum error memory_prev(struct kv_cursor *cursor, struct kv_pair *pair)
{
    const struct blob *at = ((struct memory_cursor *)cursor)->at;

    return at ? stand_on(cursor, node_below(root_of(cursor), blob_slice(at)), pair) : ERROR_NOT_FOUND;
}

static enum error memory_usage(struct kv_txn *txn, struct kv_usage *usage)
{
    const struct kv_memory_disk *disk = ((struct memory_kv *)txn->kv)->disk;

    *usage = (struct kv_usage){((struct memory_txn *)txn)->used_bytes, disk->bound_bytes, disk->free_bytes};
    return ERROR_OK;
}

const struct kv_ops kv_memory_ops = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .begin = memory_begin,
    .commit = memory_commit,
    .abort = memory_abort,
    .get = memory_get,
    .put = memory_put,
    .del = memory_del,
    .cursor_open = memory_cursor_open,
    .cursor_close = memory_cursor_close,
    .seek = memory_seek,
    .seek_before = memory_seek_before,
    .next = memory_next,
    .prev = memory_prev,
    .usage = memory_usage,
};
