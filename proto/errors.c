// SPDX-License-Identifier: MIT
#include "proto/errors.h"

static const struct {
    const char *name, *doc;
    enum retry_class retry_class;
} errors[ERROR_COUNT] = {
#define ERROR(ID, name, retry_class, doc) [ERROR_##ID] = {name, doc, RETRY_##retry_class},
#include "proto/errors.def"
#undef ERROR
};

const char *error_name(enum error error)
{
    return error < ERROR_COUNT ? errors[error].name : "unknown-error";
}

const char *error_doc(enum error error)
{
    return error < ERROR_COUNT ? errors[error].doc : "";
}

enum retry_class error_class(enum error error)
{
    return error < ERROR_COUNT ? errors[error].retry_class : RETRY_PERMANENT;
}

const char *retry_class_name(enum retry_class retry_class)
{
    static const char *const names[] = {"none", "permanent", "transient", "wait", "unknown", "human"};

    return names[retry_class];
}

bool error_from_name(struct slice name, enum error *error)
{
    for (unsigned i = 0; i < ERROR_COUNT; i++)
        if (slice_is(name, errors[i].name)) {
            *error = (enum error)i;
            return true;
        }
    return false;
}
