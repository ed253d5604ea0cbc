// SPDX-License-Identifier: MIT
#include "actors/publisher/shopify.h"
#include "config/vault.h"
#include <string.h>

static void add_hook(json_t *webhooks, const struct config *config, const char *name, const char *topic)
{
    size_t size = strlen(config->shopify_hooks_url);
    struct buffer uri = {NULL, 0, 0};

    while (size > 0 && config->shopify_hooks_url[size - 1] == '/')
        size--;
    buffer_printf(&uri, "%.*s/hooks/%s", (int)size, config->shopify_hooks_url, name);
    json_array_append_new(webhooks, json_pack("{s:s, s:s%}", "topic", topic, "uri", uri.data, uri.size));
    buffer_free(&uri);
}

static json_t *webhooks_of(const struct config *config)
{
    json_t *webhooks = json_array();

    for (size_t i = 0; i < config->hook_count && config->shopify_hooks_url[0] != '\0'; i++) {
        const struct hook *hook = &config->hooks[i];
        if (hook->scheme != HOOK_SHOPIFY || strcmp(hook->shop, config->shopify_shop) != 0)
            continue;
        if (hook->topic != NULL)
            add_hook(webhooks, config, hook->name, hook->topic);
        for (size_t k = 0; k < hook->topic_count; k++)
            add_hook(webhooks, config, hook->name, hook->topics[k]);
    }
    return webhooks;
}

json_t *shopify_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                        struct scratch *scratch, struct step *step)
{
    bool is_permanent = config->shopify_token[0] != '\0';
    char url[SHOPIFY_URL_ROOM];
    json_t *inputs;

    *settings = (struct connector_settings){0};
    secrets_shopify_url(config, url);
    if (url[0] == '\0' || config->shopify_shop[0] == '\0' || !(is_permanent || config->shopify_client_id[0] != '\0')) {
        step_fail(scratch, step, ERROR_NO_SECRET,
                  "the shop is not set up: shopify_shop, and shopify_client_id or shopify_token, are needed");
        return NULL;
    }
    inputs = json_deep_copy(input);
    json_object_set_new(inputs, "webhooks", webhooks_of(config));
    json_object_set_new(inputs, "url", json_string(url)); /* lives as long as the inputs do */
    *settings = (struct connector_settings){
        .url = json_text_at(inputs, "url"),
        .secret = is_permanent ? slice_of(config->shopify_token) : SLICE(VAULT_SHOPIFY),
        .user = is_permanent ? (struct slice){NULL, 0} : slice_of(config->shopify_client_id),
        .client_secret = slice_of(config->shopify_client_secret),
        .shop = slice_of(config->shopify_shop),
        .version = slice_of(config->shopify_version),
        .timeout_ms = (uint32_t)config->shopify_timeout_ms,
    };
    return inputs;
}
