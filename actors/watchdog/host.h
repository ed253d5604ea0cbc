/* host - numbers about this process that only the kernel knows. */
// SPDX-License-Identifier: MIT
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Memory in RAM now; false when /proc does not tell. */
bool host_resident_bytes(int64_t *bytes);
