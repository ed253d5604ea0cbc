// SPDX-License-Identifier: MIT
#include "connectors/meta.h"
#include <stdio.h>

enum { PATH_MAX_BYTES = 240 };
static const json_int_t FIGURE_MAX = 1000000000000000; /* what is more is no count, and the sum has to hold */

/* One metric that Meta no longer knows fails the whole question, so there are smaller ones behind it. The plain fields
 * of a page's post always work, and so they come first there: engagement then means the same every time. */
static const char *const instagram_questions[] = {
    "/insights?metric=views,reach,likes,comments,saved,shares,total_interactions",
    "/insights?metric=reach,likes,comments,saved,shares",
    "?fields=like_count,comments_count",
    NULL,
};
static const char *const facebook_questions[] = {
    "?fields=shares,comments.summary(true),reactions.summary(true)",
    "/insights?metric=post_media_view,post_clicks&period=lifetime",
    NULL,
};

static bool is_facebook(const struct connector_job *job)
{
    return slice_is(json_text_at(job->inputs, "platform"), "facebook");
}

/* {q, r}: which question is asked, and what was told before. Owned by the caller. */
static json_t *state_of(const struct connector_job *job)
{
    struct json_problem problem;
    json_t *state = job->state.size > 0 ? json_read(job->state, &problem) : NULL;

    if (json_is_integer(json_object_get(state, "q")) && json_is_object(json_object_get(state, "r")))
        return state;
    json_decref(state);
    return json_pack("{s:i, s:{}}", "q", 0, "r");
}

static const char *question_of(const struct connector_job *job, const json_t *state)
{
    const char *const *questions = is_facebook(job) ? facebook_questions : instagram_questions;
    json_int_t at = json_integer_value(json_object_get(state, "q"));

    for (json_int_t i = 0; questions[i] != NULL; i++)
        if (i == at)
            return questions[i];
    return NULL;
}

static void ask(const struct connector_job *job, const struct connector_settings *settings, const json_t *state,
                struct scratch *scratch, struct step *step)
{
    struct slice post = json_text_at(job->inputs, "post");
    char path[PATH_MAX_BYTES];

    snprintf(path, sizeof(path), "%.*s%s", (int)post.size, post.data, question_of(job, state));
    meta_call(settings, path, NULL, scratch, &step->call);
    step->kind = STEP_PROBE;
    step->error = ERROR_OK;
    json_write(&scratch->state, state);
    step->state = buffer_slice(&scratch->state);
    /* Only so that the answer is known to belong to this question; the first one needs no note. */
    step->needs_note = json_integer_value(json_object_get(state, "q")) > 0 && !slice_equal(step->state, job->state);
}

static void insights_begin(const struct connector_job *job, const struct connector_settings *settings, int64_t now_ms,
                           struct scratch *scratch, struct step *step)
{
    json_t *state = state_of(job);

    (void)now_ms;
    step_start(scratch, step);
    if (settings->secret.size == 0)
        step_fail(scratch, step, ERROR_NO_SECRET, "no %s is set up",
                  is_facebook(job) ? "Facebook page" : "Instagram account");
    else if (!meta_id_fits(json_text_at(job->inputs, "post")))
        step_fail(scratch, step, ERROR_INVALID, "post is no id of a post");
    else if (question_of(job, state) == NULL)
        step_fail(scratch, step, ERROR_INVALID, "the saved state names no question");
    else
        ask(job, settings, state, scratch, step);
    json_decref(state);
}

/* ---- answers ---- */

static void take(json_t *figures, const char *name, const json_t *value)
{
    json_int_t figure = json_integer_value(value);

    if (json_is_integer(value) && figure >= -FIGURE_MAX && figure <= FIGURE_MAX)
        json_object_set_new(figures, name, json_integer(figure));
}

/* {"data":[{"name":..,"values":[{"value":..}]}]}, or total_value in place of values. */
static void take_metrics(json_t *figures, const json_t *body)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {{"views", "views"},           {"reach", "reach"},        {"likes", "likes"},
                 {"comments", "comments"},     {"saved", "saves"},        {"shares", "shares"},
                 {"post_media_view", "views"}, {"post_clicks", "clicks"}, {"total_interactions", "interactions"}};
    const json_t *data = json_object_get(body, "data");

    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *metric = json_array_get(data, i), *value = json_at(metric, "values.0.value");
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
            if (slice_is(json_text_at(metric, "name"), names[k].theirs))
                take(figures, names[k].ours, value != NULL ? value : json_at(metric, "total_value.value"));
    }
}

static void take_fields(json_t *figures, const json_t *body)
{
    take(figures, "likes", json_object_get(body, "like_count"));
    take(figures, "comments", json_object_get(body, "comments_count"));
    take(figures, "shares", json_at(body, "shares.count"));
    take(figures, "comments", json_at(body, "comments.summary.total_count"));
    take(figures, "reactions", json_at(body, "reactions.summary.total_count"));
}

static void done(json_t *figures, struct step *step)
{
    static const char *const parts[] = {"likes", "reactions", "comments", "saves", "shares"};
    json_int_t sum = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        sum += json_integer_value(json_object_get(figures, parts[i]));
    if (json_is_integer(json_object_get(figures, "interactions")))
        sum = json_integer_value(json_object_get(figures, "interactions"));
    step->kind = STEP_DONE;
    step->error = ERROR_OK;
    step->result = json_incref(figures);
    json_object_set_new(step->result, "engagement", json_integer(sum));
}

static void insights_answer(const struct connector_job *job, const struct connector_settings *settings,
                            const struct answer *answer, int64_t now_ms, struct scratch *scratch, struct step *step)
{
    json_t *state = state_of(job), *figures = json_object_get(state, "r");
    json_int_t at = json_integer_value(json_object_get(state, "q"));
    struct meta_answer read;

    (void)now_ms;
    step_start(scratch, step);
    meta_read(answer, &read);
    bool is_told = read.error == ERROR_OK, is_unsupported = read.code == 100 && read.error == ERROR_REFUSED;
    if (is_told) {
        take_metrics(figures, read.body);
        take_fields(figures, read.body);
    }
    json_object_set_new(state, "q", json_integer(at + 1));
    /* A page's post has two questions, one for what it is sure to tell and one for the rest. */
    bool asks_on = question_of(job, state) != NULL && (is_told ? is_facebook(job) : is_unsupported);
    if (asks_on)
        ask(job, settings, state, scratch, step);
    else if (is_told || (is_unsupported && is_facebook(job) && at > 0))
        done(figures, step);
    else
        meta_fail(scratch, step, is_facebook(job) ? "Facebook" : "Instagram", &read);
    json_decref(state);
    json_decref(read.body);
}

static void insights_usage(const struct connector_settings *settings, const struct answer *answer, int64_t now_ms,
                           struct usage *usage)
{
    (void)settings;
    (void)now_ms;
    meta_usage(answer, usage);
}

const struct connector connector_insights = {"insights", insights_begin, insights_answer, insights_usage};
