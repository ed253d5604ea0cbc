// SPDX-License-Identifier: MIT
#include "config/options.h"
#include "config/sections.h"
#include <stdlib.h>
#include <string.h>

enum { LIMITS_MAX = 64, NAME_BYTES_MAX = 100, COUNT_MAX = 100000000, CONCURRENCY_MAX = 1000 };
/* What each key spent is not kept over a restart but taken as spent, so it must come back soon. */
static const int64_t KEY_MS_MAX = 600000;
/* BUDGET_FILL_MS_MAX of the limiter. */
static const int64_t FILL_MS_MAX = 2592000000;

/* Services that a gate can belong to. A gate of an unknown one would never be asked. */
static const char *const apis[] = {"gemini", "smtp", "shopify", "instagram", "facebook", "telegram", "http", NULL};

static bool read_window(const struct reader *reader, const struct yaml_node *node, struct limit_scope *scope)
{
    static const char *const known[] = {"count", "per", NULL};
    int64_t count = 0, per_ms = 0;

    if (scope->window_count == LIMIT_WINDOWS_MAX)
        return reader_fail(reader, node, "at most %d windows", LIMIT_WINDOWS_MAX);
    if (!yaml_only(reader->file, node, known, reader->problem) ||
        !reader_integer(reader, node, "count", 1000000, &count) || !reader_duration(reader, node, "per", &per_ms))
        return false;
    if (count == 0 || per_ms == 0)
        return reader_fail(reader, node, "a window needs count and per, like {count: 180, per: 1h}");
    scope->windows[scope->window_count].count = count;
    scope->windows[scope->window_count++].per_ms = per_ms;
    return true;
}

static bool read_windows(const struct reader *reader, const struct yaml_node *entry, struct limit_scope *scope)
{
    const struct yaml_node *node = yaml_get(entry, "window");

    if (node == NULL)
        return true;
    if (node->kind != YAML_LIST)
        return read_window(reader, node, scope);
    for (const struct yaml_node *item = node->child; item != NULL; item = item->next)
        if (!read_window(reader, item, scope))
            return false;
    return true;
}

/* How long an empty bucket needs. */
static int64_t fill_ms(const struct limit_scope *scope)
{
    int64_t milli = scope->bucket_refill_milli_per_s;

    return milli > 0 ? scope->bucket_size * 1000000 / milli : 0;
}

static bool read_bucket(const struct reader *reader, const struct yaml_node *entry, struct limit_scope *scope)
{
    static const char *const known[] = {"size", "refill_per_s", NULL};
    const struct yaml_node *node = yaml_get(entry, "bucket");

    if (node == NULL)
        return true;
    if (!yaml_only(reader->file, node, known, reader->problem) ||
        !reader_integer(reader, node, "size", COUNT_MAX, &scope->bucket_size) ||
        !reader_decimal(reader, node, "refill_per_s", 3, &scope->bucket_refill_milli_per_s))
        return false;
    if (scope->bucket_size == 0 || scope->bucket_refill_milli_per_s == 0)
        return reader_fail(reader, node, "a bucket needs size and refill_per_s, like {size: 40, refill_per_s: 2}");
    if (fill_ms(scope) > FILL_MS_MAX)
        return reader_fail(reader, node, "a bucket must fill within 30 days");
    return true;
}

