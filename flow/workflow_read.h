/* workflow_read - what the readers of a workflow file share. Internal to flow. Every reader returns false with the
 * problem set. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/workflow.h"

struct workflow_reader {
    const char *file;
    struct workflow *workflow;
    struct text_problem *problem;
    const char *step_ids[WORKFLOW_STEPS_MAX + 1]; /* the steps above, NULL-terminated */
};

__attribute__((format(printf, 3, 4))) bool wrong_at(struct workflow_reader *reader, const struct yaml_node *node,
                                                    const char *format, ...);
/* Only these keys, and a list of them in the problem. */
bool read_keys(struct workflow_reader *reader, const struct yaml_node *map, const char *const known[]);
/* NULL, with a problem, when the node is no scalar. */
const char *read_scalar(struct workflow_reader *reader, const struct yaml_node *node, const char *what);
/* A plain word of a-z, 0-9, '-' and '_' (and '.' and '/' with `is_path`). The caller owns *name. */
bool read_name(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool is_path,
               char **name);
/* One of `choices` (NULL-terminated) as its index. */
bool read_choice(struct workflow_reader *reader, const struct yaml_node *node, const char *what,
                 const char *const choices[], int *index);
bool read_integer(struct workflow_reader *reader, const struct yaml_node *node, const char *what, int64_t low,
                  int64_t high, int64_t *value);
/* "500ms", "90s", "2m", "1h", "7d": at least 1 ms, at most 90 days. */
bool read_duration(struct workflow_reader *reader, const struct yaml_node *node, const char *what, int64_t *ms);
/* A text with expressions, checked in the scope of a step (or of the trigger alone). The caller owns *text. */
bool read_template(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool is_trigger_only,
                   char **text);
/* A node as JSON; with `is_template` its texts are checked as templates. */
bool read_tree(struct workflow_reader *reader, const struct yaml_node *node, bool is_template, json_t **value);

bool read_triggers(struct workflow_reader *reader, const struct yaml_node *list);
/* One field of a skill: a template or literal as its kind wants it. */
bool read_field(struct workflow_reader *reader, const struct yaml_node *node, const struct skill_field *field,
                json_t *fields);
bool read_steps(struct workflow_reader *reader, const struct yaml_node *list);
