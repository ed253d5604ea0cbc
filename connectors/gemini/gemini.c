/* gemini - generateContent of the Gemini API. Inputs: prompt, system, schema, max_tokens, temperature, model.
 * Result: {text or object, model, tokens_in, tokens_out, tokens_thought}. Repeating costs money and nothing else. */
// SPDX-License-Identifier: MIT
#include "connectors/gemini/quota.h"
#include "connectors/gemini/schema.h"
#include <stdio.h>
#include <string.h>

enum { PROMPT_BYTES_MAX = 1 << 20, TOKENS_MAX = 65536, TOKENS_DEFAULT = 1024, TIMEOUT_MS = 120000, WORD_MAX = 60 };

/* ---- the request ---- */

static bool model_fits(struct slice model)
{
    if (model.size == 0 || model.size > 100)
        return false;
    for (size_t i = 0; i < model.size; i++) {
        char c = model.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
              c == '_'))
            return false;
    }
    return true;
}

static struct slice model_of(const struct connector_job *job, const struct connector_settings *settings)
{
    struct slice named = json_text_at(job->inputs, "model");

    return named.size > 0 ? named : settings->model;
}

static json_t *text_content(struct slice text)
{
    return json_pack("{s:s, s:[{s:s%}]}", "role", "user", "parts", "text", text.data, text.size);
}

/* NULL, with the step failed, when an input does not fit. */
static json_t *generation_config(const struct connector_job *job, const struct connector_settings *settings,
                                 struct scratch *scratch, struct step *step)
{
    const json_t *most = json_at(job->inputs, "max_tokens"), *heat = json_at(job->inputs, "temperature");
    const json_t *schema = json_at(job->inputs, "schema");
    json_int_t tokens = settings->tokens_out_max ? settings->tokens_out_max : TOKENS_DEFAULT;
    char problem[160];

    if (most != NULL && !json_is_null(most))
        tokens = json_integer_value(most);
    if (tokens < 1 || tokens > TOKENS_MAX) {
        step_fail(scratch, step, ERROR_INVALID, "max_tokens is no number from 1 to %d", TOKENS_MAX);
        return NULL;
    }
    json_t *config = json_pack("{s:I, s:i, s:{s:i}}", "maxOutputTokens", tokens, "candidateCount", 1, "thinkingConfig",
                               "thinkingBudget", 0);
    if (json_is_number(heat))
        json_object_set_new(config, "temperature", json_real(json_number_value(heat)));
    if (schema == NULL || json_is_null(schema))
        return config;
    json_t *translated = schema_translate(schema, problem, sizeof(problem));
    if (translated == NULL) {
        json_decref(config);
        step_fail(scratch, step, ERROR_INVALID, "%s", problem);
        return NULL;
    }
    json_object_set_new(config, "responseMimeType", json_string("application/json"));
    json_object_set_new(config, "responseSchema", translated);
    return config;
}

static bool body_build(const struct connector_job *job, const struct connector_settings *settings,
                       struct scratch *scratch, struct step *step)
{
    struct slice prompt = json_text_at(job->inputs, "prompt"), system = json_text_at(job->inputs, "system");

    if (prompt.size == 0 || prompt.size + system.size > PROMPT_BYTES_MAX) {
        step_fail(scratch, step, prompt.size ? ERROR_TOO_LARGE : ERROR_INVALID,
                  prompt.size ? "prompt and system are larger than 1 MiB" : "prompt is missing or no text");
        return false;
    }
    json_t *config = generation_config(job, settings, scratch, step);
    if (config == NULL)
        return false;
    json_t *body = json_pack("{s:[o], s:o}", "contents", text_content(prompt), "generationConfig", config);
    if (system.size > 0)
        json_object_set_new(body, "systemInstruction", text_content(system));
    json_write(&scratch->body, body);
    json_decref(body);
    return true;
}

