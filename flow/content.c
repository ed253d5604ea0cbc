// SPDX-License-Identifier: MIT
#include "flow/content.h"
#include "flow/content_claims.h"
#include "flow/content_text.h"
#include "flow/platform.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINDING_TEXT_MAX = 80, CAPITALS_LETTERS_MIN = 20, REPEATS_RUNS_MIN = 10, SPELLED_LETTERS_MIN = 3 };

const struct content_check_info content_checks[CONTENT_CHECK_COUNT] = {
#define CONTENT_ROW(ID, name, factor, is_hard, doc) {#name, doc, factor, is_hard},
    CONTENT_CHECKS(CONTENT_ROW)
#undef CONTENT_ROW
};

static const struct platform no_platform = {.name = "", .characters = INT32_MAX};

struct review {
    struct slice text;
    const struct content_rules *rules;
    const struct platform *platform;
    json_t *findings;
    double confidence;
    bool is_found[CONTENT_CHECK_COUNT], is_hard;
    struct buffer words; /* the folded text */
};

/* Notes what a check found; its factor counts once, or as given when the check grades. */
static void found_graded(struct review *review, enum content_check_id check, struct slice text, double factor)
{
    const struct content_check_info *info = &content_checks[check];

    if (!review->is_found[check])
        review->confidence *= factor;
    review->is_found[check] = true;
    review->is_hard = review->is_hard || info->is_hard;
    if (json_array_size(review->findings) >= CONTENT_FINDINGS_MAX)
        return;
    text.size = text.size > FINDING_TEXT_MAX ? FINDING_TEXT_MAX : text.size;
    while (text.size > 0 && !slice_is_utf8(text))
        text.size--;
    json_array_append_new(review->findings,
                          json_pack("{s:s, s:s%, s:b}", "check", info->name, "text", text.size > 0 ? text.data : "",
                                    text.size, "hard", info->is_hard));
}

static void found(struct review *review, enum content_check_id check, struct slice text)
{
    found_graded(review, check, text, content_checks[check].factor);
}

/* ---- length and tags ---- */

static int64_t characters_of(const struct review *review)
{
    int64_t count = 0;

    for (size_t at = 0; at < review->text.size;)
        count += content_point(review->text, &at) >= 0x10000 && review->platform->counts_units ? 2 : 1;
    return count;
}

static void check_length(struct review *review, int64_t characters)
{
    int64_t longest = review->rules->longest, shortest = review->rules->shortest < 0 ? 1 : review->rules->shortest;
    int64_t most = (int64_t)review->platform->characters;

    most = longest >= 0 && longest < most ? longest : most;

    if (characters > most)
        found(review, CONTENT_LONG, review->text);
    if (characters < shortest)
        found(review, CONTENT_SHORT, review->text);
}

