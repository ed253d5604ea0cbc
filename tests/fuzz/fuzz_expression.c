// LINK: flow proto
// SPDX-License-Identifier: MIT
#include "flow/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any template, checked and rendered under small bounds over a value with every type. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"trigger", "steps", "now", NULL};
    const struct expression_bounds bounds = {20000, 1 << 20, 4 << 20, 16 << 10, 64 << 10};
    struct expression_scope scope = {names, names};
    struct expression_engine *engine = expression_engine_new(&bounds);
    struct slice text = {(const char *)data, size};
    struct expression_problem problem;
    struct buffer out = {0};
    json_t *vars = json_pack("{s:{s:s,s:I,s:f,s:[i,n,{s:b}],s:n},s:{},s:I}", "trigger", "name",
                             "Gr\xc3\xbc\xc3\x9f\x65", "id", (json_int_t)820982911946154508, "real", 1.5, "list", 1,
                             "flag", 1, "none", "steps", "now", (json_int_t)1763800000000);
    json_t *value = NULL;

    expression_check(text, &scope, &problem);
    if (expression_render(engine, text, vars, &out, &problem) && !slice_is_utf8(buffer_slice(&out)) &&
        slice_is_utf8(text))
        __builtin_trap();
    if (expression_value(engine, text, vars, &value, &problem))
        json_decref(value);
    buffer_free(&out);
    json_decref(vars);
    expression_engine_destroy(&engine);
    return 0;
}
