// SPDX-License-Identifier: MIT
#include "flow/content_text.h"
#include <string.h>
#include <strings.h>

struct range {
    uint32_t first, last;
    enum point_kind kind;
};

/* Sorted; what is not here is POINT_OTHER. */
static const struct range kinds[] = {
    {0x00, 0x08, POINT_HIDDEN},       {0x09, 0x0a, POINT_SPACE},       {0x0b, 0x0c, POINT_HIDDEN},
    {0x0d, 0x0d, POINT_SPACE},        {0x0e, 0x1f, POINT_HIDDEN},      {0x20, 0x26, POINT_SPACE},
    {0x28, 0x2f, POINT_SPACE},        {0x3a, 0x40, POINT_SPACE},       {0x5b, 0x5f, POINT_SPACE},
    {0x60, 0x60, POINT_SPACE},        {0x7b, 0x7e, POINT_SPACE},       {0x7f, 0x9f, POINT_HIDDEN},
    {0xa0, 0xa9, POINT_SPACE},        {0xab, 0xac, POINT_SPACE},       {0xad, 0xad, POINT_HIDDEN},
    {0xae, 0xb4, POINT_SPACE},        {0xb6, 0xb9, POINT_SPACE},       {0xbb, 0xbf, POINT_SPACE},
    {0xd7, 0xd7, POINT_SPACE},        {0xf7, 0xf7, POINT_SPACE},       {0x300, 0x34e, POINT_MARK},
    {0x34f, 0x34f, POINT_HIDDEN},     {0x350, 0x36f, POINT_MARK},      {0x61c, 0x61c, POINT_HIDDEN},
    {0x115f, 0x1160, POINT_HIDDEN},   {0x17b4, 0x17b5, POINT_HIDDEN},  {0x180b, 0x180f, POINT_HIDDEN},
    {0x1ab0, 0x1aff, POINT_MARK},     {0x1dc0, 0x1dff, POINT_MARK},    {0x2000, 0x200a, POINT_SPACE},
    {0x200b, 0x200f, POINT_HIDDEN},   {0x2010, 0x2018, POINT_SPACE},   {0x201a, 0x2027, POINT_SPACE},
    {0x2028, 0x202e, POINT_HIDDEN},   {0x202f, 0x205f, POINT_SPACE},   {0x2060, 0x206f, POINT_HIDDEN},
    {0x20a0, 0x20cf, POINT_SPACE},    {0x20d0, 0x20ff, POINT_MARK},    {0x2190, 0x23ff, POINT_EMOJI},
    {0x2500, 0x2bff, POINT_EMOJI},    {0x3000, 0x3030, POINT_SPACE},   {0x3164, 0x3164, POINT_HIDDEN},
    {0xfe00, 0xfe0f, POINT_SELECTOR}, {0xfe20, 0xfe2f, POINT_MARK},    {0xfeff, 0xfeff, POINT_HIDDEN},
    {0xffa0, 0xffa0, POINT_HIDDEN},   {0xfff0, 0xfffb, POINT_HIDDEN},  {0x1d173, 0x1d17a, POINT_HIDDEN},
    {0x1f000, 0x1f0ff, POINT_EMOJI},  {0x1f18a, 0x1faff, POINT_EMOJI}, {0xe0000, 0xe0fff, POINT_HIDDEN},
};

