// SPDX-License-Identifier: MIT
#include "store/kv_lmdb.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LMDB 0.9's file format, in the machine's own word size and byte order (which is why a file moved between machines
 * of different kinds is found here, by its magic or its page size). */
struct page_header {
    size_t number;
    uint16_t pad, flags;
    uint16_t lower, upper;
};

struct tree {
    uint32_t page_bytes; /* only in the first tree of a meta: the page size of the file */
    uint16_t flags, depth;
    size_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta_page {
    struct page_header header;
    uint32_t magic, version;
    void *address;
    size_t map_bytes;
    struct tree trees[2]; /* free pages, main */
    size_t last_page, transaction;
};

enum { META_MAGIC = (int)0xbeefc0de, META_VERSION = 1, PAGE_BYTES_MIN = 512, PAGE_BYTES_MAX = 65536 };
#define NO_ROOT (~(size_t)0)

static enum error say(enum error error, char *problem, size_t size, const char *what)
{
    snprintf(problem, size, "the store file %s", what);
    return error;
}

static enum error meta_check(const struct meta_page *meta, char *problem, size_t size)
{
    uint32_t page = meta->trees[0].page_bytes;

    if (meta->magic != (uint32_t)META_MAGIC)
        return say(ERROR_CORRUPT, problem, size, "does not begin like one (meta page without its mark)");
    if (meta->version != META_VERSION)
        return say(ERROR_UNSUPPORTED, problem, size, "is of another LMDB format");
    if (page < PAGE_BYTES_MIN || page > PAGE_BYTES_MAX || (page & (page - 1)) != 0)
        return say(ERROR_CORRUPT, problem, size, "names an impossible page size");
    for (unsigned i = 0; i < 2; i++)
        if (meta->trees[i].root != NO_ROOT && (meta->trees[i].root < 2 || meta->trees[i].root > meta->last_page))
            return say(ERROR_CORRUPT, problem, size, "has a root outside of itself");
    return ERROR_OK;
}

static enum error file_check(int fd, char *problem, size_t size)
{
    struct meta_page metas[2];
    struct stat info;
    enum error error;

    if (fstat(fd, &info) != 0)
        return say(ERROR_IO, problem, size, strerror(errno));
    if (info.st_size == 0)
        return ERROR_OK;
    if (pread(fd, &metas[0], sizeof(metas[0]), 0) != (ssize_t)sizeof(metas[0]))
        return say(ERROR_CORRUPT, problem, size, "is cut within its first page");
    error = meta_check(&metas[0], problem, size);
    if (error != ERROR_OK)
        return error;
    uint32_t page = metas[0].trees[0].page_bytes;
    if (pread(fd, &metas[1], sizeof(metas[1]), (off_t)page) != (ssize_t)sizeof(metas[1]))
        return say(ERROR_CORRUPT, problem, size, "is cut within its second page");
    error = meta_check(&metas[1], problem, size);
    if (error != ERROR_OK)
        return error;
    if (metas[1].trees[0].page_bytes != page)
        return say(ERROR_CORRUPT, problem, size, "has two page sizes");
    const struct meta_page *newest = metas[1].transaction > metas[0].transaction ? &metas[1] : &metas[0];
    if (newest->last_page >= SIZE_MAX / page - 1 || (uint64_t)info.st_size < (newest->last_page + 1) * (uint64_t)page)
        return say(ERROR_CORRUPT, problem, size, "is shorter than its newest meta page says: it was cut");
    return ERROR_OK;
}

enum error kv_lmdb_preflight(const char *path, char *problem, size_t problem_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum error error;

    if (fd < 0 && errno == ENOENT)
        return ERROR_OK;
    if (fd < 0)
        return say(ERROR_IO, problem, problem_size, strerror(errno));
    error = file_check(fd, problem, problem_size);
    close(fd);
    return error;
}
