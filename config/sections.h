/* sections - the maps of purser.yaml: hooks, queues, limits. Internal to config.
 * Each appends to `config`; what was appended before a problem is freed with the config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

bool sections_read_hooks(const struct reader *reader, const struct yaml_node *map, struct config *config);
bool sections_read_queues(const struct reader *reader, const struct yaml_node *map, struct config *config);
/* A gate that is there already is replaced. */
bool sections_read_limits(const struct reader *reader, const struct yaml_node *map, struct config *config);

void sections_free_limit(struct limit *limit);
/* Fails for anything but a map of at most entries_max entries. */
bool sections_is_map(const struct reader *reader, const struct yaml_node *node, size_t entries_max);

/* Frees what stands in the lists of `config`, whoever appended it. */
void sections_free(struct config *config);