/* What a letter looks like, or comes from: Latin with accents, then lookalikes from Greek and Cyrillic. Sorted. */
static const struct {
    uint16_t first, last;
    char letter[3];
} letters[] = {
    {0xaa, 0xaa, "a"},    {0xba, 0xba, "o"},    {0xc0, 0xc5, "a"},   {0xc6, 0xc6, "ae"},  {0xc7, 0xc7, "c"},
    {0xc8, 0xcb, "e"},    {0xcc, 0xcf, "i"},    {0xd0, 0xd0, "d"},   {0xd1, 0xd1, "n"},   {0xd2, 0xd6, "o"},
    {0xd8, 0xd8, "o"},    {0xd9, 0xdc, "u"},    {0xdd, 0xdd, "y"},   {0xde, 0xde, "th"},  {0xdf, 0xdf, "ss"},
    {0xe0, 0xe5, "a"},    {0xe6, 0xe6, "ae"},   {0xe7, 0xe7, "c"},   {0xe8, 0xeb, "e"},   {0xec, 0xef, "i"},
    {0xf0, 0xf0, "d"},    {0xf1, 0xf1, "n"},    {0xf2, 0xf6, "o"},   {0xf8, 0xf8, "o"},   {0xf9, 0xfc, "u"},
    {0xfd, 0xfd, "y"},    {0xfe, 0xfe, "th"},   {0xff, 0xff, "y"},   {0x100, 0x105, "a"}, {0x106, 0x10d, "c"},
    {0x10e, 0x111, "d"},  {0x112, 0x11b, "e"},  {0x11c, 0x123, "g"}, {0x124, 0x127, "h"}, {0x128, 0x131, "i"},
    {0x132, 0x133, "ij"}, {0x134, 0x135, "j"},  {0x136, 0x138, "k"}, {0x139, 0x142, "l"}, {0x143, 0x14b, "n"},
    {0x14c, 0x151, "o"},  {0x152, 0x153, "oe"}, {0x154, 0x159, "r"}, {0x15a, 0x161, "s"}, {0x162, 0x167, "t"},
    {0x168, 0x173, "u"},  {0x174, 0x175, "w"},  {0x176, 0x178, "y"}, {0x179, 0x17e, "z"}, {0x17f, 0x17f, "s"},
    {0x391, 0x391, "a"},  {0x392, 0x392, "b"},  {0x395, 0x395, "e"}, {0x396, 0x396, "z"}, {0x397, 0x397, "h"},
    {0x399, 0x399, "i"},  {0x39a, 0x39a, "k"},  {0x39c, 0x39c, "m"}, {0x39d, 0x39d, "n"}, {0x39f, 0x39f, "o"},
    {0x3a1, 0x3a1, "p"},  {0x3a4, 0x3a4, "t"},  {0x3a5, 0x3a5, "y"}, {0x3a7, 0x3a7, "x"}, {0x3b1, 0x3b1, "a"},
    {0x3b5, 0x3b5, "e"},  {0x3b9, 0x3b9, "i"},  {0x3ba, 0x3ba, "k"}, {0x3bd, 0x3bd, "v"}, {0x3bf, 0x3bf, "o"},
    {0x3c1, 0x3c1, "p"},  {0x3c4, 0x3c4, "t"},  {0x3c5, 0x3c5, "u"}, {0x3c7, 0x3c7, "x"}, {0x405, 0x405, "s"},
    {0x406, 0x406, "i"},  {0x408, 0x408, "j"},  {0x410, 0x410, "a"}, {0x412, 0x412, "b"}, {0x415, 0x415, "e"},
    {0x41a, 0x41a, "k"},  {0x41c, 0x41c, "m"},  {0x41d, 0x41d, "h"}, {0x41e, 0x41e, "o"}, {0x420, 0x420, "p"},
    {0x421, 0x421, "c"},  {0x422, 0x422, "t"},  {0x423, 0x423, "y"}, {0x425, 0x425, "x"}, {0x430, 0x430, "a"},
    {0x432, 0x432, "b"},  {0x435, 0x435, "e"},  {0x43a, 0x43a, "k"}, {0x43c, 0x43c, "m"}, {0x43d, 0x43d, "h"},
    {0x43e, 0x43e, "o"},  {0x440, 0x440, "p"},  {0x441, 0x441, "c"}, {0x442, 0x442, "t"}, {0x443, 0x443, "y"},
    {0x445, 0x445, "x"},  {0x455, 0x455, "s"},  {0x456, 0x456, "i"}, {0x458, 0x458, "j"}, {0x4ba, 0x4bb, "h"},
    {0x4c0, 0x4c0, "l"},  {0x501, 0x501, "d"},  {0x51b, 0x51b, "q"}, {0x51d, 0x51d, "w"},
};

uint32_t content_point(struct slice text, size_t *at)
{
    const unsigned char *bytes = (const unsigned char *)text.data + *at;
    size_t left = text.size - *at, more = bytes[0] >= 0xf0 ? 3 : bytes[0] >= 0xe0 ? 2 : bytes[0] >= 0xc2 ? 1 : 0;
    uint32_t point = bytes[0] & (more == 3 ? 0x07u : more == 2 ? 0x0fu : 0x1fu);

    *at += 1;
    if (bytes[0] < 0x80)
        return bytes[0];
    if (more == 0 || more >= left)
        return 0xfffd;
    for (size_t i = 1; i <= more; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0xfffd;
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    *at += more;
    return point;
}

enum point_kind content_point_kind(uint32_t point)
{
    size_t low = 0, high = sizeof(kinds) / sizeof(kinds[0]);

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point < kinds[middle].first)
            high = middle;
        else if (point > kinds[middle].last)
            low = middle + 1;
        else
            return kinds[middle].kind;
    }
    return POINT_OTHER;
}

static void put_point(struct buffer *into, uint32_t point)
{
    char bytes[4];
    size_t size = 0;

    if (point < 0x80)
        bytes[size++] = (char)point;
    else if (point < 0x800)
        bytes[size++] = (char)(0xc0 | point >> 6);
    else if (point < 0x10000)
        bytes[size++] = (char)(0xe0 | point >> 12);
    else
        bytes[size++] = (char)(0xf0 | point >> 18);
    if (point >= 0x10000)
        bytes[size++] = (char)(0x80 | (point >> 12 & 0x3f));
    if (point >= 0x800)
        bytes[size++] = (char)(0x80 | (point >> 6 & 0x3f));
    if (point >= 0x80)
        bytes[size++] = (char)(0x80 | (point & 0x3f));
    buffer_append(into, bytes, size);
}

