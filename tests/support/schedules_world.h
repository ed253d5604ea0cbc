/* schedules_world - a scheduler that is nothing but its schedules, and a store that keeps marks, claims and what was
 * pushed: for tests and the benchmark of schedules. Header only. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/ask.h"
#include "actors/scheduler/schedules.h"
#include "proto/payloads.h"
#include "tests/support/fake_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WORKFLOWS_MAX = 10000 };

/* ---- an actor that is nothing but its schedules ---- */

static struct workflow *const *listed;
static size_t listed_count;

static inline enum error start(void *self, struct actor *actor)
{
    struct scheduler *scheduler = self;

    scheduler->actor = actor;
    scheduler->config = actor_config(actor);
    scheduler->workflows = listed;
    scheduler->workflow_count = listed_count;
    schedules_start(scheduler);
    return ERROR_OK;
}

static inline void stop(void *self)
{
    schedules_stop(self);
}

static inline void on_timer(void *self, uint64_t timer)
{
    assert_int_equal(timer, TIMER_SCHEDULES);
    schedules_turn(self);
}

static inline void on_committed(void *self, const struct msg_committed *msg)
{
    assert_true(schedule_on_committed(self, msg));
}

static inline void on_page(void *self, const struct msg_page *msg)
{
    assert_true(schedule_on_page(self, msg));
}

static inline void on_command(void *self, const struct msg_command *msg)
{
    struct json_problem problem;
    struct ask ask = {.command_ticket = msg->ticket, .arguments = json_read(msg->arguments, &problem)};

    ask_schedules(self, &ask);
}

static inline void on_quiesce(void *self, const struct msg_quiesce *msg)
{
    struct scheduler *scheduler = self;

    (void)msg;
    scheduler->is_quiescing = true;
    actor_timer(scheduler->actor, TIMER_SCHEDULES, -1);
}

static inline void on_job(void *self, const struct msg_job *msg)
{
    (void)self;
    (void)msg;
    fail();
}

static const union msg_handler handlers[MSG_COUNT] = {
    [MSG_QUIESCE].quiesce = on_quiesce,
    [MSG_COMMAND].command = on_command,
    [MSG_COMMITTED].committed = on_committed,
    [MSG_PAGE].page = on_page,
    [MSG_JOB].job = on_job,
};

static const struct actor_spec schedules_spec = {
    .index = ACTOR_SCHEDULER,
    .state_size = sizeof(struct scheduler),
    .start = start,
    .stop = stop,
    .handlers = handlers,
    .on_timer = on_timer,
};

/* ---- a store that keeps marks, claims and what was pushed ---- */

struct bench {
    struct config config;
    struct channel channel;
    struct fake *fake;
    struct workflow *workflows[WORKFLOWS_MAX];
    size_t count;
    json_t *marks, *claims, *fired; /* fired: "WORKFLOW/TRIGGER/PLANNED" -> how often */
    size_t pushes, late, commits, largest;
    int64_t due_ms;  /* of the last push */
    const char *bad; /* commits that push for this workflow are refused */
    bool corrupt_scan;
    int refusals; /* that many commits are refused, whatever they are */
};

static inline struct bench *bench_new(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->config.shop_zone = slice_dup(SLICE("UTC"));
    bench->marks = json_object();
    bench->claims = json_object();
    bench->fired = json_object();
    bench->fake = fake_new(&schedules_spec, &bench->config);
    bench->fake->wall_ms = INT64_C(1700002800000); /* a full hour, 2023-11-14T23:00:00Z */
    return bench;
}

/* A workflow with one schedule, live. `cron` NULL: a slot of channel "insta". */
static inline struct workflow_trigger *add(struct bench *bench, const char *name, const char *cron,
                                           enum missed_policy missed)
{
    struct workflow *workflow = calloc(1, sizeof(*workflow));
    struct workflow_trigger *trigger = calloc(1, sizeof(*trigger));
    char problem[CRON_PROBLEM_BYTES];

