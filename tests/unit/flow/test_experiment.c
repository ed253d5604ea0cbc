// SPDX-License-Identifier: MIT
#include "flow/experiment.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static json_t *parse(const char *text)
{
    struct json_problem problem;
    json_t *value = json_read(slice_of(text), &problem);

    assert_non_null(value);
    return value;
}

/* ---- assignment ---- */

static const char *assign(const json_t *variants, const char *experiment, unsigned unit)
{
    char name[32];

    snprintf(name, sizeof(name), "slot-%u", unit);
    return experiment_assign(variants, slice_of(experiment), slice_of(name));
}

static void test_assignment_is_stable(void **state)
{
    json_t *one = parse("{\"short\":1,\"long\":3,\"none\":0}"), *two = parse("{\"none\":0,\"long\":3,\"short\":1}");
    unsigned counts[2] = {0, 0}, differs = 0;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        const char *variant = assign(one, "captions", i);
        assert_string_equal(variant, assign(two, "captions", i));
        assert_string_not_equal(variant, "none");
        counts[strcmp(variant, "long") == 0]++;
        differs += strcmp(variant, assign(one, "hours", i)) != 0;
    }
    assert_in_range(counts[1], 7300, 7700);
    assert_in_range(differs, 3300, 4200); /* another experiment assigns on its own: 2 x 1/4 x 3/4 */
    json_decref(one);
    json_decref(two);
}

/* Written down, so that an upgrade cannot change who gets what unseen. */
static void test_assignment_is_known(void **state)
{
    static const char expected[] = "ababbbbaababbaaa";
    json_t *variants = parse("{\"a\":1,\"b\":1}");
    char found[sizeof(expected)] = "", hash[EXPERIMENT_HASH_BYTES];

    (void)state;
    for (unsigned i = 0; i + 1 < sizeof(expected); i++)
        found[i] = assign(variants, "x", i)[0];
    assert_string_equal(found, expected);
    experiment_hash(SLICE("slot-1"), hash);
    assert_int_equal(strlen(hash), 16);
    json_decref(variants);
}

static void test_variants_that_do_not_fit(void **state)
{
    static const struct {
        const char *variants, *says;
    } cases[] = {
        {"{\"a\":1}", "2 to 16"},          {"[1,2]", "2 to 16"},
        {"{\"a\":0,\"b\":0}", "weight 0"}, {"{\"a\":1,\"b\":1.5}", "whole"},
        {"{\"a\":1,\"b\":-1}", "whole"},   {"{\"a/c\":1,\"b\":1}", "bytes and no"},
        {"{\"\":1,\"b\":1}", "bytes"},
    };
    char problem[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *variants = parse(cases[i].variants);
        assert_false(experiment_variants_fit(variants, problem, sizeof(problem)));
        if (strstr(problem, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].variants, problem);
        json_decref(variants);
    }
}

/* ---- sums ---- */

static void test_sums(void **state)
{
    struct experiment_sum sum = {0}, again;

    (void)state;
    for (int i = 1; i <= 5; i++)
        experiment_add(&sum, 1e9 + i);
    assert_int_equal(sum.count, 5);
    assert_true(fabs(sum.mean - 1e9 - 3) < 1e-6);
    assert_true(fabs(sum.squares - 10) < 1e-5);
    json_t *value = experiment_sum_write(&sum), *broken = parse("{\"n\":-1,\"mean\":0,\"squares\":0}");
    assert_true(experiment_sum_read(value, &again));
    assert_true(again.count == sum.count && again.mean == sum.mean && again.squares == sum.squares);
    assert_false(experiment_sum_read(broken, &again));
    assert_false(experiment_sum_read(NULL, &again));
    json_decref(value);
    json_decref(broken);
}

/* ---- looking at every moment ---- */

static uint64_t random_state;

static double uniform(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static double lognormal(void)
{
    return exp(normal());
}

static double one_in_ten(void)
{
    return uniform() < 0.1 ? 1 : 0;
}

enum { EXPERIMENTS = 2000, LOOKS = 500 };

/* How many of the experiments are ever called a difference when somebody looks after every pair of observations. */
static unsigned alarms(double (*draw)(void), double shift, double factor, unsigned experiments)
{
    unsigned found = 0;

    for (unsigned i = 0; i < experiments; i++) {
        struct experiment_sum base = {0}, other = {0};
        bool told = false;
        for (unsigned look = 0; look < LOOKS && !told; look++) {
            experiment_add(&base, draw());
            experiment_add(&other, draw() * factor + shift);
            struct experiment_difference now = experiment_compare(&base, &other, EXPERIMENT_ALPHA);
            told = now.is_told && (now.low > 0 || now.high < 0);
        }
        found += told;
    }
    return found;
}

static void test_no_effect_is_rarely_seen(void **state)
{
    static const struct {
        const char *name;
        double (*draw)(void);
    } metrics[] = {{"normal", normal}, {"lognormal", lognormal}, {"0 or 1", one_in_ten}};

    (void)state;
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        random_state = 4711 + i;
        unsigned found = alarms(metrics[i].draw, 0, 1, EXPERIMENTS);
        print_message("%s: %u false alarms in %d experiments looked at %d times\n", metrics[i].name, found, EXPERIMENTS,
                      LOOKS);
        assert_in_range(found, 0, EXPERIMENTS / 20);
    }
}

