// SPDX-License-Identifier: MIT
#include "runtime/io/http_server.h"
#include "proto/check.h"
#include "runtime/io/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SERVER_MAGIC = 0x48535256,
    LINK_MAGIC = 0x484c4e4b,
    EXCHANGE_MAGIC = 0x48455843,
    SLOT_BITS = 16,
    BACKLOG = 256,
    POOL_EXTRA = 8192, /* room for the library's own records and the reply's headers */
    BODIES_BYTES_MAX = 32 << 20,
    LOOK_MS = 1000,
};

#define NEVER INT64_MAX

/* READING until the request is whole, READY until turn() tells it, WAITING for respond(), SENDING its reply. */
enum phase { READING, READY, WAITING, SENDING };

/* One TCP connection, from accept to close. */
struct link {
    unsigned magic;
    struct link *next, *previous;
    struct MHD_Connection *connection;
    int fd;
    int64_t deadline_ms; /* past it: close while READING or SENDING, 503 while READY or WAITING */
    int64_t look_ms;     /* when to see whether the peer is still there, while READING */
    struct exchange *exchange;
    char peer[INET6_ADDRSTRLEN];
};

/* One request on a link, from its request line until its reply is out. */
struct exchange {
    unsigned magic;
    struct exchange *next_ready;
    struct link *link;
    uint64_t id;
    enum phase phase;
    bool begun;      /* headers were looked at */
    bool suspended;
    int refused;     /* status to answer at the end of a request that is read only to be dropped */
    char *uri, *method;
    struct buffer body;
    size_t dropped_bytes;
    struct MHD_Response *reply; /* NULL while SENDING: cut the connection */
    int status;
};

struct http_server {
    unsigned magic;
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    int listener;
    uint16_t port;
    struct link *links;
    struct exchange *ready, **ready_tail;
    struct exchange **slots;
    size_t slot_count;
    size_t bodies_bytes; /* held in all exchanges */
    uint64_t serial;
    bool turning, closing, quiet, resumed;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell_refused(struct http_server *server, int status)
{
    if (server->options.refused != NULL)
        server->options.refused(server->options.context, status);
}

static struct link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct link *link;

    CHECK(info != NULL);
    CAST_OBJ(link, info->socket_context, LINK_MAGIC);
    return link;
}

static void write_address(const struct sockaddr *address, char into[INET6_ADDRSTRLEN])
{
    into[0] = '\0';
    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, into, INET6_ADDRSTRLEN);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
        inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? &v6->s6_addr[12] : v6->s6_addr, into, INET6_ADDRSTRLEN);
    }
}

/* The library would count a proxy on this machine as one sender. */
static enum MHD_Result on_accept(void *context, const struct sockaddr *address, socklen_t size)
{
    struct http_server *server;
    char peer[INET6_ADDRSTRLEN];
    unsigned count = 0;

    (void)size;
    CAST_OBJ(server, context, SERVER_MAGIC);
    if (server->options.connections_per_ip_max == 0)
        return MHD_YES;
    write_address(address, peer);
    if (strncmp(peer, "127.", 4) == 0 || address_judge(address) == ADDRESS_LOOPBACK)
        return MHD_YES;
    for (const struct link *link = server->links; link != NULL; link = link->next)
        count += strcmp(link->peer, peer) == 0;
    return count < server->options.connections_per_ip_max ? MHD_YES : MHD_NO;
}

/* From here on the link waits for a request. */
static void link_read(const struct http_server *server, struct link *link)
{
    link->deadline_ms = now_ms() + server->options.read_ms;
    link->look_ms = now_ms() + LOOK_MS;
}

static bool link_is_reading(const struct link *link)
{
    return link->exchange == NULL || link->exchange->phase == READING;
}

static void link_open(struct http_server *server, struct MHD_Connection *connection, void **context)
{
    struct link *link = xcalloc(1, sizeof(*link));
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    link->magic = LINK_MAGIC;
    link->connection = connection;
    link->fd = info->connect_fd;
    link_read(server, link);
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL)
        write_address(info->client_addr, link->peer);
    link->next = server->links;
    if (link->next != NULL)
        link->next->previous = link;
    server->links = link;
    *context = link;
}

