// LINK: proto
// SPDX-License-Identifier: MIT
#include "proto/check.h"
#include "proto/text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *const known[] = {"trigger", "steps", NULL};
    struct text_problem problem;
    char printed[700];
    struct yaml_node *root = yaml_read("fuzz", (struct slice){(const char *)data, size}, &problem);

    if (root == NULL) {
        text_problem_print(&problem, printed, sizeof(printed));
        CHECK(problem.text[0] != '\0');
        return 0;
    }
    CHECK(root->line > 0 && root->column > 0);
    yaml_get(root, "trigger");
    yaml_only("fuzz", root, known, &problem);
    yaml_node_free(root);
    return 0;
}
