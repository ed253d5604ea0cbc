/* hand - what each actor has in hand, in a small mapped file: written without a commit or a system call, it survives a
 * crash of the process (not a power cut, and need not). One slot of 64 bytes per actor, written by that actor's thread
 * alone, each with a checksum. Behind them stands what ran in a crash until it is charged, so that a start that fails
 * before that forgets nobody. Stands by itself: the daemon passes hand_set() on to the runtime. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"

enum { HAND_SLOTS_MAX = 32 };

/* running: a handler of the job is on the stack, so a crash may be its doing; waiting: for an answer. */
enum hand_state { HAND_EMPTY, HAND_RUNNING, HAND_WAITING };

struct hand_slot {
    uint64_t boot, job, run;
    uint32_t slot;
    enum hand_state state;
    bool uncharged; /* of a crash before the last: the start between did not come to charge it */
};

struct hand;

/* What the process before this one left: every slot that is not empty and passes its checksum, those not charged yet
 * first, at most HAND_SLOTS_MAX. A missing or strange file leaves nothing. To be called before hand_open(). */
size_t hand_read_previous(const char *path, struct hand_slot slots[HAND_SLOTS_MAX]);
/* Makes the file (0600) with that many empty slots and maps it; NULL when the disk refuses. After a crash what ran is
 * kept beside them until hand_charged(). */
struct hand *hand_open(const char *path, uint64_t boot, size_t slot_count, bool crashed);
/* What was kept is charged and on disk. One thread calls it, before or while others call hand_set(). */
void hand_charged(struct hand *hand);
void hand_close(struct hand **hand);
/* Safe from any thread as long as each slot has one writer. */
void hand_set(struct hand *hand, size_t slot, enum hand_state state, uint64_t job, uint64_t run);
