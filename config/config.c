// SPDX-License-Identifier: MIT
#include "config/config.h"
#include "config/approvers.h"
#include "config/channels.h"
#include "config/files.h"
#include "config/http_hosts.h"
#include "config/options.h"
#include "config/sections.h"
#include "config/workflows.h"
#include "flow/zone.h"
#include "proto/check.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { SOCKET_PATH_MAX = 107, WRONG_MAX = 300 };

/* Where each option stood in the file, for checks that come after reading; NULL when it keeps its default. */
struct places {
    const struct yaml_node *root, *at[OPTION_COUNT];
};

struct config *config_default(void)
{
    struct config *config = xcalloc(1, sizeof(*config));
    char wrong[WRONG_MAX];

    for (size_t i = 0; i < OPTION_COUNT; i++)
        CHECK(option_set(config, &option_info[i], option_info[i].standard, false, wrong, sizeof(wrong)));
    return config;
}

void config_free(struct config **config)
{
    struct config *old = *config;

    *config = NULL;
    if (old == NULL)
        return;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char *text;
        if (option_info[i].type >= OPTION_flag)
            continue;
        memcpy(&text, (char *)old + option_info[i].offset, sizeof(text));
        free(text);
    }
    workflows_destroy(&old->workflows, &old->workflow_count);
    workflows_free_modes(old);
    sections_free(old);
    approvers_free(old);
    channels_free(old);
    http_hosts_free(old);
    free(old->file);
    free(old->folder);
    free(old);
}

static bool know_keys(const struct reader *reader, const struct yaml_node *root)
{
    static const char *const known[] = {
#define OPTION(type, name, standard, min, max, doc) #name,
#include "config/options.def"
#undef OPTION
        "hooks", "queues", "limits", "channels", "holidays", "approvers", "http_hosts", "modes", NULL};

    return yaml_only(reader->file, root, known, reader->problem);
}

static bool read_options(const struct reader *reader, struct places *places, struct config *config)
{
    char wrong[WRONG_MAX];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_info *option = &option_info[i];
        const struct yaml_node *node = yaml_get(places->root, option->name);
        places->at[i] = node;
        if (node != NULL && node->kind != YAML_SCALAR)
            return reader_fail(reader, node, "%s must be one value, not a list or map", option->name);
        if (!option_set(config, option, node ? node->text : option->standard, node && node->quoted, wrong,
                        sizeof(wrong)))
            return reader_fail(reader, node ? node : places->root, "%s", wrong);
    }
    return true;
}

/* A problem at the option's place, or at the top of the file when the option keeps its default. */
static bool fail_option(const struct reader *reader, const struct places *places, enum option_id id, const char *text)
{
    const struct yaml_node *node = places->at[id] ? places->at[id] : places->root;

    return reader_fail(reader, node, "%s %s", option_info[id].name, text);
}

static bool is_address(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_loopback(const char *text)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) == 1)
        return ntohl(address.s_addr) >> 24 == 127;
    return strcmp(text, "::1") == 0;
}

static bool check_addresses(const struct reader *reader, const struct places *places, const struct config *config)
{
    static const char wrong[] = "must be a numeric address, like 127.0.0.1 or ::1";

    if (!is_address(config->http_address))
        return fail_option(reader, places, OPTION_ID_http_address, wrong);
    if (!is_address(config->producer_address))
        return fail_option(reader, places, OPTION_ID_producer_address, wrong);
    if (!is_address(config->metrics_address))
        return fail_option(reader, places, OPTION_ID_metrics_address, wrong);
    if (!is_loopback(config->producer_address))
        return fail_option(reader, places, OPTION_ID_producer_address,
                           "must be a loopback address: producers are not authenticated yet; tunnel to it from other "
                           "machines");
    if (config->http_port == config->producer_port || config->producer_port == config->metrics_port)
        return fail_option(reader, places, OPTION_ID_producer_port, "is the port of another listener");
    if (config->http_port == config->metrics_port)
        return fail_option(reader, places, OPTION_ID_metrics_port, "is the port of another listener");
    return true;
}

/* The host of scheme://host[:port] when that is all there is; empty otherwise. */
static struct slice host_of(const char *url, const char *scheme)
{
    static const char bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    size_t skip = strlen(scheme), size;
    bool is_v6;

    if (strncmp(url, scheme, skip) != 0)
        return (struct slice){NULL, 0};
    url += skip;
    is_v6 = url[0] == '[';
    size = is_v6 ? strspn(url + 1, "0123456789abcdefABCDEF:") : strspn(url, bytes);
    const char *rest = url + size + (is_v6 ? 2 : 0);
    if (size == 0 || (is_v6 && url[1 + size] != ']'))
        return (struct slice){NULL, 0};
    if (rest[0] == ':' && (rest[1] == '\0' || strlen(rest) > 6 || rest[1 + strspn(rest + 1, "0123456789")] != '\0'))
        return (struct slice){NULL, 0};
    if (rest[0] != ':' && rest[0] != '\0')
        return (struct slice){NULL, 0};
    return (struct slice){url + is_v6, size};
}

