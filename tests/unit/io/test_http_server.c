// SPDX-License-Identifier: MIT
#include "runtime/io/http_server.h"
#include "tests/unit/io/loopback.h"
#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>

struct world {
    struct http_server *server;
    unsigned requests, refusals;
    int refused; /* the last one */
    uint64_t exchange;
    bool echo; /* answer at once, with what came */
    struct buffer seen;
};

static void on_request(void *context, uint64_t exchange, const struct http_request *request)
{
    struct world *world = context;
    struct http_reply reply = {.status = 200, .header_count = 1};

    world->requests++;
    world->exchange = exchange;
    buffer_clear(&world->seen);
    buffer_printf(&world->seen, "%.*s|%.*s|%.*s|%.*s|%zu|", (int)request->method.size, request->method.data,
                  (int)request->path.size, request->path.data, (int)request->query.size, request->query.data,
                  (int)request->peer.size, request->peer.data, request->body.size);
    for (size_t i = 0; i < request->header_count; i++)
        buffer_printf(&world->seen, "%.*s=%.*s;", (int)request->headers[i].name.size, request->headers[i].name.data,
                      (int)request->headers[i].value.size, request->headers[i].value.data);
    buffer_append(&world->seen, "", 1);
    if (!world->echo)
        return;
    reply.headers[0] = (struct http_header){SLICE("X-Path"), request->path};
    reply.body = request->body;
    assert_true(http_server_respond(world->server, exchange, &reply));
}

static void on_refused(void *context, int status)
{
    struct world *world = context;

    world->refusals++;
    world->refused = status;
}

static struct http_server_options world_options(struct world *world)
{
    return (struct http_server_options){.address = "127.0.0.1",
                                        .body_bytes_max = 65536,
                                        .header_bytes_max = 4096,
                                        .connections_max = 8,
                                        .connections_per_ip_max = 8,
                                        .read_ms = 400,
                                        .answer_ms = 400,
                                        .request = on_request,
                                        .refused = on_refused,
                                        .context = world};
}

/* Opens the world's server, or another one in its place. */
static void world_serve(struct world *world, const struct http_server_options *options)
{
    enum error error;

    http_server_close(&world->server);
    world->server = http_server_open(options, &error);
    assert_non_null(world->server);
    assert_int_equal(error, ERROR_OK);
    assert_int_not_equal(http_server_port(world->server), 0);
}

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    struct http_server_options options = world_options(world);

    world_serve(world, &options);
    world->echo = true;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    http_server_close(&world->server);
    assert_null(world->server);
    buffer_free(&world->seen);
    free(world);
    return 0;
}

/* Runs the server until the client has `until` (NULL: until its connection is closed). */
static void pump(struct world *world, int fd, struct buffer *got, const char *until)
{
    long end = clock_ms() + 20000;

    while (until == NULL || !holds(got, until)) {
        struct pollfd wait[] = {{http_server_fd(world->server), POLLIN, 0}, {fd, POLLIN, 0}};
        long timeout = http_server_timeout_ms(world->server);
        assert_true(poll(wait, 2, timeout < 0 || timeout > 1000 ? 1000 : (int)timeout) >= 0);
        http_server_turn(world->server);
        if (!take_some(fd, got, MSG_DONTWAIT))
            break;
        assert_true(clock_ms() < end);
    }
    if (until != NULL)
        assert_true(holds(got, until));
}

static void pump_until_request(struct world *world, unsigned count)
{
    long end = clock_ms() + 20000;

    while (world->requests < count) {
        struct pollfd wait = {http_server_fd(world->server), POLLIN, 0};
        long timeout = http_server_timeout_ms(world->server);
        assert_true(poll(&wait, 1, timeout < 0 || timeout > 100 ? 100 : (int)timeout) >= 0);
        http_server_turn(world->server);
        assert_true(clock_ms() < end);
    }
}

/* Sends one request and expects the answer to hold `expected`, then the connection to close if `closes`. */
static void exchange_text(struct world *world, const char *request, const char *expected, bool closes)
{
    struct buffer got = {NULL, 0, 0};
    int fd = connect_to(http_server_port(world->server));

    send_text(fd, request);
    pump(world, fd, &got, expected);
    if (closes)
        pump(world, fd, &got, NULL);
    close(fd);
    buffer_free(&got);
}

