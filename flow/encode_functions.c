// SPDX-License-Identifier: MIT
#include "flow/content_text.h"
#include "flow/sandbox.h"
#include "flow/sha256.h"
#include "flow/text_functions.h"
#include <lauxlib.h>

static int call_hash(lua_State *lua)
{
    struct slice text = text_argument(lua, 1);
    char hex[SHA256_HEX_BYTES];

    sandbox_charge(lua, 20 + text.size);
    sha256_hex(text, hex);
    lua_pushlstring(lua, hex, SHA256_HEX_BYTES - 1);
    return 1;
}

static int call_base64(lua_State *lua)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct slice text = text_argument(lua, 1);
    const unsigned char *bytes = (const unsigned char *)text.data;
    struct buffer *out = scratch_cleared(lua);

    sandbox_charge(lua, text.size / 2);
    for (size_t i = 0; i < text.size; i += 3) {
        size_t left = text.size - i;
        unsigned word =
            (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63], left > 1 ? digits[word >> 6 & 63] : '=',
                        left > 2 ? digits[word & 63] : '='};
        scratch_append(lua, out, four, sizeof four);
    }
    return scratch_push(lua);
}

static bool is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* For a part of an address (RFC 3986): all but letters, digits and -._~ as %XX. */
static int call_urlencode(lua_State *lua)
{
    static const char hex[] = "0123456789ABCDEF";
    struct slice text = text_argument(lua, 1);
    struct buffer *out = scratch_cleared(lua);

    sandbox_charge(lua, text.size);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        char three[3] = {'%', hex[byte >> 4], hex[byte & 15]};
        if (is_unreserved(text.data[i]))
            scratch_append(lua, out, text.data + i, 1);
        else
            scratch_append(lua, out, three, sizeof three);
    }
    return scratch_push(lua);
}

/* Small letters and digits without accents, words divided by one dash: "cafe-au-lait". */
static int call_slug(lua_State *lua)
{
    struct slice text = text_argument(lua, 1);
    struct buffer *out = scratch_cleared(lua);
    size_t kept = 0;

    sandbox_charge(lua, 2 * text.size);
    content_fold(text, out);
    for (size_t i = 0; i < out->size; i++) {
        char c = out->data[i];
        bool stays = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (stays)
            out->data[kept++] = c;
        else if (kept > 0 && out->data[kept - 1] != '-')
            out->data[kept++] = '-';
    }
    out->size = kept > 0 && out->data[kept - 1] == '-' ? kept - 1 : kept;
    return scratch_push(lua);
}

static const luaL_Reg encode_functions[] = {
    {"hash", call_hash}, {"base64", call_base64}, {"urlencode", call_urlencode},
    {"slug", call_slug}, {"fit", fit_function},   {NULL, NULL},
};

void encode_functions_open(lua_State *lua)
{
    luaL_setfuncs(lua, encode_functions, 0);
}
