/* kv_memory - the kv interface in memory, for tests and the simulator. The disk outlives the environments opened on it,
 * as a real one outlives a process: what was committed stays, what was not is gone. Deterministic. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/kv.h"

struct kv_memory_disk;

/* bound_bytes: keys and values plus KV_MEMORY_ENTRY_BYTES each; 0 for no bound. */
struct kv_memory_disk *kv_memory_disk_new(uint64_t bound_bytes);
void kv_memory_disk_destroy(struct kv_memory_disk **disk);
/* Another disk with the same committed content and no faults set. Costs nothing until one of them is written. */
struct kv_memory_disk *kv_memory_disk_clone(const struct kv_memory_disk *disk);

enum { KV_MEMORY_ENTRY_BYTES = 64 };

enum kv_memory_fault {
    KV_FAULT_DISK_FULL,   /* DISK_FULL, nothing applied, the environment goes on */
    KV_FAULT_LOST,        /* IO, nothing applied; every further call is IO until the disk is opened again */
    KV_FAULT_ANSWER_LOST, /* the same, but the commit was applied */
};
/* The nth commit from now (1: the next one) ends with this fault, once. 0 forgets it. */
void kv_memory_disk_fail(struct kv_memory_disk *disk, uint64_t nth, enum kv_memory_fault fault);
void kv_memory_disk_set_free(struct kv_memory_disk *disk, uint64_t free_bytes);
/* Commits that were applied since the disk was made. */
uint64_t kv_memory_disk_commits(const struct kv_memory_disk *disk);

/* The argument of open is the disk. One environment at a time; opening it again ends the earlier one (a crash). */
extern const struct kv_ops kv_memory_ops;
