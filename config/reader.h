/* reader - typed fields out of YAML maps, with a problem at the right place. Internal to config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"

struct reader {
    const char *file;
    struct text_problem *problem;
};

/* Sets the problem at the node's place and returns false. */
bool reader_fail(const struct reader *reader, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same at the place of the node's key. */
bool reader_fail_key(const struct reader *reader, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Each reads the entry `key` of `map`. An absent entry leaves *into alone and is good; a wrong one is a problem. Texts
 * are owned by the caller, also after a problem. */
bool reader_text(const struct reader *reader, const struct yaml_node *map, const char *key, size_t bytes_max,
                 char **into);
bool reader_secret(const struct reader *reader, const struct yaml_node *map, const char *key, char **into);
bool reader_flag(const struct reader *reader, const struct yaml_node *map, const char *key, bool *into);
bool reader_integer(const struct reader *reader, const struct yaml_node *map, const char *key, int64_t max,
                    int64_t *into); /* from 1 */
bool reader_duration(const struct reader *reader, const struct yaml_node *map, const char *key, int64_t *into);
/* "12", "0.75": a non-negative decimal with at most `digits` digits behind the point, times 10^digits. */
bool reader_decimal(const struct reader *reader, const struct yaml_node *map, const char *key, int digits,
                    int64_t *into);
/* The place of the entry's word in `words` (NULL-terminated) into *into. */
bool reader_choice(const struct reader *reader, const struct yaml_node *map, const char *key,
                   const char *const words[], int *into);
/* A name: lower-case letters, digits, '_' and '-', at most 64 bytes. */
bool reader_is_name(const char *text);
/* Tells that the entry is missing, at the place of the map. */
bool reader_missing(const struct reader *reader, const struct yaml_node *map, const char *key);
