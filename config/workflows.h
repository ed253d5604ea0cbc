/* workflows - the files of workflows_dir, and what they need of the rest of the config. Internal to config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"

/* Reads every workflow file and checks that the hooks and queues it listens to exist. */
bool workflows_read(struct config *config, struct text_problem *problem);
void workflows_free(struct config *config);
