// SPDX-License-Identifier: MIT
/* Preloaded into powercut-work: writes down everything that happens to data.mdb, in order, and each acknowledgement the
 * program prints. Records: type, offset, size, bytes. W write, D write through an O_DSYNC descriptor, S sync,
 * T truncate, R the file gets its name (before, a cut leaves no file), A acknowledged number. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 1024 };

static int log_fd = -1;
static bool is_data[FDS], is_dsync[FDS];

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void record(char type, int64_t offset, int64_t size, const void *data)
{
    ssize_t (*write_real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))real("write");
    char head[17];

    if (log_fd < 0)
        return;
    head[0] = type;
    memcpy(head + 1, &offset, 8);
    memcpy(head + 9, &size, 8);
    if (write_real(log_fd, head, sizeof(head)) != (ssize_t)sizeof(head) ||
        (data != NULL && size > 0 && write_real(log_fd, data, (size_t)size) != size))
        abort();
}

static int opened(const char *name, const char *path, int flags, mode_t mode)
{
    int (*open_real)(const char *, int, ...) = (int (*)(const char *, int, ...))real(name);
    const char *log_path = getenv("POWERCUT_LOG");
    size_t size = strlen(path);
    int fd = open_real(path, flags, mode);

    if (log_fd < 0 && log_path != NULL)
        log_fd = open_real(log_path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && fd < FDS) {
        is_data[fd] = size >= 8 && strcmp(path + size - 8, "data.mdb") == 0;
        is_dsync[fd] = (flags & O_DSYNC) != 0;
    }
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...);                                                                        \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                                        \
        va_end(args);                                                                                                  \
        return opened(#name, path, flags, mode);                                                                       \
    }
OPEN(open)
OPEN(open64)

static void wrote(int fd, const void *data, ssize_t size, off_t offset)
{
    if (size > 0 && fd >= 0 && fd < FDS && is_data[fd])
        record(is_dsync[fd] ? 'D' : 'W', offset, size, data);
}

#define PWRITE(name)                                                                                                   \
    ssize_t name(int fd, const void *data, size_t size, off_t offset);                                                 \
    ssize_t name(int fd, const void *data, size_t size, off_t offset)                                                  \
    {                                                                                                                  \
        ssize_t (*next)(int, const void *, size_t, off_t) = (ssize_t(*)(int, const void *, size_t, off_t))real(#name); \
        ssize_t done = next(fd, data, size, offset);                                                                   \
        wrote(fd, data, done, offset);                                                                                 \
        return done;                                                                                                   \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

static void wrote_parts(int fd, const struct iovec *parts, int count, ssize_t done, off_t offset)
{
    for (int i = 0; i < count && done > 0; i++) {
        ssize_t size = done < (ssize_t)parts[i].iov_len ? done : (ssize_t)parts[i].iov_len;
        wrote(fd, parts[i].iov_base, size, offset);
        offset += size;
        done -= size;
    }
}

#define PWRITEV(name)                                                                                                  \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t offset);                                          \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t offset)                                           \
    {                                                                                                                  \
        ssize_t (*next)(int, const struct iovec *, int, off_t) =                                                       \
            (ssize_t(*)(int, const struct iovec *, int, off_t))real(#name);                                            \
        ssize_t done = next(fd, parts, count, offset);                                                                 \
        wrote_parts(fd, parts, count, done, offset);                                                                   \
        return done;                                                                                                   \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t (*next)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))real("write");
    off_t offset = fd >= 0 && fd < FDS && is_data[fd] ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = next(fd, data, size);

    wrote(fd, data, done, offset);
    if (fd == STDOUT_FILENO && done > 4 && memcmp(data, "ACK ", 4) == 0)
        record('A', strtoll((const char *)data + 4, NULL, 10), 0, NULL);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t (*next)(int, const struct iovec *, int) = (ssize_t(*)(int, const struct iovec *, int))real("writev");
    off_t offset = fd >= 0 && fd < FDS && is_data[fd] ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = next(fd, parts, count);

    wrote_parts(fd, parts, count, done, offset);
    return done;
}

#define SYNC(name)                                                                                                     \
    int name(int fd)                                                                                                   \
    {                                                                                                                  \
        int (*next)(int) = (int (*)(int))real(#name);                                                                  \
        int rc = next(fd);                                                                                             \
        if (rc == 0 && fd >= 0 && fd < FDS && is_data[fd])                                                             \
            record('S', 0, 0, NULL);                                                                                   \
        return rc;                                                                                                     \
    }
SYNC(fdatasync)
SYNC(fsync)

int rename(const char *old, const char *name)
{
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))real("rename");
    size_t size = strlen(name);
    int rc = next(old, name);

    if (rc == 0 && size >= 8 && strcmp(name + size - 8, "data.mdb") == 0)
        record('R', 0, 0, NULL);
    return rc;
}

int ftruncate(int fd, off_t size)
{
    int (*next)(int, off_t) = (int (*)(int, off_t))real("ftruncate");
    int rc = next(fd, size);

    if (rc == 0 && fd >= 0 && fd < FDS && is_data[fd])
        record('T', size, 0, NULL);
    return rc;
}
