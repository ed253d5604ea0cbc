// SPDX-License-Identifier: MIT
#include "config/files.h"
#include "flow/civil.h"
#include "flow/template.h"
#include "proto/text/json.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRICES_MAX = 200, SYSTEM_BYTES_MAX = 16 << 10, PROMPT_BYTES_MAX = 64 << 10 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_yaml_name(const char *name)
{
    size_t size = strlen(name);

    return name[0] != '.' && size > 5 && strcmp(name + size - 5, ".yaml") == 0;
}

static void list_add(struct file_list *list, const char *path, const char *name)
{
    struct buffer whole = {NULL, 0, 0};

    buffer_printf(&whole, "%s/%s", path, name);
    buffer_append(&whole, "", 1);
    list->paths[list->count++] = whole.data;
}

bool files_list(const char *path, struct file_list *list, struct text_problem *problem)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool good = true;

    *list = (struct file_list){NULL, 0};
    if (directory == NULL) {
        if (errno == ENOENT)
            return true;
        text_problem_set(problem, path, 0, 0, "the folder cannot be read: %s", strerror(errno));
        return false;
    }
    list->paths = xcalloc(FOLDER_FILES_MAX, sizeof(list->paths[0]));
    while (good && (entry = readdir(directory)) != NULL) {
        if (!is_yaml_name(entry->d_name))
            continue;
        if (list->count == FOLDER_FILES_MAX) {
            text_problem_set(problem, path, 0, 0, "the folder holds more than %d files", FOLDER_FILES_MAX);
            good = false;
            break;
        }
        list_add(list, path, entry->d_name);
    }
    closedir(directory);
    qsort(list->paths, list->count, sizeof(list->paths[0]), by_text);
    return good;
}

void files_list_free(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct file_list){NULL, 0};
}

static bool read_day(const struct reader *reader, const struct yaml_node *map, const char *key, int64_t *ms)
{
    char *day = NULL, instant[40];
    bool good = reader_text(reader, map, key, 10, &day);

    if (good && day == NULL)
        good = reader_missing(reader, map, key);
    if (good) {
        snprintf(instant, sizeof(instant), "%sT00:00:00Z", day);
        if (strlen(day) != 10 || !civil_read_instant(slice_of(instant), ms))
            good = reader_fail(reader, yaml_get(map, key), "%s must be a day like 2026-10-07", key);
    }
    free(day);
    return good;
}

static bool read_price(const struct reader *reader, const struct yaml_node *entry, struct price *price)
{
    static const char *const known[] = {"model", "from", "input", "output", NULL};

    if (!yaml_only(reader->file, entry, known, reader->problem) ||
        !reader_text(reader, entry, "model", 100, &price->model) ||
        !reader_decimal(reader, entry, "input", 6, &price->input_micros) ||
        !reader_decimal(reader, entry, "output", 6, &price->output_micros) ||
        !read_day(reader, entry, "from", &price->from_ms))
        return false;
    if (price->model == NULL)
        return reader_missing(reader, entry, "model");
    if (yaml_get(entry, "input") == NULL)
        return reader_missing(reader, entry, "input");
    return true;
}

static bool read_price_list(const struct reader *reader, const struct yaml_node *root, struct config *config)
{
    static const char *const known[] = {"currency", "read", "prices", NULL};
    const struct yaml_node *list = yaml_get(root, "prices");
    int64_t read_ms;

    if (!yaml_only(reader->file, root, known, reader->problem) ||
        !reader_text(reader, root, "currency", 3, &config->price_currency) ||
        !read_day(reader, root, "read", &read_ms))
        return false;
    if (config->price_currency == NULL)
        return reader_missing(reader, root, "currency");
    if (list == NULL)
        return reader_missing(reader, root, "prices");
    if (list->kind != YAML_LIST || list->count > PRICES_MAX)
        return reader_fail(reader, list, "prices must be a list of at most %d entries", PRICES_MAX);
    config->prices = xcalloc(list->count, sizeof(config->prices[0]));
    for (const struct yaml_node *entry = list->child; entry != NULL; entry = entry->next)
        if (!read_price(reader, entry, &config->prices[config->price_count++]))
            return false;
    return true;
}

bool files_read_prices(const char *path, struct config *config, struct text_problem *problem)
{
    const struct reader reader = {path, problem};
    struct yaml_node *root = yaml_read_file(path, problem);
    bool good = root != NULL && read_price_list(&reader, root, config);

    yaml_node_free(root);
    return good;
}

