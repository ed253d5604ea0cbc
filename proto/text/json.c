// SPDX-License-Identifier: MIT
#include "proto/text/json.h"
#include "proto/check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_DIGITS_MAX = 400 };

/* Line and column are counted here, not taken from jansson, so that both passes tell places the same way. */
static void locate(struct slice text, size_t offset, struct json_problem *problem)
{
    problem->offset = offset < text.size ? offset : text.size;
    problem->line = 1;
    problem->column = 1;
    for (size_t i = 0; i < problem->offset; i++) {
        if (text.data[i] == '\n') {
            problem->line++;
            problem->column = 1;
        } else if (((unsigned char)text.data[i] & 0xc0) != 0x80) {
            problem->column++;
        }
    }
}

static bool fail(struct slice text, size_t offset, const char *what, struct json_problem *problem)
{
    locate(text, offset, problem);
    snprintf(problem->text, sizeof(problem->text), "%s", what);
    return false;
}

/* The offset behind the string that starts at `at`; the end of the text when it is not closed. */
static size_t string_end(struct slice text, size_t at)
{
    for (at++; at < text.size && text.data[at] != '"'; at++)
        if (text.data[at] == '\\')
            at++;
    return at < text.size ? at + 1 : text.size;
}

static bool is_number_byte(char byte)
{
    return byte != '\0' && strchr("+-.0123456789eE", byte) != NULL;
}

static const char *judge_number(const char *start, size_t size)
{
    char digits[NUMBER_DIGITS_MAX + 1];

    if (size > NUMBER_DIGITS_MAX)
        return "a number has too many digits";
    memcpy(digits, start, size);
    digits[size] = '\0';
    if (strpbrk(digits, ".eE") != NULL)
        return NULL;
    errno = 0;
    strtoll(digits, NULL, 10);
    return errno == ERANGE ? "an integer does not fit 64 bits; send it as a string" : NULL;
}

/* Judges nesting, the count of values and integers before jansson sees the text: jansson recurses and allocates. */
static bool scan(struct slice text, struct json_problem *problem)
{
    size_t depth = 0, values = 1, at = 0;

    while (at < text.size) {
        char byte = text.data[at];
        size_t start = at++;
        if (byte == '"') {
            at = string_end(text, start);
        } else if (byte == '[' || byte == '{') {
            values++;
            if (++depth > JSON_DEPTH_MAX)
                return fail(text, start, "nested too deep", problem);
        } else if ((byte == ']' || byte == '}') && depth > 0) {
            depth--;
        } else if (byte == ',') {
            values++;
        } else if (byte == '-' || (byte >= '0' && byte <= '9')) {
            while (at < text.size && is_number_byte(text.data[at]))
                at++;
            const char *wrong = judge_number(text.data + start, at - start);
            if (wrong != NULL)
                return fail(text, start, wrong, problem);
        }
        if (values > JSON_VALUES_MAX)
            return fail(text, start, "too many values", problem);
    }
    return true;
}

/* A zero byte in a string is written as \u0000. */
static bool has_zero(struct slice text)
{
    for (size_t at = 0; at + 6 <= text.size; at++)
        if (text.data[at] == '\\') {
            if (memcmp(text.data + at + 1, "u0000", 5) == 0)
                return true;
            at++;
        }
    return false;
}

bool json_is_readable(struct slice text)
{
    struct json_problem problem;

    return text.size <= JSON_BYTES_MAX && scan(text, &problem) && !has_zero(text);
}

/* Our words for jansson's codes: its own texts quote the input. */
static const char *explain(enum json_error_code code)
{
    switch (code) {
    case json_error_premature_end_of_input:
        return "the text ends too early";
    case json_error_end_of_input_expected:
        return "something follows the value";
    case json_error_invalid_utf8:
        return "the text is not valid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string holds a NUL character";
    case json_error_duplicate_key:
        return "an object has the same key twice";
    case json_error_numeric_overflow:
        return "a number is too large";
    default:
        return "this is not JSON";
    }
}

json_t *json_read(struct slice text, struct json_problem *problem)
{
    json_error_t error;
    json_t *value;

    *problem = (struct json_problem){0};
    if (text.size == 0) {
        fail(text, 0, "the text is empty", problem);
        return NULL;
    }
    if (text.size > JSON_BYTES_MAX) {
        fail(text, 0, "the text is too large", problem);
        return NULL;
    }
    if (!scan(text, problem))
        return NULL;
    value = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        size_t offset = error.position > 0 ? (size_t)error.position : 0;
        fail(text, offset, explain(json_error_code(&error)), problem);
    }
    return value;
}

static int write_into(const char *bytes, size_t size, void *into)
{
    buffer_append(into, bytes, size);
    return 0;
}

void json_write(struct buffer *into, const json_t *value)
{
    CHECK(json_dump_callback(value, write_into, into, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) == 0);
}

static json_t *step_into(const json_t *value, const char *key, size_t size)
{
    size_t index = 0;

    if (json_is_object(value))
        return json_object_getn(value, key, size);
    if (!json_is_array(value) || size == 0 || size > 9)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        if (key[i] < '0' || key[i] > '9')
            return NULL;
        index = index * 10 + (size_t)(key[i] - '0');
    }
    return json_array_get(value, index);
}

json_t *json_at(const json_t *value, const char *path)
{
    json_t *found = NULL;

    do {
        size_t size = strcspn(path, ".");
        found = step_into(value, path, size);
        value = found;
        path += size;
    } while (found != NULL && *path++ == '.');
    return found;
}

struct slice json_text_at(const json_t *value, const char *path)
{
    const json_t *found = json_at(value, path);

    if (!json_is_string(found))
        return (struct slice){NULL, 0};
    return (struct slice){json_string_value(found), json_string_length(found)};
}

bool json_id_at(const json_t *value, const char *path, char id[33])
{
    const json_t *found = json_at(value, path);
    struct slice text;

    if (json_is_integer(found) && json_integer_value(found) >= 0) {
        snprintf(id, 33, "%" JSON_INTEGER_FORMAT, json_integer_value(found));
        return true;
    }
    text = json_text_at(value, path);
    if (text.size == 0 || text.size > 32)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    memcpy(id, text.data, text.size);
    id[text.size] = '\0';
    return true;
}
