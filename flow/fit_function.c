// SPDX-License-Identifier: MIT
#include "flow/platform.h"
#include "flow/sandbox.h"
#include "flow/text_functions.h"
#include <lauxlib.h>

#define ELLIPSIS "\xe2\x80\xa6"

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || (unsigned char)c >= 0x80;
}

static size_t character_bytes(struct slice text, size_t at)
{
    size_t size = 1;

    while (at + size < text.size && ((unsigned char)text.data[at + size] & 0xc0) == 0x80)
        size++;
    return size;
}

static size_t character_width(const struct platform *platform, size_t bytes)
{
    return platform->counts_units && bytes == 4 ? 2 : 1;
}

static size_t width(const struct platform *platform, struct slice text)
{
    size_t count = 0;

    for (size_t at = 0, bytes; at < text.size; at += bytes) {
        bytes = character_bytes(text, at);
        count += character_width(platform, bytes);
    }
    return count;
}

/* A mark, an emoji's skin, look or joint: what belongs to the character before it. */
static bool belongs_before(struct slice text, size_t at)
{
    const char *p = text.data + at;
    size_t bytes = character_bytes(text, at);

    if (bytes == 2)
        return (p[0] == '\xcc') || (p[0] == '\xcd' && (unsigned char)p[1] <= 0xaf);
    if (bytes == 3)
        return (p[0] == '\xe2' && p[1] == '\x80' && p[2] == '\x8d') ||
               (p[0] == '\xef' && p[1] == '\xb8' && (unsigned char)p[2] <= 0x8f);
    return bytes == 4 && p[0] == '\xf0' && p[1] == '\x9f' && p[2] == '\x8f' && (unsigned char)p[3] >= 0xbb;
}

static bool follows_joint(struct slice text, size_t at)
{
    return at >= 3 && text.data[at - 3] == '\xe2' && text.data[at - 2] == '\x80' && text.data[at - 1] == '\x8d';
}

/* Where to cut so that `most` is kept with the ellipsis: at a word's end where that costs no more than a quarter. */
static size_t cut_at(const struct platform *platform, struct slice text, size_t most)
{
    size_t end = 0, count = 0, blank;

    while (end < text.size) {
        size_t bytes = character_bytes(text, end);
        count += character_width(platform, bytes);
        if (count > most - 1)
            break;
        end += bytes;
    }
    for (blank = end; blank > end - end / 4; blank--)
        if (blank < text.size && is_blank(text.data[blank]))
            break;
    if (blank > end - end / 4)
        end = blank;
    else
        while (end > 0 && end < text.size && (belongs_before(text, end) || follows_joint(text, end)))
            do
                end--;
            while (end > 0 && ((unsigned char)text.data[end] & 0xc0) == 0x80);
    while (end > 0 && is_blank(text.data[end - 1]))
        end--;
    return end;
}

static bool begins_tag(struct slice text, size_t at)
{
    return at + 1 < text.size && is_word(text.data[at + 1]) &&
           (at == 0 || !is_word(text.data[at - 1]) || (unsigned char)text.data[at - 1] >= 0x80);
}

/* Hashtags past the bound go with the blank before them; mentions past it lose their sign. */
static void append_within_tags(lua_State *lua, struct buffer *out, const struct platform *platform, struct slice text)
{
    size_t hashtags = 0, mentions = 0;

    for (size_t at = 0; at < text.size; at++) {
        char c = text.data[at];
        if (c == '#' && platform->hashtags > 0 && begins_tag(text, at) && ++hashtags > platform->hashtags) {
            while (out->size > 0 && is_blank(out->data[out->size - 1]))
                out->size--;
            while (at + 1 < text.size && is_word(text.data[at + 1]))
                at++;
            continue;
        }
        if (c == '@' && platform->mentions > 0 && begins_tag(text, at) && ++mentions > platform->mentions)
            continue;
        if (platform->is_line && (unsigned char)c < ' ')
            c = ' ';
        scratch_append(lua, out, &c, 1);
    }
}

/* fit(text, platform): what the platform takes. */
int fit_function(lua_State *lua)
{
    struct slice given = text_argument(lua, 1), name = text_argument(lua, 2), text;
    const struct platform *platform = platform_find(name);
    struct buffer *out = scratch_cleared(lua);

    if (platform == NULL) {
        platform_names(out);
        return luaL_error(lua, "fit() knows no platform \"%s\"; write one of: %s", lua_tostring(lua, 2),
                          lua_pushlstring(lua, out->data, out->size));
    }
    sandbox_charge(lua, given.size / 2);
    append_within_tags(lua, out, platform, given);
    text = buffer_slice(out);
    if (width(platform, text) > platform->characters) {
        out->size = cut_at(platform, text, platform->characters);
        scratch_append(lua, out, ELLIPSIS, sizeof ELLIPSIS - 1);
    }
    return scratch_push(lua);
}
