/* schedule_command - "schedule next" and "schedule explain". */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/offline.h"

offline_command schedule_command_next;
offline_command schedule_command_explain;
