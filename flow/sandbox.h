/* sandbox - what expression.c and functions.c share: one evaluation's Lua state with its bounds. Internal to flow. */
// SPDX-License-Identifier: MIT
#pragma once
#include "flow/expression.h"
#include "flow/zone.h"
#include <lua.h>

enum { SANDBOX_ZONES_MAX = 16, SANDBOX_DEPTH_MAX = 64 };

struct expression_engine {
    unsigned magic;
    struct expression_bounds bounds;
    struct zone *zones[SANDBOX_ZONES_MAX];
    size_t zone_count;
};

struct sandbox {
    unsigned magic;
    struct expression_engine *engine;
    const json_t *vars;
    lua_State *lua;
    size_t live_bytes, churn_bytes;
    uint64_t steps_left;
    bool is_out_of_memory, is_out_of_steps;
    struct buffer scratch; /* of the function that runs; here, since an error jumps over its free */
};

struct sandbox *sandbox_of(lua_State *lua);
/* Raises an error when the evaluation has no steps left for this much work. */
void sandbox_charge(lua_State *lua, size_t work);
/* Pushes a JSON value; raises an error when it does not fit. */
void sandbox_push_json(lua_State *lua, const json_t *value, int depth);
/* The value at `index` as JSON, or NULL with the reason. Raises nothing. */
json_t *sandbox_to_json(lua_State *lua, int index, const char **wrong);

/* Pushes the table of everything an expression may call, and sets the metatables of text and nil. */
void functions_open(lua_State *lua);
/* The names in that table, NULL-terminated. */
const char *const *functions_names(void);
