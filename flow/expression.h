/* expression - Lua 5.4 cut down to what a workflow may compute: values in, one value out.
 *
 * There is no I/O, no clock, no loading of code, no pcall, no coroutine, no metatable, no pattern of Lua's and no way
 * to repeat text. Instructions, memory, text and output are bounded; every evaluation starts from nothing, so none can
 * leave anything behind for the next. A field of nil is nil; a name that does not exist is an error. Values are data:
 * nothing in them is ever read as code. Equal inputs give equal results: pairs() is sorted, and no address is printed.
 *
 * A JSON null in an object is nil; in a list it is `null`. Integers are 64 bits and exact. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/template.h"
#include "proto/text/json.h"

struct expression_engine;

struct expression_bounds {
    uint64_t steps_max; /* Lua instructions and work of functions, per template */
    size_t memory_max;  /* bytes alive at a time */
    size_t churn_max;   /* bytes allocated in all */
    size_t text_max;    /* bytes of one text value */
    size_t output_max;  /* bytes of what is rendered */
};

/* NULL for the built-in bounds. The engine keeps opened time zones and nothing else; one thread uses it at a time. */
struct expression_engine *expression_engine_new(const struct expression_bounds *bounds);
void expression_engine_destroy(struct expression_engine **engine);

/* Names that an expression may use: NULL-terminated. `steps` are the ids that may follow `steps.`; NULL for any. */
struct expression_scope {
    const char *const *names;
    const char *const *steps;
};

/* What can be known without values: braces, syntax, names and steps. */
bool expression_check(struct slice text, const struct expression_scope *scope, struct expression_problem *problem);

/* Appends the rendered text to `out`; on false `out` is as it was. nil renders as nothing; a table or function is a
 * problem. `vars` is an object of the names that expressions see. */
bool expression_render(struct expression_engine *engine, struct slice text, const json_t *vars, struct buffer *out,
                       struct expression_problem *problem);
/* A template that is one expression gives its value, any other its rendered text. The caller owns *out. nil is null. */
bool expression_value(struct expression_engine *engine, struct slice text, const json_t *vars, json_t **out,
                      struct expression_problem *problem);
/* For `when:`. The template must be one expression; nil, false and "" are false, everything else is true. */
bool expression_truth(struct expression_engine *engine, struct slice text, const json_t *vars, bool *truth,
                      struct expression_problem *problem);
