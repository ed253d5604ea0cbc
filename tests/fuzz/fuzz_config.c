// LINK: config
// SPDX-License-Identifier: MIT
#include "config/config.h"
#include "proto/check.h"
#include <stdlib.h>
#include <unistd.h>

/* The input is a whole purser.yaml; the folders it names do not exist beside it, unless it finds real ones to read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[] = "/tmp/purser-fuzz-config-XXXXXX";
    static int fd = -1;
    struct text_problem problem = {.text = ""};

    if (fd < 0)
        fd = mkstemp(path);
    CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    struct config *config = config_load(path, &problem);
    if (config == NULL) {
        char printed[700];
        text_problem_print(&problem, printed, sizeof(printed));
        CHECK(problem.text[0] != '\0' && problem.file[0] != '\0');
    } else {
        CHECK(config->box >= 1 && config->box <= 8191 && config->control_socket[0] != '\0');
    }
    config_free(&config);
    return 0;
}
