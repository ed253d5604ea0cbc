/* stored - the packed values of the store, generated from stored.def. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/codec.h"

#define FIELD(type, name, doc) FIELD_TYPE_##type name;
#define STORED(ID, name, doc, fields)                                                                                  \
    struct stored_##name {                                                                                             \
        fields                                                                                                         \
    };
#include "store/stored.def"
#undef STORED
#undef FIELD

/* put appends the packed value; take is strict and false on anything else. Taken slices borrow `bytes`. */
#define STORED(ID, name, doc, fields)                                                                                  \
    void stored_put_##name(struct buffer *into, const struct stored_##name *value);                                    \
    bool stored_take_##name(struct slice bytes, struct stored_##name *value);
#include "store/stored.def"
#undef STORED
