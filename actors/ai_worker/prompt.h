/* prompt - what a model is told: a prompt of the configuration with a task's values in it. Pure.
 * Values are data that strangers may have typed: each stands on one line, so that none can end the block it stands in,
 * is cut at PROMPT_VALUE_MAX, and loses control, direction and zero-width characters. There are no expressions here,
 * and what the model answers is only ever used as text. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"
#include "proto/errors.h"
#include "proto/text/json.h"

enum { PROMPT_VALUE_MAX = 2000 }; /* bytes */

/* The connector's inputs (prompt, system, schema, max_tokens, model, temperature) for a task's input (prompt, vars,
 * schema, max_tokens, model, temperature). NULL with a sentence in `problem`: INVALID or TOO_LARGE in *error. */
json_t *prompt_inputs(const struct config *config, const json_t *input, enum error *error, char problem[200]);
/* Replaces every {{ name }} and {{ a.b }} by the value at that path of `vars`; an absent one is nothing. */
void prompt_fill(struct buffer *into, struct slice text, const json_t *vars);
