// SPDX-License-Identifier: MIT
/* TLS against foreign servers (aiosmtpd, Python's http.server); which ./test installs. */
#include "tests/unit/io/client_world.h"
#include <fcntl.h>
#include <sys/wait.h>

struct world {
    struct client_world c;
    char folder[64], ca_file[96], smtp[64], https[64];
    int to_peer;
    pid_t pid;
};

static bool make_certificate(const char *folder)
{
    char command[512];

    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
             " 'subjectAltName=IP:127.0.0.1' -keyout %s/key.pem -out %s/cert.pem >/dev/null 2>&1",
             folder, folder);
    return system(command) == 0;
}

/* Starts tls_peer.py; false when it cannot run here. */
/* Starts the servers and learns their ports: "ready SMTP HTTPS". */
static bool start_peer(struct world *world)
{
    int in[2], out[2];
    unsigned smtp_port, https_port;
    char line[64] = "";
    size_t size = 0;

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    world->pid = fork();
    if (world->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(open("/dev/null", O_WRONLY), 2); /* it complains of the handshakes that are meant to fail */
        close(in[1]);
        close(out[0]);
        execl("/usr/bin/python3", "python3", TEST_DATA "/../unit/io/tls_peer.py", world->folder, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    world->to_peer = in[1];
    while (size < sizeof(line) - 1 && strchr(line, '\n') == NULL) {
        ssize_t got = read(out[0], line + size, sizeof(line) - 1 - size);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    close(out[0]);
    if (sscanf(line, "ready %u %u", &smtp_port, &https_port) != 2)
        return false;
    snprintf(world->smtp, sizeof(world->smtp), "smtp://127.0.0.1:%u/pi.example.net", smtp_port);
    snprintf(world->https, sizeof(world->https), "https://127.0.0.1:%u/", https_port);
    return true;
}

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    struct http_client_options options = world_options(&world->c);

    *state = world;
    world->c.client = http_client_new(&options);
    snprintf(world->folder, sizeof(world->folder), "%s", "/tmp/purser-tls-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->ca_file, sizeof(world->ca_file), "%s/cert.pem", world->folder);
    assert_true(make_certificate(world->folder)); /* openssl(1) */
    assert_true(start_peer(world));               /* python3-aiosmtpd */
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    char path[96];

    world_fini(&world->c);
    if (world->pid > 0) {
        close(world->to_peer);
        waitpid(world->pid, NULL, 0);
    }
    unlink(world->ca_file);
    snprintf(path, sizeof(path), "%s/key.pem", world->folder);
    unlink(path);
    rmdir(world->folder);
    free(world);
    return 0;
}

static void test_https(void **state)
{
    struct world *world = *state;
    struct call call = {.kind = CALL_HTTP,
                        .url = slice_of(world->https),
                        .method = SLICE("GET"),
                        .timeout_ms = 20000,
                        .ca_file = slice_of(world->ca_file)};

    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_string_equal(world->c.body.data, "secure");
    /* Not signed by anybody the system knows: nothing was sent. */
    call.ca_file = SLICE("");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OFFLINE);
    assert_int_equal(world->c.status, 0);
}

static void test_starttls(void **state)
{
    struct world *world = *state;
    struct call call = {.kind = CALL_SMTP,
                        .url = slice_of(world->smtp),
                        .timeout_ms = 20000,
                        .body = SLICE("Subject: x\r\n\r\nhello\r\n"),
                        .auth = AUTH_SMTP_LOGIN,
                        .auth_name = SLICE("user"),
                        .secret = SLICE("good"),
                        .mail_from = SLICE("shop@example.com"),
                        .mail_to = SLICE("a@example.com"),
                        .starttls_required = true,
                        .ca_file = slice_of(world->ca_file)};

    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OK);
    assert_string_equal(world->c.body.data, "250 tls=True user=user to=a@example.com bytes=21");
    call.auth_name = SLICE("other");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_AUTH);
    assert_int_equal(world->c.status, 535);
    call.auth_name = SLICE("user");
    call.ca_file = SLICE("");
    world_perform(&world->c, &call);
    assert_int_equal(world->c.error, ERROR_OFFLINE);
    call.starttls_required = false;
    world_perform(&world->c, &call);
    assert_int_not_equal(world->c.status, 250);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_https), TEST(test_starttls)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
