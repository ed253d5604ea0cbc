// SPDX-License-Identifier: MIT
#include "flow/template.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void expression_problem_set(struct expression_problem *problem, struct slice text, size_t offset, const char *format,
                            ...)
{
    va_list args;

    problem->line = problem->column = 1;
    for (size_t i = 0; i < offset && i < text.size; i++) {
        if (text.data[i] == '\n') {
            problem->line++;
            problem->column = 1;
        } else {
            problem->column += ((unsigned char)text.data[i] & 0xc0) != 0x80;
        }
    }
    va_start(args, format);
    vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char char_at(struct slice text, size_t at)
{
    return at < text.size ? text.data[at] : '\0';
}

static struct token token_of(enum token_kind kind, struct slice text, size_t from, size_t to)
{
    return (struct token){kind, {text.data + from, to - from}, from, NULL};
}

static struct token bad_token(struct slice text, size_t from, const char *why)
{
    return (struct token){TOKEN_BAD, {text.data + from, text.size - from}, from, why};
}

static struct token quoted_token(struct slice text, size_t *at)
{
    size_t from = *at;
    char quote = text.data[from];

    for (size_t i = from + 1; i < text.size && text.data[i] != '\n'; i++) {
        if (text.data[i] == '\\') {
            i++;
        } else if (text.data[i] == quote) {
            *at = i + 1;
            return token_of(TOKEN_TEXT, text, from, *at);
        }
    }
    return bad_token(text, from, "a text is not closed; end it with the quote it began with");
}

/* [[ ... ]] and [=[ ... ]=]; `level` is the count of equal signs. */
static struct token bracketed_token(struct slice text, size_t *at, size_t level)
{
    size_t from = *at;

    for (size_t i = from + level + 2; i + level + 1 < text.size; i++) {
        size_t equals = 0;
        if (text.data[i] != ']')
            continue;
        while (char_at(text, i + 1 + equals) == '=')
            equals++;
        if (equals == level && char_at(text, i + 1 + equals) == ']') {
            *at = i + level + 2;
            return token_of(TOKEN_TEXT, text, from, *at);
        }
    }
    return bad_token(text, from, "a text in long brackets is not closed; end it with ]]");
}

static struct token symbol_token(struct slice text, size_t *at)
{
    static const char *const symbols[] = {"...", "..", "==", "<=", ">=", "~=", "//", "::", "<<", ">>"};
    size_t from = *at, level = 0;

    if (text.data[from] == '-' && char_at(text, from + 1) == '-')
        return bad_token(text, from, "comments (--) are not possible here; put them above the line with #");
    if (text.data[from] == '[') {
        while (char_at(text, from + 1 + level) == '=')
            level++;
        if (char_at(text, from + 1 + level) == '[')
            return bracketed_token(text, at, level);
    }
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        size_t size = strlen(symbols[i]);
        if (text.size - from >= size && memcmp(text.data + from, symbols[i], size) == 0) {
            *at += size;
            return token_of(TOKEN_SYMBOL, text, from, *at);
        }
    }
    *at += 1;
    return token_of(TOKEN_SYMBOL, text, from, *at);
}

struct token token_next(struct slice text, size_t *at)
{
    size_t from;

    while (*at < text.size && is_blank(text.data[*at]))
        *at += 1;
    from = *at;
    if (from == text.size)
        return token_of(TOKEN_END, text, from, from);
    if (text.data[from] == '"' || text.data[from] == '\'')
        return quoted_token(text, at);
    if (is_letter(text.data[from])) {
        while (is_letter(char_at(text, *at)) || is_digit(char_at(text, *at)))
            *at += 1;
        return token_of(TOKEN_NAME, text, from, *at);
    }
    if (is_digit(text.data[from])) {
        /* "1..2" is a number and a join of texts in nobody's mind but the lexer's: Lua refuses it, so may we. */
        while (is_letter(char_at(text, *at)) || is_digit(char_at(text, *at)) || char_at(text, *at) == '.')
            *at += 1;
        return token_of(TOKEN_NUMBER, text, from, *at);
    }
    return symbol_token(text, at);
}

static struct slice trimmed(struct slice text, size_t *offset)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
        *offset += 1;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* `*at` is behind "{{"; leaves it behind "}}". */
static bool take_expression(struct slice text, size_t *at, struct template_part *part,
                            struct expression_problem *problem)
{
    size_t open = *at - 2, depth = 0;
    struct token token;

    part->is_expression = true;
    part->offset = *at;
    for (;;) {
        token = token_next(text, at);
        if (token.kind == TOKEN_END || token.kind == TOKEN_BAD)
            break;
        if (token.kind != TOKEN_SYMBOL)
            continue;
        if (token.text.data[0] == '}' && depth == 0)
            break;
        depth += token.text.data[0] == '{';
        depth -= token.text.data[0] == '}';
    }
    if (token.kind == TOKEN_BAD) {
        expression_problem_set(problem, text, token.offset, "%s", token.wrong);
        return false;
    }
    if (token.kind == TOKEN_END || char_at(text, *at) != '}') {
        expression_problem_set(problem, text, open, "the expression is not closed; end it with }}");
        return false;
    }
    *at += 1;
    part->text = trimmed((struct slice){text.data + part->offset, token.offset - part->offset}, &part->offset);
    if (part->text.size == 0 || part->text.size > EXPRESSION_BYTES_MAX) {
        if (part->text.size == 0)
            expression_problem_set(problem, text, open, "the expression is empty; write a value between {{ and }}");
        else
            expression_problem_set(problem, text, open, "the expression is longer than %d bytes; split it over steps",
                                   EXPRESSION_BYTES_MAX);
        return false;
    }
    return true;
}

bool template_next(struct slice text, size_t *at, struct template_part *part, bool *bad,
                   struct expression_problem *problem)
{
    size_t from = *at;

    *bad = false;
    if (from >= text.size)
        return false;
    if (char_at(text, from) == '{' && char_at(text, from + 1) == '{') {
        *at += 2;
        *bad = !take_expression(text, at, part, problem);
        return !*bad;
    }
    while (*at < text.size && !(text.data[*at] == '{' && char_at(text, *at + 1) == '{'))
        *at += 1;
    *part = (struct template_part){false, {text.data + from, *at - from}, from};
    return true;
}

bool template_is_single(struct slice text)
{
    struct expression_problem problem;
    struct template_part part;
    size_t at = 0, skipped = 0;
    bool bad;

    text = trimmed(text, &skipped);
    return template_next(text, &at, &part, &bad, &problem) && part.is_expression && at == text.size;
}
