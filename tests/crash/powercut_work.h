/* powercut_work - a workload whose whole state follows from one number: how many commits happened. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/store.h"

/* Opens the store in `folder` (made when missing). NULL with a line in `problem`. */
struct store *powercut_open(const char *folder, char problem[STORE_PROBLEM_BYTES]);
/* Commit number n (from 1); true when it is on disk. Commit n pushes job n, finishes job n - 5, claims, counts, books,
 * appends, puts and writes a run. */
bool powercut_commit(struct store *store, uint64_t n);
/* Reads everything back. The number of commits whose effects are there, whole, and no trace of any other; or -1 with a
 * line in `problem`. */
int64_t powercut_verify(struct store *store, char *problem, size_t size);
