/* options - the flat keys of purser.yaml: their table, and how a value is read from text. Internal to config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"

enum option_type {
    OPTION_text,
    OPTION_path,
    OPTION_choice,
    OPTION_secret,
    OPTION_flag,
    OPTION_integer,
    OPTION_duration,
    OPTION_size
};

enum option_id {
#define OPTION(type, name, standard, min, max, doc) OPTION_ID_##name,
#include "config/options.def"
#undef OPTION
    OPTION_COUNT
};

struct option_info {
    enum option_type type;
    const char *name, *standard, *min, *max, *doc;
    size_t offset; /* of the field in struct config */
};

extern const struct option_info option_info[OPTION_COUNT];

/* "90s", "250ms", "2m", "1h", "7d", or plain milliseconds. */
bool option_read_duration(const char *text, int64_t *ms);
/* "64KiB", "1MiB", "1GiB", or plain bytes. */
bool option_read_size(const char *text, int64_t *bytes);
bool option_read_integer(const char *text, int64_t *number);
/* Lower-case letters, digits, '_' and '-' in up to three parts with '/' between; at most 64 bytes. */
bool option_is_secret_name(const char *text);

/* Reads one value into its field of `config`. `quoted` says that it stood in quotes. False with what is wrong, for
 * people, in `wrong`; the value itself is never repeated, it may be a secret at the wrong place. */
bool option_set(struct config *config, const struct option_info *option, const char *text, bool quoted, char *wrong,
                size_t room);
