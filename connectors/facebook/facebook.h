/* facebook - posts on a Facebook page. Inputs: text, and link or media (an https address of a picture).
 * Result: {id, permalink}.
 *
 * The post is made unpublished, which nobody sees, then published by its id; that may be done twice, and the post says
 * whether it was. So a lost answer leaves an unseen draft at worst. The state is {p, f, i, at, e}: where it stands
 * ("make", "look", "publish", "check"), the picture, the post, since when, what publishing was answered with. */
// SPDX-License-Identifier: MIT
#pragma once
#include "connectors/connector.h"

enum { FACEBOOK_TEXT_MAX = 63206 };

extern const struct connector connector_facebook;
