// SPDX-License-Identifier: MIT
#include "console/terminal/width.h"

struct range {
    uint32_t first, last;
};

static const struct range marks[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},   {0x064b, 0x065f},   {0x06d6, 0x06dc},
    {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d}, {0x0e31, 0x0e31},   {0x0e34, 0x0e3a},   {0x0e47, 0x0e4e},
    {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x202a, 0x202e},   {0x2060, 0x2064},   {0x20d0, 0x20f0},
    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff}, {0xe0100, 0xe01ef},
};
static const struct range wides[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x2614, 0x2615},   {0x26a1, 0x26a1},
    {0x2705, 0x2705},   {0x274c, 0x274c},   {0x2753, 0x2755},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
    {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

static bool within(uint32_t code, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* The character at `at`, and its bytes; 1 and the byte itself for what is no UTF-8. */
static size_t decode(struct slice text, size_t at, uint32_t *code)
{
    unsigned char lead = (unsigned char)text.data[at];
    size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    *code = lead;
    if (length == 1 || at + length > text.size || !slice_is_utf8((struct slice){text.data + at, length}))
        return 1;
    *code = lead & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++)
        *code = *code << 6 | ((unsigned char)text.data[at + i] & 0x3f);
    return length;
}

static size_t columns_of(uint32_t code)
{
    if (within(code, marks, sizeof(marks) / sizeof(marks[0])))
        return 0;
    return within(code, wides, sizeof(wides) / sizeof(wides[0])) ? 2 : 1;
}

size_t width_of(struct slice text)
{
    size_t columns = 0;
    uint32_t code;

    for (size_t at = 0; at < text.size;) {
        at += decode(text, at, &code);
        columns += columns_of(code);
    }
    return columns;
}

struct slice width_cut(struct slice text, size_t columns)
{
    size_t taken = 0, at = 0;
    uint32_t code;

    while (at < text.size) {
        size_t length = decode(text, at, &code);
        taken += columns_of(code);
        if (taken > columns)
            break;
        at += length;
    }
    return (struct slice){text.data, at};
}

static bool steers(uint32_t code, size_t length)
{
    return code < 0x20 || code == 0x7f || (length == 1 && code >= 0x80) || (code >= 0x80 && code <= 0x9f) ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void width_clean(struct buffer *into, struct slice text, bool lines, size_t indent)
{
    uint32_t code;

    for (size_t at = 0; at < text.size;) {
        size_t length = decode(text, at, &code);
        if (code == '\n' && lines)
            buffer_printf(into, "\n%*s", (int)indent, "");
        else if (code == '\n' || code == '\t')
            buffer_text(into, " ");
        else if (steers(code, length))
            buffer_text(into, "\xef\xbf\xbd");
        else
            buffer_append(into, text.data + at, length);
        at += length;
    }
}
