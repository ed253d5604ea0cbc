/* files - the files that purser.yaml names: prices and prompts, and the YAML files of a folder. Internal to config. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/reader.h"

enum { FOLDER_FILES_MAX = 200 };

struct file_list {
    char **paths;
    size_t count;
};

/* Sorted paths of the *.yaml files of a folder; hidden ones are passed over. A missing folder is an empty one. False
 * with a problem when it cannot be read or holds more than FOLDER_FILES_MAX. Freed by files_list_free(). */
bool files_list(const char *path, struct file_list *list, struct text_problem *problem);
void files_list_free(struct file_list *list);

/* Each appends to `config`; what was appended before a problem is freed with the config. */
bool files_read_prices(const char *path, struct config *config, struct text_problem *problem);
bool files_read_prompt(const char *path, struct config *config, struct text_problem *problem);