static void test_request_as_data(void **state)
{
    struct world *world = *state;

    exchange_text(world,
                  "POST /a%2Fb/c?x=%41&y HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nX-Empty:\r\n"
                  "Content-Length: 5\r\n\r\nhello",
                  "\r\n\r\nhello", false);
    assert_string_equal(world->seen.data,
                        "POST|/a%2Fb/c|x=%41&y|127.0.0.1|5|Host=h;X-One=1;X-Empty=;Content-Length=5;");
    exchange_text(world, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200", false);
    assert_string_equal(world->seen.data, "GET|/||127.0.0.1|0|Host=h;");
    assert_int_equal(world->refusals, 0);
}

static void test_keep_alive_and_pipelining(void **state)
{
    struct world *world = *state;
    struct buffer got = {NULL, 0, 0};
    int fd = connect_to(http_server_port(world->server));

    send_text(fd, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                  "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
    pump(world, fd, &got, "X-Path: /3");
    assert_true(strstr(got.data, "X-Path: /1") < strstr(got.data, "X-Path: /2"));
    assert_true(strstr(got.data, "X-Path: /2") < strstr(got.data, "X-Path: /3"));
    send_text(fd, "GET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    pump(world, fd, &got, NULL);
    assert_true(holds(&got, "X-Path: /4"));
    assert_int_equal(world->requests, 4);
    close(fd);
    buffer_free(&got);
}

static void test_too_large_by_length(void **state)
{
    struct world *world = *state;

    exchange_text(world, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 413", true);
    exchange_text(world, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 65537\r\n\r\n",
                  "HTTP/1.1 413", true);
    exchange_text(world, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 4",
                  true);
    assert_int_equal(world->requests, 0);
    assert_true(world->refusals >= 2);
    assert_int_equal(world->refused, 413);
}

static void test_expect_continue(void **state)
{
    struct world *world = *state;
    struct buffer got = {NULL, 0, 0};
    int fd = connect_to(http_server_port(world->server));

    send_text(fd, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    pump(world, fd, &got, "HTTP/1.1 100");
    send_text(fd, "body");
    pump(world, fd, &got, "\r\n\r\nbody");
    close(fd);
    buffer_free(&got);
}

static void send_chunks(int fd, size_t chunk_count)
{
    char chunk[1024 + 9];

    memcpy(chunk, "400\r\n", 5);
    memset(chunk + 5, 'x', 1024);
    memcpy(chunk + 1029, "\r\n", 2);
    for (size_t i = 0; i < chunk_count; i++)
        send_bytes(fd, chunk, 1031);
}

static void test_chunked(void **state)
{
    struct world *world = *state;
    struct buffer got = {NULL, 0, 0};
    int fd = connect_to(http_server_port(world->server));

    send_text(fd, "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_chunks(fd, 64);
    send_text(fd, "0\r\n\r\n");
    pump(world, fd, &got, "X-Path: /c");
    assert_non_null(strstr(world->seen.data, "|65536|"));
    buffer_clear(&got);
    send_text(fd, "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_chunks(fd, 65);
    send_text(fd, "0\r\n\r\n");
    pump(world, fd, &got, "HTTP/1.1 413");
    assert_int_equal(world->requests, 1);
    assert_int_equal(world->refused, 413);
    close(fd);
    /* A body without an end is cut, not answered. */
    fd = connect_to(http_server_port(world->server));
    send_text(fd, "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_chunks(fd, 160);
    pump(world, fd, &got, NULL);
    assert_int_equal(world->requests, 1);
    close(fd);
    buffer_free(&got);
}

static void test_headers_too_large(void **state)
{
    struct world *world = *state;
    struct buffer request = {NULL, 0, 0};

    buffer_text(&request, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ");
    for (int i = 0; i < 5000; i++)
        buffer_text(&request, "x");
    buffer_append(&request, "\r\n\r\n", 5);
    exchange_text(world, request.data, "HTTP/1.1 431", true);
    assert_int_equal(world->refused, 431);
    buffer_clear(&request);
    buffer_text(&request, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 70; i++)
        buffer_printf(&request, "X-%d: 1\r\n", i);
    buffer_append(&request, "\r\n", 3);
    exchange_text(world, request.data, "HTTP/1.1 431", true);
    buffer_clear(&request);
    buffer_text(&request, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ");
    for (int i = 0; i < 40000; i++)
        buffer_text(&request, "x");
    buffer_append(&request, "\r\n\r\n", 5);
    exchange_text(world, request.data, "HTTP/1.1 431", true);
    assert_int_equal(world->requests, 0);
    buffer_free(&request);
}

static void test_bad_framing(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        exchange_text(world, bad[i], "HTTP/1.1 400", true);
    exchange_text(world, "POST / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 411", true);
    assert_int_equal(world->requests, 0);
}

static void test_slow_loris(void **state)
{
    struct world *world = *state;
    struct buffer got = {NULL, 0, 0};
    int fd = connect_to(http_server_port(world->server));
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh";
    bool open = true;

    for (size_t i = 0; i < sizeof(request) - 1 && open; i++) {
        struct pollfd wait = {http_server_fd(world->server), POLLIN, 0};
        send(fd, request + i, 1, MSG_NOSIGNAL);
        poll(NULL, 0, 20); /* a byte now and then: never idle, never done */
        poll(&wait, 1, 0);
        http_server_turn(world->server);
        open = take_some(fd, &got, MSG_DONTWAIT);
    }
    assert_false(open);
    assert_int_equal(got.size, 0);
    close(fd);
    /* One that says nothing at all. */
    fd = connect_to(http_server_port(world->server));
    pump(world, fd, &got, NULL);
    assert_int_equal(world->requests, 0);
    close(fd);
    buffer_free(&got);
}

static void test_answered_later(void **state)
{
    struct world *world = *state;
    struct http_reply reply = {.status = 202, .body = SLICE("later")};
    struct buffer got = {NULL, 0, 0};
    int fd = connect_to(http_server_port(world->server));

    world->echo = false;
    send_text(fd, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nxPOST /2 HTTP/1.1\r\nHost: h\r\n"
                  "Content-Length: 1\r\n\r\ny");
    pump_until_request(world, 1);
    uint64_t first = world->exchange;
    assert_true(http_server_respond(world->server, first, &reply));
    /* The answer is out without another turn. */
    assert_true(take_some(fd, &got, 0));
    assert_true(holds(&got, "HTTP/1.1 202"));
    assert_false(http_server_respond(world->server, first, &reply));
    pump_until_request(world, 2);
    assert_true(world->exchange != first);
    assert_true(http_server_respond(world->server, world->exchange, &reply));
    pump(world, fd, &got, "later");
    close(fd);
    buffer_free(&got);
}

static void test_answer_deadline(void **state)
{
    struct world *world = *state;
    struct http_reply reply = {.status = 200};

    world->echo = false;
    exchange_text(world, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "Retry-After: ", false);
    assert_int_equal(world->refused, 503);
    assert_false(http_server_respond(world->server, world->exchange, &reply));
}

static void reset_close(int fd)
{
    struct linger hard = {1, 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(fd);
}

static void test_peer_gone(void **state)
{
    struct world *world = *state;
    struct http_reply reply = {.status = 200};
    int fd = connect_to(http_server_port(world->server));

    world->echo = false;
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pump_until_request(world, 1);
    reset_close(fd);
    assert_false(http_server_respond(world->server, world->exchange, &reply));
    assert_false(http_server_respond(world->server, world->exchange, &reply));
    assert_false(http_server_respond(world->server, 12345, &reply));
    world->echo = true;
    exchange_text(world, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200", false);
}

/* A client that ends its own direction after a whole request still reads. */
static void test_half_closed(void **state)
{
    struct world *world = *state;
    struct http_server_options options = world_options(world);
    struct http_reply reply = {.status = 202, .body = SLICE("later")};
    struct buffer got = {NULL, 0, 0};

    options.read_ms = 60000; /* the connections end without this deadline */
    options.answer_ms = 60000;
    world_serve(world, &options);
    int fd = connect_to(http_server_port(world->server));
    send_text(fd, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
                  "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\ny");
    shutdown(fd, SHUT_WR); /* before the server reads anything */
    pump(world, fd, &got, NULL);
    assert_true(holds(&got, "X-Path: /1") && holds(&got, "X-Path: /2"));
    close(fd);
    world->echo = false;
    for (unsigned late = 0; late < 2; late++) {
        buffer_clear(&got);
        fd = connect_to(http_server_port(world->server));
        send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        if (!late)
            shutdown(fd, SHUT_WR);
        pump_until_request(world, 3 + late);
        if (late)
            shutdown(fd, SHUT_WR); /* while the exchange waits */
        assert_true(http_server_respond(world->server, world->exchange, &reply));
        pump(world, fd, &got, NULL);
        assert_true(holds(&got, "later"));
        close(fd);
    }
    buffer_free(&got);
}

/* Who leaves in the middle of a request, or before it, does not hold a slot until the deadline. */
static void test_gone_while_reading(void **state)
{
    static const char *const parts[] = {"", "POST / HTT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab",
                                        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"};
    struct world *world = *state;
    struct http_server_options options = world_options(world);

    options.read_ms = 600000;
    world_serve(world, &options);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        for (size_t n = 0; n < options.connections_max; n++) {
            int fd = connect_to(http_server_port(world->server));
            send_text(fd, parts[i]);
            if (n % 4 == 3)
                http_server_turn(world->server); /* read before the end came */
            if (n % 2 == 0)
                close(fd);
            else
                reset_close(fd);
        }
        exchange_text(world, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 200", true);
    }
    assert_int_equal(world->requests, sizeof(parts) / sizeof(*parts));
}

/* All bodies together are bounded; what was held is free again afterwards. */
static void test_bodies_together(void **state)
{
    struct world *world = *state;
    struct http_server_options options = world_options(world);
    struct buffer got = {NULL, 0, 0};
    char half[1000] = {0};

    options.read_ms = 60000;
    options.bodies_bytes_max = 2 * sizeof(half) + 500;
    world_serve(world, &options);
    int fds[2];
    for (size_t i = 0; i < 2; i++) {
        fds[i] = connect_to(http_server_port(world->server));
        send_text(fds[i], "POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 1004\r\n\r\n");
        send_bytes(fds[i], half, sizeof(half));
    }
    for (int i = 0; i < 5; i++)
        http_server_turn(world->server);
    exchange_text(world, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 501\r\n\r\n", "Retry-After: ", true);
    assert_int_equal(world->refused, 503);
    exchange_text(world, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "\r\n\r\nhello", false);
    int fd = connect_to(http_server_port(world->server));
    send_text(fd, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_chunks(fd, 1);
    send_text(fd, "0\r\n\r\n");
    pump(world, fd, &got, "HTTP/1.1 503");
    pump(world, fd, &got, "Retry-After: ");
    close(fd);
    assert_int_equal(world->refusals, 2);
    for (size_t i = 0; i < 2; i++) {
        send_text(fds[i], "last");
        buffer_clear(&got);
        pump(world, fds[i], &got, "X-Path: /held");
        close(fds[i]);
    }
    exchange_text(world, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "\r\n\r\nhello", false);
    buffer_free(&got);
}

/* Another address of this machine than loopback, to come from; false when it has none. */
static bool own_address(struct sockaddr_in *address)
{
    struct ifaddrs *all = NULL;
    bool found = false;

    assert_int_equal(getifaddrs(&all), 0);
    for (struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(address, one->ifa_addr, sizeof(*address));
        address->sin_port = 0;
        found = ntohl(address->sin_addr.s_addr) >> 24 != 127;
    }
    freeifaddrs(all);
    return found;
}

static void test_limit_per_address(void **state)
{
    struct world *world = *state;
    struct http_server_options options = world_options(world);
    struct sockaddr_in from, to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct buffer got = {NULL, 0, 0};
    int fds[6];

    options.read_ms = 60000;
    options.connections_per_ip_max = 2;
    world_serve(world, &options);
    for (size_t i = 0; i < 4; i++) /* a proxy on this machine is not one sender */
        fds[i] = connect_to(http_server_port(world->server));
    exchange_text(world, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 200", true);
    to.sin_port = htons(http_server_port(world->server));
    bool other = own_address(&from);
    for (size_t i = 3; other && i < 6; i++) {
        if (i == 3)
            close(fds[i]);
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&from, sizeof(from)), 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof(to)), 0);
    }
    if (other) {
        pump(world, fds[5], &got, NULL);
        assert_int_equal(got.size, 0);
        send_text(fds[4], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        pump(world, fds[4], &got, "HTTP/1.1 200");
    }
    for (size_t i = 0; i < (other ? 6 : 4); i++)
        close(fds[i]);
    buffer_free(&got);
}

static void test_quiesce(void **state)
{
    struct world *world = *state;
    struct http_reply reply = {.status = 200};
    struct buffer got = {NULL, 0, 0};
    int fd = connect_to(http_server_port(world->server));

    world->echo = false;
    send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pump_until_request(world, 1);
    http_server_quiesce(world->server);
    exchange_text(world, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "Retry-After: ", true);
    assert_true(http_server_respond(world->server, world->exchange, &reply));
    pump(world, fd, &got, "HTTP/1.1 200");
    assert_int_equal(world->requests, 1);
    close(fd);
    buffer_free(&got);
}

/* The teardown closes the server while one exchange waits and one is half read. */
static void test_close_while_waiting(void **state)
{
    struct world *world = *state;
    int waiting = connect_to(http_server_port(world->server)), half = connect_to(http_server_port(world->server));

    world->echo = false;
    send_text(half, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    send_text(waiting, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    pump_until_request(world, 1);
    close(waiting);
    close(half);
}

static void test_connection_limit(void **state)
{
    struct world *world = *state;
    struct buffer got = {NULL, 0, 0};
    int fds[8];

    for (size_t i = 0; i < 8; i++) {
        fds[i] = connect_to(http_server_port(world->server));
        http_server_turn(world->server);
    }
    int extra = connect_to(http_server_port(world->server));
    send(extra, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, MSG_NOSIGNAL);
    for (int i = 0; i < 5; i++)
        http_server_turn(world->server);
    take_some(extra, &got, MSG_DONTWAIT);
    assert_int_equal(got.size, 0);
    assert_int_equal(world->requests, 0);
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
    pump(world, extra, &got, "HTTP/1.1 200");
    close(extra);
    buffer_free(&got);
}

static void test_address_errors(void **state)
{
    struct world *world = *state;
    struct http_server_options options = {.address = "127.0.0.1", .connections_max = 1, .body_bytes_max = 1,
                                          .header_bytes_max = 4096, .port = http_server_port(world->server),
                                          .read_ms = 1, .answer_ms = 1, .request = on_request};
    enum error error;

    assert_null(http_server_open(&options, &error));
    assert_int_equal(error, ERROR_IO);
    assert_int_equal(errno, EADDRINUSE);
    options.address = "localhost";
    assert_null(http_server_open(&options, &error));
    assert_int_equal(error, ERROR_INVALID);
    options.address = "::1";
    options.port = 0;
    struct http_server *server = http_server_open(&options, &error);
    if (server != NULL) /* not every test machine has IPv6 */
        http_server_close(&server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request_as_data),   TEST(test_keep_alive_and_pipelining), TEST(test_too_large_by_length),
        TEST(test_expect_continue),   TEST(test_chunked),                   TEST(test_headers_too_large),
        TEST(test_bad_framing),       TEST(test_slow_loris),                TEST(test_answered_later),
        TEST(test_answer_deadline),   TEST(test_peer_gone),                 TEST(test_quiesce),
        TEST(test_close_while_waiting), TEST(test_connection_limit),        TEST(test_address_errors),
        TEST(test_half_closed),       TEST(test_gone_while_reading),        TEST(test_bodies_together),
        TEST(test_limit_per_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
