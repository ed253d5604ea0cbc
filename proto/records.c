// SPDX-License-Identifier: MIT
#include "proto/records.h"

#define FIELD(type, name, doc) +1
#define RECORD(ID, name, doc, fields) enum { COUNT_##ID = 0 fields };
#include "proto/records.def"
#undef RECORD
#undef FIELD

#define FIELD(type, name, doc) field_put_##type(into, record->name);
#define RECORD(ID, name, doc, fields)                                                                                  \
    void record_put_##name(struct buffer *into, const struct record_##name *record)                                    \
    {                                                                                                                  \
        wire_put_array(into, COUNT_##ID);                                                                              \
        fields                                                                                                         \
    }
#include "proto/records.def"
#undef RECORD
#undef FIELD

#define FIELD(type, name, doc) field_take_##type(wire, &record->name);
#define RECORD(ID, name, doc, fields)                                                                                  \
    bool record_take_##name(struct wire *wire, struct record_##name *record)                                           \
    {                                                                                                                  \
        if (wire_take_array(wire) != COUNT_##ID)                                                                       \
            wire->bad = true;                                                                                          \
        fields return !wire->bad;                                                                                      \
    }
#include "proto/records.def"
#undef RECORD
#undef FIELD
