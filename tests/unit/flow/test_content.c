// SPDX-License-Identifier: MIT
#include "flow/content.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FACTS                                                                                                          \
    "{\"price\":\"19.90 EUR\",\"old\":2490,\"total\":1234.5,\"stock\":7,\"off\":0.15,\"deal\":\"20 %\","               \
    "\"link\":\"https://www.shop.example/tea?utm=1\",\"mail\":\"Info@Shop.Example\",\"tel\":\"+49 30 1234567\","       \
    "\"who\":\"@tea_house\",\"note\":\"since 1998\"}"

static json_t *parse(const char *text)
{
    struct json_problem problem;
    json_t *value = text != NULL ? json_read(slice_of(text), &problem) : NULL;

    if (text != NULL && value == NULL)
        fail_msg("%s: %s", text, problem.text);
    return value;
}

struct
try {
    const char *text, *facts, *banned, *platform;
    int64_t longest, shortest;
    double model, pass;
};

/* The caller owns it. */
static json_t *check_with(const struct try *try)
{
    json_t *facts = parse(try->facts), *banned = parse(try->banned);
    struct content_rules rules = {.platform = slice_of(try->platform ? try->platform : ""),
                                  .longest = try->longest ? try->longest : -1,
                                  .shortest = try->shortest ? try->shortest : -1,
                                  .facts = facts,
                                  .banned = banned,
                                  .model = try->model > 0 ? try->model : -1,
                                  .pass = try->pass > 0 ? try->pass : CONTENT_PASS};
    json_t *result = content_check(slice_of(try->text), &rules);

    json_decref(facts);
    json_decref(banned);
    return result;
}

/* "link price": the names of the checks that found something, each once, in order. */
static void names_of(const json_t *result, char *names, size_t room)
{
    const json_t *findings = json_at(result, "findings");

    names[0] = '\0';
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const char *name = json_string_value(json_at(json_array_get(findings, i), "check"));
        size_t used = strlen(names);
        if (strstr(names, name) == NULL)
            snprintf(names + used, room - used, "%s%s", used ? " " : "", name);
    }
}

static void expect(const struct try *try, const char *names)
{
    json_t *result = check_with(try);
    char found[400], told[4000] = "";
    struct buffer text = {NULL, 0, 0};

    json_write(&text, result);
    snprintf(told, sizeof(told), "%.*s", (int)text.size, text.data);
    buffer_free(&text);
    names_of(result, found, sizeof(found));
    if (strcmp(found, names) != 0)
        fail_msg("\"%s\": found \"%s\" instead of \"%s\": %s", try->text, found, names, told);
    double confidence = json_number_value(json_at(result, "confidence"));
    assert_true(confidence >= 0 && confidence <= 1);
    if (names[0] == '\0') {
        assert_true(confidence == 1);
        assert_true(json_is_true(json_at(result, "passed")));
    }
    for (int i = 0; i < CONTENT_CHECK_COUNT; i++)
        if (content_checks[i].is_hard && strstr(names, content_checks[i].name) != NULL) {
            assert_true(confidence <= CONTENT_HARD_MAX);
            assert_true(json_is_false(json_at(result, "passed")));
        }
    json_decref(result);
}

static void expect_text(const char *text, const char *names)
{
    expect(&(struct try){.text = text, .facts = FACTS, .banned = "[\"free\",\"Garantiert gesünder\",\"heilt\"]"},
           names);
}

