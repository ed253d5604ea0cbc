// SPDX-License-Identifier: MIT
#include "flow/text_functions.h"
#include "flow/sandbox.h"
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

struct slice text_argument(lua_State *lua, int index)
{
    struct slice text = SLICE("");

    if (lua_isnoneornil(lua, index) || lua_islightuserdata(lua, index))
        return text;
    if (lua_type(lua, index) == LUA_TTABLE)
        luaL_argerror(lua, index, "a table is no text; write json(x) or join(x, \", \")");
    text.data = luaL_checklstring(lua, index, &text.size);
    sandbox_charge(lua, 1 + text.size / 32);
    return text;
}

static int push_slice(lua_State *lua, const char *data, size_t size)
{
    lua_pushlstring(lua, size ? data : "", size);
    return 1;
}

struct buffer *scratch_cleared(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);

    buffer_clear(&sandbox->scratch);
    return &sandbox->scratch;
}

/* Scratch lies outside Lua's own accounting, so its growth is bounded here. */
void scratch_append(lua_State *lua, struct buffer *out, const char *data, size_t size)
{
    struct sandbox *sandbox = sandbox_of(lua);

    if (out->size + size > sandbox->engine->bounds.text_max) {
        sandbox->is_out_of_memory = true;
        luaL_error(lua, "out of memory");
    }
    sandbox_charge(lua, size / 32);
    buffer_append(out, data, size);
}

int scratch_push(lua_State *lua)
{
    const struct buffer *scratch = &sandbox_of(lua)->scratch;

    sandbox_charge(lua, scratch->size / 16);
    return push_slice(lua, scratch->data, scratch->size);
}

static bool continues(struct slice text, size_t at)
{
    return at < text.size && ((unsigned char)text.data[at] & 0xc0) == 0x80;
}

/* The byte position behind `count` characters from `at`. */
static size_t skip_characters(struct slice text, size_t at, lua_Integer count)
{
    for (; count > 0 && at < text.size; count--)
        do
            at++;
        while (continues(text, at));
    return at;
}

static lua_Integer count_characters(struct slice text)
{
    lua_Integer count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += !continues(text, i);
    return count;
}

static int call_len(lua_State *lua)
{
    struct slice text = text_argument(lua, 1);

    sandbox_charge(lua, text.size / 4);
    lua_pushinteger(lua, count_characters(text));
    return 1;
}

/* sub(text, from, to) in characters; negative positions count from the end, as in Lua. */
static int call_sub(lua_State *lua)
{
    struct slice text = text_argument(lua, 1);
    lua_Integer count = count_characters(text), from = luaL_checkinteger(lua, 2), to = luaL_optinteger(lua, 3, -1);
    size_t start, end;

    sandbox_charge(lua, text.size / 4);
    from = from < 0 ? (from < -count ? 1 : count + from + 1) : from == 0 ? 1 : from;
    to = to < 0 ? (to < -count ? 0 : count + to + 1) : to > count ? count : to;
    if (from > to)
        return push_slice(lua, "", 0);
    start = skip_characters(text, 0, from - 1);
    end = skip_characters(text, start, to - from + 1);
    return push_slice(lua, text.data + start, end - start);
}

/* shorten(text, n): at most n characters; what is cut is cut at a word where that costs little, and ends in "…". */
static int call_shorten(lua_State *lua)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    struct slice text = text_argument(lua, 1);
    lua_Integer most = luaL_checkinteger(lua, 2);
    struct buffer *out = scratch_cleared(lua);
    size_t end, blank;

    luaL_argcheck(lua, most >= 1, 2, "at least 1 character must remain");
    sandbox_charge(lua, text.size / 4);
    if (count_characters(text) <= most)
        return push_slice(lua, text.data, text.size);
    end = skip_characters(text, 0, most - 1);
    for (blank = end; blank > end - end / 4; blank--)
        if (text.data[blank] == ' ')
            break;
    if (blank > end - end / 4)
        end = blank;
    while (end > 0 && text.data[end - 1] == ' ')
        end--;
    scratch_append(lua, out, text.data, end);
    scratch_append(lua, out, ellipsis, sizeof ellipsis - 1);
    return scratch_push(lua);
}

