/* ops - the operations of a commit, generated from ops.def. A commit is a run of packed operations. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/codec.h"

enum { OPS_PER_COMMIT_MAX = 1024, NAME_BYTES_MAX = 64, STEP_BYTES_MAX = 100, KEY_BYTES_MAX = 400 };

enum op_id {
#define OP(ID, name, doc, fields) OP_##ID,
#include "proto/ops.def"
#undef OP
    OP_COUNT
};

#define FIELD(type, name, doc) FIELD_TYPE_##type name;
#define OP(ID, name, doc, fields)                                                                                      \
    struct op_##name {                                                                                                 \
        fields                                                                                                         \
    };
#include "proto/ops.def"
#undef OP
#undef FIELD

/* One taken operation; text and blob fields borrow the commit's bytes. */
struct op {
    enum op_id id;
    union {
#define OP(ID, name, doc, fields) struct op_##name name;
#include "proto/ops.def"
#undef OP
    };
};

#define OP(ID, name, doc, fields) void op_put_##name(struct buffer *into, const struct op_##name *op);
#include "proto/ops.def"
#undef OP

/* Takes the next operation; false at the end and on malformed bytes (then wire_done() is false). */
bool op_take(struct wire *wire, struct op *op);
struct op_info {
    const char *name, *doc;
    const struct field_info *fields;
    size_t field_count;
};
extern const struct op_info op_info[OP_COUNT];
