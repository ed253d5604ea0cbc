// SPDX-License-Identifier: MIT
#include "store/record.h"
#include <zlib.h>

static uint32_t checksum(struct slice key, struct slice value)
{
    uLong crc = crc32_z(0, (const Bytef *)key.data, key.size);

    if (value.size > 0)
        crc = crc32_z(crc, (const Bytef *)value.data, value.size);
    return (uint32_t)crc;
}

void record_seal(struct buffer *into, struct slice key, struct slice value)
{
    char crc[RECORD_CRC_BYTES];

    put_number(crc, checksum(key, value), RECORD_CRC_BYTES);
    buffer_append(into, value.data, value.size);
    buffer_append(into, crc, RECORD_CRC_BYTES);
}

bool record_open(struct slice key, struct slice sealed, struct slice *value)
{
    *value = (struct slice){NULL, 0};
    if (sealed.size < RECORD_CRC_BYTES)
        return false;
    struct slice body = {sealed.data, sealed.size - RECORD_CRC_BYTES};
    if (take_number(body.data + body.size, RECORD_CRC_BYTES) != checksum(key, body))
        return false;
    if (body.size > 0)
        *value = body;
    return true;
}

enum error record_get(struct kv_txn *txn, const struct key *key, struct slice *value)
{
    struct slice sealed;
    enum error error = txn->kv->ops->get(txn, key_slice(key), &sealed);

    if (error != ERROR_OK)
        return error;
    return record_open(key_slice(key), sealed, value) ? ERROR_OK : ERROR_CORRUPT;
}
