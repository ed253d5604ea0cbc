/* channels - the sections channels and holidays of purser.yaml. Internal to config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

/* Each checks what it takes: cron expressions, zones, days. What was read before a problem is freed with the config. */
bool channels_read(const struct reader *reader, const struct yaml_node *map, struct config *config);
bool holidays_read(const struct reader *reader, const struct yaml_node *list, struct config *config);
void channels_free(struct config *config);