static size_t tags_count(struct slice text, char sign)
{
    size_t count = 0;
    bool begins = true;

    for (size_t i = 0; i + 1 < text.size; i++) {
        char byte = text.data[i], next = text.data[i + 1];
        bool is_word = (next >= '0' && next <= '9') || ((next | 32) >= 'a' && (next | 32) <= 'z') || next == '_' ||
                       (unsigned char)next >= 0x80;
        count += byte == sign && begins && is_word;
        begins = !((byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z') || byte == '_');
    }
    return count;
}

static void check_tags(struct review *review)
{
    const struct platform *platform = review->platform;

    if ((platform->hashtags > 0 && tags_count(review->text, '#') > platform->hashtags) ||
        (platform->mentions > 0 && tags_count(review->text, '@') > platform->mentions))
        found(review, CONTENT_TAGS, SLICE("#, @"));
}

/* ---- characters ---- */

static bool is_emoji(uint32_t point)
{
    return content_point_kind(point) == POINT_EMOJI || content_point_kind(point) == POINT_SELECTOR;
}

static bool is_arabic(uint32_t point)
{
    return point >= 0x620 && point <= 0x6ff;
}

/* The joiner holds emoji together, the non-joiner is spelling in Persian; both hide words elsewhere. */
static bool is_joined(uint32_t before, uint32_t point, uint32_t after)
{
    return (point == 0x200d && is_emoji(before) && is_emoji(after)) ||
           (point == 0x200c && is_arabic(before) && is_arabic(after));
}

static void check_hidden(struct review *review)
{
    uint32_t before = 0;
    unsigned marks = 0;

    for (size_t at = 0; at < review->text.size;) {
        size_t ahead;
        uint32_t point = content_point(review->text, &at);
        enum point_kind kind = content_point_kind(point);
        ahead = at;
        uint32_t after = at < review->text.size ? content_point(review->text, &ahead) : 0;
        marks = kind == POINT_MARK ? marks + 1 : 0;
        if ((kind == POINT_HIDDEN && !is_joined(before, point, after)) || (point == '\r' && after != '\n') ||
            marks > 2) {
            char name[16];
            snprintf(name, sizeof(name), "U+%04X", point);
            found(review, CONTENT_HIDDEN, slice_of(name));
            return;
        }
        before = point;
    }
}

static void check_capitals(struct review *review)
{
    unsigned capitals = 0, letters = 0;

    for (size_t i = 0; i < review->text.size; i++) {
        char byte = review->text.data[i];
        capitals += byte >= 'A' && byte <= 'Z';
        letters += (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
    }
    if (letters >= CAPITALS_LETTERS_MIN && capitals * 2 > letters)
        found(review, CONTENT_CAPITALS, review->text);
}

/* ---- words ---- */

static bool holds(const struct buffer *text, struct slice part)
{
    return part.size > 0 && text->size >= part.size && memmem(text->data, text->size, part.data, part.size) != NULL;
}

/* Words of single letters in a row ("f r e e", "f.r.e.e") as one word each, in `spelled`; words of letters and digits
 * as the letters the digits stand for ("fr33"), in `dressed`. */
static void other_spellings(struct slice words, struct buffer *spelled, struct buffer *dressed)
{
    static const char digits[] = "0134578", stands_for[] = "oieastb";
    size_t run = 0;

    for (size_t at = 1, end; at < words.size; at = end + 1) {
        bool has_digit = false, has_letter = false;
        for (end = at; end < words.size && words.data[end] != ' '; end++) {
            has_digit = has_digit || strchr(digits, words.data[end]) != NULL;
            has_letter = has_letter || (words.data[end] >= 'a' && words.data[end] <= 'z');
        }
        run = end - at == 1 ? run + 1 : 0;
        buffer_text(spelled, run > 0 ? "" : " ");
        if (run > 0)
            buffer_append(spelled, words.data + at, 1);
        if (!has_digit || !has_letter)
            continue;
        buffer_text(dressed, " ");
        for (size_t i = at; i < end; i++) {
            const char *digit = strchr(digits, words.data[i]);
            buffer_append(dressed, digit != NULL ? &stands_for[digit - digits] : &words.data[i], 1);
        }
        buffer_text(dressed, " ");
    }
}

static bool has_phrase(const struct review *review, const struct buffer *spelled, const struct buffer *dressed,
                       struct slice phrase)
{
    struct buffer folded = {NULL, 0, 0}, joined = {NULL, 0, 0};

    content_fold(phrase, &folded);
    for (size_t i = 0; i < folded.size; i++)
        if (folded.data[i] != ' ')
            buffer_append(&joined, folded.data + i, 1);
    bool is_there =
        joined.size > 0 && (holds(&review->words, buffer_slice(&folded)) || holds(dressed, buffer_slice(&folded)) ||
                            (joined.size >= SPELLED_LETTERS_MIN && holds(spelled, buffer_slice(&joined))));
    buffer_free(&folded);
    buffer_free(&joined);
    return is_there;
}

static void check_banned(struct review *review)
{
    struct buffer spelled = {NULL, 0, 0}, dressed = {NULL, 0, 0};

    other_spellings(buffer_slice(&review->words), &spelled, &dressed);
    for (size_t i = 0; i < json_array_size(review->rules->banned); i++) {
        const json_t *entry = json_array_get(review->rules->banned, i);
        struct slice phrase = {json_string_value(entry), json_string_length(entry)};
        if (phrase.size > 0 && has_phrase(review, &spelled, &dressed, phrase))
            found(review, CONTENT_BANNED, phrase);
    }
    buffer_free(&spelled);
    buffer_free(&dressed);
}

/* "[name]", "[your shop]": letters alone in square brackets. */
static size_t bracket_at(struct slice text, size_t at)
{
    size_t end = at + 1;

    while (end < text.size && end - at < 40 &&
           (((text.data[end] | 32) >= 'a' && (text.data[end] | 32) <= 'z') || strchr(" _-'", text.data[end]) != NULL) &&
           text.data[end] != '\0')
        end++;
    return text.data[at] == '[' && end > at + 1 && end < text.size && text.data[end] == ']' ? end + 1 - at : 0;
}

static void check_placeholders(struct review *review)
{
    static const char *const marks[] = {"{{", "}}", "${", "{%", "%s", "<%", "[...]", "[…]"};
    static const char *const phrases[] = {" lorem ipsum ", " placeholder ", " your text here ",
                                          " insert text ", " insert link ", " as an ai language model ",
                                          " undefined "};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (review->text.size > 0 && memmem(review->text.data, review->text.size, marks[i], strlen(marks[i])) != NULL)
            found(review, CONTENT_PLACEHOLDER, slice_of(marks[i]));
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (holds(&review->words, slice_of(phrases[i])))
            found(review, CONTENT_PLACEHOLDER, slice_of(phrases[i]));
    for (size_t at = 0; at < review->text.size; at++) {
        size_t size = bracket_at(review->text, at);
        if (size > 0)
            found(review, CONTENT_PLACEHOLDER, (struct slice){review->text.data + at, size});
    }
}

/* ---- repetition ---- */

static int compare_hashes(const void *one, const void *two)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)two;

    return a < b ? -1 : a > b;
}

/* The share of runs of three words that stood there before, in percent; and whether one word stands thrice in a row. */
static unsigned repeated_share(struct slice words, bool *stutters)
{
    uint64_t last[3] = {0, 0, 0}, *runs = xcalloc(words.size / 2 + 1, sizeof(runs[0]));
    size_t count = 0, seen = 0, repeated = 0;

    *stutters = false;
    for (size_t at = 1, end; at < words.size; at = end + 1) {
        uint64_t hash = 14695981039346656037u;
        for (end = at; end < words.size && words.data[end] != ' '; end++)
            hash = (hash ^ (unsigned char)words.data[end]) * 1099511628211u;
        last[0] = last[1];
        last[1] = last[2];
        last[2] = hash;
        seen++;
        *stutters = *stutters || (seen >= 3 && last[0] == hash && last[1] == hash);
        if (seen >= 3)
            runs[count++] = last[0] * 31 + last[1] * 17 + last[2];
    }
    qsort(runs, count, sizeof(runs[0]), compare_hashes);
    for (size_t i = 1; i < count; i++)
        repeated += runs[i] == runs[i - 1];
    free(runs);
    return count < REPEATS_RUNS_MIN ? 0 : (unsigned)(repeated * 100 / count);
}

static void check_repeats(struct review *review)
{
    bool stutters;
    unsigned share = repeated_share(buffer_slice(&review->words), &stutters), row = 1;

    for (size_t i = 1; i < review->text.size; i++) {
        row = review->text.data[i] == review->text.data[i - 1] && (unsigned char)review->text.data[i] < 0x80 ? row + 1
                                                                                                             : 1;
        stutters = stutters || (row >= 6 && strchr("-_=*. \n0", review->text.data[i]) == NULL);
    }
    if (share > 30 || stutters)
        found(review, CONTENT_REPEATS, review->text);
}

/* ---- facts and the past ---- */

static void check_claims(struct review *review)
{
    static const enum content_check_id checks[] = {
        [CLAIM_LINK] = CONTENT_LINK,   [CLAIM_ADDRESS] = CONTENT_ADDRESS, [CLAIM_MENTION] = CONTENT_MENTION,
        [CLAIM_PHONE] = CONTENT_PHONE, [CLAIM_PRICE] = CONTENT_PRICE,     [CLAIM_PERCENT] = CONTENT_PERCENT,
    };
    struct claims facts = {NULL, 0}, claims = {NULL, 0};

    claims_read_facts(&facts, review->rules->facts);
    claims_read(&claims, review->text);
    for (size_t i = 0; i < claims.count; i++)
        if (!claims_know(&facts, &claims.items[i]))
            found(review, checks[claims.items[i].kind], slice_of(claims.items[i].text));
    claims_free(&facts);
    claims_free(&claims);
}

static void check_past(struct review *review)
{
    char sketch[CONTENT_SKETCH_BYTES], text[40];
    double most = 0;

    if (json_array_size(review->rules->sketches) == 0)
        return;
    content_sketch(review->text, sketch);
    for (size_t i = 0; i < json_array_size(review->rules->sketches); i++) {
        const json_t *old = json_array_get(review->rules->sketches, i);
        double alike = content_alike(slice_of(sketch), (struct slice){json_string_value(old), json_string_length(old)});
        most = alike > most ? alike : most;
    }
    snprintf(text, sizeof(text), "%d %%", (int)(most * 100 + 0.5));
    if (most >= CONTENT_COPY_FROM)
        found(review, CONTENT_COPY, slice_of(text));
    else if (most >= CONTENT_RESEMBLES_FROM)
        found_graded(review, CONTENT_RESEMBLES, slice_of(text),
                     1 - (1 - content_checks[CONTENT_RESEMBLES].factor) * (most - CONTENT_RESEMBLES_FROM) /
                             (CONTENT_COPY_FROM - CONTENT_RESEMBLES_FROM));
}

/* ---- the whole ---- */

json_t *content_check(struct slice text, const struct content_rules *rules)
{
    const struct platform *platform = platform_find(rules->platform);
    struct review review = {.text = text,
                            .rules = rules,
                            .platform = platform != NULL ? platform : &no_platform,
                            .findings = json_array(),
                            .confidence = 1};
    int64_t characters = characters_of(&review);

    content_fold(text, &review.words);
    check_length(&review, characters);
    check_tags(&review);
    check_hidden(&review);
    check_banned(&review);
    check_placeholders(&review);
    check_claims(&review);
    check_past(&review);
    check_repeats(&review);
    check_capitals(&review);
    if (rules->model >= 0)
        review.confidence *= 0.9 + 0.1 * (rules->model > 1 ? 1 : rules->model);
    if (review.is_hard && review.confidence > CONTENT_HARD_MAX)
        review.confidence = CONTENT_HARD_MAX;
    buffer_free(&review.words);
    /* Thousandths: what people see and what is compared are the same number. */
    double confidence = (double)(int64_t)(review.confidence * 1000 + 0.5) / 1000;
    return json_pack("{s:f, s:b, s:I, s:o}", "confidence", confidence, "passed",
                     !review.is_hard && confidence >= rules->pass, "characters", (json_int_t)characters, "findings",
                     review.findings);
}
