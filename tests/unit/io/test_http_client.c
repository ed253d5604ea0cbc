// SPDX-License-Identifier: MIT
#include "proto/http.h"
#include "runtime/io/http_server.h"
#include "tests/unit/io/client_world.h"

struct world {
    struct client_world c;
    struct http_server *server;
    struct buffer seen;
    unsigned requests;
    bool mute;
};

/* /status/NNN answers with that status; /big with more than an answer may hold; else it echoes. */
static void on_request(void *context, uint64_t exchange, const struct http_request *request)
{
    static char big[ANSWER_BODY_MAX + 1];
    struct world *world = context;
    struct http_reply reply = {.status = 200, .header_count = 2, .body = request->body};

    world->requests++;
    buffer_clear(&world->seen);
    buffer_printf(&world->seen, "%.*s %.*s;", (int)request->method.size, request->method.data,
                  (int)request->path.size, request->path.data);
    for (size_t i = 0; i < request->header_count; i++)
        buffer_printf(&world->seen, "%.*s=%.*s;", (int)request->headers[i].name.size, request->headers[i].name.data,
                      (int)request->headers[i].value.size, request->headers[i].value.data);
    buffer_append(&world->seen, "", 1);
    if (world->mute)
        return;
    reply.headers[0] = (struct http_header){SLICE("Retry-After"), SLICE("17")};
    reply.headers[1] = (struct http_header){SLICE("X-Other"), SLICE("1")};
    if (request->path.size == 11 && memcmp(request->path.data, "/status/", 8) == 0)
        reply.status = (int)strtol(request->path.data + 8, NULL, 10);
    if (slice_equal(request->path, SLICE("/big")))
        reply.body = (struct slice){big, sizeof(big)};
    http_server_respond(world->server, exchange, &reply);
}

static void turn_server(void *context)
{
    struct world *world = context;

    http_server_turn(world->server);
}

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    struct http_client_options options = world_options(&world->c);
    struct http_server_options server = {.address = "127.0.0.1", .body_bytes_max = 1 << 20, .header_bytes_max = 16384,
                                         .connections_max = 16, .connections_per_ip_max = 16, .read_ms = 20000,
                                         .answer_ms = 20000, .request = on_request, .context = world};
    enum error error;

    world->server = http_server_open(&server, &error);
    assert_non_null(world->server);
    world->c.client = http_client_new(&options);
    world->c.also = turn_server;
    world->c.also_context = world;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    world_fini(&world->c);
    http_server_close(&world->server);
    buffer_free(&world->seen);
    free(world);
    return 0;
}

static struct call get(char *url, size_t room, uint16_t port, const char *path)
{
    snprintf(url, room, "http://127.0.0.1:%u%s", port, path);
    return (struct call){.kind = CALL_HTTP, .url = slice_of(url), .method = SLICE("GET"), .idempotent = true,
                         .timeout_ms = 10000};
}

static void test_answer_as_data(void **state)
{
    struct world *world = *state;
    char url[128];
    struct call call = get(url, sizeof(url), http_server_port(world->server), "/echo");

    call.method = SLICE("POST");
    call.body = SLICE("hello");
    call.headers[0] = (struct call_header){SLICE("X-One"), SLICE("1")};
    call.headers[1] = (struct call_header){SLICE("X-Empty"), SLICE("")};
    call.header_count = 2;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_int_equal(world->c.status, 200);
    assert_string_equal(world->c.body.data, "hello");
    assert_string_equal(world->c.retry_after.data, "17");
    assert_non_null(strstr(world->seen.data, "POST /echo;"));
    assert_non_null(strstr(world->seen.data, "X-One=1;"));
    assert_non_null(strstr(world->seen.data, "X-Empty=;"));
    assert_null(strstr(world->seen.data, "Content-Type"));
    assert_null(strstr(world->seen.data, "Expect"));
    call = get(url, sizeof(url), http_server_port(world->server), "/status/429");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_int_equal(world->c.status, 429);
    call = get(url, sizeof(url), http_server_port(world->server), "/status/302");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.status, 302);
    call.method = SLICE("DELETE");
    world_perform(&world->c, &call);
    assert_non_null(strstr(world->seen.data, "DELETE /status/302;"));
}

static void test_big_body_and_answer(void **state)
{
    struct world *world = *state;
    static char body[700000];
    char url[128];
    struct call call = get(url, sizeof(url), http_server_port(world->server), "/echo");

    memset(body, 'b', sizeof(body));
    call.method = SLICE("PUT");
    call.body = (struct slice){body, sizeof(body)};
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_int_equal(world->c.body.size, sizeof(body));
    call = get(url, sizeof(url), http_server_port(world->server), "/big");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_TOO_LARGE);
    assert_int_equal(world->c.body.size, 0);
    /* What may not be repeated and was handed over: its effect is unknown, whatever the answer's size. */
    call.method = SLICE("POST");
    call.body = SLICE("body");
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_LOST);
    assert_int_equal(world->c.body.size, 0);
}

