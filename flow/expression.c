// SPDX-License-Identifier: MIT
#include "flow/expression.h"
#include "flow/sandbox.h"
#include "proto/check.h"
#include "proto/text/yaml.h"
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENGINE_MAGIC = 0x6c756121, HOOK_STEPS = 200, NAMES_MAX = 128 };

static const struct expression_bounds default_bounds = {
    .steps_max = 200 * 1000,
    .memory_max = 16 << 20,
    .churn_max = 64 << 20,
    .text_max = 256 * 1024,
    .output_max = 1 << 20,
};

struct expression_engine *expression_engine_new(const struct expression_bounds *bounds)
{
    struct expression_engine *engine = xcalloc(1, sizeof *engine);

    engine->magic = ENGINE_MAGIC;
    engine->bounds = bounds != NULL ? *bounds : default_bounds;
    return engine;
}

void expression_engine_destroy(struct expression_engine **engine)
{
    if (*engine == NULL)
        return;
    CHECK((*engine)->magic == ENGINE_MAGIC);
    for (size_t i = 0; i < (*engine)->zone_count; i++)
        zone_close(&(*engine)->zones[i]);
    (*engine)->magic = 0;
    free(*engine);
    *engine = NULL;
}

/* For a new object Lua passes its type in `old_size`. Lua relies on a shrink never failing. */
static void *bounded_realloc(void *context, void *memory, size_t old_size, size_t new_size)
{
    struct sandbox *sandbox = context;
    const struct expression_bounds *bounds = &sandbox->engine->bounds;
    size_t owned = memory == NULL ? 0 : old_size;
    bool is_text = memory == NULL && old_size == LUA_TSTRING;

    if (new_size == 0) {
        free(memory);
        sandbox->live_bytes -= owned;
        return NULL;
    }
    if (new_size > owned) {
        if (sandbox->live_bytes - owned + new_size > bounds->memory_max ||
            sandbox->churn_bytes + new_size > bounds->churn_max || (is_text && new_size > bounds->text_max)) {
            sandbox->is_out_of_memory = true;
            return NULL;
        }
        sandbox->churn_bytes += new_size;
    }
    sandbox->live_bytes = sandbox->live_bytes - owned + new_size;
    return xrealloc(memory, new_size);
}

static void on_step_count(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    sandbox_charge(lua, HOOK_STEPS);
}

/* A name that is no function is a variable, and made a Lua value when it is first used. */
static int on_missing_name(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
    const json_t *value = json_object_get(sandbox->vars, name);

    if (value == NULL)
        return luaL_error(lua, "there is no name \"%s\" here", name);
    sandbox_push_json(lua, value, 0);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, 1);
    return 1;
}

static int on_new_name(lua_State *lua)
{
    return luaL_error(lua, "names cannot be set; write local %s",
                      lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "NAME");
}

/* Leaves the environment of expressions in the registry. */
static int set_up(lua_State *lua)
{
    const char *key;
    json_t *value;

    functions_open(lua);
    /* A variable hides a function of its name, so that a later function breaks no one's data. */
    json_object_foreach((json_t *)sandbox_of(lua)->vars, key, value)
    {
        lua_pushnil(lua);
        lua_setfield(lua, -2, key);
    }
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, on_missing_name);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, on_new_name);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, LUA_REGISTRYINDEX, "environment");
    return 0;
}

struct source {
    struct slice pieces[2];
    size_t next;
};

static const char *next_piece(lua_State *lua, void *context, size_t *size)
{
    struct source *source = context;

    (void)lua;
    if (source->next == 2) {
        *size = 0;
        return NULL;
    }
    *size = source->pieces[source->next].size;
    return source->pieces[source->next++].data;
}

/* Only the expression's own text is compiled: values never get here. Binary chunks are refused by mode "t". */
static void load_expression(lua_State *lua, struct slice expression)
{
    struct source source = {{SLICE("return "), expression}, 0};

    if (lua_load(lua, next_piece, &source, "=expr", "t") != LUA_OK)
        lua_error(lua);
}

