// SPDX-License-Identifier: MIT
#include "flow/run/rehearse.h"
#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES = 160, PATH_BYTES = 200, MATCH_DEPTH_MAX = 64 };

struct check {
    const struct workflow *workflow;
    const struct workflow_fixture *fixture;
    const struct rehearsal *rehearsal;
    struct buffer *into;
    size_t found;
};

/* ---- messages ---- */

static void show(struct buffer *into, const json_t *value)
{
    struct buffer text = {NULL, 0, 0};

    if (value == NULL) {
        buffer_text(into, "nothing");
        return;
    }
    json_write(&text, value);
    struct slice shown = {text.data, text.size > SHOWN_BYTES ? SHOWN_BYTES : text.size};
    while (shown.size > 0 && !slice_is_utf8(shown))
        shown.size--;
    buffer_append(into, shown.data, shown.size);
    if (shown.size < text.size)
        buffer_text(into, "...");
    buffer_free(&text);
}

static void begin_line(struct check *check)
{
    check->found++;
    buffer_printf(check->into, "%s:%u: %s: ", check->workflow->file, check->fixture->line, check->fixture->name);
}

static void differs(struct check *check, const char *what, const json_t *expected, const json_t *actual)
{
    begin_line(check);
    buffer_printf(check->into, "%s: expected ", what);
    show(check->into, expected);
    buffer_text(check->into, ", but it was ");
    show(check->into, actual);
    buffer_text(check->into, "\n");
}

/* ---- values ---- */

static bool has_text(struct slice text, struct slice part)
{
    return part.size == 0 || (text.size >= part.size && memmem(text.data, text.size, part.data, part.size) != NULL);
}

/* {contains: TEXT} or {contains: [TEXT, ...]} is about a part of a text. */
static const json_t *contains_of(const json_t *expected)
{
    const json_t *parts = json_object_get(expected, "contains");

    return json_object_size(expected) == 1 ? parts : NULL;
}

static bool contains_all(const json_t *parts, const json_t *actual)
{
    struct slice text = {json_string_value(actual), json_string_length(actual)};
    json_t *part;
    size_t index;

    if (!json_is_string(actual))
        return false;
    if (json_is_string(parts))
        return has_text(text, (struct slice){json_string_value(parts), json_string_length(parts)});
    json_array_foreach(parts, index, part)
    {
        if (!json_is_string(part) || !has_text(text, (struct slice){json_string_value(part), json_string_length(part)}))
            return false;
    }
    return json_is_array(parts);
}

static bool is_same(const json_t *expected, const json_t *actual)
{
    if (json_is_null(expected))
        return actual == NULL || json_is_null(actual);
    if (json_is_number(expected) && json_is_number(actual) && !(json_is_integer(expected) && json_is_integer(actual)))
        return !(json_number_value(expected) < json_number_value(actual)) &&
               !(json_number_value(expected) > json_number_value(actual));
    return actual != NULL && json_equal(expected, actual);
}

static void match(struct check *check, const char *path, const json_t *expected, const json_t *actual, int depth);

static void match_object(struct check *check, const char *path, const json_t *expected, const json_t *actual, int depth)
{
    char inner[PATH_BYTES];
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)expected, name, value)
    {
        snprintf(inner, sizeof(inner), "%s.%s", path, name);
        text_end_whole(inner);
        match(check, inner, value, json_object_get(actual, name), depth + 1);
    }
}

static void match_list(struct check *check, const char *path, const json_t *expected, const json_t *actual, int depth)
{
    char inner[PATH_BYTES];
    json_t *value;
    size_t index;

    json_array_foreach(expected, index, value)
    {
        snprintf(inner, sizeof(inner), "%s[%zu]", path, index);
        text_end_whole(inner);
        match(check, inner, value, json_array_get(actual, index), depth + 1);
    }
}