static void test_secrets(void **state)
{
    struct world *world = *state;
    char url[128];
    struct call call = get(url, sizeof(url), http_server_port(world->server), "/");

    call.auth = AUTH_BEARER;
    call.secret = SLICE("good");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_non_null(strstr(world->seen.data, "Authorization=Bearer s3cret;"));
    call.auth = AUTH_HEADER;
    call.auth_name = SLICE("X-Key");
    world_perform(&world->c, &call);
    assert_non_null(strstr(world->seen.data, "X-Key=s3cret;"));
    call.secret = SLICE("none");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_NO_SECRET);
    call.secret = SLICE("crlf");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    assert_int_equal(world->requests, 2);
    /* The same server by a name the secret does not belong to. */
    snprintf(url, sizeof(url), "http://localhost:%u/", http_server_port(world->server));
    call.url = slice_of(url);
    call.secret = SLICE("good");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    assert_int_equal(world->requests, 2);
}

static void test_token_in_the_path(void **state)
{
    static const char *const bad[] = {"http://127.0.0.1:%u/bot/getMe", "http://127.0.0.1:%u/bot{secret}/{secret}",
                                      "http://127.0.0.1:%u{secret}/getMe", "http://{secret}@127.0.0.1:%u/getMe"};
    struct world *world = *state;
    char url[128];
    struct call call = get(url, sizeof(url), http_server_port(world->server), "/bot{secret}/getMe");

    call.auth = AUTH_URL_TOKEN;
    call.secret = SLICE("good");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_non_null(strstr(world->seen.data, "GET /bots3cret/getMe;"));
    call.secret = SLICE("crlf");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    call.secret = SLICE("slash");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    call.secret = SLICE("good");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(url, sizeof(url), bad[i], http_server_port(world->server));
        call.url = slice_of(url);
        world_perform(&world->c, &call);
        assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    }
    assert_int_equal(world->requests, 1);
    /* Nobody is there, and what is said about it does not hold the token: the client world looks. */
    call.url = SLICE("http://127.0.0.1:1/bot{secret}/getMe");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OFFLINE);
}

static void test_calls_not_allowed(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = {"ftp://127.0.0.1/",       "file:///etc/passwd",     "127.0.0.1/",
                                      "http://u:p@127.0.0.1/",  "smtp://127.0.0.1/",      "http://10.0.0.1/",
                                      "http://192.0.2.1/",      "https://10.1.2.3/",      "https://169.254.169.254/",
                                      "https://[fd00::1]/",     "https://[::ffff:127.0.0.1]/", "http://8.8.8.8/", ""};
    struct call call = {.kind = CALL_HTTP, .method = SLICE("GET"), .idempotent = true, .timeout_ms = 5000};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        call.url = slice_of(bad[i]);
        world_perform(&world->c, &call);
        assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    }
    call.url = SLICE("http://127.0.0.1:1/");
    call.method = SLICE("GE T");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    call.method = SLICE("GET");
    call.header_count = 1;
    call.headers[0] = (struct call_header){SLICE("X"), SLICE("a\r\nb: c")};
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    call.headers[0] = (struct call_header){SLICE("Content-Length"), SLICE("0")};
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
}

/* What production runs: no plain text, no loopback, however the address is written. */
static void test_strict_client(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = {"http://127.0.0.1/",  "https://127.0.0.1/",  "https://localhost/",
                                      "https://0x7f.1/",    "https://2130706433/", "https://[::1]/",
                                      "http://example.com/", "https://0/"};
    struct client_world strict = {0};
    struct http_client_options options = world_options(&strict);
    struct call call = {.kind = CALL_HTTP, .method = SLICE("GET"), .idempotent = true, .timeout_ms = 5000};

    options.allow_plain_loopback = false;
    strict.client = http_client_new(&options);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        call.url = slice_of(bad[i]);
        world_perform(&strict, &call);
        assert_int_equal(strict.error, ERROR_UNSUPPORTED);
    }
    assert_int_equal(world->requests, 0);
    world_fini(&strict);
}

static void test_refused_connection(void **state)
{
    struct world *world = *state;
    uint16_t port;
    char url[128];

    close(listen_on(&port));
    struct call call = get(url, sizeof(url), port, "/");
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OFFLINE);
    assert_int_equal(world->c.status, 0);
    assert_true(world->c.detail.size > 0);
}

static void drop_after_body(struct peer *peer, int fd)
{
    peer_until(peer, fd, peer->script);
    buffer_clear(&peer->got);
}

static void test_drop_after_body(void **state)
{
    struct world *world = *state;
    struct peer peer;
    char url[128];

    peer_start(&peer, drop_after_body, "\r\n\r\nbody");
    struct call call = get(url, sizeof(url), peer.port, "/");
    call.method = SLICE("POST");
    call.body = SLICE("body");
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_LOST);
    call.idempotent = true;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_TIMEOUT);
    peer_end(&peer);
    peer_start(&peer, drop_after_body, "\r\n\r\n");
    call = get(url, sizeof(url), peer.port, "/");
    call.method = SLICE("POST");
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_LOST);
    peer_end(&peer);
}

