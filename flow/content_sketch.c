// SPDX-License-Identifier: MIT
#include "flow/content.h"
#include "flow/content_text.h"
#include <stdio.h>
#include <string.h>

enum { RUN_WORDS = 3, HASH_DIGITS = 4 };

static uint64_t mixed(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/* The end of the word that begins at `at`: words are divided by one space each. */
static size_t word_end(struct slice words, size_t at)
{
    while (at < words.size && words.data[at] != ' ')
        at++;
    return at;
}

static void sketch_add(uint64_t least[CONTENT_SKETCH_HASHES], struct slice run)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < run.size; i++)
        hash = (hash ^ (unsigned char)run.data[i]) * 1099511628211u;
    for (size_t i = 0; i < CONTENT_SKETCH_HASHES; i++) {
        uint64_t value = mixed(hash ^ mixed(0x9e3779b97f4a7c15u * (i + 1)));
        least[i] = value < least[i] ? value : least[i];
    }
}

void content_sketch(struct slice text, char sketch[CONTENT_SKETCH_BYTES])
{
    struct buffer words = {NULL, 0, 0};
    uint64_t least[CONTENT_SKETCH_HASHES];
    size_t first = 1, end = 0;

    for (size_t i = 0; i < CONTENT_SKETCH_HASHES; i++)
        least[i] = UINT64_MAX;
    content_fold(text, &words);
    struct slice folded = buffer_slice(&words);
    for (size_t count = 1, at = 1; at < folded.size; count++, at = end + 1) {
        end = word_end(folded, at);
        if (count < RUN_WORDS)
            continue;
        sketch_add(least, (struct slice){folded.data + first, end - first});
        first = word_end(folded, first) + 1;
    }
    /* A text of less than three words is one run. */
    if (least[0] == UINT64_MAX)
        sketch_add(least, folded);
    for (size_t i = 0; i < CONTENT_SKETCH_HASHES; i++)
        snprintf(sketch + i * HASH_DIGITS, HASH_DIGITS + 1, "%04x", (unsigned)(least[i] & 0xffff));
    buffer_free(&words);
}

double content_alike(struct slice one, struct slice two)
{
    unsigned equal = 0;

    if (one.size != CONTENT_SKETCH_BYTES - 1 || two.size != one.size)
        return 0;
    for (size_t at = 0; at < one.size; at += HASH_DIGITS)
        equal += memcmp(one.data + at, two.data + at, HASH_DIGITS) == 0;
    return (double)equal / CONTENT_SKETCH_HASHES;
}
