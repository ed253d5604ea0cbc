/* post - what is asked to be published, read and checked. Private to this folder. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/instagram/instagram.h"

enum post_kind { POST_IMAGE, POST_CAROUSEL, POST_REEL, POST_STORY };

struct post {
    enum post_kind kind;
    const char *kind_name;
    struct slice media[INSTAGRAM_CHILDREN_MAX]; /* borrow the job */
    size_t media_count;
    struct slice caption, alt;
};

/* False, with the step failed, when Instagram would not take it. */
bool post_read(const struct connector_job *job, struct scratch *scratch, struct step *step, struct post *post);
/* The body that asks for the container of everything but a carousel, or of its child `index`. Owned by the caller. */
json_t *post_container(const struct post *post, size_t index);
/* The body that asks for a carousel's container. */
json_t *post_carousel(const struct post *post, const json_t *children);
