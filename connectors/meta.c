// SPDX-License-Identifier: MIT
#include "connectors/meta.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TIMEOUT_MS = 60000, SAID_MAX = 160, PERCENT_MAX = 100000 };
static const int64_t LIMITED_MS = 300000, MINUTE_MS = 60000, REGAIN_MS_MAX = 86400000;
static const int64_t SETTLE_MS_MIN = 30000, SETTLE_MS_MAX = 3600000;

/* ---- calls ---- */

bool meta_id_fits(struct slice id)
{
    for (size_t i = 0; i < id.size; i++)
        if ((id.data[i] < '0' || id.data[i] > '9') && id.data[i] != '_')
            return false;
    return id.size > 0 && id.size <= META_ID_MAX;
}

void meta_call(const struct connector_settings *settings, const char *path, const json_t *body, struct scratch *scratch,
               struct call *call)
{
    buffer_append(&scratch->url, settings->url.data, settings->url.size);
    buffer_text(&scratch->url, "/");
    buffer_append(&scratch->url, settings->version.data, settings->version.size);
    buffer_printf(&scratch->url, "/%s", path);
    *call = (struct call){
        .kind = CALL_HTTP,
        .url = buffer_slice(&scratch->url),
        .method = body != NULL ? SLICE("POST") : SLICE("GET"),
        .auth = AUTH_BEARER,
        .secret = settings->secret,
        .idempotent = true,
        .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
        .ca_file = settings->ca_file,
    };
    if (body == NULL)
        return;
    json_write(&scratch->body, body);
    call->body = buffer_slice(&scratch->body);
    call->headers[call->header_count++] = (struct call_header){SLICE("Content-Type"), SLICE("application/json")};
}

/* ---- answers ---- */

/* Meta answers 400 to nearly everything; what to do follows from its numbers. Subcode 0 stands for any. */
static const struct {
    int first, last, subcode;
    enum error error;
} meanings[] = {
    {-2, -1, 0, ERROR_FAILED},        {1, 1, 2207057, ERROR_REFUSED},   {1, 2, 0, ERROR_FAILED},
    {4, 4, 2207051, ERROR_REFUSED},   {4, 4, 0, ERROR_LIMITED},         {9, 9, 2207042, ERROR_LIMITED},
    {10, 10, 0, ERROR_AUTH},          {17, 17, 0, ERROR_LIMITED},       {24, 24, 0, ERROR_NOT_FOUND},
    {25, 25, 0, ERROR_AUTH},          {32, 32, 0, ERROR_LIMITED},       {100, 100, 33, ERROR_NOT_FOUND},
    {100, 100, 0, ERROR_REFUSED},     {190, 190, 0, ERROR_AUTH},        {200, 299, 0, ERROR_AUTH},
    {352, 352, 0, ERROR_REFUSED},     {368, 368, 0, ERROR_REFUSED},     {506, 506, 0, ERROR_LOST},
    {613, 613, 0, ERROR_LIMITED},     {9004, 9004, 0, ERROR_REFUSED},   {9007, 9007, 0, ERROR_PENDING},
    {36000, 36004, 0, ERROR_REFUSED}, {80001, 80002, 0, ERROR_LIMITED},
};

enum error meta_error_of(int code, int subcode)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (code >= meanings[i].first && code <= meanings[i].last &&
            (meanings[i].subcode == 0 || meanings[i].subcode == subcode))
            return meanings[i].error;
    return ERROR_OK;
}

static enum error error_of_status(int status)
{
    if (status == 429)
        return ERROR_LIMITED;
    if (status == 401)
        return ERROR_AUTH;
    return status >= 500 || status < 400 ? ERROR_FAILED : ERROR_REFUSED;
}

static int number_at(const json_t *value, const char *name)
{
    const json_t *number = json_object_get(value, name);
    json_int_t found = json_is_integer(number) ? json_integer_value(number) : 0;

    return found > -1000000000 && found < 1000000000 ? (int)found : 0;
}