static void link_close(struct http_server *server, struct link *link)
{
    CHECK(link->exchange == NULL);
    if (link->next != NULL)
        link->next->previous = link->previous;
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        server->links = link->next;
    link->magic = 0;
    free(link);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **link_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server;

    CAST_OBJ(server, context, SERVER_MAGIC);
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        link_open(server, connection, link_context);
    else
        link_close(server, link_of(connection));
}

/* The library's own path is unescaped and cut; the raw request target is only seen here. */
static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *server;
    struct link *link = link_of(connection);
    struct exchange *exchange = xcalloc(1, sizeof(*exchange));
    size_t slot = 0;

    CAST_OBJ(server, context, SERVER_MAGIC);
    CHECK(link->exchange == NULL);
    while (slot < server->slot_count && server->slots[slot] != NULL)
        slot++;
    CHECK(slot < server->slot_count);
    exchange->magic = EXCHANGE_MAGIC;
    exchange->link = link;
    exchange->id = ++server->serial << SLOT_BITS | slot;
    exchange->uri = slice_dup(slice_of(uri));
    server->slots[slot] = exchange;
    link->exchange = exchange;
    return exchange;
}

static void drop_body(struct http_server *server, struct exchange *exchange)
{
    CHECK(server->bodies_bytes >= exchange->body.size);
    server->bodies_bytes -= exchange->body.size;
    buffer_free(&exchange->body);
}

static void exchange_free(struct http_server *server, struct exchange *exchange)
{
    for (struct exchange **at = &server->ready; *at != NULL; at = &(*at)->next_ready)
        if (*at == exchange) {
            *at = exchange->next_ready;
            if (server->ready_tail == &exchange->next_ready)
                server->ready_tail = at;
            break;
        }
    server->slots[exchange->id & ((1u << SLOT_BITS) - 1)] = NULL;
    exchange->link->exchange = NULL;
    link_read(server, exchange->link);
    if (exchange->reply != NULL)
        MHD_destroy_response(exchange->reply);
    drop_body(server, exchange);
    free(exchange->uri);
    free(exchange->method);
    exchange->magic = 0;
    free(exchange);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **exchange_context,
                         enum MHD_RequestTerminationCode code)
{
    struct http_server *server;
    struct exchange *exchange;

    (void)connection;
    (void)code;
    CAST_OBJ(server, context, SERVER_MAGIC);
    if (*exchange_context == NULL)
        return;
    CAST_OBJ(exchange, *exchange_context, EXCHANGE_MAGIC);
    exchange_free(server, exchange);
    *exchange_context = NULL;
}

static struct MHD_Response *refusal(int status)
{
    static char text[] = "refused\n";
    struct MHD_Response *reply = MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);

    CHECK(reply != NULL);
    CHECK(MHD_add_response_header(reply, "Content-Type", "text/plain") == MHD_YES);
    if (status == 503)
        CHECK(MHD_add_response_header(reply, "Retry-After", "5") == MHD_YES);
    return reply;
}

static enum MHD_Result send_reply(struct http_server *server, struct exchange *exchange)
{
    exchange->phase = SENDING;
    exchange->link->deadline_ms = now_ms() + server->options.read_ms;
    if (exchange->reply == NULL)
        return MHD_NO;
    return MHD_queue_response(exchange->link->connection, (unsigned)exchange->status, exchange->reply);
}

static enum MHD_Result send_refusal(struct http_server *server, struct exchange *exchange, int status)
{
    exchange->reply = refusal(status);
    exchange->status = status;
    tell_refused(server, status);
    return send_reply(server, exchange);
}

/* What the framing headers of a request say. */
struct framing {
    size_t bytes, count;
    unsigned lengths, encodings, hosts;
    bool chunked, bad;
    uint64_t length;
};

static void read_length(struct framing *framing, struct slice value)
{
    framing->lengths++;
    framing->bad |= value.size == 0 || value.size > 18;
    framing->length = 0;
    for (size_t i = 0; i < value.size && !framing->bad; i++) {
        framing->bad = value.data[i] < '0' || value.data[i] > '9';
        framing->length = framing->length * 10 + (uint64_t)(value.data[i] - '0');
    }
}

