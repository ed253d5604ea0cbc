// SPDX-License-Identifier: MIT
#include "connectors/instagram/instagram.h"
#include "connectors/instagram/post.h"
#include "connectors/meta.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_BYTES = 200, STATUS_CODES_MAX = 64 };
/* Meta's advice is to look once a minute; a picture is ready much sooner, a video much later. */
static const int64_t LOOK_SOON_MS = 15000, LOOK_LATER_MS = 60000, SOON_MS = 60000, READY_MS_MAX = 1800000;
static const int64_t QUOTA_MS = 900000, GONE_MS = 30000, SETTLE_MS_MAX = 7 * 86400000LL, ANEW_MS = 3600000;
static const char service[] = "Instagram";

/* What one step works with. */
struct turn {
    const struct connector_job *job;
    const struct connector_settings *settings;
    struct scratch *scratch;
    struct step *step;
    int64_t now_ms;
    struct post post;
    json_t *state; /* as it is to be; owned */
};

/* ---- the state ---- */

static void set(const struct turn *turn, const char *name, json_t *value)
{
    json_object_set_new(turn->state, name, value);
}

static bool is_at(const struct turn *turn, const char *phase)
{
    return slice_is(json_text_at(turn->state, "p"), phase);
}

static void begin_anew(const struct turn *turn)
{
    json_object_clear(turn->state);
    set(turn, "p", json_string("make"));
}

/* False when there is a state that cannot be read: then nobody knows what was done. */
static bool state_open(struct turn *turn)
{
    struct json_problem problem;

    if (turn->job->state.size == 0) {
        turn->state = json_object();
        begin_anew(turn);
        return true;
    }
    turn->state = json_read(turn->job->state, &problem);
    return json_text_at(turn->state, "p").size > 0 &&
           (is_at(turn, "make") || meta_id_fits(json_text_at(turn->state, "c")));
}

/* The state as it is now goes with the step: noted before its call, or kept until the next try. */
static void keep(const struct turn *turn)
{
    buffer_clear(&turn->scratch->state);
    json_write(&turn->scratch->state, turn->state);
    turn->step->state = buffer_slice(&turn->scratch->state);
}

static void fail(const struct turn *turn, const struct meta_answer *read)
{
    meta_fail(turn->scratch, turn->step, service, read);
    keep(turn);
}

static void later(const struct turn *turn, enum error error, int64_t after_ms, const char *text)
{
    turn->step->retry_after_ms = after_ms;
    step_fail(turn->scratch, turn->step, error, "%s: %s", service, text);
    keep(turn);
}

/* ---- calls ---- */

static void ask(const struct turn *turn, enum step_kind kind, const char *path, json_t *body)
{
    meta_call(turn->settings, path, body, turn->scratch, &turn->step->call);
    json_decref(body);
    turn->step->kind = kind;
    turn->step->error = ERROR_OK;
    keep(turn);
    turn->step->needs_note = !slice_equal(turn->step->state, turn->job->state);
}

static void print_path(char path[PATH_MAX_BYTES], struct slice id, const char *rest)
{
    snprintf(path, PATH_MAX_BYTES, "%.*s%s", (int)id.size, id.data, rest);
}

static void look(const struct turn *turn, const char *phase)
{
    char path[PATH_MAX_BYTES];

    print_path(path, json_text_at(turn->state, "c"), "?fields=status_code,status");
    set(turn, "p", json_string(phase));
    ask(turn, STEP_PROBE, path, NULL);
}

/* A container is made again without harm, so its call is not noted; the children of a carousel are, to make each once.
 */
static void make(const struct turn *turn)
{
    const json_t *children = json_object_get(turn->state, "k");
    bool is_child = turn->post.kind == POST_CAROUSEL && json_array_size(children) < turn->post.media_count;
    char path[PATH_MAX_BYTES];

    print_path(path, turn->settings->user, "/media");
    ask(turn, STEP_REQUEST, path,
        turn->post.kind == POST_CAROUSEL && !is_child ? post_carousel(&turn->post, children)
                                                      : post_container(&turn->post, json_array_size(children)));
    turn->step->needs_note = turn->step->needs_note && turn->job->state.size + json_array_size(children) > 0;
}

