/* rehearse_world - the store of a rehearsal: jobs by the time they are due, spaces, claims, books and rows, all in
 * memory. Internal to flow/run. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/rehearse.h"

struct world_job {
    uint64_t id, order;
    int64_t due_ms;
    struct slice queue; /* these two point into bytes */
    struct slice payload;
    char *bytes; /* owned */
};

struct world {
    int64_t now_ms;
    struct world_job *jobs;
    size_t job_count, job_room;
    uint64_t orders;
    json_t *spaces;       /* {SPACE: {KEY: {version, value}}} */
    json_t *claims;       /* {KEY: until_ms} */
    json_t *books;        /* [{book, currency, hour_ms, amount, entries}], of the fixture and of the run */
    json_t *sums;         /* {BOOK: {CURRENCY: amount}}, of the run alone */
    json_t *figures;      /* {queues: [...], runs: [...]} */
    json_t *rows;         /* {TABLE: count} */
    struct buffer record; /* of the run, as its last RUN operation says; empty before */
    uint64_t run_version;
    enum run_state run_state;
};

/* `store` as in struct rehearsal_given. False with a sentence in `problem` when a figure is no list. */
bool world_init(struct world *world, const json_t *store, int64_t now_ms, char *problem, size_t room);
void world_fini(struct world *world);
/* What the machine wants to know. The caller owns it. */
json_t *world_fact(const struct world *world, const struct fact_wanted *wanted);
/* The operations of one commit. They are our own: one that makes no sense ends the process. */
void world_commit(struct world *world, struct slice ops);
/* The job that is due first, at its time; false when there is none. The caller frees job->bytes. */
bool world_take(struct world *world, struct world_job *job);
void world_push(struct world *world, uint64_t id, int64_t due_ms, struct slice queue, struct slice payload);
/* {KEY: value} of the space value. The caller owns it. */
json_t *world_values(const struct world *world);
