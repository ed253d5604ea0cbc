/* sections - the maps of purser.yaml: hooks, queues, limits. Internal to config.
 * Each appends to `config`; what was appended before a problem is freed with the config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

bool sections_read_hooks(const struct reader *reader, const struct yaml_node *map, struct config *config);
bool sections_read_queues(const struct reader *reader, const struct yaml_node *map, struct config *config);
/* A gate that is there already is replaced. */
bool sections_read_limits(const struct reader *reader, const struct yaml_node *map, struct config *config);

/* Frees what stands in the lists of `config`, whoever appended it. */
void sections_free(struct config *config);
