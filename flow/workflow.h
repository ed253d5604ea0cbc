/* workflow - one workflow as its YAML file defines it (docs/workflows.md): read strictly, immutable afterwards.
 * A definition is self-contained: it keeps its own source text, from which workflow_parse() makes an equal one, so a
 * run can go on with the definition it began with. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/expression.h"
#include "flow/schedule.h"
#include "flow/skills.h"
#include "proto/text/yaml.h"

enum {
    WORKFLOW_BYTES_MAX = 256 * 1024,
    WORKFLOW_STEPS_MAX = 200,  /* in all, those inside others included */
    WORKFLOW_DEPTH_MAX = 6,    /* steps inside steps */
    WORKFLOW_BLOCKS_MAX = 16,  /* branches of a parallel, cases of a switch */
    WORKFLOW_ITEMS_MAX = 1000, /* of a for_each */
    WORKFLOW_AT_ONCE_MAX = 16, /* items of a for_each under way together */
    WORKFLOW_TRIGGERS_MAX = 16,
    WORKFLOW_TOPICS_MAX = 32,
    WORKFLOW_FIXTURES_MAX = 64,
    WORKFLOW_NAME_MAX = 64,
    WORKFLOW_HASH_BYTES = 33,
};

enum workflow_mode { WORKFLOW_OFF, WORKFLOW_SHADOW, WORKFLOW_LIVE };
enum trigger_kind {
    TRIGGER_WEBHOOK,
    TRIGGER_QUEUE,
    TRIGGER_SCHEDULE,
    TRIGGER_SLOT,    /* a slot of the content calendar's channel `name`; trigger.entries are the drafts in it */
    TRIGGER_AFTER,   /* the end of a run of workflow `name` */
    TRIGGER_MANUAL,  /* purser workflow run, or the dashboard */
    TRIGGER_MESSAGE, /* a message that came in on channel `name` (telegram, mail) */
};
enum missed_policy { MISSED_SKIP, MISSED_ONCE, MISSED_ALL, MISSED_ASK };
enum overlap_policy { OVERLAP_ALLOW, OVERLAP_SKIP, OVERLAP_WAIT };
enum after_state { AFTER_ANY, AFTER_DONE, AFTER_FAILED };
enum on_unknown { UNKNOWN_ASK, UNKNOWN_RESEND, UNKNOWN_DROP };

struct workflow_trigger {
    enum trigger_kind kind;
    char *name;                  /* webhook endpoint, queue, calendar channel, workflow or message channel; else NULL */
    char **topics;               /* webhook: NULL-terminated; NULL: every topic */
    struct schedule schedule;    /* schedule */
    struct slice cron_text;      /* schedule: as written; points into the trigger's own memory */
    enum missed_policy missed;   /* schedule and slot */
    enum overlap_policy overlap; /* schedule and slot: when a run that it began is still open */
    int64_t grace_ms;            /* schedule and slot: an occurrence missed by no more than this runs as if on time */
    enum after_state after;
    unsigned line; /* in the file */
};

enum node_kind {
    NODE_SKILL,
    NODE_DO,       /* do: steps one after the other */
    NODE_PARALLEL, /* parallel: named branches, side by side */
    NODE_SWITCH,   /* switch: the block whose name equals the value of `of` */
    NODE_EACH,     /* for_each: the block once for each item of the list `of` */
};

struct workflow_step;

/* Steps one after the other. */
struct workflow_block {
    char *name; /* branch or case; NULL: the only block, or a switch's default */
    struct workflow_step *steps;
    size_t step_count;
};

struct workflow_step {
    char *id; /* unique in the file */
    enum node_kind kind;
    const struct skill *skill; /* NODE_SKILL, else NULL */
    char *when;                /* one expression, or NULL */
    char *of;                  /* switch, for_each: one expression */
    char *item;                /* for_each: what expressions inside call the item (`as`); "item" unless said */
    unsigned at_most, at_once; /* for_each: 1 to WORKFLOW_ITEMS_MAX (100 unless said), 1 to .._AT_ONCE_MAX (1) */
    struct workflow_block *blocks;
    size_t block_count;
    json_t *fields;    /* NODE_SKILL: templates and literals by field name */
    json_t *otherwise; /* `else` as a map: templates of the result that takes the place of its own, or NULL */
    struct workflow_block *otherwise_steps; /* `else` as a list of steps, or NULL; never both */
    int64_t unreachable_after_ms;           /* 0: waits as long as it takes */
    unsigned attempts_max;
    int64_t retry_first_ms, retry_max_ms;
    int64_t timeout_ms; /* of one call; 0: the service's own */
    enum on_unknown on_unknown;
    unsigned line;                      /* of the step in the file */
    unsigned depth;                     /* 0: not inside another step */
    const struct workflow_step *inside; /* the step it is in, or NULL */
};

