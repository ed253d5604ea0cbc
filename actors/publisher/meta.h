/* meta - what the publisher knows of Instagram and Facebook: which account and page, and what is counted. */
// SPDX-License-Identifier: MIT
#pragma once
#include "actors/common/worker.h"
#include "connectors/facebook/facebook.h"
#include "connectors/instagram/instagram.h"
#include "connectors/meta.h"

/* Inputs as in flow/skills.def; the settings are those of the account, the page, or where the post of insights is. */
json_t *instagram_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                          struct scratch *scratch, struct step *step);
json_t *facebook_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                         struct scratch *scratch, struct step *step);
json_t *insights_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                         struct scratch *scratch, struct step *step);
/* A post is out. */
void meta_done(struct actor *actor, const json_t *inputs, json_t *result);
