/* gemini - generateContent as a model: true limits, every known way to fail, and answers that fit the schema asked. */
// SPDX-License-Identifier: MIT
#include "tests/cloud/model.h"
#include "proto/text/json.h"
#include <stdio.h>
#include <string.h>

enum { FILL_DEPTH_MAX = 16 };
static const int64_t MINUTE_MS = 60000, DAY_MS = 86400000;

static void reply_with(struct cloud *cloud, int status, const char *type, struct cloud_reply *reply)
{
    reply->answer = (struct answer){.error = ERROR_OK, .status = status, .body = buffer_slice(&cloud->body)};
    reply->answer.headers[0] = (struct call_header){SLICE("content-type"), slice_of(type)};
    reply->answer.header_count = 1;
}

static void reply_error(struct cloud *cloud, int status, const char *name, const char *message, const char *details,
                        struct cloud_reply *reply)
{
    buffer_clear(&cloud->body);
    buffer_printf(&cloud->body, "{\"error\":{\"code\":%d,\"message\":\"%s\",\"status\":\"%s\",\"details\":[%s]}}",
                  status, message, name, details);
    reply_with(cloud, status, "application/json; charset=UTF-8", reply);
}

/* 429 as it is sent for the quota `id`, with the delay that RetryInfo shall name. */
static void reply_quota(struct cloud *cloud, const char *id, int64_t wait_ms, struct cloud_reply *reply)
{
    char details[600];

    cloud->counts.gemini_limited++;
    snprintf(details, sizeof(details),
             "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"quotaMetric\":"
             "\"generativelanguage.googleapis.com/generate_content_free_tier_requests\",\"quotaId\":\"%s\"}]},"
             "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"%lld.%03lld200615s\"}",
             id, (long long)(wait_ms / 1000), (long long)(wait_ms % 1000));
    reply_error(cloud, 429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", details, reply);
}

/* ---- the true limits ---- */

static bool over_limit(struct cloud *cloud, int64_t now_ms, struct cloud_reply *reply)
{
    uint32_t most = cloud->options.gemini_per_minute;
    int64_t oldest = cloud->minute[cloud->worked % most];
    int64_t day = now_ms / DAY_MS;

    if (day != cloud->day) {
        cloud->day = day;
        cloud->worked_today = 0;
    }
    if (cloud->worked_today >= cloud->options.gemini_per_day) {
        reply_quota(cloud, "GenerateRequestsPerDayPerProjectPerModel-FreeTier", 998, reply);
    } else if (cloud->worked >= most && now_ms - oldest < MINUTE_MS) {
        reply_quota(cloud, "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", MINUTE_MS - (now_ms - oldest),
                    reply);
    } else {
        return false;
    }
    cloud->counts.gemini_violations++;
    buffer_clear(&cloud->text);
    cloud_log(cloud, now_ms, "gemini", "violation", buffer_slice(&cloud->text));
    return true;
}

/* ---- failing on demand ---- */

static const struct failure {
    enum cloud_fault fault;
    int status;
    const char *name, *message, *details;
} failures[] = {
    {CLOUD_KEY, 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
     "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\"}"},
    {CLOUD_INTERNAL, 500, "INTERNAL", "An internal error has occurred.", ""},
    {CLOUD_OVERLOADED, 503, "UNAVAILABLE", "The model is overloaded. Please try again later.", ""},
};

static bool fails(struct cloud *cloud, int64_t now_ms, struct cloud_reply *reply)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        const struct failure *failure = &failures[i];
        if (cloud_meets(cloud, CLOUD_GEMINI, failure->fault, now_ms)) {
            reply_error(cloud, failure->status, failure->name, failure->message, failure->details, reply);
            return true;
        }
    }
    if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_DAY_QUOTA, now_ms)) {
        reply_quota(cloud, "GenerateRequestsPerDayPerProjectPerModel-FreeTier", 998, reply);
        return true;
    }
    if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_LIMITED, now_ms)) {
        reply_quota(cloud, "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
                    5000 + (int64_t)cloud_random_below(cloud, 50000), reply);
        return true;
    }
    if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_RETRY_AFTER, now_ms)) {
        cloud->counts.gemini_limited++;
        reply_error(cloud, 429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.", "", reply);
        reply->answer.headers[reply->answer.header_count++] = (struct call_header){SLICE("retry-after"), SLICE("30")};
        return true;
    }
    return false;
}

