// SPDX-License-Identifier: MIT
#include "connectors/facebook/facebook.h"
#include "connectors/meta.h"
#include <stdio.h>
#include <string.h>

enum { PATH_MAX_BYTES = 200 };
static const int64_t SETTLE_MS_MAX = 7 * 86400000LL;
static const char service[] = "Facebook";

/* What one step works with. */
struct turn {
    const struct connector_job *job;
    const struct connector_settings *settings;
    struct scratch *scratch;
    struct step *step;
    int64_t now_ms;
    json_t *state; /* as it is to be; owned */
};

static void set(const struct turn *turn, const char *name, json_t *value)
{
    json_object_set_new(turn->state, name, value);
}

static bool is_at(const struct turn *turn, const char *phase)
{
    return slice_is(json_text_at(turn->state, "p"), phase);
}

/* False when there is a state that cannot be read: then nobody knows what was done. */
static bool state_open(struct turn *turn)
{
    struct json_problem problem;

    if (turn->job->state.size == 0) {
        turn->state = json_pack("{s:s}", "p", "make");
        return true;
    }
    turn->state = json_read(turn->job->state, &problem);
    return is_at(turn, "make") || meta_id_fits(json_text_at(turn->state, "i"));
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

static void invalid(const struct turn *turn, const char *what, const char *problem)
{
    step_fail(turn->scratch, turn->step, ERROR_INVALID, "%s %s", what, problem);
}

static bool inputs_fit(const struct turn *turn)
{
    struct slice text = json_text_at(turn->job->inputs, "text"), link = json_text_at(turn->job->inputs, "link");
    struct slice media = json_text_at(turn->job->inputs, "media");
    const char *problem = media.size > 0 ? meta_media_problem(media) : NULL;

    if (text.size == 0 && link.size == 0 && media.size == 0)
        invalid(turn, "text", "is missing");
    else if (meta_count_characters(text) > FACEBOOK_TEXT_MAX)
        invalid(turn, "text", "is longer than 63206 characters");
    else if (link.size > 0 && media.size > 0)
        invalid(turn, "link", "cannot go with media: a post shows the one or the other");
    else if (link.size > 0 && memmem(link.data, link.size, "://", 3) == NULL)
        invalid(turn, "link", "is no address");
    else if (problem != NULL)
        invalid(turn, "media", problem);
    else if (media.size > 0 && meta_media_of(media) == META_MEDIA_VIDEO)
        invalid(turn, "media", "leads to a video; a post on a page takes a picture");
    else
        return true;
    return false;
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

static void ask_of(const struct turn *turn, enum step_kind kind, struct slice id, const char *rest, json_t *body)
{
    char path[PATH_MAX_BYTES];

    snprintf(path, sizeof(path), "%.*s%s", (int)id.size, id.data, rest);
    ask(turn, kind, path, body);
}

static void look(const struct turn *turn, const char *phase)
{
    set(turn, "p", json_string(phase));
    ask_of(turn, STEP_PROBE, json_text_at(turn->state, "i"), "?fields=is_published,permalink_url", NULL);
}

static void set_text(const struct turn *turn, json_t *body, const char *name, const char *input)
{
    if (json_text_at(turn->job->inputs, input).size > 0)
        json_object_set(body, name, json_object_get(turn->job->inputs, input));
}

static bool is_picture(const struct turn *turn)
{
    return json_text_at(turn->job->inputs, "media").size > 0 && json_object_get(turn->state, "f") == NULL;
}

/* What is made here is seen by nobody until it is published, so it is made again without harm. */
static void make(const struct turn *turn)
{
    json_t *body = json_pack("{s:b}", "published", 0);
    bool has_picture = json_object_get(turn->state, "f") != NULL;

    if (is_picture(turn)) {
        set_text(turn, body, "url", "media");
        ask_of(turn, STEP_REQUEST, turn->settings->user, "/photos", body);
        turn->step->needs_note = false;
        return;
    }
    set_text(turn, body, "message", "text");
    set_text(turn, body, "link", "link");
    if (has_picture)
        json_object_set_new(body, "attached_media",
                            json_pack("[{s:O}]", "media_fbid", json_object_get(turn->state, "f")));
    ask_of(turn, STEP_REQUEST, turn->settings->user, "/feed", body);
    turn->step->needs_note = turn->step->needs_note && has_picture;
}

static void publish(const struct turn *turn)
{
    set(turn, "p", json_string("publish"));
    ask_of(turn, STEP_REQUEST, json_text_at(turn->state, "i"), "", json_pack("{s:b}", "is_published", 1));
}

/* ---- answers ---- */

static void made(const struct turn *turn, const struct meta_answer *read)
{
    struct slice id = meta_id_at(read->body, "id");

    if (read->error != ERROR_OK) {
        fail(turn, read);
    } else if (id.size == 0) {
        later(turn, ERROR_GARBLED, -1, "the answer names no post");
    } else if (is_picture(turn)) {
        set(turn, "f", json_stringn(id.data, id.size));
        make(turn);
    } else {
        set(turn, "i", json_stringn(id.data, id.size));
        set(turn, "at", json_integer(turn->now_ms));
        look(turn, "look");
    }
}

static void done(const struct turn *turn, const json_t *body)
{
    const json_t *permalink = json_object_get(body, "permalink_url");

    turn->step->kind = STEP_DONE;
    turn->step->error = ERROR_OK;
    turn->step->result = json_pack("{s:O, s:o}", "id", json_object_get(turn->state, "i"), "permalink",
                                   json_is_string(permalink) ? json_deep_copy(permalink) : json_null());
}

static void looked(const struct turn *turn, const struct meta_answer *read)
{
    const json_t *shown = json_object_get(read->body, "is_published");

    if (read->error == ERROR_NOT_FOUND)
        step_fail(turn->scratch, turn->step, ERROR_REFUSED, "%s: the post is gone: %s", service, read->text);
    else if (read->error != ERROR_OK)
        fail(turn, read);
    else if (json_is_true(shown))
        done(turn, read->body);
    else if (json_is_false(shown))
        publish(turn);
    else
        later(turn, ERROR_GARBLED, -1, "the answer does not say whether the post is published");
}

static bool is_definite(const struct meta_answer *read)
{
    enum retry_class retry = error_class(read->error);

    return retry == RETRY_WAIT || retry == RETRY_HUMAN;
}

static void published(const struct turn *turn, const struct meta_answer *read)
{
    if (read->error != ERROR_OK && is_definite(read)) {
        set(turn, "p", json_string("look"));
        fail(turn, read);
        return;
    }
    if (read->error != ERROR_OK && !read->is_unknown)
        set(turn, "e", json_string(slice_is_utf8(slice_of(read->text)) ? read->text : "refused"));
    look(turn, "check");
}

static void not_published(const struct turn *turn)
{
    struct slice refusal = json_text_at(turn->state, "e");
    char text[META_TEXT_MAX];

    snprintf(text, sizeof(text), "%.*s", (int)refusal.size, refusal.size ? refusal.data : "");
    json_object_del(turn->state, "e");
    set(turn, "p", json_string("look"));
    if (text[0] != '\0')
        later(turn, ERROR_REFUSED, -1, text);
    else
        later(turn, ERROR_FAILED, -1, "the post was not published; it is tried again");
}

/* While nobody can tell, no attempt is charged: to give up here would leave a post that may be out as one that failed.
 */
static void checked(const struct turn *turn, const struct meta_answer *read)
{
    int64_t age_ms = turn->now_ms - json_integer_value(json_object_get(turn->state, "at"));
    bool is_old = age_ms > SETTLE_MS_MAX;
    const json_t *shown = json_object_get(read->body, "is_published");

    if (read->error == ERROR_OK && json_is_true(shown))
        done(turn, read->body);
    else if (read->error == ERROR_OK && json_is_false(shown))
        not_published(turn);
    else if (is_definite(read))
        fail(turn, read);
    else if (is_old || (read->error != ERROR_OK && error_class(read->error) == RETRY_PERMANENT))
        step_fail(turn->scratch, turn->step, ERROR_LOST, "%s does not tell whether the post is published: %s", service,
                  read->text);
    else
        later(turn, ERROR_PENDING, meta_settle_pause(age_ms), read->text);
}

/* ---- the interface ---- */

static bool turn_open(struct turn *turn)
{
    step_start(turn->scratch, turn->step);
    if (turn->settings->secret.size == 0 || !meta_id_fits(turn->settings->user))
        step_fail(turn->scratch, turn->step, ERROR_NO_SECRET,
                  "no Facebook page is set up: facebook_page and facebook_token are needed");
    else if (!state_open(turn))
        step_fail(turn->scratch, turn->step, ERROR_LOST, "the state that was saved for this post cannot be read");
    else
        return inputs_fit(turn);
    return false;
}

static void facebook_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                           struct scratch *scratch, struct step *step)
{
    struct turn turn = {job, settings, scratch, step, now_ms, NULL};

    if (turn_open(&turn)) {
        if (is_at(&turn, "make"))
            make(&turn);
        else
            look(&turn, is_at(&turn, "look") ? "look" : "check");
    }
    json_decref(turn.state);
}

static void facebook_answer(const struct connector_job *job, const struct connector_settings *settings,
                            const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    struct turn turn = {job, settings, scratch, step, now_ms, NULL};
    struct meta_answer read;

    meta_read(answer, &read);
    if (turn_open(&turn)) {
        if (is_at(&turn, "make"))
            made(&turn, &read);
        else if (is_at(&turn, "look"))
            looked(&turn, &read);
        else if (is_at(&turn, "publish"))
            published(&turn, &read);
        else
            checked(&turn, &read);
    }
    json_decref(turn.state);
    json_decref(read.body);
}

static void facebook_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                           struct usage *usage)
{
    (void)settings;
    (void)now_ms;
    meta_usage(answer, usage);
}

const struct connector connector_facebook = {"facebook", facebook_begin, facebook_answer, facebook_usage};