static void gemini_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                         struct scratch *scratch, struct step *step)
{
    struct slice model = model_of(job, settings);

    (void)now_ms;
    step_start(scratch, step);
    if (!model_fits(model)) {
        step_fail(scratch, step, ERROR_INVALID, "model is missing or no model name");
        return;
    }
    if (settings->secret.size == 0) {
        step_fail(scratch, step, ERROR_NO_SECRET, "no key is set for gemini");
        return;
    }
    if (!body_build(job, settings, scratch, step))
        return;
    buffer_append(&scratch->url, settings->url.data, settings->url.size);
    buffer_printf(&scratch->url, "/v1beta/models/%.*s:generateContent", (int)model.size, model.data);
    step->kind = STEP_REQUEST;
    step->error = ERROR_OK;
    /* A token is seldom shorter than three bytes; what is said in the answer is settled when it is known. */
    step->limit_cost = (int64_t)scratch->body.size / 3 + 1;
    step->call = (struct call){
        .kind = CALL_HTTP,
        .url = buffer_slice(&scratch->url),
        .method = SLICE("POST"),
        .headers = {{SLICE("content-type"), SLICE("application/json")}},
        .header_count = 1,
        .body = buffer_slice(&scratch->body),
        .auth = AUTH_HEADER,
        .auth_name = SLICE("x-goog-api-key"),
        .secret = settings->secret,
        .idempotent = true,
        .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
        .ca_file = settings->ca_file,
    };
}

/* ---- reading what came back ---- */

/* The error object of an answer, also when it is wrapped in an array; NULL when there is none. */
static const json_t *error_of(const json_t *body)
{
    return json_at(json_is_array(body) ? json_array_get(body, 0) : body, "error");
}

/* The member `name` of the first detail whose @type ends with `type`; NULL when there is none. */
static const json_t *detail_at(const json_t *error, const char *type, const char *name)
{
    const json_t *details = json_at(error, "details");

    for (size_t i = 0; i < json_array_size(details); i++) {
        const json_t *detail = json_array_get(details, i);
        struct slice found = json_text_at(detail, "@type");
        size_t size = strlen(type);
        if (found.size >= size && memcmp(found.data + found.size - size, type, size) == 0)
            return json_at(detail, name);
    }
    return NULL;
}

static bool is_day_quota(const json_t *error)
{
    const json_t *violations = detail_at(error, "google.rpc.QuotaFailure", "violations");

    for (size_t i = 0; i < json_array_size(violations); i++) {
        struct slice id = json_text_at(json_array_get(violations, i), "quotaId");
        if (id.size > 0 && memmem(id.data, id.size, "PerDay", 6) != NULL)
            return true;
    }
    return false;
}

/* How long a 429 or 503 asks to wait; -1 when it says nothing. A daily quota's own delay is known to lie. */
static int64_t wait_of(const struct connector_settings *settings, const struct answer *answer, const json_t *error,
                       int64_t now_ms)
{
    const json_t *delay = detail_at(error, "google.rpc.RetryInfo", "retryDelay");
    int64_t ms;

    if (is_day_quota(error))
        return quota_next_day_ms(now_ms, settings->day_reset) - now_ms;
    if (json_is_string(delay) &&
        connector_seconds((struct slice){json_string_value(delay), json_string_length(delay)}, &ms))
        return ms;
    return connector_retry_after(answer);
}

static bool is_key_trouble(const json_t *error)
{
    const json_t *reason = detail_at(error, "google.rpc.ErrorInfo", "reason");
    struct slice message = json_text_at(error, "message");

    if (json_is_string(reason) && strncmp(json_string_value(reason), "API_KEY", 7) == 0)
        return true;
    return message.size > 0 && memmem(message.data, message.size, "API key", 7) != NULL;
}

static enum error error_of_status(int status, const json_t *error)
{
    switch (status) {
    case 400:
        return is_key_trouble(error) || slice_is(json_text_at(error, "status"), "FAILED_PRECONDITION") ? ERROR_AUTH
                                                                                                       : ERROR_REFUSED;
    case 401:
    case 403:
    case 404:
        return ERROR_AUTH;
    case 408:
    case 504:
        return ERROR_TIMEOUT;
    case 413:
        return ERROR_TOO_LARGE;
    case 429:
    case 503:
        return ERROR_LIMITED;
    default:
        return status >= 500 ? ERROR_FAILED : status >= 400 ? ERROR_REFUSED : ERROR_GARBLED;
    }
}