static void test_good_texts(void **state)
{
    static const char *const texts[] = {
        "Our spring tea is here. Picked by hand, dried in the shade, and yours for 19.90 EUR.",
        "Jetzt nur 19,90 €! Vorher 24,90 €. Mehr: https://shop.example/tea/",
        "Tee für 19.90€ (EUR 19,90), 15 % Rabatt, dazu 20% auf alles. @tea_house",
        "1,234.50 EUR, 1.234,50 €, €1234.5, 1 234,50 EUR",
        "Fragen? info@shop.example oder 030 1234567, +49 (30) 1234567",
        "Open 09:00-18:00 on 24.12.2026 and 2026-12-25, since 1998. Only 7 left of 500 g!",
        "Families 👩‍👩‍👧 love it ❤️. Freedom, not freebies.",
        "سلام می‌خواهم",
        "Line one\r\nLine two\n\nÜber uns: naïve café",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_text(texts[i], "");
}

static void test_claims(void **state)
{
    static const char *const cases[][2] = {
        {"Only 9.90 EUR", "price"},
        {"Nur 9,90€", "price"},
        {"for €9", "price"},
        {"$9.99 each", "price"},
        {"just 99 cents", "price"},
        {"12,- EUR", "price"},
        {"19.90 USD", "price"},
        {"19.90 CHF", "price"},
        {"2 $10 mugs", "price"},
        {"１９.９５ €", "price"},
        {"50 % off", "percent"},
        {"fifty? no: 50 percent", "percent"},
        {"see https://evil.example/tea", "link"},
        {"see shop.example/other", "link"},
        {"see it at HTTPS://SHOP.Example/tea", ""},
        {"evil.com", "link"},
        {"bit.ly/3xYz", "link"},
        {"www.evil.anything", "link"},
        {"evil。com", "link"},
        {"https://shop.example@evil.com/tea", "address"},
        {"https://shоp.example/tea", "link"},
        {"javascript://shop.example/tea", "link"},
        {"evil [dot] com", "placeholder link"},
        {"e\xe2\x80\x8bvil.com", "hidden link"},
        {"mail win@evil.com", "address"},
        {"mail win (at) evil (dot) com", "address"},
        {"ask @somebody", "mention"},
        {"call 0171 555 0199", "phone"},
        {"call +1 (555) 010-9999", "phone"},
        {"call 555-010-9999", "phone"},
        {"code 123456789012", "phone"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(cases[i][0], cases[i][1]);
}

static void test_nothing_is_known_without_facts(void **state)
{
    (void)state;
    expect(&(struct try){.text = "19.90 EUR at https://shop.example/tea"}, "link price");
    expect(&(struct try){.text = "19.90 EUR", .facts = "null"}, "price");
    expect(&(struct try){.text = "19.90 EUR", .facts = "[[[{\"a\":[19.9]}]]]"}, "");
    expect(&(struct try){.text = "19.90 EUR", .facts = "1990"}, "");
    expect(&(struct try){.text = "1990 JPY", .facts = "1990"}, "");
    expect(&(struct try){.text = "19.90 EUR", .facts = "\"19.9\""}, "");
    expect(&(struct try){.text = "1.234 KWD", .facts = "1234"}, "");
}

static void test_banned(void **state)
{
    static const char *const cases[][2] = {
        {"It is free today", "banned"},
        {"It is FREE!", "banned"},
        {"It is fr\xe2\x80\x8b"
         "ee",
         "hidden banned"},
        {"It is frее", "banned"}, /* Cyrillic e */
        {"It is ｆｒｅｅ", "banned"},
        {"It is 𝐟𝐫𝐞𝐞", "banned"},
        {"It is 🅵🆁🅴🅴", "banned"},
        {"It is fr\xc3\xa9\xc3\xaa", "banned"},
        {"It is fre\xcc\x81"
         "e",
         "banned"},
        {"It is f.r.e.e", "banned"},
        {"It is f r e e", "banned"},
        {"It is fr33", "banned"},
        {"garantiert   GESUNDER", "banned"},
        {"garantiert, gesünder", "banned"},
        {"gesünder, garantiert", ""},
        {"freedom carefree", ""},
        {"Es heilt", "banned"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(cases[i][0], cases[i][1]);
}

static void test_characters(void **state)
{
    static const char *const cases[][2] = {
        {"a\x07"
         "b",
         "hidden"},
        {"a\x1b[2J", "hidden"},
        {"a\rb", "hidden"},
        {"a\xe2\x80\xae"
         "b",
         "hidden"},
        {"a\xe2\x81\xa6"
         "b",
         "hidden"},
        {"a\xef\xbb\xbf"
         "b",
         "hidden"},
        {"a\xc2\x85"
         "b",
         "hidden"},
        {"a\xe2\x80\x8d"
         "b",
         "hidden"},
        {"a\xf3\xa0\x81\x81", "hidden"},
        {"a\xcc\x81\xcc\x81\xcc\x81", "hidden"},
        {"Dear {{ name }}, hello", "placeholder"},
        {"Dear [name], hello", "placeholder"},
        {"Dear ${name}", "placeholder"},
        {"Lorem   ipsum dolor", "placeholder"},
        {"Teas [1] and [a, b]", ""},
        {"BUY OUR NEW TEA NOW it is good", "capitals"},
        {"tea tea tea", "repeats"},
        {"sooooooo good", "repeats"},
        {"one two three four one two three four one two three four one two three four", "repeats"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(cases[i][0], cases[i][1]);
}

/* A text of `count` times `piece`, words of which all differ. */
static char *long_text(size_t count, const char *piece)
{
    struct buffer text = {NULL, 0, 0};

    for (size_t i = 0; i < count; i++)
        buffer_text(&text, piece);
    buffer_append(&text, "", 1);
    return text.data;
}

static void expect_platform(size_t count, const char *piece, const char *platform, const char *name)
{
    char *text = long_text(count, piece), names[400];
    json_t *result = check_with(&(struct try){.text = text, .platform = platform});

    names_of(result, names, sizeof(names));
    bool fits =
        name[0] != '\0' ? strstr(names, name) != NULL : strstr(names, "long") == NULL && strstr(names, "tags") == NULL;
    if (!fits)
        fail_msg("%zu x \"%s\" on %s: \"%s\"", count, piece, platform, names);
    json_decref(result);
    free(text);
}

static void test_lengths(void **state)
{
    (void)state;
    expect_platform(2200, "a", "instagram", "");
    expect_platform(2201, "a", "instagram", "long");
    expect_platform(1100, "🍵", "instagram", "");
    expect_platform(1101, "🍵", "instagram", "long");
    expect_platform(2200, "ü", "story", "");
    expect_platform(4096, "a", "telegram", "");
    expect_platform(4097, "a", "telegram", "long");
    expect_platform(16384, "🍵", "mail", "");
    expect_platform(31, "#a ", "instagram", "tags");
    expect_platform(30, "#a ", "facebook", "");
    expect_platform(21, "@a ", "instagram", "tags");
    expect_platform(11, "#a ", "story", "tags");
    expect(&(struct try){.text = "hello", .longest = 4}, "long");
    expect(&(struct try){.text = "hello", .shortest = 6}, "short");
    expect(&(struct try){.text = ""}, "short");
    json_t *result = check_with(&(struct try){.text = "a🍵", .platform = "telegram"});
    assert_int_equal(json_integer_value(json_at(result, "characters")), 3);
    json_decref(result);
}

static double confidence_of(const struct try *try)
{
    json_t *result = check_with(try);
    double confidence = json_number_value(json_at(result, "confidence"));

    json_decref(result);
    return confidence;
}

static void test_the_model_is_a_weak_part(void **state)
{
    (void)state;
    assert_true(confidence_of(&(struct try){.text = "Good tea", .model = 1}) == 1);
    assert_true(confidence_of(&(struct try){.text = "Good tea", .model = 0.5}) == 0.95);
    assert_true(confidence_of(&(struct try){.text = "Good tea", .model = 1e-9}) == 0.9);
    assert_true(confidence_of(&(struct try){.text = "Only 5 EUR", .model = 1}) <= CONTENT_HARD_MAX);
    /* Soft findings multiply: percent 0.65, mention 0.8. */
    assert_true(confidence_of(&(struct try){.text = "50 % with @x", .facts = "{}"}) == 0.52);
    json_t *result = check_with(&(struct try){.text = "Only 5 EUR", .pass = 0.1});
    assert_true(json_is_false(json_at(result, "passed")));
    json_decref(result);
}

static const char old_text[] =
    "Our spring tea is here: picked by hand on the south slope, dried slowly in the shade, and packed the same "
    "week. It tastes of hay, chestnut and a little honey. Brew it at eighty degrees for two minutes, and again.";

static void expect_past(const char *text, const char *names)
{
    char sketch[CONTENT_SKETCH_BYTES], found[400];

    content_sketch(slice_of(old_text), sketch);
    json_t *sketches = json_pack("[s, s, i]", "no sketch", sketch, 5);
    struct content_rules rules = {
        .longest = -1, .shortest = -1, .sketches = sketches, .model = -1, .pass = CONTENT_PASS};
    json_t *result = content_check(slice_of(text), &rules);
    names_of(result, found, sizeof(found));
    if (strcmp(found, names) != 0)
        fail_msg("\"%s\": found \"%s\" instead of \"%s\"", text, found, names);
    json_decref(result);
    json_decref(sketches);
}

static void test_the_past(void **state)
{
    (void)state;
    expect_past(old_text, "copy");
    expect_past(
        "OUR SPRING TEA IS HERE picked by hand on the south slope dried slowly in the shade and packed the same "
        "week - it tastes of hay, chestnut and a little honey; brew it at eighty degrees for two minutes!",
        "copy");
    expect_past("New this week: picked by hand on the south slope, dried slowly in the shade, and packed the same "
                "week. It tastes of smoke, leather and tar. Brew it at eighty degrees for two minutes, then drink.",
                "resembles");
    expect_past("Roses for every balcony. Plant them in May, water them twice a week, and cut what has faded.", "");
    assert_true(content_alike(SLICE("x"), SLICE("x")) == 0);
}

/* Whatever bytes come in, the answer is JSON that can be written. */
static void test_any_bytes(void **state)
{
    uint64_t random = 7;
    char text[64];

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        static const char some[] = "019.,%@#+-/:() aEUR$xw\xe2\x82\xac\xc3\xa4\xe2\x80\x8b[]{}'\xf0\x9f\x8d\xb5";
        size_t size = round % sizeof(text);
        for (size_t i = 0; i < size; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[i] = round % 4 == 0 ? (char)(random >> 56) : some[(random >> 33) % (sizeof(some) - 1)];
        }
        struct slice slice = {text, size};
        if (!slice_is_utf8(slice))
            for (size_t i = 0; i < size; i++)
                text[i] = (char)(text[i] & 0x7f);
        json_t *facts = json_pack("{s:o}", "a", json_stringn_nocheck(text, size));
        struct content_rules rules = {.longest = -1, .shortest = -1, .facts = facts, .banned = NULL, .model = -1};
        json_t *result = content_check(slice, &rules);
        struct buffer written = {NULL, 0, 0};
        json_write(&written, result);
        assert_true(written.size > 10);
        buffer_free(&written);
        json_decref(result);
        json_decref(facts);
    }
}

/* The table in the manual is this table. */
static void test_the_manual_has_every_row(void **state)
{
    static char manual[32768];
    FILE *file = fopen(TEST_DATA "/../../docs/content.md", "r");
    char row[400];

    (void)state;
    assert_non_null(file);
    manual[fread(manual, 1, sizeof(manual) - 1, file)] = '\0';
    fclose(file);
    for (int i = 0; i < CONTENT_CHECK_COUNT; i++) {
        snprintf(row, sizeof(row), "| `%s` | %g | %s | %s |", content_checks[i].name, content_checks[i].factor,
                 content_checks[i].is_hard ? "hard" : "soft", content_checks[i].doc);
        if (strstr(manual, row) == NULL)
            fail_msg("docs/content.md lacks the row: %s", row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_texts),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_nothing_is_known_without_facts),
        cmocka_unit_test(test_banned),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_the_model_is_a_weak_part),
        cmocka_unit_test(test_the_past),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_the_manual_has_every_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
