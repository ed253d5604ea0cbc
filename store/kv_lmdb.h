/* kv_lmdb - the kv interface over LMDB in its default, fully synced mode. One process at a time per directory. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/kv.h"

struct kv_lmdb_options {
    const char *directory; /* made (0700) when it is missing; its parent must be there */
    uint64_t bound_bytes;  /* size of the map from the start; at least 1 MiB */
};

/* The argument of open is a struct kv_lmdb_options, borrowed for the call. Errors of open: HELD another process has
 * the directory; CORRUPT the file is cut or its metas are not sound, found before anything is mapped; UNSUPPORTED the
 * file is of another LMDB format, word size or page size; IO. */
extern const struct kv_ops kv_lmdb_ops;

/* Looks at data.mdb by plain reads: size against the newest meta, both metas' magic, version and page size, roots
 * within range. OK when it is sound or not there. A cut file would end the process by SIGBUS once it is mapped. */
enum error kv_lmdb_preflight(const char *path, char *problem, size_t problem_size);
