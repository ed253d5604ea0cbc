/* expr_command - "expr": evaluates an expression as a workflow would. */
// SPDX-License-Identifier: MIT
#pragma once
#include "console/terminal/offline.h"

offline_command expr_command;
