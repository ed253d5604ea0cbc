// SPDX-License-Identifier: MIT
#include "flow/run/record.h"
#include "flow/sha256.h"
#include <stdlib.h>
#include <string.h>

struct listed {
    const char *instance;
    json_t *step;
    json_int_t order;
};

static int by_order(const void *a, const void *b)
{
    const struct listed *one = a, *two = b;

    return one->order != two->order ? (one->order > two->order) - (one->order < two->order)
                                    : strcmp(one->instance, two->instance);
}

/* The steps in the order they began. The caller frees the list. */
static struct listed *list_steps(const struct run *run, size_t *count)
{
    json_t *steps = json_object_get(run->record, "steps"), *step;
    struct listed *list = xcalloc(json_object_size(steps) + 1, sizeof(*list));
    const char *instance;

    *count = 0;
    json_object_foreach(steps, instance, step)
    {
        json_t *order = json_object_get(step, "n");
        if (order == NULL) /* of a record of the first version */
            order = json_object_get(step, "started_ms");
        list[(*count)++] = (struct listed){instance, step, json_integer_value(order)};
    }
    if (*count > 1)
        qsort(list, *count, sizeof(*list), by_order);
    return list;
}

static json_int_t json_bytes(const json_t *value)
{
    struct buffer text = {NULL, 0, 0};
    json_int_t size;

    json_write(&text, value);
    size = (json_int_t)text.size;
    buffer_free(&text);
    return size;
}

/* Never a name, address or text that somebody typed or a model wrote. */
static json_t *result_show(json_t *result)
{
    static const char *const shown[] = {"model",      "tokens", "tokens_in",  "tokens_out", "tokens_thought",
                                        "message_id", "rows",   "mode",       "amount",     "currency",
                                        "book",       "passed", "confidence", "decision",   "variant"};
    json_t *view = json_pack("{s:I}", "bytes", json_bytes(result));

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        json_t *value = json_object_get(result, shown[i]);
        if (json_is_number(value) || json_is_string(value) || json_is_boolean(value))
            json_object_set(view, shown[i], value);
    }
    return view;
}

static json_t *step_show(const struct listed *listed, bool whole)
{
    static const char *const kept[] = {"state", "job",      "started_ms",  "ended_ms", "error",   "text",
                                       "count", "attempts", "cost_micros", "currency", "approval"};
    json_t *view = json_pack("{s:s}", "step", listed->instance);
    json_t *result = json_object_get(listed->step, "result"), *input = json_object_get(listed->step, "input");
    json_t *ended = json_object_get(listed->step, "ended_ms");

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(listed->step, kept[i]) != NULL)
            json_object_set(view, kept[i], json_object_get(listed->step, kept[i]));
    if (ended != NULL)
        json_object_set_new(
            view, "duration_ms",
            json_integer(json_integer_value(ended) - json_integer_value(json_object_get(listed->step, "started_ms"))));
    if (result != NULL)
        json_object_set_new(view, "result", whole ? json_incref(result) : result_show(result));
    if (input != NULL && whole)
        json_object_set(view, "input", input);
    else if (input != NULL)
        json_object_set_new(view, "input_bytes", json_integer(json_bytes(input)));
    return view;
}

static json_t *show(const struct run *run, struct slice workflow, bool whole)
{
    static const char *const kept[] = {"mode",  "hash",   "started_ms", "ended_ms",    "error",
                                       "depth", "parent", "replay",     "cancelled_by"};
    json_t *view = json_pack("{s:I, s:s%, s:s}", "run", (json_int_t)run->id, "workflow",
                             workflow.size ? workflow.data : "", workflow.size, "state", run_state_name(run->state));
    json_t *list = json_array(), *trigger = json_object_get(run->record, "trigger");
    json_t *bytes = json_object_get(trigger, "bytes"), *result = json_object_get(run->record, "result");
    size_t count;
    struct listed *steps = list_steps(run, &count);

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(run->record, kept[i]) != NULL)
            json_object_set(view, kept[i], json_object_get(run->record, kept[i]));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, step_show(&steps[i], whole));
    free(steps);
    json_object_set_new(view, "steps", list);
    json_object_set_new(view, "trigger_bytes", json_integer(bytes ? json_integer_value(bytes) : json_bytes(trigger)));
    if (whole)
        json_object_set(view, "trigger", trigger);
    if (result != NULL)
        json_object_set_new(view, "result", whole ? json_incref(result) : result_show(result));
    return view;
}

json_t *run_show(const struct run *run, struct slice workflow)
{
    return show(run, workflow, false);
}

json_t *run_show_whole(const struct run *run, struct slice workflow)
{
    return show(run, workflow, true);
}

/* ---- two runs ---- */

static json_t *value_show(json_t *value, bool whole)
{
    struct buffer text = {NULL, 0, 0};
    char hex[SHA256_HEX_BYTES];

    if (value == NULL || whole)
        return value != NULL ? json_incref(value) : json_null();
    json_write(&text, value);
    sha256_hex(buffer_slice(&text), hex);
    json_t *view = json_pack("{s:I, s:s%}", "bytes", (json_int_t)text.size, "digest", hex, 12);
    buffer_free(&text);
    return view;
}

static json_t *step_compare(const char *instance, json_t *one, json_t *two, bool whole)
{
    static const char *const compared[] = {"state", "input", "result", "error"};
    json_t *differs = json_array(), *first = json_object(), *second = json_object();

    for (size_t i = 0; i < sizeof(compared) / sizeof(compared[0]); i++) {
        json_t *a = json_object_get(one, compared[i]), *b = json_object_get(two, compared[i]);
        if (a == b || (a != NULL && b != NULL && json_equal(a, b)))
            continue;
        bool is_plain = i == 0 || i == 3;
        json_array_append_new(differs, json_string(compared[i]));
        json_object_set_new(first, compared[i], value_show(a, whole || is_plain));
        json_object_set_new(second, compared[i], value_show(b, whole || is_plain));
    }
    return json_pack("{s:s, s:o, s:o, s:o}", "step", instance, "differs", differs, "one", first, "two", second);
}

json_t *run_compare(const struct run *one, const struct run *two, bool whole)
{
    json_t *list = json_array(), *others = json_object_get(two->record, "steps");
    size_t count, more;
    struct listed *steps = list_steps(one, &count), *rest = list_steps(two, &more);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, step_compare(steps[i].instance, steps[i].step, json_object_get(others, steps[i].instance), whole));
    for (size_t i = 0; i < more; i++)
        if (run_step(one, rest[i].instance, false) == NULL)
            json_array_append_new(list, step_compare(rest[i].instance, NULL, rest[i].step, whole));
    free(steps);
    free(rest);
    return json_pack("{s:{s:I, s:s}, s:{s:I, s:s}, s:b, s:o}", "one", "run", (json_int_t)one->id, "state",
                     run_state_name(one->state), "two", "run", (json_int_t)two->id, "state", run_state_name(two->state),
                     "same_definition",
                     json_equal(json_object_get(one->record, "hash"), json_object_get(two->record, "hash")), "steps",
                     list);
}
