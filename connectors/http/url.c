// SPDX-License-Identifier: MIT
#include "connectors/http/url.h"
#include <string.h>
#include <strings.h>

static const char *host_problem(struct slice host)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    const char *colon = memchr(host.data, ':', host.size);
    size_t size = colon != NULL ? (size_t)(colon - host.data) : host.size, digits = host.size - size;

    if (size == 0 || size > 253)
        return "names no host";
    for (size_t i = 0; i < size; i++)
        if (memchr(letters, host.data[i], sizeof(letters) - 1) == NULL)
            return "names a host with other characters than letters, digits, dots and hyphens";
    if (colon == NULL)
        return NULL;
    if (digits < 2 || digits > 6)
        return "names no port behind the colon";
    for (size_t i = 1; i < digits; i++)
        if (colon[i] < '0' || colon[i] > '9')
            return "names no port behind the colon";
    return NULL;
}

const char *url_problem(struct slice url, struct url_parts *parts)
{
    size_t skip = 0, end;

    if (url.size > 8 && memcmp(url.data, "https://", 8) == 0)
        skip = 8;
    else if (url.size > 7 && memcmp(url.data, "http://", 7) == 0)
        skip = 7;
    if (skip == 0)
        return "must begin with https:// and name a host";
    for (size_t i = 0; i < url.size; i++)
        if (url.data[i] <= ' ' || url.data[i] >= 0x7f || strchr("\\#\"<>^`{|}", url.data[i]) != NULL)
            return "holds a character that must be written as %XX";
    for (end = skip; end < url.size && url.data[end] != '/' && url.data[end] != '?';)
        end++;
    *parts = (struct url_parts){skip == 7, {url.data, end}, {url.data + skip, end - skip}};
    if (memchr(parts->host.data, '@', parts->host.size) != NULL)
        return "must not name a user";
    return host_problem(parts->host);
}

static struct slice without_port(struct slice host, bool is_plain)
{
    const char *standard = is_plain ? ":80" : ":443";
    size_t size = strlen(standard);

    if (host.size > size && memcmp(host.data + host.size - size, standard, size) == 0)
        host.size -= size;
    return host;
}

bool url_same_host(struct slice one, struct slice two, bool is_plain)
{
    one = without_port(one, is_plain);
    two = without_port(two, is_plain);
    return one.size == two.size && one.size > 0 && strncasecmp(one.data, two.data, one.size) == 0;
}