static void ask_quota(const struct turn *turn)
{
    char path[PATH_MAX_BYTES];

    print_path(path, turn->settings->user, "/content_publishing_limit?fields=quota_usage,config");
    set(turn, "p", json_string("quota"));
    ask(turn, STEP_PROBE, path, NULL);
}

static void publish(const struct turn *turn)
{
    char path[PATH_MAX_BYTES];

    print_path(path, turn->settings->user, "/media_publish");
    set(turn, "p", json_string("publish"));
    ask(turn, STEP_REQUEST, path, json_pack("{s:O}", "creation_id", json_object_get(turn->state, "c")));
    turn->step->call.idempotent = false;
}

static void ask_link(const struct turn *turn)
{
    char path[PATH_MAX_BYTES];

    print_path(path, json_text_at(turn->state, "m"), "?fields=permalink");
    set(turn, "p", json_string("link"));
    ask(turn, STEP_PROBE, path, NULL);
}

static void done(const struct turn *turn, const json_t *permalink)
{
    json_t *id = json_object_get(turn->state, "m");

    turn->step->kind = STEP_DONE;
    turn->step->error = ERROR_OK;
    turn->step->result = json_pack("{s:O?, s:O?, s:O?, s:s}", "id", id, "permalink", permalink, "container",
                                   json_object_get(turn->state, "c"), "kind", turn->post.kind_name);
    if (id == NULL)
        json_object_set_new(turn->step->result, "id", json_null());
    if (permalink == NULL)
        json_object_set_new(turn->step->result, "permalink", json_null());
}

/* ---- making ---- */

static void not_ready(const struct turn *turn, bool may_give_up)
{
    int64_t age_ms = turn->now_ms - json_integer_value(json_object_get(turn->state, "at"));

    if (may_give_up && age_ms > READY_MS_MAX) {
        begin_anew(turn);
        later(turn, ERROR_TIMEOUT, -1, "the media was not ready after half an hour; it is handed over anew");
    } else
        later(turn, ERROR_PENDING, age_ms < SOON_MS ? LOOK_SOON_MS : LOOK_LATER_MS, "the media is not ready yet");
}

static void made(const struct turn *turn, const struct meta_answer *read)
{
    json_t *children = json_object_get(turn->state, "k");
    bool is_child = turn->post.kind == POST_CAROUSEL && json_array_size(children) < turn->post.media_count;
    struct slice id = meta_id_at(read->body, "id");

    if (read->error == ERROR_NOT_FOUND) {
        begin_anew(turn);
        later(turn, ERROR_FAILED, -1, "a part of the carousel is gone; it is made anew");
    } else if (read->error == ERROR_PENDING) {
        not_ready(turn, true); /* a part of a carousel, and this answer is all that tells of it */
    } else if (read->error != ERROR_OK) {
        fail(turn, read);
    } else if (id.size == 0) {
        later(turn, ERROR_GARBLED, -1, "the answer names no container");
    } else if (is_child) {
        if (children == NULL) {
            json_object_set_new(turn->state, "k", children = json_array());
            set(turn, "at", json_integer(turn->now_ms));
        }
        json_array_append_new(children, json_stringn(id.data, id.size));
        make(turn);
    } else {
        json_object_clear(turn->state);
        set(turn, "c", json_stringn(id.data, id.size));
        set(turn, "at", json_integer(turn->now_ms));
        look(turn, "wait");
    }
}

/* ---- waiting ---- */

/* The number that Meta puts into the text of a container that failed: "Error: Media upload has failed with error code
 * 2207052". 0 when there is none. */
static int subcode_in(struct slice text)
{
    for (size_t i = 0; i + 7 <= text.size; i++)
        if (memcmp(text.data + i, "22070", 5) == 0 && text.data[i + 5] >= '0' && text.data[i + 5] <= '9' &&
            text.data[i + 6] >= '0' && text.data[i + 6] <= '9')
            return 2207000 + (text.data[i + 5] - '0') * 10 + (text.data[i + 6] - '0');
    return 0;
}

/* What no new container would mend. */
static bool is_final(int subcode)
{
    static const int finals[] = {2207004, 2207005, 2207009, 2207010, 2207023, 2207026, 2207028,
                                 2207035, 2207036, 2207037, 2207040, 2207051, 2207052, 2207057};

    for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++)
        if (subcode == finals[i])
            return true;
    return false;
}

