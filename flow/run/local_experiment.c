// SPDX-License-Identifier: MIT
/* Space "experiment": NAME/at {variants: {V: units}, at_ms}; NAME/sum/VARIANT/METRIC as experiment_sum_write() says;
 * NAME/unit/HASH {variant, seen: [metrics that have counted], at_ms: when it was last written}. */
#include "flow/experiment.h"
#include "flow/run/machine_priv.h"
#include <stdio.h>

static const char space_experiment[] = "experiment";
enum { KEY_ROOM = 300 };

/* The stored value of a fact, owned by the caller; NULL when there is none. */
static json_t *value_of(const json_t *fact)
{
    struct json_problem problem;
    struct slice text = json_text_at(fact, "value");

    return text.size > 0 ? json_read(text, &problem) : NULL;
}

static void unit_key(const json_t *inputs, char key[KEY_ROOM])
{
    struct slice experiment = json_text_at(inputs, "experiment");
    char hash[EXPERIMENT_HASH_BYTES];

    experiment_hash(json_text_at(inputs, "unit"), hash);
    snprintf(key, KEY_ROOM, "%.*s/unit/%s", (int)experiment.size, experiment.data, hash);
}

/* Counts a unit that is new, so that an experiment is listed before anything is measured. */
static void count_unit(struct machine *machine, const char *key, const json_t *fact, struct slice variant)
{
    json_t *head = value_of(fact), *variants;
    char name[EXPERIMENT_NAME_MAX + 1];

    if (!json_is_object(head)) {
        json_decref(head);
        head = json_object();
    }
    variants = json_object_get(head, "variants");
    if (!json_is_object(variants)) {
        variants = json_object();
        json_object_set_new(head, "variants", variants);
    }
    snprintf(name, sizeof(name), "%.*s", (int)variant.size, variant.data);
    json_object_set_new(variants, name, json_integer(json_integer_value(json_object_get(variants, name)) + 1));
    json_object_set_new(head, "at_ms", json_integer(machine->now_ms));
    machine_put_value(machine, space_experiment, slice_of(key), head);
    json_decref(head);
}

static void put_unit(struct machine *machine, const char *key, struct slice variant, json_t *seen)
{
    json_t *value = json_pack("{s:s%, s:o, s:I}", "variant", variant.data, variant.size, "seen",
                              seen != NULL ? seen : json_array(), "at_ms", (json_int_t)machine->now_ms);

    machine_put_value(machine, space_experiment, slice_of(key), value);
    json_decref(value);
}

static const json_t *head_fact(struct machine *machine, const json_t *inputs, char key[KEY_ROOM])
{
    struct slice experiment = json_text_at(inputs, "experiment");

    snprintf(key, KEY_ROOM, "%.*s/at", (int)experiment.size, experiment.data);
    return machine_fact_value(machine, space_experiment, slice_of(key));
}

enum error local_variant(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                         char *problem, size_t room)
{
    const json_t *variants = json_object_get(inputs, "variants");
    struct slice experiment = json_text_at(inputs, "experiment"), unit = json_text_at(inputs, "unit");
    char key[KEY_ROOM], head_key[KEY_ROOM], why[200];

