// SPDX-License-Identifier: MIT
#include "connectors/shopify/limits.h"
#include <stdio.h>
#include <string.h>

enum { CALLS_MAX = 1000000, POINTS_MAX = 100000000, PLAIN_REFILL_MILLI_PER_S = 2000, PLAIN_SIZE = 40 };

/* "32/40". The refill is not told: every plan's bucket fills in twenty seconds. */
static void usage_of_header(struct slice header, struct usage *usage)
{
    char text[24];
    int used, size, end = 0;

    if (header.size == 0 || header.size >= sizeof(text))
        return;
    snprintf(text, sizeof(text), "%.*s", (int)header.size, header.data);
    if (sscanf(text, "%9d/%9d%n", &used, &size, &end) != 2 || text[end] != '\0' || used < 0 || size < 1 ||
        size > CALLS_MAX)
        return;
    usage->bucket_used = used;
    usage->bucket_size = size;
    usage->bucket_milli_per_s = (int64_t)PLAIN_REFILL_MILLI_PER_S * size / PLAIN_SIZE;
}

static double number_at(const json_t *body, const char *path)
{
    double number = json_number_value(json_at(body, path));

    return number > 0 && number < POINTS_MAX ? number : 0;
}

static bool is_throttled(const json_t *body)
{
    const json_t *errors = json_object_get(body, "errors"), *error;
    size_t i;

    json_array_foreach(errors, i, error)
        if (slice_is(json_text_at(error, "extensions.code"), "THROTTLED"))
            return true;
    return false;
}

static const json_t *cost_of(const json_t *body)
{
    const json_t *cost = json_at(body, "extensions.cost");

    return cost != NULL ? cost : json_at(body, "errors.0.extensions.cost");
}

static void usage_of_points(const json_t *body, struct usage *usage)
{
    const json_t *cost = cost_of(body);
    double most = number_at(cost, "throttleStatus.maximumAvailable");
    double left = number_at(cost, "throttleStatus.currentlyAvailable");
    double refill = number_at(cost, "throttleStatus.restoreRate"), wanted = number_at(cost, "requestedQueryCost");

    usage->used = (int64_t)number_at(cost, "actualQueryCost");
    if (most >= 1 && refill > 0) {
        usage->bucket_size = (int64_t)most;
        usage->bucket_used = most > left ? (int64_t)(most - left) : 0;
        usage->bucket_milli_per_s = (int64_t)(refill * 1000);
    }
    if (!is_throttled(body))
        return;
    usage->limited = true;
    usage->retry_after_ms = refill > 0 && wanted > left ? (int64_t)((wanted - left) / refill * 1000) + 1 : 1000;
}

void shopify_usage(const struct answer *answer, int64_t now_ms, struct usage *usage)
{
    struct json_problem problem;

    *usage = (struct usage){.retry_after_ms = -1};
    if (answer->error != ERROR_OK)
        return;
    usage->overloaded = answer->status >= 500;
    usage->limited = answer->status == 429;
    if (answer->status == 429 || answer->status == 503)
        usage->retry_after_ms = connector_retry_after_at(answer, now_ms);
    usage_of_header(answer_header(answer, "x-shopify-shop-api-call-limit"), usage);
    if (answer->status != 200 || memmem(answer->body.data, answer->body.size, "\"cost\"", 6) == NULL)
        return;
    json_t *body = json_read(answer->body, &problem);
    if (json_is_object(body))
        usage_of_points(body, usage);
    json_decref(body);
}
