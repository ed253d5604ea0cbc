/* purser - the C client of purserd, for producers and for the console (docs/protocol.md).
 * Every call waits for the daemon's answer or for its deadline: nothing is ever fire-and-forget, so PURSER_ACCEPTED
 * means that the work is on the daemon's disk. A lost connection is opened again by the next call, with a doubling
 * pause between attempts. One handle belongs to one thread; open one a thread. Handles do not survive fork().
 *
 * Link with libpurserclient, libproto and libzmq. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

struct purser; /* opaque; purser_close() */

enum purser_outcome {
    PURSER_ACCEPTED,    /* done: the jobs are on disk, the command was carried out */
    PURSER_DUPLICATE,   /* that id was accepted before, by an earlier call or an earlier attempt of this one: as good as
                           done */
    PURSER_FULL,        /* not now, nothing was kept; ask again after retry_ms */
    PURSER_REFUSED,     /* never like this, nothing was kept; `error` and `message` say why */
    PURSER_UNREACHABLE, /* no daemon at the endpoint; nothing was sent */
    PURSER_NO_ANSWER, /* sent, and the answer was lost or late: it may have been kept or not. Repeat with the same id */
};

struct purser_options {
    const char *name;        /* told to the daemon for its logs; NULL: "libpurser" */
    int64_t timeout_ms;      /* bound of each call, connecting included; 0: 10 seconds */
    int64_t connect_ms;      /* bound of the connecting alone; 0: no other than timeout_ms */
    size_t answer_bytes_max; /* larger answers are not taken; 0: 16 MiB */
};

struct purser_answer {
    enum purser_outcome outcome;
    uint64_t job;        /* ACCEPTED: id of the first job */
    uint64_t count;      /* ACCEPTED: how many were new */
    uint64_t duplicates; /* ACCEPTED: how many were known and left out */
    uint64_t retry_ms;   /* FULL */
    char error[32];      /* REFUSED: a name of docs/reference/errors.md; else empty */
    char message[400];   /* for people: what went wrong; empty when nothing did */
};

struct purser_job {
    struct slice id;      /* the sender's own; the same id is accepted once; empty: no dedup */
    struct slice key;     /* jobs of one key are worked off in order; empty: any order */
    struct slice payload; /* kept as it is */
};

struct purser_push {
    struct slice queue;
    struct slice content_type; /* "application/json" or "application/msgpack" */
    struct purser_job job;
    int64_t due_ms;    /* UTC milliseconds; 0: now */
    unsigned priority; /* 0 (first) to 7; PURSER_PRIORITY_USUAL */
};
enum { PURSER_PRIORITY_USUAL = 4 };

/* Connects to "tcp://127.0.0.1:8421" or "ipc:///path/control.sock" and exchanges versions. NULL with the reason in
 * `problem` when that fails within the deadline. The caller frees with purser_close(). */
struct purser *purser_connect(const char *endpoint, const struct purser_options *options,
                              struct purser_answer *problem);
/* Like purser_connect(), but does not connect before the first call; NULL only for an endpoint that is no endpoint. */
struct purser *purser_open(const char *endpoint, const struct purser_options *options, struct purser_answer *problem);
/* Frees *purser and sets it to NULL. Returns at once: no call is under way, so nothing can be lost. */
void purser_close(struct purser **purser);

/* The daemon's name and version; empty before the first connection. Valid until the next call. */
const char *purser_server(const struct purser *purser);
/* The largest message the daemon takes and the most jobs of a batch; 0 before the first connection. */
uint64_t purser_message_bytes_max(const struct purser *purser);
uint64_t purser_batch_max(const struct purser *purser);

/* Exchanges versions again. ACCEPTED, REFUSED, UNREACHABLE or NO_ANSWER. */
enum purser_outcome purser_hello(struct purser *purser, struct purser_answer *answer);
/* ACCEPTED when the daemon answers. */
enum purser_outcome purser_ping(struct purser *purser, struct purser_answer *answer);

/* One job. With an id, a lost answer is asked for again until the deadline; without one it is NO_ANSWER at once,
 * because repeating could double the job. */
enum purser_outcome purser_push(struct purser *purser, const struct purser_push *push, struct purser_answer *answer);
/* Up to purser_batch_max() jobs of one queue, all or nothing. A lost answer is asked for again only when every job has
 * an id. `count` 0 is refused. */
enum purser_outcome purser_push_many(struct purser *purser, struct slice queue, struct slice content_type,
                                     const struct purser_job *jobs, size_t count, struct purser_answer *answer);

/* A console command, on the control socket only: `words` as in docs/reference/commands.md ("job show"), `arguments` a
 * JSON object. The daemon's JSON is appended to `body`. ACCEPTED when the command succeeded; REFUSED with `error`
 * otherwise (`body` then holds what the daemon said, as JSON or nothing). Never repeated on its own. */
enum purser_outcome purser_command(struct purser *purser, const char *words, struct slice arguments,
                                   struct buffer *body, struct purser_answer *answer);

const char *purser_outcome_name(enum purser_outcome outcome);