/* Half an answer is no answer. */
static void half_answer(struct peer *peer, int fd)
{
    peer_until(peer, fd, "\r\n\r\n");
    buffer_clear(&peer->got);
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
}

static void test_half_answer(void **state)
{
    struct world *world = *state;
    struct peer peer;
    char url[128];

    peer_start(&peer, half_answer, NULL);
    struct call call = get(url, sizeof(url), peer.port, "/");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_TIMEOUT);
    assert_int_equal(world->c.body.size, 0);
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_LOST);
    peer_end(&peer);
}

static void drop_in_body(struct peer *peer, int fd)
{
    struct linger hard = {1, 0};

    peer_until(peer, fd, "\r\n\r\n");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static void test_drop_in_body(void **state)
{
    struct world *world = *state;
    static char body[32 << 20];
    struct peer peer;
    char url[128];

    peer_start(&peer, drop_in_body, NULL);
    struct call call = get(url, sizeof(url), peer.port, "/");
    call.method = SLICE("POST");
    call.body = (struct slice){body, sizeof(body)};
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OFFLINE);
    peer_end(&peer);
}

/* Answers the first request on a connection and drops the connection at the second, or when none comes. */
static void answer_once(struct peer *peer, int fd)
{
    struct timeval wait = {.tv_usec = 300000};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (peer_until(peer, fd, "\r\n\r\n"))
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    buffer_clear(&peer->got);
    peer_until(peer, fd, "\r\n\r\n");
    buffer_clear(&peer->got);
}

static void test_pooled_connection(void **state)
{
    struct world *world = *state;
    struct peer peer;
    char url[128];

    peer_start(&peer, answer_once, NULL);
    struct call call = get(url, sizeof(url), peer.port, "/");
    call.method = SLICE("POST");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    /* Idempotent: sent on the pooled connection, dropped there, repeated by libcurl on a new one. */
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    /* Otherwise never on a pooled one, where a drop would mean a repeat behind our back. */
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    peer_end(&peer);
    assert_int_equal(peer.connections, 3);
}

static void test_timeout_and_cancel(void **state)
{
    struct world *world = *state;
    char url[128];
    struct call call = get(url, sizeof(url), http_server_port(world->server), "/");

    world->mute = true;
    call.timeout_ms = 150;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_TIMEOUT);
    call.idempotent = false;
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_LOST);
    call.timeout_ms = 10000;
    for (uint64_t ticket = 100; ticket < 104; ticket++)
        assert_int_equal(http_client_start(world->c.client, ticket, &call), ERROR_OK);
    assert_int_equal(http_client_start(world->c.client, 104, &call), ERROR_FULL);
    world_turn(&world->c);
    for (uint64_t ticket = 100; ticket < 103; ticket++)
        http_client_cancel(world->c.client, ticket);
    http_client_cancel(world->c.client, 4711);
    for (int i = 0; i < 20; i++)
        world_turn(&world->c);
    assert_int_equal(world->c.done_count, 2);
    /* Ticket 103 is under way when the world ends. */
}

static void test_failed_start_can_be_cancelled(void **state)
{
    struct world *world = *state;
    struct call call = {.kind = CALL_HTTP, .method = SLICE("GET"), .url = SLICE("gopher://x/"), .timeout_ms = 1};

    assert_int_equal(http_client_start(world->c.client, 1, &call), ERROR_OK);
    assert_int_equal(http_client_timeout_ms(world->c.client), 0);
    http_client_cancel(world->c.client, 1);
    world_turn(&world->c);
    assert_int_equal(world->c.done_count, 0);
}

/* The script writes the packed body; decompressed bytes are what counts. */
static void send_gzip(struct peer *peer, int fd)
{
    struct buffer packed = {NULL, 0, 0};
    char chunk[4096];
    size_t size;
    FILE *pipe;

    peer_until(peer, fd, "\r\n\r\n");
    buffer_clear(&peer->got);
    pipe = popen(peer->script, "r");
    while ((size = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
        buffer_append(&packed, chunk, size);
    pclose(pipe);
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
    send(fd, packed.data, packed.size, MSG_NOSIGNAL);
    buffer_free(&packed);
}

static void test_gzip(void **state)
{
    struct world *world = *state;
    struct peer peer;
    char url[128];

    peer_start(&peer, send_gzip, "head -c 1000 /dev/zero | gzip");
    struct call call = get(url, sizeof(url), peer.port, "/");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_int_equal(world->c.body.size, 1000);
    peer_end(&peer);
    peer_start(&peer, send_gzip, "head -c 50000000 /dev/zero | gzip");
    call = get(url, sizeof(url), peer.port, "/");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_TOO_LARGE);
    peer_end(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answer_as_data),     TEST(test_big_body_and_answer), TEST(test_secrets),
        TEST(test_token_in_the_path),
        TEST(test_calls_not_allowed),  TEST(test_strict_client),       TEST(test_refused_connection),
        TEST(test_drop_after_body),    TEST(test_half_answer),         TEST(test_drop_in_body),
        TEST(test_pooled_connection),  TEST(test_timeout_and_cancel),  TEST(test_failed_start_can_be_cancelled),
        TEST(test_gzip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