/* Latin, Greek and Cyrillic letters of two UTF-8 bytes whose case is an even or a fixed distance away. */
static unsigned other_case(unsigned point, bool up)
{
    int way = up ? -1 : 1;
    unsigned upper = up ? point - 0x20 : point;

    if (point >= 0x100 && point <= 0x17f) {
        bool odd_is_small = point < 0x138 || (point >= 0x14a && point <= 0x177);
        if (point == 0x130 || point == 0x131 || point == 0x138 || point == 0x149 || point == 0x178 || point == 0x17f)
            return point;
        return ((point & 1) != 0) == (odd_is_small == up) ? point + (unsigned)way : point;
    }
    if ((upper >= 0xc0 && upper <= 0xde && upper != 0xd7) || (upper >= 0x391 && upper <= 0x3a9 && upper != 0x3a2) ||
        (upper >= 0x410 && upper <= 0x42f))
        return point + (unsigned)(way * 0x20);
    if (up ? point >= 0x450 && point <= 0x45f : point >= 0x400 && point <= 0x40f)
        return point + (unsigned)(way * 0x50);
    return point;
}

static int change_case(lua_State *lua, bool up)
{
    struct slice text = text_argument(lua, 1);
    struct buffer *out = scratch_cleared(lua);

    sandbox_charge(lua, text.size);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char lead = (unsigned char)text.data[i];
        char pair[2] = {text.data[i], 0};
        if (lead >= 0xc3 && lead <= 0xd1 && continues(text, i + 1)) {
            unsigned point = other_case((lead & 0x1fu) << 6 | ((unsigned char)text.data[i + 1] & 0x3f), up);
            pair[0] = (char)(0xc0 | point >> 6);
            pair[1] = (char)(0x80 | (point & 0x3f));
            scratch_append(lua, out, pair, 2);
            i++;
            continue;
        }
        if (up ? lead >= 'a' && lead <= 'z' : lead >= 'A' && lead <= 'Z')
            pair[0] = (char)(lead ^ 0x20);
        scratch_append(lua, out, pair, 1);
    }
    return scratch_push(lua);
}

static int call_lower(lua_State *lua)
{
    return change_case(lua, false);
}

