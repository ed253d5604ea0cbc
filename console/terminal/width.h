/* width - how many columns text takes on a terminal. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

/* Columns of valid UTF-8: combining marks take none, East Asian wide characters and emoji two. */
size_t width_of(struct slice text);
/* The longest prefix of whole characters that takes at most `columns`. */
struct slice width_cut(struct slice text, size_t columns);
/* Appends text that is safe on a terminal: control characters, which could steer it, become U+FFFD; line breaks and
 * tabs become blanks unless `lines` is true, and then each further line starts with `indent` blanks. Bytes that are no
 * UTF-8 become U+FFFD. */
void width_clean(struct buffer *into, struct slice text, bool lines, size_t indent);