static bool plain_allowed(const struct config *config, struct slice host)
{
    char *text = slice_dup(host);
    bool allowed = config->allow_plain_loopback && is_loopback(text);

    free(text);
    return allowed;
}

/* The shop's name becomes a host, and the version a piece of every address. */
static bool check_shopify(const struct reader *reader, const struct places *places, const struct config *config)
{
    static const char words[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    struct slice plain = host_of(config->shopify_url, "http://");
    bool has_url = config->shopify_url[0] != '\0';

    if (strspn(config->shopify_version, words) != strlen(config->shopify_version))
        return fail_option(reader, places, OPTION_ID_shopify_version, "must be like 2026-07");
    if (config->shopify_shop[strspn(config->shopify_shop, "abcdefghijklmnopqrstuvwxyz0123456789-.")] != '\0')
        return fail_option(reader, places, OPTION_ID_shopify_shop, "must be a host name, like my-shop.myshopify.com");
    if (has_url && plain.size == 0 && host_of(config->shopify_url, "https://").size == 0)
        return fail_option(reader, places, OPTION_ID_shopify_url, "must be https://host or https://host:port, no path");
    if (plain.size > 0 && !plain_allowed(config, plain))
        return fail_option(reader, places, OPTION_ID_shopify_url,
                           "may be http:// only for a loopback address, with allow_plain_loopback: true");
    if (config->shopify_client_id[0] != '\0' && config->shopify_client_secret[0] == '\0')
        return fail_option(reader, places, OPTION_ID_shopify_client_id,
                           "is set, so shopify_client_secret must name a secret");
    if (config->shopify_hooks_url[0] != '\0' && strncmp(config->shopify_hooks_url, "https://", 8) != 0 &&
        host_of(config->shopify_hooks_url, "http://").size == 0)
        return fail_option(reader, places, OPTION_ID_shopify_hooks_url, "must be like https://pi.example.net");
    return true;
}

static bool check_services(const struct reader *reader, const struct places *places, const struct config *config)
{
    struct slice plain = host_of(config->gemini_url, "http://"), clear = host_of(config->mail_url, "smtp://");

    if (plain.size > 0 && !plain_allowed(config, plain))
        return fail_option(reader, places, OPTION_ID_gemini_url,
                           "may be http:// only for a loopback address, with allow_plain_loopback: true");
    if (plain.size == 0 && host_of(config->gemini_url, "https://").size == 0)
        return fail_option(reader, places, OPTION_ID_gemini_url, "must be https://host or https://host:port, no path");
    if (!check_shopify(reader, places, config))
        return false;
    if (config->mail_url[0] == '\0')
        return true;
    if (clear.size == 0 && host_of(config->mail_url, "smtps://").size == 0)
        return fail_option(reader, places, OPTION_ID_mail_url, "must be smtp://host:port or smtps://host:port");
    if (clear.size > 0 && !config->mail_starttls && !plain_allowed(config, clear))
        return fail_option(reader, places, OPTION_ID_mail_starttls,
                           "may be false only for a loopback address, with allow_plain_loopback: true");
    const char *at = strchr(config->mail_from, '@');
    if (at == NULL || at == config->mail_from || at[1] == '\0' || strpbrk(config->mail_from, " <>,;\"") != NULL)
        return fail_option(reader, places, OPTION_ID_mail_from, "must be an address like shop@example.org");
    if (config->mail_user[0] != '\0' && config->mail_password[0] == '\0')
        return fail_option(reader, places, OPTION_ID_mail_user, "is set, so mail_password must name a secret");
    return true;
}

static bool check_shop(const struct reader *reader, const struct places *places, const struct config *config)
{
    struct zone *zone = zone_open(config->shop_zone);
    bool known = zone != NULL;

    zone_close(&zone);
    if (!known)
        return fail_option(reader, places, OPTION_ID_shop_zone, "is no known time zone; write it like Europe/Berlin");
    if (strspn(config->shop_currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
        return fail_option(reader, places, OPTION_ID_shop_currency, "must be three capital letters, like EUR");
    if (config->payload_bytes_max < config->http_body_bytes_max / 16)
        return fail_option(reader, places, OPTION_ID_payload_bytes_max, "is far smaller than http_body_bytes_max");
    return true;
}

/* Paths that stand in data_dir unless they are said, and the domain that follows from the address. */
static void fill_in(struct config *config)
{
    char **const fields[] = {&config->control_socket, &config->sqlite_path};
    const char *const names[] = {"control.sock", "shop.sqlite"};

    for (size_t i = 0; i < 2; i++) {
        struct buffer path = {NULL, 0, 0};
        if ((*fields[i])[0] != '\0')
            continue;
        buffer_printf(&path, "%s/%s", config->data_dir, names[i]);
        buffer_append(&path, "", 1);
        free(*fields[i]);
        *fields[i] = path.data;
    }
    const char *at = strrchr(config->mail_from, '@');
    if (config->mail_domain[0] == '\0' && at != NULL) {
        free(config->mail_domain);
        config->mail_domain = slice_dup(slice_of(at + 1));
    }
}

static bool read_limits_file(struct config *config, struct text_problem *problem)
{
    static const char *const known[] = {"limits", NULL};
    const struct reader reader = {config->limits_file, problem};
    struct yaml_node *root;
    const struct yaml_node *map;
    bool good;

    if (config->limits_file[0] == '\0')
        return true;
    root = yaml_read_file(config->limits_file, problem);
    good = root != NULL && yaml_only(reader.file, root, known, problem);
    map = good ? yaml_get(root, "limits") : NULL;
    good = good && (map == NULL || sections_read_limits(&reader, map, config));
    yaml_node_free(root);
    return good;
}

static bool read_prompts(struct config *config, struct text_problem *problem)
{
    struct file_list list;
    bool good = files_list(config->prompts_dir, &list, problem);

    for (size_t i = 0; good && i < list.count; i++)
        good = files_read_prompt(list.paths[i], config, problem);
    files_list_free(&list);
    return good;
}

static bool read_sections(const struct reader *reader, const struct yaml_node *root, struct config *config)
{
    const struct yaml_node *hooks = yaml_get(root, "hooks"), *queues = yaml_get(root, "queues"),
                           *limits = yaml_get(root, "limits"), *channels = yaml_get(root, "channels"),
                           *holidays = yaml_get(root, "holidays"), *approvers = yaml_get(root, "approvers"),
                           *hosts = yaml_get(root, "http_hosts");

    return (hooks == NULL || sections_read_hooks(reader, hooks, config)) &&
           (queues == NULL || sections_read_queues(reader, queues, config)) &&
           read_limits_file(config, reader->problem) &&
           (limits == NULL || sections_read_limits(reader, limits, config)) &&
           (approvers == NULL || approvers_read(reader, approvers, config)) &&
           (hosts == NULL || http_hosts_read(reader, hosts, config)) &&
           (channels == NULL || channels_read(reader, channels, config)) &&
           (holidays == NULL || holidays_read(reader, holidays, config));
}

static bool read_all(const struct reader *reader, const struct yaml_node *root, struct config *config)
{
    const struct yaml_node *modes = yaml_get(root, "modes");
    struct places places = {.root = root};

    if (!know_keys(reader, root) || !read_options(reader, &places, config))
        return false;
    fill_in(config);
    if (!check_addresses(reader, &places, config) || !check_services(reader, &places, config) ||
        !check_shop(reader, &places, config))
        return false;
    if (strlen(config->control_socket) > SOCKET_PATH_MAX)
        return fail_option(reader, &places, OPTION_ID_control_socket,
                           "comes out longer than 107 bytes, the bound of a socket's path; set a shorter one");
    return read_sections(reader, root, config) &&
           (config->prices_file[0] == '\0' || files_read_prices(config->prices_file, config, reader->problem)) &&
           read_prompts(config, reader->problem) &&
           (modes == NULL || workflows_read_modes(reader, modes, config)) &&
           workflows_load(config, &config->workflows, &config->workflow_count, reader->problem);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? slice_dup(SLICE(".")) : slice_dup((struct slice){path, (size_t)(slash - path)});
    char *real = realpath(folder[0] != '\0' ? folder : "/", NULL);

    if (real == NULL)
        return folder;
    free(folder);
    return real;
}

struct config *config_load(const char *path, struct text_problem *problem)
{
    const struct reader reader = {path, problem};
    struct yaml_node *root = yaml_read_file(path, problem);
    struct config *config;

    if (root == NULL)
        return NULL;
    config = xcalloc(1, sizeof(*config));
    config->file = slice_dup(slice_of(path));
    config->folder = folder_of(path);
    if (!read_all(&reader, root, config))
        config_free(&config);
    yaml_node_free(root);
    return config;
}

const struct hook *config_hook(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->hook_count; i++)
        if (slice_is(name, config->hooks[i].name))
            return &config->hooks[i];
    return NULL;
}

const struct queue_rule *config_queue(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->queue_count; i++)
        if (slice_is(name, config->queues[i].name))
            return &config->queues[i];
    return NULL;
}

const struct limit *config_limit(const struct config *config, struct slice gate)
{
    for (size_t i = 0; i < config->limit_count; i++)
        if (slice_is(gate, config->limits[i].gate))
            return &config->limits[i];
    return NULL;
}

const struct prompt *config_prompt(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->prompt_count; i++)
        if (slice_is(name, config->prompts[i].name))
            return &config->prompts[i];
    return NULL;
}

const struct price *config_price(const struct config *config, struct slice model, int64_t now_ms)
{
    const struct price *found = NULL;

    for (size_t i = 0; i < config->price_count; i++) {
        const struct price *price = &config->prices[i];
        if (slice_is(model, price->model) && price->from_ms <= now_ms &&
            (found == NULL || price->from_ms >= found->from_ms))
            found = price;
    }
    return found;
}
