/* instagram - posts on an Instagram account. Inputs: kind ("image", the standard, "carousel", "reel" or "story"),
 * media (an https address; a carousel's two to ten divided by blanks), caption, alt (what a picture shows).
 * Result: {id, permalink, container, kind}; id and permalink are null when the post is certainly out and Instagram did
 * not tell them.
 *
 * Meta fetches the media into a container, which does no harm when done twice; publishing the container is the effect.
 * The container's id is noted before that, and its status says afterwards what became of it: so a lost answer is never
 * guessed at and nothing is published twice. The state is {p, c, at, k, e, m}: where it stands ("make", "wait",
 * "quota", "publish", "settle", "link"), the container, since when it is made, a carousel's children, what publishing
 * was answered with, the post. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

enum {
    INSTAGRAM_CAPTION_MAX = 2200,
    INSTAGRAM_TAGS_MAX = 30,
    INSTAGRAM_MENTIONS_MAX = 20,
    INSTAGRAM_ALT_MAX = 1000,
    INSTAGRAM_CHILDREN_MIN = 2,
    INSTAGRAM_CHILDREN_MAX = 10
};

extern const struct connector connector_instagram;
