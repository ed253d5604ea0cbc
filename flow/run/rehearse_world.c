// SPDX-License-Identifier: MIT
#include "flow/run/rehearse_world.h"
#include "flow/civil.h"
#include "proto/check.h"
#include "proto/rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_MS = 3600000, LISTED_MAX = 1000 };

/* ---- what the fixture says that the store holds ---- */

static json_t *entry_of(const json_t *map, struct slice key)
{
    char *name = slice_dup(key);
    json_t *entry = json_object_get(map, name);

    free(name);
    return entry;
}

static void set_entry(json_t *map, struct slice key, json_t *value)
{
    char *name = slice_dup(key);

    CHECK(json_object_set_new(map, name, value) == 0);
    free(name);
}

static json_t *member(json_t *map, struct slice key)
{
    json_t *found = entry_of(map, key);

    if (found == NULL) {
        set_entry(map, key, json_object());
        found = entry_of(map, key);
    }
    return found;
}

static void put(struct world *world, struct slice space, struct slice key, struct slice text)
{
    json_t *keys = member(world->spaces, space), *old = entry_of(keys, key);
    json_int_t version = json_integer_value(json_object_get(old, "version")) + 1;

    set_entry(keys, key, json_pack("{s:I, s:s%}", "version", version, "value", text.size ? text.data : "", text.size));
}

/* "throttle/mail" is the key "mail" of the space throttle; what begins with no space's name is a key of value. */
static struct slice split_space(const char *name, struct slice *key)
{
    static const char *const spaces[] = {"value",  "throttle",   "booked",   "approval", "calendar",
                                         "recent", "experiment", "schedule", "overlap",  "gate"};

    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        size_t size = strlen(spaces[i]);
        if (strncmp(name, spaces[i], size) == 0 && name[size] == '/') {
            *key = slice_of(name + size + 1);
            return slice_of(spaces[i]);
        }
    }
    *key = slice_of(name);
    return SLICE("value");
}

bool world_init(struct world *world, const json_t *store, int64_t now_ms, char *problem, size_t room)
{
    const char *name;
    json_t *value;

    *world = (struct world){.now_ms = now_ms,
                            .spaces = json_object(),
                            .claims = json_object(),
                            .books = json_array(),
                            .sums = json_object(),
                            .figures = json_object(),
                            .rows = json_object()};
    json_object_foreach((json_t *)store, name, value)
    {
        struct buffer text = {NULL, 0, 0};
        struct slice key;
        if (strncmp(name, "figures/", 8) == 0) {
            if (!json_is_array(value)) {
                snprintf(problem, room, "store: %.60s must be a list", name);
                return false;
            }
            if (strcmp(name + 8, "books") == 0)
                json_array_extend(world->books, value);
            else
                json_object_set(world->figures, name + 8, value);
            continue;
        }
        struct slice space = split_space(name, &key);
        json_write(&text, value);
        put(world, space, key, buffer_slice(&text));
        buffer_free(&text);
    }
    return true;
}

void world_fini(struct world *world)
{
    for (size_t i = 0; i < world->job_count; i++)
        free(world->jobs[i].bytes);
    free(world->jobs);
    json_decref(world->spaces);
    json_decref(world->claims);
    json_decref(world->books);
    json_decref(world->sums);
    json_decref(world->figures);
    json_decref(world->rows);
    buffer_free(&world->record);
    *world = (struct world){0};
}