static enum MHD_Result on_framing_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                         const char *value, size_t value_size)
{
    struct framing *framing = context;

    (void)kind;
    framing->count++;
    framing->bytes += name_size + value_size + 4;
    framing->bad |= memchr(name, '\0', name_size) != NULL;
    if (value_size > 0)
        framing->bad |= memchr(value, '\0', value_size) != NULL;
    if (strcasecmp(name, "Content-Length") == 0)
        read_length(framing, (struct slice){value, value_size});
    if (strcasecmp(name, "Host") == 0)
        framing->hosts++;
    if (strcasecmp(name, "Transfer-Encoding") == 0) {
        framing->encodings++;
        framing->chunked = value != NULL && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

static bool needs_length(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

/* 0, or the status that refuses the request by its headers alone. */
static int judge(const struct http_server *server, const struct exchange *exchange)
{
    struct framing framing = {.bytes = strlen(exchange->uri) + strlen(exchange->method)};

    MHD_get_connection_values_n(exchange->link->connection, MHD_HEADER_KIND, on_framing_header, &framing);
    if (framing.bytes > server->options.header_bytes_max || framing.count > HTTP_HEADERS_MAX)
        return 431;
    /* Two framings are how requests are smuggled past a proxy. */
    if (framing.bad || framing.lengths > 1 || framing.encodings > 1 || framing.hosts > 1)
        return 400;
    if (framing.encodings > 0 && (framing.lengths > 0 || !framing.chunked))
        return 400;
    if (framing.lengths == 0 && framing.encodings == 0 && needs_length(exchange->method))
        return 411;
    if (framing.lengths > 0 && framing.length > server->options.body_bytes_max)
        return 413;
    if (framing.length > server->options.bodies_bytes_max - server->bodies_bytes)
        return 503;
    return server->quiet ? 503 : 0;
}

static enum MHD_Result take_body(struct http_server *server, struct exchange *exchange, const char *data, size_t *size)
{
    const struct http_server_options *options = &server->options;

    if (exchange->refused == 0 && exchange->body.size + *size > options->body_bytes_max)
        exchange->refused = 413;
    else if (exchange->refused == 0 && server->bodies_bytes + *size > options->bodies_bytes_max)
        exchange->refused = 503;
    if (exchange->refused != 0) {
        /* A reply cannot be queued in the middle of a body: the rest is dropped, within reason, and answered last. */
        exchange->dropped_bytes += *size;
        drop_body(server, exchange);
        if (exchange->dropped_bytes > options->body_bytes_max + POOL_EXTRA) {
            tell_refused(server, exchange->refused);
            return MHD_NO;
        }
    } else {
        buffer_append(&exchange->body, data, *size);
        server->bodies_bytes += *size;
    }
    *size = 0;
    return MHD_YES;
}

static void suspend(struct http_server *server, struct exchange *exchange)
{
    MHD_suspend_connection(exchange->link->connection);
    exchange->suspended = true;
    exchange->phase = READY;
    exchange->link->deadline_ms = now_ms() + server->options.answer_ms;
    exchange->next_ready = NULL;
    *server->ready_tail = exchange;
    server->ready_tail = &exchange->next_ready;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data, size_t *size,
                                 void **exchange_context)
{
    struct http_server *server;
    struct exchange *exchange;

    (void)connection;
    (void)url;
    (void)version;
    CAST_OBJ(server, context, SERVER_MAGIC);
    CAST_OBJ(exchange, *exchange_context, EXCHANGE_MAGIC);
    if (!exchange->begun) {
        exchange->begun = true;
        exchange->method = slice_dup(slice_of(method));
        int status = judge(server, exchange);
        return status == 0 ? MHD_YES : send_refusal(server, exchange, status);
    }
    if (*size > 0)
        return take_body(server, exchange, data, size);
    if (exchange->phase == SENDING)
        return send_reply(server, exchange);
    if (server->closing)
        return MHD_NO;
    if (exchange->refused != 0)
        return send_refusal(server, exchange, exchange->refused);
    suspend(server, exchange);
    return MHD_YES;
}

static int listen_at(const struct http_server_options *options)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(options->port)};
    bool is_v4 = inet_pton(AF_INET, options->address, &v4.sin_addr) == 1;
    const struct sockaddr *address = is_v4 ? (const void *)&v4 : (const void *)&v6;
    socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);
    int on = 1;