static int evaluate(lua_State *lua)
{
    const struct slice *expression = lua_touserdata(lua, 1);

    load_expression(lua, *expression);
    lua_getfield(lua, LUA_REGISTRYINDEX, "environment");
    lua_setupvalue(lua, -2, 1);
    lua_call(lua, 0, 1);
    return 1;
}

static int compile_only(lua_State *lua)
{
    const struct slice *expression = lua_touserdata(lua, 1);

    load_expression(lua, *expression);
    return 0;
}

/* What Lua says and what would be right. */
static const struct {
    const char *sign, *advice;
} advices[] = {
    {"arithmetic on a nil value", "give it a value: default(x, 0)"},
    {"arithmetic on a string value",
     "make it a number first: minor(text, currency) for money, tonumber(text) otherwise"},
    {"concatenate a nil value", "give it a value: default(x, \"\")"},
    {"concatenate a boolean value", "write tostring(x)"},
    {"attempt to concatenate", "write json(x) or join(x, \", \")"},
    {"attempt to compare", "compare numbers with numbers and text with text: default(x, 0), tonumber(text)"},
    {"call a nil value", "there is no such function; docs/workflows.md lists them all"},
    {"names cannot be set", ""},
    {"near", "write one value, for example {{ trigger.body.id }}"},
    {"<eof>", "write one value, for example {{ trigger.body.id }}"},
    {"C stack overflow", "nest less"},
    {"stack overflow", "call less deep"},
};

static void describe(const struct sandbox *sandbox, const char *message, struct buffer *into)
{
    const struct expression_bounds *bounds = &sandbox->engine->bounds;

    if (sandbox->is_out_of_steps) {
        buffer_printf(into, "it takes more than %" PRIu64 " steps; compute less, or in several workflow steps",
                      bounds->steps_max);
        return;
    }
    if (sandbox->is_out_of_memory) {
        buffer_printf(into, "it needs more memory than allowed (%zu KiB in all, %zu KiB a text); use smaller values",
                      bounds->memory_max >> 10, bounds->text_max >> 10);
        return;
    }
    buffer_printf(into, "%.200s", message);
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (strstr(message, advices[i].sign) != NULL) {
            if (advices[i].advice[0] != '\0')
                buffer_printf(into, "; %s", advices[i].advice);
            return;
        }
}

static size_t offset_of_line(struct slice text, size_t offset, unsigned line)
{
    for (; line > 1 && offset < text.size; offset++)
        if (text.data[offset] == '\n')
            line--;
    return offset;
}

/* Takes Lua's "expr:2: what" apart; the error value may be anything. */
static void report(struct sandbox *sandbox, struct slice text, const struct template_part *part,
                   struct expression_problem *problem)
{
    const char *message = lua_type(sandbox->lua, -1) == LUA_TSTRING ? lua_tostring(sandbox->lua, -1) : "error";
    struct buffer sentence = {0};
    unsigned line = 1;
    int skipped = 0;

    if (sscanf(message, "expr:%u: %n", &line, &skipped) == 1 && skipped > 0)
        message += skipped;
    describe(sandbox, message, &sentence);
    buffer_append(&sentence, "", 1);
    expression_problem_set(problem, text, offset_of_line(text, part->offset, line), "in {{ %.*s%s }}: %s",
                           (int)(part->text.size > 60 ? 60 : part->text.size), part->text.data,
                           part->text.size > 60 ? "..." : "", sentence.data);
    buffer_free(&sentence);
}

static void sandbox_close(struct sandbox *sandbox)
{
    if (sandbox->lua != NULL)
        lua_close(sandbox->lua);
    buffer_free(&sandbox->scratch);
}

static bool sandbox_open(struct sandbox *sandbox, struct expression_engine *engine, const json_t *vars,
                         struct expression_problem *problem)
{
    CHECK(engine->magic == ENGINE_MAGIC);
    *sandbox = (struct sandbox){.engine = engine, .vars = vars, .steps_left = engine->bounds.steps_max};
    sandbox->lua = lua_newstate(bounded_realloc, sandbox);
    if (sandbox->lua != NULL) {
        lua_sethook(sandbox->lua, on_step_count, LUA_MASKCOUNT, HOOK_STEPS);
        lua_pushcfunction(sandbox->lua, set_up);
        if (lua_pcall(sandbox->lua, 0, 0, 0) == LUA_OK)
            return true;
    }
    sandbox_close(sandbox);
    expression_problem_set(problem, SLICE(""), 0, "the bounds for expressions are too small to begin; raise them");
    return false;
}

