/* machine_walk - the walk over a run and what it calls to begin and to end steps. Internal to flow/run. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/run/machine_priv.h"

enum walked {
    WALK_ENDED,
    WALK_WAITS, /* or the walk is to stop for now */
    WALK_FAILED,
};

/* Goes over the run from its top until nothing can begin any more. */
void machine_walk(struct machine *machine);
enum walked walk_step(struct machine *machine, const struct workflow_step *definition, struct machine_scope *scope);
enum walked walk_inside(struct machine *machine, struct machine_step *step);
void machine_fail_expression(struct machine *machine, struct machine_step *step, const struct text_problem *problem);

/* begin.c: makes the entry's first state: ended, waiting, or running with steps inside. */
void machine_begin_step(struct machine *machine, struct machine_step *step);
/* events.c: hands over what has come for a waiting step. */
void machine_take_arrival(struct machine *machine, struct machine_step *step);
/* end.c: the result of a run that is done. */
void machine_take_result(struct machine *machine, struct machine_scope *root);
/* Withdraws everything that steps of the run wait for; steps with steps inside end as `running_becomes`. */
void machine_withdraw(struct machine *machine, const char *running_becomes);
