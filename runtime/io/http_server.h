/* http_server - the one home of libmicrohttpd: takes requests in without blocking, on one epoll descriptor.
 * One server belongs to one thread. A connection is suspended until its exchange is answered or its deadline ends. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/errors.h"
#include "proto/http.h"

struct http_server;

struct http_server_options {
    const char *address; /* "127.0.0.1" or "::1"; numeric */
    uint16_t port;       /* 0: the kernel chooses, see http_server_port() */
    size_t body_bytes_max;
    size_t bodies_bytes_max; /* of all requests that are being read; above it 503 with Retry-After; 0: 32 MiB */
    size_t header_bytes_max;
    unsigned connections_max;
    unsigned connections_per_ip_max; /* 0: no bound. Not for loopback peers: a proxy speaks for all the world */
    uint32_t read_ms;   /* the whole request must have come by then (slow loris), else the connection is closed */
    uint32_t answer_ms; /* an exchange not answered by then gets 503 with Retry-After */
    /* Called once per complete request. `exchange` is unique for the server's life. Over-size bodies (413), headers
     * (431), missing length or bad requests (400/411) are answered by the server and told through `refused`. A peer
     * that leaves before its request is complete loses its connection within about a second. */
    void (*request)(void *context, uint64_t exchange, const struct http_request *request);
    void (*refused)(void *context, int status);
    void *context;
};

/* NULL with *error and errno kept when the address cannot be bound. */
struct http_server *http_server_open(const struct http_server_options *options, enum error *error);
void http_server_close(struct http_server **server);
uint16_t http_server_port(const struct http_server *server);
int http_server_fd(const struct http_server *server);
long http_server_timeout_ms(const struct http_server *server);
void http_server_turn(struct http_server *server);
/* Answers an exchange and runs its connection at once. Copies the reply. False when the exchange is gone (the peer
 * reset the connection or the deadline ended); a peer that only ended its own direction gets its answer. */
bool http_server_respond(struct http_server *server, uint64_t exchange, const struct http_reply *reply);
/* From now on every new request gets 503 with Retry-After; exchanges under way may end. */
void http_server_quiesce(struct http_server *server);
