// SPDX-License-Identifier: MIT
#include "flow/experiment.h"
#include "proto/check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdict_few = "too few", *const verdict_none = "no difference seen",
                         *const verdict_higher = "higher", *const verdict_lower = "lower";

/* ---- who gets what ---- */

bool experiment_name_fits(struct slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f || name.data[i] == '/')
            return false;
    return name.size > 0 && name.size <= EXPERIMENT_NAME_MAX;
}

static int64_t weights_sum(const json_t *variants)
{
    int64_t sum = 0;

    for (void *at = json_object_iter((json_t *)(uintptr_t)variants); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)variants, at))
        sum += json_integer_value(json_object_iter_value(at));
    return sum;
}

bool experiment_variants_fit(const json_t *variants, char *problem, size_t room)
{
    size_t count = json_object_size(variants);

    if (!json_is_object(variants) || count < 2 || count > EXPERIMENT_VARIANTS_MAX) {
        snprintf(problem, room, "variants must be 2 to %d names with weights, like {short: 1, long: 1}",
                 EXPERIMENT_VARIANTS_MAX);
        return false;
    }
    for (void *at = json_object_iter((json_t *)(uintptr_t)variants); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)variants, at)) {
        const json_t *weight = json_object_iter_value(at);
        const char *name = json_object_iter_key(at);
        if (!experiment_name_fits(slice_of(name))) {
            snprintf(problem, room, "a variant's name has 1 to %d bytes and no \"/\"", EXPERIMENT_NAME_MAX);
            return false;
        }
        if (!json_is_integer(weight) || json_integer_value(weight) < 0 ||
            json_integer_value(weight) > EXPERIMENT_WEIGHT_MAX) {
            snprintf(problem, room, "the weight of variant \"%s\" must be a whole number from 0 to %d", name,
                     EXPERIMENT_WEIGHT_MAX);
            return false;
        }
    }
    if (weights_sum(variants) > 0)
        return true;
    snprintf(problem, room, "every variant has the weight 0");
    return false;
}

static uint64_t hash_more(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 1099511628211u;
    return hash;
}

static uint64_t hash_end(uint64_t hash)
{
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

void experiment_hash(struct slice unit, char hash[EXPERIMENT_HASH_BYTES])
{
    snprintf(hash, EXPERIMENT_HASH_BYTES, "%016llx",
             (unsigned long long)hash_end(hash_more(14695981039346656037u, unit)));
}

static int compare_names(const void *one, const void *two)
{
    const char *a, *b;

    memcpy(&a, one, sizeof(a));
    memcpy(&b, two, sizeof(b));
    return strcmp(a, b);
}

/* The keys in their order by name, which no file's order changes. */
static size_t names_sorted(const json_t *object, const char *names[EXPERIMENT_VARIANTS_MAX])
{
    size_t count = 0;

    for (void *at = json_object_iter((json_t *)(uintptr_t)object); at != NULL && count < EXPERIMENT_VARIANTS_MAX;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at))
        names[count++] = json_object_iter_key(at);
    qsort(names, count, sizeof(names[0]), compare_names);
    return count;
}

const char *experiment_assign(const json_t *variants, struct slice experiment, struct slice unit)
{
    const char *names[EXPERIMENT_VARIANTS_MAX];
    size_t count = names_sorted(variants, names), at = 0;
    int64_t sum = weights_sum(variants), place;
    uint64_t hash = hash_more(14695981039346656037u, experiment);

    CHECK(count > 0 && sum > 0);
    hash = hash_end(hash_more(hash_more(hash, SLICE("/")), unit));
    place = (int64_t)(hash % (uint64_t)sum);
    while (at + 1 < count && place >= json_integer_value(json_object_get(variants, names[at])))
        place -= json_integer_value(json_object_get(variants, names[at++]));
    return names[at];
}

/* ---- what was measured ---- */

void experiment_add(struct experiment_sum *sum, double value)
{
    double off = value - sum->mean;

    sum->count++;
    sum->mean += off / (double)sum->count;
    sum->squares += off * (value - sum->mean);
}