    workflow->name = slice_dup(slice_of(name));
    workflow->mode = WORKFLOW_LIVE;
    workflow->triggers = trigger;
    workflow->trigger_count = 1;
    trigger->kind = cron != NULL ? TRIGGER_SCHEDULE : TRIGGER_SLOT;
    trigger->name = cron != NULL ? NULL : slice_dup(SLICE("insta"));
    trigger->missed = missed;
    if (cron != NULL) {
        trigger->cron_text = slice_of(cron);
        assert_true(cron_parse(trigger->cron_text, &trigger->schedule.cron, problem));
    }
    bench->workflows[bench->count++] = workflow;
    return trigger;
}

static inline void remove_last(struct bench *bench)
{
    struct workflow *workflow = bench->workflows[--bench->count];

    schedule_fini(&workflow->triggers[0].schedule);
    free(workflow->triggers[0].name);
    free(workflow->triggers);
    free(workflow->name);
    free(workflow);
}

static inline void bench_free(struct bench *bench)
{
    fake_destroy(&bench->fake);
    while (bench->count > 0)
        remove_last(bench);
    json_decref(bench->marks);
    json_decref(bench->claims);
    json_decref(bench->fired);
    free(bench->config.shop_zone);
    free(bench);
}

static inline char *text_of(struct slice text)
{
    return slice_dup(text);
}

static inline void count_push(struct bench *bench, const struct op_push *push)
{
    struct payload payload;
    char key[200];

    assert_true(slice_is(push->queue, "flow"));
    assert_true(payload_take(push->payload, &payload));
    assert_int_equal(payload.id, PAYLOAD_OCCURRENCE);
    snprintf(key, sizeof(key), "%.*s/%llu/%lld", (int)payload.occurrence.workflow.size,
             payload.occurrence.workflow.data, (unsigned long long)payload.occurrence.trigger,
             (long long)payload.occurrence.planned_ms);
    json_object_set_new(bench->fired, key, json_integer(json_integer_value(json_object_get(bench->fired, key)) + 1));
    bench->due_ms = push->due_ms;
    bench->pushes++;
    bench->late += payload.occurrence.is_late;
}

static inline bool is_refused(struct bench *bench, const struct op *ops, size_t count)
{
    struct payload payload;

    for (size_t i = 0; bench->bad != NULL && i < count; i++)
        if (ops[i].id == OP_PUSH && payload_take(ops[i].push.payload, &payload) &&
            slice_is(payload.occurrence.workflow, bench->bad))
            return true;
    return bench->refusals > 0 && bench->refusals-- > 0;
}

static inline bool take_claim(struct bench *bench, const struct op_claim *claim)
{
    char *key = text_of(claim->key);
    bool held = json_integer_value(json_object_get(bench->claims, key)) > bench->fake->wall_ms;

    if (!held)
        json_object_set_new(bench->claims, key, json_integer(claim->until_ms));
    free(key);
    return !held;
}

/* Returns how many claims were held. */
static inline uint64_t apply(struct bench *bench, const struct op *ops, size_t count)
{
    uint64_t skipped = 0;
    size_t pushes = bench->pushes;

    for (size_t i = 0; i < count; i++) {
        if (ops[i].id == OP_CLAIM && !take_claim(bench, &ops[i].claim)) {
            assert_true(ops[i].claim.skip > 0);
            i += ops[i].claim.skip;
            skipped++;
        } else if (ops[i].id == OP_PUSH)
            count_push(bench, &ops[i].push);
        else if (ops[i].id == OP_PUT) {
            char *key = text_of(ops[i].put.key);
            json_object_set_new(bench->marks, key, json_stringn(ops[i].put.value.data, ops[i].put.value.size));
            free(key);
        } else if (ops[i].id == OP_DELETE) {
            char *key = text_of(ops[i].delete.key);
            json_object_del(bench->marks, key);
            free(key);
        }
    }
    bench->commits++;
    bench->largest = bench->pushes - pushes > bench->largest ? bench->pushes - pushes : bench->largest;
    return skipped;
}

