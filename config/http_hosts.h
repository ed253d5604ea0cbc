/* http_hosts - the section http_hosts of purser.yaml: the hosts that http steps may call, each with the one secret that
 * may be sent there. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

/* Appends to `config`; what was appended before a problem is freed with the config. */
bool http_hosts_read(const struct reader *reader, const struct yaml_node *map, struct config *config);
/* False with a problem at the first http step whose host is known and not listed, or whose secret is not that host's.
 * A host that comes out of an expression is looked at when the step is done, and workflows that are off are passed
 * over. */
bool http_hosts_check(const struct config *config, struct text_problem *problem);
void http_hosts_free(struct config *config);

/* The entry that the address leads to, or NULL: scheme, host and port must be the entry's. *origin (borrowed from
 * `url`) is "scheme://host:port". */
const struct http_host *http_hosts_find(const struct config *config, struct slice url, struct slice *origin);
