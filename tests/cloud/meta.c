/* meta - the Graph API of Instagram and Facebook as a model: containers that get ready, are published or expire, drafts
 * that are published by their id, calls an hour and posts a day, usage headers. What is published is compared with all
 * that was published before: the same a second time is counted as doubled. */
// SPDX-License-Identifier: MIT
#include "tests/cloud/model.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CAPTION_MAX = 2200, KEY_MAX = 64, CHILDREN_MIN = 2, CHILDREN_MAX = 10, TOLD_PERCENT = 50 };
static const int64_t HOUR_MS = 3600000, DAY_MS = 86400000, VIDEO_MS = 60000, SLOW_MS = 600000;

/* What a call works on. */
struct asked {
    struct cloud *cloud;
    int64_t now_ms;
    const struct call *call;
    struct slice object, edge, query; /* "17", "media_publish", "fields=..." */
    json_t *body;
    struct cloud_reply *reply;
    bool is_post;
};

/* ---- replies ---- */

static void add_header(const struct asked *asked, const char *name, struct slice value)
{
    struct answer *answer = &asked->reply->answer;

    answer->headers[answer->header_count++] = (struct call_header){slice_of(name), value};
}

static void reply_body(const struct asked *asked, int status, json_t *body)
{
    struct cloud *cloud = asked->cloud;
    uint64_t percent = cloud->meta.calls_in_hour * 100 / cloud->meta.limit;

    buffer_clear(&cloud->body);
    json_write(&cloud->body, body);
    json_decref(body);
    asked->reply->answer = (struct answer){.error = ERROR_OK, .status = status, .body = buffer_slice(&cloud->body)};
    add_header(asked, "content-type", SLICE("application/json"));
    if (percent < TOLD_PERCENT)
        return;
    snprintf(cloud->meta.usage, sizeof(cloud->meta.usage),
             "{\"call_count\":%" PRIu64 ",\"total_time\":%" PRIu64 ",\"total_cputime\":1}", percent, percent / 2);
    add_header(asked, "x-app-usage", slice_of(cloud->meta.usage));
}

static void reply_error(const struct asked *asked, int status, int code, int subcode, const char *message)
{
    asked->cloud->counts.meta_refused++;
    reply_body(asked, status,
               json_pack("{s:{s:s, s:s, s:i, s:i, s:b, s:s}}", "error", "message", message, "type", "OAuthException",
                         "code", code, "error_subcode", subcode, "is_transient", code == 1 || code == 2, "fbtrace_id",
                         "A6LJylpZRKw2xKLFsAP-cJh"));
}

static void reply_text(const struct asked *asked, int status, const char *type, const char *text)
{
    buffer_clear(&asked->cloud->body);
    buffer_text(&asked->cloud->body, text);
    asked->reply->answer =
        (struct answer){.error = ERROR_OK, .status = status, .body = buffer_slice(&asked->cloud->body)};
    add_header(asked, "content-type", slice_of(type));
}

static void reply_id(const struct asked *asked, const char *id)
{
    reply_body(asked, 200, json_pack("{s:s}", "id", id));
}

/* ---- what there is ---- */

static const char *id_new(const struct asked *asked, const char *before)
{
    struct meta_model *model = &asked->cloud->meta;

    snprintf(model->id, sizeof(model->id), "%s1784%012" PRId64, before, ++model->next_id);
    return model->id;
}

