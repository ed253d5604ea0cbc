/* fake_world - a world of one actor for unit tests: records everything the actor does and lets a test play the rest.
 * Time stands still until a test moves it. Nothing here fails softly: a misuse ends the test program by CHECK(). */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/client.h"
#include "proto/ops.h"
#include "proto/records.h"
#include "runtime/actor.h"

struct fake_sent {
    enum actor_index dest;
    enum msg_id id;
    struct slice frame; /* owned by the world */
    bool taken;
};

struct fake_request {
    uint64_t ticket;
    uint64_t job, run; /* in hand when it was asked for */
    struct call call;  /* borrows `packed` */
    struct buffer packed;
    bool answered;
};

struct fake_reply {
    uint64_t exchange;
    struct http_reply reply; /* copied; slices borrow `bytes` */
    struct buffer bytes;
};

struct fake_peer_message {
    uint64_t peer;
    struct buffer bytes;
    bool taken;
};

struct fake_batch {
    uint64_t ticket;
    uint64_t *sequences;
    struct slice *rows; /* each owned */
    size_t count;
    bool answered;
};

struct fake_timer {
    uint64_t timer;
    int64_t at_ms; /* below 0: not set */
};

enum { FAKE_TIMERS_MAX = 512 };

struct fake {
    struct actor actor; /* first: worlds embed it */
    /* What a test sets at will. */
    int64_t now_ms, wall_ms;
    bool wall_trusted;
    enum error send_error[MSG_COUNT]; /* what send answers for a message; OK records it */
    enum error request_error, serve_error, listen_error, sink_error;
    void *reloaded;       /* what actor_reload() gives, once; NULL: `reload_problem` */
    const char *reload_problem;
    const char *progress; /* what actor_progress_json() writes */
    uint64_t random;      /* state of the generator */
    /* What the actor did, in order. */
    struct fake_sent *sent;
    size_t sent_count;
    struct fake_request **requests; /* pointers: a request stays where it is */
    size_t request_count;
    struct fake_reply **replies;
    size_t reply_count;
    struct fake_peer_message *peer_messages;
    size_t peer_message_count;
    struct fake_batch *batches;
    size_t batch_count;
    struct fake_timer timers[FAKE_TIMERS_MAX];
    size_t timer_count;
    struct http_server_options serve; /* as last given, pointers borrowed from the actor */
    struct peer_options listen;
    bool serving, quiesced, listening;
    char *sink_path;   /* NULL until opened */
    char *endpoint;    /* of `listen` */
    struct buffer log; /* "level event key=value ...\n" for every line */
    uint64_t exchange_last;
};

/* A world around one actor, not started. The clocks begin at now 1,000,000 and wall 1,700,000,000,000. */
struct fake *fake_new(const struct actor_spec *spec, const struct config *config);
void fake_destroy(struct fake **fake);
/* Begins a life (ends the one before): timers are gone, records stay. Returns what the actor's start returned. */
enum error fake_start(struct fake *fake);
/* The actor's state, for white-box looks. */
void *fake_self(const struct fake *fake);

/* fake_deliver_<message>(fake, &msg): packs it and lets the actor handle it, then ends the turn.
 * fake_take_<message>(fake, &msg): the oldest one of its kind that the actor sent and no one took yet; false when there
 * is none. Slices in it live as long as the world. */
#define MESSAGE(ID, name, from, dest, flow, doc, fields)                                                               \
    void fake_deliver_##name(struct fake *fake, const struct msg_##name *msg);                                         \
    bool fake_take_##name(struct fake *fake, struct msg_##name *msg);
#include "proto/messages.def"
#undef MESSAGE
/* How many of a kind were sent and not taken. */
size_t fake_sent_count(const struct fake *fake, enum msg_id id);
/* Marks everything sent so far as taken, to look at what follows alone. */
void fake_forget(struct fake *fake);

/* --- the store's part --- */
/* Takes the oldest COMMIT and unpacks its operations. CHECKs that there is one, that it is well-formed and has at most
 * `room` operations. Returns their count. */
size_t fake_take_ops(struct fake *fake, uint64_t *ticket, struct op *ops, size_t room);
/* Answers a COMMIT with an error or OK (first_id counts for OK, skipped 0). */
void fake_committed(struct fake *fake, uint64_t ticket, enum error error, uint64_t first_id);
/* Answers a READ with packed records. `rows` may be NULL for none. */
void fake_page(struct fake *fake, uint64_t ticket, enum error error, const struct buffer *rows, uint64_t count);
/* Takes the oldest COMMIT, answers it OK and returns its ticket. CHECKs that there is one. */
uint64_t fake_commit_ok(struct fake *fake, uint64_t first_id);

/* --- outgoing calls --- */
/* The oldest request without an answer, or NULL. */
const struct fake_request *fake_request_next(const struct fake *fake);
/* Answers a request; job and run are in hand as they were when it was asked for. */
void fake_answer(struct fake *fake, uint64_t ticket, const struct answer *answer);

/* --- incoming HTTP --- */
/* Hands a request to the actor; returns its exchange number. */
uint64_t fake_http(struct fake *fake, const struct http_request *request);
/* The reply to an exchange, or NULL. CHECKs that there is at most one. */
const struct http_reply *fake_reply(const struct fake *fake, uint64_t exchange);
/* Value of a reply's header (exact name), or an empty slice. */
struct slice fake_reply_header(const struct http_reply *reply, const char *name);

/* --- outside clients --- */
void fake_peer(struct fake *fake, uint64_t peer, struct slice message);
/* The oldest message to this peer that was not taken, decoded; false when there is none. */
bool fake_take_peer(struct fake *fake, uint64_t peer, struct client_message *message);

/* --- sink --- */
/* The oldest batch without an answer, or NULL. */
const struct fake_batch *fake_batch_next(const struct fake *fake);
void fake_sink_done(struct fake *fake, uint64_t ticket, enum error error, uint64_t cursor);

/* --- time --- */
/* When the timer will fire, or -1. */
int64_t fake_timer_at(const struct fake *fake, uint64_t timer);
/* Moves both clocks on, firing due timers at their moments, in order. */
void fake_advance(struct fake *fake, int64_t by_ms);

/* --- records --- */
int64_t fake_metric(const struct fake *fake, enum metric_id metric, uint64_t label);
/* How many log lines have this event. */
size_t fake_logged(const struct fake *fake, const char *event);
