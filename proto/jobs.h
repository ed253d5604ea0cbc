/* jobs - the life of a job as a pure function over jobs.def. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

/* Numbers are stored on disk: append only. */
enum job_state {
    JOB_NONE,
    JOB_WAITING,
    JOB_READY,
    JOB_LEASED,
    JOB_PARKED,
    JOB_DOUBT,
    JOB_DEAD,
    JOB_DONE,
    JOB_STATE_COUNT
};
enum job_event {
    JOB_ON_PUSH,
    JOB_ON_DUE,
    JOB_ON_LEASE,
    JOB_ON_FINISH,
    JOB_ON_RETRY,
    JOB_ON_PARK,
    JOB_ON_BURY,
    JOB_ON_DOUBT,
    JOB_ON_NOTE,
    JOB_ON_RELEASE,
    JOB_ON_QUARANTINE,
    JOB_ON_REVIVE,
    JOB_ON_CANCEL,
    JOB_EVENT_COUNT
};
/* Of a run. Stored: append only. */
enum run_state { RUN_OPEN, RUN_DONE, RUN_FAILED, RUN_CANCELLED, RUN_STATE_COUNT };

/* The next state, or JOB_STATE_COUNT when the table has no such row. */
enum job_state job_next(enum job_state state, enum job_event event);
const char *job_state_name(enum job_state state);
const char *job_event_name(enum job_event event);
bool job_state_from_name(struct slice name, enum job_state *state);
const char *run_state_name(enum run_state state);
/* The table as Graphviz DOT, for docs. */
void job_states_dot(struct buffer *into);
