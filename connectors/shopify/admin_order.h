/* admin_order - an order and a product as the Admin API tells them, and an order in the shape of a webhook's body. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"

/* What is asked for. An order takes $n lines: a line costs seven points of the bucket, and one query may cost 1,000. So
 * a few are asked for first, and only an order that has more is asked for again. */
enum { ADMIN_LINES = 10, ADMIN_LINES_MAX = 100 };
extern const char admin_order_query[], admin_product_query[];

/* The body that a webhook of the order would bring, as far as the rows, the books and the mail of the shipped workflows
 * read it. `lines_cut` is true in it when the order has more lines. Owned by the caller. */
json_t *admin_order_body(const json_t *order);
/* {id, title, handle, text, vendor, type, tags, status, url, picture, price, currency, stock}; owned by the caller. */
json_t *admin_product(const json_t *product);
