/* vault - tokens that services gave us while the program runs, in memory alone: after a restart they are fetched anew.
 * Behind it stand the secret files. One vault belongs to one thread. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/secrets.h"

/* The reference of the token that Shopify gave for shopify_client_id and its secret. No file has this name. */
#define VAULT_SHOPIFY "vault/shopify-access"

enum { VAULT_TOKENS_MAX = 8 };

struct vault_token {
    char name[64];
    size_t size;
    int64_t until_ms; /* monotonic; INT64_MAX: nobody said */
    char value[SECRET_BYTES_MAX];
};

struct vault {
    const struct config *config; /* borrowed */
    struct vault_token tokens[VAULT_TOKENS_MAX];
};

/* Forgets every token. */
void vault_wipe(struct vault *vault);

/* The http_secret_lookup of runtime/io/http_client.h; `context` is a struct vault. What is not here is looked up among
 * the secret files. A token whose time is nearly over has no value. */
long vault_lookup(void *context, struct slice name, struct slice url, char *into, size_t room);
/* The http_secret_keep; `context` is a struct vault. False unless the reference is one of ours and `url` its service.
 */
bool vault_keep(void *context, struct slice name, struct slice url, struct slice value, int64_t lives_ms);