json_t *experiment_sum_write(const struct experiment_sum *sum)
{
    return json_pack("{s:I, s:f, s:f}", "n", (json_int_t)sum->count, "mean", sum->mean, "squares", sum->squares);
}

bool experiment_sum_read(const json_t *value, struct experiment_sum *sum)
{
    const json_t *count = json_object_get(value, "n"), *mean = json_object_get(value, "mean"),
                 *squares = json_object_get(value, "squares");

    if (!json_is_integer(count) || json_integer_value(count) < 0 || !json_is_number(mean) || !json_is_number(squares) ||
        json_number_value(squares) < 0)
        return false;
    *sum = (struct experiment_sum){json_integer_value(count), json_number_value(mean), json_number_value(squares)};
    return true;
}

/* ---- what may be said ---- */

static double variance(const struct experiment_sum *sum)
{
    return sum->count > 1 ? sum->squares / (double)(sum->count - 1) : 0;
}

/* How many standard errors wide each side is after `t` observations, so that the true value is never left outside at
 * any t but with probability alpha. */
static double width(double t, double alpha)
{
    double tuned = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / EXPERIMENT_TUNED, x = t * tuned;

    return sqrt(2 * (x + 1) / x * log(sqrt(x + 1) / alpha));
}

struct experiment_difference experiment_compare(const struct experiment_sum *base, const struct experiment_sum *other,
                                                double alpha)
{
    struct experiment_difference found = {.difference = other->mean - base->mean};
    double one = variance(base), two = variance(other), error, t;

    if (base->count < EXPERIMENT_LEAST || other->count < EXPERIMENT_LEAST)
        return found;
    error = one / (double)base->count + two / (double)other->count;
    /* Two constants that differ do so for sure; all else needs a spread to be judged by. */
    t = error > 0 ? (one + two) / error : EXPERIMENT_LEAST;
    found.is_told = true;
    found.low = found.difference - width(t, alpha) * sqrt(error);
    found.high = found.difference + width(t, alpha) * sqrt(error);
    return found;
}

static const char *verdict_of(const struct experiment_difference *found)
{
    if (!found->is_told)
        return verdict_few;
    return found->low > 0 ? verdict_higher : found->high < 0 ? verdict_lower : verdict_none;
}

static json_t *metric_report(const json_t *sums)
{
    const char *names[EXPERIMENT_VARIANTS_MAX];
    size_t count = names_sorted(sums, names);
    json_t *variants = json_array(), *differences = json_array();
    struct experiment_sum base = {0}, sum;

    for (size_t i = 0; i < count; i++) {
        if (!experiment_sum_read(json_object_get(sums, names[i]), &sum))
            sum = (struct experiment_sum){0};
        json_array_append_new(variants,
                              json_pack("{s:s, s:I, s:f, s:f}", "variant", names[i], "n", (json_int_t)sum.count, "mean",
                                        sum.mean, "deviation", sqrt(variance(&sum))));
        if (i == 0) {
            base = sum;
            continue;
        }
        struct experiment_difference found = experiment_compare(&base, &sum, EXPERIMENT_ALPHA / (double)(count - 1));
        json_array_append_new(differences, json_pack("{s:s, s:s, s:f, s:o, s:o, s:s}", "variant", names[i], "against",
                                                     names[0], "difference", found.difference, "low",
                                                     found.is_told ? json_real(found.low) : json_null(), "high",
                                                     found.is_told ? json_real(found.high) : json_null(), "verdict",
                                                     verdict_of(&found)));
    }
    return json_pack("{s:o, s:o}", "variants", variants, "differences", differences);
}

json_t *experiment_report(const json_t *metrics)
{
    json_t *report = json_object();

    for (void *at = json_object_iter((json_t *)(uintptr_t)metrics); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)metrics, at))
        json_object_set_new(report, json_object_iter_key(at), metric_report(json_object_iter_value(at)));
    return report;
}
