// SPDX-License-Identifier: MIT
#include "config/options.h"
#include "proto/check.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct option_info option_info[OPTION_COUNT] = {
#define OPTION(type, name, standard, min, max, doc)                                                                    \
    {OPTION_##type, #name, standard, min, max, doc, offsetof(struct config, name)},
#include "config/options.def"
#undef OPTION
};

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {{"", 1},       {"ms", 1},        {"s", 1000},
                                             {"m", 60000},  {"h", 3600000},   {"d", 86400000},
                                             {NULL, 0}};
static const struct unit size_units[] = {{"", 1},          {"B", 1},         {"KiB", 1 << 10},
                                         {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};

static bool read_units(const char *text, const struct unit *units, int64_t *value)
{
    char *end;
    long long number;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, end) != 0)
            continue;
        return !__builtin_mul_overflow(number, units->factor, value);
    }
    return false;
}

bool option_read_duration(const char *text, int64_t *ms)
{
    return read_units(text, duration_units, ms);
}

bool option_read_size(const char *text, int64_t *bytes)
{
    return read_units(text, size_units, bytes);
}

bool option_read_integer(const char *text, int64_t *number)
{
    return read_units(text, plain_units, number);
}

bool option_is_secret_name(const char *text)
{
    size_t parts = 1, in_part = 0;

    if (strlen(text) > 64)
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '/' && in_part > 0 && parts < 3) {
            parts++;
            in_part = 0;
            continue;
        }
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *text) == NULL)
            return false;
        in_part++;
    }
    return in_part > 0;
}

static bool read_number(enum option_type type, const char *text, int64_t *number)
{
    if (type == OPTION_duration)
        return option_read_duration(text, number);
    if (type == OPTION_size)
        return option_read_size(text, number);
    return option_read_integer(text, number);
}

static const char *describe(enum option_type type)
{
    switch (type) {
    case OPTION_integer:
        return "a whole number";
    case OPTION_duration:
        return "a duration like 250ms, 90s, 2m, 1h or 7d";
    case OPTION_size:
        return "a size like 512, 64KiB, 2MiB or 1GiB";
    default:
        return "a text";
    }
}

static bool set_number(struct config *config, const struct option_info *option, const char *text, bool quoted,
                       char *wrong, size_t room)
{
    int64_t number, min, max;

    CHECK(read_number(option->type, option->min, &min) && read_number(option->type, option->max, &max));
    if ((quoted && option->type == OPTION_integer) || !read_number(option->type, text, &number)) {
        snprintf(wrong, room, "%s must be %s, without quotes, from %s to %s", option->name, describe(option->type),
                 option->min, option->max);
        return false;
    }
    if (number < min || number > max) {
        snprintf(wrong, room, "%s is out of range; allowed is %s to %s", option->name, option->min, option->max);
        return false;
    }
    memcpy((char *)config + option->offset, &number, sizeof(number));
    return true;
}

static bool set_flag(struct config *config, const struct option_info *option, const char *text, bool quoted,
                     char *wrong, size_t room)
{
    bool value = strcmp(text, "true") == 0;

    if (quoted || (!value && strcmp(text, "false") != 0)) {
        snprintf(wrong, room, "%s must be true or false, without quotes", option->name);
        return false;
    }
    memcpy((char *)config + option->offset, &value, sizeof(value));
    return true;
}

static bool is_listed(const char *choices, const char *word)
{
    size_t size = strlen(word);

    while (*choices != '\0') {
        size_t length = strcspn(choices, "|");
        if (length == size && memcmp(choices, word, size) == 0)
            return true;
        choices += length + (choices[length] == '|');
    }
    return false;
}

/* A path of a file is relative to the folder of the config file, not to where the program was started. That folder is
 * free of links, so leading "../" can be cut off it: paths of sockets have to be short. */
static char *resolved(const struct config *config, const char *path)
{
    struct buffer whole = {NULL, 0, 0};
    size_t size;

    if (config->folder == NULL || path[0] == '/' || path[0] == '\0')
        return slice_dup(slice_of(path));
    size = strlen(config->folder);
    while (config->folder[0] == '/' && strncmp(path, "../", 3) == 0) {
        while (size > 0 && config->folder[--size] != '/')
            continue;
        path += 3;
    }
    buffer_append(&whole, config->folder, size);
    buffer_printf(&whole, "/%s", path);
    buffer_append(&whole, "", 1);
    return whole.data;
}

static bool judge_text(const struct option_info *option, const char *text, char *wrong, size_t room)
{
    int64_t min = 0, max = 0;
    size_t size = strlen(text);

    if (option->type == OPTION_choice) {
        if (is_listed(option->min, text))
            return true;
        snprintf(wrong, room, "%s must be one of %s", option->name, option->min);
        return false;
    }
    CHECK(option_read_integer(option->min, &min) && option_read_integer(option->max, &max));
    if (option->type == OPTION_secret && size > 0 && !option_is_secret_name(text)) {
        snprintf(wrong, room,
                 "%s must be the name of a secret, like gemini/key; the value belongs into a file of secrets_dir",
                 option->name);
        return false;
    }
    if (size < (size_t)min || size > (size_t)max) {
        snprintf(wrong, room, "%s must be a text of %s to %s bytes", option->name, option->min, option->max);
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            snprintf(wrong, room, "%s must be one line without control characters", option->name);
            return false;
        }
    }
    return true;
}

bool option_set(struct config *config, const struct option_info *option, const char *text, bool quoted, char *wrong,
                size_t room)
{
    char *old, *value;

    if (option->type == OPTION_flag)
        return set_flag(config, option, text, quoted, wrong, room);
    if (option->type >= OPTION_integer)
        return set_number(config, option, text, quoted, wrong, room);
    if (!judge_text(option, text, wrong, room))
        return false;
    memcpy(&old, (char *)config + option->offset, sizeof(old));
    free(old);
    value = option->type == OPTION_path ? resolved(config, text) : slice_dup(slice_of(text));
    memcpy((char *)config + option->offset, &value, sizeof(value));
    return true;
}
