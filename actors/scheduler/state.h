/* state - what the files of the scheduler share. Internal to it. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"
#include "flow/run/machine.h"
#include "flow/zone.h"
#include "store/client.h"

enum {
    SCHEDULER_MAGIC = 0x53434844,
    EVENTS_MAX = 32,
    QUEUE_WINDOW = 8, /* of each queue a workflow listens to */
    OLD_DEFINITIONS_MAX = 16,
    ASKS_MAX = 16,
    AGAIN_MS = 500,
    FLOW_PRIORITY = 2,        /* of events */
    TIMER_SUBSCRIBE = 100000, /* timers of events are numbered from 1 */
    TIMER_SCHEDULES,
    TIMER_IDS,
    TIMER_UPKEEP,
};

enum event_phase {
    EVENT_FREE,
    EVENT_IDS,         /* waits for ids to be allocated */
    EVENT_JOB,         /* an alarm: reads the job that should have ended */
    EVENT_DOUBTS,      /* the run is to end: reads which of its jobs only a person can settle */
    EVENT_RUN,         /* reads the run, or the one that is repeated */
    EVENT_DEFINITION,  /* reads a definition that is not loaded any more */
    EVENT_OVERLAP,     /* an occurrence: reads which run the one before it began */
    EVENT_OVERLAP_RUN, /* and whether that one is still open */
    EVENT_FACT,        /* reads what the machine asked for */
    EVENT_COMMIT,
    EVENT_PAUSE, /* begins anew when its timer fires */
};

enum { FACT_ROWS_MAX = 1000, FACT_LOOKED_MAX = 20000 };

/* What is being read for the machine. */
struct event_fact {
    struct fact_wanted wanted;
    json_t *value;      /* owned; what has come so far */
    struct buffer from; /* where the next page begins */
    uint64_t looked;    /* rows that came, wanted or not */
};

/* One job in hand: an event of queue flow, or a job of another queue that begins a run. */
struct event {
    enum event_phase phase;
    uint64_t ticket, id, fence;
    uint64_t run_id; /* the run that the job belongs to; 0 for none */
    bool is_flow, is_malformed;
    bool has_note; /* an occurrence: its owner was asked about it before */
    struct buffer bytes, content_type, queue, key;
    int64_t created_ms;
    int64_t now_ms;               /* UTC, when its handling began: the same for every try, so that each asks the same */
    struct payload payload;       /* flow: borrows bytes */
    struct buffer record;         /* of the run as it was read: what each try of the machine begins from */
    struct record_run_entry head; /* the same; its texts are empty */
    struct run run;
    json_t *facts; /* owned; what was read for the machine, by name */
    size_t fact_count;
    struct event_fact fact;
    struct buffer doubts;  /* ids (uint64_t) of the run's jobs in doubt */
    bool doubts_are_known; /* they were read, since the event withdraws jobs */
    uint64_t begun_id;     /* the id of the run that the event begins, the same at each try; 0: none yet */
    bool overlap_is_known; /* nothing of the occurrence before is under way */
    uint64_t overlap_version;
    bool alarm_is_held; /* the alarm is in hand itself, so it is not withdrawn */
    bool has_unique;    /* the commit's first operation claims the unique key */
    enum error else_error;
    enum error ruin;                 /* not OK: the event cannot be handled, and its run fails by this */
    const char *ruin_detail;         /* a literal */
    char begun[WORKFLOW_HASH_BYTES]; /* the definition of the run that this commit begins; "": none */
    struct buffer ops;
};

enum { WALKS = 9 };

/* Walks over what is kept, one at a time, page by page. */
struct upkeep {
    size_t walk; /* WALKS: none is under way */
    uint64_t ticket;
    struct buffer at, next;   /* where this page began; where the next one does */
    int64_t due_ms[WALKS];    /* monotonic */
    uint64_t asked, changed;  /* rows: of the commit under way; in this walk */
    struct buffer reduce;     /* ids (uint64_t) of the page's runs that are to be reduced, one at a time */
    bool is_reducing;         /* the page that is to come is the last of them */
    int64_t reduced_until_ms; /* runs that changed before then were looked at by a walk that has ended */
    int64_t until_ms;         /* what the walk under way will have looked at when it ends */
};

struct subscription {
    char *queue;
    uint64_t window; /* 0: nobody listens any more; the entry goes when the store has heard of it */
};

struct ask;
struct timetable; /* schedules.h */

struct scheduler {
    unsigned magic;
    struct actor *actor;
    const struct config *config;
    struct expression_engine *engine;
    struct run_shop shop; /* borrows config */
    bool is_quiescing;
    uint64_t id_next, id_end, id_ticket;
    struct event *events;
    size_t event_room;
    /* The workflows as they are now: those of the config, until a reload brings others. */
    struct workflow *const *workflows;
    size_t workflow_count;
    struct workflow **reloaded; /* owned; what `workflows` points to after a reload, else NULL */
    bool *is_stored;            /* by workflow: its definition is in the store */
    struct workflow *old[OLD_DEFINITIONS_MAX];
    size_t old_count;
    struct subscription *subscriptions;
    size_t subscription_count;
    struct timetable *timetable; /* schedules.c */
    struct ask *asks;            /* ASKS_MAX */
    struct upkeep upkeep;
};

