// SPDX-License-Identifier: MIT
#include "config/reader.h"
#include "config/options.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool reader_fail(const struct reader *reader, const struct yaml_node *node, const char *format, ...)
{
    char text[sizeof(reader->problem->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_problem_set(reader->problem, reader->file, node->line, node->column, "%s", text);
    return false;
}

bool reader_fail_key(const struct reader *reader, const struct yaml_node *node, const char *format, ...)
{
    char text[sizeof(reader->problem->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_problem_set(reader->problem, reader->file, node->key_line, node->key_column, "%s", text);
    return false;
}

bool reader_missing(const struct reader *reader, const struct yaml_node *map, const char *key)
{
    if (map->key != NULL)
        return reader_fail_key(reader, map, "\"%s\" needs the key \"%s\"", map->key, key);
    return reader_fail(reader, map, "the key \"%s\" is missing", key);
}

/* The scalar at `key`: NULL with *good when absent, NULL without *good when it is a list or map. */
static const struct yaml_node *scalar_at(const struct reader *reader, const struct yaml_node *map, const char *key,
                                         bool *good)
{
    const struct yaml_node *node = yaml_get(map, key);

    *good = node == NULL || node->kind == YAML_SCALAR;
    if (!*good)
        reader_fail(reader, node, "%s must be one value, not a list or map", key);
    return *good ? node : NULL;
}

bool reader_text(const struct reader *reader, const struct yaml_node *map, const char *key, size_t bytes_max,
                 char **into)
{
    bool good;
    const struct yaml_node *node = scalar_at(reader, map, key, &good);

    if (node == NULL)
        return good;
    if (node->size == 0 || node->size > bytes_max)
        return reader_fail(reader, node, "%s must be a text of 1 to %zu bytes", key, bytes_max);
    free(*into);
    *into = slice_dup((struct slice){node->text, node->size});
    return true;
}

bool reader_secret(const struct reader *reader, const struct yaml_node *map, const char *key, char **into)
{
    bool good;
    const struct yaml_node *node = scalar_at(reader, map, key, &good);

    if (node == NULL)
        return good;
    if (!option_is_secret_name(node->text))
        return reader_fail(reader, node,
                           "%s must be the name of a secret, like shop/webhook; the value belongs into a file of "
                           "secrets_dir",
                           key);
    free(*into);
    *into = slice_dup((struct slice){node->text, node->size});
    return true;
}

bool reader_flag(const struct reader *reader, const struct yaml_node *map, const char *key, bool *into)
{
    bool good;
    const struct yaml_node *node = scalar_at(reader, map, key, &good);

    if (node == NULL)
        return good;
    if (node->quoted || (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0))
        return reader_fail(reader, node, "%s must be true or false, without quotes", key);
    *into = strcmp(node->text, "true") == 0;
    return true;
}

bool reader_integer(const struct reader *reader, const struct yaml_node *map, const char *key, int64_t max,
                    int64_t *into)
{
    bool good;
    const struct yaml_node *node = scalar_at(reader, map, key, &good);

    if (node == NULL)
        return good;
    if (node->quoted || !option_read_integer(node->text, into) || *into < 1 || *into > max)
        return reader_fail(reader, node, "%s must be a whole number, without quotes, from 1 to %" PRId64, key, max);
    return true;
}

bool reader_duration(const struct reader *reader, const struct yaml_node *map, const char *key, int64_t *into)
{
    bool good;
    const struct yaml_node *node = scalar_at(reader, map, key, &good);

    if (node == NULL)
        return good;
    if (!option_read_duration(node->text, into) || *into < 1 || *into > INT64_C(400) * 86400000)
        return reader_fail(reader, node, "%s must be a duration like 250ms, 90s, 2m, 1h or 7d, from 1ms to 400d", key);
    return true;
}

static bool read_decimal(const char *text, int digits, int64_t *into)
{
    int64_t value = 0;
    int behind = -1; /* digits seen behind the point */

    if (text[0] < '0' || text[0] > '9' || strlen(text) > 12)
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '.' && behind < 0 && text[1] != '\0') {
            behind = 0;
            continue;
        }
        if (*text < '0' || *text > '9' || behind == digits)
            return false;
        value = value * 10 + (*text - '0');
        behind += behind >= 0;
    }
    for (int i = behind < 0 ? 0 : behind; i < digits; i++)
        value *= 10;
    *into = value;
    return true;
}

bool reader_decimal(const struct reader *reader, const struct yaml_node *map, const char *key, int digits,
                    int64_t *into)
{
    bool good;
    const struct yaml_node *node = scalar_at(reader, map, key, &good);

    if (node == NULL)
        return good;
    if (node->quoted || !read_decimal(node->text, digits, into))
        return reader_fail(reader, node, "%s must be a number like 0.75, without quotes, with at most %d digits behind "
                                         "the point",
                           key, digits);
    return true;
}

bool reader_choice(const struct reader *reader, const struct yaml_node *map, const char *key,
                   const char *const words[], int *into)
{
    bool good;
    const struct yaml_node *node = scalar_at(reader, map, key, &good);
    char all[200] = "";

    if (node == NULL)
        return good;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], node->text) == 0) {
            *into = i;
            return true;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return reader_fail(reader, node, "%s must be one of %s", key, all);
}

bool reader_is_name(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}
