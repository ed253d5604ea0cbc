// SPDX-License-Identifier: MIT
#include "flow/run/rehearse_priv.h"
#include "proto/check.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_ID = 1, FIRST_ID = 1000 };

#define DAY_MS INT64_C(86400000)

bool rehearsal_is_effect(const struct skill *skill, const json_t *input)
{
    struct slice method = json_text_at(input, "method"), action = json_text_at(input, "action");

    if (skill->id == SKILL_HTTP)
        return method.size > 0 && !slice_is(method, "GET");
    if (skill->id == SKILL_SHOPIFY)
        return slice_is(action, "tag") || slice_is(action, "note");
    return skill->has_effect;
}

static const struct workflow_step *definition_of(const struct play *play, const char *instance)
{
    return workflow_find_step(play->given->workflow, (struct slice){instance, strcspn(instance, "#")});
}

/* ---- what is kept of it ---- */

static void note_effect(struct play *play, const char *instance, const json_t *entry, const char *mode, json_t *input)
{
    const struct workflow_step *step = definition_of(play, instance);

    json_array_append_new(play->rehearsal->effects,
                          json_pack("{s:s, s:s, s:s, s:I, s:O, s:O?}", "step", instance, "skill", step->skill->name,
                                    "mode", mode, "at_ms", (json_int_t)play->world.now_ms, "input", input, "n",
                                    json_object_get(entry, "n")));
}

static int by_beginning(const void *a, const void *b)
{
    json_int_t one = json_integer_value(json_object_get(*(json_t *const *)a, "n"));
    json_int_t two = json_integer_value(json_object_get(*(json_t *const *)b, "n"));

    return (one > two) - (one < two);
}

static void sort_effects(struct rehearsal *rehearsal)
{
    size_t count = json_array_size(rehearsal->effects);
    json_t **list = xcalloc(count + 1, sizeof(*list)), *sorted = json_array();

    for (size_t i = 0; i < count; i++)
        list[i] = json_array_get(rehearsal->effects, i);
    if (count > 1)
        qsort(list, count, sizeof(*list), by_beginning);
    for (size_t i = 0; i < count; i++) {
        json_array_append(sorted, list[i]);
        json_object_del(list[i], "n");
    }
    free(list);
    json_decref(rehearsal->effects);
    rehearsal->effects = sorted;
}

/* ---- one event ---- */

static bool deliver(struct machine *machine, const struct payload *event)
{
    switch (event->id) {
    case PAYLOAD_GO_ON:
        machine_go_on(machine);
        return true;
    case PAYLOAD_STEP_DONE:
        return machine_step_done(machine, &event->step_done, true);
    case PAYLOAD_ALARM:
        return machine_alarm(machine, &event->alarm);
    case PAYLOAD_WAKE:
        return machine_wake(machine, &event->wake);
    case PAYLOAD_DECISION:
        return machine_decide(machine, &event->decision);
    default:
        return false;
    }
}

/* The run as the store holds it; a new one when nothing was committed yet. */
static struct run stored_run(const struct play *play)
{
    struct run run;

    if (play->world.record.size == 0) {
        run_begin(&run, RUN_ID, play->given->workflow, WORKFLOW_LIVE, json_deep_copy(play->given->trigger),
                  play->world.now_ms);
        return run;
    }
    CHECK(run_read(&run, buffer_slice(&play->world.record)));
    run.id = RUN_ID;
    run.version = play->world.run_version;
    run.state = play->world.run_state;
    return run;
}

static void reread(struct play *play)
{
    run_fini(&play->rehearsal->run);
    play->rehearsal->run = stored_run(play);
}

static void keep(struct play *play, struct machine *machine)
{
    bool was_open = play->world.run_state == RUN_OPEN;

    world_commit(&play->world, buffer_slice(machine->ops));
    machine->run->version = play->world.run_version;
    if (was_open && machine->run->state != RUN_OPEN)
        play->rehearsal->ended_ms = play->world.now_ms;
}