static void keep_text(struct meta_answer *read, int status, struct slice text)
{
    int size = text.size > SAID_MAX ? SAID_MAX : (int)text.size;

    if (read->code != 0)
        snprintf(read->text, sizeof(read->text), "%d/%d %.*s", read->code, read->subcode, size, size ? text.data : "");
    else
        snprintf(read->text, sizeof(read->text), "%d %.*s", status, size, size > 0 ? text.data : "");
    text_end_whole(read->text);
}

static void read_refusal(const struct answer *answer, struct meta_answer *read)
{
    const json_t *error = json_object_get(read->body, "error");
    struct slice message = json_text_at(error, "message"), shown = json_text_at(error, "error_user_msg");
    struct usage usage;

    read->code = number_at(error, "code");
    read->subcode = number_at(error, "error_subcode");
    read->error = json_is_object(error) ? meta_error_of(read->code, read->subcode) : ERROR_OK;
    if (read->error == ERROR_OK)
        read->error =
            json_is_true(json_object_get(error, "is_transient")) ? ERROR_FAILED : error_of_status(answer->status);
    /* A gateway does not know what became of the request, and Meta's own "server error" is no denial either. */
    read->is_unknown = read->error == ERROR_FAILED || read->error == ERROR_LOST;
    keep_text(read, answer->status, message.size > 0 ? message : shown);
    if (read->error != ERROR_LIMITED)
        return;
    meta_usage(answer, &usage);
    read->retry_after_ms = usage.retry_after_ms > 0 ? usage.retry_after_ms : LIMITED_MS;
}

void meta_read(const struct answer *answer, struct meta_answer *read)
{
    struct json_problem problem;

    *read = (struct meta_answer){.error = answer->error, .retry_after_ms = -1};
    if (answer->error != ERROR_OK) {
        keep_text(read, answer->status, answer->detail);
        read->is_unknown = answer->error == ERROR_LOST || answer->error == ERROR_TIMEOUT;
        return;
    }
    read->body = json_read(answer->body, &problem);
    if (answer->status == 200 && json_is_object(read->body) && json_object_get(read->body, "error") == NULL)
        return;
    if (answer->status == 200 && !json_is_object(json_object_get(read->body, "error"))) {
        read->error = ERROR_GARBLED;
        read->is_unknown = true;
        keep_text(read, answer->status, SLICE("the answer cannot be understood"));
        return;
    }
    read_refusal(answer, read);
}

void meta_fail(struct scratch *scratch, struct step *step, const char *service, const struct meta_answer *read)
{
    enum error error = read->error == ERROR_LOST && read->code == 0 ? ERROR_TIMEOUT : read->error;

    step->retry_after_ms = read->retry_after_ms;
    step_fail(scratch, step, error, "%s: %s", service, read->text);
}

struct slice meta_id_at(const json_t *body, const char *path)
{
    struct slice id = json_text_at(body, path);

    return meta_id_fits(id) ? id : (struct slice){NULL, 0};
}

int64_t meta_settle_pause(int64_t age_ms)
{
    int64_t pause = age_ms / 4;

    return pause < SETTLE_MS_MIN ? SETTLE_MS_MIN : pause > SETTLE_MS_MAX ? SETTLE_MS_MAX : pause;
}

/* ---- limits ---- */

static void usage_of(const json_t *entry, struct usage *usage)
{
    static const char *const shares[] = {"call_count", "total_time", "total_cputime"};
    int regain = number_at(entry, "estimated_time_to_regain_access");

    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        double share = json_number_value(json_object_get(entry, shares[i]));
        int percent = share > 0 && share < PERCENT_MAX ? (int)share : 0;
        if (percent > usage->percent_used)
            usage->percent_used = percent;
    }
    if (regain > 0 && regain * MINUTE_MS > usage->retry_after_ms)
        usage->retry_after_ms = regain * MINUTE_MS > REGAIN_MS_MAX ? REGAIN_MS_MAX : regain * MINUTE_MS;
}

