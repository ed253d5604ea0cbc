/* http - one call to a host that the owner has listed. Inputs: url, method, headers, body, accept (see
 * flow/skills.def). Result: {status, headers, body}, and `cut` when the body was longer than what is kept. settings.url
 * is the origin that may be called, settings.secret the bearer token that belongs to it.
 *
 * GET, PUT and DELETE may be repeated without harm, by HTTP's own definition: a lost answer is only a slow one. POST
 * and PATCH are noted before they are sent and never repeated blindly; they carry an Idempotency-Key that is the same
 * whenever the owner lets them be sent again. */
// SPDX-License-Identifier: MIT
#include "connectors/connector.h"
#include "connectors/http/url.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    TIMEOUT_MS = 30000,
    TEXT_KEPT_MAX = 32 * 1024,
    HEADERS_MAX = 12,
    SAID_MAX = 160,
    URL_MAX = 2000,
    WRITTEN_MAX = 60000
};

/* ---- what is asked for ---- */

static struct slice method_of(const struct connector_job *job)
{
    struct slice method = json_text_at(job->inputs, "method");

    return method.size > 0 ? method : SLICE("GET");
}

/* What repeating would do twice. */
static bool is_once(struct slice method)
{
    return slice_is(method, "POST") || slice_is(method, "PATCH");
}

static bool fail(struct scratch *scratch, struct step *step, const char *what, const char *problem)
{
    step_fail(scratch, step, ERROR_INVALID, "%s %s", what, problem);
    return false;
}

static bool same_name(struct slice one, const char *two)
{
    return one.size == strlen(two) && strncasecmp(one.data, two, one.size) == 0;
}

/* Framing, routing and credentials are not the workflow's. */
static const char *header_problem(struct slice name, struct slice value)
{
    static const char *const ours[] = {"host",
                                       "content-length",
                                       "transfer-encoding",
                                       "connection",
                                       "expect",
                                       "authorization",
                                       "proxy-authorization",
                                       "te",
                                       "upgrade",
                                       "trailer",
                                       "keep-alive",
                                       "accept-encoding",
                                       "user-agent",
                                       "cookie",
                                       "cookie2",
                                       "via"};
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (same_name(name, ours[i]))
            return strcmp(ours[i], "authorization") == 0 ? "is set by `secret` alone" : "is not for a workflow to set";
    if (name.size == 0 || name.size > 64)
        return "has a name that is empty or too long";
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && memchr(marks, c, sizeof(marks) - 1) == NULL)
            return "has a name that is no HTTP token";
    }
    for (size_t i = 0; i < value.size; i++)
        if (((unsigned char)value.data[i] < ' ' && value.data[i] != '\t') || (unsigned char)value.data[i] >= 0x7f)
            return "has a line end, or a character that is not plain ASCII, in its value";
    return value.size > 2048 ? "is longer than 2048 bytes" : NULL;
}

/* The workflow's headers, checked. They borrow the job. */
static bool headers_fill(const struct connector_job *job, struct scratch *scratch, struct step *step)
{
    json_t *headers = json_object_get(job->inputs, "headers");
    struct call *call = &step->call;
    char what[100];

    if (headers != NULL && !json_is_null(headers) && !json_is_object(headers))
        return fail(scratch, step, "headers", "must be a map of names and texts");
    if (json_object_size(headers) > HEADERS_MAX)
        return fail(scratch, step, "headers", "are more than 12");
    for (void *at = json_object_iter(headers); at != NULL; at = json_object_iter_next(headers, at)) {
        const json_t *value = json_object_iter_value(at);
        struct slice name = slice_of(json_object_iter_key(at));
        struct slice text = {json_string_value(value), json_string_length(value)};
        const char *problem = json_is_string(value) ? header_problem(name, text) : "is no text";
        if (problem != NULL) {
            snprintf(what, sizeof(what), "header \"%.64s\"", json_object_iter_key(at));
            return fail(scratch, step, what, problem);
        }
        call->headers[call->header_count++] = (struct call_header){name, text};
    }
    return true;
}

static bool has_header(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (same_name(call->headers[i].name, name))
            return true;
    return false;
}

/* Text goes out as it is, anything else as JSON. */
static void body_fill(const struct connector_job *job, struct scratch *scratch, struct call *call)
{
    const json_t *body = json_object_get(job->inputs, "body");
    bool is_text = json_is_string(body);

    if (body == NULL || json_is_null(body))
        return;
    if (is_text)
        buffer_append(&scratch->body, json_string_value(body), json_string_length(body));
    else
        json_write(&scratch->body, body);
    call->body = buffer_slice(&scratch->body);
    if (!has_header(call, "content-type"))
        call->headers[call->header_count++] = (struct call_header){
            SLICE("Content-Type"), is_text ? SLICE("text/plain; charset=utf-8") : SLICE("application/json")};
}

