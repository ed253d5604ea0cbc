// LINK: store
// SPDX-License-Identifier: MIT
/* Any bytes as commits against a store in memory: no crash, and a store that is still sound afterwards. The first byte
 * says how many pieces the rest is cut into. */
#include "proto/check.h"
#include "store/check.h"
#include "store/kv_memory.h"

enum { NOW_MS = 1000000 };

static enum error take(void *context, enum actor_index actor, const struct msg_job *job)
{
    (void)context;
    (void)actor;
    (void)job;
    return ERROR_OK;
}

static enum error no_gate(void *context, struct slice gate)
{
    (void)context;
    (void)gate;
    return ERROR_OK;
}

static void check(struct store *store)
{
    struct store_check *running = store_check_begin(store);

    while (!store_check_step(running))
        continue;
    CHECK(store_check_is_clean(store_check_report(running)));
    store_check_end(&running);
}

static void feed(struct store *store, struct slice bytes, size_t pieces)
{
    const struct store_receiver receiver = {NULL, take, no_gate};

    for (size_t i = 0; i < pieces; i++) {
        size_t size = i + 1 == pieces ? bytes.size : bytes.size / (pieces - i);
        struct store_commit commit = {.ops = {bytes.data, size}};
        store_commit_group(store, &commit, 1, NOW_MS + (int64_t)i * 1000);
        store_deliver(store, NOW_MS + (int64_t)i * 1000, &receiver);
        bytes = (struct slice){bytes.data + size, bytes.size - size};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct store_options options = {.box = 0};
    struct kv_memory_disk *disk = kv_memory_disk_new(1 << 20);
    char problem[STORE_PROBLEM_BYTES];
    enum error error;
    struct store *store = store_open(&kv_memory_ops, disk, &options, NOW_MS, &error, problem);

    CHECK(store != NULL);
    store_subscribe(store, ACTOR_PUBLISHER, SLICE("q"), 4);
    if (size > 1)
        feed(store, (struct slice){(const char *)data + 1, size - 1}, 1 + data[0] % 8);
    while (store_step(store, NOW_MS))
        continue;
    check(store);
    store_close(&store);
    kv_memory_disk_destroy(&disk);
    return 0;
}
