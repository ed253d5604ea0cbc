/* known_names - whether the hooks, queues, channels and secrets that a workflow names are there, by what a purser.yaml
 * says. The daemon looks at all of them again when it loads. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/workflow.h"

/* False with the problem at the first name that `config` (a purser.yaml's root) does not have. A workflow that is off
 * may name what is not there yet. */
bool known_names_check(const struct yaml_node *config, const struct workflow *workflow, struct text_problem *problem);
/* Appends what known_names_check() would look up, as "queue imports, secret crm/key"; nothing for a workflow that is
 * off or names nothing of the kind. */
void known_names_list(const struct workflow *workflow, struct buffer *into);