/* The deed is done and billed, and the answer is of no use. */
static void spoil(struct cloud *cloud, int64_t now_ms, struct cloud_reply *reply)
{
    if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_HTML, now_ms)) {
        buffer_clear(&cloud->body);
        buffer_text(&cloud->body, "<!DOCTYPE html><html><body><h1>Sign in to the network</h1></body></html>");
        reply_with(cloud, 200, "text/html", reply);
    } else if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_GARBAGE, now_ms)) {
        buffer_clear(&cloud->body);
        for (int i = 0; i < 64; i++) {
            char byte = (char)cloud_random_below(cloud, 256);
            buffer_append(&cloud->body, &byte, 1);
        }
        reply_with(cloud, 200, "application/json", reply);
    } else if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_TRUNCATED, now_ms)) {
        cloud->body.size = cloud->body.size / 2;
        reply_with(cloud, 200, "application/json", reply);
    }
}

/* ---- a good answer ---- */

/* A value that fits a responseSchema. Depth bounded: the schema is a caller's. */
static json_t *fill(struct cloud *cloud, const json_t *schema, const char *name, unsigned depth)
{
    struct slice type = json_text_at(schema, "type");
    const json_t *choices = json_at(schema, "enum");
    char text[100];

    if (depth > FILL_DEPTH_MAX)
        return json_null();
    if (json_array_size(choices) > 0)
        return json_deep_copy(json_array_get(choices, cloud_random_below(cloud, json_array_size(choices))));
    if (slice_is(type, "BOOLEAN"))
        return json_boolean(cloud_random_below(cloud, 2) == 1);
    if (slice_is(type, "INTEGER") || slice_is(type, "NUMBER"))
        return json_integer((json_int_t)cloud_random_below(cloud, 10));
    if (slice_is(type, "ARRAY"))
        return json_pack("[o]", fill(cloud, json_at(schema, "items"), name, depth + 1));
    if (slice_is(type, "OBJECT")) {
        json_t *object = json_object(), *properties = json_at(schema, "properties");
        for (void *at = json_object_iter(properties); at != NULL; at = json_object_iter_next(properties, at))
            json_object_set_new(object, json_object_iter_key(at),
                                fill(cloud, json_object_iter_value(at), json_object_iter_key(at), depth + 1));
        return object;
    }
    snprintf(text, sizeof(text), "%.40s %06llx", name, (unsigned long long)cloud_random_below(cloud, 1 << 24));
    return json_string(text);
}

/* All text of the request: what the tokens are counted from. */
static size_t prompt_bytes(const json_t *request)
{
    const json_t *contents = json_at(request, "contents");
    size_t bytes = json_text_at(request, "systemInstruction.parts.0.text").size;

    for (size_t i = 0; i < json_array_size(contents); i++) {
        const json_t *parts = json_at(json_array_get(contents, i), "parts");
        for (size_t k = 0; k < json_array_size(parts); k++)
            bytes += json_text_at(json_array_get(parts, k), "text").size;
    }
    return bytes;
}

static void text_make(struct cloud *cloud, const json_t *request, struct buffer *text)
{
    const json_t *schema = json_at(request, "generationConfig.responseSchema");
    struct slice prompt = json_text_at(request, "contents.0.parts.0.text");

    buffer_clear(text);
    if (schema != NULL) {
        json_t *object = fill(cloud, schema, "answer", 0);
        json_write(text, object);
        json_decref(object);
        return;
    }
    size_t size = prompt.size < 60 ? prompt.size : 60;
    while (size > 0 && size < prompt.size && ((unsigned char)prompt.data[size] & 0xc0) == 0x80)
        size--;
    buffer_text(text, "Answer to: ");
    buffer_append(text, prompt.data, size);
}

static json_t *candidate_new(struct cloud *cloud, const json_t *request, struct buffer *text, int64_t now_ms,
                             const char **what)
{
    if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_MAX_TOKENS, now_ms)) {
        *what = "max-tokens";
        return json_pack("{s:{s:s}, s:s, s:i}", "content", "role", "model", "finishReason", "MAX_TOKENS", "index", 0);
    }
    text_make(cloud, request, text);
    *what = "generated";
    return json_pack("{s:{s:s, s:[{s:s%}]}, s:s, s:i}", "content", "role", "model", "parts", "text", text->data,
                     text->size, "finishReason", "STOP", "index", 0);
}

