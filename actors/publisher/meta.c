// SPDX-License-Identifier: MIT
#include "actors/publisher/meta.h"

static struct connector_settings instagram_settings(const struct config *config)
{
    return (struct connector_settings){.url = slice_of(config->instagram_url),
                                       .version = slice_of(config->meta_version),
                                       .user = slice_of(config->instagram_user),
                                       .secret = slice_of(config->instagram_token),
                                       .timeout_ms = (uint32_t)config->instagram_timeout_ms};
}

static struct connector_settings facebook_settings(const struct config *config)
{
    return (struct connector_settings){.url = slice_of(config->facebook_url),
                                       .version = slice_of(config->meta_version),
                                       .user = slice_of(config->facebook_page),
                                       .secret = slice_of(config->facebook_token),
                                       .timeout_ms = (uint32_t)config->facebook_timeout_ms};
}

json_t *instagram_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                          struct scratch *scratch, struct step *step)
{
    (void)scratch;
    (void)step;
    *settings = instagram_settings(config);
    return json_deep_copy(input);
}

json_t *facebook_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                         struct scratch *scratch, struct step *step)
{
    (void)scratch;
    (void)step;
    *settings = facebook_settings(config);
    return json_deep_copy(input);
}

json_t *insights_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                         struct scratch *scratch, struct step *step)
{
    bool is_facebook = slice_is(json_text_at(input, "platform"), "facebook");

    (void)scratch;
    (void)step;
    *settings = is_facebook ? facebook_settings(config) : instagram_settings(config);
    return json_deep_copy(input);
}

void meta_done(struct actor *actor, const json_t *inputs, json_t *result)
{
    (void)inputs;
    (void)result;
    actor_count(actor, METRIC_POSTS_PUBLISHED, 0, 1);
}
