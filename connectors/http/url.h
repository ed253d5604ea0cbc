/* url - the few things to know of an address before it is called. Pure. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

struct url_parts {
    bool is_plain;       /* http:// */
    struct slice origin; /* "https://host:8443" */
    struct slice host;   /* "host:8443", as written */
};

/* NULL, or what is wrong: only http(s)://host[:port][/path][?query], visible ASCII, no user, no backslash and no
 * fragment, so that no two readers of URLs take it apart in two ways. Slices borrow `url`. */
const char *url_problem(struct slice url, struct url_parts *parts);
/* Whether two hosts are the same, the standard port said or not. */
bool url_same_host(struct slice one, struct slice two, bool is_plain);
