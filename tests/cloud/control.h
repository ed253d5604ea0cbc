/* control - the switches of the simulated world, as HTTP under /_cloud/, and calls read from HTTP requests. Pure.
 *   GET  /_cloud/counts    every count, as one JSON object
 *   GET  /_cloud/effects   everything that happened, one JSON object a line
 *   GET  /_cloud/pending   {"deliveries":N}
 *   POST /_cloud/fault     {"service":"gemini","kind":"overloaded","for_ms":60000,"probability":0.5}
 *   POST /_cloud/orders    {"count":10,"rate":60}    rate: orders a minute; default 60
 *   GET  /_cloud/telegram  the bot's messages as they stand, and what presses were answered with
 *   POST /_cloud/press     {"user":42,"chat":42,"message_id":1,"button":"Approve"}    or callback data as the button
 *   POST /_cloud/say       {"user":42,"chat":42,"text":"Hello","reply_to":1} */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/http.h"
#include "tests/cloud/cloud.h"

bool cloud_control_owns(const struct http_request *request);
/* Does what the request says; the reply's body goes into `body`. Returns the HTTP status. */
int cloud_control(struct cloud *cloud, int64_t now_ms, const struct http_request *request, struct buffer *body);

/* The call that a request to a simulated HTTP service stands for. Borrows the request; `url` is its room. */
void cloud_call_of(const struct http_request *request, struct buffer *url, struct call *call);
