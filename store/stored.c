// SPDX-License-Identifier: MIT
#include "store/stored.h"

#define FIELD(type, name, doc) +1
#define STORED(ID, name, doc, fields) enum { COUNT_##ID = 0 fields };
#include "store/stored.def"
#undef STORED
#undef FIELD

#define FIELD(type, name, doc) field_put_##type(into, value->name);
#define STORED(ID, name, doc, fields)                                                                                  \
    void stored_put_##name(struct buffer *into, const struct stored_##name *value)                                     \
    {                                                                                                                  \
        wire_put_array(into, COUNT_##ID);                                                                              \
        fields                                                                                                         \
    }
#include "store/stored.def"
#undef STORED
#undef FIELD

#define FIELD(type, name, doc) field_take_##type(&wire, &value->name);
#define STORED(ID, name, doc, fields)                                                                                  \
    bool stored_take_##name(struct slice bytes, struct stored_##name *value)                                           \
    {                                                                                                                  \
        struct wire wire = wire_over(bytes);                                                                           \
        if (wire_take_array(&wire) != COUNT_##ID)                                                                      \
            wire.bad = true;                                                                                           \
        fields                                                                                                         \
        return wire_done(&wire);                                                                                       \
    }
#include "store/stored.def"
#undef STORED
#undef FIELD
