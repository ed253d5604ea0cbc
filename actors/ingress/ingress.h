/* ingress - takes work in: webhooks over HTTP (POST /hooks/NAME), jobs of producers over a ROUTER on loopback, the
 * console's `push`, and what people say to the Telegram bot. Yes is said after the commit that holds the work and its
 * dedup claims, never before. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

extern const struct actor_spec ingress_spec;