static void test_an_effect_is_mostly_seen(void **state)
{
    unsigned found[2];

    (void)state;
    random_state = 99;
    found[0] = alarms(normal, 0.5, 1, 200);
    found[1] = alarms(lognormal, 0, 2, 200);
    print_message("half a deviation: %u of 200; twice a lognormal: %u of 200\n", found[0], found[1]);
    assert_true(found[0] >= 190 && found[1] >= 190);
}

/* The interval holds the true difference at every look at once. */
static void test_the_interval_covers(void **state)
{
    unsigned missed = 0;

    (void)state;
    random_state = 2718;
    for (unsigned i = 0; i < 1000; i++) {
        struct experiment_sum base = {0}, other = {0};
        bool misses = false;
        for (unsigned look = 0; look < LOOKS; look++) {
            experiment_add(&base, normal());
            for (unsigned k = 0; k < 1 + look % 3; k++)
                experiment_add(&other, 1 + 3 * normal());
            struct experiment_difference now = experiment_compare(&base, &other, EXPERIMENT_ALPHA);
            misses = misses || (now.is_told && (now.low > 1 || now.high < 1));
        }
        missed += misses;
    }
    print_message("missed ever: %u of 1000\n", missed);
    assert_in_range(missed, 0, 50);
}

/* ---- the report ---- */

static json_t *sums_of(double shift, unsigned count)
{
    struct experiment_sum sum = {0};

    for (unsigned i = 0; i < count; i++)
        experiment_add(&sum, shift + (i % 2 ? 1 : -1));
    return experiment_sum_write(&sum);
}

static void test_report(void **state)
{
    json_t *metrics = json_pack("{s:{s:o, s:o, s:o, s:o, s:o}}", "likes", "b", sums_of(10, 200), "a", sums_of(10, 200),
                                "c", sums_of(13, 200), "d", sums_of(2, 200), "e", sums_of(99, 19));
    json_t *report = experiment_report(metrics);

    (void)state;
    assert_true(slice_is(json_text_at(report, "likes.variants.0.variant"), "a"));
    assert_int_equal(json_integer_value(json_at(report, "likes.variants.4.n")), 19);
    assert_true(slice_is(json_text_at(report, "likes.differences.0.verdict"), "no difference seen"));
    assert_true(slice_is(json_text_at(report, "likes.differences.1.verdict"), "higher"));
    assert_true(slice_is(json_text_at(report, "likes.differences.1.against"), "a"));
    assert_true(slice_is(json_text_at(report, "likes.differences.2.verdict"), "lower"));
    assert_true(slice_is(json_text_at(report, "likes.differences.3.verdict"), "too few"));
    assert_true(json_is_null(json_at(report, "likes.differences.3.low")));
    json_decref(report);
    json_decref(metrics);
}

/* More variants are more chances to err: each comparison is stricter. */
static void test_bonferroni(void **state)
{
    json_t *two = json_pack("{s:{s:o, s:o}}", "m", "a", sums_of(0, 100), "b", sums_of(0, 100));
    json_t *three =
        json_pack("{s:{s:o, s:o, s:o}}", "m", "a", sums_of(0, 100), "b", sums_of(0, 100), "c", sums_of(0, 100));
    json_t *narrow = experiment_report(two), *wide = experiment_report(three);

    (void)state;
    assert_true(json_number_value(json_at(wide, "m.differences.0.high")) >
                json_number_value(json_at(narrow, "m.differences.0.high")));
    json_decref(two);
    json_decref(three);
    json_decref(narrow);
    json_decref(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assignment_is_stable),
        cmocka_unit_test(test_assignment_is_known),
        cmocka_unit_test(test_variants_that_do_not_fit),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_no_effect_is_rarely_seen),
        cmocka_unit_test(test_an_effect_is_mostly_seen),
        cmocka_unit_test(test_the_interval_covers),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_bonferroni),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
