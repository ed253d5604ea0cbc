// SPDX-License-Identifier: MIT
#include "runtime/io/crypto.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void check_hmac(struct slice key, struct slice data, const char *hex)
{
    unsigned char digest[SHA256_BYTES], expected[SHA256_BYTES];
    size_t size = strlen(hex) / 2;

    assert_int_equal(crypto_hex_decode(slice_of(hex), expected, sizeof(expected)), (long)size);
    crypto_hmac_sha256(key, data, digest);
    assert_true(crypto_equal(digest, expected, size));
}

static struct slice filled(char *memory, char byte, size_t size)
{
    memset(memory, byte, size);
    return (struct slice){memory, size};
}

/* RFC 4231, cases 1 to 7 (5 is truncated to 128 bits there). */
static void test_rfc4231(void **state)
{
    char key[131], data[50], steps[25];

    (void)state;
    for (int i = 0; i < 25; i++)
        steps[i] = (char)(i + 1);
    check_hmac(filled(key, 0x0b, 20), SLICE("Hi There"),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hmac(SLICE("Jefe"), SLICE("what do ya want for nothing?"),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    check_hmac(filled(key, (char)0xaa, 20), filled(data, (char)0xdd, 50),
               "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    check_hmac((struct slice){steps, 25}, filled(data, (char)0xcd, 50),
               "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    check_hmac(filled(key, 0x0c, 20), SLICE("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b");
    check_hmac(filled(key, (char)0xaa, 131), SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_hmac(filled(key, (char)0xaa, 131),
               SLICE("This is a test using a larger than block-size key and a larger than block-size data. The key "
                     "needs to be hashed before being used by the HMAC algorithm."),
               "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

static void test_shopify(void **state)
{
    char body[512], text[64];
    unsigned char digest[SHA256_BYTES];
    FILE *file = fopen(TEST_DATA "/vectors/shopify_body.bin", "rb");

    (void)state;
    assert_non_null(file);
    size_t size = fread(body, 1, sizeof(body), file);
    fclose(file);
    assert_int_equal(size, 191);
    crypto_hmac_sha256(SLICE("hush"), (struct slice){body, size}, digest);
    crypto_base64((struct slice){(const char *)digest, sizeof(digest)}, text);
    assert_string_equal(text, "J4Fmf3fZ+xMIhfPRtvPyNVYVGt7V8p4qms4R2MT7c5c=");
    crypto_hmac_sha256(SLICE("hush"), (struct slice){NULL, 0}, digest);
    crypto_base64((struct slice){(const char *)digest, sizeof(digest)}, text);
    assert_string_equal(text, "Knm8rWjeSXNIt2H0AOMT7DQ8/YSy8sQi/pEjbuUmGMs=");
}

static void test_sha256(void **state)
{
    char hex[SHA256_HEX];

    (void)state;
    crypto_sha256_hex(SLICE("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256_hex((struct slice){NULL, 0}, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_base64(void **state)
{
    static const char *const bad[] = {"Zg",   "Zg=",  "Zh==", "Zm9=",  "Zg==\n", " Zg=", "Z===", "====", "=Zg=",
                                      "Zm=v", "Zm-v", "Zm_v", "Zg==Zg==", "Zm9v=", "Zm\0v"};
    static const char *const good[][2] = {{"", ""},         {"f", "Zg=="},     {"fo", "Zm8="},
                                          {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    unsigned char bytes[32];
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        crypto_base64(slice_of(good[i][0]), text);
        assert_string_equal(text, good[i][1]);
        long size = crypto_base64_decode(slice_of(good[i][1]), bytes, sizeof(bytes));
        assert_int_equal(size, strlen(good[i][0]));
        assert_memory_equal(bytes, good[i][0], (size_t)size);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(crypto_base64_decode(slice_of(bad[i]), bytes, sizeof(bytes)), -1);
    assert_int_equal(crypto_base64_decode(SLICE("Zm9vYmFy"), bytes, 5), -1);
    assert_int_equal(crypto_base64_decode(SLICE("Zm9vYmFy"), bytes, 6), 6);
}

static void test_hex(void **state)
{
    unsigned char bytes[4];

    (void)state;
    assert_int_equal(crypto_hex_decode(SLICE("00fFaB"), bytes, sizeof(bytes)), 3);
    assert_memory_equal(bytes, "\x00\xff\xab", 3);
    assert_int_equal(crypto_hex_decode(SLICE("0"), bytes, sizeof(bytes)), -1);
    assert_int_equal(crypto_hex_decode(SLICE("0g"), bytes, sizeof(bytes)), -1);
    assert_int_equal(crypto_hex_decode(SLICE("0001020304"), bytes, sizeof(bytes)), -1);
}

static void test_random_and_wipe(void **state)
{
    unsigned char a[32] = {0}, b[32] = {0}, zero[32] = {0};

    (void)state;
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_false(crypto_equal(a, b, sizeof(a)));
    crypto_wipe(a, sizeof(a));
    assert_true(crypto_equal(a, zero, sizeof(a)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc4231), cmocka_unit_test(test_shopify), cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_base64),  cmocka_unit_test(test_hex),     cmocka_unit_test(test_random_and_wipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
