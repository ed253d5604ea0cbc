/* ask - console commands, each a short conversation with the store: pages read, perhaps a commit, one answer. Internal
 * to the scheduler. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/state.h"

struct ask {
    uint64_t command_ticket; /* 0: this place is free */
    uint64_t ticket;         /* of the READ or COMMIT under way */
    enum command_id command;
    json_t *arguments; /* owned; checked against commands.def */
    json_t *state;     /* owned; the command's own, NULL at first */
    void (*on_page)(struct scheduler *scheduler, struct ask *ask, const struct msg_page *page);
    void (*on_committed)(struct scheduler *scheduler, struct ask *ask, const struct msg_committed *committed);
};

/* Each of these ends the ask, or leaves it waiting for exactly one page or commit. on_page is called for OK and
 * NOT_FOUND (no rows); on_committed for OK and for refusals that depend on what is stored (HELD, CONFLICT, INVALID,
 * NOT_FOUND, FULL). Other errors refuse the ask by themselves. */
void ask_read(struct scheduler *scheduler, struct ask *ask, const struct msg_read *read,
              void (*on_page)(struct scheduler *, struct ask *, const struct msg_page *));
void ask_commit(struct scheduler *scheduler, struct ask *ask, const struct buffer *ops,
                void (*on_committed)(struct scheduler *, struct ask *, const struct msg_committed *));
/* Takes the body over. */
void ask_done(struct scheduler *scheduler, struct ask *ask, json_t *body);
__attribute__((format(printf, 4, 5))) void ask_refuse(struct scheduler *scheduler, struct ask *ask, enum error error,
                                                      const char *format, ...);

/* The argument as text (empty when absent) or as a number. */
struct slice ask_text(const struct ask *ask, const char *name);
int64_t ask_number(const struct ask *ask, const char *name, int64_t otherwise);
bool ask_flag(const struct ask *ask, const char *name);

/* --- asks.c: finds the function of a command --- */
/* runs.c */
void ask_workflows(struct scheduler *scheduler, struct ask *ask);
void ask_workflow_run(struct scheduler *scheduler, struct ask *ask);
void ask_workflow_reload(struct scheduler *scheduler, struct ask *ask);
void ask_runs(struct scheduler *scheduler, struct ask *ask);
void ask_run_show(struct scheduler *scheduler, struct ask *ask);
void ask_run_cancel(struct scheduler *scheduler, struct ask *ask);
void ask_run_replay(struct scheduler *scheduler, struct ask *ask);
void ask_run_diff(struct scheduler *scheduler, struct ask *ask);
void ask_job_cancel(struct scheduler *scheduler, struct ask *ask);
/* schedules.c */
void ask_schedules(struct scheduler *scheduler, struct ask *ask);
/* calendar.c */
void ask_calendar(struct scheduler *scheduler, struct ask *ask);
void ask_calendar_drafts(struct scheduler *scheduler, struct ask *ask);
void ask_calendar_add(struct scheduler *scheduler, struct ask *ask);
void ask_calendar_move(struct scheduler *scheduler, struct ask *ask);
void ask_calendar_edit(struct scheduler *scheduler, struct ask *ask);
void ask_calendar_remove(struct scheduler *scheduler, struct ask *ask);
void ask_calendar_export(struct scheduler *scheduler, struct ask *ask);
void ask_calendar_import(struct scheduler *scheduler, struct ask *ask);
/* approvals.c */
void ask_approvals(struct scheduler *scheduler, struct ask *ask);
void ask_approval_show(struct scheduler *scheduler, struct ask *ask);
void ask_approval_decide(struct scheduler *scheduler, struct ask *ask); /* approve, reject, edit, later */
/* experiments.c */
void ask_experiments(struct scheduler *scheduler, struct ask *ask);
void ask_experiment_show(struct scheduler *scheduler, struct ask *ask);
