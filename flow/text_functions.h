/* text_functions - the functions that expressions may call, by kind, and what they share. Internal to flow. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"
#include <lua.h>

/* Text, or a number as text; nil and null are empty text; anything else raises an error. Borrowed from the stack. */
struct slice text_argument(lua_State *lua, int index);

/* The sandbox's scratch for building a text: emptied; added to within the bound for texts, charged; pushed. */
struct buffer *scratch_cleared(lua_State *lua);
void scratch_append(lua_State *lua, struct buffer *out, const char *data, size_t size);
int scratch_push(lua_State *lua);

/* These add to the table at `environment`; the first also gives text its methods. */
void text_functions_open(lua_State *lua, int environment);
void list_functions_open(lua_State *lua, int environment);
void path_functions_open(lua_State *lua, int environment);
void date_functions_open(lua_State *lua, int environment);
/* Adds to the table at the top of the stack. */
void encode_functions_open(lua_State *lua);
int fit_function(lua_State *lua);
