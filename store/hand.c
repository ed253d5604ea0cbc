// SPDX-License-Identifier: MIT
#include "store/hand.h"
#include "proto/check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

struct mapped_slot {
    uint32_t magic, checksum; /* over what follows */
    uint64_t boot, job, run;
    uint32_t slot, state;
    unsigned char reserved[24];
};

#define SLOT_MAGIC 0x48414e44u
_Static_assert(sizeof(struct mapped_slot) == 64, "a slot is one cache line");

struct hand {
    unsigned magic;
#define HAND_MAGIC 0x48414e4fu
    struct mapped_slot *slots;
    size_t count;
    uint64_t boot;
};

static uint32_t checksum(const struct mapped_slot *slot)
{
    const size_t from = offsetof(struct mapped_slot, boot);

    return (uint32_t)crc32_z(0, (const Bytef *)slot + from, sizeof(*slot) - from);
}

size_t hand_read_previous(const char *path, struct hand_slot slots[HAND_SLOTS_MAX])
{
    struct mapped_slot read_slot;
    size_t found = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    for (unsigned i = 0; i < HAND_SLOTS_MAX; i++) {
        if (read(fd, &read_slot, sizeof(read_slot)) != (ssize_t)sizeof(read_slot))
            break;
        if (read_slot.magic != SLOT_MAGIC || read_slot.checksum != checksum(&read_slot) || read_slot.slot != i ||
            (read_slot.state != HAND_RUNNING && read_slot.state != HAND_WAITING))
            continue;
        slots[found++] = (struct hand_slot){.boot = read_slot.boot,
                                            .job = read_slot.job,
                                            .run = read_slot.run,
                                            .slot = i,
                                            .state = (enum hand_state)read_slot.state};
    }
    close(fd);
    return found;
}

struct hand *hand_open(const char *path, uint64_t boot, size_t slot_count)
{
    const size_t bytes = slot_count * sizeof(struct mapped_slot);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *mapped = MAP_FAILED;
    struct hand *hand;

    CHECK(slot_count >= 1 && slot_count <= HAND_SLOTS_MAX);
    if (fd < 0)
        return NULL;
    /* Room is taken now: a page of a sparse file that finds the disk full later would end the process (SIGBUS). */
    if (ftruncate(fd, (off_t)bytes) == 0 && posix_fallocate(fd, 0, (off_t)bytes) == 0)
        mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED)
        return NULL;
    hand = xcalloc(1, sizeof(*hand));
    *hand = (struct hand){HAND_MAGIC, mapped, slot_count, boot};
    for (size_t i = 0; i < slot_count; i++)
        hand_set(hand, i, HAND_EMPTY, 0, 0);
    return hand;
}

void hand_close(struct hand **hand)
{
    if (*hand == NULL)
        return;
    munmap((*hand)->slots, (*hand)->count * sizeof(struct mapped_slot));
    free(*hand);
    *hand = NULL;
}

void hand_set(struct hand *hand, size_t slot, enum hand_state state, uint64_t job, uint64_t run)
{
    struct mapped_slot filled = {
        .magic = SLOT_MAGIC, .boot = hand->boot, .job = job, .run = run, .slot = (uint32_t)slot, .state = state};

    CHECK(hand->magic == HAND_MAGIC && slot < hand->count);
    filled.checksum = checksum(&filled);
    memcpy(&hand->slots[slot], &filled, sizeof(filled));
}