static int call_upper(lua_State *lua)
{
    return change_case(lua, true);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int call_trim(lua_State *lua)
{
    struct slice text = text_argument(lua, 1);
    size_t start = 0;

    while (start < text.size && is_blank(text.data[start]))
        start++;
    while (text.size > start && is_blank(text.data[text.size - 1]))
        text.size--;
    return push_slice(lua, text.data + start, text.size - start);
}

/* The position of `part` from `at` on, or the text's size. */
static size_t find(struct slice text, struct slice part, size_t at)
{
    const char *found = memmem(text.data + at, text.size - at, part.data, part.size);

    return found != NULL ? (size_t)(found - text.data) : text.size;
}

static int call_contains(lua_State *lua)
{
    struct slice text = text_argument(lua, 1), part = text_argument(lua, 2);

    lua_pushboolean(lua, part.size == 0 || find(text, part, 0) < text.size);
    return 1;
}

static int call_starts(lua_State *lua)
{
    struct slice text = text_argument(lua, 1), part = text_argument(lua, 2);

    lua_pushboolean(lua, part.size <= text.size && memcmp(text.data, part.data, part.size) == 0);
    return 1;
}

static int call_ends(lua_State *lua)
{
    struct slice text = text_argument(lua, 1), part = text_argument(lua, 2);

    lua_pushboolean(lua,
                    part.size <= text.size && memcmp(text.data + text.size - part.size, part.data, part.size) == 0);
    return 1;
}

static int call_replace(lua_State *lua)
{
    struct slice text = text_argument(lua, 1), part = text_argument(lua, 2), by = text_argument(lua, 3);
    struct buffer *out = scratch_cleared(lua);

    luaL_argcheck(lua, part.size > 0, 2, "the text to replace is empty");
    for (size_t at = 0; at < text.size;) {
        size_t found = find(text, part, at);
        sandbox_charge(lua, 1);
        scratch_append(lua, out, text.data + at, found - at);
        if (found < text.size)
            scratch_append(lua, out, by.data, by.size);
        at = found < text.size ? found + part.size : text.size;
    }
    return scratch_push(lua);
}

static int call_split(lua_State *lua)
{
    struct slice text = text_argument(lua, 1), separator = text_argument(lua, 2);
    lua_Integer count = 0;
    size_t at = 0;

    luaL_argcheck(lua, separator.size > 0, 2, "the separator is empty");
    lua_newtable(lua);
    luaL_newmetatable(lua, "list");
    lua_setmetatable(lua, -2);
    for (;;) {
        size_t found = find(text, separator, at);
        sandbox_charge(lua, 2);
        push_slice(lua, text.data + at, found - at);
        lua_rawseti(lua, -2, ++count);
        if (found == text.size)
            return 1;
        at = found + separator.size;
    }
}

static int call_html(lua_State *lua)
{
    static const struct {
        char c;
        const char *text;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    struct slice text = text_argument(lua, 1);
    struct buffer *out = scratch_cleared(lua);

    sandbox_charge(lua, text.size);
    for (size_t i = 0; i < text.size; i++) {
        const char *escape = NULL;
        for (size_t k = 0; k < sizeof escapes / sizeof *escapes; k++)
            if (text.data[i] == escapes[k].c)
                escape = escapes[k].text;
        scratch_append(lua, out, escape != NULL ? escape : text.data + i, escape != NULL ? strlen(escape) : 1);
    }
    return scratch_push(lua);
}

static int call_tostring(lua_State *lua)
{
    if (lua_isboolean(lua, 1)) {
        lua_pushstring(lua, lua_toboolean(lua, 1) ? "true" : "false");
        return 1;
    }
    return push_slice(lua, text_argument(lua, 1).data, text_argument(lua, 1).size);
}

/* Lua's string.format without what shows addresses: %p, and %s of anything that is no plain value. */
static int call_format(lua_State *lua)
{
    struct slice format = text_argument(lua, 1);

    for (size_t i = 0; i < format.size; i++) {
        if (format.data[i] != '%')
            continue;
        i++;
        while (i < format.size && strchr("-+ #0123456789.", format.data[i]) != NULL && format.data[i] != '\0')
            i++;
        if (i < format.size && strchr("pqc", format.data[i]) != NULL)
            return luaL_error(lua, "format() knows no %%%c; write %%s, %%d or %%.2f",
                              format.data[i] ? format.data[i] : '?');
    }
    for (int i = 2; i <= lua_gettop(lua); i++)
        if (!lua_isboolean(lua, i) && lua_type(lua, i) != LUA_TNUMBER) {
            struct slice text = text_argument(lua, i);
            push_slice(lua, text.data, text.size);
            lua_replace(lua, i);
        }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 1);
    return 1;
}

static const luaL_Reg text_functions[] = {
    {"len", call_len},           {"sub", call_sub},
    {"shorten", call_shorten},   {"lower", call_lower},
    {"upper", call_upper},       {"trim", call_trim},
    {"contains", call_contains}, {"starts", call_starts},
    {"ends", call_ends},         {"replace", call_replace},
    {"split", call_split},       {"html", call_html},
    {"tostring", call_tostring}, {NULL, NULL},
};

void text_functions_open(lua_State *lua, int environment)
{
    lua_pushvalue(lua, environment);
    luaL_setfuncs(lua, text_functions, 0);
    encode_functions_open(lua);
    lua_pushcfunction(lua, luaopen_string);
    lua_call(lua, 0, 1);
    lua_getfield(lua, -1, "format");
    lua_pushcclosure(lua, call_format, 1);
    lua_setfield(lua, environment, "format");
    lua_pop(lua, 2);
    /* Methods of text (trigger.body.name:upper()) replace Lua's own, whose arithmetic on text would turn money into
     * floating point numbers. */
    lua_pushliteral(lua, "");
    lua_newtable(lua);
    lua_newtable(lua);
    luaL_setfuncs(lua, text_functions, 0);
    encode_functions_open(lua);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}
