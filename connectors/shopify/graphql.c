// SPDX-License-Identifier: MIT
#include "connectors/shopify/graphql.h"
#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MS = 30000, SECURITY_PAUSE_MS = 60000, DIGITS_MAX = 19 };
static const int64_t THROTTLE_MS_MAX = 600000;

/* ---- calls ---- */

static void call_fill(const struct shopify_turn *turn, json_t *body, unsigned mark)
{
    const struct connector_settings *settings = turn->settings;
    struct call *call = &turn->step->call;

    json_write(&turn->scratch->body, body);
    json_decref(body);
    *call = (struct call){
        .kind = CALL_HTTP,
        .url = buffer_slice(&turn->scratch->url),
        .method = SLICE("POST"),
        .headers = {{SLICE("Content-Type"), SLICE("application/json")}, {SLICE("Accept"), SLICE("application/json")}},
        .header_count = 2,
        .body = buffer_slice(&turn->scratch->body),
        .idempotent = true,
        .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
        .ca_file = settings->ca_file};
    turn->step->kind = STEP_REQUEST;
    turn->step->error = ERROR_OK;
    turn->step->mark = mark;
}

void graphql_request(const struct shopify_turn *turn, const char *query, json_t *variables, unsigned mark)
{
    const struct connector_settings *settings = turn->settings;

    buffer_printf(&turn->scratch->url, "%.*s/admin/api/%.*s/graphql.json", (int)settings->url.size, settings->url.data,
                  (int)settings->version.size, settings->version.data);
    call_fill(turn, json_pack("{s:s, s:o}", "query", query, "variables", variables), mark);
    turn->step->call.auth = AUTH_HEADER;
    turn->step->call.auth_name = SLICE("X-Shopify-Access-Token");
    turn->step->call.secret = settings->secret;
}

void graphql_token_request(const struct shopify_turn *turn, unsigned mark)
{
    const struct connector_settings *settings = turn->settings;

    buffer_printf(&turn->scratch->url, "%.*s/admin/oauth/access_token", (int)settings->url.size, settings->url.data);
    call_fill(turn,
              json_pack("{s:s%, s:s, s:s}", "client_id", settings->user.data, settings->user.size, "client_secret",
                        CALL_URL_TOKEN, "grant_type", "client_credentials"),
              mark);
    turn->step->call.auth = AUTH_BODY_TOKEN;
    turn->step->call.secret = settings->client_secret;
    turn->step->call.keep_path = SLICE("access_token");
    turn->step->call.keep_secret = settings->secret;
    turn->step->call.keep_expiry = SLICE("expires_in");
}

/* ---- answers ---- */

static void say(struct graphql_answer *read, enum error error, const char *what, struct slice said)
{
    read->error = error;
    snprintf(read->text, sizeof(read->text), "%s%s%.*s", what, said.size > 0 ? ": " : "",
             said.size > 160 ? 160 : (int)said.size, said.size > 0 ? said.data : "");
}

/* `errors` is a list of objects, one text, or an object of texts. */
static struct slice said_of(const json_t *body)
{
    const json_t *errors = json_object_get(body, "errors");

    if (json_is_string(errors))
        return json_text_at(body, "errors");
    if (json_is_array(errors))
        return json_text_at(json_array_get(errors, 0), "message");
    if (json_text_at(body, "error_description").size > 0)
        return json_text_at(body, "error_description");
    return json_text_at(body, "error");
}

static const struct {
    int status;
    enum error error;
    const char *text;
} statuses[] = {
    {401, ERROR_AUTH, "the token is not accepted"},
    {402, ERROR_AUTH, "the shop is frozen: its bill is open"},
    {403, ERROR_AUTH, "the app may not do this: a scope is missing, or the shop is closed to it"},
    {404, ERROR_AUTH, "there is no such shop or version of the API"},
    {408, ERROR_TIMEOUT, "Shopify gave up waiting"},
    {423, ERROR_AUTH, "the shop is locked"},
    {429, ERROR_LIMITED, "too many calls"},
    {430, ERROR_LIMITED, "Shopify takes the calls for an attack"},
    {503, ERROR_LIMITED, "Shopify is overloaded"},
    {504, ERROR_TIMEOUT, "Shopify gave up waiting"},
};

static void read_status(const struct answer *answer, struct graphql_answer *read)
{
    struct slice said = said_of(read->body);
    char what[120];

    read->is_token_refused = answer->status == 401;
    read->retry_after_ms = connector_retry_after(answer);
    if (answer->status == 430 && read->retry_after_ms < SECURITY_PAUSE_MS)
        read->retry_after_ms = SECURITY_PAUSE_MS;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i].status == answer->status) {
            snprintf(what, sizeof(what), "HTTP %d, %s", answer->status, statuses[i].text);
            say(read, statuses[i].error, what, said);
            return;
        }
    snprintf(what, sizeof(what), "HTTP %d", answer->status);
    say(read, answer->status >= 500 ? ERROR_FAILED : ERROR_REFUSED, what, said);
}

static void read_cost(struct graphql_answer *read)
{
    const json_t *cost = json_at(read->body, "extensions.cost"), *status = json_object_get(cost, "throttleStatus");

    read->most = json_number_value(json_object_get(status, "maximumAvailable"));
    read->left = json_number_value(json_object_get(status, "currentlyAvailable"));
    read->per_s = json_number_value(json_object_get(status, "restoreRate"));
}

