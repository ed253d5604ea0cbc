// SPDX-License-Identifier: MIT
#include "flow/sandbox.h"
#include "proto/check.h"
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { SANDBOX_MAGIC = 0x73616e64 };

struct sandbox *sandbox_of(lua_State *lua)
{
    void *memory;
    struct sandbox *sandbox;

    lua_getallocf(lua, &memory);
    sandbox = memory;
    CHECK(sandbox->engine != NULL);
    return sandbox;
}

void sandbox_charge(lua_State *lua, size_t work)
{
    struct sandbox *sandbox = sandbox_of(lua);

    if (work > sandbox->steps_left) {
        sandbox->steps_left = 0;
        sandbox->is_out_of_steps = true;
        luaL_error(lua, "out of steps");
    }
    sandbox->steps_left -= work;
}

static void push_list(lua_State *lua, const json_t *list, int depth)
{
    lua_createtable(lua, (int)json_array_size(list), 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_null(item))
            lua_pushlightuserdata(lua, NULL);
        else
            sandbox_push_json(lua, item, depth + 1);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    /* Tells an empty list from an empty object on the way back. */
    luaL_newmetatable(lua, "list");
    lua_setmetatable(lua, -2);
}

static void push_object(lua_State *lua, const json_t *object, int depth)
{
    lua_createtable(lua, 0, (int)json_object_size(object));
    for (void *at = json_object_iter((json_t *)object); at != NULL; at = json_object_iter_next((json_t *)object, at)) {
        const char *key = json_object_iter_key(at);
        lua_pushlstring(lua, key, json_object_iter_key_len(at));
        sandbox_push_json(lua, json_object_iter_value(at), depth + 1);
        lua_rawset(lua, -3);
    }
}

void sandbox_push_json(lua_State *lua, const json_t *value, int depth)
{
    if (depth > SANDBOX_DEPTH_MAX)
        luaL_error(lua, "the value is nested deeper than %d levels", SANDBOX_DEPTH_MAX);
    luaL_checkstack(lua, 8, "the value is nested too deep");
    if (json_is_object(value))
        push_object(lua, value, depth);
    else if (json_is_array(value))
        push_list(lua, value, depth);
    else if (json_is_string(value))
        lua_pushlstring(lua, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        lua_pushinteger(lua, json_integer_value(value));
    else if (json_is_real(value))
        lua_pushnumber(lua, json_real_value(value));
    else if (json_is_boolean(value))
        lua_pushboolean(lua, json_is_true(value));
    else
        lua_pushnil(lua);
}

/* A table that is shared many times inside itself would grow without end as JSON: nodes and bytes are counted. */
struct writer {
    size_t left;
    const char *wrong;
};

static json_t *value_of(lua_State *lua, int index, struct writer *writer, int depth);

static bool is_list(lua_State *lua, int index)
{
    size_t size = lua_rawlen(lua, index), count = 0;
    bool is_marked = lua_getmetatable(lua, index);

    if (is_marked)
        lua_pop(lua, 1);
    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        lua_pop(lua, 1);
        if (!lua_isinteger(lua, -1) || lua_tointeger(lua, -1) < 1 || (size_t)lua_tointeger(lua, -1) > size) {
            lua_pop(lua, 1);
            return false;
        }
        count++;
    }
    return count == size && (size > 0 || is_marked);
}

static json_t *list_of(lua_State *lua, int index, struct writer *writer, int depth)
{
    json_t *list = json_array();

    for (size_t i = 1; writer->wrong == NULL && i <= lua_rawlen(lua, index); i++) {
        lua_rawgeti(lua, index, (lua_Integer)i);
        json_array_append_new(list, value_of(lua, lua_gettop(lua), writer, depth + 1));
        lua_pop(lua, 1);
    }
    return list;
}

static json_t *object_of(lua_State *lua, int index, struct writer *writer, int depth)
{
    json_t *object = json_object();

    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        size_t size = 0;
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tolstring(lua, -2, &size) : NULL;

        if (key == NULL || strlen(key) != size || size >= writer->left) {
            writer->wrong = key == NULL ? "a table has a key that is not text; use a list or text keys only"
                                        : "a key is too long or holds a zero byte; use short text keys";
        } else {
            writer->left -= size;
            if (json_object_set_new(object, key, value_of(lua, lua_gettop(lua), writer, depth + 1)) != 0 &&
                writer->wrong == NULL)
                writer->wrong = "a key is no valid UTF-8 text; cut text with sub() or shorten()";
        }
        lua_pop(lua, 1);
        if (writer->wrong != NULL) {
            lua_pop(lua, 1);
            break;
        }
    }
    return object;
}

static json_t *table_of(lua_State *lua, int index, struct writer *writer, int depth)
{
    if (depth > SANDBOX_DEPTH_MAX) {
        writer->wrong = "the value is nested too deep (or contains itself); return a flatter one";
        return NULL;
    }
    return is_list(lua, index) ? list_of(lua, index, writer, depth) : object_of(lua, index, writer, depth);
}

static json_t *text_of(lua_State *lua, int index, struct writer *writer)
{
    size_t size;
    const char *text = lua_tolstring(lua, index, &size);
    json_t *value = size < writer->left ? json_stringn(text, size) : NULL;

    if (size >= writer->left)
        writer->wrong = "the value is larger than the bound for results; return less";
    else if (memchr(text, '\0', size) != NULL)
        writer->wrong = "a text holds a zero byte; leave it out";
    else if (value == NULL)
        writer->wrong = "a text is no valid UTF-8; cut text with sub() or shorten()";
    else
        writer->left -= size;
    return value;
}

static json_t *number_of(lua_State *lua, int index, struct writer *writer)
{
    json_t *value;

    if (lua_isinteger(lua, index))
        return json_integer(lua_tointeger(lua, index));
    value = json_real(lua_tonumber(lua, index));
    if (value == NULL)
        writer->wrong = "the number is not finite; guard the division, for example: b ~= 0 and a / b or 0";
    return value;
}

static json_t *value_of(lua_State *lua, int index, struct writer *writer, int depth)
{
    if (writer->left < 16 || !lua_checkstack(lua, 8)) {
        writer->wrong = "the value is larger than the bound for results; return less";
        return NULL;
    }
    writer->left -= 16;
    switch (lua_type(lua, index)) {
    case LUA_TTABLE:
        return table_of(lua, index, writer, depth);
    case LUA_TSTRING:
        return text_of(lua, index, writer);
    case LUA_TNUMBER:
        return number_of(lua, index, writer);
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(lua, index));
    case LUA_TNIL:
    case LUA_TLIGHTUSERDATA:
        return json_null();
    default:
        writer->wrong = "the value is a function; call it with ()";
        return NULL;
    }
}

json_t *sandbox_to_json(lua_State *lua, int index, const char **wrong)
{
    struct writer writer = {sandbox_of(lua)->engine->bounds.output_max, NULL};
    json_t *value = value_of(lua, lua_absindex(lua, index), &writer, 0);

    *wrong = writer.wrong;
    if (writer.wrong != NULL) {
        json_decref(value);
        return NULL;
    }
    return value;
}