    (void)step;
    if (!experiment_variants_fit(variants, why, sizeof(why)) || !experiment_name_fits(experiment)) {
        snprintf(problem, room, "variant: %s", experiment_name_fits(experiment) ? why : "that is no experiment's name");
        return ERROR_INVALID;
    }
    unit_key(inputs, key);
    const json_t *fact = machine_fact_value(machine, space_experiment, slice_of(key));
    const json_t *head = fact != NULL ? head_fact(machine, inputs, head_key) : NULL;
    if (head == NULL)
        return ERROR_OK;
    json_t *old = value_of(fact);
    struct slice variant = json_text_at(old, "variant");
    char name[EXPERIMENT_NAME_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", (int)variant.size, variant.size ? variant.data : "");
    /* A variant that is gone from the workflow cannot be done any more; one of weight 0 only gets no new units. */
    if (variant.size == 0 || json_object_get(variants, name) == NULL) {
        variant = slice_of(experiment_assign(variants, experiment, unit));
        put_unit(machine, key, variant, NULL);
        count_unit(machine, head_key, head, variant);
    }
    *result = json_pack("{s:s%, s:s%, s:s%}", "variant", variant.data, variant.size, "experiment", experiment.data,
                        experiment.size, "unit", unit.data, unit.size);
    json_decref(old);
    return ERROR_OK;
}

/* ---- measure ---- */

static bool has_seen(const json_t *seen, struct slice metric)
{
    for (size_t i = 0; i < json_array_size(seen); i++) {
        const json_t *entry = json_array_get(seen, i);
        if (slice_equal((struct slice){json_string_value(entry), json_string_length(entry)}, metric))
            return true;
    }
    return false;
}

static bool measure_fits(const json_t *inputs, char *problem, size_t room)
{
    static const char *const names[] = {"experiment", "variant", "metric"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!experiment_name_fits(json_text_at(inputs, names[i]))) {
            snprintf(problem, room, "measure: %s must be a name of 1 to %d bytes without \"/\"", names[i],
                     EXPERIMENT_NAME_MAX);
            return false;
        }
    return true;
}

/* The unit as it is kept, made when a measurement is the first that is heard of it. NULL with a problem when this
 * measurement cannot be its own; owned by the caller. */
static json_t *unit_of(const json_t *fact, const json_t *inputs, char *problem, size_t room)
{
    struct slice variant = json_text_at(inputs, "variant"), metric = json_text_at(inputs, "metric");
    json_t *unit = value_of(fact), *seen = json_object_get(unit, "seen");
    struct slice had = json_text_at(unit, "variant");

    if (unit == NULL)
        return json_pack("{s:s%, s:[]}", "variant", variant.data, variant.size, "seen");
    if (!slice_equal(had, variant))
        snprintf(problem, room, "measure: this unit was given variant \"%.*s\"", (int)had.size, had.data);
    else if (json_array_size(seen) >= EXPERIMENT_METRICS_MAX && !has_seen(seen, metric))
        snprintf(problem, room, "measure: a unit has at most %d metrics", EXPERIMENT_METRICS_MAX);
    else
        return unit;
    json_decref(unit);
    return NULL;
}

/* Writes the value into its sum and marks the unit. */
static void measure_take(struct machine *machine, const json_t *inputs, json_t *unit, const char *sum_key,
                         const json_t *sum_fact)
{
    struct slice metric = json_text_at(inputs, "metric");
    struct experiment_sum sum = {0};
    json_t *old = value_of(sum_fact), *seen = json_object_get(unit, "seen"), *now;
    char key[KEY_ROOM];

    experiment_sum_read(old, &sum);
    experiment_add(&sum, json_number_value(json_object_get(inputs, "value")));
    now = experiment_sum_write(&sum);
    machine_put_value(machine, space_experiment, slice_of(sum_key), now);
    unit_key(inputs, key);
    json_array_append_new(seen, json_stringn(metric.data, metric.size));
    json_object_set_new(unit, "at_ms", json_integer(machine->now_ms));
    machine_put_value(machine, space_experiment, slice_of(key), unit);
    json_decref(old);
    json_decref(now);
}

enum error local_measure(struct machine *machine, struct machine_step *step, const json_t *inputs, json_t **result,
                         char *problem, size_t room)
{
    struct slice experiment = json_text_at(inputs, "experiment"), variant = json_text_at(inputs, "variant"),
                 metric = json_text_at(inputs, "metric");
    char key[KEY_ROOM], sum_key[KEY_ROOM], head_key[KEY_ROOM];

    (void)step;
    if (!measure_fits(inputs, problem, room))
        return ERROR_INVALID;
    unit_key(inputs, key);
    snprintf(sum_key, sizeof(sum_key), "%.*s/sum/%.*s/%.*s", (int)experiment.size, experiment.data, (int)variant.size,
             variant.data, (int)metric.size, metric.data);
    const json_t *fact = machine_fact_value(machine, space_experiment, slice_of(key));
    const json_t *sum_fact = fact != NULL ? machine_fact_value(machine, space_experiment, slice_of(sum_key)) : NULL;
    const json_t *head = sum_fact != NULL ? head_fact(machine, inputs, head_key) : NULL;
    if (head == NULL)
        return ERROR_OK;
    json_t *unit = unit_of(fact, inputs, problem, room);
    if (unit == NULL)
        return ERROR_INVALID;
    bool counts = !has_seen(json_object_get(unit, "seen"), metric), is_new = json_text_at(fact, "value").size == 0;
    if (counts)
        measure_take(machine, inputs, unit, sum_key, sum_fact);
    if (counts && is_new)
        count_unit(machine, head_key, head, variant);
    *result = json_pack("{s:b, s:s%, s:s%}", "counted", counts, "variant", variant.data, variant.size, "metric",
                        metric.data, metric.size);
    json_decref(unit);
    return ERROR_OK;
}