/* The job's number alone would come again on a box that was set up anew. */
static void key_fill(const struct connector_job *job, struct scratch *scratch, struct call *call)
{
    if (!is_once(call->method) || has_header(call, "idempotency-key"))
        return;
    buffer_printf(&scratch->text, "purser-%.*s-%lld", (int)job->id.size, job->id.data, (long long)job->created_ms);
    call->headers[call->header_count++] = (struct call_header){SLICE("Idempotency-Key"), buffer_slice(&scratch->text)};
}

static bool accept_fits(const json_t *accept)
{
    if (accept == NULL || json_is_null(accept))
        return true;
    if (json_is_object(accept))
        return json_is_integer(json_at(accept, "from")) && json_is_integer(json_at(accept, "to"));
    for (size_t i = 0; i < json_array_size(accept); i++)
        if (!json_is_integer(json_array_get(accept, i)))
            return false;
    return json_array_size(accept) > 0;
}

static bool is_accepted(const json_t *accept, int status)
{
    if (json_is_object(accept))
        return status >= json_integer_value(json_at(accept, "from")) &&
               status <= json_integer_value(json_at(accept, "to"));
    for (size_t i = 0; i < json_array_size(accept); i++)
        if (json_integer_value(json_array_get(accept, i)) == status)
            return true;
    return !json_is_array(accept) && status >= 200 && status <= 299;
}

static bool inputs_fit(const struct connector_job *job, const struct connector_settings *settings,
                       struct scratch *scratch, struct step *step)
{
    static const char methods[] = " GET POST PUT PATCH DELETE ";
    struct slice url = json_text_at(job->inputs, "url"), method = method_of(job);
    const json_t *body = json_object_get(job->inputs, "body");
    struct url_parts parts;
    const char *problem = url.size > URL_MAX ? "is longer than 2000 bytes" : url_problem(url, &parts);
    char word[12];

    if (problem != NULL)
        return fail(scratch, step, "url", problem);
    if (!slice_equal(parts.origin, settings->url))
        return fail(scratch, step, "url", "leads to a host that is not listed under http_hosts");
    if (parts.is_plain && !settings->plain_allowed)
        return fail(scratch, step, "url", "must begin with https://");
    snprintf(word, sizeof(word), " %.*s ", method.size > 8 ? 8 : (int)method.size, method.data);
    if (method.size > 6 || strstr(methods, word) == NULL)
        return fail(scratch, step, "method", "must be GET, POST, PUT, PATCH or DELETE");
    if (slice_is(method, "GET") && body != NULL && !json_is_null(body))
        return fail(scratch, step, "body", "cannot go with GET");
    if (!accept_fits(json_object_get(job->inputs, "accept")))
        return fail(scratch, step, "accept", "must be {from: 200, to: 299} or a list of status codes");
    return connector_job_id_fits(job->id) || fail(scratch, step, "job id", "is no name");
}

static void http_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                       struct scratch *scratch, struct step *step)
{
    struct slice method = method_of(job);

    (void)now_ms;
    step_start(scratch, step);
    if (job->state.size > 0 && is_once(method)) {
        step_fail(scratch, step, ERROR_LOST, "the request was handed over and no answer is known");
        return;
    }
    step->call = (struct call){.kind = CALL_HTTP,
                               .url = json_text_at(job->inputs, "url"),
                               .method = method,
                               .auth = settings->secret.size > 0 ? AUTH_BEARER : AUTH_NONE,
                               .secret = settings->secret,
                               .idempotent = !is_once(method),
                               .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
                               .ca_file = settings->ca_file};
    if (!inputs_fit(job, settings, scratch, step) || !headers_fill(job, scratch, step))
        return;
    body_fill(job, scratch, &step->call);
    key_fill(job, scratch, &step->call);
    if (is_once(method)) {
        buffer_text(&scratch->state, "sent-intent");
        step->state = buffer_slice(&scratch->state);
        step->needs_note = true;
    }
    step->kind = STEP_REQUEST;
    step->error = ERROR_OK;
}

/* ---- what came back ---- */

static bool is_json(const struct answer *answer)
{
    struct slice type = answer_header(answer, "content-type");
    size_t size = 0;

    while (size < type.size && type.data[size] != ';' && type.data[size] != ' ')
        size++;
    return (size == 16 && strncasecmp(type.data, "application/json", 16) == 0) ||
           (size > 5 && strncasecmp(type.data + size - 5, "+json", 5) == 0);
}

static size_t written_size(const json_t *value)
{
    struct buffer text = {NULL, 0, 0};

    json_write(&text, value);
    size_t size = text.size;
    buffer_free(&text);
    return size;
}

