/* schema - the subset of OpenAPI schemas that Gemini's responseSchema takes: written by people, checked here. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"
#include "proto/text/json.h"

enum { SCHEMA_DEPTH_MAX = 12 };

/* A copy in the service's spelling (types in upper case; "type" in any case is accepted). NULL when it is no such
 * schema: `problem` (room bytes) then names the place. The caller owns the copy. */
json_t *schema_translate(const json_t *schema, char *problem, size_t room);

/* Whether a value follows a translated schema: types, required properties, enums, item counts. False with `problem`. */
bool schema_accepts(const json_t *schema, const json_t *value, char *problem, size_t room);
