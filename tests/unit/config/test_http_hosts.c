// SPDX-License-Identifier: MIT
#include "config/http_hosts.h"
#include "config/secrets.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

/* A config with these lines, and one workflow of this mode whose only step is `http: STEP`. */
static struct config *load(const char *lines, const char *mode, const char *step, struct text_problem *problem)
{
    char folder[] = "/tmp/purser-hosts-XXXXXX", path[256], text[1000];

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/workflows", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/prompts", folder);
    mkdir(path, 0700);
    snprintf(text, sizeof(text), "workflow: w\nmode: %s\non:\n  - manual: true\nsteps:\n  - id: a\n    http: %s\n",
             mode, step);
    write_file(folder, "workflows/w.yaml", text);
    snprintf(text, sizeof(text), "allow_plain_loopback: true\n%s", lines);
    write_file(folder, "purser.yaml", text);
    snprintf(path, sizeof(path), "%s/purser.yaml", folder);
    struct config *config = config_load(path, problem);
    snprintf(path, sizeof(path), "rm -r %s", folder);
    assert_int_equal(system(path), 0);
    return config;
}

static void expect_good(const char *lines, const char *mode, const char *step)
{
    struct text_problem problem = {.text = ""};
    struct config *config = load(lines, mode, step, &problem);

    if (config == NULL)
        fail_msg("%s with %s: %s", lines, step, problem.text);
    config_free(&config);
}

static void expect_problem(const char *lines, const char *step, const char *says)
{
    struct text_problem problem = {.text = ""};
    struct config *config = load(lines, "shadow", step, &problem);

    if (config != NULL || strstr(problem.text, says) == NULL)
        fail_msg("%s with %s: %s", lines, step, problem.text);
    config_free(&config);
}

#define LISTED "http_hosts:\n  api.example.com: {secret: example/token}\n  other.example.com:8443: {}\n"

static void test_listed_hosts(void **state)
{
    (void)state;
    expect_good(LISTED, "live", "https://api.example.com/v1");
    expect_good(LISTED, "live", "https://API.example.com:443/v1");
    expect_good(LISTED, "live", "https://other.example.com:8443");
    expect_good(LISTED, "live", "\"{{ trigger.body.url }}\"");
    expect_good(LISTED, "live", "\"https://{{ trigger.body.host }}/x\"");
    expect_good(LISTED, "live", "\"https://api.example.com/{{ trigger.body.id }}?a={{ 1 }}\"");
    expect_good(LISTED, "live", "{url: \"https://api.example.com/\", secret: example/token}");
    expect_good("", "off", "https://nowhere.example/");
}

static void test_other_hosts(void **state)
{
    (void)state;
    expect_problem(LISTED, "https://evil.example.com/v1", "\"evil.example.com\" is not listed under http_hosts");
    expect_problem(LISTED, "https://evil.example.com/v1", "listed: api.example.com, other.example.com:8443");
    expect_problem("", "https://api.example.com/v1", "listed: none");
    expect_problem(LISTED, "http://api.example.com/v1", "is not listed as plain");
    expect_problem(LISTED, "https://other.example.com/", "not listed");
    expect_problem(LISTED, "https://api.example.com.evil.example/", "not listed");
    expect_problem(LISTED, "{url: \"https://api.example.com/\", secret: gemini/key}", "known: example/token");
    expect_problem(LISTED, "{url: \"https://other.example.com:8443/\", secret: example/token}", "does not belong to");
}

static void test_sections_that_do_not_fit(void **state)
{
    static const char step[] = "\"{{ trigger.body.url }}\"";

    (void)state;
    expect_problem("http_hosts: [a]\n", step, "must be a map");
    expect_problem("http_hosts:\n  https://a.example: {}\n", step, "is no host");
    expect_problem("http_hosts:\n  A.example: {}\n", step, "is no host");
    expect_problem("http_hosts:\n  a.example/x: {}\n", step, "is no host");
    expect_problem("http_hosts:\n  a.example: {secrets: x}\n", step, "secret");
    expect_problem("http_hosts:\n  a.example: {secret: \"no name\"}\n", step, "name of a secret");
    expect_problem("http_hosts:\n  a.example: {plain: true}\n", step, "loopback");
    expect_problem("http_hosts:\n  127.evil.example: {plain: true}\n", step, "loopback");
}

/* The token goes to its host, by its scheme and port, and nowhere else. */
static void test_the_secret_is_bound(void **state)
{
    struct text_problem problem = {.text = ""};
    char folder[] = "/tmp/purser-secrets-XXXXXX", lines[400], value[100];
    static const char *const urls[] = {
        "http://api.example.com/", "https://api.example.com:8443/",         "https://api.example.com.evil.example/",
        "https://evil.example/",   "https://api.example.com@evil.example/", "https://other.example.com:8443/"};

    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file(folder, "example.token", "hush\n");
    snprintf(lines, sizeof(lines), "secrets_dir: %s\n" LISTED, folder);
    struct config *config = load(lines, "live", "https://api.example.com/", &problem);
    assert_non_null(config);
    assert_int_equal(
        secrets_lookup(config, SLICE("example/token"), SLICE("https://api.example.com/v1"), value, sizeof(value)), 4);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_int_equal(secrets_lookup(config, SLICE("example/token"), slice_of(urls[i]), value, sizeof(value)), -2);
    assert_int_equal(
        secrets_lookup(config, SLICE("gemini/key"), SLICE("https://api.example.com/v1"), value, sizeof(value)), -2);
    config_free(&config);
    snprintf(lines, sizeof(lines), "rm -r %s", folder);
    assert_int_equal(system(lines), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_listed_hosts), cmocka_unit_test(test_other_hosts),
                                       cmocka_unit_test(test_sections_that_do_not_fit),
                                       cmocka_unit_test(test_the_secret_is_bound)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