static void container_failed(const struct turn *turn, const json_t *body)
{
    struct slice text = json_text_at(body, "status");
    int subcode = subcode_in(text), size = text.size > META_TEXT_MAX ? META_TEXT_MAX : (int)text.size;

    begin_anew(turn);
    step_fail(turn->scratch, turn->step, is_final(subcode) ? ERROR_REFUSED : ERROR_FAILED,
              "%s could not prepare the media: %.*s", service, size, size > 0 ? text.data : "");
    keep(turn);
}

/* One that is gone after its day is made anew at once; one that went early is a failure, or it would go round. */
static void make_anew(const struct turn *turn)
{
    bool is_early = turn->now_ms - json_integer_value(json_object_get(turn->state, "at")) < ANEW_MS;

    begin_anew(turn);
    if (is_early)
        later(turn, ERROR_FAILED, -1, "the container is gone; it is made anew");
    else
        make(turn);
}

static void looked(const struct turn *turn, const struct meta_answer *read)
{
    struct slice status = json_text_at(read->body, "status_code");

    if (read->error == ERROR_NOT_FOUND || (read->error == ERROR_OK && slice_is(status, "EXPIRED")))
        make_anew(turn);
    else if (read->error != ERROR_OK)
        fail(turn, read);
    else if (slice_is(status, "FINISHED"))
        ask_quota(turn);
    else if (slice_is(status, "PUBLISHED"))
        done(turn, NULL);
    else if (slice_is(status, "IN_PROGRESS"))
        not_ready(turn, true);
    else if (slice_is(status, "ERROR"))
        container_failed(turn, read->body);
    else
        later(turn, ERROR_GARBLED, -1, "the container's status cannot be understood");
}

/* Only what Instagram counts itself says how many posts are left; when it does not tell, publishing will. A used-up
 * quota holds back this post and not the gate, since other calls go through. */
static void quota_told(const struct turn *turn, const struct meta_answer *read)
{
    const json_t *used = json_at(read->body, "data.0.quota_usage"),
                 *total = json_at(read->body, "data.0.config.quota_total");
    enum retry_class retry = error_class(read->error);

    if (json_is_integer(used) && json_integer_value(total) > 0 &&
        json_integer_value(used) >= json_integer_value(total)) {
        set(turn, "p", json_string("wait"));
        later(turn, ERROR_PENDING, QUOTA_MS, "the day's quota of posts is used up");
    } else if (retry == RETRY_WAIT || retry == RETRY_HUMAN || read->error == ERROR_TIMEOUT ||
               read->error == ERROR_LOST) {
        set(turn, "p", json_string("wait"));
        fail(turn, read);
    } else
        publish(turn);
}

/* ---- publishing ---- */

static bool is_definite(const struct meta_answer *read)
{
    enum retry_class retry = error_class(read->error);

    return retry == RETRY_WAIT || retry == RETRY_HUMAN;
}

/* Refusals are looked into as well: Instagram was seen to refuse a post that went out. */
static void published(const struct turn *turn, const struct meta_answer *read)
{
    struct slice id = meta_id_at(read->body, "id");

    if (read->error == ERROR_OK && id.size > 0) {
        set(turn, "m", json_stringn(id.data, id.size));
        ask_link(turn);
    } else if (read->error == ERROR_NOT_FOUND) {
        set(turn, "p", json_string("wait"));
        later(turn, ERROR_FAILED, GONE_MS, read->text);
    } else if (read->code == 9 && read->error == ERROR_LIMITED) {
        set(turn, "p", json_string("wait"));
        later(turn, ERROR_PENDING, QUOTA_MS, read->text);
    } else if (read->error != ERROR_OK && is_definite(read)) {
        set(turn, "p", json_string("wait"));
        fail(turn, read);
    } else {
        if (read->error != ERROR_OK && !read->is_unknown)
            set(turn, "e", json_string(slice_is_utf8(slice_of(read->text)) ? read->text : "refused"));
        look(turn, "settle");
    }
}

static void not_published(const struct turn *turn, bool has_container)
{
    struct slice refusal = json_text_at(turn->state, "e");
    char text[META_TEXT_MAX];

    snprintf(text, sizeof(text), "%.*s", (int)refusal.size, refusal.size ? refusal.data : "");
    if (has_container) {
        json_object_del(turn->state, "e");
        set(turn, "p", json_string("wait"));
    } else
        begin_anew(turn);
    if (text[0] != '\0')
        later(turn, ERROR_REFUSED, -1, text);
    else
        later(turn, ERROR_FAILED, -1, "the post was not published; it is tried again");
}

