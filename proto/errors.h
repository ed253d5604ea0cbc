/* errors - what can go wrong outside our own code, each with its retry class (errors.def).
 * What goes wrong inside it is not an error: CHECK() in runtime/check.h. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum error {
#define ERROR(ID, name, retry_class, doc) ERROR_##ID,
#include "proto/errors.def"
#undef ERROR
    ERROR_COUNT
};

enum retry_class { RETRY_NONE, RETRY_PERMANENT, RETRY_TRANSIENT, RETRY_WAIT, RETRY_UNKNOWN, RETRY_HUMAN };

const char *error_name(enum error error);
const char *error_doc(enum error error);
enum retry_class error_class(enum error error);
const char *retry_class_name(enum retry_class retry_class);
/* Inverse of error_name(); false when there is no such error. */
bool error_from_name(struct slice name, enum error *error);
