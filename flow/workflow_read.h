/* workflow_read - what the readers of a workflow file share. Internal to flow. Every reader returns false with the
 * problem set. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/workflow.h"

#define DURATION_MS_MAX (90 * INT64_C(86400000))

struct workflow_reader {
    const char *file;
    struct workflow *workflow;
    struct text_problem *problem;
    const struct workflow_step *inside; /* the step whose insides are read, or NULL */
    unsigned depth;
    bool is_on_failure;
    /* For each of workflow->all the step that keeps it from being seen here (itself while it is read), or NULL. */
    const struct workflow_step *hidden_by[WORKFLOW_STEPS_MAX];
    const char *items[WORKFLOW_DEPTH_MAX]; /* `as` of the for_each around what is read, the outermost first */
    size_t item_count;
};

/* --- values --- */
__attribute__((format(printf, 3, 4))) bool wrong_at(struct workflow_reader *reader, const struct yaml_node *node,
                                                    const char *format, ...);
/* The same at the place of the node's key. */
__attribute__((format(printf, 3, 4))) bool wrong_key(struct workflow_reader *reader, const struct yaml_node *node,
                                                     const char *format, ...);
/* Only these keys, and a list of them in the problem. */
bool read_keys(struct workflow_reader *reader, const struct yaml_node *map, const char *const known[]);
/* NULL, with a problem, when the node is no scalar. */
const char *read_scalar(struct workflow_reader *reader, const struct yaml_node *node, const char *what);
/* A plain word of a-z, 0-9, '-' and '_' (and '.' and '/' with `is_path`). The caller owns *name. */
bool read_name(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool is_path,
               char **name);
/* What expressions can call something: a-z, 0-9 and '_', a letter first. The caller owns *word. */
bool read_word(struct workflow_reader *reader, const struct yaml_node *node, const char *what, char **word);
/* One of `choices` (NULL-terminated) as its index. */
bool read_choice(struct workflow_reader *reader, const struct yaml_node *node, const char *what,
                 const char *const choices[], int *index);
bool read_integer(struct workflow_reader *reader, const struct yaml_node *node, const char *what, int64_t low,
                  int64_t high, int64_t *value);
/* "500ms", "90s", "2m", "1h", "7d" */
bool duration_parse(struct slice text, int64_t *ms);
void duration_print(struct buffer *into, int64_t ms);
bool read_duration(struct workflow_reader *reader, const struct yaml_node *node, const char *what, int64_t low,
                   int64_t high, int64_t *ms);
/* Unquoted true or false. */
bool read_flag(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool *flag);
/* A text with expressions, checked in the scope of a step (or of the trigger alone). The caller owns *text. */
bool read_template(struct workflow_reader *reader, const struct yaml_node *node, const char *what, bool is_trigger_only,
                   char **text);
/* A template that is one expression and nothing else. The caller owns *text. */
bool read_expression(struct workflow_reader *reader, const struct yaml_node *node, const char *what, char **text);
/* A node as JSON; with `is_template` its texts are checked as templates. */
bool read_tree(struct workflow_reader *reader, const struct yaml_node *node, bool is_template, json_t **value);

/* --- scope: which names and steps an expression may use where it stands --- */
/* The step is known, and hidden by itself until scope_show(). */
void scope_add(struct workflow_reader *reader, const struct workflow_step *step);
/* Hides what is visible of workflow->all from `from` on, until it is shown. */
void scope_hide(struct workflow_reader *reader, size_t from, const struct workflow_step *by);
/* The step has ended: shows it and what it hid, but for what is inside a for_each, which has no one result. */
void scope_show(struct workflow_reader *reader, const struct workflow_step *by);
bool scope_check(struct workflow_reader *reader, struct slice text, bool is_trigger_only,
                 struct expression_problem *problem);
/* Whether a for_each here may call its item so; a problem otherwise. */
bool scope_check_item(struct workflow_reader *reader, const struct yaml_node *node, const char *name);

/* --- the parts of a file --- */
bool read_triggers(struct workflow_reader *reader, const struct yaml_node *list);
/* missed, grace and overlap of a schedule or a slot, each where it is there. */
bool read_policies(struct workflow_reader *reader, const struct yaml_node *map, struct workflow_trigger *trigger);
/* The inputs of a step: the first one may stand behind the skill's name, with the others under `with`. */
bool read_skill(struct workflow_reader *reader, const struct yaml_node *step_node, const struct yaml_node *node,
                struct workflow_step *step);
/* A list of steps, those inside `inside` (NULL: of the workflow itself). */
bool read_block(struct workflow_reader *reader, const struct yaml_node *list, const char *what,
                const struct workflow_step *inside, struct workflow_block *block);
/* The insides of a step that is no skill. */
bool read_insides(struct workflow_reader *reader, const struct yaml_node *node, struct workflow_step *step);
bool read_fixtures(struct workflow_reader *reader, const struct yaml_node *list);
