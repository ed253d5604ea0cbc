/* help - made from commands.def. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/commands.h"

void help_all(struct buffer *into);
void help_command(struct buffer *into, enum command_id command);