/* A rehearsal kept in the file (`tests:`), see flow/run/rehearse.h. Shapes are checked when the file is read. */
struct workflow_fixture {
    char *name;
    json_t *trigger; /* object: the expression variable trigger */
    char *body_file; /* file whose JSON becomes trigger.body, relative to the workflow's folder; or NULL */
    int64_t now_ms;  /* UTC at the start; 0: 2026-01-05T09:00:00Z, a Monday */
    json_t *store;   /* object: what `get` and friends find, by key; or NULL */
    json_t *answers; /* object by step id: {result} | {error, text} | unreachable | {decision, text, by}, or a list of
                        those, used one after the other; or NULL */
    json_t *expect;  /* object: state, error, effects, steps, books, store, result; each may be absent */
    unsigned line;
};

struct workflow {
    unsigned magic;
    char *file, *name, *description; /* description may be NULL */
    enum workflow_mode mode;
    struct workflow_trigger *triggers;
    size_t trigger_count;
    char *unique; /* template of the key under which there is one run, ever; NULL: every event runs */
    struct workflow_block steps;
    struct workflow_block on_failure; /* may have no steps; these see `failure` {step, error, text} */
    json_t *result;                   /* template of the run's result, or NULL: the last step's */
    const struct workflow_step **all; /* every step, in the order of the text, those of else and on_failure too */
    size_t all_count;
    struct workflow_fixture *fixtures;
    size_t fixture_count;
    char *text; /* the source */
    size_t text_size;
    char hash[WORKFLOW_HASH_BYTES]; /* of the source, 128 bits FNV-1a in hex: tells versions apart, proves nothing */
};

/* NULL with the first problem. The caller destroys it. */
struct workflow *workflow_parse(const char *file, struct slice text, struct text_problem *problem);
struct workflow *workflow_read_file(const char *path, struct text_problem *problem);
void workflow_destroy(struct workflow **workflow);
/* What is legal but looks like a mistake, a line each with its place ("file:line: ..."): crons that fire every minute
 * of an hour, steps that no path reaches. Appends; "" when all is well. */
void workflow_warn(const struct workflow *workflow, struct buffer *into);
/* A ring of `call` and `after` among these workflows would never end. False with the problem at the place of the
 * first one's. */
bool workflows_check_rings(struct workflow *const *workflows, size_t count, struct text_problem *problem);

struct slice workflow_definition_text(const struct workflow *workflow);
/* The index of the trigger that a webhook of that endpoint and topic fires, or -1. */
int workflow_matches_webhook(const struct workflow *workflow, const char *endpoint, const char *topic);
/* The index of the first trigger of that kind and name, or -1. `name` NULL: of any name. */
int workflow_find_trigger(const struct workflow *workflow, enum trigger_kind kind, const char *name);
/* The step of that id anywhere in the workflow, or NULL. */
const struct workflow_step *workflow_find_step(const struct workflow *workflow, struct slice id);
const char *workflow_mode_name(enum workflow_mode mode);

/* Renders the step's inputs from `vars` into a JSON object: texts rendered, integers, durations and times as integers
 * (ms), bounds checked, optional fields that are absent or render to null left out. The caller owns *inputs. */
bool workflow_render_inputs(struct expression_engine *engine, const struct workflow *workflow,
                            const struct workflow_step *step, const json_t *vars, json_t **inputs,
                            struct text_problem *problem);
/* Renders `else` (a map) into the result that takes the place of the step's own. The step must have one. */
bool workflow_render_otherwise(struct expression_engine *engine, const struct workflow *workflow,
                               const struct workflow_step *step, const json_t *vars, json_t **result,
                               struct text_problem *problem);
/* The run's result. The workflow must have one. */
bool workflow_render_result(struct expression_engine *engine, const struct workflow *workflow, const json_t *vars,
                            json_t **result, struct text_problem *problem);
/* The unique key of a run, at most 512 bytes and not empty. The workflow must have one. */
bool workflow_render_unique(struct expression_engine *engine, const struct workflow *workflow, const json_t *vars,
                            struct buffer *key, struct text_problem *problem);
/* Whether the step is to be done; true without `when`. */
bool workflow_step_applies(struct expression_engine *engine, const struct workflow *workflow,
                           const struct workflow_step *step, const json_t *vars, bool *applies,
                           struct text_problem *problem);
/* switch: the block to be done, or NULL when none fits and there is no default. The value is compared as text. */
bool workflow_choose_block(struct expression_engine *engine, const struct workflow *workflow,
                           const struct workflow_step *step, const json_t *vars, const struct workflow_block **block,
                           struct text_problem *problem);
/* for_each: the list, owned by the caller; longer than at_most, or no list, is a problem. null is an empty list. */
bool workflow_render_items(struct expression_engine *engine, const struct workflow *workflow,
                           const struct workflow_step *step, const json_t *vars, json_t **items,
                           struct text_problem *problem);