/* Objects may have more than is expected; lists may not. */
static void match(struct check *check, const char *path, const json_t *expected, const json_t *actual, int depth)
{
    const json_t *parts = contains_of(expected);

    if (parts != NULL && !json_is_object(actual)) {
        if (!contains_all(parts, actual)) {
            begin_line(check);
            buffer_printf(check->into, "%s: expected a text with ", path);
            show(check->into, parts);
            buffer_text(check->into, ", but it was ");
            show(check->into, actual);
            buffer_text(check->into, "\n");
        }
    } else if (json_is_object(expected) && json_is_object(actual) && depth < MATCH_DEPTH_MAX)
        match_object(check, path, expected, actual, depth);
    else if (json_is_array(expected) && json_is_array(actual) && depth < MATCH_DEPTH_MAX &&
             json_array_size(expected) == json_array_size(actual))
        match_list(check, path, expected, actual, depth);
    else if (!is_same(expected, actual))
        differs(check, path, expected, actual);
}

/* ---- how it ended ---- */

static void put_error(const struct check *check, struct buffer *into)
{
    const json_t *error = json_object_get(check->rehearsal->run.record, "error");
    static const char *const parts[] = {"step", "error", "text"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct slice part = json_text_at(error, parts[i]);
        if (part.size > 0)
            buffer_printf(into, "%s%.*s", into->size ? ": " : "", (int)part.size, part.data);
    }
}

/* What is not said: a run that does not fail. */
static void check_state(struct check *check)
{
    struct slice state = json_text_at(check->fixture->expect, "state");
    struct slice part = json_text_at(check->fixture->expect, "error");
    const char *actual = run_state_name(check->rehearsal->run.state);
    struct buffer error = {NULL, 0, 0};

    if (state.size == 0)
        state = part.size > 0 ? SLICE("failed") : SLICE("done");
    put_error(check, &error);
    if (!slice_is(state, actual)) {
        begin_line(check);
        buffer_printf(check->into, "expected the run to be %.*s, but it was %s", (int)state.size, state.data, actual);
        if (error.size > 0)
            buffer_printf(check->into, ": %.*s", (int)error.size, error.data);
        if (check->rehearsal->waits_for[0] != '\0')
            buffer_printf(check->into, ": step %s waits for ever; give it unreachable_after and else, or an answer",
                          check->rehearsal->waits_for);
        buffer_text(check->into, "\n");
    } else if (!has_text(buffer_slice(&error), part)) {
        begin_line(check);
        buffer_printf(check->into, "error: expected a text with \"%.*s\", but it was \"%.*s\"\n", (int)part.size,
                      part.data, (int)error.size, error.size ? error.data : "");
    }
    buffer_free(&error);
}

static void check_steps(struct check *check)
{
    const char *instance;
    json_t *state;

    json_object_foreach(json_object_get(check->fixture->expect, "steps"), instance, state)
    {
        const json_t *entry = run_step(&check->rehearsal->run, instance, false);
        const char *expected = json_is_string(state) ? json_string_value(state) : "not begun";
        struct slice actual = entry != NULL ? json_text_at(entry, "state") : SLICE("not begun");
        if (slice_is(actual, expected))
            continue;
        begin_line(check);
        buffer_printf(check->into, "step %s: expected %s, but it was %.*s", instance, expected, (int)actual.size,
                      actual.data);
        struct slice why = json_text_at(entry, "text");
        if (why.size > 0)
            buffer_printf(check->into, ": %.*s", (int)why.size, why.data);
        buffer_text(check->into, "\n");
    }
}

/* ---- effects ---- */

static bool is_of_step(struct slice instance, struct slice expected)
{
    const char *mark = instance.size > 0 ? memchr(instance.data, '#', instance.size) : NULL;
    struct slice id = {instance.data, mark != NULL ? (size_t)(mark - instance.data) : instance.size};

    return slice_equal(instance, expected) || slice_equal(id, expected);
}

