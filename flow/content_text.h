/* content_text - a text as a reader sees it, whatever characters it is spelled with. Internal to flow/content. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum point_kind {
    POINT_OTHER,    /* a letter, digit or mark with no rule of its own */
    POINT_SPACE,    /* divides words */
    POINT_MARK,     /* an accent of its own: dropped when folding */
    POINT_HIDDEN,   /* steers or hides: dropped when folding, and a finding */
    POINT_SELECTOR, /* chooses an emoji's look: dropped when folding */
    POINT_EMOJI,    /* divides words */
};

/* The code point at *at, which moves on; bytes that are no UTF-8 give U+FFFD one by one. */
uint32_t content_point(struct slice text, size_t *at);
enum point_kind content_point_kind(uint32_t point);
/* Small letters without accents, lookalikes of other alphabets as Latin letters, words divided by one space each, a
 * space before the first and behind the last. */
void content_fold(struct slice text, struct buffer *into);
/* Hidden characters dropped, wide and styled digits and signs as ASCII, "(at)" and "[dot]" as what they mean; letters
 * stay as they are. */
void content_plain(struct slice text, struct buffer *into);