/* Applies the oldest commit, if there is one; `answers` false: its answer is lost. */
static inline bool commit_one(struct bench *bench, bool answers)
{
    struct op ops[512];
    struct msg_committed done = {0};

    if (fake_sent_count(bench->fake, MSG_COMMIT) == 0)
        return false;
    size_t count = fake_take_ops(bench->fake, &done.ticket, ops, 512);
    if (is_refused(bench, ops, count))
        done.error = ERROR_INVALID;
    else
        done.skipped = apply(bench, ops, count);
    if (answers)
        fake_deliver_committed(bench->fake, &done);
    return true;
}

static inline int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The rows from a key on, in order. */
static inline void put_rows(struct bench *bench, const struct msg_read *read, struct buffer *rows,
                            struct msg_page *page)
{
    const char **keys = calloc(json_object_size(bench->marks) + 1, sizeof(char *)), *key;
    size_t count = 0;
    json_t *value;

    json_object_foreach(bench->marks, key, value) keys[count++] = key;
    qsort(keys, count, sizeof(char *), by_name);
    for (size_t i = 0; i < count && page->next.size == 0; i++) {
        if (slice_compare(slice_of(keys[i]), read->from) < 0)
            continue;
        if (page->count == read->limit) {
            page->next = slice_of(keys[i]);
            continue;
        }
        if (read->what == READ_SPACE_GET && !slice_is(read->from, keys[i]))
            break;
        record_put_space_entry(rows, &(struct record_space_entry){
                                         .key = slice_of(keys[i]),
                                         .version = 1,
                                         .value = slice_of(json_string_value(json_object_get(bench->marks, keys[i])))});
        page->count++;
        if (read->what == READ_SPACE_GET)
            break;
    }
    free(keys);
}

static inline bool read_one(struct bench *bench)
{
    struct buffer rows = {NULL, 0, 0};
    struct msg_read read;
    struct msg_page page = {0};

    if (!fake_take_read(bench->fake, &read))
        return false;
    assert_true(slice_is(read.space, "schedule"));
    page.ticket = read.ticket;
    put_rows(bench, &read, &rows, &page);
    page.rows = buffer_slice(&rows);
    if (read.what == READ_SPACE_SCAN && bench->corrupt_scan)
        page = (struct msg_page){.ticket = read.ticket, .error = ERROR_CORRUPT};
    else if (read.what == READ_SPACE_GET && page.count == 0)
        page.error = ERROR_NOT_FOUND;
    fake_deliver_page(bench->fake, &page);
    buffer_free(&rows);
    return true;
}

static inline void play(struct bench *bench)
{
    while (read_one(bench) || commit_one(bench, true))
        continue;
}

/* A new life over what the store has. */
static inline void begin(struct bench *bench)
{
    fake_forget(bench->fake);
    listed = bench->workflows;
    listed_count = bench->count;
    assert_int_equal(fake_start(bench->fake), ERROR_OK);
}

static inline void reload(struct bench *bench)
{
    struct scheduler *scheduler = fake_self(bench->fake);

    scheduler->workflows = bench->workflows;
    scheduler->workflow_count = bench->count;
    schedules_reload(scheduler);
}

/* Lets time pass, a minute at a time, with the store answering. */
static inline void pass(struct bench *bench, int64_t for_ms)
{
    for (int64_t gone = 0; gone < for_ms; gone += 60000) {
        fake_advance(bench->fake, for_ms - gone < 60000 ? for_ms - gone : 60000);
        play(bench);
    }
}

static inline void assert_once_each(struct bench *bench)
{
    const char *key;
    json_t *value;

    json_object_foreach(bench->fired, key, value) assert_int_equal(json_integer_value(value), 1);
}

/* The mark of a schedule in the store; -1 without one. */
static inline int64_t mark_of(struct bench *bench, const char *prefix)
{
    const char *key;
    json_t *value;

    json_object_foreach(bench->marks, key, value) if (strncmp(key, prefix, strlen(prefix)) ==
                                                      0) return strtoll(json_string_value(value), NULL, 10);
    return -1;
}
