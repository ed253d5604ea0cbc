/* approvers - the section approvers of purser.yaml. Internal to config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

/* Appends to `config`; what was appended before a problem is freed with the config. */
bool approvers_read(const struct reader *reader, const struct yaml_node *map, struct config *config);
void approvers_free(struct config *config);
