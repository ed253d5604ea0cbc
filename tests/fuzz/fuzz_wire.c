// LINK: proto
// SPDX-License-Identifier: MIT
#include "proto/call.h"
#include "proto/check.h"
#include "proto/rows.h"
#include "proto/wire.h"

/* Whatever unpacks must pack and unpack again to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct buffer once = {NULL, 0, 0}, twice = {NULL, 0, 0};
    static struct call call;
    static struct answer answer;
    static struct row row;

    if (call_unpack(bytes, &call)) {
        call_pack(&once, &call);
        CHECK(call_unpack(buffer_slice(&once), &call));
        call_pack(&twice, &call);
    } else if (answer_unpack(bytes, &answer)) {
        answer_pack(&once, &answer);
        CHECK(answer_unpack(buffer_slice(&once), &answer));
        answer_pack(&twice, &answer);
    } else if (row_unpack(bytes, &row)) {
        row_pack(&once, &row);
        CHECK(row_unpack(buffer_slice(&once), &row));
        row_pack(&twice, &row);
    }
    CHECK(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    if (once.size > 0)
        CHECK(wire_is_value(bytes));
    buffer_free(&once);
    buffer_free(&twice);
    return 0;
}
