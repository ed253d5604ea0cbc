/* state - what the files of the scheduler share. Internal to it. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/advance.h"
#include "flow/zone.h"
#include "store/client.h"

enum {
    SCHEDULER_MAGIC = 0x53434844,
    EVENTS_MAX = 32,
    QUEUE_WINDOW = 8, /* of each queue a workflow listens to */
    OLD_DEFINITIONS_MAX = 16,
    ASKS_MAX = 16,
    AGAIN_MS = 500,
    TIMER_SUBSCRIBE = 100000, /* timers of events are numbered from 1 */
    TIMER_SCHEDULES,
    TIMER_IDS,
    TIMER_UPKEEP,
};

enum event_phase {
    EVENT_FREE,
    EVENT_IDS,        /* waits for ids to be allocated */
    EVENT_JOB,        /* an alarm: reads the job that should have ended */
    EVENT_RUN,        /* reads the run */
    EVENT_DEFINITION, /* reads a definition that is not loaded any more */
    EVENT_COMMIT,
    EVENT_PAUSE, /* begins anew when its timer fires */
};

/* One job in hand: an event of queue flow, or a job of another queue that begins a run. */
struct event {
    enum event_phase phase;
    uint64_t ticket, id, fence;
    uint64_t run_id; /* the run that the job belongs to; 0 for none */
    bool is_flow, is_malformed;
    struct buffer bytes, content_type, queue, key;
    int64_t created_ms;
    struct payload payload; /* flow: borrows bytes */
    struct run run;
    bool alarm_is_held; /* the alarm is in hand itself, so it is not withdrawn */
    bool has_unique;    /* the commit's first operation claims the unique key */
    enum error else_error;
    enum error ruin;         /* not OK: the event cannot be handled, and its run fails by this */
    const char *ruin_detail; /* a literal */
    int begun;               /* index of the workflow whose run this commit begins, or -1 */
    struct buffer ops;
};

struct schedule {
    const struct workflow *workflow;
    size_t trigger;
    struct zone *zone;
    bool is_loaded, is_new;
    int64_t mark_ms;    /* everything planned up to here is settled */
    int64_t planned_ms; /* of the commit under way */
    bool fires;         /* that commit pushes an occurrence */
    uint64_t ticket;
};

/* A console command that waits for a page, or for the commit that follows it. */
struct pending {
    uint64_t ticket, command_ticket;
    enum command_id command;
    char workflow[WORKFLOW_NAME_MAX + 1]; /* RUNS: only these */
};

enum { WALKS = 3 };

/* Walks over what is kept, one at a time, page by page. */
struct upkeep {
    size_t walk; /* WALKS: none is under way */
    uint64_t ticket;
    struct buffer at, next;  /* where this page began; where the next one does */
    int64_t due_ms[WALKS];   /* monotonic */
    uint64_t asked, changed; /* rows: of the commit under way; in this walk */
};

struct scheduler {
    unsigned magic;
    struct actor *actor;
    const struct config *config;
    struct expression_engine *engine;
    bool is_quiescing;
    uint64_t id_next, id_end, id_ticket;
    struct event *events;
    size_t event_room;
    bool *is_stored; /* by workflow of the config: its definition is in the store */
    struct workflow *old[OLD_DEFINITIONS_MAX];
    size_t old_count;
    struct schedule *schedules;
    size_t schedule_count;
    struct pending pending[ASKS_MAX];
    struct upkeep upkeep;
};

struct scheduler *scheduler_of(void *self);
/* True when a run's worth of ids is there; else asks for more. */
bool scheduler_has_ids(struct scheduler *scheduler);

/* --- events.c --- */
void event_take(struct scheduler *scheduler, const struct msg_job *job);
void event_restart(struct scheduler *scheduler, struct event *event);
void event_free(struct event *event);
/* False when the ticket is none of an event's. */
bool event_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);
bool event_on_page(struct scheduler *scheduler, const struct msg_page *msg);
/* Sends event->ops; arranges for a new start when the store is full. */
void event_commit(struct scheduler *scheduler, struct event *event);
void event_pause(struct scheduler *scheduler, struct event *event, int64_t for_ms);
/* Ends the event without a trace but its own end. */
void event_drop(struct scheduler *scheduler, struct event *event);
void event_bury(struct scheduler *scheduler, struct event *event, enum error error, const char *detail);

/* --- begin.c: events that begin runs --- */
void event_begin_runs(struct scheduler *scheduler, struct event *event);

/* --- schedule.c --- */
void schedules_start(struct scheduler *scheduler);
void schedules_stop(struct scheduler *scheduler);
void schedules_turn(struct scheduler *scheduler);
bool schedule_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);
bool schedule_on_page(struct scheduler *scheduler, const struct msg_page *msg);

/* --- asks.c: console commands --- */
void ask_command(struct scheduler *scheduler, const struct msg_command *msg);
bool ask_on_page(struct scheduler *scheduler, const struct msg_page *msg);
bool ask_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);

/* --- upkeep.c: runs whose job died unheard, and what was kept long enough --- */
void upkeep_start(struct scheduler *scheduler);
void upkeep_stop(struct scheduler *scheduler);
void upkeep_turn(struct scheduler *scheduler);
bool upkeep_on_page(struct scheduler *scheduler, const struct msg_page *msg);
bool upkeep_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);
