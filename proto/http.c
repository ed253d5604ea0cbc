// SPDX-License-Identifier: MIT
#include "proto/http.h"
#include <string.h>
#include <strings.h>

const struct http_header *http_header_find(const struct http_request *request, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < request->header_count; i++) {
        struct slice found = request->headers[i].name;
        if (found.size == size && size > 0 && strncasecmp(found.data, name, size) == 0)
            return &request->headers[i];
    }
    return NULL;
}
