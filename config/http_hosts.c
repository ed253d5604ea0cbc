// SPDX-License-Identifier: MIT
#include "config/http_hosts.h"
#include "flow/workflow.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOSTS_MAX = 64, HOST_BYTES_MAX = 253, LISTED_BYTES_MAX = 160 };

/* ---- addresses ---- */

static bool is_host(const char *text)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    size_t size = strspn(text, bytes), digits;

    if (size == 0 || size > HOST_BYTES_MAX || text[0] == '.' || text[0] == '-')
        return false;
    if (text[size] == '\0')
        return true;
    digits = strspn(text + size + 1, "0123456789");
    return text[size] == ':' && digits >= 1 && digits <= 5 && text[size + 1 + digits] == '\0';
}

/* Numbers alone: a name is whatever somebody's name server says. */
static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 && strspn(host + 4, "0123456789.:") == strlen(host + 4);
}

/* The host and port of an http(s) address; empty for anything else. */
static struct slice host_of(struct slice url, bool *is_plain)
{
    size_t skip = url.size > 8 && memcmp(url.data, "https://", 8) == 0  ? 8
                  : url.size > 7 && memcmp(url.data, "http://", 7) == 0 ? 7
                                                                        : 0;
    size_t end = skip;

    while (end < url.size && strchr("/?#", url.data[end]) == NULL)
        end++;
    *is_plain = skip == 7;
    return skip > 0 ? (struct slice){url.data + skip, end - skip} : (struct slice){NULL, 0};
}

static struct slice without_port(struct slice host, bool is_plain)
{
    const char *standard = is_plain ? ":80" : ":443";
    size_t size = strlen(standard);

    if (host.size > size && memcmp(host.data + host.size - size, standard, size) == 0)
        host.size -= size;
    return host;
}

static bool same_host(struct slice one, struct slice two, bool is_plain)
{
    one = without_port(one, is_plain);
    two = without_port(two, is_plain);
    return one.size == two.size && one.size > 0 && strncasecmp(one.data, two.data, one.size) == 0;
}

const struct http_host *http_hosts_find(const struct config *config, struct slice url, struct slice *origin)
{
    bool is_plain;
    struct slice host = host_of(url, &is_plain);

    for (size_t i = 0; i < config->http_host_count; i++) {
        const struct http_host *entry = &config->http_hosts[i];
        if (entry->plain == is_plain && same_host(host, slice_of(entry->host), is_plain)) {
            *origin = (struct slice){url.data, (size_t)(host.data - url.data) + host.size};
            return entry;
        }
    }
    return NULL;
}

/* ---- the section ---- */

static bool read_host(const struct reader *reader, const struct yaml_node *entry, struct config *config)
{
    static const char *const known[] = {"secret", "plain", NULL};
    struct http_host *host = &config->http_hosts[config->http_host_count++];

    host->host = slice_dup(slice_of(entry->key));
    if (!is_host(entry->key))
        return reader_fail_key(reader, entry,
                               "\"%s\" is no host; write it in small letters without scheme and path, like "
                               "api.example.com or api.example.com:8443",
                               entry->key);
    if (entry->kind == YAML_SCALAR && entry->size == 0)
        return true;
    if (!yaml_only(reader->file, entry, known, reader->problem) ||
        !reader_secret(reader, entry, "secret", &host->secret) || !reader_flag(reader, entry, "plain", &host->plain))
        return false;
    if (host->plain && (!is_loopback(host->host) || !config->allow_plain_loopback))
        return reader_fail(reader, yaml_get(entry, "plain"),
                           "plain is for a numeric loopback address alone, like 127.0.0.1:8080, with "
                           "allow_plain_loopback: true");
    return true;
}

bool http_hosts_read(const struct reader *reader, const struct yaml_node *map, struct config *config)
{
    if (map->kind != YAML_MAP)
        return reader_fail(reader, map, "http_hosts must be a map of host: {secret: NAME}");
    if (map->count > HOSTS_MAX)
        return reader_fail(reader, map, "at most %d hosts", HOSTS_MAX);
    config->http_hosts = xcalloc(map->count + 1, sizeof(config->http_hosts[0]));
    for (const struct yaml_node *entry = map->child; entry != NULL; entry = entry->next)
        if (!read_host(reader, entry, config))
            return false;
    return true;
}

void http_hosts_free(struct config *config)
{
    for (size_t i = 0; i < config->http_host_count; i++) {
        free(config->http_hosts[i].host);
        free(config->http_hosts[i].secret);
    }
    free(config->http_hosts);
}

/* ---- the steps ---- */

/* The listed hosts in a few words. */
static void hosts_print(const struct config *config, struct buffer *into)
{
    for (size_t i = 0; i < config->http_host_count && into->size < LISTED_BYTES_MAX; i++)
        buffer_printf(into, "%s%s", i ? ", " : "", config->http_hosts[i].host);
    if (config->http_host_count == 0)
        buffer_text(into, "none");
    buffer_append(into, "", 1);
}

static bool check_step(const struct config *config, const struct workflow *workflow, const struct workflow_step *step,
                       struct text_problem *problem)
{
    struct slice url = json_text_at(step->fields, "url"), secret = json_text_at(step->fields, "secret"), origin;
    bool is_plain;
    struct slice host = host_of(url, &is_plain);
    struct buffer listed = {NULL, 0, 0};

    if (host.size == 0 && url.size >= 2 && memcmp(url.data, "{{", 2) == 0)
        return true;
    if (host.size > 0 && memmem(host.data, host.size, "{{", 2) != NULL)
        return true;
    const struct http_host *entry = http_hosts_find(config, url, &origin);
    if (entry == NULL) {
        hosts_print(config, &listed);
        text_problem_set(problem, workflow->file, step->line, 1,
                         "step \"%s\": the host \"%.*s\" is not listed%s under http_hosts in purser.yaml; listed: %s",
                         step->id, (int)host.size, host.size ? host.data : "", is_plain ? " as plain" : "",
                         listed.data);
        buffer_free(&listed);
        return false;
    }
    if (secret.size == 0 || (entry->secret != NULL && slice_is(secret, entry->secret)))
        return true;
    text_problem_set(problem, workflow->file, step->line, 1,
                     "step \"%s\": the secret \"%.*s\" is not listed with %s under http_hosts; it would be told to a "
                     "host that it does not belong to",
                     step->id, (int)secret.size, secret.data, entry->host);
    return false;
}

bool http_hosts_check(const struct config *config, struct text_problem *problem)
{
    for (size_t i = 0; i < config->workflow_count; i++) {
        const struct workflow *workflow = config->workflows[i];
        if (workflow->mode == WORKFLOW_OFF)
            continue;
        for (size_t k = 0; k < workflow->all_count; k++) {
            const struct workflow_step *step = workflow->all[k];
            if (step->skill != NULL && step->skill->id == SKILL_HTTP && !check_step(config, workflow, step, problem))
                return false;
        }
    }
    return true;
}