/* True when the machine was through with the event; false: it wants another fact, and what it did does not count. */
static bool try_event(struct play *play, const struct payload *event, json_t *facts)
{
    struct buffer ops = {NULL, 0, 0};
    struct machine machine = {.workflow = play->given->workflow,
                              .run = &play->rehearsal->run,
                              .shop = play->given->shop,
                              .engine = play->given->engine,
                              .hooks = play->given->hooks,
                              .facts = facts,
                              .ids = &play->ids,
                              .now_ms = play->world.now_ms,
                              .ids_left = MACHINE_IDS_MAX,
                              .ops = &ops};
    bool is_taken = deliver(&machine, event);

    if (is_taken && !machine.is_wanting)
        machine_put_run(&machine);
    if (machine.is_wanting)
        json_object_set_new(facts, machine.wanted.name, world_fact(&play->world, &machine.wanted));
    if (is_taken && !machine.is_wanting)
        keep(play, &machine);
    else
        reread(play);
    buffer_free(&ops);
    return !machine.is_wanting;
}

/* ---- what waits for a person ---- */

static bool decide_all(struct play *play)
{
    const char *instance;
    json_t *entry;

    json_object_foreach(json_object_get(play->rehearsal->run.record, "steps"), instance, entry)
    {
        json_t *approval = json_object_get(entry, "approval");
        struct play_question question = {.step = definition_of(play, instance),
                                         .job = (uint64_t)json_integer_value(approval),
                                         .input = json_object_get(entry, "input")};
        if (approval == NULL || !run_step_is(entry, "waiting") ||
            json_equal(approval, json_object_get(play->decided, instance)))
            continue;
        json_object_set(play->decided, instance, approval);
        snprintf(question.instance, sizeof(question.instance), "%s", instance);
        if (!play_decide(play, &question))
            return false;
    }
    return true;
}

static bool play_event(struct play *play, const struct payload *event)
{
    json_t *facts = json_object();
    bool done = false;

    for (int i = 0; !done && i <= MACHINE_FACTS_MAX; i++)
        done = try_event(play, event, facts);
    json_decref(facts);
    if (!done) {
        text_problem_set(play->problem, play->given->workflow->file, 1, 1,
                         "one event needs more than %d things from the store", MACHINE_FACTS_MAX);
        return false;
    }
    return decide_all(play);
}

/* ---- workers ---- */

static bool end_step(struct play *play, const struct play_question *question, struct play_answer *answer)
{
    struct buffer text = {NULL, 0, 0};
    struct payload event = {.id = PAYLOAD_STEP_DONE,
                            .step_done = {.run = RUN_ID,
                                          .step = slice_of(question->instance),
                                          .job = question->job,
                                          .error = answer->outcome == PLAY_ERROR ? answer->error : ERROR_OK,
                                          .detail = answer->text,
                                          .attempts = question->step->skill->place == PLACE_WAIT ? 0 : 1}};

    if (answer->result != NULL)
        json_write(&text, answer->result);
    else
        buffer_text(&text, "null");
    event.step_done.result = buffer_slice(&text);
    json_decref(answer->result);
    bool good = play_event(play, &event);
    buffer_free(&text);
    return good;
}

static bool ask(struct play *play, struct play_question *question)
{
    json_t *entry = run_step(&play->rehearsal->run, question->instance, false);
    struct play_answer answer = play_answer(play, question);

    if (answer.outcome == PLAY_PROBLEM)
        return false;
    if (answer.outcome == PLAY_SILENCE)
        return true;
    if (answer.outcome == PLAY_RESULT && rehearsal_is_effect(question->step->skill, question->input))
        note_effect(play, question->instance, entry, "live", (json_t *)question->input);
    return end_step(play, question, &answer);
}

static bool waits_for(const struct play *play, const char *instance, uint64_t job)
{
    const json_t *entry = run_step(&play->rehearsal->run, instance, false);

    return run_step_is(entry, "waiting") && (uint64_t)json_integer_value(json_object_get(entry, "job")) == job;
}

static struct play_question question_of(const struct play *play, struct slice instance, uint64_t job)
{
    struct play_question question = {.job = job};

    snprintf(question.instance, sizeof(question.instance), "%.*s", (int)instance.size,
             instance.size ? instance.data : "");
    question.step = definition_of(play, question.instance);
    return question;
}

/* A job that no step waits for is a message about the run, for people. */
static bool work(struct play *play, uint64_t job, const struct payload_task *task)
{
    struct play_question question = question_of(play, task->step, job);
    struct json_problem problem;
    json_t *input = json_read(task->input, &problem);
    bool good = true;

    CHECK(input != NULL);
    question.input = input;
    if (waits_for(play, question.instance, job))
        good = ask(play, &question);
    else
        json_array_append_new(play->rehearsal->notices,
                              json_pack("{s:s%, s:I, s:O}", "skill", task->skill.data, task->skill.size, "at_ms",
                                        (json_int_t)play->world.now_ms, "input", input));
    json_decref(input);
    return good;
}

