// SPDX-License-Identifier: MIT
#include "tests/unit/io/client_world.h"

/* A scripted SMTP server: it answers each command by the first line of `script` whose key begins the command.
 * Lines are "KEY=reply"; the key "." is the end of the message, "^" the greeting. "drop" closes the connection,
 * "hold" answers nothing. What is not in the script gets a friendly answer. */
static const char *reply_for(const char *script, const char *key, char *reply, size_t room)
{
    for (const char *at = script; at != NULL && *at != '\0'; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
        size_t size = strlen(key);
        if (strncmp(at, key, size) == 0 && at[size] == '=') {
            snprintf(reply, room, "%.*s", (int)strcspn(at + size + 1, "\n"), at + size + 1);
            return reply;
        }
    }
    if (strcmp(key, "^") == 0)
        return "220 ready";
    if (strcmp(key, "EHLO") == 0)
        return "250-peer\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN";
    if (strcmp(key, "AUTH") == 0)
        return "334 ";
    if (strcmp(key, "DATA") == 0)
        return "354 go on";
    return strcmp(key, "QUIT") == 0 ? "221 bye" : "250 fine";
}

/* False: the connection is to be closed. */
static bool answer_line(struct peer *peer, int fd, const char *key)
{
    char reply[256];
    const char *text = reply_for(peer->script, key, reply, sizeof(reply));

    if (strcmp(text, "drop") == 0)
        return false;
    if (strcmp(text, "hold") == 0)
        return take_some(fd, &peer->got, 0);
    send(fd, text, strlen(text), MSG_NOSIGNAL);
    send(fd, "\r\n", 2, MSG_NOSIGNAL);
    return true;
}

static bool serve_command(struct peer *peer, int fd, char *line, bool *in_data)
{
    char key[8] = "";

    snprintf(key, sizeof(key), "%.4s", line);
    if (*in_data) {
        if (strcmp(line, ".") != 0)
            return true;
        *in_data = false;
        return answer_line(peer, fd, ".");
    }
    if (strncmp(line, "AHVz", 4) == 0) /* the second line of AUTH PLAIN */
        return answer_line(peer, fd, "CRED");
    bool open = answer_line(peer, fd, key);
    if (strcmp(key, "DATA") == 0)
        *in_data = open && strstr(peer->script, "DATA=") == NULL;
    return open && strcmp(key, "QUIT") != 0;
}

static void serve_smtp(struct peer *peer, int fd)
{
    FILE *lines = fdopen(dup(fd), "r");
    char line[2048];
    bool in_data = false, open = answer_line(peer, fd, "^");

    while (open && fgets(line, sizeof(line), lines) != NULL) {
        buffer_text(&peer->got, line);
        line[strcspn(line, "\r\n")] = '\0';
        open = serve_command(peer, fd, line, &in_data);
    }
    fclose(lines);
}

struct world {
    struct client_world c;
    struct peer peer;
    char url[128];
    struct call call;
};

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    struct http_client_options options = world_options(&world->c);

    world->c.client = http_client_new(&options);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    world_fini(&world->c);
    free(world);
    return 0;
}

/* Sends one mail to a server with that script. */
static void begin(struct world *world, const char *script)
{
    peer_start(&world->peer, serve_smtp, script);
    snprintf(world->url, sizeof(world->url), "smtp://127.0.0.1:%u/pi.example.net", world->peer.port);
    world->call = (struct call){.kind = CALL_SMTP, .url = slice_of(world->url), .timeout_ms = 10000,
                                .body = SLICE("Subject: x\r\n\r\nhello\r\n.dot\r\n"), .auth = AUTH_SMTP_LOGIN,
                                .auth_name = SLICE("user"), .secret = SLICE("good"),
                                .mail_from = SLICE("shop@example.com"), .mail_to = SLICE("a@example.com")};
}

static void expect(struct world *world, const char *script, enum error error, int status)
{
    begin(world, script);
    world_perform(&world->c, &world->call);
    peer_end(&world->peer);
    assert_int_equal(world->c.error, error);
    if (status >= 0)
        assert_int_equal(world->c.status, status);
}

