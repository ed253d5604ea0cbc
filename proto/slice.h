/* slice - borrowed bytes, and buffer - owned bytes that grow up to a bound. */
// SPDX-License-Identifier: MIT
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *data; /* borrowed; not NUL-terminated; NULL only when size is 0 */
    size_t size;
};

struct buffer {
    char *data; /* owned; buffer_free() */
    size_t size;
    size_t capacity;
};

/* A slice over a NUL-terminated string, without its NUL. */
struct slice slice_of(const char *text);
#define SLICE(literal) ((struct slice){"" literal "", sizeof(literal) - 1})

bool slice_equal(struct slice a, struct slice b);
/* memcmp order, the shorter first when one is a prefix of the other. */
int slice_compare(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *text);
/* A NUL-terminated copy; the caller frees it. Memory exhaustion ends the process. */
char *slice_dup(struct slice a);
/* Cuts an incomplete UTF-8 sequence off the end of a text that was itself cut to fit (snprintf). */
void text_end_whole(char *text);
/* Valid UTF-8 (no surrogates, no overlong forms) without NUL. */
bool slice_is_utf8(struct slice a);

/* Memory exhaustion ends the process: every buffer here has a bound checked before it grows. */
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);
struct slice buffer_slice(const struct buffer *buffer);

/* malloc family that aborts instead of returning NULL. */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
