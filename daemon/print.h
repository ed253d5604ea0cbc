/* print - reference pages, made from the tables: purserd --print WHAT. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

/* messages, config, metrics, commands, errors, jobs and workflow are Markdown, schema is a JSON Schema, example YAML;
 * false when there is no such page. */
bool print_page(const char *what, struct buffer *into);
/* The names, separated by '|'. */
extern const char print_pages[];
