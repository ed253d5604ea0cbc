// SPDX-License-Identifier: MIT
#include "flow/run/rehearse_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPROVERS_MAX = 5 };

#define PLACEHOLDER "(an answer of the model)"

/* ---- finding what was said ---- */

bool play_check_answers(struct play *play)
{
    const char *name;
    json_t *answer;

    json_object_foreach((json_t *)play->given->answers, name, answer)
    {
        struct slice id = {name, strcspn(name, "#")};
        if (workflow_find_step(play->given->workflow, id) == NULL) {
            text_problem_set(play->problem, play->given->workflow->file, 1, 1, "answers: there is no step \"%.60s\"",
                             name);
            return false;
        }
    }
    return true;
}

/* The next one of a list; the last one stays. */
static const json_t *next_of(struct play *play, const char *key, const json_t *answers)
{
    size_t used = (size_t)json_integer_value(json_object_get(play->used, key)), count = json_array_size(answers);

    json_object_set_new(play->used, key, json_integer((json_int_t)used + 1));
    return json_array_get(answers, used < count ? used : count - 1);
}

static const json_t *said(struct play *play, const struct play_question *question)
{
    const char *key = question->instance;
    const json_t *answer = json_object_get(play->given->answers, key);

    if (answer == NULL) {
        key = question->step->id;
        answer = json_object_get(play->given->answers, key);
    }
    return json_is_array(answer) ? next_of(play, key, answer) : answer;
}

static void complain(struct play *play, const struct play_question *question, const char *what)
{
    text_problem_set(play->problem, play->given->workflow->file, question->step->line, 1, "step %s %s: answers.%s: %s",
                     question->instance, "cannot be rehearsed", question->step->id, what);
}

/* ---- answers nobody gave ---- */

static json_t *placeholder_of(const json_t *schema)
{
    struct slice type = json_text_at(schema, "type");

    if (slice_is(type, "integer") || slice_is(type, "number"))
        return json_integer(0);
    if (slice_is(type, "boolean"))
        return json_false();
    if (slice_is(type, "array"))
        return json_array();
    return json_string(PLACEHOLDER);
}

static json_t *placeholder(const struct workflow_step *step)
{
    json_t *result = json_object(), *properties = json_at(step->fields, "schema.properties"), *property;
    const char *name;

    json_object_foreach(properties, name, property) json_object_set_new(result, name, placeholder_of(property));
    if (properties == NULL)
        json_object_set_new(result, "text", json_string(PLACEHOLDER));
    return result;
}

static struct play_answer invented(struct play *play, const struct play_question *question)
{
    const struct workflow_step *step = question->step;

    json_array_append_new(play->rehearsal->invented, json_string(question->instance));
    if (step->otherwise != NULL || step->otherwise_steps != NULL)
        return (struct play_answer){
            .outcome = PLAY_ERROR, .error = ERROR_OFFLINE, .text = SLICE("no answer was recorded")};
    return (struct play_answer){.outcome = PLAY_RESULT,
                                .result = step->skill->id == SKILL_GENERATE ? placeholder(step) : json_object()};
}

static struct play_answer usual(struct play *play, const struct play_question *question)
{
    const struct skill *skill = question->step->skill;
    struct play_answer answer = {.outcome = PLAY_RESULT};

    if (rehearsal_is_effect(skill, question->input)) {
        if (skill->id == SKILL_EMAIL)
            answer.result = json_pack("{s:s+++}", "message_id", "<", question->instance, "@", "rehearsal>");
        else if (skill->id == SKILL_HTTP)
            answer.result = json_pack("{s:i, s:n}", "status", 200, "body");
        else
            answer.result = json_object();
        return answer;
    }
    if (play->given->invent)
        return invented(play, question);
    text_problem_set(play->problem, play->given->workflow->file, question->step->line, 1,
                     "step %s %s: say what comes back under answers.%s", question->instance,
                     skill->id == SKILL_GENERATE ? "asks a model"
                     : skill->id == SKILL_CALL   ? "calls another workflow"
                                                 : "reads from outside",
                     question->step->id);
    return (struct play_answer){.outcome = PLAY_PROBLEM};
}

/* ---- answers ---- */

struct play_answer play_answer(struct play *play, const struct play_question *question)
{
    const json_t *answer = said(play, question);
    struct play_answer none = {.outcome = PLAY_PROBLEM}, out = none;

    if (answer == NULL)
        return usual(play, question);
    if (json_is_string(answer) && strcmp(json_string_value(answer), "unreachable") == 0)
        return (struct play_answer){.outcome = PLAY_SILENCE};
    if (json_object_get(answer, "result") != NULL)
        return (struct play_answer){.outcome = PLAY_RESULT,
                                    .result = json_deep_copy(json_object_get(answer, "result"))};
    if (json_object_get(answer, "error") == NULL) {
        complain(play, question, "must be {result: ...}, {error: NAME, text: ...} or unreachable");
        return none;
    }
    out = (struct play_answer){.outcome = PLAY_ERROR, .text = json_text_at(answer, "text")};
    if (!error_from_name(json_text_at(answer, "error"), &out.error) || out.error == ERROR_OK) {
        complain(play, question, "error must be one of the names in docs/reference/errors.md, say refused or offline");
        return none;
    }
    return out;
}

/* ---- approvals ---- */

static void push_decision(struct play *play, const struct play_question *question, const char *verb, struct slice text,
                          const char *who)
{
    struct buffer payload = {NULL, 0, 0};

    payload_put_decision(&payload, &(struct payload_decision){.run = play->rehearsal->run.id,
                                                              .step = slice_of(question->instance),
                                                              .approval = question->job,
                                                              .verb = slice_of(verb),
                                                              .text = text,
                                                              .via = SLICE("console"),
                                                              .who = slice_of(who),
                                                              .at_ms = play->world.now_ms});
    world_push(&play->world, play->ids++, 0, SLICE("flow"), buffer_slice(&payload));
    buffer_free(&payload);
}

/* As many different people as must agree. */
static void approve(struct play *play, const struct play_question *question, struct slice text, const char *by)
{
    json_int_t count = json_integer_value(json_object_get(question->input, "approvers"));
    char who[100];

    for (json_int_t i = 0; i < (count > 1 ? count : 1) && i < APPROVERS_MAX; i++) {
        if (i == 0)
            snprintf(who, sizeof(who), "%s", by);
        else
            snprintf(who, sizeof(who), "%.80s %d", by, (int)i + 1);
        push_decision(play, question, "approve", text, who);
    }
}

bool play_decide(struct play *play, const struct play_question *question)
{
    const json_t *answer = said(play, question);
    struct slice decision = json_text_at(answer, "decision"), text = json_text_at(answer, "text");
    struct slice by = json_text_at(answer, "by");
    bool is_silent = json_is_string(answer) || slice_is(decision, "expired");
    char who[64];

    snprintf(who, sizeof(who), "%.*s", (int)by.size, by.size ? by.data : "");
    if (by.size == 0)
        snprintf(who, sizeof(who), "rehearsal");
    if (is_silent)
        return true;
    if (answer == NULL || slice_is(decision, "approved"))
        approve(play, question, text, who);
    else if (slice_is(decision, "rejected"))
        push_decision(play, question, "reject", text, who);
    else if (slice_is(decision, "edited")) {
        push_decision(play, question, "edit", text, who);
        approve(play, question, (struct slice){NULL, 0}, who);
    } else {
        complain(play, question, "must be {decision: approved | edited | rejected | expired, text: ..., by: ...}");
        return false;
    }
    return true;
}
