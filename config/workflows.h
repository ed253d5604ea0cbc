/* workflows - the files of workflows_dir, and what they need of the rest of the config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

/* Reads every workflow file of config->workflows_dir anew, sets the modes of purser.yaml, and checks what they name:
 * the hooks, queues, channels, prompts, secrets and hosts of the config, and each other. A workflow that is off may
 * name what is not there yet. All or nothing: on false *workflows is NULL. In the order of their file names; given back
 * to workflows_destroy(). */
bool workflows_load(const struct config *config, struct workflow ***workflows, size_t *count,
                    struct text_problem *problem);
void workflows_destroy(struct workflow ***workflows, size_t *count);
/* What is legal but looks like a mistake: workflow_warn() of each that is not off. */
void workflows_warn(struct workflow *const *workflows, size_t count, struct buffer *into);

/* The map `modes` of purser.yaml, which wins over what the files say. Internal to config. */
bool workflows_read_modes(const struct reader *reader, const struct yaml_node *map, struct config *config);
void workflows_free_modes(struct config *config);
