// SPDX-License-Identifier: MIT
#include "proto/jobs.h"
#include <string.h>

static const struct {
    enum job_state from;
    enum job_event event;
    enum job_state to;
} transitions[] = {
#define TRANSITION(before, event, after) {JOB_##before, JOB_ON_##event, JOB_##after},
#include "proto/jobs.def"
#undef TRANSITION
};

static const char *const state_names[JOB_STATE_COUNT] = {"none",   "waiting", "ready", "leased",
                                                         "parked", "doubt",   "dead",  "done"};
static const char *const event_names[JOB_EVENT_COUNT] = {"push",       "due",    "lease", "finish", "retry",
                                                         "park",       "bury",   "doubt", "note",   "release",
                                                         "quarantine", "revive", "cancel"};

enum job_state job_next(enum job_state state, enum job_event event)
{
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++)
        if (transitions[i].from == state && transitions[i].event == event)
            return transitions[i].to;
    return JOB_STATE_COUNT;
}

const char *job_state_name(enum job_state state)
{
    return state < JOB_STATE_COUNT ? state_names[state] : "?";
}

const char *job_event_name(enum job_event event)
{
    return event < JOB_EVENT_COUNT ? event_names[event] : "?";
}

bool job_state_from_name(struct slice name, enum job_state *state)
{
    for (unsigned i = JOB_WAITING; i < JOB_STATE_COUNT; i++)
        if (slice_is(name, state_names[i])) {
            *state = (enum job_state)i;
            return true;
        }
    return false;
}

const char *run_state_name(enum run_state state)
{
    static const char *const names[RUN_STATE_COUNT] = {"open", "done", "failed", "cancelled"};

    return state < RUN_STATE_COUNT ? names[state] : "?";
}

void job_states_dot(struct buffer *into)
{
    buffer_text(into, "digraph job {\n");
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++)
        buffer_printf(into, "    %s -> %s [label=\"%s\"];\n", state_names[transitions[i].from],
                      state_names[transitions[i].to], event_names[transitions[i].event]);
    buffer_text(into, "}\n");
}