/* A word of the service's own, such as RESOURCE_EXHAUSTED; "" for what could be a sentence. */
static struct slice word_of(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_') || i >= WORD_MAX)
            return SLICE("");
    }
    return text.size > 0 ? text : SLICE("");
}

/* `wait_ms` is what the answer asks for, when its status is one that asks. The service's message is not told on: it
 * may quote the prompt. */
static void refuse_status(struct slice model, const struct answer *answer, const json_t *error, int64_t wait_ms,
                          struct scratch *scratch, struct step *step)
{
    const json_t *told = detail_at(error, "google.rpc.ErrorInfo", "reason");
    struct slice status = word_of(json_text_at(error, "status")), reason = SLICE("");

    if (json_is_string(told))
        reason = word_of((struct slice){json_string_value(told), json_string_length(told)});
    step->retry_after_ms = answer->status == 429 || answer->status == 503 ? wait_ms : -1;
    if (answer->status == 404)
        step_fail(scratch, step, ERROR_AUTH, "HTTP 404: model %.*s is not available to this key; set another model",
                  (int)model.size, model.data);
    else
        step_fail(scratch, step, error_of_status(answer->status, error), "HTTP %d%s%s%.*s%s%.*s, model %.*s",
                  answer->status, is_day_quota(error) ? " (daily quota)" : "", status.size ? " " : "", (int)status.size,
                  status.data, reason.size ? " " : "", (int)reason.size, reason.data, (int)model.size, model.data);
}

/* Joins the visible text of the parts; thoughts are not the answer. */
static void text_join(const json_t *candidate, struct buffer *text)
{
    const json_t *parts = json_at(candidate, "content.parts");

    buffer_clear(text);
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        struct slice piece = json_text_at(part, "text");
        if (!json_is_true(json_object_get(part, "thought")))
            buffer_append(text, piece.data, piece.size);
    }
}

static json_int_t tokens_at(const json_t *body, const char *path)
{
    const json_t *value = json_at(body, path);
    json_int_t count = json_is_integer(value) ? json_integer_value(value) : 0;

    return count < 0 || count > INT32_MAX ? 0 : count;
}

static json_t *result_new(const struct connector_job *job, const struct connector_settings *settings,
                          const json_t *body, const char *name, json_t *value)
{
    struct slice model = json_text_at(body, "modelVersion");

    if (model.size == 0)
        model = model_of(job, settings);
    return json_pack("{s:o, s:s%, s:I, s:I, s:I}", name, value, "model", model.size ? model.data : "", model.size,
                     "tokens_in", tokens_at(body, "usageMetadata.promptTokenCount"), "tokens_out",
                     tokens_at(body, "usageMetadata.candidatesTokenCount"), "tokens_thought",
                     tokens_at(body, "usageMetadata.thoughtsTokenCount"));
}

/* The text is there and complete: turn it into the result. */
static void take_text(const struct connector_job *job, const struct connector_settings *settings, const json_t *body,
                      struct scratch *scratch, struct step *step)
{
    struct slice text = buffer_slice(&scratch->text);
    const json_t *schema = json_at(job->inputs, "schema");
    struct json_problem trouble;
    char problem[160] = "";

    if (schema == NULL || json_is_null(schema)) {
        step->result = result_new(job, settings, body, "text", json_stringn(text.data, text.size));
        step->kind = STEP_DONE;
        step->error = ERROR_OK;
        return;
    }
    json_t *object = json_read(text, &trouble);
    json_t *translated = schema_translate(schema, problem, sizeof(problem));
    if (object == NULL || translated == NULL || !schema_accepts(translated, object, problem, sizeof(problem))) {
        step_fail(scratch, step, ERROR_GARBLED, "the model's answer is not what the schema asks for: %s",
                  object ? problem : trouble.text);
        json_decref(object);
    } else {
        step->result = result_new(job, settings, body, "object", object);
        step->kind = STEP_DONE;
        step->error = ERROR_OK;
    }
    json_decref(translated);
}

