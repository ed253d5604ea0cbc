// SPDX-License-Identifier: MIT
#include "config/approvers.h"
#include <stdlib.h>
#include <string.h>

enum { APPROVERS_MAX = 32, ID_BYTES_MAX = 18 };

static bool is_user_id(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size <= ID_BYTES_MAX && text[0] != '0' && strspn(text, "0123456789") == size;
}

static bool is_known(const struct config *config, const char *telegram)
{
    for (size_t i = 0; i + 1 < config->approver_count; i++)
        if (config->approvers[i].telegram != NULL && strcmp(config->approvers[i].telegram, telegram) == 0)
            return true;
    return false;
}

static bool read_approver(const struct reader *reader, const struct yaml_node *entry, struct config *config)
{
    static const char *const known[] = {"telegram", "gets_asked", NULL};
    struct approver *approver = &config->approvers[config->approver_count++];

    approver->name = slice_dup(slice_of(entry->key));
    if (!reader_is_name(entry->key))
        return reader_fail_key(reader, entry, "a name here is made of a-z, 0-9, _ and -, at most 64 characters");
    if (!yaml_only(reader->file, entry, known, reader->problem) ||
        !reader_text(reader, entry, "telegram", ID_BYTES_MAX, &approver->telegram) ||
        !reader_flag(reader, entry, "gets_asked", &approver->gets_asked))
        return false;
    if (approver->telegram != NULL && !is_user_id(approver->telegram))
        return reader_fail(reader, yaml_get(entry, "telegram"),
                           "telegram is the person's user id there, a number like 123456789; @names can change hands");
    if (approver->telegram != NULL && is_known(config, approver->telegram))
        return reader_fail(reader, yaml_get(entry, "telegram"), "this user id belongs to another approver already");
    if (approver->gets_asked && approver->telegram == NULL)
        return reader_fail_key(reader, entry, "\"%s\" cannot be asked without telegram, a user id", entry->key);
    return true;
}

bool approvers_read(const struct reader *reader, const struct yaml_node *map, struct config *config)
{
    if (map->kind != YAML_MAP)
        return reader_fail(reader, map, "approvers must be a map of name: {telegram: USER_ID}");
    if (map->count > APPROVERS_MAX)
        return reader_fail(reader, map, "at most %d approvers", APPROVERS_MAX);
    config->approvers = xcalloc(map->count, sizeof(config->approvers[0]));
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next)
        if (!read_approver(reader, entry, config))
            return false;
    return true;
}

void approvers_free(struct config *config)
{
    for (size_t i = 0; i < config->approver_count; i++) {
        free(config->approvers[i].name);
        free(config->approvers[i].telegram);
    }
    free(config->approvers);
}
