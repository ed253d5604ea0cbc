/* sha256 - a digest for libraries that stand below runtime's. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

void sha256_hex(struct slice data, char hex[65]);
