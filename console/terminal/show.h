/* show - the daemon's JSON for people: a list of objects as a table, an object as lines of "name: value".
 * By the name: *_ms is a time (local, ISO 8601) or a duration, *_bytes a size. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"

void show_json(struct buffer *into, const json_t *value);
