// SPDX-License-Identifier: MIT
#include "flow/sha256.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* FIPS 180-4 and the NIST example values. */
static void known_digests(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqr"
         "stu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char hex[SHA256_HEX_BYTES], *million = malloc(1000000);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sha256_hex(slice_of(cases[i].text), hex);
        assert_string_equal(hex, cases[i].hex);
    }
    memset(million, 'a', 1000000);
    sha256_hex((struct slice){million, 1000000}, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

/* Each length around a block's end has its own padding; the digest of all their digests was computed elsewhere. */
static void every_padding(void **state)
{
    char hex[SHA256_HEX_BYTES], text[200];
    struct buffer all = {0};

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t size = 0; size <= 130; size++) {
        sha256_hex((struct slice){text, size}, hex);
        buffer_text(&all, hex);
    }
    sha256_hex(buffer_slice(&all), hex);
    assert_string_equal(hex, "87aca1c44bc7ba8897768170211f0a02063de70801131ff86c7edb9ce32c6a50");
    buffer_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests),
        cmocka_unit_test(every_padding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