/* Leaves the value on the stack. */
static bool run(struct sandbox *sandbox, lua_CFunction what, struct slice text, struct template_part *part,
                struct expression_problem *problem)
{
    lua_settop(sandbox->lua, 0);
    lua_pushcfunction(sandbox->lua, what);
    lua_pushlightuserdata(sandbox->lua, &part->text);
    if (lua_pcall(sandbox->lua, 1, LUA_MULTRET, 0) == LUA_OK)
        return true;
    report(sandbox, text, part, problem);
    return false;
}

static bool wrong_result(struct slice text, const struct template_part *part, const char *why,
                         struct expression_problem *problem)
{
    expression_problem_set(problem, text, part->offset, "in {{ %.*s%s }}: %s",
                           (int)(part->text.size > 60 ? 60 : part->text.size), part->text.data,
                           part->text.size > 60 ? "..." : "", why);
    return false;
}

static const char *append_number(lua_State *lua, struct buffer *out)
{
    double number;

    if (lua_isinteger(lua, 1)) {
        buffer_printf(out, "%" PRId64, (int64_t)lua_tointeger(lua, 1));
        return NULL;
    }
    number = lua_tonumber(lua, 1);
    if (!(number - number == 0))
        return "the number is not finite; guard the division, for example: b ~= 0 and a / b or 0";
    buffer_printf(out, "%.14g", number);
    return NULL;
}

/* Appends the value as text; returns why it cannot be text. */
static const char *append_value(lua_State *lua, struct buffer *out)
{
    struct slice text;

    switch (lua_type(lua, 1)) {
    case LUA_TSTRING:
        text.data = lua_tolstring(lua, 1, &text.size);
        if (!slice_is_utf8(text))
            return "the text is no valid UTF-8; cut text with sub() or shorten()";
        buffer_append(out, text.data, text.size);
        return NULL;
    case LUA_TNUMBER:
        return append_number(lua, out);
    case LUA_TBOOLEAN:
        buffer_text(out, lua_toboolean(lua, 1) ? "true" : "false");
        return NULL;
    case LUA_TNIL:
    case LUA_TLIGHTUSERDATA:
        return NULL;
    case LUA_TTABLE:
        return "this is a table, not text; write json(x), join(x, \", \") or one of its fields";
    default:
        return "this is a function, not text; call it with ()";
    }
}

static bool render_parts(struct sandbox *sandbox, struct slice text, struct buffer *out,
                         struct expression_problem *problem)
{
    struct template_part part;
    size_t at = 0, start = out->size;
    bool bad;

    while (template_next(text, &at, &part, &bad, problem)) {
        const char *wrong = NULL;
        if (!part.is_expression)
            buffer_append(out, part.text.data, part.text.size);
        else if (!run(sandbox, evaluate, text, &part, problem))
            return false;
        else
            wrong = append_value(sandbox->lua, out);
        if (wrong == NULL && out->size - start > sandbox->engine->bounds.output_max)
            wrong = "the rendered text is larger than the bound for output; shorten it";
        if (wrong != NULL)
            return wrong_result(text, &part, wrong, problem);
    }
    return !bad;
}

/* Most texts of a workflow are plain, and a sandbox costs far more than a copy. */
static bool is_plain(const struct expression_engine *engine, struct slice text)
{
    return text.size <= engine->bounds.output_max &&
           (text.size == 0 ||
            (memmem(text.data, text.size, "{{", 2) == NULL && memmem(text.data, text.size, "}}", 2) == NULL));
}

bool expression_render(struct expression_engine *engine, struct slice text, const json_t *vars, struct buffer *out,
                       struct expression_problem *problem)
{
    struct sandbox sandbox;
    size_t start = out->size;
    bool rendered;

    if (is_plain(engine, text)) {
        buffer_append(out, text.data, text.size);
        return true;
    }
    if (!sandbox_open(&sandbox, engine, vars, problem))
        return false;
    rendered = render_parts(&sandbox, text, out, problem);
    if (!rendered)
        out->size = start;
    sandbox_close(&sandbox);
    return rendered;
}

