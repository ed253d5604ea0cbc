/* template - text with {{ expressions }} taken apart, and the words of an expression. Knows no Lua. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/slice.h"

enum { TEMPLATE_BYTES_MAX = 64 * 1024, EXPRESSION_BYTES_MAX = 8 * 1024 };

struct expression_problem {
    unsigned line, column; /* 1-based, within the template */
    char text[360];        /* what is wrong and what would be right */
};

void expression_problem_set(struct expression_problem *problem, struct slice text, size_t offset, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));

struct template_part {
    bool is_expression;
    struct slice text; /* the plain text, or what stands between the braces without surrounding blanks */
    size_t offset;     /* of `text` in the template */
};

/* The next part from `*at` on; false at the end of the text or with a problem, which `*bad` tells. Braces inside an
 * expression's own texts and tables do not end it. */
bool template_next(struct slice text, size_t *at, struct template_part *part, bool *bad,
                   struct expression_problem *problem);
/* True when the template is one expression and nothing else, blanks aside; its value then keeps its type. */
bool template_is_single(struct slice text);

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_TEXT, TOKEN_SYMBOL, TOKEN_BAD };

struct token {
    enum token_kind kind;
    struct slice text;
    size_t offset;
    const char *wrong; /* TOKEN_BAD: why */
};

/* The next word of an expression from `*at` on. */
struct token token_next(struct slice text, size_t *at);
