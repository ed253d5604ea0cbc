/* content - how far a text that is to go out can be trusted: checks that need no model, pure and the same every time.
 *
 * The confidence begins at 1 and is multiplied by the factor of every check that finds something (once a check, however
 * often it finds), and by 0.9 + 0.1 x the model's own score when there is one. A check that resembles grades its
 * factor. After a hard finding the confidence is at most CONTENT_HARD_MAX and the text never passes, whatever the
 * threshold. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"

/* CHECK(ID, name, factor, is_hard, doc); docs/content.md prints the same rows. */
#define CONTENT_CHECKS(CHECK)                                                                                          \
    CHECK(SHORT, short, 0.5, true, "fewer characters than `shortest`")                                                 \
    CHECK(LONG, long, 0.5, true, "more characters than `longest`, or than the platform takes")                         \
    CHECK(TAGS, tags, 0.5, true, "more hashtags or mentions than the platform takes")                                  \
    CHECK(HIDDEN, hidden, 0.3, true, "control, zero-width or direction characters, or piles of accents")               \
    CHECK(BANNED, banned, 0.3, true, "a word or phrase of `banned`, however it is spelled")                            \
    CHECK(PLACEHOLDER, placeholder, 0.4, true, "what a template or a model left over")                                 \
    CHECK(LINK, link, 0.4, true, "a link that is not in `facts`")                                                      \
    CHECK(ADDRESS, address, 0.4, true, "an e-mail address that is not in `facts`")                                     \
    CHECK(PHONE, phone, 0.4, true, "a telephone-like number that is not in `facts`")                                   \
    CHECK(PRICE, price, 0.4, true, "a price that is not in `facts`")                                                   \
    CHECK(PERCENT, percent, 0.65, false, "a percentage that is not in `facts`")                                        \
    CHECK(MENTION, mention, 0.8, false, "somebody mentioned by @name who is not in `facts`")                           \
    CHECK(COPY, copy, 0.4, true, "a recent text of the same name is the same by 60 % or more")                         \
    CHECK(RESEMBLES, resembles, 0.7, false, "a recent text is the same by 35 % (factor 1) to 60 % (factor 0.7)")       \
    CHECK(REPEATS, repeats, 0.8, false, "the text repeats itself")                                                     \
    CHECK(CAPITALS, capitals, 0.85, false, "more than half of 20 or more letters are capitals")

enum content_check_id {
#define CONTENT_ID(ID, name, factor, is_hard, doc) CONTENT_##ID,
    CONTENT_CHECKS(CONTENT_ID)
#undef CONTENT_ID
        CONTENT_CHECK_COUNT
};

struct content_check_info {
    const char *name, *doc;
    double factor;
    bool is_hard;
};
extern const struct content_check_info content_checks[CONTENT_CHECK_COUNT];

#define CONTENT_HARD_MAX 0.5
#define CONTENT_PASS 0.7
#define CONTENT_COPY_FROM 0.6
#define CONTENT_RESEMBLES_FROM 0.35
enum {
    CONTENT_FINDINGS_MAX = 32,
    CONTENT_SKETCH_HASHES = 64,
    CONTENT_SKETCH_BYTES = CONTENT_SKETCH_HASHES * 4 + 1, /* hex and its NUL */
    CONTENT_SKETCHES_MAX = 50,                            /* of one name */
};

/* Everything is borrowed. */
struct content_rules {
    struct slice platform;     /* instagram, facebook, story, mail, telegram; empty: none */
    int64_t longest, shortest; /* characters; negative: the platform's, and 1 */
    const json_t *facts;       /* any JSON; NULL: the text may claim nothing */
    const json_t *banned;      /* list of texts, or NULL */
    const json_t *sketches;    /* list of sketches of recent texts, or NULL */
    double model;              /* the model's own score, 0 to 1; negative: none */
    double pass;               /* from here on it passes */
};

/* {confidence, passed, characters, findings: [{check, text, hard}]}; at most CONTENT_FINDINGS_MAX findings.
 * `characters` counts as the platform does: UTF-16 code units, but for mail and without a platform code points. Owned
 * by the caller. */
json_t *content_check(struct slice text, const struct content_rules *rules);

/* A sketch: 64 hashes of 16 bits, of the smallest kind over all runs of three words, so that the share of equal hashes
 * is near the share of runs that two texts have in common. As hex. */
void content_sketch(struct slice text, char sketch[CONTENT_SKETCH_BYTES]);
/* 0 to 1; 0 when one of them is no sketch. */
double content_alike(struct slice one, struct slice two);