/* The one expression of a template that template_is_single(). */
static struct template_part single_part(struct slice text)
{
    struct expression_problem problem;
    struct template_part part;
    size_t at = 0;
    bool bad;

    while (template_next(text, &at, &part, &bad, &problem))
        if (part.is_expression)
            return part;
    check_failed(__FILE__, __LINE__, __func__, "a template that is single has an expression");
}

static bool render_to_json(struct expression_engine *engine, struct slice text, const json_t *vars, json_t **out,
                           struct expression_problem *problem)
{
    struct buffer rendered = {0};
    bool done = expression_render(engine, text, vars, &rendered, problem);

    if (done) {
        *out = json_stringn(rendered.size > 0 ? rendered.data : "", rendered.size);
        done = *out != NULL;
        if (!done)
            expression_problem_set(problem, text, 0, "the text is no valid UTF-8; save the file as UTF-8");
    }
    buffer_free(&rendered);
    return done;
}

bool expression_value(struct expression_engine *engine, struct slice text, const json_t *vars, json_t **out,
                      struct expression_problem *problem)
{
    struct template_part part;
    struct sandbox sandbox;
    const char *wrong;

    *out = NULL;
    if (!template_is_single(text))
        return render_to_json(engine, text, vars, out, problem);
    part = single_part(text);
    if (!sandbox_open(&sandbox, engine, vars, problem))
        return false;
    if (run(&sandbox, evaluate, text, &part, problem)) {
        *out = sandbox_to_json(sandbox.lua, 1, &wrong);
        if (*out == NULL)
            wrong_result(text, &part, wrong, problem);
    }
    sandbox_close(&sandbox);
    return *out != NULL;
}

bool expression_truth(struct expression_engine *engine, struct slice text, const json_t *vars, bool *truth,
                      struct expression_problem *problem)
{
    json_t *value;

    if (!template_is_single(text)) {
        expression_problem_set(problem, text, 0, "a condition must be one expression: \"{{ ... }}\" and nothing else");
        return false;
    }
    if (!expression_value(engine, text, vars, &value, problem))
        return false;
    *truth =
        !json_is_null(value) && !json_is_false(value) && !(json_is_string(value) && json_string_length(value) == 0);
    json_decref(value);
    return true;
}

static bool is_listed(struct slice word, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++)
        if (slice_is(word, *list))
            return true;
    return false;
}

static bool unknown_name(struct slice text, const struct token *token, size_t base, const char *what,
                         const char *const *known[2], struct expression_problem *problem)
{
    const char *all[NAMES_MAX + 1] = {NULL};
    char *word = slice_dup((struct slice){token->text.data, token->text.size > 64 ? 64 : token->text.size});
    const char *near;
    size_t count = 0;

    for (int i = 0; i < 2; i++)
        for (const char *const *name = known[i]; name != NULL && *name != NULL && count < NAMES_MAX; name++)
            all[count++] = *name;
    near = text_nearest(word, all);
    if (near != NULL)
        expression_problem_set(problem, text, base + token->offset, "there is no %s \"%s\" here; did you mean \"%s\"?",
                               what, word, near);
    else
        expression_problem_set(problem, text, base + token->offset, "there is no %s \"%s\" here; %s", what, word,
                               known[1] == NULL && count == 0 ? "no step stands above this one"
                                                              : "docs/workflows.md lists what there is");
    free(word);
    return false;
}

static bool is_symbol(const struct token *token, const char *symbol)
{
    return token->kind == TOKEN_SYMBOL && slice_is(token->text, symbol);
}

static const char *const lua_words[] = {"and",      "break", "do",   "else",  "elseif", "end", "false", "for",
                                        "function", "if",    "in",   "local", "nil",    "not", "or",    "repeat",
                                        "return",   "then",  "true", "until", "while",  NULL};

