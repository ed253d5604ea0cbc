// SPDX-License-Identifier: MIT
#include "store/stage.h"
#include "proto/check.h"
#include <stdlib.h>
#include <string.h>

/* One staged write; `bytes` holds the key, then the sealed value. */
struct write {
    struct write *replaced; /* kept while somebody may still borrow its value */
    size_t key_size, sealed_size;
    bool deleted;
    char *bytes;
};

struct stage {
    struct kv_txn *txn;
    struct write **writes; /* in key order */
    size_t count, capacity;
    struct buffer sealed; /* scratch */
};

struct stage *stage_new(void)
{
    return xcalloc(1, sizeof(struct stage));
}

static void write_free(struct write *write)
{
    while (write != NULL) {
        struct write *replaced = write->replaced;
        free(write->bytes);
        free(write);
        write = replaced;
    }
}

static void clear(struct stage *stage)
{
    for (size_t i = 0; i < stage->count; i++)
        write_free(stage->writes[i]);
    stage->count = 0;
}

void stage_destroy(struct stage **stage)
{
    if (*stage != NULL) {
        clear(*stage);
        buffer_free(&(*stage)->sealed);
        free((*stage)->writes);
        free(*stage);
    }
    *stage = NULL;
}

void stage_begin(struct stage *stage, struct kv_txn *txn)
{
    clear(stage);
    stage->txn = txn;
}

static struct slice write_key(const struct write *write)
{
    return (struct slice){write->bytes, write->key_size};
}

static struct slice write_sealed(const struct write *write)
{
    return (struct slice){write->bytes + write->key_size, write->sealed_size};
}

/* Index of the first write whose key is not below `key`. */
static size_t place_of(const struct stage *stage, struct slice key)
{
    size_t low = 0, high = stage->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(write_key(stage->writes[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct write *find(const struct stage *stage, struct slice key)
{
    size_t at = place_of(stage, key);

    if (at < stage->count && slice_equal(write_key(stage->writes[at]), key))
        return stage->writes[at];
    return NULL;
}

enum error stage_get(struct stage *stage, const struct key *key, struct slice *value)
{
    const struct write *write = find(stage, key_slice(key));

    if (write == NULL)
        return record_get(stage->txn, key, value);
    if (write->deleted)
        return ERROR_NOT_FOUND;
    CHECK(record_open(key_slice(key), write_sealed(write), value));
    return ERROR_OK;
}

static void insert(struct stage *stage, struct write *write)
{
    size_t at = place_of(stage, write_key(write));

    if (at < stage->count && slice_equal(write_key(stage->writes[at]), write_key(write))) {
        write->replaced = stage->writes[at];
        stage->writes[at] = write;
        return;
    }
    if (stage->count == stage->capacity) {
        stage->capacity = stage->capacity ? 2 * stage->capacity : 64;
        stage->writes = xrealloc(stage->writes, stage->capacity * sizeof(*stage->writes));
    }
    memmove(&stage->writes[at + 1], &stage->writes[at], (stage->count - at) * sizeof(*stage->writes));
    stage->writes[at] = write;
    stage->count++;
}

static struct write *write_new(const struct key *key, struct slice sealed)
{
    struct write *write = xcalloc(1, sizeof(*write));

    write->bytes = xcalloc(1, key->size + sealed.size);
    write->key_size = key->size;
    write->sealed_size = sealed.size;
    memcpy(write->bytes, key->bytes, key->size);
    if (sealed.size > 0)
        memcpy(write->bytes + key->size, sealed.data, sealed.size);
    return write;
}

void stage_put(struct stage *stage, const struct key *key, struct slice value)
{
    buffer_clear(&stage->sealed);
    record_seal(&stage->sealed, key_slice(key), value);
    insert(stage, write_new(key, buffer_slice(&stage->sealed)));
}

void stage_del(struct stage *stage, const struct key *key)
{
    struct write *write = write_new(key, (struct slice){NULL, 0});

    write->deleted = true;
    insert(stage, write);
}

static const struct write *first_staged(const struct stage *stage, const struct key *from, const struct key *prefix)
{
    for (size_t at = place_of(stage, key_slice(from)); at < stage->count; at++) {
        if (!key_has_prefix(write_key(stage->writes[at]), prefix))
            return NULL;
        if (!stage->writes[at]->deleted)
            return stage->writes[at];
    }
    return NULL;
}

/* The first record of the transaction that no staged write stands in front of. */
static enum error first_stored(struct stage *stage, const struct key *from, const struct key *prefix,
                               struct kv_pair *pair)
{
    const struct kv_ops *ops = stage->txn->kv->ops;
    struct kv_cursor *cursor;
    enum error error = ops->cursor_open(stage->txn, &cursor);

    if (error != ERROR_OK)
        return error;
    error = ops->seek(cursor, key_slice(from), pair);
    while (error == ERROR_OK && key_has_prefix(pair->key, prefix) && find(stage, pair->key) != NULL)
        error = ops->next(cursor, pair);
    if (error == ERROR_OK && !key_has_prefix(pair->key, prefix))
        error = ERROR_NOT_FOUND;
    ops->cursor_close(&cursor);
    return error;
}

enum error stage_seek(struct stage *stage, const struct key *from, const struct key *prefix, struct key *found,
                      struct slice *value)
{
    const struct write *staged = first_staged(stage, from, prefix);
    struct kv_pair pair;
    enum error error = first_stored(stage, from, prefix, &pair);

    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    if (error == ERROR_NOT_FOUND || (staged && slice_compare(write_key(staged), pair.key) < 0)) {
        if (staged == NULL)
            return ERROR_NOT_FOUND;
        pair = (struct kv_pair){write_key(staged), write_sealed(staged)};
    }
    CHECK(pair.key.size <= KV_KEY_MAX);
    found->size = pair.key.size;
    memcpy(found->bytes, pair.key.data, pair.key.size);
    return record_open(pair.key, pair.value, value) ? ERROR_OK : ERROR_CORRUPT;
}

enum error stage_flush(struct stage *stage)
{
    const struct kv_ops *ops = stage->txn->kv->ops;
    enum error error = ERROR_OK;

    for (size_t i = 0; i < stage->count && error == ERROR_OK; i++) {
        const struct write *write = stage->writes[i];
        if (!write->deleted) {
            error = ops->put(stage->txn, write_key(write), write_sealed(write));
            continue;
        }
        error = ops->del(stage->txn, write_key(write));
        if (error == ERROR_NOT_FOUND)
            error = ERROR_OK;
    }
    clear(stage);
    return error;
}

struct kv_txn *stage_txn(const struct stage *stage)
{
    return stage->txn;
}