    if (!is_v4 && inet_pton(AF_INET6, options->address, &v6.sin6_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 && bind(fd, address, size) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);

    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static struct MHD_Daemon *start_daemon(struct http_server *server, const struct http_server_options *options)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

    if (strchr(options->address, ':') != NULL)
        flags |= MHD_USE_IPv6;
    return MHD_start_daemon(flags, options->port, on_accept, server, on_access, server,
                            MHD_OPTION_LISTEN_SOCKET, server->listener,
                            MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, 2 * options->header_bytes_max + POOL_EXTRA,
                            MHD_OPTION_CONNECTION_TIMEOUT, 0u,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1,
                            MHD_OPTION_URI_LOG_CALLBACK, on_uri, server,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
}

struct http_server *http_server_open(const struct http_server_options *options, enum error *error)
{
    int fd = listen_at(options);

    CHECK(options->connections_max > 0 && options->connections_max < 1u << SLOT_BITS);
    *error = ERROR_OK;
    if (fd < 0) {
        *error = errno == EINVAL ? ERROR_INVALID : ERROR_IO;
        return NULL;
    }
    struct http_server *server = xcalloc(1, sizeof(*server));
    server->magic = SERVER_MAGIC;
    server->options = *options;
    server->options.address = NULL; /* borrowed: not ours after this call */
    if (options->bodies_bytes_max == 0)
        server->options.bodies_bytes_max = BODIES_BYTES_MAX;
    server->listener = fd;
    server->port = port_of(fd);
    server->ready_tail = &server->ready;
    server->slot_count = options->connections_max;
    server->slots = xcalloc(server->slot_count, sizeof(struct exchange *));
    server->daemon = start_daemon(server, options);
    if (server->daemon == NULL) {
        int kept = errno;
        close(fd);
        free(server->slots);
        free(server);
        errno = kept;
        *error = ERROR_IO;
        return NULL;
    }
    return server;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

int http_server_fd(const struct http_server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

static void resume(struct http_server *server, struct exchange *exchange)
{
    exchange->phase = SENDING;
    exchange->suspended = false;
    exchange->link->deadline_ms = now_ms() + server->options.read_ms;
    MHD_resume_connection(exchange->link->connection);
    server->resumed = true;
}

void http_server_close(struct http_server **server_pointer)
{
    struct http_server *server = *server_pointer;

    if (server == NULL)
        return;
    CHECK(server->magic == SERVER_MAGIC);
    server->closing = true;
    for (struct link *link = server->links; link != NULL; link = link->next)
        if (link->exchange != NULL && link->exchange->suspended)
            resume(server, link->exchange); /* without a reply: cut; the library may not stop while some are held */
    MHD_run(server->daemon);
    MHD_stop_daemon(server->daemon);
    CHECK(server->links == NULL);
    free(server->slots);
    server->magic = 0;
    free(server);
    *server_pointer = NULL;
}

long http_server_timeout_ms(const struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG library;
    int64_t deadline = NEVER, now = now_ms();
    long timeout = -1;

    if (server->ready != NULL || server->resumed)
        return 0;
    for (const struct link *link = server->links; link != NULL; link = link->next) {
        if (link->deadline_ms < deadline)
            deadline = link->deadline_ms;
        if (link->look_ms < deadline && link_is_reading(link))
            deadline = link->look_ms;
    }
    if (deadline != NEVER)
        timeout = deadline <= now ? 0 : (long)(deadline - now);
    if (MHD_get_timeout(server->daemon, &library) == MHD_YES && (timeout < 0 || library < (unsigned long)timeout))
        timeout = (long)library;
    return timeout;
}

/* The rest of a request cannot come any more: all was read and the peer has ended, or it reset the connection. When its
 * end comes together with its data the library hears of it once and forgets it. */
static bool read_is_over(int fd)
{
    char byte;
    ssize_t size = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static bool link_is_over(struct link *link, int64_t now)
{
    if (link->deadline_ms <= now)
        return true;
    if (link->look_ms > now || !link_is_reading(link))
        return false;
    link->look_ms = now + LOOK_MS;
    return read_is_over(link->fd);
}

static void end_deadlines(struct http_server *server)
{
    int64_t now = now_ms();

    for (struct link *link = server->links; link != NULL; link = link->next) {
        if (!link_is_over(link, now))
            continue;
        struct exchange *exchange = link->exchange;
        if (exchange != NULL && exchange->suspended) {
            exchange->reply = refusal(503);
            exchange->status = 503;
            resume(server, exchange);
            tell_refused(server, 503);
        } else {
            /* There is no call to close a connection; its end of file makes the library do it. */
            shutdown(link->fd, SHUT_RDWR);
            link->deadline_ms = link->look_ms = NEVER;
        }
    }
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                 const char *value, size_t value_size)
{
    struct http_request *request = context;

    (void)kind;
    if (request->header_count == HTTP_HEADERS_MAX)
        return MHD_NO;
    request->headers[request->header_count++] =
        (struct http_header){{name, name_size}, {value_size > 0 ? value : NULL, value_size}};
    return MHD_YES;
}

static void tell_request(struct http_server *server, struct exchange *exchange)
{
    struct http_request request = {.method = slice_of(exchange->method),
                                   .body = buffer_slice(&exchange->body),
                                   .peer = slice_of(exchange->link->peer)};
    const char *question = strchr(exchange->uri, '?');

    request.path = slice_of(exchange->uri);
    if (question != NULL) {
        request.path.size = (size_t)(question - exchange->uri);
        request.query = slice_of(question + 1);
    }
    MHD_get_connection_values_n(exchange->link->connection, MHD_HEADER_KIND, on_header, &request);
    exchange->phase = WAITING;
    server->options.request(server->options.context, exchange->id, &request);
    drop_body(server, exchange); /* was lent for the call only */
}

void http_server_turn(struct http_server *server)
{
    CHECK(!server->turning);
    server->turning = true;
    do {
        server->resumed = false;
        MHD_run(server->daemon);
        end_deadlines(server);
        for (struct exchange *exchange; (exchange = server->ready) != NULL;) {
            server->ready = exchange->next_ready;
            if (server->ready == NULL)
                server->ready_tail = &server->ready;
            if (exchange->phase == READY)
                tell_request(server, exchange);
        }
    } while (server->resumed);
    server->turning = false;
}

/* The library does not look at a suspended connection, so nobody else notices that its peer has left. A peer that only
 * ended its own direction still reads. */
static bool peer_is_gone(int fd)
{
    struct pollfd look = {fd, 0, 0};

    return poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

static struct MHD_Response *copy_reply(const struct http_reply *reply)
{
    static char empty[1];
    void *body = reply->body.size > 0 ? (void *)(uintptr_t)reply->body.data : empty;
    struct MHD_Response *copy = MHD_create_response_from_buffer(reply->body.size, body, MHD_RESPMEM_MUST_COPY);

    CHECK(copy != NULL);
    CHECK(reply->header_count <= HTTP_REPLY_HEADERS_MAX);
    for (size_t i = 0; i < reply->header_count; i++) {
        char *name = slice_dup(reply->headers[i].name), *value = slice_dup(reply->headers[i].value);
        CHECK(MHD_add_response_header(copy, name, value) == MHD_YES);
        free(name);
        free(value);
    }
    return copy;
}

bool http_server_respond(struct http_server *server, uint64_t id, const struct http_reply *reply)
{
    size_t slot = id & ((1u << SLOT_BITS) - 1);
    struct exchange *exchange = slot < server->slot_count ? server->slots[slot] : NULL;

    CHECK(reply->status >= 200 && reply->status <= 599);
    if (exchange == NULL || exchange->id != id || exchange->phase != WAITING)
        return false;
    bool gone = peer_is_gone(exchange->link->fd);
    if (!gone) {
        exchange->reply = copy_reply(reply);
        exchange->status = reply->status;
    }
    resume(server, exchange);
    /* New requests that come whole in this run are told by the next turn, never from inside this call. */
    if (!server->turning) {
        MHD_run(server->daemon);
        server->resumed = false;
    }
    return !gone;
}

void http_server_quiesce(struct http_server *server)
{
    server->quiet = true;
}
