/* local - the steps that the scheduler does itself, as operations of the run's own commit. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/scheduler/advance.h"

/* Appends the operations of a save, count or log step. On an error nothing was appended and `problem` says why. */
enum error local_do(struct advance *advance, enum skill_id skill, const json_t *inputs, json_t **result, char *problem,
                    size_t room);