/* ---- the play ---- */

static bool take(struct play *play, const struct world_job *job)
{
    struct payload payload;
    struct play_question question;

    CHECK(payload_take(job->payload, &payload));
    if (payload.id == PAYLOAD_TASK)
        return work(play, job->id, &payload.task);
    if (payload.id != PAYLOAD_START)
        return play->rehearsal->run.state != RUN_OPEN || play_event(play, &payload);
    question = question_of(play, payload.start.parent_step, payload.start.run);
    if (!waits_for(play, question.instance, question.job))
        return true;
    question.input = json_object_get(run_step(&play->rehearsal->run, question.instance, false), "input");
    return ask(play, &question);
}

static bool play_on(struct play *play, int64_t begun_ms)
{
    struct world_job job;
    size_t events = 0;

    while (world_take(&play->world, &job)) {
        bool is_too_late = play->world.now_ms - begun_ms > REHEARSAL_DAYS_MAX * DAY_MS;
        bool good = is_too_late || take(play, &job);
        free(job.bytes);
        if (!good)
            return false;
        if (is_too_late)
            break;
        if (++events == REHEARSAL_EVENTS_MAX) {
            text_problem_set(play->problem, play->given->workflow->file, 1, 1,
                             "the rehearsal takes more than %d events: it may never end", REHEARSAL_EVENTS_MAX);
            return false;
        }
    }
    return true;
}

static bool begin(struct play *play)
{
    const struct rehearsal_given *given = play->given;
    struct buffer key = {NULL, 0, 0};
    bool good = true;

    if (given->workflow->unique != NULL) {
        json_t *vars = run_trigger_vars((json_t *)given->trigger, given->shop, play->world.now_ms);
        good = workflow_render_unique(given->engine, given->workflow, vars, &key, play->problem);
        json_decref(vars);
        buffer_free(&key);
    }
    play->rehearsal->run = stored_run(play);
    return good && play_event(play, &(struct payload){.id = PAYLOAD_GO_ON, .go_on = {.run = RUN_ID}}) &&
           play_on(play, play->world.now_ms);
}

static void find_waiting(struct rehearsal *rehearsal)
{
    json_int_t first = 0;
    const char *instance;
    json_t *entry;

    json_object_foreach(json_object_get(rehearsal->run.record, "steps"), instance, entry)
    {
        json_int_t order = json_integer_value(json_object_get(entry, "n"));
        if (run_step_is(entry, "waiting") && (first == 0 || order < first)) {
            first = order;
            snprintf(rehearsal->waits_for, sizeof(rehearsal->waits_for), "%s", instance);
        }
    }
}

static void finish(struct play *play)
{
    struct rehearsal *rehearsal = play->rehearsal;

    sort_effects(rehearsal);
    rehearsal->books = json_incref(play->world.sums);
    rehearsal->rows = json_incref(play->world.rows);
    rehearsal->values = world_values(&play->world);
    if (rehearsal->run.state == RUN_OPEN) {
        rehearsal->ended_ms = play->world.now_ms;
        find_waiting(rehearsal);
    }
}

bool rehearse(const struct rehearsal_given *given, struct rehearsal *rehearsal, struct text_problem *problem)
{
    struct play play = {.given = given,
                        .rehearsal = rehearsal,
                        .problem = problem,
                        .ids = FIRST_ID,
                        .used = json_object(),
                        .decided = json_object()};
    char text[200];

    *rehearsal = (struct rehearsal){.effects = json_array(), .notices = json_array(), .invented = json_array()};
    bool good = world_init(&play.world, given->store, given->now_ms != 0 ? given->now_ms : REHEARSAL_NOW_MS, text,
                           sizeof(text));
    if (!good)
        text_problem_set(problem, given->workflow->file, 1, 1, "%s", text);
    good = good && play_check_answers(&play) && begin(&play);
    if (good)
        finish(&play);
    else
        rehearsal_fini(rehearsal);
    world_fini(&play.world);
    json_decref(play.used);
    json_decref(play.decided);
    return good;
}

void rehearsal_fini(struct rehearsal *rehearsal)
{
    run_fini(&rehearsal->run);
    json_decref(rehearsal->effects);
    json_decref(rehearsal->notices);
    json_decref(rehearsal->invented);
    json_decref(rehearsal->books);
    json_decref(rehearsal->rows);
    json_decref(rehearsal->values);
    *rehearsal = (struct rehearsal){0};
}
