// SPDX-License-Identifier: MIT
#include "store/engine.h"
#include <string.h>

enum { OWNER_LOOK_MAX = 4096 };

/* Where a job stands follows from its head alone:
 *   ready index   it is runnable, and the first of its order key if it has one
 *   order index   it has an order key and holds it
 *   lists         it is parked, doubtful or dead */

bool job_is_runnable(const struct stored_job *head)
{
    return head->state == JOB_WAITING || (head->state == JOB_PARKED && head->due_ms != INT64_MAX);
}

bool job_holds_order(const struct stored_job *head)
{
    return head->order != 0 && head->state != JOB_DEAD;
}

static bool is_listed(uint64_t state)
{
    return state == JOB_PARKED || state == JOB_DOUBT || state == JOB_DEAD;
}

struct order_ref job_order_ref(const struct stored_job *head)
{
    struct order_ref ref = {.order = head->order};

    order_hash(head->key, ref.hash);
    return ref;
}

void job_ready_of(const struct job *job, struct ready *ready)
{
    const struct stored_job *head = &job->head;

    *ready = (struct ready){.queue = (uint16_t)head->queue,
                            .gate = (uint16_t)head->gate,
                            .priority = (unsigned)head->priority,
                            .lane = head->due_ms == 0 ? LANE_NOW : LANE_TIMED,
                            .time = (uint64_t)(head->due_ms == 0 ? head->created_ms : head->due_ms),
                            .id = job->id};
}

enum job_state job_state_now(const struct store *store, const struct job *job, int64_t now_ms)
{
    const struct lease *lease = lease_find(&store->leases, job->id);

    if (lease != NULL && !lease->ending)
        return JOB_LEASED;
    if (job->head.due_ms > now_ms || !job_is_runnable(&job->head))
        return (enum job_state)job->head.state;
    return JOB_READY;
}

enum error job_load(struct commit *commit, uint64_t id, struct job *job)
{
    struct slice value;
    struct key key;
    enum error error;

    key_job(&key, id, JOB_HEAD);
    error = stage_get(commit->stage, &key, &value);
    job->id = id;
    if (error == ERROR_OK &&
        (!stored_take_job(value, &job->head) || job->head.state >= JOB_STATE_COUNT ||
         names_at(&commit->store->queues, job->head.queue) == NULL))
        error = ERROR_CORRUPT;
    if (error == ERROR_CORRUPT)
        bad_add(commit->store, &(struct bad){.id = id});
    return error;
}

void job_write_head(struct commit *commit, const struct job *job)
{
    struct buffer *scratch = &commit->store->scratch;
    struct key key;

    key_job(&key, job->id, JOB_HEAD);
    buffer_clear(scratch);
    stored_put_job(scratch, &job->head);
    stage_put(commit->stage, &key, buffer_slice(scratch));
}

/* The entries of a keyed job in the ready index and the lists carry its place in the order: if the head cannot be read,
 * the next can still be found. */
static void order_ref_put(const struct job *job, char value[ORDER_REF_BYTES])
{
    struct order_ref ref = job_order_ref(&job->head);

    memcpy(value, ref.hash, KEY_HASH_BYTES);
    put_number(value + KEY_HASH_BYTES, ref.order, 8);
}

static void ready_put(struct commit *commit, const struct job *job)
{
    struct ready ready;
    struct key key;
    char value[ORDER_REF_BYTES];

    order_ref_put(job, value);
    job_ready_of(job, &ready);
    key_ready(&key, &ready);
    stage_put(commit->stage, &key, (struct slice){value, job->head.order != 0 ? sizeof(value) : 0});
}

static void list_put(struct commit *commit, const struct job *job)
{
    struct key key;
    char value[LISTED_BYTES];

    order_ref_put(job, value);
    put_number(value + ORDER_REF_BYTES, job->head.queue, 2);
    key_list(&key, (enum job_state)job->head.state, job->id);
    stage_put(commit->stage, &key, (struct slice){value, job_holds_order(&job->head) ? sizeof(value) : 0});
}