/* Names that the expression itself introduces are not told apart, so one that introduces any is not checked. */
static bool has_own_names(struct slice expression)
{
    static const char *const makers[] = {"function", "local", "for", NULL};
    size_t at = 0;

    for (;;) {
        struct token token = token_next(expression, &at);
        if (token.kind == TOKEN_END || token.kind == TOKEN_BAD)
            return false;
        if (token.kind == TOKEN_NAME && is_listed(token.text, makers))
            return true;
    }
}

/* `token` is the word `steps`; what follows is at `at`. */
static bool check_step(struct slice text, struct slice expression, size_t at, size_t base,
                       const struct expression_scope *scope, struct expression_problem *problem)
{
    const char *const *known[2] = {scope->steps, NULL};
    struct token dot = token_next(expression, &at), id;

    if (scope->steps == NULL || !is_symbol(&dot, "."))
        return true;
    id = token_next(expression, &at);
    if (id.kind != TOKEN_NAME || is_listed(id.text, scope->steps))
        return true;
    return unknown_name(text, &id, base, "earlier step", known, problem);
}

/* Functions have no fields, and the language would say so only when the step is done: "error.step". */
static bool has_fields(struct slice function)
{
    return slice_is(function, "math") || slice_is(function, "table");
}

static bool fail_function(struct slice text, const struct token *token, size_t base,
                          const struct expression_scope *scope, struct expression_problem *problem)
{
    const char *meant = slice_is(token->text, "error") && is_listed(SLICE("failure"), scope->names)
                            ? "did you mean \"failure\"?"
                            : "call it with ()";

    expression_problem_set(problem, text, base + token->offset, "\"%.*s\" is a function and has no fields; %s",
                           (int)token->text.size, token->text.data, meant);
    return false;
}

static bool check_word(struct slice text, const struct template_part *part, const struct token *token, bool is_own,
                       const struct expression_scope *scope, struct expression_problem *problem)
{
    const char *const *known[2] = {scope->names, functions_names()};
    size_t at = token->offset + token->text.size;
    struct token next = token_next(part->text, &at);

    if (slice_is(token->text, "_ENV") || slice_is(token->text, "goto")) {
        expression_problem_set(problem, text, part->offset + token->offset, "%.*s is not possible here; leave it out",
                               (int)token->text.size, token->text.data);
        return false;
    }
    if (slice_is(token->text, "steps") &&
        !check_step(text, part->text, token->offset + token->text.size, part->offset, scope, problem))
        return false;
    if (is_own || is_symbol(&next, "=") || is_listed(token->text, lua_words) || is_listed(token->text, known[0]))
        return true;
    if (is_listed(token->text, known[1]))
        return !is_symbol(&next, ".") || has_fields(token->text) ||
               fail_function(text, token, part->offset, scope, problem);
    return unknown_name(text, token, part->offset, is_symbol(&next, "(") ? "function" : "name", known, problem);
}

static bool check_words(struct slice text, const struct template_part *part, const struct expression_scope *scope,
                        struct expression_problem *problem)
{
    bool is_own = scope->names == NULL || has_own_names(part->text), is_field = false;
    size_t at = 0;

    for (;;) {
        struct token token = token_next(part->text, &at);
        if (token.kind == TOKEN_END || token.kind == TOKEN_BAD)
            return true;
        if (token.kind == TOKEN_NAME && !is_field && !check_word(text, part, &token, is_own, scope, problem))
            return false;
        is_field = is_symbol(&token, ".") || is_symbol(&token, ":");
    }
}

bool expression_check(struct slice text, const struct expression_scope *scope, struct expression_problem *problem)
{
    struct expression_engine engine = {.magic = ENGINE_MAGIC, .bounds = default_bounds};
    struct template_part part;
    struct sandbox sandbox;
    bool good = true, bad = false;
    size_t at = 0;

    if (text.size > TEMPLATE_BYTES_MAX) {
        expression_problem_set(problem, text, 0, "the text is longer than %d bytes; shorten it", TEMPLATE_BYTES_MAX);
        return false;
    }
    if (!sandbox_open(&sandbox, &engine, NULL, problem))
        return false;
    while (good && template_next(text, &at, &part, &bad, problem))
        good = !part.is_expression ||
               (run(&sandbox, compile_only, text, &part, problem) && check_words(text, &part, scope, problem));
    sandbox_close(&sandbox);
    return good && !bad;
}
