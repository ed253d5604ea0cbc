/* sha256 - a digest (FIPS 180-4) for flow, which stands below the owner of libcrypto. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { SHA256_HEX_BYTES = 65 };

/* 64 lower-case hex digits and a NUL. */
void sha256_hex(struct slice data, char hex[SHA256_HEX_BYTES]);