/* Digits and signs in other dress as ASCII: wide, mathematical and circled letters, digits of other scripts. */
static uint32_t undressed(uint32_t point)
{
    static const uint32_t zeros[] = {0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xe50, 0x1040};

    if (point >= 0xff01 && point <= 0xff5e)
        return point - 0xfee0;
    if (point >= 0x1d400 && point <= 0x1d6a3)
        return (point - 0x1d400) % 52 < 26 ? 'A' + (point - 0x1d400) % 52 : 'a' + (point - 0x1d400) % 52 - 26;
    if (point >= 0x1d7ce && point <= 0x1d7ff)
        return '0' + (point - 0x1d7ce) % 10;
    if (point >= 0x24b6 && point <= 0x24e9)
        return point <= 0x24cf ? 'A' + point - 0x24b6 : 'a' + point - 0x24d0;
    if (point >= 0x1f130 && point <= 0x1f189)
        return 'A' + (point - 0x1f130) % 32 % 26;
    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
        if (point >= zeros[i] && point <= zeros[i] + 9)
            return '0' + point - zeros[i];
    return point;
}

/* Letters and digits of any alphabet; other alphabets only lose their capitals where these lie 32 apart. */
static void fold_point(uint32_t point, struct buffer *into)
{
    size_t low = 0, high = sizeof(letters) / sizeof(letters[0]);

    if (point < 0x80) {
        put_point(into, point >= 'A' && point <= 'Z' ? point + 32 : point);
        return;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point < letters[middle].first)
            high = middle;
        else if (point > letters[middle].last)
            low = middle + 1;
        else {
            buffer_text(into, letters[middle].letter);
            return;
        }
    }
    if ((point >= 0x391 && point <= 0x3a9) || (point >= 0x410 && point <= 0x42f))
        point += 32;
    put_point(into, point);
}

/* An apostrophe does not divide a word: "don't" is "dont". */
static bool is_apostrophe(uint32_t point)
{
    return point == '\'' || point == 0x2019;
}

void content_fold(struct slice text, struct buffer *into)
{
    bool divides = true;

    for (size_t at = 0; at < text.size;) {
        uint32_t point = undressed(content_point(text, &at));
        enum point_kind kind = content_point_kind(point);
        if (kind == POINT_MARK || kind == POINT_HIDDEN || kind == POINT_SELECTOR || is_apostrophe(point))
            continue;
        if (kind == POINT_SPACE || kind == POINT_EMOJI) {
            divides = true;
            continue;
        }
        if (divides)
            buffer_text(into, " ");
        divides = false;
        fold_point(point, into);
    }
    buffer_text(into, " ");
}

/* "(at)", "[dot]", spaces around them: bytes of the text that stand for one sign; 0 for none. */
static size_t spelled_sign(struct slice text, size_t at, char *sign)
{
    static const struct {
        const char *word;
        char sign;
    } signs[] = {{"at", '@'}, {"dot", '.'}, {"punkt", '.'}, {".", '.'}, {"@", '@'}};
    size_t end = at;

    while (end < text.size && text.data[end] == ' ')
        end++;
    if (end >= text.size || strchr("([{", text.data[end]) == NULL)
        return 0;
    end++;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t size = strlen(signs[i].word);
        if (end + size >= text.size || strncasecmp(text.data + end, signs[i].word, size) != 0 ||
            strchr(")]}", text.data[end + size]) == NULL)
            continue;
        *sign = signs[i].sign;
        end += size + 1;
        while (end < text.size && text.data[end] == ' ')
            end++;
        return end - at;
    }
    return 0;
}

void content_plain(struct slice text, struct buffer *into)
{
    for (size_t at = 0; at < text.size;) {
        char sign;
        size_t spelled = spelled_sign(text, at, &sign);
        if (spelled > 0) {
            buffer_append(into, &sign, 1);
            at += spelled;
            continue;
        }
        uint32_t point = undressed(content_point(text, &at));
        enum point_kind kind = content_point_kind(point);
        if (kind == POINT_HIDDEN || kind == POINT_SELECTOR)
            continue;
        /* Every space that is not a line's end is a plain one; some dots are dots to a browser. */
        if (point == 0xa0 || (point >= 0x2000 && point <= 0x200a) || point == 0x202f || point == 0x205f ||
            point == 0x3000)
            point = ' ';
        else if (point == 0x3002 || point == 0xff61)
            point = '.';
        put_point(into, point);
    }
}
