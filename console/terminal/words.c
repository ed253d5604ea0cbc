// SPDX-License-Identifier: MIT
#include "console/terminal/words.h"
#include <stdio.h>
#include <stdlib.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Copies one word to *out and passes over it. False when a quote stays open. */
static bool take_word(const char **at, const char *end, char **out)
{
    char quote = '\0';

    for (; *at < end && (quote != '\0' || !is_blank(**at)); (*at)++) {
        char c = **at;
        if (quote == '\0' && (c == '\'' || c == '"'))
            quote = c;
        else if (c == quote)
            quote = '\0';
        else if (c == '\\' && quote != '\'' && *at + 1 < end)
            *(*out)++ = *++*at;
        else
            *(*out)++ = c;
    }
    *(*out)++ = '\0';
    return quote == '\0';
}

bool words_split(struct slice line, struct words *words, char *problem, size_t size)
{
    const char *at = line.data, *end = line.data + line.size;

    *words = (struct words){.text = xcalloc(2 * line.size + 2, 1)};
    char *out = words->text;
    for (;;) {
        while (at < end && is_blank(*at))
            at++;
        if (at == end)
            return true;
        if (words->count == WORDS_MAX) {
            snprintf(problem, size, "more than %d words", WORDS_MAX);
            return false;
        }
        words->at[words->count++] = out;
        if (!take_word(&at, end, &out)) {
            snprintf(problem, size, "a quote is not closed");
            return false;
        }
    }
}

bool words_borrow(int argc, char **argv, struct words *words, char *problem, size_t size)
{
    *words = (struct words){.count = 0};
    if (argc > WORDS_MAX) {
        snprintf(problem, size, "more than %d words", WORDS_MAX);
        return false;
    }
    for (int i = 1; i < argc; i++)
        words->at[words->count++] = argv[i];
    return true;
}

void words_free(struct words *words)
{
    free(words->text);
    *words = (struct words){.count = 0};
}