/* The first bytes of the body as text that can be kept: cut between characters, control bytes as spaces. */
static json_t *text_of(struct slice body, size_t most, struct buffer *room)
{
    size_t size = body.size > most ? most : body.size;

    buffer_clear(room);
    buffer_append(room, body.data, size);
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)room->data[i] < ' ' && room->data[i] != '\n' && room->data[i] != '\t') ||
            room->data[i] == 0x7f)
            room->data[i] = ' ';
    for (size_t less = 0; size > less && less < (body.size > most ? 4 : 1); less++)
        if (slice_is_utf8((struct slice){room->data, size - less}))
            return json_stringn(room->data, size - less);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)room->data[i] >= 0x80)
            room->data[i] = '?';
    return json_stringn(size > 0 ? room->data : "", size);
}

/* A body that is said to be JSON and is none is kept as text: the call was answered all the same. */
static json_t *body_of(const struct answer *answer, struct scratch *scratch, bool *is_cut)
{
    struct json_problem problem;
    json_t *body = is_json(answer) && answer->body.size > 0 ? json_read(answer->body, &problem) : NULL;

    *is_cut = false;
    if (body != NULL && written_size(body) <= TEXT_KEPT_MAX)
        return body;
    json_decref(body);
    body = text_of(answer->body, TEXT_KEPT_MAX, &scratch->text);
    *is_cut = answer->body.size > TEXT_KEPT_MAX;
    if (written_size(body) > WRITTEN_MAX) {
        json_decref(body);
        body = text_of(answer->body, TEXT_KEPT_MAX / 4, &scratch->text);
        *is_cut = true;
    }
    return body;
}

static json_t *result_new(const struct answer *answer, struct scratch *scratch)
{
    json_t *headers = json_object(), *body, *result;
    bool is_cut;

    for (size_t i = 0; i < answer->header_count; i++) {
        struct slice name = answer->headers[i].name, value = answer->headers[i].value;
        char *key = slice_dup(name);
        json_object_set_new(headers, key, text_of(value, 256, &scratch->text));
        free(key);
    }
    body = body_of(answer, scratch, &is_cut);
    result = json_pack("{s:i, s:o, s:o}", "status", answer->status, "headers", headers, "body", body);
    if (is_cut)
        json_object_set_new(result, "cut", json_true());
    return result;
}

/* A gateway that gave up does not know what became of the request behind it. */
static enum error error_of_status(const struct connector_job *job, const struct connector_settings *settings,
                                  int status)
{
    if (status == 429 || status == 503)
        return ERROR_LIMITED;
    if (status == 502 || status == 504)
        return is_once(method_of(job)) ? ERROR_LOST : ERROR_FAILED;
    if (status == 408 || status == 425 || status >= 500)
        return ERROR_FAILED;
    if (status == 401 && settings->secret.size > 0)
        return ERROR_AUTH;
    return ERROR_REFUSED;
}

static void http_answer(const struct connector_job *job, const struct connector_settings *settings,
                        const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    bool once = is_once(method_of(job));

    (void)now_ms;
    step_start(scratch, step);
    if (answer->error == ERROR_LOST || answer->error == ERROR_TIMEOUT) {
        step_fail(scratch, step, once ? ERROR_LOST : ERROR_TIMEOUT, "%.*s",
                  answer->detail.size > SAID_MAX ? SAID_MAX : (int)answer->detail.size,
                  answer->detail.size ? answer->detail.data : "");
    } else if (answer->error != ERROR_OK) {
        step_fail(scratch, step, answer->error, "%.*s",
                  answer->detail.size > SAID_MAX ? SAID_MAX : (int)answer->detail.size,
                  answer->detail.size ? answer->detail.data : "");
    } else if (is_accepted(json_object_get(job->inputs, "accept"), answer->status)) {
        step->result = result_new(answer, scratch);
        step->kind = STEP_DONE;
        step->error = ERROR_OK;
    } else if (answer->status >= 300 && answer->status <= 399) {
        step_fail(scratch, step, ERROR_REFUSED, "HTTP %d: redirects are not followed; call the address it leads to",
                  answer->status);
    } else {
        json_t *said = text_of(answer->body, SAID_MAX, &scratch->text);
        step->retry_after_ms = answer->status == 429 || answer->status == 503 ? connector_retry_after(answer) : -1;
        step_fail(scratch, step, error_of_status(job, settings, answer->status), "HTTP %d%s%s", answer->status,
                  json_string_length(said) > 0 ? ": " : "", json_string_value(said));
        json_decref(said);
    }
}

static void http_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                       struct usage *usage)
{
    (void)settings;
    *usage = (struct usage){.retry_after_ms = -1};
    if (answer->error != ERROR_OK)
        return;
    usage->limited = answer->status == 429;
    usage->overloaded = answer->status >= 500;
    if (answer->status == 429 || answer->status == 503)
        usage->retry_after_ms = connector_retry_after_at(answer, now_ms);
}

const struct connector connector_http = {
    .name = "http",
    .begin = http_begin,
    .answer = http_answer,
    .usage = http_usage,
};
