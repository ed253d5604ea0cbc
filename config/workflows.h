/* workflows - the files of workflows_dir, and what they need of the rest of the config. Internal to config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

/* Reads every workflow file and checks that the hooks and queues it listens to exist. `modes` (may be NULL) is the map
 * of purser.yaml that switches workflows on or off without touching their files. */
bool workflows_read(const struct reader *reader, const struct yaml_node *modes, struct config *config);
void workflows_free(struct config *config);
