/* publisher - works off queue publish: everything that has an effect outside. Before an effect that could double, its
 * intent is on disk; one whose answer was lost is never repeated blindly. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

extern const struct actor_spec publisher_spec;