bool listed_take(struct slice value, uint16_t *queue, struct order_ref *ref)
{
    if (value.size != LISTED_BYTES || !order_ref_take((struct slice){value.data, ORDER_REF_BYTES}, ref))
        return false;
    *queue = (uint16_t)take_number(value.data + ORDER_REF_BYTES, 2);
    return true;
}

bool order_ref_take(struct slice value, struct order_ref *ref)
{
    if (value.size != ORDER_REF_BYTES)
        return false;
    memcpy(ref->hash, value.data, KEY_HASH_BYTES);
    ref->order = take_number(value.data + KEY_HASH_BYTES, 8);
    return true;
}

/* The job whose entry in the order index cannot be read. Its place comes from the counter that gives ids too, right
 * behind its own id unless that was allocated long before or it was revived: it is looked for downwards from there. */
static bool order_owner(struct commit *commit, uint16_t queue, const struct order_ref *ref, uint64_t *id)
{
    const struct kv_ops *ops = commit->store->ops;
    struct kv_cursor *cursor;
    struct kv_pair pair;
    struct stored_job head;
    struct slice value;
    struct key at;
    enum job_part part;
    bool found = false;

    if (ops->cursor_open(stage_txn(commit->stage), &cursor) != ERROR_OK)
        return false;
    key_job(&at, id_of(commit->store, ref->order), JOB_HEAD);
    enum error error = ops->seek_before(cursor, key_slice(&at), &pair);
    for (size_t i = 0; i < OWNER_LOOK_MAX && !found && error == ERROR_OK; i++) {
        if (!key_parse_job(pair.key, id, &part))
            break;
        if (part == JOB_HEAD && record_open(pair.key, pair.value, &value) && stored_take_job(value, &head)) {
            const struct order_ref own = job_order_ref(&head);
            found = head.queue == queue && job_holds_order(&head) && own.order == ref->order &&
                    memcmp(own.hash, ref->hash, KEY_HASH_BYTES) == 0;
        }
        error = ops->prev(cursor, &pair);
    }
    ops->cursor_close(&cursor);
    return found;
}

/* The first entry of an order key. One that cannot be read is made anew from its job; when the job is not found the
 * entry is given up, so that it holds up neither those before nor those behind it. */
static enum error order_front(struct commit *commit, const struct key *prefix, struct order_ref *front, uint64_t *id)
{
    struct key found = *prefix;
    struct slice value;
    uint16_t queue;
    char bytes[8];

    for (;;) {
        enum error error = stage_seek(commit->stage, prefix, prefix, &found, &value);
        if ((error != ERROR_OK && error != ERROR_CORRUPT) || found.size == prefix->size)
            return error == ERROR_OK ? ERROR_CORRUPT : error; /* the disk itself, which names no entry */
        const bool parsed = key_parse_order(key_slice(&found), &queue, front);
        if (error == ERROR_OK && parsed && value.size == sizeof(bytes)) {
            *id = take_number(value.data, sizeof(bytes));
            return ERROR_OK;
        }
        commit->store->totals.stats.corrupt++;
        if (parsed && order_owner(commit, queue, front, id)) {
            put_number(bytes, *id, sizeof(bytes));
            stage_put(commit->stage, &found, (struct slice){bytes, sizeof(bytes)});
            return ERROR_OK;
        }
        stage_del(commit->stage, &found);
    }
}

/* Is the job the first of its order key? */
static enum error is_first(struct commit *commit, const struct job *job, bool *first)
{
    struct order_ref ref, front;
    struct key prefix;
    uint64_t id;
    enum error error;

    *first = true;
    if (job->head.order == 0)
        return ERROR_OK;
    ref = job_order_ref(&job->head);
    key_order_all(&prefix, (uint16_t)job->head.queue, &ref);
    error = order_front(commit, &prefix, &front, &id);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    *first = front.order >= ref.order;
    return ERROR_OK;
}

static enum error order_enter(struct commit *commit, struct job *job)
{
    struct order_ref ref;
    struct key key;
    char id[8];
    enum error error;