/* While nobody can tell, no attempt is charged: to give up here would leave a post that may be out as one that failed.
 */
static void cannot_settle(const struct turn *turn, const struct meta_answer *read)
{
    int64_t age_ms = turn->now_ms - json_integer_value(json_object_get(turn->state, "at"));
    bool is_old = age_ms > SETTLE_MS_MAX;

    if (is_definite(read))
        fail(turn, read);
    else if (is_old || error_class(read->error) == RETRY_PERMANENT)
        step_fail(turn->scratch, turn->step, ERROR_LOST,
                  "the answer to publishing was lost, and %s does not tell what became of it: %s", service, read->text);
    else
        later(turn, ERROR_PENDING, meta_settle_pause(age_ms), read->text);
}

static void settled(const struct turn *turn, const struct meta_answer *read)
{
    struct slice status = json_text_at(read->body, "status_code");
    int64_t age_ms = turn->now_ms - json_integer_value(json_object_get(turn->state, "at"));

    if (read->error != ERROR_OK)
        cannot_settle(turn, read);
    else if (slice_is(status, "PUBLISHED"))
        done(turn, NULL);
    else if (slice_is(status, "FINISHED"))
        not_published(turn, true);
    else if (slice_is(status, "EXPIRED") || slice_is(status, "ERROR"))
        not_published(turn, false);
    else if (age_ms > SETTLE_MS_MAX)
        step_fail(turn->scratch, turn->step, ERROR_LOST,
                  "the answer to publishing was lost, and %s has no end to tell of", service);
    else
        not_ready(turn, false);
}

static void linked(const struct turn *turn, const struct meta_answer *read)
{
    const json_t *permalink = json_object_get(read->body, "permalink");

    done(turn, read->error == ERROR_OK && json_is_string(permalink) ? permalink : NULL);
}

/* ---- the interface ---- */

static bool turn_open(struct turn *turn)
{
    step_start(turn->scratch, turn->step);
    if (turn->settings->secret.size == 0 || !meta_id_fits(turn->settings->user))
        step_fail(turn->scratch, turn->step, ERROR_NO_SECRET,
                  "no Instagram account is set up: instagram_user and instagram_token are needed");
    else if (!state_open(turn))
        step_fail(turn->scratch, turn->step, ERROR_LOST, "the state that was saved for this post cannot be read");
    else
        return post_read(turn->job, turn->scratch, turn->step, &turn->post);
    return false;
}

static void instagram_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                            struct scratch *scratch, struct step *step)
{
    struct turn turn = {.job = job, .settings = settings, .scratch = scratch, .step = step, .now_ms = now_ms};

    if (turn_open(&turn)) {
        if (is_at(&turn, "make"))
            make(&turn);
        else if (is_at(&turn, "publish") || is_at(&turn, "settle"))
            look(&turn, "settle");
        else if (is_at(&turn, "link"))
            ask_link(&turn);
        else
            look(&turn, "wait");
    }
    json_decref(turn.state);
}

static void instagram_answer(const struct connector_job *job, const struct connector_settings *settings,
                             const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    struct turn turn = {.job = job, .settings = settings, .scratch = scratch, .step = step, .now_ms = now_ms};
    struct meta_answer read;

    meta_read(answer, &read);
    if (turn_open(&turn)) {
        if (is_at(&turn, "make"))
            made(&turn, &read);
        else if (is_at(&turn, "quota"))
            quota_told(&turn, &read);
        else if (is_at(&turn, "publish"))
            published(&turn, &read);
        else if (is_at(&turn, "settle"))
            settled(&turn, &read);
        else if (is_at(&turn, "link"))
            linked(&turn, &read);
        else
            looked(&turn, &read);
    }
    json_decref(turn.state);
    json_decref(read.body);
}

static void instagram_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                            struct usage *usage)
{
    (void)settings;
    (void)now_ms;
    meta_usage(answer, usage);
}

const struct connector connector_instagram = {"instagram", instagram_begin, instagram_answer, instagram_usage};
