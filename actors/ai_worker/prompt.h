/* prompt - what a model is told: a prompt of the configuration with a task's values in it. Pure.
 * Values are data that strangers may have typed. Control, direction and zero-width characters are left out, so that
 * nothing hides from a reader, and the whole is bounded. What the model answers is only ever used as text. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"
#include "proto/errors.h"
#include "proto/text/json.h"

/* The connector's inputs (prompt, system, schema, max_tokens, model, temperature) for a task's input (prompt, vars,
 * text, ...). `text` is the prompt as the scheduler rendered it; without it {{ name }} and {{ vars.a.b }} are taken
 * from vars, an absent one being nothing. NULL with a sentence in `problem`: INVALID or TOO_LARGE in *error. */
json_t *prompt_inputs(const struct config *config, const json_t *input, enum error *error, char problem[200]);
/* Appends `text` without the characters named above. */
void prompt_clean(struct buffer *into, struct slice text);
/* Replaces every {{ path }} by the text or number at that path of `vars`. */
void prompt_fill(struct buffer *into, struct slice text, const json_t *vars);
