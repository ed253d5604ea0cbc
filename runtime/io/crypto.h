/* crypto - the one home of OpenSSL: digests, signatures, base64, randomness. No function allocates for the caller. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 65 };

void crypto_sha256(struct slice data, unsigned char digest[SHA256_BYTES]);
void crypto_sha256_hex(struct slice data, char hex[SHA256_HEX]);
void crypto_hmac_sha256(struct slice key, struct slice data, unsigned char digest[SHA256_BYTES]);
/* Compares in constant time. */
bool crypto_equal(const void *a, const void *b, size_t size);
/* Standard base64 with padding. `into` holds at least 4 * ((size + 2) / 3) + 1 bytes. */
void crypto_base64(struct slice data, char *into);
/* Strict: padding required, no white space, no trailing bits. Returns the decoded size, or -1. */
long crypto_base64_decode(struct slice text, unsigned char *into, size_t room);
/* Strict lower- or upper-case hex. Returns the decoded size, or -1. */
long crypto_hex_decode(struct slice text, unsigned char *into, size_t room);
void crypto_random(void *into, size_t size);
/* Overwrites memory that held a secret; never optimised away. */
void crypto_wipe(void *memory, size_t size);