/* ---- facts ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *list_of(const json_t *keys, const char *prefix)
{
    const char **names = xcalloc(json_object_size(keys) + 1, sizeof(*names)), *name;
    json_t *list = json_array(), *entry;
    size_t count = 0;

    json_object_foreach((json_t *)keys, name, entry)
    {
        if (strncmp(name, prefix, strlen(prefix)) == 0)
            names[count++] = name;
    }
    if (count > 1)
        qsort(names, count, sizeof(*names), by_key);
    for (size_t i = 0; i < count && i < LISTED_MAX; i++) {
        entry = json_copy(json_object_get(keys, names[i]));
        json_object_set_new(entry, "key", json_string(names[i]));
        json_array_append_new(list, entry);
    }
    free(names);
    return list;
}

/* Entries without a moment of their own count always: a fixture need not say one. */
static json_t *within(const json_t *all, const char *moment, int64_t from_ms, int64_t to_ms)
{
    json_t *list = json_array(), *entry;
    size_t index;

    json_array_foreach(all, index, entry)
    {
        const json_t *at = json_object_get(entry, moment);
        if (!json_is_integer(at) || (json_integer_value(at) >= from_ms && json_integer_value(at) <= to_ms))
            json_array_append(list, entry);
    }
    return list;
}

json_t *world_fact(const struct world *world, const struct fact_wanted *wanted)
{
    const json_t *keys = json_object_get(world->spaces, wanted->space), *entry;
    json_t *queues;

    switch (wanted->kind) {
    case FACT_VALUE:
        entry = json_object_get(keys, wanted->key);
        return entry != NULL ? json_copy((json_t *)entry) : json_pack("{s:i}", "version", 0);
    case FACT_LIST:
        return list_of(keys, wanted->key);
    case FACT_BOOKS:
        return within(world->books, "hour_ms", civil_floor(wanted->from_ms, HOUR_MS) * HOUR_MS, wanted->to_ms);
    case FACT_QUEUES:
        queues = json_object_get(world->figures, "queues");
        return queues != NULL ? json_incref(queues) : json_array();
    case FACT_RUNS:
        return within(json_object_get(world->figures, "runs"), "changed_ms", wanted->from_ms, wanted->to_ms);
    }
    CHECK(false);
    return NULL;
}

json_t *world_values(const struct world *world)
{
    json_t *values = json_object(), *entry;
    const char *key;

    json_object_foreach(json_object_get(world->spaces, "value"), key, entry)
    {
        struct json_problem problem;
        json_t *value = json_read(json_text_at(entry, "value"), &problem);
        CHECK(value != NULL);
        json_object_set_new(values, key, value);
    }
    return values;
}

/* ---- jobs ---- */

void world_push(struct world *world, uint64_t id, int64_t due_ms, struct slice queue, struct slice payload)
{
    struct world_job *job;

    if (world->job_count == world->job_room) {
        world->job_room = world->job_room * 2 + 16;
        world->jobs = xrealloc(world->jobs, world->job_room * sizeof(*world->jobs));
    }
    job = &world->jobs[world->job_count++];
    *job = (struct world_job){.id = id,
                              .order = world->orders++,
                              .due_ms = due_ms > world->now_ms ? due_ms : world->now_ms,
                              .bytes = xcalloc(1, queue.size + payload.size + 1)};
    memcpy(job->bytes, queue.data, queue.size);
    memcpy(job->bytes + queue.size, payload.data, payload.size);
    job->queue = (struct slice){job->bytes, queue.size};
    job->payload = (struct slice){job->bytes + queue.size, payload.size};
}

static void remove_job(struct world *world, size_t at)
{
    world->job_count--;
    memmove(&world->jobs[at], &world->jobs[at + 1], (world->job_count - at) * sizeof(*world->jobs));
}

static void cancel(struct world *world, uint64_t id)
{
    for (size_t i = 0; i < world->job_count; i++)
        if (world->jobs[i].id == id) {
            free(world->jobs[i].bytes);
            remove_job(world, i);
            return;
        }
}

bool world_take(struct world *world, struct world_job *job)
{
    size_t first = 0;

    for (size_t i = 1; i < world->job_count; i++) {
        const struct world_job *one = &world->jobs[i], *best = &world->jobs[first];
        if (one->due_ms < best->due_ms || (one->due_ms == best->due_ms && one->order < best->order))
            first = i;
    }
    if (world->job_count == 0)
        return false;
    *job = world->jobs[first];
    remove_job(world, first);
    world->now_ms = job->due_ms;
    return true;
}

/* ---- a commit ---- */

