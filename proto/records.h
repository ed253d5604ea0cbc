/* records - rows of a PAGE, generated from records.def. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/codec.h"

enum read_kind {
    READ_JOB,        /* id -> one job_view with payload, or NOT_FOUND */
    READ_JOBS,       /* space: queue or empty; id: bit set of job states (1 << enum job_state) or 0 -> job_view... */
    READ_SPACE_GET,  /* space, from: key -> one space_entry, or NOT_FOUND */
    READ_SPACE_SCAN, /* space, from: first key -> space_entry... in key order */
    READ_OUTBOX,     /* id: after this sequence -> outbox_entry... */
    READ_RUN,        /* id -> one run_entry, or NOT_FOUND */
    READ_RUNS,       /* newest first -> run_entry... with empty records */
    READ_BOOKS,      /* space: figure or empty; from: where to go on -> book_entry... */
    READ_QUEUES,     /* -> queue_entry... */
    READ_STORE,      /* -> one store_entry */
    READ_KIND_COUNT
};

#define FIELD(type, name, doc) FIELD_TYPE_##type name;
#define RECORD(ID, name, doc, fields)                                                                                  \
    struct record_##name {                                                                                             \
        fields                                                                                                         \
    };
#include "proto/records.def"
#undef RECORD
#undef FIELD

/* put packs one; take takes the next one, false on malformed bytes. Slices borrow the wire's bytes. */
#define RECORD(ID, name, doc, fields)                                                                                  \
    void record_put_##name(struct buffer *into, const struct record_##name *record);                                   \
    bool record_take_##name(struct wire *wire, struct record_##name *record);
#include "proto/records.def"
#undef RECORD
