// SPDX-License-Identifier: MIT
#include "config/vault.h"
#include "runtime/clock.h"
#include <string.h>

enum { MARGIN_MS_MAX = 300000, MARGIN_PART = 10 };

static bool is_ours(const struct config *config, struct slice name, struct slice url)
{
    return slice_is(name, VAULT_SHOPIFY) && secrets_is_shopify(config, url);
}

static struct vault_token *find(struct vault *vault, struct slice name)
{
    for (size_t i = 0; i < VAULT_TOKENS_MAX; i++)
        if (slice_is(name, vault->tokens[i].name))
            return &vault->tokens[i];
    return NULL;
}

void vault_wipe(struct vault *vault)
{
    secrets_wipe(vault->tokens, sizeof(vault->tokens));
}

long vault_lookup(void *context, struct slice name, struct slice url, char *into, size_t room)
{
    struct vault *vault = context;
    const struct vault_token *token = find(vault, name);
    bool ours = is_ours(vault->config, name, url);

    if (!ours)
        return slice_is(name, VAULT_SHOPIFY) ? -2
                                             : secrets_lookup((void *)(uintptr_t)vault->config, name, url, into, room);
    if (token == NULL || token->size > room || clock_monotonic_ms() >= token->until_ms)
        return -1;
    memcpy(into, token->value, token->size);
    return (long)token->size;
}

/* A little before its end a token counts as ended, so that no call meets the end on its way. */
static int64_t end_of(int64_t lives_ms)
{
    int64_t margin = lives_ms / MARGIN_PART < MARGIN_MS_MAX ? lives_ms / MARGIN_PART : MARGIN_MS_MAX;

    return lives_ms < 0 ? INT64_MAX : clock_monotonic_ms() + lives_ms - margin;
}

bool vault_keep(void *context, struct slice name, struct slice url, struct slice value, int64_t lives_ms)
{
    struct vault *vault = context;
    struct vault_token *token = find(vault, name);

    for (size_t i = 0; i < VAULT_TOKENS_MAX && token == NULL; i++)
        if (vault->tokens[i].name[0] == '\0')
            token = &vault->tokens[i];
    if (token == NULL || !is_ours(vault->config, name, url) || name.size >= sizeof(token->name) || value.size == 0 ||
        value.size > sizeof(token->value))
        return false;
    secrets_wipe(token, sizeof(*token));
    memcpy(token->name, name.data, name.size);
    memcpy(token->value, value.data, value.size);
    token->size = value.size;
    token->until_ms = end_of(lives_ms);
    return true;
}
