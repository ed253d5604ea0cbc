// SPDX-License-Identifier: MIT
#include "actors/ai_worker/ai_worker.h"
#include "actors/ai_worker/prompt.h"
#include "actors/common/worker.h"
#include <string.h>

static json_t *generate_prepare(const struct config *config, const json_t *input, struct connector_settings *settings,
                                struct scratch *scratch, struct step *step)
{
    char problem[200];
    enum error error;
    json_t *inputs = prompt_inputs(config, input, &error, problem);

    *settings = (struct connector_settings){
        .url = slice_of(config->gemini_url),
        .secret = slice_of(config->gemini_key),
        .model = slice_of(config->gemini_model),
        .timeout_ms = (uint32_t)config->gemini_timeout_ms,
        .day_reset = strcmp(config->gemini_day_reset, "utc") == 0 ? DAY_RESET_UTC : DAY_RESET_PACIFIC,
        .plain_allowed = config->allow_plain_loopback,
    };
    if (inputs == NULL)
        step_fail(scratch, step, error, "%s", problem);
    return inputs;
}

/* A result whose shape was asked for is that shape: its fields stand beside model and tokens. */
static void generate_done(struct actor *actor, const json_t *inputs, json_t *result)
{
    json_t *object = json_object_get(result, "object");

    (void)actor;
    (void)inputs;
    json_object_set_new(result, "tokens",
                        json_integer(json_integer_value(json_object_get(result, "tokens_in")) +
                                     json_integer_value(json_object_get(result, "tokens_out")) +
                                     json_integer_value(json_object_get(result, "tokens_thought"))));
    if (!json_is_object(object))
        return;
    json_incref(object);
    json_object_update_missing(result, object);
    json_object_del(result, "object");
    json_decref(object);
}

static int64_t tokens_micros(int64_t tokens, int64_t micros_per_million)
{
    int64_t whole;

    return __builtin_mul_overflow(tokens, micros_per_million, &whole) ? 0 : (whole + 500000) / 1000000;
}

static int64_t generate_used(struct actor *actor, const struct connector_settings *settings, const json_t *inputs,
                             const struct usage *usage)
{
    struct slice model = json_text_at(inputs, "model");
    const struct price *price =
        config_price(actor_config(actor), model.size > 0 ? model : settings->model, actor_wall(actor));

    if (usage->tokens_in > 0)
        actor_count(actor, METRIC_AI_TOKENS_IN, 0, (uint64_t)usage->tokens_in);
    if (usage->tokens_out > 0)
        actor_count(actor, METRIC_AI_TOKENS_OUT, 0, (uint64_t)usage->tokens_out);
    if (price == NULL)
        return 0;
    return tokens_micros(usage->tokens_in, price->input_micros) +
           tokens_micros(usage->tokens_out, price->output_micros);
}

static int64_t window(const struct config *config)
{
    return config->ai_window;
}

static enum error start(void *self, struct actor *actor)
{
    static const struct worker_skill skills[] = {
        {"generate", &connector_gemini, generate_prepare, generate_done, generate_used},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static const struct worker_kind kind = {"ai", window, skills};

    return worker_start(self, actor, &kind);
}

const struct actor_spec ai_worker_spec = {
    .index = ACTOR_AI_WORKER,
    .state_size = sizeof(struct worker),
    .start = start,
    .stop = worker_stop,
    .handlers = worker_handlers,
    .on_timer = worker_on_timer,
    .on_answer = worker_on_answer,
};
