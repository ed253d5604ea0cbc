// LINK: proto
// SPDX-License-Identifier: MIT
#include "proto/check.h"
#include "proto/text/json.h"

/* What is read can be written, and what was written is read as the same bytes again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_problem problem;
    struct buffer once = {NULL, 0, 0}, twice = {NULL, 0, 0};
    char id[33];
    json_t *value = json_read((struct slice){(const char *)data, size}, &problem);

    if (value == NULL) {
        CHECK(problem.text[0] != '\0' && problem.line > 0 && problem.offset <= size);
        return 0;
    }
    json_id_at(value, "a.0.id", id);
    json_write(&once, value);
    json_t *again = json_read(buffer_slice(&once), &problem);
    CHECK(again != NULL);
    json_write(&twice, again);
    CHECK(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    json_decref(value);
    json_decref(again);
    buffer_free(&once);
    buffer_free(&twice);
    return 0;
}
