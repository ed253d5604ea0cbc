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
enum { FILE_SLOTS = 2 * HAND_SLOTS_MAX };
_Static_assert(sizeof(struct mapped_slot) == 64, "a slot is one cache line");

struct hand {
    unsigned magic;
#define HAND_MAGIC 0x48414e4fu
    struct mapped_slot *slots; /* [HAND_SLOTS_MAX], then as many that are not charged yet */
    size_t count;
    uint64_t boot;
};

static uint32_t checksum(const struct mapped_slot *slot)
{
    const size_t from = offsetof(struct mapped_slot, boot);

    return (uint32_t)crc32_z(0, (const Bytef *)slot + from, sizeof(*slot) - from);
}

static bool is_filled(const struct mapped_slot *slot, size_t at)
{
    return slot->magic == SLOT_MAGIC && slot->checksum == checksum(slot) &&
           (at >= HAND_SLOTS_MAX || slot->slot == at) && (slot->state == HAND_RUNNING || slot->state == HAND_WAITING);
}

/* A process that ended between keeping a slot and emptying it left it twice. */
static bool is_kept(const struct mapped_slot slots[FILE_SLOTS], const struct mapped_slot *slot)
{
    for (size_t i = HAND_SLOTS_MAX; i < FILE_SLOTS; i++)
        if (is_filled(&slots[i], i) && slots[i].boot == slot->boot && slots[i].job == slot->job &&
            slots[i].slot == slot->slot)
            return true;
    return false;
}

static size_t add_slot(struct hand_slot slots[HAND_SLOTS_MAX], size_t found, const struct mapped_slot *slot,
                       bool uncharged)
{
    if (found < HAND_SLOTS_MAX)
        slots[found++] = (struct hand_slot){.boot = slot->boot,
                                            .job = slot->job,
                                            .run = slot->run,
                                            .slot = slot->slot,
                                            .state = (enum hand_state)slot->state,
                                            .uncharged = uncharged};
    return found;
}

size_t hand_read_previous(const char *path, struct hand_slot slots[HAND_SLOTS_MAX])
{
    struct mapped_slot file[FILE_SLOTS] = {{.magic = 0}};
    size_t found = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (read(fd, file, sizeof(file)) < 0)
        memset(file, 0, sizeof(file));
    close(fd);
    for (size_t i = HAND_SLOTS_MAX; i < FILE_SLOTS; i++)
        if (is_filled(&file[i], i))
            found = add_slot(slots, found, &file[i], true);
    for (size_t i = 0; i < HAND_SLOTS_MAX; i++)
        if (is_filled(&file[i], i) && !is_kept(file, &file[i]))
            found = add_slot(slots, found, &file[i], false);
    return found;
}

/* Puts what ran behind the slots, where the next start finds it if this one does not come to charge it. */
static void keep_running(struct mapped_slot slots[FILE_SLOTS])
{
    size_t free_at = HAND_SLOTS_MAX;

    for (size_t i = 0; i < HAND_SLOTS_MAX; i++) {
        if (!is_filled(&slots[i], i) || slots[i].state != HAND_RUNNING || is_kept(slots, &slots[i]))
            continue;
        while (free_at < FILE_SLOTS && is_filled(&slots[free_at], free_at))
            free_at++;
        if (free_at == FILE_SLOTS)
            return;
        slots[free_at] = slots[i];
    }
}

struct hand *hand_open(const char *path, uint64_t boot, size_t slot_count, bool crashed)
{
    const size_t bytes = FILE_SLOTS * sizeof(struct mapped_slot);
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
    if (crashed)
        keep_running(hand->slots);
    memset(hand->slots, 0, HAND_SLOTS_MAX * sizeof(struct mapped_slot));
    return hand;
}

void hand_charged(struct hand *hand)
{
    CHECK(hand->magic == HAND_MAGIC);
    memset(hand->slots + HAND_SLOTS_MAX, 0, (FILE_SLOTS - HAND_SLOTS_MAX) * sizeof(struct mapped_slot));
}

void hand_close(struct hand **hand)
{
    if (*hand == NULL)
        return;
    munmap((*hand)->slots, FILE_SLOTS * sizeof(struct mapped_slot));
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
