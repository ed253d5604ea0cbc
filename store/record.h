/* record - values with a checksum: CRC-32 over key and value, four bytes behind the value, looked at on every read. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/keys.h"

enum { RECORD_CRC_BYTES = 4 };

/* Appends value and checksum. */
void record_seal(struct buffer *into, struct slice key, struct slice value);
/* Takes the checksum off; false when it does not fit. */
bool record_open(struct slice key, struct slice sealed, struct slice *value);
/* kv get with the check: OK, NOT_FOUND, CORRUPT, IO. */
enum error record_get(struct kv_txn *txn, const struct key *key, struct slice *value);
