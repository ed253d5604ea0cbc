// SPDX-License-Identifier: MIT
#include "runtime/io/crypto.h"
#include "proto/check.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

void crypto_sha256(struct slice data, unsigned char digest[SHA256_BYTES])
{
    CHECK(EVP_Digest(data.data, data.size, digest, NULL, EVP_sha256(), NULL) == 1);
}

void crypto_sha256_hex(struct slice data, char hex[SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_BYTES];

    crypto_sha256(data, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[SHA256_HEX - 1] = '\0';
}

void crypto_hmac_sha256(struct slice key, struct slice data, unsigned char digest[SHA256_BYTES])
{
    /* An empty key still needs an address: OpenSSL reads NULL as "the key of before". */
    const void *bytes = key.size > 0 ? key.data : "";

    CHECK(key.size <= INT_MAX);
    CHECK(HMAC(EVP_sha256(), bytes, (int)key.size, (const unsigned char *)data.data, data.size, digest, NULL) != NULL);
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void crypto_base64(struct slice data, char *into)
{
    CHECK(data.size <= INT_MAX / 2);
    EVP_EncodeBlock((unsigned char *)into, (const unsigned char *)data.data, (int)data.size);
}

/* EVP_DecodeBlock passes over white space and accepts stray bits, so the decoder is our own. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long crypto_base64_decode(struct slice text, unsigned char *into, size_t room)
{
    size_t size = 0, digits = text.size;
    unsigned bits = 0, held = 0;

    if (text.size % 4 != 0)
        return -1;
    while (digits > 0 && text.size - digits < 2 && text.data[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0)
            return -1;
        bits = bits << 6 | (unsigned)value;
        held += 6;
        if (held < 8)
            continue;
        if (size == room)
            return -1;
        held -= 8;
        into[size++] = (unsigned char)(bits >> held);
        bits &= (1u << held) - 1;
    }
    return bits == 0 && held < 6 ? (long)size : -1;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long crypto_hex_decode(struct slice text, unsigned char *into, size_t room)
{
    if (text.size % 2 != 0 || text.size / 2 > room)
        return -1;
    for (size_t i = 0; i < text.size; i += 2) {
        int high = hex_value(text.data[i]), low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0)
            return -1;
        into[i / 2] = (unsigned char)(high << 4 | low);
    }
    return (long)(text.size / 2);
}

void crypto_random(void *into, size_t size)
{
    CHECK(size <= INT_MAX);
    CHECK(RAND_bytes(into, (int)size) == 1);
}

void crypto_wipe(void *memory, size_t size)
{
    OPENSSL_cleanse(memory, size);
}
