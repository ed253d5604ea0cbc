/* secrets - the one place that turns the name of a secret into its value. "gemini/key" is the file gemini.key in
 * secrets_dir: slashes become dots, so that the folder is flat and can be systemd's credentials folder. Only the owner
 * may read such a file (mode 0600 or 0400). Values are read at each use, never kept: a new one needs no restart. */
// SPDX-License-Identifier: MIT
#pragma once
#include "config/config.h"

enum { SECRET_BYTES_MAX = 4096, SHOPIFY_URL_ROOM = 520 };

enum secret_state {
    SECRET_OK,
    SECRET_BAD_NAME,  /* no name of a secret, or not wanted: the reference is empty */
    SECRET_MISSING,   /* there is no such file */
    SECRET_OPEN_MODE, /* group or others may read or write it */
    SECRET_NOT_FILE,  /* a link, a folder, a device */
    SECRET_TOO_LARGE, /* past SECRET_BYTES_MAX, or past the room given */
    SECRET_EMPTY,     /* nothing in it but a newline */
    SECRET_UNREADABLE /* the system refuses to read it */
};

/* What is wrong and what would be right, for people. */
const char *secret_state_doc(enum secret_state state);

/* The value without one trailing newline into `into`. The caller wipes it after use with secrets_wipe(). */
enum secret_state secrets_read(const struct config *config, struct slice name, char *into, size_t room, size_t *size);
void secrets_wipe(void *memory, size_t size);

/* Where the Admin API is: shopify_url, else "https://" and shopify_shop; empty when neither is set. */
void secrets_shopify_url(const struct config *config, char url[SHOPIFY_URL_ROOM]);
/* Whether an address leads there. */
bool secrets_is_shopify(const struct config *config, struct slice url);

/* The http_secret_lookup of runtime/io/http_client.h; `context` is a const struct config. A secret is told only for the
 * service it is bound to: gemini_key for gemini_url, mail_password for mail_url, telegram_token for telegram_url,
 * instagram_token for instagram_url, facebook_token for facebook_url, shopify_token and shopify_client_secret for the
 * Admin API, the secret of an http host for that host; scheme, host and port alike. Returns its size, -1 (no value) or
 * -2 (not for this host). */
long secrets_lookup(void *context, struct slice name, struct slice url, char *into, size_t room);