struct scheduler *scheduler_of(void *self);
/* True when an event's worth of ids is there; else asks for more. */
bool scheduler_has_ids(struct scheduler *scheduler);
/* The loaded workflow of that name, or NULL. */
struct workflow *scheduler_workflow(const struct scheduler *scheduler, struct slice name);
/* Puts these workflows in the place of those there were; takes them over. */
void scheduler_take_workflows(struct scheduler *scheduler, struct workflow **workflows, size_t count);

/* --- events.c: the table of events, and what becomes of them --- */
void event_take(struct scheduler *scheduler, const struct msg_job *job);
void event_restart(struct scheduler *scheduler, struct event *event);
/* The same try again with what was read meanwhile: with a fact more, say. */
void event_go_on(struct scheduler *scheduler, struct event *event);
void event_free(struct event *event);
/* What the event has led to so far is not to be counted, nor looked at when its end is committed. */
void event_forget(struct event *event);
/* False when the ticket is none of an event's. */
bool event_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);
bool event_on_page(struct scheduler *scheduler, const struct msg_page *msg);
/* Reads a page for the event; arranges for a new start when the store is full. */
void event_read(struct scheduler *scheduler, struct event *event, enum event_phase phase, struct msg_read read);
/* Sends event->ops; arranges for a new start when the store is full. */
void event_commit(struct scheduler *scheduler, struct event *event);
void event_pause(struct scheduler *scheduler, struct event *event, int64_t for_ms);
/* Gives the lease up meanwhile: a table full of events that wait for days would keep all others out. */
void event_defer(struct scheduler *scheduler, struct event *event, int64_t for_ms, enum error error);
/* Ends the event without a trace but its own end. */
void event_drop(struct scheduler *scheduler, struct event *event);
/* Gives it up where it is listed; a run that waits for what it would have begun is told. `detail` is a literal. */
void event_bury(struct scheduler *scheduler, struct event *event, enum error error, const char *detail);
/* The event can never be handled: its run fails; one that has no run yet is buried. `detail` is a literal. */
void event_ruin(struct scheduler *scheduler, struct event *event, enum error error, const char *detail);
/* The machine over the event's run, before its first call. */
struct machine event_machine(struct scheduler *scheduler, struct event *event, const struct workflow *workflow);

/* --- follow.c: events that go on with a run --- */
bool event_is_of_run(const struct event *event);
void follow_begin(struct scheduler *scheduler, struct event *event);
void follow_go_on(struct scheduler *scheduler, struct event *event);
void follow_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg);

/* --- begin.c: events that begin runs --- */
void begin_runs(struct scheduler *scheduler, struct event *event);
/* Begins one run; takes the trigger over. */
void begin_one(struct scheduler *scheduler, struct event *event, struct workflow *workflow, json_t *trigger);

/* --- starts.c: START, which names its workflow, its caller or the run it repeats --- */
bool event_is_start(const struct event *event);
void start_begin(struct scheduler *scheduler, struct event *event);
void start_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg);
/* Gives the new run what its START says: caller, depth, and what the run it repeats has done. False with a problem. */
bool start_fill(struct event *event, const struct workflow *workflow, char *problem, size_t room);
/* Ends a START whose run cannot begin; the run that waits for it is told. `detail` is a literal. */
void start_refuse(struct scheduler *scheduler, struct event *event, enum error error, const char *detail);
/* Appends the STEP_DONE for the run whose step waits for this START, if there is one. */
void start_put_refusal(struct event *event, enum error error, struct slice detail);

/* --- occurrences.c: schedules and slots --- */
/* False when there is to be no run now: the event was ended, or waits. */
bool occurrence_may_begin(struct scheduler *scheduler, struct event *event, const struct workflow *workflow);
void occurrence_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg);
/* The expression variable trigger, owned by the caller; NULL when the event waits for what is in the slot. */
json_t *occurrence_trigger(struct scheduler *scheduler, struct event *event, const struct workflow *workflow);
/* Appends what the run's beginning means to the occurrences after it and to the slot; tells how many operations. */
size_t occurrence_put(struct scheduler *scheduler, struct event *event, const struct workflow *workflow);

/* --- hooks.c --- */
extern const struct machine_hooks scheduler_hooks;

/* --- facts.c --- */
/* Reads what the machine wants, then goes on with the event. */
void fact_read(struct scheduler *scheduler, struct event *event, const struct fact_wanted *wanted);
void fact_on_page(struct scheduler *scheduler, struct event *event, const struct msg_page *msg);

/* --- asks.c: console commands --- */
void ask_command(struct scheduler *scheduler, const struct msg_command *msg);
bool ask_on_page(struct scheduler *scheduler, const struct msg_page *msg);
bool ask_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);
void asks_stop(struct scheduler *scheduler);

/* --- upkeep.c: runs whose job died unheard, and what was kept long enough --- */
void upkeep_start(struct scheduler *scheduler);
void upkeep_stop(struct scheduler *scheduler);
void upkeep_turn(struct scheduler *scheduler);
bool upkeep_on_page(struct scheduler *scheduler, const struct msg_page *msg);
bool upkeep_on_committed(struct scheduler *scheduler, const struct msg_committed *msg);
