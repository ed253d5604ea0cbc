/* experiment - which variant a unit gets, what was measured, and what may be said of it. Pure.
 *
 * The intervals are asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas: Time-uniform
 * central limit theory and asymptotic confidence sequences): they hold at every moment one looks, so whoever looks
 * every day and stops when he likes errs no more often than alpha says. They are narrowest, against an interval for one
 * look, near EXPERIMENT_TUNED observations a variant. alpha is split evenly over a metric's differences (Bonferroni).
 */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"

#define EXPERIMENT_ALPHA 0.05
enum {
    EXPERIMENT_TUNED = 100,
    EXPERIMENT_LEAST = 20, /* observations a variant below which nothing is said */
    EXPERIMENT_VARIANTS_MAX = 16,
    EXPERIMENT_METRICS_MAX = 16, /* of one unit */
    EXPERIMENT_WEIGHT_MAX = 1000000,
    EXPERIMENT_NAME_MAX = 64,
    EXPERIMENT_HASH_BYTES = 17,
};

/* What is known of one variant's metric, by Welford's rule: sums of squares would lose the small differences of large
 * numbers. */
struct experiment_sum {
    int64_t count;
    double mean, squares; /* squares: of the differences from the mean, summed */
};

/* {NAME: weight}: 2 to 16 names, each 1 to 64 bytes without "/" or control characters, weights whole numbers from 0 to
 * 1,000,000 that are not all 0. False with a sentence. */
bool experiment_variants_fit(const json_t *variants, char *problem, size_t room);
bool experiment_name_fits(struct slice name);
/* The variant of the unit: the same for the same variants, experiment and unit, whatever was asked before. The
 * variants must fit. Borrowed from them. */
const char *experiment_assign(const json_t *variants, struct slice experiment, struct slice unit);
/* A unit's short name in keys. */
void experiment_hash(struct slice unit, char hash[EXPERIMENT_HASH_BYTES]);

void experiment_add(struct experiment_sum *sum, double value);
/* {n, mean, squares}. Reading gives false for anything else. */
json_t *experiment_sum_write(const struct experiment_sum *sum);
bool experiment_sum_read(const json_t *value, struct experiment_sum *sum);

/* How much two variants' means differ. */
struct experiment_difference {
    bool is_told; /* false: too few observations, low and high mean nothing */
    double difference, low, high;
};
struct experiment_difference experiment_compare(const struct experiment_sum *base, const struct experiment_sum *other,
                                                double alpha);
/* For people: {METRIC: {variants: [{variant, n, mean, deviation}], differences: [{variant, against, difference, low,
 * high, verdict}]}} from {METRIC: {VARIANT: sum as written}}; the variant that all others are compared with is the
 * first by name. verdict: "too few", "no difference seen", "higher" or "lower". Owned by the caller. */
json_t *experiment_report(const json_t *metrics);
