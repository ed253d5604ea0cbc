// SPDX-License-Identifier: MIT
#include "config/sections.h"
#include "config/options.h"
#include <stdlib.h>
#include <string.h>

enum { HOOKS_MAX = 64, QUEUES_MAX = 64, TOPICS_MAX = 64, NAME_BYTES_MAX = 100 };

bool sections_is_map(const struct reader *reader, const struct yaml_node *node, size_t entries_max)
{
    if (node->kind != YAML_MAP)
        return reader_fail(reader, node, "%s must be a map of name: {...}", node->key);
    if (node->count > entries_max)
        return reader_fail(reader, node, "%s has more than %zu entries", node->key, entries_max);
    return true;
}

static bool has_name(const struct reader *reader, const struct yaml_node *entry)
{
    if (reader_is_name(entry->key))
        return true;
    return reader_fail_key(reader, entry, "a name here is made of a-z, 0-9, _ and -, at most 64 characters");
}

static bool is_header_name(const char *text)
{
    size_t size = strlen(text);

    return size > 0 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

static bool read_topics(const struct reader *reader, const struct yaml_node *entry, struct hook *hook)
{
    const struct yaml_node *list = yaml_get(entry, "topics");

    if (list == NULL)
        return true;
    if (hook->topic != NULL)
        return reader_fail_key(reader, list, "a hook has either topic or topics, not both");
    if (list->kind != YAML_LIST || list->count == 0 || list->count > TOPICS_MAX)
        return reader_fail(reader, list, "topics must be a list of 1 to %d topics", TOPICS_MAX);
    hook->topics = xcalloc(list->count, sizeof(hook->topics[0]));
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next) {
        if (item->kind != YAML_SCALAR || item->size == 0 || item->size > NAME_BYTES_MAX)
            return reader_fail(reader, item, "a topic must be a text of 1 to %d bytes", NAME_BYTES_MAX);
        hook->topics[hook->topic_count++] = slice_dup((struct slice){item->text, item->size});
    }
    return true;
}

/* What the scheme fixes or demands, after all keys are read. */
static bool finish_hook(const struct reader *reader, const struct yaml_node *entry, struct hook *hook)
{
    const struct yaml_node *header = yaml_get(entry, "header"), *encoding = yaml_get(entry, "encoding");

    if (yaml_get(entry, "scheme") == NULL)
        return reader_missing(reader, entry, "scheme");
    if (hook->secret == NULL)
        return reader_missing(reader, entry, "secret");
    if (hook->shop == NULL)
        hook->shop = slice_dup(slice_of(hook->name));
    if (hook->scheme == HOOK_HMAC_SHA256) {
        if (hook->header == NULL)
            hook->header = slice_dup(SLICE("X-Signature-256"));
        else if (!is_header_name(hook->header))
            return reader_fail(reader, header, "header must be the name of an HTTP header, like X-Signature-256");
        return true;
    }
    if (header != NULL || encoding != NULL)
        return reader_fail_key(reader, header != NULL ? header : encoding,
                               "Shopify fixes header and encoding; they belong to scheme hmac-sha256");
    if (hook->topic == NULL && hook->topic_count == 0)
        return reader_fail_key(reader, entry, "\"%s\" needs topic (the one it takes) or topics (the allowed ones)",
                               entry->key);
    hook->header = slice_dup(SLICE("X-Shopify-Hmac-Sha256"));
    hook->encoding = HOOK_BASE64;
    return true;
}

static bool read_hook(const struct reader *reader, const struct yaml_node *entry, struct hook *hook)
{
    static const char *const known[] = {"scheme", "topic",      "topics", "shop",
                                        "secret", "old_secret", "header", "encoding", NULL};
    static const char *const schemes[] = {"shopify", "hmac-sha256", NULL};
    static const char *const encodings[] = {"hex", "base64", NULL};
    int scheme = 0, encoding = 0;
    bool good = yaml_only(reader->file, entry, known, reader->problem) && has_name(reader, entry) &&
                reader_choice(reader, entry, "scheme", schemes, &scheme) &&
                reader_text(reader, entry, "topic", NAME_BYTES_MAX, &hook->topic) &&
                reader_text(reader, entry, "shop", 253, &hook->shop) &&
                reader_secret(reader, entry, "secret", &hook->secret) &&
                reader_secret(reader, entry, "old_secret", &hook->old_secret) &&
                reader_text(reader, entry, "header", NAME_BYTES_MAX, &hook->header) &&
                reader_choice(reader, entry, "encoding", encodings, &encoding) && read_topics(reader, entry, hook);

    hook->name = slice_dup(slice_of(entry->key));
    hook->scheme = (enum hook_scheme)scheme;
    hook->encoding = (enum hook_encoding)encoding;
    return good && finish_hook(reader, entry, hook);
}

bool sections_read_hooks(const struct reader *reader, const struct yaml_node *map, struct config *config)
{
    if (!sections_is_map(reader, map, HOOKS_MAX))
        return false;
    config->hooks = xcalloc(map->count, sizeof(config->hooks[0]));
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next)
        if (!read_hook(reader, entry, &config->hooks[config->hook_count++]))
            return false;
    return true;
}

bool sections_read_queues(const struct reader *reader, const struct yaml_node *map, struct config *config)
{
    static const char *const known[] = {"ordered", "attempts", "depth_max", NULL};

    if (!sections_is_map(reader, map, QUEUES_MAX))
        return false;
    config->queues = xcalloc(map->count, sizeof(config->queues[0]));
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next) {
        struct queue_rule *queue = &config->queues[config->queue_count++];
        *queue = (struct queue_rule){slice_dup(slice_of(entry->key)), false, 8, 10000};
        if (!has_name(reader, entry) || !yaml_only(reader->file, entry, known, reader->problem) ||
            !reader_flag(reader, entry, "ordered", &queue->ordered) ||
            !reader_integer(reader, entry, "attempts", 100, &queue->attempts) ||
            !reader_integer(reader, entry, "depth_max", 1000000, &queue->depth_max))
            return false;
    }
    return true;
}

static void free_hook(struct hook *hook)
{
    for (size_t i = 0; i < hook->topic_count; i++)
        free(hook->topics[i]);
    free(hook->topics);
    free(hook->name);
    free(hook->topic);
    free(hook->shop);
    free(hook->secret);
    free(hook->old_secret);
    free(hook->header);
}

static void free_prompt(struct prompt *prompt)
{
    free(prompt->file);
    free(prompt->name);
    free(prompt->model);
    free(prompt->system);
    free(prompt->text);
    free(prompt->answer);
}

void sections_free(struct config *config)
{
    for (size_t i = 0; i < config->hook_count; i++)
        free_hook(&config->hooks[i]);
    for (size_t i = 0; i < config->queue_count; i++)
        free(config->queues[i].name);
    for (size_t i = 0; i < config->limit_count; i++)
        sections_free_limit(&config->limits[i]);
    for (size_t i = 0; i < config->price_count; i++)
        free(config->prices[i].model);
    for (size_t i = 0; i < config->prompt_count; i++)
        free_prompt(&config->prompts[i]);
    free(config->hooks);
    free(config->queues);
    free(config->limits);
    free(config->prices);
    free(config->price_currency);
    free(config->prompts);
}
