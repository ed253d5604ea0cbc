/* stage - what one commit wants to write, in front of the transaction. Its operations are worked out against this
 * view, which shows the transaction's records under the commit's own writes; only when all of them were accepted
 * does the kv see anything. So a refused commit leaves nothing, and an operation sees those before it. */
// SPDX-License-Identifier: MIT
#pragma once
#include "store/record.h"

struct stage;

struct stage *stage_new(void);
void stage_destroy(struct stage **stage);
/* Forgets everything staged and looks at this transaction from now on. */
void stage_begin(struct stage *stage, struct kv_txn *txn);
/* Values are without their checksum and valid until stage_begin() or stage_flush(),
 * whatever is put or deleted meanwhile. */
enum error stage_get(struct stage *stage, const struct key *key, struct slice *value);
/* Copies key and value. */
void stage_put(struct stage *stage, const struct key *key, struct slice value);
/* A key that is not there is no error. */
void stage_del(struct stage *stage, const struct key *key);
/* The first record that is not below `from` and begins with `prefix`: OK, NOT_FOUND, CORRUPT (found is set), IO.
 * `found` may be `from`. */
enum error stage_seek(struct stage *stage, const struct key *from, const struct key *prefix, struct key *found,
                      struct slice *value);
/* Hands everything to the transaction, in key order. After an error the transaction can only be aborted. */
enum error stage_flush(struct stage *stage);
/* The transaction it looks at. */
struct kv_txn *stage_txn(const struct stage *stage);