/* "gemini/default": the part before the slash is the service. */
static bool read_gate(const struct reader *reader, const struct yaml_node *entry, struct limit *limit)
{
    const char *slash = strchr(entry->key, '/');

    limit->gate = slice_dup(slice_of(entry->key));
    if (slash == NULL || !reader_is_name(slash + 1))
        return reader_fail_key(reader, entry, "a gate is service/account, like gemini/default");
    limit->api = slice_dup((struct slice){entry->key, (size_t)(slash - entry->key)});
    for (size_t i = 0; apis[i] != NULL; i++)
        if (strcmp(apis[i], limit->api) == 0)
            return true;
    const char *nearest = text_nearest(limit->api, apis);
    return reader_fail_key(reader, entry, "there is no service \"%s\"%s%s%s", limit->api,
                           nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static bool read_bounds(const struct reader *reader, const struct yaml_node *entry, struct limit_scope *scope)
{
    return read_windows(reader, entry, scope) && read_bucket(reader, entry, scope) &&
           reader_integer(reader, entry, "per_day", COUNT_MAX, &scope->per_day) &&
           reader_integer(reader, entry, "concurrency", CONCURRENCY_MAX, &scope->concurrency);
}

static bool bounds_nothing(const struct limit_scope *scope)
{
    return scope->window_count == 0 && scope->bucket_size == 0 && scope->per_day == 0 && scope->concurrency == 0;
}

static bool check_key_scope(const struct reader *reader, const struct yaml_node *node, const struct limit_scope *scope)
{
    int64_t longest = scope->per_day > 0 ? INT64_MAX : fill_ms(scope);

    for (size_t i = 0; i < scope->window_count; i++)
        longest = scope->windows[i].per_ms > longest ? scope->windows[i].per_ms : longest;
    if (longest > KEY_MS_MAX)
        return reader_fail(reader, node, "what each key may do must come back within 10m; a longer bound needs an "
                                         "account (a gate) of its own");
    return true;
}

/* One of `more`. */
static bool read_scope(const struct reader *reader, const struct yaml_node *node, struct limit *limit)
{
    static const char *const known[] = {"class", "each", "counts", "window", "bucket", "per_day", "concurrency", NULL};
    static const char *const eaches[] = {"gate", "key", NULL};
    static const char *const counts[] = {"calls", "cost", NULL};
    int each = 0, count = 0;

    if (limit->scope_count == LIMIT_SCOPES_MAX)
        return reader_fail(reader, node, "at most %d entries in more", LIMIT_SCOPES_MAX - 1);
    struct limit_scope *scope = &limit->scopes[limit->scope_count++];
    if (!yaml_only(reader->file, node, known, reader->problem) ||
        !reader_text(reader, node, "class", NAME_BYTES_MAX, &scope->class_name) ||
        !reader_choice(reader, node, "each", eaches, &each) ||
        !reader_choice(reader, node, "counts", counts, &count) || !read_bounds(reader, node, scope))
        return false;
    scope->each_key = each == 1;
    scope->counts_cost = count == 1;
    if (scope->class_name != NULL && !reader_is_name(scope->class_name))
        return reader_fail(reader, yaml_get(node, "class"),
                           "a name here is made of a-z, 0-9, _ and -, at most 64 characters");
    if (bounds_nothing(scope))
        return reader_fail(reader, node, "this bounds nothing; give window, bucket, per_day or concurrency");
    return !scope->each_key || check_key_scope(reader, node, scope);
}

static bool read_more(const struct reader *reader, const struct yaml_node *entry, struct limit *limit)
{
    const struct yaml_node *list = yaml_get(entry, "more");

    limit->scope_count = 1;
    if (list == NULL)
        return true;
    if (list->kind != YAML_LIST)
        return reader_fail(reader, list, "more must be a list, like [{each: key, window: {count: 1, per: 1s}}]");
    for (const struct yaml_node *item = list->child; item != NULL; item = item->next)
        if (!read_scope(reader, item, limit))
            return false;
    return true;
}

static bool read_limit(const struct reader *reader, const struct yaml_node *entry, struct limit *limit)
{
    static const char *const known[] = {"api",         "window", "bucket",         "per_day",
                                        "concurrency", "more",   "urgent_percent", NULL};
    char *api = NULL;
    bool good = read_gate(reader, entry, limit) && yaml_only(reader->file, entry, known, reader->problem) &&
                reader_text(reader, entry, "api", NAME_BYTES_MAX, &api) &&
                read_bounds(reader, entry, &limit->scopes[0]) && read_more(reader, entry, limit) &&
                reader_integer(reader, entry, "urgent_percent", 90, &limit->urgent_percent);

    if (good && api != NULL && strcmp(api, limit->api) != 0)
        good = reader_fail(reader, yaml_get(entry, "api"), "api must be \"%s\", as the gate's name says", limit->api);
    if (good && limit->scope_count == 1 && bounds_nothing(&limit->scopes[0]))
        good = reader_fail_key(reader, entry, "\"%s\" bounds nothing; give window, bucket, per_day or concurrency",
                               entry->key);
    free(api);
    return good;
}

void sections_free_limit(struct limit *limit)
{
    for (size_t i = 0; i < LIMIT_SCOPES_MAX; i++)
        free(limit->scopes[i].class_name);
    free(limit->gate);
    free(limit->api);
}

bool sections_read_limits(const struct reader *reader, const struct yaml_node *map, struct config *config)
{
    if (!sections_is_map(reader, map, LIMITS_MAX))
        return false;
    config->limits = xrealloc(config->limits, (config->limit_count + map->count) * sizeof(config->limits[0]));
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next) {
        struct limit limit = {0};
        size_t at = 0;
        if (!read_limit(reader, entry, &limit)) {
            sections_free_limit(&limit);
            return false;
        }
        while (at < config->limit_count && strcmp(config->limits[at].gate, limit.gate) != 0)
            at++;
        if (at < config->limit_count)
            sections_free_limit(&config->limits[at]);
        else
            config->limit_count++;
        config->limits[at] = limit;
    }
    return true;
}