/* When the bucket will hold what the call asks for. */
static int64_t throttle_ms(const struct graphql_answer *read)
{
    double asked = json_number_value(json_at(read->body, "extensions.cost.requestedQueryCost"));
    double missing = asked - read->left, wait = read->per_s > 0 ? missing / read->per_s * 1000 : -1;

    if (wait < 0)
        return 1000;
    return wait > (double)THROTTLE_MS_MAX ? THROTTLE_MS_MAX : (int64_t)wait + 1;
}

static void read_errors(struct graphql_answer *read)
{
    const json_t *first = json_array_get(json_object_get(read->body, "errors"), 0);
    struct slice code = json_text_at(first, "extensions.code"), said = said_of(read->body);

    if (slice_is(code, "THROTTLED")) {
        say(read, ERROR_LIMITED, "throttled", said);
        read->retry_after_ms = throttle_ms(read);
    } else if (slice_is(code, "ACCESS_DENIED"))
        say(read, ERROR_AUTH, "the app may not do this: a scope is missing", said);
    else if (slice_is(code, "SHOP_INACTIVE"))
        say(read, ERROR_AUTH, "the shop is not active", said);
    else if (slice_is(code, "INTERNAL_SERVER_ERROR"))
        say(read, ERROR_FAILED, "Shopify failed", said);
    else if (first == NULL && said.size > 0 && memmem(said.data, said.size, "access token", 12) != NULL) {
        say(read, ERROR_AUTH, "the token is not accepted", said);
        read->is_token_refused = true;
    } else
        say(read, ERROR_REFUSED, "refused", said);
}

/* Fields that the app may not see come as null beside an error: what is there is still an answer. */
static bool has_data(const json_t *data)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)data, name, value)
    {
        if (!json_is_null(value))
            return true;
    }
    return false;
}

void graphql_read(const struct answer *answer, struct graphql_answer *read)
{
    struct json_problem problem;
    const json_t *errors;

    *read = (struct graphql_answer){.error = ERROR_OK, .retry_after_ms = -1};
    if (answer->error != ERROR_OK) {
        say(read, answer->error == ERROR_LOST ? ERROR_TIMEOUT : answer->error, "", answer->detail);
        return;
    }
    read->body = answer->body.size > 0 ? json_read(answer->body, &problem) : NULL;
    if (answer->status != 200) {
        read_status(answer, read);
        return;
    }
    if (!json_is_object(read->body)) {
        say(read, ERROR_GARBLED, "the answer is no JSON object", (struct slice){NULL, 0});
        return;
    }
    read_cost(read);
    read->data = json_object_get(read->body, "data");
    errors = json_object_get(read->body, "errors");
    if ((json_array_size(errors) > 0 || json_is_string(errors) || json_object_size(errors) > 0) &&
        !has_data(read->data))
        read_errors(read);
    else if (!json_is_object(read->data))
        say(read, ERROR_GARBLED, "the answer has neither data nor errors", (struct slice){NULL, 0});
}

bool graphql_user_error(const json_t *payload, char text[GRAPHQL_TEXT_MAX])
{
    const json_t *error = json_array_get(json_object_get(payload, "userErrors"), 0);
    const json_t *fields = json_object_get(error, "field");
    const char *field = json_string_value(json_array_get(fields, json_array_size(fields) - 1));
    const char *message = json_string_value(json_object_get(error, "message"));

    if (error == NULL)
        return false;
    snprintf(text, GRAPHQL_TEXT_MAX, "%.60s%s%.160s", field != NULL ? field : "", field != NULL ? ": " : "",
             message != NULL ? message : "refused");
    return true;
}

void graphql_fail(const struct shopify_turn *turn, const struct graphql_answer *read)
{
    turn->step->retry_after_ms = read->retry_after_ms;
    step_fail(turn->scratch, turn->step, read->error, "Shopify: %s", read->text);
}

/* ---- ids ---- */

static bool is_number(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.size > 0 && text.size <= DIGITS_MAX;
}

static struct slice number_of(struct slice id)
{
    const char *slash = id.size > 0 ? memrchr(id.data, '/', id.size) : NULL;
    size_t at = slash != NULL ? (size_t)(slash - id.data) + 1 : 0;

    return (struct slice){id.data + at, id.size - at};
}

bool graphql_id(const json_t *value, const char *kind, char id[96])
{
    struct slice text = {json_string_value(value), json_string_length(value)}, number = number_of(text);
    char digits[24], prefix[64];

    if (json_is_integer(value) && json_integer_value(value) > 0) {
        snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(value));
        text = number = slice_of(digits);
    }
    int size = snprintf(prefix, sizeof(prefix), "gid://shopify/%s/", kind);
    if (!is_number(number))
        return false;
    if (number.size != text.size &&
        (text.size - number.size != (size_t)size || memcmp(text.data, prefix, (size_t)size) != 0))
        return false;
    snprintf(id, 96, "%s%.*s", prefix, (int)number.size, number.data);
    return true;
}

json_t *graphql_number(struct slice id)
{
    struct slice number = number_of(id);
    struct json_problem problem;

    json_t *value = is_number(number) && number.data[0] != '0' ? json_read(number, &problem) : NULL;

    return value != NULL ? value : json_null();
}