static void take_body(const struct connector_job *job, const struct connector_settings *settings, const json_t *body,
                      struct scratch *scratch, struct step *step)
{
    const json_t *candidate = json_at(body, "candidates.0");
    struct slice block = json_text_at(body, "promptFeedback.blockReason");
    struct slice reason = json_text_at(candidate, "finishReason");

    if (candidate == NULL && block.size > 0) {
        step_fail(scratch, step, ERROR_BLOCKED, "the prompt was blocked: %.*s", (int)block.size, block.data);
        return;
    }
    if (!json_is_object(candidate) || reason.size == 0) {
        step_fail(scratch, step, ERROR_GARBLED, "the answer holds no candidate that ended");
        return;
    }
    text_join(candidate, &scratch->text);
    if (slice_is(reason, "MAX_TOKENS"))
        step_fail(scratch, step, ERROR_BLOCKED, "cut off by max_tokens after %lld tokens (%lld of them thoughts)",
                  (long long)(tokens_at(body, "usageMetadata.candidatesTokenCount") +
                              tokens_at(body, "usageMetadata.thoughtsTokenCount")),
                  (long long)tokens_at(body, "usageMetadata.thoughtsTokenCount"));
    else if (!slice_is(reason, "STOP"))
        step_fail(scratch, step, ERROR_BLOCKED, "the model stopped: %.*s", (int)reason.size, reason.data);
    else if (scratch->text.size == 0)
        step_fail(scratch, step, ERROR_GARBLED, "the model ended without a text");
    else
        take_text(job, settings, body, scratch, step);
}

static void gemini_answer(const struct connector_job *job, const struct connector_settings *settings,
                          const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    struct json_problem trouble;

    step_start(scratch, step);
    if (answer->error != ERROR_OK) {
        /* Nothing of value changed over there, so a lost answer is only a slow one. */
        step_fail(scratch, step, answer->error == ERROR_LOST ? ERROR_TIMEOUT : answer->error, "%.*s",
                  (int)answer->detail.size, answer->detail.size ? answer->detail.data : "");
        return;
    }
    json_t *body = json_read(answer->body, &trouble);
    if (answer->status != 200)
        refuse_status(model_of(job, settings), answer, error_of(body),
                      wait_of(settings, answer, error_of(body), now_ms), scratch, step);
    else if (error_of(body) != NULL)
        step_fail(scratch, step, ERROR_GARBLED, "an error came with HTTP 200");
    else if (!json_is_object(body))
        step_fail(scratch, step, ERROR_GARBLED, "the answer is no JSON object: %s", body ? "" : trouble.text);
    else
        take_body(job, settings, body, scratch, step);
    json_decref(body);
}

static void gemini_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                         struct usage *usage)
{
    struct json_problem trouble;

    *usage = (struct usage){.retry_after_ms = -1};
    if (answer->error != ERROR_OK)
        return;
    json_t *body = json_read(answer->body, &trouble);
    usage->overloaded = answer->status >= 500;
    usage->limited = answer->status == 429;
    if (usage->limited || answer->status == 503) {
        usage->day_quota = is_day_quota(error_of(body));
        usage->retry_after_ms = wait_of(settings, answer, error_of(body), now_ms);
    }
    usage->tokens_in = tokens_at(body, "usageMetadata.promptTokenCount");
    usage->tokens_out =
        tokens_at(body, "usageMetadata.candidatesTokenCount") + tokens_at(body, "usageMetadata.thoughtsTokenCount");
    usage->used = usage->tokens_in;
    json_decref(body);
}

const struct connector connector_gemini = {
    .name = "gemini",
    .begin = gemini_begin,
    .answer = gemini_answer,
    .usage = gemini_usage,
};
