/* print_workflow - what the tables say of workflow files: for editors and for people. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

/* JSON Schema (draft-07) of a workflow file: config/schema/workflow.schema.json. */
void print_schema(struct buffer *into);
/* Every skill and its inputs as Markdown: docs/reference/workflow.md. */
void print_workflow(struct buffer *into);
