// SPDX-License-Identifier: MIT
/* The store's engine alone, without threads and sockets. usage: bench-store FOLDER SECONDS MILLIONS
 * Groups of N commits share a sync, as they do when N senders wait at once. */
#include "bench/measure.h"
#include "store/kv_lmdb.h"
#include "store/store.h"
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { GROUP_MAX = 100, PAYLOAD_BYTES = 512 };

struct hand { /* what was delivered and is to be finished */
    struct {
        uint64_t id, fence;
    } jobs[4 * GROUP_MAX];
    size_t count;
};

static int64_t wall(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct store *open_store(const char *folder)
{
    struct kv_lmdb_options lmdb = {.directory = folder, .bound_bytes = (uint64_t)4 << 30};
    struct store_options options = {.box = 1, .fill_percent = 95};
    static struct kv_lmdb_options kept;
    char problem[256] = "";
    enum error error;

    kept = lmdb;
    struct store *store = store_open(&kv_lmdb_ops, &kept, &options, wall(), &error, problem);
    if (store == NULL) {
        fprintf(stderr, "bench-store: %s: %s\n", error_name(error), problem);
        exit(1);
    }
    return store;
}

static void put_push(struct buffer *ops)
{
    static char payload[PAYLOAD_BYTES];

    op_put_push(ops, &(struct op_push){.queue = SLICE("bench"),
                                       .priority = 4,
                                       .content_type = SLICE("application/json"),
                                       .payload = {payload, sizeof(payload)}});
}

static void run_group(struct store *store, struct store_commit *commits, size_t count)
{
    store_commit_group(store, commits, count, wall());
    for (size_t i = 0; i < count; i++)
        if (commits[i].error != ERROR_OK) {
            fprintf(stderr, "bench-store: commit refused: %s\n", error_name(commits[i].error));
            exit(1);
        }
}

static enum error take(void *context, enum actor_index actor, const struct msg_job *job)
{
    struct hand *hand = context;

    (void)actor;
    if (hand->count == sizeof(hand->jobs) / sizeof(hand->jobs[0]))
        return ERROR_FULL;
    hand->jobs[hand->count].id = job->id;
    hand->jobs[hand->count++].fence = job->fence;
    return ERROR_OK;
}

static enum error no_gate(void *context, struct slice gate)
{
    (void)context;
    (void)gate;
    return ERROR_OK;
}

static void push(struct store *store, double seconds, size_t group)
{
    struct store_commit commits[GROUP_MAX];
    struct buffer ops = {NULL, 0, 0};
    char name[64];
    uint64_t done = 0;
    double start = measure_now(), now = start, bytes = measure_disk_bytes();

    put_push(&ops);
    for (; now - start < seconds; now = measure_now(), done += group) {
        for (size_t i = 0; i < group; i++)
            commits[i] = (struct store_commit){.ops = buffer_slice(&ops)};
        run_group(store, commits, group);
    }
    snprintf(name, sizeof(name), "store-push-%zu", group);
    measure_print(name, (double)done / (now - start), "jobs/s");
    snprintf(name, sizeof(name), "store-push-%zu-device", group);
    measure_print(name, (measure_disk_bytes() - bytes) / (double)done, "bytes/job");
    buffer_free(&ops);
}

/* Push, take and finish at once: each group pushes N and finishes the N that were delivered before. */
static void cycle(struct store *store, double seconds, size_t group)
{
    struct store_commit commits[2 * GROUP_MAX];
    struct store_receiver receiver = {.job = take, .gate_wanted = no_gate};
    static struct hand hand;
    struct buffer ops = {NULL, 0, 0}, ends[GROUP_MAX] = {{NULL, 0, 0}};
    char name[64];
    uint64_t done = 0;
    double start = measure_now(), now = start, bytes = measure_disk_bytes();

    put_push(&ops);
    hand.count = 0;
    receiver.context = &hand;
    for (; now - start < seconds; now = measure_now()) {
        size_t count = 0, ended = hand.count < group ? hand.count : group;
        for (size_t i = 0; i < ended; i++) {
            buffer_clear(&ends[i]);
            hand.count--;
            op_put_finish(&ends[i], &(struct op_finish){hand.jobs[hand.count].id, hand.jobs[hand.count].fence});
            commits[count++] = (struct store_commit){.ops = buffer_slice(&ends[i])};
        }
        for (size_t i = 0; i < group; i++)
            commits[count++] = (struct store_commit){.ops = buffer_slice(&ops)};
        run_group(store, commits, count);
        store_deliver(store, wall(), &receiver);
        done += ended;
    }
    snprintf(name, sizeof(name), "store-cycle-%zu", group);
    measure_print(name, (double)done / (now - start), "jobs/s");
    snprintf(name, sizeof(name), "store-cycle-%zu-device", group);
    measure_print(name, (measure_disk_bytes() - bytes) / (double)(done ? done : 1), "bytes/job");
    buffer_free(&ops);
    for (size_t i = 0; i < GROUP_MAX; i++)
        buffer_free(&ends[i]);
}

static double memory_kib(const char *key)
{
    char line[256];
    unsigned long long value = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), " %llu", &value);
    if (file != NULL)
        fclose(file);
    return (double)value;
}

/* Fills the queue, opens the store anew and hands out the first job. */
static void million(const char *folder, double millions)
{
    struct store *store = open_store(folder);
    struct buffer ops = {NULL, 0, 0};
    static struct hand hand;
    struct store_receiver receiver = {.context = &hand, .job = take, .gate_wanted = no_gate};
    struct store_commit commit;

    for (unsigned i = 0; i < 100; i++)
        put_push(&ops);
    for (uint64_t done = 0; (double)done < millions * 1e6; done += 100) {
        commit = (struct store_commit){.ops = buffer_slice(&ops)};
        run_group(store, &commit, 1);
    }
    store_close(&store);
    double start = measure_now();
    store = open_store(folder);
    store_subscribe(store, ACTOR_PUBLISHER, SLICE("bench"), 1);
    store_deliver(store, wall(), &receiver);
    measure_print("store-open-to-first-job", (measure_now() - start) * 1000, "ms");
    if (hand.count != 1) {
        fprintf(stderr, "bench-store: nothing was delivered\n");
        exit(1);
    }
    while (store_step(store, wall()))
        ;
    measure_print("store-open-to-counted", (measure_now() - start) * 1000, "ms");
    measure_print("store-memory-rss", memory_kib("Rss:"), "KiB");
    measure_print("store-memory-anonymous", memory_kib("Anonymous:"), "KiB");
    store_close(&store);
    buffer_free(&ops);
}

int main(int argc, char **argv)
{
    static const size_t groups[] = {1, 8, 64, 100};
    char path[512];

    if (argc != 4) {
        fprintf(stderr, "usage: bench-store FOLDER SECONDS MILLIONS\n");
        return 2;
    }
    double seconds = strtod(argv[2], NULL);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        snprintf(path, sizeof(path), "%s/store-%zu", argv[1], groups[i]);
        mkdir(path, 0700);
        struct store *store = open_store(path);
        push(store, seconds, groups[i]);
        store_subscribe(store, ACTOR_PUBLISHER, SLICE("bench"), 2 * groups[i]);
        cycle(store, seconds, groups[i]);
        store_close(&store);
    }
    snprintf(path, sizeof(path), "%s/store-million", argv[1]);
    mkdir(path, 0700);
    million(path, strtod(argv[3], NULL));
    return 0;
}
