/* text_functions - the functions over text and lists that expressions may call. Internal to flow. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"
#include <lua.h>

/* Text, or a number as text; nil and null are empty text; anything else raises an error. Borrowed from the stack. */
struct slice text_argument(lua_State *lua, int index);

/* Both add to the table at `environment`; the first also gives text its methods. */
void text_functions_open(lua_State *lua, int environment);
void list_functions_open(lua_State *lua, int environment);