    if (job->head.key.size == 0)
        return ERROR_OK;
    error = numbers_take(commit->store, commit->stage, 1, &job->head.order);
    if (error != ERROR_OK)
        return error;
    ref = job_order_ref(&job->head);
    key_order(&key, (uint16_t)job->head.queue, &ref);
    put_number(id, job->id, sizeof(id));
    stage_put(commit->stage, &key, (struct slice){id, sizeof(id)});
    return ERROR_OK;
}

enum error order_leave(struct commit *commit, uint16_t queue, const struct order_ref *ref)
{
    struct key key, prefix;
    struct job next;
    struct bad bad = {.ready.queue = queue, .has_order = true};
    enum error error;

    key_order(&key, queue, ref);
    stage_del(commit->stage, &key);
    key_order_all(&prefix, queue, ref);
    error = order_front(commit, &prefix, &bad.order, &bad.id);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    error = job_load(commit, bad.id, &next);
    if (error == ERROR_OK && job_is_runnable(&next.head))
        ready_put(commit, &next);
    if (error != ERROR_CORRUPT && error != ERROR_NOT_FOUND)
        return error;
    bad_add(commit->store, &bad); /* moved aside soon, and that takes the one behind it in */
    return ERROR_OK;
}

/* Takes the job out of the ready index and the lists; its place in the order stays. */
static void unlist(struct commit *commit, const struct job *job)
{
    struct ready ready;
    struct key key;

    if (job_is_runnable(&job->head)) {
        job_ready_of(job, &ready);
        key_ready(&key, &ready);
        stage_del(commit->stage, &key);
    }
    if (is_listed(job->head.state)) {
        key_list(&key, (enum job_state)job->head.state, job->id);
        stage_del(commit->stage, &key);
    }
}

enum error job_list(struct commit *commit, const struct job *job)
{
    bool first;
    enum error error = ERROR_OK;

    if (is_listed(job->head.state))
        list_put(commit, job);
    if (job_is_runnable(&job->head)) {
        error = is_first(commit, job, &first);
        if (error == ERROR_OK && first)
            ready_put(commit, job);
    }
    return error;
}

enum error job_create(struct commit *commit, struct job *job)
{
    enum error error = order_enter(commit, job);

    if (error == ERROR_OK)
        error = job_list(commit, job);
    job_write_head(commit, job);
    count_job(commit->store, job->id, &job->head, 1);
    return error;
}

enum error job_move(struct commit *commit, struct job *job, enum job_state state, int64_t due_ms)
{
    const bool held = job_holds_order(&job->head);
    struct stored_job before = job->head;
    struct order_ref ref = job_order_ref(&job->head);
    enum error error = ERROR_OK;

    unlist(commit, job);
    count_job(commit->store, job->id, &before, -1);
    job->head.state = state;
    job->head.due_ms = due_ms;
    if (held && state == JOB_DEAD) {
        error = order_leave(commit, (uint16_t)job->head.queue, &ref);
        job->head.order = 0;
    } else if (!held && before.state == JOB_DEAD) {
        error = order_enter(commit, job); /* revived: behind those that were pushed meanwhile */
    }
    if (error == ERROR_OK)
        error = job_list(commit, job);
    job_write_head(commit, job);
    count_job(commit->store, job->id, &job->head, 1);
    return error;
}

enum error job_remove(struct commit *commit, struct job *job)
{
    struct order_ref ref = job_order_ref(&job->head);
    struct key key;

    unlist(commit, job);
    count_job(commit->store, job->id, &job->head, -1);
    for (unsigned part = JOB_HEAD; part < JOB_PARTS; part++) {
        if (part == JOB_NOTED && job->head.note_bytes == 0)
            continue;
        key_job(&key, job->id, (enum job_part)part);
        stage_del(commit->stage, &key);
    }
    return job_holds_order(&job->head) ? order_leave(commit, (uint16_t)job->head.queue, &ref) : ERROR_OK;
}
