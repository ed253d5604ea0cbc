/* ai_worker - works off queue ai: calls to language models, within budgets, with the prompts of the configuration. */
// SPDX-License-Identifier: MIT
#pragma once
#include "runtime/actor.h"

extern const struct actor_spec ai_worker_spec;