static void check_effect(struct check *check, size_t index, const json_t *expected, const json_t *actual)
{
    struct slice step = json_text_at(actual, "step"), wanted = json_text_at(expected, "step");
    char path[PATH_BYTES];
    const char *name;
    json_t *value;

    snprintf(path, sizeof(path), "effect %zu", index + 1);
    if (wanted.size > 0 && !is_of_step(step, wanted)) {
        differs(check, path, json_object_get(expected, "step"), json_object_get(actual, "step"));
        return;
    }
    json_object_foreach((json_t *)expected, name, value)
    {
        bool is_about = strcmp(name, "skill") == 0 || strcmp(name, "mode") == 0;
        if (strcmp(name, "step") == 0)
            continue;
        snprintf(path, sizeof(path), "effect %zu (%.*s): %s", index + 1, (int)step.size, step.data, name);
        match(check, path, value, json_object_get(is_about ? actual : json_object_get(actual, "input"), name), 0);
    }
}

static void check_effects(struct check *check)
{
    const json_t *expected = json_object_get(check->fixture->expect, "effects"), *actual = check->rehearsal->effects;
    size_t count = json_array_size(expected), there = json_array_size(actual);

    if (expected == NULL)
        return;
    for (size_t i = 0; i < count && i < there; i++)
        check_effect(check, i, json_array_get(expected, i), json_array_get(actual, i));
    if (count == there)
        return;
    begin_line(check);
    buffer_printf(check->into, "expected %zu effect%s, but there %s %zu", count, count == 1 ? "" : "s",
                  there == 1 ? "was" : "were", there);
    for (size_t i = 0; i < there; i++) {
        struct slice step = json_text_at(json_array_get(actual, i), "step");
        buffer_printf(check->into, "%s%.*s", i == 0 ? ": " : ", ", (int)step.size, step.data);
    }
    buffer_text(check->into, "\n");
}

/* ---- what it left behind ---- */

/* A number is about a book of one currency, or of counts. */
static void check_book(struct check *check, const char *book, const json_t *expected)
{
    const json_t *sums = json_object_get(check->rehearsal->books, book);
    json_t *zero = json_integer(0);
    char path[PATH_BYTES];
    const char *currency;
    json_t *amount;

    snprintf(path, sizeof(path), "book %s", book);
    if (!json_is_object(expected)) {
        const json_t *only = json_object_iter_value(json_object_iter((json_t *)sums));
        match(check, path, expected, json_object_size(sums) > 1 ? sums : only != NULL ? only : zero, 0);
    } else
        json_object_foreach((json_t *)expected, currency, amount)
        {
            const json_t *sum = json_object_get(sums, currency);
            snprintf(path, sizeof(path), "book %s in %s", book, currency);
            match(check, path, amount, sum != NULL ? sum : zero, 0);
        }
    json_decref(zero);
}

static void check_left(struct check *check)
{
    const json_t *expect = check->fixture->expect;
    char path[PATH_BYTES];
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(expect, "books"), name, value) check_book(check, name, value);
    json_object_foreach(json_object_get(expect, "store"), name, value)
    {
        snprintf(path, sizeof(path), "store %s", name);
        text_end_whole(path);
        match(check, path, value,
              json_object_get(check->rehearsal->values, strncmp(name, "value/", 6) == 0 ? name + 6 : name), 0);
    }
    if (json_object_get(expect, "result") != NULL)
        match(check, "result", json_object_get(expect, "result"),
              json_object_get(check->rehearsal->run.record, "result"), 0);
}

bool rehearsal_check(const struct workflow *workflow, const struct workflow_fixture *fixture,
                     const struct rehearsal *rehearsal, struct buffer *into)
{
    struct check check = {workflow, fixture, rehearsal, into, 0};

    check_state(&check);
    check_steps(&check);
    check_effects(&check);
    check_left(&check);
    return check.found == 0;
}

/* ---- the trigger ---- */

static void standard(json_t *trigger, const char *name, const char *text)
{
    if (text != NULL && json_object_get(trigger, name) == NULL)
        json_object_set_new(trigger, name, json_string(text));
}

