// SPDX-License-Identifier: MIT
#include "actors/publisher/publisher.h"
#include "actors/common/worker.h"
#include "actors/publisher/meta.h"
#include "actors/publisher/shopify.h"
#include "actors/publisher/telegram.h"
#include "config/http_hosts.h"
#include <stdio.h>
#include <string.h>

/* The right side of the sender's address when no domain is set. */
static struct slice domain_of(const struct config *config)
{
    const char *at = strrchr(config->mail_from, '@');

    if (config->mail_domain[0] != '\0' || at == NULL)
        return slice_of(config->mail_domain);
    return slice_of(at + 1);
}

static json_t *email_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                             struct scratch *scratch, struct step *step)
{
    *settings = (struct connector_settings){
        .url = slice_of(config->mail_url),
        .secret = slice_of(config->mail_password),
        .user = slice_of(config->mail_user),
        .from = slice_of(config->mail_from),
        .from_name = slice_of(config->mail_from_name),
        .domain = domain_of(config),
        .box = SLICE("purser"),
        .timeout_ms = (uint32_t)config->mail_timeout_ms,
        .ca_file = config->mail_ca_file != NULL ? slice_of(config->mail_ca_file) : (struct slice){NULL, 0},
        .plain_allowed = !config->mail_starttls,
    };
    if (config->mail_url[0] == '\0' || config->mail_from[0] == '\0') {
        step_fail(scratch, step, ERROR_NO_SECRET, "no mail server is set: mail_url and mail_from are needed");
        return NULL;
    }
    return json_deep_copy(input);
}

static void email_done(struct actor *actor, const json_t *inputs, json_t *result)
{
    (void)inputs;
    (void)result;
    actor_count(actor, METRIC_MAILS_SENT, 0, 1);
}

static json_t *http_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                            struct scratch *scratch, struct step *step)
{
    struct slice url = json_text_at(input, "url"), secret = json_text_at(input, "secret"), origin;
    const struct http_host *host = http_hosts_find(config, url, &origin);

    if (host == NULL || (secret.size > 0 && (host->secret == NULL || !slice_is(secret, host->secret)))) {
        step_fail(scratch, step, ERROR_INVALID, "%s",
                  host == NULL ? "the url's host is not listed under http_hosts"
                               : "the secret is not listed with the url's host");
        return NULL;
    }
    json_t *inputs = json_deep_copy(input);
    url = json_text_at(inputs, "url");
    *settings = (struct connector_settings){
        .url = {url.data, origin.size},
        .secret = secret.size > 0 ? slice_of(host->secret) : (struct slice){NULL, 0},
        .plain_allowed = host->plain,
    };
    return inputs;
}

static int64_t window(const struct config *config)
{
    return config->publish_window;
}

static enum error start(void *self, struct actor *actor)
{
    static const struct worker_skill skills[] = {
        {"email", &connector_email, email_prepare, email_done, NULL},
        {"telegram", &connector_telegram, telegram_prepare, telegram_done, NULL},
        {"http", &connector_http, http_prepare, NULL, NULL},
        {"shopify", &connector_shopify, shopify_prepare, NULL, NULL},
        {"instagram", &connector_instagram, instagram_prepare, meta_done, NULL},
        {"facebook", &connector_facebook, facebook_prepare, meta_done, NULL},
        {"insights", &connector_insights, insights_prepare, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static const struct worker_kind kind = {"publish", window, skills};

    return worker_start(self, actor, &kind);
}

const struct actor_spec publisher_spec = {
    .index = ACTOR_PUBLISHER,
    .state_size = sizeof(struct worker),
    .start = start,
    .stop = worker_stop,
    .handlers = worker_handlers,
    .on_timer = worker_on_timer,
    .on_answer = worker_on_answer,
};
