/* loopback - raw TCP clients and one-connection servers on 127.0.0.1 for the tests of runtime/io. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static inline long clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

static inline int connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* A listening socket on a free port. */
static inline int listen_on(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static inline void send_bytes(int fd, const void *data, size_t size)
{
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

static inline void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* Takes what is there into a NUL-terminated buffer; false at the end of the stream. */
static inline bool take_some(int fd, struct buffer *into, int flags)
{
    char chunk[65536];
    ssize_t size = recv(fd, chunk, sizeof(chunk), flags);

    if (size > 0) {
        buffer_append(into, chunk, (size_t)size);
        buffer_append(into, "", 1);
        into->size--;
    }
    return size > 0 || (size < 0 && flags == MSG_DONTWAIT);
}

static inline bool holds(const struct buffer *buffer, const char *text)
{
    return buffer->size > 0 && memmem(buffer->data, buffer->size, text, strlen(text)) != NULL;
}