static json_t *find(json_t *among, struct slice id)
{
    char key[KEY_MAX];

    if (id.size >= sizeof(key))
        return NULL;
    snprintf(key, sizeof(key), "%.*s", (int)id.size, id.size ? id.data : "");
    return json_object_get(among, key);
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *status_of(const json_t *container, int64_t now_ms)
{
    if (number_of(container, "published") > 0)
        return "PUBLISHED";
    if (json_is_true(json_object_get(container, "failed")))
        return "ERROR";
    if (now_ms >= number_of(container, "expires_ms"))
        return "EXPIRED";
    return now_ms < number_of(container, "ready_ms") ? "IN_PROGRESS" : "FINISHED";
}

static void log_effect(const struct asked *asked, const char *service, const char *what, const char *id,
                       struct slice text)
{
    struct buffer *members = &asked->cloud->text;

    buffer_clear(members);
    buffer_printf(members, ",\"id\":\"%s\",\"text\":", id);
    cloud_json_text(members, text);
    cloud_log(asked->cloud, asked->now_ms, service, what, buffer_slice(members));
}

/* No answer comes before any caller has given up. */
static void lose_publishing(const struct asked *asked)
{
    if (cloud_meets(asked->cloud, CLOUD_META, CLOUD_PUBLISH_LOST, asked->now_ms))
        asked->reply->latency_ms = UINT32_MAX;
}

/* True when the same was published before; from now on it was. */
static bool is_repeated(const struct asked *asked, struct slice one, struct slice two)
{
    struct buffer key = {NULL, 0, 0};
    bool found;

    buffer_append(&key, one.data, one.size);
    buffer_text(&key, "\n");
    buffer_append(&key, two.data, two.size);
    buffer_append(&key, "", 1);
    found = json_object_get(asked->cloud->meta.seen, key.data) != NULL;
    json_object_set_new(asked->cloud->meta.seen, key.data, json_true());
    buffer_free(&key);
    return found;
}

/* ---- Instagram ---- */

static bool ends_with(struct slice text, const char *end)
{
    size_t size = strlen(end);

    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}

static size_t characters(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

/* The ids between commas; -1 when one of them is no finished child. */
static int children_count(const struct asked *asked, struct slice ids)
{
    int count = 0;

    for (size_t at = 0; at < ids.size; at++, count++) {
        size_t start = at;
        while (at < ids.size && ids.data[at] != ',')
            at++;
        const json_t *child = find(asked->cloud->meta.containers, (struct slice){ids.data + start, at - start});
        if (child == NULL || !json_is_true(json_object_get(child, "is_child")) ||
            strcmp(status_of(child, asked->now_ms), "FINISHED") != 0)
            return -1;
    }
    return count;
}

/* False when the media was refused, and answered so. */
static bool media_fits(const struct asked *asked, struct slice picture, struct slice video, bool is_carousel)
{
    struct slice url = video.size > 0 ? video : picture;

    if (is_carousel) {
        int count = children_count(asked, json_text_at(asked->body, "children"));
        if (count < 0)
            reply_error(asked, 400, 9007, 2207027, "Media ID is not available");
        else if (count < CHILDREN_MIN || count > CHILDREN_MAX)
            reply_error(asked, 400, 100, 2207028, "Your post won't work as a carousel");
        return count >= CHILDREN_MIN && count <= CHILDREN_MAX;
    }
    if (url.size < 8 || memcmp(url.data, "https://", 8) != 0 || memmem(url.data, url.size, "unreachable", 11) != NULL)
        reply_error(asked, 400, 9004, 2207052, "The media could not be fetched from this URI");
    else if (ends_with(picture, ".png"))
        reply_error(asked, 400, 36001, 2207005, "The image format is not supported");
    else
        return true;
    return false;
}

static void make_container(const struct asked *asked)
{
    struct slice picture = json_text_at(asked->body, "image_url"), video = json_text_at(asked->body, "video_url");
    struct slice type = json_text_at(asked->body, "media_type"), caption = json_text_at(asked->body, "caption");
    bool is_carousel = slice_is(type, "CAROUSEL");
    struct cloud *cloud = asked->cloud;
    int64_t ready_ms = asked->now_ms + (video.size > 0 ? VIDEO_MS : 0);

    if (characters(caption) > CAPTION_MAX) {
        reply_error(asked, 400, 36004, 2207010, "The caption was too long");
        return;
    }
    if (!media_fits(asked, picture, video, is_carousel))
        return;
    if (cloud_meets(cloud, CLOUD_META, CLOUD_SLOW, asked->now_ms))
        ready_ms = asked->now_ms + SLOW_MS;
    bool fails = cloud_meets(cloud, CLOUD_META, CLOUD_MEDIA_ERROR, asked->now_ms);
    bool expires = cloud_meets(cloud, CLOUD_META, CLOUD_EXPIRED, asked->now_ms);
    const char *id = id_new(asked, "");
    struct slice media = is_carousel ? json_text_at(asked->body, "children") : video.size > 0 ? video : picture;
    json_t *container =
        json_pack("{s:I, s:I, s:b, s:b, s:i, s:s%, s:s%}", "ready_ms", (json_int_t)ready_ms, "expires_ms",
                  (json_int_t)(expires ? asked->now_ms : asked->now_ms + DAY_MS), "failed", fails, "is_child",
                  json_is_true(json_object_get(asked->body, "is_carousel_item")), "published", 0, "media", media.data,
                  media.size, "caption", caption.size ? caption.data : "", caption.size);
    json_object_set_new(cloud->meta.containers, id, container);
    cloud->counts.instagram_containers++;
    log_effect(asked, "instagram", "container", id, media);
    reply_id(asked, id);
}

static size_t posts_today(const struct asked *asked)
{
    json_t *times = asked->cloud->meta.published;

    while (json_array_size(times) > 0 && json_integer_value(json_array_get(times, 0)) <= asked->now_ms - DAY_MS)
        json_array_remove(times, 0);
    return json_array_size(times);
}

static size_t posts_allowed(const struct asked *asked)
{
    return asked->cloud->options.instagram_per_day;
}

static void tell_quota(const struct asked *asked)
{
    size_t used = posts_today(asked), total = posts_allowed(asked);

    if (cloud_meets(asked->cloud, CLOUD_META, CLOUD_DAY_QUOTA, asked->now_ms))
        used = total;
    reply_body(asked, 200,
               json_pack("{s:[{s:I, s:{s:I, s:I}}]}", "data", "quota_usage", (json_int_t)used, "config", "quota_total",
                         (json_int_t)total, "quota_duration", (json_int_t)(DAY_MS / 1000)));
}

static void publish_container(const struct asked *asked)
{
    struct cloud *cloud = asked->cloud;
    json_t *container = find(cloud->meta.containers, json_text_at(asked->body, "creation_id"));
    const char *status = container != NULL ? status_of(container, asked->now_ms) : "EXPIRED";

    if (strcmp(status, "EXPIRED") == 0) {
        reply_error(asked, 400, 24, 2207008, "The media builder with this creation id does not exist or has expired");
        return;
    }
    if (strcmp(status, "IN_PROGRESS") == 0 || strcmp(status, "ERROR") == 0) {
        reply_error(asked, 400, 9007, 2207027, "Media ID is not available");
        return;
    }
    if (posts_today(asked) >= posts_allowed(asked)) {
        cloud->counts.meta_violations++;
        reply_error(asked, 400, 9, 2207042, "You reached the maximum number of posts that is allowed");
        return;
    }
    const char *id = id_new(asked, "");
    bool again = is_repeated(asked, json_text_at(container, "media"), json_text_at(container, "caption"));
    cloud->counts.instagram_doubled += again || number_of(container, "published") > 0;
    json_object_set_new(container, "published", json_integer(number_of(container, "published") + 1));
    json_object_set_new(cloud->meta.media, id, json_pack("{s:I}", "at_ms", (json_int_t)asked->now_ms));
    json_array_append_new(cloud->meta.published, json_integer(asked->now_ms));
    cloud->counts.instagram_published++;
    log_effect(asked, "instagram", "published", id, json_text_at(container, "caption"));
    lose_publishing(asked);
    reply_id(asked, id);
}

/* ---- insights ---- */

static bool asks_for(const struct asked *asked, const char *word)
{
    return asked->query.size > 0 && memmem(asked->query.data, asked->query.size, word, strlen(word)) != NULL;
}

/* Numbers that grow with time, each with its own pace. */
static json_int_t grown(const struct asked *asked, const json_t *post, size_t pace)
{
    return (json_int_t)((asked->now_ms - number_of(post, "at_ms")) / 60000 / (int64_t)(pace + 1) + (int64_t)pace);
}

static void tell_insights(const struct asked *asked, const json_t *post)
{
    static const char *const known[] = {
        "views",           "reach",      "likes", "comments", "saved", "shares", "total_interactions",
        "post_media_view", "post_clicks"};
    bool gone = cloud_meets(asked->cloud, CLOUD_META, CLOUD_METRIC_GONE, asked->now_ms) &&
                (asks_for(asked, "views") || asks_for(asked, "post_media_view"));
    json_t *data = json_array();

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (asks_for(asked, known[i]))
            json_array_append_new(data, json_pack("{s:s, s:s, s:[{s:I}]}", "name", known[i], "period", "lifetime",
                                                  "values", "value", grown(asked, post, i)));
    if (!gone && json_array_size(data) > 0 && !asks_for(asked, "impressions") && !asks_for(asked, "plays")) {
        reply_body(asked, 200, json_pack("{s:o}", "data", data));
        return;
    }
    json_decref(data);
    reply_error(asked, 400, 100, 0, "(#100) metric must be one of the following values");
}

static void tell_media(const struct asked *asked, const json_t *media)
{
    char link[120];

    if (slice_is(asked->edge, "insights")) {
        tell_insights(asked, media);
        return;
    }
    snprintf(link, sizeof(link), "https://www.instagram.com/p/%.*s/", (int)asked->object.size, asked->object.data);
    reply_body(asked, 200,
               json_pack("{s:s%, s:s, s:I, s:I}", "id", asked->object.data, asked->object.size, "permalink", link,
                         "like_count", grown(asked, media, 2), "comments_count", grown(asked, media, 3)));
}

/* ---- Facebook ---- */

static void publish_draft(const struct asked *asked, json_t *post, const char *id)
{
    struct slice picture = json_text_at(post, "picture");

    if (json_is_true(json_object_get(post, "is_published")))
        return;
    json_object_set_new(post, "is_published", json_true());
    asked->cloud->counts.facebook_doubled += is_repeated(asked, json_text_at(post, "message"), picture);
    asked->cloud->counts.facebook_published++;
    log_effect(asked, "facebook", "published", id, json_text_at(post, "message"));
    lose_publishing(asked);
}

static void make_photo(const struct asked *asked)
{
    struct slice url = json_text_at(asked->body, "url");
    const char *id;

    if (url.size < 8 || memcmp(url.data, "https://", 8) != 0) {
        reply_error(asked, 400, 100, 0, "(#100) url should represent a valid URL");
        return;
    }
    id = id_new(asked, "");
    json_object_set_new(asked->cloud->meta.photos, id, json_stringn(url.data, url.size));
    reply_id(asked, id);
}

static void make_post(const struct asked *asked)
{
    struct slice message = json_text_at(asked->body, "message"), link = json_text_at(asked->body, "link");
    json_t *photo = find(asked->cloud->meta.photos, json_text_at(asked->body, "attached_media.0.media_fbid"));
    bool is_draft = json_is_false(json_object_get(asked->body, "published"));
    char before[KEY_MAX];

    if (message.size == 0 && link.size == 0 && photo == NULL) {
        reply_error(asked, 400, 100, 0, "(#100) Either message or link is needed");
        return;
    }
    snprintf(before, sizeof(before), "%.*s_", asked->object.size < 24 ? (int)asked->object.size : 24,
             asked->object.data);
    const char *id = id_new(asked, before);
    json_t *post =
        json_pack("{s:s%, s:b, s:I, s:s}", "message", message.size ? message.data : "", message.size, "is_published", 0,
                  "at_ms", (json_int_t)asked->now_ms, "picture", photo != NULL ? json_string_value(photo) : "");
    json_object_set_new(asked->cloud->meta.posts, id, post);
    asked->cloud->counts.facebook_drafts += is_draft;
    if (!is_draft)
        publish_draft(asked, post, id);
    reply_id(asked, id);
}

static void use_post(const struct asked *asked, json_t *post)
{
    char id[KEY_MAX], link[160];

    snprintf(id, sizeof(id), "%.*s", (int)asked->object.size, asked->object.data);
    snprintf(link, sizeof(link), "https://www.facebook.com/%s", id);
    if (asked->is_post) {
        if (json_is_true(json_object_get(asked->body, "is_published")))
            publish_draft(asked, post, id);
        reply_body(asked, 200, json_pack("{s:b}", "success", 1));
    } else if (slice_is(asked->edge, "insights"))
        tell_insights(asked, post);
    else
        reply_body(asked, 200,
                   json_pack("{s:s, s:O, s:s, s:{s:I}, s:{s:{s:I}}, s:{s:{s:I}}}", "id", id, "is_published",
                             json_object_get(post, "is_published"), "permalink_url", link, "shares", "count",
                             grown(asked, post, 5), "comments", "summary", "total_count", grown(asked, post, 3),
                             "reactions", "summary", "total_count", grown(asked, post, 2)));
}

/* ---- limits ---- */

/* Calls that are refused count as well. */
static bool is_over_limit(const struct asked *asked)
{
    struct meta_model *model = &asked->cloud->meta;
    json_t *times = model->calls;

    model->limit = asked->cloud->options.meta_per_hour;
    if (cloud_meets(asked->cloud, CLOUD_META, CLOUD_LOWERED, asked->now_ms))
        model->limit = model->limit > 1 ? model->limit / 2 : 1;
    while (json_array_size(times) > 0 && json_integer_value(json_array_get(times, 0)) <= asked->now_ms - HOUR_MS)
        json_array_remove(times, 0);
    json_array_append_new(times, json_integer(asked->now_ms));
    model->calls_in_hour = json_array_size(times);
    return model->calls_in_hour > model->limit;
}

static void reply_limited(const struct asked *asked)
{
    asked->cloud->counts.meta_limited++;
    reply_error(asked, 400, 4, 0, "(#4) Application request limit reached");
    add_header(asked, "x-business-use-case-usage",
               SLICE("{\"17841400000000000\":[{\"type\":\"instagram\",\"call_count\":101,\"total_cputime\":5,"
                     "\"total_time\":5,\"estimated_time_to_regain_access\":1}]}"));
}

static bool has_token(const struct call *call)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (call->headers[i].name.size == 13 && strncasecmp(call->headers[i].name.data, "authorization", 13) == 0)
            return call->headers[i].value.size > 7;
    return call->auth == AUTH_BEARER || call->auth == AUTH_URL_TOKEN;
}

static bool fails(const struct asked *asked)
{
    struct cloud *cloud = asked->cloud;

    if (is_over_limit(asked)) {
        cloud->counts.meta_violations++;
        reply_limited(asked);
    } else if (cloud_meets(cloud, CLOUD_META, CLOUD_KEY, asked->now_ms) || !has_token(asked->call))
        reply_error(asked, 400, 190, 463, "Error validating access token: Session has expired");
    else if (cloud_meets(cloud, CLOUD_META, CLOUD_LIMITED, asked->now_ms))
        reply_limited(asked);
    else if (cloud_meets(cloud, CLOUD_META, CLOUD_INTERNAL, asked->now_ms))
        reply_error(asked, 500, 1, 99, "An unknown error occurred");
    else if (cloud_meets(cloud, CLOUD_META, CLOUD_OVERLOADED, asked->now_ms))
        reply_text(asked, 503, "text/html", "<html><body>Sorry, something went wrong.</body></html>");
    else
        return false;
    return true;
}

/* ---- the answer ---- */

/* "https://host/v26.0/OBJECT/EDGE?QUERY"; false when it is none of Meta's. */
static bool path_take(struct slice url, struct asked *asked)
{
    const char *host = url.size > 8 ? memmem(url.data, url.size, "://", 3) : NULL;
    const char *end = url.data + url.size, *at = host != NULL ? memchr(host + 3, '/', (size_t)(end - host) - 3) : NULL;
    size_t digits = 0;

    if (at == NULL || end - at < 4 || at[1] != 'v')
        return false;
    for (at += 2; at < end && ((*at >= '0' && *at <= '9') || *at == '.'); at++)
        digits++;
    if (digits < 3 || at == end || *at != '/')
        return false;
    const char *query = memchr(at, '?', (size_t)(end - at)), *stop = query != NULL ? query : end;
    const char *slash = memchr(at + 1, '/', (size_t)(stop - at) - 1);
    asked->object = (struct slice){at + 1, (size_t)((slash != NULL ? slash : stop) - at) - 1};
    asked->edge = slash != NULL ? (struct slice){slash + 1, (size_t)(stop - slash) - 1} : (struct slice){NULL, 0};
    asked->query = query != NULL ? (struct slice){query + 1, (size_t)(end - query) - 1} : (struct slice){NULL, 0};
    return asked->object.size > 0 && asked->object.data[0] >= '0' && asked->object.data[0] <= '9';
}

bool cloud_meta_owns(const struct call *call)
{
    struct asked asked;

    return call->kind == CALL_HTTP && path_take(call->url, &asked);
}

static void tell_container(const struct asked *asked, const json_t *container)
{
    const char *status = status_of(container, asked->now_ms);

    reply_body(
        asked, 200,
        json_pack("{s:s%, s:s, s:s}", "id", asked->object.data, asked->object.size, "status_code", status, "status",
                  strcmp(status, "ERROR") == 0 ? "Error: Media upload has failed with error code 2207053" : status));
}

static void work(const struct asked *asked)
{
    struct meta_model *model = &asked->cloud->meta;
    json_t *container = find(model->containers, asked->object), *media = find(model->media, asked->object);
    json_t *post = find(model->posts, asked->object);

    if (asked->is_post && slice_is(asked->edge, "media"))
        make_container(asked);
    else if (asked->is_post && slice_is(asked->edge, "media_publish"))
        publish_container(asked);
    else if (asked->is_post && slice_is(asked->edge, "photos"))
        make_photo(asked);
    else if (asked->is_post && slice_is(asked->edge, "feed"))
        make_post(asked);
    else if (!asked->is_post && slice_is(asked->edge, "content_publishing_limit"))
        tell_quota(asked);
    else if (!asked->is_post && container != NULL)
        tell_container(asked, container);
    else if (!asked->is_post && media != NULL)
        tell_media(asked, media);
    else if (post != NULL)
        use_post(asked, post);
    else
        reply_error(asked, 400, 100, 33, "Unsupported request. Object does not exist or cannot be loaded");
}

static void model_begin(struct meta_model *model)
{
    if (model->containers != NULL)
        return;
    model->containers = json_object();
    model->media = json_object();
    model->posts = json_object();
    model->photos = json_object();
    model->seen = json_object();
    model->published = json_array();
    model->calls = json_array();
}

void cloud_meta_answer(struct cloud *cloud, int64_t now_ms, const struct call *call, struct cloud_reply *reply)
{
    struct json_problem problem;
    struct asked asked = {.cloud = cloud, .now_ms = now_ms, .call = call, .reply = reply};

    model_begin(&cloud->meta);
    path_take(call->url, &asked);
    asked.is_post = slice_is(call->method, "POST");
    asked.body = call->body.size > 0 ? json_read(call->body, &problem) : NULL;
    cloud->counts.meta_calls++;
    if (!fails(&asked)) {
        work(&asked);
        if (cloud_meets(cloud, CLOUD_META, CLOUD_HTML, now_ms))
            reply_text(&asked, 200, "text/html", "<html><body>Sign in to the network</body></html>");
        else if (cloud_meets(cloud, CLOUD_META, CLOUD_GARBAGE, now_ms))
            reply_text(&asked, 200, "application/json", "{\"id\":\"178");
    }
    json_decref(asked.body);
}

void cloud_meta_fini(struct cloud *cloud)
{
    struct meta_model *model = &cloud->meta;

    json_decref(model->containers);
    json_decref(model->media);
    json_decref(model->posts);
    json_decref(model->photos);
    json_decref(model->seen);
    json_decref(model->published);
    json_decref(model->calls);
}