static void test_delivered(void **state)
{
    struct world *world = *state;

    begin(world, "AUTH=334 \nCRED=235 ok\n.=250 2.0.0 queued as 1\n");
    world_perform(&world->c, &world->call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_int_equal(world->c.status, 250);
    assert_string_equal(world->c.body.data, "250 2.0.0 queued as 1");
    http_client_destroy(&world->c.client);
    shutdown(world->peer.listener, SHUT_RDWR);
    pthread_join(world->peer.thread, NULL);
    assert_true(holds(&world->peer.got, "EHLO pi.example.net\r\n"));
    assert_true(holds(&world->peer.got, "AHVzZXIAczNjcmV0")); /* \0user\0s3cret */
    assert_true(holds(&world->peer.got, "MAIL FROM:<shop@example.com>"));
    assert_true(holds(&world->peer.got, "RCPT TO:<a@example.com>"));
    assert_true(holds(&world->peer.got, "Subject: x\r\n\r\nhello\r\n..dot\r\n.\r\n"));
    assert_true(holds(&world->peer.got, "QUIT"));
    peer_end(&world->peer);
}

static void test_refusals(void **state)
{
    struct world *world = *state;

    expect(world, "CRED=235 ok\nRCPT=550 5.1.1 no such user\n", ERROR_OK, 550);
    assert_string_equal(world->c.body.data, "550 5.1.1 no such user");
    expect(world, "CRED=235 ok\nRCPT=450 4.2.1 slow down\n", ERROR_OK, 450);
    expect(world, "CRED=235 ok\nMAIL=552 too big\n", ERROR_OK, 552);
    expect(world, "CRED=235 ok\nDATA=451 later\n", ERROR_OK, 451);
    expect(world, "CRED=235 ok\n.=451 4.7.1 later\n", ERROR_OK, 451);
    expect(world, "CRED=235 ok\n.=552 5.3.4 too big\n", ERROR_OK, 552);
    expect(world, "^=421 busy\n", ERROR_OK, 421);
    expect(world, "CRED=535 5.7.8 wrong\n", ERROR_AUTH, 535);
    expect(world, "CRED=454 4.7.0 too many\n", ERROR_OK, 454);
}

/* A server that never answers QUIT does not hold the outcome back: the call's minute is longer than anybody waits. */
static void test_quit_is_not_waited_for(void **state)
{
    struct world *world = *state;

    begin(world, "CRED=235 ok\nRCPT=550 no\nQUIT=hold\n");
    world->call.timeout_ms = 60000;
    world_perform(&world->c, &world->call);
    assert_int_equal(world->c.status, 550);
    peer_end(&world->peer);
    begin(world, "CRED=235 ok\nQUIT=hold\n");
    world->call.timeout_ms = 60000;
    world_perform(&world->c, &world->call);
    assert_int_equal(world->c.status, 250);
    peer_end(&world->peer);
}

static void test_how_far_it_got(void **state)
{
    struct world *world = *state;

    expect(world, "^=drop\n", ERROR_OFFLINE, -1);
    expect(world, "EHLO=drop\n", ERROR_OFFLINE, -1);
    expect(world, "CRED=235 ok\nRCPT=drop\n", ERROR_OFFLINE, -1);
    expect(world, "CRED=235 ok\nDATA=drop\n", ERROR_OFFLINE, -1);
    expect(world, "CRED=235 ok\n.=drop\n", ERROR_LOST, 354);
    begin(world, "CRED=235 ok\n.=drop\n");
    world->call.idempotent = true;
    world_perform(&world->c, &world->call);
    peer_end(&world->peer);
    assert_int_equal(world->c.error, ERROR_TIMEOUT);
}

/* The whole point of the thread: while the server thinks about the final dot, the client's owner goes on. */
static void test_waiting_does_not_block(void **state)
{
    struct world *world = *state;
    unsigned turns = 0;

    begin(world, "CRED=235 ok\n.=hold\n");
    world->call.timeout_ms = 600;
    assert_int_equal(http_client_start(world->c.client, 9, &world->call), ERROR_OK);
    for (; world->c.done_count == 0; turns++)
        world_turn(&world->c);
    assert_true(turns > 5);
    assert_int_equal(world->c.error, ERROR_LOST);
    peer_end(&world->peer);
}

static void test_cancel(void **state)
{
    struct world *world = *state;

    begin(world, "CRED=235 ok\n.=hold\n");
    world->call.timeout_ms = 60000;
    assert_int_equal(http_client_start(world->c.client, 9, &world->call), ERROR_OK);
    for (int i = 0; i < 10; i++)
        world_turn(&world->c);
    http_client_cancel(world->c.client, 9);
    assert_int_equal(http_client_start(world->c.client, 9, &world->call), ERROR_OK); /* the ticket is free again */
    world_turn(&world->c);
    http_client_destroy(&world->c.client);
    assert_int_equal(world->c.done_count, 0);
    peer_end(&world->peer);
}

static void test_calls_not_allowed(void **state)
{
    struct world *world = *state;

    begin(world, "CRED=235 ok\n");
    world->call.mail_to = SLICE("a@example.com>\r\nRCPT TO:<b@example.com");
    world_perform(&world->c, &world->call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    world->call.mail_to = SLICE("a@example.com");
    world->call.starttls_required = true; /* the server does not offer it */
    world_perform(&world->c, &world->call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    assert_false(holds(&world->peer.got, "AHVzZXIA"));
    world->call.url = SLICE("smtp://192.168.1.1/");
    world_perform(&world->c, &world->call);
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    world->call.url = SLICE("smtp://127.0.0.1/%0d%0aMAIL");
    world_perform(&world->c, &world->call);
    assert_int_not_equal(world->c.error, ERROR_OK);
    peer_end(&world->peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_delivered),              TEST(test_refusals), TEST(test_how_far_it_got),
        TEST(test_quit_is_not_waited_for),
        TEST(test_waiting_does_not_block), TEST(test_cancel),   TEST(test_calls_not_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
