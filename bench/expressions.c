// SPDX-License-Identifier: MIT
/* Expressions a second as workflows evaluate them, beside bare Lua without our bounds: a fresh state for each (standard
 * libraries opened, the same values made Lua's, the text compiled and called), and one state kept, where the text is
 * compiled and called on values that are there already.
 * usage: bench-expressions SECONDS ORDER.json */
#include "bench/measure.h"
#include "flow/expression.h"
#include <lauxlib.h>
#include <lualib.h>

enum { DEPTH_MAX = 32 };

struct expressions {
    double seconds;
    struct expression_engine *engine;
    json_t *vars;
};

static void die(const char *what)
{
    fprintf(stderr, "bench-expressions: %s\n", what);
    exit(1);
}

static json_t *read_vars(const char *path)
{
    static char text[64 * 1024];
    struct json_problem problem;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        die(path);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    json_t *body = json_read((struct slice){text, size}, &problem);
    if (body == NULL)
        die(problem.text);
    return json_pack("{s:{s:s, s:o}, s:I, s:{}}", "trigger", "kind", "webhook", "body", body, "now",
                     (json_int_t)1767603600000, "steps");
}

/* ---- ours ---- */

enum kind { RENDER, TRUTH };

static void measure_ours(const struct expressions *bench, const char *name, enum kind kind, const char *text)
{
    struct expression_problem problem;
    struct buffer out = {NULL, 0, 0};
    double start = measure_now(), now = start;
    bool truth, good = true;
    uint64_t done = 0;

    for (; good && now - start < bench->seconds; now = measure_now(), done++) {
        buffer_clear(&out);
        good = kind == RENDER ? expression_render(bench->engine, slice_of(text), bench->vars, &out, &problem)
                              : expression_truth(bench->engine, slice_of(text), bench->vars, &truth, &problem) && truth;
    }
    if (!good)
        die(problem.text);
    fprintf(stderr, "%s: %.*s\n", name, (int)out.size, out.size ? out.data : "");
    measure_print(name, (double)done / (now - start), "templates/s");
    buffer_free(&out);
}

/* ---- bare Lua ---- */

static void push(lua_State *lua, const json_t *value, int depth)
{
    const char *key;
    json_t *member;
    size_t index;

    luaL_checkstack(lua, 4, "values");
    if (depth > DEPTH_MAX)
        die("the values are nested too deeply");
    if (json_is_object(value)) {
        lua_createtable(lua, 0, (int)json_object_size(value));
        json_object_foreach((json_t *)value, key, member)
        {
            push(lua, member, depth + 1);
            lua_setfield(lua, -2, key);
        }
    } else if (json_is_array(value)) {
        lua_createtable(lua, (int)json_array_size(value), 0);
        json_array_foreach(value, index, member)
        {
            push(lua, member, depth + 1);
            lua_rawseti(lua, -2, (lua_Integer)index + 1);
        }
    } else if (json_is_string(value))
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

static lua_State *open_lua(const struct expressions *bench)
{
    lua_State *lua = luaL_newstate();

    luaL_openlibs(lua);
    push(lua, json_object_get(bench->vars, "trigger"), 0);
    lua_setglobal(lua, "trigger");
    return lua;
}

static void evaluate(lua_State *lua, const char *text)
{
    if (luaL_loadstring(lua, text) != LUA_OK || lua_pcall(lua, 0, 1, 0) != LUA_OK || !lua_toboolean(lua, -1))
        die(lua_tostring(lua, -1));
    lua_settop(lua, 0);
}

static void measure_bare(const struct expressions *bench, const char *name, const char *text)
{
    double start = measure_now(), now = start;
    uint64_t done = 0;
    char label[64];

    for (; now - start < bench->seconds; now = measure_now(), done++) {
        lua_State *lua = open_lua(bench);
        evaluate(lua, text);
        lua_close(lua);
    }
    snprintf(label, sizeof(label), "lua-fresh-%s", name);
    measure_print(label, (double)done / (now - start), "templates/s");
    lua_State *lua = open_lua(bench);
    done = 0;
    start = now = measure_now();
    for (; now - start < bench->seconds; now = measure_now(), done++)
        evaluate(lua, text);
    lua_close(lua);
    snprintf(label, sizeof(label), "lua-kept-%s", name);
    measure_print(label, (double)done / (now - start), "templates/s");
}

int main(int argc, char **argv)
{
    struct expressions bench = {.seconds = argc == 3 ? strtod(argv[1], NULL) : 0};

    if (bench.seconds <= 0) {
        fprintf(stderr, "usage: bench-expressions SECONDS ORDER.json\n");
        return 2;
    }
    bench.vars = read_vars(argv[2]);
    bench.engine = expression_engine_new(NULL);
    measure_bare(&bench, "three",
                 "return 'Order ' .. trigger.body.name .. ' of ' .. trigger.body.total_price .. ' ' .. "
                 "trigger.body.currency .. '.'");
    measure_ours(&bench, "template-three", RENDER,
                 "Order {{ trigger.body.name }} of {{ trigger.body.total_price }} {{ trigger.body.currency }}.");
    measure_bare(&bench, "when", "return #trigger.body.line_items > 0 and trigger.body.currency ~= ''");
    measure_ours(&bench, "template-when", TRUTH, "{{ #trigger.body.line_items > 0 and trigger.body.currency ~= '' }}");
    measure_ours(&bench, "template-money-date", RENDER,
                 "{{ money(minor(trigger.body.total_price, trigger.body.currency), trigger.body.currency) }}, "
                 "{{ date(trigger.body.created_at, '%d %B %Y', 'Europe/Berlin') }}");
    measure_ours(&bench, "template-plain", RENDER, "no expression at all");
    json_decref(bench.vars);
    expression_engine_destroy(&bench.engine);
    return 0;
}