static int64_t added(int64_t a, int64_t b)
{
    json_int_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static void book(struct world *world, const struct op_book *op)
{
    json_t *currencies = member(world->sums, op->book), *sum = entry_of(currencies, op->currency);

    set_entry(currencies, op->currency, json_integer(added(json_integer_value(sum), op->amount)));
    json_array_append_new(world->books, json_pack("{s:s%, s:s%, s:I, s:I, s:i}", "book",
                                                  op->book.size ? op->book.data : "", op->book.size, "currency",
                                                  op->currency.size ? op->currency.data : "", op->currency.size,
                                                  "hour_ms", (json_int_t)(civil_floor(op->at_ms, HOUR_MS) * HOUR_MS),
                                                  "amount", (json_int_t)op->amount, "entries", 1));
}

static void append(struct world *world, struct slice bytes)
{
    struct row row;
    const char *table;

    CHECK(row_unpack(bytes, &row));
    table = table_info[row.table].name;
    json_object_set_new(world->rows, table, json_integer(json_integer_value(json_object_get(world->rows, table)) + 1));
}

static uint64_t version_of(const struct world *world, struct slice space, struct slice key)
{
    const json_t *entry = entry_of(entry_of(world->spaces, space), key);

    return (uint64_t)json_integer_value(json_object_get(entry, "version"));
}

static void delete_key(struct world *world, struct slice space, struct slice key)
{
    char *name = slice_dup(key);

    json_object_del(entry_of(world->spaces, space), name);
    free(name);
}

static void add(struct world *world, const struct op_add *op)
{
    struct slice old = json_text_at(entry_of(entry_of(world->spaces, op->space), op->key), "value");
    struct buffer text = {NULL, 0, 0};
    char *number = slice_dup(old);

    buffer_printf(&text, "%lld", (long long)added(strtoll(number, NULL, 10), op->delta));
    put(world, op->space, op->key, buffer_slice(&text));
    buffer_free(&text);
    free(number);
}

static void keep_run(struct world *world, const struct op_run *op)
{
    CHECK(op->version == world->run_version && op->state < RUN_STATE_COUNT);
    buffer_clear(&world->record);
    buffer_append(&world->record, op->record.data, op->record.size);
    world->run_version++;
    world->run_state = (enum run_state)op->state;
}

/* How many of the next operations a held claim skips. */
static uint64_t claim(struct world *world, const struct op_claim *op)
{
    const json_t *until = entry_of(world->claims, op->key);

    if (json_is_integer(until) && json_integer_value(until) > world->now_ms) {
        CHECK(op->skip > 0);
        return op->skip;
    }
    set_entry(world->claims, op->key, json_integer(op->until_ms));
    return 0;
}

static void apply(struct world *world, const struct op *op, uint64_t *skip)
{
    switch (op->id) {
    case OP_PUSH:
        world_push(world, op->push.id, op->push.due_ms, op->push.queue, op->push.payload);
        break;
    case OP_CANCEL:
        cancel(world, op->cancel.job);
        break;
    case OP_CLAIM:
        *skip = claim(world, &op->claim);
        break;
    case OP_PUT:
        put(world, op->put.space, op->put.key, op->put.value);
        break;
    case OP_ADD:
        add(world, &op->add);
        break;
    case OP_DELETE:
        delete_key(world, op->delete.space, op->delete.key);
        break;
    case OP_EXPECT:
        CHECK(version_of(world, op->expect.space, op->expect.key) == op->expect.version);
        break;
    case OP_BOOK:
        book(world, &op->book);
        break;
    case OP_APPEND:
        append(world, op->append.row);
        break;
    case OP_RUN:
        keep_run(world, &op->run);
        break;
    case OP_FINISH:
    case OP_ALLOCATE:
        break;
    default:
        CHECK(false);
    }
}

void world_commit(struct world *world, struct slice ops)
{
    struct wire wire = wire_over(ops);
    uint64_t skip = 0;
    struct op op;

    while (op_take(&wire, &op)) {
        if (skip > 0)
            skip--;
        else
            apply(world, &op, &skip);
    }
    CHECK(wire_done(&wire));
}