static void work(struct cloud *cloud, int64_t now_ms, const json_t *request, struct slice model,
                 struct cloud_reply *reply)
{
    json_int_t tokens_in = (json_int_t)(prompt_bytes(request) / 4 + 1), tokens_out = 0;
    json_t *body = json_pack("{s:s%}", "modelVersion", model.data, model.size);
    const char *what = "blocked";

    buffer_clear(&cloud->text);
    if (cloud_meets(cloud, CLOUD_GEMINI, CLOUD_SAFETY, now_ms)) {
        json_object_set_new(body, "promptFeedback", json_pack("{s:s}", "blockReason", "SAFETY"));
    } else {
        json_object_set_new(body, "candidates",
                            json_pack("[o]", candidate_new(cloud, request, &cloud->text, now_ms, &what)));
        tokens_out = cloud->text.size ? (json_int_t)(cloud->text.size / 4 + 1)
                                      : json_integer_value(json_at(request, "generationConfig.maxOutputTokens"));
    }
    json_object_set_new(body, "usageMetadata",
                        json_pack("{s:I, s:I, s:I}", "promptTokenCount", tokens_in, "candidatesTokenCount", tokens_out,
                                  "totalTokenCount", tokens_in + tokens_out));
    json_write(&cloud->body, body);
    json_decref(body);
    cloud->counts.gemini_done++;
    cloud->counts.tokens_in += (uint64_t)tokens_in;
    cloud->counts.tokens_out += (uint64_t)tokens_out;
    cloud->minute[cloud->worked++ % cloud->options.gemini_per_minute] = now_ms;
    cloud->worked_today++;
    buffer_clear(&cloud->text);
    buffer_printf(&cloud->text, ",\"tokens_in\":%lld,\"tokens_out\":%lld", (long long)tokens_in, (long long)tokens_out);
    cloud_log(cloud, now_ms, "gemini", what, buffer_slice(&cloud->text));
    reply_with(cloud, 200, "application/json; charset=UTF-8", reply);
    spoil(cloud, now_ms, reply);
}

/* ".../v1beta/models/NAME:generateContent" */
static struct slice model_of(struct slice url)
{
    static const char before[] = "/v1beta/models/", after[] = ":generateContent";
    const char *at = memmem(url.data, url.size, before, sizeof(before) - 1);
    const char *end = memmem(url.data, url.size, after, sizeof(after) - 1);

    if (at == NULL || end == NULL || end < at + sizeof(before) - 1 || end + sizeof(after) - 1 != url.data + url.size)
        return (struct slice){NULL, 0};
    return (struct slice){at + sizeof(before) - 1, (size_t)(end - at) - sizeof(before) + 1};
}

static bool has_key(const struct call *call)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (call->headers[i].name.size == 14 && strncasecmp(call->headers[i].name.data, "x-goog-api-key", 14) == 0)
            return call->headers[i].value.size > 0;
    return call->auth == AUTH_HEADER && slice_is(call->auth_name, "x-goog-api-key") && call->secret.size > 0;
}

void cloud_gemini_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    struct slice model = model_of(call->url);
    struct json_problem problem;

    cloud->counts.gemini_requests++;
    if (fails(cloud, now_ms, reply))
        return;
    if (!has_key(call)) {
        reply_error(cloud, 403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.", "", reply);
        return;
    }
    if (model.size == 0 || (cloud->options.gemini_model.size && !slice_equal(model, cloud->options.gemini_model))) {
        reply_error(cloud, 404, "NOT_FOUND", "The model is not found for API version v1beta.", "", reply);
        return;
    }
    if (over_limit(cloud, now_ms, reply))
        return;
    json_t *request = json_read(call->body, &problem);
    if (json_text_at(request, "contents.0.parts.0.text").size == 0)
        reply_error(cloud, 400, "INVALID_ARGUMENT", "contents are required.", "", reply);
    else
        work(cloud, now_ms, request, model, reply);
    json_decref(request);
}
