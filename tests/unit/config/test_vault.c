// SPDX-License-Identifier: MIT
#include "config/vault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/purser-vault-XXXXXX";
#define SHOP_URL "https://demo.myshopify.com/admin/x"

static struct config sample(void)
{
    return (struct config){.secrets_dir = folder,
                           .shopify_shop = (char *)"demo.myshopify.com",
                           .shopify_client_secret = (char *)"shopify/client"};
}

static long lookup(struct vault *vault, const char *name, const char *url)
{
    char into[SECRET_BYTES_MAX];

    return vault_lookup(vault, slice_of(name), slice_of(url), into, sizeof(into));
}

static bool keep(struct vault *vault, const char *name, const char *url, int64_t lives_ms)
{
    return vault_keep(vault, slice_of(name), slice_of(url), SLICE("shpat_1"), lives_ms);
}

static void test_tokens_live_and_end(void **state)
{
    struct config config = sample();
    struct vault *vault = xcalloc(1, sizeof(*vault));

    (void)state;
    vault->config = &config;
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, SHOP_URL), -1);
    assert_true(keep(vault, VAULT_SHOPIFY, SHOP_URL, 86399000));
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, SHOP_URL), 7);
    assert_true(keep(vault, VAULT_SHOPIFY, SHOP_URL, 0));
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, SHOP_URL), -1);
    assert_true(keep(vault, VAULT_SHOPIFY, SHOP_URL, -1));
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, SHOP_URL), 7);
    vault_wipe(vault);
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, SHOP_URL), -1);
    free(vault);
}

/* A token goes where it came from, and nobody else can put one there. */
static void test_tokens_are_bound(void **state)
{
    struct config config = sample();
    struct vault *vault = xcalloc(1, sizeof(*vault));

    (void)state;
    vault->config = &config;
    assert_false(keep(vault, VAULT_SHOPIFY, "https://evil.example/", 1000));
    assert_false(keep(vault, "shopify/client", SHOP_URL, 1000));
    assert_false(keep(vault, "", SHOP_URL, 1000));
    assert_true(keep(vault, VAULT_SHOPIFY, SHOP_URL, 100000));
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, "https://demo.myshopify.com.evil.example/"), -2);
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, "http://demo.myshopify.com/"), -2);
    assert_int_equal(lookup(vault, "shopify/client", "https://evil.example/"), -2);
    config.shopify_url = (char *)"http://127.0.0.1:9";
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, SHOP_URL), -2);
    assert_int_equal(lookup(vault, VAULT_SHOPIFY, "http://127.0.0.1:9/admin/x"), 7);
    vault_wipe(vault);
    free(vault);
}

static void test_files_are_behind_it(void **state)
{
    struct config config = sample();
    struct vault *vault = xcalloc(1, sizeof(*vault));
    char path[100];
    FILE *file;

    (void)state;
    vault->config = &config;
    assert_int_equal(lookup(vault, "shopify/client", SHOP_URL), -1);
    snprintf(path, sizeof(path), "%s/shopify.client", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("hush\n", file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(lookup(vault, "shopify/client", SHOP_URL), 4);
    unlink(path);
    free(vault);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_live_and_end),
        cmocka_unit_test(test_tokens_are_bound),
        cmocka_unit_test(test_files_are_behind_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
