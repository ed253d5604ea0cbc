// SPDX-License-Identifier: MIT
#include "proto/ops.h"

#define FIELD(type, field, text) {#type, #field, text},
#define OP(ID, name, doc, fields) static const struct field_info fields_##name[] = {fields};
#include "proto/ops.def"
#undef OP
#undef FIELD

const struct op_info op_info[OP_COUNT] = {
#define OP(ID, op, text, list) [OP_##ID] = {#op, text, fields_##op, sizeof(fields_##op) / sizeof(fields_##op[0])},
#include "proto/ops.def"
#undef OP
};

#define FIELD(type, name, doc) field_put_##type(into, op->name);
#define OP(ID, name, doc, fields)                                                                                      \
    void op_put_##name(struct buffer *into, const struct op_##name *op)                                                \
    {                                                                                                                  \
        wire_put_array(into, 1 + op_info[OP_##ID].field_count);                                                        \
        wire_put_u64(into, OP_##ID);                                                                                   \
        fields                                                                                                         \
    }
#include "proto/ops.def"
#undef OP
#undef FIELD

#define FIELD(type, name, doc) field_take_##type(wire, &op->name);
#define OP(ID, name, doc, fields)                                                                                      \
    static void take_##name(struct wire *wire, struct op_##name *op)                                                   \
    {                                                                                                                  \
        fields                                                                                                         \
    }
#include "proto/ops.def"
#undef OP
#undef FIELD

bool op_take(struct wire *wire, struct op *op)
{
    if (wire->bad || wire->at == wire->end)
        return false;
    size_t count = wire_take_array(wire);
    uint64_t id = wire_take_u64(wire);

    if (wire->bad || id >= OP_COUNT || count != 1 + op_info[id].field_count) {
        wire->bad = true;
        return false;
    }
    op->id = (enum op_id)id;
    switch (op->id) {
#define OP(ID, name, doc, fields)                                                                                      \
    case OP_##ID:                                                                                                      \
        take_##name(wire, &op->name);                                                                                  \
        break;
#include "proto/ops.def"
#undef OP
    case OP_COUNT:
        break;
    }
    return !wire->bad;
}
