// SPDX-License-Identifier: MIT
/* Tokens: into a body, and out of an answer before anybody sees it. The server answers with the body it got. */
#include "proto/http.h"
#include "runtime/io/http_server.h"
#include "tests/unit/io/client_world.h"

struct world {
    struct client_world c;
    struct http_server *server;
    int status;
    bool refuses;
    unsigned kept;
    char name[64], value[64];
    int64_t lives_ms;
};

static void on_request(void *context, uint64_t exchange, const struct http_request *request)
{
    struct world *world = context;

    http_server_respond(world->server, exchange, &(struct http_reply){.status = world->status, .body = request->body});
}

static void turn_server(void *context)
{
    struct world *world = context;

    http_server_turn(world->server);
}

static bool on_keep(void *context, struct slice reference, struct slice url, struct slice value, int64_t lives_ms)
{
    struct world *world = context;

    assert_non_null(memmem(url.data, url.size, "127.0.0.1", 9));
    if (world->refuses)
        return false;
    world->kept++;
    snprintf(world->name, sizeof(world->name), "%.*s", (int)reference.size, reference.data);
    snprintf(world->value, sizeof(world->value), "%.*s", (int)value.size, value.data);
    world->lives_ms = lives_ms;
    return true;
}

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    struct http_client_options options = world_options(&world->c);
    struct http_server_options server = {.address = "127.0.0.1",
                                         .body_bytes_max = 1 << 20,
                                         .header_bytes_max = 16384,
                                         .connections_max = 16,
                                         .connections_per_ip_max = 16,
                                         .read_ms = 20000,
                                         .answer_ms = 20000,
                                         .request = on_request,
                                         .context = world};
    enum error error;

    world->server = http_server_open(&server, &error);
    assert_non_null(world->server);
    options.keep = on_keep;
    world->c.client = http_client_new(&options);
    world->c.also = turn_server;
    world->c.also_context = world;
    world->status = 200;
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    world_fini(&world->c);
    http_server_close(&world->server);
    free(world);
    return 0;
}

static void post(struct world *world, const char *body, enum auth_scheme auth, const char *secret)
{
    char url[64];
    struct call call = {.kind = CALL_HTTP,
                        .method = SLICE("POST"),
                        .body = slice_of(body),
                        .auth = auth,
                        .secret = slice_of(secret),
                        .idempotent = true,
                        .timeout_ms = 10000,
                        .keep_path = SLICE("a.token"),
                        .keep_secret = SLICE("vault/t"),
                        .keep_expiry = SLICE("a.seconds")};

    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_server_port(world->server));
    call.url = slice_of(url);
    world_perform(&world->c, &call);
}

static void test_secret_in_the_body(void **state)
{
    static const char *const bad[] = {"{}", "{\"x\":\"{secret}{secret}\"}"};
    struct world *world = *state;

    post(world, "{\"x\":\"{secret}\",\"y\":1}", AUTH_BODY_TOKEN, "good");
    assert_int_equal(world->c.error, ERROR_OK);
    assert_string_equal(world->c.body.data, "{\"x\":\"s3cret\",\"y\":1}");
    for (size_t i = 0; i < 2; i++) {
        post(world, bad[i], AUTH_BODY_TOKEN, "good");
        assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    }
    post(world, "{\"x\":\"{secret}\"}", AUTH_BODY_TOKEN, "slash");
    assert_int_equal(world->c.error, ERROR_UNSUPPORTED);
    post(world, "{\"x\":\"{secret}\"}", AUTH_BODY_TOKEN, "none");
    assert_int_equal(world->c.error, ERROR_NO_SECRET);
    assert_int_equal(world->kept, 0);
}

static void test_token_out_of_the_answer(void **state)
{
    struct world *world = *state;

    post(world, "{\"a\":{\"seconds\":60,\"token\":\"shpat_1\"},\"b\":2}", AUTH_NONE, "");
    assert_string_equal(world->c.body.data, "{\"a\":{\"seconds\":60,\"token\":\"(kept)\"},\"b\":2}");
    assert_string_equal(world->name, "vault/t");
    assert_string_equal(world->value, "shpat_1");
    assert_int_equal(world->lives_ms, 60000);
    post(world, "{\"a\":{\"token\":\"shpat_2\"}}", AUTH_NONE, "");
    assert_string_equal(world->value, "shpat_2");
    assert_int_equal(world->lives_ms, -1);
    assert_int_equal(world->kept, 2);
}

/* Nobody hears of a token that could not be kept, nor of a piece of one; what holds none stays as it is. */
static void test_what_is_not_kept(void **state)
{
    struct world *world = *state;

    post(world, "{\"a\":{\"seconds\":60},\"b\":2}", AUTH_NONE, "");
    assert_string_equal(world->c.body.data, "{\"a\":{\"seconds\":60},\"b\":2}");
    post(world, "{\"a\":{\"token\":7}}", AUTH_NONE, "");
    assert_string_equal(world->c.body.data, "{\"a\":{\"token\":null}}");
    post(world, "{\"a\":{\"token\":\"shpat_1", AUTH_NONE, "");
    assert_string_equal(world->c.body.data, "");
    assert_int_equal(world->c.status, 200);
    world->refuses = true;
    post(world, "{\"a\":{\"token\":\"shpat_1\"}}", AUTH_NONE, "");
    assert_string_equal(world->c.body.data, "{\"a\":{\"token\":null}}");
    world->status = 400;
    post(world, "{\"error\":\"invalid_client\"}", AUTH_NONE, "");
    assert_string_equal(world->c.body.data, "{\"error\":\"invalid_client\"}");
    assert_int_equal(world->kept, 0);
}

static void test_an_error_does_not_repeat_the_secret(void **state)
{
    struct world *world = *state;

    world->status = 400;
    post(world, "{\"x\":\"{secret}\",\"y\":\"s3cret, s3cre\"}", AUTH_BODY_TOKEN, "good");
    assert_string_equal(world->c.body.data, "{\"x\":\"******\",\"y\":\"******, s3cre\"}");
    post(world, "{\"error\":\"Malformed access token s3cret\"}", AUTH_BEARER, "good");
    assert_string_equal(world->c.body.data, "{\"error\":\"Malformed access token ******\"}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_secret_in_the_body),
        TEST(test_token_out_of_the_answer),
        TEST(test_what_is_not_kept),
        TEST(test_an_error_does_not_repeat_the_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
