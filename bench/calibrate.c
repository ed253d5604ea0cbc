// SPDX-License-Identifier: MIT
/* The yardstick: what this disk does without us. Raw fdatasync of appended records and raw LMDB transactions.
 * usage: bench-calibrate FOLDER SECONDS */
#include "bench/measure.h"
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

static void require(int rc, const char *what)
{
    if (rc != 0) {
        fprintf(stderr, "bench-calibrate: %s: %s\n", what, rc > 0 ? strerror(rc) : mdb_strerror(rc));
        exit(1);
    }
}

static void raw_fdatasync(const char *folder, double seconds, unsigned records)
{
    static char block[256 * 100];
    char path[512], name[64];
    double start, now;
    uint64_t done = 0;

    snprintf(path, sizeof(path), "%s/append-%u", folder, records);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd < 0, path);
    memset(block, 'x', sizeof(block));
    start = now = measure_now();
    for (; now - start < seconds; now = measure_now(), done += records)
        if (write(fd, block, 256 * records) != (ssize_t)(256 * records) || fdatasync(fd) != 0)
            require(1, "write");
    close(fd);
    unlink(path);
    snprintf(name, sizeof(name), "raw-fdatasync-%u", records);
    measure_print(name, (double)done / (now - start), "records/s");
}

static MDB_env *open_env(const char *folder, MDB_dbi *dbi)
{
    MDB_env *env;
    MDB_txn *txn;

    require(mkdir(folder, 0700) != 0, folder);
    require(mdb_env_create(&env), "env");
    require(mdb_env_set_mapsize(env, (size_t)1 << 30), "map");
    require(mdb_env_open(env, folder, 0, 0600), "open");
    require(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    require(mdb_dbi_open(txn, NULL, 0, dbi), "dbi");
    require(mdb_txn_commit(txn), "commit");
    return env;
}

/* `fold`: one transaction puts N values and deletes the N of before, the least a durable queue must do a job. */
static void raw_lmdb(const char *folder, double seconds, unsigned records, int fold)
{
    char path[512], name[64];
    static char value[512];
    MDB_dbi dbi;
    MDB_txn *txn;
    uint64_t next = 1;
    double start, now;

    snprintf(path, sizeof(path), "%s/lmdb-%u-%d", folder, records, fold);
    MDB_env *env = open_env(path, &dbi);
    start = now = measure_now();
    for (; now - start < seconds; now = measure_now()) {
        require(mdb_txn_begin(env, NULL, 0, &txn), "begin");
        for (unsigned i = 0; i < records; i++, next++) {
            uint64_t big = __builtin_bswap64(next), old = __builtin_bswap64(next - records);
            MDB_val key = {8, &big}, data = {sizeof(value), value}, gone = {8, &old};
            require(mdb_put(txn, dbi, &key, &data, MDB_APPEND), "put");
            if (fold && next > records)
                require(mdb_del(txn, dbi, &gone, NULL), "del");
        }
        require(mdb_txn_commit(txn), "commit");
    }
    snprintf(name, sizeof(name), "raw-lmdb-%s-%u", fold ? "fold" : "put", records);
    measure_print(name, (double)(next - 1) / (now - start), "records/s");
    mdb_env_close(env);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {1, 8, 64, 100};

    if (argc != 3) {
        fprintf(stderr, "usage: bench-calibrate FOLDER SECONDS\n");
        return 2;
    }
    double seconds = strtod(argv[2], NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        raw_fdatasync(argv[1], seconds, sizes[i]);
        raw_lmdb(argv[1], seconds, sizes[i], 0);
        raw_lmdb(argv[1], seconds, sizes[i], 1);
    }
    return 0;
}
