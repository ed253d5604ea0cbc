// SPDX-License-Identifier: MIT
#include "config/secrets.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/purser-secrets-XXXXXX";

static const char *path_of(const char *name, char path[200])
{
    snprintf(path, 200, "%s/%s", folder, name);
    return path;
}

static void write_secret(const char *name, const void *value, size_t size, mode_t mode)
{
    char path[200];
    FILE *file = fopen(path_of(name, path), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(value, 1, size, file), size);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static struct config sample(void)
{
    return (struct config){
        .secrets_dir = folder,
        .gemini_key = (char *)"gemini/key",
        .gemini_url = (char *)"https://generativelanguage.googleapis.com",
        .telegram_token = (char *)"telegram/token",
        .telegram_url = (char *)"https://api.telegram.org",
        .mail_password = (char *)"mail",
        .mail_url = (char *)"smtp://127.0.0.1:2525",
    };
}

static enum secret_state state_of(const char *name)
{
    struct config config = sample();
    char into[SECRET_BYTES_MAX];
    size_t size;

    return secrets_read(&config, slice_of(name), into, sizeof(into), &size);
}

static void test_states(void **state)
{
    static char large[SECRET_BYTES_MAX + 1];
    char path[200], other[200];

    (void)state;
    memset(large, 'x', sizeof(large));
    write_secret("good.one", "value\n", 6, 0600);
    write_secret("read-only", "value", 5, 0400);
    write_secret("group", "value", 5, 0640);
    write_secret("others", "value", 5, 0602);
    write_secret("empty", "\n", 1, 0600);
    write_secret("large", large, sizeof(large), 0600);
    write_secret("bound", large, sizeof(large) - 1, 0600);
    assert_int_equal(mkdir(path_of("folder", path), 0700), 0);
    assert_int_equal(symlink(path_of("good.one", other), path_of("link", path)), 0);

    assert_int_equal(state_of("good/one"), SECRET_OK);
    assert_int_equal(state_of("read-only"), SECRET_OK);
    assert_int_equal(state_of("bound"), SECRET_OK);
    assert_int_equal(state_of("group"), SECRET_OPEN_MODE);
    assert_int_equal(state_of("others"), SECRET_OPEN_MODE);
    assert_int_equal(state_of("empty"), SECRET_EMPTY);
    assert_int_equal(state_of("large"), SECRET_TOO_LARGE);
    assert_int_equal(state_of("folder"), SECRET_NOT_FILE);
    assert_int_equal(state_of("link"), SECRET_NOT_FILE);
    assert_int_equal(state_of("absent"), SECRET_MISSING);
    assert_int_equal(state_of("../x"), SECRET_BAD_NAME);
    assert_int_equal(state_of("good.one"), SECRET_BAD_NAME);
    assert_int_equal(state_of("/good"), SECRET_BAD_NAME);
    assert_int_equal(state_of(""), SECRET_BAD_NAME);
    for (int i = SECRET_OK; i <= SECRET_UNREADABLE; i++)
        assert_true(strlen(secret_state_doc((enum secret_state)i)) > 0);
}

static void test_value(void **state)
{
    struct config config = sample();
    char into[16];
    size_t size;

    (void)state;
    write_secret("lines", "a\n\n", 3, 0600);
    assert_int_equal(secrets_read(&config, SLICE("lines"), into, sizeof(into), &size), SECRET_OK);
    assert_int_equal(size, 2);
    assert_memory_equal(into, "a\n", 2);
    assert_int_equal(secrets_read(&config, SLICE("lines"), into, 1, &size), SECRET_TOO_LARGE);
    assert_int_equal(size, 0);
    secrets_wipe(into, sizeof(into));
    assert_int_equal(into[0], 0);
}

static const struct {
    const char *name, *url;
    long size;
} lookups[] = {
    {"gemini/key", "https://generativelanguage.googleapis.com/v1beta/models", 3},
    {"gemini/key", "https://GenerativeLanguage.googleapis.com?x", 3},
    {"gemini/key", "http://generativelanguage.googleapis.com/", -2},
    {"gemini/key", "https://generativelanguage.googleapis.com:8443/", -2},
    {"gemini/key", "https://generativelanguage.googleapis.com.evil.example/", -2},
    {"gemini/key", "https://generativelanguage.googleapis.com@evil.example/", -2},
    {"gemini/key", "https://generativelanguage.googleapis.com\\@evil.example/", -2},
    {"gemini/key", "https://evil.example/https://generativelanguage.googleapis.com", -2},
    {"gemini/key", "smtp://127.0.0.1:2525", -2},
    {"gemini/key", "", -2},
    {"mail", "smtp://127.0.0.1:2525/box", -1},
    {"telegram/token", "https://api.telegram.org/bot{secret}/getMe", -1},
    {"telegram/token", "https://generativelanguage.googleapis.com/bot{secret}/getMe", -2},
    {"gemini/key", "https://api.telegram.org/bot{secret}/getMe", -2},
    {"shopify/webhook", "https://generativelanguage.googleapis.com/", -2},
    {"", "https://generativelanguage.googleapis.com/", -2},
};

static void test_lookup(void **state)
{
    struct config config = sample();
    char into[64];

    (void)state;
    write_secret("gemini.key", "abc\n", 4, 0600);
    for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++)
        assert_int_equal(
            secrets_lookup(&config, slice_of(lookups[i].name), slice_of(lookups[i].url), into, sizeof(into)),
            lookups[i].size);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"good.one", "read-only", "group", "others", "empty",
                                        "large",    "bound",     "link",  "lines",  "gemini.key"};
    char path[200];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path_of(names[i], path));
    rmdir(path_of("folder", path));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_lookup),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
