/* quota - when a daily quota of Google starts again. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

/* The first midnight after now_ms, of the Pacific zone (with the summer time rule of 2007) or of UTC; UTC ms. */
int64_t quota_next_day_ms(int64_t now_ms, enum day_reset reset);