static void usage_of_header(struct slice text, struct usage *usage)
{
    struct json_problem problem;
    json_t *value = text.size > 0 ? json_read(text, &problem) : NULL, *entries;
    const char *key;

    usage_of(value, usage);
    json_object_foreach(value, key, entries)
    {
        for (size_t i = 0; i < json_array_size(entries); i++)
            usage_of(json_array_get(entries, i), usage);
    }
    json_decref(value);
}

void meta_usage(const struct answer *answer, struct usage *usage)
{
    struct json_problem problem;

    *usage = (struct usage){.retry_after_ms = -1};
    if (answer->error != ERROR_OK)
        return;
    usage_of_header(answer_header(answer, "x-app-usage"), usage);
    usage_of_header(answer_header(answer, "x-business-use-case-usage"), usage);
    usage->overloaded = answer->status >= 500;
    usage->limited = answer->status == 429 || usage->retry_after_ms > 0;
    if (answer->status < 400 || answer->status == 429 || answer->status >= 500)
        return;
    json_t *body = json_read(answer->body, &problem);
    const json_t *error = json_object_get(body, "error");
    int code = number_at(error, "code");
    /* The quota of posts (9) holds one job back, not the calls that look and measure. */
    if (code != 9 && meta_error_of(code, number_at(error, "error_subcode")) == ERROR_LIMITED)
        usage->limited = true;
    json_decref(body);
}

/* ---- media and texts ---- */

static struct slice path_end(struct slice url)
{
    size_t size = 0, dot;

    while (size < url.size && url.data[size] != '?')
        size++;
    for (dot = size; dot > 0 && url.data[dot - 1] != '.' && url.data[dot - 1] != '/'; dot--)
        ;
    if (dot == 0 || url.data[dot - 1] != '.')
        return (struct slice){NULL, 0};
    return (struct slice){url.data + dot, size - dot};
}

enum meta_media meta_media_of(struct slice url)
{
    static const struct {
        const char *end;
        enum meta_media media;
    } known[] = {
        {"jpg", META_MEDIA_JPEG},     {"jpeg", META_MEDIA_JPEG},    {"png", META_MEDIA_PICTURE},
        {"gif", META_MEDIA_PICTURE},  {"webp", META_MEDIA_PICTURE}, {"bmp", META_MEDIA_PICTURE},
        {"tiff", META_MEDIA_PICTURE}, {"heic", META_MEDIA_PICTURE}, {"avif", META_MEDIA_PICTURE},
        {"mp4", META_MEDIA_VIDEO},    {"mov", META_MEDIA_VIDEO},
    };
    struct slice end = path_end(url);

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (end.size == strlen(known[i].end) && strncasecmp(end.data, known[i].end, end.size) == 0)
            return known[i].media;
    return META_MEDIA_UNKNOWN;
}

const char *meta_media_problem(struct slice url)
{
    size_t host = sizeof("https://") - 1, end = host;

    if (url.size > META_MEDIA_URL_MAX)
        return "is longer than 2000 bytes";
    if (url.size <= host || strncasecmp(url.data, "https://", host) != 0)
        return "must begin with https://, since Meta fetches it from there";
    for (size_t i = 0; i < url.size; i++)
        if ((unsigned char)url.data[i] <= ' ' || (unsigned char)url.data[i] >= 0x7f || url.data[i] == '\\' ||
            url.data[i] == '#')
            return "has a character that Meta does not fetch; percent-encode what is not plain ASCII";
    while (end < url.size && url.data[end] != '/' && url.data[end] != '?')
        end++;
    if (memchr(url.data + host, '@', end - host) != NULL)
        return "names a user; Meta fetches without login";
    if (end == host || memchr(url.data + host, '.', end - host) == NULL || end >= url.size)
        return "needs a public host and a path";
    return NULL;
}

size_t meta_count_characters(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t meta_count_marked(struct slice text, char mark)
{
    size_t count = 0;

    for (size_t i = 0; i + 1 < text.size; i++)
        count += text.data[i] == mark && !is_blank(text.data[i + 1]) && text.data[i + 1] != mark;
    return count;
}
