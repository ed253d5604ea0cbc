// SPDX-License-Identifier: MIT
#include "flow/content.h"
#include "flow/run/machine_priv.h"
#include <stdio.h>

static const char space_recent[] = "recent";

static int64_t integer_or(const json_t *inputs, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(inputs, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static double number_or(const json_t *inputs, const char *name, double otherwise)
{
    const json_t *value = json_object_get(inputs, name);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* The sketches kept under a name, newest first; owned by the caller. What cannot be read is nothing: these are hints.
 */
static json_t *sketches_of(const json_t *fact)
{
    struct json_problem problem;
    struct slice text = json_text_at(fact, "value");
    json_t *value = text.size > 0 ? json_read(text, &problem) : NULL;
    json_t *list = json_object_get(value, "sketches");

    list = json_is_array(list) ? json_incref(list) : json_array();
    json_decref(value);
    return list;
}

/* A list of texts, or one text as a list of one. NULL with a problem; owned by the caller. */
static json_t *banned_of(const json_t *inputs, char *problem, size_t room)
{
    json_t *banned = json_object_get(inputs, "banned");

    if (banned == NULL || json_is_null(banned))
        return json_array();
    if (json_is_string(banned))
        return json_pack("[O]", banned);
    bool is_good = json_is_array(banned);
    for (size_t i = 0; is_good && i < json_array_size(banned); i++)
        is_good = json_is_string(json_array_get(banned, i));
    if (is_good)
        return json_incref(banned);
    snprintf(problem, room, "check: banned must be a list of texts");
    return NULL;
}

enum error local_check(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                       char *problem, size_t room)
{
    struct slice unlike = json_text_at(inputs, "unlike");
    const json_t *fact = unlike.size > 0 ? machine_fact_value(machine, space_recent, unlike) : NULL;

    (void)step;
    if (machine->is_wanting)
        return ERROR_OK;
    json_t *banned = banned_of(inputs, problem, room), *sketches = sketches_of(fact);
    struct content_rules rules = {.platform = json_text_at(inputs, "platform"),
                                  .longest = integer_or(inputs, "longest", -1),
                                  .shortest = integer_or(inputs, "shortest", -1),
                                  .facts = json_object_get(inputs, "facts"),
                                  .banned = banned,
                                  .sketches = sketches,
                                  .model = number_or(inputs, "model", -1),
                                  .pass = number_or(inputs, "pass", CONTENT_PASS)};
    if (banned != NULL)
        *result = content_check(json_text_at(inputs, "text"), &rules);
    json_decref(sketches);
    json_decref(banned);
    return banned != NULL ? ERROR_OK : ERROR_INVALID;
}

enum error local_remember(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                          char *problem, size_t room)
{
    struct slice unlike = json_text_at(inputs, "unlike");
    const json_t *fact = machine_fact_value(machine, space_recent, unlike);
    char sketch[CONTENT_SKETCH_BYTES];

    (void)step;
    (void)problem;
    (void)room;
    if (fact == NULL)
        return ERROR_OK;
    content_sketch(json_text_at(inputs, "text"), sketch);
    json_t *old = sketches_of(fact), *kept = json_pack("[s]", sketch);
    for (size_t i = 0; i < json_array_size(old) && json_array_size(kept) < CONTENT_SKETCHES_MAX; i++) {
        json_t *entry = json_array_get(old, i);
        if (json_is_string(entry) && !slice_is(slice_of(sketch), json_string_value(entry)))
            json_array_append(kept, entry);
    }
    *result = json_pack("{s:i}", "kept", (int)json_array_size(kept));
    json_t *value = json_pack("{s:o}", "sketches", kept);
    machine_put_value(machine, space_recent, unlike, value);
    json_decref(value);
    json_decref(old);
    return ERROR_OK;
}
