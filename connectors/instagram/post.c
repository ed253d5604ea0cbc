// SPDX-License-Identifier: MIT
#include "connectors/instagram/post.h"
#include "connectors/meta.h"
#include <string.h>

static const char *const kind_names[] = {"image", "carousel", "reel", "story"};

static bool fail(struct scratch *scratch, struct step *step, const char *what, const char *problem)
{
    step_fail(scratch, step, ERROR_INVALID, "%s %s", what, problem);
    return false;
}

static bool read_kind(const struct connector_job *job, struct post *post)
{
    struct slice name = json_text_at(job->inputs, "kind");

    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
        if (slice_is(name, kind_names[i]) || (i == 0 && name.size == 0)) {
            post->kind = (enum post_kind)i;
            post->kind_name = kind_names[i];
            return true;
        }
    return false;
}

/* Addresses divided by blanks; false when there are more than a post can hold. */
static bool read_media(struct slice text, struct post *post)
{
    size_t at = 0;

    while (at < text.size) {
        size_t start = at;
        while (at < text.size && text.data[at] != ' ' && text.data[at] != '\n')
            at++;
        if (at > start && post->media_count == INSTAGRAM_CHILDREN_MAX)
            return false;
        if (at > start)
            post->media[post->media_count++] = (struct slice){text.data + start, at - start};
        at++;
    }
    return true;
}

static const char *media_problem(const struct post *post, struct slice url)
{
    enum meta_media media = meta_media_of(url);
    const char *problem = meta_media_problem(url);

    if (problem != NULL)
        return problem;
    if (media == META_MEDIA_PICTURE)
        return "leads to a picture that is no JPEG, the only kind that Instagram takes";
    if (post->kind == POST_REEL && media == META_MEDIA_JPEG)
        return "leads to a picture; a reel is a video";
    if (post->kind == POST_IMAGE && media == META_MEDIA_VIDEO)
        return "leads to a video; say kind: reel, or story";
    return NULL;
}

static bool media_fits(struct scratch *scratch, struct step *step, const struct post *post)
{
    if (post->media_count == 0)
        return fail(scratch, step, "media", "is missing");
    if (post->kind == POST_CAROUSEL && post->media_count < INSTAGRAM_CHILDREN_MIN)
        return fail(scratch, step, "media", "of a carousel is two to ten addresses, divided by blanks");
    if (post->kind != POST_CAROUSEL && post->media_count > 1)
        return fail(scratch, step, "media", "is several addresses; say kind: carousel");
    for (size_t i = 0; i < post->media_count; i++) {
        const char *problem = media_problem(post, post->media[i]);
        if (problem != NULL)
            return fail(scratch, step, "media", problem);
    }
    return true;
}

static const char *caption_problem(const struct post *post)
{
    if (meta_count_characters(post->caption) > INSTAGRAM_CAPTION_MAX)
        return "is longer than 2200 characters";
    if (meta_count_marked(post->caption, '#') > INSTAGRAM_TAGS_MAX)
        return "has more than 30 hashtags";
    if (meta_count_marked(post->caption, '@') > INSTAGRAM_MENTIONS_MAX)
        return "mentions more than 20 accounts";
    return NULL;
}

bool post_read(const struct connector_job *job, struct scratch *scratch, struct step *step, struct post *post)
{
    const char *problem;

    *post = (struct post){.caption = json_text_at(job->inputs, "caption"), .alt = json_text_at(job->inputs, "alt")};
    if (!read_kind(job, post))
        return fail(scratch, step, "kind", "must be image, carousel, reel or story");
    if (!read_media(json_text_at(job->inputs, "media"), post))
        return fail(scratch, step, "media", "is more than ten addresses");
    problem = caption_problem(post);
    if (problem != NULL)
        return fail(scratch, step, "caption", problem);
    if (meta_count_characters(post->alt) > INSTAGRAM_ALT_MAX)
        return fail(scratch, step, "alt", "is longer than 1000 characters");
    return media_fits(scratch, step, post);
}

static void set_text(json_t *body, const char *name, struct slice text)
{
    if (text.size > 0)
        json_object_set_new(body, name, json_stringn(text.data, text.size));
}

json_t *post_container(const struct post *post, size_t index)
{
    struct slice url = post->media[index];
    bool is_video = post->kind == POST_REEL || meta_media_of(url) == META_MEDIA_VIDEO;
    json_t *body = json_object();

    set_text(body, is_video ? "video_url" : "image_url", url);
    if (post->kind == POST_REEL)
        json_object_set_new(body, "media_type", json_string("REELS"));
    else if (post->kind == POST_STORY)
        json_object_set_new(body, "media_type", json_string("STORIES"));
    else if (is_video)
        json_object_set_new(body, "media_type", json_string("VIDEO"));
    if (post->kind == POST_CAROUSEL)
        json_object_set_new(body, "is_carousel_item", json_true());
    else if (post->kind != POST_STORY)
        set_text(body, "caption", post->caption);
    if (!is_video && post->kind != POST_STORY)
        set_text(body, "alt_text", post->alt);
    return body;
}

json_t *post_carousel(const struct post *post, const json_t *children)
{
    struct buffer ids = {NULL, 0, 0};
    json_t *body;

    for (size_t i = 0; i < json_array_size(children); i++)
        buffer_printf(&ids, "%s%s", i > 0 ? "," : "", json_string_value(json_array_get(children, i)));
    body = json_pack("{s:s, s:s%}", "media_type", "CAROUSEL", "children", ids.size ? ids.data : "", ids.size);
    set_text(body, "caption", post->caption);
    buffer_free(&ids);
    return body;
}
