/* workflow - one workflow as its YAML file defines it (docs/workflows.md): read strictly, immutable afterwards.
 * A definition is self-contained: it keeps its own source text, from which workflow_parse() makes an equal one, so a
 * run can go on with the definition it began with. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/cron.h"
#include "flow/expression.h"
#include "flow/skills.h"
#include "proto/text/yaml.h"

enum {
    WORKFLOW_BYTES_MAX = 256 * 1024,
    WORKFLOW_STEPS_MAX = 100,
    WORKFLOW_TRIGGERS_MAX = 16,
    WORKFLOW_TOPICS_MAX = 32,
    WORKFLOW_NAME_MAX = 64,
    WORKFLOW_HASH_BYTES = 33,
};

enum workflow_mode { WORKFLOW_OFF, WORKFLOW_SHADOW, WORKFLOW_LIVE };
enum trigger_kind { TRIGGER_WEBHOOK, TRIGGER_QUEUE, TRIGGER_SCHEDULE };
enum missed_policy { MISSED_SKIP, MISSED_ONCE, MISSED_ALL };
enum on_unknown { UNKNOWN_ASK, UNKNOWN_RESEND, UNKNOWN_DROP };

struct workflow_trigger {
    enum trigger_kind kind;
    char *name;    /* webhook endpoint or queue; NULL for a schedule */
    char **topics; /* NULL-terminated; NULL: every topic */
    struct cron cron;
    char *zone; /* schedule: name of a zone that could be opened when the file was read */
    enum missed_policy missed;
    int64_t grace_ms; /* schedule: an occurrence missed by no more than this is run as if on time */
};

struct workflow_step {
    char *id;
    const struct skill *skill;
    char *when;                   /* one expression, or NULL */
    json_t *fields;               /* object: templates and literals by field name */
    json_t *otherwise;            /* `else`: object of templates, or NULL */
    int64_t unreachable_after_ms; /* 0: waits as long as it takes */
    unsigned attempts_max;
    int64_t retry_first_ms, retry_max_ms, timeout_ms;
    enum on_unknown on_unknown;
    unsigned line; /* of the step in the file */
};

struct workflow {
    unsigned magic;
    char *file, *name, *description; /* description may be NULL */
    enum workflow_mode mode;
    struct workflow_trigger *triggers;
    size_t trigger_count;
    char *unique; /* template of the key under which there is one run, ever; NULL: every event runs */
    struct workflow_step *steps;
    size_t step_count;
    char *text; /* the source */
    size_t text_size;
    char hash[WORKFLOW_HASH_BYTES]; /* of the source, 128 bits FNV-1a in hex: tells versions apart, proves nothing */
};

/* NULL with the first problem. The caller destroys it. */
struct workflow *workflow_parse(const char *file, struct slice text, struct text_problem *problem);
struct workflow *workflow_read_file(const char *path, struct text_problem *problem);
void workflow_destroy(struct workflow **workflow);

struct slice workflow_definition_text(const struct workflow *workflow);
/* The index of the trigger that a webhook of that endpoint and topic fires, or -1. */
int workflow_matches_webhook(const struct workflow *workflow, const char *endpoint, const char *topic);
int workflow_matches_queue(const struct workflow *workflow, const char *queue);
/* The step's index, or -1. */
int workflow_find_step(const struct workflow *workflow, const char *id);
const char *workflow_mode_name(enum workflow_mode mode);

/* Renders the step's inputs from `vars` into a JSON object: texts rendered, integers and times as integers (times in
 * UTC ms), bounds checked, optional fields that are absent or render to null left out. The caller owns *inputs. */
bool workflow_render_inputs(struct expression_engine *engine, const struct workflow *workflow,
                            const struct workflow_step *step, const json_t *vars, json_t **inputs,
                            struct text_problem *problem);
/* Renders `else` into the result that takes the place of the step's own. The step must have one. */
bool workflow_render_otherwise(struct expression_engine *engine, const struct workflow *workflow,
                               const struct workflow_step *step, const json_t *vars, json_t **result,
                               struct text_problem *problem);
/* The unique key of a run, at most 512 bytes and not empty. The workflow must have one. */
bool workflow_render_unique(struct expression_engine *engine, const struct workflow *workflow, const json_t *vars,
                            struct buffer *key, struct text_problem *problem);
/* Whether the step is to be done; true without `when`. */
bool workflow_step_applies(struct expression_engine *engine, const struct workflow *workflow,
                           const struct workflow_step *step, const json_t *vars, bool *applies,
                           struct text_problem *problem);