static void standard_time(json_t *trigger, const char *name, int64_t moment_ms)
{
    if (json_object_get(trigger, name) == NULL)
        json_object_set_new(trigger, name, json_integer(moment_ms));
}

/* The first trigger of the kind that the fixture names, or the first one at all; NULL when there is none. */
static const struct workflow_trigger *trigger_of(const struct workflow *workflow, struct slice kind)
{
    static const char *const kinds[] = {
        [TRIGGER_WEBHOOK] = "webhook", [TRIGGER_QUEUE] = "queue", [TRIGGER_SCHEDULE] = "schedule",
        [TRIGGER_SLOT] = "slot",       [TRIGGER_AFTER] = "after", [TRIGGER_MANUAL] = "manual",
        [TRIGGER_MESSAGE] = "message",
    };

    for (size_t i = 0; i < workflow->trigger_count; i++)
        if (kind.size == 0 || slice_is(kind, kinds[workflow->triggers[i].kind]))
            return &workflow->triggers[i];
    return NULL;
}

static void standard_scheduled(json_t *trigger, const struct workflow *workflow, const struct workflow_trigger *from,
                               int64_t now_ms)
{
    standard_time(trigger, "index", from - workflow->triggers);
    standard_time(trigger, "planned_ms", now_ms);
    if (json_object_get(trigger, "late") == NULL)
        json_object_set_new(trigger, "late", json_false());
}

static void fill(json_t *trigger, const struct workflow *workflow, const struct workflow_trigger *from,
                 const struct run_shop *shop, int64_t now_ms)
{
    switch (from->kind) {
    case TRIGGER_WEBHOOK:
        standard(trigger, "kind", "webhook");
        standard(trigger, "hook", from->name);
        standard(trigger, "topic", from->topics != NULL && from->topics[0] != NULL ? from->topics[0] : "");
        standard(trigger, "shop", shop->name);
        standard(trigger, "sender_id", "rehearsal");
        standard_time(trigger, "received_ms", now_ms);
        break;
    case TRIGGER_QUEUE:
        standard(trigger, "kind", "queue");
        standard(trigger, "queue", from->name);
        standard(trigger, "key", "");
        standard_time(trigger, "received_ms", now_ms);
        break;
    case TRIGGER_SCHEDULE:
        standard(trigger, "kind", "schedule");
        standard_scheduled(trigger, workflow, from, now_ms);
        break;
    case TRIGGER_SLOT:
        standard(trigger, "kind", "slot");
        standard(trigger, "channel", from->name);
        standard_scheduled(trigger, workflow, from, now_ms);
        if (json_object_get(trigger, "entries") == NULL)
            json_object_set_new(trigger, "entries", json_array());
        break;
    case TRIGGER_AFTER:
        standard(trigger, "kind", "after");
        standard(trigger, "workflow", from->name);
        standard(trigger, "state", from->after == AFTER_FAILED ? "failed" : "done");
        break;
    case TRIGGER_MANUAL:
        standard(trigger, "kind", "manual");
        break;
    case TRIGGER_MESSAGE:
        standard(trigger, "kind", "message");
        standard(trigger, "channel", from->name);
        standard_time(trigger, "received_ms", now_ms);
        break;
    }
}

json_t *rehearsal_trigger(const struct workflow *workflow, const struct workflow_fixture *fixture, const json_t *body,
                          const struct run_shop *shop)
{
    json_t *trigger = fixture->trigger != NULL ? json_deep_copy(fixture->trigger) : json_object();
    const struct workflow_trigger *from = trigger_of(workflow, json_text_at(trigger, "kind"));

    if (body != NULL)
        json_object_set(trigger, "body", (json_t *)body);
    if (from != NULL)
        fill(trigger, workflow, from, shop, fixture->now_ms != 0 ? fixture->now_ms : REHEARSAL_NOW_MS);
    else
        standard(trigger, "kind", "call");
    return trigger;
}
