// SPDX-License-Identifier: MIT
#include "config/secrets.h"
#include "config/http_hosts.h"
#include "config/options.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

const char *secret_state_doc(enum secret_state state)
{
    switch (state) {
    case SECRET_OK:
        return "the secret can be read";
    case SECRET_BAD_NAME:
        return "no name of a secret; write it like gemini/key";
    case SECRET_MISSING:
        return "there is no such file in secrets_dir; write the value into it with mode 0600";
    case SECRET_OPEN_MODE:
        return "the file can be read or written by others; chmod 600 it";
    case SECRET_NOT_FILE:
        return "not a regular file; links are not followed";
    case SECRET_TOO_LARGE:
        return "the file is larger than 4096 bytes";
    case SECRET_EMPTY:
        return "the file is empty";
    case SECRET_UNREADABLE:
        break;
    }
    return "the file cannot be read; it must belong to the user that runs purserd";
}

void secrets_wipe(void *memory, size_t size)
{
    explicit_bzero(memory, size);
}

/* Opens the secret's file and judges it by the opened file, not by its path: nobody can swap it in between. */
static enum secret_state open_secret(const struct config *config, struct slice name, int *fd)
{
    char file[80], path[4200];
    struct stat info;

    if (name.size == 0 || name.size > 64 || memchr(name.data, '\0', name.size) != NULL)
        return SECRET_BAD_NAME;
    memcpy(file, name.data, name.size);
    file[name.size] = '\0';
    if (!option_is_secret_name(file))
        return SECRET_BAD_NAME;
    for (char *at = file; *at != '\0'; at++)
        if (*at == '/')
            *at = '.';
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", config->secrets_dir, file) >= sizeof(path))
        return SECRET_UNREADABLE;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? SECRET_MISSING
               : errno == ELOOP                    ? SECRET_NOT_FILE
                                                   : SECRET_UNREADABLE;
    if (fstat(*fd, &info) != 0)
        return SECRET_UNREADABLE;
    if (!S_ISREG(info.st_mode))
        return SECRET_NOT_FILE;
    return info.st_mode & (S_IRWXG | S_IRWXO) ? SECRET_OPEN_MODE : SECRET_OK;
}

static enum secret_state read_value(int fd, char *value, size_t *size)
{
    ssize_t got = 0;

    *size = 0;
    while (*size <= SECRET_BYTES_MAX && (got = read(fd, value + *size, SECRET_BYTES_MAX + 1 - *size)) > 0)
        *size += (size_t)got;
    if (got < 0)
        return SECRET_UNREADABLE;
    if (*size > SECRET_BYTES_MAX)
        return SECRET_TOO_LARGE;
    if (*size > 0 && value[*size - 1] == '\n')
        *size -= 1;
    return *size == 0 ? SECRET_EMPTY : SECRET_OK;
}

enum secret_state secrets_read(const struct config *config, struct slice name, char *into, size_t room, size_t *size)
{
    char value[SECRET_BYTES_MAX + 1];
    int fd = -1;
    enum secret_state state = open_secret(config, name, &fd);

    *size = 0;
    if (state == SECRET_OK)
        state = read_value(fd, value, size);
    if (state == SECRET_OK && *size > room)
        state = SECRET_TOO_LARGE;
    if (state == SECRET_OK)
        memcpy(into, value, *size);
    else
        *size = 0;
    if (fd >= 0)
        close(fd);
    secrets_wipe(value, sizeof(value));
    return state;
}

/* The bytes of scheme://host[:port]. Anything that two readers of URLs could take apart in two ways (user@, \, control
 * bytes) gives an empty slice. */
static struct slice origin_of(struct slice url)
{
    static const char bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:[]";
    const char *start = url.size > 0 ? memmem(url.data, url.size, "://", 3) : NULL;
    size_t at;

    if (start == NULL)
        return (struct slice){NULL, 0};
    for (size_t i = 0; url.data + i < start; i++)
        if (memchr("abcdefghijklmnopqrstuvwxyz", url.data[i], 26) == NULL)
            return (struct slice){NULL, 0};
    at = (size_t)(start - url.data) + 3;
    while (at < url.size && memchr(bytes, url.data[at], sizeof(bytes) - 1) != NULL)
        at++;
    if (at < url.size && memchr("/?#", url.data[at], 3) == NULL)
        return (struct slice){NULL, 0};
    return (struct slice){url.data, at};
}

static bool same_origin(struct slice a, struct slice b)
{
    struct slice left = origin_of(a), right = origin_of(b);

    return left.size > 0 && left.size == right.size && strncasecmp(left.data, right.data, left.size) == 0;
}

void secrets_shopify_url(const struct config *config, char url[SHOPIFY_URL_ROOM])
{
    url[0] = '\0';
    if (config->shopify_url != NULL && config->shopify_url[0] != '\0')
        snprintf(url, SHOPIFY_URL_ROOM, "%s", config->shopify_url);
    else if (config->shopify_shop != NULL && config->shopify_shop[0] != '\0')
        snprintf(url, SHOPIFY_URL_ROOM, "https://%s", config->shopify_shop);
}

bool secrets_is_shopify(const struct config *config, struct slice url)
{
    char base[SHOPIFY_URL_ROOM];

    secrets_shopify_url(config, base);
    return same_origin(url, slice_of(base));
}

static bool is_name(struct slice name, const char *option)
{
    return option != NULL && option[0] != '\0' && slice_is(name, option);
}

long secrets_lookup(void *context, struct slice name, struct slice url, char *into, size_t room)
{
    const struct config *config = context;
    struct slice origin;
    const struct http_host *host = http_hosts_find(config, origin_of(url), &origin);
    size_t size;
    bool bound = (is_name(name, config->gemini_key) && same_origin(url, slice_of(config->gemini_url))) ||
                 (is_name(name, config->telegram_token) && same_origin(url, slice_of(config->telegram_url))) ||
                 (is_name(name, config->instagram_token) && same_origin(url, slice_of(config->instagram_url))) ||
                 (is_name(name, config->facebook_token) && same_origin(url, slice_of(config->facebook_url))) ||
                 (is_name(name, config->mail_password) && same_origin(url, slice_of(config->mail_url))) ||
                 ((is_name(name, config->shopify_token) || is_name(name, config->shopify_client_secret)) &&
                  secrets_is_shopify(config, url)) ||
                 (host != NULL && host->secret != NULL && slice_is(name, host->secret));

    if (!bound)
        return -2;
    return secrets_read(config, name, into, room, &size) == SECRET_OK ? (long)size : -1;
}