static json_t *json_of_scalar(const struct yaml_node *node)
{
    char *end;
    long long number;

    if (!node->quoted && strcmp(node->text, "true") == 0)
        return json_true();
    if (!node->quoted && strcmp(node->text, "false") == 0)
        return json_false();
    if (!node->quoted && node->size > 0 && node->size < 16) {
        number = strtoll(node->text, &end, 10);
        if (*end == '\0')
            return json_integer(number);
    }
    return json_stringn(node->text, node->size);
}

/* Recursion is bounded: a tree of yaml_read() is at most 32 deep. */
static json_t *json_of(const struct yaml_node *node)
{
    json_t *value;

    if (node->kind == YAML_SCALAR)
        return json_of_scalar(node);
    value = node->kind == YAML_MAP ? json_object() : json_array();
    for (const struct yaml_node *entry = node->child; entry != NULL; entry = entry->next) {
        if (node->kind == YAML_MAP)
            json_object_set_new(value, entry->key, json_of(entry));
        else
            json_array_append_new(value, json_of(entry));
    }
    return value;
}

static bool read_answer(const struct reader *reader, const struct yaml_node *root, struct prompt *prompt)
{
    const struct yaml_node *node = yaml_get(root, "answer");
    struct buffer text = {NULL, 0, 0};
    json_t *schema;

    if (node == NULL)
        return true;
    if (node->kind != YAML_MAP || yaml_get(node, "type") == NULL)
        return reader_fail(reader, node, "answer must be a schema: a map with type, properties and required");
    schema = json_of(node);
    json_write(&text, schema);
    buffer_append(&text, "", 1);
    json_decref(schema);
    prompt->answer = text.data;
    return true;
}

/* A template that cannot be taken apart is told now, not when the first order comes. */
static bool check_template(const struct reader *reader, const struct yaml_node *node)
{
    struct expression_problem problem;
    struct template_part part;
    size_t at = 0;
    bool bad = false;

    while (template_next((struct slice){node->text, node->size}, &at, &part, &bad, &problem))
        continue;
    if (!bad)
        return true;
    return reader_fail(reader, node, "in line %u of the text: %s", problem.line, problem.text);
}

static bool read_bounds(const struct reader *reader, const struct yaml_node *root, struct prompt *prompt)
{
    static const char *const known[] = {"input_chars_max", "output_tokens_max", NULL};
    const struct yaml_node *node = yaml_get(root, "limits");

    prompt->input_chars_max = 8000;
    prompt->output_tokens_max = 1024;
    return node == NULL || (yaml_only(reader->file, node, known, reader->problem) &&
                            reader_integer(reader, node, "input_chars_max", 1000000, &prompt->input_chars_max) &&
                            reader_integer(reader, node, "output_tokens_max", 65536, &prompt->output_tokens_max));
}

static bool read_prompt(const struct reader *reader, const struct yaml_node *root, struct prompt *prompt)
{
    static const char *const known[] = {"name", "version", "model", "system", "text", "limits", "answer", NULL};

    if (!yaml_only(reader->file, root, known, reader->problem) ||
        !reader_text(reader, root, "name", 64, &prompt->name) ||
        !reader_integer(reader, root, "version", 1000000, &prompt->version) ||
        !reader_text(reader, root, "model", 100, &prompt->model) ||
        !reader_text(reader, root, "system", SYSTEM_BYTES_MAX, &prompt->system) ||
        !reader_text(reader, root, "text", PROMPT_BYTES_MAX, &prompt->text) || !read_bounds(reader, root, prompt) ||
        !read_answer(reader, root, prompt))
        return false;
    if (prompt->name == NULL || prompt->version == 0 || prompt->text == NULL)
        return reader_missing(reader, root,
                              prompt->name == NULL ? "name" : prompt->version == 0 ? "version" : "text");
    if (!reader_is_name(prompt->name))
        return reader_fail(reader, yaml_get(root, "name"),
                           "a name here is made of a-z, 0-9, _ and -, at most 64 characters");
    return check_template(reader, yaml_get(root, "text"));
}

bool files_read_prompt(const char *path, struct config *config, struct text_problem *problem)
{
    const struct reader reader = {path, problem};
    struct yaml_node *root = yaml_read_file(path, problem);
    bool good = false;

    if (root == NULL)
        return false;
    config->prompts = xrealloc(config->prompts, (config->prompt_count + 1) * sizeof(config->prompts[0]));
    struct prompt *prompt = &config->prompts[config->prompt_count++];
    *prompt = (struct prompt){.file = slice_dup(slice_of(path))};
    good = read_prompt(&reader, root, prompt);
    for (size_t i = 0; good && i + 1 < config->prompt_count; i++)
        if (strcmp(config->prompts[i].name, prompt->name) == 0)
            good = reader_fail(&reader, yaml_get(root, "name"), "the prompt \"%s\" is in %s already", prompt->name,
                               config->prompts[i].file);
    yaml_node_free(root);
    return good;
}
